//! Build configs: new builds for a new config and for a new builder image, and old builds removed.
//!
//! A Build is created first and counted (`status.lastVersion`, `lastTriggeredImageID`) after: in between, a repetition
//! makes the Build of the same name and finds it there. What a Build holds is `plan::build`'s to say; running it is
//! `build`'s.
//!
//! # Decided
//!
//! * A config whose repository is on a client's machine has no first build of its own: the client uploads one. A new
//!   builder image builds the newest source that was uploaded.
//!
//! Sources: facts/oc.md 6.1; openshift-controller-manager pkg/build/controller/{buildconfig,imagechange}.

use serde_json::Value;
use serde_json::json;

use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::build::BUILD_NUMBER;
use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildPhase;
use crate::api::build::BuildTrigger;
use crate::api::build::ObjectRef;
use crate::api::image::SHARED_NAMESPACE;
use crate::api::image::split_tag;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;
use crate::plan::build;
use crate::plan::build::Request;

/// How many finished builds of each sort are kept.
const HISTORY: u32 = 5;

/// The controller of build configs.
pub(crate) struct BuildConfigs;

impl Controller for BuildConfigs {
    const NAME: &'static str = "build-config";

    fn watches() -> &'static [Watch] {
        &[
            Watch {
                kind: &kinds::BUILD_CONFIG,
                keys: Touched::itself,
            },
            Watch {
                kind: &kinds::BUILD,
                keys: its_config,
            },
            Watch {
                kind: &kinds::IMAGE_STREAM,
                keys: triggered,
            },
        ]
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(config) = world.build_configs.find(key) else {
            return Decision::nothing();
        };
        if config.metadata.is_deleting() {
            return Decision::nothing();
        }
        // A build was made whose number was not counted before its server died.
        if let Some(uncounted) = uncounted(config, world) {
            return Decision::one(uncounted);
        }
        let mut decision = trigger(config, world);
        decision.changes.extend(outlived(config, world));
        decision
    }
}

fn its_config(_: &World, touched: &Touched<'_>) -> Vec<Key> {
    let name = touched.metadata.annotations.get(BUILD_CONFIG_NAME);
    name.map(|name| Key::new(&touched.key.namespace, name))
        .into_iter()
        .collect()
}

/// The configs that may wait for an image of a stream. Pushes are rare, so that looking at all of them is cheap.
fn triggered(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let namespace = touched.key.namespace.as_str();
    let configs: Vec<Key> = if namespace == SHARED_NAMESPACE {
        world.build_configs.keys().cloned().collect()
    } else {
        let own = world.build_configs.in_namespace(namespace);
        own.map(|config| config.metadata.key()).collect()
    };
    configs
        .into_iter()
        .filter(|key| {
            let config = world.build_configs.find(key);
            config.is_some_and(|config| has_trigger(config, "ImageChange"))
        })
        .collect()
}

fn has_trigger(config: &BuildConfig, kind: &str) -> bool {
    config.spec.triggers.iter().any(|one| one.kind == kind)
}

/// The builds of a config, by their numbers.
pub(super) fn builds_of<'a>(config: &Key, world: &'a World) -> Vec<&'a Build> {
    let mut builds: Vec<&Build> = world
        .builds
        .in_namespace(&config.namespace)
        .map(|build| &**build)
        .filter(|build| build.metadata.annotations.get(BUILD_CONFIG_NAME) == Some(&config.name))
        .collect();
    builds.sort_by_key(|build| (number(build), build.metadata.creation_timestamp));
    builds
}

/// Counts a build that was asked for and not counted. One of a trigger is counted by the trigger, with its image.
fn uncounted(config: &BuildConfig, world: &World) -> Option<Change> {
    let next = config.status.last_version + 1;
    let builds = builds_of(&config.metadata.key(), world);
    let build = builds.into_iter().find(|build| number(build) == next)?;
    let mut owners = build.metadata.owner_references.iter();
    let is_own = owners.any(|owner| owner.uid == config.metadata.uid);
    let mut causes = build.spec.triggered_by.iter();
    let is_triggered = causes.any(|cause| {
        [build::CONFIG_CHANGE, build::IMAGE_CHANGE]
            .contains(&cause["message"].as_str().unwrap_or(""))
    });
    let merge = json!({"status": {"lastVersion": next}});
    (is_own && !is_triggered).then(|| Change::patch(config, merge))
}

/// A build's place among those of its config.
pub(super) fn number(build: &Build) -> u64 {
    let number = build.metadata.annotations.get(BUILD_NUMBER);
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// What a trigger found: its place in the list, and the image it waits for.
struct Waiting<'a> {
    index: usize,
    trigger: &'a BuildTrigger,
    from: ObjectRef,
    /// Whether it is about the strategy's own builder.
    is_builder: bool,
    latest: Option<String>,
}

