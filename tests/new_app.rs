//! `new-app` and its companions with the whole program: a server without a node keeps what they make.
//!
//! What is said is compared with seed 002; what is made with what the server has then.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;

use crate::site::Process;
use crate::site::Site;
use crate::site::needs;

/// Seed 002, bullets 2 to 7 and the last line, with the builder's name put in.
const SEED: [&str; 7] = [
    "* A source build using source code from URL will be created",
    "* The resulting image will be pushed to image stream \"ruby-ex:latest\"",
    "* Every time \"python:latest\" changes a new build will be triggered",
    "* This image will be deployed in deployment config \"ruby-ex\"",
    "* Port 8080/tcp will be load balanced by service \"ruby-ex\"",
    "* Other containers can access this service through the hostname \"ruby-ex\"",
    "Run 'upshift status' to view your app.",
];

/// A server, a project and a repository.
struct Stage {
    site: Site,
    _server: Process,
}

impl Stage {
    fn new() -> Stage {
        let site = Site::new();
        let server = site.serve(&["--no-node"], &[]);
        site.ok(&["new-project", "project1"]);
        repository(&site.path("ruby-ex.git"));
        Stage {
            site,
            _server: server,
        }
    }

    fn uri(&self) -> String {
        format!("file://{}", self.site.path("ruby-ex.git").display())
    }

    /// `KIND/NAME` of everything of these kinds in the project.
    fn names(&self) -> Vec<String> {
        let out = self
            .site
            .ok(&["get", "is,bc,dc,svc,route,build", "-o", "name"]);
        let mut names: Vec<String> = out
            .lines()
            .map(|line| {
                let (kind, name) = line.split_once('/').unwrap();
                format!("{}/{name}", kind.split('.').next().unwrap())
            })
            .collect();
        names.sort();
        names
    }

    fn object(&self, kind: &str, name: &str) -> Value {
        let out = self.site.ok(&["get", kind, name, "-o", "json"]);
        serde_json::from_str(&out).unwrap()
    }

    /// Runs a command that fails; its exit code and the first line of stderr that tells why.
    fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.site.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = said
            .lines()
            .find(|line| line.trim_start().starts_with("error"))
            .unwrap_or(&said);
        (output.status.code().unwrap(), line.to_owned())
    }
}

/// Makes a repository with one commit of an application.
fn repository(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("app.py"), "print('hello')\n").unwrap();
    fs::write(path.join("requirements.txt"), "").unwrap();
    git(path, &["init", "-q", "-b", "main"]);
    git(path, &["add", "-A"]);
    git(path, &["commit", "-qm", "The first"]);
}

fn git(at: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
        .args(arguments)
        .current_dir(at)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// Whether the lines of the seed stand in what was said, in their order.
fn assert_seed(said: &str, url: &str) {
    let mut lines = said.lines().map(str::trim);
    for expect in SEED {
        let expect = expect.replace("URL", url);
        assert!(
            lines.any(|line| line == expect),
            "{expect:?} is not in its place in\n{said}"
        );
    }
    assert_eq!(lines.next(), None, "{said}");
}

#[test]
fn a_repository_on_this_machine_gives_the_seed_s_words_and_a_build_of_its_commit() {
    if !needs("git") {
        return;
    }
    let stage = Stage::new();
    let uri = stage.uri();
    let said = stage.site.ok(&["new-app", &format!("python~{uri}")]);
    assert_seed(&said, &uri);
    assert!(said.contains("    imagestream.image.openshift.io \"ruby-ex\" created\n"));
    assert_eq!(
        stage.names(),
        [
            "build/ruby-ex-1",
            "buildconfig/ruby-ex",
            "deploymentconfig/ruby-ex",
            "imagestream/ruby-ex",
            "route/ruby-ex",
            "service/ruby-ex",
        ]
    );
    let build = stage.object("build", "ruby-ex-1");
    let git = &build["spec"]["revision"]["git"];
    assert_eq!(git["message"], "The first");
    assert_eq!(git["author"]["name"], "A");
    let digest = build["metadata"]["annotations"]["upshift.dev/source"].as_str();
    assert!(digest.is_some_and(|digest| digest.starts_with("sha256:")));
    let config = stage.object("bc", "ruby-ex");
    assert_eq!(config["spec"]["source"]["git"]["uri"], uri.as_str());
    assert_eq!(config["spec"]["triggers"][0]["type"], "ImageChange");

    // Once more: every row says what is taken.
    let again = stage.site.run(&["new-app", &format!("python~{uri}")]);
    assert_eq!(again.status.code(), Some(8));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        said.contains("    error: services \"ruby-ex\" already exists\n"),
        "{said}"
    );
    assert!(String::from_utf8_lossy(&again.stdout).ends_with("--> Failed\n"));

    // The next build takes the next commit.
    git_commit(&stage, "second");
    let started = stage.site.ok(&["start-build", "ruby-ex"]);
    assert_eq!(started, "build.build.openshift.io/ruby-ex-2 started\n");
    let build = stage.object("build", "ruby-ex-2");
    assert_eq!(build["spec"]["revision"]["git"]["message"], "second");
}

