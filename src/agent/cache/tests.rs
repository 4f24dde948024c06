//! Bundles that come, stay, get damaged and go.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use super::*;
use crate::api::upshift::Bundle;
use crate::api::upshift::FileMapping;

/// In memory where that is possible: these tests ask for durability very often.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

struct Fixture {
    folder: tempfile::TempDir,
    cache: Cache,
    blob: Vec<u8>,
    fetched: AtomicU32,
}

fn pack(files: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    std::os::unix::fs::symlink("bin/start", folder.path().join("run")).unwrap();
    let mut blob = Vec::new();
    bundle::Bundle::open(folder.path())
        .unwrap()
        .pack(&mut blob)
        .unwrap();
    blob
}

impl Fixture {
    fn new() -> Fixture {
        let folder = scratch();
        Fixture {
            cache: Cache::new(folder.path().join("deployments")),
            folder,
            blob: pack(&[
                ("bin/start", "#!/bin/sh\n"),
                ("appspec.yml", "os: linux\n"),
                ("a/b/c", "c"),
            ]),
            fetched: AtomicU32::new(0),
        }
    }

    fn deployment(&self, deploy_id: u64) -> Deployment {
        Deployment {
            app_id: "demo.shop".into(),
            group_id: "default".into(),
            deploy_id,
            revision: Some(DeployedRevision {
                bundle: Bundle {
                    digest: Digest::of(&self.blob).to_string(),
                    size: self.blob.len() as u64,
                },
                ..DeployedRevision::default()
            }),
            ..Deployment::default()
        }
    }

    async fn ensure_with(
        &self,
        deployment: &Deployment,
        blob: Option<&[u8]>,
    ) -> Result<PathBuf, Error> {
        let download = |_, mut incoming: Incoming| async move {
            self.fetched.fetch_add(1, Ordering::SeqCst);
            let blob = blob.ok_or("404")?;
            incoming.write_all(blob)?;
            Ok(incoming)
        };
        self.cache.ensure(deployment, download).await
    }

    async fn ensure(&self, deployment: &Deployment) -> PathBuf {
        self.ensure_with(deployment, Some(&self.blob))
            .await
            .unwrap()
    }

    fn fetched(&self) -> u32 {
        self.fetched.load(Ordering::SeqCst)
    }

