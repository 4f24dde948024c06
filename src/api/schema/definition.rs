//! Schemas as the checks and merges read them, made from the embedded files at first use.
//!
//! One file is read when a kind of its group is first asked for; a client that asks for none reads none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::notation;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::yaml;

/// What one value may be.
#[derive(Debug, Default)]
pub(in crate::api) struct Schema {
    pub(super) shape: Shape,
    /// Fields that are not in `properties` are kept.
    pub(super) open: bool,
    pub(super) properties: BTreeMap<String, Arc<Schema>>,
    pub(super) additional: Option<Arc<Schema>>,
    pub(super) items: Option<Arc<Schema>>,
    pub(super) required: Vec<String>,
    pub(super) allowed: Vec<String>,
    pub(super) format: String,
    pub(super) minimum: Option<i64>,
    pub(super) maximum: Option<i64>,
    pub(super) min_length: Option<u64>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    merge: Merge,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Any,
    Object,
    List,
    Text,
    Integer,
    Boolean,
    IntegerOrText,
    /// A number, or one with a unit as text.
    Quantity,
}

/// How a strategic merge patch merges a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) enum Merge {
    #[default]
    Replace,
    /// Entries with the same value of this key are the same entry.
    ByKey(String),
    /// Equal scalars are the same entry.
    Set,
}

impl Schema {
    /// The schema of a field, or of a value of a map.
    pub(in crate::api) fn field(&self, name: &str) -> Option<&Schema> {
        self.properties
            .get(name)
            .or(self.additional.as_ref())
            .map(Arc::as_ref)
    }

    /// The schema of a list's entries.
    pub(in crate::api) fn items(&self) -> Option<&Schema> {
        self.items.as_deref()
    }

    /// How the list merges.
    pub(in crate::api) fn merge(&self) -> &Merge {
        &self.merge
    }
}

/// One schema file: its components as OpenAPI, and the schemas of its kinds.
pub(super) struct Definitions {
    /// Full name → OpenAPI schema, those of `meta.yaml` included.
    pub(super) components: BTreeMap<String, Value>,
    pub(super) prefix: String,
    by_kind: BTreeMap<&'static str, Arc<Schema>>,
}

const META: &str = include_str!("../schemas/meta.yaml");
const POD: &str = include_str!("../schemas/pod.yaml");

struct File {
    group: &'static str,
    text: &'static str,
    /// The files whose schemas it names.
    shared: &'static [&'static str],
    definitions: OnceLock<Definitions>,
}

const fn file(group: &'static str, text: &'static str) -> File {
    with(group, text, &[META])
}

/// A file of a group whose kinds make pods or name objects.
const fn with_pods(group: &'static str, text: &'static str) -> File {
    with(group, text, &[META, POD])
}

const fn with(group: &'static str, text: &'static str, shared: &'static [&'static str]) -> File {
    File {
        group,
        text,
        shared,
        definitions: OnceLock::new(),
    }
}

static FILES: [File; 14] = [
    with_pods("", include_str!("../schemas/core.yaml")),
    with_pods("apps", include_str!("../schemas/apps.yaml")),
    with_pods(
        "apps.openshift.io",
        include_str!("../schemas/apps.openshift.yaml"),
    ),
    file("autoscaling", include_str!("../schemas/autoscaling.yaml")),
    with_pods("build.openshift.io", include_str!("../schemas/build.yaml")),
    with_pods("image.openshift.io", include_str!("../schemas/image.yaml")),
    with_pods("route.openshift.io", include_str!("../schemas/route.yaml")),
    file(
        "discovery.k8s.io",
        include_str!("../schemas/discovery.yaml"),
    ),
    file(
        "coordination.k8s.io",
        include_str!("../schemas/coordination.yaml"),
    ),
    file(
        "project.openshift.io",
        include_str!("../schemas/project.yaml"),
    ),
    file("user.openshift.io", include_str!("../schemas/user.yaml")),
    file(
        "authentication.k8s.io",
        include_str!("../schemas/authentication.yaml"),
    ),
    file(
        "authorization.k8s.io",
        include_str!("../schemas/authorization.yaml"),
    ),
    file("upshift.dev", include_str!("../schemas/upshift.yaml")),
];

fn file_of(group: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.group == group)
}

/// The definitions of a group, if it has any.
pub(super) fn definitions(group: &str) -> Option<&'static Definitions> {
    let file = file_of(group)?;
    Some(file.definitions.get_or_init(|| Definitions::read(file)))
}

/// The texts that a group's definitions are made from; they change exactly when those do.
pub(super) fn texts_of(group: &str) -> impl Iterator<Item = &'static str> {
    let file = file_of(group);
    let shared = file.map_or(&[][..], |file| file.shared);
    file.map(|file| file.text)
        .into_iter()
        .chain(shared.iter().copied())
}

/// The schema of a kind; none for a kind that no file describes.
pub(in crate::api) fn of(kind: &Kind) -> Option<&'static Schema> {
    definitions(kind.group)?
        .by_kind
        .get(kind.kind)
        .map(Arc::as_ref)
}

