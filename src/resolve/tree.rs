//! The walk through the filter tree: which rules there are, and which values each of them sees.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::store::FilterStore;
use super::{Limits, ResolveError};
use crate::model::{
    AccessKind, Entry, Filter, FilterName, Location, Parameters, Reference, Rule, VariableAccess, VariableName,
};
use crate::problem::closest;

/// The values that a filter sees (RES-20 to RES-22). Cheap to clone: most filters see what their parent sees.
#[derive(Debug, Clone, Default)]
pub struct Environment(Arc<Parameters>);

impl Environment {
    /// The environment of a top-level filter.
    pub fn new(values: Parameters) -> Self {
        Environment(Arc::new(values))
    }

    /// The environment of a filter that is referred to: its defaults, overlaid by what the reference sees.
    fn below(&self, defaults: &Parameters) -> Environment {
        if defaults.keys().all(|name| self.0.contains_key(name)) {
            return self.clone();
        }
        let mut values = defaults.clone();
        values.extend(self.0.iter().map(|(name, list)| (name.clone(), list.clone())));
        Environment::new(values)
    }

    /// The values of a variable; empty if it has none.
    pub fn values(&self, name: &VariableName) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first value of a variable.
    pub fn first(&self, name: &VariableName) -> Option<&str> {
        self.values(name).first().map(String::as_str)
    }

    /// Whether an access has a value (RES-12).
    fn has(&self, access: &VariableAccess) -> bool {
        let values = self.values(&access.name);
        match access.kind {
            AccessKind::Iterator(_) => !values.is_empty(),
            AccessKind::Element(position) => usize::try_from(position).is_ok_and(|position| position < values.len()),
        }
    }
}

/// One rule, reached on one path, with the values seen there (RES-41).
#[derive(Debug, Clone)]
pub struct Instance {
    /// The filter that the rule is written in.
    pub filter: Arc<Filter>,
    /// Index of the rule among the filter's entries.
    entry: usize,
    /// Its number among the filter's rules, from 1.
    pub number: u32,
    /// What it sees.
    pub environment: Environment,
}

impl Instance {
    /// The rule.
    ///
    /// # Panics
    /// Never: an instance is made of an entry that is a rule.
    pub fn rule(&self) -> &Rule {
        match self.filter.entries.get(self.entry) {
            Some(Entry::Rule(rule)) => rule,
            Some(Entry::Reference(_)) | None => unreachable!("an instance is made of an entry that is a rule"),
        }
    }
}

/// The result of a walk.
#[derive(Debug, Default)]
pub struct Tree {
    /// The rules in the order of expansion (RES-40).
    pub instances: Vec<Instance>,
    /// Accesses without a value, sorted by their printed form, each with the filters that use it (RES-50).
    pub missing: BTreeMap<VariableAccess, BTreeSet<FilterName>>,
}

struct Frame {
    filter: Arc<Filter>,
    next: usize,
    rules: u32,
    environment: Environment,
}

struct Walk<'a> {
    store: &'a dyn FilterStore,
    limits: Limits,
    stack: Vec<Frame>,
    /// The names on the stack.
    open: HashSet<FilterName>,
    tree: Tree,
    visited: usize,
    errors: Vec<ResolveError>,
    unknown: BTreeSet<FilterName>,
}

impl Tree {
    /// Expands a top-level filter depth first (RES-40, RES-42). `place` is where it is named.
    ///
    /// # Errors
    /// Every filter that is unknown or broken, circles, and trees beyond the limits.
    pub fn walk(
        top: &FilterName,
        place: Option<&Location>,
        environment: &Environment,
        store: &dyn FilterStore,
        limits: Limits,
    ) -> Result<Tree, Vec<ResolveError>> {
        let mut walk = Walk {
            store,
            limits,
            stack: Vec::new(),
            open: HashSet::new(),
            tree: Tree::default(),
            visited: 0,
            errors: Vec::new(),
            unknown: BTreeSet::new(),
        };
        walk.enter(top, place, environment.clone());
        while walk.step() {}
        if walk.errors.is_empty() { Ok(walk.tree) } else { Err(walk.errors) }
    }
}

impl Walk<'_> {
    /// Handles one entry of the innermost filter; false when the walk is over.
    fn step(&mut self) -> bool {
        let Some(frame) = self.stack.last_mut() else { return false };
        let filter = frame.filter.clone();
        let position = frame.next;
        frame.next += 1;
        let Some(entry) = filter.entries.get(position) else {
            self.open.remove(&filter.name);
            self.stack.pop();
            return true;
        };
        self.visited += 1;
        if self.visited > self.limits.rules {
            let top = self.top(&filter.name);
            self.errors.push(ResolveError::TooManyReferences { top, limit: self.limits.rules });
            self.stack.clear();
            return false;
        }
        match entry {
            Entry::Rule(rule) => {
                frame.rules += 1;
                let number = frame.rules;
                let environment = frame.environment.clone();
                for access in rule.access_list().into_iter().filter(|access| !environment.has(access)) {
                    self.tree.missing.entry(access.clone()).or_default().insert(filter.name.clone());
                }
                self.tree.instances.push(Instance { filter: filter.clone(), entry: position, number, environment });
            }
            Entry::Reference(Reference { filter: name, parameters, at }) => {
                let environment = frame.environment.below(parameters);
                self.enter(name, at.as_ref(), environment);
            }
        }
        true
    }

    fn enter(&mut self, name: &FilterName, at: Option<&Location>, environment: Environment) {
        let at = at.cloned();
        if self.open.contains(name) {
            let mut path = self.path();
            path.push(name.clone());
            self.fail(ResolveError::Cycle { path, at });
            return;
        }
        if self.stack.len() >= self.limits.depth {
            let top = self.top(name);
            self.fail(ResolveError::TooDeep { top, name: name.clone(), limit: self.limits.depth, at });
            return;
        }
        match self.store.find(name) {
            Ok(Some(filter)) => {
                self.open.insert(name.clone());
                self.stack.push(Frame { filter, next: 0, rules: 0, environment });
            }
            Ok(None) => {
                if self.unknown.insert(name.clone()) {
                    let names = self.store.names();
                    let help = match closest(name.as_str(), names.iter().map(String::as_str)) {
                        Some(near) => {
                            format!("define it, or name its folder with `--filters`; the closest name is `{near}`")
                        }
                        None => "define it, or name its folder with `--filters`".to_owned(),
                    };
                    self.fail(ResolveError::UnknownFilter { name: name.clone(), path: self.path(), help, at });
                }
            }
            Err(error) => self.fail(error),
        }
    }

    fn path(&self) -> Vec<FilterName> {
        self.stack.iter().map(|frame| frame.filter.name.clone()).collect()
    }

    fn top(&self, otherwise: &FilterName) -> FilterName {
        self.stack.first().map_or_else(|| otherwise.clone(), |frame| frame.filter.name.clone())
    }

    /// Notes an error; a tree that has many is not walked to its end.
    fn fail(&mut self, error: ResolveError) {
        let repeated = error.is_repeated(&self.errors);
        if !repeated {
            self.errors.push(error);
        }
        if self.errors.len() >= ERRORS_MAX {
            self.stack.clear();
        }
    }
}

/// Errors of one tree that are told at once.
const ERRORS_MAX: usize = 50;
