//! One binary for every test that needs the whole program; a file an area.

mod agent;
mod crash;
mod deployment;
mod durability;
mod generated;
mod shim;
mod site;
mod tidy;
