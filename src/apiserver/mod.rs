//! HTTP in; objects, Tables and Status out.
//!
//! One road for every request, whether it came over TLS or from a part of the server itself: who asks
//! (`authentication`), what is asked (`request`), may they (`access`), do it (`verbs`, `watch`, …). The API server
//! keeps objects whole, decides nothing about them, and runs no user code.

pub mod access;
pub mod authentication;
pub mod join;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::apiserver::authentication::Identities;
use crate::apiserver::join::JoinTokens;
use crate::base::clock::Clock;
use crate::content::blobs::Blobs;
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
}

/// The API server; clones share it.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    options: Options,
    /// Cancelled when somebody with the right to asked the server to stop.
    stop: CancellationToken,
    /// Cancelled when every part of the server is ready.
    ready: CancellationToken,
}

impl Api {
    /// An API server over that store.
    pub fn new(options: Options) -> Api {
        Api(Arc::new(Parts {
            options,
            stop: CancellationToken::new(),
            ready: CancellationToken::new(),
        }))
    }

    /// Where the objects are.
    pub fn store(&self) -> &Store {
        &self.0.options.store
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

    /// Makes `/readyz` say that every part is there.
    pub fn set_ready(&self) {
        self.0.ready.cancel();
    }

    /// Waits until an administrator asked the server to stop.
    pub async fn asked_to_stop(&self) {
        self.0.stop.cancelled().await;
    }
}
