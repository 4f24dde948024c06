//! What cannot become an application, in `oc`'s words (facts/oc.md 3.2, 3.9). Pure.

use crate::api::image::ImageStream;
use crate::cli::Failure;
use crate::cli::failure::Kind;
use crate::cli::new_app::reference;
use crate::cli::new_app::reference::Candidate;
use crate::cli::program::Program;
use crate::cli::usage;

/// Matches that are shown at most.
const SHOWN: usize = 5;

/// Nothing was typed that an application could be made of.
pub fn no_input(program: Program, command: &str) -> Failure {
    let name = program.name();
    if command == "new-build" {
        return usage::see(
            program,
            command,
            "You must specify one or more images, image streams, or source code locations to create a build.",
        );
    }
    let mut failure = Failure::usage(
        "You must specify one or more images, image streams, templates, or source code locations to create an application.",
    );
    for line in [
        String::new(),
        "To list all local templates and image streams, use:".to_owned(),
        String::new(),
        format!("  {name} {command} -L"),
        String::new(),
        "To search templates, image streams, and container images that match the arguments provided, use:".to_owned(),
        String::new(),
        format!("  {name} {command} -S php"),
        format!("  {name} {command} -S --image-stream=python"),
        String::new(),
        format!("See '{name} {command} -h' for help and examples"),
    ] {
        failure = failure.hint(line);
    }
    failure
}

/// No image of that name; `is_bare` when the word might have been meant as a directory.
pub fn no_match(word: &str, is_bare: bool, program: Program, command: &str) -> Failure {
    let name = program.name();
    let image = format!(
        "unable to locate any images in image streams, templates loaded in accessible projects, template files, local \
         docker images with name {word:?}"
    );
    let message = if is_bare {
        format!(
            " local file access failed with: stat {word}: no such file or directory\nerror: {image}"
        )
    } else {
        image
    };
    let mut failure = Failure::new(Kind::NotFound, message);
    for line in [
        String::new(),
        format!("Argument '{word}' was classified as an image, image~source, or loaded template reference."),
        String::new(),
        format!("The '{name} {command}' command will match arguments to the following types:"),
        String::new(),
        "  1. Images tagged into image streams in the current project or the 'openshift' project".to_owned(),
        "     - if you don't specify a tag, we'll add ':latest'".to_owned(),
        "  2. Images in the container storage, on remote registries, or on the local container engine".to_owned(),
        "  3. Templates in the current project or the 'openshift' project".to_owned(),
        "  4. Git repository URLs or local paths that point to Git repositories".to_owned(),
        String::new(),
        "--allow-missing-images can be used to point to an image that does not exist yet.".to_owned(),
        String::new(),
        format!("See '{name} {command} -h' for examples."),
    ] {
        failure = failure.hint(line);
    }
    failure
}

/// Several images are equally good.
pub fn several(word: &str, found: &[Candidate<'_>], program: Program, command: &str) -> Failure {
    let mut failure = Failure::usage(format!("multiple images or templates matched {word:?}"))
        .hint("")
        .hint(format!(
            "The argument {word:?} could apply to the following container images, OpenShift image streams, or templates:"
        ))
        .hint("");
    for one in found.iter().take(SHOWN) {
        failure = suggested(failure, one).hint("");
    }
    if found.len() > SHOWN {
        failure = failure.hint(format!(
            "To view a full list of matches, use '{} {command} -S {word}'",
            program.name()
        ));
    }
    failure
}

/// Names only look like what was typed.
pub fn partial(word: &str, found: &[Candidate<'_>], program: Program, command: &str) -> Failure {
    match found {
        [one] => {
            let failure = Failure::usage(format!(
                "only a partial match was found for {word:?}: {:?}",
                one.name()
            ))
            .hint("")
            .hint(format!(
                "The argument {word:?} only partially matched the following container image, OpenShift image stream, or template:"
            ))
            .hint("");
            suggested(failure, one)
        }
        _ => several(word, found, program, command),
    }
}

fn suggested(failure: Failure, one: &Candidate<'_>) -> Failure {
    let metadata = &one.stream.metadata;
    failure
        .hint(format!(
            "* Image stream {:?} (tag {:?}) in project {:?}",
            metadata.name, one.tag, metadata.namespace
        ))
        .hint(format!(
            "  Use --image-stream={:?} to specify this image or template",
            one.name()
        ))
}

/// The stream is there, the tag is not.
pub fn no_tag(stream: &ImageStream, tag: &str) -> Failure {
    let metadata = &stream.metadata;
    let name = format!("{}/{}", metadata.namespace, metadata.name);
    let tags = reference::tags(stream);
    if tags.is_empty() {
        return Failure::new(
            Kind::NotFound,
            format!("no tags found on matching image stream: {name:?}"),
        )
        .hint("")
        .hint(format!(
            "The image stream {name:?} exists, but it has no tags."
        ))
        .hint("")
        .hint("Use --allow-missing-imagestream-tags to use this image stream");
    }
    let tag = if tag.is_empty() { "latest" } else { tag };
    Failure::new(
        Kind::NotFound,
        format!("the image stream {name:?} has no tag {tag:?}"),
    )
    .hint(format!("Its tags: {}", tags.join(", ")))
}

/// Nothing builds a source of this kind.
pub fn no_language(place: &str, program: Program, command: &str) -> Failure {
    Failure::usage(format!(
        "no language was detected for repository at {place:?}; please specify a builder image to use with your repository: \
         [builder-image]~{place}"
    ))
    .hint(String::new())
    .hint(format!(
        "See '{} {command} -h' for examples.",
        program.name()
    ))
}

/// The image named for a source does not build.
pub fn no_builder(image: &str, source: &str, program: Program, command: &str) -> Failure {
    Failure::usage(format!(
        "the image match {image:?} for source repository {source:?} does not appear to be a source-to-image builder."
    ))
    .hint("")
    .hint(format!(
        "- to attempt to use this image as a source builder, pass \"--strategy=source\": {} {command} --strategy=source {image}~{source}",
        program.name()
    ))
}
