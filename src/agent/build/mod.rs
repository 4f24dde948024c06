//! Builds on a node: source and builder image in, one more layer, an image out.
//!
//! A build pod is run like any other, but for its child: [`prepare`] fetches what it needs with the node's credentials,
//! [`spec`] names this program's hidden subcommand `__build`, which works alone, without credentials and as the pod's
//! user ([`inside`]), and [`finish`] pushes what came out. User code runs only in the middle one. Each can be repeated
//! after a crash at any point: `prepare` begins anew unless it was finished, `__build` works from the inputs alone, and
//! `finish` sends what is not there yet.
//!
//! ```text
//! FOLDER/inputs/   build.json, source (what was uploaded), builder/ (an OCI layout), prepared (written last)
//! FOLDER/work/     the child's own: secret/, upload/, rootfs/, oci/ (the image's new blobs), result.json
//! ```

mod commit;
mod failure;
mod git;
mod ignore;
mod inputs;
pub mod inside;
mod push;
mod s2i;
mod source;

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use crate::agent::build::failure::Failure;
use crate::agent::build::failure::Reason;
use crate::agent::shim::Exit;
use crate::agent::shim::Reason as Ended;
use crate::agent::shim::Spec;
use crate::agent::shim::User;
use crate::agent::toolchains;
use crate::agent::users;
use crate::api::build::BUILD_VARIABLE;
use crate::api::build::Build;
use crate::api::build::Outcome;
use crate::api::pod::Pod;
use crate::base::environment::Environment;
use crate::client::Client;

/// The hidden subcommand that [`inside::main`] is reached by.
pub const SUBCOMMAND: &str = "__build";
/// How much of a build's output is kept.
const LOG_LIMIT: u64 = 64 << 20;
/// Between TERM and KILL of a build that is ended.
const GRACE_MILLISECONDS: u64 = 5_000;
/// Variables of the agent that builds get too: how to reach the network from here.
const PASSED_ON: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LANG",
    "TZ",
];

/// One build on this node.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    /// With the node's identity.
    pub(crate) client: &'a Client,
    /// The build's own, absolute; may be absent. Only its parents must be passable for the user.
    pub(crate) folder: &'a Path,
    /// Who the child runs as; none: as the agent.
    pub(crate) user: Option<&'a User>,
}

impl Place<'_> {
    fn inputs(&self) -> PathBuf {
        self.folder.join("inputs")
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }
}

/// Fetches everything that the child needs; waits for a server that is away. Not to be called while the child runs or
/// after it ended.
pub(crate) async fn prepare(place: &Place<'_>, pod: &Pod) -> Result<(), Outcome> {
    let above = place.folder.parent().unwrap_or(place.folder);
    let barred = place.user.and_then(|user| users::unpassable(above, user));
    let prepared = match (build_of(pod), barred) {
        (Ok(_), Some(why)) => Err(Failure::new(Reason::FileSystemOperationFailed, why)),
        (Ok(build), None) => inputs::fetch(place, &build).await,
        (Err(failure), _) => Err(failure),
    };
    prepared.map_err(|failure| failure.outcome())
}

/// The child: `__build`, in the place that was prepared.
pub(crate) fn spec(place: &Place<'_>, pod: &Pod) -> Spec {
    let around = Environment::of_process();
    let passed = PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), around.variable(name)?.to_owned())));
    let work = place.work().display().to_string();
    let mut env: BTreeMap<String, String> = passed.collect();
    env.insert("PATH".to_owned(), toolchains::search_path());
    env.insert("HOME".to_owned(), work.clone());
    let seconds = pod.spec.active_deadline_seconds.unwrap_or(0);
    Spec {
        // The shim is this program too, and a path to it may not be passable for the user.
        argv: vec![
            "/proc/self/exe".to_owned(),
            SUBCOMMAND.to_owned(),
            place.folder.display().to_string(),
        ],
        cwd: work,
        env,
        user: place.user.cloned(),
        timeout_milliseconds: seconds.saturating_mul(1000),
        grace_milliseconds: GRACE_MILLISECONDS,
        log_limit: LOG_LIMIT,
        ..Spec::default()
    }
}

/// Pushes the image of a child that succeeded, waiting for a server that is away; then says how the build ended.
///
/// `exit` is the shim's record, none when the shim was lost. What `say` gets are lines for the pod's log.
pub(crate) async fn finish(
    place: &Place<'_>,
    pod: &Pod,
    exit: Option<&Exit>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Outcome {
    let build = match build_of(pod) {
        Ok(build) => build,
        Err(failure) => return failure.outcome(),
    };
    let result = inside::result(place);
    match (exit, result) {
        (Some(exit), Ok(Some(result))) if exit.is_success() => {
            push::push(place, &build, result, say).await
        }
        // The child says why it failed, unless it was ended.
        (Some(exit), Ok(Some(result))) if exit.reason == Ended::Exited && exit.signal.is_none() => {
            result.outcome
        }
        (Some(exit), _) if exit.code.is_some_and(|code| code != 0) && is_full(place) => {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            Failure::new(Reason::GenericBuildFailed, failure::explain(&full)).outcome()
        }
        (exit, _) => ended(exit).outcome(),
    }
}

/// Whether there is no room for even a short file.
fn is_full(place: &Place<'_>) -> bool {
    nix::sys::statvfs::statvfs(place.folder)
        .is_ok_and(|about| about.blocks_available() * about.fragment_size() < 64 << 10)
}

/// Why a child ended that left no result.
fn ended(exit: Option<&Exit>) -> Failure {
    let Some(exit) = exit else {
        let detail = "the build was lost with its node's last restart";
        return Failure::new(Reason::GenericBuildFailed, detail);
    };
    let detail = match (exit.reason, exit.signal) {
        (Ended::TimedOut, _) => {
            "the build took longer than its completionDeadlineSeconds".to_owned()
        }
        (Ended::Killed, _) => "the build was ended on request".to_owned(),
        (Ended::SpawnFailed, _) => exit.message.clone(),
        (Ended::Exited, Some(9)) => {
            return Failure::new(Reason::OutOfMemoryKilled, "killed by signal 9");
        }
        (Ended::Exited, Some(signal)) => format!("the build was ended by signal {signal}"),
        (Ended::Exited, None) => format!(
            "the build ended with code {} and no result",
            exit.code.unwrap_or_default()
        ),
    };
    Failure::new(Reason::GenericBuildFailed, detail)
}

/// The Build that a pod is for.
fn build_of(pod: &Pod) -> Result<Build, Failure> {
    let failure = |detail: String| Failure::new(Reason::GenericBuildFailed, detail);
    let mut variables = pod.spec.containers.iter().flat_map(|one| &one.env);
    let text = variables
        .find(|variable| variable.name == BUILD_VARIABLE)
        .ok_or_else(|| failure(format!("the pod has no variable {BUILD_VARIABLE}")))?;
    serde_json::from_str(&text.value)
        .map_err(|error| failure(format!("the pod's variable {BUILD_VARIABLE}: {error}")))
}
