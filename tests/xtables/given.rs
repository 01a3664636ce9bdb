//! From filters in XML to rulesets, plans and commands, without programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nwf::leases::Leases;
use nwf::model::{MacAddr, Parameters, Profile};
use nwf::plan::{Plan, Scope};
use nwf::render::xtables::{Action, Xtables, commands, shell};
use nwf::render::{Manner, Options, plan};
use nwf::resolve::store::{Layered, MemoryStore, SearchPath};
use nwf::resolve::{Limits, Target, resolve};
use nwf::ruleset::Ruleset;

/// The folder of the public test data; says so where there is none.
pub fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NWF_CONFORMANCE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from);
    let there = folder.join("nwfilter").is_dir();
    if !there {
        eprintln!("skipped: no conformance data");
    }
    there.then_some(folder)
}

/// A filter for an interface.
pub struct Given {
    pub profile: Profile,
    pub interface: String,
    pub mac: Option<MacAddr>,
    pub parameters: Parameters,
    pub filters: Option<PathBuf>,
}

impl Given {
    pub fn new(profile: Profile) -> Self {
        Given { profile, interface: "vnet0".to_owned(), mac: None, parameters: Parameters::new(), filters: None }
    }

    /// Reads the variables and the interface of a case.
    pub fn case(profile: Profile, file: &Path) -> Self {
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let lists: BTreeMap<String, Vec<String>> = serde_json::from_value(json["variables"].clone()).unwrap();
        Given {
            interface: json["ifname"].as_str().unwrap().to_owned(),
            mac: json["mac"].as_str().map(|mac| mac.parse().unwrap()),
            parameters: lists.into_iter().map(|(name, values)| (name.parse().unwrap(), values)).collect(),
            filters: Some(file.with_file_name("filters")),
            ..Given::new(profile)
        }
    }

    pub fn on(self, interface: &str) -> Self {
        Given { interface: interface.to_owned(), ..self }
    }

    /// The rules of a filter in XML.
    pub fn rules(&self, xml: &str) -> Ruleset {
        self.rules_of(&[xml])
    }

    /// The rules of the first of these filters in XML.
    pub fn rules_of(&self, texts: &[&str]) -> Ruleset {
        let mut filters = Vec::new();
        for xml in texts {
            let outcome = nwf::xml::read(xml, "filter.xml", self.profile);
            assert!(outcome.problems.iter().all(|problem| !problem.is_error()), "{:?}", outcome.problems);
            filters.extend(outcome.filters.filters);
        }
        let top = filters.first().unwrap().name.clone();
        let folders = self.filters.iter().cloned().collect();
        let store = Layered(MemoryStore::new(filters), SearchPath::new(folders, self.profile));
        let target = Target {
            interface: self.interface.parse().unwrap(),
            mac: self.mac,
            filter: Some(top),
            parameters: self.parameters.clone(),
            binding: None,
        };
        let resolved = resolve(&[target], &store, &Leases::default(), self.profile, Limits::default(), false);
        let mut ruleset = resolved.unwrap_or_else(|errors| panic!("{errors:?}")).ruleset;
        ruleset.profile = self.profile;
        ruleset
    }

    /// As [`Given::rules`], of a filter in `root` with these rules.
    pub fn filter(&self, rules: &str) -> Ruleset {
        self.rules(&format!("<filter name='f' chain='root'>{rules}</filter>"))
    }
}

/// What the backend is told beside the rules.
pub fn manner(ruleset: &Ruleset) -> Manner {
    Manner { profile: ruleset.profile, scope: Scope::Bridged }
}

/// The commands of an operation, one a line.
pub fn list(ruleset: &Ruleset, action: Action) -> Vec<String> {
    list_with(ruleset, None, action)
}

/// The commands of an operation where a plan is in force.
pub fn list_with(ruleset: &Ruleset, old: Option<&Plan>, action: Action) -> Vec<String> {
    let text = commands(ruleset, manner(ruleset), old, action).unwrap_or_else(|errors| panic!("{errors:?}"));
    text.lines().map(str::to_owned).collect()
}

/// The script of an operation.
pub fn script(ruleset: &Ruleset, action: Action) -> String {
    shell(ruleset, manner(ruleset), None, action).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The plan.
pub fn planned(ruleset: &Ruleset) -> Plan {
    let options = Options { scope: Some(Scope::Bridged), features: None };
    plan(ruleset, &Xtables, &options).unwrap_or_else(|errors| panic!("{errors:?}")).plan
}
