//! The way to the host: the program nft, questions to the kernel, files below /proc and /sys.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::netlink;
use crate::plan::Table;

/// What a program said, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its status; none if a signal ended it.
    pub status: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Whether it ended with status 0.
    pub fn is_success(&self) -> bool {
        self.status == Some(0)
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "status {status}"),
            None => f.write_str("ended by a signal"),
        }
    }
}

/// One element of a map of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its key.
    pub interface: String,
    /// The chain that it jumps to; none for any other verdict.
    pub target: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// All that applying needs of the host besides its own state; a test replaces it.
pub trait Runner: Sync {
    /// Tries a script, `nft -c -f -`: whether it would load. Nothing changes.
    ///
    /// # Errors
    /// nft cannot be started, or cannot be given the script.
    fn try_script(&self, script: &str) -> io::Result<bool>;

    /// Gets ready for a transaction that is probable, with the file whose lock will be held for it.
    fn prepare(&self, lock: &File) {
        let _ = lock;
    }

    /// Runs a transaction with nft. It ends as a whole even if this process is killed, and holds the lock as long.
    ///
    /// # Errors
    /// nft cannot be started, or cannot be given the script. A status other than 0 is no error here.
    fn transaction(&self, script: &str, lock: Option<&File>) -> io::Result<Ran>;

    /// The number that the kernel gives to its rules: another one after each change of any table of this network
    /// namespace, whoever makes it. None if the kernel does not tell.
    fn generation(&self) -> Option<u32>;

    /// The comment of a table of ours, empty if it has none; none if there is no table of that name.
    ///
    /// # Errors
    /// The kernel refuses to tell.
    fn table(&self, table: Table) -> io::Result<Option<String>>;

    /// The elements of a map in `bridge nwf`; none if there is no such map.
    ///
    /// # Errors
    /// The kernel refuses to tell.
    fn elements(&self, map: &str) -> io::Result<Vec<Element>>;

    /// The names of all chains in `bridge nwf`.
    ///
    /// # Errors
    /// The kernel refuses to tell.
    fn chains(&self) -> io::Result<Vec<String>>;

    /// The comments of the rules of a chain, in order; none if there is no such chain.
    ///
    /// # Errors
    /// The kernel refuses to tell.
    fn rules(&self, table: Table, chain: &str) -> io::Result<Option<Vec<Option<String>>>>;

    /// A file below `/proc` or `/sys`, as this process sees it.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// What a link below `/proc` or `/sys` leads to.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn link(&self, path: &Path) -> io::Result<String>;
}

/// The host itself.
#[derive(Debug, Default)]
pub struct Host {
    /// An nft that waits for its script.
    waiting: Mutex<Option<Child>>,
}

/// Where nft is on systems whose PATH leaves it out.
const ELSEWHERE: [&str; 2] = ["/usr/sbin/nft", "/sbin/nft"];

/// Starts nft with a pipe as its standard input.
fn start(arguments: &[&str], lock: Option<&File>) -> io::Result<Child> {
    let spawn = |program: &str| {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if lock.is_some() {
            // What a terminal sends to this process does not reach nft.
            command.process_group(0);
        }
        command.spawn()
    };
    let inherited = lock.map(Inherited::new).transpose()?;
    let mut child = spawn("nft");
    for program in ELSEWHERE {
        if child.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            child = spawn(program);
        }
    }
    drop(inherited);
    child
}

/// Gives nft its script, and waits for its end.
fn feed(mut child: Child, script: &str) -> io::Result<Ran> {
    // If this process is killed while it writes a script into a pipe, nft takes the part that it got for the whole. So
    // the script lies in a file, and through the pipe goes one line, which arrives as a whole or not at all.
    let mut file = match memfd_create("nwf-apply", MFdFlags::MFD_CLOEXEC) {
        Ok(file) => File::from(file),
        // Forbidden by the sysctl vm.memfd_noexec, or by a sandbox.
        Err(_) => tempfile::tempfile()?,
    };
    file.write_all(script.as_bytes())?;
    let line = format!("include \"/proc/{}/fd/{}\"\n", std::process::id(), file.as_raw_fd());
    if let Some(mut stdin) = child.stdin.take() {
        // An nft that has ended already says why.
        let _ = stdin.write_all(line.as_bytes());
    }
    let output = child.wait_with_output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// As long as this lives, programs that are started keep the lock's file open, and so the lock.
struct Inherited<'a>(&'a File);

impl<'a> Inherited<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        fcntl(file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(Inherited(file))
    }
}

impl Drop for Inherited<'_> {
    fn drop(&mut self) {
        // The flag could be cleared a moment ago; a later program that kept the file would only keep the lock longer.
        let _ = fcntl(self.0, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}

/// The script's name in what nft says.
const SCRIPT: &str = "/dev/stdin";

/// What nft says, with the script's usual name instead of the file's, and without telling who included it.
fn renamed(stderr: &str) -> String {
    let mut text = String::with_capacity(stderr.len());
    let own = format!("/proc/{}/fd/", std::process::id());
    for line in stderr.lines().filter(|line| !line.starts_with("In file included from ")) {
        match line.strip_prefix(&own).and_then(|rest| rest.split_once(':')) {
            Some((_, rest)) => {
                text.push_str(SCRIPT);
                text.push(':');
                text.push_str(rest);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

impl Runner for Host {
    fn try_script(&self, script: &str) -> io::Result<bool> {
        Ok(feed(start(&["-c", "-f", "-"], None)?, script)?.is_success())
    }

    fn prepare(&self, lock: &File) {
        // What is wrong comes up again with the transaction.
        let child = start(&["-f", "-"], Some(lock)).ok();
        if let Ok(mut waiting) = self.waiting.lock() {
            *waiting = child;
        }
    }

    fn transaction(&self, script: &str, lock: Option<&File>) -> io::Result<Ran> {
        let waiting = self.waiting.lock().ok().and_then(|mut waiting| waiting.take());
        let child = match waiting {
            Some(child) => child,
            None => start(&["-f", "-"], lock)?,
        };
        let ran = feed(child, script)?;
        Ok(Ran { stderr: renamed(&ran.stderr), ..ran })
    }

    fn generation(&self) -> Option<u32> {
        netlink::generation().ok()
    }

    fn table(&self, table: Table) -> io::Result<Option<String>> {
        netlink::table(table)
    }

    fn elements(&self, map: &str) -> io::Result<Vec<Element>> {
        netlink::elements(map)
    }

    fn chains(&self) -> io::Result<Vec<String>> {
        netlink::chains()
    }

    fn rules(&self, table: Table, chain: &str) -> io::Result<Option<Vec<Option<String>>>> {
        netlink::rules(table, chain)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn link(&self, path: &Path) -> io::Result<String> {
        Ok(std::fs::read_link(path)?.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nft_says_names_the_script() {
        let own = format!("/proc/{}/fd/7", std::process::id());
        let said = format!("In file included from /dev/stdin:1:1-28:\n{own}:12:3-9: Error: no\nadd rule\n^^^\n");
        assert_eq!(renamed(&said), "/dev/stdin:12:3-9: Error: no\nadd rule\n^^^\n");
    }
}