impl Definitions {
    fn read(file: &File) -> Definitions {
        let written = parse(file.text);
        let prefix = written["prefix"].as_str().unwrap_or_default().to_owned();
        let mut components = components(&written);
        for shared in file.shared {
            components.extend(self::components(&parse(shared)));
        }
        let kinds = kinds::ALL.iter().filter(|kind| kind.group == file.group);
        let named: Vec<(&Kind, String)> = kinds
            .map(|kind| (*kind, format!("{prefix}.{}", kind.kind)))
            .collect();
        for (kind, name) in &named {
            if let Some(component) = components.get_mut(name) {
                make_whole(component, kind);
            }
        }
        let mut compiler = Compiler {
            components: &components,
            known: BTreeMap::new(),
        };
        let by_kind = named
            .iter()
            .filter(|(_, name)| components.contains_key(name))
            .map(|(kind, name)| (kind.kind, compiler.named(name)))
            .collect();
        Definitions {
            components,
            prefix,
            by_kind,
        }
    }
}

fn parse(text: &str) -> Value {
    yaml::read(text)
        .expect("the embedded schemas are YAML; a test reads them all")
        .remove(0)
        .into_value()
}

fn components(written: &Value) -> BTreeMap<String, Value> {
    let prefix = written["prefix"].as_str().unwrap_or_default();
    let schemas = written["schemas"].as_object().into_iter().flatten();
    schemas
        .map(|(name, schema)| (format!("{prefix}.{name}"), notation::schema(prefix, schema)))
        .collect()
}

/// Adds what every kind has: `apiVersion`, `kind`, `metadata`, and its name among kinds.
fn make_whole(component: &mut Value, kind: &Kind) {
    let meta = notation::META;
    let fields = json!({
        "apiVersion": {"type": "string", "description": "Group and version of this object's form."},
        "kind": {"type": "string", "description": "Kind of this object."},
        "metadata": {
            "$ref": format!("#/components/schemas/{meta}.ObjectMeta"),
            "description": "Names, versions, owners and labels.",
        },
    });
    if component["properties"].is_null() {
        component["properties"] = json!({});
    }
    if let (Some(properties), Value::Object(fields)) =
        (component["properties"].as_object_mut(), fields)
    {
        properties.extend(fields);
    }
    component["x-kubernetes-group-version-kind"] =
        json!([{"group": kind.group, "version": kind.version, "kind": kind.kind}]);
}

/// Makes schemas of components; what several name is made once.
struct Compiler<'a> {
    components: &'a BTreeMap<String, Value>,
    known: BTreeMap<String, Arc<Schema>>,
}

impl Compiler<'_> {
    fn named(&mut self, name: &str) -> Arc<Schema> {
        if let Some(known) = self.known.get(name) {
            return Arc::clone(known);
        }
        let body = self
            .components
            .get(name)
            .unwrap_or_else(|| panic!("no schema is named {name}"));
        let schema = Arc::new(self.body(body));
        self.known.insert(name.to_owned(), Arc::clone(&schema));
        schema
    }

    /// A schema where it is used; beside a reference stands at most a description.
    fn used(&mut self, written: &Value) -> Arc<Schema> {
        let reference = written["$ref"].as_str();
        match reference.and_then(|path| path.rsplit('/').next()) {
            Some(name) => self.named(name),
            None => Arc::new(self.body(written)),
        }
    }

    fn body(&mut self, body: &Value) -> Schema {
        let count = |keyword: &str| body[keyword].as_u64();
        Schema {
            shape: shape(body),
            open: body["x-kubernetes-preserve-unknown-fields"] == true,
            properties: map_of(body, "properties")
                .map(|(name, value)| (name.clone(), self.used(value)))
                .collect(),
            additional: body
                .get("additionalProperties")
                .map(|value| self.used(value)),
            items: body.get("items").map(|value| self.used(value)),
            required: texts(body, "required"),
            allowed: texts(body, "enum"),
            format: body["format"].as_str().unwrap_or_default().to_owned(),
            minimum: body["minimum"].as_i64(),
            maximum: body["maximum"].as_i64(),
            min_length: count("minLength"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            merge: merge(body),
        }
    }
}

fn shape(body: &Value) -> Shape {
    if body["format"] == "quantity" {
        return Shape::Quantity;
    }
    if body["x-kubernetes-int-or-string"] == true {
        return Shape::IntegerOrText;
    }
    match body["type"].as_str() {
        Some("object") => Shape::Object,
        Some("array") => Shape::List,
        Some("string") => Shape::Text,
        Some("integer") => Shape::Integer,
        Some("boolean") => Shape::Boolean,
        _ => Shape::Any,
    }
}

fn merge(written: &Value) -> Merge {
    match (
        written["x-kubernetes-patch-strategy"].as_str(),
        written["x-kubernetes-patch-merge-key"].as_str(),
    ) {
        (Some("merge"), Some(key)) => Merge::ByKey(key.to_owned()),
        (Some("merge"), None) => Merge::Set,
        _ => Merge::Replace,
    }
}

fn map_of<'a>(body: &'a Value, keyword: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    body[keyword].as_object().into_iter().flat_map(Map::iter)
}

fn texts(body: &Value, keyword: &str) -> Vec<String> {
    let list = body[keyword].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_schema() {
        for kind in kinds::ALL {
            assert!(of(kind).is_some(), "{}", kind.kind);
        }
    }

    #[test]
    fn lists_know_how_they_merge() {
        let ports = of(&kinds::SERVICE)
            .and_then(|schema| schema.field("spec")?.field("ports"))
            .unwrap();
        assert_eq!(*ports.merge(), Merge::ByKey("port".to_owned()));
        let finalizers = of(&kinds::NODE)
            .and_then(|schema| schema.field("metadata")?.field("finalizers"))
            .unwrap();
        assert_eq!(*finalizers.merge(), Merge::Set);
    }
}
