//! Source-to-image: which scripts, in which environment, and running them.
//!
//! There is no container: what an image has at an absolute place is below the unpacked image's root, and the scripts are
//! told where by `$APP_ROOT`, `$STI_SCRIPTS_PATH` and `$UPSHIFT_SOURCE`.
//!
//! # Decided
//!
//! * Scripts of a source (`.s2i/bin`) were written for a container: `/usr/libexec/s2i`, `/opt/app-root` and `/tmp/src`
//!   in them are read as the variables that say where these are here.
//!
//! Sources: facts/oc.md 6.3; source-to-image pkg/build/strategies/sti/sti.go.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::agent::build::failure::Failure;
use crate::agent::build::failure::Reason;
use crate::agent::build::inside::Builder;
use crate::agent::build::inside::Work;
use crate::agent::build::source::Fetched;
use crate::agent::shim;
use crate::api::build::Build;
use crate::content::builders::APP_ROOT;
use crate::content::builders::SCRIPTS;
use crate::content::builders::SCRIPTS_URL;

/// Where the scripts of a source are in the image, below the root.
pub(super) const OWN_SCRIPTS: &str = "/opt/app-root/s2i/bin";
/// Where a source has scripts of its own.
const SOURCE_SCRIPTS: &str = ".s2i/bin";
/// What scripts written for a container name, and what it is here.
const PLACES: [(&str, &str); 3] = [
    (SCRIPTS, "${STI_SCRIPTS_PATH}"),
    (APP_ROOT, "${APP_ROOT}"),
    ("/tmp/src", "${UPSHIFT_SOURCE}"),
];
/// How long processes that a script leaves behind may take to end.
const LEFTOVERS: Duration = Duration::from_secs(5);

/// How one source is built: decided before anything of it runs.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    assemble: PathBuf,
    /// Whether the source brings a `run` of its own.
    pub(super) own_run: bool,
    /// The builder's scripts, below the root.
    pub(super) scripts: String,
    /// Of the strategy and of `.s2i/environment`: part of the image.
    pub(super) env: Vec<(String, String)>,
    /// What the scripts see.
    surroundings: BTreeMap<String, String>,
    cwd: PathBuf,
}

impl Plan {
    /// Looks at builder and source; puts the source's own scripts in their place.
    pub(super) fn new(
        work: &Work<'_>,
        build: &Build,
        builder: &Builder,
        fetched: &Fetched,
    ) -> Result<Plan, Failure> {
        let rootfs = work.rootfs();
        let scripts = scripts_folder(build, builder)?;
        let own = install_scripts(
            &fetched.folder.join(SOURCE_SCRIPTS),
            &below(&rootfs, OWN_SCRIPTS),
        )
        .map_err(Failure::io(
            Reason::FetchScriptsFailed,
            "cannot install the source's own scripts",
        ))?;
        let script = |name: &str| {
            let folder = if own.iter().any(|one| one == name) {
                OWN_SCRIPTS
            } else {
                &scripts
            };
            below(&rootfs, folder).join(name)
        };
        for name in ["assemble", "run"] {
            if !script(name).is_file() {
                let detail = format!("the builder has no script {name:?} in {scripts}");
                return Err(Failure::new(Reason::FetchScriptsFailed, detail));
            }
        }
        let env = variables(build, &fetched.folder)?;
        let cwd = below(&rootfs, &format!("{APP_ROOT}/src"));
        fs::create_dir_all(&cwd).map_err(Failure::io(
            Reason::FileSystemOperationFailed,
            "cannot make the application's folder",
        ))?;
        Ok(Plan {
            assemble: script("assemble"),
            own_run: own.iter().any(|name| name == "run"),
            surroundings: surroundings(work, builder, fetched, &scripts, &env),
            scripts,
            env,
            cwd,
        })
    }
}

fn below(rootfs: &Path, absolute: &str) -> PathBuf {
    rootfs.join(absolute.trim_start_matches('/'))
}

