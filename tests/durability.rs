//! `kill -9` under load: what was acknowledged is there after a restart, with the version that was acknowledged.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says its seed or what it lacks"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;
use serde_json::json;
use upshift::api::kinds::CONFIG_MAP;
use upshift::api::meta::Key;
use upshift::base::environment::Environment;
use upshift::client::Client;
use upshift::client::DeleteOptions;
use upshift::client::Patch;
use upshift::client::WriteOptions;
use upshift::client::connection;
use upshift::client::connection::Flags;

use crate::site::Site;

/// Name → the last acknowledged version and content; none: the removal was acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<String, Option<(u64, u64)>>>>;

fn client(site: &Site) -> Client {
    let flags = Flags {
        local: true,
        data_dir: Some(site.data()),
        ..Flags::default()
    };
    connection::choose(&flags, &Environment::default())
        .unwrap()
        .connect()
        .unwrap()
        .client
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Creates, changes and removes until the server is gone, noting every acknowledgement.
async fn load(client: Client, worker: usize, acknowledged: Acknowledged) {
    let options = WriteOptions::default();
    for number in 0_u64.. {
        let name = format!("w{worker}-{number}");
        let key = Key::new("default", &name);
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": "0"}});
        let Ok(created) = client
            .create_object(&CONFIG_MAP, "default", &object, &options)
            .await
        else {
            return;
        };
        acknowledged
            .lock()
            .unwrap()
            .insert(name.clone(), Some((revision(&created), 0)));
        let patch = Patch::Merge(json!({"data": {"n": "1"}}));
        let Ok(patched) = client
            .patch(&CONFIG_MAP, &key, None, &patch, &options)
            .await
        else {
            return;
        };
        acknowledged
            .lock()
            .unwrap()
            .insert(name.clone(), Some((revision(&patched), 1)));
        if number % 3 == 0 {
            // While the answer is on its way, nothing is known: the name is forgotten until it is acknowledged.
            acknowledged.lock().unwrap().remove(&name);
            let Ok(_) = client
                .delete(&CONFIG_MAP, &key, &DeleteOptions::default())
                .await
            else {
                return;
            };
            acknowledged.lock().unwrap().insert(name, None);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    let site = Site::new();
    let acknowledged = Acknowledged::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for round in 1..=3 {
        let mut server = site.serve(&["--no-node"], &[]);
        assert!(server.is_alive(), "{}", site.log());
        let before = acknowledged.lock().unwrap().len();
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let worker = round * 100 + worker;
                runtime.spawn(load(client(&site), worker, Arc::clone(&acknowledged)))
            })
            .collect();
        site.wait("200 acknowledged changes", || {
            acknowledged.lock().unwrap().len() >= before + 200
        });
        server.0.kill().unwrap();
        server.0.wait().unwrap();
        for worker in workers {
            runtime.block_on(worker).unwrap();
        }
    }
    let _server = site.serve(&["--no-node"], &[]);
    let client = client(&site);
    for (name, state) in acknowledged.lock().unwrap().iter() {
        let found = runtime.block_on(client.read(&CONFIG_MAP, &Key::new("default", name)));
        match (state, found) {
            (None, Err(error)) => assert!(error.is_not_found(), "{name}: {error}"),
            (None, Ok(_)) => panic!("{name} was removed and is back"),
            (Some((version, content)), found) => {
                let found = found.unwrap_or_else(|error| panic!("{name} is lost: {error}"));
                // A change may have become durable without its acknowledgement reaching us, never the reverse.
                assert!(
                    revision(&found) >= *version,
                    "{name} went back from {version}"
                );
                assert!(
                    found["data"]["n"].as_str().unwrap().parse::<u64>().unwrap() >= *content,
                    "{name} went back"
                );
            }
        }
    }
}
