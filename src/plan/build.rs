//! Build configs and requests become Builds.
//!
//! Pure: who calls (the API server for `instantiate`, `instantiatebinary` and `clone`, the build config controller for
//! its triggers) counts `status.lastVersion` up by compare-and-swap first and creates what comes out. Nothing here
//! resolves image stream tags; the build controller does, when it makes the pod.
//!
//! Sources: facts/oc.md 6.1; openshift-apiserver pkg/build/apiserver/buildgenerator/generator.go.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::api::build::BUILD_CLONE_OF;
use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::build::BUILD_CONFIG_PAUSED;
use crate::api::build::BUILD_NUMBER;
use crate::api::build::BUILD_POLICY;
use crate::api::build::BUILD_SOURCE;
use crate::api::build::BinarySource;
use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildSpec;
use crate::api::build::BuildStatus;
use crate::api::build::CommonSpec;
use crate::api::build::LABEL_BUILD_CONFIG;
use crate::api::build::ObjectRef;
use crate::api::build::SourceRevision;
use crate::api::kinds;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::pod::EnvVar;
use crate::base::clock::Timestamp;

/// The run policy of a build config that names none.
pub const DEFAULT_POLICY: &str = "Serial";
/// `triggeredBy` of a build that somebody asked for.
pub const MANUALLY: &str = "Manually triggered";
/// `triggeredBy` of the first build of a new build config.
pub const CONFIG_CHANGE: &str = "Build configuration change";
/// `triggeredBy` of a build for a new builder image.
pub const IMAGE_CHANGE: &str = "Image change";
/// The longest value a label may have.
const LONGEST_LABEL: usize = 63;
/// The longest name an object may have, less what `-build` of its pod needs.
const LONGEST_NAME: usize = 253 - 6;

/// A `BuildRequest`: what a build is to have beyond its config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// The config (or the Build to be cloned) by name; labels and annotations are added to the Build's.
    pub metadata: Metadata,
    pub revision: Option<SourceRevision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<Value>,
    /// Another builder image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ObjectRef>,
    /// The image whose arrival asks for the build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggered_by_image: Option<ObjectRef>,
    /// Refuses when the config has another number by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_version: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_strategy_options: Option<SourceOptions>,
    /// Of `instantiatebinary`, or the source of an earlier build: the blob that is built from.
    #[serde(skip)]
    pub upload: Option<Upload>,
}

/// `sourceStrategyOptions` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceOptions {
    pub incremental: Option<bool>,
}

/// A source that was uploaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upload {
    /// `sha256:…` in the repository `NAMESPACE/BUILDCONFIG`.
    pub digest: String,
    /// The name of the one file it is; empty for an archive.
    pub as_file: String,
}

/// Why there is no build, in `oc`'s words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("can't instantiate from BuildConfig {config}: BuildConfig is paused")]
    Paused { config: String },
    #[error(
        "the LastVersion({has}) on build config {config} does not match the build request LastVersion({wanted})"
    )]
    OtherVersion {
        config: String,
        has: u64,
        wanted: u64,
    },
    #[error(
        "build configuration {config} has no valid source inputs, if this is a binary build you must specify one of '--from-dir', '--from-repo', or '--from-file'"
    )]
    NoSource { config: String },
    #[error(
        "build configuration {config} builds from {uri}, which only a client on that machine can read: use start-build there"
    )]
    LocalSource { config: String, uri: String },
    #[error("build configuration {config} has a strategy that is not supported: {strategy}")]
    Strategy { config: String, strategy: String },
}

/// The next Build of a config: `NAME-N` with N one more than `status.lastVersion`.
pub fn instantiate(config: &BuildConfig, request: &Request) -> Result<Build, Refusal> {
    let name = config.metadata.key().to_string();
    if is_paused(config) {
        return Err(Refusal::Paused { config: name });
    }
    let has = config.status.last_version;
    if let Some(wanted) = request.last_version.filter(|wanted| *wanted != has) {
        return Err(Refusal::OtherVersion {
            config: name,
            has,
            wanted,
        });
    }
    let mut build = from_config(config);
    customize(&mut build, request);
    check(&build, name)?;
    Ok(build)
}

