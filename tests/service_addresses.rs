//! Services' own addresses on this machine: there while their server is, and not left behind by one that was killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use serde_json::json;

use crate::site::Process;
use crate::site::Site;
use crate::site::missing;
use crate::site::needs;

fn ip(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ip").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(said)
}

fn is_routed(address: &str) -> bool {
    let shown = ip(&["route", "show", "table", "local", "type", "local", address]);
    shown.is_some_and(|shown| shown.contains("dev lo"))
}

fn route(verb: &str, address: &str) -> bool {
    ip(&["route", verb, "local", address, "dev", "lo"]).is_some()
}

/// Whether this user may give the machine addresses; says so if not.
fn may_route() -> bool {
    if !needs("ip") {
        return false;
    }
    let trial = "172.31.255.254";
    let may = nix::unistd::geteuid().is_root() && route("replace", trial);
    if may {
        assert!(route("del", trial));
    } else {
        missing("the right to change this machine's routes");
    }
    may
}

fn make_service(site: &Site, name: &str) -> String {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    });
    let file = site.path(name);
    fs::write(&file, service.to_string()).unwrap();
    site.ok(&["create", "-f", &file.display().to_string()]);
    let services = site.objects("services");
    let made = services
        .iter()
        .find(|service| service["metadata"]["name"] == name);
    let address = made.unwrap()["spec"]["clusterIP"].as_str().unwrap();
    address.to_owned()
}

#[test]
fn a_killed_server_takes_its_old_addresses_away_and_no_others() {
    if !may_route() {
        return;
    }
    let (site, other) = (Site::new(), Site::new());
    let server = site.serve(&[], &[]);
    let living = other.serve(&[], &[]);
    let (ours, others) = (make_service(&site, "ours"), make_service(&other, "others"));
    site.wait("the addresses", || is_routed(&ours) && is_routed(&others));
    drop(server);
    assert!(is_routed(&ours), "nobody could take it away");

    // As if a service had gone with the server, before its address could be taken away.
    let gone = format!("172.30.250.{}", 1 + std::process::id() % 250);
    let notes = Path::new("/run/upshift-services");
    let all = fs::read_dir(notes).unwrap().flatten();
    let mut names = all.map(|note| note.file_name().into_string().unwrap());
    let note = names.find(|name| name.starts_with(&format!("{ours}_")));
    let note = note.unwrap();
    let forged = notes.join(note.replace(&ours, &gone));
    fs::copy(notes.join(note), &forged).unwrap();
    assert!(route("replace", &gone));

    let server = site.serve(&[], &[]);
    site.wait("the old address to go", || !is_routed(&gone));
    assert!(!forged.exists());
    assert!(is_routed(&ours) && is_routed(&others));
    stop(server);
    assert!(!is_routed(&ours), "stopped: nothing is left");
    assert!(is_routed(&others));
    stop(living);
    assert!(!is_routed(&others));
}

fn stop(mut server: Process) {
    let pid = server.0.id().to_string();
    let told = Command::new("kill")
        .arg(pid)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(told.success());
    server.0.wait().unwrap();
}
