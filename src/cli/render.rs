//! `nwf-render`: concrete rules in, the texts of a backend out.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use super::{Common, Compat, Diagnostics, Document, Failure, Input, Program, Status, Usage, inputs};
use crate::model::{InterfaceName, Location, Profile};
use crate::plan::{BackendName, Features, Plan, Scope};
use crate::problem::{Problem, Source};
use crate::render::nft::{self, Nft};
use crate::render::xtables::{self, RestoreAction, Xtables};
use crate::render::{Backend, Manner, Options, Outcome, Remedy, RenderError, RenderWarning, default_scope, plan};
use crate::ruleset::Ruleset;

impl Document for Ruleset {
    const KIND: &'static str = "ruleset/1";
}

impl Document for Plan {
    const KIND: &'static str = "plan/1";
}

impl Document for Features {
    const KIND: &'static str = "features/1";
}

/// Render concrete rules for one backend
///
/// Reads documents `ruleset/1` (from nwf-resolve) and writes a document `plan/1` for nwf-apply, or a script. The host
/// is not asked: a plan has a rendering for every kind of host, and nwf-apply takes the first that fits.
#[derive(Debug, Parser)]
#[command(name = "nwf-render", version, after_help = EXAMPLES)]
pub struct Render {
    #[command(flatten)]
    common: Common,
    /// The way into the kernel
    #[arg(long, value_name = "BACKEND", default_value = "nft")]
    backend: BackendChoice,
    /// What is written
    #[arg(long, value_name = "FORMAT", default_value = "plan")]
    format: Format,
    /// What a script does [default: install]
    #[arg(long, value_name = "ACTION")]
    action: Option<ActionChoice>,
    /// Take away in the script what this plan has and the new rules lack
    ///
    /// The plan of the rules in force. Only interfaces that both have are looked at. For xtables `--format restore`
    /// needs it whenever something is in force: what is there already is left out. `--format commands` names its
    /// chains where a listing would have found them; the shell script looks by itself.
    #[arg(long, value_name = "PLAN")]
    old: Option<PathBuf>,
    /// Render for one kind of host only: native, relay, none, or a document `features/1`
    ///
    /// native: connection tracking in the bridge family. relay: that of br_netfilter. none: neither. By default a plan
    /// has a rendering for each, without repetitions, and a script takes the best.
    #[arg(long, value_name = "HOST")]
    features: Option<String>,
    /// Which packets to the guest the rules of tcp, udp, icmp and so on see
    ///
    /// By default `all`, and `bridged` in the profile `libvirt`. xtables can do `bridged` only.
    #[arg(long)]
    scope: Option<ScopeChoice>,
    /// Behave like libvirt where it differs
    ///
    /// The profile is recorded in the input; another one here is wrong usage.
    #[arg(long, value_name = "WHOM")]
    compat: Option<Compat>,
    /// Also render stricter substitutes, behind the exact renderings
    ///
    /// Never wider ones. For nftables there is one substitute, `drop` for `reject`, and it is always made; for xtables
    /// there is none.
    #[arg(long)]
    allow_degraded: bool,
    /// Documents `ruleset/1`; `-` is standard input, the default
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  nwf-resolve vnet0.json | nwf-render | nwf-apply
  nwf-resolve vnet0.json | nwf-render --format script --features relay >vnet0.nft
  nwf-resolve vnet0.json | nwf-render --backend xtables --scope bridged --format script | sh

Exit status: 0 done, 2 wrong usage, 3 wrong input, 4 a variable has no value, 8 cannot be rendered.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendChoice {
    /// nftables
    Nft,
    /// ebtables, iptables and ip6tables
    Xtables,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A document `plan/1`
    Plan,
    /// A file for `nft -f`; for xtables a script for any POSIX shell, which says what failed and undoes it
    Script,
    /// One command a line (xtables)
    Commands,
    /// Input of the restore tools (xtables)
    Restore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ActionChoice {
    /// Put the rules in force
    Install,
    /// The same: they take the place of those in force
    Replace,
    /// Take the rules away
    Remove,
    /// Build the rules beside those in force (xtables)
    Build,
    /// Put what was built in force (xtables)
    Switch,
    /// Take away what was built (xtables)
    Undo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeChoice {
    /// All that leave through the port, also from the host and routed
    All,
    /// Only those that come from another port of the bridge
    Bridged,
}

/// What this program cannot do, beside what stands in the rules.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum InputProblem {
    #[error("interface `{interface}` stands in `{first}` and in `{second}`")]
    #[diagnostic(code(nwf::render::twice), help("an interface has one filter; leave one of the two out"))]
    Twice { interface: InterfaceName, first: String, second: String },
    #[error("the old plan is for the backend `{}`", backend_word(*backend))]
    #[diagnostic(
        code(nwf::render::old_backend),
        help("leave `--old` out; nwf-apply removes the rules of the old backend behind the new ones")
    )]
    OldBackend { backend: BackendName },
    #[error("the old plan was made under the profile `{old}`, and the rules under `{new}`")]
    #[diagnostic(
        code(nwf::render::old_profile),
        help("take the old rules away first, with `--action remove` on their own ruleset; or use `--format restore`")
    )]
    OldProfile { old: Profile, new: Profile },
}

