//! A real HAProxy, steered over its runtime API: rotation, switches, and everything that happens to its socket.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::fleet::Fleet;
use crate::fleet::NINE_HOOKS;
use crate::fleet::Visitor;
use crate::fleet::names;
use crate::fleet::network;
use crate::seed::THIRTEEN;
use crate::seed::TWELVE;
use crate::site::Process;
use crate::site::Site;
use crate::site::needs;

/// A HAProxy with a configuration of the test's.
pub(crate) struct Balancer {
    process: Option<Process>,
    config: PathBuf,
    socket: PathBuf,
    pub(crate) front: SocketAddr,
}

impl Balancer {
    /// In front of what `backends` says, on the last address of a network.
    fn start(site: &Site, network: &str, rule: &str, backends: &str) -> Balancer {
        let mut balancer = Balancer {
            process: None,
            config: site.path("haproxy.cfg"),
            socket: site.path("haproxy.sock"),
            front: format!("{network}.250:8080").parse().expect("an address"),
        };
        let config = format!(
            "global\n  stats socket {} mode 600 level admin\n  maxconn 500\n  nbthread 2\n\
             defaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n\
             frontend front\n  bind {}\n  {rule}\n{backends}\n",
            balancer.socket.display(),
            balancer.front,
        );
        fs::write(&balancer.config, config).expect("a file can be written");
        balancer.again();
        balancer
    }

    /// Ends it at once, as a crash or somebody else would.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it, which forgets everything that it was told.
    pub(crate) fn again(&mut self) {
        self.kill();
        let log = fs::File::create(self.config.with_extension("log")).expect("a file can be made");
        let child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .spawn()
            .expect("haproxy starts");
        self.process = Some(Process(child));
        let end = std::time::Instant::now() + crate::site::PATIENCE;
        while self.ask("show info").is_empty() {
            let said = || fs::read_to_string(self.config.with_extension("log")).unwrap_or_default();
            assert!(
                std::time::Instant::now() < end,
                "haproxy does not start: {}",
                said()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A command of the runtime API; nothing when it does not answer.
    fn ask(&self, command: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = UnixStream::connect(&self.socket) {
            let _ = stream.write_all(format!("{command}\n").as_bytes());
            let _ = stream.read_to_string(&mut answer);
        }
        answer
    }

    /// `UP`, `MAINT`, … of `BACKEND/SERVER`.
    fn status(&self, server: &str) -> String {
        let (backend, server) = server.split_once('/').expect("BACKEND/SERVER");
        let text = self.ask("show stat -1 4 -1");
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let line = lines.find(|line| line.len() > 17 && line[0] == backend && line[1] == server);
        line.map_or_else(String::new, |line| line[17].to_owned())
    }

    pub(crate) fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        let pid = process.0.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    /// The answer to one request; the status when it is not 200.
    fn answer(&self) -> String {
        match Visitor::new(self.front, "shop.test").ask(false) {
            Ok((200, body)) => body,
            Ok((status, _)) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Who answers a few requests.
    fn answers(&self) -> Vec<String> {
        let mut answers: Vec<String> = (0..8).map(|_| self.answer()).collect();
        answers.sort();
        answers.dedup();
        answers
    }
}

/// An HTTP server that answers its name; `GET /slow` waits until it is let go.
struct Origin {
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Origin {
    fn start(name: &str, address: &str) -> Origin {
        let listener = TcpListener::bind(address).expect("the address is free");
        let gate = Arc::<(Mutex<bool>, Condvar)>::default();
        let (name, own) = (name.to_owned(), gate.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (name, gate) = (name.clone(), own.clone());
                std::thread::spawn(move || serve(stream, &name, &gate));
            }
        });
        Origin { gate }
    }

    fn let_go(&self) {
        *self.gate.0.lock().expect("nobody panics with it") = true;
        self.gate.1.notify_all();
    }
}

fn serve(stream: TcpStream, name: &str, gate: &(Mutex<bool>, Condvar)) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        if first.starts_with("GET /slow") {
            let open = gate.0.lock().expect("nobody panics with it");
            drop(gate.1.wait_while(open, |open| !*open));
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}\n",
            name.len() + 1
        );
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A slow request through a balancer, under way until its origin lets go.
fn slow(front: SocketAddr) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(front).expect("it listens");
        let request = "GET /slow HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.lines().last().unwrap_or_default().to_owned()
    })
}

