//! Builds with the whole program: from a repository over HTTP to a page, the next commit, failures, cancelling, crashes.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::git_server::GitServer;
use crate::git_server::commit;
use crate::git_server::repository;
use crate::site::Site;
use crate::site::needs;

/// The Build of that name, as it is now.
fn build(site: &Site, name: &str) -> Value {
    let output = site.run(&["get", "build", name, "-o", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn phase(site: &Site, name: &str) -> String {
    build(site, name)["status"]["phase"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The one line of a command's output that is a URL.
fn url(output: &str) -> String {
    let mut words = output.split_whitespace();
    words
        .find(|word| word.starts_with("http://"))
        .unwrap()
        .to_owned()
}

/// What a route's URL answers; the router listens on 127.0.0.1 whatever the name resolves to.
fn page(url: &str) -> String {
    let rest = url.trim_start_matches("http://").trim_end_matches('/');
    let (host, port) = rest.rsplit_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return String::new();
    };
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_string(&mut answer);
    answer
        .split_once("\r\n\r\n")
        .map_or("", |(_, body)| body)
        .to_owned()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_repository_becomes_a_page_and_the_next_commit_replaces_it() {
    if !needs("git") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("hello");
    write(&source, "index.html", "one");
    let first = repository(&source);
    let server = GitServer::start(root.path(), None);
    let site = Site::new();
    let _serving = site.serve(&[], &[]);
    let uri = format!("static~{}", server.url("hello/.git"));
    let told = site.ok(&[
        "new-app",
        &uri,
        "--name=hello",
        "--wait",
        "--progress=plain",
    ]);
    let url = url(&told[told.find("From this machine").unwrap()..]);
    assert_eq!(page(&url), "one");
    let built = build(&site, "hello-1");
    let status = &built["status"];
    assert_eq!(status["phase"], "Complete");
    assert_eq!(built["spec"]["revision"]["git"]["commit"], first.as_str());
    assert_eq!(
        built["spec"]["triggeredBy"][0]["message"],
        "Build configuration change"
    );
    let stream: Value =
        serde_json::from_str(&site.ok(&["get", "is", "hello", "-o", "json"])).unwrap();
    let item = &stream["status"]["tags"][0]["items"][0];
    assert_eq!(item["image"], status["output"]["to"]["imageDigest"]);
    let log = site.ok(&["logs", "bc/hello"]);
    for line in [
        "Cloning \"http://",
        "Commit:\t",
        "Pushing image ",
        "Push successful",
    ] {
        assert!(log.contains(line), "{line}\n{log}");
    }

    write(&source, "index.html", "two");
    let second = commit(&source, "Second version");
    site.ok(&["start-build", "hello", "--wait"]);
    site.wait("the new page", || page(&url) == "two");
    assert_eq!(
        build(&site, "hello-2")["spec"]["revision"]["git"]["commit"],
        second.as_str()
    );

    let failed = site.run(&["start-build", "hello", "--commit=nowhere", "--wait"]);
    assert!(!failed.status.success());
    let status = &build(&site, "hello-3")["status"];
    assert_eq!(status["reason"], "FetchSourceFailed");
    assert!(status["message"].as_str().unwrap().contains("\"nowhere\""));
    assert_eq!(page(&url), "two");
}

#[test]
fn a_build_outlives_the_server_and_can_be_cancelled() {
    let site = Site::new();
    let serving = site.serve(&[], &[]);
    let source = site.path("slow");
    write(&source, "index.html", "slow");
    let gate = site.path("gate");
    // The test opens the gate by making the file; a build that was given up stops waiting by itself.
    let wait = format!(
        "#!/bin/sh\necho begun\nn=0\nwhile [ ! -e {} ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n+1)); done\n\
         exec /usr/libexec/s2i/assemble\n",
        gate.display()
    );
    write(&source, ".s2i/bin/assemble", &wait);
    let folder = source.display().to_string();
    // Under a root server the build runs as somebody else, who must be able to look for the gate.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(gate.parent().unwrap(), open).unwrap();
    site.ok(&[
        "new-app",
        &format!("static~{folder}"),
        "--name=slow",
        "--no-route",
    ]);
    let begun = |name: &str| {
        let log = site.run(&["logs", &format!("build/{name}")]);
        String::from_utf8_lossy(&log.stdout).contains("begun")
    };
    site.wait("the first build to begin", || begun("slow-1"));
    drop(serving);
    fs::write(&gate, "").unwrap();
    let _serving = site.serve(&[], &[]);
    site.wait("the first build", || phase(&site, "slow-1") == "Complete");

    fs::remove_file(&gate).unwrap();
    site.ok(&["start-build", "slow", "--from-dir", &folder]);
    site.ok(&["start-build", "slow", "--from-dir", &folder]);
    site.wait("the second build to begin", || begun("slow-2"));
    assert_eq!(
        phase(&site, "slow-3"),
        "New",
        "builds of one config take turns"
    );
    site.ok(&["cancel-build", "slow-2"]);
    let status = &build(&site, "slow-2")["status"];
    assert_eq!(
        (&status["phase"], &status["reason"]),
        (&"Cancelled".into(), &"CancelledBuild".into())
    );
    site.wait("the third build to begin", || begun("slow-3"));
    site.ok(&["delete", "pod", "slow-3-build", "--wait=false"]);
    site.wait("the third build's end", || {
        phase(&site, "slow-3") == "Error"
    });
    assert_eq!(
        build(&site, "slow-3")["status"]["reason"],
        "BuildPodDeleted"
    );
}
