//! The syntax of names, labels and annotations; each check gives what is wrong in the words of Kubernetes.
//!
//! Source: apimachinery `util/validation/validation.go`.

const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const VARIABLE: &str = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn is_dns_part(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_word(text: &str) -> bool {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.bytes()
        .all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        && edge(text.bytes().next())
        && edge(text.bytes().next_back())
}

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

/// What is wrong with a name of one DNS label: `my-name`.
pub fn dns_label(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some(too_long(63));
    }
    (!is_dns_part(text)).then(|| DNS_LABEL.to_owned())
}

/// What is wrong with a name of DNS labels with dots between them: `my.name`.
pub fn dns_subdomain(text: &str) -> Option<String> {
    if text.len() > 253 {
        return Some(too_long(253));
    }
    (!text.split('.').all(is_dns_part)).then(|| DNS_SUBDOMAIN.to_owned())
}

/// What is wrong with the name of a Service: a DNS label that starts with a letter.
pub fn dns_1035(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some(too_long(63));
    }
    let fits = is_dns_part(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    (!fits).then(|| DNS_1035.to_owned())
}

/// What is wrong with a label's or annotation's key: `name` or `example.com/name`.
pub fn qualified(text: &str) -> Option<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((_, rest)) if rest.contains('/') => return Some(QUALIFIED.to_owned()),
        Some(("", _)) => return Some("prefix part must be non-empty".to_owned()),
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if let Some(why) = prefix.and_then(dns_subdomain) {
        return Some(format!("prefix part {why}"));
    }
    match name {
        "" => Some("name part must be non-empty".to_owned()),
        name if name.len() > 63 => Some(format!("name part {}", too_long(63))),
        name => (!is_word(name)).then(|| format!("name part {NAME_PART}")),
    }
}

/// What is wrong with a label's value.
pub fn label_value(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some(too_long(63));
    }
    (!text.is_empty() && !is_word(text)).then(|| LABEL_VALUE.to_owned())
}

/// What is wrong with a name that stands in paths as it is: `sha256:…`.
pub fn path_segment(text: &str) -> Option<String> {
    match text {
        "." | ".." => Some(format!("may not be '{text}'")),
        _ => text
            .chars()
            .find(|c| "/%".contains(*c))
            .map(|c| format!("may not contain '{c}'")),
    }
}

/// What is wrong with the name of a port: `http`, `8080-tcp`.
pub fn port_name(text: &str) -> Option<String> {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let why = match text {
        _ if text.len() > 15 => return Some(too_long(15)),
        _ if text.is_empty() || !text.bytes().all(fits) => {
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
        }
        _ if !text.contains(|c: char| c.is_ascii_lowercase()) => {
            "must contain at least one letter (a-z)"
        }
        _ if text.contains("--") => "must not contain consecutive hyphens",
        _ if text.starts_with('-') || text.ends_with('-') => "must not begin or end with a hyphen",
        _ => return None,
    };
    Some(why.to_owned())
}

/// What is wrong with the name of an environment variable.
pub fn variable(text: &str) -> Option<String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    let good = !text.is_empty()
        && text.bytes().all(fits)
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text != "."
        && !text.starts_with("..");
    (!good).then(|| VARIABLE.to_owned())
}

/// What is wrong with a key of a `ConfigMap`'s or Secret's data.
pub fn config_key(text: &str) -> Option<String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    match text {
        _ if text.len() > 253 => Some(too_long(253)),
        "" => Some(CONFIG_KEY.to_owned()),
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => (!text.bytes().all(fits)).then(|| CONFIG_KEY.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: fn(&str) -> Option<String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text), None, "{text}");
        }
        for text in bad {
            assert!(rule(text).is_some(), "{text}");
        }
    }

    #[test]
    fn names_are_checked() {
        let long = "a".repeat(64);
        check(
            dns_label,
            &["a", "a-b", "0"],
            &["", "A", "-a", "a-", "a.b", "a_b", &long, "é"],
        );
        check(
            dns_subdomain,
            &["a.b", "a", &long],
            &["", "a..b", ".a", "a.", "A.b", "a.-b"],
        );
        check(dns_1035, &["a", "a0"], &["0a", "", "a.b"]);
        check(
            qualified,
            &["a", "A_b.c", "x.io/n"],
            &["", "/a", "a/", "a/b/c", "X/a", "-a", "a b", &long],
        );
        check(
            label_value,
            &["", "a", "A_b.c"],
            &["-", "a b", "a/b", &long],
        );
        check(
            path_segment,
            &["sha256:0", "x:latest"],
            &["a/b", "a%b", ".", ".."],
        );
        check(
            port_name,
            &["http", "8080-tcp"],
            &["", "80", "-a", "a-", "a--b", "A", "more-than-15-chr"],
        );
        check(
            variable,
            &["A", "_a.b-c1"],
            &["", "1A", "A B", "A=B", "..", "é"],
        );
        check(
            config_key,
            &["a", ".a", "A_b.c-d"],
            &["", ".", "..", "..a", "a/b"],
        );
    }
}
