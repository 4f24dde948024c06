//! How requests find their way: services, endpoints, routes, and the accounts of pods.
//!
//! Services and endpoints in kubectl's rows, routes in oc's.

use serde_json::Value;

use crate::api::network::Endpoints;
use crate::api::network::Route;
use crate::api::network::RouteIngress;
use crate::api::network::RouteTarget;
use crate::api::network::Service;
use crate::api::pod::ServiceAccount;
use crate::base::clock::Timestamp;
use crate::cli::describe::Related;
use crate::cli::describe::page::Page;
use crate::cli::describe::page::ago;
use crate::cli::describe::page::joined;
use crate::cli::status::services;

/// How many addresses are named.
const MOST: usize = 3;

/// Writes a service; `object` is the whole of it, for what the view leaves out.
pub fn service(one: &Service, object: &Value, related: &Related, page: &mut Page) {
    let spec = &one.spec;
    let text = |field: &str| object["spec"][field].as_str().unwrap_or_default();
    page.name(&one.metadata);
    page.map("Labels", &one.metadata.labels);
    page.annotations(&one.metadata);
    page.field("Selector", joined(&spec.selector));
    let kind = match spec.kind.as_str() {
        "" => "ClusterIP",
        kind => kind,
    };
    page.field("Type", kind);
    page.field_if("IP Family Policy", text("ipFamilyPolicy"));
    let families = object["spec"]["ipFamilies"]
        .as_array()
        .into_iter()
        .flatten();
    let families: Vec<&str> = families.filter_map(Value::as_str).collect();
    page.field_if("IP Families", families.join(","));
    page.field("IP", &spec.cluster_ip);
    page.field("IPs", &spec.cluster_ip);
    page.field_if("External Name", &spec.external_name);
    for port in &spec.ports {
        let name = match port.name.as_str() {
            "" => "<unset>",
            name => name,
        };
        let protocol = match port.protocol.as_str() {
            "" => "TCP",
            protocol => protocol,
        };
        page.line(&format!("Port:\t{name}\t{}/{protocol}", port.port));
        let target = match services::text(&port.target_port) {
            target if target.is_empty() => port.port.to_string(),
            target => target,
        };
        page.field("TargetPort", format!("{target}/{protocol}"));
        if let Some(number) = port.node_port {
            page.line(&format!("NodePort:\t{name}\t{number}/{protocol}"));
        }
        let endpoints = related
            .endpoints
            .iter()
            .find(|found| found.metadata.name == one.metadata.name);
        page.field("Endpoints", addresses(endpoints, &port.name, ","));
    }
    let affinity = match text("sessionAffinity") {
        "" => "None",
        affinity => affinity,
    };
    page.field("Session Affinity", affinity);
    page.field_if("Internal Traffic Policy", text("internalTrafficPolicy"));
}

/// `IP:PORT` of the first few endpoints; `port` "" means every port.
fn addresses(endpoints: Option<&Endpoints>, port: &str, between: &str) -> String {
    let mut all = Vec::new();
    for subset in endpoints.into_iter().flat_map(|found| &found.subsets) {
        for one in subset["ports"].as_array().into_iter().flatten() {
            if !port.is_empty() && one["name"].as_str().unwrap_or_default() != port {
                continue;
            }
            for address in subset["addresses"].as_array().into_iter().flatten() {
                let ip = address["ip"].as_str().unwrap_or_default();
                all.push(format!("{ip}:{}", one["port"]));
            }
        }
    }
    let more = match all.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" + {more} more..."),
    };
    all.truncate(MOST);
    format!("{}{more}", all.join(between))
}

/// Writes endpoints.
pub fn endpoints(one: &Endpoints, page: &mut Page) {
    page.name(&one.metadata);
    page.map("Labels", &one.metadata.labels);
    page.annotations(&one.metadata);
    page.line("Subsets:");
    page.indented(2, |page| {
        for subset in &one.subsets {
            let ips = |field: &str| {
                let all = subset[field].as_array().into_iter().flatten();
                let ips: Vec<&str> = all.filter_map(|one| one["ip"].as_str()).collect();
                ips.join(",")
            };
            page.field("Addresses", ips("addresses"));
            page.field("NotReadyAddresses", ips("notReadyAddresses"));
            let ports = subset["ports"].as_array().into_iter().flatten();
            let rows: Vec<Vec<String>> = ports
                .map(|port| {
                    let text = |field: &str, other: &str| match port[field].as_str() {
                        None | Some("") => other.to_owned(),
                        Some(text) => text.to_owned(),
                    };
                    vec![
                        text("name", "<unset>"),
                        port["port"].to_string(),
                        text("protocol", "TCP"),
                    ]
                })
                .collect();
            if !rows.is_empty() {
                page.section("Ports", |page| {
                    page.table(&["Name", "Port", "Protocol"], rows);
                });
            }
            page.gap();
        }
    });
}

