//! A fleet for tests: a server and joined agents on this machine, each host with an address and a data dir of its own.
//!
//! ```text
//! let fleet = Fleet::new(3);                    // web-1 … web-3, labelled tier=web, on 127.A.B.1 …; no embedded node
//! fleet.apply(&fleet.application(json!({"loadBalancer": {"service": "shop"}})));
//! let load = fleet.load(fleet.router(), "shop.test");   // counts answers and failed requests
//! fleet.bundle("1");                            // a web application: "1 web-2" is what host web-2 answers
//! fleet.deploy(&[]);
//! fleet.hooks("web-1", "shop-1");               // what really ran there, in order
//! fleet.steps("shop-1");                        // the steps of its Operations, by host
//! fleet.kill("web-1"); fleet.start("web-1");    // the agent, not the application
//! ```
//!
//! The bundle has all nine hooks; each writes a line to its host's record. ApplicationStart leaves a real HTTP server
//! behind (the program's own, for files), ApplicationStop ends it gently, ValidateService asks it. Nothing is copied by
//! Install: destinations of hosts on one machine would be the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::seed::SEVEN;
use crate::site::HOOKS;
use crate::site::Process;
use crate::site::Site;
use crate::site::needs;

/// The hooks of seed 001, in the order of its longest list.
pub(crate) const NINE_HOOKS: [&str; 9] = [
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];
/// What the application listens on, on each host's own address.
pub(crate) const PORT: u16 = 8080;

/// One host: an agent, when it runs.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: String,
    agent: Option<Process>,
}

/// A server and the agents that joined it.
pub(crate) struct Fleet {
    pub(crate) hosts: Vec<Host>,
    pub(crate) server: Option<Process>,
    pub(crate) site: Site,
    /// Of the server, at each start.
    arguments: Vec<String>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for host in &self.hosts {
            self.stop_application(&host.name);
        }
    }
}

impl Fleet {
    /// That many hosts, up and labelled; none when this machine lacks what the hooks use.
    pub(crate) fn new(count: usize) -> Option<Fleet> {
        Fleet::with(count, &["--no-node"], |_| vec![("tier", "web".to_owned())])
    }

