//! The build itself, `__build` in a folder that was prepared for it: sources, scripts, images, and everything that can
//! be wrong with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use serde_json::json;
use upshift::api::image::REGISTRY;
use upshift::content::builders;
use upshift::content::image::Configuration;
use upshift::content::image::LayerWriter;
use upshift::content::image::Layout;
use upshift::content::image::MANIFEST;
use upshift::content::image::Manifest;

use crate::git_server::GitServer;
use crate::git_server::commit;
use crate::git_server::git;
use crate::git_server::repository;
use crate::site::needs;

const PROGRAM: &str = env!("CARGO_BIN_EXE_upshift");

/// A build's folder, prepared as an agent would.
struct Place {
    folder: tempfile::TempDir,
    path: Option<String>,
}

/// How a build ended.
struct Built {
    succeeded: bool,
    log: String,
    result: Value,
}

impl Built {
    fn reason(&self) -> &str {
        self.result["outcome"]["reason"]
            .as_str()
            .unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.result["outcome"]["message"]
            .as_str()
            .unwrap_or_default()
    }

    #[track_caller]
    fn failed(&self, reason: &str, message: &str) {
        assert!(!self.succeeded, "{}", self.log);
        assert_eq!(self.reason(), reason, "{}", self.log);
        assert!(
            self.message().contains(message),
            "{message:?} is not in {}",
            self.message()
        );
        let last = self.log.lines().last().unwrap_or_default();
        assert_eq!(last, format!("error: build error: {}", self.message()));
    }

    #[track_caller]
    fn done(&self) -> &Built {
        assert!(self.succeeded, "{}\n{}", self.log, self.result);
        self
    }
}

impl Place {
    fn new(builder: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { folder, path: None };
        fs::create_dir_all(place.path("work")).unwrap();
        let builders = builders::all();
        let builder = builders.iter().find(|one| one.name == builder).unwrap();
        let layout = Layout::at(place.path("inputs/builder"));
        layout.make().unwrap();
        for blob in &builder.image.blobs {
            layout.put(blob).unwrap();
        }
        layout
            .set_manifest(MANIFEST, &builder.image.manifest)
            .unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Builds what `source` and `strategy` say, laid over a plain build.
    fn build(&self, source: &Value, more: &Value) -> Built {
        let mut build = json!({
            "metadata": {"name": "x-1", "namespace": "p", "annotations": {}},
            "spec": {
                "source": source,
                "strategy": {"type": "Source", "sourceStrategy": {
                    "from": {"kind": "DockerImage", "name": "r/openshift/b@sha256:0"},
                    "env": [],
                }},
            },
            "status": {"outputDockerImageReference": format!("{REGISTRY}/p/x:latest")},
        });
        merge(&mut build, more);
        fs::write(self.path("inputs/build.json"), build.to_string()).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("__build").arg(self.folder.path()).env_clear();
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", self.path.as_ref().unwrap_or(&path));
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let result = fs::read(self.path("work/result.json")).unwrap();
        Built {
            succeeded: output.status.success(),
            log: String::from_utf8(output.stdout).unwrap(),
            result: serde_json::from_slice(&result).unwrap(),
        }
    }

    /// Builds a folder as if it had been uploaded.
    fn build_folder(&self, folder: &Path, more: &Value) -> Built {
        let file = fs::File::create(self.path("inputs/source")).unwrap();
        let mut tar = tar::Builder::new(file);
        tar.follow_symlinks(false);
        tar.append_dir_all(".", folder).unwrap();
        tar.finish().unwrap();
        let mut whole = json!({"metadata": {"annotations": {"upshift.dev/source": "sha256:0"}}});
        merge(&mut whole, more);
        self.build(&json!({"type": "Binary", "binary": {}}), &whole)
    }

    fn image(&self) -> (Manifest, Configuration, Layout) {
        let layout = Layout::at(self.path("work/oci"));
        let manifest = layout.manifest().unwrap();
        let configuration = layout.configuration(&manifest).unwrap();
        (manifest, configuration, layout)
    }

    /// Unpacks the image that came out, as a pod would have it.
    fn unpacked(&self) -> PathBuf {
        let (manifest, _, layout) = self.image();
        let root = self.path("unpacked");
        let limits = upshift::content::image::Limits::default();
        let builder = Layout::at(self.path("inputs/builder"));
        fs::create_dir_all(&root).unwrap();
        for layer in &manifest.layers {
            let digest = layer.digest.parse().unwrap();
            let mut blob = layout.blob(&digest);
            if !blob.exists() {
                blob = builder.blob(&digest);
            }
            let file = fs::File::open(blob).unwrap();
            upshift::content::image::unpack_layer(file, &root, limits).unwrap();
        }
        root
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/apps")
        .join(name)
}

/// A folder with these files; scripts are executable.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    folder
}

fn copy(from: &Path, into: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), into.join(entry.file_name())).unwrap();
    }
}