/// Where the scripts are in the builder image.
fn scripts_folder(build: &Build, builder: &Builder) -> Result<String, Failure> {
    let strategy = build.spec.common.strategy.source_strategy.as_ref();
    let wanted = strategy.map_or("", |strategy| strategy.scripts.as_str());
    let label = builder.configuration.config.labels.get(SCRIPTS_URL);
    let url = if wanted.is_empty() {
        label.map_or("", String::as_str)
    } else {
        wanted
    };
    match url.strip_prefix("image://") {
        Some(path) if path.starts_with('/') && !path.split('/').any(|part| part == "..") => {
            Ok(path.trim_end_matches('/').to_owned())
        }
        _ if url.is_empty() => {
            let detail = format!(
                "{} is no builder: it has no label {SCRIPTS_URL}",
                builder.reference
            );
            Err(Failure::new(Reason::FetchScriptsFailed, detail))
        }
        _ => {
            let detail = format!("scripts at {url} cannot be used, only image:///…");
            Err(Failure::new(Reason::FetchScriptsFailed, detail))
        }
    }
}

/// Copies a source's own scripts; returns their names.
fn install_scripts(from: &Path, into: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for name in ["assemble", "run", "save-artifacts", "usage"] {
        let script = from.join(name);
        if !fs::symlink_metadata(&script).is_ok_and(|about| about.is_file()) {
            continue;
        }
        fs::create_dir_all(into)?;
        let place = into.join(name);
        fs::write(&place, relocated(fs::read(&script)?))?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755))?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// A shell script with the places of a container replaced by the variables that say where they are.
fn relocated(script: Vec<u8>) -> Vec<u8> {
    let text = match String::from_utf8(script) {
        Ok(text) => text,
        Err(binary) => return binary.into_bytes(),
    };
    let first = text.lines().next().unwrap_or_default();
    if !first.starts_with("#!") || !first.contains("sh") {
        return text.into_bytes();
    }
    let replaced = PLACES.iter().fold(text, |text, (place, variable)| {
        text.replace(place, variable)
    });
    replaced.into_bytes()
}

/// The variables of `.s2i/environment`, then those of the strategy over them.
fn variables(build: &Build, source: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = match fs::read_to_string(source.join(".s2i/environment")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            let detail = format!(".s2i/environment: {error}");
            return Err(Failure::new(Reason::GenericS2IBuildFailed, detail));
        }
    };
    let mut env = parse_environment(&text)?;
    let strategy = build.spec.common.strategy.source_strategy.as_ref();
    for variable in strategy.into_iter().flat_map(|strategy| &strategy.env) {
        env.retain(|(name, _)| *name != variable.name);
        env.push((variable.name.clone(), variable.value.clone()));
    }
    Ok(env)
}

/// `KEY=VALUE` lines; `#` begins a comment.
fn parse_environment(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut env: Vec<(String, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line
            .split_once('=')
            .filter(|(name, _)| !name.trim().is_empty())
        else {
            let detail = format!(".s2i/environment:{}: {line:?} is no KEY=VALUE", number + 1);
            return Err(Failure::new(Reason::GenericS2IBuildFailed, detail));
        };
        let name = name.trim().to_owned();
        env.retain(|(known, _)| *known != name);
        env.push((name, value.trim().to_owned()));
    }
    Ok(env)
}

