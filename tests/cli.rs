//! The command line as its users meet it: what is printed where, and the exit code.
//!
//! Commands run in this process, against one server of this process; every test has a project and a home of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::mpsc;
use std::time::Duration;

use upshift::base::environment::Environment;
use upshift::base::streams::Streams;
use upshift::server::Listen;
use upshift::server::Options;
use upshift::server::Server;

/// The data dir of a server that lives as long as this process.
static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let (ready, started) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut options = Options::new(folder.path().join("data"));
            options.listen = Listen::At("127.0.0.1:0".parse().unwrap());
            options.router = None;
            options.node = false;
            let server = Server::start(options).await.unwrap();
            ready.send(server.data_dir().to_owned()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    started.recv_timeout(Duration::from_secs(60)).unwrap()
});

/// A user with a home of its own, at a server or at none.
struct User {
    home: tempfile::TempDir,
    data_dir: PathBuf,
    program: &'static str,
}

impl User {
    /// A user of no server: the data dir is empty.
    fn alone() -> User {
        let home = tempfile::tempdir().unwrap();
        let data_dir = home.path().join("data");
        User {
            home,
            data_dir,
            program: "upshift",
        }
    }

    /// A user with a project at the server of this process.
    fn of(project: &str) -> User {
        let user = User {
            data_dir: SERVER.clone(),
            ..User::alone()
        };
        let (_, said, code) = user.run(&format!("new-project {project}"));
        assert_eq!(code, 0, "{said}");
        user
    }

