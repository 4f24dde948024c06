//! What is wrong, may go wrong, or could be better: facts/oc.md section 8.2.
//!
//! Pure. One function a finding; each object's markers stand together, in the order in which oc reads the kinds. What
//! reaches into a namespace that is not shown is left out: nothing is known of it.

use std::collections::BTreeMap;

use crate::api::build::BuildPhase;
use crate::api::image::split_tag;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::network::Route;
use crate::api::network::Service;
use crate::api::pod::Container;
use crate::cli::status::fleet;
use crate::cli::status::graph;
use crate::cli::status::graph::Image;
use crate::cli::status::objects;
use crate::cli::status::services;
use crate::cli::status::workloads;
use crate::cli::status::workloads::Sight;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Info,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    pub severity: Severity,
    pub message: String,
    /// What to type, or to look at; may be empty.
    pub suggestion: String,
    place: (Kind, Key),
}

/// The kinds in oc's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Controller,
    Pod,
    Deployment,
    BuildConfig,
    Build,
    Tag,
    Config,
    Route,
    Application,
}

/// How often a container may have been started again.
const RESTARTS: u32 = 5;

/// Everything that is found, in the order in which it is told.
pub fn find(sight: &Sight, program: &str) -> Vec<Marker> {
    let mut finding = Finding {
        sight,
        program,
        found: Vec::new(),
    };
    finding.pods();
    finding.competing();
    finding.secrets();
    finding.outputs();
    finding.cycles();
    finding.pending_tags();
    finding.triggers();
    finding.inputs();
    finding.probes();
    finding.routes();
    finding.applications();
    let order = |one: &Marker| (one.place.clone(), one.message.clone());
    finding.found.sort_by_cached_key(order);
    finding.found
}

struct Finding<'a> {
    sight: &'a Sight<'a>,
    program: &'a str,
    found: Vec<Marker>,
}

