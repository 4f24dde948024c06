//! Bundles that come, stay, get damaged and go.

use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::*;
use crate::api::upshift::Bundle;
use crate::api::upshift::FileMapping;
use crate::base::noise::noise;
use crate::client;
use crate::client::Body;
use crate::client::Client;
use crate::client::Io;
use crate::client::Transport;
use crate::client::registry::Limits;
use crate::client::registry::Registry;

/// In memory where that is possible: these tests ask for durability very often.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// A registry on a bad line.
#[derive(Default)]
struct Wire {
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Parts of blobs that were asked for.
    asked: Mutex<Vec<Range<usize>>>,
    /// Bytes that were sent.
    sent: Arc<AtomicUsize>,
    /// After how many bytes the next answers break; 0 is no answer at all.
    cuts: Mutex<Vec<usize>>,
    /// Positions in a blob that arrive wrong, each once.
    damages: Mutex<Vec<usize>>,
    is_silent: Mutex<bool>,
}

impl Wire {
    fn answer(
        &self,
        request: &http::Request<Bytes>,
    ) -> Result<http::Response<Body>, client::Error> {
        let digest = request.uri().path().rsplit('/').next().unwrap();
        let blobs = self.blobs.lock().unwrap();
        let Some(blob) = blobs.get(digest) else {
            let answer = http::Response::builder().status(404);
            return Ok(answer.body(Body::whole("")).unwrap());
        };
        let range = request.headers().get("range").map(|value| {
            let range = value.to_str().unwrap().strip_prefix("bytes=").unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let to = to.parse().map_or(blob.len(), |last: usize| last + 1);
            from.parse().unwrap()..to.min(blob.len())
        });
        let status = if range.is_some() { 206 } else { 200 };
        let range = range.unwrap_or(0..blob.len());
        let answer = http::Response::builder().status(status);
        let answer = answer.header("content-length", range.len());
        if request.method() == http::Method::HEAD {
            return Ok(answer.body(Body::whole("")).unwrap());
        }
        self.asked.lock().unwrap().push(range.clone());
        if std::mem::take(&mut *self.is_silent.lock().unwrap()) {
            return Ok(answer
                .body(Body::new(futures_util::stream::pending()))
                .unwrap());
        }
        let mut bytes = blob[range.clone()].to_vec();
        self.damages.lock().unwrap().retain(|at| {
            let is_now = range.contains(at);
            if is_now {
                bytes[at - range.start] ^= 1;
            }
            !is_now
        });
        let mut cuts = self.cuts.lock().unwrap();
        let cut = if cuts.is_empty() {
            bytes.len()
        } else {
            cuts.remove(0)
        };
        let broken = || client::Error::Interrupted("cut".to_owned());
        if cut == 0 && !bytes.is_empty() {
            return Err(broken());
        }
        let is_cut = cut < bytes.len();
        bytes.truncate(cut);
        let sent = self.sent.clone();
        let mut chunks: Vec<Result<Bytes, client::Error>> = bytes
            .chunks(10_000)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        chunks.extend(is_cut.then(|| Err(broken())));
        Ok(answer
            .body(Body::new(futures_util::stream::iter(chunks).inspect(
                move |chunk| {
                    let length = chunk.as_ref().map_or(0, Bytes::len);
                    sent.fetch_add(length, Ordering::SeqCst);
                },
            )))
            .unwrap())
    }
}

