//! The registry, with the real skopeo.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::content::blobs::Digest;
use upshift::server::pki;

use super::World;

fn is_missing() -> bool {
    let found = Command::new("skopeo")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let required = upshift::base::environment::Environment::of_process()
        .variable("UPSHIFT_REQUIRE_TOOLS")
        .is_some();
    assert!(found || !required, "skopeo is not installed");
    if !found {
        println!("skipped: skopeo is not installed");
    }
    !found
}

/// Writes an image with one layer as an OCI layout.
fn layout(folder: &Path, layer: &[u8]) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8], media_type: &str| -> Value {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest.as_str(), "size": bytes.len()})
    };
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(layer.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "page", layer).unwrap();
    let archive = archive.into_inner().unwrap();
    let layer = put(&archive, "application/vnd.oci.image.layer.v1.tar");
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"a": "b"}, "Cmd": ["run"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = config.to_string();
    let config = put(
        config.as_bytes(),
        "application/vnd.oci.image.config.v1+json",
    );
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
    });
    let entry = put(
        manifest.to_string().as_bytes(),
        "application/vnd.oci.image.manifest.v1+json",
    );
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(
        folder.join("oci-layout"),
        "{\"imageLayoutVersion\":\"1.0.0\"}",
    )
    .unwrap();
}

async fn skopeo(world: &World, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new("skopeo");
    command
        .args(arguments)
        .env("HOME", world.folder.path())
        .env("XDG_RUNTIME_DIR", world.folder.path())
        .env("REGISTRY_AUTH_FILE", world.folder.path().join("auth.json"));
    command.output().await.unwrap()
}

async fn ok(world: &World, arguments: &[&str]) -> String {
    let output = skopeo(world, arguments).await;
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_both_ways_and_inspects() {
    if is_missing() {
        return;
    }
    let world = World::start().await;
    let kubeconfig = world.server.data_dir().join("admin.kubeconfig");
    let token = pki::admin_token(&kubeconfig).unwrap().unwrap();
    let creds = format!("anybody:{token}");
    let host = world.server.address();
    let source = world.folder.path().join("image");
    layout(&source, b"one");
    let from = format!("oci:{}", source.display());
    let shop = format!("docker://{host}/default/shop:latest");
    let send = ["--dest-tls-verify=false", "--dest-creds", &creds];
    let get = ["--src-tls-verify=false", "--src-creds", &creds];
    let refused = skopeo(
        &world,
        &[
            "copy",
            "--dest-tls-verify=false",
            "--dest-creds",
            "a:wrong",
            &from,
            &shop,
        ],
    )
    .await;
    assert!(!refused.status.success());
    ok(&world, &[&["copy"], &send[..], &[&from, &shop]].concat()).await;
    let inspect = ["inspect", "--tls-verify=false", "--creds", &creds, &shop];
    let shown: Value = serde_json::from_str(&ok(&world, &inspect).await).unwrap();
    assert_eq!(shown["Labels"]["a"], "b");
    assert_eq!(shown["RepoTags"], json!(["latest"]));
    let stream = world
        .client
        .read(&kinds::IMAGE_STREAM, &Key::new("default", "shop"))
        .await
        .unwrap();
    assert_eq!(
        stream["status"]["tags"][0]["items"][0]["image"],
        shown["Digest"]
    );

    // As Docker's schema 2, and from there back as a folder.
    let docker = format!("docker://{host}/default/docker:v1");
    let convert = ["copy", "--format", "v2s2"];
    ok(&world, &[&convert, &send[..], &[&from, &docker]].concat()).await;
    let back = format!("oci:{}", world.folder.path().join("back").display());
    ok(&world, &[&["copy"], &get[..], &[&docker, &back]].concat()).await;
    // Between two repositories of the registry: the blobs are mounted.
    let other = format!("docker://{host}/default/other:v2");
    ok(
        &world,
        &[&["copy"], &get[..], &send[..], &[&docker, &other]].concat(),
    )
    .await;
    let tags = ["list-tags", "--tls-verify=false", "--creds", &creds];
    let repository = format!("docker://{host}/default/other");
    let listed: Value =
        serde_json::from_str(&ok(&world, &[&tags[..], &[&repository]].concat()).await).unwrap();
    assert_eq!(listed["Tags"], json!(["v2"]));
    world.stop().await;
}