impl Finding<'_> {
    fn add(
        &mut self,
        severity: Severity,
        place: (Kind, &Metadata),
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        self.found.push(Marker {
            severity,
            message: message.into(),
            suggestion: suggestion.into(),
            place: (place.0, place.1.key()),
        });
    }

    fn pods(&mut self) {
        let now = self.sight.now;
        for pod in &self.sight.objects.pods {
            let name = self.sight.names.of("pod", &pod.metadata);
            if let Some(why) = pod.not_listening() {
                let logs = format!("{} logs {}", self.program, pod.metadata.name);
                let place = (Kind::Pod, &pod.metadata);
                self.add(
                    Severity::Warning,
                    place,
                    format!("{name} is not ready: {why}"),
                    logs,
                );
            }
            for status in &pod.status.container_statuses {
                let subject = match pod.spec.containers.len() {
                    0 | 1 => name.clone(),
                    _ => format!("container {:?} in {name}", status.name),
                };
                let waiting = status.state.waiting.as_ref();
                let (severity, what) =
                    if waiting.is_some_and(|waiting| waiting.reason == "CrashLoopBackOff") {
                        (Severity::Error, "is crash-looping".to_owned())
                    } else if workloads::restarted_recently(status, now) {
                        let what = "has restarted within the last 10 minutes";
                        (Severity::Warning, what.to_owned())
                    } else if status.restart_count > RESTARTS {
                        let what = format!("has restarted {} times", status.restart_count);
                        (Severity::Warning, what)
                    } else {
                        continue;
                    };
                let program = self.program;
                let logs = format!("{program} logs -p {} -c {}", pod.metadata.name, status.name);
                let place = (Kind::Pod, &pod.metadata);
                self.add(severity, place, format!("{subject} {what}"), logs);
            }
        }
    }

    /// Controllers that select a pod of another one's.
    fn competing(&mut self) {
        let objects = self.sight.objects;
        for pod in &objects.pods {
            let Some(keeper) = objects.keeper(pod).map(Metadata::key) else {
                continue;
            };
            let rivals: Vec<_> = objects
                .controllers
                .iter()
                .filter(|one| one.metadata.namespace == pod.metadata.namespace)
                .filter(|one| one.metadata.key() != keeper && !one.spec.selector.is_empty())
                .filter(|one| crate::api::core::selects(&one.spec.selector, &pod.metadata.labels))
                .collect();
            for rival in rivals {
                let names = self.sight.names;
                let message = format!(
                    "{} is competing for {} with {}",
                    names.of("rc", &rival.metadata),
                    names.of("pod", &pod.metadata),
                    names.named("rc", &keeper.namespace, &keeper.name)
                );
                let place = (Kind::Controller, &rival.metadata);
                self.add(Severity::Warning, place, message, "");
            }
        }
    }

    fn secrets(&mut self) {
        let (objects, names) = (self.sight.objects, self.sight.names);
        let mut mounting: Vec<((Kind, &Metadata), String, Vec<String>)> = Vec::new();
        for config in &objects.configs {
            let subject = names.of("dc", &config.metadata);
            let secrets = secrets(&config.spec.template);
            mounting.push(((Kind::Config, &config.metadata), subject, secrets));
        }
        for deployment in &objects.deployments {
            let subject = names.of("deployment", &deployment.metadata);
            let secrets = secrets(&deployment.spec.template);
            mounting.push(((Kind::Deployment, &deployment.metadata), subject, secrets));
        }
        for pod in &objects.pods {
            if pod.controller().is_none() {
                let subject = names.of("pod", &pod.metadata);
                let secrets = objects::secrets_of(&pod.spec.volumes);
                mounting.push(((Kind::Pod, &pod.metadata), subject, secrets));
            }
        }
        for (place, subject, secrets) in mounting {
            for name in secrets {
                let namespace = &place.1.namespace;
                let key = Key::new(namespace, &name);
                if objects.missing_secrets.contains(&key) {
                    let secret = names.named("secret", namespace, &name);
                    let message =
                        format!("{subject} is attempting to mount a missing secret {secret}");
                    self.add(Severity::Warning, place, message, "");
                }
            }
        }
    }

    /// Build configs whose image has nowhere to go.
    fn outputs(&mut self) {
        let (objects, names) = (self.sight.objects, self.sight.names);
        for config in &objects.build_configs {
            let Some(Image::Tag(tag)) = graph::output(config) else {
                continue;
            };
            if !self.knows(&tag) {
                continue;
            }
            let subject = names.of("bc", &config.metadata);
            let target = istag(self.sight, &tag);
            let place = (Kind::BuildConfig, &config.metadata);
            match objects.stream(&tag) {
                None => self.add(
                    Severity::Error,
                    place,
                    format!("{subject} is pushing to {target}, but the image stream for that tag does not exist."),
                    "",
                ),
                Some(stream) if stream.status.docker_image_repository.is_empty() => self.add(
                    Severity::Error,
                    place,
                    format!(
                        "{subject} is pushing to {target}, but the administrator has not configured the integrated \
                         container image registry."
                    ),
                    format!("{} registry -h", self.program),
                ),
                Some(_) => {}
            }
        }
    }

    /// Build configs that build each other's base image.
    fn cycles(&mut self) {
        let objects = self.sight.objects;
        let mut makers: BTreeMap<Image, usize> = BTreeMap::new();
        for (index, config) in objects.build_configs.iter().enumerate() {
            if let Some(output) = graph::output(config) {
                makers.entry(output).or_insert(index);
            }
        }
        let mut told = vec![false; objects.build_configs.len()];
        for start in 0..objects.build_configs.len() {
            let mut path = Vec::new();
            let mut at = Some(start);
            while let Some(index) = at.filter(|index| !path.contains(index)) {
                path.push(index);
                let base = graph::input(&objects.build_configs[index]);
                at = base.and_then(|base| makers.get(&base).copied());
            }
            // Only from its own members on is it a cycle, and each is told of once.
            if at != Some(start) || told[start] {
                continue;
            }
            let mut names = Vec::new();
            for index in path.iter().rev() {
                told[*index] = true;
                let config = &objects.build_configs[*index];
                names.push(self.sight.names.of("bc", &config.metadata));
                if let Some(Image::Tag(tag)) = graph::output(config) {
                    names.push(istag(self.sight, &tag));
                }
            }
            names.push(names[0].clone());
            let message = format!(
                "Cycle detected in build configurations: {}",
                names.join(" -> ")
            );
            let place = (Kind::BuildConfig, &objects.build_configs[start].metadata);
            self.add(Severity::Warning, place, message, "");
        }
    }

    /// Tags that builds are to fill and have not.
    fn pending_tags(&mut self) {
        let (objects, names) = (self.sight.objects, self.sight.names);
        let mut makers: BTreeMap<Key, Vec<_>> = BTreeMap::new();
        for config in &objects.build_configs {
            if let Some(Image::Tag(tag)) = graph::output(config) {
                makers.entry(tag).or_default().push(config);
            }
        }
        for (tag, configs) in makers {
            if objects.has_image(&tag) || !self.knows(&tag) {
                continue;
            }
            let mut is_building = false;
            for config in &configs {
                let Some(newest) = objects.builds_of(config).first().copied() else {
                    continue;
                };
                is_building = true;
                if newest.status.phase == BuildPhase::Failed {
                    let message = format!("{} has failed.", names.of("build", &newest.metadata));
                    let suggestion = format!(
                        "Inspect the build failure with '{} logs -f {}'",
                        self.program,
                        names.of("bc", &config.metadata)
                    );
                    let place = (Kind::Build, &newest.metadata);
                    self.add(Severity::Error, place, message, suggestion);
                }
            }
            if !is_building {
                let message = format!(
                    "{} needs to be imported or created by a build.",
                    istag(self.sight, &tag)
                );
                let commands: Vec<String> = configs
                    .iter()
                    .map(|config| format!("{} start-build {}", self.program, config.metadata.name))
                    .collect();
                let suggestion = match commands.as_slice() {
                    [one] => one.clone(),
                    several => format!("Run one of the following commands: {}", several.join(", ")),
                };
                let metadata = Metadata {
                    namespace: tag.namespace.clone(),
                    name: tag.name.clone(),
                    ..Metadata::default()
                };
                self.add(
                    Severity::Warning,
                    (Kind::Tag, &metadata),
                    message,
                    suggestion,
                );
            }
        }
    }

    /// Image triggers that wait for a tag that nobody fills.
    fn triggers(&mut self) {
        let (objects, names) = (self.sight.objects, self.sight.names);
        for config in &objects.configs {
            let triggers = config.spec.triggers.iter().flatten();
            let tags: Vec<Key> = triggers
                .filter_map(|trigger| trigger.image_change_params.as_ref())
                .filter_map(|params| graph::tag(&params.from, &config.metadata.namespace))
                .filter(|tag| self.knows(tag))
                .collect();
            if tags.iter().any(|tag| objects.has_image(tag)) {
                continue;
            }
            let Some(tag) = tags.first() else {
                continue;
            };
            let is_building = objects.build_configs.iter().any(|one| {
                let newest = objects.builds_of(one).first().copied();
                graph::output(one) == Some(Image::Tag(tag.clone()))
                    && newest.is_some_and(|build| !build.status.phase.is_final())
            });
            if is_building {
                continue;
            }
            let subject = names.of("dc", &config.metadata);
            let place = (Kind::Config, &config.metadata);
            let (stream, _) = split_tag(&tag.name);
            if objects.stream(tag).is_some() {
                let message = format!(
                    "The image trigger for {subject} will have no effect until {} is imported or created by a build.",
                    istag(self.sight, tag)
                );
                self.add(Severity::Warning, place, message, "");
            } else {
                let stream = names.named("is", &tag.namespace, stream);
                let message = format!(
                    "The image trigger for {subject} will have no effect because {stream} does not exist."
                );
                self.add(Severity::Error, place, message, "");
            }
        }
    }

    /// Base images that are not there.
    fn inputs(&mut self) {
        let objects = self.sight.objects;
        for config in &objects.build_configs {
            let Some(Image::Tag(tag)) = graph::input(config) else {
                continue;
            };
            if !self.knows(&tag) || objects.has_image(&tag) {
                continue;
            }
            let message = format!(
                "{} builds from {}, but the image stream tag does not exist.",
                self.sight.names.of("bc", &config.metadata),
                istag(self.sight, &tag)
            );
            let (stream, _) = split_tag(&tag.name);
            let suggestion = match objects.stream(&tag) {
                Some(_) => format!("{} import-image {} --from=IMAGE", self.program, tag.name),
                None => format!("{} tag IMAGE {stream}:latest", self.program),
            };
            let place = (Kind::BuildConfig, &config.metadata);
            self.add(Severity::Warning, place, message, suggestion);
        }
    }

    /// Workloads that say of no pod whether it is ready, or still alive.
    fn probes(&mut self) {
        let (objects, names, program) = (self.sight.objects, self.sight.names, self.program);
        let mut without_liveness = Vec::new();
        for config in &objects.configs {
            let name = names.of("dc", &config.metadata);
            let containers = graph::containers(&config.spec.template);
            let place = (Kind::Config, &config.metadata);
            without_liveness.push((place, name.clone(), containers.clone()));
            let is_ready_asked = containers.iter().any(|one| one.readiness_probe.is_some());
            if !containers.is_empty() && !is_ready_asked {
                let message = format!(
                    "{name} has no readiness probe to verify pods are ready to accept traffic or ensure deployment \
                     is successful."
                );
                let suggestion = format!("{program} set probe {name} --readiness ...");
                self.add(Severity::Info, place, message, suggestion);
            }
        }
        for deployment in &objects.deployments {
            let name = names.of("deployment", &deployment.metadata);
            let containers = graph::containers(&deployment.spec.template);
            without_liveness.push(((Kind::Deployment, &deployment.metadata), name, containers));
        }
        for controller in &objects.controllers {
            if crate::api::pod::controller(&controller.metadata).is_none() {
                let name = names.of("rc", &controller.metadata);
                let containers = graph::containers(&controller.spec.template);
                without_liveness.push(((Kind::Controller, &controller.metadata), name, containers));
            }
        }
        for pod in &objects.pods {
            if pod.controller().is_none() && objects.keeper(pod).is_none() {
                let name = names.of("pod", &pod.metadata);
                let containers = pod.spec.containers.clone();
                without_liveness.push(((Kind::Pod, &pod.metadata), name, containers));
            }
        }
        let is_unwatched = |all: &[Container]| {
            !all.is_empty() && all.iter().all(|one| one.liveness_probe.is_none())
        };
        without_liveness.retain(|(_, _, containers)| is_unwatched(containers));
        for (place, name, _) in without_liveness {
            let message = format!("{name} has no liveness probe to verify pods are still running.");
            let suggestion = format!("{program} set probe {name} --liveness ...");
            self.add(Severity::Info, place, message, suggestion);
        }
    }

    fn routes(&mut self) {
        for route in &self.sight.objects.routes {
            self.route_target(route);
            self.route_tls(route);
            self.route_admission(route);
        }
    }

    fn route_target(&mut self, route: &Route) {
        let (objects, names) = (self.sight.objects, self.sight.names);
        let name = names.of("route", &route.metadata);
        let target = names.named("svc", &route.metadata.namespace, &route.spec.to.name);
        let service = objects.services.iter().find(|one| {
            one.metadata.namespace == route.metadata.namespace
                && one.metadata.name == route.spec.to.name
        });
        let message = match service {
            None => {
                format!(
                    "{name} is supposed to route traffic to {target} but {target} doesn't exist."
                )
            }
            Some(service) => match wrong_port(route, service) {
                Some(wrong) => wrong.replace("ROUTE", &name).replace("SERVICE", &target),
                None => return,
            },
        };
        self.add(
            Severity::Warning,
            (Kind::Route, &route.metadata),
            message,
            "",
        );
    }

    fn route_tls(&mut self, route: &Route) {
        let Some(tls) = &route.spec.tls else {
            return;
        };
        let name = self.sight.names.of("route", &route.metadata);
        let place = (Kind::Route, &route.metadata);
        let termination = tls["termination"].as_str().unwrap_or_default();
        let program = self.program;
        if termination.is_empty() {
            let message =
                format!("{name} has a TLS configuration but no termination type specified.");
            let suggestion = format!(
                "{program} patch {name} -p '{{\"spec\":{{\"tls\":{{\"termination\":\"<type>\"}}}}}}' (replace <type> \
                 with a valid termination type: edge, passthrough, reencrypt)"
            );
            self.add(Severity::Error, place, message, suggestion);
        }
        if termination == "passthrough" && !route.spec.path.is_empty() {
            let message = format!(
                "{name} is path-based and uses passthrough termination, which is an invalid combination."
            );
            let suggestion = format!(
                "1. use spec.tls.termination=edge or 2. use spec.tls.termination=reencrypt and specify \
                 spec.tls.destinationCACertificate or 3. remove spec.path: {program} patch {name} -p \
                 '{{\"spec\":{{\"path\":null}}}}'"
            );
            self.add(Severity::Error, place, message, suggestion);
        }
    }

    fn route_admission(&mut self, route: &Route) {
        let name = self.sight.names.of("route", &route.metadata);
        let place = (Kind::Route, &route.metadata);
        for ingress in &route.status.ingress {
            let mut conditions = ingress.conditions.iter();
            let refused = conditions.find(|one| one.kind == "Admitted" && one.status == "False");
            if let Some(refused) = refused {
                let message = format!(
                    "{name} was not accepted by router {:?}: {} ({})",
                    ingress.router_name, refused.message, refused.reason
                );
                self.add(Severity::Error, place, message, "");
            }
        }
        if route.status.ingress.is_empty() {
            let names = self.sight.names;
            let service = names.named("svc", &route.metadata.namespace, &route.spec.to.name);
            let message = format!(
                "{name} is routing traffic to {service}, but either the administrator has not installed a router or \
                 the router is not selecting this route."
            );
            self.add(Severity::Warning, place, message, "");
        }
    }

    /// Applications on hosts.
    fn applications(&mut self) {
        for application in &self.sight.objects.applications {
            let place = (Kind::Application, &application.metadata);
            for (severity, message, suggestion) in
                fleet::find(self.sight, application, self.program)
            {
                self.add(severity, place, message, suggestion);
            }
        }
    }

    /// Whether the namespace of a tag was looked at.
    fn knows(&self, tag: &Key) -> bool {
        let here = self.sight.names.here;
        here.is_empty() || here == tag.namespace
    }
}