#[test]
fn clones_over_http_assembles_and_labels() {
    if !needs("git") || !needs("python3") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("hello");
    fs::create_dir(&source).unwrap();
    copy(&app("python-hello"), &source);
    let commit = repository(&source);
    let server = GitServer::start(root.path(), None);
    let place = Place::new("python");
    let uri = server.url("hello/.git");
    let built = place.build(&json!({"type": "Git", "git": {"uri": uri}}), &json!({}));
    built.done();
    for line in [
        &format!("Cloning \"{uri}\" ..."),
        &format!("\tCommit:\t{commit} (First version)"),
        "\tAuthor:\tAda <ada@example.com>",
        "\tDate:\tFri Nov 20 10:00:00 2026 +0000",
        "---> Installing application source ...",
    ] {
        assert!(
            built.log.lines().any(|one| one == line),
            "{line:?}\n{}",
            built.log
        );
    }
    let revision = &built.result["outcome"]["revision"]["git"];
    assert_eq!(revision["commit"], commit.as_str());
    assert_eq!(revision["author"]["email"], "ada@example.com");
    let stages = built.result["outcome"]["stages"].as_array().unwrap();
    let stages: Vec<&str> = stages
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        stages,
        ["FetchInputs", "PullImages", "Build", "CommitContainer"]
    );
    let (manifest, configuration, _) = place.image();
    assert_eq!(manifest.layers.len(), 2);
    assert_eq!(configuration.rootfs.diff_ids.len(), 2);
    let settings = configuration.config;
    assert_eq!(settings.cmd, ["/usr/libexec/s2i/run"]);
    assert_eq!(settings.labels["io.openshift.s2i.build.commit.id"], commit);
    assert_eq!(
        settings.labels["io.openshift.s2i.build.source-location"],
        uri
    );
    assert_eq!(settings.labels["io.k8s.display-name"], "p/x:latest");
    let env: BTreeMap<&str, &str> = settings.variables().collect();
    assert_eq!(env["OPENSHIFT_BUILD_COMMIT"], commit);
    let root = place.unpacked();
    assert!(root.join("opt/app-root/src/app.py").exists());
    assert!(!root.join("opt/app-root/src/.git").exists());
    // What was worked with is gone, what is to be pushed is there.
    let left: Vec<String> = fs::read_dir(place.path("work"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| ["upload", "rootfs", "secret"].contains(&name.as_str()))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn branches_tags_commits_and_submodules() {
    if !needs("git") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("site");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("index.html"), "one").unwrap();
    let first = repository(&source);
    git(&source, &["tag", "v1"]);
    git(&source, &["checkout", "--quiet", "-b", "next"]);
    fs::write(source.join("index.html"), "two").unwrap();
    commit(&source, "Second");
    git(&source, &["checkout", "--quiet", "main"]);
    let server = GitServer::start(root.path(), None);
    let uri = server.url("site/.git");
    for (reference, expected) in [
        ("", "one"),
        ("next", "two"),
        ("v1", "one"),
        (first.as_str(), "one"),
        (&first[..10], "one"),
    ] {
        let place = Place::new("static");
        let built = place.build(&json!({"git": {"uri": uri, "ref": reference}}), &json!({}));
        built.done();
        let page = place.unpacked().join("opt/app-root/src/index.html");
        assert_eq!(fs::read_to_string(page).unwrap(), expected, "{reference:?}");
    }
    let place = Place::new("static");
    place
        .build(&json!({"git": {"uri": uri, "ref": "nowhere"}}), &json!({}))
        .failed(
            "FetchSourceFailed",
            "has no branch, tag or commit \"nowhere\"",
        );
    let asked = json!({"spec": {"revision": {"type": "Git", "git": {"commit": first}}}});
    let place = Place::new("static");
    place
        .build(&json!({"git": {"uri": uri, "ref": "next"}}), &asked)
        .done();
    let page = place.unpacked().join("opt/app-root/src/index.html");
    assert_eq!(fs::read_to_string(page).unwrap(), "one");
    place
        .build(&json!({"git": {"uri": server.url("none.git")}}), &json!({}))
        .failed("FetchSourceFailed", "not found");
    place
        .build(
            &json!({"git": {"uri": "http://127.0.0.1:1/x.git"}}),
            &json!({}),
        )
        .failed("FetchSourceFailed", "127.0.0.1");
    for local in ["file:///etc", "/etc", "./x"] {
        place
            .build(&json!({"git": {"uri": local}}), &json!({}))
            .failed("FetchSourceFailed", "is a path");
    }
    place
        .build(
            &json!({"git": {"uri": uri, "ref": "--upload-pack=x"}}),
            &json!({}),
        )
        .failed("FetchSourceFailed", "is no branch, tag or commit");

    let outer = root.path().join("outer");
    fs::create_dir(&outer).unwrap();
    repository_with_submodule(&outer, &uri);
    let place = Place::new("static");
    let built = place.build(
        &json!({"git": {"uri": server.url("outer/.git")}}),
        &json!({}),
    );
    built.done();
    let inner = place.unpacked().join("opt/app-root/src/inner/index.html");
    assert_eq!(fs::read_to_string(inner).unwrap(), "one");
}

