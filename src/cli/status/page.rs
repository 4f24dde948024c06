//! The whole text of `status`: header, a block for each group, what was found, and where to read on.

use std::fmt::Write;

use crate::api::build::BUILD_NAME;
use crate::api::pod::Pod;
use crate::cli::status::applications;
use crate::cli::status::builds;
use crate::cli::status::builds::Older;
use crate::cli::status::graph::Graph;
use crate::cli::status::graph::ServiceGroup;
use crate::cli::status::markers;
use crate::cli::status::markers::Marker;
use crate::cli::status::markers::Severity;
use crate::cli::status::names::Names;
use crate::cli::status::services;
use crate::cli::status::workloads::Sight;

/// Label of a pod that only carries out a deployment.
const DEPLOYER: &str = "openshift.io/deployer-pod-for.name";

/// What the page is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `In project x on server …`.
    pub header: &'a str,
    /// What examples call this program.
    pub program: &'a str,
    /// Everything that was found, with what to do about it.
    pub suggest: bool,
}

/// The text for these objects.
pub fn text(sight: &Sight, subject: &Subject, knows: impl Fn(&str) -> bool) -> String {
    let graph = Graph::of(sight.objects);
    let mut text = format!("{}\n", subject.header);
    for group in &graph.services {
        service(sight, group, &mut text);
    }
    for pipeline in &graph.configs {
        block(&sight.config(pipeline), &mut text);
    }
    for pipeline in &graph.deployments {
        block(&sight.deployment(pipeline), &mut text);
    }
    for pipeline in &graph.images {
        let mut lines = builds::alone(sight.names, pipeline);
        lines.extend(builds::details(pipeline, Older::Shown, sight.now));
        block(&lines, &mut text);
    }
    for controller in &graph.controllers {
        block(&sight.controller(controller), &mut text);
    }
    for set in &graph.replica_sets {
        block(&sight.replica_set(set), &mut text);
    }
    for pod in graph.pods.iter().filter(|pod| is_of_interest(pod)) {
        block(&sight.pod(pod), &mut text);
    }
    let mut all: Vec<_> = sight.objects.applications.iter().collect();
    all.sort_by_key(|application| application.metadata.key());
    for application in &all {
        if !applications::has_service(sight, application) {
            block(&applications::lines(sight, application), &mut text);
        }
    }
    text.push('\n');
    let is_empty = graph.services.is_empty()
        && graph.configs.is_empty()
        && graph.images.is_empty()
        && graph.deployments.is_empty()
        && all.is_empty();
    let mut markers = markers::find(sight, subject.program);
    for marker in &mut markers {
        // A suggestion is something to type: a command that is not there is none.
        if let Some(rest) = marker.suggestion.strip_prefix(subject.program)
            && !knows(rest.split_whitespace().next().unwrap_or_default())
        {
            marker.suggestion.clear();
        }
    }
    footer(&markers, subject, is_empty, &mut text);
    text
}

/// A block with everything behind one service.
fn service(sight: &Sight, group: &ServiceGroup, text: &mut String) {
    text.push('\n');
    for line in services::title(sight.names, group, sight.objects.router_port) {
        text.push_str(&line);
        text.push('\n');
    }
    let local = Sight {
        names: Names {
            here: &group.service.metadata.namespace,
        },
        ..*sight
    };
    let mut put = |lines: Vec<String>| indented(&lines, 1, text);
    if let Some(application) = applications::behind(sight, group.service) {
        put(applications::lines(&local, application));
    }
    for pipeline in &group.configs {
        put(local.config(pipeline));
    }
    for pipeline in &group.deployments {
        put(local.deployment(pipeline));
    }
    for controller in &group.controllers {
        put(local.controller(controller));
    }
    for set in &group.replica_sets {
        put(local.replica_set(set));
    }
    for pod in &group.pods {
        put(local.pod(pod));
    }
}

fn block(lines: &[String], text: &mut String) {
    text.push('\n');
    indented(lines, 0, text);
}

/// Lines of a group: those after the first stand one step further in.
fn indented(lines: &[String], depth: usize, text: &mut String) {
    for (index, line) in lines.iter().enumerate() {
        let steps = depth + usize::from(index > 0);
        text.push_str(&"  ".repeat(steps));
        text.push_str(line);
        text.push('\n');
    }
}

/// Whether a pod on its own is somebody's work, and not over.
fn is_of_interest(pod: &Pod) -> bool {
    let metadata = &pod.metadata;
    !pod.is_over()
        && !metadata.labels.contains_key(DEPLOYER)
        && !metadata.labels.contains_key(BUILD_NAME)
        && !metadata.annotations.contains_key(BUILD_NAME)
}

fn footer(markers: &[Marker], subject: &Subject, is_empty: bool, text: &mut String) {
    let of = |severity: Severity| -> Vec<&Marker> {
        let all = markers.iter();
        all.filter(|marker| marker.severity == severity).collect()
    };
    let groups = [
        ("Errors", "error", of(Severity::Error)),
        ("Warnings", "warning", of(Severity::Warning)),
        ("Info", "info", of(Severity::Info)),
    ];
    let mut counts = Vec::new();
    let mut is_first = true;
    for (title, noun, group) in &groups {
        if group.is_empty() {
            continue;
        }
        counts.push(crate::base::text::count(group.len(), noun));
        if *title == "Errors" || subject.suggest {
            if !is_first {
                text.push('\n');
            }
            is_first = false;
            let _ = writeln!(text, "{title}:");
            list(group, subject.suggest, text);
        }
    }
    if !markers.is_empty() {
        text.push('\n');
    }
    let program = subject.program;
    if !subject.suggest && !counts.is_empty() {
        let counts = counts.join(", ");
        let _ = writeln!(
            text,
            "{counts} identified, use '{program} status --suggest' to see details."
        );
    } else if is_empty {
        text.push_str("You have no services, deployment configs, or build configs.\n");
        let _ = writeln!(text, "Run '{program} new-app' to create an application.");
    } else {
        let _ = writeln!(
            text,
            "View details with '{program} describe <resource>/<name>' or list resources with '{program} get all'."
        );
    }
}

fn list(markers: &[&Marker], suggest: bool, text: &mut String) {
    for marker in markers {
        let _ = writeln!(text, "  * {}", marker.message);
        if suggest && !marker.suggestion.is_empty() {
            let _ = writeln!(text, "    try: {}", marker.suggestion);
        }
    }
}
