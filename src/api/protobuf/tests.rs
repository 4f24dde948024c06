//! What kubectl 1.32 really sends (its bodies, as `-v=9` shows them), and what nobody should.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::api::kinds;

/// `create namespace demo`
const NAMESPACE: &[u8] =
    b"k8s\0\n\x0f\n\x02v1\x12\tNamespace\x12\x1c\n\x14\n\x04demo\x12\0\x1a\0\"\0*\x002\x008\0B\0\x12\0\
    \x1a\x02\n\0\x1a\0\"\0";
/// `create configmap settings -n two --from-literal=mode=fast --from-file=raw=FILE`
const CONFIG_MAP: &[u8] =
    b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x127\n\x1b\n\x08settings\x12\0\x1a\x03two\"\0*\x002\x008\0B\0\
    \x12\x0c\n\x04mode\x12\x04fast\x1a\n\n\x03raw\x12\x03\xff\0\x80\x1a\0\"\0";
/// `create secret generic keys -n two --from-literal=token=s3cret --from-file=raw=FILE`
const SECRET: &[u8] =
    b"k8s\0\n\x0c\n\x02v1\x12\x06Secret\x128\n\x17\n\x04keys\x12\0\x1a\x03two\"\0*\x002\x008\0B\0\
    \x12\n\n\x03raw\x12\x03\xff\0\x80\x12\x0f\n\x05token\x12\x06s3cret\x1a\0\x1a\0\"\0";
/// `create service clusterip web -n two --tcp=80:http`
const CLUSTER_IP: &[u8] = b"k8s\0\n\r\n\x02v1\x12\x07Service\x12o\n\"\n\x03web\x12\0\x1a\x03two\"\0*\x002\x008\0B\0Z\n\n\x03app\
    \x12\x03web\x12E\n\x1e\n\x0780-http\x12\x03TCP\x18P\"\n\x08\x01\x10\0\x1a\x04http(\0\x12\n\n\x03app\x12\x03web\
    \x1a\0\"\tClusterIP:\0B\0R\0Z\0`\0h\0\x1a\x02\n\0\x1a\0\"\0";
/// `create service nodeport web2 -n two --tcp=80:8080 --node-port=30080`
const NODE_PORT: &[u8] = b"k8s\0\n\r\n\x02v1\x12\x07Service\x12p\n$\n\x04web2\x12\0\x1a\x03two\"\0*\x002\x008\0B\0Z\x0b\n\x03app\
    \x12\x04web2\x12D\n\x1d\n\x0780-8080\x12\x03TCP\x18P\"\x07\x08\0\x10\x90?\x1a\0(\x80\xeb\x01\x12\x0b\n\x03app\x12\x04web2\
    \x1a\0\"\x08NodePort:\0B\0R\0Z\0`\0h\0\x1a\x02\n\0\x1a\0\"\0";
/// `create serviceaccount robot -n two`
const SERVICE_ACCOUNT: &[u8] = b"k8s\0\n\x14\n\x02v1\x12\x0eServiceAccount\x12\x1a\n\x18\n\x05robot\x12\0\x1a\x03two\"\0*\x002\x008\0B\
    \0\x1a\0\"\0";
/// `create deployment x -n two --image=y --replicas=0 --port=80 -- sleep 5`
const DEPLOYMENT: &[u8] = b"k8s\0\n\x15\n\x07apps/v1\x12\nDeployment\x12\xb5\x01\n\x1e\n\x01x\x12\0\x1a\x03two\"\0*\x002\x008\0B\0\
    Z\x08\n\x03app\x12\x01x\x12\x84\x01\x08\0\x12\n\n\x08\n\x03app\x12\x01x\x1al\n\x1a\n\0\x12\0\x1a\0\"\0\
    *\x002\x008\0B\0Z\x08\n\x03app\x12\x01x\x12N\x120\n\x01y\x12\x01y\x1a\x05sleep\x1a\x015*\x002\n\n\0\x10\
    \0\x18P\"\0*\0B\0j\0r\0\x80\x01\0\x88\x01\0\x90\x01\0\xa2\x01\0\x1a\x002\0B\0J\0R\0X\0`\0h\0\x82\x01\0\
    \x8a\x01\0\x9a\x01\0\xc2\x01\0\"\x02\n\0(\x008\0\x1a\x0c\x08\0\x10\0\x18\0 \0(\x008\0\x1a\0\"\0";
