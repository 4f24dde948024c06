//! One kubeconfig file: its document, checked as far as we read it, and its way to the disk.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use super::Section;
use crate::api::yaml;
use crate::base::durable;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("stat {}: no such file or directory", .0.display())]
    Missing(PathBuf),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {message}", path.display())]
    Damaged {
        path: PathBuf,
        line: usize,
        message: String,
    },
    #[error("{} can be read by other users (mode {mode:04o}); it holds credentials: chmod 600 {}", path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    /// What an entry says cannot be followed.
    #[error("{0}")]
    Unusable(String),
}

/// The fields of an entry that name a file beside the kubeconfig.
const PATHS: [&str; 4] = [
    "certificate-authority",
    "client-certificate",
    "client-key",
    "tokenFile",
];
/// The fields of a user that are secrets themselves.
const SECRETS: [&str; 3] = ["token", "password", "client-key-data"];

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    document: Value,
    changed: bool,
}

impl File {
    /// Reads a file; `None` when there is none.
    pub(super) fn read(path: &Path) -> Result<Option<File>, Error> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(File::of(path, parse(path, bytes)?))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub(super) fn of(path: &Path, document: Value) -> File {
        File {
            path: path.to_owned(),
            document,
            changed: false,
        }
    }

    pub(super) fn current_context(&self) -> &str {
        self.document["current-context"]
            .as_str()
            .unwrap_or_default()
    }

    pub(super) fn names(&self, section: Section) -> impl Iterator<Item = String> {
        self.entries(section)
            .iter()
            .filter_map(|entry| Some(entry["name"].as_str()?.to_owned()))
    }

    pub(super) fn has(&self, section: Section, name: &str) -> bool {
        self.content(section, name).is_some()
    }

    /// An entry's content with the paths in it as seen from the file's folder.
    pub(super) fn resolved(&self, section: Section, name: &str) -> Option<Value> {
        let mut content = self.content(section, name)?.clone();
        let folder = self.path.parent().unwrap_or(Path::new(""));
        for field in PATHS {
            if let Some(path) = content[field].as_str().filter(|path| !path.is_empty()) {
                content[field] = folder.join(path).to_string_lossy().into();
            }
        }
        if let Value::Object(fields) = &mut content {
            // Asking for a field that is not there has put a null in its place.
            fields.retain(|_, value| !value.is_null());
        }
        Some(content)
    }

    pub(super) fn set(&mut self, section: Section, name: &str, content: &Value) {
        self.changed = true;
        let entry = json!({"name": name, section.content(): content});
        let list = &mut self.document[section.key()];
        if !list.is_array() {
            *list = json!([]);
        }
        let list = list.as_array_mut().expect("it was just made one");
        match list.iter_mut().find(|entry| entry["name"] == name) {
            Some(old) => *old = entry,
            None => list.push(entry),
        }
    }

    pub(super) fn set_current_context(&mut self, name: &str) {
        self.changed = true;
        self.document["current-context"] = name.into();
    }

    pub(super) fn save(&mut self) -> Result<(), Error> {
        if self.changed {
            for section in Section::ALL {
                if self.document[section.key()].is_null() {
                    self.document[section.key()] = json!([]);
                }
            }
            for (key, value) in [
                ("apiVersion", json!("v1")),
                ("kind", json!("Config")),
                ("preferences", json!({})),
                ("current-context", json!("")),
            ] {
                if self.document[key].is_null() {
                    self.document[key] = value;
                }
            }
            write(&self.path, &self.document)?;
            self.changed = false;
        }
        Ok(())
    }

    /// What to tell the user when the file holds secrets that others may read.
    pub(super) fn warning(&self) -> Option<String> {
        let mode = exposed(&self.path)?;
        let has_secret = self
            .entries(Section::Users)
            .iter()
            .any(|entry| SECRETS.iter().any(|field| !entry["user"][field].is_null()));
        has_secret.then(|| {
            format!(
                "{} holds credentials and can be read by other users (mode {mode:04o}); chmod 600 {}",
                self.path.display(),
                self.path.display()
            )
        })
    }

