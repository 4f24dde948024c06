//! Pods, and the containers of whatever makes them, in kubectl's rows.
//!
//! Mimics `describePod`, `describeContainers` and `DescribePodTemplate` of kubectl's describe.go. Values from secrets are
//! named, never shown.

use serde_json::Value;

use crate::api::meta::Metadata;
use crate::api::pod::Container;
use crate::api::pod::ContainerState;
use crate::api::pod::ContainerStatus;
use crate::api::pod::EnvVar;
use crate::api::pod::Pod;
use crate::api::pod::PodPhase;
use crate::api::pod::PodSpec;
use crate::api::pod::Probe;
use crate::cli::describe::page::Page;
use crate::cli::describe::view;
use crate::cli::describe::word;

/// Writes the whole pod.
pub fn write(pod: &Pod, page: &mut Page) {
    let (spec, status) = (&pod.spec, &pod.status);
    page.name(&pod.metadata);
    page.field("Service Account", account(spec));
    let node = match (spec.node_name.as_str(), status.host_ip.as_str()) {
        ("", _) => "<none>".to_owned(),
        (name, "") => format!("{name}/"),
        (name, address) => format!("{name}/{address}"),
    };
    page.field("Node", node);
    if let Some(started) = status.start_time {
        page.field("Start Time", started.mail());
    }
    page.map("Labels", &pod.metadata.labels);
    page.annotations(&pod.metadata);
    match pod.metadata.deletion_timestamp {
        Some(deleted) => {
            page.field("Status", format!("Terminating (since {})", deleted.mail()));
            let grace = spec.termination_grace_period_seconds.unwrap_or(30);
            page.field("Termination Grace Period", format!("{grace}s"));
        }
        None => page.field("Status", word(&status.phase)),
    }
    page.field_if("Reason", &status.reason);
    page.field_if("Message", &status.message);
    page.line(&format!("IP:\t{}", status.pod_ip));
    if status.pod_ip.is_empty() {
        page.field("IPs", "");
    } else {
        page.section("IPs", |page| page.field("IP", &status.pod_ip));
    }
    page.field_if("Controlled By", controlled_by(&pod.metadata));
    if !status.listening.is_empty() {
        let ports: Vec<String> = status
            .listening
            .iter()
            .map(|one| {
                if one.everywhere {
                    format!("{} (on every address)", one.port)
                } else {
                    one.port.to_string()
                }
            })
            .collect();
        page.field("Listens On", ports.join(", "));
    }
    page.field_if("Not Ready", pod.not_listening().unwrap_or_default());
    page.section("Containers", |page| {
        for container in &spec.containers {
            let found = status.container_statuses.iter();
            let status = found.clone().find(|one| one.name == container.name);
            page.section(&container.name, |page| {
                self::container(container, Some(status), page);
            });
        }
    });
    if !status.conditions.is_empty() {
        page.section("Conditions", |page| {
            page.line("Type\tStatus");
            for condition in &status.conditions {
                page.line(&format!("{} \t{}", condition.kind, condition.status));
            }
        });
    }
    volumes(&spec.volumes, page);
    page.field("QoS Class", "BestEffort");
    page.map("Node-Selectors", &spec.node_selector);
    page.field("Tolerations", "");
}

fn account(spec: &PodSpec) -> &str {
    match spec.service_account_name.as_str() {
        "" => "default",
        name => name,
    }
}

/// `ReplicationController/x-1`, or nothing.
pub fn controlled_by(metadata: &Metadata) -> String {
    let mut owners = metadata.owner_references.iter();
    let controller = owners.find(|owner| owner.controller == Some(true));
    controller.map_or_else(String::new, |owner| {
        format!("{}/{}", owner.kind, owner.name)
    })
}

