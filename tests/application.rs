//! From source to answer and onwards: `new-app`, updates under load, what goes wrong, and `kill -9` at every write.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says its seed or what it lacks"
)]

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::noise::noise;
use crate::site::PATIENCE;
use crate::site::Process;
use crate::site::Site;
use crate::site::SmallDisk;
use crate::site::needs;

/// The steps of seed 003, in its order.
const STEPS: [&str; 11] = [
    "CreateObjects",
    "TriggerBuild",
    "InstantiateBuild",
    "PushImage",
    "UpdateImageStream",
    "TriggerDeployment",
    "InstantiateDeployment",
    "CreateReplicationController",
    "DeployPods",
    "RequestRoute",
    "ReturnResponse",
];

/// A site with a backend, and a folder of source.
struct Stage {
    site: Site,
    server: Process,
}

impl Stage {
    fn start(variables: &[(&str, &str)]) -> Stage {
        let site = Site::new();
        let server = site.serve(&[], variables);
        Stage { site, server }
    }

    /// The source folder `app`, a copy of one of the samples.
    fn source(&self, sample: &str) -> String {
        let app = self.site.path("app");
        copy(&Path::new("tests/apps").join(sample), &app);
        app.display().to_string()
    }

    /// Writes one file of the source.
    fn write(&self, name: &str, text: &str) {
        let path = self.site.path("app").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn router(&self) -> String {
        let routers = self.site.objects("routers");
        routers[0]["spec"]["address"].as_str().unwrap().to_owned()
    }

    /// What the route `name` answers: status and body.
    fn page(&self, name: &str) -> (u16, String) {
        get(
            &self.router(),
            &format!("{name}-default.apps.localhost"),
            "/",
        )
    }

    fn pods(&self, label: &str) -> Vec<Value> {
        let mut pods = self.site.objects("pods");
        pods.retain(|pod| pod["metadata"]["labels"]["deploymentconfig"] == label);
        pods
    }
}

/// A page by hand: this file wants to see exactly what the router says; status 0 when it goes away before it answers.
fn get(address: &str, host: &str, path: &str) -> (u16, String) {
    let ask = || {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask().unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (code.unwrap_or(0), body.to_owned())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_folder_of_source_becomes_a_page_in_eleven_steps() {
    let stage = Stage::start(&[]);
    let app = stage.source("python-hello");
    let output = stage
        .site
        .run(&["new-app", &app, "--wait", "--progress=json"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}\n{}",
        text(&output.stderr),
        stage.site.log()
    );
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let done: Vec<&str> = lines
        .iter()
        .filter(|line| line["type"] == "step" && line["phase"] == "Done")
        .filter_map(|line| line["step"].as_str())
        .collect();
    assert_eq!(done, STEPS);
    assert_eq!(lines.last().unwrap()["exit"], 0);
    assert_eq!(stage.page("app").0, 200);
}

#[test]
fn the_steps_are_lines_in_a_pipe_and_the_url_comes_last() {
    let stage = Stage::start(&[]);
    let app = stage.source("static-hello");
    let output = stage.site.run(&["new-app", &app, "--wait"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{out}{err}{}",
        stage.site.log()
    );
    let told: Vec<&str> = STEPS
        .into_iter()
        .filter(|step| err.contains(&format!("app {step}: done")))
        .collect();
    assert_eq!(told, STEPS, "{err}");
    let url = out.lines().last().unwrap();
    let port = stage.router().rsplit(':').next().unwrap().to_owned();
    assert_eq!(url, format!("http://app-default.apps.localhost:{port}/"));
}

/// What a broken application says, and where its following ends.
fn check_failure(sample: &str, file: (&str, &str), step: &str, says: &[&str]) {
    let stage = Stage::start(&[]);
    let app = stage.source(sample);
    stage.write(file.0, file.1);
    let output = stage.site.run(&["new-app", &app, "--wait"]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}\n{}", stage.site.log());
    assert!(err.contains(&format!("app {step}: FAILED")), "{err}");
    for said in says {
        assert!(err.contains(said), "{said:?} is not in\n{err}");
    }
}

#[test]
fn a_build_that_fails_ends_it_with_the_cause_and_its_last_lines() {
    let assemble = "#!/bin/sh\necho looking for the moon >&2\nexit 7\n";
    check_failure(
        "python-hello",
        (".s2i/bin/assemble", assemble),
        "InstantiateBuild",
        &["AssembleFailed", "looking for the moon", "logs bc/app"],
    );
}

#[test]
fn an_application_that_exits_at_once_ends_it_with_the_cause_and_its_last_lines() {
    check_failure(
        "python-hello",
        (
            "app.py",
            "print('no configuration', flush=True)\nraise SystemExit(3)\n",
        ),
        "DeployPods",
        &["CrashLoopBackOff", "exit code 3", "no configuration"],
    );
}

#[test]
fn a_source_or_an_image_too_large_for_the_disk_is_said_so_and_a_smaller_one_is_built() {
    let site = Site::new();
    fs::create_dir(site.data()).unwrap();
    // An upload leaves 64 MiB free.
    let Some(_disk) = SmallDisk::over(&site.data(), "68m") else {
        return;
    };
    let server = site.serve(&[], &[]);
    let stage = Stage { site, server };
    let app = stage.source("static-hello");
    let large = stage.site.path("app/large");
    let fails = |arguments: &[&str]| {
        let output = stage.site.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", stage.site.log());
        text(&output.stderr)
    };
    // Random bytes stay as many on the way; zeros become few, and many again on the node.
    let node = fs::read_dir(stage.site.data().join("node")).unwrap().next();
    let pods = node.unwrap().unwrap().path().join("pods");
    let _small = SmallDisk::over(&pods, "4m");
    fs::write(&large, noise(7, 5 << 20)).unwrap();
    let said = fails(&["new-app", &app, "--wait"]);
    assert!(
        said.contains("error: source too large for the server's disk: "),
        "{said}"
    );
    assert!(
        said.contains(" free, of which 64.0 MiB stay free; "),
        "{said}"
    );
    fs::write(&large, vec![0; 8 << 20]).unwrap();
    let build = ["start-build", "app", "--from-dir", &app, "--wait"];
    let said = fails(&build);
    assert!(
        said.contains("the disk of the node is full: free some space"),
        "{said}"
    );
    let builds = stage.site.objects("builds");
    assert_eq!(builds[0]["status"]["reason"], "FetchSourceFailed");

    fs::remove_file(&large).unwrap();
    stage.site.ok(&build);
    stage.site.wait("the page", || stage.page("app").0 == 200);
}

/// `wrk` at a route while `work` is done; the failed requests and socket errors, and how many answers there were.
fn under_load(stage: &Stage, work: impl FnOnce()) -> (u64, u64) {
    let script = stage.site.path("wrk.lua");
    let lua = "done = function(s) io.write(string.format('RESULT %d %d\\n', s.requests, \
         s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout)) end";
    fs::write(&script, lua).unwrap();
    let mut wrk = Command::new("wrk")
        .args([
            "-t1",
            "-c8",
            "-d3600s",
            "-H",
            "Host: app-default.apps.localhost",
            "-s",
        ])
        .arg(&script)
        .arg(format!("http://{}/", stage.router()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    work();
    // wrk prints its summary when it is interrupted.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(wrk.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let mut said = String::new();
    wrk.stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    wrk.wait().unwrap();
    let result = said.lines().find_map(|line| line.strip_prefix("RESULT "));
    let numbers: Vec<u64> = result
        .unwrap_or_else(|| panic!("{said}"))
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    (numbers[1], numbers[0])
}

/// Brings a new version of the page and waits for it.
fn update(stage: &Stage, version: usize) {
    let sample = fs::read_to_string("tests/apps/python-hello/app.py").unwrap();
    let page = format!("version {version}.");
    stage.write("app.py", &sample.replace("Hello from Upshift!", &page));
    let app = stage.site.path("app").display().to_string();
    stage
        .site
        .ok(&["start-build", "app", "--from-dir", &app, "--wait"]);
    stage.site.wait("the new page, from every pod", || {
        let configs = stage.site.objects("dc");
        let status = &configs[0]["status"];
        let rollouts = stage.site.objects("rc");
        let complete = rollouts.iter().all(|rc| {
            let phase = &rc["metadata"]["annotations"]["openshift.io/deployment.phase"];
            phase == "Complete" || phase == "Failed"
        });
        let counted = status["updatedReplicas"] == configs[0]["spec"]["replicas"];
        complete && counted && stage.page("app").1.contains(&page)
    });
}

fn updates_under_load(replicas: &str, times: usize) {
    if !needs("wrk") {
        return;
    }
    let stage = Stage::start(&[]);
    let app = stage.source("python-hello");
    stage.site.ok(&["new-app", &app, "--wait"]);
    stage.site.ok(&["scale", "dc/app", "--replicas", replicas]);
    let expect: u64 = replicas.parse().unwrap();
    stage.site.wait("the replicas", || {
        stage.site.objects("dc")[0]["status"]["availableReplicas"] == expect
    });
    let (failed, answered) = under_load(&stage, || {
        for version in 1..=times {
            update(&stage, version);
        }
    });
    assert_eq!(failed, 0, "of {answered} requests\n{}", stage.site.log());
    assert!(answered > 100, "only {answered} requests were answered");
}

#[test]
fn an_update_of_one_replica_fails_no_request() {
    updates_under_load("1", 2);
}

#[test]
#[ignore = "twenty updates in a row: minutes"]
fn twenty_updates_fail_no_request() {
    for replicas in ["1", "3"] {
        updates_under_load(replicas, 20);
    }
}

#[test]
fn a_slow_request_outlives_the_pod_that_leaves() {
    let stage = Stage::start(&[]);
    let app = stage.source("python-hello");
    stage.site.ok(&["new-app", &app, "--wait"]);
    let router = stage.router();
    let slow =
        std::thread::spawn(move || get(&router, "app-default.apps.localhost", "/slow?seconds=6"));
    update(&stage, 1);
    let (code, _) = slow.join().unwrap();
    assert_eq!(code, 200, "{}", stage.site.log());
}

/// A WebSocket by hand, through the route.
struct WebSocket(TcpStream);

impl WebSocket {
    fn open(router: &str) -> WebSocket {
        let mut socket = TcpStream::connect(router).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        write!(
            socket,
            "GET /ws HTTP/1.1\r\nHost: app-default.apps.localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = text(&head);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        WebSocket(socket)
    }

    /// Sends a frame, masked with zeros, and expects the same back, not masked.
    fn echo(&mut self, opcode: u8, message: &str) -> std::io::Result<()> {
        let length = u8::try_from(message.len()).unwrap();
        let mut frame = vec![128 | opcode, 128 | length, 0, 0, 0, 0];
        frame.extend(message.as_bytes());
        self.0.write_all(&frame)?;
        let mut answer = vec![0; message.len() + 2];
        self.0.read_exact(&mut answer)?;
        assert_eq!(answer[..2], [128 | opcode, length]);
        assert_eq!(text(&answer[2..]), message);
        Ok(())
    }
}

#[test]
fn a_web_socket_outlives_an_update_and_its_pod_goes_when_it_is_closed() {
    let stage = Stage::start(&[]);
    let app = stage.source("python-hello");
    stage.site.ok(&["new-app", &app, "--wait"]);
    let old = stage.pods("app")[0]["metadata"]["name"].clone();
    let mut socket = WebSocket::open(&stage.router());
    socket.echo(1, "before").unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let talk = scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                socket.echo(1, "during")?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok::<_, std::io::Error>(())
        });
        update(&stage, 1);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let talked = talk.join().unwrap();
        assert!(talked.is_ok(), "{talked:?}\n{}", stage.site.log());
    });
    // The page is the new pod's; the old one is out of rotation and waits for its last client.
    let find_old = || {
        let mut pods = stage.pods("app").into_iter();
        pods.find(|pod| pod["metadata"]["name"] == old)
    };
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        socket.echo(1, "after").unwrap();
        let pod = find_old().unwrap();
        let metadata = &pod["metadata"];
        assert!(metadata["deletionTimestamp"].is_string(), "{metadata}");
        let drained = &metadata["annotations"]["upshift.dev/drained"];
        assert_eq!(*drained, Value::Null, "{metadata}");
    }
    socket.echo(8, "").unwrap();
    drop(socket);
    let closed = Instant::now();
    stage
        .site
        .wait("the old pod's end", || find_old().is_none());
    let took = closed.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn pods_answer_while_the_server_is_gone_and_are_known_again() {
    let mut stage = Stage::start(&[]);
    let app = stage.source("python-hello");
    stage.site.ok(&["new-app", &app, "--wait"]);
    let pods = stage.pods("app");
    let address = pods[0]["status"]["podIP"].as_str().unwrap().to_owned();
    let name = pods[0]["metadata"]["name"].clone();
    stage.server.0.kill().unwrap();
    stage.server.0.wait().unwrap();
    let (code, _) = get(&format!("{address}:8080"), &address, "/");
    assert_eq!(code, 200);
    stage.server = stage.site.serve(&[], &[]);
    stage.site.wait("the page", || stage.page("app").0 == 200);
    let after = stage.pods("app");
    assert_eq!(after[0]["metadata"]["name"], name);
    assert_eq!(
        after[0]["status"]["containerStatuses"][0]["restartCount"],
        0
    );
}

/// Names and phases: what a story leaves behind, apart from names that chance gives.
fn end(site: &Site) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in ["bc", "builds", "is", "dc", "rc", "svc", "routes", "pods"] {
        for object in site.objects(kind) {
            let metadata = &object["metadata"];
            let mut name = metadata["name"].as_str().unwrap_or_default().to_owned();
            if let Some(rc) = metadata["labels"]["deployment"].as_str() {
                name = format!("{rc}-?");
            }
            let phase = &object["status"]["phase"];
            let replicas = &object["status"]["replicas"];
            let rollout = &metadata["annotations"]["openshift.io/deployment.phase"];
            lines.push(format!("{kind} {name} {phase} {replicas} {rollout}"));
        }
    }
    lines.sort();
    lines
}

/// The whole flow with a server that may die: `new-app`, then an update. What each command said when it failed.
fn story(stage: &mut Stage) -> Vec<String> {
    let app = stage.source("static-hello");
    let mut failed = Vec::new();
    let mut command = |stage: &mut Stage, arguments: &[&str]| {
        let mut client = stage.site.start_client(arguments);
        let mut code = None;
        stage.live_until(arguments[0], |_| {
            code = client.0.try_wait().unwrap();
            code.is_some()
        });
        if !code.unwrap().success() {
            failed.push(format!("{arguments:?} failed"));
        }
    };
    command(stage, &["new-app", &app, "--name", "app"]);
    stage.live_until("the first page", |stage| {
        stage.live_page().0 == 200 && stage.is_rolled_out("app-1")
    });
    stage.write("index.html", "the second page");
    command(stage, &["start-build", "app", "--from-dir", &app]);
    stage.live_until("the second page", |stage| {
        let (_, page) = stage.live_page();
        page.contains("the second page") && stage.is_rolled_out("app-2")
    });
    // What left may still be on its way out, and counts come late.
    stage.live_until("one pod", |stage| {
        let controllers = stage.site.objects("rc");
        let counts: Vec<&Value> = controllers
            .iter()
            .map(|rc| &rc["status"]["replicas"])
            .collect();
        stage.pods("app").len() == 1 && counts == [0, 1]
    });
    failed
}

impl Stage {
    /// Waits until `done`; a server that died is started again.
    fn live_until(&mut self, what: &str, mut done: impl FnMut(&mut Stage) -> bool) {
        let began = Instant::now();
        loop {
            if !self.server.is_alive() {
                self.server = self.site.serve(&[], &[]);
            }
            if done(self) {
                return;
            }
            let log = || self.site.log();
            assert!(
                began.elapsed() < PATIENCE,
                "{what} does not come\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the page is; status 0 while there is no server.
    fn live_page(&mut self) -> (u16, String) {
        let routers = self.site.objects("routers");
        let address = routers
            .first()
            .and_then(|one| one["spec"]["address"].as_str());
        address.map_or((0, String::new()), |address| {
            get(address, "app-default.apps.localhost", "/")
        })
    }

    fn is_rolled_out(&self, controller: &str) -> bool {
        self.site.objects("rc").iter().any(|rc| {
            let metadata = &rc["metadata"];
            metadata["name"] == controller
                && metadata["annotations"]["openshift.io/deployment.phase"] == "Complete"
        })
    }
}

/// The crash points of an undisturbed story, and its end.
fn undisturbed() -> (Vec<String>, Vec<String>) {
    let counted = tempfile::tempdir().unwrap();
    let log = counted.path().join("points");
    let mut stage = Stage::start(&[("UPSHIFT_CRASH", &log.display().to_string())]);
    assert_eq!(story(&mut stage), [""; 0], "{}", stage.site.log());
    let expect = end(&stage.site);
    drop(stage);
    let points = fs::read_to_string(&log).unwrap();
    (points.lines().map(str::to_owned).collect(), expect)
}

/// The same story with a server that dies at one point.
fn dies_at(point: u64, expect: &[String]) {
    let number = point.to_string();
    let mut stage = Stage::start(&[("UPSHIFT_CRASH_AT", &number)]);
    let failed = story(&mut stage);
    let killed = format!("killed at point {point}\n{}", stage.site.log());
    assert_eq!(end(&stage.site), expect, "{killed}");
    assert_eq!(failed, [""; 0], "{killed}");
}

#[test]
fn a_sample_of_crashes_on_the_way_to_a_page_ends_as_undisturbed() {
    let (points, expect) = undisturbed();
    let seed = crate::crash::seed();
    for round in 0..4 {
        let point = 1 + crate::crash::scatter(seed.wrapping_add(round)) % points.len() as u64;
        eprintln!(
            "UPSHIFT_SEED={seed}: dies at point {point} of {}",
            points.len()
        );
        dies_at(point, &expect);
    }
}

/// `UPSHIFT_POINTS=FIRST/STEP` looks at the points from FIRST on, each time STEP further.
#[test]
#[ignore = "every crash point: many minutes"]
fn every_crash_on_the_way_to_a_page_ends_as_undisturbed() {
    let (points, expect) = undisturbed();
    let chosen = std::env::var("UPSHIFT_POINTS").unwrap_or_default();
    let (first, step) = chosen.split_once('/').unwrap_or(("1", "1"));
    let (first, step): (usize, usize) = (first.parse().unwrap(), step.parse().unwrap());
    let mut bad = Vec::new();
    for number in (first..=points.len()).step_by(step) {
        let point = &points[number - 1];
        let told = std::panic::catch_unwind(|| dies_at(number as u64, &expect));
        eprintln!("{point} of {}: {}", points.len(), told.is_ok());
        if told.is_err() {
            bad.push(point);
        }
    }
    assert!(bad.is_empty(), "these do not: {bad:?}");
}
