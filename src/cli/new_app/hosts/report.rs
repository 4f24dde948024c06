//! What `new-app` onto hosts says: where the application will run, what leads to it, and what comes next. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::api::upshift::Application;
use crate::base::text;

/// How many nodes are named.
const NAMED: usize = 6;

/// Everything before the objects are made.
pub(super) fn beginning(application: &Application, nodes: &[String]) -> String {
    let mut page = String::new();
    let name = &application.metadata.name;
    let hosts = application.spec.hosts.clone().unwrap_or_default();
    let place = match (&hosts.blue_green, &hosts.selector) {
        (Some(colors), _) => format!(
            "on the blue hosts ({}) and the green hosts ({}) in turn",
            words(&colors.blue),
            words(&colors.green)
        ),
        (None, Some(selector)) if !selector.is_empty() => {
            format!("on every host with {}", words(selector))
        }
        _ => "on every host".to_owned(),
    };
    let _ = writeln!(page, "--> Application {name:?} {place}\n");
    if !nodes.is_empty() {
        let shown = nodes.iter().take(NAMED).map(String::as_str);
        let mut shown: Vec<&str> = shown.collect();
        if nodes.len() > NAMED {
            shown.push("…");
        }
        let count = text::count(nodes.len(), "host");
        let verb = if nodes.len() == 1 { "matches" } else { "match" };
        let _ = writeln!(page, "    * {count} {verb} now: {}", shown.join(", "));
    }
    if let Some(balancer) = &application.spec.rollout.load_balancer {
        let service = balancer.service_of(name);
        let turn = match &hosts.blue_green {
            Some(_) => "it leads to one colour, and to the other at once when a deployment is good",
            None => "each host leaves it for its turn",
        };
        let _ = writeln!(
            page,
            "    * Requests come through service {service:?}: {turn}"
        );
        if let Some(haproxy) = &balancer.haproxy {
            let backend = match haproxy.backend.as_str() {
                "" => service,
                backend => backend,
            };
            let how = if hosts.blue_green.is_some() {
                format!(
                    "sends {:?} of {} to backend {backend}-blue or {backend}-green",
                    haproxy.key, haproxy.map
                )
            } else {
                format!("has the hosts as servers of backend {backend:?}")
            };
            let _ = writeln!(page, "    * HAProxy {:?} {how}", haproxy.router);
        }
    }
    page.push_str("\n--> Creating resources ...\n");
    page
}

/// What is said once everything is made, when nothing is deployed yet.
pub(super) fn end(application: &Application, url: Option<&str>, program: &str) -> String {
    let mut page = "--> Success\n".to_owned();
    if let Some(url) = url {
        let _ = writeln!(page, "    Access your application via route '{url}' ");
    }
    let name = &application.metadata.name;
    let _ = writeln!(
        page,
        "    Run '{program} deploy SOURCE --name {name}' to deploy it."
    );
    let _ = writeln!(page, "    Run '{program} status' to view your app.");
    page
}

fn words(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn application(spec: &serde_json::Value) -> Application {
        serde_json::from_value(json!({"metadata": {"name": "shop"}, "spec": spec})).unwrap()
    }

    #[test]
    fn says_where_it_runs_and_what_leads_to_it() {
        let rolling = application(&json!({
            "hosts": {"selector": {"tier": "web"}},
            "rollout": {"loadBalancer": {"haproxy": {"router": "lb-1", "backend": "web"}}},
        }));
        let nodes: Vec<String> = (1..=8).map(|number| format!("web-{number}")).collect();
        insta::assert_snapshot!(beginning(&rolling, &nodes), @r#"
        --> Application "shop" on every host with tier=web

            * 8 hosts match now: web-1, web-2, web-3, web-4, web-5, web-6, …
            * Requests come through service "shop": each host leaves it for its turn
            * HAProxy "lb-1" has the hosts as servers of backend "web"

        --> Creating resources ...
        "#);
        let colors = application(&json!({
            "hosts": {"blueGreen": {"blue": {"c": "b"}, "green": {"c": "g"}}},
            "rollout": {"loadBalancer": {"service": "web", "haproxy": {"router": "lb", "map": "/etc/m", "key": "k"}}},
        }));
        insta::assert_snapshot!(beginning(&colors, &[]), @r#"
        --> Application "shop" on the blue hosts (c=b) and the green hosts (c=g) in turn

            * Requests come through service "web": it leads to one colour, and to the other at once when a deployment is good
            * HAProxy "lb" sends "k" of /etc/m to backend web-blue or web-green

        --> Creating resources ...
        "#);
        insta::assert_snapshot!(end(&colors, Some("http://shop.apps.localhost:8880/"), "upshift"), @r"
        --> Success
            Access your application via route 'http://shop.apps.localhost:8880/' 
            Run 'upshift deploy SOURCE --name shop' to deploy it.
            Run 'upshift status' to view your app.
        ");
    }
}
