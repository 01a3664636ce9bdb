//! `nwf-apply`: plans in, rules in the kernel, a report out.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Common, Diagnostics, Document, ErrorFormat, Failure, Input, Program, Status, Usage, inputs};
use crate::apply::{Applier, ApplyError, Critical, Host, Options, Outcome, unified};
use crate::model::InterfaceName;
use crate::plan::Plan;
use crate::report::Report;

impl Document for Report {
    const KIND: &'static str = "report/1";
}

/// Put rules in force, or take them away
///
/// Reads documents `plan/1` (from nwf-render) and installs or replaces the rules of all their interfaces in one
/// transaction of the kernel: all of them or none, and no moment without rules. Interfaces whose rules are in force
/// already are not touched. Needs root, or the capability `CAP_NET_ADMIN`.
///
/// Writes a document `report/1`: for each interface what was done.
// Options of a command line are switches.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Parser)]
#[command(name = "nwf-apply", version, after_help = EXAMPLES)]
pub struct Apply {
    #[command(flatten)]
    common: Common,
    /// Change nothing, and exit with 5 if something would change
    ///
    /// Finds also what somebody else has changed in the kernel.
    #[arg(long)]
    check: bool,
    /// Show what changes: on standard error for people, and in the report
    #[arg(long)]
    diff: bool,
    /// Take the rules of these interfaces away
    ///
    /// Interfaces without rules stay as they are. No document is read.
    #[arg(long, value_name = "IFACE", num_args = 1.., conflicts_with_all = ["paths", "remove_all", "probe"])]
    remove: Vec<InterfaceName>,
    /// Take all rules of all interfaces away, and our tables; needs --force where nobody can be asked
    #[arg(long, conflicts_with_all = ["paths", "probe"])]
    remove_all: bool,
    /// Do not ask before everything is removed
    #[arg(long, requires = "remove_all")]
    force: bool,
    /// Find out what this host can do, and write a document `features/1`
    #[arg(long, conflicts_with_all = ["paths", "check", "diff"])]
    probe: bool,
    /// Documents `plan/1`; `-` is standard input, the default
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  nwf-parse vnet0.xml | nwf-resolve | nwf-render | nwf-apply
  nwf-apply --check --diff plan.json
  nwf-apply --remove vnet0

Exit status: 0 done or nothing to do, 1 failed and nothing changed, 2 wrong usage, 3 wrong input, 5 --check: something
would change, 8 not permitted or not possible on this host.";

/// Where the state is if `NWF_RUN_DIR` does not say otherwise.
const RUN_DIR: &str = "/run/nwf";

impl Program for Apply {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, diagnostics: &Diagnostics) -> Result<Status, Failure> {
        // Wrong usage is wrong for everybody; all else is tried only by who may.
        let named = if self.reads_plans() { inputs(&self.paths, "nwf-apply")? } else { Vec::new() };
        if self.remove_all && !self.force && !self.check && !std::io::stdin().is_terminal() {
            return Err(Usage::failure(
                "`--remove-all` needs `--force` where nobody can be asked",
                "`nwf-apply --remove-all --check` tells what would be removed".to_owned(),
            ));
        }
        Applier::permitted(&Host::default()).map_err(|error| failure(vec![error]))?;
        let interrupts = Interrupts::new();
        let folder = std::env::var_os("NWF_RUN_DIR").filter(|path| !path.is_empty());
        let folder = folder.map_or_else(|| PathBuf::from(RUN_DIR), PathBuf::from);
        let options = Options { check: self.check, diff: self.diff };
        let host = Host::default();
        let applier = Applier { runner: &host, folder, options, critical: &interrupts };
        if self.probe {
            let features = applier.probe().map_err(|error| failure(vec![error]))?;
            self.common.write_document(&features)?;
            return Ok(Status::Done);
        }
        let outcome = if self.remove_all {
            if !self.force && !self.check && !is_confirmed() {
                return Err(Failure::told(Status::Failed));
            }
            applier.remove_all().map_err(|error| vec![error])
        } else if !self.remove.is_empty() {
            applier.remove(&self.remove).map_err(|error| vec![error])
        } else {
            // While the stages in front work, nft starts.
            let lock = applier.prepare();
            applier.install(read(&named)?, lock)
        };
        let outcome = outcome.map_err(failure)?;
        self.tell(&outcome, diagnostics)?;
        Ok(if self.check && outcome.report.changed { Status::WouldChange } else { Status::Done })
    }
}

