//! The journal of one Operation on its node: what was begun and what ended, each line durable before anything follows.
//!
//! A line is eight hex digits of the sha256 of the rest, a space, and what was noted for one write: events, a JSON array.
//! (A single event without an array is a line of an earlier version.) A last line that is torn by a crash is cut off, and a
//! journal without any other was never begun; one that is wrong in the middle makes the journal useless
//! ([`Error::Damaged`]). Behind the last line there is room, which is zeros: what is written into it is durable without a
//! change of the file's size. The journal knows nothing of hooks or bundles: [`state`] folds events into the Operation's
//! status and refuses what cannot follow.

pub mod state;

use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use crate::agent::journal::state::Illegal;
use crate::agent::journal::state::State;
use crate::agent::record::Gear;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::StepPhase;
use crate::base::clock::Timestamp;
use crate::base::crash;
use crate::base::durable;

/// A journal grows by so much at a time, in bytes: enough for most.
const ROOM: usize = 16 * 1024;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub enum Event {
    /// The agent took the Operation on, as it was then. `installed` is what was in place, and stays so for this journal.
    Accepted {
        operation: Arc<Operation>,
        installed: Option<Box<Gear>>,
        at: Timestamp,
    },
    /// A step begins; its first item, if it has any, begins with it.
    Started {
        step: usize,
        items: Vec<String>,
        at: Timestamp,
    },
    /// An item ended; the next one begins if this one is Done.
    Item {
        step: usize,
        item: usize,
        phase: StepPhase,
        message: String,
        exit_code: Option<i32>,
    },
    /// A step ended, Done, Failed or Skipped.
    Ended {
        step: usize,
        phase: StepPhase,
        reason: String,
        message: String,
        exit_code: Option<i32>,
        milliseconds: u64,
        at: Timestamp,
    },
    /// The output of a step is in the registry.
    Log {
        step: usize,
        digest: String,
    },
    Paused,
    Resumed,
    /// The agent is through with it.
    Closed {
        phase: OperationPhase,
        reason: String,
        message: String,
        at: Timestamp,
    },
}

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is damaged: {why}", .path.display())]
    Damaged { path: PathBuf, why: String },
    /// What was about to be written cannot follow what is there: a bug.
    #[error(transparent)]
    Illegal(#[from] Illegal),
}

/// An open journal and what it amounts to.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Where the next line goes, and where the file ends; between them are zeros.
    end: usize,
    room: usize,
    state: State,
    pending: Vec<Event>,
    /// The folders on the way to it are not durable yet.
    is_new: bool,
}

