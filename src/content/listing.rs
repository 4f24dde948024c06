//! What is in a bundle, by name: folders, files and links, and the rules that keep a bundle inside its root.
//!
//! Built from a directory, from an archive before anything of it is written, or from the manifest of an unpacked bundle.
//! Paths are bytes relative to the root, without `.`, `..` or doubled slashes: names that are not UTF-8 are as good as others.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// As many links as the kernel follows before it gives up.
const MOST_LINKS: usize = 40;
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4000;

/// One member of a bundle. Modes have no setuid, setgid or sticky bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    Folder { mode: u32 },
    File { mode: u32, size: u64 },
    Link { target: Vec<u8> },
}

/// Every member of a bundle by its path; a folder comes before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    members: BTreeMap<Vec<u8>, Member>,
}

/// Where a path leads when links are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    Root,
    Member(Vec<u8>, &'a Member),
    Nothing,
    Outside,
}

/// A member's path in plain form; none for the root itself, an error for what would leave it.
pub fn tidy(path: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let refuse = |why: &str| Err(format!("{}: {why}", show(path)));
    if path.starts_with(b"/") {
        return refuse("the name is absolute");
    }
    if path.contains(&0) {
        return refuse("the name contains a NUL");
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return refuse("the name contains .."),
            name if name.len() > LONGEST_NAME => return refuse("the name is too long"),
            name => names.push(name),
        }
    }
    let path = names.join(&b'/');
    if path.len() > LONGEST_PATH {
        return Err(format!("{}…: the path is too long", show(&path[..80])));
    }
    Ok((!path.is_empty()).then_some(path))
}

/// A path for messages.
pub fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_debug().collect()
}

/// A path for the file system.
pub fn os_path(path: &[u8]) -> PathBuf {
    #[cfg(unix)]
    return <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(path.to_vec()).into();
    #[cfg(not(unix))]
    return PathBuf::from(String::from_utf8_lossy(path).into_owned());
}

/// A path of the file system as bytes.
pub fn bytes_of(path: &std::path::Path) -> Vec<u8> {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    return path.to_string_lossy().replace('\\', "/").into_bytes();
}

/// A path as text for a file of ours: UTF-8 as it is, except `%` and control characters, everything else `%XX`.
pub fn encode(path: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            write!(text, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    };
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '%' || c.is_control() {
                escape(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(c);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// The path that [`encode`] made the text of.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(bytes)
}

impl Listing {
    /// Every member, folders before what is in them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Member)> {
        self.members
            .iter()
            .map(|(path, member)| (path.as_slice(), member))
    }

    /// The member of that path.
    pub fn get(&self, path: &[u8]) -> Option<&Member> {
        self.members.get(path)
    }

    /// Takes a member; a later one of the same path replaces an earlier one of its kind, as in tar.
    pub fn add(&mut self, path: Vec<u8>, member: Member) -> Result<(), String> {
        let is_folder = |member: &Member| matches!(member, Member::Folder { .. });
        match self.members.get(&path) {
            Some(known) if is_folder(known) != is_folder(&member) => {
                Err(format!("{}: is a folder and something else", show(&path)))
            }
            _ => {
                self.members.insert(path, member);
                Ok(())
            }
        }
    }

    /// Adds folders that are only named in the paths of others, and refuses what is below a file or a link, and every
    /// link that leads out.
    pub fn complete(&mut self) -> Result<(), String> {
        let mut implied = Vec::new();
        for path in self.members.keys() {
            for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                match self.members.get(&path[..at]) {
                    Some(Member::Folder { .. }) => {}
                    Some(_) => {
                        return Err(format!("{}: is below a file or a link", show(path)));
                    }
                    None => implied.push(path[..at].to_vec()),
                }
            }
        }
        for path in implied {
            self.members.insert(path, Member::Folder { mode: 0o755 });
        }
        for (path, member) in &self.members {
            let Member::Link { target } = member else {
                continue;
            };
            let parent = parent(path);
            let full = [parent, b"/", target].concat();
            if target.starts_with(b"/") || self.resolve(&full) == Destination::Outside {
                return Err(format!(
                    "{}: the link leads out of the bundle, to {}",
                    show(path),
                    show(target)
                ));
            }
        }
        Ok(())
    }

    /// The one folder that everything is in, when there is an appspec in it.
    pub fn nest(&self) -> Option<&[u8]> {
        let mut at_top = self
            .members
            .iter()
            .filter(|(path, _)| !path.contains(&b'/'));
        let (top, Member::Folder { .. }) = at_top.next()? else {
            return None;
        };
        if at_top.next().is_some() {
            return None;
        }
        let is_appspec = |path: &[u8]| {
            let inner = path
                .strip_prefix(top.as_slice())
                .and_then(|rest| rest.strip_prefix(b"/"));
            inner.is_some_and(|name| {
                !name.contains(&b'/')
                    && String::from_utf8_lossy(name)
                        .to_lowercase()
                        .contains("appspec")
            })
        };
        self.members
            .keys()
            .any(|path| is_appspec(path))
            .then_some(top)
    }

    /// The listing seen from one of its folders.
    pub fn below(&self, folder: &[u8]) -> Listing {
        let inner = |path: &[u8]| Some(path.strip_prefix(folder)?.strip_prefix(b"/")?.to_vec());
        let members = self
            .members
            .iter()
            .filter_map(|(path, member)| Some((inner(path)?, member.clone())));
        Listing {
            members: members.collect(),
        }
    }

    /// Follows a path as the kernel would, without leaving the root.
    pub fn resolve(&self, path: &[u8]) -> Destination<'_> {
        let mut ahead: Vec<Vec<u8>> = names_backwards(path);
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            match name.as_slice() {
                b"" | b"." => {}
                b".." if at.is_empty() => return Destination::Outside,
                b".." => at.truncate(parent(&at).len()),
                name => {
                    let before = at.len();
                    if !at.is_empty() {
                        at.push(b'/');
                    }
                    at.extend_from_slice(name);
                    if let Some(Member::Link { target }) = self.members.get(&at) {
                        links += 1;
                        if links > MOST_LINKS {
                            return Destination::Nothing;
                        }
                        if target.starts_with(b"/") {
                            return Destination::Outside;
                        }
                        at.truncate(before);
                        ahead.extend(names_backwards(target));
                    }
                }
            }
        }
        if at.is_empty() {
            return Destination::Root;
        }
        match self.members.get(&at) {
            Some(member) => Destination::Member(at, member),
            None => Destination::Nothing,
        }
    }

    /// How many files there are.
    pub fn files(&self) -> u64 {
        let is_file = |member: &&Member| matches!(member, Member::File { .. });
        self.members.values().filter(is_file).count() as u64
    }
}