/// What pods are made from.
pub fn template(template: &Value, page: &mut Page) {
    let spec: PodSpec = view(&template["spec"]);
    let metadata: Metadata = view(&template["metadata"]);
    page.section("Pod Template", |page| {
        page.map("Labels", &metadata.labels);
        if !metadata.annotations.is_empty() {
            page.annotations(&metadata);
        }
        page.field_if("Service Account", &spec.service_account_name);
        page.line("Containers:");
        for container in &spec.containers {
            page.line(&format!(" {}:", container.name));
            page.indented(2, |page| self::container(container, None, page));
        }
        volumes(&spec.volumes, page);
        page.map("Node-Selectors", &spec.node_selector);
        page.field("Tolerations", "");
    });
}

/// One container; `status` is `None` in a template, `Some(None)` before the node has said anything.
#[expect(
    clippy::option_option,
    reason = "a template has no status, a new pod not yet one"
)]
fn container(container: &Container, status: Option<Option<&ContainerStatus>>, page: &mut Page) {
    if let Some(status) = status {
        page.line("Container ID:\t");
        page.field("Image", &container.image);
        let id = status.map_or("", |status| status.image_id.as_str());
        page.line(&format!("Image ID:\t{id}"));
    } else {
        page.field("Image", &container.image);
    }
    let ports: Vec<String> = container
        .ports
        .iter()
        .map(|port| {
            let protocol = match port.protocol.as_str() {
                "" => "TCP",
                protocol => protocol,
            };
            match port.name.as_str() {
                "" => format!("{}/{protocol}", port.container_port),
                name => format!("{}/{protocol} ({name})", port.container_port),
            }
        })
        .collect();
    let plural = if ports.len() > 1 { "s" } else { "" };
    page.field(&format!("Port{plural}"), ports.join(", "));
    let host: Vec<&str> = ports.iter().map(|_| "0/TCP").collect();
    page.field(&format!("Host Port{plural}"), host.join(", "));
    words("Command", &container.command, page);
    words("Args", &container.args, page);
    if let Some(status) = status {
        state("State", status.map(|status| &status.state), page);
        if let Some(status) = status
            && status.last_state != ContainerState::default()
        {
            state("Last State", Some(&status.last_state), page);
        }
        let ready = if status.is_some_and(|status| status.ready) {
            "True"
        } else {
            "False"
        };
        page.field("Ready", ready);
        let restarts = status.map_or(0, |status| status.restart_count);
        page.field("Restart Count", restarts.to_string());
    }
    for (name, probe) in [
        ("Liveness", &container.liveness_probe),
        ("Readiness", &container.readiness_probe),
        ("Startup", &container.startup_probe),
    ] {
        if let Some(probe) = probe {
            page.field(name, self::probe(probe));
        }
    }
    sources(&container.env_from, page);
    environment(&container.env, page);
    page.field("Mounts", "");
}

fn words(name: &str, words: &[String], page: &mut Page) {
    if !words.is_empty() {
        page.section(name, |page| {
            for line in words.iter().flat_map(|word| word.lines()) {
                page.line(line);
            }
        });
    }
}

fn state(name: &str, state: Option<&ContainerState>, page: &mut Page) {
    let state = state.cloned().unwrap_or_default();
    if let Some(running) = &state.running {
        page.field(name, "Running");
        let started = running
            .started_at
            .map_or_else(String::new, crate::base::clock::Timestamp::mail);
        page.line(&format!("  Started:\t{started}"));
    } else if let Some(ended) = &state.terminated {
        page.field(name, "Terminated");
        page.indented(2, |page| {
            page.field_if("Reason", &ended.reason);
            page.field_if("Message", ended.message.trim_end());
            page.field("Exit Code", ended.exit_code.to_string());
            if let Some(signal) = ended.signal.filter(|signal| *signal > 0) {
                page.field("Signal", signal.to_string());
            }
            let moment = |at: Option<crate::base::clock::Timestamp>| {
                at.map_or_else(String::new, crate::base::clock::Timestamp::mail)
            };
            page.line(&format!("Started:\t{}", moment(ended.started_at)));
            page.line(&format!("Finished:\t{}", moment(ended.finished_at)));
        });
    } else {
        page.field(name, "Waiting");
        let waiting = state.waiting.unwrap_or_default();
        page.indented(2, |page| {
            page.field_if("Reason", &waiting.reason);
            page.field_if("Message", &waiting.message);
        });
    }
}

