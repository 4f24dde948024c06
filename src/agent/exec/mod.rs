//! Programs that an administrator runs on this node: `POST /exec?namespace=N&command=C&command=A…` over the tunnel.
//!
//! A program runs as the user that serves the namespace, never through a shell, beside a process of its own ([`inside`])
//! that holds its streams. The agent copies bytes between that and the tunnel; when either is gone, so is the program.

mod inside;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::StreamExt;
use http::StatusCode;
use http_body_util::BodyDataStream;
use serde::Deserialize;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::Command;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use crate::agent::hooks::SEARCH_PATH;
use crate::agent::logs::refusal;
use crate::agent::operations::Shared;
use crate::agent::shim::User;
use crate::agent::users;
use crate::api::kinds;
use crate::api::status::Status;
use crate::client::exec::Channel;
use crate::client::exec::LONGEST;
use crate::client::exec::NUMBER;
use crate::client::exec::frame;

pub use inside::main;

/// The hidden subcommand that [`main`] is reached by.
pub const SUBCOMMAND: &str = "__exec";

/// What runs, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    argv: Vec<String>,
    cwd: String,
    /// The whole environment; nothing is inherited.
    env: BTreeMap<String, String>,
    /// None: the agent's own user.
    user: Option<User>,
    /// Whether the caller sends input; without it the program reads nothing.
    input: bool,
}

/// The programs that run, each with what tells that its caller is gone.
#[derive(Default)]
struct Running {
    next: u64,
    left: HashMap<u64, CancellationToken>,
}

/// What the answers share.
#[derive(Clone)]
struct Exec {
    shared: Arc<Shared>,
    running: Arc<Mutex<Running>>,
}

impl Exec {
    fn held(&self) -> MutexGuard<'_, Running> {
        let held = self.running.lock();
        held.expect("nothing panics while it holds the numbers")
    }

    fn begin(&self) -> (u64, CancellationToken) {
        let mut running = self.held();
        running.next += 1;
        let (number, left) = (running.next, CancellationToken::new());
        running.left.insert(number, left.clone());
        (number, left)
    }
}

/// What the agent answers on its tunnel.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/exec", axum::routing::post(answer))
        .route("/exec/{number}", axum::routing::delete(leave))
        .with_state(Exec {
            shared,
            running: Arc::default(),
        })
}

/// The caller of a program is gone; of one that is over, too.
async fn leave(State(exec): State<Exec>, Path(number): Path<u64>) -> StatusCode {
    if let Some(left) = exec.held().left.get(&number) {
        left.cancel();
    }
    StatusCode::NO_CONTENT
}

async fn answer(
    State(exec): State<Exec>,
    Query(pairs): Query<Vec<(String, String)>>,
    body: Body,
) -> Response {
    let shared = &exec.shared;
    let spec = match spec(shared, pairs) {
        Ok(spec) => spec,
        Err(status) => return refusal(&status),
    };
    let words = serde_json::to_vec(&spec).expect("a spec is plain data");
    if words.len() > LONGEST {
        return refusal(&Status::bad_request("the command line is too long"));
    }
    let mut child = match start(&shared.program) {
        Ok(child) => child,
        Err(error) => return refusal(&Status::internal(format!("cannot start: {error}"))),
    };
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return refusal(&Status::internal("the process has no streams"));
    };
    tracing::info!(
        program = spec.argv[0],
        "an administrator runs a program here"
    );
    let (number, left) = exec.begin();
    let output = ReaderStream::new(output).take_until(left.clone().cancelled_owned());
    let running = exec.clone();
    shared.scope.spawn(async move {
        feed(child, input, words, body, &left).await;
        running.held().left.remove(&number);
    });
    let number = [(NUMBER, number.to_string())];
    (number, Body::from_stream(output)).into_response()
}

fn start(program: &std::path::Path) -> std::io::Result<Child> {
    Command::new(program)
        .arg0("upshift-exec")
        .arg(SUBCOMMAND)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Hands the process what it is to run, then what the caller says, until one of the two is gone.
async fn feed(
    mut child: Child,
    mut input: ChildStdin,
    words: Vec<u8>,
    body: Body,
    left: &CancellationToken,
) {
    let caller = async {
        input.write_all(&frame(Channel::Spec, &words)).await?;
        let mut body = BodyDataStream::new(body);
        while let Some(Ok(chunk)) = body.next().await {
            input.write_all(&chunk).await?;
        }
        // The caller is gone: the end of its input ends the program.
        drop(input);
        std::io::Result::Ok(())
    };
    let _ = tokio::join!(left.run_until_cancelled(caller), child.wait());
}

fn spec(shared: &Shared, pairs: Vec<(String, String)>) -> Result<Spec, Status> {
    let (mut namespace, mut input, mut argv) = (String::new(), false, Vec::new());
    for (key, value) in pairs {
        match key.as_str() {
            "namespace" => namespace = value,
            "stdin" => input = value == "true",
            "command" => argv.push(value),
            _ => {}
        }
    }
    if argv.first().is_none_or(String::is_empty) {
        return Err(Status::bad_request("no command was given"));
    }
    let refused = |why: String| Status::forbidden(&kinds::NODE, &shared.name, why);
    let account = users::serving(&shared.own, &shared.allow, &namespace).map_err(refused)?;
    let home = account.home.display().to_string();
    let env = [
        ("PATH", SEARCH_PATH),
        ("HOME", &home),
        ("USER", &account.name),
        ("LANG", "C.UTF-8"),
        ("UPSHIFT_NODE", &shared.name),
    ];
    Ok(Spec {
        argv,
        env: env
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        cwd: home,
        user: account.become_user,
        input,
    })
}
