//! What is asked: method, path and query, parsed at the door into a value that cannot be half valid.

use std::time::Duration;

use http::Method;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::status::Status;
use crate::apiserver::access::Verb;

/// What a request is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Health(Check),
    Version,
    Metrics,
    Discovery(Discovery),
    OpenApiIndex,
    /// The document of `(group, version)`.
    OpenApi(String, String),
    OpenApiV2,
    /// Everything below `/v2/`.
    Registry,
    Shutdown,
    Objects(Box<Target>),
}

/// Which health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The process answers.
    Live,
    /// Every part is there.
    Ready,
}

/// Which list of what is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`
    Resources { group: String, version: String },
}

/// An object, a collection or a subresource, and what is to be done with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) verb: Verb,
    pub(crate) kind: &'static Kind,
    /// Empty for cluster-scoped kinds, and for a list over all namespaces.
    pub(crate) namespace: String,
    /// Empty for a collection.
    pub(crate) name: String,
    pub(crate) subresource: Subresource,
    /// What stands in the path after the subresource: of a webhook `SECRET/TYPE`.
    pub(crate) tail: Vec<String>,
    pub(crate) query: Query,
}

/// A part of an object that is addressed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subresource {
    /// The object itself.
    None,
    Status,
    /// The output of an Operation's step, of a pod, of a build or a rollout.
    Log,
    /// How many pods something is to have.
    Scale,
    /// Starts a build or a rollout by hand.
    Instantiate,
    /// Starts a build of the source in the body.
    InstantiateBinary,
    /// Starts a build for whoever knows the secret.
    Webhooks,
    /// Repeats a build.
    Clone,
    /// What a deployment config would be with an earlier version.
    Rollback,
    /// A one-time token for a node of that name.
    Token,
    /// A node's exchange of its token for a certificate.
    Join,
    /// A node's exchange of its certificate for a further one.
    Renew,
    /// The connection that a node opens for streams.
    Tunnel,
    /// A program run on a node or beside a pod's container, with its streams.
    Exec,
}

impl Subresource {
    /// As it stands in a path; empty for the object itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Subresource::None => "",
            Subresource::Status => "status",
            Subresource::Log => "log",
            Subresource::Scale => "scale",
            Subresource::Instantiate => "instantiate",
            Subresource::InstantiateBinary => "instantiatebinary",
            Subresource::Webhooks => "webhooks",
            Subresource::Clone => "clone",
            Subresource::Rollback => "rollback",
            Subresource::Token => "token",
            Subresource::Join => "join",
            Subresource::Renew => "renew",
            Subresource::Tunnel => "tunnel",
            Subresource::Exec => "exec",
        }
    }

    /// The subresources of a kind and the verbs each takes.
    pub(crate) fn of_kind(kind: &Kind) -> Vec<(Subresource, &'static [Verb])> {
        let mut all: Vec<(Subresource, &'static [Verb])> = Vec::new();
        if kind.has_status {
            all.push((Subresource::Status, &[Verb::Get, Verb::Patch, Verb::Update]));
        }
        if kinds_with_logs().contains(&kind) {
            all.push((Subresource::Log, &[Verb::Get]));
        }
        if kinds_with_scale().contains(&kind) {
            all.push((Subresource::Scale, &[Verb::Get, Verb::Patch, Verb::Update]));
        }
        if kind == &kinds::BUILD_CONFIG {
            all.push((Subresource::Instantiate, &[Verb::Create]));
            all.push((Subresource::InstantiateBinary, &[Verb::Create]));
            all.push((Subresource::Webhooks, &[Verb::Create]));
        }
        if kind == &kinds::BUILD {
            all.push((Subresource::Clone, &[Verb::Create]));
        }
        if kind == &kinds::DEPLOYMENT_CONFIG {
            all.push((Subresource::Instantiate, &[Verb::Create]));
            all.push((Subresource::Rollback, &[Verb::Create]));
        }
        if [&kinds::NODE, &kinds::POD].contains(&kind) {
            all.push((Subresource::Exec, &[Verb::Create, Verb::Get]));
        }
        if kind == &kinds::NODE {
            all.push((Subresource::Join, &[Verb::Create]));
            all.push((Subresource::Renew, &[Verb::Create]));
            all.push((Subresource::Token, &[Verb::Create, Verb::Delete]));
            all.push((Subresource::Tunnel, &[Verb::Create, Verb::Get]));
        }
        all
    }
}

