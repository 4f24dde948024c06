//! Starts the parts in order and stops them in reverse.
//!
//! Order: data folder and its lock, store, keys, sockets, API, listener, controllers, router, node agent; `server.json`
//! says that all of it is ready. Stopping goes the other way, under a grace period: the agent first (hooks under way go on
//! under their shims), then the router, which lets requests under way end, then controllers, then streams and connections, the store last. The server decides nothing
//! about objects.

pub mod background;
pub mod data_folder;
pub mod pki;

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::agent::Agent;
use crate::agent::AgentOptions;
use crate::agent::Downloads;
use crate::api::core::NODE_LEASES;
use crate::api::image::SHARED_NAMESPACE;
use crate::api::network::BUILT_IN_ROUTER;
use crate::api::status::Status;
use crate::apiserver;
use crate::apiserver::Api;
use crate::apiserver::admission::ServiceNetwork;
use crate::apiserver::authentication::Identities;
use crate::apiserver::authentication::Identity;
use crate::apiserver::authentication::new_token;
use crate::apiserver::in_process::InProcess;
use crate::apiserver::join::JoinTokens;
use crate::apiserver::listener::Listener;
use crate::base::clock::Clock;
use crate::base::crash;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::client::connection::Announcement;
use crate::content::blobs::Blobs;
use crate::controllers::Controllers;
use crate::router;
use crate::router::Router;
use crate::router::haproxy;
use crate::router::haproxy::Beside;
use crate::server::data_folder::DataFolder;
use crate::server::pki::Pki;
use crate::store::Store;

/// Where the server listens when nothing else is said.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8443);
/// How long stopping may take before what is left is abandoned.
pub const GRACE: Duration = Duration::from_secs(10);
/// The namespaces that are always there.
const NAMESPACES: [&str; 4] = ["default", NODE_LEASES, "upshift", SHARED_NAMESPACE];

/// Where to listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listen {
    /// The default address; it is an error when it is taken.
    #[default]
    Default,
    /// The default address, or a free port of it when it is taken.
    DefaultOrFree,
    /// This address; it is an error when it is taken.
    At(SocketAddr),
}

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Options {
    pub data_dir: PathBuf,
    pub listen: Listen,
    /// Where requests for routes are taken; `None` for no router.
    pub router: Option<Listen>,
    /// Whether this machine is a node of its own server.
    pub node: bool,
    /// Every HAProxy on this machine that its server steers.
    pub haproxies: Vec<Beside>,
    pub clock: Clock,
    /// The program that the node's agent re-executes as a shim.
    pub program: PathBuf,
    /// What the node's downloads may take.
    pub downloads: Downloads,
    /// How long the certificates of joined nodes are good for.
    pub node_certificates: Duration,
}

impl Options {
    /// A server in that folder at the default addresses, with a node.
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        Options {
            data_dir: data_dir.into(),
            listen: Listen::Default,
            router: Some(Listen::Default),
            node: true,
            haproxies: Vec::new(),
            clock: Clock::System,
            program: PathBuf::from("/proc/self/exe"),
            downloads: Downloads::default(),
            node_certificates: pki::NODE_LIFE,
        }
    }
}

