//! A network namespace to load rules into, and nothing else.

use std::process::Command;

use super::lab::namespace::Namespace;
use super::lab::programs::Ran;

/// A namespace without devices, where the three tools work.
pub struct Host(Namespace);

impl Host {
    /// Makes one; where that is not possible says why, and gives none.
    pub fn new(name: &'static str) -> Option<Self> {
        let works = |host: &Host| {
            let asked = host.sh("ebtables -t nat -L && iptables -S && ip6tables -S");
            asked.success("ebtables, iptables, ip6tables").map(|_| ())
        };
        let made = Namespace::new(name).map(Host).and_then(|host| works(&host).map(|()| host));
        match made {
            Ok(host) => Some(host),
            Err(why) => {
                assert!(std::env::var_os("NWF_REQUIRE_KERNEL").is_none_or(|value| value != "1"), "{name}: {why}");
                eprintln!("skipped: {name}: {why}");
                None
            }
        }
    }

    /// Runs a line of shell.
    pub fn sh(&self, line: &str) -> Ran {
        self.run(&["sh", "-c", line], "")
    }

    /// Runs a program.
    pub fn run(&self, words: &[&str], input: &str) -> Ran {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.0.command(command, input.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", words[0]))
    }

    /// Runs commands in display form, one after another, whatever becomes of each.
    pub fn all(&self, lines: &[String]) {
        self.run(&["sh"], &lines.join("\n"));
    }

    /// Loads a text of the restore format: each section into its tool.
    pub fn restore(&self, text: &str) -> Result<(), String> {
        for section in text.split_inclusive("COMMIT\n") {
            let (tool, input) = section.split_once('\n').expect("a section has a line with its tool");
            let tool = tool.strip_prefix("# ").expect("a section begins with its tool");
            self.run(&[tool, "--noflush"], input).success(&format!("{tool}\n{input}"))?;
        }
        Ok(())
    }

    /// All rules of the three tools, without counters.
    pub fn listing(&self) -> String {
        let ran = self.sh("ebtables -t nat -L; echo; echo IPv4:; iptables -S; echo; echo IPv6:; ip6tables -S");
        ran.success("listing").unwrap()
    }
}