fn kinds_with_logs() -> [&'static Kind; 4] {
    [
        &kinds::OPERATION,
        &kinds::POD,
        &kinds::BUILD,
        &kinds::DEPLOYMENT_CONFIG,
    ]
}

fn kinds_with_scale() -> [&'static Kind; 4] {
    [
        &kinds::REPLICATION_CONTROLLER,
        &kinds::REPLICA_SET,
        &kinds::DEPLOYMENT,
        &kinds::DEPLOYMENT_CONFIG,
    ]
}

/// What the query says; every option of every verb.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    /// 0: everything at once.
    pub(crate) limit: usize,
    pub(crate) continue_token: String,
    /// Empty, or a revision.
    pub(crate) resource_version: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) bookmarks: bool,
    /// A watch that begins with what is there and says where that ends.
    pub(crate) send_initial_events: bool,
    pub(crate) dry_run: bool,
    pub(crate) field_validation: FieldValidation,
    /// `None`, `Metadata` or `Object`: what a Table's rows carry.
    pub(crate) include_object: String,
    pub(crate) propagation_policy: String,
    /// Of a deletion: the seconds that a pod's processes have to end.
    pub(crate) grace_period: Option<u64>,
    /// Of a log: whose output.
    pub(crate) step: String,
    pub(crate) follow: bool,
    /// What only one subresource asks, as it stands there: `container`, `asFile` …
    pub(crate) others: Vec<(String, String)>,
}

/// What happens to fields that the kind does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

impl Request {
    /// Reads a request line; `verb` of the target is what the method means there.
    pub(crate) fn parse(method: &Method, uri: &http::Uri) -> Result<Request, Status> {
        let path = uri.path();
        if path == "/v2" || path.starts_with("/v2/") {
            return Ok(Request::Registry);
        }
        let segments = segments(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let plain = match segments.as_slice() {
            ["healthz" | "livez", ..] => Request::Health(Check::Live),
            ["readyz", ..] => Request::Health(Check::Ready),
            ["version"] => Request::Version,
            ["metrics"] => Request::Metrics,
            ["api"] => Request::Discovery(Discovery::Core),
            ["apis"] => Request::Discovery(Discovery::Groups),
            ["openapi", "v2"] => Request::OpenApiV2,
            ["openapi", "v3"] => Request::OpenApiIndex,
            ["openapi", "v3", "api", version] => {
                Request::OpenApi(String::new(), (*version).to_owned())
            }
            ["openapi", "v3", "apis", group, version] => {
                Request::OpenApi((*group).to_owned(), (*version).to_owned())
            }
            ["apis", "upshift.dev", "v1", "shutdown"] => {
                return if method == Method::POST {
                    Ok(Request::Shutdown)
                } else {
                    Err(Status::method_not_allowed())
                };
            }
            ["api", version] => resources("", version),
            ["apis", group] => Request::Discovery(Discovery::Group((*group).to_owned())),
            ["apis", group, version] => resources(group, version),
            ["api", version, rest @ ..] => {
                return objects(method, uri, "", version, rest)
                    .map(|target| Request::Objects(Box::new(target)));
            }
            ["apis", group, version, rest @ ..] => {
                return objects(method, uri, group, version, rest)
                    .map(|target| Request::Objects(Box::new(target)));
            }
            _ => return Err(Status::no_such_path()),
        };
        if method == Method::GET || method == Method::HEAD {
            Ok(plain)
        } else {
            Err(Status::method_not_allowed())
        }
    }
}

fn resources(group: &str, version: &str) -> Request {
    Request::Discovery(Discovery::Resources {
        group: group.to_owned(),
        version: version.to_owned(),
    })
}

fn segments(path: &str) -> Result<Vec<String>, Status> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| decode(segment).ok_or_else(Status::no_such_path))
        .collect()
}