/// A server with a HAProxy beside it, and slices written by the test.
struct World {
    balancer: Balancer,
    site: Site,
    network: String,
    _server: Process,
}

impl World {
    /// None when there is no HAProxy here.
    fn new(rule: &str, backends: impl Fn(&str) -> String) -> Option<World> {
        if !needs("haproxy") {
            return None;
        }
        let site = Site::new();
        let network = network();
        let balancer = Balancer::start(&site, &network, rule, &backends(&network));
        let beside = format!("lb-1={}", balancer.socket.display());
        let mut server = site.serve(&["--no-node", "--haproxy", &beside], &[]);
        assert!(server.is_alive(), "{}", site.log());
        Some(World {
            balancer,
            site,
            network,
            _server: server,
        })
    }

    fn origin(&self, number: u8) -> Origin {
        Origin::start(
            &format!("web-{number}"),
            &format!("{}.{number}:8080", self.network),
        )
    }

    /// Makes the slice of service `shop` name these hosts; its version.
    #[expect(clippy::needless_pass_by_value, reason = "it is written in place")]
    fn slice(&self, hosts: &[u8], notes: Value, color: &str) -> u64 {
        let endpoint = |host: &u8| {
            json!({"addresses": [format!("{}.{host}", self.network)], "nodeName": format!("web-{host}"),
                "conditions": {"ready": true}})
        };
        let mut slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "shop-1", "namespace": "default", "annotations": notes,
                "labels": {"kubernetes.io/service-name": "shop", "upshift.dev/router": "lb-1"}},
            "addressType": "IPv4",
            "endpoints": hosts.iter().map(endpoint).collect::<Vec<_>>(),
            "ports": [{"name": "", "protocol": "TCP", "port": 8080}],
        });
        if !color.is_empty() {
            slice["metadata"]["labels"]["upshift.dev/color"] = color.into();
        }
        let file = self.site.path("slice.json");
        fs::write(&file, slice.to_string()).expect("a file can be written");
        self.site.ok(&["apply", "-f", &file.display().to_string()]);
        let slices = self.site.objects("endpointslices");
        let version = slices
            .iter()
            .find(|one| one["metadata"]["name"] == "shop-1");
        let version =
            version.and_then(|one| one["metadata"]["resourceVersion"].as_str()?.parse().ok());
        version.expect("the slice is there")
    }

    fn status(&self) -> Value {
        let routers = self.site.objects("routers");
        let own = routers
            .into_iter()
            .find(|one| one["metadata"]["name"] == "lb-1");
        own.map(|mut own| own["status"].take()).unwrap_or_default()
    }

    /// Waits until the router's status is as said; the last one is told if it never is.
    fn until(&self, what: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        let mut status = Value::Null;
        self.site.wait(&format!("the router: {what}"), || {
            status = self.status();
            is(&status)
        });
        status
    }

    fn applied(&self, version: u64) -> Value {
        self.until(&format!("version {version}"), |status| {
            status["applied"]
                .as_u64()
                .is_some_and(|applied| applied >= version)
        })
    }
}

/// A backend with two servers, the first of them heavier.
fn two(network: &str) -> String {
    format!(
        "backend shop\n  server web-1 {network}.1:8080 weight 7\n  server web-2 {network}.2:8080 weight 7\n  \
         server sorry {network}.9:8080 backup\n"
    )
}

