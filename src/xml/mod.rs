//! XML to the model and back (spec 01).
//!
//! [`read()`] turns a document into filters and bindings and finds everything that is wrong with it;
//! [`write_filter`] and [`write_binding`] print the canonical form, which reads back as the same value.
//! Files are opened by others: here text goes in and values come out.

mod binding;
mod explain;
mod join;
mod problem;
mod read;
mod rule;
mod tree;
mod write;

pub use explain::EXPLANATIONS;
pub use join::{Duplicate, join};
pub use problem::{XmlError, XmlProblem};
pub use read::{BYTES_MAX, Outcome, PROBLEMS_MAX, decode, read, read_bytes};
pub use tree::{DEPTH_MAX, NODES_MAX};
pub use write::{write_binding, write_filter};

#[cfg(test)]
mod tests;