fn backend_word(backend: BackendName) -> &'static str {
    match backend {
        BackendName::Nft => "nft",
        BackendName::Xtables => "xtables",
    }
}

impl Problem for InputProblem {
    fn location(&self) -> Option<Location> {
        None
    }
}

impl Program for Render {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, diagnostics: &Diagnostics) -> Result<Status, Failure> {
        self.check_usage()?;
        let features = self.features.as_deref().map(read_features).transpose()?;
        let old = self.old.as_deref().map(|path| self.read_old(path)).transpose()?;
        let ruleset = self.read_input()?;
        let scope = self.scope.map(|scope| match scope {
            ScopeChoice::All => Scope::All,
            ScopeChoice::Bridged => Scope::Bridged,
        });
        let backend: &dyn Backend = match self.backend {
            BackendChoice::Nft => &Nft,
            BackendChoice::Xtables => &Xtables,
        };
        let Outcome { plan, warnings } = plan(&ruleset, backend, &Options { scope, features }).map_err(failure)?;
        for warning in &warnings {
            diagnostics.warn(warning);
        }
        if self.backend == BackendChoice::Xtables {
            let collisions = xtables::collisions(&plan);
            if !collisions.is_empty() {
                return Err(failure(collisions.into_iter().map(RenderError::from).collect()));
            }
        }
        if self.format == Format::Plan {
            self.common.write_document(&plan)?;
            return Ok(Status::Done);
        }
        if let Some(old) = &old {
            for gone in &old.interfaces {
                let interface = &gone.binding.interface;
                if !plan.interfaces.iter().any(|here| here.binding.interface == *interface) {
                    diagnostics.warn(&RenderWarning::OldInterface { interface: interface.clone() });
                }
            }
        }
        self.common.write_text(&self.text(&ruleset, &plan, old.as_ref())?)?;
        Ok(Status::Done)
    }
}

/// Missing variables first, then what is wrong with the filters, then what the host or we cannot do.
fn failure(errors: Vec<RenderError>) -> Failure {
    let status = match errors.iter().map(RenderError::remedy).min() {
        Some(Remedy::Variables) => Status::Missing,
        Some(Remedy::Input) => Status::Input,
        Some(Remedy::Host) | None => Status::Unsupported,
    };
    Failure::all(status, errors)
}

fn input_at(path: &Path) -> Input {
    if path == Path::new("-") { Input::Standard } else { Input::Path(path.to_owned()) }
}

fn read_features(host: &str) -> Result<Features, Failure> {
    match host {
        "native" => Ok(Features::native()),
        "relay" => Ok(Features::relay()),
        "none" => Ok(Features::none()),
        path => Features::read(&input_at(Path::new(path)).read()?),
    }
}

impl Render {
    /// Refuses options that do not go together.
    fn check_usage(&self) -> Result<(), Failure> {
        let usage = |message: &str, help: &str| Err(Usage::failure(message, help.to_owned()));
        if self.format == Format::Plan && self.action.is_some() {
            return usage("`--action` is for texts: a plan serves every action", "add `--format script`");
        }
        if self.format == Format::Plan && self.old.is_some() {
            return usage("`--old` is for texts: nwf-apply knows what is in force", "add `--format script`");
        }
        let is_part = matches!(self.action, Some(ActionChoice::Build | ActionChoice::Switch | ActionChoice::Undo));
        match (self.backend, self.format) {
            (BackendChoice::Nft, Format::Commands) => {
                usage("`--format commands` is for `--backend xtables`", "say `--format script`")
            }
            (BackendChoice::Nft, Format::Restore) => {
                usage("`--format restore` is for `--backend xtables`", "say `--format script`")
            }
            (BackendChoice::Nft, Format::Plan | Format::Script) if is_part => usage(
                "the actions build, switch and undo are for `--backend xtables`",
                "one nft script does all at once: say `install`, `replace` or `remove`",
            ),
            (BackendChoice::Xtables, Format::Restore) if is_part => usage(
                "the actions build, switch and undo are for `--format commands` and `--format script`",
                "the restore tools do all at once: say `install`, `replace` or `remove`",
            ),
            (BackendChoice::Nft, Format::Plan | Format::Script) | (BackendChoice::Xtables, _) => Ok(()),
        }
    }

