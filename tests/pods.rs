//! Pods on the embedded node: they run, restart, are asked, logged and ended, and outlive their server.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use upshift::api::image::REGISTRY;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::base::environment::Environment;
use upshift::client::Client;
use upshift::client::DeleteOptions;
use upshift::client::WriteOptions;
use upshift::client::connection;
use upshift::client::connection::Flags;
use upshift::client::registry::Registry;
use upshift::content::blobs::Digest;
use upshift::content::image;
use upshift::content::image::Image;
use upshift::content::image::LayerWriter;
use upshift::content::image::Settings;

use crate::following::Terminal;
use crate::site::Process;
use crate::site::Site;
use crate::site::missing;
use crate::site::needs;

/// A web server that answers with its own process id.
const SERVER: &str = "\
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
    def log_message(self, *args):
        print('asked', flush=True)
print('listening as', os.environ['HOSTNAME'], flush=True)
http.server.HTTPServer((os.environ['HOST'], int(os.environ['PORT'])), Answer).serve_forever()
";

/// A server with a namespace, and a client of it.
struct Place {
    site: Site,
    server: Option<Process>,
    runtime: tokio::runtime::Runtime,
    image: String,
    node: String,
}

impl Place {
    fn new() -> Place {
        let site = Site::new();
        let server = site.serve(&[], &[]);
        let mut place = Place {
            site,
            server: Some(server),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            image: String::new(),
            node: String::new(),
        };
        let nodes = place.site.objects("nodes");
        nodes[0]["metadata"]["name"]
            .as_str()
            .unwrap()
            .clone_into(&mut place.node);
        place.site.ok(&["new-project", "shop"]);
        place.image = place.push(&["python3", "$(APP_ROOT)/src/server.py"]);
        place
    }

    fn client(&self) -> Client {
        let flags = Flags {
            local: true,
            data_dir: Some(self.site.data()),
            ..Flags::default()
        };
        let chosen = connection::choose(&flags, &Environment::default()).unwrap();
        chosen.connect().unwrap().client
    }

    /// Pushes an image of one file that runs that command; its reference.
    fn push(&self, command: &[&str]) -> String {
        let mut layer = LayerWriter::new(Vec::new());
        for folder in ["opt", "opt/app-root", "opt/app-root/src"] {
            layer.folder(folder.as_ref(), 0o755).unwrap();
        }
        let path = "opt/app-root/src/server.py";
        let size = SERVER.len() as u64;
        layer
            .file(path.as_ref(), 0o644, size, SERVER.as_bytes())
            .unwrap();
        let (bytes, layer) = layer.finish().unwrap();
        let settings = Settings {
            cmd: command.iter().map(|word| (*word).to_owned()).collect(),
            ..Settings::default()
        };
        let image = Image::new(settings, (layer, bytes), "2026-01-01T00:00:00Z", "test");
        let registry = Registry::new(self.client());
        self.runtime.block_on(async {
            for blob in &image.blobs {
                let (digest, size) = (Digest::of(blob), blob.len() as u64);
                let mut source = io::Cursor::new(blob);
                let sent = registry.upload("shop/web", &mut source, &digest, size);
                sent.await.unwrap();
            }
            let manifest = image.manifest.clone().into();
            registry
                .push_manifest("shop/web", "latest", image::MANIFEST, manifest)
                .await
                .unwrap();
        });
        format!("{REGISTRY}/shop/web@{}", image.digest)
    }

    /// Makes a pod of one container; `more` goes into the container, `spec` into the pod's spec.
    fn pod(&self, name: &str, more: &Value, spec: &Value) {
        self.try_pod(name, more, spec).unwrap();
    }