fn surroundings(
    work: &Work<'_>,
    builder: &Builder,
    fetched: &Fetched,
    scripts: &str,
    env: &[(String, String)],
) -> BTreeMap<String, String> {
    let rootfs = work.rootfs();
    let mut all = work.environment.variables.clone();
    let image = builder.configuration.config.variables();
    all.extend(
        image
            .filter(|(name, _)| *name != "PATH")
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    all.extend(env.iter().cloned());
    let places = [
        ("APP_ROOT", below(&rootfs, APP_ROOT)),
        ("HOME", below(&rootfs, &format!("{APP_ROOT}/src"))),
        ("STI_SCRIPTS_PATH", below(&rootfs, scripts)),
        ("UPSHIFT_SOURCE", fetched.folder.clone()),
        ("XDG_CACHE_HOME", work.folder.join("cache")),
        ("TMPDIR", work.folder.join("tmp")),
    ];
    let places = places.map(|(name, place)| (name.to_owned(), place.display().to_string()));
    all.extend(places);
    all
}

/// Runs `assemble`.
pub(super) fn assemble(work: &mut Work<'_>, plan: &Plan) -> Result<(), Failure> {
    let mut command = Command::new(&plan.assemble);
    let ended = run(work, plan, &mut command).map_err(|error| {
        let detail = format!(
            "cannot run assemble: {}",
            explain_start(&plan.assemble, &error)
        );
        Failure::new(Reason::AssembleFailed, detail)
    })?;
    verdict(ended, Reason::AssembleFailed, "assemble")
}

/// Runs the hook of `spec.postCommit` in the application's folder; what it changes is not part of the image.
pub(super) fn post_commit(work: &mut Work<'_>, plan: &Plan, hook: &Value) -> Result<(), Failure> {
    let texts = |name: &str| -> Vec<String> {
        let list = hook[name].as_array().into_iter().flatten();
        list.filter_map(|one| one.as_str().map(str::to_owned))
            .collect()
    };
    let (script, command, arguments) = (hook["script"].as_str(), texts("command"), texts("args"));
    let mut argv = match script {
        Some(script) if !script.is_empty() => {
            // The word after the script is its $0, as the hook's arguments begin with $1.
            ["/bin/sh", "-c", script, "hook"]
                .map(str::to_owned)
                .to_vec()
        }
        _ if !command.is_empty() => command,
        _ if !arguments.is_empty() => Vec::new(),
        _ => return Ok(()),
    };
    argv.extend(arguments);
    let program = argv.first().cloned().unwrap_or_default();
    let inside = below(&work.rootfs(), &program);
    let is_inside = program.starts_with('/') && inside.is_file();
    let mut command = Command::new(if is_inside {
        inside
    } else {
        PathBuf::from(&program)
    });
    command.args(argv.iter().skip(1));
    let ended = run(work, plan, &mut command).map_err(|error| {
        let detail = format!("cannot run {program}: {error}");
        Failure::new(Reason::PostCommitHookFailed, detail)
    })?;
    verdict(ended, Reason::PostCommitHookFailed, "the hook")
}

fn verdict(ended: ExitStatus, reason: Reason, what: &str) -> Result<(), Failure> {
    match (ended.code(), ended.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Failure::new(
            reason,
            format!("{what} ended with exit code {code}"),
        )),
        (None, Some(9)) => {
            let detail = format!("{what} was killed by signal 9");
            Err(Failure::new(Reason::OutOfMemoryKilled, detail))
        }
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            Err(Failure::new(
                reason,
                format!("{what} was ended by signal {signal}"),
            ))
        }
    }
}

fn explain_start(program: &Path, error: &io::Error) -> String {
    let first = fs::read(program).ok();
    let first = first
        .as_deref()
        .and_then(|bytes| bytes.split(|byte| *byte == b'\n').next());
    match first {
        Some([b'#', b'!', .., b'\r']) => {
            "it has Windows line ends (CRLF): save it with Unix line ends".to_owned()
        }
        Some([b'#', b'!', rest @ ..]) if error.kind() == io::ErrorKind::NotFound => format!(
            "its interpreter {} does not exist",
            String::from_utf8_lossy(rest).trim()
        ),
        _ => error.to_string(),
    }
}