    fn called(mut self, program: &'static str) -> User {
        self.program = program;
        self
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    /// Runs a line as a shell would split it: words, and quoted ones; gives stdout, stderr and the exit code.
    fn run(&self, line: &str) -> (String, String, u8) {
        let mut arguments = vec![OsString::from(self.program)];
        arguments.extend(split(line).into_iter().map(OsString::from));
        let variable = |name: &str, value: &Path| (name.to_owned(), value.display().to_string());
        let environment = Environment {
            arguments,
            variables: [
                variable("HOME", self.home.path()),
                variable("UPSHIFT_DATA_DIR", &self.data_dir),
            ]
            .into(),
            folder: self.home.path().to_owned(),
        };
        let (streams, captured) = Streams::captured();
        let code = upshift::cli::run(environment, &streams);
        (captured.out(), captured.err(), code)
    }

    fn ok(&self, line: &str) -> String {
        let (out, said, code) = self.run(line);
        assert_eq!(code, 0, "{line}: {said}");
        out
    }

    /// Runs a line and compares stdout and exit code.
    fn prints(&self, line: &str, expect: &str) {
        assert_eq!(self.ok(line), expect, "{line}");
    }

    /// Runs a line that fails, and compares stderr and exit code.
    fn fails(&self, line: &str, code: u8, expect: &str) {
        let (_, said, found) = self.run(line);
        assert_eq!((said.as_str(), found), (expect, code), "{line}");
    }
}

fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

const SHOP: &str = "\
apiVersion: upshift.dev/v1
kind: Application
metadata:
  name: shop
  labels: {tier: web}
spec:
  hosts: {selector: {role: nowhere}}
  port: 8080
";

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn usage_errors_are_ocs() {
    let user = User::alone();
    for (line, expect) in [
        ("foo", "error: unknown command \"foo\" for \"upshift\"\n"),
        (
            "gett",
            "error: unknown command \"gett\" for \"upshift\"\n\nDid you mean this?\n\tget\n\n",
        ),
        (
            "get --x",
            "error: unknown flag: --x\nSee 'upshift get --help' for usage.\n",
        ),
        (
            "get -Az",
            "error: unknown shorthand flag: 'z' in -Az\nSee 'upshift get --help' for usage.\n",
        ),
        (
            "get app -n",
            "error: flag needs an argument: 'n' in -n\nSee 'upshift get --help' for usage.\n",
        ),
        (
            "get app --selector",
            "error: flag needs an argument: --selector\nSee 'upshift get --help' for usage.\n",
        ),
        (
            "version x",
            "error: unexpected argument \"x\"\nSee 'upshift version -h' for help and examples\n",
        ),
        (
            "deploy . --port x",
            "error: invalid argument \"x\" for \"--port\" flag: must be a whole number\n\
             See 'upshift deploy --help' for usage.\n",
        ),
        (
            "config foo",
            "error: unknown command \"foo\"\nSee 'upshift config -h' for help and examples\n",
        ),
        (
            "create -f x --dry-run=often",
            "error: invalid argument \"often\" for \"--dry-run\" flag: must be \"none\", \"server\", or \"client\"\n\
             See 'upshift create --help' for usage.\n",
        ),
        (
            "completion",
            "error: Shell not specified.\nSee 'upshift completion -h' for help and examples\n",
        ),
        (
            "completion foo",
            "error: Unsupported shell type \"foo\".\nSee 'upshift completion -h' for help and examples\n",
        ),
        (
            "completion bash zsh",
            "error: Too many arguments. Expected only the shell type.\nSee 'upshift completion -h' for help and examples\n",
        ),
        (
            "new-project",
            "error: must have exactly one argument\nSee 'upshift new-project -h' for help and examples\n",
        ),
        (
            "projects x",
            "error: no arguments should be passed\nSee 'upshift projects -h' for help and examples\n",
        ),
        (
            "get app -o badfmt",
            "error: unable to match a printer suitable for the output format \"badfmt\", allowed formats are: \
             custom-columns,custom-columns-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,wide,yaml\n",
        ),
        (
            "get app --show-labels -o json",
            "error: --show-labels option cannot be used with json printer\n",
        ),
        (
            "get app x -A",
            "error: a resource cannot be retrieved by name across all namespaces\n",
        ),
        (
            "get app x -l a=b",
            "error: name cannot be provided when a selector is specified\nSee 'upshift get -h' for help and examples\n",
        ),
        (
            "delete app",
            "error: resource(s) were provided, but no name was specified\n",
        ),
        (
            "delete",
            "error: You must provide one or more resources by argument or filename.\n",
        ),
        (
            "label app/x",
            "error: at least one label update is required\n",
        ),
        (
            "apply",
            "error: must specify -f\nSee 'upshift apply -h' for help and examples\n",
        ),
        (
            "get app --request-timeout=xx",
            "error: Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a \
             corresponding time unit (e.g. 1s | 2m | 3h)\n",
        ),
    ] {
        user.fails(line, 2, expect);
        let oc = User::alone().called("oc");
        let (_, said, code) = oc.run(line);
        assert_eq!(code, 1, "oc {line}");
        assert!(!said.contains("upshift"), "oc {line}: {said}");
    }
}

#[test]
fn help_is_grouped_and_every_command_has_its_own() {
    let user = User::alone();
    let first = user.ok("");
    assert_eq!(user.ok("--help"), first);
    assert_eq!(user.ok("help"), first);
    let groups: Vec<&str> = first
        .lines()
        .filter(|line| line.ends_with("Commands:"))
        .collect();
    assert_eq!(
        groups,
        [
            "Basic Commands:",
            "Build and Deploy Commands:",
            "Application Management Commands:",
            "Troubleshooting and Debugging Commands:",
            "Advanced Commands:",
            "Server Commands:",
            "Settings Commands:",
            "Other Commands:",
        ]
    );
    assert!(
        first.contains("Exit codes: 0 done, 1 failed, 2 usage"),
        "{first}"
    );
    let commands: Vec<&str> = first
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|letter: char| letter.is_lowercase()) && line.len() > 16)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !["upshift", "help"].contains(word))
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let page = user.ok(&format!("{command} -h"));
        assert_eq!(page, user.ok(&format!("help {command}")), "{command}");
        assert!(page.contains("\nUsage:\n  upshift "), "{page}");
        assert!(page.ends_with("Use \"upshift options\" for a list of global command-line options (applies to all commands).\n"));
    }
    assert!(user.ok("options").contains("-n, --namespace <NAME>"));
    let page = User::alone().called("oc").ok("get -h");
    assert!(
        page.contains("\n  oc get app\n") && !page.contains("upshift get"),
        "{page}"
    );
}

#[test]
fn a_parent_without_a_command_is_a_usage_error() {
    for (program, expect) in [("upshift", 2), ("oc", 1)] {
        let (out, said, code) = User::alone().called(program).run("config");
        assert_eq!((out.as_str(), code), ("", expect));
        assert!(said.contains("Available Commands:\n  view"), "{said}");
    }
}

#[test]
fn the_gear_upgrader_says_that_it_is_not_there_yet() {
    let (_, said, code) = User::alone()
        .called("oo-admin-upgrade")
        .run("upgrade --version 1");
    assert!(
        said.starts_with("error: oo-admin-upgrade is not there yet"),
        "{said}"
    );
    assert_eq!(code, 2);
}