/// Writes a service account; names of secrets only.
pub fn account(one: &ServiceAccount, object: &Value, page: &mut Page) {
    page.name(&one.metadata);
    page.map("Labels", &one.metadata.labels);
    page.annotations(&one.metadata);
    let names = |secrets: &[Value]| {
        let names: Vec<&str> = secrets
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        names.join("\n")
    };
    let pull = object["imagePullSecrets"].as_array();
    page.field("Image pull secrets", names(pull.map_or(&[], Vec::as_slice)));
    page.field("Mountable secrets", names(&one.secrets));
    page.field("Tokens", "");
}

/// Writes a route.
pub fn route(one: &Route, related: &Related, now: Timestamp, page: &mut Page) {
    let spec = &one.spec;
    page.openshift_metadata(&one.metadata, now);
    let host = match spec.host.as_str() {
        "" => "<auto>",
        host => host,
    };
    page.field("Requested Host", host);
    for ingress in one
        .status
        .ingress
        .iter()
        .filter(|ingress| ingress.host == spec.host)
    {
        admission(ingress, now, page);
    }
    for ingress in one
        .status
        .ingress
        .iter()
        .filter(|ingress| ingress.host != spec.host)
    {
        page.field("Exposed Host", &ingress.host);
        admission(ingress, now, page);
    }
    if one.is_admitted() {
        // The address that works, with the router's port: oc has no such row.
        let url = services::url(one, host, related.router_port);
        page.field("URL", url);
    }
    page.field("Path", &spec.path);
    let tls = |field: &str| {
        let tls = spec.tls.as_ref();
        tls.and_then(|tls| tls[field].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    page.field("TLS Termination", tls("termination"));
    page.field("Insecure Policy", tls("insecureEdgeTerminationPolicy"));
    let port = spec
        .port
        .as_ref()
        .map(|port| services::text(&port.target_port));
    page.field(
        "Endpoint Port",
        port.unwrap_or_else(|| "<all endpoint ports>".to_owned()),
    );
    let targets: Vec<&RouteTarget> = std::iter::once(&spec.to)
        .chain(&spec.alternate_backends)
        .collect();
    let weight = |target: &RouteTarget| target.weight.unwrap_or(100);
    let total: u32 = targets.iter().map(|target| weight(target)).sum();
    for target in targets {
        page.gap();
        page.field("Service", &target.name);
        let share = (weight(target) * 100).checked_div(total).unwrap_or(0);
        page.field("Weight", format!("{} ({share}%)", weight(target)));
        let endpoints = related
            .endpoints
            .iter()
            .find(|found| found.metadata.name == target.name);
        page.field("Endpoints", addresses(endpoints, "", ", "));
    }
}

fn admission(ingress: &RouteIngress, now: Timestamp, page: &mut Page) {
    let mut conditions = ingress.conditions.iter();
    let Some(admitted) = conditions.find(|one| one.kind == "Admitted") else {
        return;
    };
    let since = admitted
        .last_transition_time
        .map_or_else(|| "<unknown>".to_owned(), |at| ago(at, now));
    let name = match ingress.router_canonical_hostname.as_str() {
        "" => String::new(),
        name => format!(" (host {name})"),
    };
    let router = &ingress.router_name;
    if admitted.status == "True" {
        page.line(&format!("\t  exposed on router {router}{name} {since}"));
    } else if admitted.status == "False" {
        page.line(&format!(
            "\t  rejected by router {router}: {name}{} ({since})",
            admitted.reason
        ));
        if !admitted.message.is_empty() {
            page.line(&format!("\t    {}", admitted.message));
        }
    }
}