impl Journal {
    /// Begins the journal of an Operation in `folder`, which is made. It is there for good after the first
    /// [`Journal::write`]; until then nothing may be acted upon, as always.
    pub fn create(folder: &Path, accepted: &Event) -> Result<Journal, Error> {
        let path = folder.join("journal");
        let failed = |what, source| Error::Io {
            what,
            path: path.clone(),
            source,
        };
        fs::create_dir_all(folder).map_err(|source| failed("make the folder of", source))?;
        crash::point("journal.create");
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| failed("make", source))?;
        let mut journal = Journal {
            path,
            file,
            end: 0,
            room: 0,
            state: State::default(),
            pending: Vec::new(),
            is_new: true,
        };
        journal.note(accepted)?;
        Ok(journal)
    }

    /// Opens the journal in `folder`, if one was begun; a torn tail is cut off.
    pub fn open(folder: &Path) -> Result<Option<Journal>, Error> {
        let path = folder.join("journal");
        let failed = |what, source| Error::Io {
            what,
            path: path.clone(),
            source,
        };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", error)),
        };
        let (events, good) = read(&bytes).map_err(|why| Error::Damaged {
            path: path.clone(),
            why,
        })?;
        let mut state = State::default();
        for event in &events {
            state.apply(event).map_err(|illegal| Error::Damaged {
                path: path.clone(),
                why: illegal.to_string(),
            })?;
        }
        if events.is_empty() {
            return Ok(None);
        }
        let file = File::options()
            .write(true)
            .open(&path)
            .map_err(|source| failed("open", source))?;
        let is_torn = bytes[good..].iter().any(|byte| *byte != 0);
        if is_torn {
            file.set_len(good as u64)
                .and_then(|()| file.sync_all())
                .map_err(|source| failed("mend", source))?;
        }
        Ok(Some(Journal {
            path,
            file,
            end: good,
            room: if is_torn { good } else { bytes.len() },
            state,
            pending: Vec::new(),
            is_new: false,
        }))
    }

    /// What the journal in `folder` amounts to, without touching it: for readers beside the one that writes.
    pub fn look(folder: &Path) -> Option<State> {
        let (events, _) = read(&fs::read(folder.join("journal")).ok()?).ok()?;
        let mut state = State::default();
        for event in &events {
            state.apply(event).ok()?;
        }
        (!events.is_empty()).then_some(state)
    }

    /// What the events so far amount to, noted ones included.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes an event that becomes durable with the next [`Journal::write`]: an end before the start that follows it.
    pub fn note(&mut self, event: &Event) -> Result<(), Error> {
        self.state.apply(event)?;
        self.pending.push(event.clone());
        Ok(())
    }

    /// Whether all that was noted is durable.
    pub fn is_written(&self) -> bool {
        self.pending.is_empty()
    }

    /// Makes what was noted durable, in one write; nothing may be acted upon before.
    pub fn write(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        crash::point("journal.append.before");
        self.append()
            .and_then(|()| self.sync_folders())
            .map_err(|source| Error::Io {
                what: "write",
                path: self.path.clone(),
                source,
            })?;
        self.is_new = false;
        crash::point("journal.append.after");
        Ok(())
    }

    fn append(&mut self) -> io::Result<()> {
        let mut bytes = line(&self.pending);
        let end = self.end + bytes.len();
        let room = self.room.max(end.next_multiple_of(ROOM));
        if room > self.room {
            bytes.resize(room - self.end, 0);
        }
        self.file.write_all_at(&bytes, self.end as u64)?;
        self.file.sync_data()?;
        self.pending.clear();
        (self.end, self.room) = (end, room);
        Ok(())
    }

    /// Makes durable, once, the Operation's own folder and those above it that may have been made with it.
    fn sync_folders(&self) -> io::Result<()> {
        if !self.is_new {
            return Ok(());
        }
        let mut above = self.path.ancestors().skip(1).take(3);
        above.try_for_each(durable::sync_folder)
    }
}

fn line(events: &[Event]) -> Vec<u8> {
    let json = serde_json::to_string(events).expect("events are plain data with string keys");
    format!("{} {json}\n", checksum(json.as_bytes())).into_bytes()
}

fn checksum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(4).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}

/// The events and the length of the good part; wrong only if something good follows something bad.
fn read(bytes: &[u8]) -> Result<(Vec<Event>, usize), String> {
    let mut events = Vec::new();
    let mut good = 0;
    let mut bad = None;
    for (number, one) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match (parse(one), bad) {
            (Some(noted), None) => {
                events.extend(noted);
                good += one.len();
            }
            (Some(_), Some(wrong)) => return Err(format!("line {wrong} is wrong")),
            (None, None) => bad = Some(number + 1),
            (None, Some(_)) => {}
        }
    }
    Ok((events, good))
}

