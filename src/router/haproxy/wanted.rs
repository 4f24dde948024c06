//! What slices want of a HAProxy: which servers of which backend get requests, and which colour a map names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::api::network::EndpointSlice;
use crate::api::network::LABEL_SERVICE;
use crate::api::upshift::ANNOTATION_BACKEND;
use crate::api::upshift::ANNOTATION_DRAIN;
use crate::api::upshift::ANNOTATION_KEY;
use crate::api::upshift::ANNOTATION_MAP;
use crate::api::upshift::LABEL_COLOR;

/// The drain time of slices that do not say one.
const DRAIN: Duration = Duration::from_secs(30);

/// Everything that is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) groups: Vec<Group>,
    /// What cannot be wanted, in words.
    pub(super) problems: Vec<String>,
}

/// One backend and who gets its requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    /// `NAMESPACE/NAME` of the Service.
    pub(super) service: String,
    pub(super) backend: String,
    /// Where each is, by the name of its node.
    pub(super) members: BTreeMap<String, SocketAddr>,
    /// How long a server is only drained, which still lets requests through that cookies or tables tie to it.
    pub(super) drain: Duration,
    pub(super) switch: Option<Switch>,
}

/// Blue/green: the map entry that leads to the backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Switch {
    pub(super) map: String,
    pub(super) key: String,
    /// The backend of the other colour.
    pub(super) other: String,
}

/// Reads the slices that name the router.
pub(super) fn wanted<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>) -> Wanted {
    let mut services = BTreeMap::<String, Vec<&EndpointSlice>>::new();
    for slice in slices {
        let about = &slice.metadata;
        if let Some(service) = about.labels.get(LABEL_SERVICE) {
            let key = format!("{}/{service}", about.namespace);
            services.entry(key).or_default().push(slice);
        }
    }
    let mut wanted = Wanted::default();
    let mut owners = BTreeMap::<String, String>::new();
    for (service, slices) in services {
        let group = match group(&service, &slices) {
            Ok(Some(group)) => group,
            Ok(None) => continue,
            Err(problem) => {
                wanted.problems.push(problem);
                continue;
            }
        };
        if let Some(owner) = owners.get(&group.backend) {
            wanted.problems.push(format!(
                "service {service} names backend {}, which is service {owner}'s",
                group.backend
            ));
            continue;
        }
        owners.insert(group.backend.clone(), service);
        wanted.groups.push(group);
    }
    wanted
}

fn group(service: &str, slices: &[&EndpointSlice]) -> Result<Option<Group>, String> {
    // During a switch of more gears than a slice holds there are slices of both colours: the newest decides.
    let newest = slices.iter().max_by_key(|slice| slice.metadata.revision());
    let Some(newest) = newest else {
        return Ok(None);
    };
    let note = |name: &str| {
        newest
            .metadata
            .annotations
            .get(name)
            .map_or("", String::as_str)
    };
    let name = service.rsplit('/').next().unwrap_or_default();
    let mut backend = match note(ANNOTATION_BACKEND) {
        "" => name.to_owned(),
        backend => backend.to_owned(),
    };
    let color = newest.metadata.labels.get(LABEL_COLOR);
    let mut switch = None;
    let map = note(ANNOTATION_MAP);
    if !map.is_empty() {
        let Some(color) = color.filter(|color| !color.is_empty()) else {
            // Before the first switch nothing is wanted.
            return Ok(None);
        };
        let other = if color == "blue" { "green" } else { "blue" };
        let key = note(ANNOTATION_KEY);
        switch = Some(Switch {
            map: map.to_owned(),
            key: if key.is_empty() { name } else { key }.to_owned(),
            other: format!("{backend}-{other}"),
        });
        backend = format!("{backend}-{color}");
    }
    let mut members = BTreeMap::new();
    for slice in slices {
        if slice.metadata.labels.get(LABEL_COLOR) != color {
            continue;
        }
        let Some(port) = slice.ports.first().map(|port| port.port) else {
            continue;
        };
        for endpoint in slice.endpoints.iter().filter(|one| one.conditions.ready) {
            let ip = endpoint.addresses.first().and_then(|ip| ip.parse().ok());
            let Some(ip) = ip else { continue };
            members.insert(endpoint.node_name.clone(), SocketAddr::new(ip, port));
        }
    }
    let drain = note(ANNOTATION_DRAIN).parse().map(Duration::from_secs);
    let group = Group {
        service: service.to_owned(),
        backend,
        members,
        drain: drain.unwrap_or(DRAIN),
        switch,
    };
    // Each becomes a word of a command.
    let switch = group
        .switch
        .iter()
        .flat_map(|switch| [&switch.map, &switch.key, &switch.other]);
    let words = std::iter::once(&group.backend)
        .chain(switch)
        .chain(group.members.keys());
    for word in words {
        if !is_word(word) {
            return Err(format!(
                "service {service} names {word:?}, which is no name for HAProxy"
            ));
        }
    }
    Ok(Some(group))
}