/// `auth whoami`
const WHO_AM_I: &[u8] = b"k8s\0\n-\n\x18authentication.k8s.io/v1\x12\x11SelfSubjectReview\x12\x1a\n\x10\n\0\x12\0\x1a\0\"\0\
    *\x002\x008\0B\0\x12\x06\n\x04\n\0\x12\0\x1a\0\"\0";
/// `auth can-i get secrets/x -n two --subresource=log`
const CAN_I: &[u8] = b"k8s\0\n2\n\x17authorization.k8s.io/v1\x12\x17SelfSubjectAccessReview\x12?\n\x10\n\0\x12\0\x1a\0\"\0\
    *\x002\x008\0B\0\x12!\n\x1f\n\x03two\x12\x03get\x1a\0\"\0*\x07secrets2\x03log:\x01x\x1a\x08\x08\0\x12\0\x1a\0 \0\x1a\0\"\0";

/// Everything that was captured, with its kind.
fn captured() -> [(&'static Kind, &'static [u8]); 9] {
    [
        (&kinds::NAMESPACE, NAMESPACE),
        (&kinds::CONFIG_MAP, CONFIG_MAP),
        (&kinds::SECRET, SECRET),
        (&kinds::SERVICE, CLUSTER_IP),
        (&kinds::SERVICE, NODE_PORT),
        (&kinds::SERVICE_ACCOUNT, SERVICE_ACCOUNT),
        (&kinds::DEPLOYMENT, DEPLOYMENT),
        (&kinds::SELF_SUBJECT_REVIEW, WHO_AM_I),
        (&kinds::SELF_SUBJECT_ACCESS_REVIEW, CAN_I),
    ]
}

#[test]
fn what_kubectl_sends_is_read() {
    let object = |kind: &Kind, rest: Value| {
        let mut object = json!({"apiVersion": kind.api_version(), "kind": kind.kind});
        let map = object.as_object_mut().unwrap();
        map.extend(rest.as_object().unwrap().clone());
        object
    };
    let service = |name: &str, kind: &str, port: Value| {
        json!({
            "metadata": {"name": name, "namespace": "two", "labels": {"app": name}},
            "spec": {"selector": {"app": name}, "type": kind, "ports": [port]},
        })
    };
    let expect = [
        json!({"metadata": {"name": "demo"}}),
        json!({
            "metadata": {"name": "settings", "namespace": "two"},
            "data": {"mode": "fast"},
            "binaryData": {"raw": "/wCA"},
        }),
        json!({
            "metadata": {"name": "keys", "namespace": "two"},
            "data": {"token": "czNjcmV0", "raw": "/wCA"},
        }),
        service(
            "web",
            "ClusterIP",
            json!({"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http"}),
        ),
        service(
            "web2",
            "NodePort",
            json!({
                "name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080,
            }),
        ),
        json!({"metadata": {"name": "robot", "namespace": "two"}}),
        json!({
            "metadata": {"name": "x", "namespace": "two", "labels": {"app": "x"}},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "x"}},
                "template": {
                    "metadata": {"labels": {"app": "x"}},
                    "spec": {"containers": [{
                        "name": "y", "image": "y", "command": ["sleep", "5"], "ports": [{"containerPort": 80}],
                    }]},
                },
            },
        }),
        json!({}),
        json!({"spec": {"resourceAttributes": {
            "namespace": "two", "verb": "get", "resource": "secrets", "subresource": "log", "name": "x",
        }}}),
    ];
    for ((kind, body), expect) in captured().into_iter().zip(expect) {
        assert_eq!(read(kind, body), Ok(object(kind, expect)));
    }
}

/// A field of bytes, as it stands on the wire; numbers below 16, lengths below 16384.
fn wire(number: u8, bytes: &[u8]) -> Vec<u8> {
    let low = u8::try_from(bytes.len() % 128).unwrap();
    let high = u8::try_from(bytes.len() / 128).unwrap();
    [&[number << 3 | 2, low | 0x80, high], bytes].concat()
}

fn body(raw: &[u8]) -> Vec<u8> {
    [MAGIC, &wire(2, raw)].concat()
}

/// Reads metadata of a Namespace.
fn metadata(bytes: &[u8]) -> Result<Value, String> {
    read(&kinds::NAMESPACE, &body(&wire(1, bytes)))
        .map(|mut object| object["metadata"].take())
        .map_err(|error| error.to_string())
}

