//! Several inputs as one document (design.md §2).

use std::collections::HashMap;

use miette::Diagnostic;

use crate::model::{Filters, Location, Profile};
use crate::problem::Problem;

/// A name that two filters, or two bindings, have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum Duplicate {
    /// Two filters of one name.
    #[error("two filters are named `{name}`{}", place(first.as_ref()))]
    #[diagnostic(code(nwf::xml::duplicate_filter), help("rename one, or name only one of the files"))]
    Filter {
        /// The name.
        name: String,
        /// Where the first stands.
        first: Option<Location>,
        /// Where the second stands.
        second: Option<Location>,
    },
    /// Two bindings of one interface.
    #[error("two bindings are for the interface `{name}`{}", place(first.as_ref()))]
    #[diagnostic(
        code(nwf::xml::duplicate_binding),
        help("an interface has one filter; a filter that refers to both gives it the rules of both")
    )]
    Binding {
        /// The interface.
        name: String,
        /// Where the first stands.
        first: Option<Location>,
        /// Where the second stands.
        second: Option<Location>,
    },
}

impl Problem for Duplicate {
    fn location(&self) -> Option<Location> {
        let (Duplicate::Filter { second, .. } | Duplicate::Binding { second, .. }) = self;
        second.clone()
    }
}

/// Where the first one stands; that of the second is the place of the error.
fn place(first: Option<&Location>) -> String {
    first.map(|first| format!("; the first is at {first}")).unwrap_or_default()
}

/// Puts the filters and bindings of several inputs into one document, in their order.
///
/// # Errors
/// Every name that stands twice.
pub fn join(profile: Profile, parts: impl IntoIterator<Item = Filters>) -> Result<Filters, Vec<Duplicate>> {
    let mut whole = Filters { profile, ..Filters::default() };
    let mut filters = HashMap::new();
    let mut interfaces = HashMap::new();
    let mut duplicates = Vec::new();
    for part in parts {
        for filter in part.filters {
            if let Some(first) = filters.insert(filter.name.clone(), filter.at.clone()) {
                let (name, second) = (filter.name.to_string(), filter.at.clone());
                duplicates.push(Duplicate::Filter { name, first, second });
            }
            whole.filters.push(filter);
        }
        for binding in part.bindings {
            if let Some(interface) = &binding.interface
                && let Some(first) = interfaces.insert(interface.clone(), binding.at.clone())
            {
                let (name, second) = (interface.to_string(), binding.at.clone());
                duplicates.push(Duplicate::Binding { name, first, second });
            }
            whole.bindings.push(binding);
        }
    }
    if duplicates.is_empty() { Ok(whole) } else { Err(duplicates) }
}
