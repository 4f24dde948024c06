//! Where pods are reached: an address of its own for each, in a network namespace of its own where the host allows it.
//!
//! # Decided
//!
//! * An address is claimed for the whole machine by a file below a machine-wide folder that names the pod's folder; a
//!   claim whose pod is gone is free. So any number of servers share one bridge, and all other names (namespace, link)
//!   follow from the address.
//! * As root with `ip` and `nft`: a namespace with an address of 10.88.0.0/16, reached through the bridge. Otherwise a
//!   loopback address of 127.88.0.0/16. Which of the two is tried once per agent, at its first pod.

use std::fs;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use nix::unistd;

use crate::base::environment;
use crate::base::network::BRIDGE;
use crate::base::network::GATEWAY;
use crate::base::network::bridge;
use crate::base::network::masquerade;
use crate::base::network::run;
use crate::content::blobs::Digest;

/// Where `ip netns` keeps namespaces.
const NAMESPACES: &str = "/run/netns";

/// The addresses of one node's pods.
#[derive(Debug)]
pub(crate) struct Network {
    claims: PathBuf,
    /// Whether namespaces work here; found out at the first pod.
    namespaces: OnceLock<bool>,
}

/// Where a pod is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: Ipv4Addr,
    pub(crate) has_namespace: bool,
}

impl Network {
    pub(crate) fn new() -> Network {
        let folder = if unistd::geteuid().is_root() {
            PathBuf::from("/run/upshift")
        } else {
            // Other users' claims are seen there too: the addresses are one machine's.
            environment::scratch_folder().join("upshift-addresses")
        };
        Network {
            claims: folder,
            namespaces: OnceLock::new(),
        }
    }

    /// Gives a pod its place, the same again when it has one; everything is made that is missing. Blocks.
    pub(crate) fn take(&self, pod: &Path, known: Option<Place>) -> io::Result<Place> {
        let has_namespace = match known {
            Some(known) => known.has_namespace,
            None => self.namespaces_work(),
        };
        let address = self.claim(pod, known.map(|known| known.address), has_namespace)?;
        let place = Place {
            address,
            has_namespace,
        };
        if has_namespace {
            bridge()?;
            make_namespace(address)?;
        }
        Ok(place)
    }

    /// Takes a pod's place away; what is not there needs nothing. Blocks.
    pub(crate) fn leave(&self, pod: &Path, place: Place) -> io::Result<()> {
        let _lock = self.lock()?;
        let claim = self.claim_file(place.address);
        // The address may be another's by now.
        if !fs::read_to_string(&claim).is_ok_and(|owner| Path::new(&owner) == pod) {
            return Ok(());
        }
        if place.has_namespace {
            remove_namespace(place.address)?;
        }
        fs::remove_file(claim)
    }

    /// Takes away what pods left that are gone without a word. Blocks.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        if !self.claims.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        for entry in fs::read_dir(&self.claims)? {
            let claim = entry?.path();
            let name = claim.file_name().and_then(|name| name.to_str());
            let Some(address) = name.and_then(|name| name.parse::<Ipv4Addr>().ok()) else {
                continue;
            };
            let Ok(owner) = fs::read_to_string(&claim) else {
                continue;
            };
            if !Path::new(&owner).try_exists().unwrap_or(true) && fs::remove_file(&claim).is_ok() {
                remove_namespace(address)?;
            }
        }
        Ok(())
    }

    fn namespaces_work(&self) -> bool {
        *self.namespaces.get_or_init(|| {
            if !unistd::geteuid().is_root() {
                return false;
            }
            let tried = bridge().and_then(|()| masquerade()).and_then(|()| {
                let name = format!("upshift-try-{}", std::process::id());
                let made = run("ip", &["netns", "add", &name], "");
                made.and_then(|()| run("ip", &["netns", "delete", &name], ""))
            });
            if let Err(error) = &tried {
                tracing::warn!(%error, "pods get no networks of their own here, only loopback addresses");
            }
            tried.is_ok()
        })
    }

    fn claim_file(&self, address: Ipv4Addr) -> PathBuf {
        self.claims.join(address.to_string())
    }

    fn lock(&self) -> io::Result<File> {
        match fs::create_dir(&self.claims) {
            // Whoever is first makes it for everybody; nobody removes another's claim.
            Ok(()) => fs::set_permissions(&self.claims, fs::Permissions::from_mode(0o1777))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let path = self.claims.join("lock");
        let lock = File::options().read(true).open(&path).or_else(|_| {
            let lock = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            lock.set_permissions(fs::Permissions::from_mode(0o644))?;
            Ok::<_, io::Error>(lock)
        })?;
        lock.lock()?;
        Ok(lock)
    }

    fn claim(
        &self,
        pod: &Path,
        known: Option<Ipv4Addr>,
        has_namespace: bool,
    ) -> io::Result<Ipv4Addr> {
        let _lock = self.lock()?;
        let wanted = candidates(pod, has_namespace);
        for address in known.into_iter().chain(wanted) {
            let claim = self.claim_file(address);
            let owner = fs::read_to_string(&claim).ok();
            match owner.as_deref().map(Path::new) {
                Some(owner) if owner == pod => return Ok(address),
                // A folder that cannot be looked at is another user's, and taken.
                Some(owner) if owner.try_exists().unwrap_or(true) => continue,
                Some(_) if has_namespace => remove_namespace(address)?,
                None if claim.exists() => continue,
                _ => {}
            }
            let _ = fs::remove_file(&claim);
            if claim.exists() {
                continue;
            }
            fs::write(&claim, pod.as_os_str().as_encoded_bytes())?;
            return Ok(address);
        }
        Err(io::Error::other("every address for pods is taken"))
    }
}

