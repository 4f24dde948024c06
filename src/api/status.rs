//! `Status`: how the API says no, and how it confirms a deletion.
//!
//! Source: facts/oc.md 1.4 and appendix B. The wording of a message is that of Kubernetes where a user sees it.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::api::kinds::Kind;

/// An answer that is not an object: `{kind: Status, status: Failure, message, reason, details, code}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub kind: String,
    pub api_version: String,
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// `Success` or `Failure`.
    pub status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Forbidden`, …; programs decide by this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    pub code: u16,
}

/// What a refusal is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// One wrong field: `{reason: FieldValueInvalid, message: "Invalid value: …", field: spec.hosts}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl Cause {
    /// A value that is not allowed; `value` is printed as JSON, strings quoted.
    pub fn invalid(
        field: impl Into<String>,
        value: &serde_json::Value,
        why: impl fmt::Display,
    ) -> Cause {
        Cause {
            reason: "FieldValueInvalid".to_owned(),
            message: format!("Invalid value: {value}: {why}"),
            field: field.into(),
        }
    }

    /// A value that must be there.
    pub fn required(field: impl Into<String>, why: impl fmt::Display) -> Cause {
        let why = why.to_string();
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        Cause {
            reason: "FieldValueRequired".to_owned(),
            message,
            field: field.into(),
        }
    }

    /// A value that is none of the allowed ones.
    pub fn unsupported(
        field: impl Into<String>,
        value: &serde_json::Value,
        allowed: &[&str],
    ) -> Cause {
        let allowed: Vec<String> = allowed.iter().map(|one| format!("{one:?}")).collect();
        Cause {
            reason: "FieldValueNotSupported".to_owned(),
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                allowed.join(", ")
            ),
            field: field.into(),
        }
    }

    /// A value that stands twice where it must be unique.
    pub fn duplicate(field: impl Into<String>, value: &serde_json::Value) -> Cause {
        Cause {
            reason: "FieldValueDuplicate".to_owned(),
            message: format!("Duplicate value: {value}"),
            field: field.into(),
        }
    }

    /// A name of something that is not there.
    pub fn unknown(field: impl Into<String>, value: &serde_json::Value) -> Cause {
        Cause {
            reason: "FieldValueNotFound".to_owned(),
            message: format!("Not found: {value}"),
            field: field.into(),
        }
    }

    /// A field that must not be there, or must not change.
    pub fn forbidden(field: impl Into<String>, why: impl fmt::Display) -> Cause {
        Cause {
            reason: "FieldValueForbidden".to_owned(),
            message: format!("Forbidden: {why}"),
            field: field.into(),
        }
    }
}

impl Status {
    /// A refusal in words of its own.
    pub fn failure(code: u16, reason: &str, message: String) -> Status {
        Status {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            status: "Failure".to_owned(),
            message,
            reason: reason.to_owned(),
            code,
            ..Status::default()
        }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Status {
        self.details = Some(Details {
            name: name.to_owned(),
            group: kind.group.to_owned(),
            kind: kind.plural.to_owned(),
            ..Details::default()
        });
        self
    }

    /// 404 for one object.
    pub fn not_found(kind: &Kind, name: &str) -> Status {
        Status::failure(
            404,
            "NotFound",
            format!("{} {name:?} not found", kind.resource()),
        )
        .about(kind, name)
    }

    /// 404 for a path that nothing is served at.
    pub fn no_such_path() -> Status {
        Status::failure(
            404,
            "NotFound",
            "the server could not find the requested resource".to_owned(),
        )
    }

    /// 409 for a create of something that is there.
    pub fn already_exists(kind: &Kind, name: &str) -> Status {
        Status::failure(
            409,
            "AlreadyExists",
            format!("{} {name:?} already exists", kind.resource()),
        )
        .about(kind, name)
    }

    /// 409 for a write that was decided on an older version.
    pub fn conflict(kind: &Kind, name: &str, why: impl fmt::Display) -> Status {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            kind.resource()
        );
        Status::failure(409, "Conflict", message).about(kind, name)
    }

