//! Applications that listen elsewhere than they should: on every address, on another port, on none; two on one port.

use std::fs;
use std::path::Path;

use crate::site::Process;
use crate::site::Site;
use crate::site::needs;

/// A site with a server, and applications in it.
struct Stage {
    site: Site,
    _server: Process,
}

/// An application of one file that the static builder's web server does not run.
const PYTHON: &str = "\
import http.server, os, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'hello')
";

impl Stage {
    fn new(site: Site) -> Stage {
        let server = site.serve(&[], &[]);
        Stage {
            site,
            _server: server,
        }
    }

    /// Makes an application's folder of its last lines.
    fn source(&self, name: &str, last: &str) -> String {
        let folder = self.site.path(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("app.py"), format!("{PYTHON}{last}\n")).unwrap();
        fs::write(folder.join("requirements.txt"), "").unwrap();
        self.site.hand_over();
        folder.display().to_string()
    }

    /// Makes an application of a folder; it ends with `code`, and this is all that it said.
    fn new_app(&self, folder: &str, code: i32) -> String {
        let arguments = ["new-app", folder, "--wait", "--progress=plain"];
        let output = self.site.run(&arguments);
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{text}\n{}",
            self.site.log()
        );
        text
    }
}

#[test]
fn an_application_that_listens_everywhere_works_for_an_ordinary_user_and_the_next_is_told_who_holds_the_port()
 {
    if !needs("python3") {
        return;
    }
    let Some(site) = Site::ordinary() else { return };
    let stage = Stage::new(site);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/everywhere/app.py");
    let everywhere = fs::read_to_string(sample).unwrap();
    let one = stage.source("one", &everywhere);
    let text = stage.new_app(&one, 0);
    assert!(text.contains("200 OK"), "{text}");
    // The scheduler knows what the first one holds.
    let two = stage.source("two", &everywhere);
    let text = stage.new_app(&two, 1);
    assert!(
        text.contains("port 8080 is held by pod default/one-1-"),
        "{text}"
    );
    stage.site.ok(&["delete", "all", "-l", "app=two"]);
    stage.site.ok(&["delete", "all", "-l", "app=one"]);
    // A pod that heeds HOST is in the way of one that does not, and nobody knows before.
    let heeding = "http.server.HTTPServer((os.environ['HOST'], 8080), Answer).serve_forever()";
    let three = stage.source("three", heeding);
    stage.new_app(&three, 0);
    let four = stage.source("four", &everywhere);
    let text = stage.new_app(&four, 1);
    assert!(
        text.contains("port 8080 is taken by pod default/three-1-"),
        "{text}"
    );
    assert!(
        text.contains("listen on the address in $HOST only"),
        "{text}"
    );
    let events = stage.site.ok(&["get", "events"]);
    assert!(events.contains("PortTaken"), "{events}");
}

#[test]
fn an_application_that_listens_nowhere_or_elsewhere_is_told_so() {
    if !needs("python3") {
        return;
    }
    let stage = Stage::new(Site::new());
    let nowhere = stage.source("nowhere", "time.sleep(600)");
    let client = stage
        .site
        .start_client(&["new-app", &nowhere, "--wait", "--progress=json"]);
    let why = "no process listens on a port yet; the image declares 8080";
    stage.site.wait("the step to say so", || {
        let log = fs::read_to_string(stage.site.path("log")).unwrap_or_default();
        let mut lines = log.lines();
        lines.any(|line| line.contains("DeployPods") && line.contains(why))
    });
    drop(client);
    let pods = stage.site.objects("pods");
    let pod = pods.iter().find(|pod| {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        name.starts_with("nowhere-1-") && !name.ends_with("-build")
    });
    let pod = pod.unwrap();
    assert_eq!(pod["status"]["podIPs"][0]["ip"], pod["status"]["podIP"]);
    let name = format!("pod/{}", pod["metadata"]["name"].as_str().unwrap());
    for command in [&["describe", &name][..], &["status", "--suggest"]] {
        let text = stage.site.ok(command);
        assert!(text.contains(why), "{command:?}: {text}");
    }
    let elsewhere = "http.server.HTTPServer((os.environ['HOST'], 8099), Answer).serve_forever()";
    let elsewhere = stage.source("elsewhere", elsewhere);
    let text = stage.new_app(&elsewhere, 0);
    assert!(text.contains("200 OK"), "{text}");
    stage.site.wait("the event", || {
        let events = stage.site.ok(&["get", "events"]);
        events.contains("listens on port 8099, not on 8080 that its image declares")
    });
}
