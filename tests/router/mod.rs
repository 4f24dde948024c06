//! The router in front of real endpoints: small HTTP servers of the test, objects made by hand through the API.

mod world;

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use upshift::api::kinds;
use upshift::api::meta::Key;
use world::Backend;
use world::NAMESPACE;
use world::World;

#[tokio::test]
async fn hosts_and_paths_lead_to_services_and_everything_else_to_a_page() {
    let world = World::start().await;
    let (shop, api) = (Backend::start("shop").await, Backend::start("api").await);
    world.service("shop", &[&shop]).await;
    world.service("api", &[&api]).await;
    world.service("empty", &[]).await;
    let to = |service: &str| json!({"kind": "Service", "name": service});
    world
        .route("shop", json!({"host": "shop.example", "to": to("shop")}))
        .await;
    world.route("api", json!({"host": "shop.example", "path": "/api", "to": to("api"), "port": {"targetPort": 8080}})).await;
    world
        .route("empty", json!({"host": "empty.example", "to": to("empty")}))
        .await;
    let unavailable = "Application is not available";
    for (host, path, code, expect) in [
        ("shop.example", "/", 200, "shop"),
        ("SHOP.example:8880", "/apix", 200, "shop"),
        ("shop.example", "/api", 200, "api"),
        ("shop.example", "/api/x?y", 200, "api"),
        ("other.example", "/", 503, unavailable),
        ("empty.example", "/", 503, unavailable),
        ("shop.example", "/break", 502, "broke off"),
    ] {
        let answer = world.get(host, path).await;
        assert_eq!(answer.0, code, "{host}{path}: {}", answer.1);
        assert!(answer.1.contains(expect), "{host}{path}: {}", answer.1);
    }
    let head = world.get("shop.example", "/head?q=1").await.1;
    for expect in [
        "GET /head?q=1",
        "\"x-forwarded-for\": \"127.0.0.1\"",
        "\"x-forwarded-host\": \"shop.example\"",
        "for=127.0.0.1;host=shop.example;proto=http",
    ] {
        assert!(head.contains(expect), "{head}");
    }
    let long = "0123456789".repeat(300_000);
    assert_eq!(
        world.post("shop.example", "/echo", long.clone()).await,
        (200, long)
    );
    world.stop().await;
}

#[tokio::test]
async fn weights_share_the_requests() {
    let world = World::start().await;
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    world.service("a", &[&a]).await;
    world.service("b", &[&b]).await;
    let to = |name: &str, weight: u32| json!({"kind": "Service", "name": name, "weight": weight});
    world
        .route(
            "r",
            json!({"host": "r.example", "to": to("a", 30), "alternateBackends": [to("b", 10)]}),
        )
        .await;
    let before = (a.requests(), b.requests());
    for _ in 0..40 {
        assert_eq!(world.get("r.example", "/").await.0, 200);
    }
    assert_eq!((a.requests() - before.0, b.requests() - before.1), (30, 10));
    // The share of a service without endpoints goes to the others.
    let revision = world.leave("a", &a).await;
    world.applied(revision).await;
    assert_eq!(world.get("r.example", "/").await.1, "b");
    world.stop().await;
}

