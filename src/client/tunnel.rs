//! The agent's end of the tunnel: one outward connection on which the server asks and the agent answers.
//!
//! Stops with its scope: what is being answered is cut off, the server sees the end of the connection.

use crate::base::scope::Scope;
use crate::client::Client;

/// Keeps a tunnel at `path` open and answers on it with `router`, until the scope is cancelled.
pub fn serve(_client: Client, _path: String, _router: axum::Router, _scope: &Scope) {
    unimplemented!()
}