fn repository_with_submodule(folder: &Path, uri: &str) {
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["submodule", "--quiet", "add", uri, "inner"]);
    commit(folder, "With a submodule");
}

#[test]
fn credentials_open_a_repository_and_stay_hidden() {
    if !needs("git") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("secret");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("index.html"), "x").unwrap();
    // What assemble can see of the secret goes into the image.
    let spy = "#!/bin/sh\nset -e\ncp -R \"$UPSHIFT_SOURCE/.\" \"$APP_ROOT/src/\"\n\
               env >$APP_ROOT/src/seen\nls -a $APP_ROOT/../../../ >>$APP_ROOT/src/seen\n";
    fs::create_dir_all(source.join(".s2i/bin")).unwrap();
    fs::write(source.join(".s2i/bin/assemble"), spy).unwrap();
    repository(&source);
    let server = GitServer::start(root.path(), Some("ada:pass word@1"));
    let plain = json!({"git": {"uri": server.url("secret/.git")}});
    let place = Place::new("static");
    place
        .build(&plain, &json!({}))
        .failed("FetchSourceFailed", "");

    let place = Place::new("static");
    fs::create_dir(place.path("work/secret")).unwrap();
    fs::write(place.path("work/secret/username"), "ada").unwrap();
    fs::write(place.path("work/secret/password"), "pass word@1").unwrap();
    place.build(&plain, &json!({})).done();
    let seen = fs::read_to_string(place.unpacked().join("opt/app-root/src/seen")).unwrap();
    assert!(
        !seen.contains("pass word") && !seen.lines().any(|line| line == "secret"),
        "{seen}"
    );

    let place = Place::new("static");
    let uri = server.url_with("ada:pass%20word%401", "secret/.git");
    let built = place.build(&json!({"git": {"uri": uri}}), &json!({}));
    built.done();
    let (_, configuration, _) = place.image();
    let told = format!("{}{}{:?}", built.log, built.result, configuration);
    assert!(
        !told.contains("pass") && told.contains("Cloning \"http://127.0.0.1"),
        "{told}"
    );
}

