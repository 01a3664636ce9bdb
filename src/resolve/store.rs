//! Where filters are found by name.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ResolveError;
use crate::model::{Filter, FilterName, Filters, Profile};
use crate::xml;

/// Finds filters. The first place that has one wins (design.md §3).
pub trait FilterStore {
    /// The filter of a name; none if nobody defined it.
    ///
    /// # Errors
    /// It was found, and cannot be used.
    fn find(&self, name: &FilterName) -> Result<Option<Arc<Filter>>, ResolveError>;

    /// Names that could have been meant, for proposals.
    fn names(&self) -> BTreeSet<String>;
}

/// Filters that are at hand.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    filters: BTreeMap<FilterName, Arc<Filter>>,
}

impl MemoryStore {
    /// A store of these filters. Of two with one name the first counts.
    pub fn new(filters: impl IntoIterator<Item = Filter>) -> Self {
        let mut store = MemoryStore::default();
        for filter in filters {
            store.filters.entry(filter.name.clone()).or_insert_with(|| Arc::new(filter));
        }
        store
    }
}

impl FilterStore for MemoryStore {
    fn find(&self, name: &FilterName) -> Result<Option<Arc<Filter>>, ResolveError> {
        Ok(self.filters.get(name).cloned())
    }

    fn names(&self) -> BTreeSet<String> {
        self.filters.keys().map(ToString::to_string).collect()
    }
}

/// Folders and files, looked at when a filter is asked for, each file once.
///
/// In a folder the filter NAME is the file `NAME.xml`. A file named itself may hold one filter as XML, or any
/// number in a document `filters/1`.
#[derive(Debug)]
pub struct SearchPath {
    places: Vec<PathBuf>,
    profile: Profile,
    found: RefCell<HashMap<FilterName, Option<Arc<Filter>>>>,
    used: RefCell<Vec<(FilterName, PathBuf)>>,
}

impl SearchPath {
    /// Looks at these places, in order. XML is read under the profile.
    pub fn new(places: Vec<PathBuf>, profile: Profile) -> Self {
        SearchPath { places, profile, found: RefCell::default(), used: RefCell::default() }
    }

    /// The filters that were found so far, with their files.
    pub fn used(&self) -> Vec<(FilterName, PathBuf)> {
        self.used.borrow().clone()
    }

    fn look(&self, name: &FilterName) -> Result<Option<Filter>, ResolveError> {
        for place in &self.places {
            let found = if place.is_dir() {
                // The name comes from XML: it is used as a file's name only if it cannot be a path.
                let path = place.join(format!("{name}.xml"));
                if name.is_file_name() && path.exists() { Some((self.read_one(name, &path)?, path)) } else { None }
            } else {
                let filters = self.read(name, place)?;
                filters.filters.into_iter().find(|filter| filter.name == *name).map(|filter| (filter, place.clone()))
            };
            if let Some((filter, path)) = found {
                self.used.borrow_mut().push((name.clone(), path));
                return Ok(Some(filter));
            }
        }
        Ok(None)
    }

    /// The filter of a file that is named like it.
    fn read_one(&self, name: &FilterName, path: &Path) -> Result<Filter, ResolveError> {
        let filters = self.read(name, path)?;
        let file = path.display().to_string();
        match filters.filters.into_iter().next() {
            Some(filter) if filter.name == *name => Ok(filter),
            Some(filter) => Err(ResolveError::OtherFilter { name: name.clone(), file, found: filter.name.to_string() }),
            None => Err(ResolveError::OtherFilter { name: name.clone(), file, found: "nothing".to_owned() }),
        }
    }

    fn read(&self, name: &FilterName, path: &Path) -> Result<Filters, ResolveError> {
        let file = path.display().to_string();
        let unreadable = |why: String| ResolveError::UnreadableFilter { name: name.clone(), file: file.clone(), why };
        let mut bytes = Vec::new();
        let limit = xml::BYTES_MAX;
        let opened = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let taken = std::io::Read::read_to_end(&mut std::io::Read::take(opened, limit + 1), &mut bytes);
        taken.map_err(|error| unreadable(error.to_string()))?;
        if bytes.first() == Some(&b'{') {
            let filters: Filters = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
            return match filters.faults().first() {
                Some(fault) => Err(unreadable(fault.to_string())),
                None => Ok(filters),
            };
        }
        let outcome = xml::read_bytes(&bytes, &file, self.profile);
        let mut problems = outcome.problems;
        problems.retain(xml::XmlProblem::is_error);
        if problems.is_empty() {
            return Ok(outcome.filters);
        }
        Err(ResolveError::BrokenFilter { name: name.clone(), file, problems })
    }
}

impl FilterStore for SearchPath {
    fn find(&self, name: &FilterName) -> Result<Option<Arc<Filter>>, ResolveError> {
        if let Some(known) = self.found.borrow().get(name) {
            return Ok(known.clone());
        }
        let filter = self.look(name)?.map(Arc::new);
        self.found.borrow_mut().insert(name.clone(), filter.clone());
        Ok(filter)
    }

    fn names(&self) -> BTreeSet<String> {
        let files = self.places.iter().filter_map(|place| place.read_dir().ok()).flatten().flatten();
        let name = |path: PathBuf| {
            let xml = path.extension().is_some_and(|extension| extension == "xml");
            path.file_stem().filter(|_| xml).map(|stem| stem.to_string_lossy().into_owned())
        };
        files.filter_map(|file| name(file.path())).collect()
    }
}

/// Two stores, one behind the other.
#[derive(Debug)]
pub struct Layered<A, B>(pub A, pub B);

impl<A: FilterStore, B: FilterStore> FilterStore for Layered<A, B> {
    fn find(&self, name: &FilterName) -> Result<Option<Arc<Filter>>, ResolveError> {
        match self.0.find(name)? {
            Some(filter) => Ok(Some(filter)),
            None => self.1.find(name),
        }
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.names().into_iter().chain(self.1.names()).collect()
    }
}
