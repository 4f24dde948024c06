//! What can be wrong, one test each: one clear line, nothing half done, the right exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use crate::site::Site;
use crate::site::SmallDisk;

fn deploy(site: &Site) -> Output {
    let bundle = site.path("bundle").display().to_string();
    site.run(&["deploy", &bundle, "--name", "app", "--progress=plain"])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The command ended with `code`, and what it said names all of `words`, in one line that starts with `error:` at most.
fn expect(output: &Output, code: i32, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    let errors = text
        .lines()
        .filter(|line| line.starts_with("error:") || line.starts_with("Error"))
        .count();
    assert!(errors <= 1, "{errors} error lines: {text}");
}

/// The reason of the first rollout's operation.
fn reason(site: &Site) -> String {
    let operations = site.objects("operations");
    operations[0]["status"]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_hook_that_is_missing() {
    let (site, _server) = Site::serving();
    fs::remove_file(site.path("bundle/hooks/AfterInstall")).unwrap();
    // Found before anything is written: the bundle itself shows it.
    expect(&deploy(&site), 2, &["hooks/AfterInstall", "appspec.yml"]);
    assert!(site.objects("rollouts").is_empty());
}

#[test]
fn a_hook_that_is_not_executable_is_made_so() {
    let (site, _server) = Site::serving();
    let hook = site.path("bundle/hooks/AfterInstall");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    expect(&deploy(&site), 0, &[]);
    assert!(
        site.record()
            .iter()
            .any(|line| line.starts_with("AfterInstall"))
    );
}

#[test]
fn a_hook_with_an_interpreter_that_is_not_there() {
    let (site, _server) = Site::serving();
    fs::write(
        site.path("bundle/hooks/AfterInstall"),
        "#!/no/such/interpreter\n",
    )
    .unwrap();
    expect(&deploy(&site), 1, &["AfterInstall", "/no/such/interpreter"]);
    assert_eq!(reason(&site), "HookNotRunnable");
}

#[test]
fn a_hook_that_hangs_is_ended_at_its_timeout_with_everything_below_it() {
    let (site, _server) = Site::serving();
    let pid = site.path("pid").display().to_string();
    site.hook("AfterInstall", &format!("setsid sh -c 'echo $$ > {pid}; exec sleep 1000' &\ntrap '' TERM\nwhile :; do sleep 1; done"));
    let appspec = fs::read_to_string(site.path("bundle/appspec.yml")).unwrap();
    let appspec = appspec.replace(
        "hooks/AfterInstall\n",
        "hooks/AfterInstall\n      timeout: 1\n",
    );
    fs::write(site.path("bundle/appspec.yml"), appspec).unwrap();
    expect(&deploy(&site), 1, &["AfterInstall", "HookTimedOut"]);
    assert_eq!(reason(&site), "HookTimedOut");
    let child = fs::read_to_string(&pid).unwrap();
    site.wait("the end of the child in a session of its own", || {
        let state = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    });
}

#[test]
fn a_hook_that_is_killed_names_the_signal() {
    let (site, _server) = Site::serving();
    site.hook("AfterInstall", "kill -9 $$");
    expect(&deploy(&site), 1, &["AfterInstall", "signal 9"]);
    assert_eq!(reason(&site), "HookFailed");
}

#[test]
fn a_daemon_that_keeps_the_output_open_does_not_hold_the_rollout() {
    let (site, _server) = Site::serving();
    let pid = site.path("pid").display().to_string();
    site.hook("ApplicationStart", &format!("sleep 30 & echo $! > {pid}"));
    let started = std::time::Instant::now();
    let output = deploy(&site);
    expect(&output, 0, &[]);
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    let daemon = fs::read_to_string(&pid).unwrap();
    assert!(
        Path::new(&format!("/proc/{}", daemon.trim())).exists(),
        "the daemon is left alone"
    );
    let _ = std::process::Command::new("kill")
        .arg(daemon.trim())
        .status();
}

#[test]
fn a_hook_that_prints_100_megabytes_that_are_not_text_is_kept_up_to_its_limit() {
    let (site, _server) = Site::serving();
    site.hook("AfterInstall", "printf '\\377\\376\\000first\\n'; head -c 104857600 /dev/zero | tr '\\000' x; echo; exit 7");
    let bundle = site.path("bundle").display().to_string();
    let output = site.run(&["deploy", &bundle, "--name", "app", "--progress=quiet"]);
    expect(&output, 1, &["AfterInstall"]);
    let log = site.run(&["logs", "rollout/app-1", "--hook", "AfterInstall"]);
    assert!(log.status.success(), "{}", said(&log));
    assert!(
        log.stdout.len() > 9 << 20 && log.stdout.len() < 12 << 20,
        "{} bytes",
        log.stdout.len()
    );
    let operation = &site.objects("operations")[0];
    let steps = operation["status"]["steps"].as_array().unwrap();
    assert!(
        steps
            .iter()
            .any(|step| step["name"] == "AfterInstall" && step["exitCode"] == 7),
        "{steps:?}"
    );
}

#[test]
fn a_destination_that_leads_elsewhere() {
    let (site, _server) = Site::serving();
    fs::create_dir(site.path("elsewhere")).unwrap();
    symlink(site.path("elsewhere"), site.path("installed")).unwrap();
    expect(&deploy(&site), 1, &["Install", "installed"]);
    assert_eq!(reason(&site), "PlanConflict");
    assert!(site.tree("elsewhere").is_empty());
}

#[test]
fn two_applications_that_claim_one_file() {
    let (site, _server) = Site::serving();
    expect(&deploy(&site), 0, &[]);
    let bundle = site.path("bundle").display().to_string();
    let output = site.run(&["deploy", &bundle, "--name", "other", "--progress=plain"]);
    expect(&output, 1, &["Install", "app"]);
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "1"
    );
}

#[test]
fn a_damaged_cache_is_repaired_and_without_a_whole_bundle_anywhere_the_old_version_goes_on() {
    let (site, _server) = Site::serving();
    expect(&deploy(&site), 0, &[]);
    site.bundle("2");
    expect(&deploy(&site), 0, &[]);
    let damage = |text: &str| {
        let cached = site
            .tree("data")
            .into_keys()
            .find(|path| path.contains("deploy-1/") && path.ends_with("files/page"));
        let cached = site
            .data()
            .join(cached.expect("the cache of the first deployment"));
        fs::write(cached, text).unwrap();
    };
    damage("damaged");
    expect(&site.run(&["rollback", "app", "--progress=plain"]), 0, &[]);
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "1"
    );
    let bundle = site.path("bundle").display().to_string();
    expect(
        &site.run(&["deploy", &bundle, "--name", "app", "--progress=plain"]),
        0,
        &[],
    );
    damage("damaged again");
    for blob in fs::read_dir(site.data().join("content/sha256"))
        .unwrap()
        .flatten()
    {
        fs::remove_file(blob.path()).unwrap();
    }
    // The packed bundle on the node would do too.
    for (path, _) in site.tree("data") {
        if path.contains("/.deploy-") && path.contains(".bundle.") {
            fs::write(site.path("data").join(path), "damaged").unwrap();
        }
    }
    let before = site.record().len();
    expect(
        &site.run(&["rollback", "app", "--progress=plain"]),
        1,
        &["sha256:"],
    );
    assert_eq!(site.record().len(), before, "ApplicationStop did not run");
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "2"
    );
}

