//! What is said, line by line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::cli::new_app::blueprint::Input;
use crate::cli::new_app::blueprint::Tag;

fn blueprint(source: Option<Source>) -> Blueprint {
    let tag = |namespace: &str, stream: &str| Tag {
        namespace: namespace.to_owned(),
        stream: stream.to_owned(),
        tag: "latest".to_owned(),
    };
    let labels = [
        ("io.k8s.display-name", "Python 3"),
        ("io.k8s.description", "Builds and runs Python."),
        ("io.openshift.tags", "builder,python"),
    ];
    let member = Component {
        name: "ruby-ex".to_owned(),
        asked: "python".to_owned(),
        image: Input {
            tag: tag("openshift", "python"),
            missing: None,
            details: Details {
                id: format!("sha256:{}", "1f02469".repeat(10)[..64].to_owned()),
                created: Some(Timestamp::from_second(1_000_000)),
                labels: labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                ports: vec![Port {
                    number: 8080,
                    protocol: "tcp".to_owned(),
                }],
                ..Details::default()
            },
        },
        build: source.map(|source| Build {
            source,
            output: tag("", "ruby-ex"),
            ..Build::default()
        }),
    };
    Blueprint {
        app: "ruby-ex".to_owned(),
        groups: vec![Group {
            name: "ruby-ex".to_owned(),
            members: vec![member],
        }],
        ..Blueprint::default()
    }
}

fn git() -> Source {
    Source::Git {
        uri: "https://github.com/openshift/ruby-ex.git".to_owned(),
        reference: String::new(),
    }
}

fn said(blueprint: &Blueprint) -> String {
    let now = Timestamp::from_second(1_000_000 + 8 * 86_400);
    beginning(blueprint, "oc", now)
}

#[test]
fn the_seed_s_words_for_a_repository() {
    let expect = "\
--> Found image 1f02469 (8 days old) in image stream \"openshift/python\" under tag \"latest\" for \"python\"

    Python 3 
    -------- 
    Builds and runs Python.

    Tags: builder, python

    * A source build using source code from https://github.com/openshift/ruby-ex.git will be created
      * The resulting image will be pushed to image stream \"ruby-ex:latest\"
      * Every time \"python:latest\" changes a new build will be triggered
    * This image will be deployed in deployment config \"ruby-ex\"
    * Port 8080/tcp will be load balanced by service \"ruby-ex\"
      * Other containers can access this service through the hostname \"ruby-ex\"

--> Creating resources ...
";
    assert_eq!(said(&blueprint(Some(git()))), expect);
}

/// The bullets that differ.
fn check(blueprint: &Blueprint, expect: &[&str]) {
    let said = said(blueprint);
    for line in expect {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
}

#[test]
fn other_sources_and_targets_have_their_own_words() {
    check(
        &blueprint(Some(Source::Directory(PathBuf::from("/srv/shop")))),
        &[
            "    * A source build using uploaded code will be created\n",
            "      * Use 'oc start-build ruby-ex --from-dir=/srv/shop' to trigger a new build\n",
        ],
    );
    check(
        &blueprint(Some(Source::Binary)),
        &["use 'oc start-build --from-dir' to trigger a new build\n"],
    );
    let mut wanted = blueprint(None);
    wanted.groups[0].members[0].image.details.ports.clear();
    wanted.labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    check(
        &wanted,
        &[
            "    * The image does not expose any ports - if you want to load balance or send traffic to this component\n",
            "      you will need to create a service with 'oc expose dc/ruby-ex --port=[port]' later\n",
            "--> Creating resources with label a=b ...\n",
        ],
    );
    let mut wanted = blueprint(Some(git()));
    wanted.target = Target::Deployment;
    assert!(!said(&wanted).contains("will be deployed"));
    wanted.target = Target::Build;
    assert!(!said(&wanted).contains("Port 8080"));
    let mut wanted = blueprint(None);
    wanted.groups[0].members[0].image.missing = Some("x/python".to_owned());
    assert!(said(&wanted).starts_with(
        "    * An image stream will be created as \"python:latest\" that will track this image\n"
    ));
}

#[test]
fn the_end_names_what_comes_next() {
    let object = |kind: &kinds::Kind, name: &str| {
        json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "metadata": {"name": name},
            "spec": {"host": "ruby-ex-demo.apps.localhost"},
        })
    };
    let wanted = blueprint(Some(git()));
    let mut made = vec![
        object(&kinds::BUILD_CONFIG, "ruby-ex"),
        object(&kinds::SERVICE, "ruby-ex"),
    ];
    assert_eq!(
        end(&wanted, &made, "oc", Some(8880)),
        "--> Success
    Build scheduled, use 'oc logs -f buildconfig/ruby-ex' to track its progress.
    Application is not exposed. You can expose services to the outside world by executing one or more of the commands below:
     'oc expose service/ruby-ex' 
    Run 'oc status' to view your app.
"
    );
    made.push(object(&kinds::ROUTE, "ruby-ex"));
    assert_eq!(
        end(&wanted, &made, "upshift", Some(8880)),
        "--> Success
    Build scheduled, use 'upshift logs -f buildconfig/ruby-ex' to track its progress.
    Access your application via route 'ruby-ex-demo.apps.localhost' 
    From this machine: http://ruby-ex-demo.apps.localhost:8880
    Run 'upshift status' to view your app.
"
    );
}

#[test]
fn an_id_that_is_no_digest_is_cut_as_it_is() {
    assert_eq!(short("sha256:12"), "sha256:");
    assert_eq!(short("abc"), "abc");
}
