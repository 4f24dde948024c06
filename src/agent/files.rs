//! `__static`: serves a folder's files over HTTP; the command of images of the builder `static`.
//!
//! A process of its own in a pod, as the pod's user. Serves `$APP_ROOT/src` (or `$DOCUMENTROOT` below it, else `public`
//! when only that has an `index.html`) on `$HOST` and `$PORT`. Files are opened below that folder by the kernel's own
//! rules (`openat2`), so that neither `..` nor a link leads out; names with a leading dot are not shown. TERM closes the
//! door, lets what is under way finish, and ends.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::fcntl::OFlag;
use nix::fcntl::OpenHow;
use nix::fcntl::ResolveFlag;
use nix::fcntl::openat2;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;

use crate::base::environment::Environment;
use crate::base::streams::Streams;

/// The hidden subcommand that [`main`] is reached by.
pub const SUBCOMMAND: &str = "__static";
/// What one answer reads at a time.
const PIECE: usize = 64 << 10;
/// How long requests under way may take after TERM; the pod's own grace ends them earlier or later.
const GRACE: Duration = Duration::from_secs(600);

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Serves until TERM.
pub fn main(environment: &Environment, streams: &Streams) -> ExitCode {
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(serve(environment, streams)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = streams.err(format_args!("error: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The folder whose files are served.
fn root(environment: &Environment) -> PathBuf {
    let root = environment.variable("APP_ROOT").map_or_else(
        || environment.folder.clone(),
        |root| Path::new(root).join("src"),
    );
    if let Some(below) = environment.variable("DOCUMENTROOT") {
        return root.join(below.trim_start_matches('/'));
    }
    let public = root.join("public");
    let is_public = !root.join("index.html").exists() && public.join("index.html").exists();
    if is_public { public } else { root }
}

async fn serve(environment: &Environment, streams: &Streams) -> io::Result<()> {
    let named = |what: String| move |error: io::Error| io::Error::other(format!("{what}: {error}"));
    let host = environment.variable("HOST").unwrap_or("0.0.0.0");
    let port = environment.variable("PORT").unwrap_or("8080");
    let address: SocketAddr = format!("{host}:{port}")
        .parse()
        .map_err(|_| io::Error::other(format!("HOST {host} and PORT {port} are no address")))?;
    let root = root(environment);
    let folder = File::open(&root).map_err(named(root.display().to_string()))?;
    let folder = Arc::new(folder);
    let mut term = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(named(format!("cannot listen on {address}")))?;
    let _ = streams.out(format_args!("serving {} on {address}\n", root.display()));
    // Every connection holds a receiver, so that the channel closes with the last of them.
    let (stop, stopping) = watch::channel(());
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                stream
            }
            _ = term.recv() => break,
        };
        let _ = stream.set_nodelay(true);
        let folder = folder.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&folder, request.method(), request.uri());
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        let mut stopping = stopping.clone();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    drop((listener, stopping));
    let _ = stop.send(());
    let _ = tokio::time::timeout(GRACE, stop.closed()).await;
    Ok(())
}

/// What a request asks for: a path below the root, `index.html` for a folder.
fn answer(folder: &File, method: &Method, uri: &http::Uri) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
        let allow = header::HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(header::ALLOW, allow);
        return refusal;
    }
    let Some(path) = decoded(uri.path()) else {
        return plain(StatusCode::BAD_REQUEST, "bad request\n");
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| part.starts_with('.')) {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    }
    let place = if parts.is_empty() {
        PathBuf::from(".")
    } else {
        parts.iter().collect()
    };
    let found = open(folder, &place).and_then(|file| {
        if !file.metadata()?.is_dir() {
            return Ok(Some((place.clone(), file)));
        }
        if !path.ends_with('/') {
            return Ok(None);
        }
        let index = place.join("index.html");
        open(folder, &index).map(|file| Some((index, file)))
    });
    match found {
        Ok(Some((place, file))) => whole(&place, file, method),
        Ok(None) => moved(uri),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            plain(StatusCode::FORBIDDEN, "forbidden\n")
        }
        Err(_) => plain(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn open(folder: &File, path: &Path) -> io::Result<File> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(File::from(openat2(folder.as_fd(), path, how)?))
}

