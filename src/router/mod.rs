//! Requests for routes and connections to services, led to the endpoints that are in rotation.
//!
//! Follows routes, services and slices, and swaps an immutable [`table`] that every request reads; nothing is ever
//! reloaded. Says in its Router object which version of the slices it follows and what an endpoint that left still has
//! to do, so that nobody is stopped in the middle of a request (DESIGN 4.1, Rotation). Who is in rotation is decided
//! elsewhere. Needs nothing but a client: it runs in the server's process or alone.
//!
//! Start: register, list, serve. Stop: no new connection, requests under way have a few seconds.

mod addresses;
mod choice;
mod counters;
mod fronts;
pub mod haproxy;
mod headers;
mod pages;
mod proxy;
mod report;
pub mod table;
mod upstream;
mod worker;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::api::network::BUILT_IN_ROUTER;
use crate::api::network::EndpointSlice;
use crate::api::network::Route;
use crate::api::network::Service;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::base::clock::Clock;
use crate::base::scope::Scope;
use crate::client::Cache;
use crate::client::Client;
use crate::client::ListOptions;
use crate::router::addresses::Addresses;
use crate::router::counters::Counters;
use crate::router::fronts::Fronts;
use crate::router::proxy::Shared;
use crate::router::report::Progress;
use crate::router::report::Reporter;
use crate::router::table::Book;
use crate::router::worker::Workers;

/// Where requests for routes are taken when nothing else is said.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8880);
/// The most threads that carry requests.
const MOST_WORKERS: usize = 16;

/// How a router is to run.
#[derive(Debug)]
pub struct Options {
    /// Of its Router object.
    pub name: String,
    pub client: Client,
    pub clock: Clock,
    /// Whether it also listens on services' own addresses; of the routers on one machine only one can.
    pub fronts: bool,
    /// Who makes services' addresses this machine's own: a path that exists as long as he does.
    pub owner: PathBuf,
    /// Bound already: who starts it has something better to say about an address that is taken.
    pub socket: TcpListener,
}

impl Options {
    /// The built-in router on that socket.
    pub fn new(client: Client, socket: TcpListener) -> Options {
        Options {
            name: BUILT_IN_ROUTER.to_owned(),
            client,
            clock: Clock::System,
            fronts: true,
            owner: PathBuf::from(format!("/proc/{}", std::process::id())),
            socket,
        }
    }
}

