//! A container's log for somebody who asked for it, over the tunnel: what is there, and with `follow` what comes until
//! the container has ended.
//!
//! `GET /pods/NAMESPACE/NAME/UID/log`, with Kubernetes' parameters. Reads the files that shims write
//! ([`stamped`]); who may ask is decided by the server.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path as PathParameters;
use axum::extract::Query;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use http::header;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncSeekExt;
use tokio::io::BufReader;
use tokio::sync::mpsc;

use crate::agent::logs::Notice;
use crate::agent::logs::refusal;
use crate::agent::pod::Pods;
use crate::agent::pod::disk::Attempt;
use crate::agent::pod::disk::Folder;
use crate::agent::shim::stamped;
use crate::api::kinds;
use crate::api::status::Status;
use crate::base::clock::Timestamp;

/// More files than any shim keeps.
const MOST_FILES: u32 = 16;
/// When no notice comes, it is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
const CHUNK: usize = 32 * 1024;

/// What somebody wants to read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    /// Empty: the only one.
    container: String,
    follow: bool,
    /// Of the attempt before the newest.
    previous: bool,
    timestamps: bool,
    tail_lines: Option<usize>,
    since_seconds: Option<i64>,
    since_time: Option<String>,
    limit_bytes: Option<usize>,
}

/// What the agent answers about pods on its tunnel.
pub(crate) fn router(pods: Arc<Pods>) -> Router {
    Router::new()
        .route(
            "/pods/{namespace}/{name}/{uid}/log",
            axum::routing::get(answer),
        )
        .with_state(pods)
}

async fn answer(
    State(pods): State<Arc<Pods>>,
    PathParameters((namespace, name, uid)): PathParameters<(String, String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let folder = Folder::new(&pods.folder, &namespace, &uid);
    let found = match folder {
        Some(folder) => find(&folder, &name, &asked),
        None => Err(Status::not_found(&kinds::POD, &name)),
    };
    let (folder, attempt) = match found {
        Ok(found) => found,
        Err(status) => return refusal(&status),
    };
    let since = match (asked.since_seconds, &asked.since_time) {
        (Some(seconds), _) => {
            let now = pods.shared.clock.now().as_second();
            Timestamp::from_second(now.saturating_sub(seconds)).micro()
        }
        (None, Some(time)) => {
            let Ok(time) = time.parse::<Timestamp>() else {
                let message = format!("{time:?} is not a time");
                return refusal(&Status::bad_request(message));
            };
            time.micro()
        }
        (None, None) => String::new(),
    };
    let (sender, receiver) = mpsc::channel(4);
    let reader = Reader {
        log: attempt.shim().log(),
        attempt,
        folder,
        since,
        left: asked.limit_bytes.unwrap_or(usize::MAX),
        asked,
        at_line_start: true,
        out: Vec::new(),
        sender,
    };
    pods.shared.scope.spawn(async move {
        match reader.run().await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                tracing::debug!(pod = name, %error, "a log broke off");
            }
            _ => {}
        }
    });
    let chunks = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let plain = [(header::CONTENT_TYPE, "text/plain")];
    (plain, Body::from_stream(chunks)).into_response()
}

/// The attempt whose log is meant, or why there is none.
fn find(folder: &Folder, pod: &str, asked: &Asked) -> Result<(Folder, Attempt), Status> {
    if !folder.path().exists() {
        return Err(Status::not_found(&kinds::POD, pod));
    }
    let mut container = asked.container.clone();
    if container.is_empty() {
        container = folder.containers().into_iter().next().unwrap_or_default();
    }
    let is_name = !container.contains('/') && !container.starts_with('.');
    let mut attempts = if is_name && !container.is_empty() {
        folder.attempts(&container)
    } else {
        Vec::new()
    };
    let newest = attempts.pop();
    let wanted = if asked.previous {
        attempts.pop()
    } else {
        newest
    };
    match wanted {
        Some(number) => Ok((folder.clone(), folder.attempt(&container, number))),
        None if asked.previous => Err(Status::bad_request(format!(
            "previous terminated container {container:?} in pod {pod:?} not found"
        ))),
        None => Err(Status::bad_request(format!(
            "container {container:?} in pod {pod:?} is waiting to start: ContainerCreating"
        ))),
    }
}

