//! The process runtime: a container is a plain process in a copy of its image's files, without a chroot.
//!
//! Absolute paths that the image or the pod names are looked up below the copy first, then on the host, whose toolchains
//! are used. Decides only what is run; `worker` runs it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::lchown;
use std::path::Path;
use std::path::PathBuf;

use crate::agent::pod::Trouble;
use crate::agent::pod::environment;
use crate::agent::shim::Mount;
use crate::agent::shim::Spec;
use crate::agent::shim::User;
use crate::api::pod::Container;
use crate::content::image::Settings;

/// One of the files that a container's log is kept in.
pub(crate) const LOG_LIMIT: u64 = 10 << 20;
pub(crate) const LOG_FILES: u32 = 3;

/// What is run, where.
pub(crate) struct Process<'a> {
    pub(crate) container: &'a Container,
    pub(crate) image: &'a Settings,
    pub(crate) rootfs: &'a Path,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) user: Option<User>,
    pub(crate) network: Option<PathBuf>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) grace_seconds: u64,
}

impl Process<'_> {
    /// What the shim runs.
    pub(crate) fn spec(self) -> Result<Spec, Trouble> {
        let mut argv = command(self.container, self.image);
        for argument in &mut argv {
            *argument = environment::expand(argument, &self.env);
        }
        let Some(program) = argv.first_mut() else {
            let why = "no command specified: neither the image nor the pod names one";
            return Err(Trouble::new("CreateContainerError", why));
        };
        let cwd = self.cwd();
        let around = Around {
            rootfs: self.rootfs,
            cwd: &cwd,
            path: self.env.get("PATH").map_or("", String::as_str),
            user: self.user.as_ref(),
        };
        *program = around
            .find(program)
            .map_err(|why| Trouble::new("CreateContainerError", why))?;
        Ok(Spec {
            argv,
            cwd: cwd.to_string_lossy().into_owned(),
            env: self.env,
            user: self.user,
            timeout_milliseconds: 0,
            grace_milliseconds: self.grace_seconds.saturating_mul(1000),
            log_limit: LOG_LIMIT,
            log_files: LOG_FILES,
            network: self.network,
            mounts: self.mounts,
            contained: true,
        })
    }

    /// Where it starts: the pod's or the image's folder if the copy has it, else the application's.
    fn cwd(&self) -> PathBuf {
        let wanted = [&self.container.working_dir, &self.image.working_dir];
        let wanted = wanted.into_iter().filter(|path| !path.is_empty());
        let places = wanted.map(|path| {
            if path.starts_with(&*self.rootfs.to_string_lossy()) {
                PathBuf::from(path)
            } else {
                below(self.rootfs, Path::new(path))
            }
        });
        let usual = self.rootfs.join("opt/app-root/src");
        let mut places = places.chain([usual]);
        places
            .find(|place| place.is_dir())
            .unwrap_or_else(|| self.rootfs.to_owned())
    }
}

/// Where programs are looked for.
pub(crate) struct Around<'a> {
    pub(crate) rootfs: &'a Path,
    pub(crate) cwd: &'a Path,
    /// `PATH`.
    pub(crate) path: &'a str,
    pub(crate) user: Option<&'a User>,
}

