//! Applications on hosts from the command line: `new-app --hosts`, and what status, get, describe, logs and promote say.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::site::Site;

fn parts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The fleet's bundle, as an argument.
fn bundle(fleet: &Fleet) -> String {
    fleet.site.path("bundle").display().to_string()
}

#[track_caller]
fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_made() {
    let site = Site::new();
    fs::create_dir_all(site.path("page")).expect("a folder can be made");
    fs::write(site.path("page/start"), "").expect("a file can be written");
    let page = site.path("page").display().to_string();
    let check = |arguments: &[&str], words: &str| {
        let (code, out, err) = parts(&site.run(&[&["new-app"], arguments].concat()));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    };
    check(&["--hosts", "tier=web"], "--name NAME, or give its source");
    check(
        &["--port", "80", "python~."],
        "--port is for applications on hosts",
    );
    check(
        &["--hosts=all", "--env", "A=b", "--name=x"],
        "--env is for applications in pods",
    );
    check(&["--hosts=all", "a", "b"], "what is \"b\"?");
    check(
        &["--hosts=all", "--name", "A"],
        "cannot be an application's name",
    );
    check(&["--hosts=all", &page], "has no appspec.yml");
    check(
        &["--hosts=all", &page, "--file=/:/srv/x", "--start=nosuch"],
        "nosuch",
    );
    check(
        &["--hosts=all", &page, "--file=/:/srv/x", "--start='start"],
        "a quote is not closed",
    );
    check(&["--hosts=all", "--canary=soon", "--name=x"], "--canary");
    check(&["--blue=a=b", "--name=x"], "--blue goes with --green");
    assert!(!site.data().exists(), "a server was started for nothing");
}

