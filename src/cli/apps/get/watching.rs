//! `get -w`: the list, then a row per change, until the user has seen enough.
//!
//! A watch that the server ends is taken up where it stopped; when that version is gone, from now.

use futures_util::StreamExt;
use serde_json::Value;

use super::Getting;
use crate::api::table::Renderer;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::objects::fetch::Source;
use crate::cli::output::structured;
use crate::client;
use crate::client::watch;

/// Follows one source.
pub(super) async fn follow(getting: &Getting<'_>, sources: &[Source]) -> Result<Exit, Failure> {
    let [source] = sources else {
        return Err(Failure::usage(format!(
            "watch is only supported on individual resources and resource collections - {} resources were found",
            sources.len()
        )));
    };
    let mut printer = Printer {
        getting,
        source,
        renderer: Renderer::new(getting.layout(source.kind, false)),
    };
    let mut version = printer.list().await?;
    loop {
        match printer.changes(&mut version).await {
            Ok(()) => {}
            Err(failure) if failure.is_expired() => version.clear(),
            Err(failure) => return Err(failure),
        }
    }
}

struct Printer<'a> {
    getting: &'a Getting<'a>,
    source: &'a Source,
    renderer: Renderer,
}

impl Printer<'_> {
    /// Prints what is there, unless only changes are wanted; returns the version to go on from.
    async fn list(&mut self) -> Result<String, Failure> {
        let Getting {
            args,
            client,
            context,
            ..
        } = self.getting;
        if !self.getting.format.is_table() {
            let (objects, version) = self.source.objects(client).await?;
            if !args.watch_only {
                for object in &objects {
                    self.object("ADDED", object)?;
                }
            }
            return Ok(version);
        }
        let table = match self.source.table(client, context.clock.now()).await {
            Ok(table) => table,
            Err(failure) if self.getting.passes(&failure) => return Ok(String::new()),
            Err(failure) => return Err(failure),
        };
        let version = version(&table);
        if !args.watch_only {
            self.rows("ADDED", &table)?;
        }
        Ok(version)
    }

    /// Prints changes until the server ends the watch.
    async fn changes(&mut self, version: &mut String) -> Result<(), Failure> {
        let tables = self.getting.format.is_table();
        let body = self
            .source
            .watch(self.getting.client, version, tables)
            .await?;
        let mut lines = Box::pin(watch::lines(body));
        while let Some(line) = lines.next().await {
            let line = match line {
                Ok(line) => line,
                // The connection went; the next watch goes on from what was seen.
                Err(client::Error::Interrupted(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut event: Value = serde_json::from_slice(&line)
                .map_err(|error| client::Error::Decode(error.to_string()))?;
            let object = event["object"].take();
            let what = event["type"].as_str().unwrap_or_default();
            if what == "ERROR" {
                return Err(status(object).into());
            }
            let seen = self::version(&object);
            if !seen.is_empty() {
                *version = seen;
            }
            if what == "BOOKMARK" {
                continue;
            }
            if tables {
                let table = self
                    .source
                    .as_table(object, self.getting.context.clock.now());
                self.rows(what, &table)?;
            } else {
                self.object(what, &object)?;
            }
        }
        Ok(())
    }

    fn rows(&mut self, what: &str, table: &Value) -> Result<(), Failure> {
        if table["rows"].as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let text = if self.getting.args.output_watch_events {
            self.renderer.rows(&with_event(table, what))
        } else {
            self.renderer.rows(table)
        };
        Ok(self.getting.context.out(format_args!("{text}"))?)
    }

    fn object(&self, what: &str, object: &Value) -> Result<(), Failure> {
        let text = if self.getting.args.output_watch_events {
            let event = serde_json::json!({"type": what, "object": object});
            structured::one(&self.getting.format, &event)?
        } else {
            structured::one(&self.getting.format, object)?
        };
        Ok(self.getting.context.out(format_args!("{text}"))?)
    }
}

/// The table with a first column that says what happened.
fn with_event(table: &Value, what: &str) -> Value {
    let mut table = table.clone();
    if let Some(columns) = table["columnDefinitions"].as_array_mut() {
        columns.insert(
            0,
            serde_json::json!({"name": "Event", "type": "string", "priority": 0}),
        );
    }
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        if let Some(cells) = row["cells"].as_array_mut() {
            cells.insert(0, what.into());
        }
    }
    table
}

/// The version to go on from: the list's own, or that of the only row's object.
fn version(object: &Value) -> String {
    let of = |object: &Value| {
        object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    match of(object) {
        version if version.is_empty() => of(&object["rows"][0]["object"]),
        version => version,
    }
}

fn status(object: Value) -> client::Error {
    match serde_json::from_value::<crate::api::status::Status>(object) {
        Ok(status) => status.into(),
        Err(error) => client::Error::Decode(error.to_string()),
    }
}