#[test]
fn a_server_leaves_when_its_requests_are_over_and_comes_back_as_it_was() {
    let Some(world) = World::new("default_backend shop", two) else {
        return;
    };
    let (one, _two) = (world.origin(1), world.origin(2));
    world.applied(world.slice(&[1, 2], json!({}), ""));
    assert_eq!(world.balancer.answers(), ["web-1", "web-2"]);
    world.applied(world.slice(&[1], json!({}), ""));
    let asked = slow(world.balancer.front);
    let address = format!("{}.1:8080", world.network);
    world.site.wait("the slow request", || {
        let counters = world.balancer.ask("show stat -1 4 -1");
        counters
            .lines()
            .any(|line| line.starts_with("shop,web-1,0,0,1,"))
    });
    let version = world.slice(&[2], json!({}), "");
    let status = world.applied(version);
    assert_eq!(status["draining"], json!({&*address: 1}));
    assert_eq!(world.balancer.status("shop/web-1"), "DRAIN");
    assert_eq!(world.balancer.answers(), ["web-2"]);
    let table = world.site.ok(&["get", "routers"]);
    let row = table
        .lines()
        .find(|line| line.starts_with("lb-1"))
        .unwrap_or_default();
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!((row[1], row[4]), ("HAProxy", "1"), "{table}");
    let page = world.site.ok(&["describe", "router/lb-1"]);
    assert!(page.contains(&address), "{page}");
    one.let_go();
    assert_eq!(asked.join().expect("it is answered"), "web-1");
    world.until("nothing drains", |status| status["draining"] == json!({}));
    world.site.wait("maintenance", || {
        world.balancer.status("shop/web-1") == "MAINT"
    });
    // Nobody told HAProxy that the gears' sorry page is one of them.
    assert_eq!(world.balancer.status("shop/sorry"), "no check");
    world.applied(world.slice(&[1, 2], json!({}), ""));
    assert_eq!(world.balancer.answers(), ["web-1", "web-2"]);
    assert!(
        world
            .balancer
            .ask("get weight shop/web-1")
            .contains("7 (initial 7)")
    );
}

