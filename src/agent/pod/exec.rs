//! A program beside a pod's container: `POST /pods/NAMESPACE/NAME/UID/exec?container=C&command=…` over the tunnel.
//!
//! It runs as the container's own program does: as its user, in its folder, environment and network. It is no part of the
//! container, and ends when that does. Who may ask is decided by the server.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path as PathParameters;
use axum::extract::Query;
use axum::extract::State;
use axum::response::Response;

use crate::agent::exec;
use crate::agent::exec::Asked;
use crate::agent::exec::Programs;
use crate::agent::logs::Notice;
use crate::agent::logs::refusal;
use crate::agent::pod::Pods;
use crate::agent::pod::disk::Attempt;
use crate::agent::pod::disk::Folder;
use crate::agent::pod::process::Around;
use crate::agent::shim;
use crate::api::kinds;
use crate::api::status::Status;
use crate::client::exec::not_running;

/// When no notice comes, it is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// What the agent answers about pods on its tunnel.
pub(crate) fn router(pods: Arc<Pods>, programs: Programs) -> Router {
    Router::new()
        .route(
            "/pods/{namespace}/{name}/{uid}/exec",
            axum::routing::post(answer),
        )
        .with_state((pods, programs))
}

async fn answer(
    State((pods, programs)): State<(Arc<Pods>, Programs)>,
    PathParameters((namespace, name, uid)): PathParameters<(String, String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
    body: Body,
) -> Response {
    let folder = Folder::new(&pods.folder, &namespace, &uid);
    let folder = folder.ok_or_else(|| Status::not_found(&kinds::POD, &name));
    let found = Asked::of(pairs).and_then(|asked| {
        let folder = folder?;
        let attempt = running(&folder, &asked.container, &name)?;
        let container = attempt.shim().spec().map_err(Status::internal)?;
        Ok((
            beside(container, &folder.rootfs(&asked.container), asked),
            attempt,
        ))
    });
    match found {
        Ok((spec, attempt)) => programs.run(spec, body, ended(attempt)),
        Err(status) => refusal(&status),
    }
}

/// The attempt of a container that runs now.
fn running(folder: &Folder, container: &str, pod: &str) -> Result<Attempt, Status> {
    let is_name = !container.is_empty() && !container.contains('/') && !container.starts_with('.');
    let newest = is_name.then(|| folder.attempts(container).pop()).flatten();
    let attempt = newest.map(|number| folder.attempt(container, number));
    let runs = |attempt: &Attempt| -> io::Result<bool> {
        let shim = attempt.shim();
        Ok(shim.started()?.is_some() && shim.exit()?.is_none() && shim.is_running()?)
    };
    match attempt {
        Some(attempt) if runs(&attempt).map_err(Status::internal)? => Ok(attempt),
        _ => Err(not_running(container, pod)),
    }
}

/// Waits for the end of an attempt; without a thread of its own, as there may be many who wait.
async fn ended(attempt: Attempt) {
    let mut notice = Notice::new();
    notice.add(attempt.path());
    while matches!(attempt.shim().exit(), Ok(None)) && attempt.path().exists() {
        tokio::select! {
            () = notice.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// What is asked for, in the surroundings of a container.
fn beside(container: shim::Spec, rootfs: &Path, asked: Asked) -> exec::Spec {
    let around = Around {
        rootfs,
        cwd: container.cwd.as_ref(),
        path: container.env.get("PATH").map_or("", String::as_str),
        user: container.user.as_ref(),
    };
    let mut argv = asked.argv;
    let found = argv.first().and_then(|name| around.find(name).ok());
    let is_missing = found.is_none();
    if let Some(found) = found {
        argv[0] = found;
    }
    exec::Spec {
        argv,
        cwd: container.cwd,
        env: container.env,
        user: container.user,
        network: container.network,
        mounts: container.mounts,
        is_missing,
        input: asked.input,
        terminal: asked.terminal,
    }
}
