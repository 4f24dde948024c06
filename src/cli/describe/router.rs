//! A Router: what it is, how far it follows the endpoints, and what it waits for.

use crate::api::network::Router;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

/// Writes the whole router.
pub fn write(router: &Router, page: &mut Page) {
    page.name(&router.metadata);
    page.map("Labels", &router.metadata.labels);
    page.annotations(&router.metadata);
    if let Some(created) = router.metadata.creation_timestamp {
        page.field("CreationTimestamp", created.mail());
    }
    page.field("Type", word(&router.spec.kind));
    page.field_if("Address", &router.spec.address);
    page.field("Applied", router.status.applied.to_string());
    page.field_if("Message", &router.status.message);
    let rows = router.status.draining.iter();
    let rows = rows.map(|(endpoint, count)| vec![endpoint.clone(), count.to_string()]);
    page.section("Draining", |page| {
        page.table(&["Endpoint", "Requests in flight"], rows.collect());
    });
    let rows = router.status.waiting.iter();
    let rows = rows.map(|(endpoint, why)| vec![endpoint.clone(), why.clone()]);
    page.section("Waiting", |page| {
        page.table(&["Endpoint", "Why it gets no requests yet"], rows.collect());
    });
}
