//! Hook scripts: what one gets to know, who it runs as, and what its end means.
//!
//! A script is executed directly in the bundle's root, never through a shell, under a shim of its own. Nothing of the
//! agent's environment reaches it. Which scripts run, and in which order, is the operation's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::agent::shim::Exit;
use crate::agent::shim::Reason;
use crate::agent::shim::Spec;
use crate::agent::users;
use crate::agent::users::Account;
use crate::api::appspec::AppSpec;
use crate::api::appspec::Script;
use crate::api::upshift::Action;
use crate::api::upshift::Operation;
use crate::base::text;

pub(crate) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// For a script that names no timeout in a deployment that names none.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Between TERM and KILL.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// What is kept of one script's output.
const LOG_LIMIT: u64 = 10 << 20;

/// Why a hook did not succeed: a reason in one word, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Problem {
        Problem {
            reason,
            message: message.into(),
        }
    }
}

/// One script about to run.
pub(crate) struct Hook<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) node: &'a str,
    pub(crate) event: &'a str,
    pub(crate) item: usize,
    /// The root of the bundle that the script is from, without links on the way to it, and that bundle's appspec.
    pub(crate) root: &'a Path,
    pub(crate) spec: &'a AppSpec,
    pub(crate) script: &'a Script,
    /// The name of the revision that was in place when the operation began.
    pub(crate) previous: &'a str,
    pub(crate) own: &'a Account,
}

/// A script as people name it: its path and arguments.
pub(crate) fn name(script: &Script) -> String {
    let mut name = script.location.clone();
    for argument in &script.arguments {
        name.push(' ');
        name.push_str(argument);
    }
    name
}

impl Hook<'_> {
    /// Looks at the script and makes what the shim needs; a warning for the user comes with it.
    pub(crate) fn prepare(&self) -> Result<(Spec, String), Problem> {
        let (program, warning) = program(self.root, &self.script.location)?;
        let account = users::account(self.own, self.script.runas.as_deref())
            .map_err(|why| Problem::new("HookNotRunnable", why))?;
        let timeout = self
            .script
            .timeout
            .or(self.operation.spec.deployment.hook_timeout)
            .map_or(TIMEOUT, |span| span.0);
        let text = |path: &Path| {
            path.to_str().map(ToOwned::to_owned).ok_or_else(|| {
                let message = format!("{} is not UTF-8", path.display());
                Problem::new("HookNotRunnable", message)
            })
        };
        let mut argv = vec![text(&program)?];
        argv.extend(self.script.arguments.iter().cloned());
        let spec = Spec {
            argv,
            cwd: text(self.root)?,
            env: self.environment(&account),
            user: account.become_user,
            timeout_milliseconds: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            grace_milliseconds: u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX),
            log_limit: LOG_LIMIT,
            ..Spec::default()
        };
        Ok((spec, warning))
    }

    /// Names one attempt; the same again after a crash of the agent.
    fn attempt(&self) -> String {
        let operation = &self.operation.metadata.name;
        format!("{operation}/{}/{}", self.event, self.item)
    }

    /// Everything a script gets to know. What the appspec sets cannot hide what we promise.
    fn environment(&self, account: &Account) -> BTreeMap<String, String> {
        let deployment = &self.operation.spec.deployment;
        let operation = &self.operation.metadata.name;
        let rollout = match deployment.rollout.as_str() {
            "" => operation.as_str(),
            rollout => rollout,
        };
        let revision = deployment
            .revision
            .as_ref()
            .map_or("", |revision| revision.name.as_str());
        let action = match deployment.action {
            Action::Deploy => "Deploy",
            Action::Rollback => "Rollback",
        };
        let attempt = self.attempt();
        let port = deployment.port.to_string();
        let home = account.home.to_string_lossy();
        let ours: [(&str, &str); 20] = [
            ("PATH", SEARCH_PATH),
            ("HOME", &home),
            ("USER", &account.name),
            ("LANG", "C.UTF-8"),
            ("LIFECYCLE_EVENT", self.event),
            ("DEPLOYMENT_ID", rollout),
            ("APPLICATION_NAME", &deployment.application),
            ("APPLICATION_ID", &deployment.app_id),
            ("DEPLOYMENT_GROUP_NAME", &deployment.group_id),
            ("DEPLOYMENT_GROUP_ID", &deployment.group_id),
            ("UPSHIFT_ROLLOUT", &deployment.rollout),
            ("UPSHIFT_REVISION", revision),
            ("UPSHIFT_PREVIOUS_REVISION", self.previous),
            ("UPSHIFT_ACTION", action),
            ("UPSHIFT_NODE", self.node),
            ("UPSHIFT_GEAR", &self.operation.spec.gear),
            ("UPSHIFT_ATTEMPT", &attempt),
            ("UPSHIFT_REASON", &deployment.reason),
            ("ADDRESS", &deployment.address),
            ("PORT", &port),
        ];
        let mut all = self.spec.env.clone();
        // The search path is a default, not a promise.
        let path = all.remove("PATH");
        // No process can be given a NUL; a reason that a person typed may hold one.
        all.extend(ours.map(|(key, value)| (key.to_owned(), value.replace('\0', ""))));
        all.extend(path.map(|path| ("PATH".to_owned(), path)));
        all
    }
}

