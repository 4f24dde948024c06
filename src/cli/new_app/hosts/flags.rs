//! The flags of `new-app` onto hosts, and the Application that they mean. Pure.

use std::collections::BTreeMap;

use crate::api::duration::Span;
use crate::api::upshift::Application;
use crate::api::upshift::ApplicationSpec;
use crate::api::upshift::BlueGreen;
use crate::api::upshift::HaProxy;
use crate::api::upshift::Hosts;
use crate::api::upshift::LoadBalancer;
use crate::api::upshift::Settings;
use crate::cli::Failure;
use crate::cli::deploy;
use crate::cli::rollouts::behaviour::Behaviour;
use crate::cli::rollouts::form;
use crate::cli::rollouts::target;

/// Where an application with hooks of its own runs, and what leads to it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct HostFlags {
    /// One gear on each node with these labels, as in tier=web; all means every node
    #[arg(long, value_name = "SELECTOR", help_heading = "On hosts")]
    pub hosts: Option<String>,
    /// Blue/green: the labels of the blue nodes
    #[arg(long, value_name = "SELECTOR", help_heading = "On hosts")]
    pub blue: Option<String>,
    /// Blue/green: the labels of the green nodes
    #[arg(long, value_name = "SELECTOR", help_heading = "On hosts")]
    pub green: Option<String>,
    /// For a bundle without appspec.yml: SOURCE in it goes to the folder DESTINATION (can be repeated)
    #[arg(
        long = "file",
        value_name = "SOURCE:DESTINATION",
        help_heading = "On hosts"
    )]
    pub files: Vec<String>,
    /// For such a bundle: the script of it that stops the application, with arguments
    #[arg(long, value_name = "SCRIPT", help_heading = "On hosts")]
    pub stop: Option<String>,
    /// For such a bundle: the script that starts it
    #[arg(long, value_name = "SCRIPT", help_heading = "On hosts")]
    pub start: Option<String>,
    /// For such a bundle: the script that checks it
    #[arg(long, value_name = "SCRIPT", help_heading = "On hosts")]
    pub check: Option<String>,
    /// The appspec's name in the bundle, instead of appspec.yml
    #[arg(long, value_name = "PATH", help_heading = "On hosts")]
    pub appspec: Option<String>,
    /// What the application listens on; scripts get it as PORT [default: 8080]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), help_heading = "On hosts")]
    pub port: Option<u16>,
    /// Requests come through this service, and each host leaves it for its turn; blue/green: NAME unless said otherwise
    #[arg(long, value_name = "SERVICE", help_heading = "On hosts")]
    pub load_balancer: Option<String>,
    /// A HAProxy that serves it: ROUTER/BACKEND, or router=R,backend=B; blue/green: router=R,map=FILE,key=K[,backend=B]
    #[arg(long, value_name = "ROUTER/BACKEND", help_heading = "On hosts")]
    pub haproxy: Option<String>,
    /// How long requests under way may take to end when a host leaves [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "On hosts")]
    pub drain: Option<Span>,
    /// Whether to follow the deployment of SOURCE to its end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "On hosts")]
    pub follow: bool,
    #[command(flatten)]
    pub behaviour: Behaviour,
}

impl HostFlags {
    /// Whether the application is meant for hosts.
    pub fn is_meant(&self) -> bool {
        self.hosts.is_some() || self.blue.is_some() || self.green.is_some()
    }