/// Why a server does not start; each is one clear line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    DataFolder(#[from] data_folder::Error),
    #[error("the address {address} is already in use; choose another with {flag} ADDR:PORT")]
    AddressTaken {
        address: SocketAddr,
        flag: &'static str,
    },
    #[error("cannot listen on {address}; choose another address with {flag} ADDR:PORT")]
    Listen {
        address: SocketAddr,
        flag: &'static str,
        source: std::io::Error,
    },
    #[error("cannot {what}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error("cannot open the store")]
    Store(#[from] crate::store::Error),
    #[error("cannot prepare keys and certificates")]
    Pki(#[from] pki::Error),
    #[error("cannot start the router")]
    Router(#[from] router::Error),
    #[error("cannot steer a HAProxy")]
    HaProxy(#[from] haproxy::Error),
    #[error("cannot start the node agent")]
    Agent(#[from] crate::agent::Error),
    #[error("cannot start: {0}")]
    Part(String),
}

/// A running server. Dropping it cancels its tasks; [`Server::stop`] also waits for them.
pub struct Server {
    url: String,
    address: SocketAddr,
    router: Option<SocketAddr>,
    node: Option<String>,
    api: Api,
    controllers: Option<Controllers>,
    /// In the order of starting: a name and where its tasks live.
    parts: Vec<(&'static str, Scope)>,
    folder: DataFolder,
}

impl Server {
    /// Starts every part and returns when all of them are ready.
    pub async fn start(options: Options) -> Result<Server, Error> {
        let starting = background::Starting::begin(&options.data_dir)?;
        let folder = DataFolder::open(&options.data_dir)?;
        let listen = |listen| match listen {
            Listen::Default if starting.is_background() => Listen::DefaultOrFree,
            other => other,
        };
        let socket = bind(listen(options.listen), DEFAULT_ADDRESS, "--listen").await?;
        let routes = match options.router.map(listen) {
            Some(listen) => Some(bind(listen, router::DEFAULT_ADDRESS, "--router-listen").await?),
            None => None,
        };
        let address = socket.local_addr().map_err(io_error("read the address"))?;
        let url = format!("https://{}", reachable(address));
        let pki = Arc::new(
            open_pki(&folder, address, &options.clock)?.with_node_life(options.node_certificates),
        );
        let api = make_api(&folder, &pki, &options.clock)?;
        admit_admin(&folder, &api, &pki, &url)?;
        make_namespaces(&api)
            .await
            .map_err(|status| Error::Part(status.message))?;
        let mut server = Server {
            url,
            address,
            router: None,
            node: None,
            api,
            controllers: None,
            parts: Vec::new(),
            folder,
        };
        server.listen(socket, &pki)?;
        server.start_controllers(&options).await?;
        server.start_router(routes, &options).await?;
        server.start_haproxies(&options).await?;
        if options.node {
            server.start_node(&options).await?;
        }
        server.api.set_ready();
        crash::point("server.ready.before");
        server.folder.write_record(&Announcement {
            url: server.url.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            router: server.router.map(|at| at.to_string()).unwrap_or_default(),
        })?;
        crash::point("server.ready.after");
        starting.end();
        tracing::info!(url = server.url, "ready");
        Ok(server)
    }

    /// `https://ADDRESS:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its router takes requests for routes, if it has one.
    pub fn router(&self) -> Option<SocketAddr> {
        self.router
    }

    /// The folder it runs in.
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The name of the node that this machine is, if it is one.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// A client within this process, as the administrator.
    pub fn client(&self) -> Result<Client, Error> {
        let scope = self.part("listener");
        client(&self.api, Identity::Admin, &scope)
    }

    /// Waits until somebody asked it to stop: the admin's stop call, SIGTERM or SIGINT.
    pub async fn asked_to_stop(&self) -> Result<(), Error> {
        use tokio::signal::unix::SignalKind;
        use tokio::signal::unix::signal;
        let wrong = || io_error("watch for signals");
        let mut terminate = signal(SignalKind::terminate()).map_err(wrong())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = self.api.asked_to_stop() => {}
        }
        Ok(())
    }

    /// Stops every part, last started first; returns the names of those that did not end within `grace`.
    pub async fn stop(mut self, grace: Duration) -> Vec<String> {
        let end = tokio::time::Instant::now() + grace;
        let mut left = Vec::new();
        if let Err(error) = self.folder.remove_record() {
            tracing::warn!(%error, "server.json stays");
        }
        while let Some((name, scope)) = self.parts.pop() {
            if name == "listener" {
                self.api.close_streams();
            }
            let time = || end.saturating_duration_since(tokio::time::Instant::now());
            let mut running = 0;
            if name == "controllers"
                && let Some(controllers) = self.controllers.take()
            {
                running += controllers.close(time()).await;
            }
            running += scope.close(time()).await;
            if running > 0 {
                left.push(format!("{name} ({running})"));
            }
        }
        self.api.store().close().await;
        tracing::info!("stopped");
        left
    }

    fn part(&self, name: &str) -> Scope {
        self.parts
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, scope)| scope.clone())
            .unwrap_or_default()
    }

    fn begin(&mut self, name: &'static str) -> Scope {
        let scope = Scope::new();
        self.parts.push((name, scope.clone()));
        scope
    }

    fn listen(&mut self, socket: TcpListener, pki: &Pki) -> Result<(), Error> {
        let listener = Listener {
            router: self.api.router(),
            tls: Arc::new(pki.server_config()?),
            name_of: pki::common_name,
            certificates: self.api.certificates().clone(),
        };
        let scope = self.begin("listener");
        listener.start(socket, &scope);
        Ok(())
    }

    async fn start_controllers(&mut self, options: &Options) -> Result<(), Error> {
        let scope = self.begin("controllers");
        let client = client(&self.api, Identity::Controllers, &scope)?;
        let controllers = Controllers::start(client, &scope, options.clock.steadied());
        controllers.synced().await;
        let counting = controllers.clone();
        self.api.add_metrics(move || counting.metrics());
        self.controllers = Some(controllers);
        Ok(())
    }

    /// Starts the router, or makes sure that nobody waits for one that does not run.
    async fn start_router(
        &mut self,
        socket: Option<TcpListener>,
        options: &Options,
    ) -> Result<(), Error> {
        let scope = self.begin("router");
        let client = client(&self.api, Identity::Router, &scope)?;
        let owner = std::fs::canonicalize(&options.data_dir);
        let owner = owner.unwrap_or_else(|_| options.data_dir.clone());
        let Some(socket) = socket else {
            router::forget_addresses(owner).await;
            let gone = router::unregister(&client, BUILT_IN_ROUTER).await;
            return gone.map_err(|error| Error::Part(error.to_string()));
        };
        let router = router::Options {
            clock: options.clock.clone(),
            owner,
            ..router::Options::new(client, socket)
        };
        let router = Router::start(router, &scope).await?;
        router.ready().await;
        self.router = Some(router.address());
        self.api.add_metrics(move || router.metrics());
        Ok(())
    }

    async fn start_haproxies(&mut self, options: &Options) -> Result<(), Error> {
        if options.haproxies.is_empty() {
            return Ok(());
        }
        let scope = self.begin("HAProxy");
        for beside in &options.haproxies {
            let haproxy = haproxy::Options {
                beside: beside.clone(),
                client: client(&self.api, Identity::Router, &scope)?,
                folder: self.folder.path().to_owned(),
                registers: true,
            };
            haproxy::start(haproxy, &data_folder::node_name(), &scope).await?;
        }
        Ok(())
    }

    async fn start_node(&mut self, options: &Options) -> Result<(), Error> {
        let name = data_folder::node_name();
        let scope = self.begin("node agent");
        let client = client(&self.api, Identity::Node(name.clone()), &scope)?;
        let folder = self.folder.join("node").join(&name);
        let agent = AgentOptions {
            clock: options.clock.clone(),
            program: options.program.clone(),
            downloads: options.downloads,
            ..AgentOptions::new(&name, folder, client)
        };
        Agent::start(agent, &scope)?.ready().await;
        self.node = Some(name);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.api.close_streams();
        for (_, scope) in self.parts.iter().rev() {
            scope.cancel();
        }
    }
}

fn io_error(what: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Io {
        what: what.to_owned(),
        source,
    }
}

/// Takes an address; `flag` is what chooses another one.
async fn bind(
    listen: Listen,
    default: SocketAddr,
    flag: &'static str,
) -> Result<TcpListener, Error> {
    let address = match listen {
        Listen::Default | Listen::DefaultOrFree => default,
        Listen::At(address) => address,
    };
    match TcpListener::bind(address).await {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            if listen != Listen::DefaultOrFree {
                return Err(Error::AddressTaken { address, flag });
            }
            let free = SocketAddr::new(address.ip(), 0);
            TcpListener::bind(free)
                .await
                .map_err(|source| Error::Listen {
                    address: free,
                    flag,
                    source,
                })
        }
        Err(source) => Err(Error::Listen {
            address,
            flag,
            source,
        }),
    }
}

/// The address that clients on this machine use: a server that listens everywhere is reached at home.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), v4.port())
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), v6.port())
        }
        other => other,
    }
}

