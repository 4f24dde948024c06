//! Where a bundle comes from, as typed: a path, a git repository (`URL#ref`) or an archive on the web.
//!
//! Reads text only. Credentials leave the URL here: what is shown, kept in a Revision or given to a program has none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::Failure;
use crate::cli::builds::git;
use crate::content::blobs::Digest;

/// What a host of archives calls them.
const ARCHIVES: [&str; 6] = [".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar", ".zip"];

/// Where a bundle comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A directory or an archive on this machine.
    Path(String),
    Git(Remote),
    Archive(Remote, Digest),
}

/// A place on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    /// Without credentials and fragment.
    pub(super) url: String,
    /// The value of an `Authorization` header.
    pub(super) authorization: Option<String>,
    /// Branch, tag or commit; empty for what the repository has checked out.
    pub(super) reference: String,
}

impl Origin {
    /// Tells them apart. A `sha256` makes it an archive; without one, a name like an archive's asks for it.
    pub(super) fn parse(text: &str, sha256: Option<&str>) -> Result<Origin, Failure> {
        let Some((scheme, _)) = text.split_once("://") else {
            return match sha256 {
                Some(_) => Err(Failure::usage(
                    "--sha256 goes with an archive on the web: https://…",
                )),
                None if is_scp_like(text) => Ok(Origin::Git(Remote::of(text)?)),
                None => Ok(Origin::Path(text.to_owned())),
            };
        };
        let mut remote = Remote::of(text)?;
        let is_web = matches!(scheme, "https" | "http");
        if !is_web && !matches!(scheme, "ssh" | "git" | "file") {
            return Err(Failure::usage(format!(
                "{}: a bundle cannot be fetched by {scheme}; known are https, http, ssh, git and file",
                remote.url
            )));
        }
        let in_fragment = remote.reference.strip_prefix("sha256=").map(str::to_owned);
        let said = match (sha256, &in_fragment) {
            (Some(one), Some(other)) if one != other => {
                return Err(Failure::usage(format!(
                    "{}: --sha256 and #sha256= say different digests",
                    remote.url
                )));
            }
            (Some(one), _) => Some(one),
            (None, other) => other.as_deref(),
        };
        let path = remote.url.split(['?', '#']).next().unwrap_or_default();
        let is_archive = ARCHIVES.iter().any(|suffix| path.ends_with(suffix));
        match said {
            Some(_) if !is_web => Err(Failure::usage(
                "--sha256 goes with an archive on the web: https://…",
            )),
            Some(said) => {
                let digest = digest(said)?;
                remote.reference.clear();
                Ok(Origin::Archive(remote, digest))
            }
            None if is_web && is_archive => Err(Failure::usage(format!(
                "{}: say what the archive has to be: --sha256 HEX",
                remote.url
            ))
            .hint("Its digest is on the page that offers it, or: sha256sum FILE")
            .hint("Without it nobody would notice another archive under the same address.")),
            None => match git::folder_of(&remote.url) {
                Some(file) if file.is_file() => {
                    Ok(Origin::Path(file.to_string_lossy().into_owned()))
                }
                _ => Ok(Origin::Git(remote)),
            },
        }
    }
}

impl Remote {
    fn of(text: &str) -> Result<Remote, Failure> {
        let (place, reference) = text.split_once('#').unwrap_or((text, ""));
        if reference.starts_with('-') || text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(Failure::usage(format!(
                "{:?} is no address of a bundle",
                hidden(text)
            )));
        }
        let (url, authorization) = without_credentials(place);
        Ok(Remote {
            url,
            authorization,
            reference: reference.to_owned(),
        })
    }

    /// The last part of the address, as a file would be called.
    pub(super) fn file_name(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        let name = path.rsplit(['/', ':']).next().unwrap_or_default();
        name.strip_suffix(".git").unwrap_or(name)
    }

    /// `https://HOST:PORT/`, which is all that may learn the credentials.
    pub(super) fn site(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        format!("{scheme}://{host}/")
    }
}