#[test]
fn a_directory_without_an_appspec_needs_to_be_told_what_goes_where() {
    let (site, _server) = Site::serving();
    fs::remove_file(site.path("bundle/appspec.yml")).unwrap();
    expect(&deploy(&site), 2, &["appspec.yml", "--file"]);
    let bundle = site.path("bundle").display().to_string();
    let place = format!("files:{}", site.path("installed").display());
    let output = site.run(&[
        "deploy",
        &bundle,
        "--name",
        "app",
        "--file",
        &place,
        "--check",
        "hooks/ValidateService",
    ]);
    expect(&output, 0, &[]);
    assert_eq!(
        fs::read_to_string(site.path("installed/page")).unwrap(),
        "1"
    );
    assert_eq!(site.record().len(), 1);
}

#[test]
fn a_data_dir_that_is_in_use_a_port_that_is_taken_and_a_data_dir_of_another_version() {
    let (site, _server) = Site::serving();
    let data = site.data().display().to_string();
    let output = site.run(&["serve", "--listen", "127.0.0.1:0"]);
    expect(&output, 8, &[&data]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let other = Site::new();
    let output = other.run(&["serve", "--listen", &address]);
    assert_ne!(output.status.code(), Some(0));
    expect(
        &output,
        output.status.code().unwrap(),
        &[&address, "--listen"],
    );
    let output = other.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--router-listen",
        &address,
    ]);
    expect(&output, 8, &[&address, "--router-listen"]);
    for version in ["0", "999"] {
        let other = Site::new();
        fs::create_dir(other.data()).unwrap();
        fs::set_permissions(other.data(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(other.data().join("format"), version).unwrap();
        let output = other.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_ne!(output.status.code(), Some(0));
        expect(&output, output.status.code().unwrap(), &[version, "format"]);
    }
}

#[test]
fn a_wrong_token_and_a_damaged_kubeconfig() {
    let (site, _server) = Site::serving();
    let kubeconfig = site.data().join("admin.kubeconfig");
    let text = fs::read_to_string(&kubeconfig).unwrap();
    let path = site.path("kubeconfig");
    let named = path.display().to_string();
    let get = |text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        std::process::Command::new(env!("CARGO_BIN_EXE_upshift"))
            .args(["get", "nodes", "--kubeconfig", &named])
            .env("HOME", site.path("home"))
            .output()
            .unwrap()
    };
    expect(&get(&text), 0, &[]);
    let token = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("token: "))
        .unwrap();
    expect(&get(&text.replace(token, "wrong")), 7, &["logged in"]);
    expect(&get("clusters: [\n"), 2, &["kubeconfig"]);
}

