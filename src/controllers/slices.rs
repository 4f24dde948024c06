//! How the endpoints of a Service are written down: its `EndpointSlices`, and the Endpoints object for old readers.
//!
//! Who is in rotation is decided by those who call this (`endpoints.rs` for pods, `gear_endpoints.rs` for gears). Here
//! endpoints are dealt out to slices: one that stays keeps its slice, what comes in is written before what goes out, and
//! what changes in one slice is one write.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::network::Endpoint;
use crate::api::network::EndpointPort;
use crate::api::network::EndpointSlice;
use crate::api::network::LABEL_SERVICE;
use crate::api::network::Service;
use crate::api::pod::controller;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Pace;
use crate::controllers::change::Part;
use crate::controllers::change::Target;
use crate::controllers::replicas::letters;
use crate::controllers::world::World;

/// Label of a slice: who writes it.
const LABEL_MANAGER: &str = "endpointslice.kubernetes.io/managed-by";
/// The most addresses in an Endpoints object, as in Kubernetes.
const MOST_ADDRESSES: usize = 1000;

/// The endpoints in rotation by their ports, each by the uid of what stands behind it.
pub(crate) type InRotation = BTreeMap<Vec<EndpointPort>, BTreeMap<String, Endpoint>>;

/// What the slices of a Service look like.
pub(crate) struct Form<'a> {
    /// Endpoints in one slice.
    pub(crate) largest: usize,
    /// The ports of the empty slice that is made when there is none at all.
    pub(crate) placeholder: Box<dyn Fn() -> Option<Vec<EndpointPort>> + 'a>,
    /// Whether an empty slice stays though there are others.
    pub(crate) keeps_empty: Box<dyn Fn(&EndpointSlice) -> bool + 'a>,
    /// What a Service of the same name left that is gone. It is taken over: beside it new slices would lead to both.
    pub(crate) inherited: Vec<&'a Arc<EndpointSlice>>,
    pub(crate) marks: Marks,
}

/// Labels and annotations that are kept as they are here; none: not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) labels: BTreeMap<&'static str, Option<String>>,
    pub(crate) annotations: BTreeMap<&'static str, Option<String>>,
}

type Texts = BTreeMap<String, String>;

impl Marks {
    fn put_on(&self, metadata: &mut Metadata) {
        let put = |marks: &BTreeMap<&'static str, Option<String>>, texts: &mut Texts| {
            for (name, value) in marks {
                match value {
                    Some(value) => texts.insert((*name).to_owned(), value.clone()),
                    None => texts.remove(*name),
                };
            }
        };
        put(&self.labels, &mut metadata.labels);
        put(&self.annotations, &mut metadata.annotations);
    }

    /// What has to be patched for them.
    fn missing(&self, metadata: &Metadata) -> Option<Value> {
        let missing = |marks: &BTreeMap<&'static str, Option<String>>, texts: &Texts| {
            let other = marks
                .iter()
                .filter(|(name, value)| texts.get(**name) != value.as_ref());
            let other: serde_json::Map<String, Value> = other
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            (!other.is_empty()).then_some(Value::Object(other))
        };
        let labels = missing(&self.labels, &metadata.labels);
        let annotations = missing(&self.annotations, &metadata.annotations);
        if labels.is_none() && annotations.is_none() {
            return None;
        }
        let mut patch = json!({});
        for (name, part) in [("labels", labels), ("annotations", annotations)] {
            if let Some(part) = part {
                patch[name] = part;
            }
        }
        Some(patch)
    }
}

/// A slice as it is and as it ought to be.
struct Slice<'w> {
    known: &'w Arc<EndpointSlice>,
    wanted: Vec<Endpoint>,
}

/// What has to be written so that a Service leads to the endpoints in rotation.
pub(crate) fn decide(
    service: &Service,
    world: &World,
    rotation: InRotation,
    form: &Form<'_>,
) -> Decision {
    let mut decision = Decision::nothing();
    let repeated = repeat(service, world, &rotation);
    place(service, world, rotation, form, &mut decision);
    decision.changes.extend(repeated);
    decision
}

