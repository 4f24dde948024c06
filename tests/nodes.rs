//! Machines that become nodes, whole: who is let in and who is not, programs run there, cordoned and removed ones.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::fleet::Fleet;
use crate::site::Process;
use crate::site::Site;
use crate::site::needs;

fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    user.expect("users can be looked up")
        .expect("whoever runs tests has a name")
        .name
}

fn said(output: &Output) -> (String, i32) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (text, output.status.code().unwrap_or(-1))
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A server and machines that are not nodes yet.
struct Gate {
    site: Site,
    _server: Process,
}

impl Gate {
    fn open() -> Gate {
        let site = Site::new();
        let server = site.serve(&["--no-node"], &[]);
        Gate {
            site,
            _server: server,
        }
    }

    fn path(&self, name: &str) -> String {
        self.site.path(name).display().to_string()
    }

    /// The join file of a node, made now.
    fn invite(&self, name: &str, arguments: &[&str]) -> String {
        let file = self.path(&format!("{name}.join"));
        let create = ["node", "token", "create", name, "-o", &file];
        self.site.ok(&[&create, arguments].concat());
        file
    }

    /// The data dir of a machine.
    fn machine(&self, name: &str) -> String {
        self.path(&format!("data-{name}"))
    }

    /// Starts an agent on a machine.
    fn start(&self, machine: &str, arguments: &[&str]) -> Process {
        let allow = format!("default={}", user());
        let own = ["node", "--allow", &allow];
        let all = [&own, arguments].concat();
        self.site
            .start_with_folder(&all, &self.machine(machine), &[])
    }

    /// Runs an agent that does not start.
    fn refused(&self, machine: &str, arguments: &[&str]) -> (String, i32) {
        let allow = format!("default={}", user());
        let own = ["node", "--allow", &allow];
        let all = [&own, arguments].concat();
        said(&self.site.run_with_folder(&all, &self.machine(machine)))
    }

    fn node(&self, name: &str) -> Option<Value> {
        let nodes = self.site.objects("nodes");
        nodes
            .into_iter()
            .find(|node| node["metadata"]["name"] == name)
    }

    fn wait_for_node(&self, name: &str) {
        self.site.wait("the node", || {
            self.node(name)
                .is_some_and(|node| node["status"]["addresses"].is_array())
        });
    }
}

#[test]
fn a_file_lets_one_machine_in_once_and_labels_come_with_it() {
    let gate = Gate::open();
    let file = gate.invite("web-1", &[]);
    let label = ["--label", "tier=web,rack=r1"];
    let (text, code) = gate.refused("a", &["--join", &file, "--name", "web-2"]);
    assert!(
        text.contains("lets a machine in as node \"web-1\", not as \"web-2\""),
        "{text}"
    );
    assert_eq!(code, 2);
    let (text, code) = gate.refused("a", &["--join", &file, "--label", "kubernetes.io/x=y"]);
    assert!(
        text.contains("labels of kubernetes.io are not given at the join"),
        "{text}"
    );
    assert_eq!(code, 2);
    let agent = gate.start("a", &[&["--join", &file][..], &label].concat());
    gate.wait_for_node("web-1");
    let labels = || gate.node("web-1").unwrap_or_default()["metadata"]["labels"].clone();
    assert_eq!(labels()["tier"], "web");
    assert_eq!(labels()["rack"], "r1");

    // From elsewhere, and under another name that somebody wrote into it.
    let (text, code) = gate.refused("b", &["--join", &file]);
    assert_eq!(
        (text.as_str(), code),
        (
            "error: the server does not accept this token for node \"web-1\": the token for node \"web-1\" was used \
             already: a token lets one machine in, once; make a new one with `upshift node token create web-1`\n",
            7
        )
    );
    let second = gate.invite("web-2", &["--label", "tier=db"]);
    let forged = fs::read_to_string(&second)
        .unwrap()
        .replace("web-2", "web-3");
    fs::write(gate.path("forged"), forged).unwrap();
    fs::set_permissions(gate.path("forged"), fs::Permissions::from_mode(0o600)).unwrap();
    let (text, code) = gate.refused("b", &["--join", &gate.path("forged")]);
    assert!(text.contains("it is for another name"), "{text}");
    assert_eq!(code, 7);
    // What the token binds, the machine does not change.
    let (text, code) = gate.refused("b", &["--join", &second, "--label", "tier=web"]);
    assert!(text.contains("says which labels it gets"), "{text}");
    assert_eq!(code, 2);
    let other = gate.start("a", &["--join", &second]);
    gate.wait_for_node("web-2");
    let node = gate.node("web-2").unwrap();
    assert_eq!(node["metadata"]["labels"]["tier"], "db");

    // Two nodes on one machine; the files did their work.
    drop((agent, other));
    fs::remove_file(&file).unwrap();
    let (text, code) = gate.refused("a", &[]);
    assert!(
        text.contains("joined as several nodes, choose one with --name"),
        "{text}"
    );
    assert_eq!(code, 2);
    gate.site
        .ok(&["label", "node/web-1", "tier=new", "--overwrite"]);
    let again = ["--join", &file, "--name", "web-1", "--label", "tier=web"];
    let agent = gate.start("a", &again);
    gate.site.wait("the agent", || {
        gate.site.log().matches("Node web-1 of").count() > 0
    });
    gate.site.wait_for_tunnel("web-1");
    assert_eq!(labels()["tier"], "new");
    drop(agent);
}

