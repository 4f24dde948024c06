//! Bundles from everywhere, on lines that break and disks that fill up: what arrives is what was meant, and little is sent.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use upshift::agent::cache;
use upshift::agent::cache::Cache;
use upshift::api::upshift::Bundle;
use upshift::api::upshift::DeployedRevision;
use upshift::api::upshift::Deployment;
use upshift::client::Client;
use upshift::client::https;
use upshift::client::https::Https;
use upshift::client::registry::Registry;
use upshift::content::blobs::Digest;
use upshift::content::bundle;

use crate::git_server::GitServer;
use crate::git_server::commit;
use crate::git_server::git;
use crate::git_server::repository;
use crate::noise::noise;
use crate::site::Process;
use crate::site::Site;
use crate::site::SmallDisk;
use crate::site::needs;
use crate::web_server::Fault;
use crate::web_server::WebServer;

fn said(output: &Output) -> String {
    let (out, talk) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(talk)
    )
}

fn expect(output: &Output, code: i32, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn installed(site: &Site) -> String {
    fs::read_to_string(site.path("installed/page")).unwrap_or_default()
}

#[test]
fn a_commit_of_a_git_repository_is_deployed_and_nobody_learns_the_password() {
    if !needs("git") {
        return;
    }
    let (site, _server) = Site::serving();
    let bundle = site.path("bundle");
    let first = repository(&bundle);
    git(&bundle, &["tag", "v1"]);
    site.bundle("2");
    let second = commit(&bundle, "Second version");
    git(&bundle, &["branch", "next"]);
    site.bundle("3");
    commit(&bundle, "Third version");
    let server = GitServer::start(site.path("").as_path(), Some("ada:s3cret"));
    let url = server.url_with("ada:s3cret", "bundle/.git");
    let bare = server.url("bundle/.git");
    for (reference, version, commit) in [
        ("#v1", "1", &first),
        ("#next", "2", &second),
        (&format!("#{}", &first[..10]), "1", &first),
    ] {
        let from = format!("{url}{reference}");
        let output = site.run(&["deploy", &from, "--name", "app", "--progress=plain"]);
        expect(&output, 0, &[]);
        assert!(!said(&output).contains("s3cret"), "{}", said(&output));
        assert_eq!(installed(&site), version);
        let revisions = site.objects("revisions");
        let source = &revisions
            .iter()
            .find(|revision| revision["spec"]["source"]["commit"] == **commit)
            .unwrap()["spec"]["source"];
        assert_eq!(source["uri"], bare);
    }
    // The same commit by another name is the same bundle, and the same revision.
    assert_eq!(site.objects("revisions").len(), 2);
    let names: Vec<String> = site.tree("data").into_keys().collect();
    let is_history = |name: &&String| name.contains("deploy-1/.git");
    assert_eq!(names.iter().find(is_history), None);
    let wrong = site.run(&["deploy", &format!("{url}#nothing"), "--name", "app"]);
    expect(&wrong, 2, &["has no branch, tag or commit", "nothing"]);
    let refused = site.run(&["deploy", &bare, "--name", "app"]);
    expect(&refused, 7, &["cannot read the repository"]);
    let gone = site.run(&["deploy", "http://127.0.0.1:1/x.git"]);
    expect(
        &gone,
        7,
        &["cannot read the repository http://127.0.0.1:1/x.git"],
    );
}

#[test]
fn submodules_come_along_and_a_folder_of_a_repository_can_be_the_bundle() {
    if !needs("git") {
        return;
    }
    let site = Site::new();
    site.bundle("1");
    fs::create_dir_all(site.path("library")).unwrap();
    fs::write(site.path("library/code"), "shared").unwrap();
    repository(&site.path("library"));
    fs::create_dir_all(site.path("mono")).unwrap();
    fs::rename(site.path("bundle"), site.path("mono/shop")).unwrap();
    repository(&site.path("mono"));
    let allow = ["-c", "protocol.file.allow=always"];
    let library = site.path("library").display().to_string();
    let add = ["submodule", "--quiet", "add", &library, "shop/library"];
    git(&site.path("mono"), &[&allow[..], &add].concat());
    std::os::unix::fs::symlink("/etc", site.path("mono/out")).unwrap();
    commit(&site.path("mono"), "A library");
    let url = format!("file://{}", site.path("mono").display());
    let check = |folder: &str| site.run(&["deploy", &url, "--context-dir", folder, "--check"]);
    expect(&check("shop"), 0, &["a good bundle"]);
    expect(&check("nowhere"), 2, &["has no folder \"nowhere\""]);
    expect(&check("out"), 2, &["has no folder \"out\""]);
    expect(&check("../.."), 2, &["has no folder"]);
    let mut server = site.serve(&[], &[]);
    assert!(server.is_alive());
    // `new-app` onto hosts takes the same folder, and no other.
    let new_app = |folder: &str| {
        let words = ["new-app", "--hosts=all", &url, "--context-dir", folder];
        site.run(&[&words[..], &["--wait", "--progress=plain"]].concat())
    };
    for folder in ["nowhere", "out", "../..", "shop/../../.."] {
        expect(&new_app(folder), 2, &["has no folder"]);
    }
    let directory = site.path("mono").display().to_string();
    let output = site.run(&["new-app", "--hosts=all", &directory, "--context-dir=shop"]);
    expect(&output, 2, &["--context-dir goes with a git repository"]);
    let output = site.run(&["new-app", "--hosts=all", "--name=x", "--context-dir=shop"]);
    expect(&output, 2, &["a folder of the source, and none is named"]);
    expect(&new_app("shop"), 0, &[]);
    let deploy = site.run(&["deploy", &url, "--context-dir=shop", "--progress=plain"]);
    expect(&deploy, 0, &[]);
    for file in ["deploy-1/library/code", "deploy-2/library/code"] {
        let is_there = site.tree("data").keys().any(|name| name.ends_with(file));
        assert!(is_there, "{file}");
    }
    let applications = site.objects("applications");
    assert_eq!(applications.len(), 1);
    assert_eq!(applications[0]["metadata"]["name"], "mono");
}

/// The site's bundle as an archive, and its digest.
fn archive(site: &Site) -> (Vec<u8>, String) {
    let path = site.path("archive");
    let packed = Command::new("tar")
        .arg("-czf")
        .arg(&path)
        .args(["-C", &site.path("bundle").display().to_string(), "."])
        .status();
    assert!(packed.unwrap().success());
    let bytes = fs::read(&path).unwrap();
    let digest = Digest::of(&bytes).hex().to_owned();
    (bytes, digest)
}

#[test]
fn an_archive_from_the_web_is_deployed_when_it_is_what_it_has_to_be() {
    let (site, _server) = Site::serving();
    let web = WebServer::start();
    fs::write(site.path("bundle/large"), noise(1, 300_000)).unwrap();
    let (bytes, digest) = archive(&site);
    web.file("/shop-1.0.tar.gz", &bytes);
    let url = web.url("/shop-1.0.tar.gz");
    let deploy = |more: &[&str]| site.run(&[&["deploy", &url, "--progress=plain"], more].concat());
    expect(&deploy(&[]), 2, &["--sha256"]);
    let other = Digest::of(b"other");
    let wrong = deploy(&["--sha256", other.hex()]);
    expect(&wrong, 1, &[other.as_str(), &digest, "Nothing was made"]);
    let missing = web.url("/nothing.tgz");
    let missing = site.run(&["deploy", &missing, "--sha256", &digest]);
    expect(&missing, 3, &["there is no such file (404)"]);
    web.faults(&[Fault::Status(403)]);
    expect(&deploy(&["--sha256", &digest]), 7, &["refuses it (403"]);
    web.file("/page", b"<html>");
    let page = Digest::of(b"<html>");
    let page = site.run(&["deploy", &web.url("/page"), "--sha256", page.hex()]);
    expect(
        &page,
        2,
        &[&web.url("/page"), "is neither a directory nor a tar"],
    );
    assert!(site.objects("applications").is_empty());
    // Moved elsewhere, and the line breaks twice.
    web.file("/moved", &bytes);
    web.faults(&[
        Fault::Redirect(web.url("/moved")),
        Fault::Cut(100_000),
        Fault::Redirect(web.url("/moved")),
        Fault::Cut(1),
        Fault::Status(503),
    ]);
    web.sent();
    expect(&deploy(&["--sha256", &digest]), 0, &[]);
    assert_eq!(web.sent(), bytes.len());
    assert_eq!(installed(&site), "1");
    let revision = &site.objects("revisions")[0];
    assert_eq!(revision["spec"]["application"], "shop-1-0");
    assert_eq!(revision["spec"]["source"]["uri"], url);
    web.faults(&[Fault::Damage(1000)]);
    let damaged = site.run(&["deploy", &format!("{url}#sha256={digest}"), "--check"]);
    expect(&damaged, 1, &["it is sha256:", "not sha256:"]);
}

/// A host of its own: a cache that fetches from a server of the test over real connections.
struct Host {
    folder: tempfile::TempDir,
    web: WebServer,
}

fn large(content: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), content).unwrap();
    fs::write(folder.path().join("appspec.yml"), "os: linux\n").unwrap();
    let mut blob = Vec::new();
    let bundle = bundle::Bundle::open(folder.path()).unwrap();
    bundle.pack(&mut blob).unwrap();
    blob
}