/// The file to execute; made executable with a warning when it is not.
fn program(root: &Path, location: &str) -> Result<(PathBuf, String), Problem> {
    let program = root.join(location);
    let about = fs::metadata(&program).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Problem::new(
            "HookMissing",
            format!("the script {location} is not in the bundle"),
        ),
        _ => Problem::new(
            "HookNotRunnable",
            format!("cannot look at {location}: {error}"),
        ),
    })?;
    if !about.is_file() {
        let message = format!("{location} is not a file");
        return Err(Problem::new("HookNotRunnable", message));
    }
    if !is_inside(root, location) {
        let message = format!("{location} leads out of the bundle");
        return Err(Problem::new("HookNotRunnable", message));
    }
    let mode = about.permissions().mode();
    if mode & 0o111 != 0 {
        return Ok((program, String::new()));
    }
    // Whoever may read it may execute it, as `chmod +x` does.
    let mode = mode | (mode & 0o444) >> 2;
    fs::set_permissions(&program, fs::Permissions::from_mode(mode)).map_err(|error| {
        let message = format!("{location} is not executable and cannot be made so: {error}");
        Problem::new("HookNotRunnable", message)
    })?;
    Ok((
        program,
        "was not executable and has been made so".to_owned(),
    ))
}

/// Whether what is at `location` is below `root`, which has no links in it.
fn is_inside(root: &Path, location: &str) -> bool {
    let mut place = root.to_owned();
    let is_plain = Path::new(location).components().all(|part| {
        place.push(part);
        let about = fs::symlink_metadata(&place);
        matches!(part, Component::Normal(_)) && about.is_ok_and(|about| !about.is_symlink())
    });
    is_plain || fs::canonicalize(root.join(location)).is_ok_and(|whole| whole.starts_with(root))
}

