//! Our programs, run in the laboratory.

use super::Lab;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The standard output of a program that ended well; else what it said.
    pub fn success(self, what: &str) -> Result<String, String> {
        if self.status == Some(0) {
            return Ok(self.stdout);
        }
        let end = match (self.status, self.signal) {
            (Some(status), _) => format!("status {status}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        Err(format!("{what}: {end}\n{}{}", self.stdout, self.stderr))
    }
}

/// Where the binary of one of our programs is.
///
/// # Panics
///
/// If it has not been built.
pub fn program(name: &str) -> PathBuf {
    let built = match name {
        "nwf-parse" => option_env!("CARGO_BIN_EXE_nwf-parse"),
        "nwf-resolve" => option_env!("CARGO_BIN_EXE_nwf-resolve"),
        "nwf-render" => option_env!("CARGO_BIN_EXE_nwf-render"),
        "nwf-apply" => option_env!("CARGO_BIN_EXE_nwf-apply"),
        "nwf" => option_env!("CARGO_BIN_EXE_nwf"),
        _ => None,
    };
    if let Some(path) = built {
        return path.into();
    }
    // An example stands in `examples`, a test or benchmark in `deps`, below the programs.
    let own = std::env::current_exe().expect("a running program has a path");
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not built: run `cargo build` with the same profile"))
}

/// The folder of the filters that ship.
pub fn shipped_filters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("filters")
}

/// A binding as XML: one interface, its filter, and parameters, a repeated name for a list.
pub fn binding(interface: &str, mac: &str, filter: &str, parameters: &[(&str, &str)]) -> String {
    let number = interface.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte));
    let mut xml = format!(
        "<filterbinding>\n  <owner>\n    <name>guest</name>\n    \
         <uuid>00000000-0000-4000-8000-{:012x}</uuid>\n  </owner>\n  \
         <portdev name='{interface}'/>\n  <mac address='{mac}'/>\n  \
         <filterref filter='{filter}'>\n",
        number & 0xffff_ffff_ffff
    );
    for (name, value) in parameters {
        xml.push_str(&format!("    <parameter name='{name}' value='{value}'/>\n"));
    }
    xml.push_str("  </filterref>\n</filterbinding>\n");
    xml
}

impl Lab {
    /// One of our programs, ready to run, with the laboratory's paths in its environment.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .env("NWF_RUN_DIR", &self.run_dir)
            .env("NWF_STATE_DIR", self.run_dir.join("lib"))
            .env("NWF_FILTER_PATH", shipped_filters())
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs one of our programs in the host's namespace.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn run(&self, words: &[&str], input: &str) -> Ran {
        let (name, arguments) = words.split_first().expect("a program is named");
        let mut command = self.program(name);
        command.args(arguments);
        self.host.command(command, input.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// As [`Lab::run`], for a program that must end with status 0; gives its standard output.
    ///
    /// # Panics
    ///
    /// If the program fails; the text has all that it said.
    pub fn must(&self, words: &[&str], input: &str) -> String {
        self.run(words, input).success(&words.join(" ")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Takes pieces of XML, each a binding or a filter, to a plan.
    ///
    /// # Panics
    ///
    /// If a stage fails.
    pub fn plan(&self, xml: &[&str]) -> String {
        let files = xml.iter().enumerate();
        let paths: Vec<String> = files.map(|(number, text)| self.file(&format!("{number}.xml"), text)).collect();
        self.plan_of(&paths)
    }

    /// Takes files and folders of XML to a plan.
    ///
    /// # Panics
    ///
    /// If a stage fails.
    pub fn plan_of(&self, paths: &[String]) -> String {
        let mut parse = vec!["nwf-parse"];
        parse.extend(paths.iter().map(String::as_str));
        let parsed = self.must(&parse, "");
        let ruleset = self.must(&["nwf-resolve"], &parsed);
        self.must(&["nwf-render"], &ruleset)
    }

    /// Takes pieces of XML all the way into the kernel, and gives the report of `nwf-apply`.
    ///
    /// # Panics
    ///
    /// If a stage fails.
    pub fn apply(&self, xml: &[&str]) -> String {
        let plan = self.plan(xml);
        self.install(&plan)
    }

    /// Hands a plan to `nwf-apply`, and gives its report.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn install(&self, plan: &str) -> String {
        self.must(&["nwf-apply"], plan)
    }

    /// Writes a file that only programs in the host's namespace see; gives its path.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.run_dir.with_file_name("files").join(name);
        let (file, text) = (path.clone(), text.to_owned());
        self.host
            .run(move || {
                std::fs::create_dir_all(file.parent().expect("a file has a folder"))?;
                std::fs::write(file, text)
            })
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path.display().to_string()
    }
}
