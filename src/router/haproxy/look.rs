//! What a HAProxy says of itself: its process, backends, servers and maps, read from the runtime API's tables.
//!
//! Reads only. Columns are found by their names, because every version adds some.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::router::haproxy::socket::Error;
use crate::router::haproxy::socket::Place;

/// Administrative states of a server (HAProxy's `SRV_ADMF_…`) that the runtime API sets and clears.
pub(super) const FORCED_MAINTENANCE: u32 = 0x01;
pub(super) const FORCED_DRAIN: u32 = 0x08;
/// The note that the configuration says `disabled`; it has no effect of its own.
const BY_CONFIGURATION: u32 = 0x04;
/// Health checks are configured (`CHK_ST_CONFIGURED`).
const CHECK_CONFIGURED: u32 = 0x02;

/// One moment of a HAProxy.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Look {
    pub(super) process: Process,
    pub(super) backends: BTreeMap<String, BTreeMap<String, Server>>,
    /// The maps that were asked for: entries by key; none when there is no such map.
    pub(super) maps: BTreeMap<String, Option<BTreeMap<String, String>>>,
}

/// Which process answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) version: String,
    pub(super) pid: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Server {
    pub(super) address: Option<SocketAddr>,
    pub(super) admin: u32,
    pub(super) has_checks: bool,
    pub(super) weight: u32,
    /// `UP`, `UP 1/3`, `DOWN`, `MAINT`, `DRAIN`, `no check`, …
    pub(super) status: String,
    /// What the last check said: `L4CON Connection refused`.
    pub(super) check: String,
    /// Requests (of a TCP backend: connections) under way or waiting for it.
    pub(super) in_flight: u32,
}

impl Server {
    pub(super) fn is_drained(&self) -> bool {
        self.admin & FORCED_DRAIN != 0
    }

    pub(super) fn is_in_maintenance(&self) -> bool {
        self.admin & FORCED_MAINTENANCE != 0
    }

    /// Whether nothing that the runtime API can clear keeps it out.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_drained() && !self.is_in_maintenance()
    }

    /// Why no new requests go there although it is ready.
    pub(super) fn hindrance(&self) -> Option<String> {
        let others = self.admin & !(FORCED_DRAIN | FORCED_MAINTENANCE | BY_CONFIGURATION);
        if others != 0 {
            return Some(format!(
                "{} for a reason that HAProxy has itself",
                self.status
            ));
        }
        let is_up = self.status.starts_with("UP") || self.status == "no check";
        if is_up {
            return None;
        }
        let why = match self.check.as_str() {
            _ if self.weight == 0 => " (its weight is 0)".to_owned(),
            "" => String::new(),
            check => format!(" by HAProxy's own check ({check})"),
        };
        Some(format!("{}{why}", self.status))
    }
}

/// Looks at everything that is of interest.
pub(super) async fn look(place: &Place, maps: impl Iterator<Item = &str>) -> Result<Look, Error> {
    let unfit = |why: String| Error::Unfit {
        place: place.clone(),
        why,
    };
    let process = process(&place.ask("show info").await?).map_err(unfit)?;
    let state = place.ask("show servers state").await?;
    // Backends (2) and servers (4) of every proxy.
    let counters = place.ask("show stat -1 6 -1").await?;
    let mut look = Look {
        process,
        backends: backends(&counters, &state).map_err(unfit)?,
        maps: BTreeMap::new(),
    };
    for map in maps {
        if !look.maps.contains_key(map) {
            let entries = entries(&place.ask(&format!("show map {map}")).await?);
            look.maps.insert(map.to_owned(), entries);
        }
    }
    Ok(look)
}

/// `show info`: lines `Name: value`.
fn process(text: &str) -> Result<Process, String> {
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(own, _)| *own == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    match (value("Version"), value("Pid")) {
        (Some(version), Some(pid)) => Ok(Process { version, pid }),
        _ => Err(format!("it answers `show info` with {:?}", beginning(text))),
    }
}

