//! Columns of the `upshift.dev` kinds.

use serde_json::Value;

use super::Column;
use super::cells::AGE;
use super::cells::NAME;
use super::cells::cell_at;
use super::cells::list_at;
use super::cells::number_at;
use super::cells::or_none;
use super::cells::pairs;
use super::cells::some;
use super::cells::text_at;
use super::column;
use super::wide;
use crate::base::clock::Timestamp;
use crate::base::text;

const REASON: Column = wide("Reason", "Why, in one word.", |object, _| {
    cell_at(object, "/status/reason")
});
const MESSAGE: Column = wide("Message", "Why, in a sentence.", |object, _| {
    cell_at(object, "/status/message")
});
const PHASE: Column = column("Phase", "How far it is.", |object, _| {
    match text_at(object, "/status/phase") {
        "" => "Pending",
        phase => phase,
    }
    .into()
});
const IN_APPLICATION: Column = column("Application", "What it belongs to.", |object, _| {
    text_at(object, "/spec/application").into()
});

pub(super) static APPLICATION: [Column; 6] = [
    NAME,
    column(
        "Revision",
        "What the last finished rollout left in place.",
        |object, _| cell_at(object, "/status/currentRevision"),
    ),
    column("Rollout", "What is under way.", |object, _| {
        cell_at(object, "/status/rollout")
    }),
    AGE,
    wide("Hosts", "Where it runs.", hosts),
    wide("Port", "What it listens on.", |object, _| {
        object["spec"]["port"].as_u64().unwrap_or(8080).into()
    }),
];
pub(super) static REVISION: [Column; 7] = [
    NAME,
    IN_APPLICATION,
    column(
        "Number",
        "Counts the revisions of the application.",
        |object, _| object["spec"]["number"].clone(),
    ),
    column("Size", "The size of the bundle.", |object, _| {
        text::size(object["spec"]["bundle"]["size"].as_u64().unwrap_or(0)).into()
    }),
    AGE,
    wide(
        "Digest",
        "The bundle's name in the registry.",
        |object, _| text_at(object, "/spec/bundle/digest").into(),
    ),
    wide("Source", "Where the bundle came from.", source),
];
pub(super) static ROLLOUT: [Column; 11] = [
    NAME,
    column(
        "Action",
        "Whether it brings a revision or goes back to one.",
        |object, _| {
            match text_at(object, "/spec/action") {
                "" => "Deploy",
                action => action,
            }
            .into()
        },
    ),
    column(
        "Revision",
        "What it brings or goes back to.",
        |object, _| cell_at(object, "/spec/revision"),
    ),
    PHASE,
    column("Done", "How many gears are through.", done),
    column("Failed", "How many gears failed.", |object, _| {
        number_at(object, "/status/gears/failed").into()
    }),
    column(
        "Unreachable",
        "How many gears are on silent nodes and catch up when those return.",
        |object, _| number_at(object, "/status/gears/unreachable").into(),
    ),
    AGE,
    REASON,
    MESSAGE,
    wide("Requested-By", "Who asked.", |object, _| {
        cell_at(object, "/spec/requestedBy")
    }),
];
pub(super) static GEAR: [Column; 12] = [
    NAME,
    column("Node", "Where it is.", |object, _| {
        text_at(object, "/spec/node").into()
    }),
    column("Color", "Blue/green: the group it is of.", |object, _| {
        cell_at(object, "/spec/color")
    }),
    column("Revision", "What is installed.", |object, _| {
        cell_at(object, "/status/revision")
    }),
    column("State", "What it does.", |object, _| {
        match text_at(object, "/status/state") {
            "" => "new",
            state => state,
        }
        .into()
    }),
    column(
        "Rotation",
        "Whether it is meant to get requests.",
        |object, _| {
            match text_at(object, "/spec/rotation") {
                "" => "In",
                rotation => rotation,
            }
            .into()
        },
    ),
    AGE,
    wide("Application", "What it belongs to.", |object, _| {
        text_at(object, "/spec/application").into()
    }),
    wide(
        "Wanted",
        "The revision that is wanted here.",
        |object, _| cell_at(object, "/spec/revision"),
    ),
    wide("Previous", "What was installed before.", |object, _| {
        cell_at(object, "/status/previousRevision")
    }),
    wide("Address", "Where it listens.", |object, _| {
        let endpoints: Vec<String> = list_at(object, "/status/endpoints")
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect();
        some(&endpoints, 3).into()
    }),
    wide(
        GEAR_OPERATION,
        "What was done here last, or what is under way.",
        |object, _| cell_at(object, "/status/operation"),
    ),
];
/// The column of gears that a client may fill with the step under way, which the Gear itself does not know.
pub const GEAR_OPERATION: &str = "Operation";
pub(super) static OPERATION: [Column; 8] = [
    NAME,
    column("Gear", "What it works on.", |object, _| {
        text_at(object, "/spec/gear").into()
    }),
    column("Node", "Where it runs.", |object, _| {
        text_at(object, "/spec/node").into()
    }),
    PHASE,
    column("Step", "Which step it is at.", |object, _| {
        step_now(object).into()
    }),
    AGE,
    REASON,
    MESSAGE,
];
pub(super) static ROUTER: [Column; 7] = [
    NAME,
    column("Type", "What it is.", |object, _| {
        match text_at(object, "/spec/type") {
            "" => "BuiltIn",
            kind => kind,
        }
        .into()
    }),
    column("Address", "Where it takes requests.", |object, _| {
        cell_at(object, "/spec/address")
    }),
    column(
        "Applied",
        "The version of the endpoints that it serves.",
        |object, _| number_at(object, "/status/applied").into(),
    ),
    column(
        "Draining",
        "Endpoints that left rotation and still answer, and their requests in flight.",
        draining,
    ),
    AGE,
    MESSAGE,
];

