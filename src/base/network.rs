//! The machine's part of the pods' network: one bridge for every server on it, and running `ip` and `nft`.
//!
//! Everything here may be done again at any time and by several processes at once.

use std::fs;
use std::io;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

/// The bridge that pods' networks hang on and cluster addresses are added to.
pub const BRIDGE: &str = "upshift0";
/// The host's own address on the bridge, the pods' way out.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Where programs of the administrator are, also for a process with a bare environment.
const SEARCH_PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin";

/// Pods reach the world under the host's address; what passes between pods stays as it is.
const RULES: &str = "\
add table ip upshift
add chain ip upshift postrouting { type nat hook postrouting priority srcnat; }
flush chain ip upshift postrouting
add rule ip upshift postrouting ip saddr 10.88.0.0/16 oifname != \"upshift0\" masquerade
";

/// Makes the bridge with its address, unless it is there and whole.
pub fn bridge() -> io::Result<()> {
    if run("ip", &["link", "show", BRIDGE], "").is_err() {
        let made = run("ip", &["link", "add", BRIDGE, "type", "bridge"], "");
        made.or_else(unless("File exists"))?;
    }
    let address = format!("{GATEWAY}/16");
    run("ip", &["addr", "add", &address, "dev", BRIDGE], "").or_else(is_there_already)?;
    run("ip", &["link", "set", BRIDGE, "up"], "")
}

/// Lets pods reach the world: forwarding, and the host's address on what leaves the bridge.
pub fn masquerade() -> io::Result<()> {
    run("nft", &["-f", "-"], RULES)?;
    let path = "/proc/sys/net/ipv4/ip_forward";
    if fs::read_to_string(path).is_ok_and(|text| text.trim() == "1") {
        return Ok(());
    }
    fs::write(path, "1")
}

/// Runs a program with a text as its input; an error carries what it said.
pub fn run(program: &str, arguments: &[&str], input: &str) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended before it read everything says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let Output { status, stderr, .. } = child.wait_with_output()?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr);
    let said = said.trim().replace('\n', "; ");
    let arguments = arguments.join(" ");
    Err(io::Error::other(format!("{program} {arguments}: {said}")))
}

/// Turns an error that says so into a success.
pub fn unless(word: &'static str) -> impl FnOnce(io::Error) -> io::Result<()> {
    move |error| {
        if error.to_string().contains(word) {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// `ip` says it in two ways.
fn is_there_already(error: io::Error) -> io::Result<()> {
    unless("File exists")(error).or_else(unless("already assigned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_the_error() {
        assert!(run("true", &[], "").is_ok());
        let error = run("sh", &["-c", "cat >&2; exit 1"], "no such luck\n").unwrap_err();
        assert_eq!(error.to_string(), "sh -c cat >&2; exit 1: no such luck");
        assert!(unless("no such luck")(error).is_ok());
    }
}
