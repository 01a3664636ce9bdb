//! Packets in, verdicts out: what a ruleset means, as code.
//!
//! The meaning is stated here once, and each backend is proved against it. [`packet`] reads frames as the kernel
//! does, the [`Simulator`] leads them through the rules of one interface and keeps an eye on [`connections`];
//! [`text`] makes frames out of what people write, [`pcap`] reads those that were captured. Nothing here
//! knows a backend or asks the host.
//!
//! ```
//! # use nwf::{model::Profile, ruleset::{InterfaceRules, Side}, simulate::{Scope, Simulator}};
//! # fn example(rules: &InterfaceRules, frame: &[u8]) -> bool {
//! Simulator::new(rules, Profile::Nwf, Scope::All).judge(Side::FromGuest, frame).passes()
//! # }
//! ```

mod build;
pub mod connections;
mod evaluate;
mod matching;
pub mod packet;
pub mod pcap;
mod sets;
pub mod text;

pub use evaluate::{Decision, Judgement, Origin, Scope, Simulator, Stage, Visit};
pub use matching::{Match, Miss, numbers};
pub use sets::{Element, InvalidElement, Sets};