/// The file by which a process enters the namespace of an address.
pub(crate) fn namespace_file(address: Ipv4Addr) -> PathBuf {
    Path::new(NAMESPACES).join(name(address))
}

fn name(address: Ipv4Addr) -> String {
    format!("upshift-{address}")
}

/// The host's end of the pod's link.
fn link(address: Ipv4Addr) -> String {
    let [_, _, c, d] = address.octets();
    format!("upshift{c}.{d}")
}

/// Every address that a pod may get, in an order of its own.
fn candidates(pod: &Path, has_namespace: bool) -> impl Iterator<Item = Ipv4Addr> {
    let seed = Digest::of(pod.as_os_str().as_encoded_bytes());
    let start = u32::from_str_radix(&seed.hex()[..8], 16).unwrap_or_default();
    let first = if has_namespace { 10 } else { 127 };
    (0..254 * 254).map(move |step| {
        let number = start.wrapping_add(step) % (254 * 254);
        let part = |number: u32| u8::try_from(number % 254 + 1).unwrap_or(1);
        Ipv4Addr::new(first, 88, part(number / 254), part(number))
    })
}

/// Makes the namespace with its link, unless it is whole.
fn make_namespace(address: Ipv4Addr) -> io::Result<()> {
    let (name, link) = (name(address), link(address));
    let is_whole = || {
        namespace_file(address).exists()
            && run(
                "ip",
                &["-n", &name, "route", "get", &GATEWAY.to_string()],
                "",
            )
            .is_ok()
            && run("ip", &["link", "show", &link], "").is_ok()
    };
    if is_whole() {
        return Ok(());
    }
    remove_namespace(address)?;
    run("ip", &["netns", "add", &name], "")?;
    let outside = format!(
        "link add {link} type veth peer name eth0 netns {name}\nlink set {link} master {BRIDGE} up\n"
    );
    run("ip", &["-batch", "-"], &outside)?;
    let inside = format!(
        "link set lo up\naddr add {address}/16 dev eth0\nlink set eth0 up\nroute add default via {GATEWAY}\n"
    );
    run("ip", &["-n", &name, "-batch", "-"], &inside)
}

fn remove_namespace(address: Ipv4Addr) -> io::Result<()> {
    if address.is_loopback() {
        return Ok(());
    }
    let (name, link) = (name(address), link(address));
    // The namespace lives on while a process is in it; the link shall not.
    let _ = run("ip", &["link", "delete", &link], "");
    // Whoever gets the address next is another neighbour; the old one would be asked for a while.
    let old = address.to_string();
    let _ = run("ip", &["neigh", "flush", "to", &old, "dev", BRIDGE], "");
    if namespace_file(address).exists() {
        run("ip", &["netns", "delete", &name], "")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(place: &Path) -> Network {
        Network {
            claims: place.join("claims"),
            namespaces: OnceLock::from(false),
        }
    }

    #[test]
    fn every_pod_of_a_machine_has_an_address_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (network(place.path()), network(place.path()));
        let pods: Vec<PathBuf> = (0..50).map(|n| place.path().join(n.to_string())).collect();
        let mut found = Vec::new();
        for (number, pod) in pods.iter().enumerate() {
            fs::create_dir(pod).unwrap();
            let network = if number % 2 == 0 { &one } else { &other };
            found.push(network.take(pod, None).unwrap());
        }
        let mut distinct: Vec<Ipv4Addr> = found.iter().map(|place| place.address).collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 50);
        assert_eq!(one.take(&pods[3], Some(found[3])).unwrap(), found[3]);
        // Another's claim is not given up by mistake; one's own is free afterwards.
        one.leave(&pods[4], found[3]).unwrap();
        assert_eq!(other.take(&pods[3], None).unwrap(), found[3]);
        one.leave(&pods[3], found[3]).unwrap();
        assert!(!one.claim_file(found[3].address).exists());
        // A pod that is gone without a word holds nothing.
        fs::remove_dir(&pods[5]).unwrap();
        assert_eq!(one.take(&pods[3], Some(found[5])).unwrap(), found[5]);
    }

    #[test]
    fn addresses_are_hosts_and_names_fit() {
        for address in candidates(Path::new("/x"), true).take(70_000) {
            let [a, b, c, d] = address.octets();
            assert!((a, b) == (10, 88) && c > 0 && d > 0 && d < 255);
            assert!(link(address).len() <= 15);
        }
    }
}