#[tokio::test]
async fn a_slow_request_outlives_its_endpoint_and_is_drained() {
    let world = World::start().await;
    let (old, new) = (Backend::start("old").await, Backend::start("new").await);
    world.service("s", &[&old]).await;
    world
        .route(
            "s",
            json!({"host": "s.example", "to": {"kind": "Service", "name": "s"}}),
        )
        .await;
    let before = old.requests();
    let request = world.get_later("s.example", "/slow");
    world
        .wait("the request", async || old.requests() == before + 1)
        .await;
    world.enter("s", &new).await;
    let revision = world.leave("s", &old).await;
    world.applied(revision).await;
    assert_eq!(
        world.draining().await.get(&old.address.to_string()),
        Some(&1)
    );
    for _ in 0..5 {
        assert_eq!(world.get("s.example", "/").await.1, "new");
    }
    assert_eq!(request.await.unwrap(), (200, "old".to_owned()));
    world
        .wait("the old one to be drained", async || {
            world.draining().await.is_empty()
        })
        .await;
    world
        .wait("its connections to be closed", async || {
            old.connections() == 0
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_does_not_listen_any_more_is_passed_over() {
    let world = World::start().await;
    let (gone, here) = (Backend::start("gone").await, Backend::start("here").await);
    world.service("s", &[&gone, &here]).await;
    world
        .route(
            "s",
            json!({"host": "s.example", "to": {"kind": "Service", "name": "s"}}),
        )
        .await;
    for _ in 0..6 {
        world.get("s.example", "/").await;
    }
    drop(gone);
    for _ in 0..20 {
        assert_eq!(world.get("s.example", "/").await, (200, "here".to_owned()));
        assert_eq!(
            world.post("s.example", "/echo", "x".to_owned()).await,
            (200, "x".to_owned())
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn another_protocol_is_switched_to_and_goes_on_while_its_endpoint_drains() {
    let world = World::start().await;
    let backend = Backend::start("a").await;
    world.service("s", &[&backend]).await;
    world
        .route(
            "s",
            json!({"host": "s.example", "to": {"kind": "Service", "name": "s"}}),
        )
        .await;
    let mut stream = TcpStream::connect(world.server.router().unwrap())
        .await
        .unwrap();
    let request =
        "GET /chat HTTP/1.1\r\nHost: s.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("upgrade: echo"), "{head}");
    let revision = world.leave("s", &backend).await;
    world.applied(revision).await;
    for _ in 0..3 {
        stream.write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }
    assert_eq!(
        world.draining().await.get(&backend.address.to_string()),
        Some(&1)
    );
    drop(stream);
    world
        .wait("the end to be seen", async || {
            world.draining().await.is_empty()
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_services_own_address_leads_to_its_endpoints() {
    let world = World::start().await;
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let service = world.service("s", &[&one]).await;
    let ip = service["spec"]["clusterIP"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if ip.is_empty() {
        return;
    }
    let url = format!("http://{ip}:8000/");
    // Connections of their own: a kept one stays with its endpoint.
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let get = async || {
        let answer = client
            .get(&url)
            .timeout(Duration::from_secs(1))
            .send()
            .await;
        answer.ok()?.text().await.ok()
    };
    world
        .wait("the address to answer", async || {
            get().await.as_deref() == Some("one")
        })
        .await;
    world.enter("s", &two).await;
    let revision = world.leave("s", &one).await;
    world.applied(revision).await;
    assert_eq!(get().await.as_deref(), Some("two"));
    drop(one);
    let key = Key::new(NAMESPACE, "s");
    let options = upshift::client::DeleteOptions::default();
    world
        .client
        .delete(&kinds::SERVICE, &key, &options)
        .await
        .unwrap();
    world
        .wait("the address to be given up", async || {
            get().await.as_deref() != Some("two")
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_restarted_server_serves_the_same_routes() {
    let mut world = World::start().await;
    let backend = Backend::start("a").await;
    world.service("s", &[&backend]).await;
    world
        .route(
            "s",
            json!({"host": "s.example", "to": {"kind": "Service", "name": "s"}}),
        )
        .await;
    for _ in 0..2 {
        world = world.restart().await;
        assert_eq!(world.get("s.example", "/").await.1, "a");
        let router = world
            .client
            .read(&kinds::ROUTER, &Key::new("", "default"))
            .await
            .unwrap();
        assert_eq!(
            router["spec"]["address"],
            world.server.router().unwrap().to_string()
        );
    }
    let metrics = world
        .client
        .open("/metrics")
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    assert!(
        metrics.contains("upshift_router_requests_total{code=\"200\"} 1\n"),
        "{metrics}"
    );
    world.stop().await;
}

/// Load without a pause while the endpoints change all the time, and not one request fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_endpoints_come_and_go() {
    if !crate::site::needs("wrk") {
        return;
    }
    let world = World::start().await;
    let mut current = Backend::start("0").await;
    world.service("s", &[&current]).await;
    world
        .route(
            "s",
            json!({"host": "s.example", "to": {"kind": "Service", "name": "s"}}),
        )
        .await;
    let load = tokio::process::Command::new("wrk")
        .args(["-t1", "-c16", "-d8s", "-H", "Host: s.example"])
        .arg(world.url("/"))
        .kill_on_drop(true)
        .output();
    let load = tokio::spawn(load);
    for number in 1..=20 {
        let next = Backend::start(&number.to_string()).await;
        world.enter("s", &next).await;
        let revision = world.leave("s", &current).await;
        world.applied(revision).await;
        world
            .wait("the old one to be drained", async || {
                world.draining().await.is_empty()
            })
            .await;
        // From here on the endpoint may end, as a pod does.
        drop(std::mem::replace(&mut current, next));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = load.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("requests in"), "{said}");
    assert!(
        !said.contains("Non-2xx") && !said.contains("Socket errors"),
        "{said}"
    );
    world.stop().await;
}

/// What the router answers to these bytes, until it closes the connection or is silent for a moment.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.server.router().unwrap())
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let moment = Duration::from_millis(300);
    while let Ok(Ok(count)) = tokio::time::timeout(moment, stream.read_buf(&mut answer)).await {
        if count == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn messages_are_read_strictly_and_passed_on_whole() {
    let world = World::start().await;
    let backend = Backend::start("a").await;
    world.service("s", &[&backend]).await;
    world
        .route(
            "s",
            json!({"host": "s.example", "to": {"kind": "Service", "name": "s"}}),
        )
        .await;
    let many = "X-Y: z\r\n".repeat(200);
    let long = format!("X-Long: {}\r\n", "y".repeat(300 << 10));
    for (request, expect) in [
        ("GET / HTTP/1.1\r\nHost: s.example\r\n\r\n".to_owned(), "HTTP/1.1 200 OK"),
        ("GET / HTTP/1.0\r\nHost: s.example\r\n\r\n".to_owned(), "HTTP/1.0 200 OK"),
        ("GET http://s.example/ HTTP/1.1\r\nHost: other\r\n\r\n".to_owned(), "HTTP/1.1 200 OK"),
        ("HEAD / HTTP/1.1\r\nHost: s.example\r\n\r\n".to_owned(), "content-length: 1\r\n"),
        ("POST /echo HTTP/1.1\r\nHost: s.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned(), "\r\nabc\r\n"),
        ("POST /echo HTTP/1.1\r\nHost: s.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc".to_owned(), "\r\n\r\nabc"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nHost: s.example\r\nHost: t.example\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ("CONNECT s.example:80 HTTP/1.1\r\nHost: s.example\r\n\r\n".to_owned(), "HTTP/1.1 405 "),
        ("POST / HTTP/1.1\r\nHost: s.example\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd".to_owned(), "HTTP/1.1 400 "),
        ("POST / HTTP/1.1\r\nHost: s.example\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        (format!("GET / HTTP/1.1\r\nHost: s.example\r\n{many}\r\n"), "HTTP/1.1 431 "),
        (format!("GET / HTTP/1.1\r\nHost: s.example\r\n{long}\r\n"), "HTTP/1.1 431 "),
    ] {
        let answer = raw(&world, &request).await;
        let shown: String = request.chars().take(200).collect();
        assert!(answer.contains(expect), "{shown}\n{answer}");
    }
    // A length beside chunks: the chunks decide, and the length does not reach the endpoint.
    let both = "POST /head HTTP/1.1\r\nHost: s.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = raw(&world, both).await;
    assert!(!answer.contains("content-length\""), "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let world = World::start().await;
    let backend = Backend::start("a").await;
    world.service("s", &[&backend]).await;
    world
        .route(
            "s",
            json!({"host": "s.example", "to": {"kind": "Service", "name": "s"}}),
        )
        .await;
    let before = (backend.requests(), backend.connections());
    let mut stream = TcpStream::connect(world.server.router().unwrap())
        .await
        .unwrap();
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nHost: s.example\r\n\r\n")
        .await
        .unwrap();
    world
        .wait("the request", async || backend.requests() == before.0 + 1)
        .await;
    drop(stream);
    let revision = world.leave("s", &backend).await;
    world.applied(revision).await;
    world
        .wait("nothing to be in flight", async || {
            world.draining().await.is_empty()
        })
        .await;
    world
        .wait("the connections to be closed", async || {
            backend.connections() == 0
        })
        .await;
    world.stop().await;
}
