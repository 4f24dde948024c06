//! Programs that an administrator runs on this node: `POST /exec?namespace=N&command=C&command=A…` over the tunnel.
//!
//! A program runs as the user that serves the namespace, never through a shell, beside a process of its own ([`inside`])
//! that holds its streams. The agent copies bytes between that and the tunnel; when either is gone, so is the program.
//! What runs beside a pod's container (`agent::pod::exec`) runs the same way, with another [`Spec`].

mod inside;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;

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
use crate::agent::shim::Mount;
use crate::agent::shim::User;
use crate::agent::users;
use crate::api::kinds;
use crate::api::status::Status;
use crate::client::exec::Channel;
use crate::client::exec::LONGEST;
use crate::client::exec::NUMBER;
use crate::client::exec::TERMINAL_SIZE;
use crate::client::exec::frame;

pub use inside::main;

/// The hidden subcommand that [`main`] is reached by.
pub const SUBCOMMAND: &str = "__exec";

/// What runs, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    pub(crate) argv: Vec<String>,
    pub(crate) cwd: String,
    /// The whole environment; nothing is inherited.
    pub(crate) env: BTreeMap<String, String>,
    /// None: the agent's own user.
    pub(crate) user: Option<User>,
    /// The file of the network namespace it runs in; none: the agent's own.
    pub(crate) network: Option<PathBuf>,
    /// Files that it sees in place of others.
    pub(crate) mounts: Vec<Mount>,
    /// Whether the caller sends input; without it the program reads nothing.
    pub(crate) input: bool,
    /// The agent looked for the program where it is to run, and there is none.
    pub(crate) is_missing: bool,
    /// It gets a terminal of that many columns and rows; none: pipes.
    pub(crate) terminal: Option<(u16, u16)>,
}

/// What a caller asks for, with Kubernetes' parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) namespace: String,
    pub(crate) container: String,
    pub(crate) argv: Vec<String>,
    pub(crate) input: bool,
    pub(crate) terminal: Option<(u16, u16)>,
}

/// What a terminal is called when its caller's name for it is not known.
const TERMINAL: &str = "xterm";

impl Asked {
    /// Reads a query; parameters that say nothing here are passed over.
    pub(crate) fn of(pairs: Vec<(String, String)>) -> Result<Asked, Status> {
        let (mut asked, mut is_terminal, mut size) = (Asked::default(), false, TERMINAL_SIZE);
        for (key, value) in pairs {
            let is_set = matches!(value.as_str(), "true" | "1");
            match key.as_str() {
                "namespace" => asked.namespace = value,
                "container" => asked.container = value,
                "stdin" => asked.input = is_set,
                "tty" => is_terminal = is_set,
                "columns" => size.0 = value.parse().unwrap_or(TERMINAL_SIZE.0),
                "rows" => size.1 = value.parse().unwrap_or(TERMINAL_SIZE.1),
                "command" => asked.argv.push(value),
                _ => {}
            }
        }
        if asked.argv.first().is_none_or(String::is_empty) {
            return Err(Status::bad_request("no command was given"));
        }
        asked.terminal = is_terminal.then_some(size);
        Ok(asked)
    }
}

/// How long a program whose time is over may say last words.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The programs that run, each with what tells that its caller is gone.
#[derive(Default)]
struct Running {
    next: u64,
    left: HashMap<u64, CancellationToken>,
}

/// What the answers share, also those about pods.
#[derive(Clone)]
pub(crate) struct Programs {
    shared: Arc<Shared>,
    running: Arc<Mutex<Running>>,
}

/// What the agent answers on its tunnel.
pub(crate) fn router(programs: Programs) -> Router {
    Router::new()
        .route("/exec", axum::routing::post(answer))
        .route("/exec/{number}", axum::routing::delete(leave))
        .with_state(programs)
}

/// The caller of a program is gone; of one that is over, too.
async fn leave(State(programs): State<Programs>, Path(number): Path<u64>) -> StatusCode {
    if let Some(left) = programs.held().left.get(&number) {
        left.cancel();
    }
    StatusCode::NO_CONTENT
}

async fn answer(
    State(programs): State<Programs>,
    Query(pairs): Query<Vec<(String, String)>>,
    body: Body,
) -> Response {
    let spec = Asked::of(pairs).and_then(|asked| spec(&programs.shared, asked));
    match spec {
        Ok(spec) => programs.run(spec, body, std::future::pending()),
        Err(status) => refusal(&status),
    }
}

impl Programs {
    /// None yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Programs {
        Programs {
            shared,
            running: Arc::default(),
        }
    }

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

    /// Starts a program; its frames are the answer, and the caller's are in `body`. It ends when `over` does.
    pub(crate) fn run(
        &self,
        mut spec: Spec,
        body: Body,
        over: impl Future<Output = ()> + Send + 'static,
    ) -> Response {
        if spec.terminal.is_some() {
            let term = spec.env.entry("TERM".to_owned());
            term.or_insert_with(|| TERMINAL.to_owned());
        }
        let words = serde_json::to_vec(&spec).expect("a spec is plain data");
        if words.len() > LONGEST {
            return refusal(&Status::bad_request("the command line is too long"));
        }
        let mut child = match start(&self.shared.program) {
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
        let (number, left) = self.begin();
        let output = ReaderStream::new(output).take_until(left.clone().cancelled_owned());
        let running = self.clone();
        self.shared.scope.spawn(async move {
            let is_over = tokio::select! {
                () = feed(child, input, words, body, &left) => false,
                () = over => true,
            };
            if is_over {
                // The end of its input ends it. One that leaves its input unread learns of it by its output.
                tokio::time::sleep(LAST_WORDS).await;
                left.cancel();
            }
            running.held().left.remove(&number);
        });
        let number = [(NUMBER, number.to_string())];
        (number, Body::from_stream(output)).into_response()
    }
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

fn spec(shared: &Shared, asked: Asked) -> Result<Spec, Status> {
    let refused = |why: String| Status::forbidden(&kinds::NODE, &shared.name, why);
    let account = users::serving(&shared.own, &shared.allow, &asked.namespace).map_err(refused)?;
    let home = account.home.display().to_string();
    let env = [
        ("PATH", SEARCH_PATH),
        ("HOME", &home),
        ("USER", &account.name),
        ("LANG", "C.UTF-8"),
        ("UPSHIFT_NODE", &shared.name),
    ];
    Ok(Spec {
        argv: asked.argv,
        env: env
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        cwd: home,
        user: account.become_user,
        input: asked.input,
        terminal: asked.terminal,
        ..Spec::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_runs_and_how() {
        let pairs = |query: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            Asked::of(pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
        };
        let asked = pairs("container=c&stdin=true&stdout=true&command=ls&command=-l").unwrap();
        assert_eq!(
            (asked.container.as_str(), asked.argv.join(" ").as_str()),
            ("c", "ls -l")
        );
        assert_eq!((asked.input, asked.terminal), (true, None));
        let terminal = |query: &str| pairs(query).unwrap().terminal;
        assert_eq!(terminal("tty=true&command=x"), Some(TERMINAL_SIZE));
        assert_eq!(
            terminal("tty=1&columns=132&rows=43&command=x"),
            Some((132, 43))
        );
        for wrong in ["stdin=true", "command="] {
            assert_eq!(pairs(wrong).unwrap_err().message, "no command was given");
        }
    }
}