/// Deals the endpoints out to the slices of a Service.
fn place(
    service: &Service,
    world: &World,
    mut rotation: InRotation,
    form: &Form<'_>,
    decision: &mut Decision,
) {
    let mut slices: Vec<Slice<'_>> = of(service, world)
        .chain(form.inherited.iter().copied())
        .map(|known| Slice {
            known,
            wanted: stay(known, &mut rotation),
        })
        .collect();
    let mut names: BTreeSet<String> = slices
        .iter()
        .map(|one| one.known.metadata.name.clone())
        .collect();
    let mut gains = Vec::new();
    for (ports, endpoints) in rotation {
        let mut endpoints = endpoints.into_values();
        for slice in slices.iter_mut().filter(|one| one.known.ports == ports) {
            let room = form.largest.saturating_sub(slice.wanted.len());
            slice.wanted.extend(endpoints.by_ref().take(room));
        }
        loop {
            let some: Vec<Endpoint> = endpoints.by_ref().take(form.largest).collect();
            if some.is_empty() {
                break;
            }
            gains.push(make(service, &ports, some, form, &mut names));
        }
    }
    let mut losses = Vec::new();
    for slice in &slices {
        let Some(merge) = difference(slice, service, form) else {
            continue;
        };
        let change = Change::patch(&**slice.known, merge);
        if slice.wanted.len() > slice.known.endpoints.len() {
            gains.push(change);
        } else {
            losses.push(change);
        }
    }
    decision.changes.append(&mut gains);
    decision.changes.append(&mut losses);
    if slices.is_empty()
        && decision.changes.is_empty()
        && let Some(ports) = (form.placeholder)()
    {
        let empty = make(service, &ports, Vec::new(), form, &mut names);
        decision.changes.push(empty);
    }
    let used = slices.iter().any(|slice| !slice.wanted.is_empty());
    for slice in slices.iter().filter(|_| used) {
        let is_empty = slice.wanted.is_empty() && slice.known.endpoints.is_empty();
        if is_empty && !(form.keeps_empty)(slice.known) {
            decision.changes.push(Change::delete(&**slice.known));
        }
    }
}

/// Every slice by which routers lead to a Service of that name, whoever wrote it.
pub(crate) fn leading<'w>(
    service: &'w Service,
    world: &'w World,
) -> impl Iterator<Item = &'w Arc<EndpointSlice>> {
    let Metadata {
        namespace, name, ..
    } = &service.metadata;
    let slices = world.endpoint_slices.in_namespace(namespace);
    slices.filter(move |slice| slice.metadata.labels.get(LABEL_SERVICE) == Some(name))
}

/// The slices of a Service that are written here and stay.
pub(crate) fn of<'w>(
    service: &Service,
    world: &'w World,
) -> impl Iterator<Item = &'w Arc<EndpointSlice>> {
    let owned = world.endpoint_slices.controlled_by(&service.metadata.uid);
    let owned: Vec<_> = owned.collect();
    owned
        .into_iter()
        .filter(|slice| !slice.metadata.is_deleting())
}

/// Those endpoints of a slice that stay where they are, as they are now; they are taken out of what is left to place.
fn stay(slice: &EndpointSlice, left: &mut InRotation) -> Vec<Endpoint> {
    let Some(wanted) = left.get_mut(&slice.ports) else {
        return Vec::new();
    };
    let behind = slice
        .endpoints
        .iter()
        .filter_map(|one| one.target_ref.as_ref());
    behind.filter_map(|one| wanted.remove(&one.uid)).collect()
}

fn difference(slice: &Slice<'_>, service: &Service, form: &Form<'_>) -> Option<Value> {
    let marks = form.marks.missing(&slice.known.metadata);
    let is_other = slice.wanted != slice.known.endpoints;
    let is_inherited = controller(&slice.known.metadata) != Some(&service.metadata.uid);
    if marks.is_none() && !is_other && !is_inherited {
        return None;
    }
    let mut merge = json!({});
    if let Some(marks) = marks {
        merge["metadata"] = marks;
    }
    if is_inherited {
        merge["metadata"]["ownerReferences"] = json!([service.as_owner()]);
    }
    if is_other {
        merge["endpoints"] = json!(slice.wanted);
    }
    Some(merge)
}

fn free_name(service: &Service, ports: &[EndpointPort], names: &mut BTreeSet<String>) -> String {
    let mut number = 0;
    loop {
        let seed = format!("{}/{}/{number}", service.metadata.uid, json!(ports));
        let name = format!("{}-{}", service.metadata.name, letters(&seed, 5));
        if names.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

fn make(
    service: &Service,
    ports: &[EndpointPort],
    endpoints: Vec<Endpoint>,
    form: &Form<'_>,
    names: &mut BTreeSet<String>,
) -> Change {
    let mut labels = service.metadata.labels.clone();
    labels.insert(LABEL_SERVICE.to_owned(), service.metadata.name.clone());
    labels.insert(LABEL_MANAGER.to_owned(), "upshift".to_owned());
    let mut metadata = Metadata {
        name: free_name(service, ports, names),
        namespace: service.metadata.namespace.clone(),
        owner_references: vec![service.as_owner()],
        labels,
        ..Metadata::default()
    };
    form.marks.put_on(&mut metadata);
    Change::create(&EndpointSlice {
        metadata,
        address_type: "IPv4".to_owned(),
        endpoints,
        ports: ports.to_vec(),
    })
}

/// The same in the old form, if it is not known so; it only tells people, so it may come late.
fn repeat(service: &Service, world: &World, rotation: &InRotation) -> Option<Change> {
    let mut room = MOST_ADDRESSES;
    let subsets: Vec<Subset<'_>> = rotation
        .iter()
        .map(|(ports, endpoints)| {
            let addresses: Vec<&Endpoint> = endpoints.values().take(room).collect();
            room -= addresses.len();
            Subset { addresses, ports }
        })
        .collect();
    let key = service.metadata.key();
    let written = || -> Vec<Value> { subsets.iter().map(Subset::written).collect() };
    let Some(known) = world.endpoints.find(&key) else {
        let object = json!({
            "apiVersion": kinds::ENDPOINTS.api_version(),
            "kind": kinds::ENDPOINTS.kind,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "labels": service.metadata.labels,
                "ownerReferences": [service.as_owner()],
            },
            "subsets": written(),
        });
        let kind = &kinds::ENDPOINTS;
        return Some(Change::Create { kind, object });
    };
    let mut both = known.subsets.iter().zip(&subsets);
    let is_known =
        known.subsets.len() == subsets.len() && both.all(|(known, subset)| subset.is(known));
    (!is_known).then(|| Change::Patch {
        target: Target::of(&**known),
        part: Part::Main,
        merge: json!({"subsets": written()}),
        pace: Pace::Gentle,
    })
}

/// One of the subsets of an Endpoints object.
struct Subset<'a> {
    addresses: Vec<&'a Endpoint>,
    ports: &'a [EndpointPort],
}

