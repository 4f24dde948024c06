//! Merge rules, damaged files and what is written where.

use std::fs;

use super::*;

struct Home {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Home {
    /// A home with files; `list` is $KUBECONFIG, of their names.
    fn new(files: &[(&str, &str)], list: &str) -> Home {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        let mut environment = Environment {
            folder: folder.path().to_owned(),
            ..Environment::default()
        };
        let variables = &mut environment.variables;
        variables.insert("HOME".into(), folder.path().to_string_lossy().into());
        variables.insert("KUBECONFIG".into(), list.into());
        Home {
            folder,
            environment,
        }
    }

    fn load(&self) -> Config {
        Config::load(None, &self.environment).unwrap()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

const A: &str = "
current-context: ''
clusters:
- name: one
  cluster: {server: https://a:1, certificate-authority: certs/ca.pem}
users:
- name: red
  user: {token: a}
";
const B: &str = "
current-context: two
clusters:
- name: one
  cluster: {server: https://b:1, insecure-skip-tls-verify: true}
- name: two
  cluster: {server: https://b:2}
users:
- name: red
  user: {token: b, client-key-data: eA==}
contexts:
- name: two
  context: {cluster: two, user: red}
";

#[test]
fn the_first_file_wins_entry_by_entry() {
    let home = Home::new(&[("a", A), ("sub/b", B)], "a:missing::sub/b");
    let config = home.load();
    assert_eq!(config.current_context(), "two");
    assert_eq!(config.names(Section::Clusters), ["one", "two"]);
    let ca = home.folder.path().join("certs/ca.pem");
    assert_eq!(
        config.entry(Section::Clusters, "one").unwrap(),
        json!({"server": "https://a:1", "certificate-authority": ca.to_str().unwrap()})
    );
    // Nothing is mixed into an entry from a later file.
    let red = config.entry(Section::Users, "red").unwrap();
    assert_eq!(red, json!({"token": "a"}));
    assert_eq!(config.entry(Section::Users, "blue"), None);
    let merged = config.merged();
    assert_eq!(merged["contexts"][0]["context"]["cluster"], "two");
    assert_eq!(merged["current-context"], "two");
}

#[test]
fn without_the_variable_the_home_counts_and_an_explicit_file_must_exist() {
    let home = Home::new(&[(".kube/config", B)], "");
    assert_eq!(home.load().current_context(), "two");
    let error = Config::load(Some(Path::new("nosuch")), &home.environment).unwrap_err();
    let path = home.folder.path().join("nosuch");
    let expected = format!("stat {}: no such file or directory", path.display());
    assert_eq!(error.to_string(), expected);
    assert!(Home::new(&[], "").load().is_empty());
}

#[test]
fn a_change_goes_to_the_file_that_owns_the_key() {
    let home = Home::new(&[("a", A), ("b", B)], "a:b");
    let mut config = home.load();
    config.set_entry(Section::Clusters, "two", json!({"server": "https://new:2"}));
    config.set_entry(Section::Contexts, "three", json!({"cluster": "two"}));
    config.set_current_context("three");
    config.save().unwrap();
    assert!(home.text("b").contains("https://new:2"));
    assert!(home.text("b").contains("current-context: three"));
    assert!(home.text("a").contains("name: three"));
    assert!(!home.text("a").contains("https://b:1"));
    assert_eq!(home.load().current_context(), "three");
    // Relative paths stay as they were written.
    assert!(
        home.text("a")
            .contains("certificate-authority: certs/ca.pem")
    );
}

#[test]
fn a_new_entry_goes_to_the_first_file_there_is_else_to_the_last_named() {
    type Files<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Files<'_>, &str, &str); 3] = [
        (&[("b", B)], "a:b", "b"),
        (&[], "a:sub/c", "sub/c"),
        (&[], "", ".kube/config"),
    ];
    for (files, list, expected) in cases {
        let home = Home::new(files, list);
        let mut config = home.load();
        config.set_entry(Section::Users, "green", json!({"token": "g"}));
        config.save().unwrap();
        assert!(home.text(expected).contains("name: green"), "{list}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = home.folder.path().join(expected);
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

#[test]
fn places_get_the_names_that_oc_gives() {
    let home = Home::new(&[], "");
    let mut config = home.load();
    let place = Place {
        url: "https://127.0.0.1:8443",
        user: "admin",
        token: Some("t"),
        namespace: "demo",
        certificate_authority: Some("PEM"),
        data_dir: Some(Path::new("/data")),
        ..Place::default()
    };
    assert_eq!(config.enter(&place), "demo/127-0-0-1:8443/admin");
    let other = Place {
        namespace: "other",
        token: None,
        ..place
    };
    config.enter(&other);
    config.save().unwrap();
    let config = home.load();
    assert_eq!(config.current_context(), "other/127-0-0-1:8443/admin");
    assert_eq!(config.names(Section::Contexts).len(), 2);
    let user = config.entry(Section::Users, "admin/127-0-0-1:8443");
    assert_eq!(user.unwrap()["token"], "t");
    let context = config.entry(Section::Contexts, "demo/127-0-0-1:8443/admin");
    let context = context.unwrap();
    assert_eq!(context["namespace"], "demo");
    assert_eq!(embedded_data_dir(&context).unwrap(), Path::new("/data"));
    assert_eq!(
        cluster_name("https://api.example.com"),
        "api-example-com:443"
    );
}

#[test]
fn a_damaged_file_is_named_with_its_line() {
    let cases = [
        ("clusters:\n- name: [a\n", 3, ""),
        ("- a\n", 1, "not a kubeconfig: a mapping is expected"),
        (
            "a: 1\nkind: Pod\n",
            2,
            "not a kubeconfig: kind must be Config",
        ),
        ("clusters: {}\n", 1, "clusters must be a list"),
        ("users:\n- user: {}\n", 2, "users: an entry without a name"),
        (
            "users:\n- name: a\n  user: yes\n",
            3,
            "user must be a mapping",
        ),
        (
            "kind: Config\nkind: Config\n",
            2,
            "key \"kind\" stands twice",
        ),
    ];
    for (text, line, message) in cases {
        let home = Home::new(&[("a", text)], "a");
        let error = Config::load(None, &home.environment)
            .unwrap_err()
            .to_string();
        let prefix = format!(
            "{}:{line}: {message}",
            home.folder.path().join("a").display()
        );
        assert!(error.starts_with(&prefix), "{error}\n{prefix}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn secrets_that_others_may_read_are_told_of_or_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new(&[("a", A), ("b", "kind: Config\n")], "a:b");
    let warnings = home.load().warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("chmod 600"), "{warnings:?}");
    let path = home.folder.path().join("a");
    assert!(matches!(read_private(&path), Err(Error::Exposed { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(home.load().warnings().is_empty());
    assert!(read_private(&path).unwrap().is_some());
}

#[test]
fn credentials_come_inline_or_from_files_and_programs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "secret\n").unwrap();
    let cluster =
        json!({"server": "https://h/", "certificate-authority-data": login::encoded(b"CA")});
    let user = json!({"tokenFile": token.to_str().unwrap()});
    let options = login::options(&cluster, &user).unwrap();
    assert_eq!(options.server, "https://h");
    assert_eq!(options.token.as_deref(), Some("secret"));
    assert_eq!(options.certificate_authority.as_deref(), Some(&b"CA"[..]));
    let refused = [
        (
            json!({"exec": {"command": "aws"}}),
            "the credential program \"aws\" (exec)",
        ),
        (
            json!({"username": "a", "password": "b"}),
            "a username with a password",
        ),
        (
            json!({"client-key-data": "eA=="}),
            "client-certificate and client-key",
        ),
        (
            json!({"client-key-data": "%"}),
            "client-key-data is not base64",
        ),
        (
            json!({"client-certificate": "/nosuch"}),
            "unable to read client-certificate /nosuch",
        ),
    ];
    for (user, expected) in refused {
        let error = login::options(&cluster, &user).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn names_that_look_like_something_else_stay_names() {
    for name in [
        "on",
        "yes",
        "n",
        "012",
        "1e3",
        "1_000",
        "12:30:00",
        "0x1f",
        "~",
        "",
        "null",
        "a: b",
        "- x",
        "2001-01-01",
        ".inf",
        "=",
        "<<",
        "0b11",
        "+1",
        "1.",
        "!x",
        "é\n\u{1}",
    ] {
        let home = Home::new(&[], "config");
        let mut config = home.load();
        config.set_entry(Section::Contexts, "x", json!({"namespace": name}));
        config.save().unwrap();
        let entry = home.load().entry(Section::Contexts, "x").unwrap();
        assert_eq!(entry["namespace"], name, "{}", home.text("config"));
    }
}
