//! Three applications on one fleet, one for each of the seed's deployments, behind a load balancer of either kind.
//!
//! ```text
//! plain    port 8080   rolling, without a load balancer
//! rolling  port 8081   rolling, behind the load balancer      lb.test
//! colors   port 8082   blue/green: odd hosts and even hosts   bg.test
//! ```

use std::net::SocketAddr;
use std::process::Output;

use serde_json::Value;
use serde_json::json;

use crate::fleet::Fleet;
use crate::fleet::Load;
use crate::fleet::Visitor;
use crate::haproxy::Balancer;
use crate::haproxy::balanced;

/// Who balances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum By {
    BuiltIn,
    HaProxy,
}

/// A fleet with its balancer.
pub(crate) struct Stand {
    pub(crate) fleet: Fleet,
    pub(crate) balancer: Option<Balancer>,
    map: tempfile::NamedTempFile,
}

/// What `--name`, the port and the name that visitors ask for are.
pub(crate) const PLAIN: (&str, u16, &str) = ("plain", 8080, "");
pub(crate) const ROLLING: (&str, u16, &str) = ("rolling", 8081, "lb.test");
pub(crate) const COLORS: (&str, u16, &str) = ("colors", 8082, "bg.test");

impl Stand {
    /// That many hosts; no application yet. None when this machine lacks what it takes.
    pub(crate) fn new(by: By, count: usize) -> Option<Stand> {
        let labels = |number: usize| {
            let color = if number % 2 == 1 { "blue" } else { "green" };
            vec![("tier", "web".to_owned()), ("color", color.to_owned())]
        };
        let map = tempfile::NamedTempFile::new().expect("a temporary file");
        let (fleet, balancer) = match by {
            By::BuiltIn => (Fleet::with(count, &["--no-node"], labels)?, None),
            By::HaProxy => {
                let rule = format!(
                    "use_backend %[req.hdr(host),map({})]\n  default_backend rolling",
                    map.path().display()
                );
                let backends = |network: &str| backends(network, count);
                let (fleet, balancer) = balanced(count, &rule, backends, labels)?;
                (fleet, Some(balancer))
            }
        };
        Some(Stand {
            fleet,
            balancer,
            map,
        })
    }

    /// Makes one of the three, with these settings besides those of its load balancer.
    pub(crate) fn publish(&self, which: (&str, u16, &str), more: &Value) {
        let (name, port, host) = which;
        let mut rollout = more.clone();
        let mut balancer = json!({"drainSeconds": 5});
        if self.balancer.is_some() {
            balancer["haproxy"] = if which == COLORS {
                json!({"router": "lb-1", "map": self.map.path(), "key": host})
            } else {
                json!({"router": "lb-1", "backend": "rolling"})
            };
        }
        if which != PLAIN {
            rollout["loadBalancer"] = balancer;
        }
        let mut application = self.fleet.application(rollout);
        application["metadata"]["name"] = name.into();
        application["spec"]["port"] = port.into();
        if which == COLORS {
            application["spec"]["hosts"] =
                json!({"blueGreen": {"blue": {"color": "blue"}, "green": {"color": "green"}}});
        }
        self.fleet.apply(&application);
        if which != PLAIN && self.balancer.is_none() {
            self.fleet.apply(&json!({
                "apiVersion": "route.openshift.io/v1", "kind": "Route",
                "metadata": {"name": format!("{name}-route"), "namespace": "default"},
                "spec": {"host": host, "to": {"kind": "Service", "name": name}},
            }));
        }
    }

    /// Where visitors ask.
    pub(crate) fn front(&self) -> SocketAddr {
        let own = self.balancer.as_ref().map(|balancer| balancer.front);
        own.unwrap_or_else(|| self.fleet.router())
    }

    /// Asks for one of the two without a break, as soon as it is answered.
    pub(crate) fn load(&self, which: (&str, u16, &str)) -> Load {
        self.fleet.site.wait("the application to be served", || {
            let answer = Visitor::new(self.front(), which.2).ask(false);
            answer.is_ok_and(|(status, _)| status == 200)
        });
        Load::start(self.front(), which.2, 2)
    }

    /// `deploy BUNDLE --name NAME --progress=plain`, its arguments.
    pub(crate) fn deployment(&self, which: (&str, u16, &str)) -> Vec<String> {
        let bundle = self.fleet.site.path("bundle").display().to_string();
        ["deploy", &bundle, "--name", which.0, "--progress=plain"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Deploys the bundle.
    pub(crate) fn deploy(&self, which: (&str, u16, &str), more: &[&str]) -> Output {
        let own = self.deployment(which);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        self.fleet.site.run(&[&own, more].concat())
    }

    /// The same, or `rollback`; it has to end with that code.
    pub(crate) fn expect(&self, output: &Output, code: i32) -> String {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{said}\nserver and agents: {}",
            self.fleet.site.log()
        );
        said
    }

    /// The names of the hosts that one of the three has gears on; those of one colour.
    pub(crate) fn hosts(&self, color: &str) -> Vec<String> {
        let is_blue = |place: usize| place.is_multiple_of(2);
        let hosts = self.fleet.hosts.iter().enumerate();
        hosts
            .filter(|(place, _)| match color {
                "blue" => is_blue(*place),
                "green" => !is_blue(*place),
                _ => true,
            })
            .map(|(_, host)| host.name.clone())
            .collect()
    }

    /// What every host of an application answers by itself: `VERSION`, or what is wrong.
    pub(crate) fn versions(&self, which: (&str, u16, &str), color: &str) -> Vec<String> {
        let version = |host: &String| match self.fleet.answer_at(host, which.1) {
            Some(answer) => match answer.strip_suffix(&format!(" {host}")) {
                Some(version) => version.to_owned(),
                None => format!("{host} answers {answer}"),
            },
            None => format!("{host} does not answer"),
        };
        let mut versions: Vec<String> = self.hosts(color).iter().map(version).collect();
        versions.sort();
        versions.dedup();
        versions
    }

    /// An object of a kind by name.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Value {
        let objects = self.fleet.site.objects(kind);
        let mut own = objects
            .into_iter()
            .filter(|one| one["metadata"]["name"] == name);
        own.next().unwrap_or_default()
    }
}

/// A backend for the rolling application, and one for each colour.
fn backends(network: &str, count: usize) -> String {
    let list = |name: &str, port: u16, hosts: &mut dyn Iterator<Item = usize>, rest: &str| {
        let server = |number| format!("  server web-{number} {network}.{number}:{port} {rest}\n");
        format!(
            "backend {name}\n{}",
            hosts.map(server).collect::<Vec<_>>().concat()
        )
    };
    let checked = "check inter 100ms disabled";
    [
        list("rolling", ROLLING.1, &mut (1..=count), checked),
        list("colors-blue", COLORS.1, &mut (1..=count).step_by(2), ""),
        list("colors-green", COLORS.1, &mut (2..=count).step_by(2), ""),
    ]
    .concat()
}
