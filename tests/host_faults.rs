//! What happens to hosts while visitors are served by the others: one fleet behind HAProxy, one long story.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use serde_json::json;

use crate::site::PATIENCE;
use crate::site::SmallDisk;
use crate::stand::By;
use crate::stand::ROLLING;
use crate::stand::Stand;

/// The power goes: agent, shims, hooks and the application end at once.
fn power_off(stand: &mut Stand, host: &str) {
    stand.fleet.kill(host);
    let folder = stand.fleet.data_of(host).display().to_string();
    for line in stand.fleet.site.processes() {
        let pid = line.split(' ').next().unwrap_or_default();
        if line.contains(&folder) {
            let mut kill = Command::new("kill");
            let _ = kill.args(["-9", pid]).stderr(Stdio::null()).status();
        }
    }
    stand.fleet.stop_application(host);
}

/// A script's line that waits for a file on one host, and says when it does.
fn gate(stand: &Stand, host: &str) -> (PathBuf, PathBuf, String) {
    let (at, go) = (stand.fleet.site.path("at"), stand.fleet.site.path("go"));
    let _ = fs::remove_file(&at);
    let _ = fs::remove_file(&go);
    let text = format!(
        "if [ $UPSHIFT_NODE = {host} ]; then echo $UPSHIFT_ATTEMPT >> {}; while [ ! -e {} ]; do sleep 0.05; done; fi",
        at.display(),
        go.display()
    );
    (at, go, text)
}

/// Runs a deployment beside what happens to it.
fn deploy_while(
    stand: &mut Stand,
    more: &[&str],
    happens: impl FnOnce(&mut Stand),
) -> (Option<i32>, String) {
    let said = stand.fleet.site.path("said");
    let own = stand.deployment(ROLLING);
    let own: Vec<&str> = own
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    let mut command = stand.fleet.site.distant_client(&own);
    let file = fs::File::create(&said).expect("a file can be made");
    command.stdout(Stdio::null()).stderr(file);
    let mut child = command.spawn().expect("the program starts");
    happens(stand);
    let mut status = None;
    // A host is silent after 40 seconds and lost when its gear's time is over, too.
    let limit = 2 * PATIENCE;
    let site = &stand.fleet.site;
    site.wait_within(limit, "the deployment to end", || {
        status = child.try_wait().ok().flatten();
        status.is_some()
    });
    let said = fs::read_to_string(&said).unwrap_or_default();
    (status.and_then(|status| status.code()), said)
}

/// The operation of a rollout on a host, in one line.
fn told(stand: &Stand, rollout: &str, host: &str) -> String {
    let operations = stand.fleet.operations(rollout);
    let status = operations.get(host).map(|one| &one["status"]);
    let text = |key: &str| {
        let value = status.and_then(|status| status[key].as_str());
        value.unwrap_or_default().to_owned()
    };
    format!("{} {} {}", text("phase"), text("reason"), text("message"))
}

#[test]
#[ignore = "waits until a host counts as silent: more than a minute"]
fn hosts_die_return_fill_up_and_never_come_back_and_visitors_do_not_notice() {
    let Some(mut stand) = Stand::new(By::HaProxy, 3) else {
        return;
    };
    let settings = json!({"concurrency": 1, "maxFailures": 1});
    stand.publish(ROLLING, &settings);
    stand.fleet.bundle("one");
    stand.expect(&stand.deploy(ROLLING, &[]), 0);
    let load = stand.load(ROLLING);

    // It loses its power in a hook, and comes back.
    stand.fleet.bundle("two");
    let (at, go, text) = gate(&stand, "web-1");
    stand.fleet.hook("AfterInstall", &text);
    let (code, said) = deploy_while(&mut stand, &[], |stand| {
        stand.fleet.site.wait("the hook", || at.exists());
        power_off(stand, "web-1");
        fs::write(&go, "").expect("a file can be written");
        stand.fleet.start("web-1");
    });
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(stand.versions(ROLLING, ""), ["two"]);

    // The server is away from one hook to the last of that host.
    stand.fleet.bundle("three");
    let (at, go, text) = gate(&stand, "web-2");
    stand.fleet.hook("AfterInstall", &text);
    let (code, said) = deploy_while(&mut stand, &[], |stand| {
        stand.fleet.site.wait("the hook", || at.exists());
        stand.fleet.kill_server();
        fs::write(&go, "").expect("a file can be written");
        stand.fleet.site.wait("the check", || {
            let hooks = stand.fleet.hooks("web-2", "rolling-3");
            hooks.iter().any(|hook| hook == "ValidateService")
        });
        stand.fleet.start_server();
    });
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(stand.versions(ROLLING, ""), ["three"]);

    // A hook that succeeds only the second time.
    stand.fleet.bundle("four");
    let once = stand.fleet.site.path("once");
    let text = format!(
        "if [ $UPSHIFT_NODE = web-3 ] && [ ! -e {0} ]; then touch {0}; exit 7; fi",
        once.display()
    );
    stand.fleet.hook("BeforeInstall", &text);
    let said = stand.expect(&stand.deploy(ROLLING, &[]), 6);
    assert!(
        said.contains("web-3") && said.contains("exit code 7"),
        "{said}"
    );
    let retry = ["rollout", "retry", "app/rolling", "--progress=plain"];
    stand.expect(&stand.fleet.site.run(&retry), 0);
    assert_eq!(stand.versions(ROLLING, ""), ["four"]);
    let stops = stand.fleet.hooks("web-1", "rolling-4");
    assert_eq!(stops.len(), 9, "who was done is left alone: {stops:?}");

    damaged_and_full(&stand);
    never_back(&mut stand);
    load.stop().check();
}