#[test]
fn uploads_context_folders_and_what_is_left_out() {
    let source = folder(&[
        ("index.html", "outside"),
        ("site/index.html", "inside"),
        ("site/notes.md", "x"),
        ("site/.s2iignore", "*.md\n"),
        (
            "site/.s2i/environment",
            "# comment\nGREETING=from the source\nOTHER=1\n",
        ),
    ]);
    let place = Place::new("static");
    let more = json!({"spec": {
        "source": {"contextDir": "site"},
        "strategy": {"sourceStrategy": {"env": [{"name": "OTHER", "value": "2"}]}},
    }});
    let built = place.build_folder(source.path(), &more);
    built.done();
    assert!(
        built
            .log
            .starts_with("Receiving source from STDIN as archive ...\n")
    );
    let root = place.unpacked().join("opt/app-root/src");
    assert_eq!(
        fs::read_to_string(root.join("index.html")).unwrap(),
        "inside"
    );
    assert!(!root.join("notes.md").exists());
    let (_, configuration, _) = place.image();
    let env: BTreeMap<&str, &str> = configuration.config.variables().collect();
    assert_eq!((env["GREETING"], env["OTHER"]), ("from the source", "2"));
    // Static files are served by this program itself.
    assert_eq!(configuration.config.cmd, ["/proc/self/exe", "__static"]);
    for (context, why) in [("nowhere", "is not in the source"), ("..", "leads out")] {
        let more = json!({"spec": {"source": {"contextDir": context}}});
        let built = place.build_folder(source.path(), &more);
        built.failed("InvalidContextDirectory", why);
    }
}

#[test]
fn hostile_uploads_are_refused() {
    let place = Place::new("static");
    let more = json!({"metadata": {"annotations": {"upshift.dev/source": "sha256:0"}}});
    let binary = json!({"type": "Binary", "binary": {}});
    fs::write(place.path("inputs/source"), "no archive").unwrap();
    place
        .build(&binary, &more)
        .failed("FetchSourceFailed", "the upload is neither");
    let mut layer = LayerWriter::new(Vec::new());
    layer.link(Path::new("l"), Path::new("/etc")).unwrap();
    let (bytes, _) = layer.finish().unwrap();
    fs::write(place.path("inputs/source"), bytes).unwrap();
    place.build(&binary, &more).failed("FetchSourceFailed", "");
    let named = json!({"type": "Binary", "binary": {"asFile": "../x"}});
    place
        .build(&named, &more)
        .failed("FetchSourceFailed", "is no file name");
    let named = json!({"type": "Binary", "binary": {"asFile": "index.html"}});
    place.build(&named, &more).done();
    assert!(
        place
            .unpacked()
            .join("opt/app-root/src/index.html")
            .exists()
    );
}

#[test]
fn a_source_s_own_scripts_take_the_builder_s_place() {
    let source = folder(&[
        (
            ".s2i/bin/assemble",
            "#!/bin/bash\nset -e\n/usr/libexec/s2i/assemble\necho own assemble\ndate >/opt/app-root/src/made\n",
        ),
        (".s2i/bin/run", "#!/bin/sh\nexec /usr/libexec/s2i/run\n"),
    ]);
    let place = Place::new("static");
    let built = place.build_folder(source.path(), &json!({}));
    built.done();
    assert!(
        built
            .log
            .contains("---> Installing application source ...\nown assemble\n")
    );
    let (_, configuration, _) = place.image();
    assert_eq!(configuration.config.cmd, ["/opt/app-root/s2i/bin/run"]);
    let root = place.unpacked();
    assert!(root.join("opt/app-root/src/made").exists());
    let run = fs::read_to_string(root.join("opt/app-root/s2i/bin/run")).unwrap();
    assert_eq!(run, "#!/bin/sh\nexec ${STI_SCRIPTS_PATH}/run\n");
}