#[test]
fn the_objects_of_an_application_on_hosts_can_be_made_by_hand() {
    let site = Site::new();
    let text = site.ok(&[
        "new-app",
        "--name=shop",
        "--blue=color=blue",
        "--green=color=green",
        "--haproxy=router=lb-1,map=/etc/haproxy/colors.map,key=shop",
        "--min-healthy=50%",
        "--port=9000",
        "-l",
        "team=web",
        "-o",
        "yaml",
    ]);
    let _server = site.serve(&["--no-node"], &[]);
    fs::write(site.path("objects.yaml"), &text).expect("a file can be written");
    let file = site.path("objects.yaml").display().to_string();
    assert_eq!(
        site.ok(&["create", "-f", &file]),
        "application.upshift.dev/shop created\nroute.route.openshift.io/shop created\n"
    );
    let application = &site.objects("applications")[0];
    assert_eq!(
        application["spec"]["hosts"]["blueGreen"]["green"]["color"],
        "green"
    );
    assert_eq!(
        application["spec"]["rollout"]["loadBalancer"]["haproxy"]["key"],
        "shop"
    );
    assert_eq!(application["metadata"]["labels"]["team"], "web");
    assert_eq!(
        site.objects("routes")[0]["spec"]["port"]["targetPort"],
        9000
    );
    // Typed again it is this one; described differently it is another's.
    let again = [
        "new-app",
        "--name=page",
        "--hosts=tier=web",
        "--load-balancer=page",
    ];
    let said = site.ok(&again);
    holds(
        &said,
        &[
            "application.upshift.dev \"page\" created\n",
            "route.route.openshift.io \"page\" created\n",
        ],
    );
    holds(&site.ok(&again), &["created (it was there already)\n"]);
    let (code, _, err) = parts(&site.run(&["new-app", "--name=page", "--hosts=tier=db"]));
    assert_eq!(code, Some(8), "{err}");
    holds(
        &err,
        &[
            "application \"page\" is there already, and is described differently\n",
            "upshift deploy SOURCE --name page",
        ],
    );
    let (code, _, err) = parts(&site.run(&again));
    assert_eq!(code, Some(0));
    holds(&err, &["warning: no node matches tier=web yet"]);
    // The route goes with its application.
    site.ok(&["delete", "app/page"]);
    site.wait("the route to go", || site.objects("routes").len() == 1);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one fleet tells one long story")]
fn an_application_is_made_deployed_looked_at_and_taken_back() {
    let Some(fleet) = Fleet::new(3) else {
        return;
    };
    let site = &fleet.site;
    fleet.bundle("one");
    fleet.hook(
        "ApplicationStart",
        "echo \"up on $UPSHIFT_NODE\"; echo second",
    );
    let source = bundle(&fleet);
    let plan = site.ok(&[
        "new-app",
        &source,
        "--name=shop",
        "--hosts=tier=web",
        "--concurrency=2",
        "--dry-run",
    ]);
    holds(
        &plan,
        &[
            "--> Application \"shop\" on every host with tier=web\n\n    * 3 hosts match now: web-1, web-2, web-3\n",
            "    application.upshift.dev \"shop\" created (dry run)\n--> Success (dry run)\n",
            "as shop-1 on 3 gears in 2 waves (dry run)\n2 at a time\n",
            "2      shop-web-3   web-3           new\n",
        ],
    );
    assert!(site.objects("applications").is_empty());
    let (code, out, err) = parts(&site.run(&[
        "new-app",
        &source,
        "--name=shop",
        "--hosts=tier=web",
        "--concurrency=2",
    ]));
    assert_eq!(code, Some(0), "{err}");
    holds(
        &out,
        &[
            "    application.upshift.dev \"shop\" created\n",
            "rollout.upshift.dev/shop-1 created\n",
        ],
    );
    assert_eq!(fleet.answer("web-2"), Some("one web-2".to_owned()));

    // What every host said, line by line; of one gear; of the last lines.
    let log = site.ok(&["logs", "app/shop"]);
    for host in ["web-1", "web-2", "web-3"] {
        let lines = format!(
            "{host} │ ApplicationStart │ up on {host}\n{host} │ ApplicationStart │ second\n"
        );
        holds(&log.replace(" | ", " │ "), &[&lines]);
    }
    let two = [
        "logs",
        "app/shop",
        "--gear=web-1",
        "--gear=shop-web-3",
        "--tail=1",
    ];
    let two = site.ok(&two);
    assert!(!two.contains("up on") && !two.contains("web-2"), "{two}");
    assert_eq!(two.matches("second").count(), 2, "{two}");
    let one = ["logs", "gear/shop-web-2", "--hook=ApplicationStart"];
    assert_eq!(site.ok(&one), "up on web-2\nsecond\n");

    // A host fails: the rollout stops, and everything tells of it.
    fleet.bundle("two");
    fleet.hook("ValidateService", "[ $UPSHIFT_NODE = web-2 ] && exit 3");
    let failed = fleet.deploy(&["--concurrency=1", "--max-failures=0"]);
    assert_eq!(failed.status.code(), Some(1));
    let status = site.ok(&["status", "--suggest"]);
    holds(
        &status,
        &[
            "\napp/shop #1 on 3 hosts (tier=web): ",
            "  rollout #2 failed ",
            "  * rollout/shop-2 has failed",
            "    try: upshift rollout retry app/shop, or go back with 'upshift rollback app/shop'\n",
        ],
    );
    let header = |table: &str| {
        let words = table.lines().next().unwrap_or_default().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        header(&site.ok(&["get", "rollouts"])),
        "NAME ACTION REVISION PHASE DONE FAILED UNREACHABLE AGE"
    );
    assert_eq!(
        header(&site.ok(&["get", "gears", "-o", "wide"])),
        "NAME NODE COLOR REVISION STATE ROTATION AGE APPLICATION WANTED PREVIOUS ADDRESS OPERATION"
    );
    let (code, _, err) = parts(&site.run(&["promote", "shop"]));
    assert_eq!(code, Some(3), "{err}");
    holds(&err, &["nothing waits for a promotion"]);
    site.ok(&["rollback", "shop", "--progress=quiet"]);
    assert_eq!(fleet.answer("web-1"), Some("one web-1".to_owned()));
    let history = site.ok(&["rollout", "history", "shop"]);
    holds(&history, &["Deploy 2", "Back to 1"]);
    assert!(
        history.lines().all(|line| line.chars().count() <= 80),
        "{history}"
    );
    let skipped: Vec<Value> = site.objects("rollouts");
    assert_eq!(skipped.len(), 3);
}

const HOST: &str = "shop-default.apps.localhost";

#[test]
fn behind_a_load_balancer_there_is_a_url_at_once_and_a_canary_waits_for_its_promotion() {
    let Some(fleet) = Fleet::new(2) else {
        return;
    };
    let site = &fleet.site;
    fleet.bundle("one");
    let source = bundle(&fleet);
    let new = [
        "new-app",
        &source,
        "--name=shop",
        "--hosts=tier=web",
        "--load-balancer=shop",
        "--drain=5s",
    ];
    let (code, out, err) = parts(&site.run(&new));
    assert_eq!(code, Some(0), "{out}{err}{}", site.log());
    let url = format!("http://{HOST}:{}/\n", fleet.router().port());
    assert!(out.ends_with(&url), "{out}");
    let load = fleet.load(fleet.router(), HOST);
    fleet.bundle("two");
    fleet.deploy_ok(&["--canary", "--follow=false"]);
    site.wait("the canary to be up", || {
        site.objects("rollouts")
            .iter()
            .any(|one| one["status"]["phase"] == "Paused")
    });
    let status = site.ok(&["status", "--suggest"]);
    holds(
        &status,
        &[
            "(svc/shop)\n  app/shop #1 on 2 hosts (tier=web): 2 in rotation\n",
            "    rollout #2 waits with its canary - 1/2 gears\n",
            "    try: upshift promote app/shop\n",
        ],
    );
    let (code, _, err) = parts(&site.run(&["rollout", "resume", "shop"]));
    assert_eq!(code, Some(1));
    holds(&err, &["is not paused: its canary waits\n"]);
    holds(
        &site.ok(&["promote", "shop", "--progress=plain"]),
        &["application.upshift.dev/shop promoted rollout #2\n"],
    );
    load.stop().check();
    let gears = site.ok(&["get", "gears"]);
    assert_eq!(gears.matches("shop-2").count(), 2, "{gears}");
    assert_eq!(gears.matches(" In ").count(), 2, "{gears}");
    holds(
        &site.ok(&["describe", "app/shop"]),
        &["svc/shop: 2 of 2 gears in rotation\n"],
    );
    site.ok(&["delete", "app/shop"]);
    site.wait("service and route to go", || {
        let own = |kind: &str| {
            let mut all = site.objects(kind).into_iter();
            all.any(|one| one["metadata"]["name"] == "shop")
        };
        !own("services") && !own("routes")
    });
}

#[test]
fn blue_and_green_take_turns_and_what_serves_is_shown() {
    let color = |number: usize| if number <= 2 { "blue" } else { "green" };
    let fleet = Fleet::with(4, &["--no-node"], |number| {
        vec![("color", color(number).to_owned())]
    });
    let Some(fleet) = fleet else {
        return;
    };
    let site = &fleet.site;
    fleet.bundle("one");
    let source = bundle(&fleet);
    let new = [
        "new-app",
        &source,
        "--name=shop",
        "--blue=color=blue",
        "--green=color=green",
        "--concurrency=100%",
        "--drain=5s",
    ];
    let (code, out, err) = parts(&site.run(&new));
    assert_eq!(code, Some(0), "{out}{err}{}", site.log());
    let (code, _, err) = parts(&site.run(&["rollback", "shop"]));
    assert_eq!(code, Some(3), "{err}");
    let load = fleet.load(fleet.router(), HOST);
    fleet.bundle("two");
    fleet.deploy_ok(&[]);
    let status = site.ok(&["status"]);
    holds(
        &status,
        &["app/shop #2 on 4 hosts: green serves #2 (2 hosts), blue holds #1 (2 hosts)\n"],
    );
    let plan = site.ok(&["rollback", "shop", "--dry-run"]);
    holds(
        &plan,
        &[
            "would roll back to shop-1 on 0 gears",
            "requests of svc/shop go from green to blue",
            "\n1      SwitchTraffic ",
        ],
    );
    assert_eq!(plan.matches("each gear").count(), 0, "{plan}");
    site.ok(&["rollback", "shop", "--progress=quiet"]);
    holds(
        &site.ok(&["status"]),
        &["blue serves #1 (2 hosts), green holds #2 (2 hosts)\n"],
    );
    load.stop().check();
    let (code, _, err) = parts(&site.run(&["rollback", "shop", "--to-revision=1"]));
    assert_eq!(code, Some(3), "{err}");
    holds(
        &err,
        &["revision 1 is not on the green hosts, which hold shop-2\n"],
    );
    let wide = site.ok(&["get", "gears", "-o", "wide"]);
    assert_eq!(wide.matches(" green ").count(), 2, "{wide}");
}