/// The URL without user and password, and what an `Authorization` header says of them. ssh keeps the user.
fn without_credentials(text: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = text.split_once("://") else {
        return (text.to_owned(), None);
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else {
        return (text.to_owned(), None);
    };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    if !matches!(scheme, "https" | "http") {
        return (format!("{scheme}://{name}@{host}{}", &rest[end..]), None);
    }
    let pair = [decoded(name), b":".to_vec(), decoded(password)].concat();
    let authorization = format!("Basic {}", STANDARD.encode(pair));
    let url = format!("{scheme}://{host}{}", &rest[end..]);
    (url, Some(authorization))
}

/// A text that cannot be taken apart, without what may be a password.
fn hidden(text: &str) -> String {
    without_credentials(text).0
}

/// `%40` → `@`.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let digits = more.get(..2).filter(|_| *first == b'%');
        let value = digits
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &more[2..] } else { more };
    }
    bytes
}

/// `git@host:path`, as ssh's copy program writes it.
fn is_scp_like(text: &str) -> bool {
    let place = text.split('#').next().unwrap_or_default();
    let Some((host, path)) = place.split_once(':') else {
        return false;
    };
    host.contains('@') && !host.contains('/') && !host.starts_with('-') && !path.is_empty()
}

fn digest(text: &str) -> Result<Digest, Failure> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    format!("sha256:{}", hex.to_ascii_lowercase())
        .parse()
        .map_err(|_| Failure::usage(format!("{text:?} is no sha256: 64 hexadecimal digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn what_is_typed_is_told_apart() {
        let check = |text: &str, sha256: Option<&str>, expect: &str| {
            let found = match Origin::parse(text, sha256) {
                Ok(Origin::Path(path)) => format!("path {path}"),
                Ok(Origin::Git(remote)) => {
                    format!(
                        "git {} {:?} {}",
                        remote.url,
                        remote.reference,
                        remote.file_name()
                    )
                }
                Ok(Origin::Archive(remote, digest)) => {
                    format!(
                        "archive {} {} {}",
                        remote.url,
                        digest.short(),
                        remote.file_name()
                    )
                }
                Err(failure) => format!("no: {}", failure.message),
            };
            assert_eq!(found, expect, "{text}");
        };
        check("./shop", None, "path ./shop");
        check("a#b", None, "path a#b");
        check(
            "https://h/a/shop.git#v1",
            None,
            "git https://h/a/shop.git \"v1\" shop",
        );
        check("https://h/a/shop/", None, "git https://h/a/shop/ \"\" shop");
        check(
            "git@h:a/shop.git#main",
            None,
            "git git@h:a/shop.git \"main\" shop",
        );
        check("ssh://git@h/shop", None, "git ssh://git@h/shop \"\" shop");
        check(
            "file:///srv/shop.git",
            None,
            "git file:///srv/shop.git \"\" shop",
        );
        let archive = "archive https://h/shop-1.tgz 2cf24dba5fb0 shop-1.tgz";
        check("https://h/shop-1.tgz", Some(HEX), archive);
        check(&format!("https://h/shop-1.tgz#sha256={HEX}"), None, archive);
        check(
            &format!("https://h/shop-1.tgz#sha256={HEX}"),
            Some(HEX),
            archive,
        );
        check(
            "https://h/get?id=7",
            Some(&format!("sha256:{}", HEX.to_uppercase())),
            "archive https://h/get?id=7 2cf24dba5fb0 get",
        );
        check(
            "https://h/shop.tar.gz",
            None,
            "no: https://h/shop.tar.gz: say what the archive has to be: --sha256 HEX",
        );
        check(
            "https://h/x",
            Some("12"),
            "no: \"12\" is no sha256: 64 hexadecimal digits",
        );
        check(
            "./shop",
            Some(HEX),
            "no: --sha256 goes with an archive on the web: https://…",
        );
        check(
            "ftp://u:p@h/x",
            None,
            "no: ftp://u@h/x: a bundle cannot be fetched by ftp; known are https, http, ssh, git and file",
        );
        check(
            "https://u:p@h/x#-a",
            None,
            "no: \"https://h/x#-a\" is no address of a bundle",
        );
    }

    #[test]
    fn credentials_leave_the_url() {
        let remote = Remote::of("https://me:p%40ss@git.example.com:8443/a.git#v1").unwrap();
        assert_eq!(remote.url, "https://git.example.com:8443/a.git");
        assert_eq!(remote.authorization.clone().unwrap(), "Basic bWU6cEBzcw==");
        assert_eq!(remote.site(), "https://git.example.com:8443/");
        let remote = Remote::of("ssh://me:secret@h/a").unwrap();
        assert_eq!(
            (remote.url.as_str(), remote.authorization),
            ("ssh://me@h/a", None)
        );
    }
}
