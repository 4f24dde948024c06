//! The build itself: `__build FOLDER`, a process of its own under the build pod's shim, as the pod's user.
//!
//! It has the inputs that the agent fetched and no credentials but git's. It tells its progress on its output and leaves
//! `result.json` and the image's new blobs. User code (assemble, hooks) runs below it; what that leaves running is ended
//! before the image is made.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::agent::build::Place;
use crate::agent::build::commit;
use crate::agent::build::failure::Failure;
use crate::agent::build::failure::Reason;
use crate::agent::build::inputs::read_plain;
use crate::agent::build::s2i;
use crate::agent::build::source;
use crate::agent::toolchains;
use crate::api::build::Build;
use crate::api::build::Outcome;
use crate::base::clock::Clock;
use crate::base::environment::Environment;
use crate::base::streams::Streams;
use crate::content::builders;
use crate::content::image::Configuration;
use crate::content::image::Layout;
use crate::content::image::Limits;
use crate::content::image::Manifest;

/// The largest `result.json` that is read.
const LARGEST_RESULT: u64 = 1 << 20;
/// How many of the last lines of the output a failure carries.
const SNIPPET: usize = 5;

/// What the child leaves in `work/result.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Result {
    pub(super) outcome: Outcome,
    /// The digest of the image's manifest; empty when it failed.
    pub(super) manifest: String,
}

/// What a child left; none when it did not come that far.
pub(super) fn result(place: &Place<'_>) -> io::Result<Option<Result>> {
    match read_plain(&place.work().join("result.json"), LARGEST_RESULT) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Runs the build whose folder that is.
pub fn main(folder: &Path, environment: &Environment, streams: &Streams) -> ExitCode {
    // Whatever user code leaves behind must come to us, not to the shim.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let mut work = Work {
        inputs: folder.join("inputs"),
        folder: folder.join("work"),
        environment,
        output: Output {
            streams,
            last: Vec::new(),
        },
        stages: Vec::new(),
    };
    let built = work.run();
    let result = match built {
        Ok(result) => result,
        Err(failure) => {
            let snippet = work.output.last.join("\n");
            work.output
                .line(&format!("error: build error: {}", failure.message()));
            Result {
                outcome: Outcome {
                    log_snippet: snippet,
                    ..failure.outcome()
                },
                manifest: String::new(),
            }
        }
    };
    let succeeded = result.outcome.reason.is_empty();
    let result = Result {
        outcome: Outcome {
            stages: std::mem::take(&mut work.stages),
            ..result.outcome
        },
        ..result
    };
    let bytes = serde_json::to_vec(&result).expect("plain data");
    let path = work.folder.join("result.json");
    let written = fs::write(&path, &bytes).or_else(|_| {
        // The disk may be full of what was worked with, and the reason must not be lost.
        work.drop_work();
        fs::write(&path, &bytes)
    });
    match written {
        Ok(()) if succeeded => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Where a build's output goes; keeps the last lines.
pub(super) struct Output<'a> {
    streams: &'a Streams,
    last: Vec<String>,
}

impl Output<'_> {
    /// One line of our own.
    pub(super) fn line(&mut self, line: &str) {
        let _ = self.streams.out(format_args!("{line}\n"));
        self.keep(line);
    }

    /// A piece of a child's output, as it comes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let _ = self.streams.out_bytes(bytes);
    }

    /// Remembers a whole line of a child's output.
    pub(super) fn keep(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        if self.last.len() == SNIPPET {
            self.last.remove(0);
        }
        self.last.push(line.chars().take(300).collect());
    }
}

/// One build at work.
pub(super) struct Work<'a> {
    pub(super) inputs: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) environment: &'a Environment,
    pub(super) output: Output<'a>,
    stages: Vec<Value>,
}

/// The builder image, read.
pub(super) struct Builder {
    pub(super) reference: String,
    pub(super) manifest: Manifest,
    pub(super) configuration: Configuration,
}

