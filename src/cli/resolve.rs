//! `nwf-resolve`: filters and bindings in, concrete rules out.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::{Common, Compat, Diagnostics, Document, Failure, Input, Program, Status, Usage, inputs};
use crate::leases::Leases;
use crate::model::{Binding, FilterName, Filters, InterfaceName, Interim, MacAddr, Parameters, Profile, VariableName};
use crate::problem::Problem;
use crate::resolve::store::{FilterStore, Layered, MemoryStore, SearchPath};
use crate::resolve::{
    Families, Limits, MAX_DEPTH, MAX_RULES, Outcome, Target, families_to_learn, interim as interim_rules, resolve,
};
use crate::ruleset::Ruleset;

impl Document for Leases {
    const KIND: &'static str = "leases/1";
}

/// Turn filters and bindings into the concrete rules of interfaces
///
/// Reads documents `filters/1` (from nwf-parse), walks the filter tree of every binding in them, replaces variables
/// and iterators, and writes a document `ruleset/1`. Filters are looked up in the input, then in each `--filters`
/// PATH, then in `$NWF_FILTER_PATH` (else /etc/nwf/filters and /usr/share/nwf/filters); the first found wins.
#[derive(Debug, Parser)]
#[command(name = "nwf-resolve", version, after_help = EXAMPLES)]
pub struct Resolve {
    #[command(flatten)]
    common: Common,
    /// Look filters up in PATH too: a folder of NAME.xml files, or a file
    #[arg(long, value_name = "PATH")]
    filters: Vec<PathBuf>,
    /// Resolve this interface only
    ///
    /// What the options leave out is taken from its binding in the input, if there is one.
    #[arg(short, long, value_name = "IFACE")]
    interface: Option<InterfaceName>,
    /// The guest's MAC address
    #[arg(long, requires = "interface")]
    mac: Option<MacAddr>,
    /// The top-level filter
    #[arg(long, value_name = "NAME", requires = "interface")]
    filter: Option<String>,
    /// Give a variable a value; repeated, a list
    ///
    /// Replaces what the binding gives for that name.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    param: Vec<(VariableName, String)>,
    /// Read variables from a JSON object {"NAME": ["value", ...]}
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Read known addresses from a document `leases/1`
    #[arg(long, value_name = "FILE")]
    leases: Option<PathBuf>,
    /// Name missing variables in the document instead of failing
    #[arg(long)]
    partial: bool,
    /// Make an interim ruleset; no filter is needed
    ///
    /// Its DHCP servers are the parameters DHCPSERVER and DHCPSERVERV6.
    #[arg(long, value_name = "KIND")]
    interim: Option<InterimKind>,
    /// The families that an interim ruleset lets through; by default those whose addresses the filter misses, else IPv4
    #[arg(long, value_name = "FAMILY", requires = "interim")]
    family: Option<Family>,
    /// Rules of one interface at most, every combination of lists counted
    #[arg(long, value_name = "N", default_value_t = MAX_RULES)]
    max_rules: usize,
    /// References from filter to filter at most
    #[arg(long, value_name = "N", default_value_t = MAX_DEPTH)]
    max_depth: usize,
    /// Behave like libvirt where it differs
    #[arg(long, value_name = "WHOM")]
    compat: Option<Compat>,
    /// Documents `filters/1`; `-` is standard input, the default
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  nwf-parse vnet0.xml | nwf-resolve --filters ./filters
  nwf-resolve -i vnet0 --mac 52:54:00:11:22:33 --filter clean-traffic --param IP=10.0.0.5 </dev/null

Exit status: 0 done, 2 wrong usage, 3 wrong input, 4 a variable has no value.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InterimKind {
    /// Source MAC checked; IPv4 and ARP may leave; everything may come in
    Basic,
    /// DHCP, and nothing else
    DhcpOnly,
    /// Nothing
    DropAll,
}

impl From<InterimKind> for Interim {
    fn from(kind: InterimKind) -> Interim {
        match kind {
            InterimKind::Basic => Interim::Basic,
            InterimKind::DhcpOnly => Interim::DhcpOnly,
            InterimKind::DropAll => Interim::DropAll,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Family {
    /// IPv4
    Ipv4,
    /// IPv6
    Ipv6,
    /// Both
    Both,
}

impl From<Family> for Families {
    fn from(family: Family) -> Families {
        match family {
            Family::Ipv4 => Families::Ipv4,
            Family::Ipv6 => Families::Ipv6,
            Family::Both => Families::Both,
        }
    }
}

fn parameter(text: &str) -> Result<(VariableName, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let name: VariableName = name.parse().map_err(|error| format!("{error}"))?;
    if name.as_str().is_empty() {
        return Err("the name is empty".to_owned());
    }
    if value.is_empty() {
        return Err(format!("the value of `{name}` is empty"));
    }
    Ok((name, value.to_owned()))
}

impl Program for Resolve {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, diagnostics: &Diagnostics) -> Result<Status, Failure> {
        let mut input = self.read_input()?;
        let profile = self.profile(&input)?;
        let overrides = self.overrides()?;
        let leases = match &self.leases {
            Some(path) => Leases::read(&input_at(path).read()?)?,
            None => Leases::default(),
        };
        let bindings = std::mem::take(&mut input.bindings);
        let search = SearchPath::new(self.search_path(), profile);
        let store = Layered(MemoryStore::new(std::mem::take(&mut input.filters)), search);
        let targets = self.targets(&bindings, &overrides, profile)?;
        let limits = Limits { rules: self.max_rules, depth: self.max_depth };
        let ruleset = match self.interim {
            Some(kind) => self.make_interim(kind.into(), &targets, &store, &leases, profile, limits)?,
            None => {
                let Outcome { ruleset, warnings } = resolve(&targets, &store, &leases, profile, limits, self.partial)
                    .map_err(|errors| {
                    let missing_only = errors.iter().all(crate::resolve::ResolveError::is_missing);
                    Failure::all(if missing_only { Status::Missing } else { Status::Input }, errors)
                })?;
                for warning in &warnings {
                    diagnostics.warn(warning);
                }
                ruleset
            }
        };
        for (name, path) in store.1.used() {
            diagnostics.tell(&format!("filter `{name}` is from `{}`", path.display()));
        }
        self.common.write_document(&ruleset)?;
        Ok(Status::Done)
    }
}

fn input_at(path: &std::path::Path) -> Input {
    if path == std::path::Path::new("-") { Input::Standard } else { Input::Path(path.to_owned()) }
}

/// Problems of bindings that keep them from being resolved.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum BindingError {
    #[error("there is no binding in the input, so there is nothing to resolve")]
    #[diagnostic(
        code(nwf::resolve::no_binding),
        help(
            "add a <filterbinding> to the input, or name interface and filter with `-i IFACE --mac MAC --filter NAME`"
        )
    )]
    None,
    #[error("the binding of the filter `{filter}` names no interface")]
    #[diagnostic(
        code(nwf::resolve::no_interface),
        help("name it with `-i IFACE`, and `--mac {mac}` if there are several")
    )]
    NoInterface { filter: FilterName, mac: String, at: Option<crate::model::Location> },
}