    fn read_old(&self, path: &Path) -> Result<Plan, Failure> {
        let plan = Plan::read(&input_at(path).read()?)?;
        let wanted = match self.backend {
            BackendChoice::Nft => BackendName::Nft,
            BackendChoice::Xtables => BackendName::Xtables,
        };
        if plan.backend == wanted {
            return Ok(plan);
        }
        Err(Failure::new(Status::Input, InputProblem::OldBackend { backend: plan.backend }))
    }

    /// The text of one action.
    fn text(&self, ruleset: &Ruleset, plan: &Plan, old: Option<&Plan>) -> Result<String, Failure> {
        let is_remove = self.action == Some(ActionChoice::Remove);
        match (self.backend, self.format) {
            (BackendChoice::Nft, _) => {
                let action = if is_remove { nft::Action::Remove } else { nft::Action::Install };
                Ok(nft::script(plan, old, action))
            }
            (BackendChoice::Xtables, Format::Restore) => {
                let action = if is_remove { RestoreAction::Remove } else { RestoreAction::Install };
                Ok(xtables::restore(plan, old, action))
            }
            (BackendChoice::Xtables, Format::Plan | Format::Script | Format::Commands) => {
                self.xtables_commands(ruleset, plan, old)
            }
        }
    }

    /// Single commands: they know the chains of their own profile only.
    fn xtables_commands(&self, ruleset: &Ruleset, plan: &Plan, old: Option<&Plan>) -> Result<String, Failure> {
        if let Some(old) = old
            && old.profile != plan.profile
        {
            let problem = InputProblem::OldProfile { old: old.profile, new: plan.profile };
            return Err(Failure::new(Status::Input, problem));
        }
        let action = match self.action {
            None | Some(ActionChoice::Install | ActionChoice::Replace) => xtables::Action::Install,
            Some(ActionChoice::Remove) => xtables::Action::Remove,
            Some(ActionChoice::Build) => xtables::Action::Build,
            Some(ActionChoice::Switch) => xtables::Action::Switch,
            Some(ActionChoice::Undo) => xtables::Action::Undo,
        };
        let scope = plan.interfaces.first().map_or(default_scope(plan.profile), |interface| interface.scope);
        let manner = Manner { profile: plan.profile, scope };
        let text = match self.format {
            Format::Commands => xtables::commands(ruleset, manner, old, action),
            Format::Plan | Format::Script | Format::Restore => xtables::shell(ruleset, manner, old, action),
        };
        text.map_err(failure)
    }

    /// All documents joined: their interfaces one after another.
    fn read_input(&self) -> Result<Ruleset, Failure> {
        let mut sources: Vec<(Source, Ruleset)> = Vec::new();
        for input in inputs(&self.paths, "nwf-render")? {
            let source = input.read()?;
            let ruleset = Ruleset::read(&source)?;
            sources.push((source, ruleset));
        }
        let profile = sources.first().map(|(_, ruleset)| ruleset.profile).unwrap_or_default();
        if let Some((_, other)) = sources.iter().find(|(_, other)| other.profile != profile) {
            let message = format!("the inputs were read under different profiles: `{profile}` and `{}`", other.profile);
            return Err(Usage::failure(message, "read all of them with the same `--compat`".to_owned()));
        }
        if let Some(asked) = Compat::profile(self.compat)
            && asked != profile
        {
            return Err(Usage::failure(
                format!("the input was read under the profile `{profile}`, and `--compat {asked}` asks for another"),
                format!("give `--compat {asked}` to nwf-parse"),
            ));
        }
        let mut places = std::collections::BTreeMap::new();
        let mut joined = Ruleset { profile, ..Ruleset::default() };
        for (source, ruleset) in sources {
            ruleset.check().map_err(|why| super::documents::content::<Ruleset>(&source, why))?;
            for rules in ruleset.interfaces {
                let interface = rules.binding.interface.clone();
                let second = source.name().to_string();
                if let Some(first) = places.insert(interface.clone(), second.clone()) {
                    return Err(Failure::new(Status::Input, InputProblem::Twice { interface, first, second }));
                }
                joined.interfaces.push(rules);
            }
        }
        Ok(joined)
    }
}
