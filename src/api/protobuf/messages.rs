//! The fields of the messages that are read, by the numbers of Kubernetes' own definitions (`generated.proto`, 1.32).

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::protobuf::Field;
use crate::api::protobuf::Field::Bytes;
use crate::api::protobuf::Field::BytesMap;
use crate::api::protobuf::Field::Flag;
use crate::api::protobuf::Field::IntOrString;
use crate::api::protobuf::Field::Json;
use crate::api::protobuf::Field::Many;
use crate::api::protobuf::Field::Number;
use crate::api::protobuf::Field::One;
use crate::api::protobuf::Field::SetFlag;
use crate::api::protobuf::Field::SetNumber;
use crate::api::protobuf::Field::SetText;
use crate::api::protobuf::Field::Text;
use crate::api::protobuf::Field::TextMap;
use crate::api::protobuf::Field::Texts;
use crate::api::protobuf::Field::Time;
use crate::api::protobuf::Message;
use crate::api::protobuf::pods;

/// The kinds that are read, and their messages: those among ours that kubectl sends so.
pub(super) static KINDS: &[(&Kind, &Message)] = &[
    (&kinds::NAMESPACE, &NAMESPACE),
    (&kinds::CONFIG_MAP, &CONFIG_MAP),
    (&kinds::SECRET, &SECRET),
    (&kinds::SERVICE, &SERVICE),
    (&kinds::SERVICE_ACCOUNT, &pods::SERVICE_ACCOUNT),
    (&kinds::POD, &pods::POD),
    (
        &kinds::REPLICATION_CONTROLLER,
        &pods::REPLICATION_CONTROLLER,
    ),
    (&kinds::DEPLOYMENT, &pods::DEPLOYMENT),
    (&kinds::REPLICA_SET, &pods::REPLICA_SET),
    (&kinds::SELF_SUBJECT_REVIEW, &SELF_SUBJECT_REVIEW),
    (
        &kinds::SELF_SUBJECT_ACCESS_REVIEW,
        &SELF_SUBJECT_ACCESS_REVIEW,
    ),
];

/// The message of a kind, if it is read at all.
pub(super) fn of(kind: &Kind) -> Option<&'static Message> {
    KINDS
        .iter()
        .find(|(own, _)| *own == kind)
        .map(|(_, message)| *message)
}

/// In the envelope: what the object says it is.
pub(super) static TYPE_META: Message = Message(&[(1, "apiVersion", Text), (2, "kind", Text)]);

/// An entry of a map from text to text.
pub(super) static TEXT_PAIR: Message = Message(&[(1, "key", Text), (2, "value", Text)]);

/// An entry of a map from text to bytes.
pub(super) static BYTES_PAIR: Message = Message(&[(1, "key", Text), (2, "value", Bytes)]);

/// An entry of a map from text to quantities.
pub(super) static QUANTITY_PAIR: Message =
    Message(&[(1, "key", Text), (2, "value", Field::Quantity)]);

/// A number with a unit, as text.
pub(super) static QUANTITY: Message = Message(&[(1, "string", Text)]);

/// A moment.
pub(super) static TIME: Message = Message(&[(1, "seconds", Number), (2, "nanos", Number)]);

/// A number or a text; the type says which.
pub(super) static INT_OR_STRING: Message = Message(&[
    (1, "type", Number),
    (2, "intVal", Number),
    (3, "strVal", Text),
]);

/// JSON in a message of its own.
pub(super) static FIELDS: Message = Message(&[(1, "Raw", Json)]);

pub(super) const METADATA: (u64, &str, Field) = (1, "metadata", One(&OBJECT_META));

