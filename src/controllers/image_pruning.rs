//! Images that nothing names any more go; what a tag was long ago is forgotten.
//!
//! The registry removes the bytes of an Image once the object is gone. A tag keeps its newest ten images, and of the
//! older ones those that something runs or could go back to. Looked at when a stream or an image changes, and with every
//! resync: that something else stops naming an image wakes nobody.

use std::time::Duration;

use serde_json::json;

use crate::api::image::ImageStream;
use crate::api::image::TagHistory;
use crate::api::image::TagItem;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

/// What a tag remembers.
const HISTORY: usize = 10;
/// How long an image may be there before something names it: it is pushed first and tagged then.
const UNNAMED: Duration = Duration::from_secs(3600);

/// Decides for one `ImageStream`.
#[derive(Debug, Default)]
pub(crate) struct Tags;

/// Decides for one Image.
#[derive(Debug, Default)]
pub(crate) struct Images;

static TAG_WATCHES: &[Watch] = &[Watch {
    kind: &kinds::IMAGE_STREAM,
    keys: Touched::itself,
}];

static IMAGE_WATCHES: &[Watch] = &[Watch {
    kind: &kinds::IMAGE,
    keys: Touched::itself,
}];

impl Controller for Tags {
    const NAME: &'static str = "image_tags";

    fn watches() -> &'static [Watch] {
        TAG_WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(stream) = world.image_streams.find(key) else {
            return Decision::nothing();
        };
        if stream.metadata.is_deleting() {
            return Decision::nothing();
        }
        let kept: Vec<TagHistory> = stream
            .status
            .tags
            .iter()
            .map(|tag| kept(tag, world))
            .collect();
        if kept == stream.status.tags {
            return Decision::nothing();
        }
        Decision::one(Change::report::<ImageStream>(
            stream,
            &json!({"tags": kept}),
        ))
    }
}

fn kept(tag: &TagHistory, world: &World) -> TagHistory {
    let items = tag.items.iter().enumerate();
    let stays = |(place, item): &(usize, &TagItem)| *place < HISTORY || is_used(&item.image, world);
    TagHistory {
        items: items.filter(stays).map(|(_, item)| item.clone()).collect(),
        ..tag.clone()
    }
}

/// Whether something runs an image, was made with it, or may go back to it.
fn is_used(image: &str, world: &World) -> bool {
    world.pods.naming_image(image).next().is_some()
        || world
            .replication_controllers
            .naming_image(image)
            .next()
            .is_some()
        || world.replica_sets.naming_image(image).next().is_some()
        || world
            .deployment_configs
            .naming_image(image)
            .next()
            .is_some()
        || world.deployments.naming_image(image).next().is_some()
        || world.builds.naming_image(image).next().is_some()
}

impl Controller for Images {
    const NAME: &'static str = "image";

    fn watches() -> &'static [Watch] {
        IMAGE_WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(image) = world.images.find(key) else {
            return Decision::nothing();
        };
        let digest = &key.name;
        let is_named = world.image_streams.naming_image(digest).next().is_some();
        if is_named || is_used(digest, world) || image.metadata.is_deleting() {
            return Decision::nothing();
        }
        let left = UNNAMED.saturating_sub(world.sightings.image_known(key, now));
        if left.is_zero() {
            return Decision::one(Change::delete(&**image));
        }
        Decision {
            again: Some(left),
            ..Decision::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::image::Image;
    use crate::api::pod::Pod;
    use crate::controllers::world::put;
    use serde_json::Value;

    fn stream(world: &mut World, count: usize) {
        let items: Vec<Value> = (0..count)
            .map(|number| json!({"image": format!("sha256:{number}"), "x": 1}))
            .collect();
        let tags = json!([{"tag": "latest", "items": items, "conditions": []}]);
        put::<ImageStream>(
            world,
            json!({"metadata": {"name": "shop", "namespace": "demo"}, "status": {"tags": tags}}),
        );
    }

    fn runs(world: &mut World, image: &str) {
        let container = json!({"name": "a", "image": format!("r/demo/shop@{image}")});
        put::<Pod>(
            world,
            json!({"metadata": {"name": image, "namespace": "demo"}, "spec": {"containers": [container]}}),
        );
    }

    #[test]
    fn a_tag_keeps_ten_images_and_what_is_used() {
        let mut world = World::default();
        let look = |world: &World| {
            let decision = Tags.decide(&Key::new("demo", "shop"), world, Timestamp::from_second(0));
            match decision.changes.first() {
                Some(Change::Patch { merge, .. }) => merge["status"]["tags"][0].clone(),
                _ => Value::Null,
            }
        };
        stream(&mut world, 10);
        assert_eq!(look(&world), Value::Null);
        stream(&mut world, 13);
        runs(&mut world, "sha256:11");
        let tag = look(&world);
        let items = tag["items"].as_array().unwrap();
        assert_eq!(items.len(), 11);
        assert_eq!(
            items[10],
            json!({"image": "sha256:11", "x": 1, "dockerImageReference": "", "generation": 0})
        );
        assert_eq!(tag["conditions"], json!([]));
    }

    #[test]
    fn an_image_that_nothing_names_goes_after_a_while() {
        let mut world = World::default();
        put::<Image>(&mut world, json!({"metadata": {"name": "sha256:0"}}));
        let look = |world: &World, second: i64| {
            let key = Key::new("", "sha256:0");
            Images.decide(&key, world, Timestamp::from_second(second))
        };
        assert_eq!(
            look(&world, 60).again,
            Some(UNNAMED.saturating_sub(Duration::from_secs(60)))
        );
        assert_eq!(look(&world, 3600).changes.len(), 1);
        runs(&mut world, "sha256:0");
        assert_eq!(look(&world, 3600), Decision::nothing());
        world.put::<Pod>(
            &Key::new("demo", "sha256:0"),
            None,
            Timestamp::from_second(0),
        );
        stream(&mut world, 1);
        assert_eq!(look(&world, 3600), Decision::nothing());
    }
}