impl Subset<'_> {
    fn written(&self) -> Value {
        let addresses = self.addresses.iter().map(|endpoint| address(endpoint));
        json!({"addresses": addresses.collect::<Vec<_>>(), "ports": self.ports})
    }

    /// Whether it is known like this, told without writing it down: there are many of them, and few decisions change one.
    fn is(&self, known: &Value) -> bool {
        let Some(addresses) = known["addresses"].as_array() else {
            return false;
        };
        let mut both = addresses.iter().zip(&self.addresses);
        has_only(known, 2)
            && known["ports"] == json!(self.ports)
            && addresses.len() == self.addresses.len()
            && both.all(|(known, endpoint)| is_address(known, endpoint))
    }
}

fn address(endpoint: &Endpoint) -> Value {
    json!({
        "ip": endpoint.addresses.first(),
        "nodeName": endpoint.node_name,
        "targetRef": endpoint.target_ref,
    })
}

/// Whether that is what [`address`] makes of an endpoint.
fn is_address(known: &Value, endpoint: &Endpoint) -> bool {
    let target = &known["targetRef"];
    let is_target = match &endpoint.target_ref {
        None => target.is_null(),
        Some(reference) => {
            has_only(target, 5)
                && target["uid"] == reference.uid.as_str()
                && target["name"] == reference.name.as_str()
                && target["namespace"] == reference.namespace.as_str()
                && target["kind"] == reference.kind.as_str()
                && target["apiVersion"] == reference.api_version.as_str()
        }
    };
    is_target
        && has_only(known, 3)
        && known["ip"].as_str() == endpoint.addresses.first().map(String::as_str)
        && known["nodeName"] == endpoint.node_name.as_str()
}

fn has_only(known: &Value, fields: usize) -> bool {
    known.as_object().is_some_and(|known| known.len() == fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::core::ObjectReference;

    #[test]
    fn an_address_is_known_again_as_it_was_written_and_not_otherwise() {
        let endpoint = Endpoint {
            addresses: vec!["10.0.0.1".to_owned()],
            node_name: "one".to_owned(),
            target_ref: Some(ObjectReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: "default".to_owned(),
                name: "web".to_owned(),
                uid: "1".to_owned(),
            }),
            ..Endpoint::default()
        };
        let bare = Endpoint::default();
        for endpoint in [&endpoint, &bare] {
            let written = address(endpoint);
            assert!(is_address(&written, endpoint), "{written}");
            let fields = ["/ip", "/nodeName", "/targetRef", ""];
            let below = ["apiVersion", "kind", "namespace", "name", "uid"];
            let below = below.map(|name| format!("/targetRef/{name}"));
            for place in fields
                .iter()
                .copied()
                .chain(below.iter().map(String::as_str))
            {
                let mut other = written.clone();
                if let Some(value) = other.pointer_mut(place) {
                    *value = "other".into();
                    assert!(!is_address(&other, endpoint), "{other}");
                }
            }
            for place in ["/targetRef", ""] {
                let mut more = written.clone();
                if let Some(Value::Object(fields)) = more.pointer_mut(place) {
                    fields.insert("more".to_owned(), Value::Null);
                    assert!(!is_address(&more, endpoint), "{more}");
                }
            }
        }
        let ports = [EndpointPort::default()];
        let subset = |addresses| Subset {
            addresses,
            ports: &ports,
        };
        let both = subset(vec![&endpoint, &bare]);
        assert!(both.is(&both.written()));
        assert!(!both.is(&subset(vec![&endpoint]).written()));
        assert!(!both.is(&subset(vec![&bare, &endpoint]).written()));
        assert!(!both.is(&Value::Null));
    }
}