/// Both tables together.
fn backends(
    counters: &str,
    state: &str,
) -> Result<BTreeMap<String, BTreeMap<String, Server>>, String> {
    let mut found = BTreeMap::<String, BTreeMap<String, Server>>::new();
    let mut rows = counters.lines();
    let head = rows.next().unwrap_or_default();
    let columns = fields(head.trim_start_matches("# "));
    let column = |name: &str| {
        let place = columns.iter().position(|one| one == name);
        place.ok_or_else(|| format!("it answers `show stat` with {:?}", beginning(head)))
    };
    let (proxy, server, current, queued) = (
        column("pxname")?,
        column("svname")?,
        column("scur")?,
        column("qcur")?,
    );
    let (status, check, last) = (
        column("status")?,
        column("check_status")?,
        column("last_chk")?,
    );
    for row in rows.filter(|row| !row.is_empty()) {
        let row = fields(row);
        let text = |place: usize| row.get(place).map_or("", String::as_str);
        let number = |place: usize| text(place).parse::<u32>().unwrap_or(0);
        let servers = found.entry(text(proxy).to_owned()).or_default();
        if text(server) == "BACKEND" {
            continue;
        }
        let check = format!("{} {}", text(check), text(last));
        let about = Server {
            status: text(status).to_owned(),
            check: check.trim().to_owned(),
            in_flight: number(current).saturating_add(number(queued)),
            ..Server::default()
        };
        servers.insert(text(server).to_owned(), about);
    }
    let mut rows = state.lines().skip_while(|row| !row.starts_with('#'));
    let head = rows.next().unwrap_or_default();
    let columns: Vec<&str> = head.trim_start_matches('#').split_whitespace().collect();
    let column = |name: &str| {
        let place = columns.iter().position(|one| *one == name);
        place.ok_or_else(|| {
            format!(
                "it answers `show servers state` with {:?}",
                beginning(state)
            )
        })
    };
    let (proxy, server, admin, weight) = (
        column("be_name")?,
        column("srv_name")?,
        column("srv_admin_state")?,
        column("srv_uweight")?,
    );
    let (address, port, check) = (
        column("srv_addr")?,
        column("srv_port")?,
        column("srv_check_state")?,
    );
    for row in rows {
        let row: Vec<&str> = row.split_whitespace().collect();
        let text = |place: usize| row.get(place).copied().unwrap_or_default();
        let number = |place: usize| text(place).parse::<u32>().unwrap_or(0);
        let servers = found.get_mut(text(proxy));
        let Some(about) = servers.and_then(|servers| servers.get_mut(text(server))) else {
            continue;
        };
        let ip = text(address).parse().ok();
        about.address = ip.and_then(|ip| Some(SocketAddr::new(ip, text(port).parse().ok()?)));
        about.admin = number(admin);
        about.weight = number(weight);
        about.has_checks = number(check) & CHECK_CONFIGURED != 0;
    }
    Ok(found)
}

/// `show map`: lines `0xADDRESS KEY VALUE`; none for a map that is not there.
fn entries(text: &str) -> Option<BTreeMap<String, String>> {
    if text.starts_with("Unknown map") {
        return None;
    }
    let entries = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ' ').skip(1);
        Some((parts.next()?.to_owned(), parts.next()?.trim().to_owned()))
    });
    Some(entries.collect())
}

/// One line of comma-separated values; a value with commas stands in quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for one in line.chars() {
        match one {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            one => fields.last_mut().expect("there is one").push(one),
        }
    }
    fields
}

fn beginning(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    let end = line
        .char_indices()
        .nth(80)
        .map_or(line.len(), |(end, _)| end);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTERS: &str = "\
# pxname,svname,qcur,qmax,scur,smax,status,check_status,last_chk,addr,
shop,web-1,1,0,2,0,DOWN,L4CON,\"refused, twice\",127.0.3.1:8080,
shop,web-2,0,0,0,0,no check,,,127.0.3.2:8080,
shop,BACKEND,0,0,0,0,UP,,,,
empty,BACKEND,0,0,0,0,UP,,,,
";
    const STATE: &str = "\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord
2 shop 1 web-1 127.0.3.1 0 8 7 7 0 8 2 0 6 0 0 0 - 8080 -
2 shop 2 web-2 127.0.3.2 2 5 1 1 0 1 0 2 0 0 0 0 - 8080 -
";

    #[test]
    fn servers_are_read_from_both_tables() {
        let found = backends(COUNTERS, STATE).unwrap();
        assert_eq!(found["empty"], BTreeMap::new());
        let one = &found["shop"]["web-1"];
        assert_eq!((one.in_flight, one.weight, one.has_checks), (3, 7, true));
        assert!(one.is_drained() && !one.is_in_maintenance());
        assert_eq!(
            one.hindrance().unwrap(),
            "DOWN by HAProxy's own check (L4CON refused, twice)"
        );
        let two = &found["shop"]["web-2"];
        assert_eq!(two.address, Some("127.0.3.2:8080".parse().unwrap()));
        assert!(two.is_in_maintenance() && !two.has_checks);
        assert_eq!(two.hindrance(), None);
    }

    #[test]
    fn what_is_no_haproxy_is_said() {
        let why = process("HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        assert_eq!(
            why,
            "it answers `show info` with \"HTTP/1.1 400 Bad Request\""
        );
        assert!(
            backends("Permission denied", "")
                .unwrap_err()
                .contains("Permission denied")
        );
        let process = process("Name: HAProxy\nVersion: 2.6.12-1\nPid: 7\n").unwrap();
        assert_eq!((&*process.version, &*process.pid), ("2.6.12-1", "7"));
    }

    #[test]
    fn a_map_has_entries_or_is_not_there() {
        let found = entries("0x55c shop.test shop-blue\n0x7fe b two words").unwrap();
        assert_eq!(found["shop.test"], "shop-blue");
        assert_eq!(found["b"], "two words");
        assert_eq!(entries(""), Some(BTreeMap::new()));
        assert_eq!(
            entries("Unknown map identifier. Please use #<id> or <file>."),
            None
        );
    }
}
