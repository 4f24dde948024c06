//! The fields of pods, of what they are made of and of what makes them, as `messages.rs` has those of other kinds.
//!
//! Without parts that this server has no use for (disks of clouds, Windows, devices): a body with one is refused by the
//! field's number.

use crate::api::protobuf::Field::Flag;
use crate::api::protobuf::Field::Inline;
use crate::api::protobuf::Field::IntOrString;
use crate::api::protobuf::Field::Many;
use crate::api::protobuf::Field::Number;
use crate::api::protobuf::Field::Numbers;
use crate::api::protobuf::Field::One;
use crate::api::protobuf::Field::Quantities;
use crate::api::protobuf::Field::Quantity;
use crate::api::protobuf::Field::SetFlag;
use crate::api::protobuf::Field::SetNumber;
use crate::api::protobuf::Field::SetOne;
use crate::api::protobuf::Field::SetText;
use crate::api::protobuf::Field::Text;
use crate::api::protobuf::Field::TextMap;
use crate::api::protobuf::Field::Texts;
use crate::api::protobuf::Field::Time;
use crate::api::protobuf::Message;
use crate::api::protobuf::messages::METADATA;

pub(super) static POD: Message = Message(&[
    METADATA,
    (2, "spec", One(&POD_SPEC)),
    (3, "status", One(&POD_STATUS)),
]);

pub(super) static REPLICATION_CONTROLLER: Message = Message(&[
    METADATA,
    (2, "spec", One(&REPLICATION_CONTROLLER_SPEC)),
    (3, "status", One(&REPLICATION_CONTROLLER_STATUS)),
]);

pub(super) static SERVICE_ACCOUNT: Message = Message(&[
    METADATA,
    (2, "secrets", Many(&OBJECT_REFERENCE)),
    (3, "imagePullSecrets", Many(&LOCAL_OBJECT_REFERENCE)),
    (4, "automountServiceAccountToken", SetFlag),
]);

pub(super) static DEPLOYMENT: Message = Message(&[
    METADATA,
    (2, "spec", One(&DEPLOYMENT_SPEC)),
    (3, "status", One(&DEPLOYMENT_STATUS)),
]);

pub(super) static REPLICA_SET: Message = Message(&[
    METADATA,
    (2, "spec", One(&REPLICA_SET_SPEC)),
    (3, "status", One(&REPLICA_SET_STATUS)),
]);

static POD_SPEC: Message = Message(&[
    (1, "volumes", Many(&VOLUME)),
    (2, "containers", Many(&CONTAINER)),
    (3, "restartPolicy", Text),
    (4, "terminationGracePeriodSeconds", SetNumber),
    (5, "activeDeadlineSeconds", SetNumber),
    (6, "dnsPolicy", Text),
    (7, "nodeSelector", TextMap),
    (8, "serviceAccountName", Text),
    (9, "serviceAccount", Text),
    (10, "nodeName", Text),
    (11, "hostNetwork", Flag),
    (12, "hostPID", Flag),
    (13, "hostIPC", Flag),
    (14, "securityContext", One(&POD_SECURITY_CONTEXT)),
    (15, "imagePullSecrets", Many(&LOCAL_OBJECT_REFERENCE)),
    (16, "hostname", Text),
    (17, "subdomain", Text),
    (18, "affinity", One(&AFFINITY)),
    (19, "schedulerName", Text),
    (20, "initContainers", Many(&CONTAINER)),
    (21, "automountServiceAccountToken", SetFlag),
    (22, "tolerations", Many(&TOLERATION)),
    (23, "hostAliases", Many(&HOST_ALIAS)),
    (24, "priorityClassName", Text),
    (25, "priority", SetNumber),
    (26, "dnsConfig", One(&POD_DNS_CONFIG)),
    (27, "shareProcessNamespace", SetFlag),
    (28, "readinessGates", Many(&POD_READINESS_GATE)),
    (29, "runtimeClassName", SetText),
    (30, "enableServiceLinks", SetFlag),
    (31, "preemptionPolicy", SetText),
    (32, "overhead", Quantities),
    (
        33,
        "topologySpreadConstraints",
        Many(&TOPOLOGY_SPREAD_CONSTRAINT),
    ),
    (34, "ephemeralContainers", Many(&EPHEMERAL_CONTAINER)),
    (35, "setHostnameAsFQDN", SetFlag),
    (36, "os", One(&POD_OS)),
    (37, "hostUsers", SetFlag),
    (38, "schedulingGates", Many(&POD_SCHEDULING_GATE)),
    (39, "resourceClaims", Many(&POD_RESOURCE_CLAIM)),
    (40, "resources", One(&RESOURCE_REQUIREMENTS)),
    (41, "hostnameOverride", SetText),
]);

