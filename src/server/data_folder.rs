//! The data folder: its layout, its format version, and the lock that makes one server the only one in it.
//!
//! The lock is the truth about who runs here; there is no pid file. `server.json` is for people and clients.

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::base::durable;
use crate::client::connection::Announcement;

/// The version of the layout that this program writes.
pub const FORMAT: u32 = 1;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {path}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "the data folder {path} was written by a newer upshift (format {found}, this program knows {FORMAT}); \
         use that version or another --data-dir"
    )]
    Newer { path: PathBuf, found: u32 },
    #[error(
        "the data folder {path} has format {found}, which this upshift (format {FORMAT}) cannot migrate; \
         use another --data-dir"
    )]
    Older { path: PathBuf, found: u32 },
    #[error("{path} is not an upshift data folder: its file \"format\" says {found:?}")]
    Foreign { path: PathBuf, found: String },
    #[error("{path} is not an upshift data folder: it holds {found:?}; use an empty folder")]
    NotOurs { path: PathBuf, found: String },
    #[error(
        "the data folder {path} is in use by {holder}; stop it with: upshift serve --stop --data-dir {path}"
    )]
    InUse { path: PathBuf, holder: String },
}

fn io_error<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + use<'a> {
    move |source| Error::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// A data folder that this process alone serves.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes or checks the folder, and takes its lock.
    pub fn open(path: &Path) -> Result<DataFolder, Error> {
        refuse_foreign(path)?;
        make_folder(path, TRAVERSABLE)?;
        let lock = take_lock(path)?;
        check_format(path)?;
        let folder = DataFolder {
            path: path.to_owned(),
            _lock: lock,
        };
        for name in ["pki", "store", "content"] {
            make_folder(&folder.path.join(name), PRIVATE)?;
        }
        make_folder(&folder.path.join("node"), TRAVERSABLE)?;
        folder.remove_record()?;
        Ok(folder)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its entries.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Says that the server is ready.
    pub fn write_record(&self, record: &Announcement) -> Result<(), Error> {
        let path = record_path(&self.path);
        let json = serde_json::to_vec_pretty(record).expect("a record is plain data");
        durable::write(&path, &json, 0o600).map_err(io_error("write", &path))
    }

    /// Says that no server is ready here.
    pub fn remove_record(&self) -> Result<(), Error> {
        let path = record_path(&self.path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// What the running server says of itself, if there is one and it is ready.
///
/// A record that a killed server left behind names another process than the lock's holder wrote into it.
pub fn ready(data_dir: &Path) -> Option<Announcement> {
    let record = Announcement::read(data_dir)?;
    let holder = fs::read_to_string(data_dir.join("lock")).ok()?;
    (holder.trim() == record.pid.to_string() && is_held(data_dir)).then_some(record)
}

/// Whether a process holds the folder's lock.
pub fn is_held(data_dir: &Path) -> bool {
    File::open(data_dir.join("lock"))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Opens the lock that is held while a server starts, by whoever starts it; not yet taken. Makes the folder.
pub fn start_lock(data_dir: &Path) -> Result<File, Error> {
    refuse_foreign(data_dir)?;
    make_folder(data_dir, TRAVERSABLE)?;
    open_lock(&data_dir.join("start.lock"))
}

/// This host's name.
pub fn host_name() -> Option<String> {
    nix::unistd::gethostname()
        .ok()?
        .into_string()
        .ok()
        .filter(|name| !name.is_empty())
}

/// The name of the embedded node: the host's, with what a node's name may not have taken out.
pub fn node_name() -> String {
    sanitised(&host_name().unwrap_or_default())
}

fn sanitised(host: &str) -> String {
    let cleaned: String = host
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .take(63)
        .collect();
    let labels: Vec<&str> = cleaned
        .split('.')
        .map(|label| label.trim_matches('-'))
        .filter(|label| !label.is_empty())
        .collect();
    if labels.is_empty() {
        "localhost".to_owned()
    } else {
        labels.join(".")
    }
}

fn record_path(data_dir: &Path) -> PathBuf {
    data_dir.join("server.json")
}

/// A folder that nobody else may enter.
const PRIVATE: u32 = 0o700;
/// A folder that others may pass through but not look into: hooks of other users run in the cache of bundles below.
const TRAVERSABLE: u32 = 0o711;

fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(io_error("make the folder", path))?;
    let found = fs::metadata(path).map_err(io_error("look at", path))?;
    if found.permissions().mode() & 0o777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(io_error("set the mode of", path))?;
    }
    Ok(())
}

/// A folder with files of somebody else's is left alone: no file is written there and no mode is changed.
fn refuse_foreign(path: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_error("look into", path))?,
    };
    if path.join("format").exists() {
        return Ok(());
    }
    // What an interrupted first start may have left, with or without its format.
    let is_ours = |name: &str| {
        ["lock", "start.lock", "server.log"].contains(&name) || name.starts_with(".format.")
    };
    for entry in entries {
        let name = entry.map_err(io_error("look into", path))?.file_name();
        let name = name.to_string_lossy();
        if !is_ours(&name) {
            return Err(Error::NotOurs {
                path: path.to_owned(),
                found: name.into_owned(),
            });
        }
    }
    Ok(())
}

