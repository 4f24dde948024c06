//! Starting a container: its image, its files, its environment, its shim; and what follows the end of a build.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::unistd;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::agent::build;
use crate::agent::operations::Shared;
use crate::agent::pod::Trouble;
use crate::agent::pod::disk;
use crate::agent::pod::disk::Attempt;
use crate::agent::pod::disk::Begun;
use crate::agent::pod::environment;
use crate::agent::pod::environment::Source;
use crate::agent::pod::environment::Sources;
use crate::agent::pod::environment::Surroundings;
use crate::agent::pod::events::Severity;
use crate::agent::pod::hosts;
use crate::agent::pod::image;
use crate::agent::pod::image::Image;
use crate::agent::pod::image::Reference;
use crate::agent::pod::network;
use crate::agent::pod::process;
use crate::agent::pod::process::LOG_FILES;
use crate::agent::pod::process::LOG_LIMIT;
use crate::agent::pod::process::Process;
use crate::agent::pod::worker::Blocked;
use crate::agent::pod::worker::LOST;
use crate::agent::pod::worker::Worker;
use crate::agent::pod::worker::blocking;
use crate::agent::pod::worker::grace;
use crate::agent::pod::worker::is_build;
use crate::agent::pod::worker::pause_after;
use crate::agent::shim::Exit;
use crate::agent::shim::Spec;
use crate::agent::shim::User;
use crate::agent::shim::stamped::Stamped;
use crate::agent::toolchains;
use crate::agent::users;
use crate::agent::users::Account;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::network::Service;
use crate::api::pod::Container;
use crate::api::pod::Pod;
use crate::base::crash;
use crate::base::text;

impl Worker {
    /// Starts an attempt of a container, or notes why it does not start.
    pub(super) async fn start(
        &mut self,
        pod: &Pod,
        at: usize,
        number: u32,
        pause: u64,
    ) -> io::Result<()> {
        let container = pod.spec.containers[at].clone();
        let begun = if is_build(pod) {
            self.start_build(pod, &container, number).await
        } else {
            self.try_start(pod, &container, number, pause).await
        };
        match begun {
            Ok(()) => {
                let memory = &mut self.containers[at];
                memory.blocked = None;
                memory.tries = 0;
                // Two are kept: the newest and the one whose log can still be asked for.
                for old in self.folder.attempts(&container.name) {
                    if old + 1 < number {
                        self.folder.attempt(&container.name, old).remove()?;
                        self.containers[at].ends.remove(&old);
                    }
                }
            }
            Err(trouble) => self.blocked(pod, at, trouble),
        }
        Ok(())
    }

    fn blocked(&mut self, pod: &Pod, at: usize, trouble: Trouble) {
        let memory = &mut self.containers[at];
        let pause = pause_after(memory.tries, &trouble.reason);
        memory.tries = memory.tries.saturating_add(1);
        let image = &pod.spec.containers[at].image;
        let message = match trouble.reason.as_str() {
            "ErrImagePull" => format!("Failed to pull image {image:?}: {}", trouble.message),
            "InvalidImageName" => {
                format!(
                    "Failed to apply default image tag {image:?}: {}",
                    trouble.message
                )
            }
            _ => format!("Error: {}", trouble.message),
        };
        let since = Instant::now();
        memory.blocked = Some(Blocked {
            trouble,
            since,
            until: since + pause,
        });
        self.pods
            .events
            .say(pod, Severity::Warning, "Failed", message);
    }