#[test]
fn a_new_token_or_a_removal_shuts_out_who_had_the_old_one() {
    let gate = Gate::open();
    let file = gate.invite("web-1", &[]);
    let mut agent = gate.start("a", &["--join", &file]);
    gate.wait_for_node("web-1");
    // Stolen.
    let stolen = gate.machine("thief");
    let copied = Command::new("cp")
        .args(["-r", &gate.machine("a"), &stolen])
        .status();
    assert!(copied.unwrap().success());
    let _ = fs::remove_file(format!("{stolen}/node/web-1/lock"));
    let second = gate.path("second.join");
    let output = gate
        .site
        .run(&["node", "token", "create", "web-1", "-o", &second]);
    assert!(
        said(&output)
            .0
            .contains("Node web-1 is not let in any more")
    );
    let (text, code) = gate.refused("thief", &[]);
    assert!(
        text.contains("the certificate of node \"web-1\" is no longer good"),
        "{text}"
    );
    assert!(text.contains("node token create web-1"), "{text}");
    assert_eq!(code, 7);
    gate.site.wait("the agent to end", || !agent.is_alive());
    // The same machine again, with the new file; then a removal.
    let mut agent = gate.start("a", &["--join", &second]);
    gate.site.wait_for_tunnel("web-1");
    assert_eq!(
        gate.site.ok(&["node", "remove", "web-1"]),
        "node/web-1 removed\n"
    );
    gate.site.wait("the agent to end", || !agent.is_alive());
    assert!(gate.node("web-1").is_none());
    let (text, code) = gate.refused("a", &["--join", &second]);
    assert!(text.contains("is no longer good"), "{text}");
    assert_eq!(code, 7);
    assert_eq!(
        said(&gate.site.run(&["node", "remove", "web-1"])),
        (
            "Error from server (NotFound): nodes \"web-1\" not found\n".to_owned(),
            3
        )
    );
}