static POD_STATUS: Message = Message(&[
    (1, "phase", Text),
    (2, "conditions", Many(&POD_CONDITION)),
    (3, "message", Text),
    (4, "reason", Text),
    (5, "hostIP", Text),
    (6, "podIP", Text),
    (7, "startTime", Time),
    (8, "containerStatuses", Many(&CONTAINER_STATUS)),
    (9, "qosClass", Text),
    (10, "initContainerStatuses", Many(&CONTAINER_STATUS)),
    (11, "nominatedNodeName", Text),
    (12, "podIPs", Many(&POD_IP)),
    (16, "hostIPs", Many(&HOST_IP)),
    (17, "observedGeneration", Number),
]);

static REPLICATION_CONTROLLER_SPEC: Message = Message(&[
    (1, "replicas", SetNumber),
    (2, "selector", TextMap),
    (3, "template", One(&POD_TEMPLATE_SPEC)),
    (4, "minReadySeconds", Number),
]);

static REPLICATION_CONTROLLER_STATUS: Message = Message(&[
    (1, "replicas", Number),
    (2, "fullyLabeledReplicas", Number),
    (3, "observedGeneration", Number),
    (4, "readyReplicas", Number),
    (5, "availableReplicas", Number),
    (6, "conditions", Many(&REPLICATION_CONTROLLER_CONDITION)),
]);

static OBJECT_REFERENCE: Message = Message(&[
    (1, "kind", Text),
    (2, "namespace", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "resourceVersion", Text),
    (7, "fieldPath", Text),
]);

static LOCAL_OBJECT_REFERENCE: Message = Message(&[(1, "name", Text)]);

static DEPLOYMENT_SPEC: Message = Message(&[
    (1, "replicas", SetNumber),
    (2, "selector", One(&LABEL_SELECTOR)),
    (3, "template", One(&POD_TEMPLATE_SPEC)),
    (4, "strategy", One(&DEPLOYMENT_STRATEGY)),
    (5, "minReadySeconds", Number),
    (6, "revisionHistoryLimit", SetNumber),
    (7, "paused", Flag),
    (9, "progressDeadlineSeconds", SetNumber),
]);

static DEPLOYMENT_STATUS: Message = Message(&[
    (1, "observedGeneration", Number),
    (2, "replicas", Number),
    (3, "updatedReplicas", Number),
    (4, "availableReplicas", Number),
    (5, "unavailableReplicas", Number),
    (6, "conditions", Many(&DEPLOYMENT_CONDITION)),
    (7, "readyReplicas", Number),
    (8, "collisionCount", SetNumber),
    (9, "terminatingReplicas", SetNumber),
]);

static REPLICA_SET_SPEC: Message = Message(&[
    (1, "replicas", SetNumber),
    (2, "selector", One(&LABEL_SELECTOR)),
    (3, "template", One(&POD_TEMPLATE_SPEC)),
    (4, "minReadySeconds", Number),
]);

static REPLICA_SET_STATUS: Message = Message(&[
    (1, "replicas", Number),
    (2, "fullyLabeledReplicas", Number),
    (3, "observedGeneration", Number),
    (4, "readyReplicas", Number),
    (5, "availableReplicas", Number),
    (6, "conditions", Many(&REPLICA_SET_CONDITION)),
    (7, "terminatingReplicas", SetNumber),
]);

static VOLUME: Message = Message(&[
    (1, "name", Text),
    (2, "volumeSource", Inline(&VOLUME_SOURCE)),
]);