    /// The same with arguments of the server and labels of each host, which are counted from 1.
    pub(crate) fn with(
        count: usize,
        serve: &[&str],
        labels: impl Fn(usize) -> Vec<(&'static str, String)>,
    ) -> Option<Fleet> {
        if !needs("curl") {
            return None;
        }
        let site = Site::new();
        let network = network();
        let hosts = (1..=count)
            .map(|number| Host {
                name: format!("web-{number}"),
                address: format!("{network}.{number}"),
                agent: None,
            })
            .collect();
        let mut fleet = Fleet {
            hosts,
            server: None,
            site,
            arguments: serve.iter().map(|&one| one.to_owned()).collect(),
        };
        fleet.start_server();
        for number in 0..count {
            let name = fleet.hosts[number].name.clone();
            fleet.invite(&name, &[]);
            fleet.start(&name);
        }
        fleet.wait_for_nodes();
        for (number, host) in fleet.hosts.iter().enumerate() {
            let labels = labels(number + 1);
            let pairs: Vec<String> = labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            if !pairs.is_empty() {
                let node = format!("node/{}", host.name);
                let mut arguments = vec!["label", &node];
                arguments.extend(pairs.iter().map(String::as_str));
                fleet.site.ok(&arguments);
            }
        }
        Some(fleet)
    }

    /// Starts the server, as before if it ran before.
    pub(crate) fn start_server(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut server = self.site.serve(&arguments, &[]);
        assert!(server.is_alive(), "{}", self.site.log());
        self.server = Some(server);
    }

    /// Kills the server.
    pub(crate) fn kill_server(&mut self) {
        self.server = None;
    }

    /// Makes the server steer a HAProxy from its next start on: `NAME=SOCKET`.
    pub(crate) fn steer(&mut self, beside: &str) {
        self.arguments
            .extend(["--haproxy".to_owned(), beside.to_owned()]);
    }

    /// Where the built-in router takes requests.
    pub(crate) fn router(&self) -> SocketAddr {
        let text = fs::read(self.site.data().join("server.json")).expect("the server is up");
        let record: Value = serde_json::from_slice(&text).expect("it is JSON");
        let address = record["router"].as_str().unwrap_or_default();
        address.parse().expect("the server has a router")
    }

    /// Writes the join file of a host.
    pub(crate) fn invite(&self, name: &str, arguments: &[&str]) {
        let file = self.join_file(name);
        let create = ["node", "token", "create", name, "-o", &file];
        self.site.ok(&[&create, arguments].concat());
    }

    fn join_file(&self, name: &str) -> String {
        self.site
            .path(&format!("{name}.join"))
            .display()
            .to_string()
    }

    /// The data dir of a host's agent. Its name begins as the server's does, so that the site ends what runs in it.
    pub(crate) fn data_of(&self, name: &str) -> PathBuf {
        self.site.path(&format!("data-{name}"))
    }

    fn place(&self, name: &str) -> usize {
        let mut hosts = self.hosts.iter();
        hosts
            .position(|host| host.name == name)
            .unwrap_or_else(|| panic!("there is no host {name}"))
    }

    pub(crate) fn host(&self, name: &str) -> &Host {
        &self.hosts[self.place(name)]
    }

    /// Starts a host's agent, or starts it again.
    pub(crate) fn start(&mut self, name: &str) {
        self.start_with(name, &[]);
    }

    /// The same with more arguments.
    pub(crate) fn start_with(&mut self, name: &str, arguments: &[&str]) {
        let place = self.place(name);
        let allow = format!("default={}", user());
        let file = self.join_file(name);
        let own = [
            "node",
            "--join",
            &file,
            "--allow",
            &allow,
            "--address",
            &self.hosts[place].address,
        ];
        let data = self.data_of(name).display().to_string();
        let agent = self
            .site
            .start_with_folder(&[&own, arguments].concat(), &data, &[]);
        self.hosts[place].agent = Some(agent);
    }

    /// Kills a host's agent at once; its hooks and its application go on.
    pub(crate) fn kill(&mut self, name: &str) {
        let place = self.place(name);
        self.hosts[place].agent = None;
    }

    /// Waits until every host is a node.
    pub(crate) fn wait_for_nodes(&self) {
        self.site.wait("every host to be a node", || {
            let nodes = self.site.objects("nodes");
            let joined = |host: &Host| {
                nodes.iter().any(|node| {
                    node["metadata"]["name"] == host.name.as_str()
                        && node["status"]["addresses"].is_array()
                })
            };
            self.hosts.iter().all(joined)
        });
    }

    /// An Application `shop` on every host with `tier=web` and these rollout settings; change it before it is applied.
    #[expect(
        clippy::unused_self,
        clippy::needless_pass_by_value,
        reason = "it reads as the fleet's"
    )]
    pub(crate) fn application(&self, rollout: Value) -> Value {
        json!({
            "apiVersion": "upshift.dev/v1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "default"},
            "spec": {"hosts": {"selector": {"tier": "web"}}, "port": PORT, "rollout": rollout},
        })
    }

    /// Makes an object what this says.
    pub(crate) fn apply(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let file = self.site.path(&format!("{name}.json"));
        fs::write(&file, object.to_string()).expect("a file can be written");
        self.site.ok(&["apply", "-f", &file.display().to_string()]);
    }

    /// Makes the bundle of the web application in that version.
    pub(crate) fn bundle(&self, version: &str) {
        let bundle = self.site.path("bundle");
        fs::create_dir_all(bundle.join("hooks")).expect("a folder can be made");
        fs::write(bundle.join("version"), version).expect("a file can be written");
        let mut appspec = "version: 0.0\nos: linux\nhooks:\n".to_owned();
        for hook in NINE_HOOKS {
            write!(appspec, "  {hook}:\n    - location: hooks/{hook}\n")
                .expect("a String takes everything");
            self.hook(hook, "");
        }
        fs::write(bundle.join("appspec.yml"), appspec).expect("a file can be written");
    }

    /// Makes a hook do this, too, before what it does by itself; `$UPSHIFT_NODE` says where it runs.
    pub(crate) fn hook(&self, event: &str, first: &str) {
        let hosts = self.site.path("hosts").display().to_string();
        let own = match event {
            "ApplicationStop" => "end_it",
            "ApplicationStart" => "start_it",
            "ValidateService" => "ask_it",
            _ => ":",
        };
        let program = env!("CARGO_BIN_EXE_upshift");
        let text = format!(
            r#"#!/bin/sh
set -u
web={hosts}/$UPSHIFT_NODE/$APPLICATION_NAME
mkdir -p "$web/src"
echo "${{UPSHIFT_ROLLOUT:-none}} $LIFECYCLE_EVENT $(cat version) $UPSHIFT_ATTEMPT" >> "$web/../record"
end_it() {{
  pid=$(cat "$web/pid" 2>/dev/null) || return 0
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
  rm -f "$web/pid"
}}
start_it() {{
  echo "$(cat version) $UPSHIFT_NODE" > "$web/src/index.html"
  APP_ROOT=$web HOST=$ADDRESS PORT=$PORT {program} __static > "$web/log" 2>&1 < /dev/null &
  echo $! > "$web/pid"
}}
ask_it() {{
  for try in 1 2 3 4 5 6 7 8; do
    answer=$(curl -fsS --noproxy '*' --retry 9 --retry-connrefused --retry-delay 0 "http://$ADDRESS:$PORT/" 2>&1)
    [ "$answer" = "$(cat version) $UPSHIFT_NODE" ] && return 0
    sleep 0.1
  done
  echo "it answers: $answer"
  return 1
}}
{first}
{own}
"#
        );
        let script = self.site.path("bundle/hooks").join(event);
        fs::write(&script, text).expect("a script can be written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
            .expect("its mode can be set");
    }

    /// `deploy` of the bundle as the application `shop`, with more arguments.
    pub(crate) fn deploy(&self, arguments: &[&str]) -> Output {
        let bundle = self.site.path("bundle").display().to_string();
        let deploy = ["deploy", &bundle, "--name", "shop", "--progress=plain"];
        self.site.run(&[&deploy, arguments].concat())
    }

    /// The same; it must succeed.
    pub(crate) fn deploy_ok(&self, arguments: &[&str]) -> String {
        let output = self.deploy(arguments);
        assert!(
            output.status.success(),
            "deploy {arguments:?} ended with {:?}\nstdout: {}\nstderr: {}\nserver and agents: {}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.site.log()
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The lines of a host's record: `ROLLOUT EVENT VERSION ATTEMPT`.
    pub(crate) fn record(&self, host: &str) -> Vec<String> {
        let path = self.site.path("hosts").join(host).join("record");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The hooks that ran on a host for a rollout, in order.
    pub(crate) fn hooks(&self, host: &str, rollout: &str) -> Vec<String> {
        let record = self.record(host);
        let own = record
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("{rollout} ")));
        own.filter_map(|rest| rest.split(' ').next())
            .map(str::to_owned)
            .collect()
    }

    /// The Operations of a rollout, by host.
    pub(crate) fn operations(&self, rollout: &str) -> BTreeMap<String, Value> {
        let operations = self.site.objects("operations").into_iter();
        let own =
            operations.filter(|one| one["metadata"]["labels"]["upshift.dev/rollout"] == rollout);
        own.map(|one| {
            (
                one["spec"]["node"].as_str().unwrap_or_default().to_owned(),
                one,
            )
        })
        .collect()
    }

    /// The steps that a rollout went through on each host: those that began, with how they ended.
    pub(crate) fn steps(&self, rollout: &str) -> BTreeMap<String, Vec<(String, String)>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let began = |operation: &Value| -> Vec<(String, String)> {
            let steps = operation["status"]["steps"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let steps = steps
                .iter()
                .map(|step| (text(&step["name"]), text(&step["phase"])));
            steps.filter(|(_, phase)| phase != "Waiting").collect()
        };
        let operations = self.operations(rollout);
        operations
            .iter()
            .map(|(host, one)| (host.clone(), began(one)))
            .collect()
    }

    /// What a host's application answers, if it does.
    pub(crate) fn answer(&self, host: &str) -> Option<String> {
        self.answer_at(host, PORT)
    }

    /// What answers at a port of a host, if anything does.
    pub(crate) fn answer_at(&self, host: &str, port: u16) -> Option<String> {
        let address = format!("{}:{port}", self.host(host).address);
        let mut client = Visitor::new(address.parse().expect("an address"), host);
        client.ask(false).ok().map(|(_, body)| body)
    }

    /// Ends a host's applications as a crash would.
    pub(crate) fn stop_application(&self, host: &str) {
        let applications = fs::read_dir(self.site.path("hosts").join(host));
        for application in applications.into_iter().flatten().flatten() {
            if let Ok(pid) = fs::read_to_string(application.path().join("pid")) {
                let mut kill = Command::new("kill");
                let _ = kill.args(["-9", pid.trim()]).stderr(Stdio::null()).status();
            }
        }
    }

    /// Asks there for that host without a break from now on.
    #[expect(clippy::unused_self, reason = "it reads as the fleet's")]
    pub(crate) fn load(&self, address: SocketAddr, host: &str) -> Load {
        Load::start(address, host, 4)
    }
}

/// The first three bytes of addresses that no other fleet of this machine is likely to use.
pub(crate) fn network() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "127.{}.{}",
        20 + process % 200,
        (process / 200 * 32 + number) % 256
    )
}

