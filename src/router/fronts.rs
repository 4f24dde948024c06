//! Services' own addresses: a listener for each, and every connection copied to an endpoint in rotation.
//!
//! A loopback address is listened on only while an endpoint is in rotation (see [`table`](crate::router::table)). An
//! address that cannot be listened on is said in an event on the service and tried again. As root the address must
//! be this machine's first: it is routed to the machine itself, for as long as the router runs (`addresses.rs`).
//!
//! # Decided
//!
//! A local route for each address, and not an address on the pods' bridge: it needs no interface, is gone with one
//! command, and touches nothing else of a network that the host may have in the same range.

use std::collections::HashMap;
use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::net::TcpStream;

use crate::api::core::Event;
use crate::api::core::EventSource;
use crate::api::core::ObjectReference;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::content::blobs::Digest;
use crate::router::addresses::Addresses;
use crate::router::proxy::Flight;
use crate::router::proxy::Shared;
use crate::router::upstream;

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The most endpoints that one connection tries.
const TRIES: usize = 4;

/// The listeners of all service addresses.
pub(crate) struct Fronts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) scope: Scope,
    open: HashMap<SocketAddr, Scope>,
    addresses: Addresses,
    routed: Routed,
}

/// The addresses that are the machine's own for this router's sake.
type Routed = Arc<Mutex<HashSet<IpAddr>>>;

impl Fronts {
    /// None yet.
    pub(crate) fn new(
        shared: Arc<Shared>,
        client: Client,
        clock: Clock,
        addresses: Addresses,
        scope: Scope,
    ) -> Fronts {
        let routed = Routed::default();
        let (at_the_end, stop) = (routed.clone(), scope.clone());
        let all = addresses.clone();
        scope.spawn_graceful(async move {
            stop.cancelled().await;
            let left = std::mem::take(&mut *locked(&at_the_end));
            for ip in left {
                leave(&all, ip).await;
            }
        });
        Fronts {
            addresses,
            routed,
            shared,
            client,
            clock,
            scope,
            open: HashMap::new(),
        }
    }

    /// Ends what a router before this one made of addresses that no service has any more.
    pub(crate) async fn sweep(&self) {
        let wanted: HashSet<IpAddr> = self.open.keys().map(SocketAddr::ip).collect();
        forget(&self.addresses, wanted).await;
    }

    /// Begins to listen on an address of that service, or ends it.
    pub(crate) fn set(&mut self, address: SocketAddr, service: Option<Key>) {
        if let Some(scope) = self.open.remove(&address) {
            scope.cancel();
        }
        let Some(service) = service else {
            self.give_up(address.ip());
            return;
        };
        let scope = self.scope.child();
        let front = Front {
            address,
            service,
            shared: self.shared.clone(),
            client: self.client.clone(),
            clock: self.clock.clone(),
            addresses: self.addresses.clone(),
            routed: self.routed.clone(),
        };
        let connections = self.scope.clone();
        scope.spawn(async move { front.run(connections).await });
        self.open.insert(address, scope);
    }

    /// Takes the address off this machine when no port of it is left.
    fn give_up(&self, ip: IpAddr) {
        let is_used = self.open.keys().any(|address| address.ip() == ip);
        if !is_used && locked(&self.routed).remove(&ip) {
            let addresses = self.addresses.clone();
            self.scope
                .spawn_graceful(async move { leave(&addresses, ip).await });
        }
    }
}

struct Front {
    address: SocketAddr,
    service: Key,
    shared: Arc<Shared>,
    client: Client,
    clock: Clock,
    addresses: Addresses,
    routed: Routed,
}