static CONTAINER: Message = Message(&[
    (1, "name", Text),
    (2, "image", Text),
    (3, "command", Texts),
    (4, "args", Texts),
    (5, "workingDir", Text),
    (6, "ports", Many(&CONTAINER_PORT)),
    (7, "env", Many(&ENV_VAR)),
    (8, "resources", One(&RESOURCE_REQUIREMENTS)),
    (9, "volumeMounts", Many(&VOLUME_MOUNT)),
    (10, "livenessProbe", One(&PROBE)),
    (11, "readinessProbe", One(&PROBE)),
    (12, "lifecycle", One(&LIFECYCLE)),
    (13, "terminationMessagePath", Text),
    (14, "imagePullPolicy", Text),
    (15, "securityContext", One(&SECURITY_CONTEXT)),
    (16, "stdin", Flag),
    (17, "stdinOnce", Flag),
    (18, "tty", Flag),
    (19, "envFrom", Many(&ENV_FROM_SOURCE)),
    (20, "terminationMessagePolicy", Text),
    (21, "volumeDevices", Many(&VOLUME_DEVICE)),
    (22, "startupProbe", One(&PROBE)),
    (23, "resizePolicy", Many(&CONTAINER_RESIZE_POLICY)),
    (24, "restartPolicy", SetText),
]);

static POD_SECURITY_CONTEXT: Message = Message(&[
    (1, "seLinuxOptions", One(&SE_LINUX_OPTIONS)),
    (2, "runAsUser", SetNumber),
    (3, "runAsNonRoot", SetFlag),
    (4, "supplementalGroups", Numbers),
    (5, "fsGroup", SetNumber),
    (6, "runAsGroup", SetNumber),
    (7, "sysctls", Many(&SYSCTL)),
    (9, "fsGroupChangePolicy", SetText),
    (10, "seccompProfile", One(&SECCOMP_PROFILE)),
    (11, "appArmorProfile", One(&APP_ARMOR_PROFILE)),
    (12, "supplementalGroupsPolicy", SetText),
    (13, "seLinuxChangePolicy", SetText),
]);

static AFFINITY: Message = Message(&[
    (1, "nodeAffinity", One(&NODE_AFFINITY)),
    (2, "podAffinity", One(&POD_AFFINITY)),
    (3, "podAntiAffinity", One(&POD_ANTI_AFFINITY)),
]);

static TOLERATION: Message = Message(&[
    (1, "key", Text),
    (2, "operator", Text),
    (3, "value", Text),
    (4, "effect", Text),
    (5, "tolerationSeconds", SetNumber),
]);

static HOST_ALIAS: Message = Message(&[(1, "ip", Text), (2, "hostnames", Texts)]);

static POD_DNS_CONFIG: Message = Message(&[
    (1, "nameservers", Texts),
    (2, "searches", Texts),
    (3, "options", Many(&POD_DNS_CONFIG_OPTION)),
]);

static POD_READINESS_GATE: Message = Message(&[(1, "conditionType", Text)]);

static TOPOLOGY_SPREAD_CONSTRAINT: Message = Message(&[
    (1, "maxSkew", Number),
    (2, "topologyKey", Text),
    (3, "whenUnsatisfiable", Text),
    (4, "labelSelector", One(&LABEL_SELECTOR)),
    (5, "minDomains", SetNumber),
    (6, "nodeAffinityPolicy", SetText),
    (7, "nodeTaintsPolicy", SetText),
    (8, "matchLabelKeys", Texts),
]);

static EPHEMERAL_CONTAINER: Message = Message(&[
    (
        1,
        "ephemeralContainerCommon",
        Inline(&EPHEMERAL_CONTAINER_COMMON),
    ),
    (2, "targetContainerName", Text),
]);

static POD_OS: Message = Message(&[(1, "name", Text)]);

static POD_SCHEDULING_GATE: Message = Message(&[(1, "name", Text)]);

static POD_RESOURCE_CLAIM: Message = Message(&[
    (1, "name", Text),
    (3, "resourceClaimName", SetText),
    (4, "resourceClaimTemplateName", SetText),
]);

static RESOURCE_REQUIREMENTS: Message = Message(&[
    (1, "limits", Quantities),
    (2, "requests", Quantities),
    (3, "claims", Many(&RESOURCE_CLAIM)),
]);

static POD_CONDITION: Message = Message(&[
    (1, "type", Text),
    (2, "status", Text),
    (3, "lastProbeTime", Time),
    (4, "lastTransitionTime", Time),
    (5, "reason", Text),
    (6, "message", Text),
    (7, "observedGeneration", Number),
]);

