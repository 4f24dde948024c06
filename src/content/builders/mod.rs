//! The built-in builder images: S2I scripts for the host's own toolchains.
//!
//! An image carries only its scripts and says by labels what it needs; the same program always makes the same bytes.
//! The scripts are POSIX sh. They find themselves by `$STI_SCRIPTS_PATH`, the source by `$UPSHIFT_SOURCE`, the
//! application by `$APP_ROOT`, and serve on `$HOST` and `$PORT`; what `assemble` leaves works wherever it is unpacked.
//!
//! # Decided
//!
//! * `static` serves with this program itself: its command is `/proc/self/exe __static`, which in a pod's shim is this
//!   program under whatever path and user. A folder of files needs no toolchain at all. The script `run` is for others.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::content::image::Image;
use crate::content::image::LayerWriter;
use crate::content::image::Settings;

/// Label: the program that the host must have.
pub const TOOLCHAIN: &str = "upshift.dev/toolchain";
/// Label: the packages that bring it, by their Debian names.
pub const PACKAGES: &str = "upshift.dev/packages";
/// Label: where the S2I scripts are.
pub const SCRIPTS_URL: &str = "io.openshift.s2i.scripts-url";
/// Where the scripts are in an image.
pub const SCRIPTS: &str = "/usr/libexec/s2i";
/// Where the application is in an image.
pub const APP_ROOT: &str = "/opt/app-root";
/// The tag of every builder.
pub const TAG: &str = "latest";

/// The hidden subcommand that serves files, where the shim executes it.
const SERVER: &[&str] = &["/proc/self/exe", "__static"];
/// Of everything in these images: they say nothing about when this program was built.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// One built-in builder.
#[derive(Clone, Debug)]
pub struct Builder {
    /// Its image stream in the namespace `openshift`.
    pub name: &'static str,
    pub tag: &'static str,
    /// Of the image stream's tag.
    pub annotations: BTreeMap<String, String>,
    pub image: Image,
}

/// What tells one builder from another.
struct Kind {
    name: &'static str,
    display_name: &'static str,
    /// Programs that must be on the host; the first that is there will do.
    toolchain: &'static str,
    packages: &'static str,
    supports: &'static str,
    env: &'static [&'static str],
    /// What runs the application; empty: the script `run`.
    cmd: &'static [&'static str],
    scripts: &'static [(&'static str, &'static str)],
}

macro_rules! scripts {
    ($folder:literal: $($name:literal),*) => {
        &[$(($name, include_str!(concat!($folder, "/", $name)))),*]
    };
}

static KINDS: &[Kind] = &[
    Kind {
        name: "nodejs",
        display_name: "Node.js",
        toolchain: "node",
        packages: "nodejs npm",
        supports: "nodejs",
        env: &["NODE_ENV=production", "NPM_RUN=start"],
        cmd: &[],
        scripts: scripts!("nodejs": "assemble", "run", "save-artifacts", "usage"),
    },
    Kind {
        name: "perl",
        display_name: "Perl",
        toolchain: "perl",
        packages: "perl",
        supports: "perl",
        env: &[],
        cmd: &[],
        scripts: scripts!("perl": "assemble", "run", "usage"),
    },
    Kind {
        name: "php",
        display_name: "PHP",
        toolchain: "php",
        packages: "php-cli",
        supports: "php",
        env: &["DOCUMENTROOT=/"],
        cmd: &[],
        scripts: scripts!("php": "assemble", "run", "save-artifacts", "usage"),
    },
    Kind {
        name: "python",
        display_name: "Python",
        toolchain: "python3",
        packages: "python3 python3-pip",
        supports: "python",
        env: &["PYTHONUNBUFFERED=1", "PYTHONIOENCODING=UTF-8"],
        cmd: &[],
        scripts: scripts!("python": "assemble", "run", "usage"),
    },
    Kind {
        name: "ruby",
        display_name: "Ruby",
        toolchain: "ruby",
        packages: "ruby ruby-bundler",
        supports: "ruby",
        env: &["RACK_ENV=production", "RAILS_ENV=production"],
        cmd: &[],
        scripts: scripts!("ruby": "assemble", "run", "save-artifacts", "usage"),
    },
    Kind {
        name: "static",
        display_name: "Static files",
        toolchain: "",
        packages: "",
        supports: "static,html",
        env: &[],
        cmd: SERVER,
        scripts: scripts!("static": "assemble", "run", "usage"),
    },
];

