//! Kubeconfig files: several read as one, each written alone.
//!
//! Source: facts/oc.md 1.3 and 2.2. First wins, missing files are skipped, a change goes to the file that owns the key.
//! Documents are kept whole, so that what others wrote there survives. `file` reads and writes one of them, `login`
//! turns entries into what a connection needs.
//!
//! # Decided
//!
//! * Files are not locked while they are changed, unlike kubectl's: its lock file outlives a crash and blocks every
//!   later command. A file is read anew right before a change and replaced whole; the last of two changes wins.
//! * A foreign kubeconfig that others may read is used with a warning, as kubectl does; our own admin.kubeconfig is
//!   refused, for nothing but us has a reason to change its permissions.

mod file;
pub mod login;
mod names;

use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

pub use file::Error;
pub use file::read_private;
pub use file::write;
pub use names::cluster_name;
pub use names::context_name;
pub use names::user_name;

use crate::base::environment::Environment;
use file::File;

/// The extension of a context that makes it the embedded server's: `{dataDir: PATH}`.
pub const EMBEDDED: &str = "upshift.dev/embedded";
#[cfg(unix)]
const SEPARATOR: char = ':';
#[cfg(not(unix))]
const SEPARATOR: char = ';';

/// The three lists of a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Clusters,
    Users,
    Contexts,
}

impl Section {
    const ALL: [Section; 3] = [Section::Clusters, Section::Contexts, Section::Users];

    /// The key of the list.
    pub fn key(self) -> &'static str {
        match self {
            Section::Clusters => "clusters",
            Section::Users => "users",
            Section::Contexts => "contexts",
        }
    }

    /// The key of the content in an entry of the list.
    pub fn content(self) -> &'static str {
        match self {
            Section::Clusters => "cluster",
            Section::Users => "user",
            Section::Contexts => "context",
        }
    }
}

/// Kubeconfig files read as one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Those that exist, in the order in which they win.
    files: Vec<File>,
    /// Where new entries go.
    fresh: PathBuf,
}

/// A server, a user of it and a project, to be remembered as the current context.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    pub url: &'a str,
    /// PEM.
    pub certificate_authority: Option<&'a str>,
    pub insecure_skip_tls_verify: bool,
    pub user: &'a str,
    pub token: Option<&'a str>,
    pub namespace: &'a str,
    /// Makes it the embedded server's.
    pub data_dir: Option<&'a Path>,
}

impl Config {
    /// Reads `--kubeconfig FILE` (must exist), else every file of `$KUBECONFIG`, else `~/.kube/config`.
    pub fn load(explicit: Option<&Path>, environment: &Environment) -> Result<Config, Error> {
        if let Some(path) = explicit {
            let path = environment.path(path);
            let file = File::read(&path)?.ok_or_else(|| Error::Missing(path.clone()))?;
            return Ok(Config {
                files: vec![file],
                fresh: path,
            });
        }
        let paths = default_paths(environment);
        let mut files: Vec<File> = Vec::new();
        for path in &paths {
            if files.iter().all(|file| file.path != *path) {
                files.extend(File::read(path)?);
            }
        }
        let fresh = match files.first() {
            Some(file) => file.path.clone(),
            None => paths.last().cloned().unwrap_or_default(),
        };
        Ok(Config { files, fresh })
    }

    /// The configuration in one document, as it would be read from `path`.
    pub fn of_document(path: &Path, document: Value) -> Config {
        Config {
            files: vec![File::of(path, document)],
            fresh: path.to_owned(),
        }
    }

    /// What a user should know of the files: those with secrets that others may read.
    pub fn warnings(&self) -> Vec<String> {
        self.files.iter().filter_map(File::warning).collect()
    }

    /// Whether no file says anything of a server.
    pub fn is_empty(&self) -> bool {
        Section::ALL
            .iter()
            .all(|section| self.names(*section).is_empty())
    }

