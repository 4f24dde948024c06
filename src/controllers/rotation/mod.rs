//! When an endpoint has really left rotation, or really entered it: one answer for pods and gears.
//!
//! Slices say who is meant to get requests (`endpoints.rs`, `gear_endpoints.rs`); Router objects say who does. Left is
//! an endpoint when every Router that serves it follows a version of the slices that leaves it out and has nothing in
//! flight for it. What follows from it is decided beside: `pods` may end then, `gears` go on with their steps.
//!
//! # Decided
//!
//! * A router of this program serves every Service, a HAProxy those whose slices name it. One that is named and has no
//!   Router object is waited for: whether it still leads to an endpoint, nobody knows.
//! * A router of this program whose object goes away has stopped, unless it says within a moment that it serves.

mod gears;
mod pods;
#[cfg(test)]
mod tests;

pub(crate) use gears::GearRotation;
pub(crate) use gears::switched;
pub(crate) use pods::Rotation;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::network::EndpointSlice;
use crate::api::network::Router;
use crate::api::network::RouterKind;
use crate::api::upshift::LABEL_ROUTER;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::controllers::world::World;

/// How long a router of this program whose object is gone may take to say that it serves.
pub(crate) const GONE: Duration = Duration::from_secs(5);

/// Whether requests may still reach an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Out,
    /// Why it must be waited for.
    In(String),
}

/// How requests may still reach an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    None,
    /// Only those that were sent to it before.
    InFlight(String),
    /// New ones, too: why.
    New(String),
}

/// An endpoint on its way out.
struct Leaving<'a> {
    /// Of what stands behind it.
    uid: &'a str,
    /// The version of the slices from which on they leave it out.
    left: u64,
    /// Its addresses, with or without a port.
    addresses: &'a [String],
    /// The routers that its slices name.
    routers: BTreeSet<&'a str>,
}

/// How an endpoint stands that left its slices.
fn reach(leaving: &Leaving<'_>, world: &World, now: Timestamp) -> Reach {
    if let Some(slice) = world.sightings.slice_of(leaving.uid) {
        return Reach::New(format!("slice {} still names it", slice.name));
    }
    if let Some(name) = world.sightings.router_gone(GONE, now) {
        return Reach::New(format!("router {name} has just gone and may come back"));
    }
    if let Err(behind) = follow(&leaving.routers, leaving.left, world) {
        return Reach::New(behind.that("has not said that it leaves it out"));
    }
    match in_flight(leaving.addresses, &leaving.routers, world) {
        Some(why) => Reach::InFlight(why),
        None => Reach::None,
    }
}

/// A router that does not follow the slices yet.
enum Behind<'a> {
    Missing(&'a str),
    Late(&'a Router),
}

impl Behind<'_> {
    fn that(&self, what: &str) -> String {
        match self {
            Behind::Missing(name) => format!(
                "there is no router {name}: start one with 'upshift node --haproxy {name}=SOCKET'"
            ),
            Behind::Late(router) => {
                let name = &router.metadata.name;
                match router.status.message.as_str() {
                    "" => format!("router {name} {what}"),
                    message => format!("router {name} {what}: {message}"),
                }
            }
        }
    }
}

/// Whether all routers that serve follow this version of the slices; otherwise the first that does not.
fn follow<'a>(named: &BTreeSet<&'a str>, version: u64, world: &'a World) -> Result<(), Behind<'a>> {
    let is_there = |name: &str| {
        let mut routers = world.routers.all();
        routers.any(|router| router.metadata.name == name)
    };
    if let Some(missing) = named.iter().find(|name| !is_there(name)) {
        return Err(Behind::Missing(missing));
    }
    let mut serving = serving(named, world);
    match serving.find(|router| router.status.applied < version) {
        Some(router) => Err(Behind::Late(router)),
        None => Ok(()),
    }
}

/// The routers that serve a Service whose slices name these.
fn serving<'a>(named: &BTreeSet<&str>, world: &'a World) -> impl Iterator<Item = &'a Router> {
    let routers = world.routers.all().map(|router| &**router);
    routers.filter(move |router| {
        router.spec.kind == RouterKind::BuiltIn || named.contains(&*router.metadata.name)
    })
}

/// What the first router that still has requests for these addresses has in flight for them.
fn in_flight(addresses: &[String], named: &BTreeSet<&str>, world: &World) -> Option<String> {
    serving(named, world).find_map(|router| {
        let draining = router.status.draining.iter();
        let own = draining.filter(|(endpoint, _)| {
            let host = endpoint.rsplit_once(':').map_or("", |(host, _)| host);
            let mut addresses = addresses.iter().filter(|one| !one.is_empty());
            addresses.any(|address| address == *endpoint || address == host)
        });
        let count: u32 = own.map(|(_, count)| *count).sum();
        let name = &router.metadata.name;
        let requests = text::count(count as usize, "request");
        (count > 0).then(|| format!("router {name} has {requests} in flight"))
    })
}

/// Why a router that follows the slices has no requests for these addresses yet, if there is one.
fn hindered(addresses: &[String], named: &BTreeSet<&str>, world: &World) -> Option<String> {
    serving(named, world).find_map(|router| {
        let mut waiting = router.status.waiting.iter();
        let (_, why) = waiting.find(|(endpoint, _)| addresses.contains(endpoint))?;
        let name = &router.metadata.name;
        Some(format!("router {name} does not lead to it yet: {why}"))
    })
}

/// The routers that slices name.
fn named<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>) -> BTreeSet<&'a str> {
    let slices = slices.into_iter();
    let names = slices.filter_map(|slice| slice.metadata.labels.get(LABEL_ROUTER));
    names.map(String::as_str).collect()
}