#[test]
fn a_program_that_reads_no_input_ends_with_its_caller_and_lets_it_go() {
    let gate = Gate::open();
    let file = gate.invite("web-1", &[]);
    let _agent = gate.start("a", &["--join", &file]);
    gate.wait_for_node("web-1");
    gate.site.wait_for_tunnel("web-1");
    let mark = gate.path("running");
    let script = format!("echo $$ > {mark}; exec sleep 600");
    // More than what all the buffers on the way hold.
    let much = gate.path("much");
    fs::File::create(&much).unwrap().set_len(1 << 30).unwrap();
    let begin = || {
        let _ = fs::remove_file(&mark);
        let client = gate
            .site
            .client(&["exec", "node/web-1", "-i", "--", "sh", "-c", &script])
            .stdin(fs::File::open(&much).unwrap())
            .spawn()
            .unwrap();
        let mut before = String::new();
        gate.site.wait("its input to stand still", || {
            let now = fs::read_to_string(format!("/proc/{}/fdinfo/0", client.id())).unwrap();
            let stands = now == before && !now.contains("pos:\t0\n");
            before = now;
            stands && fs::read_to_string(&mark).is_ok_and(|pid| pid.ends_with('\n'))
        });
        let pid = fs::read_to_string(&mark).unwrap().trim().to_owned();
        (client, format!("/proc/{pid}/stat"))
    };
    let runs = |stat: &str| fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") Z "));

    let (mut client, program) = begin();
    client.kill().unwrap();
    client.wait().unwrap();
    gate.site.wait("the program's end", || !runs(&program));

    let (mut client, program) = begin();
    let number = nix::unistd::Pid::from_raw(i32::try_from(client.id()).unwrap());
    let mut ended = None;
    gate.site.wait("Ctrl-C, again and again, to end us", || {
        nix::sys::signal::kill(number, nix::sys::signal::Signal::SIGINT).unwrap();
        ended = client.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(130));
    gate.site.wait("the program's end", || !runs(&program));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one fleet tells one long story")]
fn a_program_runs_on_a_node_with_its_streams_and_its_exit_code() {
    let gate = Gate::open();
    let file = gate.invite("web-1", &[]);
    let agent = gate.start("a", &["--join", &file]);
    gate.wait_for_node("web-1");
    gate.site.wait_for_tunnel("web-1");
    let exec = |arguments: &[&str]| {
        gate.site
            .run(&[&["exec", "node/web-1"], arguments].concat())
    };
    let output = exec(&[
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; echo $UPSHIFT_NODE $USER; exit 3",
    ]);
    assert_eq!(out(&output), format!("out\nweb-1 {}\n", user()));
    assert_eq!(
        said(&output),
        ("err\ncommand terminated with exit code 3\n".to_owned(), 3)
    );
    // Never through a shell.
    assert_eq!(
        out(&exec(&["--", "echo", "$HOME", "a b", "é&=%+"])),
        "$HOME a b é&=%+\n"
    );
    let (text, code) = said(&exec(&["--", "no-such-program"]));
    assert_eq!(
        (text.as_str(), code),
        (
            "error: exec: \"no-such-program\": executable file not found in $PATH\n",
            127
        )
    );
    assert_eq!(said(&exec(&["--", "sh", "-c", "kill -9 $$"])).1, 137);
    let (text, code) = said(&exec(&["-n", "other", "--", "true"]));
    assert!(
        text.contains("does not serve namespace \"other\""),
        "{text}"
    );
    assert_eq!(code, 7);
    let (text, code) = said(&exec(&[]));
    assert!(
        text.contains("you must specify at least one command"),
        "{text}"
    );
    assert_eq!(code, 2);
    assert_eq!(
        said(&gate.site.run(&["exec", "node/web-9", "--", "true"])).1,
        3
    );

    // A megabyte there and back.
    let mut client = gate
        .site
        .client(&["exec", "node/web-1", "-i", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    let sent: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || input.write_all(&copy));
    let output = client.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success() && output.stdout == sent);

    // Who loses its caller ends, with everything below it.
    let mark = gate.path("running");
    let script = format!("trap '' TERM; sleep 600 & echo $! > {mark}; wait");
    let mut client = gate
        .site
        .client(&["exec", "node/web-1", "--", "sh", "-c", &script])
        .spawn()
        .unwrap();
    let pid = || {
        fs::read_to_string(&mark)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    gate.site.wait("the program", || !pid().is_empty());
    client.kill().unwrap();
    client.wait().unwrap();
    let runs = || {
        fs::read_to_string(format!("/proc/{}/stat", pid())).is_ok_and(|stat| !stat.contains(") Z "))
    };
    gate.site.wait("the program's end", || !runs());

    // Ctrl-C is the program's, and ends us.
    fs::remove_file(&mark).unwrap();
    // What a shell starts beside itself hears no Ctrl-C, and what a program leaves behind at its own end stays.
    let script =
        format!("trap 'kill $!; echo bye; exit 0' INT; sleep 600 & echo $! > {mark}; wait");
    let client = gate
        .site
        .client(&["exec", "node/web-1", "--", "sh", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    gate.site.wait("the program", || !pid().is_empty());
    let interrupt = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(client.id()).unwrap()),
        nix::sys::signal::Signal::SIGINT,
    );
    interrupt.unwrap();
    let output = client.wait_with_output().unwrap();
    assert_eq!(
        (out(&output).as_str(), output.status.code()),
        ("bye\n", Some(130))
    );
    gate.site.wait("what it started to end", || !runs());
    drop(agent);
    gate.site.wait("the tunnel's end", || {
        said(&gate.site.run(&["exec", "node/web-1", "--", "true"])).0
            == "Error from server (ServiceUnavailable): node \"web-1\" is not connected\n"
    });
}

#[test]
fn a_cordoned_node_gets_nothing_new_and_a_removed_one_releases_its_gears() {
    let Some(mut fleet) = Fleet::new(2) else {
        return;
    };
    let site = &fleet.site;
    assert_eq!(site.ok(&["cordon", "web-2"]), "node/web-2 cordoned\n");
    assert_eq!(
        site.ok(&["cordon", "node/web-2"]),
        "node/web-2 already cordoned\n"
    );
    let nodes = site.ok(&["get", "nodes"]);
    assert!(nodes.contains("Ready,SchedulingDisabled"), "{nodes}");
    assert_eq!(
        said(&site.run(&["cordon", "web-9"])),
        (
            "Error from server (NotFound): nodes \"web-9\" not found\n".to_owned(),
            3
        )
    );
    fleet.apply(&fleet.application(json!({"concurrency": 2})));
    fleet.bundle("one");
    fleet.deploy_ok(&[]);
    assert_eq!(fleet.answer("web-1"), Some("one web-1".to_owned()));
    assert_eq!(fleet.answer("web-2"), None);
    assert_eq!(site.ok(&["uncordon", "web-2"]), "node/web-2 uncordoned\n");
    assert_eq!(
        site.ok(&["uncordon", "-l", "tier=web"]),
        "node/web-1 already uncordoned\nnode/web-2 already uncordoned\n"
    );
    site.wait("the new host to catch up", || {
        fleet.answer("web-2") == Some("one web-2".to_owned())
    });
    // The application answers before its operation's last step is written down.
    site.wait("the catch-up to be over", || {
        site.objects("operations")
            .iter()
            .all(|operation| operation["status"]["phase"] == "Succeeded")
    });
    let page = site.ok(&["describe", "node", "web-1"]);
    assert!(page.contains("shop-web-1"), "{page}");

    let (text, code) = said(&site.run(&["node", "remove", "web-2"]));
    assert_eq!(
        (text.as_str(), code),
        (
            "error: node web-2 has 1 gear (shop-web-2): add --yes to remove it with them\n",
            2
        )
    );
    let output = site.run(&["node", "remove", "web-2", "--yes"]);
    assert_eq!(
        said(&output),
        ("Releases 1 gear (shop-web-2).\n".to_owned(), 0)
    );
    site.wait("its gear to go", || site.objects("gears").len() == 1);
    // What runs there is left alone.
    assert_eq!(fleet.answer("web-2"), Some("one web-2".to_owned()));
    fleet.kill("web-2");
}

#[test]
fn an_agent_of_root_serves_a_namespace_with_the_rights_of_a_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let gate = Gate::open();
    for folder in ["", "place"] {
        fs::create_dir_all(gate.path(folder)).unwrap();
        fs::set_permissions(gate.path(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let uid = nobody.uid.as_raw();
    std::os::unix::fs::chown(gate.path("place"), Some(uid), None).unwrap();
    let file = gate.invite("web-1", &[]);
    let data = gate.machine("a");
    let node = [
        "node",
        "--join",
        &file,
        "--root",
        &gate.path("bundles"),
        "--allow",
    ];
    let (text, code) = said(
        &gate
            .site
            .run_with_folder(&[&node[..], &["default=no-such-user"]].concat(), &data),
    );
    assert!(
        text.contains("--allow default=no-such-user: there is no such user on this node"),
        "{text}"
    );
    assert_eq!(code, 2);
    let agent = gate
        .site
        .start_with_folder(&[&node[..], &["default=nobody"]].concat(), &data, &[]);
    gate.wait_for_node("web-1");
    gate.site.wait_for_tunnel("web-1");
    let output = gate.site.run(&["exec", "node/web-1", "--", "id", "-u"]);
    assert_eq!(out(&output), format!("{uid}\n"));

    let bundle = gate.path("bundle");
    let deploy = |destination: &str| {
        fs::create_dir_all(format!("{bundle}/hooks")).unwrap();
        fs::write(format!("{bundle}/page"), "page").unwrap();
        let hook = format!("{bundle}/hooks/after");
        let script = format!("#!/bin/sh\nid -u > {}/who\n", gate.path("place"));
        fs::write(&hook, script).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(
            format!("{bundle}/appspec.yml"),
            format!("files:\n  - source: page\n    destination: {destination}\nhooks:\n  AfterInstall:\n    - location: hooks/after\n"),
        )
        .unwrap();
        gate.site
            .run(&["deploy", &bundle, "--name", "shop", "--progress=plain"])
    };
    let application = json!({
        "apiVersion": "upshift.dev/v1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"hosts": {"selector": {}}, "port": 8080},
    });
    fs::write(gate.path("shop.json"), application.to_string()).unwrap();
    gate.site.ok(&["apply", "-f", &gate.path("shop.json")]);
    let place = gate.path("place/www");
    let output = deploy(&place);
    assert!(
        output.status.success(),
        "{:?}\n{}",
        said(&output),
        gate.site.log()
    );
    let owner = |path: &str| fs::metadata(path).unwrap().uid();
    assert_eq!(owner(&format!("{place}/page")), uid);
    assert_eq!(owner(&place), uid);
    assert_eq!(
        fs::read_to_string(gate.path("place/who")).unwrap(),
        format!("{uid}\n")
    );
    // Where the user may not write, nothing is written; where it may read, nothing of root's is read.
    let (text, code) = said(&deploy("/etc/upshift-test"));
    assert_ne!(code, 0);
    assert!(text.contains("Permission denied"), "{text}");
    assert!(fs::metadata("/etc/upshift-test").is_err());
    // The bundles are where --root says, and a second agent does not share them.
    let bundles: Vec<_> = fs::read_dir(gate.path("bundles"))
        .unwrap()
        .flatten()
        .collect();
    assert!(
        bundles
            .iter()
            .any(|one| one.file_name() == "app-default.shop"),
        "{bundles:?}"
    );
    let second = gate.invite("web-2", &[]);
    let (text, code) = gate.refused("b", &["--join", &second, "--root", &gate.path("bundles")]);
    assert!(text.contains("another agent runs in"), "{text}");
    assert_eq!(code, 1);
    drop(agent);
}

#[test]
fn a_unit_is_what_systemd_takes() {
    let gate = Gate::open();
    let file = gate.invite("web-1", &[]);
    let arguments = [
        "node",
        "--print-unit",
        "--join",
        &file,
        "--allow",
        "default=deploy",
        "--root",
        "bundles",
    ];
    let output = gate.site.run_with_folder(&arguments, &gate.machine("a"));
    let unit = out(&output);
    assert!(output.status.success(), "{:?}", said(&output));
    let place = gate.path("");
    let place = place.trim_end_matches('/');
    assert!(
        unit.contains(&format!(
            " node --join {place}/web-1.join --name web-1 --allow default=deploy --address 127.0.0.1 \
             --root {place}/bundles --data-dir {place}/data-a\n"
        )),
        "{unit}"
    );
    assert!(unit.contains("KillMode=process\n") && unit.contains("Restart=always\n"));
    if needs("systemd-analyze") {
        let path = gate.path("upshift-node.service");
        fs::write(&path, unit).unwrap();
        let verified = Command::new("systemd-analyze")
            .args(["verify", &path])
            .output();
        let verified = verified.unwrap();
        assert!(verified.status.success(), "{:?}", said(&verified));
    }
}

/// A machine behind a cable: a network namespace, joined to this one by a pair of interfaces.
struct Cable {
    network: String,
    near: String,
    /// Of the server, and of the machine.
    addresses: [String; 2],
}

impl Cable {
    /// None where that cannot be made.
    fn lay() -> Option<Cable> {
        if !nix::unistd::geteuid().is_root() || !needs("ip") {
            return None;
        }
        let number = std::process::id();
        let [high, low] = [number / 60 % 200, number % 60 * 4];
        let cable = Cable {
            network: format!("upshift-nodes-{number}"),
            near: format!("upn{number}"),
            addresses: [1, 2].map(|last| format!("10.{}.{high}.{}", 201, low + last)),
        };
        let (near, network) = (cable.near.as_str(), cable.network.as_str());
        let [server, machine] = cable
            .addresses
            .clone()
            .map(|address| format!("{address}/30"));
        let commands: [&[&str]; 7] = [
            &["netns", "add", network],
            &[
                "link", "add", near, "type", "veth", "peer", "name", "far", "netns", network,
            ],
            &["address", "add", &server, "dev", near],
            &["link", "set", near, "up"],
            &["-n", network, "address", "add", &machine, "dev", "far"],
            &["-n", network, "link", "set", "lo", "up"],
            &["-n", network, "link", "set", "far", "up"],
        ];
        for command in commands {
            if !Cable::ip(command) {
                crate::site::missing("network namespaces");
                return None;
            }
        }
        Some(cable)
    }

    fn ip(arguments: &[&str]) -> bool {
        let status = Command::new("ip")
            .args(arguments)
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// Pulls the plug at the machine's end, or puts it back.
    fn plug(&self, state: &str) {
        assert!(Cable::ip(&[
            "-n",
            &self.network,
            "link",
            "set",
            "far",
            state
        ]));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        Cable::ip(&["netns", "delete", &self.network]);
        Cable::ip(&["link", "delete", &self.near]);
    }
}

#[test]
fn a_machine_that_is_cut_off_in_a_hook_goes_on_and_catches_up_when_the_cable_is_back() {
    let Some(cable) = Cable::lay() else { return };
    let site = Site::new();
    let listen = format!("{}:8443", cable.addresses[0]);
    let serve = [
        "serve",
        "--no-node",
        "--listen",
        &listen,
        "--router-listen",
        "127.0.0.1:0",
    ];
    let _server = site.start(&serve, &[]);
    site.wait("the server", || site.data().join("server.json").exists());
    let file = site.path("web-1.join").display().to_string();
    site.ok(&["node", "token", "create", "web-1", "-o", &file]);
    let log = fs::File::create(site.path("agent.log")).unwrap();
    let child = Command::new("ip")
        .args([
            "netns",
            "exec",
            &cable.network,
            env!("CARGO_BIN_EXE_upshift"),
        ])
        .args([
            "node",
            "--join",
            &file,
            "--allow",
            &format!("default={}", user()),
        ])
        .args(["--address", &cable.addresses[1], "--data-dir"])
        .arg(site.path("data-web-1"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    let _agent = Process(child.unwrap());
    site.wait_for_tunnel("web-1");
    let application = json!({
        "apiVersion": "upshift.dev/v1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"hosts": {"selector": {}}, "port": 8080},
    });
    fs::write(site.path("shop.json"), application.to_string()).unwrap();
    site.ok(&["apply", "-f", &site.path("shop.json").display().to_string()]);
    site.bundle("1");
    let bundle = site.path("bundle").display().to_string();
    let go = site.path("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    site.hook("AfterInstall", &wait);
    let deploy = ["deploy", &bundle, "--name", "shop", "--progress=plain"];
    let runs = |count: usize| {
        let record = site.record();
        let hooks = record
            .iter()
            .filter(|line| line.starts_with("AfterInstall"));
        hooks.count() == count
    };
    let is_phase = |phase: &str| {
        let rollouts = site.objects("rollouts");
        rollouts
            .last()
            .is_some_and(|rollout| rollout["status"]["phase"] == phase)
    };

    // The hook ends while nobody can hear of it, and so do those after it.
    let client = site.start_client(&deploy);
    site.wait("the hook", || runs(1));
    cable.plug("down");
    fs::write(&go, "").unwrap();
    site.wait("the last hook", || {
        site.record()
            .iter()
            .any(|line| line.starts_with("ValidateService"))
    });
    assert!(is_phase("Running"), "{:?}", site.objects("rollouts"));
    let (text, _) = said(&site.run(&["exec", "node/web-1", "--", "true"]));
    assert!(
        text.contains("did not answer") || text.contains("not connected"),
        "{text}"
    );
    cable.plug("up");
    site.wait("the rollout", || is_phase("Succeeded"));
    assert!(runs(1), "{:?}", site.record());
    drop(client);

    // Aborted while it is away: it learns that when it is back, and ends its hook.
    fs::remove_file(&go).unwrap();
    let client = site.start_client(&deploy);
    site.wait("the hook", || runs(2));
    cable.plug("down");
    site.ok(&["rollout", "cancel", "app/shop"]);
    assert!(!is_phase("Aborted"));
    cable.plug("up");
    site.wait("the rollout", || is_phase("Aborted"));
    drop(client);
}
