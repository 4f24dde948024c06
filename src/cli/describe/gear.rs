//! A Gear: where it is, what is wanted there and what is in place, and what was done for it.

use crate::api::upshift::CatchUp;
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
    if let Some(catch_up) = &spec.catch_up {
        page.field("Cannot catch up", catch_up_words(catch_up, now));
    }
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

/// What failed, how often, and what comes next.
fn catch_up_words(catch_up: &CatchUp, now: Timestamp) -> String {
    let failures = text::count(catch_up.failures as usize, "failure");
    let next = catch_up.next.map_or_else(
        || "left alone until 'rollout retry' or the next deployment".to_owned(),
        |next| match next.since(now) {
            left if left.is_zero() => "tried again now".to_owned(),
            left => format!("tried again in {}", text::elapsed(left)),
        },
    );
    format!("{}\n{failures}, {next}", catch_up.message)
}