/// Takes the percent signs out of one path segment, or of one value of a query.
pub(super) fn decode(segment: &str) -> Option<String> {
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn objects(
    method: &Method,
    uri: &http::Uri,
    group: &str,
    version: &str,
    path: &[&str],
) -> Result<Target, Status> {
    let (namespace, path) = match path {
        // `namespaces/NAME` and `namespaces/NAME/status` are about the namespace itself.
        ["namespaces", _] | ["namespaces", _, "status"] if group.is_empty() => ("", path),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        _ => ("", path),
    };
    let none: &[&str] = &[];
    let (plural, name, subresource, tail) = match path {
        [plural] => (*plural, "", "", none),
        [plural, name] => (*plural, *name, "", none),
        [plural, name, subresource] => (*plural, *name, *subresource, none),
        [plural, name, "webhooks", tail @ ..] if tail.len() == 2 => {
            (*plural, *name, "webhooks", tail)
        }
        _ => return Err(Status::no_such_path()),
    };
    let kind = kinds::at(group, version, plural).ok_or_else(Status::no_such_path)?;
    let query = Query::parse(uri)?;
    let is_watch = wants_watch(uri);
    let misplaced = match kind.scope {
        Scope::Cluster => !namespace.is_empty(),
        Scope::Namespaced => namespace.is_empty() && !name.is_empty(),
    };
    if misplaced {
        return Err(Status::no_such_path());
    }
    let over_all = kind.scope == Scope::Namespaced && namespace.is_empty();
    let (subresource, verb) = if subresource.is_empty() {
        let verb = verb_of(method, name, is_watch).ok_or_else(Status::method_not_allowed)?;
        if over_all && !matches!(verb, Verb::List | Verb::Watch) {
            return Err(Status::method_not_allowed());
        }
        (Subresource::None, verb)
    } else {
        subresource_of(kind, subresource, method)?
    };
    Ok(Target {
        verb,
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource,
        tail: tail.iter().map(|&part| part.to_owned()).collect(),
        query,
    })
}

fn verb_of(method: &Method, name: &str, is_watch: bool) -> Option<Verb> {
    Some(match (method, name.is_empty()) {
        (&Method::GET | &Method::HEAD, false) => Verb::Get,
        (&Method::GET | &Method::HEAD, true) if is_watch => Verb::Watch,
        (&Method::GET | &Method::HEAD, true) => Verb::List,
        (&Method::POST, true) => Verb::Create,
        (&Method::PUT, false) => Verb::Update,
        (&Method::PATCH, false) => Verb::Patch,
        (&Method::DELETE, false) => Verb::Delete,
        (&Method::DELETE, true) => Verb::DeleteCollection,
        _ => return None,
    })
}

fn subresource_of(kind: &Kind, word: &str, method: &Method) -> Result<(Subresource, Verb), Status> {
    let verb = match method {
        &Method::GET | &Method::HEAD => Verb::Get,
        &Method::POST => Verb::Create,
        &Method::PUT => Verb::Update,
        &Method::PATCH => Verb::Patch,
        &Method::DELETE => Verb::Delete,
        _ => return Err(Status::method_not_allowed()),
    };
    let (subresource, verbs) = Subresource::of_kind(kind)
        .into_iter()
        .find(|(subresource, _)| subresource.name() == word)
        .ok_or_else(Status::no_such_path)?;
    if verbs.contains(&verb) {
        Ok((subresource, verb))
    } else {
        Err(Status::method_not_allowed())
    }
}

fn pairs(uri: &http::Uri) -> Result<Vec<(String, String)>, Status> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|error| Status::bad_request(format!("the query cannot be read: {error}")))
}

