//! Requests through the router against HAProxy with the same work, in turn, with one small endpoint behind both.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use upshift::api::kinds;
use upshift::client::Client;
use upshift::client::WriteOptions;

use crate::Row;
use crate::fixture;
use crate::fixture::Server;
use crate::fixture::processor_time;
use crate::median;
use crate::milliseconds;

const HOST: &str = "bench.example";
const ROUNDS: usize = 5;

pub(crate) fn rows() -> Vec<Row> {
    let (Some(wrk), Some(haproxy)) = (fixture::program("wrk"), fixture::program("haproxy")) else {
        println!("skipped: the router's numbers need wrk and haproxy");
        return Vec::new();
    };
    let endpoint = endpoint();
    let server = Server::start(&["--no-node"]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let ours = runtime.block_on(lead_to(&server.connect(), endpoint));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (peer, theirs) = start_haproxy(&haproxy, folder.path(), endpoint);
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(measure(&wrk, ours, server.id()));
        other.push(measure(&wrk, theirs, peer.0.id()));
    }
    let (own, other) = (Load::median(&own), Load::median(&other));
    vec![
        Row {
            what: "requests a second through the router, 64 connections",
            ours: format!("{:.0}", own.rate),
            peer: format!("HAProxy {:.0}", other.rate),
            note: format!("×{:.2}", own.rate / other.rate),
        },
        Row {
            what: "99th percentile of them",
            ours: milliseconds(own.slowest),
            peer: format!("HAProxy {}", milliseconds(other.slowest)),
            note: String::new(),
        },
        Row {
            what: "processor time for one of them",
            ours: format!("{:.1} µs", own.cost.as_secs_f64() * 1e6),
            peer: format!("HAProxy {:.1} µs", other.cost.as_secs_f64() * 1e6),
            note: String::new(),
        },
    ]
}

/// What one run of wrk came to.
struct Load {
    rate: f64,
    slowest: Duration,
    cost: Duration,
}

impl Load {
    fn median(runs: &[Load]) -> Load {
        let mut rates: Vec<f64> = runs.iter().map(|run| run.rate).collect();
        rates.sort_by(f64::total_cmp);
        Load {
            rate: rates[rates.len() / 2],
            slowest: median(runs.iter().map(|run| run.slowest).collect()),
            cost: median(runs.iter().map(|run| run.cost).collect()),
        }
    }
}

fn measure(wrk: &Path, address: SocketAddr, process: u32) -> Load {
    let before = processor_time(process);
    let output = Command::new(wrk)
        .args([
            "-t1",
            "-c64",
            "-d3s",
            "--latency",
            "-H",
            &format!("Host: {HOST}"),
        ])
        .arg(format!("http://{address}/"))
        .output()
        .expect("wrk can be started");
    let spent = processor_time(process).saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{text}");
    let after = |mark: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(mark));
        line.unwrap_or_default().trim().to_owned()
    };
    let requests = text.lines().find(|line| line.contains(" requests in "));
    let requests = requests.and_then(|line| line.split_whitespace().next());
    let requests: u32 = requests.and_then(|count| count.parse().ok()).unwrap_or(1);
    Load {
        rate: after("Requests/sec:").parse().unwrap_or(f64::NAN),
        slowest: duration(&after("99%")),
        cost: spent / requests,
    }
}

/// `1.23ms` as wrk writes it.
fn duration(text: &str) -> Duration {
    let unit = text.trim_start_matches(|one: char| one.is_ascii_digit() || one == '.');
    let number: f64 = text.trim_end_matches(unit).parse().unwrap_or(0.0);
    Duration::from_secs_f64(match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        _ => number,
    })
}

/// An endpoint that answers twelve bytes to everything, on a thread of its own.
fn endpoint() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    socket
        .set_nonblocking(true)
        .expect("a socket can be set so");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime can be built").block_on(async {
            let socket = tokio::net::TcpListener::from_std(socket).expect("it is a socket");
            while let Ok((stream, _)) = socket.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(answer(stream));
            }
        });
    });
    address
}

async fn answer(mut stream: tokio::net::TcpStream) {
    let mut read = Vec::with_capacity(8192);
    while stream
        .read_buf(&mut read)
        .await
        .is_ok_and(|count| count > 0)
    {
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world\n";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// Makes a route to the endpoint; where the router listens.
async fn lead_to(client: &Client, endpoint: SocketAddr) -> SocketAddr {
    for (kind, object) in [
        (
            &kinds::SERVICE,
            json!({
                "kind": "Service", "apiVersion": "v1", "metadata": {"name": "bench"},
                "spec": {"ports": [{"port": 80}]},
            }),
        ),
        (
            &kinds::ENDPOINT_SLICE,
            json!({
                "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
                "metadata": {"name": "bench-1", "labels": {"kubernetes.io/service-name": "bench"}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [endpoint.ip()], "conditions": {"ready": true}}],
                "ports": [{"name": "", "port": endpoint.port(), "protocol": "TCP"}],
            }),
        ),
        (
            &kinds::ROUTE,
            json!({
                "kind": "Route", "apiVersion": "route.openshift.io/v1", "metadata": {"name": "bench"},
                "spec": {"host": HOST, "to": {"kind": "Service", "name": "bench"}},
            }),
        ),
    ] {
        let options = WriteOptions::default();
        let made = client
            .create_object(kind, "default", &object, &options)
            .await;
        made.expect("the object can be made");
    }
    let key = upshift::api::meta::Key::new("", "default");
    let router: Value = client
        .read(&kinds::ROUTER, &key)
        .await
        .expect("there is a router");
    let address = router["spec"]["address"].as_str().unwrap_or_default();
    // Until the route is admitted and followed.
    tokio::time::sleep(Duration::from_secs(1)).await;
    address.parse().expect("it listens somewhere")
}

/// A process that ends with the measurement.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// HAProxy with two threads that does what the router does to a head.
fn start_haproxy(program: &Path, folder: &Path, endpoint: SocketAddr) -> (Peer, SocketAddr) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let path = folder.join("haproxy.cfg");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    write!(
        file,
        "global\n  nbthread 2\n  maxconn 2000\ndefaults\n  mode http\n  timeout connect 5s\n  \
         timeout client 30s\n  timeout server 30s\n  http-reuse always\n  option forwardfor\n\
         frontend routes\n  bind {address}\n  \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  \
         http-request set-header X-Forwarded-Port %[dst_port]\n  \
         http-request set-header X-Forwarded-Proto http\n  default_backend endpoints\n\
         backend endpoints\n  server one {endpoint}\n"
    )
    .expect("a file can be written");
    let child = Command::new(program)
        .arg("-q")
        .arg("-f")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("haproxy can be started");
    let peer = Peer(child);
    for _ in 0..500 {
        if std::net::TcpStream::connect(address).is_ok() {
            return (peer, address);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("haproxy does not listen");
}
