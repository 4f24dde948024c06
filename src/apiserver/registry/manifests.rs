//! What a manifest says: which blobs an image is made of, in the forms of OCI and of Docker's schema 2. Pure.

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::content::blobs::Digest;

/// The longest manifest or configuration that is taken, as in other registries.
pub(super) const LIMIT: usize = 4 << 20;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// One blob (or manifest) that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// Where a layer is that no registry keeps.
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    pub(super) platform: Value,
}

impl Descriptor {
    /// Whether the blob may be missing: it is kept elsewhere.
    pub(super) fn is_foreign(&self) -> bool {
        !self.urls.is_empty()
            && (self.media_type.contains(".foreign.")
                || self.media_type.contains("nondistributable"))
    }
}

/// An image, or a list of images for several platforms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    /// None for a list.
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Vec<Descriptor>,
    /// The manifests of a list.
    pub(super) images: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// Reads a manifest that came under that media type ("" for none).
pub(super) fn parse(media_type: &str, bytes: &[u8]) -> Result<Manifest, String> {
    let written: Written = serde_json::from_slice(bytes)
        .map_err(|error| format!("the manifest cannot be read: {error}"))?;
    if written.schema_version != 2 {
        return Err(format!(
            "manifests of schema version {} are not taken: push one of OCI or of Docker's schema 2",
            written.schema_version
        ));
    }
    let named = [media_type, written.media_type.as_str()];
    if named.iter().all(|name| !name.is_empty()) && named[0] != named[1] {
        return Err(format!(
            "the manifest says that it is {:?}, the request that it is {media_type:?}",
            written.media_type
        ));
    }
    let guessed = if written.config.is_some() {
        OCI_MANIFEST
    } else {
        OCI_INDEX
    };
    let media_type = named
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or(guessed);
    let is_list = match media_type {
        OCI_MANIFEST | DOCKER_MANIFEST => false,
        OCI_INDEX | DOCKER_LIST => true,
        other => return Err(format!("manifests of the type {other:?} are not taken")),
    };
    if is_list == written.config.is_some() {
        return Err(format!(
            "the manifest is not what its type {media_type:?} says"
        ));
    }
    Ok(Manifest {
        media_type: media_type.to_owned(),
        config: written.config,
        layers: written.layers,
        images: written.manifests,
    })
}

/// The `dockerImageMetadata` of an image: its configuration under the names that Docker once gave them.
pub(super) fn metadata(config: &Digest, configuration: &Value, size: u64) -> Value {
    let mut metadata = json!({
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": config.as_str(),
        "Size": size,
    });
    for (from, to) in [
        ("created", "Created"),
        ("author", "Author"),
        ("architecture", "Architecture"),
        ("os", "Os"),
        ("docker_version", "DockerVersion"),
        ("config", "Config"),
    ] {
        if !configuration[from].is_null() {
            metadata[to] = configuration[from].clone();
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(media_type: &str) -> Value {
        let digest = Digest::of(b"x");
        json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {"mediaType": "c", "digest": digest.as_str(), "size": 1},
            "layers": [{"mediaType": "l", "digest": digest.as_str(), "size": 1}],
        })
    }

    fn check(media_type: &str, written: &Value) -> Result<(String, usize), String> {
        parse(media_type, written.to_string().as_bytes())
            .map(|found| (found.media_type, found.layers.len() + found.images.len()))
    }

    #[test]
    fn both_forms_are_read() {
        for media_type in [OCI_MANIFEST, DOCKER_MANIFEST] {
            let expect = Ok((media_type.to_owned(), 1));
            assert_eq!(check(media_type, &written(media_type)), expect);
            assert_eq!(check(media_type, &written("")), expect);
            assert_eq!(check("", &written(media_type)), expect);
        }
        assert_eq!(check("", &written("")), Ok((OCI_MANIFEST.to_owned(), 1)));
        let entry = json!({"digest": Digest::of(b"x").as_str(), "size": 1});
        let list = json!({"schemaVersion": 2, "manifests": [entry]});
        assert_eq!(check(DOCKER_LIST, &list), Ok((DOCKER_LIST.to_owned(), 1)));
        assert_eq!(check("", &list), Ok((OCI_INDEX.to_owned(), 1)));
    }

    #[test]
    fn others_are_refused() {
        for (media_type, written, expect) in [
            (OCI_MANIFEST, written(DOCKER_MANIFEST), "the manifest says"),
            (OCI_INDEX, written(""), "is not what its type"),
            ("text/plain", written(""), "of the type \"text/plain\""),
            ("", json!({"schemaVersion": 1}), "schema version 1"),
            ("", json!([]), "cannot be read"),
            (
                "",
                json!({"schemaVersion": 2, "config": {"digest": "x", "size": 1}}),
                "cannot be read",
            ),
        ] {
            let refusal = check(media_type, &written).unwrap_err();
            assert!(refusal.contains(expect), "{refusal}");
        }
    }
}
