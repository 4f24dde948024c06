//! One binary for every test that needs the whole program; a file an area.

mod crash;
mod deployment;
mod durability;
mod shim;
mod site;
