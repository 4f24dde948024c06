//! A container that ended because its port was somebody else's: written down with the end, and said.

use std::io;
use std::time::Duration;

use nix::unistd;

use crate::agent::pod::decide::succeeded;
use crate::agent::pod::disk::Attempt;
use crate::agent::pod::events::Severity;
use crate::agent::pod::holders;
use crate::agent::pod::listening;
use crate::agent::pod::worker::PORT_TAKEN;
use crate::agent::pod::worker::Worker;
use crate::agent::pod::worker::is_build;
use crate::agent::pod::worker::report::last_lines;
use crate::agent::shim::Exit;
use crate::agent::shim::Reason;
use crate::api::pod::Pod;

/// What ran longer had its port.
const EARLY: Duration = Duration::from_secs(60);
/// An end that is seen later (the agent was away) says nothing about who listens now.
const FRESH: Duration = Duration::from_secs(5);
/// The port of a container that declares none, as its environment says.
const USUAL_PORT: u16 = 8080;

impl Worker {
    /// Looks who holds the port of a container that has just failed early; pods with a network of their own share none.
    pub(super) fn note_taken_port(
        &self,
        pod: &Pod,
        at: usize,
        attempt: &Attempt,
        exit: &Exit,
    ) -> io::Result<()> {
        let place = self.place();
        let ran = Duration::from_millis(exit.milliseconds);
        let now = self.pods.shared.clock.now();
        let is_late = attempt.ended_at().is_none_or(|end| now.since(end) > FRESH);
        let is_other = exit.reason != Reason::Exited || exit.signal.is_some() || succeeded(exit);
        if place.is_some_and(|place| place.has_namespace)
            || is_build(pod)
            || is_other
            || is_late
            || ran > EARLY
            || attempt.finished()?.is_some()
        {
            return Ok(());
        }
        let container = pod.spec.containers.get(at);
        let declared = container.into_iter().flat_map(|one| &one.ports);
        let mut ports: Vec<u16> = declared.map(|port| port.container_port).collect();
        if ports.is_empty() {
            ports.push(USUAL_PORT);
        }
        let log = last_lines(&attempt.shim().log()).unwrap_or_default();
        let own = place.map(|place| place.address);
        let Some(socket) = holders::missed(&listening::sockets("self"), own, &ports, &log) else {
            return Ok(());
        };
        let services = self.pods.services.all();
        let holder = holders::name(&socket, &self.pods.folder, &services);
        let port = socket.port;
        let advice = if unistd::geteuid().is_root() {
            ""
        } else {
            ", or run the server as root: then each pod has a network of its own"
        };
        let said = format!(
            "port {port} is taken by {holder}: listen on the address in $HOST only{advice}"
        );
        let name = &self.names[at];
        let events = &self.pods.events;
        let message = format!("Container {name} ended: {said}");
        events.say(pod, Severity::Warning, PORT_TAKEN, message);
        attempt.write_finished(format!("{said}\n{log}").trim_end())
    }
}
