//! A server of its own for a measurement, and what stands around it.

use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use upshift::base::environment::Environment;
use upshift::client::Client;
use upshift::client::connection;
use upshift::client::connection::Flags;

/// The program as this profile built it.
pub(crate) const UPSHIFT: &str = env!("CARGO_BIN_EXE_upshift");

/// A running server; stopped and removed when dropped.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    child: Child,
    /// From the start of the process until `/readyz` said yes.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts one on an empty data dir and a free port, and waits until it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Server {
        let folder = tempfile::tempdir_in(data_parent()).expect("a temporary folder can be made");
        let started = Instant::now();
        let child = Command::new(UPSHIFT)
            .arg("serve")
            .arg("--data-dir")
            .arg(folder.path())
            .args(["--listen", "127.0.0.1:0", "--router-listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let mut server = Server {
            folder,
            child,
            ready_after: Duration::ZERO,
        };
        while !server.folder.path().join("server.json").exists() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the server does not become ready"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        server.wait_until_ready();
        server.ready_after = started.elapsed();
        server
    }

    /// Asks `/readyz` until it says yes.
    fn wait_until_ready(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime can be built").block_on(async {
            let client = self.connect();
            while client.open("/readyz").await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    /// A client of its own, as the administrator.
    pub(crate) fn connect(&self) -> Client {
        let data_dir = Some(self.folder.path().to_owned());
        let flags = Flags {
            local: true,
            data_dir,
            ..Flags::default()
        };
        let choice = connection::choose(&flags, &Environment::default());
        let connection = choice.expect("a data dir is a choice").connect();
        connection.expect("the server wrote how to reach it").client
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory of the process in MiB.
    pub(crate) fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
            / 1024.0
    }

    /// What the process has used of the processors.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(self.id())
    }

    /// Runs the client against this server; its standard output.
    pub(crate) fn client(&self, arguments: &[&str]) -> String {
        let output = Command::new(UPSHIFT)
            .args(arguments)
            .args(["--local", "--data-dir"])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program can be started");
        assert!(
            output.status.success(),
            "{arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process and its threads have used, in ticks of 10 ms.
pub(crate) fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(
        10 * ticks
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum::<u64>(),
    )
}

/// Where data dirs of measurements go: a real disk, not memory.
pub(crate) fn data_parent() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
}

/// A program on the search path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