impl Problem for BindingError {
    fn location(&self) -> Option<crate::model::Location> {
        match self {
            BindingError::None => None,
            BindingError::NoInterface { at, .. } => at.clone(),
        }
    }
}

impl Resolve {
    /// All documents joined. With `-i` an empty standard input, or a terminal, is no error.
    fn read_input(&self) -> Result<Filters, Failure> {
        use std::io::IsTerminal;
        if self.interface.is_some() && self.paths.is_empty() && std::io::stdin().is_terminal() {
            return Ok(Filters { profile: Compat::profile(self.compat).unwrap_or_default(), ..Filters::default() });
        }
        let mut parts = Vec::new();
        for input in inputs(&self.paths, "nwf-resolve")? {
            let source = input.read()?;
            if self.interface.is_some() && input == Input::Standard && source.text().trim().is_empty() {
                continue;
            }
            let filters = Filters::read(&source)?;
            super::check_filters(&filters, source.name())?;
            parts.push(filters);
        }
        let profile = parts.first().map_or(Compat::profile(self.compat).unwrap_or_default(), |part| part.profile);
        if let Some(other) = parts.iter().find(|part| part.profile != profile) {
            let message = format!("the inputs were read under different profiles: `{profile}` and `{}`", other.profile);
            return Err(Usage::failure(message, "read all of them with the same `--compat`".to_owned()));
        }
        crate::xml::join(profile, parts).map_err(|duplicates| Failure::all(Status::Input, duplicates))
    }

