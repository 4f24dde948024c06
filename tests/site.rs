//! A place of its own for a test that runs the whole program: a data dir, a bundle, a destination, processes.

#![expect(
    clippy::print_stdout,
    reason = "a test fails by panicking, and says its seed or what it lacks"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The hooks of a rolling deployment, in the seed's order.
pub(crate) const HOOKS: [&str; 5] = [
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
];

/// A folder with everything in it; removed, and its processes killed, when dropped.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    /// What its server listens on, before and after a restart.
    port: u16,
    program: PathBuf,
    /// Who runs it, if that is not whoever runs the test.
    user: Option<u32>,
    /// A network of its own, by the name that `ip netns` knows it by.
    network: Option<String>,
}

/// An ordinary user for tests that run as root; there need not be an account.
const ORDINARY: u32 = 12345;

/// A process of ours; killed when dropped.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Whether it is still running.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A client may have started a server of its own.
        for line in self.processes() {
            let pid = line.split(' ').next().unwrap_or_default().to_owned();
            let _ = Command::new("kill")
                .args(["-9", &pid])
                .stderr(Stdio::null())
                .status();
        }
        if let Some(network) = &self.network {
            ip(&["netns", "delete", network]);
        }
    }
}

impl Site {
    pub(crate) fn new() -> Site {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("bundle")).expect("a folder can be made");
        Site {
            folder,
            port: free_port(),
            program: env!("CARGO_BIN_EXE_upshift").into(),
            user: None,
            network: None,
        }
    }

    /// A site with a running backend and a bundle of version 1, whose hooks only write the record; nothing is deployed.
    pub(crate) fn serving() -> (Site, Process) {
        let site = Site::new();
        site.bundle("1");
        let mut server = site.serve(&[], &[]);
        assert!(server.is_alive(), "{}", site.log());
        (site, server)
    }

    /// A site whose programs run as an ordinary user, in a network of their own; none when root cannot do that here.
    pub(crate) fn ordinary() -> Option<Site> {
        let mut site = Site::new();
        let is_root = fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
        if is_root {
            if !needs("setpriv") || !needs("ip") {
                return None;
            }
            let network = format!("upshift-test-{}-{}", std::process::id(), site.port);
            ip(&["netns", "add", &network]);
            ip(&["-n", &network, "link", "set", "lo", "up"]);
            site.network = Some(network);
            // Where the program was built others may not pass.
            let program = site.path("upshift");
            fs::copy(&site.program, &program).expect("the program can be copied");
            site.program = program;
            site.user = Some(ORDINARY);
            site.hand_over();
        }
        Some(site)
    }

    /// Gives everything below the folder to the user that the site's programs run as.
    pub(crate) fn hand_over(&self) {
        let Some(user) = self.user else { return };
        let status = Command::new("chown")
            .args(["-R", &format!("{user}:{user}")])
            .arg(self.folder.path())
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    /// The program, run as the site's user.
    fn program(&self) -> Command {
        let Some(user) = self.user else {
            return Command::new(&self.program);
        };
        let mut command = Command::new("ip");
        let network = self.network.as_deref().unwrap_or_default();
        command
            .args(["netns", "exec", network, "setpriv"])
            .args(["--reuid", &user.to_string(), "--regid", &user.to_string()])
            .arg("--clear-groups")
            .arg(&self.program);
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// What the hooks wrote, a line a run: `EVENT REVISION ATTEMPT`.
    pub(crate) fn record(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("record")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Makes the bundle: one file that says which version it is, and hooks that write the record.
    pub(crate) fn bundle(&self, version: &str) {
        let bundle = self.path("bundle");
        fs::create_dir_all(bundle.join("files/sub")).expect("a folder can be made");
        fs::write(bundle.join("files/page"), version).expect("a file can be written");
        fs::write(bundle.join(format!("files/sub/only-{version}")), version)
            .expect("a file can be written");
        let mut appspec = format!(
            "version: 0.0\nos: linux\nfiles:\n  - source: files\n    destination: {}\nhooks:\n",
            self.path("installed").display()
        );
        for hook in HOOKS {
            write!(appspec, "  {hook}:\n    - location: hooks/{hook}\n")
                .expect("a String takes everything");
            self.hook(hook, "exit 0");
        }
        fs::write(bundle.join("appspec.yml"), appspec).expect("an appspec can be written");
    }

    /// Replaces one hook by a script that writes the record and then does `body`.
    pub(crate) fn hook(&self, event: &str, body: &str) {
        let script = self.path("bundle").join("hooks").join(event);
        fs::create_dir_all(script.parent().expect("it has a folder"))
            .expect("a folder can be made");
        let record = self.path("record");
        let text = format!(
            "#!/bin/sh\necho \"$LIFECYCLE_EVENT ${{UPSHIFT_REVISION##*-}} $UPSHIFT_ATTEMPT\" >> {}\n{body}\n",
            record.display()
        );
        fs::write(&script, text).expect("a script can be written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
            .expect("its mode can be set");
    }

    /// Starts the backend with extra arguments and variables; ready when this returns, unless it died.
    pub(crate) fn serve(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut process = self.start(
            &[
                &[
                    "serve",
                    "--listen",
                    &listen,
                    "--router-listen",
                    "127.0.0.1:0",
                ],
                arguments,
            ]
            .concat(),
            variables,
        );
        self.wait("the server, or its end", || {
            self.announced() == Some(u64::from(process.0.id())) || !process.is_alive()
        });
        process
    }

    /// The process that says it is the server.
    fn announced(&self) -> Option<u64> {
        let text = fs::read(self.data().join("server.json")).ok()?;
        serde_json::from_slice::<Value>(&text).ok()?["pid"].as_u64()
    }

    /// Runs a client command as from another machine: a server that is gone is not started.
    pub(crate) fn run_from_afar(&self, arguments: &[&str]) -> Output {
        self.distant_client(arguments)
            .output()
            .expect("the program can be started")
    }

    /// The same, to be started with streams of the test's own.
    pub(crate) fn distant_client(&self, arguments: &[&str]) -> Command {
        let kubeconfig = self.path("afar.kubeconfig");
        if !kubeconfig.exists() {
            self.write_kubeconfig(&kubeconfig);
        }
        let mut command = self.command(arguments);
        command.arg("--kubeconfig").arg(&kubeconfig);
        command
    }

    /// The administrator's kubeconfig without the note that the server is embedded.
    fn write_kubeconfig(&self, path: &Path) {
        let text = fs::read_to_string(self.data().join("admin.kubeconfig")).unwrap_or_default();
        let documents = upshift::api::yaml::read(&text).expect("the server wrote it");
        let mut config = documents[0].value().clone();
        for section in ["clusters", "contexts", "users"] {
            for entry in config[section].as_array_mut().into_iter().flatten() {
                let inner = &mut entry[section.trim_end_matches('s')];
                inner
                    .as_object_mut()
                    .map(|inner| inner.remove("extensions"));
            }
        }
        config
            .as_object_mut()
            .map(|config| config.remove("extensions"));
        fs::write(path, config.to_string()).expect("a file can be written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode can be set");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program();
        command
            .args(arguments)
            .env("HOME", self.folder.path())
            .env_remove("KUBECONFIG")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts the program with this site's data dir, its talk going to `log`.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        self.start_with_folder(arguments, &self.data().display().to_string(), variables)
    }

    /// Starts the program with a data dir of its own, its talk going to `log`.
    pub(crate) fn start_with_folder(
        &self,
        arguments: &[&str],
        folder: &str,
        variables: &[(&str, &str)],
    ) -> Process {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("the log opens");
        let child = self
            .program()
            .args(arguments)
            .args(["--data-dir", folder])
            .envs(variables.iter().copied())
            .env("HOME", self.folder.path())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .spawn()
            .expect("the program can be started");
        Process(child)
    }

    /// Runs a client command against this site's backend.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.client(arguments)
            .output()
            .expect("the program can be started")
    }

    /// A client command against this site's backend, to be started with streams of the test's own.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let (arguments, rest) = match arguments.iter().position(|one| *one == "--") {
            Some(at) => arguments.split_at(at),
            None => (arguments, &[][..]),
        };
        let mut command = self.command(arguments);
        command.args(["--local", "--data-dir"]).arg(self.data());
        command.args(rest);
        command
    }

    /// Runs the program to its end with a data dir of its own.
    pub(crate) fn run_with_folder(&self, arguments: &[&str], folder: &str) -> Output {
        self.command(arguments)
            .args(["--data-dir", folder])
            .output()
            .expect("the program can be started")
    }

    /// Starts a client command against this site's backend, its talk going to `log`.
    pub(crate) fn start_client(&self, arguments: &[&str]) -> Process {
        self.start(&[arguments, &["--local"]].concat(), &[])
    }

    /// Runs a client command that must succeed; its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?} ended with {:?}\nstdout: {}\nstderr: {}\nserver: {}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Objects of a kind as JSON.
    pub(crate) fn objects(&self, kind: &str) -> Vec<Value> {
        let output = self.run_from_afar(&["get", kind, "-o", "json"]);
        let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// The last lines of what server and agents said.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Every file below a folder: path, mode and content; folders with their mode.
    pub(crate) fn tree(&self, name: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        walk(&self.path(name), Path::new(""), &mut found);
        found
    }

    /// Waits until `done`, looking often.
    pub(crate) fn wait(&self, what: &str, done: impl FnMut() -> bool) {
        self.wait_within(PATIENCE, what, done);
    }

    /// The same for what takes its time.
    pub(crate) fn wait_within(&self, limit: Duration, what: &str, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(
                started.elapsed() < limit,
                "waited too long for {what}\nserver: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until programs can be run on a node.
    pub(crate) fn wait_for_tunnel(&self, node: &str) {
        let node = format!("node/{node}");
        self.wait("its tunnel", || {
            self.run(&["exec", &node, "--", "true"]).status.success()
        });
    }

    /// Processes whose arguments name this site's data dir.
    pub(crate) fn processes(&self) -> Vec<String> {
        let data = self.data().display().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc can be read").flatten() {
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let text = String::from_utf8_lossy(&arguments).replace('\0', " ");
            if text.contains(&data) {
                found.push(format!("{} {text}", entry.file_name().to_string_lossy()));
            }
        }
        found
    }

    /// Those of them that are shims, and not what forks shims.
    pub(crate) fn shims(&self) -> Vec<String> {
        let is_shim = |line: &String| {
            let pid = line.split(' ').next().unwrap_or_default();
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name == "upshift-shim\n")
        };
        self.processes().into_iter().filter(is_shim).collect()
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status();
    if !status.is_ok_and(|status| status.success()) {
        println!("ip {arguments:?} failed");
    }
}

/// A port that nobody listens on, outside of those that the system gives out by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 400).expect("less than 400") * 50;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 1000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn walk(root: &Path, below: &Path, found: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(root.join(below)) else {
        return;
    };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        let whole = root.join(&path);
        let Ok(metadata) = fs::symlink_metadata(&whole) else {
            continue;
        };
        let mode = metadata.permissions().mode() & 0o7777;
        let content = if metadata.is_dir() {
            walk(root, &path, found);
            "folder".to_owned()
        } else {
            fs::read_to_string(&whole).unwrap_or_else(|_| "unreadable".to_owned())
        };
        found.insert(path.display().to_string(), format!("{mode:o} {content}"));
    }
}

/// Whether a program that a test drives is installed; a missing one is named, and fails where tools are required.
pub(crate) fn needs(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        missing(program);
    }
    found
}

/// A file system of its own over a folder, with room for little; gone with the value.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `size` as `mount` has it, `64k`. None, and said so, where this machine does not let us mount.
    pub(crate) fn over(folder: &Path, size: &str) -> Option<SmallDisk> {
        let options = format!("size={size},mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(folder.to_owned()));
        }
        missing("the right to mount a small file system");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server whose data dir it is may still run.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Says by name what a test needs and this machine lacks; a failure where everything must be there.
pub(crate) fn missing(what: &str) {
    let required = std::env::var_os("UPSHIFT_REQUIRE_TOOLS").is_some();
    assert!(
        !required,
        "this test needs {what}, and UPSHIFT_REQUIRE_TOOLS is set"
    );
    println!("skipped: this test needs {what}");
}
