//! Views of images and of the streams that name them.
//!
//! Sources: facts/oc.md section 7.2. An image's bytes are blobs; these objects say which.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::api::build::ObjectRef;
use crate::api::core::typed;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::base::clock::Timestamp;

/// The namespace whose image streams every project sees: the built-in builders.
pub const SHARED_NAMESPACE: &str = "openshift";

/// The host in image references of the built-in registry, as in OpenShift. A node resolves it to the API server.
pub const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";

/// A name for images, tag by tag: `{spec: {tags}, status: {tags: [{tag, items: [newest, …]}]}}`.
///
/// Written by: whoever made it (spec), the registry when a manifest is pushed under a tag (status).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageStream {
    pub metadata: Metadata,
    pub spec: ImageStreamSpec,
    pub status: ImageStreamStatus,
}
typed!(ImageStream, kinds::IMAGE_STREAM);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageStreamSpec {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagReference>,
}

/// What a tag is meant to be: `{name, from: {kind: DockerImage | ImageStreamTag | ImageStreamImage, name}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TagReference {
    pub name: String,
    /// `tags: builder,python`, `supports`, `openshift.io/display-name` …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ObjectRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageStreamStatus {
    /// `REGISTRY/NAMESPACE/NAME`.
    pub docker_image_repository: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagHistory>,
}

/// What a tag was, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TagHistory {
    pub tag: String,
    pub items: Vec<TagItem>,
    /// What we do not interpret, kept when the status is written.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TagItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `REGISTRY/NAMESPACE/NAME@sha256:…`.
    pub docker_image_reference: String,
    /// `sha256:…`: the name of the Image, the digest of its manifest.
    pub image: String,
    pub generation: u64,
    /// What we do not interpret, kept when the status is written.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl ImageStream {
    /// What a tag is now.
    pub fn latest(&self, tag: &str) -> Option<&TagItem> {
        self.status
            .tags
            .iter()
            .find(|one| one.tag == tag)?
            .items
            .first()
    }
}

/// One image, named by the digest of its manifest: cluster-scoped, immutable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    pub metadata: Metadata,
    /// `REGISTRY/NAMESPACE/NAME@sha256:…`, where it was pushed first.
    pub docker_image_reference: String,
    /// The image's configuration, its names with a capital as Docker wrote them: `{Config: {Env, Cmd, Labels, …}, Created, Size}`.
    pub docker_image_metadata: Value,
    pub docker_image_manifest_media_type: String,
    pub docker_image_layers: Vec<ImageLayer>,
    /// The digest of the configuration blob.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docker_image_config_digest: String,
}
typed!(Image, kinds::IMAGE);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageLayer {
    /// The digest of the compressed layer.
    pub name: String,
    pub size: u64,
    pub media_type: String,
}

/// `NAME:TAG` taken apart; the tag is `latest` when there is none.
pub fn split_tag(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or((name, "latest"))
}

/// The digest in `REGISTRY/NAMESPACE/NAME@sha256:…`; none when the reference has only a tag.
pub fn digest(reference: &str) -> Option<&str> {
    Some(reference.rsplit_once('@')?.1)
}
