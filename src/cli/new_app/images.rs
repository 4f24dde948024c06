//! The images that a project can use, as the server knows them, and what they say of themselves.

use crate::api::image::Image;
use crate::api::image::ImageStream;
use crate::api::image::SHARED_NAMESPACE;
use crate::api::meta::Key;
use crate::cli::Failure;
use crate::cli::new_app::args::Wish;
use crate::cli::new_app::blueprint::Details;
use crate::cli::new_app::blueprint::Input;
use crate::cli::new_app::blueprint::Tag;
use crate::cli::new_app::grammar::NamedBy;
use crate::cli::new_app::grammar::Part;
use crate::cli::new_app::naming;
use crate::cli::new_app::reference;
use crate::cli::new_app::reference::Candidate;
use crate::cli::new_app::reference::Found;
use crate::cli::new_app::reference::Reference;
use crate::cli::new_app::trouble;
use crate::cli::program::Program;
use crate::client::Client;
use crate::client::ListOptions;

/// The streams of the project, and those that every project sees.
pub struct Images<'a> {
    pub client: &'a Client,
    pub project: &'a str,
    pub program: Program,
    pub streams: Vec<ImageStream>,
}

impl<'a> Images<'a> {
    /// Reads them.
    pub async fn read(
        client: &'a Client,
        project: &'a str,
        program: Program,
    ) -> Result<Images<'a>, Failure> {
        let mut streams = list(client, project).await?;
        if project != SHARED_NAMESPACE {
            // Not everybody may look there.
            match list(client, SHARED_NAMESPACE).await {
                Ok(shared) => streams.extend(shared),
                Err(error) if error.is_forbidden() || error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Images {
            client,
            project,
            program,
            streams,
        })
    }

    /// The image that a word means.
    pub async fn find(&self, part: &Part, wish: &Wish) -> Result<Input, Failure> {
        let word = &part.image;
        let Some(reference) = Reference::parse(word) else {
            return Err(Failure::usage(format!(
                "the image reference {word:?} is invalid"
            )));
        };
        match reference::search(&reference, &self.streams) {
            Found::One(one) => self.input(&one).await,
            Found::NoTag(_) | Found::Nothing | Found::Partial(_)
                if wish.common.allow_missing_images =>
            {
                Ok(missing(word, &reference))
            }
            Found::NoTag(stream) if wish.common.allow_missing_imagestream_tags => {
                Ok(self.untagged(stream, &reference))
            }
            Found::NoTag(stream) => Err(trouble::no_tag(stream, &reference.tag)),
            Found::Several(found) => {
                Err(trouble::several(word, &found, self.program, wish.command))
            }
            Found::Partial(found) => {
                Err(trouble::partial(word, &found, self.program, wish.command))
            }
            Found::Nothing => {
                let is_bare = part.named_by == NamedBy::Word && part.source.is_none();
                Err(trouble::no_match(word, is_bare, self.program, wish.command))
            }
        }
    }

    /// The one builder of a language.
    pub async fn builder(
        &self,
        languages: &[&'static str],
        wish: &Wish,
    ) -> Result<(String, Input), Failure> {
        let found = reference::supporting(languages, &self.streams);
        let word = languages.first().copied().unwrap_or_default();
        match found.as_slice() {
            [] => Err(trouble::no_match(word, false, self.program, wish.command)),
            [one] => Ok((one.stream.metadata.name.clone(), self.input(one).await?)),
            _ => Err(trouble::several(word, &found, self.program, wish.command)),
        }
    }

    /// Whether a word means a builder; what cannot be found is told later.
    pub async fn is_builder(&self, part: &Part) -> bool {
        let Some(reference) = Reference::parse(&part.image) else {
            return false;
        };
        match reference::search(&reference, &self.streams) {
            Found::One(one) => match self.input(&one).await {
                Ok(input) => input.details.is_builder,
                Err(_) => one.has_word("builder"),
            },
            _ => false,
        }
    }

    async fn input(&self, one: &Candidate<'_>) -> Result<Input, Failure> {
        let metadata = &one.stream.metadata;
        let key = Key::new("", one.item.image.clone());
        let mut details = match self.client.get::<Image>(&key).await {
            Ok(image) => Details::of(&image, &one.item.image),
            Err(error) if error.is_not_found() || error.is_forbidden() => Details {
                id: one.item.image.clone(),
                ..Details::default()
            },
            Err(error) => return Err(error.into()),
        };
        details.created = one.item.created;
        details
            .reference
            .clone_from(&one.item.docker_image_reference);
        details.is_builder |= one.has_word("builder");
        Ok(Input {
            tag: Tag {
                namespace: self.namespace(&metadata.namespace),
                stream: metadata.name.clone(),
                tag: one.tag.to_owned(),
            },
            missing: None,
            details,
        })
    }

    fn untagged(&self, stream: &ImageStream, reference: &Reference) -> Input {
        let tag = match reference.tag.as_str() {
            "" => "latest",
            tag => tag,
        };
        Input {
            tag: Tag {
                namespace: self.namespace(&stream.metadata.namespace),
                stream: stream.metadata.name.clone(),
                tag: tag.to_owned(),
            },
            ..Input::default()
        }
    }

    /// A namespace as references carry it: none for the project's own.
    fn namespace(&self, namespace: &str) -> String {
        if namespace == self.project {
            String::new()
        } else {
            namespace.to_owned()
        }
    }
}

/// An image that is taken on trust.
fn missing(word: &str, reference: &Reference) -> Input {
    let tag = match reference.tag.as_str() {
        "" => "latest",
        tag => tag,
    };
    Input {
        tag: Tag {
            namespace: String::new(),
            stream: naming::of_stream(&reference.name),
            tag: tag.to_owned(),
        },
        missing: Some(word.to_owned()),
        details: Details::default(),
    }
}

async fn list(client: &Client, namespace: &str) -> Result<Vec<ImageStream>, crate::client::Error> {
    let options = ListOptions::default();
    let listed = client.list::<ImageStream>(namespace, &options).await?;
    Ok(listed.items)
}