fn git_commit(stage: &Stage, message: &str) {
    let path = stage.site.path("ruby-ex.git");
    fs::write(path.join("app.py"), message).unwrap();
    git(&path, &["commit", "-qam", message]);
}

#[test]
fn a_repository_over_http_gives_the_seed_s_words() {
    if !needs("git") {
        return;
    }
    let stage = Stage::new();
    let port = serve_git(stage.site.path(""));
    let url = format!("http://127.0.0.1:{port}/ruby-ex.git");
    let said = stage
        .site
        .ok(&["new-app", &format!("python~{url}"), "--no-route"]);
    let (before, exposed) = said.split_once("    Application is not exposed.").unwrap();
    assert!(
        exposed.contains("\n     'upshift expose service/ruby-ex' \n"),
        "{said}"
    );
    let last = exposed.lines().last().unwrap();
    assert_seed(&format!("{before}{last}\n"), &url);
    let config = stage.object("bc", "ruby-ex");
    let triggers = config["spec"]["triggers"].as_array().unwrap();
    let kinds: Vec<&str> = triggers
        .iter()
        .filter_map(|one| one["type"].as_str())
        .collect();
    assert_eq!(kinds, ["GitHub", "Generic", "ConfigChange", "ImageChange"]);

    // Without a builder its files are fetched to tell the language, from the branch that was named.
    let said = stage.site.ok(&[
        "new-app",
        &format!("{url}#main"),
        "--name=other",
        "--dry-run",
    ]);
    assert!(
        said.contains("    * The source repository appears to match: python\n"),
        "{said}"
    );
    assert!(
        said.contains(
            "    route.route.openshift.io \"other\" created (dry run)\n--> Success (dry run)\n"
        ),
        "{said}"
    );
    let (code, why) = stage.fails(&["new-app", &format!("python~{url}#nosuch"), "--name=x"]);
    assert_eq!(code, 2);
    assert_eq!(
        why,
        format!("error: the repository {url} has no branch, tag or commit \"nosuch\"")
    );
    let (code, why) = stage.fails(&["new-app", &format!("{url}x"), "--name=x"]);
    assert_eq!(code, 2, "{why}");
    assert!(
        why.starts_with(&format!("error: cannot read the repository {url}x: ")),
        "{why}"
    );

    let exposed = stage.site.ok(&["expose", "service/ruby-ex"]);
    assert_eq!(exposed, "route.route.openshift.io/ruby-ex exposed\n");
    let route = stage.object("route", "ruby-ex");
    assert_eq!(route["spec"]["host"], "ruby-ex-project1.apps.localhost");
    assert_eq!(route["spec"]["port"]["targetPort"], "8080-tcp");
    let scaled = stage.site.ok(&[
        "scale",
        "dc/ruby-ex",
        "--replicas=3",
        "--current-replicas=1",
    ]);
    assert_eq!(
        scaled,
        "deploymentconfig.apps.openshift.io/ruby-ex scaled\n"
    );
    assert_eq!(stage.object("dc", "ruby-ex")["spec"]["replicas"], 3);
    let scale = [
        "scale",
        "dc/ruby-ex",
        "--replicas=2",
        "--current-replicas=1",
    ];
    assert_eq!(
        stage.fails(&scale),
        (8, "error: Expected replicas to be 1, was 3".to_owned())
    );
}