/// All of them, in the order of their names.
pub fn all() -> Vec<Builder> {
    KINDS.iter().map(build).collect()
}

fn build(kind: &Kind) -> Builder {
    let layer = layer(kind).expect("nothing fails in memory");
    let image = Image::new(settings(kind), layer, CREATED, "upshift");
    let annotations = [
        ("tags", format!("builder,{}", kind.name)),
        ("supports", kind.supports.to_owned()),
        ("openshift.io/display-name", kind.display_name.to_owned()),
        ("description", description(kind)),
    ];
    Builder {
        name: kind.name,
        tag: TAG,
        annotations: annotations
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        image,
    }
}

fn layer(kind: &Kind) -> std::io::Result<(crate::content::image::Layer, Vec<u8>)> {
    let mut layer = LayerWriter::new(Vec::new());
    for folder in [
        "opt",
        "opt/app-root",
        "opt/app-root/src",
        "usr",
        "usr/libexec",
        "usr/libexec/s2i",
    ] {
        layer.folder(Path::new(folder), 0o755)?;
    }
    for (name, text) in kind.scripts {
        let path = Path::new("usr/libexec/s2i").join(name);
        layer.file(&path, 0o755, text.len() as u64, text.as_bytes())?;
    }
    let (bytes, layer) = layer.finish()?;
    Ok((layer, bytes))
}

fn settings(kind: &Kind) -> Settings {
    let own = [
        "APP_ROOT=/opt/app-root",
        "HOME=/opt/app-root/src",
        "STI_SCRIPTS_PATH=/usr/libexec/s2i",
    ];
    let labels = [
        (SCRIPTS_URL, format!("image://{SCRIPTS}")),
        ("io.k8s.display-name", kind.display_name.to_owned()),
        ("io.k8s.description", description(kind)),
        ("io.openshift.expose-services", "8080:http".to_owned()),
        ("io.openshift.tags", format!("builder,{}", kind.name)),
        (TOOLCHAIN, kind.toolchain.to_owned()),
        (PACKAGES, kind.packages.to_owned()),
    ];
    Settings {
        exposed_ports: BTreeMap::from([("8080/tcp".to_owned(), json!({}))]),
        env: own
            .iter()
            .chain(kind.env)
            .map(|&one| one.to_owned())
            .collect(),
        cmd: match kind.cmd {
            [] => vec![format!("{SCRIPTS}/run")],
            cmd => cmd.iter().map(|&word| word.to_owned()).collect(),
        },
        working_dir: format!("{APP_ROOT}/src"),
        labels: labels
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        ..Settings::default()
    }
}

fn description(kind: &Kind) -> String {
    match kind.toolchain {
        "" => "Serves files as they are".to_owned(),
        program => format!(
            "Builds and runs {} applications with the host's {program}",
            kind.display_name
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builder_has_what_s2i_asks_for_and_is_always_the_same() {
        let (one, two) = (all(), all());
        let names: Vec<&str> = one.iter().map(|builder| builder.name).collect();
        assert_eq!(names, ["nodejs", "perl", "php", "python", "ruby", "static"]);
        for (one, two) in one.iter().zip(&two) {
            assert_eq!(one.image.digest, two.image.digest);
            let labels = &one.image.configuration.config.labels;
            assert_eq!(labels[SCRIPTS_URL], "image:///usr/libexec/s2i");
            assert_eq!(one.image.configuration.config.ports(), [8080]);
        }
        for kind in KINDS {
            for wanted in ["assemble", "run", "usage"] {
                let script = kind.scripts.iter().find(|(name, _)| *name == wanted);
                let (_, text) = script.unwrap();
                assert!(text.starts_with("#!/bin/sh\n"), "{} {wanted}", kind.name);
                assert!(!text.contains('\r') && text.ends_with('\n'));
            }
        }
    }
}
