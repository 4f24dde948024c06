//! Finished logs on their way to the registry.

use std::fs::File;
use std::io::Cursor;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::client::registry::Error;
use crate::client::registry::Registry;
use crate::content::blobs::Digest;

/// Uploads the logs of a step as one blob, and tries until the server takes or refuses it; then None.
pub(crate) async fn upload(
    registry: &Registry,
    repository: &str,
    logs: &[PathBuf],
) -> Option<String> {
    let bytes = read(logs);
    let digest = Digest::of(&bytes);
    let size = bytes.len() as u64;
    let mut source = Cursor::new(bytes);
    let mut pause = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
    loop {
        source.set_position(0);
        match registry
            .upload(repository, &mut source, &digest, size)
            .await
        {
            Ok(_) => return Some(digest.as_str().to_owned()),
            Err(Error::Client(error)) if error.is_passing() => {
                tracing::debug!(repository, %error, "a log waits");
            }
            Err(error) => {
                tracing::warn!(repository, %error, "a log stays on the node");
                return None;
            }
        }
        tokio::time::sleep(pause.next(backoff::chance())).await;
    }
}

/// The logs one after the other; each is bounded by its shim.
fn read(logs: &[PathBuf]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for log in logs {
        if let Ok(mut file) = File::open(log) {
            let _ = file.read_to_end(&mut bytes);
        }
    }
    bytes
}