/// Who runs the test: the hooks' user.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What became of the requests of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Answers with status 200, by their first line.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Everything else, in its own words.
    pub(crate) failed: Vec<String>,
}

impl Counts {
    pub(crate) fn total(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Nothing failed, and there was something that could have.
    #[track_caller]
    pub(crate) fn check(&self) {
        let failed = &self.failed[..self.failed.len().min(5)];
        assert!(
            self.failed.is_empty(),
            "{} of {} requests failed, like {failed:?}",
            self.failed.len(),
            self.total()
        );
        assert!(self.total() > 10, "there was hardly any load: {self:?}");
    }
}

/// Threads that ask one request after the other: half of them on a connection that they keep.
pub(crate) struct Load {
    counts: Arc<Mutex<Counts>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, host: &str, threads: usize) -> Load {
        let counts = Arc::<Mutex<Counts>>::default();
        let over = Arc::<AtomicBool>::default();
        let threads = (0..threads)
            .map(|number| {
                let mut visitor = Visitor::new(address, host);
                let (counts, over) = (counts.clone(), over.clone());
                std::thread::spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let answer = visitor.ask(number % 2 == 0);
                        let mut counts = counts.lock().expect("nobody panics with it");
                        match answer {
                            Ok((200, body)) => *counts.answers.entry(body).or_default() += 1,
                            Ok((status, body)) => counts.failed.push(format!("{status} {body}")),
                            Err(error) => counts.failed.push(error.to_string()),
                        }
                        drop(counts);
                        // The machine is small, and the fleet is what is tested.
                        std::thread::sleep(Duration::from_millis(2));
                    }
                })
            })
            .collect();
        Load {
            counts,
            over,
            threads,
        }
    }

    /// What it has counted so far.
    pub(crate) fn so_far(&self) -> Counts {
        self.counts.lock().expect("nobody panics with it").clone()
    }

    /// Ends it; what it counted.
    pub(crate) fn stop(mut self) -> Counts {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a visitor does not panic");
        }
        self.so_far()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Somebody who asks for `/`.