#[test]
fn failures_of_scripts_say_what_failed() {
    let assemble = |text: &str| folder(&[(".s2i/bin/assemble", text)]);
    let place = Place::new("static");
    let source = assemble("#!/bin/sh\nfor n in 1 2 3 4 5 6 7; do echo line $n; done\nexit 3\n");
    let built = place.build_folder(source.path(), &json!({}));
    built.failed("AssembleFailed", "assemble ended with exit code 3");
    assert_eq!(
        built.result["outcome"]["logSnippet"],
        "line 3\nline 4\nline 5\nline 6\nline 7"
    );
    let source = assemble("#!/bin/sh\nkill -9 $$\n");
    place
        .build_folder(source.path(), &json!({}))
        .failed("OutOfMemoryKilled", "killed by signal 9");
    let source = assemble("#!/nowhere/sh\n");
    place.build_folder(source.path(), &json!({})).failed(
        "AssembleFailed",
        "its interpreter /nowhere/sh does not exist",
    );
    let source = assemble("#!/bin/sh\r\necho\r\n");
    place
        .build_folder(source.path(), &json!({}))
        .failed("AssembleFailed", "Windows line ends");
    let source = folder(&[(".s2i/environment", "nonsense\n")]);
    place.build_folder(source.path(), &json!({})).failed(
        "GenericS2IBuildFailed",
        ".s2i/environment:1: \"nonsense\" is no KEY=VALUE",
    );
    let scripts = json!({"spec": {"strategy": {"sourceStrategy": {"scripts": "https://h/x"}}}});
    place.build_folder(source.path(), &scripts).failed(
        "FetchScriptsFailed",
        "scripts at https://h/x cannot be used",
    );
}

#[test]
fn what_assemble_leaves_running_is_ended() {
    let source = folder(&[(
        ".s2i/bin/assemble",
        "#!/bin/sh\necho begun\nsetsid sh -c 'sleep 600; echo never' &\nsleep 600 &\necho done\n",
    )]);
    let place = Place::new("static");
    let began = std::time::Instant::now();
    let built = place.build_folder(source.path(), &json!({}));
    built.done();
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
    assert!(built.log.contains("begun\ndone\n"));
}

#[test]
fn hooks_after_the_commit_decide_and_change_nothing() {
    let source = folder(&[
        ("index.html", "x"),
        ("check", "#!/bin/sh\ntest \"$1\" = yes\n"),
    ]);
    let place = Place::new("static");
    let hook = |hook: Value| json!({"spec": {"postCommit": hook}});
    let script = hook(
        json!({"script": "test -f index.html && test $1 = a && rm index.html", "args": ["a"]}),
    );
    place.build_folder(source.path(), &script).done();
    assert!(
        place
            .unpacked()
            .join("opt/app-root/src/index.html")
            .exists()
    );
    let command = hook(json!({"command": ["/opt/app-root/src/check"], "args": ["yes"]}));
    place.build_folder(source.path(), &command).done();
    let failing = hook(json!({"script": "exit 4"}));
    place
        .build_folder(source.path(), &failing)
        .failed("PostCommitHookFailed", "the hook ended with exit code 4");
}

#[test]
fn a_missing_toolchain_is_named_before_anything_is_fetched() {
    let mut place = Place::new("ruby");
    place.path = Some("/nowhere".to_owned());
    let built = place.build(&json!({"git": {"uri": "http://127.0.0.1:1/x"}}), &json!({}));
    built.failed("GenericS2IBuildFailed", "apt-get install ruby ruby-bundler");
    assert!(!built.log.contains("Cloning"));
}

#[test]
fn the_same_place_can_be_built_in_again() {
    let source = folder(&[("index.html", "one")]);
    let place = Place::new("static");
    place.build_folder(source.path(), &json!({})).done();
    fs::write(source.path().join("index.html"), "two").unwrap();
    fs::create_dir_all(place.path("work/rootfs/left/over")).unwrap();
    place.build_folder(source.path(), &json!({})).done();
    let page = place.unpacked().join("opt/app-root/src/index.html");
    assert_eq!(fs::read_to_string(page).unwrap(), "two");
}