impl Host {
    fn new() -> Host {
        Host {
            folder: tempfile::tempdir().unwrap(),
            web: WebServer::start(),
        }
    }

    fn fetch(&self, deploy_id: u64, blob: &[u8], silence: Duration) -> Result<PathBuf, String> {
        let digest = Digest::of(blob);
        let path = format!("/v2/demo/shop/blobs/{digest}");
        self.web.file(&path, blob);
        let server = self.web.url("");
        let https = Https::new(https::Options {
            server,
            ..https::Options::default()
        });
        let client = Client::new(Arc::new(https.unwrap()));
        let (progress, _) = watch::channel(cache::Transfer::default());
        let source = cache::Source {
            registry: Registry::new(client).with_silence(silence),
            repository: "demo/shop".to_owned(),
            progress: Arc::new(progress),
        };
        let deployment = Deployment {
            app_id: "demo.shop".to_owned(),
            group_id: "default".to_owned(),
            deploy_id,
            revision: Some(DeployedRevision {
                bundle: Bundle {
                    digest: digest.to_string(),
                    size: blob.len() as u64,
                },
                ..DeployedRevision::default()
            }),
            ..Deployment::default()
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let cache = Cache::new(self.folder.path());
        let ensured = runtime.block_on(cache.ensure(&deployment, &source));
        ensured.map_err(|error| format!("{}: {error}", error.reason()))
    }
}

const PATIENT: Duration = Duration::from_secs(20);

fn data(root: &Path) -> Vec<u8> {
    fs::read(root.join("data")).unwrap()
}

#[test]
fn over_a_real_line_only_what_a_host_lacks_is_sent() {
    let host = Host::new();
    let mut content = noise(2, 12 << 20);
    let first = large(&content);
    host.fetch(1, &first, PATIENT).unwrap();
    let whole = host.web.sent();
    assert!(whole >= first.len());
    content.splice(7_000_000..7_000_010, noise(3, 50));
    let root = host.fetch(2, &large(&content), PATIENT).unwrap();
    let sent = host.web.sent();
    assert!(data(&root) == content);
    assert!(sent < whole / 10, "{sent} of {whole} bytes");
    let asked = host.web.asked().len();
    host.fetch(3, &large(&content), PATIENT).unwrap();
    assert_eq!((host.web.sent(), host.web.asked().len()), (0, asked));
}

#[test]
fn over_a_line_that_breaks_damages_and_stalls_everything_arrives() {
    let host = Host::new();
    let content = noise(4, 2 << 20);
    let blob = large(&content);
    host.web.faults(&[
        Fault::Slow,
        Fault::Cut(500_000),
        Fault::Cut(0),
        Fault::Cut(1),
        Fault::Damage(300_000),
        Fault::Slow,
    ]);
    // A slow line is no silent one: as a whole it takes longer than the silence that is allowed.
    let root = host.fetch(1, &blob, Duration::from_millis(300)).unwrap();
    assert!(data(&root) == content);
    let damaged = vec![Fault::Damage(100_000); 20];
    host.web.faults(&damaged);
    let error = host.fetch(2, &large(&noise(5, 1 << 20)), PATIENT);
    assert!(error.unwrap_err().starts_with("BundleDamaged: "));
    host.web.faults(&[]);
    host.fetch(2, &large(&noise(5, 1 << 20)), PATIENT).unwrap();
}

/// `fetched 12.3 KiB of 1.0 MiB; the rest was here`, in bytes.
fn sizes(message: &str) -> Option<(f64, f64)> {
    let words: Vec<&str> = message.split([' ', ';']).collect();
    let size = |at: usize| {
        let unit = match *words.get(at + 1)? {
            "B" => 1.0,
            "KiB" => 1024.0,
            "MiB" => 1_048_576.0,
            _ => return None,
        };
        Some(words.get(at)?.parse::<f64>().ok()? * unit)
    };
    Some((size(1)?, size(4)?))
}

fn messages(site: &Site, step: usize) -> Vec<String> {
    let operations = site.objects("operations");
    let message = |operation: &serde_json::Value| {
        let message = &operation["status"]["steps"][step]["message"];
        message.as_str().unwrap_or_default().to_owned()
    };
    operations.iter().map(message).collect()
}

#[test]
fn a_step_says_how_far_its_download_is_and_what_it_took() {
    let site = Site::new();
    site.bundle("1");
    let large = site.path("bundle/large");
    let mut content = noise(6, 3 << 20);
    fs::write(&large, &content).unwrap();
    let mut server = site.serve(&["--bandwidth", "1M", "--downloads", "1"], &[]);
    assert!(server.is_alive(), "{}", site.log());
    let bundle = site.path("bundle").display().to_string();
    site.ok(&["deploy", &bundle, "--name", "app", "--follow=false"]);
    site.wait("a message about the download", || {
        messages(&site, 0)
            .iter()
            .any(|message| message.ends_with(" of 3.0 MiB"))
    });
    site.ok(&["rollout", "status", "app", "--progress=plain"]);
    content[1_000_000] ^= 1;
    fs::write(&large, &content).unwrap();
    site.ok(&["deploy", &bundle, "--name", "app", "--progress=plain"]);
    let messages = messages(&site, 0);
    let (fetched, size) = messages
        .iter()
        .find_map(|message| sizes(message))
        .unwrap_or_else(|| panic!("{messages:?}"));
    assert!(fetched < size / 4.0, "{messages:?}");
}

#[test]
fn a_node_whose_disk_is_full_keeps_its_old_version_and_nothing_half() {
    let (site, _server) = Site::serving();
    let bundle = site.path("bundle").display().to_string();
    let deploy = || site.run(&["deploy", &bundle, "--name", "app", "--progress=plain"]);
    let node = fs::read_dir(site.data().join("node")).unwrap().next();
    let place = node.unwrap().unwrap().path().join("deployments");
    let Some(disk) = SmallDisk::over(&place, "1m") else {
        return;
    };
    let first = deploy();
    let before = site.record().len();
    // More than there is room for, as it comes; and little that becomes much.
    fs::write(site.path("bundle/large"), noise(7, 2 << 20)).unwrap();
    let packed = deploy();
    fs::write(site.path("bundle/large"), vec![0; 4 << 20]).unwrap();
    let unpacked = deploy();
    let names: Vec<String> = site.tree("data").into_keys().collect();
    drop(disk);
    expect(&first, 0, &[]);
    expect(
        &packed,
        1,
        &["DownloadBundle", "has no room for the bundle"],
    );
    expect(&unpacked, 1, &["DownloadBundle", "No space left on device"]);
    assert_eq!(site.record().len(), before, "no hook ran");
    assert_eq!(installed(&site), "1");
    let is_half = |name: &&String| [".new", ".incoming"].iter().any(|end| name.ends_with(end));
    assert_eq!(names.iter().find(is_half), None);
    for operation in site.objects("operations") {
        let status = &operation["status"];
        let reason = status["reason"].as_str().unwrap_or_default();
        assert!(reason.is_empty() || reason == "DiskFull", "{status}");
    }
}

/// Deploys a bundle of several pieces, after an earlier one; a server that dies is started again.
fn two_deployments(site: &Site, server: &mut Process) {
    let bundle = site.path("bundle").display().to_string();
    let mut content = noise(8, 1 << 20);
    for (before, version) in ["1", "2"].into_iter().enumerate() {
        site.bundle(version);
        content[500_000] ^= 1;
        fs::write(site.path("bundle/large"), &content).unwrap();
        let deploy = || {
            if site.objects("rollouts").len() == before {
                let arguments = ["deploy", &bundle, "--name", "app", "--follow=false"];
                site.run_from_afar(&arguments);
            }
        };
        let is_done = || {
            let rollouts = site.objects("rollouts");
            let is_done = |rollout: &serde_json::Value| rollout["status"]["phase"] == "Succeeded";
            rollouts.len() == before + 1 && rollouts.iter().all(is_done)
        };
        deploy();
        site.wait("the deployment, or the server's end", || {
            is_done() || !server.is_alive()
        });
        if !server.is_alive() {
            *server = site.serve(&[], &[]);
            deploy();
            site.wait("the deployment after a death", is_done);
        }
        assert_eq!(installed(site), version);
    }
}

#[test]
fn a_download_that_dies_at_any_point_is_gone_on_with() {
    let counted = tempfile::tempdir().unwrap();
    let log = counted.path().join("points");
    let site = Site::new();
    let mut server = site.serve(&[], &[("UPSHIFT_CRASH", &log.display().to_string())]);
    two_deployments(&site, &mut server);
    drop(server);
    drop(site);
    let text = fs::read_to_string(&log).unwrap();
    let mut points: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, name)| name.starts_with("cache.") && *name != "cache.prune")
        .collect();
    let names: std::collections::BTreeSet<&str> = points.iter().map(|(_, name)| *name).collect();
    assert!(names.contains("cache.fetch") && names.contains("cache.kept"));
    // Of each point once with an earlier bundle, where there is one.
    points.reverse();
    for name in names {
        let (number, _) = points.iter().find(|(_, one)| *one == name).unwrap();
        let site = Site::new();
        let mut server = site.serve(&[], &[("UPSHIFT_CRASH_AT", number)]);
        two_deployments(&site, &mut server);
        // The rest of a download goes beside the next steps.
        site.wait(&format!("nothing left of a death at {name}"), || {
            let mut names = site.tree("data").into_keys();
            !names.any(|name| [".new", ".incoming"].iter().any(|end| name.ends_with(end)))
        });
    }
}
