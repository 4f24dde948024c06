//! A way to the server that outlives the server: a request whose answer was lost is asked again.
//!
//! Whether the first one was done before the answer got lost is seen from what is there: an object that says what we sent is
//! ours, any other is somebody else's. Only a server that answered before is waited for.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::client;
use crate::client::Client;
use crate::client::WriteOptions;
use crate::client::connection::Connection;

/// How long a server that went away is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// A connection that is made anew when it broke.
pub struct Link<'a> {
    context: &'a Context,
    pub connection: Connection,
}

/// What became of one request.
pub enum Asked<T> {
    Answered(T),
    /// The server refused.
    Refused(client::Error),
    /// An earlier try may have been done; this one was refused.
    Perhaps(client::Error),
}

impl<'a> Link<'a> {
    /// Takes over a connection.
    pub fn new(context: &'a Context, connection: Connection) -> Link<'a> {
        Link {
            context,
            connection,
        }
    }

    /// The client as it is now.
    pub fn client(&self) -> &Client {
        &self.connection.client
    }

    /// Asks until there is an answer.
    pub async fn ask<T>(
        &mut self,
        request: impl AsyncFn(&Client) -> Result<T, client::Error>,
    ) -> Asked<T> {
        let begun = Instant::now();
        let mut lost = false;
        loop {
            match request(&self.connection.client).await {
                Ok(answer) => return Asked::Answered(answer),
                Err(error) if error.is_passing() && begun.elapsed() < PATIENCE => {
                    lost = true;
                    tokio::time::sleep(PAUSE).await;
                    self.again().await;
                }
                Err(error) if lost => return Asked::Perhaps(error),
                Err(error) => return Asked::Refused(error),
            }
        }
    }

    /// A server that was started again may be somewhere else.
    async fn again(&mut self) {
        if self.connection.data_dir.is_none() {
            return;
        }
        if let Ok(connection) = self.context.connect(Purpose::Reading).await {
            self.connection = connection;
        }
    }

    /// Reads something.
    pub async fn read(&mut self, kind: &'static Kind, key: &Key) -> Result<Value, Failure> {
        match self
            .ask(async |client: &Client| client.read(kind, key).await)
            .await
        {
            Asked::Answered(object) => Ok(object),
            Asked::Refused(error) | Asked::Perhaps(error) => Err(error.into()),
        }
    }

    /// Makes an object; one that an unanswered try of ours made is ours.
    pub async fn create(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        object: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Failure> {
        let asked = self
            .ask(async |client: &Client| {
                client.create_object(kind, namespace, object, options).await
            })
            .await;
        match asked {
            Asked::Answered(made) => Ok(made),
            Asked::Perhaps(error) if error.is_already_exists() => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let there = self.read(kind, &Key::new(namespace, name)).await?;
                if says(&there, object) {
                    Ok(there)
                } else {
                    Err(error.into())
                }
            }
            Asked::Refused(error) | Asked::Perhaps(error) => Err(error.into()),
        }
    }
}

/// Whether an object says everything that was sent; what the server filled in does not count, and of status nothing does.
pub fn says(there: &Value, sent: &Value) -> bool {
    match (there, sent) {
        (Value::Object(there), Value::Object(sent)) => sent
            .iter()
            .filter(|(name, _)| *name != "status")
            .all(|(name, sent)| match there.get(name) {
                Some(there) => says(there, sent),
                None => is_nothing(sent),
            }),
        (Value::Array(there), Value::Array(sent)) => {
            there.len() == sent.len()
                && there
                    .iter()
                    .zip(sent)
                    .all(|(there, sent)| says(there, sent))
        }
        // A server may fill in what was left empty.
        (_, sent) => there == sent || is_nothing(sent),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_i64() == Some(0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_ours_when_it_says_what_we_sent() {
        let sent = json!({"metadata": {"name": "a"}, "spec": {"x": 1, "host": "", "list": [{"a": 1}]}, "status": {"y": 0}});
        let mut there = json!({
            "metadata": {"name": "a", "uid": "u"},
            "spec": {"x": 1, "host": "made.up", "list": [{"a": 1, "filled": true}]},
            "status": {"y": 7},
        });
        assert!(says(&there, &sent));
        there["spec"]["list"][0]["a"] = json!(2);
        assert!(!says(&there, &sent));
        there["spec"]["list"] = json!([]);
        assert!(!says(&there, &sent));
    }
}
