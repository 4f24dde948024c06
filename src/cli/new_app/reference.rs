//! Image references, and the image stream tags that they mean. Pure.
//!
//! Source: facts/oc.md 3.3. Streams of the project and of `openshift` are searched; exactly one exact match is taken, ties
//! and near misses are for the user to settle. Registries and local engines come with containers.

use crate::api::image::ImageStream;
use crate::api::image::TagItem;

/// `[REGISTRY/][NAMESPACE/]NAME[:TAG]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    pub registry: String,
    pub namespace: String,
    pub name: String,
    pub tag: String,
}

impl Reference {
    /// Takes a reference apart; none for what cannot be one.
    pub fn parse(text: &str) -> Option<Reference> {
        let (text, _digest) = text.split_once('@').unwrap_or((text, ""));
        let mut parts: Vec<&str> = text.split('/').collect();
        let mut reference = Reference::default();
        if parts.len() > 1 && (parts[0].contains(['.', ':']) || parts[0] == "localhost") {
            parts.remove(0).clone_into(&mut reference.registry);
        }
        let last = parts.pop()?;
        let (name, tag) = last.split_once(':').unwrap_or((last, ""));
        name.clone_into(&mut reference.name);
        tag.clone_into(&mut reference.tag);
        reference.namespace = parts.join("/");
        let is_word = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'))
        };
        let fits =
            !name.is_empty() && is_word(name) && is_word(tag) && is_word(&reference.namespace);
        fits.then_some(reference)
    }
}

/// One tag of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub stream: &'a ImageStream,
    pub tag: &'a str,
    pub item: &'a TagItem,
}

impl Candidate<'_> {
    /// `NAMESPACE/NAME:TAG`, as `--image-stream` takes it.
    pub fn name(&self) -> String {
        let metadata = &self.stream.metadata;
        format!("{}/{}:{}", metadata.namespace, metadata.name, self.tag)
    }

    /// A word list of the tag's annotations: `builder`, `hidden` …
    pub fn has_word(&self, word: &str) -> bool {
        annotation(self.stream, self.tag, "tags")
            .split(',')
            .any(|one| one.trim() == word)
    }
}

/// What a search came to.
#[derive(Clone, Debug)]
pub enum Found<'a> {
    One(Candidate<'a>),
    /// Equally good ones.
    Several(Vec<Candidate<'a>>),
    /// Names that only look like it.
    Partial(Vec<Candidate<'a>>),
    /// The stream is there, the tag is not: the stream and the tags that it has.
    NoTag(&'a ImageStream),
    Nothing,
}

/// Finds what a reference means among the streams of these namespaces.
pub fn search<'a>(reference: &Reference, streams: &'a [ImageStream]) -> Found<'a> {
    if !reference.registry.is_empty() {
        return Found::Nothing;
    }
    let within = streams.iter().filter(|stream| {
        reference.namespace.is_empty() || stream.metadata.namespace == reference.namespace
    });
    let scored: Vec<(u32, &ImageStream)> = within
        .filter_map(|stream| Some((score(&reference.name, &stream.metadata.name)?, stream)))
        .collect();
    let exact: Vec<&ImageStream> = scored
        .iter()
        .filter(|(score, _)| *score == 0)
        .map(|(_, stream)| *stream)
        .collect();
    let tagged = |streams: &[&'a ImageStream]| -> Vec<Candidate<'a>> {
        let all = streams
            .iter()
            .filter_map(|stream| tag(stream, &reference.tag));
        all.filter(|one| !one.has_word("hidden")).collect()
    };
    let candidates = tagged(&exact);
    match (candidates.as_slice(), exact.first()) {
        ([one], _) => return Found::One(*one),
        ([], Some(stream)) => return Found::NoTag(stream),
        ([], None) => {}
        _ => return Found::Several(candidates),
    }
    let mut near = scored;
    near.sort_by_key(|(score, _)| *score);
    let near: Vec<&ImageStream> = near.into_iter().map(|(_, stream)| stream).collect();
    match tagged(&near) {
        none if none.is_empty() => Found::Nothing,
        some => Found::Partial(some),
    }
}

/// How far a stream's name is from what was typed, in hundredths; none from 30 on.
fn score(typed: &str, name: &str) -> Option<u32> {
    let (low, high) = (typed.to_lowercase(), name.to_lowercase());
    if typed == name {
        Some(0)
    } else if low == high {
        Some(2)
    } else if name.starts_with(typed) {
        Some(10)
    } else if high.starts_with(&low) {
        Some(12)
    } else if name.contains(typed) {
        Some(20)
    } else if high.contains(&low) {
        Some(22)
    } else {
        None
    }
}

/// A tag of a stream; without a name `latest`, or the tag that `latest` follows.
fn tag<'a>(stream: &'a ImageStream, name: &str) -> Option<Candidate<'a>> {
    let name = if name.is_empty() {
        default_tag(stream)
    } else {
        name
    };
    let history = stream.status.tags.iter().find(|one| one.tag == name)?;
    Some(Candidate {
        stream,
        tag: &history.tag,
        item: history.items.first()?,
    })
}