    /// All files as one document with absolute paths, as `config view` shows it before hiding secrets.
    pub fn merged(&self) -> Value {
        let mut merged = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "current-context": self.current_context(),
        });
        for section in Section::ALL {
            let entries = self.names(section).into_iter().map(|name| {
                let content = self.entry(section, &name);
                json!({"name": name, section.content(): content})
            });
            merged[section.key()] = entries.collect();
        }
        merged
    }

    /// The context in use, "" if none.
    pub fn current_context(&self) -> String {
        self.files
            .iter()
            .map(File::current_context)
            .find(|name| !name.is_empty())
            .unwrap_or_default()
            .to_owned()
    }

    /// The names in a section, sorted.
    pub fn names(&self, section: Section) -> Vec<String> {
        let mut names: Vec<String> = self
            .files
            .iter()
            .flat_map(|file| file.names(section))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// The content of an entry, with the paths in it made absolute.
    pub fn entry(&self, section: Section, name: &str) -> Option<Value> {
        self.files
            .iter()
            .find_map(|file| file.resolved(section, name))
    }

    /// The file that an entry is in.
    pub fn owner(&self, section: Section, name: &str) -> Option<&Path> {
        self.files
            .iter()
            .find(|file| file.has(section, name))
            .map(|file| file.path.as_path())
    }

    /// Sets an entry in the file that owns it, or in the one that new entries go to; [`Config::save`] writes it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make the content for this call"
    )]
    pub fn set_entry(&mut self, section: Section, name: &str, content: Value) {
        let path = self.owner(section, name).unwrap_or(&self.fresh).to_owned();
        self.file(&path).set(section, name, &content);
    }

    /// Makes a context the current one, in the file that names one now.
    pub fn set_current_context(&mut self, name: &str) {
        let owner = self
            .files
            .iter()
            .find(|file| !file.current_context().is_empty());
        let path = owner.map_or_else(|| self.fresh.clone(), |file| file.path.clone());
        self.file(&path).set_current_context(name);
    }

    /// Remembers a server, user and project under generated names and makes them current; answers the context's name.
    ///
    /// Credentials that are there already stay when `place` brings none.
    pub fn enter(&mut self, place: &Place<'_>) -> String {
        let cluster_name = cluster_name(place.url);
        let user_name = user_name(place.user, &cluster_name);
        let context_name = context_name(place.namespace, &cluster_name, place.user);
        self.set_entry(Section::Clusters, &cluster_name, cluster(place));
        if let Some(token) = place.token {
            self.set_entry(Section::Users, &user_name, json!({"token": token}));
        } else if self.entry(Section::Users, &user_name).is_none() {
            self.set_entry(Section::Users, &user_name, json!({}));
        }
        let context = context(place, &cluster_name, &user_name);
        self.set_entry(Section::Contexts, &context_name, context);
        self.set_current_context(&context_name);
        context_name
    }

    /// Writes the files that changed, each whole, readable by the user alone.
    pub fn save(&mut self) -> Result<(), Error> {
        self.files.iter_mut().try_for_each(File::save)
    }

    fn file(&mut self, path: &Path) -> &mut File {
        let at = self.files.iter().position(|file| file.path == *path);
        let at = at.unwrap_or_else(|| {
            self.files.push(File::of(path, json!({})));
            self.files.len() - 1
        });
        &mut self.files[at]
    }
}

/// A kubeconfig of one place, as a document.
pub fn document(place: &Place<'_>) -> Value {
    let mut config = Config::of_document(Path::new(""), json!({}));
    config.enter(place);
    config.merged()
}

/// The data dir that a context names, when it is the embedded server's.
pub fn embedded_data_dir(context: &Value) -> Option<PathBuf> {
    context["extensions"]
        .as_array()?
        .iter()
        .find(|extension| extension["name"] == EMBEDDED)
        .and_then(|extension| extension["extension"]["dataDir"].as_str())
        .map(PathBuf::from)
}

fn cluster(place: &Place<'_>) -> Value {
    let mut cluster = json!({"server": place.url});
    if place.insecure_skip_tls_verify {
        cluster["insecure-skip-tls-verify"] = true.into();
    } else if let Some(pem) = place.certificate_authority {
        cluster["certificate-authority-data"] = login::encoded(pem.as_bytes()).into();
    }
    cluster
}

fn context(place: &Place<'_>, cluster: &str, user: &str) -> Value {
    let mut context = json!({"cluster": cluster, "user": user});
    if !place.namespace.is_empty() {
        context["namespace"] = place.namespace.into();
    }
    if let Some(data_dir) = place.data_dir {
        let extension = json!({"dataDir": data_dir.to_string_lossy()});
        context["extensions"] = json!([{"name": EMBEDDED, "extension": extension}]);
    }
    context
}

fn default_paths(environment: &Environment) -> Vec<PathBuf> {
    match environment.variable("KUBECONFIG") {
        Some(list) => list
            .split(SEPARATOR)
            .filter(|path| !path.is_empty())
            .map(|path| environment.path(path))
            .collect(),
        None => environment
            .home()
            .map(|home| home.join(".kube").join("config"))
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests;