pub(crate) struct Visitor {
    address: SocketAddr,
    host: String,
    kept: Option<BufReader<TcpStream>>,
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr, host: &str) -> Visitor {
        Visitor {
            address,
            host: host.to_owned(),
            kept: None,
        }
    }

    /// The status and the first line of an answer.
    pub(crate) fn ask(&mut self, keep: bool) -> std::io::Result<(u16, String)> {
        let mut connection = if let Some(kept) = self.kept.take() {
            kept
        } else {
            let within = Duration::from_secs(10);
            let stream = TcpStream::connect_timeout(&self.address, within)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.set_nodelay(true)?;
            BufReader::new(stream)
        };
        let wish = if keep { "keep-alive" } else { "close" };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: {wish}\r\n\r\n",
            self.host
        );
        connection.get_mut().write_all(request.as_bytes())?;
        let wrong = |what: String| std::io::Error::other(what);
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| wrong(format!("no answer: {line:?}")))?;
        let (mut length, mut keeps) = (None, keep);
        loop {
            line.clear();
            if connection.read_line(&mut line)? == 0 {
                return Err(wrong("the answer's head is cut off".to_owned()));
            }
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse::<usize>().ok();
            }
            keeps &= header != "connection: close";
        }
        let mut body = Vec::new();
        if let Some(length) = length {
            body.resize(length, 0);
            connection.read_exact(&mut body)?;
        } else {
            connection.read_to_end(&mut body)?;
            keeps = false;
        }
        if keeps {
            self.kept = Some(connection);
        }
        let body = String::from_utf8_lossy(&body);
        Ok((status, body.lines().next().unwrap_or_default().to_owned()))
    }
}

/// The names of steps, without how they ended.
pub(crate) fn names(steps: &[(String, String)]) -> Vec<&str> {
    steps.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_fleet_deploys_and_every_host_runs_its_own_steps() {
    let Some(mut fleet) = Fleet::new(3) else {
        return;
    };
    fleet.apply(&fleet.application(json!({"concurrency": 3})));
    fleet.bundle("one");
    fleet.deploy_ok(&[]);
    fleet.bundle("two");
    fleet.kill("web-2");
    fleet.start("web-2");
    fleet.deploy_ok(&[]);
    for host in ["web-1", "web-2", "web-3"] {
        assert_eq!(fleet.answer(host), Some(format!("two {host}")));
        assert_eq!(names(&fleet.steps("shop-2")[host]), SEVEN);
        assert_eq!(fleet.hooks(host, "shop-2"), HOOKS);
    }
    let address = format!("{}:{PORT}", fleet.host("web-3").address);
    let load = fleet.load(address.parse().expect("an address"), "shop.test");
    fleet
        .site
        .wait("some requests", || load.so_far().total() > 20);
    let counts = load.stop();
    counts.check();
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["two web-3"]);
    fleet.kill_server();
    fleet.start_server();
    let nobody = Visitor::new(fleet.router(), "nobody.test").ask(false);
    assert_eq!(nobody.expect("the router answers").0, 503);
}
