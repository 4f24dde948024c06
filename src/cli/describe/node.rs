//! A Node: its condition, its system, and the pods and gears on it.

use crate::api::core::Node;
use crate::api::meta::Metadata;
use crate::api::pod::Pod;
use crate::api::upshift::Operation;
use crate::api::upshift::StepPhase;
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
    if let Some(lease) = related.leases.first() {
        page.section("Lease", |page| {
            page.field("HolderIdentity", &lease.spec.holder_identity);
            page.field_if("RenewTime", &lease.spec.renew_time);
        });
    }
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
    write_work(related, now, page);
}

/// What is on the node, and what happens there.
fn write_work(related: &Related, now: Timestamp, page: &mut Page) {
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
    let rows: Vec<Vec<String>> = related
        .operations
        .iter()
        .filter(|operation| !operation.status.phase.is_final())
        .map(under_way)
        .collect();
    if !rows.is_empty() {
        page.section("Operations", |page| {
            page.table(&["NAMESPACE", "NAME", "PHASE", "STEP"], rows);
        });
    }
    let routers: Vec<Vec<String>> = related
        .routers
        .iter()
        .map(|router| vec![router.metadata.name.clone(), router.status.message.clone()])
        .collect();
    if !routers.is_empty() {
        page.section("Routers", |page| page.table(&["NAME", "MESSAGE"], routers));
    }
}

/// An Operation that is not over, and the step that it is at.
fn under_way(operation: &Operation) -> Vec<String> {
    let steps = &operation.status.steps;
    let at = steps
        .iter()
        .rfind(|step| step.phase == StepPhase::Running)
        .map_or_else(String::new, |step| step.name.clone());
    vec![
        operation.metadata.namespace.clone(),
        operation.metadata.name.clone(),
        word(&operation.status.phase),
        at,
    ]
}

/// The X of labels `node-role.kubernetes.io/X`.
fn roles(metadata: &Metadata) -> String {
    let labels = metadata.labels.keys();
    let roles: Vec<&str> = labels
        .filter_map(|label| label.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    roles.join(",")
}