fn default_tag(stream: &ImageStream) -> &str {
    let latest = stream.spec.tags.iter().find(|tag| tag.name == "latest");
    let followed = latest
        .and_then(|tag| tag.from.as_ref())
        .filter(|from| from.kind == "ImageStreamTag" && from.namespace.is_empty());
    let same_stream = followed.and_then(|from| match from.name.split_once(':') {
        Some((name, tag)) => (name == stream.metadata.name).then_some(tag),
        None => Some(from.name.as_str()),
    });
    same_stream.unwrap_or("latest")
}

fn annotation<'a>(stream: &'a ImageStream, tag: &str, name: &str) -> &'a str {
    let found = stream.spec.tags.iter().find(|one| one.name == tag);
    found
        .and_then(|tag| tag.annotations.get(name))
        .map_or("", String::as_str)
}

/// Every stream that builds one of these languages, by its tag `latest` or else the first that does.
pub fn supporting<'a>(languages: &[&str], streams: &'a [ImageStream]) -> Vec<Candidate<'a>> {
    let supports = |stream: &ImageStream, tag: &str| {
        annotation(stream, tag, "supports")
            .split(',')
            .map(str::trim)
            .any(|word| {
                let language = word.split(':').next().unwrap_or(word);
                languages.contains(&language)
            })
    };
    streams
        .iter()
        .filter_map(|stream| {
            let names = std::iter::once(default_tag(stream))
                .chain(stream.status.tags.iter().map(|tag| tag.tag.as_str()));
            names
                .filter(|name| supports(stream, name))
                .filter_map(|name| tag(stream, name))
                .find(|one| !one.has_word("hidden"))
        })
        .collect()
}

/// The tags that a stream has, for messages.
pub fn tags(stream: &ImageStream) -> Vec<&str> {
    stream
        .status
        .tags
        .iter()
        .filter(|tag| !tag.items.is_empty())
        .map(|tag| tag.tag.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::new_app::example::stream;

    fn check(typed: &str, expect: &str) {
        let streams = [
            "openshift/python:latest,3.9",
            "openshift/mysql:latest",
            "demo/shop:latest",
            "demo/empty",
            "demo/twice:latest",
            "openshift/twice:latest",
        ]
        .map(stream);
        let names = |all: &[Candidate<'_>]| {
            all.iter()
                .map(Candidate::name)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let found = match search(&Reference::parse(typed).unwrap(), &streams) {
            Found::One(one) => one.name(),
            Found::Several(all) => format!("several: {}", names(&all)),
            Found::Partial(all) => format!("partial: {}", names(&all)),
            Found::NoTag(stream) => format!("no tag: {}", tags(stream).join(" ")),
            Found::Nothing => "nothing".to_owned(),
        };
        assert_eq!(found, expect, "{typed}");
    }

    #[test]
    fn references_find_streams() {
        check("python", "openshift/python:latest");
        check("python:3.9", "openshift/python:3.9");
        check("openshift/python:3.9", "openshift/python:3.9");
        check("demo/python", "nothing");
        check("shop", "demo/shop:latest");
        check("python:2", "no tag: latest 3.9");
        check("empty", "no tag: ");
        check("twice", "several: demo/twice:latest openshift/twice:latest");
        check("demo/twice", "demo/twice:latest");
        check("mysq", "partial: openshift/mysql:latest");
        check("Python", "partial: openshift/python:latest");
        check("sql", "partial: openshift/mysql:latest");
        check("quay.io/x/python", "nothing");
        check("nothere", "nothing");
    }

    #[test]
    fn latest_may_follow_another_tag() {
        let mut one = stream("demo/app:latest,5.6");
        one.spec.tags[0].from = Some(crate::api::build::ObjectRef {
            kind: "ImageStreamTag".to_owned(),
            name: "5.6".to_owned(),
            namespace: String::new(),
        });
        let streams = [one];
        let reference = Reference::parse("app").unwrap();
        let Found::One(found) = search(&reference, &streams) else {
            panic!("it is there");
        };
        assert_eq!(found.tag, "5.6");
    }

    #[test]
    fn builders_are_found_by_language() {
        let streams = ["openshift/python:latest,3.9", "openshift/ruby:latest"].map(stream);
        let found = supporting(&["python"], &streams);
        let names: Vec<String> = found.iter().map(Candidate::name).collect();
        assert_eq!(names, ["openshift/python:latest"]);
        assert!(supporting(&["jee"], &streams).is_empty());
    }

    #[test]
    fn what_cannot_be_a_reference_is_none() {
        for text in ["", ":x", "a b", "a/"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
