//! What the server decides of a new object before it is stored: a service's address, a namespace's users, the user
//! that a pod runs as, a route's host, an image stream's repository. The choices are pure; the store is only read.
//!
//! # Decided
//!
//! Nothing is kept beside the objects: what is taken is read off them, under a lock that is held until the new object
//! is stored. So an address is free again as soon as its service is gone, and no crash can leak one.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::api::image::REGISTRY;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::network::HOST_GENERATED;
use crate::api::network::ROUTE_SUFFIX;
use crate::api::status::Cause;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::object;
use crate::apiserver::tags;
use crate::store;
use crate::store::Expect;
use crate::store::Place;
use crate::store::Write;

/// On a namespace: the users that its pods run as, `FIRST/COUNT`.
pub const UID_RANGE: &str = "openshift.io/sa.scc.uid-range";
/// How many users a namespace gets, and the first one of all, as in OpenShift.
const RANGE: u32 = 10_000;
const FIRST_USER: u32 = 1_000_000_000;
const RANGES: u32 = 100_000;
/// The service accounts that every namespace gets in time: a pod may name them before they are there.
const STANDARD_ACCOUNTS: [&str; 3] = ["default", "builder", "deployer"];
const FIELD_ADDRESS: &str = "spec.clusterIPs";

/// The addresses that services get: a network of 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceNetwork([u8; 2]);

impl ServiceNetwork {
    /// 172.30.0.0/16 where the server may give this machine addresses, else a part of loopback that needs none given.
    pub fn of(is_root: bool) -> ServiceNetwork {
        ServiceNetwork(if is_root { [172, 30] } else { [127, 30] })
    }

    fn address(self, number: u16) -> Ipv4Addr {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(self.0[0], self.0[1], high, low)
    }

    fn contains(self, address: Ipv4Addr) -> bool {
        address.octets()[..2] == self.0
    }

    /// The first free address from `seed` on; the network's own, the first and the last one are nobody's.
    fn free(self, taken: &HashSet<Ipv4Addr>, seed: u16) -> Option<Ipv4Addr> {
        (0..=u16::MAX)
            .map(|step| seed.wrapping_add(step))
            .filter(|number| ![0, 1, u16::MAX].contains(number))
            .map(|number| self.address(number))
            .find(|address| !taken.contains(address))
    }
}

/// Keeps two objects from getting the same thing.
#[derive(Debug, Default)]
pub(super) struct Gate(Arc<Mutex<()>>);

impl Gate {
    async fn hold(&self) -> Held {
        Some(self.0.clone().lock_owned().await)
    }
}

/// To be kept until the object is stored.
pub(super) type Held = Option<OwnedMutexGuard<()>>;

/// Completes a new object, or refuses it.
pub(super) async fn create(api: &Api, kind: &Kind, object: &mut Value) -> Result<Held, Status> {
    if kind == &kinds::NAMESPACE {
        let held = api.admission().hold().await;
        give_range(api, object)?;
        return Ok(held);
    }
    if kind == &kinds::SERVICE && wants_address(object) {
        let held = api.admission().hold().await;
        give_address(api, object)?;
        return Ok(held);
    }
    if kind == &kinds::POD {
        let range = range_of(api, object);
        fill_pod(object, range);
        check_pod(api, object, range)?;
    } else if kind == &kinds::ROUTE {
        fill_route(object);
    } else if kind == &kinds::IMAGE_STREAM {
        fill_image_stream(object);
        tags::resolve(api, object);
    }
    Ok(None)
}

/// Keeps what was given at creation, or refuses to have it changed.
pub(super) async fn change(
    api: &Api,
    kind: &Kind,
    old: &Value,
    new: &mut Value,
) -> Result<Held, Status> {
    if kind == &kinds::NAMESPACE {
        if let Some(range) = annotation(old, UID_RANGE).map(str::to_owned) {
            annotate(new, UID_RANGE, &range);
        }
    } else if kind == &kinds::POD {
        if old["spec"] != new["spec"] {
            check_pod(api, new, range_of(api, new))?;
        }
    } else if kind == &kinds::IMAGE_STREAM && old["spec"] != new["spec"] {
        tags::resolve(api, new);
    } else if kind == &kinds::SERVICE {
        return change_service(api, old, new).await;
    }
    Ok(None)
}

