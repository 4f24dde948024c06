//! Whole stories with the real program: deploy, change, roll back, fail, retry, delete.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;

use crate::seed::SEVEN;
use crate::site::HOOKS;
use crate::site::Process;
use crate::site::Site;

/// A site with a running backend and a first deployment of version 1.
fn deployed() -> (Site, Process) {
    let (site, server) = Site::serving();
    deploy_ok(&site);
    (site, server)
}

fn bundle(site: &Site) -> String {
    site.path("bundle").display().to_string()
}

/// Deploys the bundle as `app` and follows it to its end.
fn deploy(site: &Site, more: &[&str]) -> Output {
    site.run(&[&deploying(&bundle(site)), more].concat())
}

/// The same, which must succeed.
fn deploy_ok(site: &Site) {
    site.ok(&deploying(&bundle(site)));
}

fn deploying(bundle: &str) -> [&str; 5] {
    ["deploy", bundle, "--name", "app", "--progress=plain"]
}

/// The events that ran since `from`, in order.
fn events(site: &Site, from: usize) -> Vec<String> {
    let record = site.record();
    record[from..]
        .iter()
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

/// The names of an operation's steps; only those that ran a hook when `hooks`.
fn steps(site: &Site, rollout: &str, hooks: bool) -> Vec<String> {
    let operations = site.objects("operations");
    let operation = operations
        .iter()
        .find(|operation| operation["metadata"]["labels"]["upshift.dev/rollout"] == rollout)
        .unwrap_or_else(|| panic!("{rollout} has no operation"));
    let steps = operation["status"]["steps"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    (steps.iter())
        .filter(|step| !hooks || (step["phase"] != "Skipped" && step["phase"] != "Waiting"))
        .filter_map(|step| step["name"].as_str())
        .filter(|name| !hooks || HOOKS.contains(name))
        .map(str::to_owned)
        .collect()
}

/// The steps that `--dry-run -o json` announces for the one gear.
fn announced(text: &str) -> Vec<String> {
    let plan: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let gears = plan["gears"].as_array().cloned().unwrap_or_default();
    assert_eq!(gears.len(), 1, "{text}");
    let steps = gears[0]["steps"].as_array().cloned().unwrap_or_default();
    steps
        .iter()
        .filter_map(|step| step["name"].as_str())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_first_deployment_runs_the_seven_steps_and_has_no_old_hook_to_run() {
    let (site, _server) = deployed();
    assert_eq!(events(&site, 0), HOOKS[1..]);
    assert_eq!(steps(&site, "app-1", true), events(&site, 0));
    assert_eq!(steps(&site, "app-1", false), SEVEN);
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "1"
    );
}

#[test]
fn a_second_deployment_and_a_rollback_run_what_their_dry_runs_said() {
    let (site, _server) = deployed();
    fs::remove_file(site.path("bundle/files/sub/only-1")).unwrap();
    site.bundle("2");
    let said = announced(&site.ok(&[
        "deploy",
        &bundle(&site),
        "--name",
        "app",
        "--dry-run",
        "-o",
        "json",
    ]));
    let before = site.record().len();
    deploy_ok(&site);
    assert_eq!(steps(&site, "app-2", false), said);
    assert_eq!(
        (events(&site, before), steps(&site, "app-2", true)),
        (
            HOOKS.map(str::to_owned).to_vec(),
            HOOKS.map(str::to_owned).to_vec()
        )
    );
    assert!(
        site.record()[before].starts_with("ApplicationStop 2"),
        "hooks see the revision that is brought"
    );
    assert!(
        !site.path("installed/sub/only-1").exists(),
        "what the new revision lacks is gone"
    );

    let said = announced(&site.ok(&["rollback", "app", "--dry-run", "-o", "json"]));
    let before = site.record().len();
    site.ok(&["rollback", "app", "--progress=plain"]);
    assert_eq!(steps(&site, "app-3", false), said);
    assert_eq!(said.len(), 6);
    assert_eq!(events(&site, before), HOOKS);
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "1"
    );
    assert!(
        site.path("installed/sub/only-1").exists() && !site.path("installed/sub/only-2").exists()
    );

    let again = site.run(&["rollback", "app"]);
    assert_eq!(
        again.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
}

#[test]
fn a_failed_deployment_goes_back_when_asked_to_and_exits_5() {
    let (site, _server) = deployed();
    site.bundle("2");
    site.hook("ValidateService", "echo the page is wrong; exit 3");
    let before = site.record().len();
    let output = deploy(&site, &["--on-failure", "Rollback"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(
        said.contains("the page is wrong") && said.contains("ValidateService"),
        "{said}"
    );
    let both: Vec<&str> = HOOKS.iter().chain(&HOOKS).copied().collect();
    assert_eq!(events(&site, before), both);
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "1"
    );
}

#[test]
fn a_failed_first_deployment_that_goes_back_leaves_nothing_and_restores_what_it_replaced() {
    let site = Site::new();
    site.bundle("1");
    fs::create_dir(site.path("installed")).unwrap();
    fs::write(site.path("installed/page"), "mine").unwrap();
    site.hook("ApplicationStart", "exit 1");
    let _server = site.serve(&[], &[]);
    let output = deploy(&site, &["--on-failure", "Rollback"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let tree = site.tree("installed");
    assert_eq!(tree.keys().collect::<Vec<_>>(), ["page"]);
    assert!(tree["page"].ends_with("mine"));
}

#[test]
fn a_failed_rollout_is_retried_from_the_start_under_a_new_attempt() {
    let (site, _server) = deployed();
    site.bundle("2");
    let flag = site.path("flag").display().to_string();
    site.hook("AfterInstall", &format!("test -e {flag}"));
    let output = deploy(&site, &[]);
    assert_eq!(output.status.code(), Some(1));
    let before = site.record().len();
    fs::write(&flag, "").unwrap();
    site.ok(&["rollout", "retry", "app/app", "--progress=plain"]);
    assert_eq!(events(&site, before), HOOKS);
    assert_eq!(site.objects("rollouts")[1]["status"]["phase"], "Succeeded");
    let attempts: Vec<String> = site
        .record()
        .iter()
        .filter_map(|line| line.split(' ').nth(2).map(str::to_owned))
        .collect();
    assert!(attempts[before].contains("-2/"), "{attempts:?}");
}

#[test]
fn a_refused_retry_says_why_and_leaves_what_failed_as_it_was() {
    let (site, _server) = deployed();
    site.bundle("2");
    site.hook("AfterInstall", "exit 7");
    let output = deploy(&site, &[]);
    assert_eq!(output.status.code(), Some(1));
    let before = site.objects("rollouts")[1]["status"].clone();
    let nowhere = r#"{"spec": {"hosts": {"selector": {"tier": "none"}}}}"#;
    site.ok(&["patch", "app/app", "--type=merge", "-p", nowhere]);
    let output = site.run(&["rollout", "retry", "app/app", "--progress=plain"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let told = "error: app-2 was not retried and is still Failed: no node matches tier=none";
    assert!(said.lines().any(|line| line == told), "{said}");
    let mut after = site.objects("rollouts")[1]["status"].clone();
    let refused = after.as_object_mut().unwrap().remove("refused");
    assert_eq!(refused.unwrap()["reason"], "NoHosts");
    assert_eq!(after, before);
    let output = site.run(&["rollout", "status", "app/app", "--watch=false"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("HookFailed") || said.contains("exit code 7"),
        "{said}"
    );
    assert!(
        said.ends_with("; not retried: no node matches tier=none\n"),
        "{said}"
    );
}

#[test]
fn a_second_deployment_while_one_runs_is_refused_with_exit_8() {
    let (site, _server) = deployed();
    site.bundle("2");
    let flag = site.path("flag").display().to_string();
    site.hook(
        "BeforeInstall",
        &format!("while ! test -e {flag}; do sleep 0.05; done"),
    );
    site.ok(&["deploy", &bundle(&site), "--name", "app", "--follow=false"]);
    let before = site.record().len();
    site.wait("the hook that waits", || {
        site.record().len() > before + 1
            || site
                .record()
                .iter()
                .any(|line| line.starts_with("BeforeInstall 2"))
    });
    site.bundle("3");
    let output = site.run(&["deploy", &bundle(&site), "--name", "app"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("error:"))
            .count(),
        1,
        "{said}"
    );
    fs::write(&flag, "").unwrap();
    site.ok(&["rollout", "status", "app/app", "-w", "--progress=plain"]);
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "2"
    );
}

#[test]
fn a_hook_of_another_user_reaches_its_script_in_the_cache() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can run a hook as another user");
        return;
    }
    let site = Site::new();
    site.bundle("1");
    fs::set_permissions(site.path(""), fs::Permissions::from_mode(0o711)).unwrap();
    let open = site.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let script = format!("#!/bin/sh\nid -un > {}/who\n", open.display());
    fs::write(site.path("bundle/hooks/AfterInstall"), script).unwrap();
    let appspec = fs::read_to_string(site.path("bundle/appspec.yml")).unwrap();
    let appspec = appspec.replace(
        "hooks/AfterInstall\n",
        "hooks/AfterInstall\n      runas: nobody\n",
    );
    fs::write(site.path("bundle/appspec.yml"), appspec).unwrap();
    let _server = site.serve(&[], &[]);
    deploy_ok(&site);
    assert_eq!(fs::read_to_string(open.join("who")).unwrap(), "nobody\n");
}

#[test]
fn deleting_the_application_stops_it_and_removes_what_it_installed() {
    let (site, _server) = deployed();
    let before = site.record().len();
    site.ok(&["delete", "app/app"]);
    assert_eq!(events(&site, before), ["ApplicationStop"]);
    assert!(
        !site.path("installed").exists(),
        "{:?}",
        site.tree("installed")
    );
    for kind in [
        "applications",
        "gears",
        "rollouts",
        "revisions",
        "operations",
    ] {
        site.wait(kind, || site.objects(kind).is_empty());
    }
    let caches = site
        .tree("data")
        .into_keys()
        .filter(|path| path.contains("deployments/app-"))
        .collect::<Vec<_>>();
    assert_eq!(caches, Vec::<String>::new());
}
