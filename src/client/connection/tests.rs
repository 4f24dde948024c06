//! Which server is chosen when, and with which credentials.

use std::fs;

use super::*;

const CONFIG: &str = "
current-context: here
clusters:
- {name: a, cluster: {server: https://a:1}}
- {name: b, cluster: {server: https://b:2}}
users:
- {name: red/a, user: {token: red}}
- {name: blue, user: {token: blue}}
- {name: cloud, user: {exec: {command: aws}}}
contexts:
- {name: here, context: {cluster: a, user: red/a, namespace: shop}}
- {name: there, context: {cluster: b, user: blue}}
- {name: with-exec, context: {cluster: b, user: cloud}}
- {name: empty, context: {}}
- name: own
  context:
    cluster: a
    namespace: mine
    extensions: [{name: upshift.dev/embedded, extension: {dataDir: /own}}]
";

fn check(config: &str, variable: &str, set: impl FnOnce(&mut Flags), expected: &str) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".kube/config");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, config).unwrap();
    let mut environment = Environment {
        folder: home.path().to_owned(),
        ..Environment::default()
    };
    for (name, value) in [
        ("HOME", home.path().to_str().unwrap()),
        ("UPSHIFT_DATA_DIR", "/data"),
        ("KUBECONFIG", variable),
    ] {
        environment.variables.insert(name.into(), value.into());
    }
    let mut flags = Flags::default();
    set(&mut flags);
    let shown = match choose(&flags, &environment) {
        Err(error) => error.to_string(),
        Ok(choice) => match &choice.target {
            Target::Embedded { .. } => format!("{} -n {}", choice.origin, choice.namespace),
            Target::Remote(options) => {
                let token = options.token.as_deref().unwrap_or("nobody");
                format!(
                    "{} {token} -n {} by {}",
                    options.server, choice.namespace, choice.origin
                )
            }
        },
    };
    assert_eq!(shown.replace(home.path().to_str().unwrap(), "~"), expected);
}

fn some<T: From<String>>(text: &str) -> Option<T> {
    let text = text.to_owned();
    (!text.is_empty()).then(|| text.into())
}

#[test]
fn the_first_that_names_a_server_wins() {
    check(
        CONFIG,
        "",
        |_| (),
        "https://a:1 red -n shop by context \"here\" in ~/.kube/config",
    );
    check(
        CONFIG,
        "",
        |flags| flags.data_dir = Some("/typed".into()),
        "embedded, data in /typed -n default",
    );
    check(
        CONFIG,
        "",
        |flags| flags.local = true,
        "embedded, data in /data -n default",
    );
    check(
        CONFIG,
        "",
        |flags| flags.context = some("there"),
        "https://b:2 blue -n default by context \"there\" in ~/.kube/config",
    );
    check(
        CONFIG,
        "",
        |flags| flags.context = some("own"),
        "embedded, data in /own -n mine",
    );
    check("", "", |_| (), "embedded, data in /data -n default");
    check(
        "contexts: [{name: x, context: {}}]",
        "",
        |_| (),
        "embedded, data in /data -n default",
    );
    check(
        CONFIG,
        "nosuch",
        |_| (),
        "embedded, data in /data -n default",
    );
    check(
        "contexts: [{name: x, context: {}}]",
        ".kube/config",
        |_| (),
        "no context is chosen; name one with --context or 'config use-context': x",
    );
    check(
        CONFIG,
        "",
        |flags| flags.kubeconfig = Some("nosuch".into()),
        "stat ~/nosuch: no such file or directory",
    );
    check(
        "{",
        "",
        |flags| flags.local = true,
        "embedded, data in /data -n default",
    );
}

#[test]
fn flags_replace_parts_of_a_context() {
    check(
        CONFIG,
        "",
        |flags| flags.namespace = some("other"),
        "https://a:1 red -n other by context \"here\" in ~/.kube/config",
    );
    check(
        CONFIG,
        "",
        |flags| flags.user = some("blue"),
        "https://a:1 blue -n shop by context \"here\" in ~/.kube/config",
    );
    check(
        CONFIG,
        "",
        |flags| {
            flags.context = some("with-exec");
            flags.token = some("t");
        },
        "https://b:2 t -n default by context \"with-exec\" in ~/.kube/config",
    );
    check(
        CONFIG,
        "",
        |flags| flags.context = some("with-exec"),
        "the credential program \"aws\" (exec) in the kubeconfig is not supported; use a token or a client certificate",
    );
    check(
        CONFIG,
        "",
        |flags| flags.context = some("empty"),
        "Error in configuration: \n* cluster has no server defined",
    );
    check(
        CONFIG,
        "",
        |flags| flags.context = some("nosuch"),
        "Error in configuration: \n* context was not found for specified context: nosuch\n* cluster has no server defined",
    );
    check(
        CONFIG,
        "",
        |flags| flags.user = some("nosuch"),
        "auth info \"nosuch\" does not exist",
    );
}

#[test]
fn a_server_gets_only_the_credentials_that_are_for_it() {
    check(
        CONFIG,
        "",
        |flags| flags.server = some("https://b:2/"),
        "https://b:2 blue -n default by --server",
    );
    check(
        CONFIG,
        "",
        |flags| flags.server = some("c:3"),
        "https://c:3 nobody -n default by --server",
    );
    check(
        CONFIG,
        "",
        |flags| {
            flags.server = some("c:3");
            flags.context = some("here");
        },
        "https://c:3 red -n shop by --server",
    );
    check(
        CONFIG,
        "",
        |flags| {
            flags.server = some("c:3");
            flags.token = some("t");
        },
        "https://c:3 t -n default by --server",
    );
    check(
        CONFIG,
        "",
        |flags| {
            flags.server = some("c:3");
            flags.local = true;
        },
        "--local and --server are mutually exclusive",
    );
    check(
        CONFIG,
        "",
        |flags| flags.server = some("ftp://c"),
        "\"ftp://c\" is not a server URL",
    );
}

#[test]
fn the_embedded_server_is_found_by_what_it_announces() {
    let data = tempfile::tempdir().unwrap();
    let flags = Flags {
        local: true,
        data_dir: Some(data.path().to_owned()),
        token: some("other"),
        ..Flags::default()
    };
    let choice = choose(&flags, &Environment::default()).unwrap();
    assert!(matches!(choice.connect(), Err(Error::NotRunning { .. })));
    let announcement = Announcement {
        url: "https://127.0.0.1:1234".into(),
        ..Announcement::default()
    };
    fs::write(
        data.path().join("server.json"),
        serde_json::to_vec(&announcement).unwrap(),
    )
    .unwrap();
    assert!(matches!(choice.connect(), Err(Error::NotRunning { .. })));
    let place = kubeconfig::Place {
        url: "https://old:1",
        user: "admin",
        token: Some("t"),
        ..kubeconfig::Place::default()
    };
    kubeconfig::write(
        &data.path().join(ADMIN_KUBECONFIG),
        &kubeconfig::document(&place),
    )
    .unwrap();
    let connection = choice.connect().unwrap();
    assert_eq!(connection.options.token.as_deref(), Some("other"));
    let expected = format!(
        "server https://127.0.0.1:1234 (embedded, data in {})",
        data.path().display()
    );
    assert_eq!(connection.describe(), expected);
}

#[test]
fn urls_are_taken_as_login_takes_them() {
    for (given, expected) in [
        ("localhost", "https://localhost:443"),
        ("http://localhost", "http://localhost:80"),
        ("localhost:8443", "https://localhost:8443"),
        ("https://h/p/", "https://h:443/p"),
    ] {
        assert_eq!(normalized(given).unwrap(), expected);
    }
}
