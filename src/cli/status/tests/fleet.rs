//! The page for applications on hosts.

use std::fmt::Write;

use super::objects;
use super::page;

/// Documents of one project.
#[derive(Default)]
struct Story(String);

impl Story {
    fn add(mut self, text: &str) -> Story {
        let _ = write!(self.0, "---\n{text}\n");
        self
    }

    fn application(self, spec: &str, status: &str) -> Story {
        self.add(&format!(
            "kind: Application\nmetadata: {{name: shop}}\nspec: {spec}\nstatus: {status}"
        ))
    }

    fn service(self) -> Story {
        self.add(
            "kind: Service\nmetadata: {name: shop, labels: {upshift.dev/gears-of: shop}}\n\
             spec: {clusterIP: 172.30.1.2, ports: [{port: 8080, targetPort: 8080}]}",
        )
        .add(
            "kind: Route\nmetadata: {name: shop}\n\
             spec: {host: shop.apps.localhost, to: {kind: Service, name: shop}, port: {targetPort: 8080}}\n\
             status: {ingress: [{host: shop.apps.localhost, routerName: default, conditions: [{type: Admitted, status: 'True'}]}]}",
        )
    }

    fn gear(self, node: &str, spec: &str, status: &str) -> Story {
        self.add(&format!(
            "kind: Gear\nmetadata: {{name: shop-{node}}}\nspec: {{application: shop, node: {node}{spec}}}\nstatus: {status}"
        ))
    }

    /// Gears in rotation with that revision.
    fn gears(mut self, numbers: std::ops::RangeInclusive<u32>, revision: &str) -> Story {
        for number in numbers {
            let status = format!("{{state: started, revision: {revision}}}");
            self = self.gear(&format!("web-{number}"), "", &status);
        }
        self
    }

    fn rollout(self, number: u32, spec: &str, status: &str) -> Story {
        self.add(&format!(
            "kind: Rollout\nmetadata: {{name: shop-{number}, creationTimestamp: AGO(900)}}\n\
             spec: {{application: shop, number: {number}, attempt: 1, revision: shop-{number}{spec}}}\nstatus: {status}"
        ))
    }

    fn operation(self, gear: &str, spec: &str, status: &str) -> Story {
        self.add(&format!(
            "kind: Operation\nmetadata: {{name: o-{gear}}}\nspec: {{gear: shop-{gear}, node: {gear}{spec}}}\nstatus: {status}"
        ))
    }

    fn silent(self, node: &str) -> Story {
        self.add(&format!(
            "kind: Node\nmetadata: {{name: {node}}}\nstatus: {{conditions: [{{type: Ready, status: Unknown}}]}}"
        ))
    }

    /// The page without its header.
    fn shown(&self) -> String {
        self.page(false)
    }

    fn page(&self, suggest: bool) -> String {
        let page = page(&objects(self.0.trim_start_matches("---\n")), suggest);
        let (_, body) = page.split_once('\n').unwrap();
        body.to_owned()
    }
}

const BALANCED: &str =
    "{hosts: {selector: {tier: web}}, rollout: {loadBalancer: {drainSeconds: 30}}}";
const FOUR: &str = "{currentRevision: shop-4}";
const GOOD: &str = "{phase: Succeeded, attempt: 1, startedAt: AGO(900), finishedAt: AGO(800), gears: {total: 10, done: 10}}";

