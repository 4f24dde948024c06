//! How `status` names objects: `svc/x`, with `[NAMESPACE]` where that is not the one it is about.

use crate::api::image::split_tag;
use crate::api::meta::Metadata;
use crate::cli::status::graph::Image;

/// Names seen from one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The namespace that goes without saying; "" when all are shown.
    pub here: &'a str,
}

impl Names<'_> {
    /// `KIND/NAME`.
    pub fn of(self, kind: &str, metadata: &Metadata) -> String {
        self.named(kind, &metadata.namespace, &metadata.name)
    }

    /// The same of an object that may not be there.
    pub fn named(self, kind: &str, namespace: &str, name: &str) -> String {
        if namespace == self.here || namespace.is_empty() {
            format!("{kind}/{name}")
        } else {
            format!("{kind}/{name}[{namespace}]")
        }
    }

    /// An image as lines name it: `istag/x:latest`, `openshift/python:latest`, `docker.io/library/mysql:latest`.
    pub fn image(self, image: &Image) -> String {
        match image {
            Image::Tag(tag) => {
                let (stream, name) = split_tag(&tag.name);
                if tag.namespace == self.here {
                    format!("istag/{stream}:{name}")
                } else {
                    format!("{}/{stream}:{name}", tag.namespace)
                }
            }
            Image::Reference(text) => reference(text),
        }
    }
}

/// A reference with what Docker's client fills in: registry, namespace, tag.
fn reference(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "<unknown>".to_owned();
    }
    let parts: Vec<&str> = text.split('/').collect();
    let has_registry = parts.len() > 1 && parts[0].contains(['.', ':']);
    let place = match parts.len() {
        1 => "docker.io/library/",
        _ if has_registry => "",
        _ => "docker.io/",
    };
    let last = parts.last().copied().unwrap_or_default();
    let tag = if last.contains([':', '@']) {
        ""
    } else {
        ":latest"
    };
    format!("{place}{text}{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_whole() {
        for (text, whole) in [
            ("mysql", "docker.io/library/mysql:latest"),
            ("openshift/x:v1", "docker.io/openshift/x:v1"),
            ("quay.io/a/b@sha256:0", "quay.io/a/b@sha256:0"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            (" ", "<unknown>"),
        ] {
            assert_eq!(reference(text), whole);
        }
    }
}
