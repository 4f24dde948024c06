//! The request for one build of a build config: from its own source, or with a source that comes along.
//!
//! What a try made whose answer was lost is looked for before anything is sent again.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use serde_json::Value;

use crate::api::build::BUILD_SOURCE;
use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::LABEL_BUILD_CONFIG;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::cli::Failure;
use crate::cli::builds::link::Asked;
use crate::cli::builds::link::Link;
use crate::cli::builds::packed::Packed;
use crate::client;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::request::Query;

/// Asks for a build (`POST …/instantiate`); `request` is a `BuildRequest`.
pub async fn instantiate(
    link: &mut Link<'_>,
    config: &BuildConfig,
    request: &Value,
) -> Result<Build, Failure> {
    let path = path(config, "instantiate");
    let body = request.to_string();
    let tries = AtomicU32::new(0);
    let asked = link
        .ask(async |client: &Client| {
            if tries.fetch_add(1, Ordering::Relaxed) > 0
                && let Some(build) = made(client, config, None).await?
            {
                return Ok(build);
            }
            post(client, &path, "application/json", body.clone()).await
        })
        .await;
    match asked {
        Asked::Answered(build) => Ok(build),
        Asked::Refused(error) | Asked::Perhaps(error) => Err(error.into()),
    }
}

/// Asks for a build once more (`POST builds/NAME/clone`).
pub async fn clone(
    link: &mut Link<'_>,
    namespace: &str,
    build: &str,
    request: &Value,
) -> Result<Build, Failure> {
    let place = kinds::BUILD.path(
        &client::request::escaped(namespace),
        &client::request::escaped(build),
    );
    let path = format!("{place}/clone");
    let body = request.to_string();
    // Not asked again: a clone has a number of its own each time.
    let cloned = post(link.client(), &path, "application/json", body).await;
    Ok(cloned?)
}

/// Sends a source and asks for a build of it (`POST …/instantiatebinary`); `as_file` names a single file.
pub async fn instantiate_binary(
    link: &mut Link<'_>,
    config: &BuildConfig,
    packed: &Packed,
    as_file: &str,
) -> Result<Build, Failure> {
    let mut query = Query::default();
    query.add("asFile", as_file);
    if let Some(revision) = &packed.revision {
        query.add("revision.commit", &revision.commit);
        query.add(
            "revision.message",
            revision.message.lines().next().unwrap_or_default(),
        );
        query.add("revision.authorName", &revision.author.name);
        query.add("revision.authorEmail", &revision.author.email);
        query.add("revision.committerName", &revision.committer.name);
        query.add("revision.committerEmail", &revision.committer.email);
    }
    let path = query.after(&path(config, "instantiatebinary"));
    let digest = packed.digest.as_str();
    let bytes = packed.bytes.clone();
    let tries = AtomicU32::new(0);
    let asked = link
        .ask(async |client: &Client| {
            if tries.fetch_add(1, Ordering::Relaxed) > 0
                && let Some(build) = made(client, config, Some(digest)).await?
            {
                return Ok(build);
            }
            post(client, &path, "application/octet-stream", bytes.clone()).await
        })
        .await;
    match asked {
        Asked::Answered(build) => Ok(build),
        Asked::Refused(error) | Asked::Perhaps(error) => Err(error.into()),
    }
}

fn path(config: &BuildConfig, subresource: &str) -> String {
    let metadata = &config.metadata;
    let path = kinds::BUILD_CONFIG.path(
        &client::request::escaped(&metadata.namespace),
        &client::request::escaped(&metadata.name),
    );
    format!("{path}/{subresource}")
}

async fn post(
    client: &Client,
    path: &str,
    media_type: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Result<Build, client::Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let response = client.raw(Method::POST, path, headers, body).await?;
    let bytes = client::check(response).await?.into_body().bytes().await?;
    let object =
        serde_json::from_slice(&bytes).map_err(|error| client::Error::Decode(error.to_string()))?;
    client::decode(object)
}

/// The build that was made since the build config was read, of that source if one is given.
async fn made(
    client: &Client,
    config: &BuildConfig,
    digest: Option<&str>,
) -> Result<Option<Build>, client::Error> {
    let metadata = &config.metadata;
    let options = ListOptions::labelled(format!("{LABEL_BUILD_CONFIG}={}", metadata.name));
    let builds = client.list::<Build>(&metadata.namespace, &options).await?;
    Ok(builds.items.into_iter().find(|build| {
        number(config, build).is_some_and(|number| number > config.status.last_version)
            && digest.is_none_or(|digest| {
                build
                    .metadata
                    .annotations
                    .get(BUILD_SOURCE)
                    .map(String::as_str)
                    == Some(digest)
            })
    }))
}

fn number(config: &BuildConfig, build: &Build) -> Option<u64> {
    let name = &build.metadata.name;
    let rest = name.strip_prefix(config.metadata.name.as_str())?;
    rest.strip_prefix('-')?.parse().ok()
}

/// The build config of that name.
pub async fn config(
    link: &mut Link<'_>,
    namespace: &str,
    name: &str,
) -> Result<BuildConfig, Failure> {
    let object = link
        .read(&kinds::BUILD_CONFIG, &Key::new(namespace, name))
        .await?;
    Ok(client::decode(object)?)
}
