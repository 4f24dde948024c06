//! How soon the server is ready, what it weighs, how many durable creates it takes a second.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use upshift::api::kinds;
use upshift::client::Client;
use upshift::client::WriteOptions;

use crate::Row;
use crate::fixture::Server;
use crate::median;
use crate::milliseconds;

/// How long each number of connections is measured.
const PERIOD: Duration = Duration::from_secs(4);

pub(crate) fn rows() -> Vec<Row> {
    let starts: Vec<Duration> = (0..7).map(|_| Server::start(&[]).ready_after).collect();
    let server = Server::start(&[]);
    server.client(&["get", "nodes"]);
    // Memory of the idle server: after the work of starting has settled.
    std::thread::sleep(Duration::from_secs(3));
    let memory = server.memory();
    let mut rows = vec![
        Row {
            what: "`serve` to ready on an empty data dir, median of 7",
            ours: milliseconds(median(starts)),
            peer: String::new(),
            note: "goal ≤ 300 ms".to_owned(),
        },
        Row {
            what: "idle memory of the server",
            ours: format!("{memory:.1} MiB"),
            peer: String::new(),
            note: "goal ≤ 40 MB".to_owned(),
        },
    ];
    for connections in [1, 16] {
        rows.push(Row {
            what: if connections == 1 {
                "durable creates a second, 1 connection"
            } else {
                "durable creates a second, 16 connections"
            },
            ours: format!("{:.0}", creates(&server, connections)),
            peer: String::new(),
            note: "TLS, one sync a group".to_owned(),
        });
    }
    rows
}

/// Creates `ConfigMap`s over that many connections, each waiting for its answer before the next.
fn creates(server: &Server, connections: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let started = Instant::now();
        let workers: Vec<_> = (0..connections)
            .map(|worker| {
                let client = server.connect();
                tokio::spawn(async move {
                    let mut count = 0;
                    while started.elapsed() < PERIOD {
                        create(&client, &format!("bench-{connections}-{worker}-{count}")).await;
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let mut total = 0;
        for worker in workers {
            total += worker.await.expect("a worker does not panic");
        }
        f64::from(total) / started.elapsed().as_secs_f64()
    })
}

async fn create(client: &Client, name: &str) {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name}, "data": {"text": "x".repeat(800)},
    });
    let options = WriteOptions::default();
    client
        .create_object(&kinds::CONFIG_MAP, "default", &object, &options)
        .await
        .expect("a create succeeds");
}
