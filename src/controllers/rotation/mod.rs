//! When an endpoint has really left rotation, or really entered it: one answer for pods and gears.
//!
//! Slices say who is meant to get requests (`endpoints.rs`, `gear_endpoints.rs`); Router objects say who does. Left is
//! an endpoint when every Router that serves it follows a version of the slices that leaves it out and has nothing in
//! flight for it. What follows from it is decided beside: `pods` may end then, `gears` go on with their steps.

mod gears;
mod pods;

pub(crate) use gears::switched;
pub(crate) use pods::Rotation;

use crate::controllers::world::World;

/// Whether requests may still reach an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Out,
    /// Why it must be waited for.
    In(String),
}

/// How an endpoint stands that left its slices at a version: by the uid of what stands behind it, and by its address.
pub(crate) fn standing(uid: &str, left: u64, address: &str, world: &World) -> Standing {
    if let Some(slice) = world.sightings.slice_of(uid) {
        return Standing::In(format!("slice {} still names it", slice.name));
    }
    for router in world.routers.all() {
        let name = &router.metadata.name;
        if router.status.applied < left {
            return Standing::In(format!("router {name} has not said that it leaves it out"));
        }
        let mut draining = router.status.draining.iter();
        let in_flight = draining.find(|(endpoint, _)| {
            let host = endpoint.rsplit_once(':').map(|(host, _)| host);
            !address.is_empty() && host == Some(address)
        });
        if let Some((endpoint, count)) = in_flight {
            return Standing::In(format!(
                "router {name} has {count} requests in flight for {endpoint}"
            ));
        }
    }
    Standing::Out
}
