//! The six workflows of seed 001: what is printed beforehand and what is really done equal its lists, step by step.

use serde_json::Value;
use serde_json::json;

use crate::fleet::NINE_HOOKS;
use crate::fleet::names;
use crate::seed::SEVEN;
use crate::seed::SIX;
use crate::seed::SWITCH;
use crate::seed::THIRTEEN;
use crate::seed::TWELVE;
use crate::stand::By;
use crate::stand::COLORS;
use crate::stand::PLAIN;
use crate::stand::ROLLING;
use crate::stand::Stand;

/// Names of steps in JSON.
fn listed(steps: &Value) -> Vec<&str> {
    let steps = steps.as_array().into_iter().flatten();
    steps.filter_map(|step| step["name"].as_str()).collect()
}

/// The rows of a dry run's table of steps: number and name.
fn rows(table: &str) -> Vec<(usize, &str)> {
    let below = table
        .lines()
        .skip_while(|line| !line.starts_with("STEP "))
        .skip(1);
    below
        .map_while(|line| {
            let mut words = line.split_whitespace();
            let number = words.next()?.parse().ok()?;
            Some((number, words.next()?))
        })
        .collect()
}

/// A dry run prints this; each gear's part and what happens once.
fn check_printed(stand: &Stand, command: &[&str], gears: usize, each: &[&str], once: &[&str]) {
    let site = &stand.fleet.site;
    let dry = [command, &["--dry-run"]].concat();
    let table = site.ok(&dry);
    let whole = [each, once].concat();
    let numbered: Vec<(usize, &str)> = (1..).zip(whole).collect();
    assert_eq!(rows(&table), numbered, "{command:?}: {table}");
    let plan = site.ok(&[&dry[..], &["-o", "json"]].concat());
    let plan: Value = serde_json::from_str(&plan).expect("a plan is JSON");
    assert_eq!(listed(&plan["once"]), once, "{command:?}");
    let all = plan["gears"].as_array().cloned().unwrap_or_default();
    assert_eq!(all.len(), gears, "{command:?}: {plan}");
    for gear in &all {
        assert_eq!(listed(&gear["steps"]), each, "{command:?}: {gear}");
    }
}

/// A rollout did this on these hosts and on no other.
fn check_done(stand: &Stand, rollout: &str, hosts: &[String], each: &[&str], once: &[&str]) {
    let fleet = &stand.fleet;
    let steps = fleet.steps(rollout);
    let at: Vec<&String> = steps.keys().collect();
    let mut expected: Vec<&String> = hosts.iter().collect();
    expected.sort();
    assert_eq!(at, expected, "{rollout}");
    for (host, steps) in &steps {
        assert_eq!(names(steps), each, "{rollout} on {host}");
        let done = steps.iter().all(|(_, phase)| phase == "Done");
        assert!(done, "{rollout} on {host}: {steps:?}");
    }
    let hooks: Vec<&str> = each
        .iter()
        .copied()
        .filter(|step| NINE_HOOKS.contains(step))
        .collect();
    for host in &fleet.hosts {
        let none = Vec::<&str>::new();
        let ran = if hosts.contains(&host.name) {
            &hooks
        } else {
            &none
        };
        assert_eq!(
            &fleet.hooks(&host.name, rollout),
            ran,
            "{rollout} on {}",
            host.name
        );
    }
    let object = stand.object("rollouts", rollout);
    assert_eq!(object["status"]["phase"], "Succeeded", "{object}");
    assert_eq!(listed(&object["status"]["steps"]), once, "{object}");
    for step in object["status"]["steps"].as_array().into_iter().flatten() {
        assert_eq!(step["phase"], "Done", "{object}");
    }
}

/// One of the three: two deployments, and a rollback.
fn play(stand: &Stand, which: (&str, u16, &str), deploy: (&[&str], &[&str]), back: &[&str]) {
    let name = which.0;
    stand.publish(
        which,
        &json!({"concurrency": "50%", "minHealthy": 0, "maxFailures": 0}),
    );
    // Both colours have something to stop before the lists are whole.
    let (before, color): (&[&str], _) = if which == COLORS {
        (&["zero", "one"], "blue")
    } else {
        (&["one"], "")
    };
    for version in before {
        stand.fleet.bundle(version);
        stand.expect(&stand.deploy(which, &[]), 0);
    }
    let hosts = stand.hosts(color);
    let numbered = |number: usize| format!("{name}-{}", before.len() + number);
    stand.fleet.bundle("two");
    let command = stand.deployment(which);
    let command: Vec<&str> = command[..4].iter().map(String::as_str).collect();
    check_printed(stand, &command, hosts.len(), deploy.0, deploy.1);
    stand.expect(&stand.deploy(which, &[]), 0);
    check_done(stand, &numbered(1), &hosts, deploy.0, deploy.1);
    let back_on = if which == COLORS { &[][..] } else { &hosts[..] };
    check_printed(stand, &["rollback", name], back_on.len(), back, deploy.1);
    let site = &stand.fleet.site;
    let output = site.run(&["rollback", name, "--progress=plain"]);
    stand.expect(&output, 0);
    check_done(stand, &numbered(2), back_on, back, deploy.1);
    let serves = if which == COLORS { "green" } else { "" };
    assert_eq!(stand.versions(which, serves), ["one"]);
}

/// All six, on that many hosts.
fn six(by: By, count: usize) {
    let Some(stand) = Stand::new(by, count) else {
        return;
    };
    if by == By::BuiltIn {
        play(&stand, PLAIN, (&SEVEN, &[]), &SIX);
    }
    play(&stand, ROLLING, (&THIRTEEN, &[]), &TWELVE);
    play(&stand, COLORS, (&SEVEN, &SWITCH), &[]);
}

#[test]
fn the_six_workflows_are_the_seed_s_behind_the_router() {
    six(By::BuiltIn, 4);
}

#[test]
fn the_workflows_are_the_seed_s_behind_haproxy() {
    six(By::HaProxy, 4);
}

#[test]
#[ignore = "twenty agents: half a minute on a quiet machine"]
fn the_six_workflows_are_the_seed_s_on_twenty_hosts_behind_the_router() {
    six(By::BuiltIn, 20);
}

#[test]
#[ignore = "twenty agents: half a minute on a quiet machine"]
fn the_workflows_are_the_seed_s_on_twenty_hosts_behind_haproxy() {
    six(By::HaProxy, 20);
}
