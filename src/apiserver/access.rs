//! Who may do what: one table, read from the top.
//!
//! Decides by identity and request alone; where the answer depends on the object (a node and what is on it), it says
//! what must hold for the object ([`Ruling`]). DESIGN.md section 2 gives the rules; there are no roles beside them.

use crate::api::core::NODE_LEASES;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::selector::Fields;
use crate::api::selector::Labels;
use crate::api::upshift::LABEL_NODE;
use crate::api::upshift::LABEL_ROUTER;
use crate::apiserver::authentication::Identity;
use crate::apiserver::mentions;
use crate::store::Entry;
use crate::store::Place;
use crate::store::Store;

/// What is done to objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// Every verb, in the order discovery lists them.
    pub const ALL: [Verb; 8] = [
        Verb::Create,
        Verb::Delete,
        Verb::DeleteCollection,
        Verb::Get,
        Verb::List,
        Verb::Patch,
        Verb::Update,
        Verb::Watch,
    ];

    /// The verb as discovery, reviews and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
        }
    }

    fn is_read(self) -> bool {
        matches!(self, Verb::Get | Verb::List | Verb::Watch)
    }

    fn writes_in_place(self) -> bool {
        matches!(self, Verb::Update | Verb::Patch)
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub verb: Verb,
    pub kind: &'static Kind,
    pub namespace: &'a str,
    /// Empty for a collection.
    pub name: &'a str,
    /// `status`, `log`, `token`, …; empty for the object itself.
    pub subresource: &'a str,
    /// As they stand in the request; empty for none.
    pub label_selector: &'a str,
    pub field_selector: &'a str,
}

/// The answer to an [`Attempt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    Allowed,
    /// Allowed if the object carries the label `upshift.dev/node` with this value.
    OnNode(String),
    /// Allowed if the object is a pod of this node.
    PodOf(String),
    /// Allowed if the object is an Event that this node said.
    SaidBy(String),
    /// Allowed if a pod of this node names the object (a Secret or a `ConfigMap` of its namespace).
    NamedByPodOf(String),
    /// Allowed if the Router of that name is this node's.
    OfRouterOn {
        router: String,
        node: String,
    },
    Denied,
}

impl Ruling {
    /// Whether it stands for that object.
    pub fn admits(&self, entry: &Entry, store: &Store) -> bool {
        match self {
            Ruling::Allowed => true,
            Ruling::OnNode(node) => entry.labels.get(LABEL_NODE) == Some(node),
            Ruling::PodOf(node) => entry.object()["spec"]["nodeName"] == node.as_str(),
            Ruling::SaidBy(node) => entry.object()["source"]["host"] == node.as_str(),
            Ruling::NamedByPodOf(node) => mentions::is_named_by_pod(store, node, &entry.place),
            Ruling::OfRouterOn { .. } | Ruling::Denied => false,
        }
    }

    /// The same where it depends on no object that the request is about.
    pub fn settled(self, store: &Store) -> Ruling {
        let Ruling::OfRouterOn { router, node } = self else {
            return self;
        };
        let router = store.entry(&Place::new(&kinds::ROUTER, "", router.as_str()));
        allowed_if(router.is_some_and(|entry| entry.labels.get(LABEL_NODE) == Some(&node)))
    }
}

/// Decides about an attempt.
pub fn rule(identity: &Identity, attempt: &Attempt<'_>) -> Ruling {
    let allowed = match identity {
        Identity::Admin => admin_may(attempt),
        Identity::Controllers => controllers_may(attempt),
        Identity::Router => router_may(attempt),
        Identity::Node(node) => return node_ruling(node, attempt),
        Identity::Joining(node) => {
            attempt.kind == &kinds::NODE
                && attempt.name == node
                && attempt.subresource == "join"
                && attempt.verb == Verb::Create
        }
        // The verb looks at the secret in the path.
        Identity::Anonymous => {
            attempt.kind == &kinds::BUILD_CONFIG
                && attempt.subresource == "webhooks"
                && attempt.verb == Verb::Create
        }
    };
    if allowed {
        Ruling::Allowed
    } else {
        Ruling::Denied
    }
}

