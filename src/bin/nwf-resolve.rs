//! Turns filters and bindings into the concrete rules of interfaces.

use std::process::ExitCode;

fn main() -> ExitCode {
    nwf::cli::main::<nwf::cli::Resolve>()
}
