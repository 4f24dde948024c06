//! What `new-app` says: what was found, what is made of it, and what comes next. Pure.
//!
//! Sources: facts/oc.md 3.7 and 3.8; where seed 002 shows the words, they are the seed's.

use std::fmt::Write;

use serde_json::Value;

use crate::api::kinds;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::new_app::blueprint::Blueprint;
use crate::cli::new_app::blueprint::Build;
use crate::cli::new_app::blueprint::Component;
use crate::cli::new_app::blueprint::Details;
use crate::cli::new_app::blueprint::Group;
use crate::cli::new_app::blueprint::Port;
use crate::cli::new_app::blueprint::Source;
use crate::cli::new_app::blueprint::Target;
use crate::cli::new_app::objects;

/// Everything before the objects are made.
pub fn beginning(blueprint: &Blueprint, program: &str, now: Timestamp) -> String {
    let mut page = Page(String::new());
    for group in &blueprint.groups {
        for (at, member) in group.members.iter().enumerate() {
            page.found(member, now);
            page.component(blueprint, group, member, at, program);
            page.line("");
        }
    }
    let labels: Vec<String> = blueprint
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if labels.is_empty() {
        page.line("--> Creating resources ...");
    } else {
        page.line(&format!(
            "--> Creating resources with label {} ...",
            labels.join(",")
        ));
    }
    page.0
}