fn istag(sight: &Sight, tag: &Key) -> String {
    let (stream, name) = split_tag(&tag.name);
    sight
        .names
        .named("istag", &tag.namespace, &format!("{stream}:{name}"))
}

fn secrets(template: &serde_json::Value) -> Vec<String> {
    let volumes = template["spec"]["volumes"].as_array();
    objects::secrets_of(volumes.map_or(&[], Vec::as_slice))
}

/// What is wrong with a route's port.
fn wrong_port(route: &Route, service: &Service) -> Option<String> {
    let ports = &service.spec.ports;
    let Some(wanted) = &route.spec.port else {
        let message = "ROUTE doesn't have a port specified and is routing traffic to SERVICE which uses multiple ports.";
        return (ports.len() > 1).then(|| message.to_owned());
    };
    let wanted = &wanted.target_port;
    let text = services::text(wanted);
    if wanted.is_string() {
        let is_there = ports.iter().any(|port| port.name == text);
        return (!is_there).then(|| {
            format!(
                "ROUTE has a named port specified ({text:?}) but SERVICE has no such named port."
            )
        });
    }
    let is_there = ports
        .iter()
        .any(|port| services::text(&port.target_port) == text || port.port.to_string() == text);
    (!is_there && !text.is_empty())
        .then(|| format!("ROUTE has a port specified ({text}) but SERVICE has no such targetPort."))
}
