//! The server's own life: one in a folder, ready when it says so, found or started by clients, stopped in order.

use std::path::Path;
use std::path::PathBuf;

use upshift::base::environment::Environment;
use upshift::server::Listen;
use upshift::server::Options;
use upshift::server::Server;
use upshift::server::background;
use upshift::server::background::Outcome;

use super::World;
use super::client_of;

const PROGRAM: &str = env!("CARGO_BIN_EXE_upshift");

#[tokio::test]
async fn a_second_server_says_who_is_there() {
    let world = World::start().await;
    let options = Options {
        listen: Listen::At("127.0.0.1:0".parse().unwrap()),
        router: None,
        node: false,
        ..Options::new(world.server.data_dir())
    };
    let refused = Server::start(options).await.err().unwrap().to_string();
    let holder = format!(
        "is in use by process {}, which serves {}",
        std::process::id(),
        world.server.url()
    );
    assert!(refused.contains(&holder), "{refused}");
    world.stop().await;
}

#[tokio::test]
async fn a_stopped_server_leaves_no_record() {
    let world = World::start().await;
    let data_dir = world.server.data_dir().to_owned();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(data_dir.join(name)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    };
    assert_eq!(mode("."), 0o711);
    assert_eq!(mode("admin.kubeconfig"), 0o600);
    assert_eq!(mode("server.json"), 0o600);
    world.server.stop(upshift::server::GRACE).await;
    assert!(!data_dir.join("server.json").exists());
}

#[tokio::test]
async fn an_administrator_stops_it_by_asking() {
    let world = World::start().await;
    let data_dir = world.server.data_dir().to_owned();
    let asked = tokio::spawn(async move { background::stop(&data_dir).await });
    world.server.asked_to_stop().await.unwrap();
    world.stop().await;
    assert!(asked.await.unwrap().unwrap());
}

fn environment(home: &Path) -> Environment {
    let mut environment = Environment {
        folder: PathBuf::from("/"),
        ..Environment::default()
    };
    for (name, value) in [("HOME", home.to_str().unwrap()), ("PATH", "/usr/bin:/bin")] {
        environment
            .variables
            .insert(name.to_owned(), value.to_owned());
    }
    environment
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_clients_one_starts_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let environment = environment(folder.path());
    let starts = (0..4).map(|_| background::ensure_by(Path::new(PROGRAM), &data_dir, &environment));
    let outcomes = futures_util::future::join_all(starts).await;
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(Result::unwrap).collect();
    let started = outcomes
        .iter()
        .filter(|it| **it == Outcome::Started)
        .count();
    assert_eq!(started, 1, "{outcomes:?}");
    client_of(&data_dir).open("/readyz").await.unwrap();
    assert!(background::stop(&data_dir).await.unwrap());
    assert!(!data_dir.join("server.json").exists());
}
