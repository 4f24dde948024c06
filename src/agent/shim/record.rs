//! A child's record: one file of JSON lines, each naming one of the things below, and the lock on it.
//!
//! One file, because making and removing files is what a short hook costs a node most. A line that a crash has torn is
//! no line; whoever writes begins a new one. Of two lines about the same thing the first counts.

use std::fs;
use std::fs::File;
use std::io;
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

/// All that is known of a child.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) spec: Option<Spec>,
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
    /// What is written at `path`; all of it unknown when nothing is.
    pub(super) fn read(path: &Path) -> io::Result<Record> {
        match fs::read(path) {
            Ok(bytes) => Ok(Record::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &[u8]) -> Record {
        let lines = bytes.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .fold(Record::default(), |known, line: Record| Record {
                spec: known.spec.or(line.spec),
                started: known.started.or(line.started),
                kill: known.kill.or(line.kill),
                exit: known.exit.or(line.exit),
            })
    }
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
        assert_eq!(Record::read(&path).unwrap(), Record::default());
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
        assert_eq!(Record::read(&path).unwrap(), known);
    }
}