/// What is said once everything is made: `made` are the objects as the server has them, `port` is where the router listens.
pub fn end(blueprint: &Blueprint, made: &[Value], program: &str, port: Option<u16>) -> String {
    let mut page = Page("--> Success\n".to_owned());
    let of = |kind: &'static kinds::Kind| {
        made.iter()
            .filter(move |object| kind.describes(object))
            .map(|object| object["metadata"]["name"].as_str().unwrap_or_default())
    };
    for name in of(&kinds::BUILD_CONFIG) {
        page.build(blueprint, name, program);
    }
    if blueprint.target == Target::Build {
        return page.0;
    }
    let routes: Vec<&Value> = made
        .iter()
        .filter(|object| kinds::ROUTE.describes(object))
        .collect();
    for route in &routes {
        let host = route["spec"]["host"].as_str().unwrap_or_default();
        page.line(&format!("    Access your application via route '{host}' "));
        if let Some(port) = port.filter(|port| *port != 80) {
            page.line(&format!("    From this machine: http://{host}:{port}"));
        }
    }
    let services: Vec<&str> = of(&kinds::SERVICE).collect();
    if routes.is_empty() && !services.is_empty() {
        page.line(
            "    Application is not exposed. You can expose services to the outside world by executing one or more of \
             the commands below:",
        );
        for service in services {
            page.line(&format!("     '{program} expose service/{service}' "));
        }
    }
    page.line(&format!("    Run '{program} status' to view your app."));
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        writeln!(self.0, "{text}").expect("writing to a String does not fail");
    }

    /// The image: `--> Found image 1f02469 (8 days old) in image stream …`, and what it says of itself.
    fn found(&mut self, member: &Component, now: Timestamp) {
        let image = &member.image;
        if image.missing.is_some() {
            return;
        }
        let details = &image.details;
        let age = details.created.map_or_else(String::new, |created| {
            format!(" ({} old)", text::about(now.since(created)))
        });
        let stream = match image.tag.namespace.as_str() {
            "" => image.tag.stream.clone(),
            namespace => format!("{namespace}/{}", image.tag.stream),
        };
        self.line(&format!(
            "--> Found image {}{age} in image stream {stream:?} under tag {:?} for {:?}",
            short(&details.id),
            image.tag.tag,
            member.asked
        ));
        self.line("");
        self.about(details);
    }

    fn about(&mut self, details: &Details) {
        let title = details.label("io.k8s.display-name");
        let description = details.label("io.k8s.description");
        let tags = details.label("io.openshift.tags");
        if title.is_empty() && description.is_empty() && tags.is_empty() {
            return;
        }
        if !title.is_empty() {
            self.line(&format!("    {title} "));
            self.line(&format!("    {} ", "-".repeat(title.chars().count())));
        }
        if !description.is_empty() {
            self.line(&format!("    {description}"));
        }
        self.line("");
        if !tags.is_empty() {
            let tags: Vec<&str> = tags.split(',').map(str::trim).collect();
            self.line(&format!("    Tags: {}", tags.join(", ")));
            self.line("");
        }
    }

    fn component(
        &mut self,
        blueprint: &Blueprint,
        group: &Group,
        member: &Component,
        at: usize,
        program: &str,
    ) {
        if let Some(language) = member.build.as_ref().and_then(|build| build.detected) {
            self.line(&format!(
                "    * The source repository appears to match: {language}"
            ));
        }
        let image = &member.image;
        if image.missing.is_some() {
            let which = if member.build.is_some() {
                "the source image"
            } else {
                "this image"
            };
            self.line(&format!(
                "    * An image stream will be created as \"{}\" that will track {which}",
                image.tag.name()
            ));
        }
        if let Some(build) = &member.build {
            self.source_build(member, build, program);
        }
        if blueprint.target != Target::Build {
            self.deployed(blueprint, group, member, at, program);
        }
    }

    fn source_build(&mut self, member: &Component, build: &Build, program: &str) {
        let what = match &build.source {
            Source::Binary => "binary input".to_owned(),
            Source::Directory(_) => "uploaded code".to_owned(),
            Source::LocalGit { uri, .. } | Source::Git { uri, .. } => {
                format!("source code from {uri}")
            }
        };
        self.line(&format!(
            "    * A source build using {what} will be created"
        ));
        self.line(&format!(
            "      * The resulting image will be pushed to image stream \"{}\"",
            build.output.name()
        ));
        match &build.source {
            Source::Binary => self.line(&format!(
                "      * A binary build was created, use '{program} start-build --from-dir' to trigger a new build"
            )),
            Source::Directory(path) => self.line(&format!(
                "      * Use '{program} start-build {} --from-dir={}' to trigger a new build",
                member.name,
                path.display()
            )),
            Source::LocalGit { .. } | Source::Git { .. } => self.line(&format!(
                "      * Every time \"{}\" changes a new build will be triggered",
                member.image.tag.name()
            )),
        }
    }

    fn deployed(
        &mut self,
        blueprint: &Blueprint,
        group: &Group,
        member: &Component,
        at: usize,
        program: &str,
    ) {
        let name = &group.name;
        let config = match blueprint.target {
            Target::Deployment => "deployment",
            _ => "deployment config",
        };
        if blueprint.target == Target::DeploymentConfig {
            let how = if at == 0 {
                "deployed in"
            } else {
                "deployed as part of"
            };
            self.line(&format!("    * This image will be {how} {config} {name:?}"));
        }
        let ports = &member.image.details.ports;
        if ports.is_empty() {
            let short = match blueprint.target {
                Target::Deployment => "deploy",
                _ => "dc",
            };
            self.line(
                "    * The image does not expose any ports - if you want to load balance or send traffic to this component",
            );
            self.line(&format!(
                "      you will need to create a service with '{program} expose {short}/{name} --port=[port]' later"
            ));
        } else {
            let names: Vec<String> = ports.iter().map(Port::name).collect();
            let noun = if names.len() == 1 { "Port" } else { "Ports" };
            self.line(&format!(
                "    * {noun} {} will be load balanced by service {name:?}",
                names.join(", ")
            ));
            self.line(&format!(
                "      * Other containers can access this service through the hostname {name:?}"
            ));
        }
        if blueprint.route && at == 0 && !objects::ports(group).is_empty() {
            self.line(&format!(
                "    * Requests from outside will reach this service through route {name:?}"
            ));
        }
        if !member.image.details.volumes.is_empty() {
            let short = match blueprint.target {
                Target::Deployment => "deploy",
                _ => "dc",
            };
            self.line(
                "    * This image declares volumes and will default to use non-persistent, host-local storage.",
            );
            self.line(&format!(
                "      You can add persistent volumes later by running '{program} set volume {short}/{name} --add ...'"
            ));
        }
    }

    fn build(&mut self, blueprint: &Blueprint, name: &str, program: &str) {
        let member = blueprint
            .groups
            .iter()
            .flat_map(|group| &group.members)
            .find(|member| member.name == name);
        let waits = member
            .and_then(|member| member.build.as_ref())
            .is_some_and(|build| build.source == Source::Binary);
        match (blueprint.target, waits) {
            (Target::Build, false) => {
                self.line(&format!(
                    "    Build configuration {name:?} created and build triggered."
                ));
                self.line(&format!(
                    "    Run '{program} logs -f buildconfig/{name}' to stream the build progress."
                ));
            }
            (Target::Build, true) => {}
            (_, false) => self.line(&format!(
                "    Build scheduled, use '{program} logs -f buildconfig/{name}' to track its progress."
            )),
            (_, true) => self.line(&format!(
                "    Use '{program} start-build {name}' to start a build."
            )),
        }
    }
}

/// An image's id as people read it: seven digits.
fn short(id: &str) -> &str {
    let is_digest = id
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let start = if is_digest { "sha256:".len() } else { 0 };
    let text = &id[start..];
    &text[..text.len().min(7)]
}

#[cfg(test)]
mod tests;
