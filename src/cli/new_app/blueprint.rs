//! What is to be made, settled: every name, image and source is known, nothing is sent yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::api::image::Image;
use crate::base::clock::Timestamp;

/// One `new-app` or `new-build`.
#[derive(Clone, Debug, Default)]
pub struct Blueprint {
    /// The application: its labels carry this name.
    pub app: String,
    pub namespace: String,
    pub target: Target,
    /// `-l`.
    pub labels: BTreeMap<String, String>,
    /// `-e`, in the order typed; of two the first counts.
    pub env: Vec<(String, String)>,
    /// Each is one pod: one deployment, one service.
    pub groups: Vec<Group>,
    /// Whether services get a route.
    pub route: bool,
}

/// What runs the images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    #[default]
    DeploymentConfig,
    Deployment,
    /// Nothing: `new-build`.
    Build,
}

impl Target {
    /// The annotation that says which command made an object.
    pub fn made_by(self) -> &'static str {
        match self {
            Target::Build => "OpenShiftNewBuild",
            _ => "OpenShiftNewApp",
        }
    }
}

/// Images in one pod, under the name of the first.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub name: String,
    pub members: Vec<Component>,
}

/// One image, or what is built with it.
#[derive(Clone, Debug, Default)]
pub struct Component {
    /// Of its container, and of its build.
    pub name: String,
    /// The image as it was typed.
    pub asked: String,
    pub image: Input,
    pub build: Option<Build>,
}

impl Component {
    /// The image stream tag that runs: the build's, or the image's own.
    pub fn runs(&self) -> Tag {
        match &self.build {
            Some(build) => build.output.clone(),
            None => self.image.tag.clone(),
        }
    }
}

/// An image stream tag; without a namespace it is the project's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    pub namespace: String,
    pub stream: String,
    pub tag: String,
}

impl Tag {
    /// `NAME:TAG`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.stream, self.tag)
    }
}

/// An image that goes in.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub tag: Tag,
    /// The reference of an image that nobody knows yet (`--allow-missing-images`); its stream is made.
    pub missing: Option<String>,
    pub details: Details,
}

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// `sha256:…`.
    pub id: String,
    /// `REGISTRY/NAMESPACE/NAME@sha256:…`.
    pub reference: String,
    pub created: Option<Timestamp>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<Port>,
    pub volumes: Vec<String>,
    pub user: Option<String>,
    pub is_builder: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    pub number: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl Port {
    /// `8080/tcp`; ports are listed in the order of this text.
    pub fn name(&self) -> String {
        format!("{}/{}", self.number, self.protocol)
    }
}

/// A build from source.
#[derive(Clone, Debug, Default)]
pub struct Build {
    pub source: Source,
    pub context_dir: String,
    pub secret: String,
    pub env: Vec<(String, String)>,
    pub output: Tag,
    /// The language that the source was found to be in, when the builder was chosen by it.
    pub detected: Option<&'static str>,
    /// Of the GitHub and the generic webhook.
    pub webhooks: [String; 2],
}

/// Where a build's source is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// It comes with each request for a build.
    #[default]
    Binary,
    /// A directory here, packed as it is for the first build.
    Directory(PathBuf),
    /// A repository here, whose commit is packed for each build.
    LocalGit {
        uri: String,
        reference: String,
        path: PathBuf,
    },
    /// A repository that the build fetches.
    Git { uri: String, reference: String },
}

impl Details {
    /// Reads what an image says.
    pub fn of(image: &Image, id: &str) -> Details {
        let metadata = &image.docker_image_metadata;
        let config = [
            &metadata["Config"],
            &metadata["config"],
            &metadata["ContainerConfig"],
        ]
        .into_iter()
        .find(|config| config.is_object())
        .unwrap_or(&Value::Null);
        let labels: BTreeMap<String, String> = config["Labels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let keys = |field: &str| -> Vec<&String> {
            config[field]
                .as_object()
                .map(|fields| fields.keys().collect())
                .unwrap_or_default()
        };
        let mut ports: Vec<Port> = keys("ExposedPorts")
            .into_iter()
            .filter_map(|text| port(text))
            .collect();
        if ports.is_empty() {
            // `8080:http,8443:https`
            let services = labels.get("io.openshift.expose-services");
            let numbers = services.into_iter().flat_map(|text| text.split(','));
            ports.extend(numbers.filter_map(|one| port(one.split(':').next()?)));
        }
        ports.sort_by_key(Port::name);
        ports.dedup();
        let env = config["Env"].as_array().into_iter().flatten();
        let has_scripts = env
            .filter_map(Value::as_str)
            .any(|variable| variable.starts_with("STI_"));
        // What was built carries its builder's labels on.
        let is_built = labels
            .keys()
            .any(|name| name.starts_with("io.openshift.s2i.build."));
        let is_labelled = labels.contains_key("io.openshift.s2i.scripts-url") && !is_built;
        Details {
            id: id.to_owned(),
            reference: String::new(),
            created: None,
            is_builder: is_labelled || (has_scripts && !is_built),
            labels,
            ports,
            volumes: keys("Volumes").into_iter().cloned().collect(),
            user: config["User"].as_str().map(str::to_owned),
        }
    }

    /// A label, "" when it is not there.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// `8080/tcp`, or a number alone.
fn port(text: &str) -> Option<Port> {
    let (number, protocol) = text.trim().split_once('/').unwrap_or((text.trim(), "tcp"));
    matches!(protocol, "tcp" | "udp").then_some(Port {
        number: number.parse().ok()?,
        protocol: protocol.to_owned(),
    })
}

/// Variables by name; of two of one name the first counts (facts/oc.md 3.6).
pub fn variables(env: &[(String, String)]) -> BTreeMap<&str, &str> {
    let mut kept = BTreeMap::new();
    for (name, value) in env {
        kept.entry(name.as_str()).or_insert(value.as_str());
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_tells_its_ports_and_whether_it_builds() {
        let image = |config: Value| Image {
            docker_image_metadata: json!({ "Config": config }),
            ..Image::default()
        };
        let details = Details::of(
            &image(json!({
                "ExposedPorts": {"8443/tcp": {}, "8080/tcp": {}, "53/udp": {}, "9/sctp": {}},
                "Labels": {"io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i"},
            })),
            "sha256:1",
        );
        let names: Vec<String> = details.ports.iter().map(Port::name).collect();
        assert_eq!(names, ["53/udp", "8080/tcp", "8443/tcp"]);
        assert!(details.is_builder);
        let built = json!({"Labels": {
            "io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i",
            "io.openshift.s2i.build.image": "python",
        }});
        assert!(!Details::of(&image(built), "").is_builder);
        let labelled = Details::of(
            &image(json!({"Labels": {"io.openshift.expose-services": "8080:http"}})),
            "",
        );
        assert_eq!(labelled.ports.len(), 1);
        assert!(!labelled.is_builder);
    }
}