/// An Operation is remote execution, so its spec is the controllers' alone; what a node reports is the node's alone.
fn admin_may(attempt: &Attempt<'_>) -> bool {
    let writes = matches!(attempt.verb, Verb::Create) || attempt.verb.writes_in_place();
    !(writes && attempt.kind == &kinds::OPERATION
        || reports_of_nodes(attempt)
        || is_a_nodes_own_errand(attempt))
}

fn controllers_may(attempt: &Attempt<'_>) -> bool {
    let admins = attempt.kind == &kinds::NODE && attempt.subresource == "token";
    let runs_programs = attempt.subresource == "exec";
    !(reports_of_nodes(attempt) || is_a_nodes_own_errand(attempt) || admins || runs_programs)
}

/// A router reads what leads to endpoints, and says in its Router object how far it is.
fn router_may(attempt: &Attempt<'_>) -> bool {
    let follows = [&kinds::ROUTE, &kinds::SERVICE, &kinds::ENDPOINT_SLICE];
    if attempt.kind == &kinds::ROUTER {
        return attempt.verb != Verb::DeleteCollection;
    }
    if attempt.kind == &kinds::EVENT {
        return attempt.verb == Verb::Create && attempt.subresource.is_empty();
    }
    is_review(attempt.kind) && attempt.verb == Verb::Create
        || follows.contains(&attempt.kind) && attempt.verb.is_read()
}

fn reports_of_nodes(attempt: &Attempt<'_>) -> bool {
    attempt.subresource == "status"
        && attempt.verb.writes_in_place()
        && [&kinds::OPERATION, &kinds::GEAR].contains(&attempt.kind)
}

fn is_a_nodes_own_errand(attempt: &Attempt<'_>) -> bool {
    attempt.kind == &kinds::NODE && ["join", "renew", "tunnel"].contains(&attempt.subresource)
}

fn node_ruling(node: &str, attempt: &Attempt<'_>) -> Ruling {
    let kind = attempt.kind;
    if is_review(kind) {
        return allowed_if(attempt.verb == Verb::Create);
    }
    if [&kinds::OPERATION, &kinds::GEAR].contains(&kind) {
        return match (attempt.verb, attempt.subresource) {
            (Verb::List | Verb::Watch, "") => {
                allowed_if(asks_only_for(attempt.label_selector, node))
            }
            (Verb::Get, "" | "status") | (Verb::Update | Verb::Patch, "status") => {
                Ruling::OnNode(node.to_owned())
            }
            _ => Ruling::Denied,
        };
    }
    if kind == &kinds::ROUTER {
        // Of a HAProxy beside this node; the administrator makes it.
        return match (attempt.verb, attempt.subresource) {
            (Verb::Get, "" | "status") | (Verb::Patch, "status") => Ruling::OnNode(node.to_owned()),
            _ => Ruling::Denied,
        };
    }
    if kind == &kinds::ENDPOINT_SLICE {
        return match attempt.verb {
            Verb::List | Verb::Watch => slices_of_router(node, attempt.label_selector),
            _ => Ruling::Denied,
        };
    }
    if kind == &kinds::NODE {
        let own = attempt.name == node;
        return allowed_if(match (attempt.verb, attempt.subresource) {
            (Verb::Get | Verb::Update | Verb::Patch, "" | "status")
            | (Verb::Create | Verb::Get, "tunnel")
            | (Verb::Create, "renew") => own,
            // A create carries its name in the body; the verb checks it against the identity.
            (Verb::Create, "") => attempt.name.is_empty() || own,
            _ => false,
        });
    }
    if kind == &kinds::LEASE {
        let own = attempt.namespace == NODE_LEASES && attempt.subresource.is_empty();
        return allowed_if(match attempt.verb {
            Verb::Get | Verb::Update | Verb::Patch => own && attempt.name == node,
            Verb::Create => own && (attempt.name.is_empty() || attempt.name == node),
            _ => false,
        });
    }
    // An event's name has a part that only its writer knows; it counts there what happens again.
    if kind == &kinds::EVENT && attempt.subresource.is_empty() {
        return match attempt.verb {
            Verb::Create => Ruling::Allowed,
            Verb::Patch => Ruling::SaidBy(node.to_owned()),
            _ => Ruling::Denied,
        };
    }
    if attempt.subresource.is_empty() && attempt.verb == Verb::Create {
        return Ruling::Denied;
    }
    what_pods_need(node, attempt)
}