#[test]
fn objects_with_an_unknown_field_a_stale_version_or_too_many_bytes() {
    let (site, _server) = Site::serving();
    let file = site.path("object.yaml").display().to_string();
    let create = |text: &str| {
        fs::write(&file, text).unwrap();
        site.run(&["create", "-f", &file])
    };
    let app = "apiVersion: upshift.dev/v1\nkind: Application\nmetadata: {name: a}\nspec: {hosts: {selector: {}}, port: 70000, rollout: {maxFailures: -1}}\n";
    expect(&create(app), 2, &["spec.port", "spec.rollout.maxFailures"]);
    let large = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{x: {}}}\n",
        "x".repeat(2 << 20)
    );
    expect(&create(&large), 2, &["large"]);
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n";
    expect(&create(config), 0, &[]);
    expect(&create(config), 8, &["already exists"]);
    let output = site.run(&[
        "patch",
        "cm/a",
        "-p",
        r#"{"metadata": {"resourceVersion": "1"}, "data": {"x": "2"}}"#,
    ]);
    expect(&output, 8, &["object has been modified"]);
}

#[test]
fn a_disk_that_is_full() {
    let (site, _server) = Site::serving();
    let small = site.path("installed");
    fs::create_dir(&small).unwrap();
    let Some(_disk) = SmallDisk::over(&small, "64k") else {
        return;
    };
    fs::write(site.path("bundle/files/large"), vec![7; 1 << 20]).unwrap();
    let output = deploy(&site);
    expect(&output, 1, &["Install", "disk is full"]);
    assert_eq!(reason(&site), "DiskFull");
}