fn parse(line: &[u8]) -> Option<Vec<Event>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, json) = line.split_once(' ')?;
    if checksum(json.as_bytes()) != sum {
        return None;
    }
    if json.starts_with('[') {
        serde_json::from_str(json).ok()
    } else {
        serde_json::from_str(json).ok().map(|event| vec![event])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> Event {
        Event::Accepted {
            operation: state::operation(&["Install"]),
            installed: None,
            at: Timestamp::from_second(1),
        }
    }

    fn started() -> Event {
        Event::Started {
            step: 0,
            items: vec![],
            at: Timestamp::from_second(2),
        }
    }

    fn begin(folder: &Path) -> Journal {
        let mut journal = Journal::create(folder, &accepted()).unwrap();
        journal.write().unwrap();
        journal.note(&started()).unwrap();
        journal.write().unwrap();
        journal
    }

    fn reopened(folder: &Path) -> Option<Journal> {
        Journal::open(folder).unwrap()
    }

    #[test]
    fn what_was_written_is_there_again_and_a_torn_tail_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(reopened(folder).is_none());
        let begun = begin(folder);
        let state = begun.state().clone();
        let path = folder.join("journal");
        let whole = fs::read(&path).unwrap();
        let (first, both) = (line(&[accepted()]).len(), begun.end);
        assert_eq!(whole.len(), ROOM);
        assert_eq!(&whole[first..both], line(&[started()]));
        let is_started = |journal: &Journal| journal.state() == &state;
        for torn in 0..both + 10 {
            // Whether the rest never came or the room had been made before it.
            let mut zeros = whole[..torn].to_vec();
            zeros.resize(ROOM, 0);
            for left in [&whole[..torn], &zeros] {
                fs::write(&path, left).unwrap();
                let there = reopened(folder);
                assert_eq!(there.is_some(), torn >= first, "{torn}");
                let there = there.is_some_and(|there| is_started(&there));
                assert_eq!(there, torn >= both, "{torn}");
            }
        }
        fs::write(&path, [&whole[..both], b"01234567 {\"ev"].concat()).unwrap();
        let mut journal = reopened(folder).unwrap();
        assert!(is_started(&journal));
        journal.note(&Event::Paused).unwrap();
        journal.write().unwrap();
        let journal = reopened(folder).unwrap();
        assert_eq!(journal.state().status.phase, OperationPhase::Paused);
    }

    #[test]
    fn of_the_last_line_any_part_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut journal = begin(folder);
        let (state, kept) = (journal.state().clone(), journal.end);
        journal.note(&Event::Paused).unwrap();
        journal.note(&Event::Resumed).unwrap();
        journal.write().unwrap();
        let path = folder.join("journal");
        let whole = fs::read(&path).unwrap();
        for from in kept..journal.end {
            for to in from + 1..=journal.end {
                let mut torn = whole.clone();
                torn[from..to].fill(0);
                fs::write(&path, torn).unwrap();
                let mut journal = reopened(folder).unwrap();
                assert_eq!(journal.state(), &state, "without {from} to {to}");
                journal.note(&Event::Paused).unwrap();
                journal.write().unwrap();
                let phase = reopened(folder).unwrap().state().status.phase;
                assert_eq!(phase, OperationPhase::Paused, "without {from} to {to}");
            }
        }
    }

    #[test]
    fn a_journal_grows_beyond_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = begin(folder.path());
        for _ in 0..2000 {
            journal.note(&Event::Paused).unwrap();
            journal.note(&Event::Resumed).unwrap();
        }
        journal.write().unwrap();
        journal.note(&Event::Paused).unwrap();
        journal.write().unwrap();
        assert_eq!(reopened(folder.path()).unwrap().state(), journal.state());
        let length = fs::metadata(folder.path().join("journal")).unwrap().len();
        assert!(
            length > 4 * ROOM as u64 && length.is_multiple_of(ROOM as u64),
            "{length}"
        );
    }

    #[test]
    fn lines_of_an_earlier_version_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let state = begin(folder.path()).state().clone();
        let line = |event: &Event| {
            let json = serde_json::to_string(event).unwrap();
            format!("{} {json}\n", checksum(json.as_bytes()))
        };
        let lines = line(&accepted()) + &line(&started());
        fs::write(folder.path().join("journal"), lines).unwrap();
        assert_eq!(reopened(folder.path()).unwrap().state(), &state);
    }

    #[test]
    fn a_wrong_line_in_the_middle_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        begin(folder.path());
        let path = folder.path().join("journal");
        for wrong in [b'x', 0] {
            let mut bytes = fs::read(&path).unwrap();
            bytes[3] = wrong;
            fs::write(&path, bytes).unwrap();
            let error = Journal::open(folder.path()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn what_cannot_follow_is_refused_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = begin(folder.path());
        assert!(matches!(journal.note(&started()), Err(Error::Illegal(_))));
        journal.write().unwrap();
        assert_eq!(reopened(folder.path()).unwrap().state(), journal.state());
    }
}
