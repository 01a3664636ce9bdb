//! From the XML of rules to their texts.

use nwf::leases::Leases;
use nwf::model::{Parameters, Profile};
use nwf::plan::{Features, Plan, Rendering};
use nwf::render::nft::Nft;
use nwf::render::{Options, RenderError, RenderWarning, plan};
use nwf::resolve::store::MemoryStore;
use nwf::resolve::{Limits, Target, resolve};
use nwf::ruleset::Ruleset;

/// Parameters from `NAME=VALUE` words; a repeated name makes a list.
pub fn parameters(words: &str) -> Parameters {
    let mut parameters = Parameters::new();
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap();
        parameters.entry(name.parse().unwrap()).or_default().push(value.to_owned());
    }
    parameters
}

/// The ruleset of one filter `f`, whose content is given, for `vnet0`.
pub fn ruleset(content: &str, words: &str, profile: Profile) -> Ruleset {
    let xml = format!("<filter name='f' chain='root'>\n{content}\n</filter>");
    ruleset_of(&[&xml], words, profile)
}

/// The ruleset of whole filters, the first of which is on top.
pub fn ruleset_of(filters: &[&str], words: &str, profile: Profile) -> Ruleset {
    let mut read = Vec::new();
    for xml in filters {
        let outcome = nwf::xml::read(xml, "f.xml", profile);
        let errors: Vec<_> = outcome.problems.iter().filter(|problem| problem.is_error()).collect();
        assert!(errors.is_empty(), "{xml}\n{errors:?}");
        read.extend(outcome.filters.filters);
    }
    let target = Target {
        interface: "vnet0".parse().unwrap(),
        mac: Some("52:54:00:11:22:33".parse().unwrap()),
        filter: Some(read[0].name.clone()),
        parameters: parameters(words),
        binding: None,
    };
    let store = MemoryStore::new(read);
    resolve(&[target], &store, &Leases::default(), profile, Limits::default(), false).unwrap().ruleset
}

/// The plan for one host, and its warnings.
pub fn try_plan(ruleset: &Ruleset, host: Features) -> Result<(Plan, Vec<RenderWarning>), Vec<RenderError>> {
    let options = Options { scope: None, features: Some(host) };
    plan(ruleset, &Nft, &options).map(|outcome| (outcome.plan, outcome.warnings))
}

/// The only rendering for one host.
pub fn rendering(ruleset: &Ruleset, host: Features) -> Rendering {
    let (mut plan, _) = try_plan(ruleset, host).unwrap();
    plan.interfaces.remove(0).renderings.remove(0)
}

/// The lines of a chain, without counter and comment where the text allows it.
pub fn chain(rendering: &Rendering, name: &str) -> Vec<String> {
    let chain = rendering.chains.iter().find(|chain| chain.name == name);
    let lines = chain.map_or(&[][..], |chain| chain.lines.as_slice());
    let short = |text: &str| text.split(" comment \"").next().unwrap_or_default().replacen("counter ", "", 1);
    lines.iter().map(|line| short(&line.text)).collect()
}

/// The lines of rules in one stage of `vnet0` (`l2o`, ...), for a host and profile.
pub fn lines_for(content: &str, words: &str, stage: &str, profile: Profile, host: Features) -> Vec<String> {
    chain(&rendering(&ruleset(content, words, profile), host), &format!("i.vnet0.{stage}"))
}

/// The lines of rules in one stage of `vnet0`, for a host with the relay.
pub fn lines(content: &str, words: &str, stage: &str) -> Vec<String> {
    lines_for(content, words, stage, Profile::Nwf, Features::relay())
}

/// The lines of one dropping rule for packets from the guest: attributes and values of a protocol.
pub fn out(protocol: &str) -> Vec<String> {
    lines(&format!("<rule action='drop' direction='out'><{protocol}/></rule>"), "", "l2o")
}