/// Runs a script, passes its output on as it comes, and ends whatever it leaves running.
fn run(work: &mut Work<'_>, plan: &Plan, command: &mut Command) -> io::Result<ExitStatus> {
    let (mut output, writing) = io::pipe()?;
    command
        .env_clear()
        .envs(&plan.surroundings)
        .current_dir(&plan.cwd)
        .stdin(Stdio::null())
        .stdout(writing.try_clone()?)
        .stderr(writing);
    let mut child = command.spawn()?;
    // The command holds the writing ends; without this the output would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, pieces) = mpsc::sync_channel::<Vec<u8>>(16);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 14];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut line = Vec::new();
    let ended = loop {
        match pieces.recv_timeout(Duration::from_millis(20)) {
            Ok(piece) => pass(work, &piece, &mut line),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if let Some(ended) = child.try_wait()? {
                    break ended;
                }
            }
            // Everybody closed the output, and the child is at its end.
            Err(mpsc::RecvTimeoutError::Disconnected) => break child.wait()?,
        }
    };
    end_leftovers();
    while let Ok(piece) = pieces.recv_timeout(LEFTOVERS) {
        pass(work, &piece, &mut line);
    }
    work.output.keep(&String::from_utf8_lossy(&line));
    Ok(ended)
}

fn pass(work: &mut Work<'_>, piece: &[u8], line: &mut Vec<u8>) {
    work.output.pass(piece);
    let mut parts = piece.split(|byte| *byte == b'\n').peekable();
    while let Some(part) = parts.next() {
        line.extend_from_slice(part);
        if parts.peek().is_some() {
            work.output.keep(&String::from_utf8_lossy(line));
            line.clear();
        }
    }
    // One endless line, as progress bars draw it, is kept by its end.
    if line.len() > 1 << 14 {
        line.drain(..1 << 13);
    }
}

/// Kills the processes that a script left; this process is the one they fell to.
fn end_leftovers() {
    let own = nix::unistd::getpid().as_raw();
    let end = Instant::now() + LEFTOVERS;
    loop {
        let left = shim::descendants(own);
        if left.is_empty() || Instant::now() >= end {
            return;
        }
        for pid in left {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        while matches!(
            nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)),
            Ok(status) if status != nix::sys::wait::WaitStatus::StillAlive
        ) {}
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_environment_files() {
        let env = parse_environment("# c\nA=1\n\n B = two words \nA=3\nC=a=b\n").unwrap();
        let pairs: Vec<(&str, &str)> = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(pairs, [("B", "two words"), ("A", "3"), ("C", "a=b")]);
        let wrong = parse_environment("A=1\nnothing\n").unwrap_err();
        assert_eq!(
            wrong.detail,
            ".s2i/environment:2: \"nothing\" is no KEY=VALUE"
        );
    }

    #[test]
    fn scripts_for_containers_find_their_places() {
        let text = "#!/bin/bash -e\n/usr/libexec/s2i/assemble\ncp /tmp/src/x /opt/app-root/src\n";
        let there = String::from_utf8(relocated(text.as_bytes().to_vec())).unwrap();
        assert_eq!(
            there,
            "#!/bin/bash -e\n${STI_SCRIPTS_PATH}/assemble\ncp ${UPSHIFT_SOURCE}/x ${APP_ROOT}/src\n"
        );
        let python = "#!/usr/bin/python3\nx = '/tmp/src'\n";
        assert_eq!(relocated(python.as_bytes().to_vec()), python.as_bytes());
    }

    #[test]
    fn an_exit_becomes_a_reason() {
        assert!(verdict(ExitStatus::from_raw(0), Reason::AssembleFailed, "assemble").is_ok());
        let failed = verdict(
            ExitStatus::from_raw(3 << 8),
            Reason::AssembleFailed,
            "assemble",
        );
        assert_eq!(
            failed.unwrap_err().detail,
            "assemble ended with exit code 3"
        );
        let killed = verdict(ExitStatus::from_raw(9), Reason::AssembleFailed, "assemble");
        assert_eq!(killed.unwrap_err().reason, Reason::OutOfMemoryKilled);
    }
}