    fn names(&self) -> Vec<String> {
        let group = self
            .folder
            .path()
            .join("deployments/app-demo.shop/group-default");
        let Ok(entries) = fs::read_dir(group) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_bundle_is_fetched_once_to_the_seed_s_place_that_everybody_may_enter() {
    let fixture = Fixture::new();
    let deployment = fixture.deployment(7);
    assert_eq!(fixture.cache.check(&deployment).unwrap(), State::Missing);
    let root = fixture.ensure(&deployment).await;
    assert_eq!(
        root,
        fixture
            .folder
            .path()
            .join("deployments/app-demo.shop/group-default/deploy-7")
    );
    assert_eq!(fs::read(root.join("run")).unwrap(), b"#!/bin/sh\n");
    for folder in root.ancestors().take(4) {
        assert_eq!(
            fs::metadata(folder).unwrap().permissions().mode() & 0o777,
            0o755,
            "{folder:?}"
        );
    }
    fixture.ensure(&deployment).await;
    assert_eq!(fixture.fetched(), 1);
    assert_eq!(fixture.names(), [".deploy-7.json", "deploy-7"]);
}

#[tokio::test]
async fn damage_is_found_and_repaired_and_what_hooks_left_stays() {
    let fixture = Fixture::new();
    let deployment = fixture.deployment(1);
    let root = fixture.ensure(&deployment).await;
    fs::write(root.join("server.pid"), "42").unwrap();
    let damages: [(&str, &dyn Fn()); 6] = [
        ("bin/start", &|| {
            fs::write(root.join("bin/start"), "#!/bin/sg\n").unwrap();
        }),
        ("bin/start", &|| {
            fs::remove_file(root.join("bin/start")).unwrap();
        }),
        ("a and 2 more", &|| {
            fs::remove_dir_all(root.join("a")).unwrap();
        }),
        ("a/b and 1 more", &|| {
            fs::remove_dir_all(root.join("a/b")).unwrap();
            std::os::unix::fs::symlink("/tmp", root.join("a/b")).unwrap();
        }),
        ("run", &|| {
            fs::remove_file(root.join("run")).unwrap();
            fs::create_dir_all(root.join("run/x")).unwrap();
        }),
        ("manifest", &|| {
            fs::write(Manifest::path(&root), "{").unwrap();
        }),
    ];
    for (what, damage) in damages {
        damage();
        let State::Damaged(said) = fixture.cache.check(&deployment).unwrap() else {
            panic!("{what} is not noticed")
        };
        assert!(said.contains(what), "{said}");
        if what != "manifest" {
            fixture.ensure(&deployment).await;
            assert_eq!(
                fixture.cache.check(&deployment).unwrap(),
                State::Whole,
                "{what}"
            );
            assert_eq!(fs::read(root.join("server.pid")).unwrap(), b"42");
        }
    }
    fixture.ensure(&deployment).await;
    assert_eq!(fixture.cache.check(&deployment).unwrap(), State::Whole);
}

#[tokio::test]
async fn without_the_blob_or_with_a_wrong_one_nothing_is_put_in_place() {
    let fixture = Fixture::new();
    let deployment = fixture.deployment(1);
    let missing = fixture.ensure_with(&deployment, None).await.unwrap_err();
    assert_eq!(missing.reason(), "BundleMissing");
    let other = pack(&[("other", "")]);
    let wrong = fixture
        .ensure_with(&deployment, Some(&other))
        .await
        .unwrap_err();
    assert_eq!(wrong.reason(), "BundleDamaged");
    assert_eq!(fixture.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_blob_that_is_no_archive_is_refused_and_leaves_nothing() {
    let mut fixture = Fixture::new();
    fixture.blob = b"#!/bin/sh\n".to_vec();
    let deployment = fixture.deployment(1);
    let error = fixture
        .ensure_with(&deployment, Some(&fixture.blob))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "BundleDamaged");
    assert_eq!(fixture.names(), Vec::<String>::new());
}

#[tokio::test]
async fn another_bundle_under_the_same_number_takes_the_place() {
    let mut fixture = Fixture::new();
    let root = fixture.ensure(&fixture.deployment(1)).await;
    fixture.blob = pack(&[("new", "x")]);
    let deployment = fixture.deployment(1);
    assert!(matches!(
        fixture.cache.check(&deployment).unwrap(),
        State::Damaged(_)
    ));
    fixture.ensure(&deployment).await;
    assert!(root.join("new").exists() && !root.join("a").exists());
    assert_eq!(fixture.names(), [".deploy-1.json", "deploy-1"]);
}

#[tokio::test]
async fn an_unpacking_that_was_interrupted_is_not_a_bundle() {
    let fixture = Fixture::new();
    let deployment = fixture.deployment(1);
    let root = fixture.ensure(&deployment).await;
    fs::remove_file(Manifest::path(&root)).unwrap();
    fs::create_dir(beside(&root, "new")).unwrap();
    fs::write(beside(&root, "new").join("half"), "").unwrap();
    fs::write(beside(&root, "incoming"), "half").unwrap();
    assert_eq!(fixture.cache.check(&deployment).unwrap(), State::Missing);
    fixture.ensure(&deployment).await;
    assert_eq!(fixture.names(), [".deploy-1.json", "deploy-1"]);
}

#[tokio::test]
async fn old_bundles_go_and_kept_ones_stay() {
    let fixture = Fixture::new();
    for id in 1..=4 {
        fixture.ensure(&fixture.deployment(id)).await;
    }
    let mut deployment = fixture.deployment(4);
    deployment.keep = vec![2];
    fixture.cache.prune(&deployment).unwrap();
    assert_eq!(
        fixture.names(),
        [".deploy-2.json", ".deploy-4.json", "deploy-2", "deploy-4"]
    );
    assert_eq!(
        fixture.cache.check(&fixture.deployment(2)).unwrap(),
        State::Whole
    );
    fixture.cache.clear(&deployment).unwrap();
    assert_eq!(
        fs::read_dir(fixture.folder.path().join("deployments"))
            .unwrap()
            .count(),
        0
    );
    fixture.cache.clear(&deployment).unwrap();
}

#[test]
fn identifiers_cannot_leave_the_root_dir() {
    let fixture = Fixture::new();
    for id in ["", "../x", "a/b", "a\0"] {
        let mut deployment = fixture.deployment(1);
        deployment.app_id = id.into();
        assert!(fixture.cache.place(&deployment).is_err(), "{id:?}");
    }
    let mut deployment = fixture.deployment(1);
    deployment.app_id = "..".into();
    assert!(
        fixture
            .cache
            .place(&deployment)
            .unwrap()
            .ends_with("app-../group-default/deploy-1")
    );
    deployment.root_dir = "relative".into();
    assert!(fixture.cache.place(&deployment).is_err());
}

#[test]
fn a_bundle_on_its_way_in_belongs_to_one_at_a_time() {
    let fixture = Fixture::new();
    let root = fixture
        .folder
        .path()
        .join("deployments/app-a/group-b/deploy-1");
    let first = Incoming::new(&root).unwrap();
    let second = std::thread::spawn({
        let root = root.clone();
        move || Incoming::new(&root).unwrap()
    });
    drop(first);
    let second = second.join().unwrap();
    assert!(
        second.path.exists(),
        "the first removed what the second fills"
    );
}

#[test]
fn the_appspec_wins_over_the_form() {
    let folder = tempfile::tempdir().unwrap();
    let mut revision = DeployedRevision {
        files: vec![FileMapping {
            source: "/".into(),
            destination: "/form".into(),
        }],
        ..DeployedRevision::default()
    };
    let destination = |revision: &DeployedRevision| {
        appspec(folder.path(), revision).map(|spec| spec.files[0].destination.clone())
    };
    assert_eq!(destination(&revision).unwrap(), "/form");
    fs::write(
        folder.path().join("appspec.yaml"),
        "files: [{source: /, destination: /yaml}]",
    )
    .unwrap();
    assert_eq!(destination(&revision).unwrap(), "/yaml");
    revision.appspec = "deploy.yml".into();
    assert_eq!(destination(&revision).unwrap_err().reason(), "BadAppSpec");
    fs::write(folder.path().join("deploy.yml"), "file: []").unwrap();
    assert_eq!(destination(&revision).unwrap_err().reason(), "BadAppSpec");
}