#[test]
fn an_application_stands_in_the_block_of_its_service() {
    let story = Story::default()
        .application(BALANCED, FOUR)
        .service()
        .gears(1..=10, "shop-4")
        .rollout(4, "", GOOD);
    insta::assert_snapshot!(story.shown(), @r"
    http://shop.apps.localhost to pod port 8080 (svc/shop)
      app/shop #4 on 10 hosts (tier=web): 10 in rotation
        rollout #4 succeeded 13 minutes ago - 10 gears

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
}

#[test]
fn one_that_is_out_is_named_with_why() {
    let story = Story::default()
        .application(BALANCED, FOUR)
        .service()
        .gears(1..=6, "shop-4")
        .gears(8..=10, "shop-4")
        .gear("web-7", ", rotation: Out, revision: shop-5", "{revision: shop-5, operation: o-web-7}")
        .operation("web-7", "", "{phase: Failed, finishedAt: AGO(180), steps: [{name: Install, phase: Done}, {name: ValidateService, phase: Failed}]}")
        .rollout(4, "", GOOD)
        .rollout(5, "", "{phase: Failed, attempt: 1, reason: HookFailed, message: 'web-7: bin/check ended with exit code 1', \
            finishedAt: AGO(180), gears: {total: 10, done: 0, failed: 1}}");
    insta::assert_snapshot!(story.page(true), @r"
    http://shop.apps.localhost to pod port 8080 (svc/shop)
      app/shop #4 on 10 hosts (tier=web): 9 in rotation, 1 out (web-7: failed in ValidateService 3 minutes ago)
        rollout #5 failed 3 minutes ago: HookFailed - 0/10 gears
        rollout #4 succeeded 13 minutes ago

    Errors:
      * rollout/shop-5 has failed: web-7: bin/check ended with exit code 1.
        try: oc rollout retry app/shop, or go back with 'oc rollback app/shop'

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
}

#[test]
fn several_that_are_out_have_lines_of_their_own() {
    let mut story = Story::default()
        .application(BALANCED, FOUR)
        .gears(1..=3, "shop-4")
        .rollout(4, "", GOOD);
    for number in 4..=11 {
        story = story.gear(
            &format!("web-{number}"),
            ", rotation: Out",
            "{revision: shop-4}",
        );
    }
    let story = story.silent("web-4").silent("web-11");
    insta::assert_snapshot!(story.page(true), @r"
    app/shop #4 on 11 hosts (tier=web) behind svc/shop: 3 in rotation, 8 out
      web-4, web-11: its host is silent
      web-5, web-6, web-7, web-8, web-9 and 1 more: out of rotation
      rollout #4 succeeded 13 minutes ago - 10 gears

    Warnings:
      * 2 hosts of app/shop are silent and will catch up when they return: web-4, web-11.
        try: oc describe node web-4
      * 6 gears of app/shop are out of rotation: web-5, web-6, web-7, web-8, web-9 and 1 more.
        try: oc describe gear shop-web-5

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
}

#[test]
fn blue_green_says_which_colour_serves() {
    let spec = "{hosts: {blueGreen: {blue: {c: b}, green: {c: g}}}, rollout: {loadBalancer: {service: shop}}}";
    let gear = |story: Story, node: &str, color: &str, revision: &str| {
        story.gear(
            node,
            &format!(", color: {color}"),
            &format!("{{revision: {revision}}}"),
        )
    };
    let mut story = Story::default()
        .application(spec, "{currentRevision: shop-4, activeColor: green}")
        .service();
    for (node, color, revision) in [
        ("a", "blue", "shop-3"),
        ("b", "blue", "''"),
        ("c", "green", "shop-4"),
        ("d", "green", "shop-4"),
    ] {
        story = gear(story, node, color, revision);
    }
    let story = story.rollout(
        4,
        "",
        "{phase: Succeeded, attempt: 1, finishedAt: AGO(60), gears: {total: 2, done: 2}}",
    );
    insta::assert_snapshot!(story.shown(), @r"
    http://shop.apps.localhost to pod port 8080 (svc/shop)
      app/shop #4 on 4 hosts: green serves #4 (2 hosts), blue holds nothing (1 host) and #3 (1 host)
        rollout #4 succeeded about a minute ago - 2 gears

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
    let fresh = Story::default().application(spec, "{}");
    let fresh = gear(fresh, "a", "blue", "''");
    insta::assert_snapshot!(fresh.shown(), @r"
    app/shop on 1 host behind svc/shop: no colour serves yet, blue holds nothing (1 host), green holds no host yet
      not deployed yet

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
}

#[test]
fn a_canary_that_waits_is_a_warning_with_what_to_type() {
    let story = Story::default()
        .application(BALANCED, FOUR)
        .service()
        .gears(1..=2, "shop-4")
        .rollout(
            5,
            ", settings: {canary: {}}",
            "{phase: Paused, attempt: 1, gears: {total: 2, done: 1}, \
            message: \"canary shop-web-1 is up: waits for 'upshift promote shop'\"}",
        );
    insta::assert_snapshot!(story.page(true), @r"
    http://shop.apps.localhost to pod port 8080 (svc/shop)
      app/shop #4 on 2 hosts (tier=web): 2 in rotation
        rollout #5 waits with its canary - 1/2 gears

    Warnings:
      * rollout/shop-5: canary shop-web-1 is up: waits for 'upshift promote shop'.
        try: oc promote app/shop

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
}

#[test]
fn what_is_under_way_is_told_with_what_it_waits_for() {
    let story = Story::default()
        .application(BALANCED, FOUR)
        .service()
        .gears(1..=2, "shop-4")
        .gear("web-3", ", rotation: Out", "{revision: shop-4}")
        .operation("web-3", ", control: {BlockTraffic: {phase: Running, message: router default has 3 requests in flight}}",
            "{phase: Running, steps: [{name: BlockTraffic, phase: Running}]}")
        .rollout(5, "", "{phase: Running, attempt: 1, startedAt: AGO(30), gears: {total: 3, done: 2, unreachable: 1}}");
    insta::assert_snapshot!(story.shown(), @r"
    http://shop.apps.localhost to pod port 8080 (svc/shop)
      app/shop #4 on 3 hosts (tier=web): 2 in rotation, 1 out (web-3)
        now web-3 in BlockTraffic (router default has 3 requests in flight)
        rollout #5 running for 30 seconds - 2/3 gears, 1 unreachable

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
}

#[test]
fn a_router_that_is_missing_silent_or_stuck_is_told() {
    let spec =
        "{hosts: {selector: {}}, rollout: {loadBalancer: {haproxy: {router: lb-1, backend: web}}}}";
    let of = |router: Story| {
        let story = router
            .application(spec, FOUR)
            .gears(1..=2, "shop-4")
            .rollout(4, "", GOOD);
        let page = story.page(true);
        let from = page.find("  * ").unwrap_or(page.len());
        page[from..].lines().take(2).collect::<Vec<_>>().join("\n")
    };
    let other = "kind: Router\nmetadata: {name: default}";
    insta::assert_snapshot!(of(Story::default().add(other)), @r"
    * app/shop names the router lb-1, and there is none: its hosts neither leave nor enter rotation.
      try: oc node --haproxy lb-1=SOCKET
    ");
    let lb = "kind: Router\nmetadata: {name: lb-1, labels: {upshift.dev/node: lb-1}}\nspec: {type: HAProxy}";
    insta::assert_snapshot!(of(Story::default().add(lb).silent("lb-1")), @r"
    * router/lb-1 of app/shop is silent: nothing is heard of its node lb-1.
      try: oc describe node lb-1
    ");
    let stuck = format!("{lb}\nstatus: {{message: 'no answer from /run/haproxy.sock'}}");
    insta::assert_snapshot!(of(Story::default().add(&stuck)), @r"
    * router/lb-1 of app/shop does not get on: no answer from /run/haproxy.sock.
      try: oc describe router lb-1
    ");
    assert_eq!(of(Story::default().add(lb)), "");
    // A caller who may not see Routers is told nothing of them.
    assert_eq!(of(Story::default()), "");
}

#[test]
fn without_a_load_balancer_only_what_differs_is_told() {
    let spec = "{hosts: {selector: {}}}";
    let same = Story::default()
        .application(spec, "{currentRevision: shop-2}")
        .gears(1..=2, "shop-2")
        .rollout(1, "", "{phase: Succeeded, attempt: 1, startedAt: AGO(7300), finishedAt: AGO(7200), gears: {total: 2, done: 2}}")
        .rollout(2, "", "{phase: Succeeded, attempt: 1, startedAt: AGO(310), finishedAt: AGO(300), gears: {total: 2, done: 2}}");
    insta::assert_snapshot!(same.shown(), @r"
    app/shop #2 on 2 hosts
      rollout #2 succeeded 5 minutes ago - 2 gears
      rollout #1 succeeded 2 hours ago

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
    let differs = Story::default()
        .application(spec, "{currentRevision: shop-2}")
        .gears(1..=2, "shop-2")
        .gear("web-3", ", revision: shop-2", "{revision: shop-1}")
        .rollout(
            2,
            "",
            "{phase: Succeeded, attempt: 1, finishedAt: AGO(300), gears: {total: 3, done: 3}}",
        );
    insta::assert_snapshot!(differs.page(true), @r"
    app/shop #2 on 3 hosts: 2 with #2, 1 with #1
      rollout #2 succeeded 5 minutes ago - 3 gears

    Warnings:
      * 1 gear of app/shop is behind: web-3 has #1 instead of #2.
        try: oc describe gear shop-web-3

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
    let failing = Story::default()
        .application(spec, "{currentRevision: shop-2}")
        .gears(1..=2, "shop-2")
        .gear(
            "web-3",
            ", revision: shop-2, catchUp: {operation: o, failures: 3, message: gear shop-web-3 failed in BeforeInstall}",
            "{revision: shop-1}",
        );
    let told = "1 gear of app/shop is behind: web-3 has #1 instead of #2; gear shop-web-3 failed in BeforeInstall (3 failures).";
    let page = failing.page(true);
    assert!(page.contains(told), "{page}");
    let fresh = Story::default().application(spec, "{}");
    insta::assert_snapshot!(fresh.shown(), @r"
    app/shop
      not deployed yet

    View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
    ");
}
