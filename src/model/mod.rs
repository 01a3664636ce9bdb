//! What filter XML says, typed: filters, rules, protocol fields, bindings, variables.
//!
//! Everything here is a value: nothing reads a file or knows a firewall tool. The reader of the XML
//! text is [`crate::xml`]; what a filter means for one interface is worked out by [`crate::resolve`].

mod address;
mod binding;
pub mod fields;
mod filter;
mod name;
mod profile;
mod span;
mod text;
mod value;
mod variable;

pub use address::{MacAddr, MacMask, format_ipv6};
pub use binding::{Binding, Bound, Interim, Owner, Parameters, Provenance};
pub use fields::{Attribute, FieldRow, Kind, Layer, Place, Protocol, Role};
pub use filter::{Action, Direction, Entry, Fault, Filter, Filters, FiltersKind, Item, Operand, Reference, Rule};
pub use name::{ChainName, ChainPrefix, FilterName, InterfaceName, InvalidName, Priority, VariableName};
pub use profile::Profile;
pub use span::Location;
pub use value::{InvalidValue, IpSetDirection, ParsedValue, Severity, State, StateSet, TcpFlagSet, TcpFlags, Value};
pub use variable::{AccessKind, InvalidAccess, VariableAccess};

pub(crate) use text::{document_kind, text_type};