/// A repetition of a Build with its very settings; the next one of its config when that is there.
///
/// `now` names a clone without a config.
pub fn clone(
    build: &Build,
    config: Option<&BuildConfig>,
    request: &Request,
    now: Timestamp,
) -> Result<Build, Refusal> {
    let name = config.map_or_else(|| build.metadata.key(), |config| config.metadata.key());
    if config.is_some_and(is_paused) {
        return Err(Refusal::Paused {
            config: name.to_string(),
        });
    }
    let mut cloned = match config {
        Some(config) => from_config(config),
        None => Build {
            metadata: Metadata {
                name: join(&build.metadata.name, &now.as_second().to_string()),
                namespace: build.metadata.namespace.clone(),
                labels: build.metadata.labels.clone(),
                ..Metadata::default()
            },
            ..Build::default()
        },
    };
    cloned.spec.common = build.spec.common.clone();
    let annotations = &mut cloned.metadata.annotations;
    annotations.insert(BUILD_CLONE_OF.to_owned(), build.metadata.name.clone());
    if let Some(source) = build.metadata.annotations.get(BUILD_SOURCE) {
        annotations.insert(BUILD_SOURCE.to_owned(), source.clone());
    }
    customize(&mut cloned, request);
    check(&cloned, name.to_string())?;
    Ok(cloned)
}

/// Whether new builds are kept from being made.
pub fn is_paused(config: &BuildConfig) -> bool {
    config
        .metadata
        .annotations
        .get(BUILD_CONFIG_PAUSED)
        .is_some_and(|value| value == "true")
}

/// Whether a repository is on a client's own machine: neither server nor build pods open such a path.
pub fn is_local(uri: &str) -> bool {
    let uri = uri.trim();
    if uri.contains("://") {
        return uri.starts_with("file:");
    }
    // `user@host:path` is ssh; everything else without a scheme is a path.
    let colon = uri.find(':');
    colon.is_none_or(|colon| uri[..colon].contains('/') || uri.starts_with('.'))
}

/// The source that a Build was given by upload.
pub fn upload_of(build: &Build) -> Option<Upload> {
    let digest = build.metadata.annotations.get(BUILD_SOURCE)?.clone();
    let binary = build.spec.common.source.binary.as_ref();
    let as_file = binary.map_or_else(String::new, |binary| binary.as_file.clone());
    Some(Upload { digest, as_file })
}

/// The name of a Build's pod.
pub fn pod_name(build: &str) -> String {
    join(build, "build")
}