#[test]
fn what_needs_no_server_asks_none() {
    let user = User::alone();
    user.prints(
        "version --client",
        concat!("Client Version: ", env!("CARGO_PKG_VERSION"), "\n"),
    );
    user.prints(
        "config get-contexts",
        "CURRENT   NAME      CLUSTER   AUTHINFO   NAMESPACE\n",
    );
    user.fails(
        "config current-context",
        1,
        "error: current-context is not set\n",
    );
    user.fails(
        "config use-context x",
        3,
        "error: no context exists with the name: \"x\"\n",
    );
    assert!(user.ok("completion bash").contains("complete -F _upshift"));
    assert!(!user.data_dir.exists());
}

#[test]
fn reading_does_not_start_a_server() {
    let user = User::alone();
    let data = user.data_dir.display().to_string();
    for line in [
        "get app",
        "whoami",
        "describe app/x",
        "delete app/x",
        "projects",
    ] {
        user.fails(
            line,
            7,
            &format!(
                "error: the embedded server is not running (data in {data})\n\
                 Start it with 'upshift serve', or name another with --server, --kubeconfig or --context.\n"
            ),
        );
    }
    user.fails(
        "get app --server http://127.0.0.1:1",
        7,
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n",
    );
}

#[test]
fn projects_are_switched_between() {
    let user = User::of("first");
    let server = user.ok("whoami --show-server").trim().to_owned();
    let (_, said, code) = user.run("new-project second --display-name='The second'");
    assert_eq!(code, 0);
    assert!(
        said.starts_with(&format!("server {server} (embedded, data in ")),
        "{said}"
    );
    user.prints("project -q", "second\n");
    user.prints(
        "project",
        &format!("Using project \"second\" on server \"{server}\".\n"),
    );
    user.prints(
        "project first",
        &format!("Now using project \"first\" on server \"{server}\".\n"),
    );
    user.prints(
        "project first",
        &format!("Already on project \"first\" on server \"{server}\".\n"),
    );
    assert!(user.ok("projects").contains("    second - The second\n"));
    assert!(user.ok("projects").contains("  * first\n"));
    assert!(user.ok("projects -q").contains("first\n"));
    user.fails(
        "new-project second",
        8,
        &format!("{said}Error from server (AlreadyExists): project.project.openshift.io \"second\" already exists\n"),
    );
    let (_, said, code) = user.run("project nosuch");
    assert!(said.starts_with(&format!(
        "error: A project named \"nosuch\" does not exist on \"{server}\".\nYour projects are:\n* "
    )));
    assert_eq!(code, 3);
    user.prints("whoami", "admin\n");
    let token = user.ok("whoami -t");
    assert!(user.ok("config view").contains("token: REDACTED"));
    assert!(!user.ok("config view").contains(token.trim()));
    assert!(user.ok("whoami -c").starts_with("first/"));
}