impl Apply {
    fn reads_plans(&self) -> bool {
        !self.probe && !self.remove_all && self.remove.is_empty()
    }

    /// Writes the report, and for people what they asked for.
    fn tell(&self, outcome: &Outcome, diagnostics: &Diagnostics) -> Result<(), Failure> {
        for warning in &outcome.warnings {
            diagnostics.warn(warning);
        }
        let report = &outcome.report;
        for interface in &report.interfaces {
            diagnostics.tell(&line(interface));
        }
        if !report.changed {
            diagnostics.tell("nothing to change: all is as it should be");
        }
        if let (Some(before), Some(after)) = (&report.before, &report.after) {
            // Standard error holds only objects where a program reads it; the report has both texts.
            if !diagnostics.is_quiet() && self.common.error_format == ErrorFormat::Human {
                let _ = std::io::stderr().write_all(unified(before, after).as_bytes());
            }
        }
        self.common.write_document(report)
    }
}

/// One interface of a report, for people.
fn line(report: &crate::report::InterfaceReport) -> String {
    let mut text = format!("{}: {}", report.interface, report.action.words());
    if let (Some(state), Some(reject), Some(scope)) = (report.state, report.reject, report.scope) {
        let (state, reject, scope) = (state.name(), reject.name(), scope.name());
        let _ = write!(text, " (state={state} reject={reject} scope={scope}), {} ms", report.time_ms);
    }
    for drift in &report.drift {
        let _ = write!(text, "\n  {drift}");
    }
    text
}

/// Reads all plans, each with the name of its file.
fn read(inputs: &[Input]) -> Result<Vec<(String, Plan)>, Failure> {
    let read = |input: &Input| {
        let source = input.read()?;
        Ok((input.name(), Plan::read(&source)?))
    };
    inputs.iter().map(read).collect()
}

/// Asks on the terminal (UI-12).
fn is_confirmed() -> bool {
    let _ = write!(std::io::stderr(), "Remove all rules of all interfaces? [y/N] ");
    let mut answer = String::new();
    let is_read = std::io::stdin().lock().read_line(&mut answer).is_ok();
    is_read && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// All errors of a run, with the status that they give together: the first one's.
fn failure(errors: Vec<ApplyError>) -> Failure {
    Failure::all(errors.first().map_or(Status::Failed, status), errors)
}

fn status(error: &ApplyError) -> Status {
    match error {
        ApplyError::PlannedTwice { .. } | ApplyError::BadPlan { .. } => Status::Input,
        ApplyError::NotPermitted
        | ApplyError::NoNft
        | ApplyError::NftUnusable { .. }
        | ApplyError::UnreadableRules { .. }
        | ApplyError::MissingFeature { .. }
        | ApplyError::RelayOff { .. }
        | ApplyError::Backend { .. } => Status::Unsupported,
        ApplyError::State { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => Status::Unsupported,
        ApplyError::ForeignTable { .. }
        | ApplyError::OtherSchema { .. }
        | ApplyError::Refused { .. }
        | ApplyError::State { .. }
        | ApplyError::StateBehind { .. } => Status::Failed,
    }
}

/// SIGINT and SIGTERM end the program at once, but for the moment between the announcement of a transaction and the
/// note that it was done, at whose end they do.
struct Interrupts {
    is_free: Arc<AtomicBool>,
    pending: Arc<AtomicUsize>,
}

impl Interrupts {
    fn new() -> Self {
        let is_free = Arc::new(AtomicBool::new(true));
        let pending = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            // A signal that cannot be caught ends the program by itself, which the next run repairs.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_free));
            let number = usize::try_from(signal).unwrap_or_default();
            let _ = signal_hook::flag::register_usize(signal, Arc::clone(&pending), number);
        }
        Interrupts { is_free, pending }
    }
}

impl Critical for Interrupts {
    fn begin(&self) {
        self.is_free.store(false, Ordering::SeqCst);
    }

    fn end(&self) {
        self.is_free.store(true, Ordering::SeqCst);
        let signal = self.pending.load(Ordering::SeqCst);
        if let Some(signal) = i32::try_from(signal).ok().filter(|signal| *signal != 0) {
            std::process::exit(128 + signal);
        }
    }
}
