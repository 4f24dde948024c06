//! HTTP in; objects, Tables and Status out.
//!
//! One road for every request, whether it came over TLS or from a part of the server itself: who asks
//! (`authentication`), what is asked (`request`), may they (`access`), do it (`verbs`, `watch`, …). The API server
//! keeps objects whole, decides nothing about them, and runs no user code.

pub mod access;
pub mod authentication;

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::store::Store;

/// Signs a node's certificate request (PEM) for that name only; the answer is the certificate in PEM.
pub type Signer = Arc<dyn Fn(&str, &str) -> Result<String, String> + Send + Sync>;
