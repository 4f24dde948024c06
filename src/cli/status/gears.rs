//! How the gears of an application on hosts stand: who gets requests, who does not and why, who is behind or silent.
//!
//! Pure. `applications` finds the words of the page for it, `markers` what to do about it.

use std::collections::BTreeMap;
use std::fmt;

use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rotation;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::cli::status::workloads::Sight;

/// The gears of one application, by name, and what they are compared with.
pub struct Gears<'a> {
    sight: &'a Sight<'a>,
    application: &'a Application,
    pub all: Vec<&'a Gear>,
}

/// Why a gear gets no requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing is heard of its host.
    Silent,
    /// A step is under way, in words.
    AtWork(String),
    Failed {
        step: String,
        ago: String,
    },
    /// Nothing is installed.
    Empty,
    /// Its last operation went well, or is told no more.
    Unknown,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Silent => f.write_str("its host is silent"),
            Why::AtWork(step) => write!(f, "in {step}"),
            Why::Failed { step, ago } if step.is_empty() => write!(f, "failed {ago} ago"),
            Why::Failed { step, ago } => write!(f, "failed in {step} {ago} ago"),
            Why::Empty => f.write_str("nothing is installed"),
            Why::Unknown => f.write_str("out of rotation"),
        }
    }
}

impl<'a> Gears<'a> {
    /// Those of that application.
    pub fn of(sight: &'a Sight<'a>, application: &'a Application) -> Gears<'a> {
        let key = application.metadata.key();
        let all = sight.objects.gears.iter();
        let mut all: Vec<&Gear> = all
            .filter(|gear| gear.metadata.namespace == key.namespace)
            .filter(|gear| gear.spec.application == key.name)
            .collect();
        all.sort_by_cached_key(|gear| natural(&gear.metadata.name));
        Gears {
            sight,
            application,
            all,
        }
    }

    /// Blue/green: whether there are colours at all.
    pub fn take_turns(&self) -> bool {
        let hosts = self.application.spec.hosts.as_ref();
        hosts.is_some_and(|hosts| hosts.blue_green.is_some())
    }

    /// Those that are meant to get requests: of blue/green the colour that serves.
    pub fn serving(&self) -> Vec<&'a Gear> {
        let active = self.application.status.active_color.as_str();
        let all = self.all.iter().copied();
        if self.take_turns() {
            return all.filter(|gear| gear.spec.color == active).collect();
        }
        all.collect()
    }

    /// Of those, the ones that get none.
    pub fn out(&self) -> Vec<&'a Gear> {
        let mut serving = self.serving();
        serving.retain(|gear| {
            gear.spec.rotation == Rotation::Out
                || gear.status.revision.is_empty()
                || self.is_silent(gear)
        });
        serving
    }

    /// Whether nothing is heard of its node; where nodes are not shown nothing is known of it.
    pub fn is_silent(&self, gear: &Gear) -> bool {
        let mut nodes = self.sight.objects.nodes.iter();
        let node = nodes.find(|node| node.metadata.name == gear.spec.node);
        node.is_some_and(|node| !node.is_ready())
    }

    /// Gears that hold another revision than is wanted there, though they are heard.
    pub fn behind(&self) -> Vec<&'a Gear> {
        let all = self.all.iter().copied();
        all.filter(|gear| {
            let is_other = gear.status.revision != gear.spec.revision;
            !gear.spec.revision.is_empty() && (is_other || gear.spec.catch_up.is_some())
        })
        .filter(|gear| !self.is_silent(gear))
        .collect()
    }

    /// Why a gear gets no requests.
    pub fn why_out(&self, gear: &Gear) -> Why {
        if self.is_silent(gear) {
            return Why::Silent;
        }
        let operation = self.last_operation(gear);
        if let Some((operation, step)) = operation.and_then(|one| Some((one, running(one)?))) {
            return Why::AtWork(step_words(operation, step));
        }
        if let Some(operation) = operation
            && operation.status.phase == OperationPhase::Failed
        {
            let failed = |step: &&StepStatus| step.phase == StepPhase::Failed;
            let step = operation.status.steps.iter().find(failed);
            return Why::Failed {
                step: step.map_or_else(String::new, |step| step.name.clone()),
                ago: self.sight.ago(operation.status.finished_at),
            };
        }
        if gear.status.revision.is_empty() {
            return Why::Empty;
        }
        Why::Unknown
    }

    /// What is under way: `web-4 in BlockTraffic (router default has 3 requests in flight)`.
    pub fn now(&self) -> Vec<String> {
        let words = |gear: &&Gear| {
            let operation = self.last_operation(gear)?;
            let words = step_words(operation, running(operation)?);
            Some(format!("{} in {words}", gear.spec.node))
        };
        self.all.iter().filter_map(words).collect()
    }

    /// The operation under way, or the last that ended.
    fn last_operation(&self, gear: &Gear) -> Option<&'a Operation> {
        let of = |one: &&Operation| {
            one.metadata.namespace == gear.metadata.namespace && one.spec.gear == gear.metadata.name
        };
        let all = self.sight.objects.operations.iter().filter(of);
        all.max_by_key(|one| {
            (
                !one.status.phase.is_final(),
                one.metadata.name == gear.status.operation,
                one.metadata.creation_timestamp,
            )
        })
    }

    /// The revisions that gears hold, with their number, the most frequent first: `#4 (5 hosts)`.
    pub fn held(gears: &[&Gear]) -> Vec<(String, usize)> {
        let mut held: BTreeMap<&str, usize> = BTreeMap::new();
        for gear in gears {
            *held.entry(gear.status.revision.as_str()).or_default() += 1;
        }
        let mut held: Vec<(String, usize)> = held
            .into_iter()
            .map(|(revision, count)| match revision {
                "" => ("nothing".to_owned(), count),
                revision => (number(revision), count),
            })
            .collect();
        held.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        held
    }
}

fn running(operation: &Operation) -> Option<&StepStatus> {
    if operation.status.phase.is_final() {
        return None;
    }
    let mut steps = operation.status.steps.iter();
    steps.find(|step| step.phase == StepPhase::Running)
}

/// A step with what the controllers say of it.
fn step_words(operation: &Operation, step: &StepStatus) -> String {
    let outcome = operation.spec.control.get(&step.name);
    match outcome.map(|outcome| outcome.message.as_str()) {
        Some(message) if !message.is_empty() => format!("{} ({message})", step.name),
        _ => step.name.clone(),
    }
}

/// `#4` of `shop-4`.
pub fn number(revision: &str) -> String {
    match revision.rsplit_once('-') {
        Some((_, number)) if number.chars().all(|letter| letter.is_ascii_digit()) => {
            format!("#{number}")
        }
        _ => revision.to_owned(),
    }
}

/// Names in the order in which people count: `web-2` before `web-10`.
pub fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| letter.is_ascii_digit());
        let (text, tail) = rest.split_at(digits.unwrap_or(rest.len()));
        let end = tail.find(|letter: char| !letter.is_ascii_digit());
        let (number, tail) = tail.split_at(end.unwrap_or(tail.len()));
        parts.push((text.to_owned(), number.parse().unwrap_or(0)));
        rest = tail;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_stand_in_the_order_in_which_people_count() {
        let mut names = ["web-10", "web-2", "db-1", "web-1b"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["db-1", "web-1b", "web-2", "web-10"]);
        assert_eq!(number("shop-4"), "#4");
        assert_eq!(number("shop"), "shop");
    }
}