fn open_lock(path: &Path) -> Result<File, Error> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(io_error("open", path))
}

fn take_lock(path: &Path) -> Result<File, Error> {
    let lock_path = path.join("lock");
    let mut file = open_lock(&lock_path)?;
    match file.try_lock() {
        Ok(()) => {
            let written = file
                .set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| write!(file, "{}", std::process::id()));
            written.map_err(io_error("write", &lock_path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
            holder: holder(&file, path),
        }),
        Err(TryLockError::Error(error)) => Err(io_error("lock", &lock_path)(error)),
    }
}

/// The process that holds the lock: its number, and its address once it is ready.
fn holder(mut file: &File, path: &Path) -> String {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    let process = match text.trim() {
        "" => "another process".to_owned(),
        pid => format!("process {pid}"),
    };
    match Announcement::read(path) {
        Some(record) => format!("{process}, which serves {}", record.url),
        None => process,
    }
}

fn check_format(path: &Path) -> Result<(), Error> {
    let file = path.join("format");
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(FORMAT) => Ok(()),
            Ok(found) if found > FORMAT => Err(Error::Newer {
                path: path.to_owned(),
                found,
            }),
            Ok(found) => Err(Error::Older {
                path: path.to_owned(),
                found,
            }),
            Err(_) => Err(Error::Foreign {
                path: path.to_owned(),
                found: text.trim().chars().take(40).collect(),
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            durable::write(&file, format!("{FORMAT}\n").as_bytes(), 0o600)
                .map_err(io_error("write", &file))
        }
        Err(error) => Err(io_error("read", &file)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("thesis.txt"), "").unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refusal = DataFolder::open(place.path()).unwrap_err().to_string();
        assert!(refusal.contains("thesis.txt"), "{refusal}");
        let mode = fs::metadata(place.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn is_made_private_and_held_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data");
        let folder = DataFolder::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o711);
        for (name, mode) in [
            ("store", 0o700),
            ("pki", 0o700),
            ("content", 0o700),
            ("node", 0o711),
        ] {
            let found = fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{name}");
        }
        assert!(is_held(&path));
        folder
            .write_record(&Announcement {
                url: "https://127.0.0.1:1".to_owned(),
                pid: std::process::id(),
                ..Announcement::default()
            })
            .unwrap();
        assert!(ready(&path).is_some());
        let refusal = DataFolder::open(&path).unwrap_err().to_string();
        let process = std::process::id();
        assert!(
            refusal.contains(&format!(
                "is in use by process {process}, which serves https://127.0.0.1:1;"
            )),
            "{refusal}"
        );
        drop(folder);
        assert!(!is_held(&path));
        assert_eq!(ready(&path), None, "a dead server is not ready");
        DataFolder::open(&path).unwrap();
        assert_eq!(Announcement::read(&path), None, "a stale record goes");
    }

    #[test]
    fn a_nodes_name_is_a_name() {
        for (host, name) in [
            ("web1.example.com", "web1.example.com"),
            ("My_Laptop", "my-laptop"),
            ("-x-..y", "x.y"),
            ("", "localhost"),
            ("ü", "localhost"),
        ] {
            assert_eq!(sanitised(host), name, "{host}");
        }
    }

    #[test]
    fn refuses_other_formats() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data");
        drop(DataFolder::open(&path).unwrap());
        for (text, expect) in [
            ("2", "was written by a newer upshift (format 2,"),
            ("0", "has format 0, which"),
            ("x", "is not an upshift data folder"),
        ] {
            fs::write(path.join("format"), text).unwrap();
            let refusal = DataFolder::open(&path).unwrap_err().to_string();
            assert!(refusal.contains(expect), "{refusal}");
        }
    }
}
