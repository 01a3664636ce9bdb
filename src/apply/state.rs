//! What is known to be in force: files below `$NWF_RUN_DIR`, under one lock.
//!
//! | file | holds |
//! |---|---|
//! | `lock` | nothing; who writes the others holds it |
//! | `host.json` | which boot and namespace this is of, what the host can do, what the rules were when last verified |
//! | `interfaces/NAME.json` | the rendering in force of one interface |
//! | `interfaces/NAME.new` | the rendering that a transaction is about to put in force |
//! | `transaction.json` | which interfaces a transaction is about to change; exists only meanwhile |
//!
//! A change is: write each `NAME.new`, write `transaction.json`, run the transaction, rename each `NAME.new` to
//! `NAME.json`, delete `transaction.json`. Whoever finds a `transaction.json` asks the kernel which of the two is in
//! force. Every file appears whole, by renaming.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::names::encoded;
use super::problem::ApplyError;
use crate::model::{Bound, InterfaceName, document_kind};
use crate::plan::{Feature, Rendering, Scope, Table};

document_kind!(RecordKind, "installed/1");
document_kind!(HostKind, "host/1");
document_kind!(TransactionKind, "transaction/1");

/// What is in force on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Kind and version.
    pub nwf: RecordKind,
    /// The interface, and where its rules come from.
    pub binding: Bound,
    /// Which packets to the guest are seen by rules of the IP layer.
    pub scope: Scope,
    /// The rendering that was installed.
    pub rendering: Rendering,
    /// When, in seconds since 1970.
    pub since: u64,
    /// Whether this was made of what the kernel showed: then only names of chains and links are known, and the first
    /// 16 digits of the hash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
}

impl Record {
    /// The interface.
    pub fn interface(&self) -> &InterfaceName {
        &self.binding.interface
    }
}

/// What is known of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRecord {
    /// Kind and version.
    pub nwf: HostKind,
    /// The kernel's number of this boot.
    pub boot: String,
    /// The kernel's release.
    pub kernel: String,
    /// The network namespace.
    pub namespace: String,
    /// The kernel's generation of rules when the interfaces were last known to be as recorded, but for `unverified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// How many interfaces have a record: if there are others, some were lost.
    pub interfaces: usize,
    /// Interfaces that were not looked at since somebody else last changed any rules.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unverified: BTreeSet<InterfaceName>,
    /// The tables that we have made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tables: BTreeSet<Table>,
    /// What the kernel can do, of what a probe tells; none if nobody has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<BTreeSet<Feature>>,
}

/// What a transaction is about to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// Kind and version.
    pub nwf: TransactionKind,
    /// Interfaces that get rules.
    pub install: Vec<InterfaceName>,
    /// Interfaces that lose theirs.
    pub remove: Vec<InterfaceName>,
}

/// Why the state is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing will be written, not even a directory made.
    Read,
    /// Nobody else may write meanwhile.
    Write,
}

/// The state, locked until this is dropped.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    lock: Option<File>,
}

const HOST: &str = "host.json";
const TRANSACTION: &str = "transaction.json";
const INTERFACES: &str = "interfaces";