#[test]
fn a_host_that_the_configuration_does_not_know_is_added() {
    let Some(world) = World::new("default_backend shop", two) else {
        return;
    };
    let _origins = [world.origin(1), world.origin(3)];
    // No gear was ever in rotation there: it stays as the configuration, or this, has it.
    world.balancer.ask("set server shop/web-2 state maint");
    world.applied(world.slice(&[1, 3], json!({}), ""));
    world.until("nobody waits", |status| {
        status["waiting"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
    });
    assert!(
        world
            .balancer
            .ask("get weight shop/web-3")
            .contains("7 (initial 7)")
    );
    world.applied(world.slice(&[3], json!({}), ""));
    assert_eq!(world.balancer.answers(), ["web-3"]);
}

#[test]
fn what_others_do_to_haproxy_is_put_right() {
    let Some(mut world) = World::new("default_backend shop", two) else {
        return;
    };
    let _origins = [world.origin(1), world.origin(2)];
    world.applied(world.slice(&[1, 2], json!({}), ""));
    world.applied(world.slice(&[2], json!({}), ""));
    world.site.wait("maintenance", || {
        world.balancer.status("shop/web-1") == "MAINT"
    });
    world.balancer.again();
    world.site.wait("maintenance again", || {
        world.balancer.status("shop/web-1") == "MAINT"
    });
    assert_eq!(world.balancer.answers(), ["web-2"]);
    world.balancer.ask("set server shop/web-2 state maint");
    world
        .site
        .wait("web-2 to be back", || world.balancer.answer() == "web-2");
    // Gone, with a change meanwhile, and slow.
    world.balancer.kill();
    let version = world.slice(&[1], json!({}), "");
    let status = world.until("no socket", |status| status["message"].is_string());
    let message = status["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("HAProxy cannot be reached at /"),
        "{message}"
    );
    assert!(status["applied"].as_u64() < Some(version));
    world.balancer.again();
    let status = world.applied(version);
    assert_eq!(status["message"], Value::Null);
    assert_eq!(world.balancer.answers(), ["web-1"]);
    world.balancer.signal("-STOP");
    let status = world.until("no answer", |status| status["message"].is_string());
    let message = status["message"].as_str().unwrap_or_default();
    assert!(
        message.ends_with("did not answer `show info` within 3s"),
        "{message}"
    );
    world.balancer.signal("-CONT");
    world.until("an answer", |status| status["message"] == Value::Null);
}

#[test]
fn haproxy_s_own_checks_decide_when_a_server_has_entered() {
    let checked = |network: &str| {
        format!(
            "backend shop\n  default-server check inter 50ms fall 1 rise 1\n  \
             server web-1 {network}.1:8080\n  server web-2 {network}.2:8080 disabled\n"
        )
    };
    let Some(world) = World::new("default_backend shop", checked) else {
        return;
    };
    let _one = world.origin(1);
    let version = world.slice(&[1, 2], json!({}), "");
    let address = format!("{}.2:8080", world.network);
    let is_down = "server shop/web-2 is DOWN by HAProxy's own check (L4CON Connection refused)";
    world.until("web-2 is down", |status| {
        status["waiting"][&address] == is_down
    });
    // Who leaves does not wait for it.
    world.applied(version);
    let _two = world.origin(2);
    world.until("web-2 is up", |status| {
        status["waiting"][&address].is_null()
    });
    assert_eq!(world.balancer.answers(), ["web-1", "web-2"]);
}

#[test]
fn a_map_leads_to_one_color_and_back() {
    let colors = |network: &str| {
        format!(
            "backend shop-blue\n  server web-1 {network}.1:8080\nbackend shop-green\n  server web-2 {network}.2:8080\n"
        )
    };
    let map = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(map.path(), "shop.test shop-blue\n").expect("a file can be written");
    let path = map.path().display().to_string();
    let rule = format!("use_backend %[req.hdr(host),map({path})]");
    let Some(world) = World::new(&rule, colors) else {
        return;
    };
    let (one, _two) = (world.origin(1), world.origin(2));
    let notes =
        |map: &str| json!({"upshift.dev/haproxy-map": map, "upshift.dev/haproxy-key": "shop.test"});
    world.applied(world.slice(&[1], notes(&path), "blue"));
    assert_eq!(world.balancer.answers(), ["web-1"]);
    let asked = slow(world.balancer.front);
    world.site.wait("the slow request", || {
        let counters = world.balancer.ask("show stat -1 4 -1");
        counters
            .lines()
            .any(|line| line.starts_with("shop-blue,web-1,0,0,1,"))
    });
    let status = world.applied(world.slice(&[2], notes(&path), "green"));
    assert_eq!(world.balancer.answers(), ["web-2"]);
    assert_eq!(
        status["draining"],
        json!({format!("{}.1:8080", world.network): 1})
    );
    one.let_go();
    assert_eq!(asked.join().expect("it is answered"), "web-1");
    world.until("nothing drains", |status| status["draining"] == json!({}));
    assert_eq!(
        world.balancer.status("shop-blue/web-1"),
        "no check",
        "ready for the way back"
    );
    world.applied(world.slice(&[1], notes(&path), "blue"));
    assert_eq!(world.balancer.answers(), ["web-1"]);
    // A map that the configuration does not use.
    let version = world.slice(&[2], notes("/none.map"), "green");
    let status = world.until("no map", |status| status["message"].is_string());
    assert_eq!(
        status["message"],
        "HAProxy has no map \"/none.map\", which service default/shop names; a use_backend line must name that file"
    );
    assert!(status["applied"].as_u64() < Some(version));
    assert_eq!(world.balancer.answers(), ["web-1"]);
}

#[test]
fn a_backend_that_is_not_there_is_named() {
    let Some(world) = World::new("default_backend shop", two) else {
        return;
    };
    let version = world.slice(&[1], json!({"upshift.dev/haproxy-backend": "shopp"}), "");
    let status = world.applied(version);
    let why = "HAProxy has no backend \"shopp\", which service default/shop names; it has shop";
    assert_eq!(status["message"], why);
    assert_eq!(
        status["waiting"],
        json!({format!("{}.1:8080", world.network): why})
    );
    let table = world.site.ok(&["get", "routers", "-o", "wide"]);
    assert!(
        table.contains("HAProxy has no backend \"shopp\""),
        "{table}"
    );
}

#[test]
fn a_joined_node_steers_the_haproxy_that_it_was_given() {
    let Some(world) = World::new("default_backend shop", two) else {
        return;
    };
    let site = &world.site;
    let _one = world.origin(1);
    let beside = |name: &str| format!("{name}={}", world.balancer.socket.display());
    let join = |node: &str, more: &[&str]| {
        let file = site.path(&format!("{node}.join")).display().to_string();
        site.ok(&[&["node", "token", "create", node, "-o", &file], more].concat());
        file
    };
    // Not its own.
    let file = join("edge", &[]);
    let start = |file: &str, router: &str| {
        let arguments = ["node", "--join", file, "--haproxy", router];
        site.start_with_folder(&arguments, &format!("{}-edge", site.data().display()), &[])
    };
    let mut agent = start(&file, &beside("lb-1"));
    site.wait("its end", || !agent.is_alive());
    let why = "there is no router lb-1 for this node: make it on the server with `upshift node token create edge \
               --router lb-1`";
    assert!(site.log().contains(why), "{}", site.log());
    let taken = site.run(&[
        "node", "token", "create", "edge", "--router", "lb-1", "-o", "-",
    ]);
    assert_eq!(
        taken.status.code(),
        Some(8),
        "{}",
        String::from_utf8_lossy(&taken.stderr)
    );
    // Its own, beside the same HAProxy.
    let file = join("edge", &["--router", "lb-2"]);
    let _agent = start(&file, &beside("lb-2"));
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "shop-2", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "shop", "upshift.dev/router": "lb-2"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [format!("{}.1", world.network)], "nodeName": "web-1"}],
        "ports": [{"port": 8080}],
    });
    let path = site.path("slice.json");
    fs::write(&path, slice.to_string()).expect("a file can be written");
    world.balancer.ask("set server shop/web-1 state maint");
    site.ok(&["apply", "-f", &path.display().to_string()]);
    site.wait("web-1 to be ready", || {
        world.balancer.status("shop/web-1") == "no check"
    });
    site.wait("the router's word", || {
        let routers = site.objects("routers");
        let own = routers.iter().find(|one| one["metadata"]["name"] == "lb-2");
        own.is_some_and(|own| own["status"]["applied"].as_u64() > Some(0))
    });
}