/// A node follows the slices that a HAProxy beside it serves.
fn slices_of_router(node: &str, selector: &str) -> Ruling {
    let labels = selector.parse::<Labels>().unwrap_or_default();
    let mut pinned = labels.pinned();
    match pinned.find(|(key, _)| *key == LABEL_ROUTER) {
        Some((_, router)) => Ruling::OfRouterOn {
            router: router.to_owned(),
            node: node.to_owned(),
        },
        None => Ruling::Denied,
    }
}

/// The rights of a node over its pods, and over what those need: services, images, secrets and settings.
fn what_pods_need(node: &str, attempt: &Attempt<'_>) -> Ruling {
    let kind = attempt.kind;
    if kind == &kinds::POD {
        return match (attempt.verb, attempt.subresource) {
            (Verb::List | Verb::Watch, "") => {
                allowed_if(asks_only_for_pods_of(attempt.field_selector, node))
            }
            // Only one that ends or is over may it delete: the verb looks.
            (Verb::Get | Verb::Delete, "") | (Verb::Get | Verb::Update | Verb::Patch, "status") => {
                Ruling::PodOf(node.to_owned())
            }
            _ => Ruling::Denied,
        };
    }
    if !attempt.subresource.is_empty() {
        return Ruling::Denied;
    }
    match attempt.verb {
        Verb::Get if [&kinds::SECRET, &kinds::CONFIG_MAP].contains(&kind) => {
            Ruling::NamedByPodOf(node.to_owned())
        }
        Verb::Get => allowed_if([&kinds::SERVICE, &kinds::IMAGE].contains(&kind)),
        Verb::List | Verb::Watch => allowed_if(kind == &kinds::SERVICE),
        _ => Ruling::Denied,
    }
}

/// The only name that this identity may create an object of that kind under, if there is such a limit.
pub fn name_limit<'a>(identity: &'a Identity, kind: &Kind) -> Option<&'a str> {
    match identity {
        Identity::Node(node) if kind == &kinds::NODE || kind == &kinds::LEASE => Some(node),
        _ => None,
    }
}

/// Whether the kind only asks about oneself.
pub fn is_review(kind: &Kind) -> bool {
    kind == &kinds::SELF_SUBJECT_REVIEW || kind == &kinds::SELF_SUBJECT_ACCESS_REVIEW
}

fn allowed_if(allowed: bool) -> Ruling {
    if allowed {
        Ruling::Allowed
    } else {
        Ruling::Denied
    }
}

fn asks_only_for(selector: &str, node: &str) -> bool {
    selector
        .parse::<Labels>()
        .is_ok_and(|labels| labels.pins(LABEL_NODE, node))
}

fn asks_only_for_pods_of(selector: &str, node: &str) -> bool {
    Fields::parse(&kinds::POD, selector)
        .is_ok_and(|fields| fields.exact("spec.nodeName") == Some(node))
}

