//! How a machine becomes a node: a one-time token, exchanged with a certificate request for a certificate.
//!
//! Only hashes are kept, one file for a node name, outside the objects so that no read shows them. Removing the file
//! is what uses the token up: of two that try, one removes it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use crate::apiserver::authentication::fingerprint;
use crate::apiserver::authentication::new_token;
use crate::base::durable;

/// The one-time tokens that are out, at most one for a node name.
#[derive(Clone, Debug)]
pub struct JoinTokens {
    /// None: in memory only.
    folder: Option<PathBuf>,
    names: Arc<Mutex<HashMap<[u8; 32], String>>>,
}

impl JoinTokens {
    /// Tokens that live as long as this process.
    pub fn in_memory() -> JoinTokens {
        JoinTokens {
            folder: None,
            names: Arc::default(),
        }
    }

    /// The tokens kept in a folder, which is made.
    pub fn open(folder: PathBuf) -> io::Result<JoinTokens> {
        fs::create_dir_all(&folder)?;
        let mut names = HashMap::new();
        for file in fs::read_dir(&folder)? {
            let file = file?;
            let (Ok(name), Ok(bytes)) = (file.file_name().into_string(), fs::read(file.path()))
            else {
                continue;
            };
            if let Ok(print) = <[u8; 32]>::try_from(bytes.as_slice()) {
                names.insert(print, name);
            }
        }
        Ok(JoinTokens {
            folder: Some(folder),
            names: Arc::new(Mutex::new(names)),
        })
    }

    /// A new token for a node of that name; an older one for it is no longer good.
    pub fn create(&self, name: &str) -> io::Result<String> {
        let token = new_token().map_err(io::Error::other)?;
        let print = fingerprint(&token);
        let mut names = self.held();
        if let Some(folder) = &self.folder {
            durable::write(&folder.join(name), &print, 0o600)?;
        }
        names.retain(|_, other| other != name);
        names.insert(print, name.to_owned());
        Ok(token)
    }

    /// The node that a token with this hash is for.
    pub fn name_of(&self, print: &[u8; 32]) -> Option<String> {
        self.held().get(print).cloned()
    }

    /// Uses the token of a name up; false when somebody else just did.
    pub fn consume(&self, name: &str) -> io::Result<bool> {
        let mut names = self.held();
        let before = names.len();
        if let Some(folder) = &self.folder {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
            durable::sync_folder(folder)?;
        }
        names.retain(|_, other| other != name);
        Ok(names.len() < before)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], String>> {
        self.names
            .lock()
            .expect("nothing panics while it holds the tokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_and_survives_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let open = || JoinTokens::open(place.path().join("join")).unwrap();
        let first = open().create("a").unwrap();
        let tokens = open();
        let second = tokens.create("a").unwrap();
        assert_eq!(tokens.name_of(&fingerprint(&first)), None);
        let tokens = open();
        assert_eq!(tokens.name_of(&fingerprint(&second)).as_deref(), Some("a"));
        assert!(tokens.consume("a").unwrap());
        assert!(!tokens.consume("a").unwrap());
        assert_eq!(open().name_of(&fingerprint(&second)), None);
    }
}