/// A fleet whose applications stand behind a HAProxy beside the server.
pub(crate) fn balanced(
    count: usize,
    rule: &str,
    backends: impl Fn(&str) -> String,
    labels: impl Fn(usize) -> Vec<(&'static str, String)>,
) -> Option<(Fleet, Balancer)> {
    if !needs("haproxy") {
        return None;
    }
    let mut fleet = Fleet::with(count, &["--no-node"], labels)?;
    let address = &fleet.host("web-1").address;
    let network = address
        .strip_suffix(".1")
        .expect("it is the first")
        .to_owned();
    let balancer = Balancer::start(&fleet.site, &network, rule, &backends(&network));
    fleet.kill_server();
    fleet.steer(&format!("lb-1={}", balancer.socket.display()));
    fleet.start_server();
    Some((fleet, balancer))
}

#[test]
fn rolling_deployments_and_a_rollback_lose_no_request() {
    let backends = |network: &str| {
        let server = |number| {
            format!("  server web-{number} {network}.{number}:8080 check inter 100ms disabled\n")
        };
        format!("backend shop\n{}{}{}", server(1), server(2), server(3))
    };
    let tier = |_| vec![("tier", "web".to_owned())];
    let Some((fleet, mut balancer)) = balanced(3, "default_backend shop", backends, tier) else {
        return;
    };
    let settings = json!({"loadBalancer": {"haproxy": {"router": "lb-1", "backend": "shop"}, "drainSeconds": 5}});
    fleet.apply(&fleet.application(settings));
    fleet.bundle("one");
    fleet.deploy_ok(&[]);
    let hosts = ["web-1", "web-2", "web-3"];
    // HAProxy's own checks take a server out for a moment when a busy machine lets them wait.
    let all_answer = |balancer: &Balancer, version: &str| {
        let expected = hosts.map(|host| format!("{version} {host}"));
        fleet
            .site
            .wait("all hosts to answer", || balancer.answers() == expected);
    };
    all_answer(&balancer, "one");
    let load = fleet.load(balancer.front, "shop.test");
    fleet.bundle("two");
    fleet.deploy_ok(&[]);
    all_answer(&balancer, "two");
    let steps = fleet.steps("shop-2");
    for host in hosts {
        assert_eq!(names(&steps[host]), THIRTEEN, "{host}");
        assert_eq!(fleet.hooks(host, "shop-2"), NINE_HOOKS, "{host}");
    }
    let output = fleet.site.run(&["rollback", "shop", "--progress=plain"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    all_answer(&balancer, "one");
    let steps = fleet.steps("shop-3");
    for host in hosts {
        assert_eq!(names(&steps[host]), TWELVE, "{host}");
    }
    let counts = load.stop();
    counts.check();
    assert_eq!(
        counts.answers.len(),
        6,
        "everybody served both: {:?}",
        counts.answers
    );
    // Somebody restarts HAProxy in the middle; it begins with all servers disabled.
    fleet.bundle("three");
    let restarts = std::thread::scope(|scope| {
        let deployed = scope.spawn(|| fleet.deploy(&[]));
        fleet.site.wait("the first host", || {
            !fleet.hooks("web-1", "shop-4").is_empty() || deployed.is_finished()
        });
        balancer.again();
        deployed.join().expect("it ends")
    });
    assert!(
        restarts.status.success(),
        "{}",
        String::from_utf8_lossy(&restarts.stderr)
    );
    assert_eq!(
        balancer.answers(),
        hosts.map(|host| format!("three {host}"))
    );
}

#[test]
fn colors_take_turns_and_lose_no_request() {
    let backends = |network: &str| {
        let server = |number| format!("  server web-{number} {network}.{number}:8080\n");
        format!(
            "backend shop-blue\n{}backend shop-green\n{}",
            server(1),
            server(2)
        )
    };
    let map = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = map.path().display().to_string();
    let rule = format!("use_backend %[req.hdr(host),map({path})]");
    let color = |number| {
        vec![(
            "color",
            if number == 1 { "blue" } else { "green" }.to_owned(),
        )]
    };
    let Some((fleet, balancer)) = balanced(2, &rule, backends, color) else {
        return;
    };
    let haproxy = json!({"router": "lb-1", "map": path, "key": "shop.test"});
    let mut application =
        fleet.application(json!({"loadBalancer": {"haproxy": haproxy, "drainSeconds": 5}}));
    application["spec"]["hosts"] =
        json!({"blueGreen": {"blue": {"color": "blue"}, "green": {"color": "green"}}});
    fleet.apply(&application);
    fleet.bundle("one");
    fleet.deploy_ok(&[]);
    assert_eq!(balancer.answers(), ["one web-1"]);
    let load = fleet.load(balancer.front, "shop.test");
    fleet.bundle("two");
    fleet.deploy_ok(&[]);
    assert_eq!(balancer.answers(), ["two web-2"]);
    let output = fleet.site.run(&["rollback", "shop", "--progress=plain"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(balancer.answers(), ["one web-1"]);
    let counts = load.stop();
    counts.check();
    assert_eq!(counts.answers.len(), 2, "{:?}", counts.answers);
}