    fn try_pod(
        &self,
        name: &str,
        more: &Value,
        spec: &Value,
    ) -> Result<Value, upshift::client::Error> {
        let mut container = json!({"name": "web", "image": self.image});
        merge(&mut container, more);
        let mut object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"nodeName": self.node, "containers": [container]},
        });
        merge(&mut object["spec"], spec);
        let client = self.client();
        let options = WriteOptions::default();
        let made = client.create_object(&kinds::POD, "shop", &object, &options);
        self.runtime.block_on(made)
    }

    fn get(&self, name: &str) -> Option<Value> {
        let client = self.client();
        let key = Key::new("shop", name);
        self.runtime.block_on(client.read(&kinds::POD, &key)).ok()
    }

    /// Waits until a pod is as wanted; what it is then.
    fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        self.site.wait(&format!("{what} of {name}"), || {
            last = self.get(name).unwrap_or_default();
            wanted(&last)
        });
        last
    }

    fn ready(&self, name: &str) -> Value {
        self.until(name, "readiness", is_ready)
    }

    fn delete(&self, name: &str) {
        let client = self.client();
        let key = Key::new("shop", name);
        let options = DeleteOptions::default();
        let deleted = client.delete(&kinds::POD, &key, &options);
        self.runtime.block_on(deleted).unwrap();
    }

    fn log(&self, name: &str, query: &str) -> String {
        let client = self.client();
        let path = format!("/api/v1/namespaces/shop/pods/{name}/log?{query}");
        self.runtime.block_on(async {
            let bytes = client.open(&path).await.unwrap().bytes().await.unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    /// Reasons of what happened to a pod.
    fn events(&self, name: &str) -> Vec<String> {
        let client = self.client();
        let all = upshift::client::ListOptions::default();
        let events = client.list_objects(&kinds::EVENT, "shop", &all);
        let events = self.runtime.block_on(events).unwrap().items;
        let about = |event: &&Value| event["involvedObject"]["name"] == name;
        let reasons = events.iter().filter(about);
        reasons
            .map(|event| event["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn container(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

fn waits_for(reason: &'static str) -> impl Fn(&Value) -> bool {
    move |pod| container(pod)["state"]["waiting"]["reason"] == reason
}

/// What a pod answers on its port.
fn ask(pod: &Value) -> io::Result<String> {
    let address = pod["status"]["podIP"].as_str().unwrap_or_default();
    let address = format!("{address}:8080");
    let address = address.parse().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

fn web() -> Value {
    json!({"ports": [{"containerPort": 8080}]})
}

#[test]
fn a_pod_answers_outlives_its_server_and_goes() {
    if !needs("python3") {
        return;
    }
    let mut place = Place::new();
    place.pod("web", &web(), &json!({}));
    let pod = place.ready("web");
    assert_eq!(pod["status"]["listening"], json!([{"port": 8080}]));
    let answer = ask(&pod).unwrap();
    assert!(place.log("web", "").starts_with("listening as web\n"));
    drop(place.server.take());
    assert_eq!(ask(&pod).unwrap(), answer, "it answers without a server");
    place.server = Some(place.site.serve(&[], &[]));
    assert_eq!(place.log("web", "tailLines=1"), "asked\n");
    let again = place.ready("web");
    assert_eq!(ask(&again).unwrap(), answer, "it is the same process");
    assert_eq!(container(&again)["restartCount"], 0);
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let folder = place.site.data().join("node").join(&place.node);
    let folder = folder.join("pods/shop").join(uid);
    assert!(folder.exists());
    place.delete("web");
    place.site.wait("the end of web", || {
        place.get("web").is_none() && !folder.exists()
    });
    assert!(ask(&pod).is_err());
    let events = place.events("web");
    for reason in ["Pulled", "Created", "Started", "Killing"] {
        assert!(
            events.iter().any(|one| one == reason),
            "{reason}: {events:?}"
        );
    }
}

#[test]
fn a_container_that_fails_is_started_again_with_growing_pauses() {
    let place = Place::new();
    let command = json!({"command": ["sh", "-c", "echo one; echo sorry >&2; exit 3"]});
    place.pod("crash", &command, &json!({}));
    let pod = place.until("crash", "the first back-off", |pod| {
        waits_for("CrashLoopBackOff")(pod) && container(pod)["restartCount"] == 1
    });
    let last = &container(&pod)["lastState"]["terminated"];
    assert_eq!(last["exitCode"], 3);
    assert_eq!(last["reason"], "Error");
    assert_eq!(last["message"], "one\nsorry");
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(place.log("crash", "previous=true"), "one\nsorry\n");
    place.until("crash", "the third try", |pod| {
        container(pod)["restartCount"] == 2
    });
    assert!(place.events("crash").iter().any(|one| one == "BackOff"));
}

#[test]
fn a_pod_that_is_not_to_run_again_ends_as_it_ended() {
    let place = Place::new();
    let never = json!({"restartPolicy": "Never"});
    let script = |text: &str| json!({"command": ["sh", "-c", text]});
    place.pod("well", &script("echo done"), &never);
    place.pod("ill", &script("kill -9 $$$$"), &never);
    let limit = json!({"restartPolicy": "Never", "activeDeadlineSeconds": 2});
    place.pod("long", &script("sleep 600 & wait"), &limit);
    let over = |pod: &Value| {
        ["Succeeded", "Failed"].contains(&pod["status"]["phase"].as_str().unwrap_or(""))
    };
    let well = place.until("well", "its end", over);
    assert_eq!(well["status"]["phase"], "Succeeded");
    assert_eq!(
        container(&well)["state"]["terminated"]["reason"],
        "Completed"
    );
    assert_eq!(place.log("well", "follow=true"), "done\n");
    let ill = place.until("ill", "its end", over);
    assert_eq!(ill["status"]["phase"], "Failed");
    assert_eq!(container(&ill)["state"]["terminated"]["exitCode"], 137);
    let long = place.until("long", "its end", over);
    assert_eq!(long["status"]["reason"], "DeadlineExceeded");
    place.delete("well");
    assert_eq!(place.get("well"), None);
}

#[test]
fn probes_decide_who_is_ready_and_who_lives() {
    if !needs("python3") {
        return;
    }
    let place = Place::new();
    let mark = place.site.path("sick");
    let exec = json!({"command": ["sh", "-c", format!("test ! -e {}", mark.display())]});
    let more = json!({
        "ports": [{"name": "http", "containerPort": 8080}],
        "startupProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 30},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "livenessProbe": {"exec": exec, "periodSeconds": 1, "failureThreshold": 2},
    });
    // What the probe looks for must be within its user's reach.
    open_to_all(&place.site.path(""), 0o711);
    place.pod("asked", &more, &json!({"terminationGracePeriodSeconds": 2}));
    let pod = place.ready("asked");
    assert_eq!(container(&pod)["restartCount"], 0);
    fs::write(&mark, "").unwrap();
    place.until("asked", "its restart", |pod| {
        container(pod)["restartCount"] == 1
    });
    fs::remove_file(&mark).unwrap();
    let events = place.events("asked");
    assert!(events.iter().any(|one| one == "Unhealthy"), "{events:?}");
    place.until("asked", "its recovery", |pod| {
        is_ready(pod) && container(pod)["restartCount"].as_u64() >= Some(1)
    });
}

#[test]
fn what_cannot_start_says_why() {
    let place = Place::new();
    let check = |name: &str, more: &Value, reason: &'static str, part: &str| {
        place.pod(name, more, &json!({}));
        let pod = place.until(name, reason, waits_for(reason));
        let message = container(&pod)["state"]["waiting"]["message"].to_string();
        assert!(message.contains(part), "{message}");
        assert_eq!(pod["status"]["phase"], "Pending");
    };
    let image = |text: &str| json!({"image": text});
    check(
        "foreign",
        &image("docker.io/a/b"),
        "ErrImagePull",
        "not of docker.io",
    );
    let missing = format!("{REGISTRY}/shop/nothing@{}", Digest::of(b"nothing"));
    check(
        "missing",
        &image(&missing),
        "ImagePullBackOff",
        "Back-off pulling image",
    );
    check(
        "odd",
        &image("!"),
        "InvalidImageName",
        "invalid reference format",
    );
    let command = json!({"command": ["/no/such/program"]});
    check(
        "program",
        &command,
        "CreateContainerError",
        "/no/such/program",
    );
    let from = json!({"secretKeyRef": {"name": "none", "key": "x"}});
    let env = json!({"env": [{"name": "X", "valueFrom": from}]});
    check("secret", &env, "CreateContainerConfigError", "none");
}

#[test]
fn a_pod_starts_once_wherever_its_server_dies() {
    let mut place = Place::new();
    drop(place.server.take());
    let marks = place.site.path("marks");
    fs::create_dir(&marks).unwrap();
    // The pods' user has to get there.
    open_to_all(&place.site.path(""), 0o711);
    open_to_all(&marks, 0o777);
    let script = format!("echo $$$$ >> {}/$HOSTNAME; exec sleep 600", marks.display());
    let command = json!({"command": ["sh", "-c", script]});
    let is_running = |pod: &Value| !container(pod)["state"]["running"].is_null();
    let numbers = place.site.path("numbers");
    let crash = [("UPSHIFT_CRASH", numbers.to_str().unwrap())];
    place.server = Some(place.site.serve(&[], &crash));
    place.pod("undisturbed", &command, &json!({}));
    place.until("undisturbed", "its start", is_running);
    drop(place.server.take());
    let text = fs::read_to_string(&numbers).unwrap();
    let ours = text.lines().filter_map(|line| {
        let (number, name) = line.split_once(' ')?;
        let is_ours = name.starts_with("pod.") || name.starts_with("shim.");
        is_ours.then(|| number.to_owned())
    });
    let numbers: Vec<String> = ours.collect();
    assert!(numbers.len() >= 4, "{text}");
    for number in numbers {
        let name = format!("web-{number}");
        let crash = [("UPSHIFT_CRASH_AT", number.as_str())];
        let mut server = place.site.serve(&[], &crash);
        let made = place.try_pod(&name, &command, &json!({}));
        place.site.wait("a death or a start", || {
            !server.is_alive() || place.get(&name).is_some_and(|pod| is_running(&pod))
        });
        drop(server);
        place.server = Some(place.site.serve(&[], &[]));
        if made.is_err() && place.get(&name).is_none() {
            place.pod(&name, &command, &json!({}));
        }
        place.until(&name, "its start", is_running);
        let started = || fs::read_to_string(marks.join(&name)).unwrap_or_default();
        place.site.wait("its mark", || !started().is_empty());
        assert_eq!(started().lines().count(), 1, "killed at {number}\n{text}");
        drop(place.server.take());
    }
}

fn open_to_all(path: &std::path::Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(path, permissions).unwrap();
}

#[test]
fn a_data_dir_that_pods_cannot_reach_is_named_with_what_to_do() {
    let place = Place::new();
    if !fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0) {
        return;
    }
    let folder = place.site.path("");
    open_to_all(&folder, 0o700);
    place.pod("web", &web(), &json!({}));
    let pod = place.until(
        "web",
        "the refusal",
        waits_for("CreateContainerConfigError"),
    );
    let why = container(&pod)["state"]["waiting"]["message"]
        .as_str()
        .unwrap();
    let name = folder.display().to_string();
    let name = name.trim_end_matches('/');
    assert!(why.contains(&format!("chmod o+x {name},")), "{why}");
    let source = place.site.path("static");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("index.html"), "hello").unwrap();
    let source = format!("static~{}", source.display());
    let output = place.site.run(&["new-app", &source, "--wait"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("chmod o+x"), "{text}");
    open_to_all(&folder, 0o755);
    place.until("web", "a start", |pod| {
        !container(pod)["state"]["running"].is_null()
    });
}

/// What was said on stdout and stderr, and the exit code.
fn parts(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code(),
    )
}

/// Gives a program some input, and waits for its end.
fn fed(mut command: Command, input: Vec<u8>) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that reads nothing goes before all is written.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn noise() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_program_runs_beside_a_container_as_the_container_s_own() {
    if !needs("python3") {
        return;
    }
    let place = Place::new();
    place.pod("web-1", &web(), &json!({}));
    let own = ask(&place.ready("web-1")).unwrap();
    let exec = |words: &[&str]| {
        let output = place.site.run(&[&["exec", "-n", "shop"], words].concat());
        parts(&output)
    };
    let script = "echo $HOSTNAME $PORT; pwd; id -u; readlink /proc/self/ns/net; exit 3";
    let link = |name: &str| fs::read_link(format!("/proc/{own}/{name}")).unwrap();
    let uid = fs::metadata(format!("/proc/{own}")).unwrap().uid();
    let (folder, network) = (link("cwd"), link("ns/net"));
    let expect = format!(
        "web-1 8080\n{}\n{uid}\n{}\n",
        folder.display(),
        network.display()
    );
    let said = "command terminated with exit code 3\n".to_owned();
    assert_eq!(
        exec(&["pod/web-1", "-c", "web", "--", "sh", "-c", script]),
        (expect, said, Some(3))
    );
    for (words, code, expect) in [
        (
            &["web-1", "-c", "nope", "--", "true"][..],
            2,
            "container nope is not valid for pod web-1",
        ),
        (&["web-9", "--", "true"], 3, "pods \"web-9\" not found"),
        (
            &["web-1", "--", "no-such"],
            127,
            "error: exec: \"no-such\": executable file not found in $PATH",
        ),
        (&["web-1", "ls"], 2, "Use exec [POD] -- [COMMAND] instead"),
        (&["node/x", "-c", "web", "--", "true"], 2, "a node has none"),
        (
            &["web-1", "-i", "-t", "--", "true"],
            0,
            "Unable to use a TTY - input is not a terminal",
        ),
    ] {
        let (out, err, status) = exec(words);
        assert_eq!((out.as_str(), status), ("", Some(code)), "{words:?}: {err}");
        assert!(err.contains(expect), "{words:?}: {err}");
    }
    let cat = place
        .site
        .client(&["exec", "-n", "shop", "web-1", "-i", "--", "cat"]);
    let output = fed(cat, noise());
    assert!(output.status.success() && output.stdout == noise());

    // It ends with the container.
    let script = "trap '' TERM; echo $$; sleep 600";
    let mut client = place
        .site
        .client(&["exec", "-n", "shop", "web-1", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    let mut said = io::BufReader::new(client.stdout.take().unwrap());
    io::BufRead::read_line(&mut said, &mut pid).unwrap();
    assert!(is_alive(pid.trim()));
    place.delete("web-1");
    place.site.wait("its end", || !is_alive(pid.trim()));
    assert!(!client.wait().unwrap().success());

    let once = json!({"command": ["true"]});
    place.pod("once", &once, &json!({"restartPolicy": "Never"}));
    place.until("once", "the end", |pod| {
        pod["status"]["phase"] == "Succeeded"
    });
    let (_, err, code) = exec(&["once", "--", "true"]);
    let expect = "cannot exec into a container in a completed pod; current phase is Succeeded";
    assert!(err.contains(expect) && code == Some(2), "{err}");
}

#[test]
fn a_program_has_the_caller_s_terminal() {
    if !needs("tmux") || !needs("python3") {
        return;
    }
    let place = Place::new();
    place.pod("web-1", &web(), &json!({}));
    place.ready("web-1");
    let terminal = Terminal::open(&place.site, 70, 20);
    let program = env!("CARGO_BIN_EXE_upshift");
    let data = place.site.data().display().to_string();
    let at = format!("--local --data-dir {data} -n shop -i -t");
    let screen = |what: &str, part: &str| {
        place.site.wait(what, || terminal.screen().contains(part));
    };
    let node = format!("node/{}", place.node);
    for (target, before, after) in [("web-1", (70, 20), (90, 30)), (&node, (90, 30), (70, 20))] {
        let shown = |(columns, rows): (usize, usize)| format!("{rows} {columns}");
        terminal.type_in(&format!(
            "clear; {program} exec {target} {at} -- sh; echo code $?"
        ));
        // The shell below is asked for what only it knows.
        terminal.type_in("echo in $((40+2)) $(tty | cut -c-9) $TERM $(stty size)");
        let expect = format!("in 42 /dev/pts/ xterm {}", shown(before));
        screen(target, &expect);
        terminal.resize(after.0, after.1);
        place.site.wait("the new size", || {
            terminal.type_in("stty size");
            terminal.screen().contains(&format!("\n{}", shown(after)))
        });
        // Ctrl-C is the program's, and ends neither the shell nor us.
        terminal.type_in("echo begun; sleep 600; echo after $?");
        screen("a program", "\nbegun");
        terminal.tmux(&["send-keys", "C-c"]);
        terminal.type_in("echo still $((6*7)); exit 5");
        screen(target, "still 42");
        screen("its code", "code 5");
        // The terminal is as it was: what is typed is shown, and Enter ends a line.
        terminal.type_in("stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | xargs echo has");
        screen("the terminal", "has icanon echo");
    }
}

/// Whether there is a kubectl that runs programs over a web socket.
fn has_web_socket_kubectl() -> bool {
    if !needs("kubectl") {
        return false;
    }
    let version = Command::new("kubectl")
        .args(["version", "--client", "-o", "json"])
        .output();
    let version: Value = serde_json::from_slice(&version.unwrap().stdout).unwrap_or_default();
    let minor = version["clientVersion"]["minor"]
        .as_str()
        .unwrap_or_default();
    let is_new = minor
        .trim_end_matches('+')
        .parse::<u32>()
        .is_ok_and(|minor| minor >= 31);
    if !is_new {
        missing("kubectl 1.31");
    }
    is_new
}

impl Place {
    fn kubectl_exec(&self, words: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .env("KUBECONFIG", self.site.data().join("admin.kubeconfig"))
            .env("HOME", self.site.path(""))
            .args(["exec", "-n", "shop"])
            .args(words);
        command
    }
}

#[test]
fn kubectl_runs_a_program_beside_a_container() {
    if !needs("python3") || !has_web_socket_kubectl() {
        return;
    }
    let place = Place::new();
    place.pod("web-1", &web(), &json!({}));
    place.ready("web-1");
    let script = "echo out $HOSTNAME; echo err >&2; exit 4";
    let output = place
        .kubectl_exec(&["web-1", "--", "sh", "-c", script])
        .output()
        .unwrap();
    let said = "err\ncommand terminated with exit code 4\n".to_owned();
    assert_eq!(parts(&output), ("out web-1\n".to_owned(), said, Some(4)));
    let output = fed(place.kubectl_exec(&["web-1", "-i", "--", "cat"]), noise());
    let (_, err, code) = parts(&output);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(output.stdout == noise());
}

/// After a refusal kubectl comes with SPDY, and shows only what that is answered.
#[test]
fn kubectl_says_why_a_program_is_not_run() {
    if !needs("python3") || !has_web_socket_kubectl() {
        return;
    }
    let place = Place::new();
    place.pod("web-1", &web(), &json!({}));
    place.pod("crash", &json!({"command": ["false"]}), &json!({}));
    place.ready("web-1");
    place.until("crash", "the pause", waits_for("CrashLoopBackOff"));
    let refused = |words: &[&str], variable: Option<(&str, &str)>, expect: &str| {
        let output = place.kubectl_exec(words).envs(variable).output().unwrap();
        let (out, err, code) = parts(&output);
        assert_eq!((out.as_str(), code), ("", Some(1)), "{words:?}: {err}");
        assert!(err.contains(expect), "{words:?}: {err}");
    };
    let nope = "container nope is not valid for pod web-1";
    refused(&["web-1", "-c", "nope", "--", "true"], None, nope);
    let stopped = "container \"web\" in pod \"crash\" does not run";
    refused(&["crash", "--", "true"], None, stopped);
    // What nothing stands in the way of but the protocol.
    let spdy = ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false");
    let newer = "and not SPDY: take kubectl 1.31 or newer, or `upshift exec`";
    refused(&["web-1", "--", "true"], Some(spdy), newer);
}