/// `<all>`, `tier=web`, `blue/green` or `3 gears`.
fn hosts(object: &Value, _: Timestamp) -> Value {
    let spec = &object["spec"];
    if let Some(gears) = spec["scaled"]["gears"].as_u64() {
        return text::count(usize::try_from(gears).unwrap_or(usize::MAX), "gear").into();
    }
    if spec["hosts"]["blueGreen"].is_object() {
        return "blue/green".into();
    }
    match spec["hosts"]["selector"].as_object() {
        None => or_none(""),
        Some(selector) if selector.is_empty() => "<all>".into(),
        Some(_) => pairs(&spec["hosts"]["selector"]).into(),
    }
}

fn source(object: &Value, _: Timestamp) -> Value {
    let source = &object["spec"]["source"];
    match (
        text_at(source, "/uri"),
        text_at(source, "/commit"),
        text_at(source, "/ref"),
    ) {
        (uri, "", "") => or_none(uri),
        (uri, "", reference) => format!("{uri}@{reference}").into(),
        (uri, commit, _) => format!("{uri}@{}", commit.get(..7).unwrap_or(commit)).into(),
    }
}

/// `2/3`.
fn done(object: &Value, _: Timestamp) -> Value {
    let done = number_at(object, "/status/gears/done");
    format!("{done}/{}", number_at(object, "/status/gears/total")).into()
}

/// `0`, or `2 (17 requests)`.
fn draining(object: &Value, _: Timestamp) -> Value {
    let endpoints = object["status"]["draining"].as_object();
    let requests = endpoints.into_iter().flatten();
    let requests: u64 = requests.filter_map(|(_, count)| count.as_u64()).sum();
    match endpoints.map_or(0, serde_json::Map::len) {
        0 => "0".into(),
        count => {
            let requests = usize::try_from(requests).unwrap_or(usize::MAX);
            format!("{count} ({})", text::count(requests, "request")).into()
        }
    }
}