#[test]
fn a_directory_is_packed_as_it_is() {
    if !needs("git") {
        return;
    }
    let stage = Stage::new();
    let folder = stage.site.path("My.Shop");
    fs::create_dir_all(folder.join(".git")).unwrap();
    fs::write(folder.join("index.html"), "hello").unwrap();
    let said = stage
        .site
        .ok(&["new-app", folder.to_str().unwrap(), "A=1", "-l", "tier=web"]);
    assert!(
        said.contains("    * A source build using uploaded code will be created\n"),
        "{said}"
    );
    assert!(
        said.contains("--> Creating resources with label tier=web ...\n"),
        "{said}"
    );
    assert!(
        said.contains("    build.build.openshift.io \"myshop-1\" created\n"),
        "{said}"
    );
    assert!(
        said.contains("    Access your application via route 'myshop-project1.apps.localhost' \n"),
        "{said}"
    );
    let config = stage.object("bc", "myshop");
    assert_eq!(config["spec"]["source"]["type"], "Binary");
    let container = &stage.object("dc", "myshop")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"][0]["value"], "1");
    assert_eq!(
        stage.fails(&["start-build", "myshop"]),
        (
            2,
            "error: build configuration project1/myshop has no valid source inputs, if this is a binary build you must \
             specify one of '--from-dir', '--from-repo', or '--from-file'"
                .to_owned()
        )
    );
    let from = format!("--from-dir={}", folder.display());
    let started = stage
        .site
        .ok(&["start-build", "bc/myshop", &from, "-o", "name"]);
    assert_eq!(started, "build.build.openshift.io/myshop-2\n");
    let cancelled = stage.site.ok(&["cancel-build", "bc/myshop"]);
    assert!(
        cancelled.ends_with("build.build.openshift.io/myshop-2 cancelled\n"),
        "{cancelled}"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn what_is_wrong_is_said_in_one_line_and_makes_nothing() {
    if !needs("git") {
        return;
    }
    let stage = Stage::new();
    fs::create_dir_all(stage.site.path("empty")).unwrap();
    fs::write(stage.site.path("file"), "").unwrap();
    let uri = stage.uri();
    let source = stage.site.path("ruby-ex.git").display().to_string();
    let empty = stage.site.path("empty").display().to_string();
    let python = format!("python~{uri}");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["./nosuch"], 2, "error: ./nosuch: no such directory"),
        (
            &["python~./nosuch"],
            2,
            "error: ./nosuch: no such directory",
        ),
        (&["file:///nosuch"], 2, "error: /nosuch: no such directory"),
        (
            &[&format!("file://{empty}")],
            2,
            &format!("error: {empty}: not a git repository"),
        ),
        (
            &[&empty],
            2,
            &format!(
                "error: no language was detected for repository at {empty:?}; please specify a builder image to use with your repository: [builder-image]~{empty}"
            ),
        ),
        (
            &["file"],
            2,
            "error: file is a file; an application is made of a directory, a repository or an image stream",
        ),
        (
            &["nothere"],
            3,
            "error:  local file access failed with: stat nothere: no such file or directory",
        ),
        (
            &[&format!("nothere~{uri}")],
            3,
            "error: unable to locate any images in image streams, templates loaded in accessible projects, template files, local docker images with name \"nothere\"",
        ),
        (
            &[&format!("pytho~{uri}")],
            2,
            "error: only a partial match was found for \"pytho\": \"openshift/python:latest\"",
        ),
        (
            &[&format!("p~{uri}")],
            2,
            "error: multiple images or templates matched \"p\"",
        ),
        (
            &[&format!("python:2~{uri}")],
            3,
            "error: the image stream \"openshift/python\" has no tag \"2\"",
        ),
        (
            &["python"],
            2,
            "error: no source code was given for the builder image \"python\"",
        ),
        (
            &[&python, "--name=Foo_Bar"],
            2,
            "error: invalid name: Foo_Bar. Must be an a lower case alphanumeric (a-z, and 0-9) string with a maximum length of 58 characters, where the first character is a letter (a-z), and the '-' character is allowed anywhere except the first or last character.",
        ),
        (
            &[&python, "1A=b"],
            2,
            "error: invalid environment variable name \"1A\": letters, digits, '_', '-' and '.', and no digit first",
        ),
        (
            &[&python, "-e", "A"],
            2,
            "error: environment variables must be of the form key=value, but is \"A\"",
        ),
        (
            &[&source, "--context-dir=nope"],
            2,
            &format!("error: supplied context directory 'nope' does not exist in '{source}'"),
        ),
        (
            &[&python, "--context-dir=nope"],
            2,
            &format!("error: supplied context directory 'nope' does not exist in '{uri}'"),
        ),
        (
            &[&python, "--strategy=docker"],
            2,
            "error: docker builds are not there yet: this version builds from source with a builder image",
        ),
        (
            &["~x"],
            2,
            "error: when using '[image]~[code]' form for \"~x\", you must specify a image name",
        ),
    ];
    for (words, code, message) in cases {
        let arguments: Vec<&str> = std::iter::once("new-app")
            .chain(words.iter().copied())
            .collect();
        assert_eq!(
            stage.fails(&arguments),
            (*code, (*message).to_owned()),
            "{words:?}"
        );
    }
    let (code, message) = stage.fails(&["new-app", "python~http://127.0.0.1:1/x.git"]);
    assert_eq!(code, 7, "{message}");
    assert!(
        message.starts_with("error: cannot read the repository http://127.0.0.1:1/x.git: "),
        "{message}"
    );
    assert!(stage.names().is_empty(), "{:?}", stage.names());
}

