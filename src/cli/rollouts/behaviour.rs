//! Flags that say how a rollout behaves: for `deploy` they change the application's own settings for once, for `new-app`
//! they are those settings.

use crate::api::duration::Amount;
use crate::api::duration::Span;
use crate::api::upshift::Canary;
use crate::api::upshift::FileExists;
use crate::api::upshift::OnFailure;
use crate::api::upshift::Settings;

/// What was typed; what was not typed stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Behaviour {
    /// How many gears at a time, or what percentage of them
    #[arg(long, value_name = "AMOUNT", value_parser = concurrency, help_heading = "Rollout")]
    pub concurrency: Option<Amount>,
    /// How many gears stay available meanwhile, or what percentage of them
    #[arg(long, value_name = "AMOUNT", value_parser = amount, help_heading = "Rollout")]
    pub min_healthy: Option<Amount>,
    /// How many gears may fail
    #[arg(long, value_name = "COUNT", help_heading = "Rollout")]
    pub max_failures: Option<u32>,
    /// One gear first: the others follow after TIME, without one when `promote` says so; =none leaves it out
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "promote", value_parser = canary, help_heading = "Rollout")]
    pub canary: Option<First>,
    /// What becomes of the gears when too many failed: Stop or Rollback
    #[arg(long, value_name = "WHAT", value_parser = on_failure, help_heading = "Rollout")]
    pub on_failure: Option<OnFailure>,
    /// What happens to files of others at a destination: Overwrite, Disallow or Retain
    #[arg(long, value_name = "WHAT", value_parser = file_exists, help_heading = "Rollout")]
    pub file_exists: Option<FileExists>,
}

/// Whether one gear goes first, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// None does, whatever the application says.
    None,
    One(Canary),
}

impl Behaviour {
    /// The settings with what was typed.
    pub fn applied(&self, mut settings: Settings) -> Settings {
        if let Some(concurrency) = self.concurrency {
            settings.concurrency = concurrency;
        }
        if let Some(min_healthy) = self.min_healthy {
            settings.min_healthy = min_healthy;
        }
        if let Some(failures) = self.max_failures {
            settings.max_failures = failures;
        }
        match &self.canary {
            None => {}
            Some(First::None) => settings.canary = None,
            Some(First::One(canary)) => settings.canary = Some(canary.clone()),
        }
        if let Some(on_failure) = self.on_failure {
            settings.on_failure = on_failure;
        }
        if let Some(file_exists) = self.file_exists {
            settings.file_exists = file_exists;
        }
        settings
    }

    /// The first flag that was typed, for a message.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            (self.concurrency.is_some(), "--concurrency"),
            (self.min_healthy.is_some(), "--min-healthy"),
            (self.max_failures.is_some(), "--max-failures"),
            (self.canary.is_some(), "--canary"),
            (self.on_failure.is_some(), "--on-failure"),
            (self.file_exists.is_some(), "--file-exists"),
        ];
        let given = flags.into_iter().find(|(is_given, _)| *is_given);
        given.map(|(_, flag)| flag)
    }
}

/// A count or a percentage that is at least one.
fn concurrency(text: &str) -> Result<Amount, String> {
    match text.parse()? {
        Amount::Count(0) | Amount::Percent(0) => Err("must be at least 1".to_owned()),
        amount => Ok(amount),
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    text.parse()
}

fn canary(text: &str) -> Result<First, String> {
    match text {
        "none" | "false" => Ok(First::None),
        "promote" | "true" => Ok(First::One(Canary::default())),
        time => {
            let pause: Span = time.parse().map_err(|_| {
                format!("{time:?} is no time: write it as in --canary=10m, or --canary alone to wait for 'promote'")
            })?;
            Ok(First::One(Canary { pause: Some(pause) }))
        }
    }
}

fn on_failure(text: &str) -> Result<OnFailure, String> {
    match text.to_ascii_lowercase().as_str() {
        "stop" => Ok(OnFailure::Stop),
        "rollback" => Ok(OnFailure::Rollback),
        _ => Err("must be Stop or Rollback".to_owned()),
    }
}

fn file_exists(text: &str) -> Result<FileExists, String> {
    match text.to_ascii_lowercase().as_str() {
        "overwrite" => Ok(FileExists::Overwrite),
        "disallow" => Ok(FileExists::Disallow),
        "retain" => Ok(FileExists::Retain),
        _ => Err("must be Overwrite, Disallow or Retain".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn typed(line: &str) -> Result<Behaviour, String> {
        let command = <Behaviour as clap::Args>::augment_args(clap::Command::new("x"));
        let words = format!("x {line}");
        let matches = command.try_get_matches_from(words.split_whitespace());
        let matches = matches.map_err(|error| error.to_string())?;
        Behaviour::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_not_typed_stays() {
        let own = Settings {
            max_failures: 3,
            canary: Some(Canary::default()),
            ..Settings::default()
        };
        assert_eq!(typed("").unwrap().applied(own.clone()), own);
        let changed = typed("--concurrency 25% --min-healthy=2 --canary=none").unwrap();
        assert_eq!(changed.given(), Some("--concurrency"));
        let changed = changed.applied(own);
        assert_eq!(changed.concurrency, Amount::Percent(25));
        assert_eq!(changed.min_healthy, Amount::Count(2));
        assert_eq!((changed.max_failures, changed.canary), (3, None));
    }

    #[test]
    fn a_canary_has_a_pause_or_waits() {
        let pause = |line: &str| typed(line).unwrap().applied(Settings::default()).canary;
        assert_eq!(pause("--canary"), Some(Canary::default()));
        let ten = Some(Span::seconds(600));
        assert_eq!(pause("--canary=10m"), Some(Canary { pause: ten }));
        for wrong in [
            "--canary=soon",
            "--concurrency=0",
            "--concurrency=x",
            "--min-healthy=101%",
            "--on-failure=Hope",
        ] {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
    }
}
