//! A Gear: where it is, what is wanted there and what is in place, and what was done for it.

use crate::api::upshift::Gear;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::describe::Related;
use crate::cli::describe::operation;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

/// Writes the whole gear.
pub fn write(gear: &Gear, related: &Related, now: Timestamp, page: &mut Page) {
    let (spec, status) = (&gear.spec, &gear.status);
    page.metadata(&gear.metadata);
    page.field("Application", &spec.application);
    page.field("Node", &spec.node);
    page.field("Role", word(&spec.role));
    page.field_if("Color", &spec.color);
    page.field("Rotation", word(&spec.rotation));
    page.field("State", word(&status.state));
    page.field("Revision", &status.revision);
    page.field("Wanted", &spec.revision);
    page.field("Previous revision", &status.previous_revision);
    page.field("Endpoints", status.endpoints.join("\n"));
    page.field("Last operation", &status.operation);
    let mut operations: Vec<_> = related.operations.iter().collect();
    operations.sort_by_key(|one| std::cmp::Reverse(one.metadata.creation_timestamp));
    let under_way = operations.iter().find(|one| !one.status.phase.is_final());
    page.field_if(
        "Now",
        under_way.map_or_else(String::new, |one| operation::now(one)),
    );
    let rows = operations
        .into_iter()
        .map(|one| {
            let age = one
                .metadata
                .creation_timestamp
                .map_or_else(String::new, |at| text::age(now.since(at)));
            vec![
                one.metadata.name.clone(),
                one.spec.owner.clone(),
                word(&one.status.phase),
                one.status.reason.clone(),
                age,
            ]
        })
        .collect();
    page.section("Operations", |page| {
        page.table(&["NAME", "OWNER", "PHASE", "REASON", "AGE"], rows);
    });
}
