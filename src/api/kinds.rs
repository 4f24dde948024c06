//! The one table of kinds that this server serves: discovery, paths, short names, patches and help read it.

use serde_json::Value;

/// One kind of object, and how it is addressed.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// API group; "" is the core group.
    pub group: &'static str,
    pub version: &'static str,
    /// `Application`.
    pub kind: &'static str,
    /// `applications`, as in paths.
    pub plural: &'static str,
    pub singular: &'static str,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub scope: Scope,
    /// Whether `/status` is a subresource of its own: spec writes leave status alone and the reverse.
    pub has_status: bool,
    pub storage: Storage,
}

/// Whether objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Cluster,
    Namespaced,
}

/// Where a kind's objects come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// Kept in the store under its own name.
    Stored,
    /// A view of another kind (a Project is a Namespace), or an answer that is never kept (`SelfSubjectReview`).
    Virtual,
}

impl Kind {
    /// `upshift.dev/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `applications.upshift.dev`, or `nodes` for the core group: how errors name the resource.
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `application.upshift.dev`, or `node`: how result lines and `-o name` name the kind.
    pub fn prefix(&self) -> String {
        if self.group.is_empty() {
            self.singular.to_owned()
        } else {
            format!("{}.{}", self.singular, self.group)
        }
    }