#[test]
fn metadata_is_read_whole() {
    let check = |bytes: &[u8], expect: Value| assert_eq!(metadata(bytes), Ok(expect));
    let time = |seconds: &[u8]| [&[8], seconds].concat();
    check(
        &wire(
            8,
            &time(&[0x80, 0x92, 0xb8, 0xc3, 0x98, 0xfe, 0xff, 0xff, 0xff, 1]),
        ),
        json!({"creationTimestamp": "0001-01-01T00:00:00Z"}),
    );
    check(
        &wire(8, &time(&[0x80, 0x94, 0xeb, 0xdc, 3])),
        json!({"creationTimestamp": "2001-09-09T01:46:40Z"}),
    );
    check(&wire(8, &[8, 0, 16, 0]), Value::Null);
    check(&[0x50, 0], json!({"deletionGracePeriodSeconds": 0}));
    check(
        &wire(13, &[&wire(1, b"Gear")[..], &[0x30, 0, 0x38, 1]].concat()),
        json!({"ownerReferences": [{
            "kind": "Gear", "controller": false, "blockOwnerDeletion": true,
        }]}),
    );
    // Field 17 has a tag of two bytes.
    let written = wire(7, &wire(1, b"{\"f:data\":{}}"));
    let length = u8::try_from(written.len()).unwrap();
    check(
        &[&[0x8a, 1, length], &written[..]].concat(),
        json!({"managedFields": [{"fieldsV1": {"f:data": {}}}]}),
    );
    let pair = wire(11, &wire(1, b"k"));
    check(&pair, json!({"labels": {"k": ""}}));
}

#[test]
fn parts_of_pods_stand_where_json_has_them() {
    let volume = [wire(1, b"v"), wire(2, &wire(2, b""))].concat();
    let limit = wire(1, &[wire(1, b"cpu"), wire(2, &wire(1, b"100m"))].concat());
    let reference = wire(
        2,
        &[&wire(1, &wire(1, b"s"))[..], &wire(2, b"k"), &[0x18, 0]].concat(),
    );
    let variable = [wire(1, b"A"), wire(3, &wire(4, &reference[3..]))].concat();
    let container = [
        wire(1, b"c"),
        wire(7, &variable),
        wire(8, &limit),
        wire(
            10,
            &[&wire(1, &wire(3, &wire(1, &[8, 0, 16, 80])))[..], &[16, 3]].concat(),
        ),
    ]
    .concat();
    let spec = [wire(1, &volume), wire(2, &container), vec![0x20, 0]].concat();
    let pod = read(&kinds::POD, &body(&wire(2, &spec))).unwrap();
    let expect = json!({
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{
            "name": "c",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": false}}}],
            "resources": {"limits": {"cpu": "100m"}},
            "livenessProbe": {"tcpSocket": {"port": 80}, "initialDelaySeconds": 3},
        }],
        "terminationGracePeriodSeconds": 0,
    });
    assert_eq!(pod["spec"], expect);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let check = |bytes: &[u8], why: &str| assert_eq!(metadata(bytes), Err(why.to_owned()));
    check(&wire(15, b"x"), "metadata: unknown field number 15");
    check(
        &wire(13, &wire(2, b"x")),
        "metadata.ownerReferences: unknown field number 2",
    );
    check(&[8, 1], "metadata.name: is of another type");
    check(b"\x0d1234", "metadata.name: is of another type");
    check(
        &wire(11, &[8, 1]),
        "metadata.labels.key: is of another type",
    );
    check(&wire(1, b"\xff"), "metadata.name: is not UTF-8");
    check(
        &[wire(1, b"a"), wire(1, b"")].concat(),
        "metadata.name: stands twice",
    );
    let pair = wire(11, &wire(1, b"k"));
    check(
        &[&pair[..], &pair].concat(),
        "metadata.labels: stands twice",
    );
    check(
        &wire(8, &[16, 0xff, 0xff, 0xff, 0xff, 15]),
        "metadata.creationTimestamp: is out of range",
    );
    let far = [&[8][..], &[0xff; 8], &[0x7f]].concat();
    check(
        &wire(8, &far),
        "metadata.creationTimestamp: is out of range",
    );
    check(
        &wire(11, b"\x0a\xff\xff\xff\xff\x0f"),
        "metadata.labels: the body breaks off or is damaged",
    );
    assert_eq!(
        int_or_string(&[8, 2]).unwrap_err().to_string(),
        "type: is out of range"
    );
}

