//! OpenAPI schemas of every kind: what is checked, what `explain` shows, how lists merge.
//!
//! The schemas are the embedded files of `schemas/`, in the short notation of `notation`. Rules between fields are
//! `validate`'s.

mod check;
mod definition;
mod notation;
mod openapi;

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::status::Cause;

pub(in crate::api) use definition::Merge;
pub(in crate::api) use definition::Schema;
pub(in crate::api) use definition::of;
pub use openapi::openapi_v3;
pub use openapi::openapi_v3_index;

/// Every field of an object that its kind's schema refuses, in the words of Kubernetes.
pub fn check(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(schema) = of(kind) {
        check::check(schema, check::Path::Top, object, &mut causes);
    }
    causes
}

/// The fields that the kind does not have: `spec.foo`, `spec.files[0].x`.
pub fn unknown_fields(kind: &Kind, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(schema) = of(kind) {
        check::unknown(schema, check::Path::Top, object, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::build;
    use crate::api::core;
    use crate::api::deployment;
    use crate::api::image;
    use crate::api::kinds;
    use crate::api::meta::Typed;
    use crate::api::network;
    use crate::api::pod;
    use crate::api::upshift;
    use serde_json::json;

    #[track_caller]
    fn check_object(kind: &Kind, object: &Value, expect: &[&str]) {
        let causes: Vec<String> = check(kind, object)
            .into_iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        assert_eq!(causes, expect);
    }

    #[test]
    fn names_every_wrong_field() {
        check_object(
            &kinds::APPLICATION,
            &json!({
                "metadata": {"name": "a", "labels": {"x/y": 1}},
                "spec": {
                    "port": 70000,
                    "group": "a/b",
                    "files": [{"source": "/", "destination": "srv"}, {"source": ""}, null],
                    "rollout": {"onFailure": "Panic", "concurrency": "120%", "hookTimeout": "5 minutes", "maxFailures": -1},
                    "hosts": {"selector": ["x"]},
                    "rootDir": null,
                },
            }),
            &[
                r#"metadata.labels[x/y]: Invalid value: 1: metadata.labels[x/y] in body must be of type string: "integer""#,
                "spec.files[0].destination: Invalid value: \"srv\": must be an absolute path",
                "spec.files[1].destination: Required value",
                "spec.files[1].source: Required value",
                r#"spec.files[2]: Invalid value: null: spec.files[2] in body must be of type object: "null""#,
                "spec.group: Invalid value: \"a/b\": must be a file name, without a slash",
                r#"spec.hosts.selector: Invalid value: "array": spec.hosts.selector in body must be of type object: "array""#,
                "spec.port: Invalid value: 70000: spec.port in body should be less than or equal to 65535",
                "spec.rollout.concurrency: Invalid value: \"120%\": must be a count (2) or a percentage (25%)",
                "spec.rollout.hookTimeout: Invalid value: \"5 minutes\": must be a duration like 90s, 10m or 1h30m",
                "spec.rollout.maxFailures: Invalid value: -1: spec.rollout.maxFailures in body should be greater than or equal to 0",
                r#"spec.rollout.onFailure: Unsupported value: "Panic": supported values: "Stop", "Rollback""#,
            ],
        );
        check_object(
            &kinds::APPLICATION,
            &json!({"metadata": {}}),
            &["spec: Required value"],
        );
        check_object(
            &kinds::SECRET,
            &json!({"data": {"a": "%"}}),
            &["data.a: Invalid value: \"%\": must be base64"],
        );
        check_object(
            &kinds::REVISION,
            &json!({"spec": {"application": "a", "number": 1, "bundle": {"digest": "sha256:1"}}}),
            &[
                "spec.bundle.digest: Invalid value: \"sha256:1\": must be sha256: and 64 hexadecimal digits in lower case",
            ],
        );
    }

    #[test]
    fn unknown_fields_are_named_where_nothing_is_free() {
        let object = json!({
            "apiVersion": "upshift.dev/v1",
            "kind": "Application",
            "metadata": {"name": "a", "colour": "x", "labels": {"any": "thing"}},
            "spec": {"foo": 1, "files": [{"source": "/", "x": 1}], "hosts": {"selector": {"free": "1"}}},
            "extra": {},
        });
        assert_eq!(
            unknown_fields(&kinds::APPLICATION, &object),
            ["extra", "metadata.colour", "spec.files[0].x", "spec.foo"]
        );
    }

    #[test]
    fn what_kubectl_users_write_is_known() {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "a", "creationTimestamp": null, "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:x": {}}}]},
            "spec": {
                "type": "NodePort", "selector": {"app": "a"}, "sessionAffinity": "None", "ipFamilies": ["IPv4"],
                "ports": [{"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080, "protocol": "TCP"}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
        });
        check_object(&kinds::SERVICE, &service, &[]);
        assert_eq!(unknown_fields(&kinds::SERVICE, &service), [""; 0]);
    }

    /// Every field that the views write must be known, or strict clients could not write back what they read.
    #[track_caller]
    fn knows_view<T: Typed + Default>() {
        let object = T::default().to_object();
        assert_eq!(unknown_fields(T::KIND, &object), [""; 0]);
        let types: Vec<_> = check(T::KIND, &object)
            .into_iter()
            .filter(|cause| cause.reason == "FieldValueTypeInvalid")
            .collect();
        assert_eq!(types, []);
    }

    #[test]
    fn the_views_are_known() {
        knows_view::<core::Namespace>();
        knows_view::<core::Node>();
        knows_view::<core::Lease>();
        knows_view::<core::Event>();
        knows_view::<upshift::Application>();
        knows_view::<upshift::Revision>();
        knows_view::<upshift::Rollout>();
        knows_view::<upshift::Gear>();
        knows_view::<upshift::Operation>();
        knows_view::<pod::Pod>();
        knows_view::<pod::ReplicationController>();
        knows_view::<pod::ReplicaSet>();
        knows_view::<pod::ServiceAccount>();
        knows_view::<deployment::Deployment>();
        knows_view::<deployment::DeploymentConfig>();
        knows_view::<build::Build>();
        knows_view::<build::BuildConfig>();
        knows_view::<image::Image>();
        knows_view::<image::ImageStream>();
        knows_view::<network::Service>();
        knows_view::<network::EndpointSlice>();
        knows_view::<network::Endpoints>();
        knows_view::<network::Route>();
        knows_view::<network::Router>();
    }

    #[test]
    fn a_full_operation_is_known() {
        let step = upshift::StepStatus {
            name: "Install".to_owned(),
            reason: "x".to_owned(),
            message: "x".to_owned(),
            milliseconds: Some(1),
            exit_code: Some(-1),
            items: vec![upshift::ItemStatus {
                message: "x".to_owned(),
                exit_code: Some(1),
                ..Default::default()
            }],
            log: "sha256:x".to_owned(),
            ..Default::default()
        };
        let operation = upshift::Operation {
            spec: upshift::OperationSpec {
                node: "n".to_owned(),
                gear: "g".to_owned(),
                steps: vec![upshift::Step::default()],
                in_rotation: true,
                control: [("X".to_owned(), upshift::ControlOutcome::default())].into(),
                deployment: upshift::Deployment {
                    rollout: "a-1".to_owned(),
                    root_dir: "/x".to_owned(),
                    revision: Some(upshift::DeployedRevision {
                        name: "a-1".to_owned(),
                        appspec: "appspec.yml".to_owned(),
                        files: vec![upshift::FileMapping {
                            source: "/".to_owned(),
                            destination: "/srv".to_owned(),
                        }],
                        scripts: Some(upshift::Scripts {
                            stop: vec!["stop".to_owned()],
                            ..Default::default()
                        }),
                        bundle: upshift::Bundle {
                            digest: format!("sha256:{}", "0".repeat(64)),
                            size: 1,
                        },
                        number: 1,
                    }),
                    keep: vec![1],
                    skip_hooks: vec!["ApplicationStop".to_owned()],
                    reason: "x".to_owned(),
                    ..Default::default()
                },
                ..Default::default()
            },
            status: upshift::OperationStatus {
                steps: vec![step],
                ..Default::default()
            },
            ..Default::default()
        };
        let object = operation.to_object();
        assert_eq!(unknown_fields(&kinds::OPERATION, &object), [""; 0]);
        check_object(&kinds::OPERATION, &object, &[]);
    }
}
