//! The way to the host: the program nft, the kernel's generation of rules, files below /proc and /sys.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, socket,
};

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

/// All that applying needs of the host besides its own state; a test replaces it.
pub trait Runner: Sync {
    /// Runs nft with these arguments, and with a script as its standard input.
    ///
    /// # Errors
    /// It cannot be started, or cannot be given the script. A status other than 0 is no error here.
    fn nft(&self, arguments: &[&str], script: &str) -> io::Result<Ran>;

    /// Runs a transaction, `nft -f -`: as [`Runner::nft`], but it ends as a whole even if this process is killed,
    /// and holds the lock as long.
    ///
    /// # Errors
    /// As [`Runner::nft`].
    fn transaction(&self, script: &str, lock: Option<&File>) -> io::Result<Ran>;

    /// The number that the kernel gives to its rules: another one after each change of any table of this network
    /// namespace, whoever makes it. None if the kernel does not tell.
    fn generation(&self) -> Option<u32>;

    /// A file below `/proc` or `/sys`, as this process sees it.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// What a link below `/proc` leads to.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn link(&self, path: &Path) -> io::Result<String>;
}

/// The host itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

/// Where nft is on systems whose PATH leaves it out.
const ELSEWHERE: [&str; 2] = ["/usr/sbin/nft", "/sbin/nft"];

impl Host {
    fn run(arguments: &[&str], script: &str, lock: Option<&File>) -> io::Result<Ran> {
        // A file, not a pipe: if this process is killed while it writes into a pipe, nft takes the part that it got
        // for the whole.
        let mut input = File::from(memfd_create("nwf-apply", MFdFlags::MFD_CLOEXEC)?);
        input.write_all(script.as_bytes())?;
        let spawn = |program: &str| {
            let mut command = Command::new(program);
            command.args(arguments).env("LC_ALL", "C").stdout(Stdio::piped()).stderr(Stdio::piped());
            command.stdin(Stdio::from(rewound(&input)?));
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
        let output = child?.wait_with_output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
    }
}

/// The same file, to be read from its beginning.
fn rewound(file: &File) -> io::Result<File> {
    use std::io::Seek;
    let mut again = file.try_clone()?;
    again.rewind()?;
    Ok(again)
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
        // The flag was readable a moment ago; a later program that kept the file would only keep the lock longer.
        let _ = fcntl(self.0, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}

impl Runner for Host {
    fn nft(&self, arguments: &[&str], script: &str) -> io::Result<Ran> {
        Host::run(arguments, script, None)
    }

    fn transaction(&self, script: &str, lock: Option<&File>) -> io::Result<Ran> {
        Host::run(&["-f", "-"], script, lock)
    }

    fn generation(&self) -> Option<u32> {
        generation().ok().flatten()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn link(&self, path: &Path) -> io::Result<String> {
        Ok(std::fs::read_link(path)?.to_string_lossy().into_owned())
    }
}

/// Numbers of netlink, and of nftables' messages (`linux/netfilter/nf_tables.h`).
mod numbers {
    /// The request wants an answer.
    pub const NLM_F_REQUEST: u16 = 1;
    /// Messages of nftables.
    pub const SUBSYSTEM: u16 = 10 << 8;
    /// What is the generation?
    pub const GET_GENERATION: u16 = SUBSYSTEM | 16;
    /// It is this.
    pub const NEW_GENERATION: u16 = SUBSYSTEM | 15;
    /// The attribute that holds it, big-endian.
    pub const GENERATION_ID: u16 = 1;
}

/// Asks the kernel for its generation of rules: one message there and one back.
fn generation() -> nix::Result<Option<u32>> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &NetlinkAddr::new(0, 0))?;
    // Length, type, flags, sequence, sender (nlmsghdr), then family, version, resource (nfgenmsg).
    let mut request = Vec::with_capacity(20);
    request.extend(20_u32.to_ne_bytes());
    request.extend(numbers::GET_GENERATION.to_ne_bytes());
    request.extend(numbers::NLM_F_REQUEST.to_ne_bytes());
    request.extend([0; 12]);
    let raw = std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd());
    sendto(raw, &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0_u8; 4096];
    let length = recv(raw, &mut answer, MsgFlags::empty())?;
    Ok(read_generation(answer.get(..length).unwrap_or_default()))
}

/// The attribute of the answer that holds the generation.
fn read_generation(answer: &[u8]) -> Option<u32> {
    let short = |bytes: &[u8], at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    if short(answer, 4)? != numbers::NEW_GENERATION {
        return None;
    }
    let mut rest = answer.get(20..)?;
    while rest.len() >= 4 {
        let length = usize::from(short(rest, 0)?);
        if short(rest, 2)? == numbers::GENERATION_ID {
            return Some(u32::from_be_bytes(rest.get(4..8)?.try_into().ok()?));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "status {status}"),
            None => f.write_str("ended by a signal"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn the_generation_is_found_among_the_attributes() {
        let mut answer = vec![0; 20];
        answer[4..6].copy_from_slice(&numbers::NEW_GENERATION.to_ne_bytes());
        // Another attribute of 5 bytes, padded to 8, stands in front.
        let attribute = |length: u16, kind: u16| [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        answer.extend(attribute(5, 9));
        answer.extend([1, 0, 0, 0]);
        answer.extend(attribute(8, numbers::GENERATION_ID));
        answer.extend(258_u32.to_be_bytes());
        assert_eq!(read_generation(&answer), Some(258));
        for length in 0..answer.len() {
            assert_eq!(read_generation(&answer[..length]), None, "{length} bytes");
        }
        answer[4] = 2;
        assert_eq!(read_generation(&answer), None, "an error message");
    }

    #[test]
    fn a_generation_is_told_or_not_but_never_waited_for() {
        // Without privileges the kernel refuses; either way the call comes back.
        let _ = Host.generation();
    }
}
