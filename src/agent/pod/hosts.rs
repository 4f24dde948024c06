//! Names that a pod with a network of its own can look up: itself, and the services of the cluster by their addresses.
//!
//! A generated `/etc/hosts` in each pod's folder, seen by its processes alone. It is rewritten in place when services
//! change, so that a running process sees the change.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::agent::pod::Pods;
use crate::agent::pod::disk;
use crate::agent::pod::disk::Folder;
use crate::agent::shim::Mount;
use crate::api::network::Service;
use crate::client::Cache;

const HOSTS: &str = "/etc/hosts";
const RESOLVER: &str = "/etc/resolv.conf";
/// What systemd-resolved gives to those that cannot reach its own loopback address.
const REAL_RESOLVER: &str = "/run/systemd/resolve/resolv.conf";

/// The text of a pod's `/etc/hosts`.
fn text(namespace: &str, name: &str, address: &str, services: &[Arc<Service>]) -> String {
    let mut text = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n");
    let mut line = |address: &str, names: &[String]| {
        writeln!(text, "{address}\t{}", names.join(" ")).expect("a String takes everything");
    };
    line(address, &[name.to_owned()]);
    for service in services {
        let address = &service.spec.cluster_ip;
        if address.is_empty() || address == "None" {
            continue;
        }
        let meta = &service.metadata;
        let in_namespace = format!("{}.{}", meta.name, meta.namespace);
        let mut names = vec![format!("{in_namespace}.svc.cluster.local")];
        names.push(format!("{in_namespace}.svc"));
        names.push(in_namespace);
        if meta.namespace == namespace {
            names.push(meta.name.clone());
        }
        line(address, &names);
    }
    text
}

/// Writes a pod's file and says what its processes are to see.
pub(crate) fn mounts(
    folder: &Folder,
    (namespace, name): (&str, &str),
    address: &str,
    services: &[Arc<Service>],
) -> io::Result<Vec<Mount>> {
    let path = path(folder);
    write(&path, &text(namespace, name, address, services))?;
    let mut mounts = Vec::new();
    if Path::new(HOSTS).exists() {
        mounts.push(Mount {
            from: path,
            to: PathBuf::from(HOSTS),
        });
    }
    let resolver = fs::read_to_string(RESOLVER).unwrap_or_default();
    if asks_loopback(&resolver) && Path::new(REAL_RESOLVER).exists() {
        mounts.push(Mount {
            from: PathBuf::from(REAL_RESOLVER),
            to: PathBuf::from(RESOLVER),
        });
    }
    Ok(mounts)
}

fn path(folder: &Folder) -> PathBuf {
    folder.path().join("hosts")
}

/// Replaces the content and not the file: it is what processes have mounted.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

/// Whether every name server is the host's own.
fn asks_loopback(resolver: &str) -> bool {
    let mut servers = resolver
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver")?.split_whitespace().next())
        .peekable();
    servers.peek().is_some() && servers.all(|server| server.starts_with("127.") || server == "::1")
}

/// Keeps the files of running pods current, until the scope is cancelled.
pub(crate) async fn follow(pods: Arc<Pods>, services: Cache<Service>) {
    let mut changes = services.changes();
    while let Some(first) = changes.recv().await {
        let mut changed = BTreeSet::from([first.0]);
        while let Ok((key, _)) = changes.try_recv() {
            changed.insert(key);
        }
        let all = services.all();
        for (namespace, uid) in disk::found(&pods.folder) {
            let Some(folder) = Folder::new(&pods.folder, &namespace, &uid) else {
                continue;
            };
            let path = path(&folder);
            let Some(record) = folder.record().ok().flatten() else {
                continue;
            };
            let (Some(address), true) = (record.address, path.exists()) else {
                continue;
            };
            let text = text(&namespace, &record.name, &address.to_string(), &all);
            if let Err(error) = write(&path, &text) {
                tracing::warn!(pod = record.name, %error, "a pod does not get to know its services");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_finds_itself_and_services_by_every_name() {
        let service = |namespace: &str, name: &str, address: &str| {
            let object = json!({
                "metadata": {"namespace": namespace, "name": name},
                "spec": {"clusterIP": address, "ports": []},
            });
            Arc::new(serde_json::from_value(object).unwrap())
        };
        let services = [
            service("shop", "db", "172.30.0.7"),
            service("other", "db", "172.30.0.8"),
            service("shop", "headless", "None"),
        ];
        let text = text("shop", "web-1", "10.88.1.2", &services);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "10.88.1.2\tweb-1",
                "172.30.0.7\tdb.shop.svc.cluster.local db.shop.svc db.shop db",
                "172.30.0.8\tdb.other.svc.cluster.local db.other.svc db.other",
            ]
        );
    }

    #[test]
    fn a_resolver_on_the_host_s_loopback_is_told_apart() {
        assert!(asks_loopback("nameserver 127.0.0.53\noptions edns0\n"));
        assert!(!asks_loopback(
            "nameserver 127.0.0.1\nnameserver 10.0.0.1\n"
        ));
        assert!(!asks_loopback(""));
    }
}
