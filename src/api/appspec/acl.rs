//! Access control lists of an appspec: `user:alice:rw-`, `alice:rw`, `d:g:ops:7`, `mask:r`.
//!
//! Whom the names belong to, and whether a file system keeps them, is found out where they are set.

use std::fmt::Write as _;

/// Everything `acls` says about an object; at most one entry for the same user, group or mask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    pub entries: Vec<Entry>,
}

/// One line: who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether it is for what will be made in a folder later, not for the object itself.
    pub is_default: bool,
    pub tag: Tag,
    /// Read 4, write 2, execute 1.
    pub bits: u8,
}

/// Whom an entry is about. What the mode says (owner, group, others) is not repeated here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    User(String),
    Group(String),
    Mask,
}

impl Acl {
    /// Adds an entry; refuses a second one about the same.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let entry = entry(text)?;
        let is_known =
            |known: &Entry| known.is_default == entry.is_default && known.tag == entry.tag;
        if self.entries.iter().any(is_known) {
            return Err(format!("{text:?} is the second entry about the same"));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Whether any entry is for what will be made in a folder later.
    pub fn has_defaults(&self) -> bool {
        self.entries.iter().any(|entry| entry.is_default)
    }

    /// The whole list for an object with these permission bits, as `setfacl --set-file` reads it.
    ///
    /// Entries that were not given (owner, group, others, mask) come from the mode, so that the mode stays what it was.
    pub fn text(&self, mode: u32) -> String {
        let mut text = String::new();
        self.half(&mut text, mode, false);
        if self.has_defaults() {
            self.half(&mut text, mode, true);
        }
        text
    }

    fn half(&self, text: &mut String, mode: u32, is_default: bool) {
        let prefix = if is_default { "default:" } else { "" };
        let mut line = |tag: &str, name: &str, bits: u32| {
            let letter = |bit, letter| if bits & bit == 0 { '-' } else { letter };
            let (read, write, run) = (letter(4, 'r'), letter(2, 'w'), letter(1, 'x'));
            writeln!(text, "{prefix}{tag}:{}:{read}{write}{run}", escaped(name))
                .expect("writing to a String cannot fail");
        };
        let own = || {
            self.entries
                .iter()
                .filter(|entry| entry.is_default == is_default)
        };
        line("user", "", mode >> 6 & 7);
        line("group", "", mode >> 3 & 7);
        line("other", "", mode & 7);
        let mut mask = None;
        for entry in own() {
            match &entry.tag {
                Tag::User(name) => line("user", name, entry.bits.into()),
                Tag::Group(name) => line("group", name, entry.bits.into()),
                Tag::Mask => mask = Some(u32::from(entry.bits)),
            }
        }
        if own().next().is_some() {
            line("mask", "", mask.unwrap_or(mode >> 3 & 7));
        }
    }
}

/// Names as setfacl reads them back: what could end the field or the line is `\ooo`.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.@+$".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "\\{byte:03o}").expect("writing to a String cannot fail");
        }
    }
    text
}

fn entry(text: &str) -> Result<Entry, String> {
    let wrong = |why: &str| format!("{text:?} {why}");
    let mut parts: Vec<&str> = text.split(':').map(str::trim).collect();
    let perm = parts.pop().unwrap_or_default();
    // What is left is [default,] [kind,] name; `d:alice:rw` is the default of user alice.
    let is_default = parts.len() > 1 && is_short_for("default", parts[0]);
    if is_default {
        parts.remove(0);
    }
    let tag = match parts.as_slice() {
        [word] if is_short_for("mask", word) => Tag::Mask,
        [word] if is_short_for("other", word) => {
            return Err(wrong("is about all others; use mode"));
        }
        ["" | "u" | "user" | "g" | "group"] => return Err(wrong("names nobody; use mode")),
        [name] => Tag::User((*name).to_owned()),
        [kind, name] if is_short_for("user", kind) => {
            named(Tag::User, name).ok_or_else(|| wrong("names no user; use mode"))?
        }
        [kind, name] if is_short_for("group", kind) => {
            named(Tag::Group, name).ok_or_else(|| wrong("names no group; use mode"))?
        }
        [kind, ""] if is_short_for("mask", kind) => Tag::Mask,
        [kind, ""] if is_short_for("other", kind) => {
            return Err(wrong("is about all others; use mode"));
        }
        [kind, _] if is_short_for("mask", kind) || is_short_for("other", kind) => {
            return Err(wrong("gives a name to what has none"));
        }
        [_, _] => return Err(wrong("must begin with user, group, mask or default")),
        _ => {
            return Err(wrong(
                "must have two to four parts: [default:][user|group|mask:]name:rwx",
            ));
        }
    };
    let bits = bits(perm)
        .ok_or_else(|| wrong("must end in the letters r, w, x, - or one digit of 0 to 7"))?;
    Ok(Entry {
        is_default,
        tag,
        bits,
    })
}

