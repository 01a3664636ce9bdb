//! Compiles network filters of virtual-machine interfaces into kernel firewall rules.
//!
//! The way of the data: filter XML is read into the [`model`].

pub mod apply;
pub mod cli;
pub mod leases;
pub mod model;
pub mod plan;
pub mod problem;
pub mod render;
pub mod report;
pub mod resolve;
pub mod ruleset;
pub mod simulate;
pub mod xml;
