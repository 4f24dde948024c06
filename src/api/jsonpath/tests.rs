//! Templates and what they give; most come from kubectl's documentation of the dialect.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::JsonPath;

fn data() -> Value {
    json!({
        "kind": "List",
        "items": [
            {
                "kind": "None",
                "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
                "status": {"capacity": {"cpu": "4"}, "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}], "ready": true},
            },
            {
                "kind": "None",
                "metadata": {"name": "127.0.0.2"},
                "status": {"capacity": {"cpu": "8"}, "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.2"}, {"type": "another", "address": "127.0.0.3"}], "ready": false},
            },
        ],
        "users": [
            {"name": "myself", "user": {"age": 30}},
            {"name": "e2e", "user": {"username": "admin", "password": "<secret>", "age": 20.5}},
        ],
        "nothing": null,
    })
}

#[track_caller]
fn check(template: &str, expect: &str) {
    let printed = JsonPath::relaxed(template)
        .and_then(|path| path.print(&data()))
        .unwrap();
    assert_eq!(printed, expect, "{template}");
}

#[test]
fn paths() {
    for (template, expect) in [
        ("{.kind}", "List"),
        ("{['kind']}", "List"),
        ("kind", "List"),
        (".kind", "List"),
        ("{kind}", "List"),
        ("{@.kind}", "List"),
        ("{$.kind}", "List"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("items[0].metadata.name", "127.0.0.1"),
        (
            "{.items[0].metadata.labels.kubernetes\\.io/hostname}",
            "127.0.0.1",
        ),
        (
            "{.items[0].metadata.labels['kubernetes.io/hostname']}",
            "127.0.0.1",
        ),
        ("{.users[-1:].name}", "e2e"),
        ("{.users[-1].name}", "e2e"),
        ("{.users[0:1].name}", "myself"),
        ("{.users[::2].name}", "myself"),
        ("{.items[*]['metadata.name', 'status.capacity']}", ""),
        ("{.items[0]['kind','metadata'].name}", "127.0.0.1"),
        ("{.users[0,1].name}", "myself e2e"),
        ("{..age}", "30 20.5"),
        ("{.users[*].user.*}", "30 20.5 <secret> admin"),
        ("{.missing.deeper}", ""),
        ("{.nothing}", "null"),
        ("{.nothing[0]}", ""),
        ("{.items[*].status.ready}", "true false"),
        ("{.users[0]}", "{\"name\":\"myself\",\"user\":{\"age\":30}}"),
        (
            "{.users[1].user}",
            "{\"age\":20.5,\"password\":\"\\u003csecret\\u003e\",\"username\":\"admin\"}",
        ),
    ] {
        check(template, expect);
    }
}

#[test]
fn filters() {
    for (template, expect) in [
        ("{.users[?(@.name==\"e2e\")].user.password}", "<secret>"),
        ("{.users[?(@.name=='e2e')].user.username}", "admin"),
        ("{.users[?(@.user.age > 25)].name}", "myself"),
        ("{.users[?(@.user.age<=20.5)].name}", "e2e"),
        ("{.users[?(@.user.username)].name}", "e2e"),
        ("{.users[?(@.name!=\"e2e\")].name}", "myself"),
        (
            "{.items[?(@.status.ready==true)].metadata.name}",
            "127.0.0.1",
        ),
        (
            "{.items[*].status.addresses[?(@.type==\"another\")].address}",
            "127.0.0.3",
        ),
        (
            "{.items[?(@.status.addresses[0].address==\"127.0.0.2\")].metadata.name}",
            "127.0.0.2",
        ),
        ("{.users[?(@.name==\"a)b]\")].name}", ""),
    ] {
        check(template, expect);
    }
}

#[test]
fn templates() {
    check(
        "{range .items[*]}{.metadata.name}{\"\\t\"}{.status.capacity}{\"\\n\"}{end}",
        "127.0.0.1\t{\"cpu\":\"4\"}\n127.0.0.2\t{\"cpu\":\"8\"}\n",
    );
    check(
        "{range .items[*]}[{range .status.addresses[*]}{.type},{end}]{end}!",
        "[LegacyHostIP,][LegacyHostIP,another,]!",
    );
    check("kind is {.kind}", "kind is List");
    check("{'it is'} {.kind}{5}{true}", "it is List5true");
}

#[test]
fn mistakes_are_placed() {
    for (template, position, message) in [
        ("{.a", 1, "unclosed action"),
        ("x{.a[0}", 4, "unterminated array"),
        ("{.a[x]}", 4, "invalid array index x"),
        ("{.a[?(@.b]}", 3, "unrecognized filter operator"),
        ("{end}", 1, "not in range, nothing to end"),
        ("{range .a}", 7, "range without end"),
        ("{hello}{.a}", 1, "unrecognized identifier hello"),
        ("{\"a}", 1, "unterminated quoted string"),
        ("{.a]}", 3, "unrecognized character in action"),
        ("{.a[?(@.b=2)]}", 9, "unrecognized filter operator ="),
    ] {
        let error = JsonPath::parse(template).unwrap_err();
        assert!(error.message.contains(message), "{template}: {error}");
        if !message.contains("operator") {
            assert_eq!(error.position, position, "{template}: {error}");
        }
    }
    let run = |template: &str| {
        JsonPath::parse(template)
            .unwrap()
            .print(&data())
            .unwrap_err()
            .message
    };
    assert_eq!(
        run("{.users[7].name}"),
        "array index out of bounds: index 7, length 2"
    );
    assert_eq!(run("{.kind[0]}"), "List is not array or slice");
    assert!(JsonPath::parse(&format!("{{{}", "[?(@".repeat(1000))).is_err());
}

#[test]
fn selects_values() {
    let data = data();
    let select = |template: &str| -> Vec<Value> {
        let path = JsonPath::relaxed(template).unwrap();
        path.select(&data).unwrap().into_iter().cloned().collect()
    };
    assert_eq!(select(".users[*].user.age"), [json!(30), json!(20.5)]);
    assert_eq!(
        select("{range .users[*]}{.name}{end}"),
        [json!("myself"), json!("e2e")]
    );
    assert_eq!(select(".missing"), [Value::Null; 0]);
}

proptest! {
    #[test]
    fn never_panics(template in "[{}.\\[\\]()?@$*:,'\"a0=<> \\\\-]{0,24}") {
        if let Ok(path) = JsonPath::relaxed(&template) {
            let _ = path.print(&data());
        }
    }
}