fn wants_watch(uri: &http::Uri) -> bool {
    pairs(uri).is_ok_and(|pairs| {
        pairs
            .iter()
            .any(|(key, value)| key == "watch" && is_true(value))
    })
}

fn is_true(value: &str) -> bool {
    value.is_empty() || value == "1" || value.eq_ignore_ascii_case("true")
}

impl Query {
    /// Reads the query of a request; what it does not know is left aside, as Kubernetes does.
    pub(crate) fn parse(uri: &http::Uri) -> Result<Query, Status> {
        let mut query = Query::default();
        for (key, value) in pairs(uri)? {
            let number = || {
                value.parse::<u64>().map_err(|_| {
                    Status::bad_request(format!("{key}: {value:?} is not a whole number"))
                })
            };
            match key.as_str() {
                "labelSelector" => query.label_selector = value,
                "fieldSelector" => query.field_selector = value,
                "limit" => query.limit = usize::try_from(number()?).unwrap_or(usize::MAX),
                "continue" => query.continue_token = value,
                "resourceVersion" => query.resource_version = value,
                "timeoutSeconds" => query.timeout = Some(Duration::from_secs(number()?)),
                "allowWatchBookmarks" => query.bookmarks = is_true(&value),
                "sendInitialEvents" => query.send_initial_events = is_true(&value),
                "dryRun" => query.dry_run = dry_run(&value)?,
                "fieldValidation" => query.field_validation = field_validation(&value)?,
                "includeObject" => query.include_object = value,
                "propagationPolicy" => query.propagation_policy = value,
                "gracePeriodSeconds" => query.grace_period = Some(number()?),
                "step" => query.step = value,
                "follow" => query.follow = is_true(&value),
                _ => query.others.push((key, value)),
            }
        }
        Ok(query)
    }

    /// One of the other parameters; empty when it is not there.
    pub(crate) fn other(&self, name: &str) -> &str {
        let found = self.others.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether one of the other parameters says yes.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.others
            .iter()
            .any(|(key, value)| key == name && is_true(value))
    }

    /// One of the other parameters as a number; none when it is not there.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Status> {
        match self.other(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("{name}: {text:?} is not a whole number"))
            }),
        }
    }
}

/// Whether a `dryRun` value asks for one.
pub(crate) fn dry_run(value: &str) -> Result<bool, Status> {
    match value {
        "All" => Ok(true),
        "" => Ok(false),
        _ => Err(Status::bad_request(format!(
            "dryRun: Unsupported value: {value:?}: supported values: \"All\""
        ))),
    }
}