static OBJECT_META: Message = Message(&[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (4, "selfLink", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (7, "generation", Number),
    (8, "creationTimestamp", Time),
    (9, "deletionTimestamp", Time),
    (10, "deletionGracePeriodSeconds", SetNumber),
    (11, "labels", TextMap),
    (12, "annotations", TextMap),
    (13, "ownerReferences", Many(&OWNER_REFERENCE)),
    (14, "finalizers", Texts),
    (17, "managedFields", Many(&MANAGED_FIELDS)),
]);

static OWNER_REFERENCE: Message = Message(&[
    (1, "kind", SetText),
    (3, "name", SetText),
    (4, "uid", SetText),
    (5, "apiVersion", SetText),
    (6, "controller", SetFlag),
    (7, "blockOwnerDeletion", SetFlag),
]);

static MANAGED_FIELDS: Message = Message(&[
    (1, "manager", Text),
    (2, "operation", Text),
    (3, "apiVersion", Text),
    (4, "time", Time),
    (6, "fieldsType", Text),
    (7, "fieldsV1", Field::Fields),
    (8, "subresource", Text),
]);

static NAMESPACE: Message = Message(&[
    METADATA,
    (2, "spec", One(&NAMESPACE_SPEC)),
    (3, "status", One(&NAMESPACE_STATUS)),
]);

static NAMESPACE_SPEC: Message = Message(&[(1, "finalizers", Texts)]);

static NAMESPACE_STATUS: Message = Message(&[
    (1, "phase", Text),
    (2, "conditions", Many(&NAMESPACE_CONDITION)),
]);

static NAMESPACE_CONDITION: Message = Message(&[
    (1, "type", SetText),
    (2, "status", SetText),
    (4, "lastTransitionTime", Time),
    (5, "reason", Text),
    (6, "message", Text),
]);

static CONFIG_MAP: Message = Message(&[
    METADATA,
    (2, "data", TextMap),
    (3, "binaryData", BytesMap),
    (4, "immutable", SetFlag),
]);

static SECRET: Message = Message(&[
    METADATA,
    (2, "data", BytesMap),
    (3, "type", Text),
    (4, "stringData", TextMap),
    (5, "immutable", SetFlag),
]);

static SERVICE: Message = Message(&[
    METADATA,
    (2, "spec", One(&SERVICE_SPEC)),
    (3, "status", One(&SERVICE_STATUS)),
]);

static SERVICE_SPEC: Message = Message(&[
    (1, "ports", Many(&SERVICE_PORT)),
    (2, "selector", TextMap),
    (3, "clusterIP", Text),
    (4, "type", Text),
    (5, "externalIPs", Texts),
    (7, "sessionAffinity", Text),
    (8, "loadBalancerIP", Text),
    (9, "loadBalancerSourceRanges", Texts),
    (10, "externalName", Text),
    (11, "externalTrafficPolicy", Text),
    (12, "healthCheckNodePort", Number),
    (13, "publishNotReadyAddresses", Flag),
    (14, "sessionAffinityConfig", One(&SESSION_AFFINITY)),
    (17, "ipFamilyPolicy", SetText),
    (18, "clusterIPs", Texts),
    (19, "ipFamilies", Texts),
    (20, "allocateLoadBalancerNodePorts", SetFlag),
    (21, "loadBalancerClass", SetText),
    (22, "internalTrafficPolicy", SetText),
    (23, "trafficDistribution", SetText),
]);

static SERVICE_PORT: Message = Message(&[
    (1, "name", Text),
    (2, "protocol", Text),
    (3, "port", SetNumber),
    (4, "targetPort", IntOrString),
    (5, "nodePort", Number),
    (6, "appProtocol", SetText),
]);

static SESSION_AFFINITY: Message = Message(&[(1, "clientIP", One(&CLIENT_IP))]);

static CLIENT_IP: Message = Message(&[(1, "timeoutSeconds", SetNumber)]);

static SERVICE_STATUS: Message = Message(&[
    (1, "loadBalancer", One(&LOAD_BALANCER)),
    (2, "conditions", Many(&CONDITION)),
]);

static LOAD_BALANCER: Message = Message(&[(1, "ingress", Many(&INGRESS))]);

static INGRESS: Message = Message(&[
    (1, "ip", Text),
    (2, "hostname", Text),
    (3, "ipMode", SetText),
    (4, "ports", Many(&PORT_STATUS)),
]);

static PORT_STATUS: Message = Message(&[
    (1, "port", SetNumber),
    (2, "protocol", SetText),
    (3, "error", SetText),
]);

static CONDITION: Message = Message(&[
    (1, "type", SetText),
    (2, "status", SetText),
    (3, "observedGeneration", Number),
    (4, "lastTransitionTime", Time),
    (5, "reason", SetText),
    (6, "message", SetText),
]);

static SELF_SUBJECT_REVIEW: Message = Message(&[METADATA, (2, "status", One(&REVIEW_STATUS))]);

static REVIEW_STATUS: Message = Message(&[(1, "userInfo", One(&USER_INFO))]);

/// Without `extra`: only answers carry it.
static USER_INFO: Message = Message(&[
    (1, "username", Text),
    (2, "uid", Text),
    (3, "groups", Texts),
]);

static SELF_SUBJECT_ACCESS_REVIEW: Message = Message(&[
    METADATA,
    (2, "spec", One(&ACCESS_REVIEW_SPEC)),
    (3, "status", One(&ACCESS_REVIEW_STATUS)),
]);

static ACCESS_REVIEW_SPEC: Message = Message(&[
    (1, "resourceAttributes", One(&RESOURCE_ATTRIBUTES)),
    (2, "nonResourceAttributes", One(&NON_RESOURCE_ATTRIBUTES)),
]);

static RESOURCE_ATTRIBUTES: Message = Message(&[
    (1, "namespace", Text),
    (2, "verb", Text),
    (3, "group", Text),
    (4, "version", Text),
    (5, "resource", Text),
    (6, "subresource", Text),
    (7, "name", Text),
    (8, "fieldSelector", One(&SELECTOR)),
    (9, "labelSelector", One(&SELECTOR)),
]);

static SELECTOR: Message = Message(&[
    (1, "rawSelector", Text),
    (2, "requirements", Many(&REQUIREMENT)),
]);

static REQUIREMENT: Message = Message(&[
    (1, "key", SetText),
    (2, "operator", SetText),
    (3, "values", Texts),
]);

static NON_RESOURCE_ATTRIBUTES: Message = Message(&[(1, "path", Text), (2, "verb", Text)]);

static ACCESS_REVIEW_STATUS: Message = Message(&[
    (1, "allowed", Flag),
    (2, "reason", Text),
    (3, "evaluationError", Text),
    (4, "denied", Flag),
]);
