//! Service addresses that are this machine's own because a router said so, and who said so.
//!
//! An address is routed to the machine itself (`ip route … local … dev lo`). Before that is done it is written down, a
//! file per address and owner (a server's data folder), and the file goes after the route; so whoever is killed in
//! between finds what it made, and an address that two servers use stays until both have left it. Everything here
//! blocks, and may be done again.
//!
//! # Decided
//!
//! Below `/run`: the notes are gone with a reboot, and so are the routes. An owner that does not exist any more is
//! swept by the next server that starts.

use std::collections::HashSet;
use std::fs;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;

use nix::fcntl::Flock;
use nix::fcntl::FlockArg;

use crate::base::crash;
use crate::base::durable;
use crate::base::network;
use crate::base::network::unless;
use crate::content::blobs::Digest;

/// Where owners of service addresses write down what they made; only root writes in `/run`.
const FOLDER: &str = "/run/upshift-services";

/// The addresses of one machine, as one owner sees them.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    folder: PathBuf,
    /// A path that exists as long as the owner does.
    owner: PathBuf,
    /// Routes an address to this machine, or ends that.
    ip: fn(&str, IpAddr) -> io::Result<()>,
}

/// What is written down: an address and who has it.
struct Claim {
    file: PathBuf,
    address: IpAddr,
    owner: PathBuf,
}

impl Addresses {
    pub(crate) fn new(owner: PathBuf) -> Addresses {
        Addresses {
            folder: PathBuf::from(FOLDER),
            owner,
            ip: route,
        }
    }

    /// Makes an address this machine's own.
    pub(crate) fn take(&self, address: IpAddr) -> io::Result<()> {
        let _lock = self.lock()?;
        self.write(address)?;
        crash::point("router.address.before");
        let routed = (self.ip)("replace", address);
        if routed.is_err() && !self.is_others(address)? {
            fs::remove_file(self.file(address))?;
        }
        crash::point("router.address.after");
        routed
    }

    /// Keeps an address that another owner made this machine's own; one that the machine has by itself is left alone.
    pub(crate) fn share(&self, address: IpAddr) -> io::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        if self.is_others(address)? {
            self.write(address)?;
        }
        Ok(())
    }

    /// Ends what this owner made of an address.
    pub(crate) fn leave(&self, address: IpAddr) -> io::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let file = self.file(address);
        if file.exists() {
            self.end(&file, address)?;
        }
        Ok(())
    }

    /// Ends what this owner made before and does not want any more, and what owners made that are gone.
    pub(crate) fn sweep(&self, wanted: &HashSet<IpAddr>) -> io::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        for claim in self.claims()? {
            let is_over = if claim.owner == self.owner {
                !wanted.contains(&claim.address)
            } else {
                !claim.owner.try_exists().unwrap_or(true)
            };
            if is_over {
                self.end(&claim.file, claim.address)?;
            }
        }
        Ok(())
    }

    fn end(&self, file: &Path, address: IpAddr) -> io::Result<()> {
        let mut claims = self.claims()?.into_iter();
        let is_shared = claims.any(|claim| claim.address == address && claim.file != file);
        if !is_shared {
            (self.ip)("del", address).or_else(unless("No such process"))?;
            crash::point("router.address.gone");
        }
        fs::remove_file(file)
    }

    fn is_others(&self, address: IpAddr) -> io::Result<bool> {
        let mut claims = self.claims()?.into_iter();
        Ok(claims.any(|claim| claim.address == address && claim.owner != self.owner))
    }

    fn file(&self, address: IpAddr) -> PathBuf {
        let owner = Digest::of(self.owner.as_os_str().as_encoded_bytes());
        self.folder.join(format!("{address}_{}", owner.short()))
    }

    fn write(&self, address: IpAddr) -> io::Result<()> {
        let owner = self.owner.as_os_str().as_encoded_bytes();
        durable::write(&self.file(address), owner, 0o644)
    }

    fn claims(&self) -> io::Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let file = entry?.path();
            let name = file.file_name().and_then(|name| name.to_str());
            let address = name
                .and_then(|name| name.split_once('_'))
                .and_then(|(address, _)| address.parse().ok());
            // Anything else is the lock, or a file that is being written.
            let Some(address) = address else { continue };
            let owner = PathBuf::from(fs::read_to_string(&file)?);
            claims.push(Claim {
                file,
                address,
                owner,
            });
        }
        Ok(claims)
    }

    fn lock(&self) -> io::Result<Flock<File>> {
        fs::create_dir_all(&self.folder)?;
        let file = File::create(self.folder.join("lock"))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
    }
}