#[test]
fn objects_are_made_shown_changed_and_removed() {
    let user = User::of("objects");
    user.write("app.yaml", SHOP);
    user.prints(
        "create -f app.yaml --dry-run=client",
        "application.upshift.dev/shop created (dry run)\n",
    );
    user.prints(
        "create -f app.yaml --dry-run=server",
        "application.upshift.dev/shop created (server dry run)\n",
    );
    user.prints("get app -o name", "");
    user.prints(
        "create -f app.yaml",
        "application.upshift.dev/shop created\n",
    );
    let (_, said, code) = user.run("create -f app.yaml");
    let refusal = "Error from server (AlreadyExists): error when creating";
    assert!(
        said.contains(refusal) && said.contains("applications.upshift.dev \"shop\" already exists"),
        "{said}"
    );
    assert_eq!(code, 8);
    user.prints("get app -o name", "application.upshift.dev/shop\n");
    user.prints("get app shop -o jsonpath='{.spec.port}'", "8080");
    user.prints(
        "get app -o custom-columns=WHO:.metadata.name,TIER:.metadata.labels.tier,NO:.x",
        "WHO       TIER      NO\nshop      web       <none>\n",
    );
    let table = user.ok("get applications --show-labels");
    assert!(
        table.starts_with("NAME      REVISION   ROLLOUT   AGE       LABELS\nshop      "),
        "{table}"
    );
    assert!(table.ends_with("tier=web\n"), "{table}");
    assert!(user.ok("get app/shop --no-headers").starts_with("shop "));
    assert!(user.ok("get app -A -L tier").starts_with("NAMESPACE "));
    assert!(user.ok("get all").starts_with("NAME "));
    user.prints(
        "label app/shop a=b",
        "application.upshift.dev/shop labeled\n",
    );
    user.fails(
        "label app/shop a=c",
        1,
        "error: 'a' already has a value (b), and --overwrite is false\n",
    );
    user.prints(
        "label app/shop a=c --overwrite=true",
        "application.upshift.dev/shop labeled\n",
    );
    user.prints(
        "label app/shop a=c",
        "application.upshift.dev/shop not labeled\n",
    );
    user.prints(
        "label app/shop a-",
        "application.upshift.dev/shop unlabeled\n",
    );
    user.prints(
        "annotate app shop owner=ann",
        "application.upshift.dev/shop annotated\n",
    );
    user.prints(
        "patch app/shop -p 'spec: {port: 9000}'",
        "application.upshift.dev/shop patched\n",
    );
    user.prints(
        "patch app/shop -p 'spec: {port: 9000}'",
        "application.upshift.dev/shop patched (no change)\n",
    );
    user.prints(
        "patch app shop --type=json -p '[{\"op\": \"replace\", \"path\": \"/spec/port\", \"value\": 1}]' -o jsonpath='{.spec.port}'",
        "1",
    );
    let (_, said, code) = user.run("patch app/shop -p 'spec: {port: 0}'");
    assert!(
        said.starts_with("The Application \"shop\" is invalid: spec.port: Invalid value: 0"),
        "{said}"
    );
    assert_eq!(code, 2);
    let text = user.ok("describe app/shop");
    assert!(text.starts_with("Name:         shop\nNamespace:    objects\nLabels:       tier=web\nAnnotations:  owner=ann\n"), "{text}");
    assert_eq!(
        user.ok("describe app sh"),
        user.ok("describe app/shop"),
        "a prefix will do"
    );
    user.prints(
        "delete app/shop",
        "application.upshift.dev \"shop\" deleted\n",
    );
    user.fails("get app", 0, "No resources found in objects namespace.\n");
    user.fails(
        "delete app shop",
        3,
        "Error from server (NotFound): applications.upshift.dev \"shop\" not found\n",
    );
    user.prints("delete app shop --ignore-not-found", "");
    user.prints("get app shop --ignore-not-found=true", "");
}

#[test]
fn apply_remembers_what_it_applied() {
    let user = User::of("applying");
    user.write(
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1', b: '2'}\n",
    );
    user.prints("apply -f map.yaml", "configmap/c created\n");
    user.prints("apply -f map.yaml", "configmap/c unchanged\n");
    user.prints("patch cm/c -p 'data: {other: x}'", "configmap/c patched\n");
    user.write(
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '3'}\n",
    );
    user.prints(
        "apply -f map.yaml --dry-run=client",
        "configmap/c configured (dry run)\n",
    );
    user.prints("apply -f map.yaml", "configmap/c configured\n");
    user.prints(
        "get cm c -o jsonpath='{.data.a}{.data.b}{.data.other}'",
        "3x",
    );
    user.ok("create configmap d --from-literal=a=b");
    user.write(
        "d.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {a: c}\n",
    );
    let (out, said, _) = user.run("apply -f d.yaml");
    assert!(
        said.contains("is missing the kubectl.kubernetes.io/last-applied-configuration annotation"),
        "{said}"
    );
    assert_eq!(out, "configmap/d configured\n");
}

