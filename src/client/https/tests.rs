//! The transport against a real TLS listener.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use axum::routing::get;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::*;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::client::duplex::Duplex;
use crate::client::tunnel;

/// What a server in a test looks like from outside.
struct Server {
    place: SocketAddr,
    ca: Vec<u8>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(router: Router, names: &[&str]) -> Server {
        tls::provider();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            place: listener.local_addr().unwrap(),
            ca: made.cert.pem().into_bytes(),
            connections: Arc::default(),
        };
        let connections = server.connections.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(socket) = acceptor.accept(socket).await else {
                        return;
                    };
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(
                            TokioIo::new(socket),
                            TowerToHyperService::new(router),
                        )
                        .await;
                });
            }
        });
        server
    }

    fn options(&self) -> Options {
        Options {
            server: format!("https://{}", self.place),
            certificate_authority: Some(self.ca.clone()),
            token: Some("secret".into()),
            ..Options::default()
        }
    }
}

async fn ask(options: Options, path: &str) -> Result<String, Error> {
    let client = Client::new(Arc::new(Https::new(options)?));
    let bytes = client.open(path).await?.bytes().await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

async fn echo(request: Request) -> String {
    let token = request.headers().get("authorization");
    let token = token.map_or("nobody", |value| value.to_str().unwrap());
    format!("{:?} {} {token}", request.version(), request.uri().path())
}

#[tokio::test]
async fn speaks_http2_over_one_connection() {
    let server = Server::start(Router::new().fallback(echo), &["127.0.0.1"]).await;
    let client = Client::new(Arc::new(Https::new(server.options()).unwrap()));
    for path in ["/a", "/b", "/c"] {
        let said = client.open(path).await.unwrap().bytes().await.unwrap();
        assert_eq!(said, format!("HTTP/2.0 {path} Bearer secret"));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn says_why_a_server_is_not_trusted() {
    let server = Server::start(Router::new().fallback(echo), &["a.example"]).await;
    let why = ask(server.options(), "/").await.unwrap_err().to_string();
    let expected = "Unable to connect to the server: tls: failed to verify certificate: x509: \
        certificate is valid for a.example, not 127.0.0.1";
    assert_eq!(why, expected);
    let other = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    let mut options = server.options();
    options.certificate_authority = Some(other.cert.pem().into_bytes());
    let why = ask(options, "/").await.unwrap_err().to_string();
    let expected = "Unable to connect to the server: tls: failed to verify certificate: x509: \
        certificate signed by unknown authority";
    assert_eq!(why, expected);
}

#[tokio::test]
async fn trust_can_be_given_by_another_name_or_not_asked_for() {
    let server = Server::start(Router::new().fallback(echo), &["a.example"]).await;
    let mut options = server.options();
    options.tls_server_name = Some("a.example".into());
    assert!(ask(options, "/x").await.unwrap().contains("/x"));
    let mut options = server.options();
    options.insecure_skip_tls_verify = true;
    assert!(ask(options, "/y").await.unwrap().contains("/y"));
}

#[tokio::test]
async fn a_token_never_travels_in_the_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(echo)).await });
    let options = |scheme: &str| Options {
        server: format!("{scheme}://{place}"),
        certificate_authority: Some(Vec::new()),
        insecure_skip_tls_verify: true,
        token: Some("secret".into()),
        ..Options::default()
    };
    let said = ask(options("http"), "/").await.unwrap();
    assert!(said.ends_with("nobody"), "{said}");
    let why = ask(options("https"), "/").await.unwrap_err().to_string();
    let expected =
        "Unable to connect to the server: http: server gave HTTP response to HTTPS client";
    assert_eq!(why, expected);
}

