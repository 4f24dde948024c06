//! Which certificate each node may use: its newest one, and during a renewal also the one before.
//!
//! Kept by fingerprint in `DATA/pki/nodes/NAME`, outside the objects, so that a certificate that was stolen or replaced
//! is worth nothing from one moment to the next, however long it would be good for.
//!
//! # Decided
//!
//! * A renewed certificate takes the place of the old one when it is first used, not when it is handed out: an agent that
//!   dies in between still has a good one. A thief who renews locks the real agent out, and is seen by that.
//! * The labels that a node was let in with are kept here, too: a node cannot choose them later.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::base::durable;
use crate::base::text;

/// SHA-256 of a certificate's DER.
pub type Print = [u8; 32];

/// The certificates that are good, by their node. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// None: in memory only.
    folder: Option<PathBuf>,
    nodes: Arc<Mutex<HashMap<String, Node>>>,
}

#[derive(Debug, Default)]
struct Node {
    record: Record,
    /// Cancelled when nothing that this node was given is good any longer.
    revoked: CancellationToken,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    current: String,
    /// Handed out, not used yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    labels: BTreeMap<String, String>,
}

/// The fingerprint of a certificate in DER.
pub fn print(certificate: &[u8]) -> Print {
    Sha256::digest(certificate).into()
}

/// The fingerprint of a certificate in PEM, if it is one.
pub fn print_of_pem(certificate: &str) -> Option<Print> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    Some(print(&der))
}

impl Certificates {
    /// The certificates kept in a folder, which is made.
    pub fn open(folder: PathBuf) -> io::Result<Certificates> {
        fs::create_dir_all(&folder)?;
        let mut nodes = HashMap::new();
        for file in fs::read_dir(&folder)? {
            let file = file?;
            let (Ok(name), Ok(bytes)) = (file.file_name().into_string(), fs::read(file.path()))
            else {
                continue;
            };
            if let Ok(record) = serde_json::from_slice(&bytes) {
                let revoked = CancellationToken::new();
                nodes.insert(name, Node { record, revoked });
            }
        }
        Ok(Certificates {
            folder: Some(folder),
            nodes: Arc::new(Mutex::new(nodes)),
        })
    }

    /// Lets a node in with this certificate and no other.
    pub fn grant(
        &self,
        name: &str,
        certificate: &Print,
        labels: BTreeMap<String, String>,
    ) -> io::Result<()> {
        let record = Record {
            current: text::hex(certificate),
            next: None,
            labels,
        };
        let mut nodes = self.held();
        self.write(name, &record)?;
        let node = Node {
            record,
            revoked: CancellationToken::new(),
        };
        if let Some(before) = nodes.insert(name.to_owned(), node) {
            before.revoked.cancel();
        }
        Ok(())
    }

    /// Hands a node a further certificate; false when the one that it asked with is not its own any more.
    pub fn renew(&self, name: &str, with: &Print, certificate: &Print) -> io::Result<bool> {
        let mut nodes = self.held();
        let Some(node) = nodes.get_mut(name) else {
            return Ok(false);
        };
        if node.record.current != text::hex(with) {
            return Ok(false);
        }
        let mut record = node.record.clone();
        record.next = Some(text::hex(certificate));
        self.write(name, &record)?;
        node.record = record;
        Ok(true)
    }

    /// Whether a node's certificate is good; the first use of a renewed one is the end of the one before.
    pub fn admits(&self, name: &str, certificate: &Print) -> bool {
        let shown = text::hex(certificate);
        let mut nodes = self.held();
        let Some(node) = nodes.get_mut(name) else {
            return false;
        };
        if node.record.current == shown {
            return true;
        }
        if node.record.next.as_ref() != Some(&shown) {
            return false;
        }
        let record = Record {
            current: shown,
            next: None,
            labels: node.record.labels.clone(),
        };
        match self.write(name, &record) {
            Ok(()) => node.record = record,
            // Both stay good; the next use tries again.
            Err(error) => {
                tracing::warn!(node = name, %error, "a renewed certificate was not noted");
            }
        }
        true
    }

    /// Takes everything that a node was given away; false when it was given nothing.
    pub fn revoke(&self, name: &str) -> io::Result<bool> {
        let mut nodes = self.held();
        if let Some(folder) = &self.folder {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
            durable::sync_folder(folder)?;
        }
        let node = nodes.remove(name);
        if let Some(node) = &node {
            node.revoked.cancel();
        }
        Ok(node.is_some())
    }

    /// Cancelled when what the node was given by now is no longer good; never for a node that was given nothing.
    pub fn revocation(&self, name: &str) -> CancellationToken {
        let nodes = self.held();
        nodes
            .get(name)
            .map(|node| node.revoked.clone())
            .unwrap_or_default()
    }

    /// The labels that a node was let in with.
    pub fn labels(&self, name: &str) -> BTreeMap<String, String> {
        let nodes = self.held();
        nodes
            .get(name)
            .map(|node| node.record.labels.clone())
            .unwrap_or_default()
    }

    fn write(&self, name: &str, record: &Record) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(record).expect("a record is plain data");
        durable::write(&folder.join(name), &bytes, 0o600)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Node>> {
        self.nodes
            .lock()
            .expect("nothing panics while it holds the certificates")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Print = [1; 32];
    const B: Print = [2; 32];
    const C: Print = [3; 32];

    #[test]
    fn the_first_use_of_a_renewed_certificate_ends_the_one_before() {
        let place = tempfile::tempdir().unwrap();
        let open = || Certificates::open(place.path().join("nodes")).unwrap();
        let certificates = open();
        assert!(!certificates.admits("a", &A));
        let labels = BTreeMap::from([("tier".to_owned(), "web".to_owned())]);
        certificates.grant("a", &A, labels.clone()).unwrap();
        assert!(certificates.admits("a", &A) && !certificates.admits("b", &A));
        assert!(!certificates.renew("a", &B, &C).unwrap(), "by its own only");
        // Handed out twice: the agent died before it wrote the first one down.
        assert!(certificates.renew("a", &A, &C).unwrap());
        assert!(certificates.renew("a", &A, &B).unwrap());
        assert!(certificates.admits("a", &A) && !certificates.admits("a", &C));
        let certificates = open();
        assert!(certificates.admits("a", &B));
        assert!(!certificates.admits("a", &A));
        let certificates = open();
        assert!(certificates.admits("a", &B) && !certificates.admits("a", &A));
        assert_eq!(certificates.labels("a"), labels);
    }

    #[test]
    fn what_was_revoked_or_replaced_ends_what_is_open() {
        let certificates = Certificates::default();
        certificates.grant("a", &A, BTreeMap::new()).unwrap();
        let first = certificates.revocation("a");
        certificates.grant("a", &B, BTreeMap::new()).unwrap();
        assert!(first.is_cancelled() && !certificates.admits("a", &A));
        let second = certificates.revocation("a");
        assert!(certificates.revoke("a").unwrap());
        assert!(second.is_cancelled() && !certificates.admits("a", &B));
        assert!(!certificates.revoke("a").unwrap());
    }
}
