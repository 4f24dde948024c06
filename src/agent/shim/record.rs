//! A child's record: one file of JSON lines, each naming one of the things below, and the lock on it.
//!
//! One file, because making and removing files is what a short hook costs a node most. A line that a crash has torn is
//! no line; whoever writes begins a new one. Of two lines about the same thing the first counts.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::agent::shim::Exit;
use crate::agent::shim::Spec;
use crate::agent::shim::Started;

/// One line of a record:
///
/// ```json
/// {"spec":{"argv":["/srv/shop/start"],"cwd":"/srv/shop","env":{},"timeoutMilliseconds":300000}}
/// {"started":{"pid":812,"shim":811,"boot":"5e1f…"}}
/// {"kill":{}}
/// {"exit":{"code":143,"reason":"Killed","outputOpen":false,"outputBytes":0,"milliseconds":9}}
/// ```
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line<'a> {
    Spec(&'a Spec),
    Started(&'a Started),
    Kill(&'a Kill),
    Exit(&'a Exit),
}

/// What became of a child.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) started: Option<Started>,
    pub(super) kill: Option<Kill>,
    pub(super) exit: Option<Exit>,
}

/// A request to end the child.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Kill {
    /// Another time between TERM and KILL than the spec's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grace_milliseconds: Option<u64>,
}

impl Record {
    /// What is written at `path`; none when nothing is.
    pub(super) fn read(path: &Path) -> io::Result<Option<Record>> {
        Ok(read(path)?.as_deref().map(Record::parse))
    }

    /// What is written in a record that was just opened.
    pub(super) fn read_open(mut record: &File) -> io::Result<Record> {
        let mut bytes = Vec::new();
        record.read_to_end(&mut bytes)?;
        Ok(Record::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Record {
        // The long line, which most readers do not want.
        let lines = lines(bytes).filter(|line| !line.starts_with(SPEC));
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .fold(Record::default(), |known, line: Record| Record {
                started: known.started.or(line.started),
                kill: known.kill.or(line.kill),
                exit: known.exit.or(line.exit),
            })
    }
}

/// How a line begins that says what to run.
const SPEC: &[u8] = b"{\"spec\":";

/// What is to be run, if that is written at `path`, and what became of it.
pub(super) fn read_whole(path: &Path) -> io::Result<(Option<Spec>, Record)> {
    #[derive(Deserialize)]
    struct Said {
        spec: Spec,
    }
    let bytes = read(path)?.unwrap_or_default();
    let mut said = lines(&bytes).filter(|line| line.starts_with(SPEC));
    let said: Option<Said> = said.find_map(|line| serde_json::from_slice(line).ok());
    let spec = said.map(|said| said.spec);
    Ok((spec, Record::parse(&bytes)))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n')
}

/// Adds a line to an open record.
pub(super) fn append(mut record: &File, line: Line<'_>) -> io::Result<()> {
    let mut bytes = vec![b'\n'];
    serde_json::to_writer(&mut bytes, &line).expect("a record is plain data");
    record.write_all(&bytes)
}

/// Has the libraries below look at the processor once, which a virtual machine makes slow.
pub(super) fn warm_up() {
    let _ = Record::parse(
        b"{\"exit\":{\"message\":\"a text that is longer than a word of the processor\"}}\n",
    );
}

/// Opens the record at `path` to be read and continued, and makes it first; it may hold secrets.
pub(super) fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_none_and_the_first_of_two_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        assert_eq!(Record::read(&path).unwrap(), None);
        let file = open(&path).unwrap();
        let exit = |code| Exit {
            code: Some(code),
            ..Exit::default()
        };
        (&file).write_all(b"\n{\"started\":{\"pid\":8").unwrap();
        append(&file, Line::Exit(&exit(1))).unwrap();
        append(&file, Line::Exit(&exit(2))).unwrap();
        let known = Record {
            exit: Some(exit(1)),
            ..Record::default()
        };
        assert_eq!(Record::read(&path).unwrap(), Some(known.clone()));
        let spec = Spec {
            argv: vec!["/srv/shop/start".to_owned()],
            ..Spec::default()
        };
        append(&file, Line::Spec(&spec)).unwrap();
        assert_eq!(read_whole(&path).unwrap(), (Some(spec), known));
    }
}
