//! A git repository over HTTP: `git http-backend` behind the smallest server that will do.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

/// A running server; it ends with the test's process.
pub(crate) struct GitServer {
    port: u16,
}

impl GitServer {
    /// Serves the repositories below `root`; with `credentials` (`USER:PASSWORD`) only to who knows them.
    pub(crate) fn start(root: &Path, credentials: Option<&str>) -> GitServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let wanted = credentials.map(|text| {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(text);
            format!("Basic {text}")
        });
        let settings = Arc::new((root.to_owned(), wanted));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let settings = settings.clone();
                std::thread::spawn(move || {
                    let (root, wanted) = &*settings;
                    let _ = serve(&stream, root, wanted.as_deref());
                });
            }
        });
        GitServer { port }
    }

    /// The URL of a repository.
    pub(crate) fn url(&self, repository: &str) -> String {
        format!("http://127.0.0.1:{}/{repository}", self.port)
    }

    /// The same with user and password in it.
    pub(crate) fn url_with(&self, credentials: &str, repository: &str) -> String {
        format!("http://{credentials}@127.0.0.1:{}/{repository}", self.port)
    }
}

fn serve(stream: &TcpStream, root: &PathBuf, wanted: Option<&str>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    if wanted.is_some_and(|wanted| header("authorization") != wanted) {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return out.write_all(refusal.as_bytes());
    }
    let mut body = Vec::new();
    if header("transfer-encoding") == "chunked" {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else {
        let length = header("content-length").parse().unwrap_or(0);
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&body));
    let mut answer = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut answer)?;
    let _ = writer.join();
    child.wait()?;
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, content) = answer.split_at(split.unwrap_or(answer.len()));
    let head = String::from_utf8_lossy(head);
    let mut status = "200 OK".to_owned();
    let mut lines = Vec::new();
    for line in head.lines() {
        match line.strip_prefix("Status: ") {
            Some(told) => told.clone_into(&mut status),
            None => lines.push(line.to_owned()),
        }
    }
    let content = content.get(4..).unwrap_or_default();
    write!(
        out,
        "HTTP/1.1 {status}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        lines.join("\r\n"),
        content.len()
    )?;
    out.write_all(content)
}

/// Makes a repository of a folder's files with one commit; returns the commit.
pub(crate) fn repository(folder: &Path) -> String {
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    commit(folder, "First version")
}

/// Commits everything in a repository.
pub(crate) fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "-m", message]);
    git(folder, &["rev-parse", "HEAD"])
}

/// Runs git in a folder, as somebody who is nobody else.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
    let output = Command::new("git")
        .args(who)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_DATE", "2026-11-20T10:00:00+0000")
        .env("GIT_COMMITTER_DATE", "2026-11-20T10:00:00+0000")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
