//! HTTP in; objects, Tables and Status out.
//!
//! One road for every request, whether it came over TLS or from a part of the server itself: who asks
//! (`authentication`), what is asked (`request`), may they (`access`), do it (`verbs`, `watch`, …). The API server
//! keeps objects whole, decides nothing about them, and runs no user code.

mod serve;

pub mod access;
pub mod admission;
pub mod authentication;
mod body;
mod builds;
pub mod certificates;
mod deployments;
mod discovery;
mod exec;
mod expiry;
pub mod in_process;
pub mod join;
pub mod listener;
mod logs;
mod mentions;
mod metrics;
mod nodes;
mod object;
mod output;
mod registry;
mod request;
mod response;
mod reviews;
mod scale;
mod tags;
pub mod tunnel;
mod verbs;
mod view;
mod watch;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use crate::api::status::Status;
use crate::apiserver::admission::Gate;
use crate::apiserver::admission::ServiceNetwork;
use crate::apiserver::authentication::Identities;
use crate::apiserver::expiry::Expiry;
use crate::apiserver::join::JoinTokens;
use crate::apiserver::metrics::Metrics;
use crate::apiserver::registry::Repositories;
use crate::apiserver::registry::Uploads;
use crate::apiserver::tunnel::Tunnels;
use crate::apiserver::verbs::Pages;
use crate::base::clock::Clock;
use crate::content::blobs::Blobs;
use crate::content::builders;
use crate::store::Store;

/// Signs a node's certificate request (PEM) for that name only; the answer is the certificate in PEM.
pub type Signer = Arc<dyn Fn(&str, &str) -> Result<String, String> + Send + Sync>;

/// What an API server is made of.
pub struct Options {
    pub store: Store,
    pub blobs: Blobs,
    /// Where the registry keeps `repositories/NAMESPACE/APPLICATION`.
    pub content: PathBuf,
    pub clock: Clock,
    pub identities: Identities,
    pub join_tokens: JoinTokens,
    pub signer: Signer,
    /// Where services get their addresses.
    pub network: ServiceNetwork,
}

/// The API server; clones share it.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    options: Options,
    tunnels: Tunnels,
    pages: Pages,
    metrics: Metrics,
    /// Of the other parts of this process.
    more_metrics: Mutex<Vec<Box<dyn Fn() -> String + Send>>>,
    uploads: Uploads,
    repositories: Repositories,
    expiry: Expiry,
    admission: Gate,
    /// Cancelled when somebody with the right to asked the server to stop.
    stop: CancellationToken,
    /// Cancelled when every part of the server is ready.
    ready: CancellationToken,
    /// Cancelled when streams without an end must end.
    closing: CancellationToken,
}

impl Api {
    /// An API server over that store.
    pub fn new(options: Options) -> Api {
        Api(Arc::new(Parts {
            uploads: Uploads::default(),
            repositories: Repositories::new(&options.content),
            expiry: Expiry::default(),
            admission: Gate::default(),
            options,
            tunnels: Tunnels::default(),
            pages: Pages::default(),
            metrics: Metrics::default(),
            more_metrics: Mutex::default(),
            closing: CancellationToken::new(),
            stop: CancellationToken::new(),
            ready: CancellationToken::new(),
        }))
    }

    /// Where the objects are.
    pub fn store(&self) -> &Store {
        &self.0.options.store
    }

    /// Notes that an Event was made: now and then the old ones go.
    fn event_made(&self) {
        expiry::expire_now_and_then(self, &self.0.expiry);
    }

    /// Where the blobs are.
    pub fn blobs(&self) -> &Blobs {
        &self.0.options.blobs
    }

    /// The folder of the blobs and of `repositories/`.
    pub fn content(&self) -> &std::path::Path {
        &self.0.options.content
    }

    /// What time it is here.
    pub fn clock(&self) -> &Clock {
        &self.0.options.clock
    }

    /// The good tokens.
    pub fn identities(&self) -> &Identities {
        &self.0.options.identities
    }

    /// The connected nodes.
    pub fn tunnels(&self) -> &Tunnels {
        &self.0.tunnels
    }

    /// Everything that is served, for sockets and for parts of this process.
    pub fn router(&self) -> axum::Router {
        axum::Router::new()
            .fallback(serve::serve)
            .with_state(self.clone())
    }

    /// Makes sure that a namespace of the server's own is there.
    pub async fn create_namespace(&self, name: &str) -> Result<(), Status> {
        verbs::create_namespace(self, name).await
    }

    /// Gives the namespaces of older servers what new ones get when they are made.
    pub async fn complete_namespaces(&self) -> Result<(), Status> {
        admission::complete_namespaces(self).await
    }

    /// Makes sure that the built-in builders are in the registry, and their image streams in the shared namespace.
    pub async fn seed_builders(&self) -> Result<(), Status> {
        registry::seed(self, builders::all()).await
    }

    /// Makes `/metrics` show what another part of this process counts.
    pub fn add_metrics(&self, source: impl Fn() -> String + Send + 'static) {
        self.more_metrics().push(Box::new(source));
    }

    /// Makes `/readyz` say that every part is there.
    pub fn set_ready(&self) {
        self.0.ready.cancel();
    }

    /// Waits until an administrator asked the server to stop.
    pub async fn asked_to_stop(&self) {
        self.0.stop.cancelled().await;
    }

    /// Ends watches and tunnels, which would never end by themselves.
    pub fn close_streams(&self) {
        self.0.closing.cancel();
    }

    async fn closing(&self) {
        self.0.closing.cancelled().await;
    }

    fn is_ready(&self) -> bool {
        self.0.ready.is_cancelled()
    }

    fn ask_to_stop(&self) {
        self.0.stop.cancel();
    }

    fn pages(&self) -> &Pages {
        &self.0.pages
    }

    fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    fn more_metrics(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Fn() -> String + Send>>> {
        let sources = self.0.more_metrics.lock();
        sources.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Every number of this process.
    fn all_metrics(&self) -> String {
        let (revision, tunnels) = (self.store().revision(), self.tunnels().count());
        let mut text = self.0.metrics.render(revision, tunnels);
        for source in self.more_metrics().iter() {
            text += &source();
        }
        text
    }

    fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    fn repositories(&self) -> &Repositories {
        &self.0.repositories
    }

    fn admission(&self) -> &Gate {
        &self.0.admission
    }

    fn network(&self) -> ServiceNetwork {
        self.0.options.network
    }

    /// What nodes were let in with.
    pub fn certificates(&self) -> &certificates::Certificates {
        self.join_tokens().certificates()
    }

    fn join_tokens(&self) -> &JoinTokens {
        &self.0.options.join_tokens
    }

    fn sign(&self, name: &str, request: &str) -> Result<String, String> {
        (self.0.options.signer)(name, request)
    }
}