fn route(verb: &str, address: IpAddr) -> io::Result<()> {
    let address = address.to_string();
    network::run("ip", &["route", verb, "local", &address, "dev", "lo"], "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static ROUTED: RefCell<BTreeSet<IpAddr>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// The machine: what is routed to it.
    fn machine(verb: &str, address: IpAddr) -> io::Result<()> {
        let is_done = ROUTED.with_borrow_mut(|routed| match verb {
            "replace" => {
                routed.insert(address);
                true
            }
            _ => routed.remove(&address),
        });
        if is_done {
            return Ok(());
        }
        Err(io::Error::other("RTNETLINK answers: No such process"))
    }

    fn refusing(_: &str, _: IpAddr) -> io::Result<()> {
        Err(io::Error::other("Operation not permitted"))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([172, 30, 0, last])
    }

    fn routed() -> Vec<IpAddr> {
        ROUTED.with_borrow(|routed| routed.iter().copied().collect())
    }

    struct World {
        folder: tempfile::TempDir,
    }

    impl World {
        fn new() -> World {
            let folder = tempfile::tempdir().unwrap();
            World { folder }
        }

        /// A server whose data folder exists.
        fn server(&self, name: &str) -> Addresses {
            let owner = self.folder.path().join(name);
            fs::create_dir_all(&owner).unwrap();
            Addresses {
                folder: self.folder.path().join("run"),
                owner,
                ip: machine,
            }
        }

        fn notes(&self) -> usize {
            let all = fs::read_dir(self.folder.path().join("run")).unwrap();
            all.count() - 1
        }
    }

    #[test]
    fn a_killed_server_ends_what_nobody_wants_any_more() {
        let world = World::new();
        let (ours, others) = (world.server("ours"), world.server("others"));
        ours.sweep(&HashSet::new()).unwrap();
        for last in [1, 2, 3] {
            ours.take(address(last)).unwrap();
        }
        others.take(address(4)).unwrap();
        // Written down, and killed before the route was made.
        ours.write(address(5)).unwrap();
        let again = world.server("ours");
        again.sweep(&HashSet::from([address(2)])).unwrap();
        assert_eq!(routed(), [address(2), address(4)]);
        assert_eq!(world.notes(), 2);
        again.leave(address(2)).unwrap();
        again.leave(address(2)).unwrap();
        assert_eq!(routed(), [address(4)]);
    }

    #[test]
    fn an_address_stays_until_its_last_owner_leaves_it() {
        let world = World::new();
        let (ours, others) = (world.server("ours"), world.server("others"));
        others.share(address(1)).unwrap();
        ours.take(address(1)).unwrap();
        ours.share(address(1)).unwrap();
        others.share(address(1)).unwrap();
        ours.leave(address(1)).unwrap();
        assert_eq!(routed(), [address(1)]);
        others.sweep(&HashSet::new()).unwrap();
        assert!(routed().is_empty());
        assert_eq!(world.notes(), 0);
        others.share(address(9)).unwrap();
        assert_eq!(world.notes(), 0, "the machine has it by itself");
    }

    #[test]
    fn what_an_owner_left_that_is_gone_is_swept() {
        let world = World::new();
        let (ours, gone) = (world.server("ours"), world.server("gone"));
        gone.take(address(1)).unwrap();
        fs::remove_dir(&gone.owner).unwrap();
        ours.sweep(&HashSet::new()).unwrap();
        assert!(routed().is_empty());
    }

    #[test]
    fn a_route_that_cannot_be_made_leaves_no_note() {
        let world = World::new();
        let mut ours = world.server("ours");
        ours.ip = refusing;
        assert!(ours.take(address(1)).is_err());
        assert_eq!(world.notes(), 0);
    }
}