    async fn try_start(
        &mut self,
        pod: &Pod,
        container: &Container,
        number: u32,
        pause: u64,
    ) -> Result<(), Trouble> {
        let fault = |error: io::Error| image::disk(&error);
        refuse_volumes(pod)?;
        let user = user(pod, &self.pods.shared);
        let barred = user
            .as_ref()
            .and_then(|user| users::unpassable(self.folder.path(), user));
        if let Some(why) = barred {
            return Err(Trouble::new("CreateContainerConfigError", why));
        }
        self.take_place(pod).await?;
        let image = self.image(pod, container).await?;
        for blob in &image.blobs {
            if !self.record.blobs.contains(blob) {
                self.record.blobs.push(blob.clone());
            }
        }
        self.record.released = false;
        self.folder.write_record(&self.record).map_err(fault)?;
        self.lay_out(container, &image, user.clone()).await?;
        let spec = self.spec(pod, container, &image, user).await?;
        let attempt = self.folder.attempt(&container.name, number);
        let image_id = match Reference::parse(&container.image) {
            Ok(reference) => format!(
                "{}/{}@{}",
                crate::api::image::REGISTRY,
                reference.repository,
                image.digest
            ),
            Err(_) => image.digest.to_string(),
        };
        let begun = Begun {
            at: Some(self.pods.shared.clock.now()),
            pause,
            image_id,
        };
        self.let_go(pod, container, &attempt, &begun, &spec)
            .map_err(fault)
    }

    /// Writes down that an attempt begins, and starts it.
    fn let_go(
        &self,
        pod: &Pod,
        container: &Container,
        attempt: &Attempt,
        begun: &Begun,
        spec: &Spec,
    ) -> io::Result<()> {
        crash::point("pod.begin.before");
        attempt.write_begun(begun)?;
        crash::point("pod.begin.after");
        let name = &container.name;
        let events = &self.pods.events;
        let created = format!("Created container {name}");
        events.say(pod, Severity::Normal, "Created", created);
        attempt.shim().start(&self.pods.shared.launcher, spec)?;
        let started = format!("Started container {name}");
        events.say(pod, Severity::Normal, "Started", started);
        Ok(())
    }

    /// Makes sure that the pod has an address, and its network if it gets one of its own.
    async fn take_place(&mut self, pod: &Pod) -> Result<(), Trouble> {
        if pod.spec.host_network == Some(true) {
            return Ok(());
        }
        let (pods, folder, known) = (self.pods.clone(), self.folder.clone(), self.place());
        let taken = blocking(move || pods.network.take(folder.path(), known));
        let place = taken.await.map_err(|error| {
            let message = format!("failed to set up the pod's network: {error}");
            Trouble::new("CreatePodSandboxError", message)
        })?;
        if self.place() != Some(place) {
            self.record.address = Some(place.address);
            self.record.network = place.has_namespace;
            let written = self.folder.write_record(&self.record);
            written.map_err(|error| image::disk(&error))?;
        }
        Ok(())
    }

    /// The container's image, brought here if it is not; given up when the pod is to go.
    async fn image(&mut self, pod: &Pod, container: &Container) -> Result<Image, Trouble> {
        let reference = Reference::parse(&container.image)?;
        let name = &container.image;
        let pods = self.pods.clone();
        let begun = Instant::now();
        let mut object = self.object.clone();
        let (image, fetched) = tokio::select! {
            fetched = pods.images.fetch(&reference) => fetched?,
            () = to_go(&mut object) => return Err(Trouble::new("ErrImagePull", "pull cancelled")),
        };
        let message = if fetched {
            let took = text::elapsed(begun.elapsed());
            format!("Successfully pulled image {name:?} in {took}")
        } else {
            format!("Container image {name:?} already present on machine")
        };
        self.pods
            .events
            .say(pod, Severity::Normal, "Pulled", message);
        Ok(image)
    }

    /// Lays out a fresh copy of the image's files.
    async fn lay_out(
        &self,
        container: &Container,
        image: &Image,
        user: Option<User>,
    ) -> Result<(), Trouble> {
        let (pods, folder, image) = (self.pods.clone(), self.folder.clone(), image.clone());
        let name = container.name.clone();
        let laid = tokio::task::spawn_blocking(move || {
            let fault = |error: io::Error| image::disk(&error);
            folder.make_container(&name).map_err(fault)?;
            let rootfs = folder.rootfs(&name);
            disk::remove_tree(&rootfs).map_err(fault)?;
            fs::create_dir(&rootfs).map_err(fault)?;
            pods.images.unpack(&image, &rootfs)?;
            let source = rootfs.join("opt/app-root/src");
            fs::create_dir_all(source).map_err(fault)?;
            process::give(&rootfs, user.as_ref()).map_err(fault)
        });
        laid.await
            .unwrap_or_else(|error| Err(Trouble::new("CreateContainerError", error.to_string())))
    }

