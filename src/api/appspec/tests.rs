//! Whole appspecs, right and wrong: the rows of facts/codedeploy.md section 6 on parsing, and its sections 2.1 to 2.6.

use crate::api::appspec::AppSpec;
use crate::api::appspec::EVENTS;
use crate::api::appspec::Mapping;
use crate::api::appspec::Script;
use crate::api::appspec::parse;
use crate::api::duration::Span;
use crate::api::upshift::FileExists;
use crate::api::upshift::FileMapping;
use crate::api::upshift::Scripts;

#[track_caller]
fn right(text: &str) -> AppSpec {
    parse("appspec.yml", text.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The problems, one a line, without the file's name.
#[track_caller]
fn wrong(text: &str) -> String {
    let errors = parse("appspec.yml", text.as_bytes()).expect_err("something is wrong");
    errors.to_string().replace("appspec.yml:", "")
}

#[track_caller]
fn wrong_with(text: &str, expect: &str) {
    let errors = wrong(text);
    assert!(errors.contains(expect), "{text}\n{errors}");
    assert_eq!(errors.lines().count(), 1, "{text}\n{errors}");
}

#[test]
fn nothing_in_it_is_an_error_but_only_the_two_constants_is_not() {
    for text in ["", "  \n", "# nothing\n", "---\n", "null"] {
        wrong_with(text, "1: is empty");
    }
    assert_eq!(right("version: 0.0\nos: linux\n"), AppSpec::default());
    assert_eq!(
        right("files:\nhooks:\npermissions:\nenv:\n"),
        AppSpec::default()
    );
}

#[test]
fn version_and_os_are_optional_and_checked() {
    for version in ["0", "0.0", "0.00", "\"0.0\""] {
        right(&format!("version: {version}"));
    }
    for version in ["0.1", "1", "latest", "0."] {
        wrong_with(
            &format!("version: {version}"),
            "1: version: must be 0.0, not",
        );
    }
    for os in ["windows", "Linux"] {
        wrong_with(&format!("os: {os}"), "1: os: must be linux");
    }
    wrong_with("os: [linux]", "must be text, not a list");
}

#[test]
fn the_three_words_for_existing_files() {
    for (word, expect) in [
        ("DISALLOW", FileExists::Disallow),
        ("OVERWRITE", FileExists::Overwrite),
        ("RETAIN", FileExists::Retain),
    ] {
        assert_eq!(
            right(&format!("file_exists_behavior: {word}")).file_exists,
            Some(expect)
        );
    }
    wrong_with(
        "file_exists_behavior: overwrite",
        "must be DISALLOW, OVERWRITE or RETAIN",
    );
}

#[test]
fn file_pairs_keep_their_order_and_paths_are_tidied() {
    let spec = right(
        "files:\n- {source: /, destination: /srv/shop/}\n- {source: ./conf/, destination: //etc//shop/.}\n",
    );
    let mapping = |source: &str, destination: &str| Mapping {
        source: source.to_owned(),
        destination: destination.to_owned(),
    };
    assert_eq!(
        spec.files,
        [mapping("", "/srv/shop"), mapping("conf", "/etc/shop")]
    );
}

#[test]
fn file_pairs_that_are_wrong() {
    wrong_with("files:\n- {destination: /a}", "2: files[0]: needs source");
    wrong_with("files:\n- {source: a}", "2: files[0]: needs destination");
    wrong_with(
        "files:\n- {source: a, destination: ''}",
        "files[0].destination: must not be empty",
    );
    wrong_with(
        "files:\n- {source: a, destination: srv}",
        "must be an absolute path",
    );
    wrong_with(
        "files:\n- {source: a, destination: /srv/../etc}",
        "must not contain ..",
    );
    wrong_with(
        "files:\n- {source: ../a, destination: /srv}",
        "leaves the bundle",
    );
    wrong_with(
        "files:\n- {source: a/b/../../../c, destination: /srv}",
        "leaves the bundle",
    );
    wrong_with(
        "files:\n- {source: a, destination: /b, overwrite: true}",
        "files[0].overwrite: unknown key",
    );
    wrong_with(
        "files: {source: a, destination: /b}",
        "must be a list of {source, destination} entries, not a mapping",
    );
    wrong_with(
        "files:\n- a",
        "files[0]: must be a mapping with source and destination, not a single value",
    );
    assert_eq!(wrong("files:\n- {}").lines().count(), 2);
}

#[test]
fn scripts_keep_everything_and_their_order() {
    let spec = right(
        "hooks:\n  ApplicationStop:\n  ApplicationStart:\n  - location: /bin/start\n    timeout: 90\n    runas: shop\n  \
         - command: bin/warm up\n    timeout: 1h30m\n    arguments: [8080, yes, 'a b', '']\n",
    );
    assert_eq!(spec.hooks.len(), 1);
    let script = |location: &str, arguments: &[&str], seconds, runas: Option<&str>| Script {
        location: location.to_owned(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        timeout: Some(Span::seconds(seconds)),
        runas: runas.map(str::to_owned),
    };
    assert_eq!(
        spec.scripts("ApplicationStart"),
        [
            script("bin/start", &[], 90, Some("shop")),
            script("bin/warm up", &["8080", "yes", "a b", ""], 5400, None),
        ]
    );
    assert_eq!(spec.scripts("ApplicationStop"), []);
    assert_eq!(
        right("hooks: {BeforeInstall: [{location: a}]}").scripts("BeforeInstall")[0].timeout,
        None
    );
}

#[test]
fn scripts_that_are_wrong() {
    let hook = |entry: &str| format!("hooks:\n  BeforeInstall:\n  - {entry}\n");
    wrong_with(
        &hook("{timeout: 3}"),
        "3: hooks.BeforeInstall[0]: needs location",
    );
    for timeout in [
        "soon",
        "0",
        "-1",
        "1.9",
        "10x",
        "''",
        "0s",
        "99999999999999999999",
    ] {
        wrong_with(
            &hook(&format!("{{location: a, timeout: {timeout}}}")),
            "hooks.BeforeInstall[0].timeout: must",
        );
    }
    wrong_with(&hook("{location: ../a}"), "leaves the bundle");
    wrong_with(&hook("{location: /}"), "must name a file");
    wrong_with(
        &hook("{location: a, command: b}"),
        "another word for location",
    );
    wrong_with(
        &hook("{location: a, sudo: true}"),
        "name the user with runas",
    );
    wrong_with(
        &hook("{location: a, arguments: b c}"),
        "must be a list of arguments",
    );
    wrong_with(&hook("a"), "must be a mapping with location");
    wrong_with(
        "hooks: {BeforeInstall: a}",
        "must be a list of scripts (- location: …), not a single value",
    );
    wrong_with(
        "hooks: {BeforeInstall: {location: a}}",
        "must be a list of scripts (- location: …), not a mapping",
    );
    wrong_with(
        "hooks: [a]",
        "hooks: must be a mapping from events to scripts",
    );
    wrong_with(
        "hooks: {BeforeInstal: [{location: a}]}",
        "1: hooks.BeforeInstal: unknown event; the events are Before",
    );
    wrong_with("hooks: {Install: [{location: a}]}", "unknown event");
    wrong_with(
        "hooks:\n  AfterInstall: [{location: a}]\n  AfterInstall: [{location: b}]",
        "3: hooks.AfterInstall: stands twice",
    );
    for event in EVENTS {
        right(&format!("hooks: {{{event}: [{{location: a}}]}}"));
    }
}

#[test]
fn every_problem_is_reported_in_the_order_of_the_text() {
    let errors =
        wrong("os: windows\nfile: []\nfiles:\n- {source: a}\nhooks:\n  Nope: []\nenv: {A B: c}\n");
    let lines: Vec<&str> = errors
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(lines, ["1", "2", "4", "6", "7"], "{errors}");
}

#[test]
fn text_that_is_no_yaml_or_more_than_one_document() {
    wrong_with("a: [", "is not YAML");
    wrong_with("files:\n\t- a", "is not YAML");
    wrong_with(
        "os: linux\n---\nos: linux\n",
        "a second document begins here",
    );
    wrong_with("[a]", "must be a mapping");
    wrong_with("text", "must be a mapping");
    let errors = parse("x", b"os: linux\nenv: {A: \xff}")
        .unwrap_err()
        .to_string();
    assert_eq!(errors, "x:2: is not UTF-8 text");
    right("\u{feff}os: linux\r\nversion: 0.0\r\n");
}

#[test]
fn json_is_an_appspec_too() {
    let spec = right(
        "{\n\t\"files\": [{\"source\": \"/\", \"destination\": \"/srv\"}],\n\t\"hooks\": {\"AfterInstall\": [{\"location\": \"a\", \"timeout\": 5}]},\n\
         \t\"permissions\": [{\"object\": \"/srv\", \"mode\": 644}]\n}",
    );
    assert_eq!(
        spec.scripts("AfterInstall")[0].timeout,
        Some(Span::seconds(5))
    );
    assert_eq!(spec.permissions[0].mode, Some(0o644));
}

#[test]
fn environment_values_are_the_text_that_was_written() {
    let spec = right("env:\n  PORT: 0080\n  DEBUG: yes\n  NAME: 'a b'\n  EMPTY:\n");
    let pairs: Vec<(&str, &str)> = spec
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("DEBUG", "yes"),
            ("EMPTY", ""),
            ("NAME", "a b"),
            ("PORT", "0080")
        ]
    );
    wrong_with("env: {A=B: c}", "is not a variable's name");
    wrong_with("env: {A: [c]}", "env.A: must be text, not a list");
    wrong_with("env: [A]", "must be a mapping of variables");
}

#[test]
fn both_spellings_of_permissions() {
    for key in ["permissions", "permisssions"] {
        let spec = right(&format!(
            "{key}:\n- object: /srv\n- object: /etc\n- object: ' /opt/ '\n"
        ));
        let objects: Vec<&str> = spec
            .permissions
            .iter()
            .map(|entry| entry.object.as_str())
            .collect();
        assert_eq!(objects, ["/srv", "/etc", "/opt"]);
    }
    wrong_with(
        "permissions: []\npermisssions: []",
        "2: permisssions: permissions is there too",
    );
}

#[test]
fn a_whole_permission() {
    let spec = right(
        "permissions:\n- object: /srv\n  pattern: '**'\n  except: ['*.tmp', sub/x]\n  type: [file]\n  owner: shop\n  group: 33\n  \
         mode: 06763\n  acls: ['u:alice:rw', 'mask:r']\n  context: {user: system_u, type: httpd_t, range: 's3-s7:c5,c8.c10,c17'}\n"
            .replace("06763", "6763")
            .as_str(),
    );
    let entry = &spec.permissions[0];
    assert_eq!((entry.mode, entry.line), (Some(0o6763), 2));
    assert_eq!(
        (entry.owner.as_deref(), entry.group.as_deref()),
        (Some("shop"), Some("33"))
    );
    assert_eq!((entry.for_files, entry.for_folders), (true, false));
    assert!(
        entry.matches(b"a/b")
            && !entry.matches(b"a.tmp")
            && entry.matches(b"a/a.tmp")
            && !entry.matches(b"sub/x")
    );
    let context = entry.context.as_ref().unwrap();
    assert_eq!(context.range.as_deref(), Some("s3-s7:c5,c8.c10,c17"));
    assert_eq!(entry.acl.as_ref().unwrap().entries.len(), 2);
}

#[test]
fn a_mode_is_the_text_that_was_written() {
    for (text, expect) in [
        ("0644", 0o644),
        ("644", 0o644),
        ("'0644'", 0o644),
        ("0755", 0o755),
        ("01777", 0o1777),
        ("12", 0o12),
        ("7777", 0o7777),
        ("0000", 0),
        ("4755", 0o4755),
        ("0", 0),
        ("04755", 0o4755),
    ] {
        let spec = right(&format!("permissions: [{{object: /a, mode: {text}}}]"));
        assert_eq!(spec.permissions[0].mode, Some(expect), "{text}");
    }
    for text in [
        "000644", "14755", "689", "u+x", "0o644", "0x1f", "-644", "''", "6_4",
    ] {
        wrong_with(
            &format!("permissions: [{{object: /a, mode: {text}}}]"),
            "permissions[0].mode: must",
        );
    }
}

#[test]
fn permissions_that_are_wrong() {
    let entry = |rest: &str| format!("permissions:\n- {{object: /a, {rest}}}");
    wrong_with(
        "permissions:\n- {mode: 644}",
        "2: permissions[0]: needs object",
    );
    wrong_with("permissions:\n- {object: ' '}", "must not be empty");
    wrong_with("permissions:\n- {object: a}", "must be an absolute path");
    wrong_with(
        &entry("type: file"),
        "must be a list of file and directory, not a single value",
    );
    wrong_with(&entry("type: [link]"), "must be file or directory");
    wrong_with(&entry("except: '*.tmp'"), "must be a list of patterns");
    wrong_with(
        &entry("acls: 'u:x:r'"),
        "must be a list of access control entries",
    );
    wrong_with(&entry("acls: ['u:x:q']"), "permissions[0].acls[0]:");
    wrong_with(
        &entry("type: [file], acls: ['d:u:x:r']"),
        "default entries are for directories",
    );
    right(&entry("type: [file], acls: ['u:x:r']"));
    right(&entry("acls: ['d:u:x:r']"));
    wrong_with(
        &entry("modes: 644"),
        "unknown key; the keys here are object,",
    );
    wrong_with(
        &entry("context: {user: u}"),
        "permissions[0].context: needs type",
    );
    wrong_with(
        &entry("context: {type: t, role: r}"),
        "context.role: is not supported",
    );
    wrong_with(
        &entry("context: {type: t, name: u, user: u}"),
        "another word for user",
    );
    wrong_with(&entry("context: {type: -t}"), "is not a name of a policy");
    wrong_with(
        &entry("context: {type: t, range: s7-s3}"),
        "high level below its low one",
    );
    right(&entry("context: {type: t}"));
    right(&entry("type: [directory], pattern: x, except: [y]"));
}

#[test]
fn a_pattern_or_an_exception_cannot_be_checked_on_one_file() {
    let check = |rest: &str| {
        right(&format!("permissions: [{{object: /a, {rest}}}]")).permissions[0].check_on_file()
    };
    assert_eq!(check("pattern: '**'"), Ok(()));
    assert_eq!(check("mode: 644"), Ok(()));
    assert!(
        check("pattern: '*'")
            .unwrap_err()
            .contains("takes no pattern")
    );
    assert!(
        check("except: [a]")
            .unwrap_err()
            .contains("takes no except")
    );
}

#[test]
fn form_mode_fills_three_events() {
    let files = [FileMapping {
        source: "/".into(),
        destination: "/srv/shop/".into(),
    }];
    let scripts = Scripts {
        stop: vec!["/bin/stop".into(), "now".into()],
        start: vec!["bin/start".into()],
        check: Vec::new(),
    };
    let spec = AppSpec::from_form(&files, &scripts).unwrap();
    assert_eq!(spec.files[0].destination, "/srv/shop");
    assert_eq!(
        spec.hooks.keys().collect::<Vec<_>>(),
        ["ApplicationStart", "ApplicationStop"]
    );
    assert_eq!(spec.scripts("ApplicationStop")[0].location, "bin/stop");
    assert_eq!(spec.scripts("ApplicationStop")[0].arguments, ["now"]);
}

#[test]
fn form_mode_names_every_wrong_field() {
    let files = [FileMapping {
        source: "../x".into(),
        destination: "srv".into(),
    }];
    let scripts = Scripts {
        stop: vec!["../stop".into()],
        start: vec![String::new()],
        check: Vec::new(),
    };
    let errors = AppSpec::from_form(&files, &scripts)
        .unwrap_err()
        .to_string();
    let keys: Vec<&str> = errors
        .lines()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "files[0].source",
            "files[0].destination",
            "scripts.stop",
            "scripts.start"
        ]
    );
}