static CONTAINER_STATUS: Message = Message(&[
    (1, "name", Text),
    (2, "state", One(&CONTAINER_STATE)),
    (3, "lastState", One(&CONTAINER_STATE)),
    (4, "ready", Flag),
    (5, "restartCount", Number),
    (6, "image", Text),
    (7, "imageID", Text),
    (8, "containerID", Text),
    (9, "started", SetFlag),
    (10, "allocatedResources", Quantities),
    (11, "resources", One(&RESOURCE_REQUIREMENTS)),
    (15, "stopSignal", Text),
]);

static POD_IP: Message = Message(&[(1, "ip", Text)]);

static HOST_IP: Message = Message(&[(1, "ip", Text)]);

static POD_TEMPLATE_SPEC: Message = Message(&[METADATA, (2, "spec", One(&POD_SPEC))]);

static REPLICATION_CONTROLLER_CONDITION: Message = Message(&[
    (1, "type", Text),
    (2, "status", Text),
    (3, "lastTransitionTime", Time),
    (4, "reason", Text),
    (5, "message", Text),
]);

static DEPLOYMENT_STRATEGY: Message = Message(&[
    (1, "type", Text),
    (2, "rollingUpdate", One(&ROLLING_UPDATE_DEPLOYMENT)),
]);

static DEPLOYMENT_CONDITION: Message = Message(&[
    (1, "type", Text),
    (2, "status", Text),
    (4, "reason", Text),
    (5, "message", Text),
    (6, "lastUpdateTime", Time),
    (7, "lastTransitionTime", Time),
]);

static REPLICA_SET_CONDITION: Message = Message(&[
    (1, "type", Text),
    (2, "status", Text),
    (3, "lastTransitionTime", Time),
    (4, "reason", Text),
    (5, "message", Text),
]);

static VOLUME_SOURCE: Message = Message(&[
    (1, "hostPath", SetOne(&HOST_PATH_VOLUME_SOURCE)),
    (2, "emptyDir", SetOne(&EMPTY_DIR_VOLUME_SOURCE)),
    (6, "secret", SetOne(&SECRET_VOLUME_SOURCE)),
    (7, "nfs", SetOne(&NFS_VOLUME_SOURCE)),
    (
        10,
        "persistentVolumeClaim",
        SetOne(&PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE),
    ),
    (16, "downwardAPI", SetOne(&DOWNWARD_APIVOLUME_SOURCE)),
    (19, "configMap", SetOne(&CONFIG_MAP_VOLUME_SOURCE)),
    (26, "projected", SetOne(&PROJECTED_VOLUME_SOURCE)),
    (28, "csi", SetOne(&CSIVOLUME_SOURCE)),
]);

static CONTAINER_PORT: Message = Message(&[
    (1, "name", Text),
    (2, "hostPort", Number),
    (3, "containerPort", SetNumber),
    (4, "protocol", Text),
    (5, "hostIP", Text),
]);

static ENV_VAR: Message = Message(&[
    (1, "name", Text),
    (2, "value", Text),
    (3, "valueFrom", One(&ENV_VAR_SOURCE)),
]);

static VOLUME_MOUNT: Message = Message(&[
    (1, "name", Text),
    (2, "readOnly", Flag),
    (3, "mountPath", Text),
    (4, "subPath", Text),
    (5, "mountPropagation", SetText),
    (6, "subPathExpr", Text),
    (7, "recursiveReadOnly", SetText),
]);

static PROBE: Message = Message(&[
    (1, "handler", Inline(&PROBE_HANDLER)),
    (2, "initialDelaySeconds", Number),
    (3, "timeoutSeconds", Number),
    (4, "periodSeconds", Number),
    (5, "successThreshold", Number),
    (6, "failureThreshold", Number),
    (7, "terminationGracePeriodSeconds", SetNumber),
]);

static LIFECYCLE: Message = Message(&[
    (1, "postStart", One(&LIFECYCLE_HANDLER)),
    (2, "preStop", One(&LIFECYCLE_HANDLER)),
    (3, "stopSignal", SetText),
]);

static SECURITY_CONTEXT: Message = Message(&[
    (1, "capabilities", One(&CAPABILITIES)),
    (2, "privileged", SetFlag),
    (3, "seLinuxOptions", One(&SE_LINUX_OPTIONS)),
    (4, "runAsUser", SetNumber),
    (5, "runAsNonRoot", SetFlag),
    (6, "readOnlyRootFilesystem", SetFlag),
    (7, "allowPrivilegeEscalation", SetFlag),
    (8, "runAsGroup", SetNumber),
    (9, "procMount", SetText),
    (11, "seccompProfile", One(&SECCOMP_PROFILE)),
    (12, "appArmorProfile", One(&APP_ARMOR_PROFILE)),
]);

