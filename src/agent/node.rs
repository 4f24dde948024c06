//! The node's own object and its sign of life.
//!
//! The agent writes addresses and nodeInfo, the controllers write conditions. A lease is renewed by its change, not by
//! its time: nobody compares the clocks of two machines.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use crate::agent::operations::Shared;
use crate::agent::toolchains;
use crate::api::core::Lease;
use crate::api::core::LeaseSpec;
use crate::api::core::NODE_LEASES;
use crate::api::core::Node;
use crate::api::core::NodeAddress;
use crate::api::core::NodeSystem;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::client::Client;
use crate::client::Error;
use crate::client::Patch;
use crate::client::WriteOptions;

const RENEWAL: Duration = Duration::from_secs(10);
const LEASE: u32 = 40;

/// How many pods a node says it takes; nothing counts them, `kubectl describe node` asks.
const PODS: &str = "250";

/// Registers the node, then renews its lease; says so when it is registered, and never ends by itself.
pub(crate) async fn keep(
    shared: &Shared,
    address: &str,
    registered: watch::Sender<bool>,
    refused: watch::Sender<Option<String>>,
) {
    let mut pause = Backoff::new(Duration::from_millis(100), RENEWAL);
    let mut failed = false;
    loop {
        let done = if *registered.borrow() {
            renew(shared).await
        } else {
            register(shared, address).await
        };
        let wait = match done {
            Ok(()) => {
                registered.send_replace(true);
                pause.reset();
                failed = false;
                RENEWAL
            }
            // Somebody removed the node: it is still here.
            Err(error) if error.is_not_found() && *registered.borrow() => {
                registered.send_replace(false);
                Duration::ZERO
            }
            Err(error) => {
                if error.is_refused_identity() {
                    refused.send_replace(Some(error.to_string()));
                }
                if !failed {
                    tracing::warn!(node = shared.name, %error, "the server does not hear from this node");
                }
                failed = true;
                pause.next(backoff::chance())
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn register(shared: &Shared, address: &str) -> Result<(), Error> {
    let client = &shared.client;
    let name = &shared.name;
    let key = Key::new("", name);
    let mut node = Node::default();
    node.metadata.name.clone_from(name);
    node.metadata.labels = labels(name);
    let found = (toolchains::ANNOTATION.to_owned(), toolchains::found());
    node.metadata.annotations = BTreeMap::from([found]);
    let made = match client.create(&node).await {
        Ok(made) => made,
        Err(error) if error.is_already_exists() => {
            let patch = json!({"metadata": {
                "labels": node.metadata.labels,
                "annotations": node.metadata.annotations,
            }});
            patched(client, None, &key, patch).await?
        }
        Err(error) => return Err(error),
    };
    let status = json!({"status": {
        "addresses": [
            NodeAddress { kind: "InternalIP".to_owned(), address: address.to_owned() },
            NodeAddress { kind: "Hostname".to_owned(), address: host_name() },
        ],
        "nodeInfo": system(),
        "capacity": capacity(),
        "allocatable": capacity(),
    }});
    patched(client, Some("status"), &key, status).await?;
    lease(shared, &made).await
}

async fn patched(
    client: &Client,
    subresource: Option<&str>,
    key: &Key,
    patch: serde_json::Value,
) -> Result<Node, Error> {
    let patch = Patch::Merge(patch);
    let options = WriteOptions::default();
    let object = client
        .patch(&kinds::NODE, key, subresource, &patch, &options)
        .await?;
    crate::client::decode(object)
}

async fn lease(shared: &Shared, node: &Node) -> Result<(), Error> {
    let mut lease = Lease {
        spec: LeaseSpec {
            holder_identity: shared.name.clone(),
            lease_duration_seconds: LEASE,
            renew_time: shared.clock.now().micro(),
        },
        ..Lease::default()
    };
    lease.metadata.name.clone_from(&shared.name);
    NODE_LEASES.clone_into(&mut lease.metadata.namespace);
    lease.metadata.owner_references = vec![node.as_owner()];
    match shared.client.create(&lease).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_already_exists() => renew(shared).await,
        Err(error) => Err(error),
    }
}

async fn renew(shared: &Shared) -> Result<(), Error> {
    let key = Key::new(NODE_LEASES, &shared.name);
    let patch = Patch::Merge(json!({"spec": {
        "holderIdentity": shared.name,
        "leaseDurationSeconds": LEASE,
        "renewTime": shared.clock.now().micro(),
    }}));
    let options = WriteOptions::default();
    let renewed = shared
        .client
        .patch(&kinds::LEASE, &key, None, &patch, &options);
    renewed.await.map(drop)
}

fn labels(name: &str) -> BTreeMap<String, String> {
    [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// As Kubernetes, and so Go, names it.
fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "unknown"
    }
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

fn system() -> NodeSystem {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    NodeSystem {
        kernel_version: kernel.trim().to_owned(),
        os_image: os_image(&os_release),
        operating_system: "linux".to_owned(),
        architecture: architecture().to_owned(),
        kubelet_version: format!("v{}", env!("CARGO_PKG_VERSION")),
        container_runtime_version: "upshift://process".to_owned(),
    }
}

/// What the machine has, in Kubernetes' quantities; a part that it does not tell is left out.
fn capacity() -> BTreeMap<&'static str, String> {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let processors = std::thread::available_parallelism().map(|count| count.to_string());
    let known = [
        ("cpu", processors.ok()),
        (
            "memory",
            kibibytes(&memory).map(|number| format!("{number}Ki")),
        ),
        ("pods", Some(PODS.to_owned())),
    ];
    let known = known.into_iter();
    known
        .filter_map(|(name, amount)| Some((name, amount?)))
        .collect()
}

/// `MemTotal` of a meminfo file.
fn kibibytes(meminfo: &str) -> Option<u64> {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().trim_end_matches("kB").trim().parse().ok()
}

/// `PRETTY_NAME` of an os-release file.
fn os_image(os_release: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("Linux", |name| name.trim_matches(['"', '\'']))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_system_as_it_names_itself() {
        let text = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(os_image(text), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(os_image(""), "Linux");
        assert!(!system().kernel_version.is_empty());
        assert_eq!(
            kibibytes("MemTotal:       16318424 kB\nMemFree: 1 kB\n"),
            Some(16_318_424)
        );
        assert_eq!(kibibytes(""), None);
    }
}
