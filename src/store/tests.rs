//! The store's promises: durable when answered, in order, one version at a time, honest about what it forgot.

use serde_json::json;

use super::*;
use crate::api::kinds::CONFIG_MAP;
use crate::api::kinds::NODE;

fn put(name: &str, expect: Expect, data: &str) -> Write {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "a", "labels": {"tier": "web"}}, "data": {"x": data},
    });
    Write {
        place: Place::new(&CONFIG_MAP, "a", name),
        expect,
        object: Some(object),
    }
}

fn gone(name: &str, expect: Expect) -> Write {
    Write {
        place: Place::new(&CONFIG_MAP, "a", name),
        expect,
        object: None,
    }
}

#[tokio::test]
async fn preconditions_are_kept() {
    let store = Store::in_memory();
    let first = store.write(put("x", Expect::Absent, "1")).await.unwrap();
    assert_eq!((first.revision, first.labels["tier"].as_str()), (1, "web"));
    assert!(matches!(
        store.write(put("x", Expect::Absent, "2")).await,
        Err(Error::Exists)
    ));
    store
        .write(put("x", Expect::Revision(1), "2"))
        .await
        .unwrap();
    assert!(matches!(
        store.write(put("x", Expect::Revision(1), "3")).await,
        Err(Error::Stale { current: 2 })
    ));
    assert!(matches!(
        store.write(put("y", Expect::Revision(1), "3")).await,
        Err(Error::Missing)
    ));
    let removed = store.write(gone("x", Expect::Revision(2))).await.unwrap();
    assert_eq!(removed.object()["metadata"]["resourceVersion"], "3");
    assert!(matches!(
        store.write(gone("x", Expect::Any)).await,
        Err(Error::Missing)
    ));
    assert_eq!(store.revision(), 3);
}

#[tokio::test]
async fn lists_are_in_order_and_of_one_namespace() {
    let store = Store::in_memory();
    for name in ["c", "a", "b"] {
        store.write(put(name, Expect::Absent, "")).await.unwrap();
    }
    let mut other = put("a", Expect::Absent, "");
    other.place = Place::new(&CONFIG_MAP, "ab", "a");
    store.write(other).await.unwrap();
    let names = |namespace| -> Vec<String> {
        store
            .list(&CONFIG_MAP, namespace)
            .0
            .iter()
            .map(|entry| entry.place.key.to_string())
            .collect()
    };
    assert_eq!(names("a"), ["a/a", "a/b", "a/c"]);
    assert_eq!(names(""), ["a/a", "a/b", "a/c", "ab/a"]);
    assert_eq!(store.list(&NODE, "").0.len(), 0);
}

#[tokio::test]
async fn a_watch_resumes_where_it_was_and_sees_everything_once() {
    let store = Store::in_memory();
    store.write(put("x", Expect::Absent, "1")).await.unwrap();
    let mut live = store.watch(&CONFIG_MAP, "a", 0).unwrap();
    store.write(put("x", Expect::Any, "2")).await.unwrap();
    store.write(gone("x", Expect::Any)).await.unwrap();
    let mut resumed = store.watch(&CONFIG_MAP, "", 1).unwrap();
    for watch in [&mut live, &mut resumed] {
        let modified = watch.next().await.unwrap().unwrap();
        assert_eq!(
            (modified.kind, modified.entry.revision),
            (ChangeKind::Modified, 2)
        );
        assert_eq!(modified.previous.as_ref().unwrap().revision, 1);
        let deleted = watch.next().await.unwrap().unwrap();
        assert_eq!(
            (deleted.kind, deleted.entry.revision),
            (ChangeKind::Deleted, 3)
        );
    }
    assert_eq!(
        store.watch(&CONFIG_MAP, "", 99).unwrap_err(),
        Expired {
            asked: 99,
            oldest: 3
        }
    );
    store.close().await;
    assert!(live.next().await.unwrap().is_none());
    assert!(matches!(
        store.write(put("z", Expect::Any, "")).await,
        Err(Error::Closed)
    ));
}

#[tokio::test]
async fn a_watch_that_fell_behind_is_told_so() {
    let store = Store::in_memory();
    let mut slow = store.watch(&CONFIG_MAP, "", 0).unwrap();
    let large = "x".repeat(1 << 20);
    for _ in 0..20 {
        store.write(put("x", Expect::Any, &large)).await.unwrap();
    }
    assert!(slow.next().await.is_err());
    assert!(store.watch(&CONFIG_MAP, "", 1).is_err());
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening_and_older_revisions_are_expired() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.write(put("x", Expect::Absent, "1")).await.unwrap();
    store.write(put("y", Expect::Absent, "1")).await.unwrap();
    store.write(gone("y", Expect::Any)).await.unwrap();
    assert!(matches!(
        Store::open(folder.path()),
        Err(Error::InUse { .. })
    ));
    store.close().await;
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.revision(), 3);
    let (entries, _) = store.list(&CONFIG_MAP, "");
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].revision, entries[0].labels["tier"].as_str()),
        (1, "web")
    );
    assert_eq!(
        store.watch(&CONFIG_MAP, "", 2).unwrap_err(),
        Expired {
            asked: 2,
            oldest: 3
        }
    );
    store.watch(&CONFIG_MAP, "", 3).unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("objects.redb"),
        b"this is not a database",
    )
    .unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("objects.redb cannot be read"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_of_one_object_lose_nothing() {
    let store = Store::in_memory();
    store.write(put("x", Expect::Absent, "0")).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < 25 {
                    let entry = store.entry(&Place::new(&CONFIG_MAP, "a", "x")).unwrap();
                    let count: u32 = entry.object()["data"]["x"]
                        .as_str()
                        .unwrap()
                        .parse()
                        .unwrap();
                    let next = put(
                        "x",
                        Expect::Revision(entry.revision),
                        &(count + 1).to_string(),
                    );
                    done += u32::from(store.write(next).await.is_ok());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let entry = store.entry(&Place::new(&CONFIG_MAP, "a", "x")).unwrap();
    assert_eq!(entry.object()["data"]["x"], "200");
}
