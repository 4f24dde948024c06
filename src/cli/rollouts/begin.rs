//! Making a Rollout: the next number, who asks, and nobody else's at the same time.

use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::upshift::Application;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutSpec;
use crate::cli::Failure;
use crate::cli::rollouts::known::Known;
use crate::client::Client;
use crate::client::WriteOptions;

/// How often a number that somebody else took is made up for by the next one.
const TRIES: u32 = 5;

/// Creates a rollout under the next free number; refused while another one runs.
pub async fn begin(
    client: &Client,
    application: &Application,
    known: &mut Known,
    spec: RolloutSpec,
    program: &str,
) -> Result<Rollout, Failure> {
    let requested_by = user(client).await;
    for tries in 1.. {
        known.expect_idle(program)?;
        let number = known.rollouts.last().map_or(0, |last| last.spec.number) + 1;
        let rollout = Rollout {
            metadata: child(application, number),
            spec: RolloutSpec {
                number,
                application: application.metadata.name.clone(),
                requested_by: requested_by.clone(),
                attempt: 1,
                ..spec.clone()
            },
            ..Rollout::default()
        };
        match client.create(&rollout).await {
            Err(error) if error.is_already_exists() && tries < TRIES => {
                let metadata = &application.metadata;
                *known = Known::read(client, &metadata.namespace, &metadata.name).await?;
            }
            other => return Ok(other?),
        }
    }
    unreachable!("the last try returns")
}

/// The metadata of a Revision or Rollout of an application: `APPLICATION-NUMBER`, gone when the application is.
pub fn child(application: &Application, number: u64) -> Metadata {
    let owner = &application.metadata;
    Metadata {
        name: format!("{}-{number}", owner.name),
        namespace: owner.namespace.clone(),
        labels: [(LABEL_APPLICATION.to_owned(), owner.name.clone())].into(),
        owner_references: vec![application.as_owner()],
        ..Metadata::default()
    }
}

/// Who the server takes the caller for; nothing when it does not say.
async fn user(client: &Client) -> String {
    let kind = &kinds::SELF_SUBJECT_REVIEW;
    let review = json!({"apiVersion": kind.api_version(), "kind": kind.kind});
    let answer = client
        .create_object(kind, "", &review, &WriteOptions::default())
        .await;
    answer
        .ok()
        .and_then(|answer| {
            Some(
                answer["status"]["userInfo"]["username"]
                    .as_str()?
                    .to_owned(),
            )
        })
        .unwrap_or_default()
}