/// Gives the namespaces of older servers their users.
pub(super) async fn complete_namespaces(api: &Api) -> Result<(), Status> {
    for entry in api.store().list(&kinds::NAMESPACE, "").0 {
        if !texts_after(&entry.json, UID_RANGE).is_empty() {
            continue;
        }
        let _held = api.admission().hold().await;
        let mut object = entry.object();
        give_range(api, &mut object)?;
        let write = Write {
            place: entry.place.clone(),
            expect: Expect::Revision(entry.revision),
            object: Some(object),
        };
        match api.store().write(write).await {
            Ok(_) | Err(store::Error::Stale { .. } | store::Error::Missing) => {}
            Err(error) => return Err(Status::internal(error)),
        }
    }
    Ok(())
}

fn give_range(api: &Api, namespace: &mut Value) -> Result<(), Status> {
    let mut taken = HashSet::new();
    for entry in api.store().list(&kinds::NAMESPACE, "").0 {
        let texts = texts_after(&entry.json, UID_RANGE);
        taken.extend(texts.iter().filter_map(|text| Some(parse_range(text)?.0)));
    }
    let first = free_range(&taken)
        .ok_or_else(|| Status::internal("every range of users belongs to a namespace"))?;
    annotate(namespace, UID_RANGE, &format!("{first}/{RANGE}"));
    Ok(())
}

fn free_range(taken: &HashSet<u32>) -> Option<u32> {
    (0..RANGES)
        .map(|number| FIRST_USER + number * RANGE)
        .find(|first| !taken.contains(first))
}

fn parse_range(text: &str) -> Option<(u32, u32)> {
    let (first, count) = text.split_once('/')?;
    Some((first.parse().ok()?, count.parse().ok()?))
}

/// The first and the last user of the namespace that an object is in.
fn range_of(api: &Api, object: &Value) -> Option<(u32, u32)> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
    let place = Place::new(&kinds::NAMESPACE, "", namespace);
    let namespace = api.store().entry(&place)?.object();
    let (first, count) = parse_range(annotation(&namespace, UID_RANGE)?)?;
    Some((first, first.checked_add(count.checked_sub(1)?)?))
}

fn fill_pod(pod: &mut Value, range: Option<(u32, u32)>) {
    pod["status"] = json!({"phase": "Pending"});
    let Some(spec) = pod.get_mut("spec").filter(|spec| spec.is_object()) else {
        return;
    };
    if spec["serviceAccountName"].as_str().unwrap_or("").is_empty() {
        spec["serviceAccountName"] = STANDARD_ACCOUNTS[0].into();
    }
    let Some((first, _)) = range else { return };
    if spec["securityContext"].is_null() {
        spec["securityContext"] = json!({});
    }
    if spec["securityContext"].is_object() && spec["securityContext"]["runAsUser"].is_null() {
        spec["securityContext"]["runAsUser"] = first.into();
    }
}

fn check_pod(api: &Api, pod: &Value, range: Option<(u32, u32)>) -> Result<(), Status> {
    let refuse = |why: String| Err(Status::forbidden(&kinds::POD, object::name(pod), why));
    let wrong = range.map_or_else(Vec::new, |range| foreign_users(&pod["spec"], range));
    if !wrong.is_empty() {
        return refuse(format!(
            "unable to validate against any security context constraint: [{}]",
            wrong.join(", ")
        ));
    }
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("");
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("");
    let place = Place::new(&kinds::SERVICE_ACCOUNT, namespace, account);
    if account.is_empty()
        || STANDARD_ACCOUNTS.contains(&account)
        || api.store().entry(&place).is_some()
    {
        return Ok(());
    }
    refuse(format!(
        "error looking up service account {namespace}/{account}: serviceaccount {account:?} not found"
    ))
}