fn field_validation(value: &str) -> Result<FieldValidation, Status> {
    match value {
        "Ignore" => Ok(FieldValidation::Ignore),
        "Warn" | "" => Ok(FieldValidation::Warn),
        "Strict" => Ok(FieldValidation::Strict),
        _ => Err(Status::bad_request(format!(
            "fieldValidation: Unsupported value: {value:?}: supported values: \
             \"Ignore\", \"Strict\", \"Warn\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str) -> String {
        match Request::parse(method, &path.parse().unwrap()) {
            Ok(Request::Objects(target)) => format!(
                "{} {} [{}] [{}] [{}]",
                target.verb.name(),
                target.kind.plural,
                target.namespace,
                target.name,
                target.subresource.name()
            ),
            Ok(other) => format!("{other:?}"),
            Err(status) => status.code.to_string(),
        }
    }

    #[test]
    fn paths_and_methods() {
        let app = "/apis/upshift.dev/v1/namespaces/demo/applications";
        for (method, path, expect) in [
            (Method::GET, app, "list applications [demo] [] []"),
            (Method::POST, app, "create applications [demo] [] []"),
            (
                Method::DELETE,
                app,
                "deletecollection applications [demo] [] []",
            ),
            (Method::PUT, app, "405"),
            (Method::POST, "/apis/upshift.dev/v1/applications", "405"),
            (
                Method::GET,
                "/apis/upshift.dev/v1/applications?watch=true",
                "watch applications [] [] []",
            ),
            (
                Method::GET,
                "/apis/upshift.dev/v1/namespaces/demo/applications/a%2Eb",
                "get applications [demo] [a.b] []",
            ),
            (
                Method::PATCH,
                "/apis/upshift.dev/v1/namespaces/demo/applications/a/status",
                "patch applications [demo] [a] [status]",
            ),
            (
                Method::DELETE,
                "/apis/upshift.dev/v1/namespaces/demo/applications/a/status",
                "405",
            ),
            (Method::GET, "/apis/upshift.dev/v1/applications/a", "404"),
            (
                Method::GET,
                "/api/v1/namespaces/demo",
                "get namespaces [] [demo] []",
            ),
            (
                Method::PUT,
                "/api/v1/namespaces/demo/status",
                "update namespaces [] [demo] [status]",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/demo/secrets",
                "list secrets [demo] [] []",
            ),
            (Method::GET, "/api/v1/namespaces/demo/nodes", "404"),
            (Method::GET, "/api/v1/nosuch", "404"),
            (Method::GET, "/", "404"),
            (Method::GET, "/api", "Discovery(Core)"),
            (Method::POST, "/api", "405"),
            (Method::GET, "/readyz?verbose", "Health(Ready)"),
            (Method::GET, "/v2/", "Registry"),
            (Method::GET, "/apis/upshift.dev/v1/shutdown", "405"),
            (Method::POST, "/apis/upshift.dev/v1/shutdown", "Shutdown"),
            (
                Method::GET,
                "/openapi/v3/apis/upshift.dev/v1?hash=1",
                "OpenApi(\"upshift.dev\", \"v1\")",
            ),
        ] {
            assert_eq!(check(&method, path), expect, "{method} {path}");
        }
    }

    #[test]
    fn parts_of_objects_and_methods() {
        for (method, path, expect) in [
            (
                Method::POST,
                "/api/v1/nodes/a/join",
                "create nodes [] [a] [join]",
            ),
            (
                Method::GET,
                "/api/v1/nodes/a/tunnel",
                "get nodes [] [a] [tunnel]",
            ),
            (
                Method::POST,
                "/api/v1/nodes/a/tunnel",
                "create nodes [] [a] [tunnel]",
            ),
            (Method::PUT, "/api/v1/nodes/a/tunnel", "405"),
            (
                Method::PUT,
                "/apis/apps.openshift.io/v1/namespaces/demo/deploymentconfigs/a/scale",
                "update deploymentconfigs [demo] [a] [scale]",
            ),
            (
                Method::POST,
                "/apis/build.openshift.io/v1/namespaces/demo/buildconfigs/a/webhooks/s/github",
                "create buildconfigs [demo] [a] [webhooks]",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/demo/pods/a/log?container=c",
                "get pods [demo] [a] [log]",
            ),
            (Method::POST, "/api/v1/namespaces/demo/pods/a/log", "405"),
            (
                Method::POST,
                "/api/v1/namespaces/demo/pods/a/exec",
                "create pods [demo] [a] [exec]",
            ),
            (Method::PUT, "/api/v1/namespaces/demo/pods/a/exec", "405"),
            (Method::GET, "/api/v1/namespaces/demo/pods/a/log/b", "404"),
        ] {
            assert_eq!(check(&method, path), expect, "{method} {path}");
        }
    }

    #[test]
    fn queries() {
        let parse = |query: &str| Query::parse(&format!("/x?{query}").parse().unwrap());
        let query =
            parse("labelSelector=a%3Db%2Cc&limit=500&dryRun=All&fieldValidation=Strict&x=1")
                .unwrap();
        assert_eq!(query.label_selector, "a=b,c");
        assert_eq!(query.limit, 500);
        assert!(query.dry_run);
        assert_eq!(query.field_validation, FieldValidation::Strict);
        for wrong in [
            "limit=x",
            "dryRun=None",
            "fieldValidation=x",
            "timeoutSeconds=-1",
        ] {
            assert_eq!(parse(wrong).unwrap_err().code, 400, "{wrong}");
        }
    }
}