/// One answer being given.
struct Reader {
    folder: Folder,
    attempt: Attempt,
    log: PathBuf,
    asked: Asked,
    /// Only what came at this time or later; empty for all.
    since: String,
    /// Bytes that may still be sent.
    left: usize,
    at_line_start: bool,
    out: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Reader {
    async fn run(mut self) -> io::Result<()> {
        let mut notice = Notice::new();
        let mut file = self.begin().await?;
        let mut line = Vec::new();
        loop {
            if self.asked.follow {
                notice.add(self.attempt.path());
            }
            // Looked at before reading, so that nothing that was printed before the end is missed.
            let is_over = !self.asked.follow || self.is_over();
            while let Some(open) = &mut file {
                if open.read_until(b'\n', &mut line).await? == 0 || !line.ends_with(b"\n") {
                    break;
                }
                line.pop();
                let goes_on = self.take(&line);
                line.clear();
                if !goes_on {
                    return self.send().await;
                }
                if self.out.len() >= CHUNK {
                    self.send().await?;
                }
            }
            if let Some(next) = self.next(file.as_ref()).await? {
                file = Some(next);
                line.clear();
                continue;
            }
            self.send().await?;
            if is_over {
                return Ok(());
            }
            tokio::select! {
                () = notice.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    /// Whether nothing more will come: the container has ended, and of a build, everything that follows.
    fn is_over(&self) -> bool {
        let has_ended = !matches!(self.attempt.shim().exit(), Ok(None));
        let is_finished =
            !self.folder.build().exists() || !matches!(self.attempt.finished(), Ok(None));
        has_ended && is_finished || !self.attempt.path().exists()
    }

    /// Opens the log where reading begins.
    async fn begin(&self) -> io::Result<Option<BufReader<File>>> {
        let mut ages = Vec::new();
        for age in 0..MOST_FILES {
            if !stamped::file(&self.log, age).exists() {
                break;
            }
            ages.push(age);
        }
        let (mut age, mut offset) = (ages.last().copied().unwrap_or(0), 0);
        if let Some(wanted) = self.asked.tail_lines {
            let log = self.log.clone();
            let found = tokio::task::spawn_blocking(move || tail(&log, &ages, wanted)).await;
            if let Some(found) = found.map_err(io::Error::other)?? {
                (age, offset) = found;
            }
        }
        let Some(mut file) = open(&stamped::file(&self.log, age)).await? else {
            return Ok(None);
        };
        file.seek(io::SeekFrom::Start(offset)).await?;
        Ok(Some(BufReader::with_capacity(CHUNK, file)))
    }

    /// The file after the one that was read to its end, if there is one.
    async fn next(&self, read: Option<&BufReader<File>>) -> io::Result<Option<BufReader<File>>> {
        let Some(read) = read else {
            let first = open(&self.log).await?;
            return Ok(first.map(|file| BufReader::with_capacity(CHUNK, file)));
        };
        let own = read.get_ref().metadata().await?.ino();
        let mut oldest = None;
        for age in 0..MOST_FILES {
            let path = stamped::file(&self.log, age);
            match fs::metadata(&path) {
                Ok(about) if about.ino() == own => {
                    let Some(newer) = age.checked_sub(1) else {
                        return Ok(None);
                    };
                    let next = open(&stamped::file(&self.log, newer)).await?;
                    return Ok(next.map(|file| BufReader::with_capacity(CHUNK, file)));
                }
                Ok(_) => oldest = Some(path),
                Err(_) => break,
            }
        }
        // It made room meanwhile; what is left goes on from the oldest.
        match oldest {
            Some(path) => {
                let next = open(&path).await?;
                Ok(next.map(|file| BufReader::with_capacity(CHUNK, file)))
            }
            None => Ok(None),
        }
    }

    /// Takes a line of a file; false when enough was sent.
    fn take(&mut self, line: &[u8]) -> bool {
        let Some(piece) = stamped::parse(line) else {
            return true;
        };
        if piece.time < self.since.as_str() {
            return true;
        }
        let before = self.out.len();
        if self.asked.timestamps && self.at_line_start {
            self.out.extend_from_slice(piece.time.as_bytes());
            self.out.push(b' ');
        }
        self.out.extend_from_slice(piece.text);
        if piece.is_end {
            self.out.push(b'\n');
        }
        self.at_line_start = piece.is_end;
        let more = self.out.len() - before;
        if more >= self.left {
            self.out.truncate(before + self.left);
            return false;
        }
        self.left -= more;
        true
    }

    async fn send(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.out));
        let sent = self.sender.send(Ok(chunk)).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

async fn open(path: &std::path::Path) -> io::Result<Option<File>> {
    match File::open(path).await {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the last lines begin: the file's age and the offset in it; none: they are more than there are.
fn tail(log: &std::path::Path, ages: &[u32], wanted: usize) -> io::Result<Option<(u32, u64)>> {
    let mut seen = 0;
    // The end of the log is the end of a line only if its last piece says so.
    let mut is_last = true;
    for age in ages {
        let bytes = fs::read(stamped::file(log, *age))?;
        let mut end = bytes.len();
        while end > 0 {
            let start = bytes[..end - 1]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let line = &bytes[start..end];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if let Some(piece) = stamped::parse(line) {
                if piece.is_end || is_last {
                    if seen == wanted {
                        return Ok(Some((*age, end as u64)));
                    }
                    seen += 1;
                }
                is_last = false;
            }
            end = start;
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::shim::stamped::Stamped;

    async fn read(place: &std::path::Path, asked: Asked) -> String {
        let folder = Folder::new(place, "shop", "1").unwrap();
        let attempt = folder.attempt("web", 0);
        let (sender, mut receiver) = mpsc::channel(4);
        let reader = Reader {
            log: attempt.shim().log(),
            attempt,
            folder,
            since: String::new(),
            left: asked.limit_bytes.unwrap_or(usize::MAX),
            asked,
            at_line_start: true,
            out: Vec::new(),
            sender,
        };
        let reading = tokio::spawn(reader.run());
        let mut all = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            all.extend_from_slice(&chunk.unwrap());
        }
        reading.await.unwrap().unwrap();
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn a_log_in_several_files_reads_as_one() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path(), "shop", "1").unwrap();
        let attempt = folder.attempt("web", 0);
        fs::create_dir_all(attempt.path()).unwrap();
        let mut log = Stamped::open(&attempt.shim().log(), 200, 3).unwrap();
        for line in 0..11 {
            log.write(format!("line {line}\n").as_bytes()).unwrap();
        }
        log.write(b"no end").unwrap();
        let all = read(place.path(), Asked::default()).await;
        let expect: Vec<String> = (0..11).map(|line| format!("line {line}")).collect();
        assert_eq!(all, format!("{}\nno end", expect.join("\n")));
        let asked = |tail_lines| Asked {
            tail_lines: Some(tail_lines),
            ..Asked::default()
        };
        assert_eq!(
            read(place.path(), asked(3)).await,
            "line 9\nline 10\nno end"
        );
        assert_eq!(read(place.path(), asked(0)).await, "");
        assert_eq!(read(place.path(), asked(50)).await, all);
        let short = Asked {
            limit_bytes: Some(10),
            ..Asked::default()
        };
        assert_eq!(read(place.path(), short).await, "line 0\nlin");
        let stamped = Asked {
            timestamps: true,
            ..asked(2)
        };
        let text = read(place.path(), stamped).await;
        assert!(text.lines().all(|line| line.starts_with("20")), "{text}");
        assert!(text.ends_with("Z no end"), "{text}");
    }

    #[tokio::test]
    async fn following_ends_with_the_container() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path(), "shop", "1").unwrap();
        let attempt = folder.attempt("web", 0);
        fs::create_dir_all(attempt.path()).unwrap();
        let path = place.path().to_owned();
        let asked = Asked {
            follow: true,
            ..Asked::default()
        };
        let reading = tokio::spawn(async move { read(&path, asked).await });
        let mut log = Stamped::open(&attempt.shim().log(), 60, 3).unwrap();
        for line in 0..3 {
            log.write(format!("{line}\n").as_bytes()).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(!reading.is_finished());
        attempt
            .shim()
            .bury(&crate::agent::shim::Exit::default())
            .unwrap();
        assert_eq!(reading.await.unwrap(), "0\n1\n2\n");
    }
}