    /// The profile is that of the documents; an option that contradicts it is wrong usage (design.md §3).
    fn profile(&self, input: &Filters) -> Result<Profile, Failure> {
        match Compat::profile(self.compat) {
            Some(asked) if asked != input.profile => Err(Usage::failure(
                format!(
                    "the input was read under the profile `{}`, and `--compat {asked}` asks for another",
                    input.profile
                ),
                format!("give `--compat {asked}` to nwf-parse"),
            )),
            _ => Ok(input.profile),
        }
    }

    fn overrides(&self) -> Result<Parameters, Failure> {
        let mut overrides = match &self.params {
            Some(path) => read_params(&input_at(path))?,
            None => Parameters::new(),
        };
        let mut given = Parameters::new();
        for (name, value) in &self.param {
            given.entry(name.clone()).or_default().push(value.clone());
        }
        overrides.extend(given);
        Ok(overrides)
    }

    fn search_path(&self) -> Vec<PathBuf> {
        let mut places = self.filters.clone();
        match std::env::var_os("NWF_FILTER_PATH").filter(|path| !path.is_empty()) {
            Some(path) => places.extend(std::env::split_paths(&path).filter(|place| place.is_dir())),
            None => {
                let default = ["/etc/nwf/filters", "/usr/share/nwf/filters"];
                places.extend(default.into_iter().map(PathBuf::from).filter(|place| place.is_dir()));
            }
        }
        places
    }

    /// What is to be resolved, each with its binding.
    fn targets(&self, bindings: &[Binding], overrides: &Parameters, profile: Profile) -> Result<Vec<Target>, Failure> {
        let mut targets = match &self.interface {
            Some(interface) => vec![self.named_target(interface, bindings, profile)?],
            None => {
                let mut targets = Vec::new();
                let mut errors = Vec::new();
                for binding in bindings {
                    match Target::of(binding) {
                        Some(target) => targets.push(target),
                        None => errors.push(BindingError::NoInterface {
                            filter: binding.filter.clone(),
                            mac: binding.mac.map_or("MAC".to_owned(), |mac| mac.to_string()),
                            at: binding.at.clone(),
                        }),
                    }
                }
                if !errors.is_empty() {
                    return Err(Failure::all(Status::Input, errors));
                }
                targets
            }
        };
        if targets.is_empty() {
            return Err(Failure::new(Status::Input, BindingError::None));
        }
        for target in &mut targets {
            target.parameters.extend(overrides.clone());
        }
        Ok(targets)
    }

    /// The target that `-i` names. Its binding is the one of that interface, else the only one that names no
    /// interface and fits the MAC.
    fn named_target(
        &self,
        interface: &InterfaceName,
        bindings: &[Binding],
        profile: Profile,
    ) -> Result<Target, Failure> {
        let fits = |binding: &&Binding| {
            binding.interface.is_none() && (self.mac.is_none() || binding.mac.is_none() || binding.mac == self.mac)
        };
        let mut unnamed = bindings.iter().filter(fits);
        let named = bindings.iter().find(|binding| binding.interface.as_ref() == Some(interface));
        let binding = match (named, unnamed.next(), unnamed.next()) {
            (Some(binding), _, _) | (None, Some(binding), None) => Some(binding),
            (None, Some(_), Some(_)) => {
                return Err(Usage::failure(
                    format!("several bindings of the input name no interface, and any could be `{interface}`"),
                    "tell them apart with `--mac MAC`".to_owned(),
                ));
            }
            (None, None, _) => None,
        };
        let filter = match &self.filter {
            Some(name) => {
                let name: FilterName =
                    name.parse().map_err(|error| Usage::failure(format!("--filter: {error}"), None))?;
                name.check(profile).map_err(|error| Usage::failure(format!("--filter: {error}"), None))?;
                Some(name)
            }
            None => binding.map(|binding| binding.filter.clone()),
        };
        if filter.is_none() && self.interim.is_none() {
            return Err(Usage::failure(
                format!("no binding of `{interface}` is in the input"),
                "name its filter with `--filter NAME`".to_owned(),
            ));
        }
        Ok(Target {
            interface: interface.clone(),
            mac: self.mac.or(binding.and_then(|binding| binding.mac)),
            filter,
            parameters: binding.map(|binding| binding.parameters.clone()).unwrap_or_default(),
            binding: binding.map(|binding| std::sync::Arc::new(binding.clone())),
        })
    }

