//! A Node: its condition, its system, and the pods and gears on it.

use crate::api::core::Node;
use crate::api::meta::Metadata;
use crate::api::pod::Pod;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::describe::Related;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

/// Writes the whole node.
pub fn write(node: &Node, related: &Related, now: Timestamp, page: &mut Page) {
    page.name(&node.metadata);
    page.field("Roles", roles(&node.metadata));
    page.map("Labels", &node.metadata.labels);
    page.annotations(&node.metadata);
    if let Some(created) = node.metadata.creation_timestamp {
        page.field("CreationTimestamp", created.mail());
    }
    page.field("Taints", "");
    page.field("Unschedulable", node.spec.unschedulable.to_string());
    let conditions = node
        .status
        .conditions
        .iter()
        .map(|one| {
            let since = one
                .last_transition_time
                .map_or_else(String::new, |at| at.to_string());
            vec![
                one.kind.clone(),
                one.status.clone(),
                since,
                one.reason.clone(),
                one.message.clone(),
            ]
        })
        .collect();
    page.section("Conditions", |page| {
        page.table(
            &["Type", "Status", "LastTransitionTime", "Reason", "Message"],
            conditions,
        );
    });
    page.section("Addresses", |page| {
        for address in &node.status.addresses {
            page.field(&address.kind, &address.address);
        }
    });
    let system = &node.status.node_info;
    page.section("System Info", |page| {
        page.field("Operating System", &system.operating_system);
        page.field("Architecture", &system.architecture);
        page.field("OS Image", &system.os_image);
        page.field("Kernel Version", &system.kernel_version);
        page.field("Agent Version", &system.kubelet_version);
        page.field_if("Container Runtime", &system.container_runtime_version);
    });
    let pods: Vec<&Pod> = related.pods.iter().filter(|pod| !pod.is_over()).collect();
    page.line(&format!("Non-terminated Pods:\t({} in total)", pods.len()));
    let rows = pods
        .iter()
        .map(|pod| {
            let created = pod.metadata.creation_timestamp;
            vec![
                pod.metadata.namespace.clone(),
                pod.metadata.name.clone(),
                word(&pod.status.phase),
                created.map_or_else(String::new, |created| text::age(now.since(created))),
            ]
        })
        .collect();
    page.indented(2, |page| {
        page.table(&["Namespace", "Name", "Status", "Age"], rows);
    });
    let rows = related
        .gears
        .iter()
        .map(|gear| {
            vec![
                gear.metadata.namespace.clone(),
                gear.metadata.name.clone(),
                word(&gear.status.state),
                gear.status.revision.clone(),
            ]
        })
        .collect();
    page.section("Gears", |page| {
        page.table(&["NAMESPACE", "NAME", "STATE", "REVISION"], rows);
    });
}

/// The X of labels `node-role.kubernetes.io/X`.
fn roles(metadata: &Metadata) -> String {
    let labels = metadata.labels.keys();
    let roles: Vec<&str> = labels
        .filter_map(|label| label.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    roles.join(",")
}