/// `http-get http://:8080/ delay=0s timeout=1s period=10s #success=1 #failure=3`.
fn probe(probe: &Probe) -> String {
    let port = |port: &Value| match port {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    };
    let what = if let Some(get) = &probe.http_get {
        let scheme = match get.scheme.as_str() {
            "" => "http".to_owned(),
            scheme => scheme.to_lowercase(),
        };
        format!(
            "http-get {scheme}://{}:{}{}",
            get.host,
            port(&get.port),
            get.path
        )
    } else if let Some(socket) = &probe.tcp_socket {
        format!("tcp-socket {}:{}", socket.host, port(&socket.port))
    } else if let Some(exec) = &probe.exec {
        format!("exec [{}]", exec.command.join(" "))
    } else {
        "unknown".to_owned()
    };
    format!(
        "{what} delay={}s timeout={}s period={}s #success={} #failure={}",
        probe.initial_delay_seconds.unwrap_or(0),
        probe.timeout_seconds.unwrap_or(1),
        probe.period_seconds.unwrap_or(10),
        probe.success_threshold.unwrap_or(1),
        probe.failure_threshold.unwrap_or(3)
    )
}

fn sources(all: &[Value], page: &mut Page) {
    if all.is_empty() {
        return;
    }
    page.section("Environment Variables from", |page| {
        for source in all {
            for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                let reference = &source[field];
                if let Some(name) = reference["name"].as_str() {
                    let optional = reference["optional"] == true;
                    page.line(&format!("{name}\t{kind}\tOptional: {optional}"));
                }
            }
        }
    });
}

fn environment(all: &[EnvVar], page: &mut Page) {
    if all.is_empty() {
        page.field("Environment", "");
        return;
    }
    page.section("Environment", |page| {
        for variable in all {
            let Some(from) = &variable.value_from else {
                let value = variable.value.lines().collect::<Vec<_>>().join("\n");
                page.line(&format!(
                    "{}:\t{}",
                    variable.name,
                    value.replace('\n', "\n\t")
                ));
                continue;
            };
            let named = |field: &str, what: &str| {
                let reference = &from[field];
                let key = reference["key"].as_str()?;
                let name = reference["name"].as_str().unwrap_or_default();
                let optional = reference["optional"] == true;
                Some(format!(
                    "<set to the key '{key}' {what} '{name}'>\tOptional: {optional}"
                ))
            };
            let text = named("secretKeyRef", "in secret")
                .or_else(|| named("configMapKeyRef", "of config map"))
                .or_else(|| {
                    let path = from["fieldRef"]["fieldPath"].as_str()?;
                    Some(format!("({path})"))
                });
            page.line(&format!("{}:\t{}", variable.name, text.unwrap_or_default()));
        }
    });
}

fn volumes(volumes: &[Value], page: &mut Page) {
    if volumes.is_empty() {
        page.field("Volumes", "");
        return;
    }
    page.section("Volumes", |page| {
        for volume in volumes {
            let name = volume["name"].as_str().unwrap_or_default();
            page.section(name, |page| {
                for (field, source) in volume.as_object().into_iter().flatten() {
                    if field != "name" {
                        page.field("Type", field);
                        for key in ["secretName", "name", "claimName", "path"] {
                            page.field_if(key, source[key].as_str().unwrap_or_default());
                        }
                    }
                }
            });
        }
    });
}

/// `1 Running / 0 Waiting / 0 Succeeded / 0 Failed`.
pub fn counts<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> String {
    let (mut running, mut waiting, mut succeeded, mut failed) = (0, 0, 0, 0);
    for pod in pods {
        match pod.status.phase {
            PodPhase::Running => running += 1,
            PodPhase::Pending => waiting += 1,
            PodPhase::Succeeded => succeeded += 1,
            PodPhase::Failed => failed += 1,
            PodPhase::Unknown => {}
        }
    }
    format!("{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed")
}