    fn entries(&self, section: Section) -> &[Value] {
        self.document[section.key()]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The first entry of that name; kubectl reads the first one, too.
    fn content(&self, section: Section, name: &str) -> Option<&Value> {
        self.entries(section)
            .iter()
            .find(|entry| entry["name"] == name)
            .map(|entry| &entry[section.content()])
            .filter(|content| content.is_object())
    }
}

/// Replaces a kubeconfig whole, readable by its owner alone; a link is followed, its folder is made.
pub fn write(path: &Path, document: &Value) -> Result<(), Error> {
    let failed = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Not serde_yaml: readers of YAML 1.1, which all of Kubernetes is, take its plain `on` for a truth value.
    let text = yaml::print(document);
    crate::base::crash::point("kubeconfig.write.before");
    durable::write(&place, text.as_bytes(), 0o600).map_err(failed)?;
    crate::base::crash::point("kubeconfig.write.after");
    Ok(())
}

/// Reads a kubeconfig of our own; one that others may read is refused.
pub fn read_private(path: &Path) -> Result<Option<Value>, Error> {
    let file = File::read(path)?;
    if let (Some(_), Some(mode)) = (&file, exposed(path)) {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(file.map(|file| file.document))
}

#[cfg(unix)]
fn exposed(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed(_: &Path) -> Option<u32> {
    None
}

fn parse(path: &Path, bytes: Vec<u8>) -> Result<Value, Error> {
    let damaged = |line, message: String| Error::Damaged {
        path: path.to_owned(),
        line,
        message,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.split(|byte| *byte == b'\n').count() - 1;
        damaged(line, "the file is not text in UTF-8".to_owned())
    })?;
    let documents = yaml::read(&text).map_err(|error| damaged(error.line, error.message))?;
    let Some(document) = documents.first() else {
        return Ok(json!({}));
    };
    let at = |pointer: &str, message: String| damaged(document.position(pointer).0, message);
    if let Some(second) = documents.get(1) {
        return Err(damaged(second.position("").0, "a second document".into()));
    }
    if let Some(twice) = document.duplicates().first() {
        let key = twice.path.rsplit('/').next().unwrap_or_default();
        return Err(damaged(twice.line, format!("key {key:?} stands twice")));
    }
    check(document.value()).map_err(|(pointer, message)| at(&pointer, message))?;
    Ok(document.value().clone())
}

/// What we read of a kubeconfig has the form it must have; else where it has not, and why.
fn check(document: &Value) -> Result<(), (String, String)> {
    let wrong = |pointer: String, message: &str| Err((pointer, message.to_owned()));
    if !document.is_object() {
        return wrong(String::new(), "not a kubeconfig: a mapping is expected");
    }
    for (key, expected) in [("kind", "Config"), ("apiVersion", "v1")] {
        if !document[key].is_null() && document[key] != expected {
            return wrong(
                format!("/{key}"),
                &format!("not a kubeconfig: {key} must be {expected}"),
            );
        }
    }
    if !document["current-context"].is_null() && !document["current-context"].is_string() {
        return wrong("/current-context".into(), "current-context must be a name");
    }
    for section in Section::ALL {
        let key = section.key();
        let entries = match &document[key] {
            Value::Null => continue,
            Value::Array(entries) => entries,
            _ => return wrong(format!("/{key}"), &format!("{key} must be a list")),
        };
        for (number, entry) in entries.iter().enumerate() {
            let content = section.content();
            if !entry["name"].is_string() {
                return wrong(
                    format!("/{key}/{number}"),
                    &format!("{key}: an entry without a name"),
                );
            }
            if !(entry[content].is_object() || entry[content].is_null()) {
                let pointer = format!("/{key}/{number}/{content}");
                return wrong(pointer, &format!("{content} must be a mapping"));
            }
        }
    }
    Ok(())
}