/// A path with its percent signs resolved; none when that makes no text, or one that no file has.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, more @ ..] = rest {
        if *first == b'%' {
            let two = std::str::from_utf8(more.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(two, 16).ok()?);
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

fn whole(place: &Path, file: File, method: &Method) -> Answer {
    let size = match file.metadata() {
        Ok(about) if about.is_file() => about.len(),
        _ => return plain(StatusCode::NOT_FOUND, "not found\n"),
    };
    let body = if method == Method::HEAD {
        nothing()
    } else {
        pieces(file, size)
    };
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_LENGTH, size.into());
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(media_type(place)),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-cache"),
    );
    answer
}

/// A file's bytes, never more than were announced.
fn pieces(file: File, size: u64) -> UnsyncBoxBody<Bytes, io::Error> {
    let read = futures_util::stream::unfold((file, size), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; want];
        // Local files of a page: reading them here costs less than handing them to a thread.
        let frame = match file.read(&mut piece) {
            Ok(0) => Err(io::Error::other("the file became shorter")),
            Ok(length) => {
                piece.truncate(length);
                Ok(Frame::data(Bytes::from(piece)))
            }
            Err(error) => Err(error),
        };
        let read = frame
            .as_ref()
            .ok()
            .and_then(|frame| frame.data_ref())
            .map_or(left, |data| data.len() as u64);
        Some((frame, (file, left - read)))
    });
    StreamBody::new(Box::pin(read)).boxed_unsync()
}

fn nothing() -> UnsyncBoxBody<Bytes, io::Error> {
    Full::default()
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, text);
    answer
}

/// A folder asked for without a slash at its end: the links of its page would lead elsewhere.
fn moved(uri: &http::Uri) -> Answer {
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    // Two slashes at the beginning would name another host.
    let place = format!("/{}/{query}", uri.path().trim_matches('/'));
    let Ok(place) = header::HeaderValue::from_str(&place) else {
        return plain(StatusCode::BAD_REQUEST, "bad request\n");
    };
    let mut answer = plain(StatusCode::MOVED_PERMANENTLY, "moved\n");
    answer.headers_mut().insert(header::LOCATION, place);
    answer
}

fn media_type(place: &Path) -> &'static str {
    let extension = place
        .extension()
        .and_then(|one| one.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn ask(folder: &File, path: &str) -> (u16, String) {
        let answer = answer(folder, &Method::GET, &path.parse().unwrap());
        let status = answer.status().as_u16();
        let place = answer.headers().get(header::LOCATION).cloned();
        let body = futures_util::FutureExt::now_or_never(answer.into_body().collect());
        let body = body.unwrap().unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (
            status,
            place.map_or(text, |place| place.to_str().unwrap().to_owned()),
        )
    }

    #[test]
    fn serves_files_and_nothing_beside_them() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("a b")).unwrap();
        fs::write(place.path().join("secret"), "secret").unwrap();
        fs::write(root.join("index.html"), "top").unwrap();
        fs::write(root.join("a b/index.html"), "below").unwrap();
        fs::write(root.join(".hidden"), "hidden").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("out")).unwrap();
        std::os::unix::fs::symlink("index.html", root.join("in")).unwrap();
        let folder = File::open(&root).unwrap();
        for (path, status, text) in [
            ("/", 200, "top"),
            ("/in", 200, "top"),
            ("/a%20b/", 200, "below"),
            ("/a%20b", 301, "/a%20b/"),
            ("//a%20b?x=1", 301, "/a%20b/?x=1"),
            ("/none", 404, "not found\n"),
            ("/out", 404, "not found\n"),
            ("/../secret", 404, "not found\n"),
            ("/%2e%2e/secret", 404, "not found\n"),
            ("/%2e%2e%2fsecret", 404, "not found\n"),
            ("/.hidden", 404, "not found\n"),
            ("/%00", 400, "bad request\n"),
            ("/%ff", 400, "bad request\n"),
        ] {
            assert_eq!(ask(&folder, path), (status, text.to_owned()), "{path}");
        }
        let posted = answer(&folder, &Method::POST, &"/".parse().unwrap());
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