    /// The first flag that means nothing without hosts.
    pub fn stray(&self) -> Option<&'static str> {
        let flags = [
            (!self.files.is_empty(), "--file"),
            (self.stop.is_some(), "--stop"),
            (self.start.is_some(), "--start"),
            (self.check.is_some(), "--check"),
            (self.appspec.is_some(), "--appspec"),
            (self.port.is_some(), "--port"),
            (self.load_balancer.is_some(), "--load-balancer"),
            (self.haproxy.is_some(), "--haproxy"),
            (self.drain.is_some(), "--drain"),
            (!self.follow, "--follow"),
        ];
        let given = flags.into_iter().find(|(is_given, _)| *is_given);
        given.map(|(_, flag)| flag).or(self.behaviour.given())
    }

    /// The application that was described.
    pub fn application(&self, name: &str) -> Result<Application, Failure> {
        let hosts = self.where_it_runs()?;
        let takes_turns = hosts.blue_green.is_some();
        let settings = Settings {
            load_balancer: self.balancer(takes_turns)?,
            ..Settings::default()
        };
        let files = form::files(&self.files)?;
        let (stop, start) = (self.stop.as_deref(), self.start.as_deref());
        let scripts = form::scripts(stop, start, self.check.as_deref())?;
        if scripts.is_some() && files.is_empty() {
            return Err(Failure::usage(
                "--stop, --start and --check are for a bundle without appspec.yml: say what goes where with --file SOURCE:DESTINATION",
            ));
        }
        let mut application = Application {
            spec: ApplicationSpec {
                hosts: Some(hosts),
                port: Some(self.port.unwrap_or(deploy::PORT)),
                files,
                scripts,
                appspec: self.appspec.clone(),
                rollout: self.behaviour.applied(settings),
                ..ApplicationSpec::default()
            },
            ..Application::default()
        };
        name.clone_into(&mut application.metadata.name);
        Ok(application)
    }

    fn where_it_runs(&self) -> Result<Hosts, Failure> {
        let of = |flag: &str, text: &str| selector(flag, text);
        match (&self.hosts, &self.blue, &self.green) {
            (Some(text), None, None) => Ok(Hosts {
                selector: Some(of("--hosts", text)?),
                blue_green: None,
            }),
            (None, Some(blue), Some(green)) => {
                let colors = BlueGreen {
                    blue: of("--blue", blue)?,
                    green: of("--green", green)?,
                };
                if colors.blue.is_empty() || colors.green.is_empty() {
                    return Err(Failure::usage(
                        "--blue and --green need labels that set their nodes apart, as in --blue color=blue --green color=green",
                    ));
                }
                if colors.blue == colors.green {
                    return Err(Failure::usage("--blue and --green name the same nodes"));
                }
                Ok(Hosts {
                    selector: None,
                    blue_green: Some(colors),
                })
            }
            (Some(_), _, _) => Err(Failure::usage(
                "--hosts is one group of nodes, --blue and --green are two: give either",
            )),
            (None, Some(_), None) => Err(Failure::usage("--blue goes with --green")),
            (None, _, _) => Err(Failure::usage("--green goes with --blue")),
        }
    }

    fn balancer(&self, takes_turns: bool) -> Result<Option<LoadBalancer>, Failure> {
        let is_meant = takes_turns || self.load_balancer.is_some() || self.haproxy.is_some();
        if !is_meant {
            return match self.drain {
                Some(_) => Err(Failure::usage(
                    "--drain goes with --load-balancer or --haproxy",
                )),
                None => Ok(None),
            };
        }
        let mut balancer = LoadBalancer::default();
        if let Some(service) = &self.load_balancer {
            // `svc/shop` is how everything else names it.
            let name = service.strip_prefix("svc/").unwrap_or(service);
            let name = name.strip_prefix("service/").unwrap_or(name);
            if !target::is_name(name) {
                return Err(Failure::usage(format!(
                    "invalid argument {service:?} for \"--load-balancer\" flag: the name of a service, as in shop"
                )));
            }
            name.clone_into(&mut balancer.service);
        }
        if let Some(drain) = self.drain {
            let seconds = drain.0.as_millis().div_ceil(1000);
            balancer.drain_seconds = u32::try_from(seconds)
                .ok()
                .filter(|seconds| *seconds <= 86_400)
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "invalid argument \"{drain}\" for \"--drain\" flag: at most a day"
                    ))
                })?;
        }
        if let Some(text) = &self.haproxy {
            balancer.haproxy = Some(haproxy(text, takes_turns)?);
        }
        Ok(Some(balancer))
    }
}