fn open_pki(folder: &DataFolder, address: SocketAddr, clock: &Clock) -> Result<Pki, Error> {
    let mut names = vec![address.ip().to_string()];
    names.extend(data_folder::host_name());
    names.retain(|name| !["0.0.0.0", "::"].contains(&name.as_str()));
    Ok(Pki::open(&folder.join("pki"), &names, clock.now())?)
}

fn make_api(folder: &DataFolder, pki: &Arc<Pki>, clock: &Clock) -> Result<Api, Error> {
    let signs = Arc::clone(pki);
    let signing_clock = clock.clone();
    let content = folder.join("content");
    Ok(Api::new(apiserver::Options {
        store: Store::open(&folder.join("store"))?,
        blobs: Blobs::open(&content).map_err(io_error("open the blobs"))?,
        content,
        clock: clock.clone(),
        identities: Identities::default(),
        join_tokens: JoinTokens::open(folder.join("pki").join("join"))
            .map_err(io_error("open the join tokens"))?,
        signer: Arc::new(move |name, request| {
            signs
                .sign_node(name, request, signing_clock.now())
                .map_err(|error| error.to_string())
        }),
        network: ServiceNetwork::of(nix::unistd::geteuid().is_root()),
    }))
}

async fn make_namespaces(api: &Api) -> Result<(), Status> {
    for name in NAMESPACES {
        api.create_namespace(name).await?;
    }
    api.complete_namespaces().await?;
    api.seed_builders().await
}