impl Front {
    async fn run(self, connections: Scope) {
        let socket = self.listen().await;
        loop {
            match socket.accept().await {
                Ok((stream, _)) => {
                    let (address, shared) = (self.address, self.shared.clone());
                    // It outlives the service's address: it ends when either side or the router does.
                    connections.spawn(async move { carry(stream, address, &shared).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn listen(&self) -> TcpListener {
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut said = false;
        loop {
            match self.bind().await {
                Ok(socket) => return socket,
                Err(error) => {
                    if !said {
                        said = true;
                        self.say(&error).await;
                    }
                }
            }
            tokio::time::sleep(pauses.next(backoff::chance())).await;
        }
    }

    async fn bind(&self) -> io::Result<TcpListener> {
        let ip = self.address.ip();
        let bound = TcpListener::bind(self.address).await;
        if !needs_a_route(ip) {
            return bound;
        }
        let addresses = self.addresses.clone();
        // Before it is done: whoever gives the address up meanwhile must find it.
        locked(&self.routed).insert(ip);
        match bound {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                blocking(move || addresses.take(ip)).await?;
                TcpListener::bind(self.address).await
            }
            Ok(socket) => {
                blocking(move || addresses.share(ip)).await?;
                Ok(socket)
            }
            Err(error) => Err(error),
        }
    }

    /// Says on the service why its address does not work; nothing depends on it.
    async fn say(&self, error: &io::Error) {
        let message = if error.kind() == io::ErrorKind::AddrInUse && self.address.ip().is_loopback()
        {
            format!(
                "cannot listen on {}: something else listens on port {} of every address, as a pod does that does not \
                 heed $HOST; routes and the pods' own addresses work",
                self.address,
                self.address.port()
            )
        } else {
            format!("cannot listen on {}: {error}", self.address)
        };
        tracing::warn!(service = %self.service, message);
        let now = Some(self.clock.now());
        let Key { namespace, name } = &self.service;
        let about: Result<crate::api::network::Service, _> = self.client.get(&self.service).await;
        let digest = Digest::of(format!("{name}\0{message}").as_bytes());
        let event = Event {
            metadata: Metadata {
                name: format!("{name}.{}", &digest.hex()[..16]),
                namespace: namespace.clone(),
                ..Metadata::default()
            },
            involved_object: ObjectReference {
                api_version: kinds::SERVICE.api_version(),
                kind: kinds::SERVICE.kind.to_owned(),
                namespace: namespace.clone(),
                name: name.clone(),
                uid: about
                    .map(|service| service.metadata.uid)
                    .unwrap_or_default(),
            },
            reason: "AddressNotAvailable".to_owned(),
            message,
            kind: "Warning".to_owned(),
            count: 1,
            first_timestamp: now,
            last_timestamp: now,
            source: EventSource {
                component: "upshift-router".to_owned(),
                ..EventSource::default()
            },
        };
        if let Err(error) = self.client.create(&event).await
            && !error.is_already_exists()
        {
            tracing::debug!(%error, "an event was left out");
        }
    }
}

fn locked(routed: &Routed) -> std::sync::MutexGuard<'_, HashSet<IpAddr>> {
    routed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an address is this machine's only when we say so.
fn needs_a_route(ip: IpAddr) -> bool {
    !ip.is_loopback() && nix::unistd::geteuid().is_root()
}

/// Ends what an owner made of addresses that are not wanted; only root made any.
pub(crate) async fn forget(addresses: &Addresses, wanted: HashSet<IpAddr>) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let addresses = addresses.clone();
    if let Err(error) = blocking(move || addresses.sweep(&wanted)).await {
        tracing::warn!(%error, "addresses of services that are gone may still be this machine's");
    }
}

/// Gives an address up; what fails now is done at the next start.
async fn leave(addresses: &Addresses, ip: IpAddr) {
    let addresses = addresses.clone();
    if let Err(error) = blocking(move || addresses.leave(ip)).await {
        tracing::warn!(%ip, %error, "an address stays this machine's");
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Carries one connection to an endpoint, to another one when that cannot be connected to.
async fn carry(mut stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut tried = Vec::new();
    while tried.len() < TRIES {
        let chosen = {
            let table = shared.table.load();
            table.front(address).and_then(|members| {
                let endpoint = members.choose(&tried)?;
                let has_other = members.has_other(endpoint.address, &tried);
                Some((endpoint.clone(), has_other))
            })
        };
        let Some((endpoint, has_other)) = chosen else {
            return;
        };
        let Some(flight) = Flight::begin(&endpoint, shared) else {
            continue;
        };
        match upstream::dial(endpoint.address, has_other).await {
            Ok(mut there) => {
                flight.endpoint().suspect(false);
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
                return;
            }
            Err(error) => {
                tracing::debug!(%address, endpoint = %endpoint.address, %error, "cannot connect to an endpoint");
                flight.suspect();
                tried.push(endpoint.address);
            }
        }
    }
}