    /// What the shim is to run.
    async fn spec(
        &self,
        pod: &Pod,
        container: &Container,
        image: &Image,
        user: Option<User>,
    ) -> Result<Spec, Trouble> {
        let wrong = |why: String| Trouble::new("CreateContainerConfigError", why);
        let rootfs = self.folder.rootfs(&container.name);
        let place = self.place();
        let pod_ip = match place {
            Some(place) => place.address.to_string(),
            None => self.pods.address.clone(),
        };
        let all_services = self.pods.services.all();
        let services: Vec<Service> = all_services
            .iter()
            .filter(|service| service.metadata.namespace == self.key.namespace)
            .map(|service| Service::clone(service))
            .collect();
        let sources = self.sources(container).await?;
        let env = environment::make(&Surroundings {
            pod,
            container,
            rootfs: &rootfs,
            image: &image.config.env,
            services: &services,
            sources: &sources,
            pod_ip: &pod_ip,
            host_ip: &self.pods.address,
            path: &toolchains::search_path(),
        })
        .map_err(wrong)?;
        let mounts = match place {
            Some(place) if place.has_namespace => {
                let names = (&*self.key.namespace, &*self.key.name);
                let made = hosts::mounts(&self.folder, names, &pod_ip, &all_services);
                made.map_err(|error| image::disk(&error))?
            }
            _ => Vec::new(),
        };
        Process {
            container,
            image: &image.config,
            rootfs: &rootfs,
            env,
            user,
            network: place
                .filter(|place| place.has_namespace)
                .map(|place| network::namespace_file(place.address)),
            mounts,
            grace_seconds: grace(pod).as_secs(),
        }
        .spec()
    }

    /// The Secrets and `ConfigMaps` that a container names.
    async fn sources(&self, container: &Container) -> Result<Sources, Trouble> {
        let mut sources = Sources::new();
        for (source, name) in environment::sources(container) {
            let kind = match source {
                Source::Secret => &kinds::SECRET,
                Source::ConfigMap => &kinds::CONFIG_MAP,
            };
            let key = Key::new(&self.key.namespace, &name);
            let object = match self.pods.shared.client.read(kind, &key).await {
                Ok(object) => object,
                Err(error) if error.is_not_found() => continue,
                Err(error) => {
                    return Err(Trouble::new(
                        "CreateContainerConfigError",
                        error.to_string(),
                    ));
                }
            };
            let mut content = BTreeMap::new();
            for (key, value) in object["data"].as_object().into_iter().flatten() {
                let value = value.as_str().unwrap_or_default();
                let value = match source {
                    Source::Secret => {
                        String::from_utf8_lossy(&STANDARD.decode(value).unwrap_or_default())
                            .into_owned()
                    }
                    Source::ConfigMap => value.to_owned(),
                };
                content.insert(key.clone(), value);
            }
            sources.insert((source, name), content);
        }
        Ok(sources)
    }

