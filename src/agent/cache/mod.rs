//! A node's bundles, unpacked and ready for hooks: `${rootdir}/app-A/group-G/deploy-D/`.

use std::future::Future;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use crate::api::appspec;
use crate::api::appspec::AppSpec;
use crate::api::upshift::DeployedRevision;
use crate::api::upshift::Deployment;
use crate::content::archive;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a bundle is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the bundle is not on this node and cannot be fetched")]
    Fetch(#[source] Cause),
    #[error("the bundle is damaged: {0}")]
    Damaged(String),
    #[error("the bundle cannot be unpacked")]
    Unpack(#[from] archive::Error),
    #[error("{0}")]
    AppSpec(#[from] appspec::Errors),
    #[error("{0}")]
    Refused(String),
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Error {
    /// The step's failure reason in one word.
    pub fn reason(&self) -> &'static str {
        unimplemented!()
    }
}

/// Whether a bundle is ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    Missing,
    /// What differs from what was unpacked.
    Damaged(String),
}

/// The bundle cache of one node; cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    root_dir: PathBuf,
}

impl Cache {
    /// A cache whose `${rootdir}` is `root_dir` unless a Deployment names another.
    pub fn new(root_dir: impl Into<PathBuf>) -> Cache {
        Cache {
            root_dir: root_dir.into(),
        }
    }

    /// `${rootdir}/app-${appid}/group-${groupid}/deploy-${deployid}`: the root of the unpacked bundle, the hooks' cwd.
    pub fn place(&self, deployment: &Deployment) -> Result<PathBuf, Error> {
        let _ = (&self.root_dir, deployment);
        unimplemented!()
    }

    /// Compares the unpacked bundle with what was unpacked. Reads every file: call it off the async threads.
    pub fn check(&self, deployment: &Deployment) -> Result<State, Error> {
        let _ = deployment;
        unimplemented!()
    }

    /// The bundle's root, whole: as it is when it is whole, else downloaded by digest and unpacked or repaired.
    ///
    /// `download` writes the blob into what it is given and hands it back:
    /// `|digest, mut incoming| async move { registry.download(&repository, &digest, &mut incoming).await?; Ok(incoming) }`.
    pub async fn ensure<F, Fut>(
        &self,
        deployment: &Deployment,
        download: F,
    ) -> Result<PathBuf, Error>
    where
        F: FnOnce(crate::content::blobs::Digest, Incoming) -> Fut,
        Fut: Future<Output = Result<Incoming, Cause>>,
    {
        let _ = (deployment, download);
        unimplemented!()
    }

    /// Removes this application's and group's bundles except those of `deployment.deploy_id` and `deployment.keep`.
    pub fn prune(&self, deployment: &Deployment) -> Result<(), Error> {
        let _ = deployment;
        unimplemented!()
    }

    /// Removes every bundle of the application and group, and the folders that are empty then.
    pub fn clear(&self, deployment: &Deployment) -> Result<(), Error> {
        let _ = deployment;
        unimplemented!()
    }
}

/// A bundle on its way in: a file that goes when this goes.
pub struct Incoming {}

impl Write for Incoming {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        unimplemented!()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The appspec of an unpacked bundle: the revision's named file, or its form.
pub fn appspec(root: &Path, revision: &DeployedRevision) -> Result<AppSpec, Error> {
    let _ = (root, revision);
    unimplemented!()
}
