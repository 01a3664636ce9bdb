//! A network namespace that lives in a thread.

use super::programs::Ran;
use nix::sched::{CloneFlags, unshare};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace, with a thread in it that runs what it is given.
///
/// What such a job starts, programs and threads, is in the namespace too. The namespace
/// ends with the last of them.
pub struct Namespace {
    name: &'static str,
    thread_id: i32,
    jobs: Sender<Job>,
}

impl Namespace {
    /// Makes a namespace with nothing in it but `lo`.
    pub fn new(name: &'static str) -> Result<Self, String> {
        let (jobs, inbox) = channel::<Job>();
        let (ready, is_ready) = channel();
        thread::Builder::new()
            .name(format!("lab-{name}"))
            .spawn(move || {
                // The mounts are set apart with it: what is mounted here stays here.
                let made = unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS);
                let failed = made.is_err();
                let _ = ready.send(made.map(|()| nix::unistd::gettid().as_raw()));
                if !failed {
                    for job in inbox {
                        job();
                    }
                }
            })
            .map_err(|error| format!("no thread: {error}"))?;
        let thread_id = is_ready
            .recv()
            .map_err(|_| "the thread of a namespace died".to_owned())?
            .map_err(|error| format!("no network namespace can be made here ({error})"))?;
        Ok(Self { name, thread_id, jobs })
    }

    /// The name by which `ip link set … netns` finds this namespace.
    pub fn id(&self) -> String {
        self.thread_id.to_string()
    }

    /// Runs a function inside, and waits for its end; its panic becomes ours.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, outcome) = channel();
        let job = Box::new(move || {
            let _ = done.send(catch_unwind(AssertUnwindSafe(job)));
        });
        self.jobs.send(job).unwrap_or_else(|_| panic!("the thread of namespace {} is gone", self.name));
        match outcome.recv() {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(error) => panic!("the thread of namespace {} is gone: {error}", self.name),
        }
    }

    /// Starts a thread inside.
    pub fn spawn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
        self.run(|| thread::spawn(job))
    }

    /// Runs a program inside, with `input` as its standard input, to its end.
    pub fn command(&self, mut command: Command, input: &[u8]) -> io::Result<Ran> {
        let input = input.to_vec();
        self.run(move || {
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            let mut stdin = child.stdin.take().expect("standard input is a pipe");
            // A program that ends without reading all breaks the pipe: its status tells more.
            let writer = thread::spawn(move || drop(stdin.write_all(&input)));
            let output = child.wait_with_output()?;
            let _ = writer.join();
            Ok(Ran::from(output))
        })
    }

    /// Writes a file as this namespace sees it, such as one of `/proc/sys/net`.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let (path, text) = (path.to_owned(), text.to_owned());
        self.run(move || std::fs::write(path, text))
    }

    /// Reads a file as this namespace sees it.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
        let path = path.as_ref().to_owned();
        self.run(move || std::fs::read_to_string(path))
    }

    /// Shows the devices of this namespace in `/sys`, and gives a folder in memory for
    /// state. Both are seen by what runs in this namespace only.
    pub(super) fn private_mounts(&self) -> Result<PathBuf, String> {
        let here = [std::env::current_dir(), std::env::current_exe(), Ok(env!("CARGO_MANIFEST_DIR").into())];
        let covers = |folder: &&str| here.iter().flatten().any(|path| path.starts_with(Path::new(folder)));
        let folder = ["/run", "/mnt", "/srv", "/media"]
            .into_iter()
            .find(|folder| Path::new(folder).is_dir() && !covers(folder))
            .ok_or("there is no folder to mount our state on")?;
        let mut shell = Command::new("sh");
        shell.args([
            "-ec",
            "mount --make-rprivate /\n\
             mount -t sysfs sysfs /sys\n\
             mount -t tmpfs tmpfs \"$1\"\n\
             mkdir \"$1/nwf\"",
            "sh",
            folder,
        ]);
        self.command(shell, b"").map_err(|error| format!("sh: {error}"))?.success("mount")?;
        Ok(Path::new(folder).join("nwf"))
    }
}