fn named(tag: fn(String) -> Tag, name: &str) -> Option<Tag> {
    (!name.is_empty()).then(|| tag(name.to_owned()))
}

fn is_short_for(word: &str, text: &str) -> bool {
    !text.is_empty() && word.starts_with(text)
}

fn bits(perm: &str) -> Option<u8> {
    if let [digit @ b'0'..=b'7'] = perm.as_bytes() {
        return Some(digit - b'0');
    }
    perm.bytes().try_fold(0, |bits, letter| match letter {
        b'r' => Some(bits | 4),
        b'w' => Some(bits | 2),
        b'x' => Some(bits | 1),
        b'-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_default: bool, tag: Tag, bits: u8) {
        assert_eq!(
            entry(text),
            Ok(Entry {
                is_default,
                tag,
                bits
            }),
            "{text}"
        );
    }

    #[test]
    fn entries_of_two_three_and_four_parts() {
        let user = |name: &str| Tag::User(name.to_owned());
        let group = |name: &str| Tag::Group(name.to_owned());
        check("alice:rw-", false, user("alice"), 6);
        check("alice:7", false, user("alice"), 7);
        check("alice:", false, user("alice"), 0);
        check("user:alice:rwx", false, user("alice"), 7);
        check("u:mask:x", false, user("mask"), 1);
        check("g:other:-w-", false, group("other"), 2);
        check("group:ops:r", false, group("ops"), 4);
        check("mask:rw", false, Tag::Mask, 6);
        check("m::6", false, Tag::Mask, 6);
        check("d:alice:r", true, user("alice"), 4);
        check("default:g:ops:5", true, group("ops"), 5);
        check("d:mask:5", true, Tag::Mask, 5);
        check("d:m::5", true, Tag::Mask, 5);
    }

    #[test]
    fn malformed_entries_are_refused() {
        for wrong in [
            "rwx",
            "a:b:c:d:e",
            "x:alice:r",
            "d:x:alice:r",
            "d:d:alice:r",
            "x:u:alice:r",
            "mask:bob:r",
            "o:bob:r",
            "alice:rwq",
            "alice:8",
            "alice:77",
            ":rw",
            "u::rw",
            "g::rw",
            "o::rw",
            "other:r",
            "d:u::rw",
            "u:r",
        ] {
            assert!(entry(wrong).is_err(), "{wrong} {:?}", entry(wrong));
        }
        let mut acl = Acl::default();
        acl.add("alice:r").unwrap();
        acl.add("d:alice:r").unwrap();
        assert!(acl.add("user:alice:w").is_err());
    }

    #[test]
    fn what_is_not_given_comes_from_the_mode() {
        let mut acl = Acl::default();
        acl.add("alice:rw").unwrap();
        assert_eq!(
            acl.text(0o421),
            "user::r--\ngroup::-w-\nother::--x\nuser:alice:rw-\nmask::-w-\n"
        );
        acl.add("d:g:o ps:5").unwrap();
        assert_eq!(
            acl.text(0o421),
            "user::r--\ngroup::-w-\nother::--x\nuser:alice:rw-\nmask::-w-\n\
             default:user::r--\ndefault:group::-w-\ndefault:other::--x\ndefault:group:o\\040ps:r-x\ndefault:mask::-w-\n"
        );
    }
}