impl Waiting<'_> {
    fn is_new(&self) -> bool {
        let change = self.trigger.image_change.as_ref();
        let known = change.map_or("", |change| change.last_triggered_image_id.as_str());
        let paused = change.is_some_and(|change| change.paused);
        !paused && self.latest.as_deref().is_some_and(|latest| latest != known)
    }
}

fn waiting<'a>(config: &'a BuildConfig, world: &World) -> Vec<Waiting<'a>> {
    let strategy = config.spec.common.strategy.source_strategy.as_ref();
    let triggers = config.spec.triggers.iter().enumerate();
    triggers
        .filter(|(_, trigger)| trigger.kind == "ImageChange")
        .filter_map(|(index, trigger)| {
            let own = trigger
                .image_change
                .as_ref()
                .and_then(|one| one.from.clone());
            let is_builder = own.is_none();
            let from = own.or_else(|| Some(strategy?.from.clone()))?;
            let latest = latest(&from, &config.metadata.namespace, world);
            Some(Waiting {
                index,
                trigger,
                from,
                is_builder,
                latest,
            })
        })
        .collect()
}

/// The newest image of an image stream tag, by its whole reference.
pub(super) fn latest(from: &ObjectRef, namespace: &str, world: &World) -> Option<String> {
    if from.kind != "ImageStreamTag" {
        return None;
    }
    let namespace = match from.namespace.as_str() {
        "" => namespace,
        other => other,
    };
    let (stream, tag) = split_tag(&from.name);
    let stream = world.image_streams.find(&Key::new(namespace, stream))?;
    let item = stream.latest(tag)?;
    Some(item.docker_image_reference.clone())
}

fn trigger(config: &BuildConfig, world: &World) -> Decision {
    if build::is_paused(config) {
        return Decision::nothing();
    }
    let waiting = waiting(config, world);
    let git = config.spec.common.source.git.as_ref();
    let is_uploaded = git.is_none_or(|git| build::is_local(&git.uri));
    let is_first = config.status.last_version == 0;
    if is_first && has_trigger(config, "ConfigChange") && !is_uploaded {
        let missing = waiting
            .iter()
            .find(|one| one.is_builder && one.latest.is_none());
        if let Some(missing) = missing {
            return Decision::nothing().noting(unresolved(config, &missing.from));
        }
        return begin(config, &waiting, &config_change());
    }
    let Some(new) = waiting.iter().find(|one| one.is_new()) else {
        return Decision::nothing();
    };
    let mut request = image_change(new);
    if is_uploaded {
        let key = config.metadata.key();
        let newest = builds_of(&key, world)
            .into_iter()
            .rev()
            .find_map(|build| Some((build::upload_of(build)?, build)));
        let Some((upload, build)) = newest else {
            // The first source is still to come, and will be built on the newest image anyway.
            return Decision::nothing();
        };
        request.upload = Some(upload);
        request.revision.clone_from(&build.spec.common.revision);
    }
    begin(config, &waiting, &request)
}

fn unresolved(config: &BuildConfig, from: &ObjectRef) -> Note {
    let message = format!(
        "error instantiating Build from BuildConfig {}: Error resolving ImageStreamTag {} in namespace {}: unable to find latest tagged image",
        config.metadata.key(),
        from.name,
        if from.namespace.is_empty() {
            &config.metadata.namespace
        } else {
            &from.namespace
        },
    );
    Note::warning(config, "BuildConfigInstantiateFailed", message)
}

fn config_change() -> Request {
    Request {
        triggered_by: vec![json!({"message": build::CONFIG_CHANGE})],
        ..Request::default()
    }
}

fn image_change(new: &Waiting<'_>) -> Request {
    let image = new.latest.clone().unwrap_or_default();
    Request {
        triggered_by: vec![json!({
            "message": build::IMAGE_CHANGE,
            "imageChangeBuild": {"imageID": image, "fromRef": new.from},
        })],
        triggered_by_image: new.is_builder.then(|| ObjectRef {
            kind: "DockerImage".to_owned(),
            name: image,
            namespace: String::new(),
        }),
        ..Request::default()
    }
}