#[test]
fn files_of_every_kind_are_read() {
    let user = User::of("files");
    let folder = user.home.path().join("many/below");
    std::fs::create_dir_all(&folder).unwrap();
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    user.write("many/b.yaml", &format!("{}---\n{}", map("b1"), map("b2")));
    user.write(
        "many/a.json",
        r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]}"#,
    );
    user.write("many/notes.txt", "not an object");
    user.write("many/below/c.yml", &map("c"));
    user.prints(
        "create -f many",
        "configmap/a created\nconfigmap/b1 created\nconfigmap/b2 created\n",
    );
    user.prints("create -R -f many/below", "configmap/c created\n");
    user.prints(
        "delete -f many -R -o name",
        "configmap/a\nconfigmap/b1\nconfigmap/b2\nconfigmap/c\n",
    );
    user.fails(
        "create -f nosuch",
        2,
        "error: the path \"nosuch\" does not exist\n",
    );
    user.write("nokind.yaml", "apiVersion: v1\nmetadata: {name: x}\n");
    let (_, said, _) = user.run("create -f nokind.yaml");
    assert!(said.contains("Object 'Kind' is missing in"), "{said}");
    user.write(
        "mistyped.yaml",
        "apiVersion: upshift.dev/v1\nkind: Application\nmetadata: {name: x}\nspec: {hosts: {}, prot: 80}\n",
    );
    for line in ["create -f mistyped.yaml", "apply -f mistyped.yaml"] {
        let (_, said, code) = user.run(line);
        assert!(
            said.contains("strict decoding error: unknown field \"spec.prot\""),
            "{said}"
        );
        assert_eq!(code, 2);
        user.fails(
            "get app x",
            3,
            "Error from server (NotFound): applications.upshift.dev \"x\" not found\n",
        );
    }
    user.write(
        "unknown.yaml",
        "apiVersion: v9\nkind: Foo\nmetadata: {name: x}\n",
    );
    let (_, said, code) = user.run("create -f unknown.yaml");
    assert!(
        said.contains(
            "no matches for kind \"Foo\" in version \"v9\"\nensure CRDs are installed first\n"
        ),
        "{said}"
    );
    assert_eq!(code, 2);
    user.write("bad.yaml", "a: [1\n");
    let (_, said, code) = user.run("create -f bad.yaml");
    assert!(
        said.contains("error parsing ") && said.contains("line "),
        "{said}"
    );
    assert_eq!(code, 2);
    user.write(
        "elsewhere.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: other}\n",
    );
    let (_, said, code) = user.run("create -n files -f elsewhere.yaml");
    assert!(
        said.contains("does not match the namespace \"files\""),
        "{said}"
    );
    assert_eq!(code, 2);
}

#[test]
fn unknown_names_are_told_apart() {
    let user = User::of("names");
    user.fails(
        "get nosuch",
        2,
        "error: the server doesn't have a resource type \"nosuch\"\n",
    );
    user.fails(
        "get app x",
        3,
        "Error from server (NotFound): applications.upshift.dev \"x\" not found\n",
    );
    User {
        program: "oc",
        ..User::of("names-oc")
    }
    .fails(
        "get nodes x",
        1,
        "Error from server (NotFound): nodes \"x\" not found\n",
    );
    user.fails("get routers", 0, "No resources found\n");
    user.fails("get gears -A", 0, "No resources found\n");
    user.ok("create secret generic keys --from-literal=a=b");
    assert!(!user.ok("describe secret keys").contains("Yg=="));
    user.prints(
        "wait secret/keys --for=jsonpath='{.type}'=Opaque",
        "secret/keys condition met\n",
    );
    user.fails(
        "wait secret/keys --for=jsonpath='{.type}'=Other --timeout=50ms",
        4,
        "error: timed out waiting for the condition on secrets/keys\n",
    );
    assert!(
        user.ok("api-resources -o name")
            .contains("applications.upshift.dev\n")
    );
    assert!(user.ok("api-versions").contains("upshift.dev/v1\n"));
    assert!(user.ok("version").contains("Kubernetes Version: v1."));
}

#[test]
fn a_join_file_says_how_it_is_used_and_is_not_spent_on_a_node_that_serves_nobody() {
    let user = User::of("joining");
    let (_, said, code) = user.run("node token create web-9 -o web-9.join");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.ends_with("upshift node --join web-9.join --allow joining=USER\n"),
        "{said}"
    );
    // Twice the same answer: the token is as good as before.
    for _ in 0..2 {
        let (_, said, code) = user.run("node --join web-9.join --data-dir nodes");
        assert_eq!(
            (said.as_str(), code),
            (
                "error: a node needs at least one --allow NAMESPACE=USER: it serves nobody otherwise\n\
                 See 'upshift node -h' for help and examples\n",
                2
            )
        );
    }
}

#[test]
fn a_wrong_token_is_not_let_in() {
    let user = User::of("tokens");
    let (_, said, code) = user.run("get app --token wrong");
    assert_eq!(
        (said.as_str(), code),
        (
            "error: You must be logged in to the server (Unauthorized)\n",
            7
        )
    );
}