/// The administrator keeps his token for the life of the data folder; the file follows the address.
fn admit_admin(folder: &DataFolder, api: &Api, pki: &Pki, url: &str) -> Result<(), Error> {
    let path = folder.join("admin.kubeconfig");
    let token = match pki::admin_token(&path)? {
        Some(token) => token,
        None => new_token().map_err(|error| Error::Part(error.to_string()))?,
    };
    crash::point("server.kubeconfig.before");
    pki::write_admin_kubeconfig(&path, url, pki.ca_pem(), &token)?;
    crash::point("server.kubeconfig.after");
    api.identities().admit(&token, Identity::Admin);
    Ok(())
}

fn client(api: &Api, identity: Identity, scope: &Scope) -> Result<Client, Error> {
    let name = identity.user();
    let transport =
        InProcess::new(api, identity, scope).map_err(|error| Error::Part(error.to_string()))?;
    Ok(Client::new(Arc::new(transport)).named(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_everywhere_is_reached_at_home() {
        for (listens, reached) in [
            ("0.0.0.0:8443", "127.0.0.1:8443"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:2", "10.0.0.1:2"),
        ] {
            assert_eq!(
                reachable(listens.parse().unwrap()),
                reached.parse().unwrap()
            );
        }
    }

    #[tokio::test]
    async fn a_taken_address_is_named_with_the_way_out() {
        let default = "127.0.0.1:0".parse().unwrap();
        let first = bind(Listen::Default, default, "--listen").await.unwrap();
        let address = first.local_addr().unwrap();
        for flag in ["--listen", "--router-listen"] {
            let refusal = bind(Listen::Default, address, flag).await.unwrap_err();
            assert_eq!(
                refusal.to_string(),
                format!(
                    "the address {address} is already in use; choose another with {flag} ADDR:PORT"
                )
            );
        }
        let free = bind(Listen::DefaultOrFree, address, "--listen").await;
        assert_ne!(free.unwrap().local_addr().unwrap(), address);
    }
}
