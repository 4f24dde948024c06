//! An application with its revisions and rollouts, and what they allow.

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::Application;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::cli::Failure;
use crate::cli::failure::Kind;
use crate::cli::progress::outcome;
use crate::client::Client;
use crate::client::ListOptions;

/// Everything that is known of one application; both lists by number.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub application: Option<Application>,
    pub revisions: Vec<Revision>,
    pub rollouts: Vec<Rollout>,
}

impl Known {
    /// Reads it; an application that is not there is no error.
    pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<Known, Failure> {
        let application = match client.get(&Key::new(namespace, name)).await {
            Ok(application) => Some(application),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        let options = ListOptions {
            label_selector: format!("{LABEL_APPLICATION}={name}"),
            ..ListOptions::default()
        };
        let mut revisions = client.list::<Revision>(namespace, &options).await?.items;
        revisions.sort_by_key(|revision| revision.spec.number);
        let mut rollouts = client.list::<Rollout>(namespace, &options).await?.items;
        rollouts.sort_by_key(|rollout| rollout.spec.number);
        Ok(Known {
            application,
            revisions,
            rollouts,
        })
    }

    /// Reads it; an application that is not there is a failure.
    pub async fn of(
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<(Application, Known), Failure> {
        let known = Known::read(client, namespace, name).await?;
        let Some(application) = known.application.clone() else {
            let status = crate::api::status::Status::not_found(&kinds::APPLICATION, name);
            return Err(Failure::refused(status));
        };
        Ok((application, known))
    }

    /// The rollout that is under way.
    pub fn running(&self) -> Option<&Rollout> {
        self.rollouts
            .iter()
            .rev()
            .find(|rollout| !outcome::is_over(rollout))
    }

    /// The last rollout that did something: one that was refused at the start did not.
    pub fn latest(&self) -> Option<&Rollout> {
        let began = |rollout: &&Rollout| {
            !rollout.status.phase.is_final() || rollout.status.started_at.is_some()
        };
        self.rollouts.iter().rev().find(began)
    }

    /// A revision by number.
    pub fn revision(&self, number: u64) -> Option<&Revision> {
        self.revisions
            .iter()
            .find(|revision| revision.spec.number == number)
    }

    /// A revision by name.
    pub fn revision_named(&self, name: &str) -> Option<&Revision> {
        self.revisions
            .iter()
            .find(|revision| revision.metadata.name == name)
    }

    /// Whether a rollout brought that revision in place everywhere.
    pub fn has_succeeded(&self, revision: &Revision) -> bool {
        self.rollouts.iter().any(|rollout| {
            rollout.spec.revision == revision.metadata.name
                && rollout.status.phase == RolloutPhase::Succeeded
        })
    }

    /// The revisions there are, for a message: `1 (succeeded), 2`.
    pub fn listing(&self) -> String {
        let words: Vec<String> = self
            .revisions
            .iter()
            .map(|revision| {
                let number = revision.spec.number;
                if self.has_succeeded(revision) {
                    format!("{number} (succeeded)")
                } else {
                    number.to_string()
                }
            })
            .collect();
        if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(", ")
        }
    }

    /// Refuses while another rollout is under way.
    pub fn expect_idle(&self, program: &str) -> Result<(), Failure> {
        match self.running() {
            None => Ok(()),
            Some(rollout) => Err(in_progress(rollout, program)),
        }
    }
}

/// The refusal to begin beside a rollout that is under way.
pub fn in_progress(rollout: &Rollout, program: &str) -> Failure {
    let application = &rollout.spec.application;
    let message = format!(
        "{} is already in progress ({:?}).",
        rollout.metadata.name, rollout.status.phase
    );
    Failure::new(Kind::Locked, message)
        .hint(format!(
            "Watch it with '{program} rollout status -w app/{application}'."
        ))
        .hint(format!(
            "Optionally, you can cancel it with '{program} rollout cancel app/{application}'."
        ))
}

/// Refuses what this version can plan but not perform, before anything is written.
pub fn expect_performable(application: &Application) -> Result<(), Failure> {
    let name = &application.metadata.name;
    if application.metadata.is_deleting() {
        return Err(Failure::new(
            Kind::Locked,
            format!("application {name:?} is being deleted"),
        ));
    }
    if application.spec.hosts.is_some() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "application {name:?} cannot be deployed by this version: it has no hosts (scaled gears are not there yet)"
    )))
}