/// The refusal in the words of Kubernetes.
pub fn refusal(identity: &Identity, attempt: &Attempt<'_>) -> String {
    let kind = attempt.kind;
    let resource = if attempt.subresource.is_empty() {
        kind.plural.to_owned()
    } else {
        format!("{}/{}", kind.plural, attempt.subresource)
    };
    let place = if attempt.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", attempt.namespace)
    };
    let mut text = format!(
        "User {:?} cannot {} resource {resource:?} in API group {:?} {place}",
        identity.user(),
        attempt.verb.name(),
        kind.group,
    );
    if matches!(identity, Identity::Node(_)) && attempt.verb.is_read() {
        text.push_str(": a node reads only what is its own");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds::Scope;

    const SUBRESOURCES: [&str; 8] = [
        "", "status", "log", "token", "join", "renew", "exec", "tunnel",
    ];

    fn attempt(verb: Verb, kind: &'static Kind, subresource: &'static str) -> Attempt<'static> {
        let on_object = !matches!(
            verb,
            Verb::List | Verb::Watch | Verb::Create | Verb::DeleteCollection
        );
        Attempt {
            verb,
            kind,
            namespace: match kind.scope {
                Scope::Cluster => "",
                Scope::Namespaced => NODE_LEASES,
            },
            name: if on_object { "a" } else { "" },
            subresource,
            label_selector: "upshift.dev/node=a,upshift.dev/router=r",
            field_selector: "spec.nodeName=a",
        }
    }

    /// Every allowed verb of an identity on every kind, `?` where the object's label decides.
    fn rights(identity: &Identity) -> Vec<String> {
        let mut lines = Vec::new();
        for kind in kinds::ALL {
            let subresources = SUBRESOURCES;
            for subresource in subresources {
                let applies = match subresource {
                    "" => true,
                    "status" => kind.has_status,
                    "log" => *kind == &kinds::OPERATION,
                    "exec" => [&kinds::NODE, &kinds::POD].contains(kind),
                    _ => *kind == &kinds::NODE,
                };
                let verbs: Vec<String> = Verb::ALL
                    .into_iter()
                    .filter_map(
                        |verb| match rule(identity, &attempt(verb, kind, subresource)) {
                            Ruling::Allowed => Some(verb.name().to_owned()),
                            Ruling::Denied => None,
                            _ => Some(format!("{}?", verb.name())),
                        },
                    )
                    .collect();
                if applies && verbs.len() < Verb::ALL.len() && !verbs.is_empty() {
                    lines.push(format!(
                        "{}/{subresource}: {}",
                        kind.plural,
                        verbs.join(" ")
                    ));
                } else if applies && verbs.is_empty() {
                    lines.push(format!("{}/{subresource}: -", kind.plural));
                }
            }
        }
        lines
    }

    #[test]
    fn a_node_reaches_what_is_its_own() {
        let rights = rights(&Identity::Node("a".to_owned()));
        let allowed: Vec<&String> = rights.iter().filter(|line| !line.ends_with('-')).collect();
        assert_eq!(
            allowed,
            [
                "nodes/: create get patch update",
                "nodes/status: get patch update",
                "nodes/tunnel: get",
                "secrets/: get?",
                "configmaps/: get?",
                "services/: get list watch",
                "events/: create patch?",
                "pods/: delete? get? list watch",
                "pods/status: get? patch? update?",
                "endpointslices/: list? watch?",
                "leases/: create get patch update",
                "images/: get",
                "selfsubjectreviews/: create",
                "selfsubjectaccessreviews/: create",
                "gears/: get? list watch",
                "gears/status: get? patch? update?",
                "operations/: get? list watch",
                "operations/status: get? patch? update?",
                "routers/: get?",
                "routers/status: get? patch?",
            ]
        );
    }

    #[test]
    fn a_node_does_not_reach_anothers() {
        let node = Identity::Node("b".to_owned());
        for kind in kinds::ALL {
            for verb in Verb::ALL {
                for subresource in SUBRESOURCES {
                    let ruling = rule(&node, &attempt(verb, kind, subresource));
                    let own = verb == Verb::Create
                        && (is_review(kind)
                            || subresource.is_empty()
                                && [&kinds::NODE, &kinds::EVENT, &kinds::LEASE].contains(kind));
                    let name = "b".to_owned();
                    let by_object = [
                        Ruling::OnNode(name.clone()),
                        Ruling::PodOf(name.clone()),
                        Ruling::SaidBy(name.clone()),
                        Ruling::NamedByPodOf(name.clone()),
                        Ruling::OfRouterOn {
                            router: "r".to_owned(),
                            node: name,
                        },
                    ]
                    .contains(&ruling);
                    let everybodys = matches!(verb, Verb::Get | Verb::List | Verb::Watch)
                        && [&kinds::SERVICE, &kinds::IMAGE].contains(kind);
                    assert!(
                        ruling == Ruling::Denied || own || by_object || everybodys,
                        "{verb:?} {} {subresource}",
                        kind.plural
                    );
                }
            }
        }
    }

    /// Only what somebody may not do wholly is listed: everything else is allowed with every verb.
    #[test]
    fn admin_may_do_all_but_what_has_one_other_writer() {
        assert_eq!(
            rights(&Identity::Admin),
            [
                "nodes/join: -",
                "nodes/renew: -",
                "nodes/tunnel: -",
                "gears/status: create delete deletecollection get list watch",
                "operations/: delete deletecollection get list watch",
                "operations/status: delete deletecollection get list watch",
                "operations/log: delete deletecollection get list watch",
            ]
        );
        assert_eq!(
            rights(&Identity::Controllers),
            [
                "nodes/token: -",
                "nodes/join: -",
                "nodes/renew: -",
                "nodes/exec: -",
                "nodes/tunnel: -",
                "pods/exec: -",
                "gears/status: create delete deletecollection get list watch",
                "operations/status: create delete deletecollection get list watch",
            ]
        );
    }

    #[test]
    fn a_router_reads_what_leads_to_endpoints_and_writes_of_itself() {
        let rights = rights(&Identity::Router);
        let allowed: Vec<&String> = rights.iter().filter(|line| !line.ends_with('-')).collect();
        assert_eq!(
            allowed,
            [
                "services/: get list watch",
                "services/status: get list watch",
                "events/: create",
                "endpointslices/: get list watch",
                "routes/: get list watch",
                "routes/status: get list watch",
                "selfsubjectreviews/: create",
                "selfsubjectaccessreviews/: create",
                "routers/: create delete get list patch update watch",
                "routers/status: create delete get list patch update watch",
            ]
        );
    }

    #[test]
    fn nobody_and_a_joining_machine_do_nothing_else() {
        for kind in kinds::ALL {
            for verb in Verb::ALL {
                for subresource in SUBRESOURCES {
                    let attempt = attempt(verb, kind, subresource);
                    assert_eq!(rule(&Identity::Anonymous, &attempt), Ruling::Denied);
                    let joining = Identity::Joining("a".to_owned());
                    assert_eq!(rule(&joining, &attempt), Ruling::Denied);
                }
            }
        }
        let join = Attempt {
            name: "a",
            ..attempt(Verb::Create, &kinds::NODE, "join")
        };
        let rule = |node: &str| rule(&Identity::Joining(node.to_owned()), &join);
        assert_eq!([rule("a"), rule("b")], [Ruling::Allowed, Ruling::Denied]);
    }

    #[test]
    fn a_node_opens_its_own_tunnel_only() {
        for verb in [Verb::Create, Verb::Get] {
            let open = Attempt {
                name: "a",
                ..attempt(verb, &kinds::NODE, "tunnel")
            };
            let rule = |node: &str| rule(&Identity::Node(node.to_owned()), &open);
            assert_eq!([rule("a"), rule("b")], [Ruling::Allowed, Ruling::Denied]);
        }
    }

    #[test]
    fn a_list_must_name_the_node() {
        for (selector, expect) in [
            ("upshift.dev/node=a", true),
            ("x=y, upshift.dev/node == a", true),
            ("", false),
            ("upshift.dev/node!=a", false),
            ("upshift.dev/node=b", false),
            ("upshift.dev/node in (a,b)", false),
            ("upshift.dev/node in (a)", true),
            ("x in (upshift.dev/node=a)", false),
        ] {
            assert_eq!(asks_only_for(selector, "a"), expect, "{selector}");
        }
    }

    #[test]
    fn a_list_of_pods_must_name_the_node() {
        for (selector, expect) in [
            ("spec.nodeName=a", true),
            ("status.phase=Running,spec.nodeName==a", true),
            ("", false),
            ("spec.nodeName=b", false),
            ("spec.nodeName!=a", false),
            ("spec.nodeName", false),
        ] {
            assert_eq!(asks_only_for_pods_of(selector, "a"), expect, "{selector}");
        }
    }
}
