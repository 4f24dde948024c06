//! The API over a real listener and a real disk, with our own client and with kubectl.

mod admission;
mod kubectl;
mod node_rights;
mod objects;
mod places;
mod registry;
mod rights;
mod starting;
mod subresources;
mod tags;
mod watching;

use std::path::Path;

use serde_json::Value;
use serde_json::json;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::api::status::Status;
use upshift::base::environment::Environment;
use upshift::client::Client;
use upshift::client::Error;
use upshift::client::WriteOptions;
use upshift::client::connection;
use upshift::client::connection::Flags;
use upshift::server::GRACE;
use upshift::server::Listen;
use upshift::server::Options;
use upshift::server::Server;

/// A server without a node in a folder of its own, and its administrator's client over HTTPS.
struct World {
    server: Server,
    client: Client,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> World {
        let folder = tempfile::tempdir().unwrap();
        let server = start_in(&folder.path().join("data")).await;
        World {
            client: client_of(server.data_dir()),
            server,
            folder,
        }
    }

    async fn stop(self) {
        let left = self.server.stop(GRACE).await;
        assert_eq!(left, Vec::<String>::new(), "every part ends in time");
        drop(self.folder);
    }

    async fn create(&self, object: &Value) -> Result<Value, Error> {
        let kind = kinds::of(object).unwrap();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
        self.client
            .create_object(kind, namespace, object, &WriteOptions::default())
            .await
    }
}

async fn start_in(data_dir: &Path) -> Server {
    let options = Options {
        listen: Listen::At("127.0.0.1:0".parse().unwrap()),
        router: None,
        node: false,
        ..Options::new(data_dir)
    };
    Server::start(options).await.unwrap()
}

fn client_of(data_dir: &Path) -> Client {
    let flags = Flags {
        local: true,
        data_dir: Some(data_dir.to_owned()),
        ..Flags::default()
    };
    connection::choose(&flags, &Environment::default())
        .unwrap()
        .connect()
        .unwrap()
        .client
}

fn application(name: &str) -> Value {
    json!({
        "apiVersion": "upshift.dev/v1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "default", "labels": {"tier": "web"}},
        "spec": {"hosts": {"selector": {"tier": "nowhere"}}, "port": 8080},
    })
}

fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": {"key": value},
    })
}

fn key(name: &str) -> Key {
    Key::new("default", name)
}

/// The refusal, which must be one.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Status {
    match result {
        Err(Error::Status(status)) => *status,
        other => panic!("expected a refusal: {other:?}"),
    }
}
