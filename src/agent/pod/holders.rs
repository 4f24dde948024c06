//! Who holds a port that a container on the host's network could not have, in words for its user.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use crate::agent::pod::disk;
use crate::agent::pod::disk::Folder;
use crate::agent::pod::listening::Socket;
use crate::agent::pod::listening::open_sockets;
use crate::agent::shim::processes;
use crate::api::network::Service;

/// How runtimes say that a port is taken, in lower case.
const SAID: [&str; 3] = ["already in use", "eaddrinuse", "address in use"];

/// The socket that was in the way of a container that failed: one with which it cannot have listened on its own address
/// `own`, or, when its `log` says that the port was taken, one with which it cannot have listened on every address.
pub(crate) fn missed(
    sockets: &[Socket],
    own: Option<Ipv4Addr>,
    ports: &[u16],
    log: &str,
) -> Option<Socket> {
    let lines = log.lines().map(str::to_lowercase);
    let saying: Vec<String> = lines
        .filter(|line| SAID.iter().any(|words| line.contains(words)))
        .collect();
    let named = saying
        .iter()
        .flat_map(|line| line.split(|one: char| !one.is_ascii_digit()))
        .filter_map(|number| number.parse::<u16>().ok());
    let is_own = |socket: &Socket| own.is_some_and(|own| socket.address == IpAddr::V4(own));
    let is_in_its_way = |socket: &Socket| socket.address.is_unspecified() || is_own(socket);
    for port in named.chain(ports.iter().copied()) {
        let mut holding: Vec<&Socket> = sockets.iter().filter(|one| one.port == port).collect();
        holding.retain(|socket| !saying.is_empty() || is_in_its_way(socket));
        // Pods before the addresses of their services.
        holding.sort_by_key(|socket| {
            let is_pod = matches!(socket.address, IpAddr::V4(four) if four.octets()[1] == 88);
            (!is_in_its_way(socket), !is_pod)
        });
        if let Some(socket) = holding.first() {
            return Some(**socket);
        }
    }
    None
}

/// Names who has a socket open; `pods` is where the node's pods are.
pub(crate) fn name(socket: &Socket, pods: &Path, services: &[Arc<Service>]) -> String {
    let (address, port) = (socket.address, socket.port);
    let everywhere = address.is_unspecified();
    for (namespace, uid) in disk::found(pods) {
        let folder = Folder::new(pods, &namespace, &uid);
        let Some((folder, Ok(Some(record)))) = folder.map(|one| (one.clone(), one.record())) else {
            continue;
        };
        let has_address = record.address.is_some_and(|own| address == IpAddr::V4(own));
        if has_address || everywhere && holds(&folder, socket.inode) {
            let how = if everywhere {
                "it listens on every address".to_owned()
            } else {
                format!("it listens on {address}")
            };
            return format!("pod {namespace}/{} ({how})", record.name);
        }
    }
    let ip = address.to_string();
    if let Some(service) = services.iter().find(|one| one.spec.cluster_ip == ip) {
        let key = service.metadata.key();
        return format!("service {key} ({address}:{port} is its address)");
    }
    let what = if everywhere {
        "every address".to_owned()
    } else {
        ip
    };
    match process(socket.inode) {
        Some((pid, command)) => format!("process {pid} ({command}, which listens on {what})"),
        None => {
            format!("a process of another user of this machine (it listens on {what})")
        }
    }
}

/// Whether a process of the pod has the socket open.
fn holds(pod: &Folder, inode: u64) -> bool {
    pod.containers().iter().any(|name| {
        let newest = pod.attempts(name).pop();
        let shim = newest.map(|number| pod.attempt(name, number).shim());
        let started = shim.and_then(|shim| shim.started().ok().flatten());
        started.is_some_and(|started| {
            open_sockets(&processes::descendants(started.shim)).contains(&inode)
        })
    })
}

/// The process that has a socket open, if we may see it.
fn process(inode: u64) -> Option<(i32, String)> {
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<i32>().ok()
    });
    let pids: BTreeSet<i32> = pids.collect();
    let pid = pids
        .into_iter()
        .find(|pid| open_sockets(&[*pid]).contains(&inode))?;
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, command.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(127, 88, 1, 1);

    fn check(sockets: &[(&str, u16)], log: &str, expect: Option<&str>) {
        let sockets: Vec<Socket> = sockets
            .iter()
            .map(|(address, port)| Socket {
                address: address.parse().unwrap(),
                port: *port,
                inode: 0,
            })
            .collect();
        let found = missed(&sockets, Some(OWN), &[8080], log);
        let found = found.map(|one| format!("{}:{}", one.address, one.port));
        assert_eq!(found.as_deref(), expect, "{sockets:?} {log}");
    }

    #[test]
    fn the_socket_in_the_way_is_found() {
        let python = "Traceback\nOSError: [Errno 98] Address already in use";
        let node = "Error: listen EADDRINUSE: address already in use :::3000";
        let others = [("127.30.1.1", 8080), ("127.88.9.9", 8080), ("::", 3000)];
        // A pod beside it is in nobody's way who heeds HOST; one that wants every address says so.
        check(&others, "no such module", None);
        check(&others, python, Some("127.88.9.9:8080"));
        check(&others, node, Some(":::3000"));
        check(&[("0.0.0.0", 8080)], "sorry", Some("0.0.0.0:8080"));
        check(&[("127.88.1.1", 8080)], "sorry", Some("127.88.1.1:8080"));
        check(&[("127.30.1.1", 8080)], python, Some("127.30.1.1:8080"));
        check(&[("0.0.0.0", 80)], python, None);
        check(&[], python, None);
    }

    #[test]
    fn a_process_of_this_machine_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let all = crate::agent::pod::listening::sockets("self");
        let socket = all.iter().find(|one| one.port == port).unwrap();
        let name = name(socket, Path::new("/nowhere"), &[]);
        let pid = std::process::id();
        assert!(name.starts_with(&format!("process {pid} (")), "{name}");
        assert!(name.contains("127.0.0.1"), "{name}");
    }
}
