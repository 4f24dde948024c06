//! Whether any node can run what a builder needs: the host's own programs, which builders bring no copy of.
//!
//! The build looks again before it begins; this refuses before anything is made, where it is known already.

use crate::api::build::BuildConfig;
use crate::api::core::Node;
use crate::api::image::Image;
use crate::api::image::ImageStream;
use crate::api::image::split_tag;
use crate::api::meta::Key;
use crate::cli::Failure;
use crate::cli::new_app::blueprint::Details;
use crate::client::Client;
use crate::client::ListOptions;
use crate::content::builders::PACKAGES;
use crate::content::builders::TOOLCHAIN;

/// Annotation of a Node: the toolchains found there, `node,perl,python3`.
pub const ANNOTATION: &str = "upshift.dev/toolchains";

/// Refuses a builder that no ready node can run.
pub async fn check(client: &Client, builder: &str, details: &Details) -> Result<(), Failure> {
    if details.label(TOOLCHAIN).is_empty() {
        return Ok(());
    }
    // Not everybody may look at nodes, and the build says the same.
    let Ok(nodes) = client.list::<Node>("", &ListOptions::default()).await else {
        return Ok(());
    };
    decide(builder, details, &nodes.items)
}

/// Refuses a build config whose builder no ready node can run; one that cannot be looked at passes.
pub async fn check_config(client: &Client, config: &BuildConfig) -> Result<(), Failure> {
    let Some(strategy) = &config.spec.common.strategy.source_strategy else {
        return Ok(());
    };
    let from = &strategy.from;
    let (stream, tag) = split_tag(&from.name);
    let namespace = match from.namespace.as_str() {
        "" => &config.metadata.namespace,
        namespace => namespace,
    };
    let key = Key::new(namespace, stream);
    let Ok(found) = client.get::<ImageStream>(&key).await else {
        return Ok(());
    };
    let Some(item) = found.latest(tag) else {
        return Ok(());
    };
    match client.get::<Image>(&Key::new("", item.image.clone())).await {
        Ok(image) => check(client, stream, &Details::of(&image, &item.image)).await,
        Err(_) => Ok(()),
    }
}

fn decide(builder: &str, details: &Details, nodes: &[Node]) -> Result<(), Failure> {
    let toolchain = details.label(TOOLCHAIN);
    let mut told = nodes
        .iter()
        .filter(|node| node.is_ready())
        .filter_map(|node| node.metadata.annotations.get(ANNOTATION))
        .peekable();
    // Of several programs any will do.
    let wanted: Vec<&str> = toolchain.split([' ', ',']).collect();
    let has = |list: &String| list.split(',').any(|one| wanted.contains(&one.trim()));
    if told.peek().is_none() || told.any(has) {
        return Ok(());
    }
    let packages = match details.label(PACKAGES) {
        "" => toolchain,
        packages => packages,
    };
    let noun = if packages.contains(' ') {
        "packages"
    } else {
        "package"
    };
    Err(Failure::ours(format!(
        "the builder {builder:?} needs {toolchain}, and no node has it: install the {noun} {packages} there"
    ))
    .hint("Nothing was made. A node looks for its toolchains when it starts."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(toolchains: &[Option<&str>]) -> bool {
        let nodes: Vec<Node> = toolchains
            .iter()
            .map(|one| {
                let annotations = one.map_or(json!({}), |list| json!({ ANNOTATION: list }));
                serde_json::from_value(json!({
                    "metadata": {"name": "a", "annotations": annotations},
                    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                }))
                .unwrap()
            })
            .collect();
        let details = Details {
            labels: [(TOOLCHAIN, "python3"), (PACKAGES, "python3 python3-pip")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Details::default()
        };
        decide("python", &details, &nodes).is_ok()
    }

    #[test]
    fn only_nodes_that_told_count() {
        assert!(check(&[]));
        assert!(check(&[None]));
        assert!(check(&[Some("perl,python3")]));
        assert!(check(&[Some("perl"), Some("python3")]));
        assert!(!check(&[Some("perl")]));
        assert!(!check(&[Some("perl"), None]));
    }
}