/// `Install (4/7)` while one runs or after one failed, `7/7` otherwise.
pub fn step_now(object: &Value) -> String {
    let total = list_at(object, "/spec/steps").count();
    let steps = || list_at(object, "/status/steps");
    let at = steps().position(|step| step["phase"] == "Running" || step["phase"] == "Failed");
    if let Some((at, step)) = at.and_then(|at| Some((at, steps().nth(at)?))) {
        return format!("{} ({}/{total})", text_at(step, "/name"), at + 1);
    }
    let ended = steps().filter(|step| step["phase"] == "Done" || step["phase"] == "Skipped");
    format!("{}/{total}", ended.count())
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use crate::api::kinds;
    use serde_json::Value;
    use serde_json::json;

    /// With metadata of an object named `a` that is 19 hours old.
    fn object(mut object: Value) -> Value {
        object["metadata"] = json!({"name": "a", "creationTimestamp": "2027-01-14T12:30:00Z"});
        object
    }

    #[test]
    fn applications_and_revisions() {
        check(
            &kinds::APPLICATION,
            &object(
                json!({"spec": {"hosts": {"selector": {}}, "port": 80}, "status": {"currentRevision": "a-2"}}),
            ),
            "a · a-2 · <none> · 19h | <all> · 80",
        );
        check(
            &kinds::APPLICATION,
            &object(json!({"spec": {"scaled": {"gears": 3}}, "status": {"rollout": "a-1"}})),
            "a · <none> · a-1 · 19h | 3 gears · 8080",
        );
        check(
            &kinds::REVISION,
            &object(
                json!({"spec": {"application": "shop", "number": 4, "bundle": {"digest": "sha256:1", "size": 2048},
                "source": {"uri": "./shop", "commit": "0123456789"}}}),
            ),
            "a · shop · 4 · 2.0 KiB · 19h | sha256:1 · ./shop@0123456",
        );
    }

    #[test]
    fn work_under_way() {
        check(
            &kinds::ROLLOUT,
            &object(
                json!({"spec": {"action": "Rollback", "revision": "shop-1", "requestedBy": "admin"},
                "status": {"phase": "PartlyFailed", "gears": {"done": 2, "total": 3, "failed": 1}, "reason": "HookFailed"}}),
            ),
            "a · Rollback · shop-1 · PartlyFailed · 2/3 · 1 · 0 · 19h | HookFailed · <none> · admin",
        );
        check(
            &kinds::GEAR,
            &object(
                json!({"spec": {"application": "shop", "node": "n", "color": "blue", "revision": "shop-3", "rotation": "Out"},
                "status": {"state": "started", "revision": "shop-2", "endpoints": ["10.0.0.1:80"], "operation": "o"}}),
            ),
            "a · n · blue · shop-2 · started · Out · 19h | shop · shop-3 · <none> · 10.0.0.1:80 · o",
        );
        let steps = json!([{"name": "A"}, {"name": "B"}]);
        check(
            &kinds::OPERATION,
            &object(json!({"spec": {"gear": "g", "node": "n", "steps": steps},
                "status": {"phase": "Running", "steps": [{"name": "A", "phase": "Skipped"}, {"name": "B", "phase": "Running"}]}})),
            "a · g · n · Running · B (2/2) · 19h | <none> · <none>",
        );
        check(
            &kinds::OPERATION,
            &object(json!({"spec": {"gear": "g", "node": "n", "steps": steps}})),
            "a · g · n · Pending · 0/2 · 19h | <none> · <none>",
        );
    }

    #[test]
    fn routers_with_what_they_still_serve() {
        check(
            &kinds::ROUTER,
            &object(json!({"spec": {"type": "HAProxy"}, "status":
                {"applied": 12, "draining": {"a:1": 1, "b:1": 4}, "message": "no answer"}})),
            "a · HAProxy · <none> · 12 · 2 (5 requests) · 19h | no answer",
        );
        check(
            &kinds::ROUTER,
            &object(json!({"spec": {"address": "127.0.0.1:8880"}})),
            "a · BuiltIn · 127.0.0.1:8880 · 0 · 0 · 19h | <none>",
        );
    }
}