    fn make_interim(
        &self,
        kind: Interim,
        targets: &[Target],
        store: &dyn FilterStore,
        leases: &Leases,
        profile: Profile,
        limits: Limits,
    ) -> Result<Ruleset, Failure> {
        let mut ruleset = Ruleset { profile, ..Ruleset::default() };
        for target in targets {
            let mac = match (target.mac, kind) {
                (Some(mac), _) => mac,
                // Nothing of `drop-all` depends on the address.
                (None, Interim::DropAll) => MacAddr::BROADCAST,
                (None, _) => {
                    let message = format!("the MAC address of `{}` is not known", target.interface);
                    return Err(Usage::failure(message, "give it with `--mac MAC`".to_owned()));
                }
            };
            let wanted = || families_to_learn(target, store, leases, profile, limits);
            let families = self.family.map(Families::from).or_else(wanted).unwrap_or(Families::Ipv4);
            let bound = target.bound(Some(kind));
            ruleset.interfaces.push(interim_rules(kind, bound, mac, families, &servers(&target.parameters)?));
        }
        Ok(ruleset)
    }
}

/// The trusted DHCP servers among the parameters.
fn servers(parameters: &Parameters) -> Result<Vec<IpAddr>, Failure> {
    let mut servers = Vec::new();
    for name in ["DHCPSERVER", "DHCPSERVERV6"] {
        let list = parameters.iter().find(|(known, _)| known.as_str() == name).map_or(&[][..], |(_, values)| values);
        for value in list {
            let address: IpAddr = value.parse().map_err(|_| {
                let message = format!("`{}` from `{name}` is not an IP address", value.escape_debug());
                Usage::failure(message, "give the address of a DHCP server".to_owned())
            })?;
            servers.push(address);
        }
    }
    Ok(servers)
}

/// Why a file of parameters cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{name}` is not a file of parameters: {why}")]
#[diagnostic(
    code(nwf::resolve::params),
    help("write a JSON object such as {{\"IP\": [\"10.0.0.5\", \"10.0.0.6\"], \"PORT\": \"80\"}}")
)]
struct ParamsError {
    name: String,
    why: String,
}

impl Problem for ParamsError {}

/// Reads `{"NAME": ["value", ...]}`; a single text counts as a list of one.
fn read_params(input: &Input) -> Result<Parameters, Failure> {
    let source = input.read()?;
    let wrong = |why: String| Failure::new(Status::Input, ParamsError { name: input.name(), why });
    let object: std::collections::BTreeMap<String, serde_json::Value> =
        serde_json::from_str(source.text()).map_err(|error| wrong(error.to_string()))?;
    let mut parameters = Parameters::new();
    for (name, value) in object {
        let values = match value {
            serde_json::Value::String(text) => vec![text],
            serde_json::Value::Array(items) => items
                .into_iter()
                .map(|item| match item {
                    serde_json::Value::String(text) => Ok(text),
                    other => Err(wrong(format!("`{other}` in `{name}` is not a text"))),
                })
                .collect::<Result<Vec<String>, Failure>>()?,
            other => return Err(wrong(format!("`{name}` is `{other}`, neither a text nor a list of texts"))),
        };
        let name: VariableName = name.parse().map_err(|error| wrong(format!("{error}")))?;
        if name.as_str().is_empty() || values.is_empty() || values.iter().any(String::is_empty) {
            return Err(wrong(format!("`{name}` has no value, or an empty one")));
        }
        parameters.insert(name, values);
    }
    Ok(parameters)
}
