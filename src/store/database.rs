//! The database file: one table of objects, one of numbers.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use redb::ReadableDatabase;
use redb::ReadableTable;
use redb::TableDefinition;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::store::Entry;
use crate::store::Error;
use crate::store::Place;
use crate::store::memory::Memory;
use crate::store::writer::node_of;

/// `GROUP/PLURAL/NAMESPACE/NAME` → the object's JSON.
const OBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("objects");
/// `revision` → the newest one.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");

/// What the database may keep of its own pages: reads come from memory, only writes and the start need them.
const PAGES: usize = 16 << 20;

/// How long a file that is in use may stay so before opening fails.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Database {
    redb: redb::Database,
    /// None in memory.
    path: Option<PathBuf>,
}

/// One row to write or to remove.
pub(super) struct Row<'a> {
    pub(super) place: &'a Place,
    pub(super) json: Option<&'a [u8]>,
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Database, Error> {
        let started = Instant::now();
        loop {
            match redb::Builder::new().set_cache_size(PAGES).create(path) {
                Ok(redb) => {
                    return Ok(Database {
                        redb,
                        path: Some(path.to_owned()),
                    });
                }
                Err(redb::DatabaseError::DatabaseAlreadyOpen) if started.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                    return Err(Error::InUse {
                        path: path.display().to_string(),
                    });
                }
                Err(error) => return Err(damaged(Some(path), &error)),
            }
        }
    }

    pub(super) fn in_memory() -> Database {
        let redb = redb::Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .expect("an empty database in memory can be made");
        Database { redb, path: None }
    }

    /// Closes the file and opens it again: after a failed write the handle may refuse to go on.
    pub(super) fn reopen(self) -> Result<Database, Error> {
        match self.path.clone() {
            None => Ok(self),
            Some(path) => {
                drop(self);
                Database::open(&path)
            }
        }
    }

    /// Everything that is kept.
    pub(super) fn load(&self) -> Result<Memory, Error> {
        let wrong = |error: &dyn std::fmt::Display| damaged(self.path.as_deref(), error);
        let reading = self.redb.begin_read().map_err(|error| wrong(&error))?;
        let numbers = match reading.open_table(NUMBERS) {
            Ok(numbers) => numbers,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Memory::new(0)),
            Err(error) => return Err(wrong(&error)),
        };
        let revision = numbers
            .get("revision")
            .map_err(|error| wrong(&error))?
            .map_or(0, |row| row.value());
        let mut memory = Memory::new(revision);
        let objects = reading.open_table(OBJECTS).map_err(|error| wrong(&error))?;
        for row in objects.iter().map_err(|error| wrong(&error))? {
            let (key, json) = row.map_err(|error| wrong(&error))?;
            let entry = read_row(key.value(), json.value()).ok_or_else(|| {
                wrong(&format!(
                    "the row {:?} is not an object of a kind this version knows",
                    key.value()
                ))
            })?;
            memory.restore(entry);
        }
        Ok(memory)
    }

    /// Writes all rows and the new revision in one transaction; when it returns, they are on disk.
    pub(super) fn commit(&self, rows: &[Row<'_>], revision: u64) -> Result<(), Error> {
        self.transaction(rows, revision)
            .map_err(|error| Error::Disk {
                why: error.to_string(),
            })
    }

    fn transaction(&self, rows: &[Row<'_>], revision: u64) -> Result<(), redb::Error> {
        let writing = self.redb.begin_write()?;
        {
            let mut objects = writing.open_table(OBJECTS)?;
            for row in rows {
                let key = row_key(row.place);
                match row.json {
                    Some(json) => objects.insert(key.as_str(), json)?,
                    None => objects.remove(key.as_str())?,
                };
            }
            writing.open_table(NUMBERS)?.insert("revision", revision)?;
        }
        crate::base::crash::point("store.commit.before");
        writing.commit()?;
        crate::base::crash::point("store.commit.after");
        Ok(())
    }
}

fn row_key(place: &Place) -> String {
    format!(
        "{}/{}/{}/{}",
        place.kind.group, place.kind.plural, place.key.namespace, place.key.name
    )
}

fn read_row(key: &str, json: &[u8]) -> Option<Entry> {
    let mut parts = key.splitn(4, '/');
    let (group, plural, namespace, name) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let kind = kinds::ALL
        .iter()
        .copied()
        .find(|kind| kind.group == group && kind.plural == plural)?;
    let any: crate::api::core::Any = serde_json::from_slice(json).ok()?;
    let object = (kind == &kinds::POD).then(|| serde_json::from_slice(json).ok());
    Some(Entry {
        place: Place {
            kind,
            key: Key::new(namespace, name),
        },
        revision: any.metadata.revision(),
        json: bytes::Bytes::copy_from_slice(json),
        labels: Arc::new(any.metadata.labels),
        node: object.flatten().and_then(|pod| node_of(kind, &pod)),
    })
}

fn damaged(path: Option<&Path>, why: &dyn std::fmt::Display) -> Error {
    let path = path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
    Error::Damaged {
        path,
        why: why.to_string(),
    }
}