/// The folder a path is in; empty for the root.
pub fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    &path[..end]
}

fn names_backwards(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .rev()
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(members: &[(&str, &str)]) -> Listing {
        let mut listing = Listing::default();
        for (path, target) in members {
            let member = match *target {
                "/" => Member::Folder { mode: 0o755 },
                "" => Member::File {
                    mode: 0o644,
                    size: 0,
                },
                target => Member::Link {
                    target: target.into(),
                },
            };
            listing.add(path.as_bytes().to_vec(), member).unwrap();
        }
        listing
    }

    #[test]
    fn names_are_tidied_or_refused() {
        assert_eq!(tidy(b"./a//b/"), Ok(Some(b"a/b".to_vec())));
        assert_eq!(tidy(b"./"), Ok(None));
        for wrong in [&b"/a"[..], b"a/../b", b"..", b"a\0b", &[b'x'; 256]] {
            assert!(tidy(wrong).is_err(), "{wrong:?}");
        }
        assert!(tidy(b"a\xff\n").is_ok());
        assert!(tidy("a/".repeat(2100).as_bytes()).is_err());
    }

    #[test]
    fn links_that_lead_out_are_refused_however_they_do_it() {
        for links in [
            &[("a", "/etc/passwd")][..],
            &[("a", "../x")],
            &[("d/a", "../../x")],
            &[("d/e/up", "../.."), ("d/e/a", "up/../x")],
            &[("s", "."), ("a", "s/s/../x")],
        ] {
            assert!(listing(links).complete().is_err(), "{links:?}");
        }
        for links in [
            &[("a", "gone")][..],
            &[("d/a", "../x"), ("x", "")],
            &[("a", "a")],
            &[("a", "."), ("b/c", "../a/a/b")],
            &[("lib", "lib64"), ("lib64/x", "")],
        ] {
            assert_eq!(listing(links).complete(), Ok(()), "{links:?}");
        }
    }

    #[test]
    fn nothing_lies_below_a_file_or_a_link() {
        assert!(listing(&[("a", "d"), ("a/x", "")]).complete().is_err());
        assert!(listing(&[("a", ""), ("a/x/y", "")]).complete().is_err());
        let mut known = listing(&[("a", "")]);
        assert!(
            known
                .add(b"a".to_vec(), Member::Folder { mode: 0o755 })
                .is_err()
        );
    }

    #[test]
    fn paths_are_followed() {
        let mut tree = listing(&[("v/1/bin/run", ""), ("current", "v/1"), ("loop", "loop")]);
        tree.complete().unwrap();
        let file = tree.get(b"v/1/bin/run").unwrap();
        assert_eq!(
            tree.resolve(b"current/bin/run"),
            Destination::Member(b"v/1/bin/run".to_vec(), file)
        );
        assert_eq!(
            tree.resolve(b"current/.."),
            Destination::Member(b"v".to_vec(), tree.get(b"v").unwrap())
        );
        assert_eq!(tree.resolve(b"v/.."), Destination::Root);
        assert_eq!(tree.resolve(b"loop/x"), Destination::Nothing);
        assert_eq!(tree.resolve(b"none"), Destination::Nothing);
    }

    #[test]
    fn one_folder_around_an_appspec_is_a_nest() {
        let nest = |members: &[(&str, &str)]| {
            let mut tree = listing(members);
            tree.complete().unwrap();
            tree.nest().map(<[u8]>::to_vec)
        };
        assert_eq!(
            nest(&[("app-1/AppSpec.json", ""), ("app-1/bin/x", "")]),
            Some(b"app-1".to_vec())
        );
        assert_eq!(nest(&[("app-1/appspec.yml", ""), ("README", "")]), None);
        assert_eq!(nest(&[("a/b/appspec.yml", "")]), None);
        assert_eq!(nest(&[("a/x", "")]), None);
        assert_eq!(nest(&[("appspec.yml", "")]), None);
    }
}