    /// `/api/v1` or `/apis/GROUP/VERSION`.
    pub fn root(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    /// The path of the collection (`name` empty) or of one object.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let mut path = self.root();
        if self.scope == Scope::Namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(self.plural);
        if !name.is_empty() {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// Whether an object says that it is of this kind.
    pub fn describes(&self, object: &Value) -> bool {
        object["kind"] == self.kind && object["apiVersion"] == self.api_version().as_str()
    }
}

const fn core(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    scope: Scope,
) -> Kind {
    Kind {
        group: "",
        version: "v1",
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &[],
        scope,
        has_status: false,
        storage: Storage::Stored,
    }
}

const fn ours(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    scope: Scope,
) -> Kind {
    Kind {
        group: "upshift.dev",
        has_status: true,
        ..core(kind, plural, singular, scope)
    }
}

const C: Scope = Scope::Cluster;
const N: Scope = Scope::Namespaced;

pub const NAMESPACE: Kind = Kind {
    short_names: &["ns"],
    has_status: true,
    ..core("Namespace", "namespaces", "namespace", C)
};
pub const NODE: Kind = Kind {
    short_names: &["no"],
    has_status: true,
    ..core("Node", "nodes", "node", C)
};
pub const SECRET: Kind = core("Secret", "secrets", "secret", N);
pub const CONFIG_MAP: Kind = Kind {
    short_names: &["cm"],
    ..core("ConfigMap", "configmaps", "configmap", N)
};
pub const SERVICE: Kind = Kind {
    short_names: &["svc"],
    categories: &["all"],
    has_status: true,
    ..core("Service", "services", "service", N)
};
pub const EVENT: Kind = Kind {
    short_names: &["ev"],
    ..core("Event", "events", "event", N)
};
pub const ENDPOINT_SLICE: Kind = Kind {
    group: "discovery.k8s.io",
    ..core("EndpointSlice", "endpointslices", "endpointslice", N)
};
pub const LEASE: Kind = Kind {
    group: "coordination.k8s.io",
    ..core("Lease", "leases", "lease", N)
};
pub const PROJECT: Kind = Kind {
    group: "project.openshift.io",
    storage: Storage::Virtual,
    ..core("Project", "projects", "project", C)
};
pub const PROJECT_REQUEST: Kind = Kind {
    group: "project.openshift.io",
    storage: Storage::Virtual,
    ..core("ProjectRequest", "projectrequests", "projectrequest", C)
};
pub const USER: Kind = Kind {
    group: "user.openshift.io",
    storage: Storage::Virtual,
    ..core("User", "users", "user", C)
};
pub const SELF_SUBJECT_REVIEW: Kind = Kind {
    group: "authentication.k8s.io",
    storage: Storage::Virtual,
    ..core(
        "SelfSubjectReview",
        "selfsubjectreviews",
        "selfsubjectreview",
        C,
    )
};
pub const SELF_SUBJECT_ACCESS_REVIEW: Kind = Kind {
    group: "authorization.k8s.io",
    storage: Storage::Virtual,
    ..core(
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
        C,
    )
};

pub const APPLICATION: Kind = Kind {
    short_names: &["app", "apps"],
    categories: &["all"],
    ..ours("Application", "applications", "application", N)
};
pub const REVISION: Kind = Kind {
    short_names: &["rev"],
    has_status: false,
    ..ours("Revision", "revisions", "revision", N)
};
pub const ROLLOUT: Kind = Kind {
    short_names: &["ro"],
    categories: &["all"],
    ..ours("Rollout", "rollouts", "rollout", N)
};
pub const GEAR: Kind = Kind {
    categories: &["all"],
    ..ours("Gear", "gears", "gear", N)
};
pub const OPERATION: Kind = Kind {
    short_names: &["op"],
    ..ours("Operation", "operations", "operation", N)
};
pub const ROUTER: Kind = ours("Router", "routers", "router", C);

pub const POD: Kind = Kind {
    short_names: &["po"],
    categories: &["all"],
    has_status: true,
    ..core("Pod", "pods", "pod", N)
};
pub const ENDPOINTS: Kind = Kind {
    short_names: &["ep"],
    ..core("Endpoints", "endpoints", "endpoints", N)
};
pub const REPLICATION_CONTROLLER: Kind = Kind {
    short_names: &["rc"],
    categories: &["all"],
    has_status: true,
    ..core(
        "ReplicationController",
        "replicationcontrollers",
        "replicationcontroller",
        N,
    )
};
pub const SERVICE_ACCOUNT: Kind = Kind {
    short_names: &["sa"],
    ..core("ServiceAccount", "serviceaccounts", "serviceaccount", N)
};
pub const DEPLOYMENT: Kind = Kind {
    group: "apps",
    short_names: &["deploy"],
    categories: &["all"],
    has_status: true,
    ..core("Deployment", "deployments", "deployment", N)
};
pub const REPLICA_SET: Kind = Kind {
    group: "apps",
    short_names: &["rs"],
    categories: &["all"],
    has_status: true,
    ..core("ReplicaSet", "replicasets", "replicaset", N)
};
pub const IMAGE_STREAM: Kind = Kind {
    group: "image.openshift.io",
    short_names: &["is"],
    categories: &["all"],
    has_status: true,
    ..core("ImageStream", "imagestreams", "imagestream", N)
};
pub const IMAGE: Kind = Kind {
    group: "image.openshift.io",
    ..core("Image", "images", "image", C)
};
pub const IMAGE_STREAM_TAG: Kind = Kind {
    group: "image.openshift.io",
    short_names: &["istag"],
    storage: Storage::Virtual,
    ..core("ImageStreamTag", "imagestreamtags", "imagestreamtag", N)
};
pub const IMAGE_STREAM_IMAGE: Kind = Kind {
    group: "image.openshift.io",
    short_names: &["isimage"],
    storage: Storage::Virtual,
    ..core(
        "ImageStreamImage",
        "imagestreamimages",
        "imagestreamimage",
        N,
    )
};
pub const IMAGE_STREAM_IMPORT: Kind = Kind {
    group: "image.openshift.io",
    storage: Storage::Virtual,
    ..core(
        "ImageStreamImport",
        "imagestreamimports",
        "imagestreamimport",
        N,
    )
};
pub const BUILD_CONFIG: Kind = Kind {
    group: "build.openshift.io",
    short_names: &["bc"],
    categories: &["all"],
    ..core("BuildConfig", "buildconfigs", "buildconfig", N)
};
// A Build and its config have no `/status` in OpenShift: whoever may write one writes all of it.
pub const BUILD: Kind = Kind {
    group: "build.openshift.io",
    categories: &["all"],
    ..core("Build", "builds", "build", N)
};
pub const DEPLOYMENT_CONFIG: Kind = Kind {
    group: "apps.openshift.io",
    short_names: &["dc"],
    categories: &["all"],
    has_status: true,
    ..core(
        "DeploymentConfig",
        "deploymentconfigs",
        "deploymentconfig",
        N,
    )
};
pub const ROUTE: Kind = Kind {
    group: "route.openshift.io",
    categories: &["all"],
    has_status: true,
    ..core("Route", "routes", "route", N)
};

/// Every kind, in the order that discovery and help list them.
pub static ALL: &[&Kind] = &[
    &NAMESPACE,
    &NODE,
    &SECRET,
    &CONFIG_MAP,
    &SERVICE,
    &EVENT,
    &POD,
    &ENDPOINTS,
    &REPLICATION_CONTROLLER,
    &SERVICE_ACCOUNT,
    &ENDPOINT_SLICE,
    &DEPLOYMENT,
    &REPLICA_SET,
    &LEASE,
    &PROJECT,
    &PROJECT_REQUEST,
    &USER,
    &IMAGE_STREAM,
    &IMAGE,
    &IMAGE_STREAM_TAG,
    &IMAGE_STREAM_IMAGE,
    &IMAGE_STREAM_IMPORT,
    &BUILD_CONFIG,
    &BUILD,
    &DEPLOYMENT_CONFIG,
    &ROUTE,
    &SELF_SUBJECT_REVIEW,
    &SELF_SUBJECT_ACCESS_REVIEW,
    &APPLICATION,
    &REVISION,
    &ROLLOUT,
    &GEAR,
    &OPERATION,
    &ROUTER,
];

/// The kind at a path: group, version and plural as they stand there.
pub fn at(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    ALL.iter()
        .copied()
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// The kind that an object names itself.
pub fn of(object: &Value) -> Option<&'static Kind> {
    ALL.iter().copied().find(|kind| kind.describes(object))
}

/// The kind a user means by `pods`, `pod`, `po`, `Pods.v1.` or `apps.upshift.dev`; case does not matter.
pub fn named(word: &str) -> Option<&'static Kind> {
    let word = word.to_lowercase();
    let (name, rest) = word.split_once('.').unwrap_or((&word, ""));
    ALL.iter().copied().find(|kind| {
        let matches =
            kind.plural == name || kind.singular == name || kind.short_names.contains(&name);
        let group = rest
            .strip_prefix(&format!("{}.", kind.version))
            .unwrap_or(rest);
        matches && (rest.is_empty() || group == kind.group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_kinds_as_users_name_them() {
        for word in [
            "app",
            "Applications",
            "application.upshift.dev",
            "applications.v1.upshift.dev",
        ] {
            assert_eq!(named(word), Some(&APPLICATION), "{word}");
        }
        assert_eq!(named("no"), Some(&NODE));
        assert_eq!(named("nosuch"), None);
        assert_eq!(named("application.v2.upshift.dev"), None);
    }

    #[test]
    fn paths_follow_the_group_and_the_scope() {
        assert_eq!(NODE.path("", "a"), "/api/v1/nodes/a");
        assert_eq!(
            APPLICATION.path("demo", ""),
            "/apis/upshift.dev/v1/namespaces/demo/applications"
        );
        assert_eq!(
            APPLICATION.path("", ""),
            "/apis/upshift.dev/v1/applications"
        );
    }
}