/// The users of a pod's spec that are none of the namespace's, in the words of OpenShift.
fn foreign_users(spec: &Value, (first, last): (u32, u32)) -> Vec<String> {
    let mut asked = vec![("spec".to_owned(), &spec["securityContext"]["runAsUser"])];
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (n, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let user = &container["securityContext"]["runAsUser"];
            asked.push((format!("spec.{list}[{n}]"), user));
        }
    }
    asked
        .into_iter()
        .filter(|(_, user)| {
            let inside = |user: u64| u64::from(first) <= user && user <= u64::from(last);
            !user.is_null() && !user.as_u64().is_some_and(inside)
        })
        .map(|(field, user)| {
            format!(
                "{field}.securityContext.runAsUser: Invalid value: {user}: must be in the ranges: [{first}, {last}]"
            )
        })
        .collect()
}

fn wants_address(service: &Value) -> bool {
    service["spec"]["type"] != "ExternalName" && service["spec"]["clusterIP"] != "None"
}

fn address(service: &Value) -> &str {
    service["spec"]["clusterIP"].as_str().unwrap_or("")
}

/// Gives a service the address it asks for, or a free one.
fn give_address(api: &Api, service: &mut Value) -> Result<(), Status> {
    let Some(spec) = service.get("spec").filter(|spec| spec.is_object()) else {
        return Ok(());
    };
    let asked = match (address(service), spec["clusterIPs"][0].as_str()) {
        ("", Some(first)) => first.to_owned(),
        (asked, _) => asked.to_owned(),
    };
    let mut taken = HashSet::new();
    for entry in api.store().list(&kinds::SERVICE, "").0 {
        let texts = texts_after(&entry.json, "clusterIP");
        taken.extend(
            texts
                .iter()
                .filter_map(|text| text.parse::<Ipv4Addr>().ok()),
        );
    }
    let mut seed = [0; 2];
    getrandom::fill(&mut seed).map_err(Status::internal)?;
    let seed = u16::from_ne_bytes(seed);
    let given = choose_address(api.network(), &taken, &asked, seed)
        .map_err(|cause| Status::invalid(&kinds::SERVICE, object::name(service), vec![cause]))?;
    set_address(service, &given.to_string());
    Ok(())
}

fn set_address(service: &mut Value, address: &str) {
    service["spec"]["clusterIP"] = address.into();
    service["spec"]["clusterIPs"] = json!([address]);
}

fn choose_address(
    network: ServiceNetwork,
    taken: &HashSet<Ipv4Addr>,
    asked: &str,
    seed: u16,
) -> Result<Ipv4Addr, Cause> {
    let refuse = |why: String| Cause {
        reason: "FieldValueInvalid".to_owned(),
        message: format!(
            "Invalid value: []string{{{asked:?}}}: failed to allocate IP {asked}: {why}"
        ),
        field: FIELD_ADDRESS.to_owned(),
    };
    if asked.is_empty() {
        return network.free(taken, seed).ok_or_else(|| Cause {
            reason: "InternalError".to_owned(),
            message: "failed to allocate a serviceIP: range is full".to_owned(),
            field: FIELD_ADDRESS.to_owned(),
        });
    }
    let Ok(address) = asked.parse::<Ipv4Addr>() else {
        let why = "must be a valid IP address, (e.g. 10.9.8.7)";
        return Err(Cause::invalid(
            format!("{FIELD_ADDRESS}[0]"),
            &asked.into(),
            why,
        ));
    };
    if !network.contains(address) {
        let range = network.address(0);
        return Err(refuse(format!(
            "the provided IP ({address}) is not in the valid range. The range of valid IPs is {range}/16"
        )));
    }
    if taken.contains(&address) {
        return Err(refuse("provided IP is already allocated".to_owned()));
    }
    Ok(address)
}