fn from_config(config: &BuildConfig) -> Build {
    let name = &config.metadata.name;
    let number = config.status.last_version + 1;
    let policy = match config.spec.run_policy.as_str() {
        "" => DEFAULT_POLICY,
        policy => policy,
    };
    let own_labels = [
        (BUILD_CONFIG_NAME, label(name)),
        (LABEL_BUILD_CONFIG, label(name)),
        (BUILD_POLICY, policy),
    ];
    let mut labels = config.metadata.labels.clone();
    labels.extend(own_labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let annotations = BTreeMap::from([
        (BUILD_CONFIG_NAME.to_owned(), name.clone()),
        (BUILD_NUMBER.to_owned(), number.to_string()),
    ]);
    Build {
        metadata: Metadata {
            name: join(name, &number.to_string()),
            namespace: config.metadata.namespace.clone(),
            labels,
            annotations,
            owner_references: vec![config.as_owner()],
            ..Metadata::default()
        },
        spec: BuildSpec {
            common: common(config),
            triggered_by: Vec::new(),
        },
        status: BuildStatus {
            config: Some(ObjectRef {
                kind: kinds::BUILD_CONFIG.kind.to_owned(),
                namespace: config.metadata.namespace.clone(),
                name: name.clone(),
            }),
            ..BuildStatus::default()
        },
    }
}

fn common(config: &BuildConfig) -> CommonSpec {
    let mut common = config.spec.common.clone();
    // A binary source is one upload's; the config only says that there is to be one.
    common.source.binary = None;
    if common.service_account.is_empty() {
        "builder".clone_into(&mut common.service_account);
    }
    common
}

fn customize(build: &mut Build, request: &Request) {
    let metadata = &mut build.metadata;
    for (key, value) in &request.metadata.labels {
        metadata
            .labels
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    for (key, value) in &request.metadata.annotations {
        metadata
            .annotations
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    let common = &mut build.spec.common;
    if let Some(upload) = &request.upload {
        let digest = upload.digest.clone();
        metadata.annotations.insert(BUILD_SOURCE.to_owned(), digest);
        "Binary".clone_into(&mut common.source.kind);
        common.source.binary = Some(BinarySource {
            as_file: upload.as_file.clone(),
        });
    }
    if request.revision.is_some() {
        common.revision.clone_from(&request.revision);
    }
    if let Some(strategy) = &mut common.strategy.source_strategy {
        strategy.env = merged(&strategy.env, &request.env);
        if let Some(from) = request
            .from
            .as_ref()
            .or(request.triggered_by_image.as_ref())
        {
            strategy.from.clone_from(from);
        }
        if let Some(options) = &request.source_strategy_options
            && options.incremental.is_some()
        {
            strategy.incremental = options.incremental;
        }
    }
    build.spec.triggered_by.clone_from(&request.triggered_by);
    if build.spec.triggered_by.is_empty() {
        build.spec.triggered_by = vec![json!({"message": MANUALLY})];
    }
}

/// What cannot become a build is refused before there is one.
fn check(build: &Build, config: String) -> Result<(), Refusal> {
    let common = &build.spec.common;
    if common.strategy.source_strategy.is_none() {
        let strategy = match common.strategy.kind.as_str() {
            "" => "none is given".to_owned(),
            kind => kind.to_owned(),
        };
        return Err(Refusal::Strategy { config, strategy });
    }
    if build.metadata.annotations.contains_key(BUILD_SOURCE) {
        return Ok(());
    }
    match &common.source.git {
        None => Err(Refusal::NoSource { config }),
        Some(git) if git.uri.is_empty() => Err(Refusal::NoSource { config }),
        Some(git) if is_local(&git.uri) => Err(Refusal::LocalSource {
            config,
            uri: git.uri.clone(),
        }),
        Some(_) => Ok(()),
    }
}

/// The given variables with others in their place or after them.
fn merged(env: &[EnvVar], over: &[EnvVar]) -> Vec<EnvVar> {
    let kept = env
        .iter()
        .filter(|one| !over.iter().any(|other| other.name == one.name));
    kept.chain(over).cloned().collect()
}

/// A name as a label's value.
fn label(name: &str) -> &str {
    let end = name.len().min(LONGEST_LABEL);
    name[..end].trim_end_matches(['-', '.', '_'])
}

/// `BASE-SUFFIX`; a base that is too long is cut.
fn join(base: &str, suffix: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(suffix.len() + 1);
    let base = &base[..base.len().min(room)];
    format!("{}-{suffix}", base.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::build::GitSource;
    use crate::api::build::SourceStrategy;

    fn config(uri: &str) -> BuildConfig {
        let mut config = BuildConfig::default();
        config.metadata.name = "ruby-ex".to_owned();
        config.metadata.namespace = "p".to_owned();
        config.metadata.uid = "u".to_owned();
        config.metadata.labels = BTreeMap::from([("app".to_owned(), "ruby-ex".to_owned())]);
        config.status.last_version = 1;
        config.spec.common.source.git = Some(GitSource {
            uri: uri.to_owned(),
            reference: String::new(),
        });
        config.spec.common.strategy.source_strategy = Some(SourceStrategy {
            env: vec![variable("A", "1"), variable("B", "2")],
            ..SourceStrategy::default()
        });
        config
    }

    fn variable(name: &str, value: &str) -> EnvVar {
        EnvVar {
            name: name.to_owned(),
            value: value.to_owned(),
            value_from: None,
        }
    }

    #[test]
    fn the_next_build_is_named_and_labelled_after_its_config() {
        let request = Request {
            env: vec![variable("B", "3"), variable("C", "4")],
            ..Request::default()
        };
        let build = instantiate(&config("https://example.com/ruby-ex.git"), &request).unwrap();
        assert_eq!(build.metadata.name, "ruby-ex-2");
        assert_eq!(build.metadata.annotations[BUILD_NUMBER], "2");
        let labels: Vec<&str> = build.metadata.labels.values().map(String::as_str).collect();
        assert_eq!(labels, ["ruby-ex", "ruby-ex", "ruby-ex", "Serial"]);
        assert_eq!(build.metadata.owner_references[0].name, "ruby-ex");
        let strategy = build.spec.common.strategy.source_strategy.unwrap();
        let env: Vec<(&str, &str)> = strategy
            .env
            .iter()
            .map(|one| (one.name.as_str(), one.value.as_str()))
            .collect();
        assert_eq!(env, [("A", "1"), ("B", "3"), ("C", "4")]);
        assert_eq!(build.spec.triggered_by, [json!({"message": MANUALLY})]);
        assert_eq!(build.status.config.unwrap().name, "ruby-ex");
    }

    #[test]
    fn refuses_in_oc_s_words() {
        let mut paused = config("https://example.com/x.git");
        paused
            .metadata
            .annotations
            .insert(BUILD_CONFIG_PAUSED.to_owned(), "true".to_owned());
        let said = |config: &BuildConfig, request: &Request| {
            instantiate(config, request).unwrap_err().to_string()
        };
        assert_eq!(
            said(&paused, &Request::default()),
            "can't instantiate from BuildConfig p/ruby-ex: BuildConfig is paused"
        );
        let mut empty = config("");
        assert!(said(&empty, &Request::default()).contains("has no valid source inputs"));
        empty.spec.common.strategy.source_strategy = None;
        assert!(said(&empty, &Request::default()).contains("strategy that is not supported"));
        let local = config("file:///srv/repo");
        assert!(said(&local, &Request::default()).contains("only a client on that machine"));
        let other = Request {
            last_version: Some(7),
            ..Request::default()
        };
        assert_eq!(
            said(&config("https://example.com/x.git"), &other),
            "the LastVersion(1) on build config p/ruby-ex does not match the build request LastVersion(7)"
        );
    }

    #[test]
    fn an_upload_is_the_source_whatever_the_config_names() {
        let request = Request {
            upload: Some(Upload {
                digest: "sha256:0".to_owned(),
                as_file: String::new(),
            }),
            ..Request::default()
        };
        let build = instantiate(&config("file:///srv/repo"), &request).unwrap();
        assert_eq!(build.spec.common.source.kind, "Binary");
        assert_eq!(
            build.spec.common.source.git.as_ref().unwrap().uri,
            "file:///srv/repo"
        );
        assert_eq!(upload_of(&build), request.upload);
        let again = clone(&build, None, &Request::default(), Timestamp::from_second(9)).unwrap();
        assert_eq!(again.metadata.name, "ruby-ex-2-9");
        assert_eq!(again.metadata.annotations[BUILD_CLONE_OF], "ruby-ex-2");
        assert_eq!(upload_of(&again), request.upload);
    }

    #[test]
    fn tells_paths_from_repositories_elsewhere() {
        for local in [
            "file:///x",
            "/srv/x",
            "./x",
            "../x",
            "x",
            "./a:b",
            "a/b:c",
            " file:///x",
        ] {
            assert!(is_local(local), "{local}");
        }
        for remote in [
            "https://h/x.git",
            "git@h:x.git",
            "ssh://h/x",
            "git://h/x",
            "h:x",
        ] {
            assert!(!is_local(remote), "{remote}");
        }
    }

    #[test]
    fn long_names_are_cut_where_they_must_be() {
        let long = "a".repeat(250);
        assert_eq!(join(&long, "1").len(), LONGEST_NAME);
        assert!(pod_name(&join(&long, "1")).len() <= 253);
        assert_eq!(label(&long).len(), LONGEST_LABEL);
        assert_eq!(pod_name("x-1"), "x-1-build");
    }
}