/// A server that dies at some write of the flow and is started again: the command waits, and nothing is half done.
#[test]
fn a_server_that_dies_in_the_middle_is_waited_for() {
    if !needs("git") {
        return;
    }
    // One undisturbed run counts the points.
    let site = Site::new();
    let points = site.path("points");
    let count = || {
        fs::read_to_string(&points)
            .unwrap_or_default()
            .lines()
            .count()
    };
    repository(&site.path("ruby-ex.git"));
    let log = points.display().to_string();
    let server = site.serve(&["--no-node"], &[("UPSHIFT_CRASH", &log)]);
    site.ok(&["new-project", "project1"]);
    let first = count();
    let word = format!("python~file://{}", site.path("ruby-ex.git").display());
    site.ok(&["new-app", &word]);
    let last = count();
    drop(server);
    for at in (first + 1..=last).step_by((last - first).div_ceil(5).max(1)) {
        let stage = died(at, first);
        let names = stage.names();
        for wanted in [
            "buildconfig/ruby-ex",
            "deploymentconfig/ruby-ex",
            "imagestream/ruby-ex",
            "route/ruby-ex",
            "service/ruby-ex",
        ] {
            assert!(
                names.iter().any(|name| name == wanted),
                "died at {at}: {names:?}"
            );
        }
        let builds = names.iter().filter(|name| name.starts_with("build/"));
        assert_eq!(builds.count(), 1, "died at {at}: {names:?}");
    }
}

/// Runs `new-app` against a server that dies at a crash point, and starts it again.
fn died(at: usize, first: usize) -> Stage {
    let site = Site::new();
    repository(&site.path("ruby-ex.git"));
    let number = at.max(first + 1).to_string();
    let mut server = site.serve(&["--no-node"], &[("UPSHIFT_CRASH_AT", &number)]);
    let project = site.run(&["new-project", "project1"]);
    let word = format!("python~file://{}", site.path("ruby-ex.git").display());
    if !project.status.success() {
        // Its numbers are not quite the same each time: it died before there was anything to do.
        let server = site.serve(&["--no-node"], &[]);
        site.run(&["new-project", "project1"]);
        site.ok(&["new-app", &word]);
        return Stage {
            site,
            _server: server,
        };
    }
    let server = std::thread::scope(|scope| {
        let command = scope.spawn(|| site.run(&["new-app", &word]));
        while server.is_alive() && !command.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // One that lives may still come to its point later: it makes way too.
        drop(server);
        let next = site.serve(&["--no-node"], &[]);
        let output = command.join().unwrap();
        assert!(
            output.status.success(),
            "died at {at}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        next
    });
    Stage {
        site,
        _server: server,
    }
}

/// Serves every repository below a folder by `git http-backend`, as a web server would; the port.
fn serve_git(root: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            std::thread::spawn(move || answer(stream, &root));
        }
    });
    port
}

fn answer(mut stream: TcpStream, root: &Path) {
    let Some((head, body)) = request(&mut stream) else {
        return;
    };
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env(
            "HTTP_CONTENT_ENCODING",
            header("content-encoding").unwrap_or_default(),
        )
        .env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    let end = said
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(said.len());
    let headers = String::from_utf8_lossy(&said[..end]).into_owned();
    let status = headers
        .lines()
        .find_map(|line| line.strip_prefix("Status: "));
    let status = status.unwrap_or("200 OK").to_owned();
    let rest = said.get(end + 4..).unwrap_or_default();
    let length = rest.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(rest));
}

/// The head and the body of a request, chunked or not.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            length => bytes.extend_from_slice(&piece[..length]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lower = head.to_lowercase();
    if lower.contains("expect: 100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = bytes.split_off(end);
    let length = lower.lines().find_map(|line| {
        line.strip_prefix("content-length:")?
            .trim()
            .parse::<usize>()
            .ok()
    });
    while body.len() < length.unwrap_or(0) {
        match stream.read(&mut piece).ok()? {
            0 => return None,
            length => body.extend_from_slice(&piece[..length]),
        }
    }
    Some((head, body))
}