static ENV_FROM_SOURCE: Message = Message(&[
    (1, "prefix", Text),
    (2, "configMapRef", One(&CONFIG_MAP_ENV_SOURCE)),
    (3, "secretRef", One(&SECRET_ENV_SOURCE)),
]);

static VOLUME_DEVICE: Message = Message(&[(1, "name", Text), (2, "devicePath", Text)]);

static CONTAINER_RESIZE_POLICY: Message =
    Message(&[(1, "resourceName", Text), (2, "restartPolicy", Text)]);

static SE_LINUX_OPTIONS: Message = Message(&[
    (1, "user", Text),
    (2, "role", Text),
    (3, "type", Text),
    (4, "level", Text),
]);

static SYSCTL: Message = Message(&[(1, "name", Text), (2, "value", Text)]);

static SECCOMP_PROFILE: Message = Message(&[(1, "type", Text), (2, "localhostProfile", SetText)]);

static APP_ARMOR_PROFILE: Message = Message(&[(1, "type", Text), (2, "localhostProfile", SetText)]);

static NODE_AFFINITY: Message = Message(&[
    (
        1,
        "requiredDuringSchedulingIgnoredDuringExecution",
        One(&NODE_SELECTOR),
    ),
    (
        2,
        "preferredDuringSchedulingIgnoredDuringExecution",
        Many(&PREFERRED_SCHEDULING_TERM),
    ),
]);

static POD_AFFINITY: Message = Message(&[
    (
        1,
        "requiredDuringSchedulingIgnoredDuringExecution",
        Many(&POD_AFFINITY_TERM),
    ),
    (
        2,
        "preferredDuringSchedulingIgnoredDuringExecution",
        Many(&WEIGHTED_POD_AFFINITY_TERM),
    ),
]);

static POD_ANTI_AFFINITY: Message = Message(&[
    (
        1,
        "requiredDuringSchedulingIgnoredDuringExecution",
        Many(&POD_AFFINITY_TERM),
    ),
    (
        2,
        "preferredDuringSchedulingIgnoredDuringExecution",
        Many(&WEIGHTED_POD_AFFINITY_TERM),
    ),
]);

static POD_DNS_CONFIG_OPTION: Message = Message(&[(1, "name", Text), (2, "value", SetText)]);

static EPHEMERAL_CONTAINER_COMMON: Message = Message(&[
    (1, "name", Text),
    (2, "image", Text),
    (3, "command", Texts),
    (4, "args", Texts),
    (5, "workingDir", Text),
    (7, "env", Many(&ENV_VAR)),
    (8, "resources", One(&RESOURCE_REQUIREMENTS)),
    (9, "volumeMounts", Many(&VOLUME_MOUNT)),
    (13, "terminationMessagePath", Text),
    (14, "imagePullPolicy", Text),
    (15, "securityContext", One(&SECURITY_CONTEXT)),
    (16, "stdin", Flag),
    (17, "stdinOnce", Flag),
    (18, "tty", Flag),
    (19, "envFrom", Many(&ENV_FROM_SOURCE)),
    (20, "terminationMessagePolicy", Text),
    (21, "volumeDevices", Many(&VOLUME_DEVICE)),
]);

static RESOURCE_CLAIM: Message = Message(&[(1, "name", Text), (2, "request", Text)]);

static CONTAINER_STATE: Message = Message(&[
    (1, "waiting", One(&CONTAINER_STATE_WAITING)),
    (2, "running", One(&CONTAINER_STATE_RUNNING)),
    (3, "terminated", One(&CONTAINER_STATE_TERMINATED)),
]);

static ROLLING_UPDATE_DEPLOYMENT: Message = Message(&[
    (1, "maxUnavailable", IntOrString),
    (2, "maxSurge", IntOrString),
]);

static HOST_PATH_VOLUME_SOURCE: Message = Message(&[(1, "path", Text), (2, "type", SetText)]);

static EMPTY_DIR_VOLUME_SOURCE: Message =
    Message(&[(1, "medium", Text), (2, "sizeLimit", Quantity)]);