/// The cache of one host is damaged before a rollback needs it; then its disk is full.
fn damaged_and_full(stand: &Stand) {
    let site = &stand.fleet.site;
    let cached = |host: &str, rollout: &str, name: &str| -> Vec<PathBuf> {
        let files = site.tree(&format!("data-{host}")).into_keys();
        files
            .filter(|path| path.contains(&format!("{rollout}/")) && path.ends_with(name))
            .map(|path| stand.fleet.data_of(host).join(path))
            .collect()
    };
    let damaged = cached("web-2", "deploy-3", "/version");
    assert!(!damaged.is_empty(), "{:?}", site.tree("data-web-2").keys());
    for path in damaged {
        fs::write(path, "damaged").expect("a file can be written");
    }
    let rollback = ["rollback", ROLLING.0, "--progress=plain"];
    stand.expect(&site.run(&rollback), 0);
    assert_eq!(stand.versions(ROLLING, ""), ["three"]);

    let place = cached("web-2", "deploy-3", "/version").remove(0);
    let place = place.ancestors().find(|path| path.ends_with("deployments"));
    let place = place.expect("the cache is there").to_owned();
    let Some(disk) = SmallDisk::over(&place, "64k") else {
        return;
    };
    stand.fleet.bundle("five");
    let large: Vec<u8> = (0..1 << 18)
        .map(|number| crate::crash::scatter(number).to_le_bytes()[0])
        .collect();
    let file = site.path("bundle/large");
    fs::write(&file, large).expect("a file can be written");
    let output = stand.deploy(ROLLING, &[]);
    drop(disk);
    let said = stand.expect(&output, 6);
    assert!(said.contains("DiskFull"), "{said}");
    let operation = told(stand, "rolling-6", "web-2");
    assert!(operation.starts_with("Failed DiskFull"), "{operation}");
    let answers = ["web-1", "web-2", "web-3"].map(|host| stand.fleet.answer_at(host, ROLLING.1));
    let expected = ["five web-1", "three web-2", "five web-3"];
    assert_eq!(answers, expected.map(|answer| Some(answer.to_owned())));
    let retry = ["rollout", "retry", "app/rolling", "--progress=plain"];
    stand.expect(&site.run(&retry), 0);
    assert_eq!(stand.versions(ROLLING, ""), ["five"]);
    let _ = fs::remove_file(&file);
}

/// It loses its power in a hook for ever: the gear's time is over; and then it is removed in the middle of a rollout.
fn never_back(stand: &mut Stand) {
    stand.publish(
        ROLLING,
        &json!({"concurrency": 1, "maxFailures": 1, "gearTimeout": "20s"}),
    );
    stand.fleet.bundle("six");
    let (at, go, text) = gate(stand, "web-3");
    stand.fleet.hook("AfterInstall", &text);
    let (code, said) = deploy_while(stand, &[], |stand| {
        stand.fleet.site.wait("the hook", || at.exists());
        power_off(stand, "web-3");
    });
    // Whether its agent could still say that its time is over or not: it was lost in the middle, and one may fail.
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("2 done, 1 failed of 3 gears"), "{said}");
    // Of its last second the agent may not have told: which step it was in is not asked for.
    assert!(said.contains("its node fell silent"), "{said}");
    fs::write(&go, "").expect("a file can be written");

    stand.publish(ROLLING, &json!({"concurrency": 1, "maxFailures": 1}));
    stand.fleet.bundle("seven");
    let (code, said) = deploy_while(stand, &[], |stand| {
        stand.fleet.site.wait("the others", || {
            let done = |host: &str| {
                let hooks = stand.fleet.hooks(host, "rolling-8");
                hooks.iter().any(|hook| hook == "AfterAllowTraffic")
            };
            done("web-1") && done("web-2")
        });
        let remove = ["node", "remove", "web-3", "--yes"];
        stand.expect(&stand.fleet.site.run(&remove), 0);
    });
    assert_eq!(code, Some(0), "{said}");
    for host in ["web-1", "web-2"] {
        let answer = stand.fleet.answer_at(host, ROLLING.1);
        assert_eq!(answer, Some(format!("seven {host}")));
    }
    let site = &stand.fleet.site;
    site.wait("its gear to go", || site.objects("gears").len() == 2);
}
