//! Views of how requests find pods and gears: services, endpoints, routes, routers.
//!
//! Sources: facts/oc.md section 7.1; DESIGN section 4.1 (Rotation, Router).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::api::core::Condition;
use crate::api::core::ObjectReference;
use crate::api::core::typed;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;

/// Label of an `EndpointSlice`: its Service.
pub const LABEL_SERVICE: &str = "kubernetes.io/service-name";
/// The domain that routes without a host get theirs in.
pub const ROUTE_SUFFIX: &str = "apps.localhost";
/// Annotation of a Route whose host the server made up.
pub const HOST_GENERATED: &str = "openshift.io/host.generated";
/// The name of the built-in router's Router object, and of it in a route's `status.ingress`.
pub const BUILT_IN_ROUTER: &str = "default";

/// A name and ports under which endpoints are reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    pub metadata: Metadata,
    pub spec: ServiceSpec,
}
typed!(Service, kinds::SERVICE);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// Given by the API server from the service network; `None` for none.
    #[serde(rename = "clusterIP", skip_serializing_if = "String::is_empty")]
    pub cluster_ip: String,
    pub ports: Vec<ServicePort>,
    /// Empty: somebody else writes its slices.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub selector: BTreeMap<String, String>,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub publish_not_ready_addresses: bool,
    /// Of type `ExternalName`: where the name leads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub external_name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    pub port: u16,
    /// A number, or the name of a container port; absent: the same as `port`.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub target_port: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_port: Option<u16>,
}

/// Some endpoints of one service, all on the same ports: `{addressType, endpoints, ports}`; at most 100 endpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    pub metadata: Metadata,
    /// `IPv4`.
    pub address_type: String,
    pub endpoints: Vec<Endpoint>,
    pub ports: Vec<EndpointPort>,
}
typed!(EndpointSlice, kinds::ENDPOINT_SLICE);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    pub addresses: Vec<String>,
    pub conditions: EndpointConditions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<ObjectReference>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_name: String,
}

/// An endpoint is in rotation while it is `ready`. One that is blocked or ends is taken out of the slice altogether.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointConditions {
    /// Unless the slice says otherwise, as in Kubernetes.
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
}

impl Default for EndpointConditions {
    fn default() -> EndpointConditions {
        EndpointConditions {
            ready: true,
            serving: false,
            terminating: false,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointPort {
    /// The service port's name.
    pub name: String,
    pub protocol: String,
    pub port: u16,
}

/// The same in the old form, derived from the slices for those who read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    pub metadata: Metadata,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<Value>,
}
typed!(Endpoints, kinds::ENDPOINTS);

/// A host name that leads to a service: `{spec: {host, path, to, port, tls}, status: {ingress}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    pub metadata: Metadata,
    pub spec: RouteSpec,
    pub status: RouteStatus,
}
typed!(Route, kinds::ROUTE);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteSpec {
    pub host: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    pub to: RouteTarget,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternate_backends: Vec<RouteTarget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<RoutePort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wildcard_policy: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteTarget {
    pub kind: String,
    pub name: String,
    /// 0 to 256; default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoutePort {
    /// A number, or the name of a service port.
    pub target_port: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteStatus {
    /// One entry per router; written by the route status controller.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<RouteIngress>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteIngress {
    pub host: String,
    pub router_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wildcard_policy: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub router_canonical_hostname: String,
    /// `Admitted`.
    pub conditions: Vec<Condition>,
}

impl Route {
    /// Whether a router serves it.
    pub fn is_admitted(&self) -> bool {
        let mut conditions = self.status.ingress.iter().flat_map(|one| &one.conditions);
        conditions.any(|one| one.kind == "Admitted" && one.status == "True")
    }
}

/// A load balancer that serves: the built-in router, or an agent beside a HAProxy (DESIGN 4.1). Cluster-scoped.
///
/// `{spec: {address}, status: {applied, draining, waiting}}`, all of it written by the router itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Router {
    pub metadata: Metadata,
    pub spec: RouterSpec,
    pub status: RouterStatus,
}
typed!(Router, kinds::ROUTER);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouterSpec {
    #[serde(rename = "type")]
    pub kind: RouterKind,
    /// Where it takes requests for routes: `127.0.0.1:8880`.
    pub address: String,
}

/// What a Router object stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouterKind {
    /// The router of this program: serves every service.
    #[default]
    BuiltIn,
    /// A HAProxy with an agent beside it: serves the services that name it (`upshift.dev/router`).
    #[serde(rename = "HAProxy")]
    HaProxy,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouterStatus {
    /// The highest `resourceVersion` of an `EndpointSlice` (or of its deletion) that new requests already follow.
    pub applied: u64,
    /// Endpoints that have left rotation and still answer: `ADDRESS:PORT` → requests in flight, never 0.
    pub draining: BTreeMap<String, u32>,
    /// Endpoints that slices name and that get no requests yet, with the reason: HAProxy's own checks find them down.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<String, String>,
    /// Why it does not get on; empty when it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}
