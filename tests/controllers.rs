//! What the controllers do by themselves, with the real program around them.

use std::fs;

use crate::site::Site;

#[test]
fn a_namespace_goes_with_what_is_deployed_in_it() {
    let (site, _server) = Site::serving();
    let namespace = site.path("namespace.yaml");
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: squad}\n";
    fs::write(&namespace, text).expect("a file can be written");
    site.ok(&["create", "-f", &namespace.display().to_string()]);
    let bundle = site.path("bundle").display().to_string();
    let deploy = ["deploy", &bundle, "--name", "app", "-n", "squad"];
    site.ok(&deploy);
    assert!(site.path("installed/page").exists());
    site.ok(&["delete", "namespace", "squad"]);
    site.wait("the namespace to be gone", || {
        !site.run(&["get", "namespace", "squad"]).status.success()
    });
    assert!(!site.path("installed").exists());
}
