//! The same relations as a graph for Graphviz.

use std::fmt::Write;

use crate::cli::status::graph::BuildPipeline;
use crate::cli::status::graph::ConfigPipeline;
use crate::cli::status::graph::DeploymentPipeline;
use crate::cli::status::graph::Graph;
use crate::cli::status::graph::ImagePipeline;
use crate::cli::status::names::Names;
use crate::cli::status::objects::Objects;

/// A directed graph: arrows lead from what serves to who uses it.
pub fn text(objects: &Objects, names: Names, project: &str) -> String {
    let graph = Graph::of(objects);
    let mut drawing = Drawing {
        names,
        lines: Vec::new(),
    };
    for group in &graph.services {
        let service = names.of("svc", &group.service.metadata);
        drawing.node(&service);
        for route in &group.routes {
            drawing.edge(&names.of("route", &route.metadata), &service, "exposed");
        }
        for pipeline in &group.configs {
            let config = drawing.config(pipeline);
            drawing.edge(&service, &config, "selects");
        }
        for pipeline in &group.deployments {
            let deployment = drawing.deployment(pipeline);
            drawing.edge(&service, &deployment, "selects");
        }
        for controller in &group.controllers {
            drawing.edge(&service, &names.of("rc", &controller.metadata), "selects");
        }
        for pod in &group.pods {
            drawing.edge(&service, &names.of("pod", &pod.metadata), "selects");
        }
    }
    for pipeline in &graph.configs {
        drawing.config(pipeline);
    }
    for pipeline in &graph.deployments {
        drawing.deployment(pipeline);
    }
    for pipeline in &graph.images {
        drawing.build(pipeline);
    }
    for pod in &objects.pods {
        let name = names.of("pod", &pod.metadata);
        match objects.keeper(pod) {
            Some(keeper) => drawing.edge(&names.of("rc", keeper), &name, "keeps"),
            None => drawing.node(&name),
        }
    }
    for application in &objects.applications {
        let name = names.of("app", &application.metadata);
        drawing.node(&name);
        for gear in &objects.gears {
            if gear.metadata.namespace == application.metadata.namespace
                && gear.spec.application == application.metadata.name
            {
                drawing.edge(&name, &names.of("gear", &gear.metadata), "runs");
            }
        }
    }
    let mut lines = drawing.lines;
    lines.dedup();
    format!("digraph {project:?} {{\n{}}}\n", lines.concat())
}

struct Drawing<'a> {
    names: Names<'a>,
    lines: Vec<String>,
}

impl Drawing<'_> {
    fn node(&mut self, name: &str) {
        self.lines.push(format!("  {name:?};\n"));
    }

    fn edge(&mut self, from: &str, to: &str, what: &str) {
        let mut line = String::new();
        let _ = writeln!(line, "  {from:?} -> {to:?} [label={what:?}];");
        self.lines.push(line);
    }

    fn config(&mut self, pipeline: &ConfigPipeline) -> String {
        let name = self.names.of("dc", &pipeline.config.metadata);
        self.node(&name);
        for controller in pipeline.active.iter().chain(&pipeline.inactive) {
            self.edge(&name, &self.names.of("rc", &controller.metadata), "deploys");
        }
        self.images(&name, &pipeline.images);
        name
    }

    fn deployment(&mut self, pipeline: &DeploymentPipeline) -> String {
        let name = self.names.of("deployment", &pipeline.deployment.metadata);
        self.node(&name);
        for set in &pipeline.sets {
            self.edge(&name, &self.names.of("rs", &set.metadata), "deploys");
        }
        self.images(&name, &pipeline.images);
        name
    }

    fn images(&mut self, user: &str, images: &[ImagePipeline]) {
        for image in images {
            self.edge(&self.names.image(&image.image), user, "image");
            if let Some(build) = &image.build {
                self.build(build);
            }
        }
    }

    fn build(&mut self, pipeline: &BuildPipeline) {
        let name = self.names.of("bc", &pipeline.config.metadata);
        self.node(&name);
        if let Some(base) = &pipeline.base {
            self.edge(&self.names.image(base), &name, "base");
        }
        if let Some(output) = &pipeline.output {
            self.edge(&name, &self.names.image(output), "builds");
        }
    }
}