#[test]
fn envelopes_of_other_things_are_refused() {
    let check = |kind: &Kind, body: &[u8], why: &str| {
        assert_eq!(read(kind, body).unwrap_err().to_string(), why);
    };
    check(
        &kinds::NAMESPACE,
        b"{}",
        "the body does not begin as Kubernetes' protobuf does",
    );
    check(&kinds::GEAR, NAMESPACE, "gears are not read as protobuf");
    let zipped = [MAGIC, &wire(3, b"gzip")].concat();
    check(
        &kinds::NAMESPACE,
        &zipped,
        "contents in another encoding are not read",
    );
    let more = [NAMESPACE, &wire(5, b"")].concat();
    check(&kinds::NAMESPACE, &more, "unknown field number 5");
    check(&kinds::NAMESPACE, b"k8s\0\x10\x01", "is of another type");
}

#[test]
fn a_body_that_breaks_off_is_refused() {
    for (kind, body) in captured() {
        // Empty encoding and type are the last four bytes; the object stands before them.
        let whole = body.len() - 4;
        let begin = MAGIC.len() + 2 + usize::from(body[MAGIC.len() + 1]);
        for end in begin + 1..whole {
            assert!(read(kind, &body[..end]).is_err(), "{} to {end}", kind.kind);
        }
        assert!(read(kind, &body[..whole]).is_ok());
    }
}

#[test]
fn messages_do_not_stand_in_themselves() {
    fn depth(message: &Message, left: usize) -> usize {
        assert!(left > 0, "a message stands in itself");
        let inner = message.0.iter().map(|(number, name, field)| {
            assert!((1..64).contains(number), "{name}");
            match field {
                Field::One(inner)
                | Field::SetOne(inner)
                | Field::Inline(inner)
                | Field::Many(inner) => depth(inner, left - 1),
                _ => 0,
            }
        });
        1 + inner.max().unwrap_or(0)
    }
    for (kind, message) in messages::KINDS {
        assert!(depth(message, 16) <= 11, "{}", kind.kind);
    }
}

#[test]
fn every_field_is_one_of_the_schema() {
    for (kind, message) in messages::KINDS {
        let filled = full(message);
        let mut object = Value::Object(filled);
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.into();
        assert_eq!(
            crate::api::schema::unknown_fields(kind, &object),
            Vec::<String>::new(),
            "{}",
            kind.kind
        );
    }
}

/// A message with something in every field.
fn full(message: &Message) -> Map<String, Value> {
    let value = |field: &Field| match field {
        Field::Flag | Field::SetFlag => json!(true),
        Field::Number | Field::SetNumber | Field::IntOrString => json!(1),
        Field::Texts => json!(["x"]),
        Field::Numbers => json!([1]),
        Field::Quantities => json!({"x": "1Gi"}),
        Field::One(inner) | Field::SetOne(inner) | Field::Inline(inner) => full(inner).into(),
        Field::Many(inner) => vec![full(inner)].into(),
        Field::TextMap | Field::BytesMap => json!({"x": "eA=="}),
        Field::Json | Field::Fields => json!({}),
        Field::Text | Field::SetText | Field::Bytes | Field::Time | Field::Quantity => json!("x"),
    };
    let mut object = Map::new();
    for (_, name, field) in message.0 {
        match (field, value(field)) {
            (Field::Inline(_), Value::Object(inner)) => object.extend(inner),
            (_, value) => drop(object.insert((*name).to_owned(), value)),
        }
    }
    object
}

proptest! {
    #[test]
    fn texts_come_back(pairs in proptest::collection::btree_map(".{0,20}", ".{0,20}", 1..8)) {
        let raw: Vec<u8> = pairs
            .iter()
            .flat_map(|(key, value)| wire(2, &[wire(1, key.as_bytes()), wire(2, value.as_bytes())].concat()))
            .collect();
        prop_assert_eq!(read(&kinds::CONFIG_MAP, &body(&raw)), Ok(json!({"data": pairs})));
    }

    #[test]
    fn no_bytes_make_it_panic(which in 0..messages::KINDS.len(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let kind = messages::KINDS[which].0;
        let _ = read(kind, &[MAGIC, &bytes].concat());
        let _ = read(kind, &body(&bytes));
        let _ = read(kind, &body(&wire(1, &bytes)));
        let _ = read(kind, &body(&wire(2, &bytes)));
    }

    #[test]
    fn no_damage_makes_it_panic(
        which in 0..captured().len(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (kind, body) = captured()[which];
        let mut body = body.to_vec();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = read(kind, &body);
    }
}