/// Makes the next build, and counts it.
fn begin(config: &BuildConfig, waiting: &[Waiting<'_>], request: &Request) -> Decision {
    let next = match build::instantiate(config, request) {
        Ok(next) => next,
        Err(refusal) => {
            let message = format!(
                "error instantiating Build from BuildConfig {}: {refusal}",
                config.metadata.key()
            );
            let note = Note::warning(config, "BuildConfigInstantiateFailed", message);
            return Decision::nothing().noting(note);
        }
    };
    let mut merge = json!({"status": {"lastVersion": config.status.last_version + 1}});
    if !waiting.is_empty() {
        merge["spec"]["triggers"] = triggers(config, waiting);
    }
    Decision {
        changes: vec![Change::create(&next), Change::patch(config, merge)],
        ..Decision::default()
    }
}

/// The config's triggers with the images that the new build knows.
fn triggers(config: &BuildConfig, waiting: &[Waiting<'_>]) -> Value {
    let mut triggers = config.spec.triggers.clone();
    for one in waiting {
        if let Some(latest) = &one.latest {
            let change = &mut triggers[one.index].image_change;
            let change = change.get_or_insert_default();
            change.last_triggered_image_id.clone_from(latest);
        }
    }
    json!(triggers)
}

/// Finished builds beyond the limits, the oldest first.
fn outlived(config: &BuildConfig, world: &World) -> Vec<Change> {
    let builds = builds_of(&config.metadata.key(), world);
    let (complete, failed): (Vec<&Build>, Vec<&Build>) = builds
        .into_iter()
        .filter(|build| build.status.phase.is_final() && !build.metadata.is_deleting())
        .partition(|build| build.status.phase == BuildPhase::Complete);
    let spec = &config.spec;
    let sorts = [
        (complete, spec.successful_builds_history_limit),
        (failed, spec.failed_builds_history_limit),
    ];
    let old = sorts.into_iter().flat_map(|(builds, limit)| {
        let limit = usize::try_from(limit.unwrap_or(HISTORY)).unwrap_or(usize::MAX);
        let beyond = builds.len().saturating_sub(limit);
        builds.into_iter().take(beyond)
    });
    old.map(Change::delete).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::build::GitSource;
    use crate::api::build::ImageChange;
    use crate::api::build::SourceStrategy;
    use crate::api::image::ImageStream;
    use crate::api::image::TagHistory;
    use crate::api::image::TagItem;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000)
    }

    fn config(uri: &str) -> BuildConfig {
        let mut config = BuildConfig::default();
        config.metadata.name = "x".to_owned();
        config.metadata.namespace = "p".to_owned();
        config.spec.common.source.git = Some(GitSource {
            uri: uri.to_owned(),
            reference: String::new(),
        });
        config.spec.common.strategy.source_strategy = Some(SourceStrategy {
            from: ObjectRef {
                kind: "ImageStreamTag".to_owned(),
                name: "python:latest".to_owned(),
                namespace: SHARED_NAMESPACE.to_owned(),
            },
            ..SourceStrategy::default()
        });
        let kinds = ["ConfigChange", "ImageChange"];
        config.spec.triggers = kinds
            .map(|kind| BuildTrigger {
                kind: kind.to_owned(),
                ..BuildTrigger::default()
            })
            .to_vec();
        config
    }

    fn world(config: &BuildConfig, image: Option<&str>) -> World {
        let mut world = World::default();
        let key = config.metadata.key();
        world.put(&key, Some(Arc::new(config.clone())), now());
        if let Some(image) = image {
            let mut stream = ImageStream::default();
            stream.metadata.name = "python".to_owned();
            stream.status.tags = vec![TagHistory {
                tag: "latest".to_owned(),
                items: vec![TagItem {
                    docker_image_reference: image.to_owned(),
                    ..TagItem::default()
                }],
                ..TagHistory::default()
            }];
            world.put(
                &Key::new(SHARED_NAMESPACE, "python"),
                Some(Arc::new(stream)),
                now(),
            );
        }
        world
    }

    fn build(world: &mut World, number: u64, phase: BuildPhase, source: Option<&str>) {
        let mut build = Build::default();
        build.metadata.name = format!("x-{number}");
        build.metadata.namespace = "p".to_owned();
        build.status.phase = phase;
        let annotations = &mut build.metadata.annotations;
        annotations.insert(BUILD_CONFIG_NAME.to_owned(), "x".to_owned());
        annotations.insert(BUILD_NUMBER.to_owned(), number.to_string());
        if let Some(source) = source {
            annotations.insert(
                crate::api::build::BUILD_SOURCE.to_owned(),
                source.to_owned(),
            );
        }
        world.put(&build.metadata.key(), Some(Arc::new(build)), now());
    }

    fn decide(world: &World) -> Decision {
        BuildConfigs.decide(&Key::new("p", "x"), world, now())
    }

    fn created(decision: &Decision) -> Option<&Value> {
        decision.changes.iter().find_map(|change| match change {
            Change::Create { object, .. } => Some(object),
            _ => None,
        })
    }

    fn merged(decision: &Decision) -> Option<&Value> {
        decision.changes.iter().find_map(|change| match change {
            Change::Patch { merge, .. } => Some(merge),
            _ => None,
        })
    }

    #[test]
    fn a_new_config_is_built_once_and_knows_its_image() {
        let config = config("https://h/x.git");
        let decision = decide(&world(&config, Some("r/openshift/python@sha256:1")));
        let build = created(&decision).unwrap();
        assert_eq!(build["metadata"]["name"], "x-1");
        assert_eq!(
            build["spec"]["triggeredBy"][0]["message"],
            "Build configuration change"
        );
        let merge = merged(&decision).unwrap();
        assert_eq!(merge["status"]["lastVersion"], 1);
        let change = &merge["spec"]["triggers"][1]["imageChange"];
        assert_eq!(
            change["lastTriggeredImageID"],
            "r/openshift/python@sha256:1"
        );
    }

    #[test]
    fn a_build_that_was_asked_for_and_not_counted_is_counted_before_anything_else() {
        use crate::api::meta::Typed as _;
        let config = config("https://h/x.git");
        let mut world = world(&config, Some("r/openshift/python@sha256:1"));
        build(&mut world, 1, BuildPhase::New, None);
        assert_eq!(created(&decide(&world)).unwrap()["metadata"]["name"], "x-1");
        let mut uploaded = (**world.builds.all().next().unwrap()).clone();
        uploaded.metadata.owner_references = vec![config.as_owner()];
        let key = uploaded.metadata.key();
        world.put(&key, Some(Arc::new(uploaded.clone())), now());
        let decision = decide(&world);
        assert_eq!(decision.changes.len(), 1);
        assert_eq!(merged(&decision).unwrap()["status"]["lastVersion"], 1);
        uploaded.spec.triggered_by = vec![json!({"message": build::CONFIG_CHANGE})];
        world.put(&key, Some(Arc::new(uploaded)), now());
        assert_eq!(decide(&world).changes.len(), 2, "counted with its image");
    }

    #[test]
    fn waits_for_the_builder_and_says_so() {
        let decision = decide(&world(&config("https://h/x.git"), None));
        assert_eq!(decision.changes, []);
        assert_eq!(decision.notes[0].reason, "BuildConfigInstantiateFailed");
        assert!(
            decision.notes[0]
                .message
                .ends_with("unable to find latest tagged image")
        );
    }

    #[test]
    fn a_new_image_is_built_on() {
        let mut config = config("https://h/x.git");
        config.status.last_version = 3;
        config.spec.triggers[1].image_change = Some(ImageChange {
            last_triggered_image_id: "old".to_owned(),
            ..ImageChange::default()
        });
        assert_eq!(decide(&world(&config, Some("old"))), Decision::nothing());
        let decision = decide(&world(&config, Some("new")));
        let build = created(&decision).unwrap();
        assert_eq!(build["metadata"]["name"], "x-4");
        assert_eq!(
            build["spec"]["strategy"]["sourceStrategy"]["from"]["name"],
            "new"
        );
        assert_eq!(
            build["spec"]["triggeredBy"][0]["imageChangeBuild"]["imageID"],
            "new"
        );
        config.metadata.annotations.insert(
            crate::api::build::BUILD_CONFIG_PAUSED.to_owned(),
            "true".to_owned(),
        );
        assert_eq!(decide(&world(&config, Some("new"))), Decision::nothing());
    }

    #[test]
    fn a_repository_of_a_client_is_built_from_what_it_uploaded_last() {
        let config = config("file:///srv/x");
        let mut world = world(&config, Some("new"));
        assert_eq!(decide(&world), Decision::nothing());
        build(&mut world, 1, BuildPhase::Complete, Some("sha256:1"));
        build(&mut world, 2, BuildPhase::Failed, Some("sha256:2"));
        let decision = decide(&world);
        let build = created(&decision).unwrap();
        assert_eq!(
            build["metadata"]["annotations"]["upshift.dev/source"],
            "sha256:2"
        );
    }

    #[test]
    fn old_builds_of_each_sort_go() {
        let mut config = config("https://h/x.git");
        config.spec.triggers.clear();
        config.status.last_version = 9;
        config.spec.failed_builds_history_limit = Some(1);
        let mut world = world(&config, None);
        for number in 1..=7 {
            build(&mut world, number, BuildPhase::Complete, None);
        }
        build(&mut world, 8, BuildPhase::Error, None);
        build(&mut world, 9, BuildPhase::Cancelled, None);
        build(&mut world, 10, BuildPhase::Running, None);
        let gone: Vec<String> = decide(&world)
            .changes
            .iter()
            .map(|change| match change {
                Change::Delete { target, .. } => target.key.name.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(gone, ["x-1", "x-2", "x-8"]);
    }
}
