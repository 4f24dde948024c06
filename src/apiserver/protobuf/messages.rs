//! The fields of the messages that are read, by the numbers of Kubernetes' own definitions (`generated.proto`).

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::apiserver::protobuf::Field;
use crate::apiserver::protobuf::Field::BytesMap;
use crate::apiserver::protobuf::Field::Flag;
use crate::apiserver::protobuf::Field::IntOrString;
use crate::apiserver::protobuf::Field::Many;
use crate::apiserver::protobuf::Field::Number;
use crate::apiserver::protobuf::Field::One;
use crate::apiserver::protobuf::Field::Text;
use crate::apiserver::protobuf::Field::TextMap;
use crate::apiserver::protobuf::Field::Texts;
use crate::apiserver::protobuf::Message;

/// The message of a kind, if it is read at all.
pub(super) fn of(kind: &Kind) -> Option<&'static Message> {
    [
        (&kinds::NAMESPACE, &NAMESPACE),
        (&kinds::CONFIG_MAP, &CONFIG_MAP),
        (&kinds::SECRET, &SECRET),
        (&kinds::SERVICE, &SERVICE),
        (&kinds::SELF_SUBJECT_REVIEW, &SELF_SUBJECT_REVIEW),
        (
            &kinds::SELF_SUBJECT_ACCESS_REVIEW,
            &SELF_SUBJECT_ACCESS_REVIEW,
        ),
    ]
    .into_iter()
    .find(|(own, _)| *own == kind)
    .map(|(_, message)| message)
}

const METADATA: (u64, &str, Field) = (1, "metadata", One(&OBJECT_META));

static OBJECT_META: Message = Message(&[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (7, "generation", Number),
    (11, "labels", TextMap),
    (12, "annotations", TextMap),
    (13, "ownerReferences", Many(&OWNER_REFERENCE)),
    (14, "finalizers", Texts),
]);

static OWNER_REFERENCE: Message = Message(&[
    (1, "kind", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "controller", Flag),
    (7, "blockOwnerDeletion", Flag),
]);

static NAMESPACE: Message = Message(&[METADATA, (2, "spec", One(&NAMESPACE_SPEC))]);

static NAMESPACE_SPEC: Message = Message(&[(1, "finalizers", Texts)]);

static CONFIG_MAP: Message = Message(&[
    METADATA,
    (2, "data", TextMap),
    (3, "binaryData", BytesMap),
    (4, "immutable", Flag),
]);

static SECRET: Message = Message(&[
    METADATA,
    (2, "data", BytesMap),
    (3, "type", Text),
    (4, "stringData", TextMap),
    (5, "immutable", Flag),
]);

static SERVICE: Message = Message(&[METADATA, (2, "spec", One(&SERVICE_SPEC))]);

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
    (17, "ipFamilyPolicy", Text),
    (18, "clusterIPs", Texts),
    (19, "ipFamilies", Texts),
    (20, "allocateLoadBalancerNodePorts", Flag),
    (21, "loadBalancerClass", Text),
    (22, "internalTrafficPolicy", Text),
]);

static SERVICE_PORT: Message = Message(&[
    (1, "name", Text),
    (2, "protocol", Text),
    (3, "port", Number),
    (4, "targetPort", IntOrString),
    (5, "nodePort", Number),
    (6, "appProtocol", Text),
]);

static SELF_SUBJECT_REVIEW: Message = Message(&[METADATA]);

static SELF_SUBJECT_ACCESS_REVIEW: Message =
    Message(&[METADATA, (2, "spec", One(&ACCESS_REVIEW_SPEC))]);

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
]);

static NON_RESOURCE_ATTRIBUTES: Message = Message(&[(1, "path", Text), (2, "verb", Text)]);
