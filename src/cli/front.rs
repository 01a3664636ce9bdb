//! `nwf`: a git-style front, `nwf parse` for `nwf-parse` (UI-13, UI-14).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Arg, ArgAction, ColorChoice};

use super::{Common, Diagnostics, Failure, Status, arguments};
use crate::problem::{Problem, closest};

/// The command line of `nwf`, for its help, man page and completions.
pub fn front_command() -> clap::Command {
    clap::Command::new("nwf")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Compile network filters of virtual machines into kernel firewall rules, and apply them")
        .after_help(
            "Examples:\n  nwf parse vnet0.xml | nwf resolve | nwf render | nwf apply\n  nwf --list\n\n\
             `nwf COMMAND` is `nwf-COMMAND`, found beside nwf or on the PATH; `nwf COMMAND --help` tells about it.",
        )
        .arg(Arg::new("list").long("list").action(ArgAction::SetTrue).help("List the commands that there are"))
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(clap::value_parser!(OsString))
                .help("A command and its arguments"),
        )
}

/// What can be wrong with a call of `nwf`.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum FrontError {
    #[error("there is no command `{name}`")]
    #[diagnostic(code(nwf::front::unknown_command))]
    Unknown {
        name: String,
        #[help]
        help: String,
    },
    #[error("`{}` cannot be run: {error}", path.display())]
    #[diagnostic(code(nwf::front::not_run), help("check its permissions; `nwf --list` tells where it was found"))]
    NotRun { path: PathBuf, error: std::io::Error },
}

impl Problem for FrontError {}

/// The codes of this program (UI-31).
pub(super) const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "nwf::front::unknown_command",
        "`nwf COMMAND` runs the program nwf-COMMAND, which is looked for beside nwf and then on the PATH. Commands are \
         not abbreviated.",
    ),
    ("nwf::front::not_run", "The program was found, but the system refused to start it."),
];

/// Runs `nwf` with the arguments of the process.
pub fn front() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let first = words.next();
    let programs = programs();
    match first {
        Some(word) if !word.as_encoded_bytes().starts_with(b"-") => {
            let rest: Vec<OsString> = words.collect();
            // `nwf help render` is `nwf render --help`.
            match rest.first() {
                Some(topic) if word == "help" && !programs.contains_key("help") => {
                    run(&programs, topic, &[OsString::from("--help")])
                }
                None if word == "help" && !programs.contains_key("help") => own(&["nwf".into(), "--help".into()]),
                _ => run(&programs, &word, &rest),
            }
        }
        Some(word) if word == "--list" => {
            list(&programs);
            Status::Done.into()
        }
        Some(word) => own(&["nwf".into(), word]),
        None => {
            let _ = write!(std::io::stderr(), "{}", front_command().render_help());
            Status::Usage.into()
        }
    }
}

/// Options of `nwf` itself: help, version, or a mistyped one.
fn own(words: &[OsString]) -> ExitCode {
    match front_command().color(ColorChoice::Auto).try_get_matches_from(words) {
        Err(error) => arguments::explain(&error),
        Ok(_) => {
            // Options of the programs stand behind the command.
            let _ = write!(std::io::stderr(), "{}", front_command().render_help());
            Status::Usage.into()
        }
    }
}

/// Becomes another program.
fn run(programs: &BTreeMap<String, PathBuf>, name: &OsStr, arguments: &[OsString]) -> ExitCode {
    let found = name.to_str().and_then(|name| programs.get(name));
    let problem = if let Some(path) = found {
        let error = Command::new(path).args(arguments).exec();
        Failure::new(Status::Unsupported, FrontError::NotRun { path: path.clone(), error })
    } else {
        let name = name.to_string_lossy();
        let help = closest(&name, programs.keys().map(String::as_str)).map_or_else(
            || "`nwf --list` lists the commands that there are".to_owned(),
            |near| format!("did you mean `nwf {near}`? `nwf --list` lists all commands"),
        );
        let name = name.escape_debug().to_string();
        Failure::new(Status::Usage, FrontError::Unknown { name, help })
    };
    Diagnostics::new(&Common::default()).report(&problem).into()
}

/// Writes the commands and where they are.
fn list(programs: &BTreeMap<String, PathBuf>) {
    let width = programs.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, path) in programs {
        let _ = writeln!(text, "{name:width$}  {}", path.display());
    }
    // That nobody reads it is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// All programs `nwf-NAME`, by name: beside this one first, then in the order of the PATH.
fn programs() -> BTreeMap<String, PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_path_buf));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = BTreeMap::new();
    for folder in beside.into_iter().chain(std::env::split_paths(&path)) {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let file = entry.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_prefix("nwf-")) else {
                continue;
            };
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let is_program = std::fs::metadata(entry.path())
                .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
            if is_name && is_program {
                found.entry(name.to_owned()).or_insert_with(|| entry.path());
            }
        }
    }
    found
}