static SECRET_VOLUME_SOURCE: Message = Message(&[
    (1, "secretName", Text),
    (2, "items", Many(&KEY_TO_PATH)),
    (3, "defaultMode", SetNumber),
    (4, "optional", SetFlag),
]);

static NFS_VOLUME_SOURCE: Message = Message(&[
    (1, "server", Text),
    (2, "path", Text),
    (3, "readOnly", Flag),
]);

static PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE: Message =
    Message(&[(1, "claimName", Text), (2, "readOnly", Flag)]);

static DOWNWARD_APIVOLUME_SOURCE: Message = Message(&[
    (1, "items", Many(&DOWNWARD_APIVOLUME_FILE)),
    (2, "defaultMode", Number),
]);

static CONFIG_MAP_VOLUME_SOURCE: Message = Message(&[
    (1, "localObjectReference", Inline(&LOCAL_OBJECT_REFERENCE)),
    (2, "items", Many(&KEY_TO_PATH)),
    (3, "defaultMode", SetNumber),
    (4, "optional", SetFlag),
]);

static PROJECTED_VOLUME_SOURCE: Message = Message(&[
    (1, "sources", Many(&VOLUME_PROJECTION)),
    (2, "defaultMode", SetNumber),
]);

static CSIVOLUME_SOURCE: Message = Message(&[
    (1, "driver", Text),
    (2, "readOnly", Flag),
    (3, "fsType", Text),
    (4, "volumeAttributes", TextMap),
    (5, "nodePublishSecretRef", One(&LOCAL_OBJECT_REFERENCE)),
]);

static ENV_VAR_SOURCE: Message = Message(&[
    (1, "fieldRef", One(&OBJECT_FIELD_SELECTOR)),
    (2, "resourceFieldRef", One(&RESOURCE_FIELD_SELECTOR)),
    (3, "configMapKeyRef", One(&CONFIG_MAP_KEY_SELECTOR)),
    (4, "secretKeyRef", One(&SECRET_KEY_SELECTOR)),
]);

static PROBE_HANDLER: Message = Message(&[
    (1, "exec", One(&EXEC_ACTION)),
    (2, "httpGet", One(&HTTP_GET_ACTION)),
    (3, "tcpSocket", One(&TCP_SOCKET_ACTION)),
    (4, "grpc", One(&GRPC_ACTION)),
]);

static LIFECYCLE_HANDLER: Message = Message(&[
    (1, "exec", One(&EXEC_ACTION)),
    (2, "httpGet", One(&HTTP_GET_ACTION)),
    (3, "tcpSocket", One(&TCP_SOCKET_ACTION)),
    (4, "sleep", One(&SLEEP_ACTION)),
]);

static CAPABILITIES: Message = Message(&[(1, "add", Texts), (2, "drop", Texts)]);

static CONFIG_MAP_ENV_SOURCE: Message = Message(&[
    (1, "localObjectReference", Inline(&LOCAL_OBJECT_REFERENCE)),
    (2, "optional", SetFlag),
]);

static SECRET_ENV_SOURCE: Message = Message(&[
    (1, "localObjectReference", Inline(&LOCAL_OBJECT_REFERENCE)),
    (2, "optional", SetFlag),
]);

static NODE_SELECTOR: Message = Message(&[(1, "nodeSelectorTerms", Many(&NODE_SELECTOR_TERM))]);

static PREFERRED_SCHEDULING_TERM: Message = Message(&[
    (1, "weight", Number),
    (2, "preference", One(&NODE_SELECTOR_TERM)),
]);

static POD_AFFINITY_TERM: Message = Message(&[
    (1, "labelSelector", One(&LABEL_SELECTOR)),
    (2, "namespaces", Texts),
    (3, "topologyKey", Text),
    (4, "namespaceSelector", One(&LABEL_SELECTOR)),
    (5, "matchLabelKeys", Texts),
    (6, "mismatchLabelKeys", Texts),
]);

static WEIGHTED_POD_AFFINITY_TERM: Message = Message(&[
    (1, "weight", Number),
    (2, "podAffinityTerm", One(&POD_AFFINITY_TERM)),
]);

static CONTAINER_STATE_WAITING: Message = Message(&[(1, "reason", Text), (2, "message", Text)]);

static CONTAINER_STATE_RUNNING: Message = Message(&[(1, "startedAt", Time)]);

