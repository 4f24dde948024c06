//! The image that comes out: the builder's layers, one more with the application, labels that say where it is from.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::agent::build::failure::Failure;
use crate::agent::build::failure::Reason;
use crate::agent::build::git;
use crate::agent::build::inside::Builder;
use crate::agent::build::inside::Work;
use crate::agent::build::s2i::OWN_SCRIPTS;
use crate::agent::build::s2i::Plan;
use crate::agent::build::source::Fetched;
use crate::api::build::Build;
use crate::api::image::REGISTRY;
use crate::base::clock::Clock;
use crate::content::builders::APP_ROOT;
use crate::content::image::CONFIG;
use crate::content::image::Configuration;
use crate::content::image::Descriptor;
use crate::content::image::Layer;
use crate::content::image::LayerWriter;
use crate::content::image::Layout;
use crate::content::image::MANIFEST;
use crate::content::image::Manifest;

/// How much all labels together may hold.
const LABELS_LIMIT: usize = 10_240;
/// What begins the builder's own command when it is a program of the host, not a script of the image.
const HOST_PROGRAM: &str = "/proc/";

/// Makes the image in `work/oci`; returns its manifest's digest.
pub(super) fn commit(
    work: &mut Work<'_>,
    build: &Build,
    builder: &Builder,
    fetched: &Fetched,
    plan: &Plan,
) -> Result<String, Failure> {
    let configuration = configure(build, builder, fetched, plan)?;
    make(work, builder, configuration).map_err(Failure::io(
        Reason::ContainerCommitFailed,
        "cannot write the image",
    ))
}

fn make(
    work: &Work<'_>,
    builder: &Builder,
    mut configuration: Configuration,
) -> io::Result<String> {
    let layout = Layout::at(work.folder.join("oci"));
    layout.make()?;
    let layer = layer(work, &layout)?;
    let created = configuration.created.clone();
    configuration.add_layer(&layer, &created, "assemble");
    let config = configuration.to_bytes();
    layout.put(&config)?;
    let mut layers = builder.manifest.layers.clone();
    layers.push(layer.descriptor());
    let manifest = Manifest::new(Descriptor::of(CONFIG, &config), layers);
    let digest = layout.set_manifest(MANIFEST, &manifest.to_bytes())?;
    Ok(digest.to_string())
}

fn layer(work: &Work<'_>, layout: &Layout) -> io::Result<Layer> {
    let beside = work.folder.join("oci/layer");
    let mut writer = LayerWriter::new(io::BufWriter::new(File::create(&beside)?));
    writer.tree(&work.rootfs(), Path::new(APP_ROOT.trim_start_matches('/')))?;
    let (out, layer) = writer.finish()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    std::fs::rename(&beside, layout.blob(&layer.digest))?;
    Ok(layer)
}

/// The configuration without the new layer.
fn configure(
    build: &Build,
    builder: &Builder,
    fetched: &Fetched,
    plan: &Plan,
) -> Result<Configuration, Failure> {
    let mut configuration = builder.configuration.clone();
    configuration.created = Clock::System.now().to_string();
    let settings = &mut configuration.config;
    for (name, value) in &plan.env {
        settings.set_variable(name, value);
    }
    for (name, value) in about(build, fetched) {
        settings.set_variable(name, &value);
    }
    let runs_host_program = settings
        .cmd
        .first()
        .is_some_and(|one| one.starts_with(HOST_PROGRAM));
    if plan.own_run {
        settings.cmd = vec![format!("{OWN_SCRIPTS}/run")];
        settings.entrypoint.clear();
    } else if !runs_host_program {
        settings.cmd = vec![format!("{}/run", plan.scripts)];
    }
    let labels = labels(build, builder, fetched);
    settings.labels.extend(labels);
    let size: usize = settings
        .labels
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > LABELS_LIMIT {
        let detail = format!("its labels are {size} bytes long, and may be {LABELS_LIMIT}");
        return Err(Failure::new(Reason::ContainerCommitFailed, detail));
    }
    Ok(configuration)
}

/// What the image tells its own processes about its build. Because the build's name is in it, no two builds make the same
/// image, and every build is rolled out.
fn about(build: &Build, fetched: &Fetched) -> Vec<(&'static str, String)> {
    let source = &build.spec.common.source;
    let revision = fetched.revision.as_ref().and_then(|one| one.git.as_ref());
    let mut about = vec![
        ("OPENSHIFT_BUILD_NAME", build.metadata.name.clone()),
        (
            "OPENSHIFT_BUILD_NAMESPACE",
            build.metadata.namespace.clone(),
        ),
    ];
    if let Some(git) = &source.git {
        about.push(("OPENSHIFT_BUILD_SOURCE", git::shown(&git.uri)));
        if !git.reference.is_empty() {
            about.push(("OPENSHIFT_BUILD_REFERENCE", git.reference.clone()));
        }
    }
    if let Some(revision) = revision {
        about.push(("OPENSHIFT_BUILD_COMMIT", revision.commit.clone()));
    }
    about
}

fn labels(build: &Build, builder: &Builder, fetched: &Fetched) -> Vec<(String, String)> {
    let common = &build.spec.common;
    let output = &build.status.output_docker_image_reference;
    let output = output.strip_prefix(REGISTRY).unwrap_or(output);
    let mut labels = vec![
        (
            "io.k8s.display-name",
            output.trim_start_matches('/').to_owned(),
        ),
        ("io.openshift.s2i.build.image", builder.reference.clone()),
    ];
    if let Some(git) = &common.source.git {
        labels.push((
            "io.openshift.s2i.build.source-location",
            git::shown(&git.uri),
        ));
        labels.push(("io.openshift.s2i.build.commit.ref", git.reference.clone()));
    }
    if let Some(revision) = fetched.revision.as_ref().and_then(|one| one.git.as_ref()) {
        let author = &revision.author;
        let author = format!("{} <{}>", author.name, author.email);
        labels.push(("io.openshift.s2i.build.commit.id", revision.commit.clone()));
        labels.push(("io.openshift.s2i.build.commit.author", author));
        labels.push(("io.openshift.s2i.build.commit.date", fetched.date.clone()));
        let message: String = revision.message.chars().take(1000).collect();
        labels.push(("io.openshift.s2i.build.commit.message", message));
    }
    labels.push((
        "io.openshift.s2i.build.source-context-dir",
        common.source.context_dir.clone(),
    ));
    labels
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
