//! The shell batch: one script for one operation, in the language of POSIX (spec 03, section 11).
//!
//! Words from outside stand in it in one way only: quoted by [`shell`], as arguments of a tool or of `nwf_fail`.

use std::fmt::Write;

use super::command::{Command, Need, Tool, shell};
use super::lifecycle::{Action, Operation, Step};
use super::listed;
use super::names::Phase;
use crate::model::InterfaceName;

/// What a failed command leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The undo list runs.
    Build,
    /// Nothing is undone (EB-156).
    Switch,
}

impl Part {
    fn failure(self) -> &'static str {
        match self {
            Part::Build => "nwf_fail",
            Part::Switch => "nwf_stop",
        }
    }
}

/// Writes the script of an operation on interfaces.
pub(super) fn text(operations: &[(&InterfaceName, Operation)], action: Action) -> String {
    let interfaces: Vec<&InterfaceName> = operations.iter().map(|(name, _)| *name).collect();
    let builds: Vec<&Step> = operations.iter().flat_map(|(_, operation)| &operation.build).collect();
    let switches: Vec<&Step> = operations.iter().flat_map(|(_, operation)| &operation.switch).collect();
    let undo: Vec<&Step> = operations.iter().flat_map(|(_, operation)| &operation.undo).collect();
    let mut script = Script { text: String::new(), indent: 0 };
    script.head(&interfaces, action);
    script.functions(&builds, &switches, &undo);
    for step in builds {
        script.step(step, Part::Build);
    }
    if !switches.is_empty() && !undo.is_empty() {
        script.line("");
        script.line("# From here on there is no way back but forward.");
        script.line("trap '' HUP INT TERM");
    }
    for step in switches {
        script.step(step, Part::Switch);
    }
    script.line("exit 0");
    script.text
}

struct Script {
    text: String,
    indent: usize,
}

impl Script {
    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            for _ in 0..self.indent {
                self.text.push_str("  ");
            }
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// EB-152.
    fn head(&mut self, interfaces: &[&InterfaceName], action: Action) {
        self.line("#!/bin/sh");
        self.line(&format!("# {} {}; generated, do not edit", action.name(), listed(interfaces)));
        self.line("# shellcheck disable=SC1003,SC2016 # words are meant as they are");
        self.line("set -uf");
        self.line("LC_ALL=C; export LC_ALL");
        for tool in Tool::ALL {
            let (variable, name) = (tool.variable(), tool.name());
            self.line(&format!("{variable}=${{{variable}:-{name}}}"));
        }
    }

    /// Defines what the steps call, and nothing else.
    fn functions(&mut self, builds: &[&Step], switches: &[&Step], undo: &[&Step]) {
        let all = || builds.iter().chain(switches).chain(undo);
        let is_must = |step: &&&Step| match step {
            Step::Run(command) | Step::Unless { command, .. } => command.need == Need::Must,
            Step::Look { .. } | Step::List(_) | Step::RemoveFound { .. } => false,
        };
        self.line("");
        self.line("nwf_may() { \"$@\" >/dev/null 2>&1 </dev/null || :; }");
        if all().any(|step| matches!(step, Step::Look { .. })) {
            self.line("");
            self.line("# The chains that a root chain jumps to, by their first letters.");
            self.line("nwf_subs() {");
            self.line("  \"$EBT\" --concurrent -t nat -L \"$1\" 2>/dev/null </dev/null |");
            self.line("    sed -n 's/^.*-j \\(['\"$2\"']-[^ ]*\\).*$/\\1/p'");
            self.line("}");
        }
        if !undo.is_empty() {
            self.line("");
            self.line("nwf_undo() {");
            self.indent += 1;
            for step in undo {
                self.step(step, Part::Build);
            }
            self.indent -= 1;
            self.line("}");
        }
        for (part, steps) in [(Part::Build, builds), (Part::Switch, switches)] {
            if !steps.iter().any(|step| is_must(&step)) {
                continue;
            }
            self.line("");
            self.line(&format!("{}() {{", part.failure()));
            self.line("  printf 'Failure in command %s.\\n' \"$1\" >&2");
            self.line("  printf 'Exit status %s: %s\\n' \"$2\" \"$3\" >&2");
            if part == Part::Build {
                self.line("  nwf_undo");
            }
            self.line("  exit 1");
            self.line("}");
        }
        self.line("");
        if !undo.is_empty() {
            self.line("trap 'nwf_undo; exit 1' HUP INT TERM");
            self.line("");
        }
    }

    fn step(&mut self, step: &Step, part: Part) {
        match step {
            Step::Run(command) => self.command(command, part),
            Step::Unless { check, command } => {
                self.line(&format!("if ! {} >/dev/null 2>&1 </dev/null; then", call(check)));
                self.indent += 1;
                self.command(command, part);
                self.indent -= 1;
                self.line("fi");
            }
            // The look has its own listing.
            Step::List(_) => {}
            Step::Look { phase, roots, letters } => {
                let calls: Vec<String> =
                    roots.iter().map(|root| format!("nwf_subs {} {letters}", shell(root))).collect();
                self.line(&format!("{}=$({})", variable(*phase), calls.join("; ")));
            }
            Step::RemoveFound { phase, known } => {
                let mut words = format!("${}", variable(*phase));
                for chain in known {
                    let _ = write!(words, " {}", shell(chain));
                }
                for verb in ["-F", "-X"] {
                    self.line(&format!("for sub in {words}; do"));
                    self.line(&format!("  nwf_may \"$EBT\" --concurrent -t nat {verb} \"$sub\""));
                    self.line("done");
                }
            }
        }
    }

    /// EB-153, EB-155.
    fn command(&mut self, command: &Command, part: Part) {
        match command.need {
            Need::May => self.line(&format!("nwf_may {}", call(command))),
            Need::Must => {
                self.line(&format!("res=$({} 2>&1 </dev/null)", call(command)));
                self.line("rc=$?");
                self.line("if [ \"$rc\" -ne 0 ]; then");
                self.line(&format!("  {} {} \"$rc\" \"$res\"", part.failure(), shell(&command.to_string())));
                self.line("fi");
            }
        }
    }
}

/// A command as code (EB-157).
fn call(command: &Command) -> String {
    let mut text = format!("\"${}\"", command.tool.variable());
    for argument in &command.arguments {
        let _ = write!(text, " {}", shell(argument));
    }
    text
}

/// The variable that keeps what a look has found.
fn variable(phase: Phase) -> &'static str {
    match phase {
        Phase::Temporary => "new_subs",
        Phase::Active => "old_subs",
    }
}
