//! How a machine becomes a node: a one-time token, exchanged with a certificate request for a certificate.
//!
//! Only hashes are kept, one file for a node name, outside the objects so that no read shows them. A token that was used
//! or is too old is remembered until the next one, so that whoever tries it again is told why. Times are this server's
//! own: no other clock has a say.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::apiserver::authentication::fingerprint;
use crate::apiserver::authentication::new_token;
use crate::apiserver::certificates::Certificates;
use crate::base::clock::Timestamp;
use crate::base::durable;
use crate::base::text;

/// How long a token is good for when nothing else is said.
pub const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The one-time tokens that are out, at most one for a node name, and the certificates that came of them.
#[derive(Clone, Debug, Default)]
pub struct JoinTokens {
    /// None: in memory only.
    folder: Option<PathBuf>,
    /// By the name of the node.
    tokens: Arc<Mutex<HashMap<String, Token>>>,
    certificates: Certificates,
}

/// What is kept of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Token {
    hash: String,
    /// Seconds since 1970.
    expires: i64,
    used: bool,
    /// What the node is labelled with, whatever it says itself; none: it may choose.
    labels: BTreeMap<String, String>,
}

/// What a token is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Lets a machine become that node.
    Good(String),
    Used(String),
    Expired(String),
    Unknown,
}

impl JoinTokens {
    /// Tokens that live as long as this process.
    pub fn in_memory() -> JoinTokens {
        JoinTokens::default()
    }

    /// The tokens kept in a folder, which is made; the certificates are beside it.
    pub fn open(folder: PathBuf) -> io::Result<JoinTokens> {
        fs::create_dir_all(&folder)?;
        let mut tokens = HashMap::new();
        for file in fs::read_dir(&folder)? {
            let file = file?;
            let (Ok(name), Ok(bytes)) = (file.file_name().into_string(), fs::read(file.path()))
            else {
                continue;
            };
            if let Ok(token) = serde_json::from_slice(&bytes) {
                tokens.insert(name, token);
            }
        }
        Ok(JoinTokens {
            certificates: Certificates::open(folder.with_file_name("nodes"))?,
            folder: Some(folder),
            tokens: Arc::new(Mutex::new(tokens)),
        })
    }

    /// What nodes were let in with.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// A new token for a node of that name; an older one for it is no longer good.
    pub fn create(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
        expires: Timestamp,
    ) -> io::Result<String> {
        let token = new_token().map_err(io::Error::other)?;
        let kept = Token {
            hash: text::hex(&fingerprint(&token)),
            expires: expires.as_second(),
            used: false,
            labels,
        };
        let mut tokens = self.held();
        self.write(name, &kept)?;
        tokens.insert(name.to_owned(), kept);
        Ok(token)
    }

    /// What a token with this hash is worth now.
    pub fn claim(&self, print: &[u8; 32], now: Timestamp) -> Claim {
        let hash = text::hex(print);
        let tokens = self.held();
        let found = tokens.iter().find(|(_, token)| token.hash == hash);
        match found {
            None => Claim::Unknown,
            Some((name, token)) if token.used => Claim::Used(name.clone()),
            Some((name, token)) if token.expires <= now.as_second() => Claim::Expired(name.clone()),
            Some((name, _)) => Claim::Good(name.clone()),
        }
    }

    /// The labels that the token of a name gives the node; empty when it gives none.
    pub fn labels(&self, name: &str) -> BTreeMap<String, String> {
        let tokens = self.held();
        tokens
            .get(name)
            .map(|token| token.labels.clone())
            .unwrap_or_default()
    }

    /// Uses the token of a name up; false when somebody else just did.
    pub fn consume(&self, name: &str) -> io::Result<bool> {
        let mut tokens = self.held();
        let Some(token) = tokens.get_mut(name).filter(|token| !token.used) else {
            return Ok(false);
        };
        let used = Token {
            used: true,
            ..token.clone()
        };
        self.write(name, &used)?;
        *token = used;
        Ok(true)
    }

    /// Forgets the token of a name.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let mut tokens = self.held();
        if let Some(folder) = &self.folder {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
            durable::sync_folder(folder)?;
        }
        tokens.remove(name);
        Ok(())
    }

    fn write(&self, name: &str, token: &Token) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(token).expect("a token's record is plain data");
        durable::write(&folder.join(name), &bytes, 0o600)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Token>> {
        self.tokens
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
        let (now, later) = (Timestamp::from_second(100), Timestamp::from_second(200));
        let first = open().create("a", BTreeMap::new(), later).unwrap();
        let tokens = open();
        let second = tokens.create("a", BTreeMap::new(), later).unwrap();
        assert_eq!(tokens.claim(&fingerprint(&first), now), Claim::Unknown);
        let tokens = open();
        let second = fingerprint(&second);
        assert_eq!(tokens.claim(&second, now), Claim::Good("a".to_owned()));
        assert_eq!(tokens.claim(&second, later), Claim::Expired("a".to_owned()));
        assert!(tokens.consume("a").unwrap());
        assert!(!tokens.consume("a").unwrap());
        let tokens = open();
        assert_eq!(tokens.claim(&second, now), Claim::Used("a".to_owned()));
        assert!(!tokens.consume("a").unwrap());
        tokens.remove("a").unwrap();
        assert_eq!(open().claim(&second, now), Claim::Unknown);
    }
}