/// Whether a text stays one word in the runtime API's language.
fn is_word(text: &str) -> bool {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_.:/@+=~%,".contains(one);
    !text.is_empty() && text.len() < 1024 && text.chars().all(plain)
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    fn slice(
        service: &str,
        labels: Value,
        notes: Value,
        version: u64,
        nodes: &[&str],
    ) -> EndpointSlice {
        let endpoints = nodes.iter().enumerate().map(|(number, node)| {
            json!({"addresses": [format!("10.0.0.{}", number + 1)], "nodeName": node})
        });
        let mut object = json!({
            "metadata": {"name": "s", "namespace": "demo", "resourceVersion": version.to_string(),
                "labels": labels, "annotations": notes},
            "endpoints": endpoints.collect::<Vec<_>>(),
            "ports": [{"port": 8080}],
        });
        object["metadata"]["labels"][LABEL_SERVICE] = service.into();
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_backend_is_named_or_has_the_service_s_name() {
        let plain = slice("shop", json!({}), json!({}), 1, &["a", "b"]);
        let more = slice("shop", json!({}), json!({}), 2, &["c"]);
        let named = slice(
            "other",
            json!({}),
            json!({ANNOTATION_BACKEND: "bk", ANNOTATION_DRAIN: "90"}),
            3,
            &[],
        );
        let found = wanted([&plain, &more, &named]);
        assert_eq!(found.problems, [] as [String; 0]);
        let backends = found
            .groups
            .iter()
            .map(|group| (&*group.backend, group.members.len(), group.drain.as_secs()));
        assert_eq!(
            backends.collect::<Vec<_>>(),
            [("bk", 0, 90), ("shop", 3, 30)]
        );
    }

    #[test]
    fn a_color_chooses_the_backend_and_wants_a_map_entry() {
        let notes = json!({ANNOTATION_MAP: "/etc/h.map"});
        let before = slice("shop", json!({}), notes.clone(), 1, &[]);
        assert_eq!(wanted([&before]).groups, []);
        let blue = slice(
            "shop",
            json!({LABEL_COLOR: "blue"}),
            notes.clone(),
            2,
            &["a"],
        );
        let green = slice("shop", json!({LABEL_COLOR: "green"}), notes, 3, &["b"]);
        let found = wanted([&blue, &green]);
        assert_eq!(found.groups.len(), 1);
        assert_eq!(found.groups[0].backend, "shop-green");
        assert_eq!(found.groups[0].members.keys().collect::<Vec<_>>(), ["b"]);
        let switch = Switch {
            map: "/etc/h.map".to_owned(),
            key: "shop".to_owned(),
            other: "shop-blue".to_owned(),
        };
        assert_eq!(found.groups[0].switch, Some(switch));
    }

    #[test]
    fn two_services_do_not_share_a_backend_and_no_name_is_two_commands() {
        let one = slice("a", json!({}), json!({ANNOTATION_BACKEND: "bk"}), 1, &["a"]);
        let two = slice("b", json!({}), json!({ANNOTATION_BACKEND: "bk"}), 2, &["a"]);
        let evil = json!({ANNOTATION_BACKEND: "bk;shutdown sessions server x/y"});
        let evil = slice("c", json!({}), evil, 3, &[]);
        let found = wanted([&one, &two, &evil]);
        assert_eq!(found.groups.len(), 1);
        assert_eq!(
            found.problems,
            [
                "service demo/b names backend bk, which is service demo/a's",
                "service demo/c names \"bk;shutdown sessions server x/y\", which is no name for HAProxy",
            ]
        );
    }
}