/// Why a router does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot register the router")]
    Register(#[source] crate::client::Error),
    #[error("cannot start the router's threads")]
    Threads(#[source] std::io::Error),
}

/// A running router; it stops with its scope.
#[derive(Clone)]
pub struct Router {
    address: SocketAddr,
    counters: Vec<Arc<Counters>>,
    ready: watch::Receiver<bool>,
}

impl Router {
    /// Registers, and serves as soon as it has seen everything.
    pub async fn start(options: Options, scope: &Scope) -> Result<Router, Error> {
        let Options {
            name,
            client,
            clock,
            fronts,
            owner,
            socket,
        } = options;
        let address = socket.local_addr().map_err(Error::Threads)?;
        report::register(&client, &name, &address.to_string())
            .await
            .map_err(Error::Register)?;
        let shared = Arc::new(Shared::default());
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers::start(count.min(MOST_WORKERS), address.port(), &shared, scope)
            .map_err(Error::Threads)?;
        let counters = workers.counters.clone();
        let (progress, _) = watch::channel(Progress::default());
        let (ready, is_ready) = watch::channel(false);
        let follower = Follower {
            routes: Cache::start(client.clone(), "", ListOptions::default(), scope),
            services: Cache::start(client.clone(), "", ListOptions::default(), scope),
            slices: Cache::start(client.clone(), "", ListOptions::default(), scope),
            book: Book::default(),
            has_fronts: fronts,
            fronts: Fronts::new(
                shared.clone(),
                client.clone(),
                clock,
                Addresses::new(owner),
                scope.clone(),
            ),
            workers: workers.clone(),
            progress: progress.clone(),
            shared: shared.clone(),
        };
        let reporter = Reporter {
            client,
            name,
            address: address.to_string(),
            shared: shared.clone(),
            progress,
        };
        let (synced, is_synced) = oneshot::channel();
        scope.spawn(shared.clone().look_after_suspects());
        scope.spawn(follower.run(synced));
        scope.spawn(async move {
            if is_synced.await.is_ok() {
                ready.send_replace(true);
                workers.accept(socket).await;
            }
        });
        scope.spawn(reporter.run(is_ready.clone()));
        Ok(Router {
            address,
            counters,
            ready: is_ready,
        })
    }

    /// Where it takes requests for routes.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it serves.
    pub async fn ready(&self) {
        let _ = self.ready.clone().wait_for(|ready| *ready).await;
    }

    /// What it did since the start, as Prometheus reads it.
    pub fn metrics(&self) -> String {
        counters::render(&self.counters)
    }
}

/// Takes the name of a router that does not run out of the way of those who would wait for it.
pub async fn unregister(client: &Client, name: &str) -> Result<(), crate::client::Error> {
    report::unregister(client, name).await
}

/// Ends what a router with that owner made this machine's own and one that does not run would leave behind.
pub async fn forget_addresses(owner: PathBuf) {
    fronts::forget(&Addresses::new(owner), HashSet::new()).await;
}

/// Keeps the table current.
struct Follower {
    routes: Cache<Route>,
    services: Cache<Service>,
    slices: Cache<EndpointSlice>,
    book: Book,
    has_fronts: bool,
    fronts: Fronts,
    workers: Workers,
    progress: watch::Sender<Progress>,
    shared: Arc<Shared>,
}

impl Follower {
    async fn run(mut self, synced: oneshot::Sender<()>) {
        self.routes.synced().await;
        self.services.synced().await;
        self.slices.synced().await;
        let mut routes = self.routes.changes();
        let mut services = self.services.changes();
        let mut slices = self.slices.changes();
        let mut synced = Some(synced);
        loop {
            // A cache tells of a change before it counts it as seen: what is in the channels now covers this version.
            let seen = self.slices.revision();
            while let Ok((key, _)) = routes.try_recv() {
                self.book.route(&key, self.routes.get(&key));
            }
            while let Ok((key, _)) = services.try_recv() {
                self.book.service(&key, self.services.get(&key));
            }
            let mut is_awaited = false;
            while let Ok((key, _)) = slices.try_recv() {
                let slice = self.slices.get(&key);
                let metadata = slice.as_ref().map(|slice| &slice.metadata);
                is_awaited |= metadata.is_some_and(|one| one.labels.contains_key(LABEL_GEARS_OF));
                self.book.slice(&key, slice);
            }
            self.publish(seen, is_awaited);
            if let Some(synced) = synced.take() {
                let _ = synced.send(());
                if self.has_fronts {
                    self.fronts.sweep().await;
                }
            }
            tokio::select! {
                Some((key, _)) = routes.recv() => self.book.route(&key, self.routes.get(&key)),
                Some((key, _)) = services.recv() => self.book.service(&key, self.services.get(&key)),
                () = self.slices.at_least(seen + 1) => {}
            }
            // Waiting for a version ends at once in a scope that is over; so does this.
            if self.fronts.scope.is_cancelled() {
                return;
            }
        }
    }

    /// Makes requests follow what is in the book; `seen` is the version of the slices in it, and `is_awaited` says that
    /// somebody waits for it though nothing leaves: a gear goes on when it is led to.
    fn publish(&mut self, seen: u64, is_awaited: bool) {
        let built = self.book.build();
        let mut left = Vec::new();
        if let Some((table, built)) = built {
            // In this order: a request that finds its endpoint gone must find the next table.
            self.shared.table.store(Arc::new(table));
            for endpoint in &built.left {
                endpoint.leave();
                self.workers.forget(endpoint.address);
            }
            if self.has_fronts {
                for (address, service) in built.fronts {
                    self.fronts.set(address, service);
                }
            }
            left = built.left;
        }
        self.progress.send_if_modified(|progress| {
            let is_news = seen > progress.applied || !left.is_empty();
            progress.applied = seen;
            if !left.is_empty() || is_awaited {
                progress.awaited = seen;
            }
            progress.left.append(&mut left);
            is_news
        });
    }
}
