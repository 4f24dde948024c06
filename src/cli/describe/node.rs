//! A Node: its condition, its system, and the gears on it.

use crate::api::core::Node;
use crate::cli::describe::Related;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

/// Writes the whole node.
pub fn write(node: &Node, related: &Related, page: &mut Page) {
    page.metadata(&node.metadata);
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
