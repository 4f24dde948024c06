//! Services and the routes that lead to them, in words.
//!
//! Mimics `describeServiceInServiceGroup` and `describeRouteInServiceGroup` of oc's projectstatus.go. The URL of a route
//! is the one that works: with the router's port, unless that is the usual one.

use serde_json::Value;

use crate::api::network::Route;
use crate::api::network::RouteIngress;
use crate::api::network::ServicePort;
use crate::api::network::ServiceSpec;
use crate::cli::status::graph::ServiceGroup;
use crate::cli::status::names::Names;

const HTTP: u16 = 80;

/// The first line of a service's block, and one for each further route.
pub fn title(names: Names, group: &ServiceGroup, router_port: u16) -> Vec<String> {
    let service = group.service;
    let name = names.of("svc", &service.metadata);
    let mut routes: Vec<String> = group
        .routes
        .iter()
        .flat_map(|route| exposed(names, route, router_port))
        .collect();
    routes.sort_by_key(|line| (!line.starts_with("https://"), line.clone()));
    if let Some(first) = routes.first_mut() {
        *first = format!("{first} ({name})");
        return routes;
    }
    let spec = &service.spec;
    let ports = ports(spec);
    let line = match spec.cluster_ip.as_str() {
        _ if spec.kind == "ExternalName" => format!("{name} - {}", spec.external_name),
        _ if spec.kind == "NodePort" => format!("{name} (all nodes){ports}"),
        "None" => format!("{name} (headless){ports}"),
        "" => format!("{name} <initializing>{ports}"),
        ip => format!("{name} - {ip}{ports}"),
    };
    vec![line]
}

fn ports(spec: &ServiceSpec) -> String {
    match spec.ports.as_slice() {
        [] => " no ports".to_owned(),
        [port] => {
            let outside = outside(spec, port);
            match target(spec, port) {
                Some(target) if target != outside => format!(":{outside} -> {target}"),
                _ => format!(":{outside}"),
            }
        }
        several => {
            let pairs: Vec<String> = several
                .iter()
                .map(|port| match target(spec, port) {
                    Some(target) if target != port.port.to_string() => {
                        format!("{}->{target}", outside(spec, port))
                    }
                    _ => outside(spec, port),
                })
                .collect();
            format!(" ports {}", pairs.join(", "))
        }
    }
}

fn outside(spec: &ServiceSpec, port: &ServicePort) -> String {
    match (spec.kind.as_str(), port.node_port) {
        ("NodePort", Some(number)) if number > 0 => number.to_string(),
        ("NodePort", _) => "<initializing>".to_owned(),
        _ => port.port.to_string(),
    }
}

fn target(spec: &ServiceSpec, port: &ServicePort) -> Option<String> {
    let target = text(&port.target_port);
    (!target.is_empty() && target != "0" && spec.cluster_ip != "None").then_some(target)
}

/// A port by number or by name.
pub fn text(port: &Value) -> String {
    match port {
        Value::String(name) => name.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A line for each place where a route is served; one that no router serves says so by its mark.
fn exposed(names: Names, route: &Route, router_port: u16) -> Vec<String> {
    if route.spec.host.is_empty() && route.status.ingress.is_empty() {
        return vec![format!(
            "{} has no host set",
            names.of("route", &route.metadata)
        )];
    }
    let ingress = route.status.ingress.iter();
    let lines: Vec<String> = ingress
        .filter_map(|ingress| {
            let admitted = admission(ingress)?;
            Some(line(route, &ingress.host, router_port, admitted))
        })
        .collect();
    if lines.is_empty() {
        return vec![line(route, &route.spec.host, router_port, false)];
    }
    lines
}

/// Whether a router has taken a route; nothing while it has not said.
fn admission(ingress: &RouteIngress) -> Option<bool> {
    let mut conditions = ingress.conditions.iter();
    let admitted = conditions.find(|one| one.kind == "Admitted")?;
    match admitted.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

fn line(route: &Route, host: &str, router_port: u16, is_fine: bool) -> String {
    let url = url(route, host, router_port);
    let port = route.spec.port.as_ref();
    let port = port.map_or_else(String::new, |port| text(&port.target_port));
    let to = match port.as_str() {
        "" => String::new(),
        port => format!(" to pod port {port}"),
    };
    let mark = if is_fine { "" } else { " (!)" };
    format!("{url}{to}{mark}")
}

/// `http://HOST:8880`, or `https://HOST (redirects)`.
pub fn url(route: &Route, host: &str, router_port: u16) -> String {
    let path = route.spec.path.as_str();
    let path = if path == "/" { "" } else { path };
    let Some(tls) = &route.spec.tls else {
        return match router_port {
            0 | HTTP => format!("http://{host}{path}"),
            port => format!("http://{host}:{port}{path}"),
        };
    };
    let of = |field: &str| tls[field].as_str().unwrap_or_default();
    let how = match (of("termination"), of("insecureEdgeTerminationPolicy")) {
        ("passthrough", _) => " (passthrough)",
        ("reencrypt", _) => " (reencrypt)",
        ("edge", "Redirect") => " (redirects)",
        ("edge", "Allow") => " (and http)",
        _ => "",
    };
    format!("https://{host}{path}{how}")
}
