//! Which TCP ports a pod's processes listen on, read from `/proc`.
//!
//! In a network namespace of its own every listening socket is the pod's; one bound to a loopback address there is
//! reached by nobody else and does not count. On the host's network a socket is the pod's when it is bound to the pod's
//! address, or open in one of its processes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::agent::shim::Shim;
use crate::agent::shim::processes;
use crate::api::pod::Listening;

/// Between two looks at a container that is starting, and at one that is up.
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(2);
/// A container that opens nothing for so long is looked at seldom.
const STARTING: Duration = Duration::from_secs(300);

/// Where a pod's sockets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Own,
    /// On the host's, with an address of its own.
    Address(Ipv4Addr),
    /// The host's itself.
    Host,
}

/// Follows what one container listens on, until it is dropped; each change wakes the worker.
pub(crate) async fn follow(
    shim: Shim,
    network: Network,
    found: watch::Sender<Vec<Listening>>,
    wake: Arc<Notify>,
) {
    let since = Instant::now();
    loop {
        let pid = shim
            .started()
            .ok()
            .flatten()
            .map(|started| (started.shim, started.pid));
        let now = pid.and_then(|(shim, child)| look(network, shim, child));
        if let Some(now) = now {
            let is_new = found.send_if_modified(|old| {
                let is_new = *old != now;
                *old = now;
                is_new
            });
            if is_new {
                wake.notify_one();
            }
        }
        let is_starting = found.borrow().is_empty() && since.elapsed() < STARTING;
        tokio::time::sleep(if is_starting { OFTEN } else { SELDOM }).await;
    }
}

/// What a container's processes listen on now; none when that cannot be said yet.
fn look(network: Network, shim: i32, child: i32) -> Option<Vec<Listening>> {
    match network {
        Network::Own => {
            let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
            let child = child.to_string();
            // Between its start and its program the child is still in ours.
            let is_inside = of(&child).is_some_and(|own| Some(own) != of("self"));
            is_inside.then(|| in_own_network(&sockets(&child)))
        }
        Network::Address(_) | Network::Host => {
            let all = sockets("self");
            let inodes = open_sockets(&processes::descendants(shim));
            Some(on_host(&all, network, &inodes))
        }
    }
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) inode: u64,
}

/// The listening sockets of the network that a process is in; an IPv4 address is never in the form of an IPv6 one.
pub(crate) fn sockets(pid: &str) -> Vec<Socket> {
    let mut all = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}"));
        all.extend(parse(&text.unwrap_or_default()));
    }
    all
}

fn in_own_network(sockets: &[Socket]) -> Vec<Listening> {
    let reachable = sockets
        .iter()
        .filter(|socket| !socket.address.is_loopback());
    sorted(reachable.map(|socket| (socket.port, false)))
}

fn on_host(sockets: &[Socket], network: Network, open: &BTreeSet<u64>) -> Vec<Listening> {
    let ours = sockets.iter().filter_map(|socket| {
        let everywhere = socket.address.is_unspecified();
        let is_own_address = match network {
            Network::Address(own) => socket.address == IpAddr::V4(own),
            Network::Own | Network::Host => false,
        };
        let is_reached = is_own_address || everywhere || network == Network::Host;
        let is_ours = is_own_address || open.contains(&socket.inode);
        (is_reached && is_ours).then_some((socket.port, everywhere))
    });
    sorted(ours)
}

fn sorted(found: impl Iterator<Item = (u16, bool)>) -> Vec<Listening> {
    let mut ports: BTreeMap<u16, bool> = BTreeMap::new();
    for (port, everywhere) in found {
        *ports.entry(port).or_default() |= everywhere;
    }
    ports
        .into_iter()
        .map(|(port, everywhere)| Listening { port, everywhere })
        .collect()
}

/// An IPv4 address in an IPv6 one as itself.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The sockets that some processes hold open.
pub(crate) fn open_sockets(pids: &[i32]) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for pid in pids {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(target) = fs::read_link(entry.path()) else {
                continue;
            };
            let inode: Option<u64> = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            });
            found.extend(inode);
        }
    }
    found
}

/// The listening sockets of a table (`/proc/PID/net/tcp`, `tcp6`).
fn parse(table: &str) -> Vec<Socket> {
    const LISTEN: &str = "0A";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if *fields.get(3)? != LISTEN {
                return None;
            }
            let (address, port) = fields.get(1)?.split_once(':')?;
            Some(Socket {
                address: plain(parse_address(address)?),
                port: u16::from_str_radix(port, 16).ok()?,
                inode: fields.get(9)?.parse().ok()?,
            })
        })
        .collect()
}

/// Words of four bytes, each as this machine holds it.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0
   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 100 0
   2: 0903587F:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 13 1 0 100 0
   3: 0903587F:1F93 0100007F:0016 01 00000000:00000000 00:00000000 00000000  1000        0 14 1 0 100 0
   4: 00000000000000000000000000000000:1F94 00000000000000000000000000000000:0000 0A 0:0 00:0 0  1000 0 15 1 0
   5: 0000000000000000FFFF00000903587F:1F95 00000000000000000000000000000000:0000 0A 0:0 00:0 0  1000 0 16 1 0
";

    fn check(found: &[Listening], expect: &[(u16, bool)]) {
        let found: Vec<(u16, bool)> = found.iter().map(|one| (one.port, one.everywhere)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_are_told_apart_by_where_they_are_bound() {
        let sockets = parse(TABLE);
        assert_eq!(sockets.len(), 5);
        check(&in_own_network(&sockets), &[(8081, false), (8084, false)]);
        let own = Network::Address(Ipv4Addr::new(127, 88, 3, 9));
        check(
            &on_host(&sockets, own, &BTreeSet::new()),
            &[(8082, false), (8085, false)],
        );
        check(
            &on_host(&sockets, own, &BTreeSet::from([11, 12, 15])),
            &[(8081, true), (8082, false), (8084, true), (8085, false)],
        );
        check(
            &on_host(&sockets, Network::Host, &BTreeSet::from([11, 12])),
            &[(8080, false), (8081, true)],
        );
    }

    #[test]
    fn our_own_sockets_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let open = open_sockets(&[std::process::id().cast_signed()]);
        let found = on_host(&parse(&table), Network::Host, &open);
        assert!(found.iter().any(|one| one.port == port));
    }
}