static CONTAINER_STATE_TERMINATED: Message = Message(&[
    (1, "exitCode", Number),
    (2, "signal", Number),
    (3, "reason", Text),
    (4, "message", Text),
    (5, "startedAt", Time),
    (6, "finishedAt", Time),
    (7, "containerID", Text),
]);

static KEY_TO_PATH: Message = Message(&[
    (1, "key", SetText),
    (2, "path", SetText),
    (3, "mode", SetNumber),
]);

static DOWNWARD_APIVOLUME_FILE: Message = Message(&[
    (1, "path", Text),
    (2, "fieldRef", One(&OBJECT_FIELD_SELECTOR)),
    (3, "resourceFieldRef", One(&RESOURCE_FIELD_SELECTOR)),
    (4, "mode", Number),
]);

static VOLUME_PROJECTION: Message = Message(&[
    (1, "secret", One(&SECRET_PROJECTION)),
    (2, "downwardAPI", One(&DOWNWARD_APIPROJECTION)),
    (3, "configMap", One(&CONFIG_MAP_PROJECTION)),
    (
        4,
        "serviceAccountToken",
        One(&SERVICE_ACCOUNT_TOKEN_PROJECTION),
    ),
]);

static OBJECT_FIELD_SELECTOR: Message = Message(&[(1, "apiVersion", Text), (2, "fieldPath", Text)]);

static RESOURCE_FIELD_SELECTOR: Message = Message(&[
    (1, "containerName", Text),
    (2, "resource", Text),
    (3, "divisor", Quantity),
]);

static CONFIG_MAP_KEY_SELECTOR: Message = Message(&[
    (1, "localObjectReference", Inline(&LOCAL_OBJECT_REFERENCE)),
    (2, "key", SetText),
    (3, "optional", SetFlag),
]);

static SECRET_KEY_SELECTOR: Message = Message(&[
    (1, "localObjectReference", Inline(&LOCAL_OBJECT_REFERENCE)),
    (2, "key", SetText),
    (3, "optional", SetFlag),
]);

static EXEC_ACTION: Message = Message(&[(1, "command", Texts)]);

static HTTP_GET_ACTION: Message = Message(&[
    (1, "path", Text),
    (2, "port", IntOrString),
    (3, "host", Text),
    (4, "scheme", Text),
    (5, "httpHeaders", Many(&HTTP_HEADER)),
]);

static TCP_SOCKET_ACTION: Message = Message(&[(1, "port", IntOrString), (2, "host", Text)]);

static GRPC_ACTION: Message = Message(&[(1, "port", SetNumber), (2, "service", SetText)]);

static SLEEP_ACTION: Message = Message(&[(1, "seconds", SetNumber)]);

static NODE_SELECTOR_TERM: Message = Message(&[
    (1, "matchExpressions", Many(&NODE_SELECTOR_REQUIREMENT)),
    (2, "matchFields", Many(&NODE_SELECTOR_REQUIREMENT)),
]);

static SECRET_PROJECTION: Message = Message(&[
    (1, "localObjectReference", Inline(&LOCAL_OBJECT_REFERENCE)),
    (2, "items", Many(&KEY_TO_PATH)),
    (4, "optional", SetFlag),
]);

static DOWNWARD_APIPROJECTION: Message = Message(&[(1, "items", Many(&DOWNWARD_APIVOLUME_FILE))]);

static CONFIG_MAP_PROJECTION: Message = Message(&[
    (1, "localObjectReference", Inline(&LOCAL_OBJECT_REFERENCE)),
    (2, "items", Many(&KEY_TO_PATH)),
    (4, "optional", SetFlag),
]);

static SERVICE_ACCOUNT_TOKEN_PROJECTION: Message = Message(&[
    (1, "audience", Text),
    (2, "expirationSeconds", SetNumber),
    (3, "path", Text),
]);

static HTTP_HEADER: Message = Message(&[(1, "name", Text), (2, "value", Text)]);

static NODE_SELECTOR_REQUIREMENT: Message = Message(&[
    (1, "key", Text),
    (2, "operator", Text),
    (3, "values", Texts),
]);

static LABEL_SELECTOR: Message = Message(&[
    (1, "matchLabels", TextMap),
    (2, "matchExpressions", Many(&LABEL_REQUIREMENT)),
]);

static LABEL_REQUIREMENT: Message = Message(&[
    (1, "key", SetText),
    (2, "operator", SetText),
    (3, "values", Texts),
]);