    /// Starts a build: its inputs are fetched here, the rest happens under the shim.
    async fn start_build(
        &mut self,
        pod: &Pod,
        container: &Container,
        number: u32,
    ) -> Result<(), Trouble> {
        let fault = |error: io::Error| image::disk(&error);
        self.folder.make_container(&container.name).map_err(fault)?;
        let begun = Begun {
            at: Some(self.pods.shared.clock.now()),
            ..Begun::default()
        };
        let attempt = self.folder.attempt(&container.name, number);
        let (user, folder) = (user(pod, &self.pods.shared), self.folder.build());
        let place = build::Place {
            client: &self.pods.shared.client,
            folder: &folder,
            user: user.as_ref(),
        };
        let mut object = self.object.clone();
        let prepared = tokio::select! {
            prepared = build::prepare(&place, pod) => prepared,
            () = to_go(&mut object) => return Err(Trouble::new("ErrImagePull", "build cancelled")),
        };
        if let Err(outcome) = prepared {
            attempt.write_begun(&begun).map_err(fault)?;
            // As if the build had run and said so.
            let exit = Exit {
                code: Some(1),
                ..Exit::default()
            };
            attempt.shim().bury(&exit).map_err(fault)?;
            let outcome = serde_json::to_string(&outcome).expect("an outcome is plain data");
            return attempt.write_finished(&outcome).map_err(fault);
        }
        let spec = Spec {
            log_limit: LOG_LIMIT,
            log_files: LOG_FILES,
            contained: true,
            ..build::spec(&place, pod)
        };
        self.let_go(pod, container, &attempt, &begun, &spec)
            .map_err(fault)
    }

    /// Does what follows the end of a build: its image is pushed. Left alone when the pod is to go.
    pub(super) async fn finish(&mut self, pod: &Pod, at: usize) -> io::Result<()> {
        let Some((_, attempt)) = self.newest(at) else {
            return Ok(());
        };
        let exit = attempt.shim().exit()?;
        let exit = exit.filter(|exit| exit.message != LOST);
        let mut log = Stamped::open(&attempt.shim().log(), LOG_LIMIT, LOG_FILES)?;
        let mut say = |line: &str| drop(log.write(format!("{line}\n").as_bytes()));
        let (user, folder) = (user(pod, &self.pods.shared), self.folder.build());
        let place = build::Place {
            client: &self.pods.shared.client,
            folder: &folder,
            user: user.as_ref(),
        };
        let mut object = self.object.clone();
        let outcome = tokio::select! {
            outcome = build::finish(&place, pod, exit.as_ref(), &mut say) => outcome,
            () = to_go(&mut object) => return Ok(()),
        };
        let outcome = serde_json::to_string(&outcome)?;
        crash::point("pod.finish.before");
        attempt.write_finished(&outcome)?;
        crash::point("pod.finish.after");
        Ok(())
    }
}

/// Processes on the host's own file system have nowhere to mount a volume.
fn refuse_volumes(pod: &Pod) -> Result<(), Trouble> {
    let mut volumes = pod.spec.volumes.iter();
    let Some(volume) = volumes.find(|volume| volume["projected"].is_null()) else {
        return Ok(());
    };
    let why = format!(
        "volume {}: this node runs pods as plain processes and mounts no volumes; give it as environment variables \
         (envFrom) or in the image",
        volume["name"]
    );
    Err(Trouble::new("CreateContainerConfigError", why))
}

/// Waits until nobody wants a pod any more.
async fn to_go(object: &mut watch::Receiver<Option<Arc<Pod>>>) {
    let wanted = |pod: &Option<Arc<Pod>>| pod.as_ref().is_none_or(|pod| pod.metadata.is_deleting());
    let seen = object.wait_for(wanted).await.is_ok();
    if !seen {
        // The follower is gone, and so are we soon.
        std::future::pending::<()>().await;
    }
}

/// Who the processes run as; none: as the agent itself, which is not root.
fn user(pod: &Pod, shared: &Shared) -> Option<User> {
    if !unistd::geteuid().is_root() {
        return None;
    }
    let namespace = &pod.metadata.namespace;
    let serving = users::serving(&shared.own, &shared.allow, namespace);
    // A namespace that is served as a user has that user's rights and no others.
    if let Ok(Account {
        become_user: Some(user),
        ..
    }) = serving
    {
        return Some(user);
    }
    let uid = pod
        .spec
        .security_context
        .run_as_user
        .unwrap_or(users::NOBODY);
    Some(User {
        uid,
        gid: uid,
        groups: Vec::new(),
    })
}
