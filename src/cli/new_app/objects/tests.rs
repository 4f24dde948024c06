//! The objects of a blueprint, whole, as `oc` prints them.

use crate::api::yaml;

use super::*;

fn component() -> Component {
    let port = |number: u16| Port {
        number,
        protocol: "tcp".to_owned(),
    };
    let mut member = Component {
        name: "shop".to_owned(),
        asked: "python".to_owned(),
        image: Input {
            tag: Tag {
                namespace: "openshift".to_owned(),
                stream: "python".to_owned(),
                tag: "latest".to_owned(),
            },
            ..Input::default()
        },
        build: Some(Build {
            source: Source::Git {
                uri: "https://x/shop.git".to_owned(),
                reference: "v1".to_owned(),
            },
            output: Tag {
                namespace: String::new(),
                stream: "shop".to_owned(),
                tag: "latest".to_owned(),
            },
            webhooks: ["one".to_owned(), "two".to_owned()],
            ..Build::default()
        }),
    };
    member.image.details.ports = vec![port(8080)];
    member
}

fn blueprint(member: Component) -> Blueprint {
    Blueprint {
        app: "shop".to_owned(),
        namespace: "demo".to_owned(),
        env: vec![
            ("B".to_owned(), "2".to_owned()),
            ("A".to_owned(), "1".to_owned()),
        ],
        groups: vec![Group {
            name: member.name.clone(),
            members: vec![member],
        }],
        route: true,
        ..Blueprint::default()
    }
}

fn printed(blueprint: &Blueprint) -> String {
    let made = of(blueprint, &Known::new());
    made.iter()
        .map(yaml::print)
        .collect::<Vec<_>>()
        .join("---\n")
}

/// The kinds and names of what is made.
fn names(blueprint: &Blueprint, known: &Known) -> String {
    let name = |object: &Value| {
        let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
        format!("{}/{}", kind.as_str().unwrap(), name.as_str().unwrap())
    };
    let made: Vec<String> = of(blueprint, known).iter().map(name).collect();
    made.join(" ")
}

#[test]
fn an_application_from_a_repository() {
    let expect = include_str!("repository.yaml");
    assert_eq!(printed(&blueprint(component())), expect);
}

#[test]
fn a_deployment_follows_its_tag_by_an_annotation() {
    let mut wanted = blueprint(component());
    wanted.target = Target::Deployment;
    wanted.labels.insert("tier".to_owned(), "web".to_owned());
    let made = of(&wanted, &Known::new());
    let deployment = made.iter().find(|object| object["kind"] == "Deployment");
    let deployment = deployment.unwrap();
    assert_eq!(
        deployment["metadata"]["annotations"][ANNOTATION_IMAGE_TRIGGERS],
        "[{\"fieldPath\":\"spec.template.spec.containers[?(@.name==\\\"shop\\\")].image\",\
         \"from\":{\"kind\":\"ImageStreamTag\",\"name\":\"shop:latest\"}}]"
    );
    let selector = json!({"deployment": "shop", "tier": "web"});
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], selector);
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["labels"],
        selector
    );
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], " ");
    let service = made.iter().find(|object| object["kind"] == "Service");
    assert_eq!(service.unwrap()["spec"]["selector"], selector);
}

#[test]
fn what_is_made_depends_on_what_is_there_and_wanted() {
    let mut wanted = blueprint(component());
    let all = "ImageStream/shop BuildConfig/shop DeploymentConfig/shop Service/shop Route/shop";
    assert_eq!(names(&wanted, &Known::new()), all);
    let known = Known::from([("shop".to_owned(), vec![String::new()])]);
    assert_eq!(
        names(&wanted, &known),
        all.strip_prefix("ImageStream/shop ").unwrap()
    );
    wanted.route = false;
    wanted.groups[0].members[0].image.details.ports.clear();
    assert_eq!(
        names(&wanted, &Known::new()),
        "ImageStream/shop BuildConfig/shop DeploymentConfig/shop"
    );
    wanted.target = Target::Build;
    assert_eq!(
        names(&wanted, &Known::new()),
        "ImageStream/shop BuildConfig/shop"
    );
}

#[test]
fn triggers_fit_where_the_source_is() {
    let check = |source: Source, expect: &str| {
        let build = Build {
            source,
            ..Build::default()
        };
        let kinds = triggers(&build, "python");
        let kinds: Vec<&str> = kinds
            .iter()
            .filter_map(|one| one["type"].as_str())
            .collect();
        assert_eq!(kinds.join(" "), expect);
    };
    let git = || (String::new(), String::new());
    let (uri, reference) = git();
    check(
        Source::Git { uri, reference },
        "GitHub Generic ConfigChange ImageChange",
    );
    let (uri, reference) = git();
    let path = std::path::PathBuf::new();
    check(
        Source::LocalGit {
            uri,
            reference,
            path: path.clone(),
        },
        "ImageChange",
    );
    check(Source::Directory(path), "");
    check(Source::Binary, "GitHub Generic");
}

#[test]
fn images_of_one_group_share_a_pod_and_a_service() {
    let mut wanted = blueprint(component());
    let mut second = Component {
        name: "cache".to_owned(),
        ..component()
    };
    second.build = None;
    second.image.tag = Tag {
        namespace: String::new(),
        stream: "cache".to_owned(),
        tag: "latest".to_owned(),
    };
    second.image.missing = Some("x/cache".to_owned());
    second.image.details.ports[0].number = 443;
    second.image.details.volumes = vec!["/data".to_owned()];
    wanted.groups[0].members.push(second);
    assert_eq!(
        names(&wanted, &Known::new()),
        "ImageStream/shop BuildConfig/shop ImageStream/cache DeploymentConfig/shop Service/shop Route/shop"
    );
    let made = of(&wanted, &Known::new());
    let service = made.iter().find(|object| object["kind"] == "Service");
    let ports = service.unwrap()["spec"]["ports"].as_array().unwrap();
    let ports: Vec<&str> = ports
        .iter()
        .filter_map(|port| port["name"].as_str())
        .collect();
    assert_eq!(ports, ["443-tcp", "8080-tcp"]);
    let config = made
        .iter()
        .find(|object| object["kind"] == "DeploymentConfig");
    let spec = &config.unwrap()["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][1]["image"], "x/cache");
    assert_eq!(
        spec["containers"][1]["volumeMounts"],
        json!([{"mountPath": "/data", "name": "shop-volume-1"}])
    );
    assert_eq!(
        spec["volumes"],
        json!([{"emptyDir": {}, "name": "shop-volume-1"}])
    );
}

#[test]
fn an_app_label_of_the_user_s_own_is_left_alone() {
    let mut wanted = blueprint(component());
    wanted.labels.insert("app".to_owned(), "mine".to_owned());
    let made = of(&wanted, &Known::new());
    assert_eq!(made[0]["metadata"]["labels"], json!({"app": "mine"}));
}