/// A service keeps its address for life, unless it comes to stand for a name elsewhere.
async fn change_service(api: &Api, old: &Value, new: &mut Value) -> Result<Held, Status> {
    if !new["spec"].is_object() {
        return Ok(None);
    }
    let had = address(old).to_owned();
    if !wants_address(new) && new["spec"]["type"] == "ExternalName" {
        if address(new) == had
            && let Some(spec) = new["spec"].as_object_mut()
        {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        return Ok(None);
    }
    if had.is_empty() {
        if !wants_address(new) {
            return Ok(None);
        }
        let held = api.admission().hold().await;
        give_address(api, new)?;
        return Ok(held);
    }
    if address(new).is_empty() {
        new["spec"]["clusterIP"] = had.as_str().into();
    }
    if address(new) != had {
        let message = format!(
            "Invalid value: []string{{{:?}}}: may not change once set",
            address(new)
        );
        let cause = Cause {
            reason: "FieldValueInvalid".to_owned(),
            message,
            field: format!("{FIELD_ADDRESS}[0]"),
        };
        return Err(Status::invalid(
            &kinds::SERVICE,
            object::name(new),
            vec![cause],
        ));
    }
    let all = old["spec"]["clusterIPs"].clone();
    if !all.is_null() {
        new["spec"]["clusterIPs"] = all;
    }
    Ok(None)
}

/// A route without a host gets `NAME-NAMESPACE.apps.localhost`.
fn fill_route(route: &mut Value) {
    let Some(spec) = route.get("spec").filter(|spec| spec.is_object()) else {
        return;
    };
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    if !text(&spec["host"]).is_empty() || spec["wildcardPolicy"] == "Subdomain" {
        return;
    }
    let subdomain = text(&spec["subdomain"]);
    if !subdomain.is_empty() {
        route["spec"]["host"] = format!("{subdomain}.{ROUTE_SUFFIX}").into();
        return;
    }
    let name = text(&route["metadata"]["name"]).replace('.', "-");
    let namespace = text(&route["metadata"]["namespace"]);
    route["spec"]["host"] = format!("{name}-{namespace}.{ROUTE_SUFFIX}").into();
    annotate(route, HOST_GENERATED, "true");
}

/// A stream says where its images are pushed to and pulled from.
pub(super) fn fill_image_stream(stream: &mut Value) {
    let text = |field: &str| stream["metadata"][field].as_str().unwrap_or("").to_owned();
    let repository = format!("{REGISTRY}/{}/{}", text("namespace"), text("name"));
    stream["status"] = json!({"dockerImageRepository": repository});
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][name].as_str()
}

