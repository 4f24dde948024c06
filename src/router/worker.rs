//! The threads that carry requests: each with a runtime, a pool and counters of its own.
//!
//! Connections are accepted in one place and dealt out in turn, so that every thread has as many as the next and a
//! request never changes threads. Told to stop, a worker lets requests under way end, closes what is idle, and gives
//! up what is left when the time is over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::base::scope::Scope;
use crate::router::counters::Counters;
use crate::router::headers::Peer;
use crate::router::proxy::Proxy;
use crate::router::proxy::Shared;
use crate::router::upstream::Pool;

/// How long a client may take to send the head of a request, and how long its connection lies idle.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// The largest head of a request, and the most headers in it.
const LARGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 128;
/// How often idle connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// How long requests under way may take to end when the router stops.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What a worker is told.
enum Order {
    Serve(std::net::TcpStream, SocketAddr),
    Forget(SocketAddr),
}

/// All workers; they stop with their scope.
#[derive(Clone)]
pub(crate) struct Workers {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    pub(crate) counters: Vec<Arc<Counters>>,
}

impl Workers {
    /// Starts `count` threads that proxy by the shared table; `port` is what clients connect to.
    pub(crate) fn start(
        count: usize,
        port: u16,
        shared: &Arc<Shared>,
        scope: &Scope,
    ) -> io::Result<Workers> {
        let mut workers = Workers {
            orders: Vec::new(),
            counters: Vec::new(),
        };
        for number in 0..count {
            let (sender, orders) = mpsc::unbounded_channel();
            let (end, ended) = oneshot::channel::<()>();
            let proxy = Proxy {
                shared: shared.clone(),
                pool: Pool::default(),
                counters: Arc::default(),
            };
            workers.counters.push(proxy.counters.clone());
            workers.orders.push(sender);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let worker = Worker {
                proxy: Arc::new(proxy),
                port,
                connections: Scope::new(),
            };
            let stop = scope.clone();
            std::thread::Builder::new()
                .name(format!("router-{number}"))
                .spawn(move || {
                    runtime.block_on(worker.run(orders, stop));
                    drop(end);
                })?;
            scope.spawn_graceful(async move {
                let _ = ended.await;
            });
        }
        Ok(workers)
    }

    /// Accepts connections and deals them out.
    pub(crate) async fn accept(self, socket: TcpListener) {
        let mut turns = self.orders.iter().cycle();
        loop {
            match socket.accept().await {
                Ok((stream, client)) => {
                    let Ok(stream) = stream.into_std() else {
                        continue;
                    };
                    if let Some(worker) = turns.next() {
                        // A worker that is gone has stopped, and so does this task.
                        let _ = worker.send(Order::Serve(stream, client));
                    }
                }
                // Out of descriptors or the like: other connections must end first.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Closes idle connections to an endpoint that left.
    pub(crate) fn forget(&self, address: SocketAddr) {
        for worker in &self.orders {
            let _ = worker.send(Order::Forget(address));
        }
    }
}

struct Worker {
    proxy: Arc<Proxy>,
    port: u16,
    connections: Scope,
}

impl Worker {
    async fn run(self, mut orders: mpsc::UnboundedReceiver<Order>, stop: Scope) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Serve(stream, client)) => self.serve(stream, client),
                    Some(Order::Forget(address)) => self.proxy.pool.forget(address),
                    None => break,
                },
                _ = sweep.tick() => self.proxy.pool.sweep(),
                () = stop.cancelled() => break,
            }
        }
        self.connections.close(STOP_WITHIN).await;
    }

    fn serve(&self, stream: std::net::TcpStream, client: SocketAddr) {
        let Ok(stream) = TcpStream::from_std(stream) else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let peer = Arc::new(Peer::new(client, self.port));
        let proxy = self.proxy.clone();
        let stop = self.connections.clone();
        self.connections.spawn_graceful(async move {
            let service = service_fn(move |request| proxy.clone().answer(peer.clone(), request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(LARGEST_HEAD)
                .max_headers(MOST_HEADERS)
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a client's connection broke");
            }
        });
    }
}