impl Around<'_> {
    /// The absolute path of a program, or that there is none.
    pub(crate) fn find(&self, name: &str) -> Result<String, String> {
        let path = Path::new(name);
        let mut places = Vec::new();
        if path.is_absolute() {
            places.extend([below(self.rootfs, path), path.to_owned()]);
        } else if name.contains('/') {
            places.push(self.cwd.join(path));
        } else {
            let folders = self.path.split(':').map(Path::new);
            for folder in folders.filter(|folder| folder.is_absolute()) {
                // A folder of the copy itself is in the list as it is.
                if !folder.starts_with(self.rootfs) {
                    places.push(below(self.rootfs, folder).join(name));
                }
                places.push(folder.join(name));
            }
        }
        let mut found = places.iter().filter(|place| self.is_program(place));
        // What is no program is named too, so that the shim can say what is wrong with it.
        let found = found.next().or_else(|| {
            let mut files = places.iter();
            files.find(|place| path.is_absolute() && place.is_file())
        });
        match found {
            Some(path) => Ok(path.to_string_lossy().into_owned()),
            None => Err(format!(
                "exec: {name:?}: executable file not found in the image or on the node"
            )),
        }
    }

    /// Whether the user can execute a file; the agent itself might be able to where the user is not.
    fn is_program(&self, path: &Path) -> bool {
        let Ok(about) = fs::metadata(path) else {
            return false;
        };
        if !about.is_file() || about.mode() & 0o111 == 0 {
            return false;
        }
        let Some(user) = self.user.filter(|_| !path.starts_with(self.rootfs)) else {
            return true;
        };
        let may_pass = |about: &fs::Metadata| {
            let mode = about.mode();
            if about.uid() == user.uid {
                mode & 0o100 != 0
            } else if about.gid() == user.gid {
                mode & 0o010 != 0
            } else {
                mode & 0o001 != 0
            }
        };
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut parts = path.ancestors().chain(whole.ancestors());
        parts.all(|part| {
            part.as_os_str().is_empty() || fs::metadata(part).is_ok_and(|about| may_pass(&about))
        })
    }
}

/// The pod's command replaces the image's whole command line, its arguments only the image's arguments.
fn command(container: &Container, image: &Settings) -> Vec<String> {
    let entrypoint = image.entrypoint.clone();
    let cmd = image.cmd.clone();
    let (mut command, rest) = if container.command.is_empty() {
        let rest = if container.args.is_empty() {
            cmd
        } else {
            container.args.clone()
        };
        (entrypoint, rest)
    } else {
        (container.command.clone(), container.args.clone())
    };
    command.extend(rest);
    command
}

fn below(rootfs: &Path, path: &Path) -> PathBuf {
    rootfs.join(path.strip_prefix("/").unwrap_or(path))
}

/// Gives a tree to a user, links themselves and not what they lead to; only the user may enter it.
pub(crate) fn give(tree: &Path, user: Option<&User>) -> io::Result<()> {
    if let Some(user) = user {
        give_all(tree, user)?;
    }
    fs::set_permissions(tree, fs::Permissions::from_mode(0o700))
}

fn give_all(path: &Path, user: &User) -> io::Result<()> {
    lchown(path, Some(user.uid), Some(user.gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), user)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_pod_s_words_replace_the_image_s() {
        let image = Settings {
            entrypoint: words("e 1"),
            cmd: words("c 2"),
            ..Settings::default()
        };
        for (own, args, expect) in [
            ("", "", "e 1 c 2"),
            ("", "a", "e 1 a"),
            ("x", "", "x"),
            ("x", "a b", "x a b"),
        ] {
            let container = Container {
                command: words(own),
                args: words(args),
                ..Container::default()
            };
            assert_eq!(command(&container, &image).join(" "), expect);
        }
    }

    #[test]
    fn programs_are_looked_for_in_the_image_first() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        fs::create_dir_all(root.join("usr/libexec/s2i")).unwrap();
        fs::create_dir_all(root.join("opt/app-root/src")).unwrap();
        let run = root.join("usr/libexec/s2i/run");
        fs::write(&run, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
        let check = |command: &str, expect: Result<&Path, &str>| {
            let container = Container {
                command: words(command),
                ..Container::default()
            };
            let env = [("PATH", "/usr/bin:/bin"), ("WHAT", "run")];
            let spec = Process {
                container: &container,
                image: &Settings::default(),
                rootfs: root,
                env: env
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                user: None,
                network: None,
                mounts: Vec::new(),
                grace_seconds: 30,
            }
            .spec();
            match spec {
                Ok(spec) => {
                    assert_eq!(spec.cwd, root.join("opt/app-root/src").to_string_lossy());
                    assert_eq!(Ok(Path::new(&spec.argv[0])), expect);
                }
                Err(trouble) => assert_eq!(Err(trouble.message.as_str()), expect),
            }
        };
        check("/usr/libexec/s2i/$(WHAT)", Ok(&run));
        check("/bin/sh -c x", Ok(Path::new("/bin/sh")));
        check("sh", Ok(Path::new("/usr/bin/sh")));
        check(
            "no-such-program",
            Err("exec: \"no-such-program\": executable file not found in the image or on the node"),
        );
    }
}