fn annotate(object: &mut Value, name: &str, value: &str) {
    let annotations = &mut object["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[name] = value.into();
}

/// The texts of a field anywhere in JSON that the store wrote: without spaces, and these without escapes.
fn texts_after<'a>(json: &'a [u8], field: &str) -> Vec<&'a str> {
    let Ok(text) = std::str::from_utf8(json) else {
        return Vec::new();
    };
    text.split(&format!("\"{field}\":\""))
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: ServiceNetwork = ServiceNetwork([172, 30]);

    #[test]
    fn a_service_gets_a_free_address_or_the_one_it_asks_for() {
        let taken = HashSet::from(["172.30.0.5".parse().unwrap()]);
        let check = |asked: &str, seed| {
            choose_address(NETWORK, &taken, asked, seed)
                .map(|address| address.to_string())
                .map_err(|cause| format!("{}: {}", cause.field, cause.message))
        };
        assert_eq!(check("", 5), Ok("172.30.0.6".to_owned()));
        assert_eq!(check("", u16::MAX), Ok("172.30.0.2".to_owned()));
        assert_eq!(check("172.30.9.9", 5), Ok("172.30.9.9".to_owned()));
        assert_eq!(
            check("172.30.0.5", 5),
            Err("spec.clusterIPs: Invalid value: []string{\"172.30.0.5\"}: failed to allocate IP 172.30.0.5: \
                 provided IP is already allocated"
                .to_owned())
        );
        assert_eq!(
            check("10.0.0.1", 5),
            Err("spec.clusterIPs: Invalid value: []string{\"10.0.0.1\"}: failed to allocate IP 10.0.0.1: the \
                 provided IP (10.0.0.1) is not in the valid range. The range of valid IPs is 172.30.0.0/16"
                .to_owned())
        );
        assert_eq!(
            check("here", 5),
            Err("spec.clusterIPs[0]: Invalid value: \"here\": must be a valid IP address, (e.g. 10.9.8.7)".to_owned())
        );
    }

    #[test]
    fn a_full_network_says_so() {
        let all = (0..=u16::MAX)
            .map(|number| NETWORK.address(number))
            .collect();
        let refusal = choose_address(NETWORK, &all, "", 7).unwrap_err();
        assert!(refusal.message.ends_with("range is full"));
    }

    #[test]
    fn ranges_of_users_do_not_overlap() {
        let taken = HashSet::from([FIRST_USER, FIRST_USER + 2 * RANGE]);
        assert_eq!(free_range(&taken), Some(1_000_010_000));
        assert_eq!(
            parse_range("1000010000/10000"),
            Some((1_000_010_000, 10_000))
        );
        assert_eq!(parse_range("all"), None);
    }

    #[test]
    fn a_pod_runs_as_a_user_of_its_namespace() {
        let range = (1000, 1009);
        let mut pod = json!({"spec": {"containers": [{"name": "a"}]}});
        fill_pod(&mut pod, Some(range));
        assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 1000);
        assert_eq!(pod["spec"]["serviceAccountName"], "default");
        assert_eq!(pod["status"]["phase"], "Pending");
        assert_eq!(foreign_users(&pod["spec"], range), Vec::<String>::new());
        let mut own = json!({"spec": {"securityContext": {"runAsUser": 1005}}});
        fill_pod(&mut own, Some(range));
        assert_eq!(own["spec"]["securityContext"]["runAsUser"], 1005);
        let mut root = pod["spec"].clone();
        root["containers"][0]["securityContext"] = json!({"runAsUser": 0});
        assert_eq!(
            foreign_users(&root, range),
            [
                "spec.containers[0].securityContext.runAsUser: Invalid value: 0: must be in the ranges: [1000, 1009]"
            ]
        );
        for wrong in [json!(999), json!(1010), json!(-1), json!("x")] {
            root["securityContext"]["runAsUser"] = wrong;
            assert_eq!(foreign_users(&root, range).len(), 2);
        }
    }

    #[test]
    fn a_route_without_a_host_gets_one() {
        let made = |spec: Value| {
            let mut route = json!({"metadata": {"name": "a.b", "namespace": "demo"}, "spec": spec});
            fill_route(&mut route);
            (
                route["spec"]["host"].as_str().unwrap_or("").to_owned(),
                annotation(&route, HOST_GENERATED).is_some(),
            )
        };
        assert_eq!(
            made(json!({})),
            ("a-b-demo.apps.localhost".to_owned(), true)
        );
        assert_eq!(made(json!({"host": "x"})), ("x".to_owned(), false));
        let sub = made(json!({"subdomain": "s"}));
        assert_eq!(sub, ("s.apps.localhost".to_owned(), false));
        let wild = made(json!({"wildcardPolicy": "Subdomain"}));
        assert_eq!(wild, (String::new(), false));
    }

    #[test]
    fn what_is_taken_is_read_off_the_json() {
        let json = json!({"spec": {"clusterIP": "1.2.3.4", "clusterIPs": ["1.2.3.4"]}}).to_string();
        assert_eq!(texts_after(json.as_bytes(), "clusterIP"), ["1.2.3.4"]);
    }
}