#[tokio::test]
async fn nobody_there_is_said_as_kubectl_says_it() {
    // No port that was free a moment ago: another test may have taken it meanwhile.
    let nobody = "127.254.254.254:1";
    let options = Options {
        server: format!("https://{nobody}"),
        insecure_skip_tls_verify: true,
        ..Options::default()
    };
    let expected = format!(
        "The connection to the server {nobody} was refused - did you specify the right host or port?"
    );
    assert_eq!(ask(options, "/").await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn only_watches_may_take_their_time() {
    let slow = any(|| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "late"
    });
    let server = Server::start(Router::new().route("/slow", slow), &["127.0.0.1"]).await;
    let mut options = server.options();
    options.timeout = Some(Duration::from_millis(100));
    let error = ask(options.clone(), "/slow").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert_eq!(ask(options, "/slow?watch=true").await.unwrap(), "late");
}

/// Takes the tunnel's upgrade and asks `/hello` through it.
fn tunnel_end(request: Request, asked: tokio::sync::mpsc::Sender<Bytes>) -> http::StatusCode {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        ask_the_agent(upgraded, asked).await;
    });
    http::StatusCode::SWITCHING_PROTOCOLS
}

async fn ask_the_agent<I>(stream: I, asked: tokio::sync::mpsc::Sender<Bytes>)
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
    tokio::spawn(connection);
    let hello = http::Request::get("http://agent/hello")
        .body(http_body_util::Empty::<Bytes>::new())
        .unwrap();
    let body = Body::of(sender.send_request(hello).await.unwrap().into_body());
    // Dropping the sender ends the connection, and the agent opens another.
    asked.send(body.bytes().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_tunnel_shares_the_connection_with_everything_else_and_comes_back() {
    let (sender, mut asked) = tokio::sync::mpsc::channel(1);
    let end = axum::routing::post(move |request: Request| async move {
        assert_eq!(request.version(), http::Version::HTTP_2);
        assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer secret");
        let incoming = request.into_body().into_data_stream();
        let (stream, outgoing) = Duplex::new(incoming);
        tokio::spawn(ask_the_agent(TokioIo::new(stream), sender));
        axum::body::Body::from_stream(outgoing.map(Ok::<Bytes, std::convert::Infallible>))
    });
    let router = Router::new().route("/tunnel", end).fallback(any(echo));
    let server = Server::start(router, &["127.0.0.1"]).await;
    let client = Client::new(Arc::new(Https::new(server.options()).unwrap()));
    let scope = Scope::new();
    let agent = Router::new().route("/hello", get(|| async { "here" }));
    tunnel::serve(client.clone(), "/tunnel".into(), agent, &scope);
    for _ in 0..2 {
        assert_eq!(asked.recv().await.unwrap(), "here");
        client.open("/else").await.unwrap().bytes().await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert_eq!(scope.close(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn without_http2_an_agent_answers_through_a_connection_of_its_own_and_comes_back() {
    let (sender, mut asked) = tokio::sync::mpsc::channel(1);
    let end = get(move |request: Request| async move {
        let headers = [
            (header::CONNECTION, "upgrade"),
            (header::UPGRADE, TUNNEL_PROTOCOL),
        ];
        (tunnel_end(request, sender), headers)
    });
    let server = Server::start(Router::new().route("/tunnel", end), &["127.0.0.1"]).await;
    let client = Client::new(Arc::new(Https::new(server.options()).unwrap()));
    let scope = Scope::new();
    let agent = Router::new().route("/hello", get(|| async { "here" }));
    tunnel::serve(client, "/tunnel".into(), agent, &scope);
    for _ in 0..2 {
        assert_eq!(asked.recv().await.unwrap(), "here");
    }
    assert_eq!(scope.close(Duration::from_secs(5)).await, 0);
}

#[test]
fn a_line_that_was_cut_is_told_in_plain_words() {
    let cut = std::io::Error::new(
        std::io::ErrorKind::UnexpectedEof,
        "peer closed connection without sending TLS close_notify: https://example.com",
    );
    let wrapped = std::io::Error::other(cut);
    assert_eq!(super::deepest(&wrapped), "the connection was closed");
}
