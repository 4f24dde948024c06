//! The events of an object, oldest first, as the last part of its description.

use serde_json::Value;

use crate::api::core::Event;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::describe::page::Page;
use crate::cli::describe::view;

/// Writes the section; an object without events says so.
pub fn write(events: &[Value], now: Timestamp, page: &mut Page) {
    let mut events: Vec<Event> = events.iter().map(view).collect();
    events.sort_by_key(|event| {
        let last = event.last_timestamp.or(event.metadata.creation_timestamp);
        // Moments have whole seconds; the version tells the order within one.
        (last, event.metadata.revision())
    });
    if events.is_empty() {
        page.field("Events", "");
        return;
    }
    let titles = ["Type", "Reason", "Age", "From", "Message"];
    // kubectl's line under "Age" is one longer than the word.
    let dashes = ["----", "------", "----", "----", "-------"];
    let mut rows = vec![
        titles.map(str::to_owned).to_vec(),
        dashes.map(str::to_owned).to_vec(),
    ];
    rows.extend(events.iter().map(|event| row(event, now)));
    page.section("Events", |page| page.rows(&rows));
}

fn row(event: &Event, now: Timestamp) -> Vec<String> {
    let last = event.last_timestamp.or(event.metadata.creation_timestamp);
    let age = last.map_or_else(|| "<unknown>".to_owned(), |last| text::age(now.since(last)));
    let age = match event.first_timestamp {
        Some(first) if event.count > 1 => {
            format!(
                "{age} (x{} over {})",
                event.count,
                text::age(now.since(first))
            )
        }
        _ => age,
    };
    let message = event
        .message
        .trim()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    vec![
        event.kind.clone(),
        event.reason.clone(),
        age,
        event.source.component.clone(),
        message,
    ]
}
