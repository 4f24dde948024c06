//! Services' own addresses: a listener for each, and every connection copied to an endpoint in rotation.
//!
//! An address that cannot be listened on is said in an event on the service and tried again. As root the address must
//! be this machine's first: it is routed to the machine itself (`ip route … local … dev lo`), for as long as the
//! router runs.
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
    routed: Routed,
}

/// The addresses that this router made the machine's own.
type Routed = Arc<Mutex<HashSet<IpAddr>>>;

impl Fronts {
    /// None yet.
    pub(crate) fn new(shared: Arc<Shared>, client: Client, clock: Clock, scope: Scope) -> Fronts {
        let routed = Routed::default();
        let (at_the_end, stop) = (routed.clone(), scope.clone());
        scope.spawn_graceful(async move {
            stop.cancelled().await;
            let left = std::mem::take(&mut *locked(&at_the_end));
            for ip in left {
                drop(route("del", ip).await);
            }
        });
        Fronts {
            routed,
            shared,
            client,
            clock,
            scope,
            open: HashMap::new(),
        }
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
            self.scope
                .spawn_graceful(async move { drop(route("del", ip).await) });
        }
    }
}

struct Front {
    address: SocketAddr,
    service: Key,
    shared: Arc<Shared>,
    client: Client,
    clock: Clock,
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
            match listen(self.address, &self.routed).await {
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

    /// Says on the service why its address does not work; nothing depends on it.
    async fn say(&self, error: &io::Error) {
        let message = format!("cannot listen on {}: {error}", self.address);
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

async fn listen(address: SocketAddr, routed: &Routed) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error)
            if error.kind() == io::ErrorKind::AddrNotAvailable && needs_a_route(address.ip()) =>
        {
            route("replace", address.ip()).await?;
            locked(routed).insert(address.ip());
            TcpListener::bind(address).await
        }
        bound => bound,
    }
}

/// Whether an address is this machine's only when we say so.
fn needs_a_route(ip: IpAddr) -> bool {
    !ip.is_loopback() && nix::unistd::geteuid().is_root()
}

async fn route(verb: &str, ip: IpAddr) -> io::Result<()> {
    let mut command = tokio::process::Command::new("ip");
    command
        .args(["route", verb, "local", &ip.to_string(), "dev", "lo"])
        .stdin(std::process::Stdio::null());
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip route: {}", said.trim())))
}

/// Carries one connection to an endpoint, to another one when that cannot be connected to.
async fn carry(mut stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut tried = Vec::new();
    while tried.len() < TRIES {
        let chosen = {
            let table = shared.table.load();
            table
                .front(address)
                .and_then(|members| members.choose(&tried))
                .cloned()
        };
        let Some(endpoint) = chosen else { return };
        let Some(flight) = Flight::begin(&endpoint, shared) else {
            continue;
        };
        match upstream::dial(endpoint.address).await {
            Ok(mut there) => {
                flight.endpoint().suspect(false);
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
                return;
            }
            Err(error) => {
                tracing::debug!(%address, endpoint = %endpoint.address, %error, "cannot connect to an endpoint");
                flight.endpoint().suspect(true);
                tried.push(endpoint.address);
            }
        }
    }
}
