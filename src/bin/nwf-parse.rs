//! `nwf-parse`: filter XML to the document `filters/1`, and back.

use std::process::ExitCode;

fn main() -> ExitCode {
    nwf::cli::main::<nwf::cli::Parse>()
}