/// What a recorded end means; the message of a success is a warning or empty.
pub(crate) fn judge(location: &str, exit: &Exit) -> Result<String, Problem> {
    match (exit.reason, exit.code, exit.signal) {
        (Reason::Exited, Some(0), _) if exit.output_open => {
            Ok("left its output open to a process that goes on".to_owned())
        }
        (Reason::Exited, Some(0), _) => Ok(String::new()),
        (Reason::Exited, Some(code), _) => Err(Problem::new(
            "HookFailed",
            format!("{location} exited with code {code}"),
        )),
        (Reason::Exited, None, signal) => Err(Problem::new(
            "HookFailed",
            format!(
                "{location} was ended by signal {}",
                signal.unwrap_or_default()
            ),
        )),
        (Reason::TimedOut, ..) => Err(Problem::new(
            "HookTimedOut",
            format!("{location} {}", exit.message),
        )),
        (Reason::Killed, ..) => Err(Problem::new(
            "Aborted",
            format!(
                "{location} was ended on request after {}",
                text::elapsed(Duration::from_millis(exit.milliseconds))
            ),
        )),
        (Reason::SpawnFailed, ..) => Err(Problem::new("HookNotRunnable", exit.message.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::duration::Span;
    use crate::api::upshift::DeployedRevision;

    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("run"), "#!/bin/sh\n").unwrap();
        place
    }

    #[test]
    fn a_script_that_is_missing_a_folder_or_elsewhere_is_named() {
        let place = place();
        fs::create_dir(place.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", place.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/bin", place.path().join("folder/bin")).unwrap();
        for (location, reason) in [
            ("nothing", "HookMissing"),
            ("run/deeper", "HookMissing"),
            ("folder", "HookNotRunnable"),
            ("link", "HookNotRunnable"),
            ("folder/bin/sh", "HookNotRunnable"),
        ] {
            let problem = program(place.path(), location).unwrap_err();
            assert_eq!(problem.reason, reason, "{location}");
            assert!(problem.message.contains(location), "{}", problem.message);
        }
        let problem = program(&place.path().join("folder"), "../run").unwrap_err();
        assert_eq!(problem.message, "../run leads out of the bundle");
    }

    #[test]
    fn a_link_to_a_script_of_the_bundle_is_followed() {
        let place = place();
        fs::set_permissions(place.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("run", place.path().join("link")).unwrap();
        let root = fs::canonicalize(place.path()).unwrap();
        for location in ["link", "./run"] {
            assert_eq!(program(&root, location).unwrap().1, "", "{location}");
        }
    }

    #[test]
    fn a_script_that_is_not_executable_becomes_so_with_a_warning() {
        let place = place();
        fs::set_permissions(place.path().join("run"), fs::Permissions::from_mode(0o640)).unwrap();
        let (path, warning) = program(place.path(), "run").unwrap();
        assert!(!warning.is_empty());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o750
        );
        assert_eq!(program(place.path(), "run").unwrap().1, "");
    }

    #[test]
    fn a_script_knows_what_was_promised_and_nothing_else() {
        let place = place();
        let mut operation = Operation::default();
        operation.metadata.name = "shop-2-shop-a-1".to_owned();
        operation.spec.gear = "shop-a".to_owned();
        let deployment = &mut operation.spec.deployment;
        deployment.application = "shop".to_owned();
        deployment.rollout = "shop-2".to_owned();
        deployment.port = 8080;
        deployment.reason = "a\0b".to_owned();
        deployment.hook_timeout = Some(Span::seconds(7));
        deployment.revision = Some(DeployedRevision {
            name: "shop-2".to_owned(),
            ..DeployedRevision::default()
        });
        let script = Script {
            location: "run".to_owned(),
            arguments: vec!["x y".to_owned()],
            timeout: None,
            runas: None,
        };
        let spec = AppSpec {
            env: BTreeMap::from([
                ("MODE".to_owned(), "fast".to_owned()),
                ("PORT".to_owned(), "1".to_owned()),
                ("PATH".to_owned(), "/opt/bin".to_owned()),
            ]),
            ..AppSpec::default()
        };
        let hook = Hook {
            operation: &operation,
            node: "a",
            event: "ApplicationStart",
            item: 1,
            root: place.path(),
            spec: &spec,
            script: &script,
            previous: "shop-1",
            own: &users::own(),
        };
        let (spec, _) = hook.prepare().unwrap();
        assert_eq!(spec.argv[1..], ["x y"]);
        assert_eq!(spec.timeout_milliseconds, 7000);
        for (key, value) in [
            ("LIFECYCLE_EVENT", "ApplicationStart"),
            ("DEPLOYMENT_ID", "shop-2"),
            ("UPSHIFT_ATTEMPT", "shop-2-shop-a-1/ApplicationStart/1"),
            ("UPSHIFT_PREVIOUS_REVISION", "shop-1"),
            ("UPSHIFT_REASON", "ab"),
            ("PORT", "8080"),
            ("MODE", "fast"),
            ("PATH", "/opt/bin"),
        ] {
            assert_eq!(spec.env[key], value, "{key}");
        }
        assert_eq!(spec.env.len(), 21);
        assert_eq!(name(&script), "run x y");
    }

    #[test]
    fn ends_are_judged() {
        let exit = |reason, code, signal| Exit {
            reason,
            code,
            signal,
            message: "m".to_owned(),
            ..Exit::default()
        };
        let open = Exit {
            output_open: true,
            ..exit(Reason::Exited, Some(0), None)
        };
        assert_eq!(
            judge("s", &exit(Reason::Exited, Some(0), None)),
            Ok(String::new())
        );
        assert!(!judge("s", &open).unwrap().is_empty());
        for (exit, reason, message) in [
            (
                exit(Reason::Exited, Some(3), None),
                "HookFailed",
                "s exited with code 3",
            ),
            (
                exit(Reason::Exited, None, Some(9)),
                "HookFailed",
                "s was ended by signal 9",
            ),
            (
                exit(Reason::TimedOut, None, Some(15)),
                "HookTimedOut",
                "s m",
            ),
            (
                exit(Reason::SpawnFailed, None, None),
                "HookNotRunnable",
                "m",
            ),
            (
                exit(Reason::Killed, None, None),
                "Aborted",
                "s was ended on request after 0ms",
            ),
        ] {
            assert_eq!(judge("s", &exit), Err(Problem::new(reason, message)));
        }
    }
}
