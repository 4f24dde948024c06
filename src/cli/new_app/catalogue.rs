//! `new-app --list` and `--search`: what an application can be made of.
//!
//! Source: facts/oc.md 3.9. Templates and registries are not searched.

use std::fmt::Write;

use crate::api::image::ImageStream;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure::Kind;
use crate::cli::new_app::args::Wish;
use crate::cli::new_app::images::Images;
use crate::cli::new_app::reference;
use crate::cli::new_app::reference::Reference;

/// Prints the image streams that are there, or those whose names hold what was typed.
pub(super) async fn run(wish: &Wish, context: &Context) -> Result<Exit, Failure> {
    let common = &wish.common;
    let words: Vec<&String> = [&common.words, &common.image, &common.image_stream]
        .into_iter()
        .flatten()
        .collect();
    if common.search && words.is_empty() {
        return Err(Failure::usage(
            "you must specify at least one argument to search",
        ));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let images = Images::read(&connection.client, &connection.namespace, context.program).await?;
    let matches = |stream: &&ImageStream| {
        words.is_empty()
            || words.iter().any(|word| {
                Reference::parse(word).is_some_and(|wanted| {
                    let name = stream.metadata.name.to_lowercase();
                    name.contains(&wanted.name.to_lowercase())
                })
            })
    };
    let mut found: Vec<&ImageStream> = images.streams.iter().filter(matches).collect();
    found.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    if found.is_empty() {
        return Err(Failure::new(Kind::NotFound, "no matches found"));
    }
    context.out(format_args!(
        "{}",
        page(&found, context.name(), wish.command)
    ))?;
    Ok(Exit::Done)
}

fn page(streams: &[&ImageStream], program: &str, command: &str) -> String {
    let mut page = format!(
        "Image streams ({program} {command} --image-stream=<image-stream> [--code=<source>])\n-----\n"
    );
    for stream in streams {
        let tags = match reference::tags(stream) {
            tags if tags.is_empty() => "<none>".to_owned(),
            tags => tags.join(", "),
        };
        writeln!(
            page,
            "{}\n  Project: {}\n  Tags:    {tags}",
            stream.metadata.name, stream.metadata.namespace
        )
        .expect("writing to a String does not fail");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::new_app::example::stream;

    #[test]
    fn streams_are_listed_with_their_tags() {
        let (python, empty) = (stream("openshift/python:latest,3.9"), stream("demo/empty"));
        assert_eq!(
            page(&[&empty, &python], "oc", "new-app"),
            "Image streams (oc new-app --image-stream=<image-stream> [--code=<source>])\n-----\nempty\n  Project: demo\n  \
             Tags:    <none>\npython\n  Project: openshift\n  Tags:    latest, 3.9\n"
        );
    }
}