impl Store {
    /// Opens the file of the lock; none where there is no state and none is to be made.
    ///
    /// # Errors
    /// The directory cannot be made, or the file not be opened.
    pub fn lock_file(folder: &Path, access: Access) -> Result<Option<File>, ApplyError> {
        let path = folder.join("lock");
        let file = match access {
            Access::Write => {
                let interfaces = folder.join(INTERFACES);
                fs::create_dir_all(&interfaces).map_err(|error| ApplyError::State {
                    what: "make",
                    path: interfaces,
                    error,
                })?;
                File::options().create(true).truncate(false).write(true).open(&path)
            }
            Access::Read => match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file,
            },
        };
        file.map(Some).map_err(|error| ApplyError::State { what: "open", path, error })
    }

    /// Opens the state below a directory and waits for its lock, whose file may have been opened before.
    ///
    /// # Errors
    /// The directory cannot be made, or the lock not be had.
    pub fn open(folder: &Path, access: Access, lock: Option<File>) -> Result<Self, ApplyError> {
        let lock = match lock {
            Some(file) => Some(file),
            None => Store::lock_file(folder, access)?,
        };
        if let Some(file) = &lock {
            let locked = if access == Access::Write { file.lock() } else { file.lock_shared() };
            locked.map_err(|error| ApplyError::State { what: "lock", path: folder.join("lock"), error })?;
        }
        Ok(Store { folder: folder.to_owned(), lock })
    }

    /// The file whose lock is held; none where there is no state.
    pub fn lock(&self) -> Option<&File> {
        self.lock.as_ref()
    }

    /// The directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is known of the host; none if nothing can be read.
    pub fn host(&self) -> Option<HostRecord> {
        peek_host(&self.folder)
    }

    /// Replaces what is known of the host.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_host(&self, host: &HostRecord) -> Result<(), ApplyError> {
        self.write(&self.folder.join(HOST), host)
    }

    /// What is in force on an interface; none if nothing is, or the file cannot be read.
    pub fn record(&self, interface: &InterfaceName) -> Option<Record> {
        self.read_record(interface, "json")
    }

    /// What an interrupted transaction was about to put in force.
    pub fn new_record(&self, interface: &InterfaceName) -> Option<Record> {
        self.read_record(interface, "new")
    }

    /// Whether there is a record that cannot be read.
    pub fn is_broken(&self, interface: &InterfaceName) -> bool {
        self.file(interface, "json").exists() && self.record(interface).is_none()
    }

    fn read_record(&self, interface: &InterfaceName, suffix: &str) -> Option<Record> {
        let record: Record = read(&self.file(interface, suffix))?;
        (record.interface() == interface).then_some(record)
    }

    /// All interfaces that have a record, by name.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    pub fn interfaces(&self) -> Result<BTreeSet<InterfaceName>, ApplyError> {
        let path = self.folder.join(INTERFACES);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(ApplyError::State { what: "read", path, error }),
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            super::names::decoded(name.to_str()?.strip_suffix(".json")?)
        });
        Ok(names.collect())
    }

    /// What a run that did not come to its end was about to do.
    pub fn transaction(&self) -> Option<Transaction> {
        read(&self.folder.join(TRANSACTION))
    }

    /// Says what a transaction is about to do, before it is run.
    ///
    /// # Errors
    /// A file cannot be written; then nothing must be run.
    pub fn prepare(&self, new: &[Record], remove: Vec<InterfaceName>) -> Result<(), ApplyError> {
        for name in &remove {
            delete(&self.file(name, "new"))?;
        }
        for record in new {
            self.write(&self.file(record.interface(), "new"), record)?;
        }
        let install = new.iter().map(|record| record.interface().clone()).collect();
        self.write(&self.folder.join(TRANSACTION), &Transaction { nwf: TransactionKind, install, remove })
    }

    /// Says that a transaction was done.
    ///
    /// # Errors
    /// A file cannot be written; the next run finds out.
    pub fn commit(&self, transaction: &Transaction) -> Result<(), ApplyError> {
        for name in &transaction.install {
            self.commit_one(name)?;
        }
        for name in &transaction.remove {
            self.forget(name)?;
        }
        self.finish()
    }

    /// Says that a transaction was not done.
    ///
    /// # Errors
    /// A file cannot be deleted; the next run finds out.
    pub fn abandon(&self, transaction: &Transaction) -> Result<(), ApplyError> {
        // First, so that a leftover of the others is never taken for a transaction's.
        self.finish()?;
        transaction.install.iter().try_for_each(|name| self.drop_new(name))
    }

    /// Makes what was about to be in force of one interface what is in force.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn commit_one(&self, interface: &InterfaceName) -> Result<(), ApplyError> {
        let (from, path) = (self.file(interface, "new"), self.file(interface, "json"));
        step();
        match fs::rename(&from, &path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(ApplyError::State { what: "write", path, error }),
        }
    }

    /// Drops what was about to be in force of one interface.
    ///
    /// # Errors
    /// The file cannot be deleted.
    pub fn drop_new(&self, interface: &InterfaceName) -> Result<(), ApplyError> {
        delete(&self.file(interface, "new"))
    }

    /// Ends a transaction, whatever came of it.
    ///
    /// # Errors
    /// The file cannot be deleted.
    pub fn finish(&self) -> Result<(), ApplyError> {
        delete(&self.folder.join(TRANSACTION))
    }

    /// Replaces the record of an interface.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&self, record: &Record) -> Result<(), ApplyError> {
        self.write(&self.file(record.interface(), "json"), record)
    }

    /// Drops the record of an interface.
    ///
    /// # Errors
    /// The file cannot be deleted.
    pub fn forget(&self, interface: &InterfaceName) -> Result<(), ApplyError> {
        delete(&self.file(interface, "json"))
    }

    fn file(&self, interface: &InterfaceName, suffix: &str) -> PathBuf {
        self.folder.join(INTERFACES).join(format!("{}.{suffix}", encoded(interface.as_str())))
    }

    fn write(&self, path: &Path, value: &impl Serialize) -> Result<(), ApplyError> {
        let failed = |error| ApplyError::State { what: "write", path: path.to_owned(), error };
        let text = serde_json::to_string(value).map_err(|error| failed(error.into()))?;
        // One name is enough: nobody else writes while the lock is held.
        let temporary = self.folder.join("writing");
        step();
        fs::write(&temporary, text + "\n").map_err(failed)?;
        step();
        fs::rename(&temporary, path).map_err(failed)
    }
}

/// Deletes a file; that it is not there is no error.
fn delete(path: &Path) -> Result<(), ApplyError> {
    step();
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ApplyError::State { what: "delete", path: path.to_owned(), error }),
    }
}

/// What is known of the host, read without the lock: it may be changing.
pub fn peek_host(folder: &Path) -> Option<HostRecord> {
    read(&folder.join(HOST))
}

/// Reads a file of the state. What cannot be read is as good as lost, and the kernel is asked instead.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Called before each change of a file; a test lets the program die here.
#[cfg(not(test))]
fn step() {}

#[cfg(test)]
pub(super) use faults::step;

/// Death at the n-th change of a file.
#[cfg(test)]
pub(super) mod faults {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// Lets this thread panic at the n-th step from now; none: never.
    pub fn die_after(steps: Option<u32>) {
        LEFT.set(steps);
    }

    /// Counts down.
    pub fn step() {
        if let Some(left) = LEFT.get() {
            LEFT.set(left.checked_sub(1));
            assert!(left > 0, "killed by the test");
        }
    }
}