/// `tier=web,zone=a`; `all` and nothing mean every node.
fn selector(flag: &str, text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    if matches!(text.trim(), "" | "all") {
        return Ok(labels);
    }
    for one in text.split(',') {
        let pair = one.split_once('=').map(|(name, value)| {
            let value = value.strip_prefix('=').unwrap_or(value);
            (name.trim(), value.trim())
        });
        let fits = |text: &str| !text.contains(|c: char| c.is_whitespace() || "=!()".contains(c));
        match pair {
            Some((name, value)) if !name.is_empty() && fits(name) && fits(value) => {
                if labels.insert(name.to_owned(), value.to_owned()).is_some() {
                    return Err(Failure::usage(format!(
                        "invalid argument {text:?} for {flag:?} flag: {name} stands there twice"
                    )));
                }
            }
            _ => {
                return Err(Failure::usage(format!(
                    "invalid argument {text:?} for {flag:?} flag: labels of nodes as NAME=VALUE,…, as in tier=web"
                )));
            }
        }
    }
    Ok(labels)
}

/// `lb-1/shop`, or `router=lb-1,map=/etc/haproxy/colors.map,key=shop`.
fn haproxy(text: &str, takes_turns: bool) -> Result<HaProxy, Failure> {
    let expected = if takes_turns {
        "router=ROUTER,map=FILE,key=KEY, and backend=NAME if the two backends are not named after the service"
    } else {
        "ROUTER/BACKEND, as in lb-1/shop"
    };
    let wrong = |why: String| {
        Failure::usage(format!(
            "invalid argument {text:?} for \"--haproxy\" flag: {why}write it as {expected}"
        ))
    };
    let mut haproxy = HaProxy::default();
    if text.contains('=') {
        for one in text.split(',') {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            let field = match name {
                "router" => &mut haproxy.router,
                "backend" => &mut haproxy.backend,
                "map" if takes_turns => &mut haproxy.map,
                "key" if takes_turns => &mut haproxy.key,
                "map" | "key" => return Err(wrong(format!("{name} is for --blue and --green; "))),
                other => return Err(wrong(format!("nothing is called {other:?}; "))),
            };
            value.clone_into(field);
        }
    } else {
        let Some((router, backend)) = text.split_once('/').filter(|_| !takes_turns) else {
            return Err(wrong(String::new()));
        };
        router.clone_into(&mut haproxy.router);
        backend.clone_into(&mut haproxy.backend);
    }
    let needed: &[(&str, &str)] = if takes_turns {
        &[("map", &haproxy.map), ("key", &haproxy.key)]
    } else {
        &[("backend", &haproxy.backend)]
    };
    if !target::is_name(&haproxy.router) {
        return Err(wrong("it names no router; ".to_owned()));
    }
    if let Some((name, _)) = needed.iter().find(|(_, value)| value.is_empty()) {
        return Err(wrong(format!("it names no {name}; ")));
    }
    Ok(haproxy)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::api::meta::Typed;

    fn typed(words: &[&str]) -> HostFlags {
        let command = <HostFlags as clap::Args>::augment_args(clap::Command::new("new-app"));
        let matches = command.get_matches_from([&["new-app"], words].concat());
        HostFlags::from_arg_matches(&matches).unwrap()
    }

    fn spec(words: &[&str]) -> Result<Value, String> {
        let application = typed(words).application("shop");
        application
            .map(|one| one.to_object()["spec"].take())
            .map_err(|failure| failure.message)
    }

    #[test]
    fn every_way_to_say_where_it_runs() {
        let hosts = |words: &[&str]| spec(words).unwrap()["hosts"].clone();
        assert_eq!(
            hosts(&["--hosts", "tier=web,zone==a"]),
            json!({"selector": {"tier": "web", "zone": "a"}})
        );
        for every in ["all", ""] {
            assert_eq!(hosts(&["--hosts", every]), json!({"selector": {}}));
        }
        assert_eq!(
            hosts(&["--blue", "color=blue", "--green", "color=green"]),
            json!({"blueGreen": {"blue": {"color": "blue"}, "green": {"color": "green"}}})
        );
    }

    #[test]
    fn what_leads_to_it() {
        let balancer = |words: &[&str]| spec(words).unwrap()["rollout"]["loadBalancer"].clone();
        assert_eq!(balancer(&["--hosts=a=b"]), Value::Null);
        assert_eq!(
            balancer(&[
                "--hosts=a=b",
                "--load-balancer",
                "svc/web",
                "--drain=1500ms"
            ]),
            json!({"service": "web", "drainSeconds": 2})
        );
        assert_eq!(
            balancer(&["--hosts=a=b", "--haproxy", "lb-1/shop"]),
            json!({"drainSeconds": 30, "haproxy": {"router": "lb-1", "backend": "shop"}})
        );
        assert_eq!(
            balancer(&["--blue=c=b", "--green=c=g"]),
            json!({"drainSeconds": 30})
        );
        assert_eq!(
            balancer(&[
                "--blue=c=b",
                "--green=c=g",
                "--haproxy",
                "router=lb-1,map=/etc/haproxy/colors.map,key=shop"
            ]),
            json!({"drainSeconds": 30, "haproxy":
                {"router": "lb-1", "map": "/etc/haproxy/colors.map", "key": "shop"}})
        );
    }

    #[test]
    fn form_and_behaviour_stand_in_the_application() {
        let spec = spec(&[
            "--hosts=all",
            "--port=9000",
            "--file=/:/srv/shop",
            "--stop=bin/stop 'a b'",
            "--concurrency=25%",
            "--canary=10m",
            "--on-failure=rollback",
        ])
        .unwrap();
        assert_eq!(spec["port"], 9000);
        assert_eq!(spec["scripts"], json!({"stop": ["bin/stop", "a b"]}));
        assert_eq!(spec["rollout"]["concurrency"], "25%");
        assert_eq!(spec["rollout"]["canary"], json!({"pause": "10m"}));
        assert_eq!(spec["rollout"]["onFailure"], "Rollback");
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        let check = |words: &[&str], expect: &str| {
            let message = spec(words).unwrap_err();
            assert!(message.contains(expect), "{words:?}: {message}");
            assert!(!message.contains('\n'), "{message}");
        };
        check(&["--hosts=tier"], "as in tier=web");
        check(&["--hosts=tier in (web)"], "as in tier=web");
        check(&["--hosts=a=1,a=2"], "a stands there twice");
        check(&["--hosts=a=b", "--blue=a=c"], "give either");
        check(&["--blue=a=c"], "--blue goes with --green");
        check(&["--green=a=c"], "--green goes with --blue");
        check(&["--blue=a=c", "--green=a=c"], "the same nodes");
        check(&["--blue=a=c", "--green=all"], "set their nodes apart");
        check(&["--hosts=all", "--drain=10s"], "--drain goes with");
        check(
            &["--hosts=all", "--load-balancer=./x"],
            "the name of a service",
        );
        check(
            &["--hosts=all", "--haproxy=lb"],
            "ROUTER/BACKEND, as in lb-1/shop",
        );
        check(
            &["--hosts=all", "--haproxy=router=lb"],
            "it names no backend",
        );
        check(&["--hosts=all", "--haproxy=lb/"], "it names no backend");
        check(
            &["--hosts=all", "--haproxy=router=lb,map=m"],
            "map is for --blue and --green",
        );
        check(
            &["--blue=a=b", "--green=a=c", "--haproxy=lb/x"],
            "router=ROUTER,map=FILE,key=KEY",
        );
        check(
            &["--blue=a=b", "--green=a=c", "--haproxy=router=lb,map=m"],
            "it names no key",
        );
        check(
            &["--hosts=all", "--haproxy=host=x"],
            "nothing is called \"host\"",
        );
        check(
            &["--hosts=all", "--stop=bin/stop"],
            "--file SOURCE:DESTINATION",
        );
        check(&["--hosts=all", "--file=x"], "SOURCE:DESTINATION, as in");
    }

    #[test]
    fn flags_that_need_hosts_are_named() {
        assert_eq!(typed(&["--port=1"]).stray(), Some("--port"));
        assert_eq!(typed(&["--canary"]).stray(), Some("--canary"));
        assert_eq!(typed(&[]).stray(), None);
    }
}
