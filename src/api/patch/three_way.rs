//! What `apply` sends: the difference between what is there and what the user wrote, knowing what the user wrote last.

use serde_json::Map;
use serde_json::Value;

use super::Error;
use super::Patch;
use super::strategic;
use crate::api::kinds::Kind;
use crate::api::schema;
use crate::api::schema::Merge;
use crate::api::schema::Schema;

/// The patch that brings `current` to `modified` and removes what `last_applied` had and `modified` has not.
///
/// A merge patch for every kind. Lists that merge by a key are merged here, entry by entry, so that what others put
/// into them stays; to keep that true under concurrent writes the caller may add `metadata.resourceVersion`.
pub fn three_way(
    kind: &Kind,
    last_applied: Option<&Value>,
    modified: &Value,
    current: &Value,
) -> Result<Patch, Error> {
    if !modified.is_object() || !current.is_object() {
        return Err(Error::Malformed("only objects can be applied".to_owned()));
    }
    let schema = schema::of(kind);
    let target = combine(last_applied, modified, Some(current), schema);
    Ok(Patch::Merge(merge_between(current, &target)))
}

/// The merge patch that turns `from` into `to`.
pub fn merge_between(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in from
        .keys()
        .filter(|key| to.get(*key).is_none_or(Value::is_null))
    {
        if !from[key].is_null() {
            patch.insert(key.clone(), Value::Null);
        }
    }
    for (key, value) in to.iter().filter(|(_, value)| !value.is_null()) {
        match from.get(key) {
            Some(before) if before == value => {}
            Some(before) if before.is_object() && value.is_object() => {
                patch.insert(key.clone(), merge_between(before, value));
            }
            _ => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

/// What should be there afterwards.
fn combine(
    last: Option<&Value>,
    modified: &Value,
    current: Option<&Value>,
    schema: Option<&Schema>,
) -> Value {
    match (modified, current) {
        (Value::Object(modified), _) => {
            let current = current.and_then(Value::as_object);
            let last = last.and_then(Value::as_object);
            combine_objects(last, modified, current, schema).into()
        }
        (Value::Array(modified), Some(Value::Array(current))) => {
            let last = last
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            combine_lists(last, modified, current, schema).into()
        }
        _ => modified.clone(),
    }
}

fn combine_objects(
    last: Option<&Map<String, Value>>,
    modified: &Map<String, Value>,
    current: Option<&Map<String, Value>>,
    schema: Option<&Schema>,
) -> Map<String, Value> {
    let mut target = Map::new();
    for (key, value) in current.into_iter().flatten() {
        let was_ours = last.is_some_and(|last| last.contains_key(key));
        if !modified.contains_key(key) && !was_ours {
            target.insert(key.clone(), value.clone());
        }
    }
    for (key, value) in modified.iter().filter(|(_, value)| !value.is_null()) {
        let combined = combine(
            last.and_then(|last| last.get(key)),
            value,
            current.and_then(|current| current.get(key)),
            schema.and_then(|schema| schema.field(key)),
        );
        target.insert(key.clone(), combined);
    }
    target
}

fn combine_lists(
    last: &[Value],
    modified: &[Value],
    current: &[Value],
    schema: Option<&Schema>,
) -> Vec<Value> {
    let key = match schema.map_or(&Merge::Replace, Schema::merge) {
        Merge::Replace => return modified.to_vec(),
        Merge::Set => None,
        Merge::ByKey(key) => Some(key.as_str()),
    };
    let id = |value: &Value| key.map_or_else(|| value.clone(), |key| value[key].clone());
    let named = |among: &[Value], wanted: &Value| {
        let wanted = id(wanted);
        among.iter().find(|one| id(one) == wanted).cloned()
    };
    let theirs = current
        .iter()
        .filter(|value| named(modified, value).is_none() && named(last, value).is_none())
        .cloned();
    let ours = modified.iter().map(|value| {
        let before = named(current, value);
        let items = schema.and_then(Schema::items);
        combine(named(last, value).as_ref(), value, before.as_ref(), items)
    });
    let list: Vec<Value> = strategic::union(Vec::new(), &theirs.chain(ours).collect::<Vec<_>>());
    strategic::in_order(list, modified, current, key)
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;
    use crate::api::kinds;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(last: Option<&Value>, modified: &Value, current: &Value, expect: &Value) {
        let patch = three_way(&kinds::SERVICE, last, modified, current).unwrap();
        assert_eq!(patch.body(), expect);
        let after = apply(&kinds::SERVICE, current, &patch).unwrap();
        let again = three_way(&kinds::SERVICE, Some(modified), modified, &after).unwrap();
        assert_eq!(*again.body(), json!({}), "a second apply changes nothing");
    }

    #[test]
    fn removes_what_was_applied_and_keeps_what_others_wrote() {
        check(
            Some(&json!({"metadata": {"labels": {"mine": "1", "gone": "1"}}})),
            &json!({"metadata": {"labels": {"mine": "2"}}}),
            &json!({"metadata": {"labels": {"mine": "1", "gone": "1", "theirs": "1"}}, "status": {}}),
            &json!({"metadata": {"labels": {"mine": "2", "gone": null}}}),
        );
        check(
            None,
            &json!({"spec": {"type": "ClusterIP"}}),
            &json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1"}}),
            &json!({}),
        );
    }

    #[test]
    fn lists_with_a_key_keep_the_entries_of_others() {
        check(
            Some(&json!({"spec": {"ports": [{"port": 1}, {"port": 2}]}})),
            &json!({"spec": {"ports": [{"port": 2, "name": "b"}, {"port": 4}]}}),
            &json!({"spec": {"ports": [{"port": 1}, {"port": 2, "nodePort": 9}, {"port": 3}]}}),
            &json!({"spec": {"ports": [{"port": 2, "name": "b", "nodePort": 9}, {"port": 3}, {"port": 4}]}}),
        );
        check(
            Some(&json!({"metadata": {"finalizers": ["a"]}})),
            &json!({"metadata": {"finalizers": ["c"]}}),
            &json!({"metadata": {"finalizers": ["a", "b"]}}),
            &json!({"metadata": {"finalizers": ["b", "c"]}}),
        );
    }

    #[test]
    fn null_asks_for_removal() {
        check(
            None,
            &json!({"spec": {"type": null}}),
            &json!({"spec": {"type": "NodePort"}}),
            &json!({"spec": {"type": null}}),
        );
    }

    /// Objects without nulls, which a merge patch cannot hold.
    fn object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3_u8).prop_map(Value::from),
        ];
        let tree = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        });
        prop::collection::btree_map("[abc]", tree, 0..3).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_merge_patch_between_two_objects_leads_from_one_to_the_other(from in object(), to in object()) {
            let patch = Patch::Merge(merge_between(&from, &to));
            prop_assert_eq!(apply(&kinds::APPLICATION, &from, &patch).unwrap(), to);
        }

        #[test]
        fn applying_over_what_one_applied_last_gives_what_one_wrote(last in object(), modified in object()) {
            let patch = three_way(&kinds::APPLICATION, Some(&last), &modified, &last).unwrap();
            prop_assert_eq!(apply(&kinds::APPLICATION, &last, &patch).unwrap(), modified);
        }
    }
}