impl Work<'_> {
    /// What the builder image is unpacked into.
    pub(super) fn rootfs(&self) -> PathBuf {
        self.folder.join("rootfs")
    }

    fn run(&mut self) -> std::result::Result<Result, Failure> {
        let files = Failure::io(
            Reason::FileSystemOperationFailed,
            "cannot prepare the work folder",
        );
        self.clean().map_err(files)?;
        let build = self.build()?;
        let builder = self.builder(&build)?;
        self.check_toolchain(&builder)?;
        let fetched = self.stage("FetchInputs", "FetchGitSource", |work| {
            source::fetch(work, &build)
        })?;
        self.output.line(&format!(
            "Using {} as the s2i builder image",
            builder.reference
        ));
        self.stage("PullImages", "PullBaseImage", |work| work.unpack(&builder))?;
        let plan = self.stage("Build", "S2I", |work| {
            let plan = s2i::Plan::new(work, &build, &builder, &fetched)?;
            s2i::assemble(work, &plan)?;
            Ok(plan)
        })?;
        let manifest = self.stage("CommitContainer", "CommitContainer", |work| {
            commit::commit(work, &build, &builder, &fetched, &plan)
        })?;
        if let Some(hook) = &build.spec.common.post_commit {
            self.stage("PostCommit", "RunPostCommitHook", |work| {
                s2i::post_commit(work, &plan, hook)
            })?;
        }
        self.drop_work();
        Ok(Result {
            outcome: Outcome {
                revision: fetched.revision,
                ..Outcome::default()
            },
            manifest,
        })
    }

    /// Removes what only the build itself needs.
    fn drop_work(&self) {
        for name in ["upload", "rootfs", "cache", "tmp", "home"] {
            let _ = fs::remove_dir_all(self.folder.join(name));
        }
    }

    /// Removes what an earlier try left.
    fn clean(&self) -> io::Result<()> {
        for name in ["upload", "rootfs", "oci", "cache", "tmp", "home"] {
            match fs::remove_dir_all(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match fs::remove_file(self.folder.join("result.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for name in ["upload", "cache", "tmp", "home"] {
            fs::create_dir(self.folder.join(name))?;
        }
        Ok(())
    }

    fn build(&self) -> std::result::Result<Build, Failure> {
        let path = self.inputs.join("build.json");
        let bytes = fs::read(&path)
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
        bytes.map_err(Failure::io(Reason::GenericBuildFailed, path.display()))
    }

    fn builder(&self, build: &Build) -> std::result::Result<Builder, Failure> {
        let layout = Layout::at(self.inputs.join("builder"));
        let strategy = build.spec.common.strategy.source_strategy.as_ref();
        let reference = strategy.map(|strategy| strategy.from.name.clone());
        let manifest = layout.manifest();
        manifest
            .and_then(|manifest| {
                Ok(Builder {
                    reference: reference.unwrap_or_default(),
                    configuration: layout.configuration(&manifest)?,
                    manifest,
                })
            })
            .map_err(Failure::io(
                Reason::PullBuilderImageFailed,
                "the builder image is damaged",
            ))
    }

    /// Whether this machine has what the builder works with, before anything is fetched.
    fn check_toolchain(&self, builder: &Builder) -> std::result::Result<(), Failure> {
        let labels = &builder.configuration.config.labels;
        let Some(program) = labels.get(builders::TOOLCHAIN) else {
            return Ok(());
        };
        let path = self.environment.variable("PATH").unwrap_or_default();
        if toolchains::find(path, program).is_some() {
            return Ok(());
        }
        let packages = labels.get(builders::PACKAGES).unwrap_or(program);
        let detail = format!(
            "this node has no program {program:?}, which the builder needs: apt-get install {packages}"
        );
        Err(Failure::new(Reason::GenericS2IBuildFailed, detail))
    }

    fn unpack(&mut self, builder: &Builder) -> std::result::Result<(), Failure> {
        let layout = Layout::at(self.inputs.join("builder"));
        layout
            .unpack(&builder.manifest, &self.rootfs(), Limits::default())
            .map_err(Failure::io(
                Reason::PullBuilderImageFailed,
                "cannot unpack the builder image",
            ))
    }

    /// Does one stage and notes how long it took, also when it fails.
    fn stage<T>(
        &mut self,
        name: &str,
        step: &str,
        act: impl FnOnce(&mut Self) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        let (start, clock) = (Clock::System.now(), Instant::now());
        let done = act(self);
        let milliseconds = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.stages.push(json!({
            "name": name,
            "startTime": start,
            "durationMilliseconds": milliseconds,
            "steps": [{"name": step, "startTime": start, "durationMilliseconds": milliseconds}],
        }));
        done
    }
}