    /// 422 naming every wrong field.
    pub fn invalid(kind: &Kind, name: &str, causes: Vec<Cause>) -> Status {
        let list: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let list = if list.len() == 1 {
            list[0].clone()
        } else {
            format!("[{}]", list.join(", "))
        };
        let subject = if kind.group.is_empty() {
            kind.kind.to_owned()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        };
        let mut status = Status::failure(
            422,
            "Invalid",
            format!("{subject} {name:?} is invalid: {list}"),
        );
        status.details = Some(Details {
            name: name.to_owned(),
            group: kind.group.to_owned(),
            kind: kind.kind.to_owned(),
            causes,
            ..Details::default()
        });
        status
    }

    /// 422 for a request that does not fit the object, without naming a field.
    pub fn unprocessable(why: impl fmt::Display) -> Status {
        Status::failure(422, "Invalid", why.to_string())
    }

    /// 403 in the words of Kubernetes: `nodes "a" is forbidden: User "u" cannot get resource "nodes" …`.
    pub fn forbidden(kind: &Kind, name: &str, why: impl fmt::Display) -> Status {
        let subject = if name.is_empty() {
            kind.resource()
        } else {
            format!("{} {name:?}", kind.resource())
        };
        Status::failure(403, "Forbidden", format!("{subject} is forbidden: {why}"))
            .about(kind, name)
    }

    /// 401.
    pub fn unauthorized() -> Status {
        Status::failure(401, "Unauthorized", "Unauthorized".to_owned())
    }

    /// 400.
    pub fn bad_request(why: impl fmt::Display) -> Status {
        Status::failure(400, "BadRequest", why.to_string())
    }

    /// 405.
    pub fn method_not_allowed() -> Status {
        let message = "the server does not allow this method on the requested resource";
        Status::failure(405, "MethodNotAllowed", message.to_owned())
    }

    /// 410: the version asked for is no longer kept; list again.
    pub fn expired(why: impl fmt::Display) -> Status {
        Status::failure(410, "Expired", why.to_string())
    }

    /// 413.
    pub fn too_large(why: impl fmt::Display) -> Status {
        Status::failure(413, "RequestEntityTooLarge", why.to_string())
    }

    /// 415.
    pub fn unsupported_media_type(why: impl fmt::Display) -> Status {
        Status::failure(415, "UnsupportedMediaType", why.to_string())
    }

    /// 500.
    pub fn internal(why: impl fmt::Display) -> Status {
        Status::failure(
            500,
            "InternalError",
            format!("Internal error occurred: {why}"),
        )
    }

    /// 503.
    pub fn unavailable(why: impl fmt::Display) -> Status {
        Status::failure(503, "ServiceUnavailable", why.to_string())
    }

    /// 200: the answer to a completed deletion.
    pub fn success(kind: &Kind, name: &str, uid: &str) -> Status {
        let mut status = Status {
            status: "Success".to_owned(),
            ..Status::failure(200, "", String::new())
        }
        .about(kind, name);
        if let Some(details) = &mut status.details {
            uid.clone_into(&mut details.uid);
        }
        status
    }

    /// The wrong fields, if the refusal names any.
    pub fn causes(&self) -> &[Cause] {
        self.details.as_ref().map_or(&[], |details| &details.causes)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;

    #[test]
    fn speaks_as_kubernetes_does() {
        let causes = vec![
            Cause::required("spec.hosts", ""),
            Cause::invalid(
                "spec.port",
                &serde_json::json!(0),
                "must be between 1 and 65535",
            ),
        ];
        assert_eq!(
            Status::invalid(&kinds::APPLICATION, "a", causes).message,
            "Application.upshift.dev \"a\" is invalid: [spec.hosts: Required value, \
             spec.port: Invalid value: 0: must be between 1 and 65535]"
        );
        assert_eq!(
            Status::not_found(&kinds::NODE, "a").message,
            "nodes \"a\" not found"
        );
    }
}