impl Transport for Wire {
    fn call(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Body>, client::Error>> {
        futures_util::future::ready(self.answer(&request)).boxed()
    }

    fn tunnel(&self, _: &str) -> BoxFuture<'_, Result<Box<dyn Io>, client::Error>> {
        unreachable!("nobody opens a tunnel here")
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    cache: Cache,
    blob: Vec<u8>,
    wire: Arc<Wire>,
    limits: Option<u64>,
}

/// A bundle with one large file.
fn large(content: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), content).unwrap();
    fs::write(folder.path().join("appspec.yml"), "os: linux\n").unwrap();
    let mut blob = Vec::new();
    bundle::Bundle::open(folder.path())
        .unwrap()
        .pack(&mut blob)
        .unwrap();
    blob
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
            wire: Arc::default(),
            limits: None,
        }
    }

    fn with(blob: Vec<u8>) -> Fixture {
        Fixture {
            blob,
            ..Fixture::new()
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

    fn source(&self) -> (Source, watch::Receiver<Transfer>) {
        let (progress, transfer) = watch::channel(Transfer::default());
        let registry = Registry::new(Client::new(self.wire.clone()));
        let source = Source {
            registry: registry
                .with_silence(Duration::from_secs(5))
                .limited(Limits::new(self.limits, 2)),
            repository: "demo/shop".to_owned(),
            progress: Arc::new(progress),
        };
        (source, transfer)
    }

    /// With these bytes in the registry in the place of the wanted ones.
    async fn ensure_with(
        &self,
        deployment: &Deployment,
        blob: Option<&[u8]>,
    ) -> Result<PathBuf, Error> {
        let digest = Digest::of(&self.blob).to_string();
        let mut blobs = BTreeMap::new();
        blobs.extend(blob.map(|blob| (digest, blob.to_vec())));
        *self.wire.blobs.lock().unwrap() = blobs;
        self.cache.ensure(deployment, &self.source().0).await
    }

    async fn ensure(&self, deployment: &Deployment) -> PathBuf {
        self.ensure_with(deployment, Some(&self.blob))
            .await
            .unwrap()
    }

    /// Bytes that the registry sent since the last time.
    fn sent(&self) -> usize {
        self.wire.sent.swap(0, Ordering::SeqCst)
    }

    fn root(&self, deploy_id: u64) -> PathBuf {
        self.cache.place(&self.deployment(deploy_id)).unwrap()
    }

    fn packed(&self, deploy_id: u64) -> PathBuf {
        packed(&self.root(deploy_id), &Digest::of(&self.blob))
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
            .map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                match name.split_once(".bundle.") {
                    Some((front, _)) => format!("{front}.bundle"),
                    None => name,
                }
            })
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
    assert_eq!(fixture.sent(), fixture.blob.len());
    assert_eq!(
        fixture.names(),
        [".deploy-7.bundle", ".deploy-7.json", "deploy-7"]
    );
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
    fs::remove_file(beside(
        &fixture.cache.place(&deployment).unwrap(),
        "incoming",
    ))
    .unwrap();
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
async fn nothing_is_no_bundle_and_is_not_waited_for() {
    let mut fixture = Fixture::new();
    let deployment = fixture.deployment(1);
    let other = fixture.ensure_with(&deployment, Some(b"")).await;
    assert_eq!(other.unwrap_err().reason(), "BundleDamaged");
    fixture.blob.clear();
    let deployment = fixture.deployment(2);
    let empty = fixture.ensure_with(&deployment, Some(b"")).await;
    assert_eq!(empty.unwrap_err().reason(), "BundleDamaged");
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
    assert_eq!(
        fixture.names(),
        [".deploy-1.bundle", ".deploy-1.json", "deploy-1"]
    );
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
    assert_eq!(
        fixture.names(),
        [".deploy-1.bundle", ".deploy-1.json", "deploy-1"]
    );
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
        [
            ".deploy-2.bundle",
            ".deploy-2.json",
            ".deploy-4.bundle",
            ".deploy-4.json",
            "deploy-2",
            "deploy-4"
        ]
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
    let folder = scratch();
    let path = folder.path().join(".deploy-1.incoming");
    for is_kept in [false, true] {
        let first = Incoming::open(&path).unwrap();
        let second = std::thread::spawn({
            let path = path.clone();
            move || Incoming::open(&path).unwrap()
        });
        if is_kept {
            first.keep_as(&folder.path().join("kept")).unwrap();
        } else {
            first.discard();
        }
        let second = second.join().unwrap();
        assert!(
            second.path.exists(),
            "the first took away what the second fills"
        );
    }
}

#[tokio::test]
async fn what_is_on_the_host_is_not_sent_again() {
    let content = noise(1, 3 << 20);
    let mut fixture = Fixture::with(large(&content));
    fixture.ensure(&fixture.deployment(1)).await;
    let whole = fixture.sent();
    assert!(whole >= fixture.blob.len());
    // The same bundle again, without a server.
    fixture
        .ensure_with(&fixture.deployment(2), None)
        .await
        .unwrap();
    let file = |id| fs::metadata(fixture.packed(id)).unwrap().ino();
    assert_eq!(file(1), file(2), "it is on the disk once");
    // And where it cannot be the same file.
    fs::remove_file(fixture.packed(2)).unwrap();
    fs::write(fixture.packed(2), "damaged").unwrap();
    fs::write(fixture.root(2).join("data"), "damaged").unwrap();
    fixture
        .ensure_with(&fixture.deployment(2), None)
        .await
        .unwrap();
    assert_eq!(fs::read(fixture.packed(2)).unwrap(), fixture.blob);
    // A changed one.
    let mut changed = content.clone();
    changed.splice(1_500_000..1_500_100, noise(2, 300));
    fixture.blob = large(&changed);
    let asked = fixture.wire.asked.lock().unwrap().len();
    let root = fixture.ensure(&fixture.deployment(3)).await;
    let sent = fixture.sent();
    assert!(sent < whole / 4, "{sent} of {whole}");
    assert!(fixture.wire.asked.lock().unwrap().len() <= asked + 4);
    assert_eq!(fs::read(root.join("data")).unwrap(), changed);
}

#[tokio::test]
async fn a_packed_bundle_that_is_damaged_here_lends_what_is_whole() {
    let content = noise(3, 2 << 20);
    let fixture = Fixture::with(large(&content));
    let root = fixture.ensure(&fixture.deployment(1)).await;
    let whole = fixture.sent();
    let mut packed = fs::read(fixture.packed(1)).unwrap();
    packed[1_000_000] ^= 1;
    fs::write(fixture.packed(1), &packed).unwrap();
    fs::write(root.join("data"), "damaged").unwrap();
    fixture.ensure(&fixture.deployment(1)).await;
    assert_eq!(fs::read(root.join("data")).unwrap(), content);
    let sent = fixture.sent();
    assert!(sent > 0 && sent < whole / 2, "{sent} of {whole}");
    assert_eq!(fs::read(fixture.packed(1)).unwrap(), fixture.blob);
    // Whole again: now the folder is repaired without a server.
    fs::write(root.join("data"), "damaged").unwrap();
    fixture
        .ensure_with(&fixture.deployment(1), None)
        .await
        .unwrap();
    assert_eq!(fs::read(root.join("data")).unwrap(), content);
    // One that was cut short is of no use as a whole.
    packed.truncate(10_000);
    fs::write(fixture.packed(1), &packed).unwrap();
    fixture.ensure(&fixture.deployment(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_breaks_again_and_again_brings_every_byte_once() {
    for blob in [large(&noise(4, 1 << 20)), noise_archive()] {
        let fixture = Fixture::with(blob);
        *fixture.wire.cuts.lock().unwrap() = vec![0, 1, 0, 0, 70_000, 300_001, 0, 200_000, 1];
        fixture.ensure(&fixture.deployment(1)).await;
        let sent = fixture.sent();
        let most = fixture.blob.len() + (64 << 10);
        assert!(sent >= fixture.blob.len() && sent < most, "{sent} {most}");
    }
}

/// A bundle that somebody else packed: a plain archive without a table.
fn noise_archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let content = noise(5, 1 << 20);
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "data", content.as_slice())
        .unwrap();
    tar.into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_came_stays_when_the_server_goes_away_and_is_gone_on_with() {
    for blob in [large(&noise(6, 1 << 20)), noise_archive()] {
        let fixture = Fixture::with(blob);
        let deployment = fixture.deployment(1);
        // The table, half of the bundle, and then nothing.
        let mut cuts = vec![usize::MAX, 600_000];
        cuts.extend([0; 8]);
        *fixture.wire.cuts.lock().unwrap() = cuts;
        let blob = fixture.blob.clone();
        let error = fixture.ensure_with(&deployment, Some(&blob)).await;
        assert_eq!(error.unwrap_err().reason(), "BundleMissing");
        assert_eq!(fixture.names(), [".deploy-1.incoming"]);
        fixture.wire.cuts.lock().unwrap().clear();
        fixture.sent();
        fixture.ensure(&deployment).await;
        let sent = fixture.sent();
        assert!(sent <= blob.len() - 500_000, "{sent} of {}", blob.len());
        assert_eq!(
            fixture.names(),
            [".deploy-1.bundle", ".deploy-1.json", "deploy-1"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_beginning_is_cut_off_and_fetched_again() {
    for (blob, most) in [
        (large(&noise(7, 2 << 20)), 1 << 20),
        (noise_archive(), 2 << 20),
    ] {
        let fixture = Fixture::with(blob);
        let deployment = fixture.deployment(1);
        let root = fixture.cache.place(&deployment).unwrap();
        make_folders(root.parent().unwrap()).unwrap();
        let mut left = fixture.blob[..fixture.blob.len() - 100_000].to_vec();
        let at = left.len() - 200_000;
        left[at] ^= 1;
        fs::write(beside(&root, "incoming"), left).unwrap();
        fixture.ensure(&deployment).await;
        let sent = fixture.sent();
        assert!(sent < most, "{sent}");
        // One that is whole needs no server, and one that is too long is cut.
        fs::write(beside(&root, "incoming"), &fixture.blob).unwrap();
        fs::remove_dir_all(&root).unwrap();
        fs::remove_file(fixture.packed(1)).unwrap();
        fixture.ensure_with(&deployment, None).await.unwrap();
        let longer = [fixture.blob.as_slice(), b"more"].concat();
        fs::write(beside(&root, "incoming"), longer).unwrap();
        fs::remove_dir_all(&root).unwrap();
        fixture.ensure(&deployment).await;
    }
}

#[tokio::test(start_paused = true)]
async fn damage_on_the_way_is_noticed_where_it_is() {
    let fixture = Fixture::with(large(&noise(8, 2 << 20)));
    let size = fixture.blob.len();
    // In the table, in two pieces, and in the table again.
    *fixture.wire.damages.lock().unwrap() = vec![size - 200, 100_000, 1_500_000];
    fixture.ensure(&fixture.deployment(1)).await;
    assert!(fixture.sent() < 2 * size);
    // Without a table everything comes again.
    let fixture = Fixture::with(noise_archive());
    *fixture.wire.damages.lock().unwrap() = vec![5];
    fixture.ensure(&fixture.deployment(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_stays_damaged_is_given_up_and_leaves_nothing() {
    for blob in [large(&noise(9, 1 << 20)), noise_archive()] {
        let fixture = Fixture::with(blob);
        let mut rotten = fixture.blob.clone();
        rotten[70_000] ^= 1;
        let error = fixture
            .ensure_with(&fixture.deployment(1), Some(&rotten))
            .await
            .unwrap_err();
        assert_eq!(error.reason(), "BundleDamaged");
        assert!(error.to_string().contains("is damaged"), "{error}");
        assert_eq!(fixture.names(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_lies_is_found_out_and_done_without() {
    let mut blob = large(&noise(12, 1 << 20));
    // In the digest of the last piece.
    let at = blob.len() - 12 - 5;
    blob[at] ^= 1;
    let fixture = Fixture::with(blob);
    fixture.ensure(&fixture.deployment(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_registry_is_asked_again() {
    let fixture = Fixture::with(large(&noise(13, 1 << 20)));
    *fixture.wire.is_silent.lock().unwrap() = true;
    fixture.ensure(&fixture.deployment(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_kept_and_progress_is_told() {
    let mut fixture = Fixture::with(large(&noise(14, 2 << 20)));
    fixture.limits = Some(256 << 10);
    let (source, transfer) = fixture.source();
    let digest = Digest::of(&fixture.blob).to_string();
    let blob = fixture.blob.clone();
    fixture.wire.blobs.lock().unwrap().insert(digest, blob);
    let began = tokio::time::Instant::now();
    let deployment = fixture.deployment(1);
    let ensured = fixture.cache.ensure(&deployment, &source);
    ensured.await.unwrap();
    let took = began.elapsed();
    assert!(took > Duration::from_secs(7), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let size = fixture.blob.len() as u64;
    let transfer = *transfer.borrow();
    assert_eq!((transfer.here, transfer.size), (size, size));
    assert!(transfer.fetched >= size);
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
