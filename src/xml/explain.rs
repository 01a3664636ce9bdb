//! The long texts of the errors (`nwf-parse --explain CODE`).

/// Code and explanation of every problem of this stage.
pub const EXPLANATIONS: &[(&str, &str)] = &[];
