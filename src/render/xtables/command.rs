//! Commands of the three tools, and the one place for each way to quote them.

use std::fmt;

use crate::model::Provenance;
use crate::plan::Table;

/// A program of the xtables family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// `ebtables`: frames.
    Ebtables,
    /// `iptables`: IPv4 packets.
    Iptables,
    /// `ip6tables`: IPv6 packets.
    Ip6tables,
}

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 3] = [Tool::Ebtables, Tool::Iptables, Tool::Ip6tables];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Ebtables => "ebtables",
            Tool::Iptables => "iptables",
            Tool::Ip6tables => "ip6tables",
        }
    }

    /// The table that our rules are in.
    pub fn table(self) -> Table {
        match self {
            Tool::Ebtables => Table::EbtablesNat,
            Tool::Iptables => Table::IptablesFilter,
            Tool::Ip6tables => Table::Ip6tablesFilter,
        }
    }

    /// The tool's variable in a shell script (EB-152).
    pub fn variable(self) -> &'static str {
        match self {
            Tool::Ebtables => "EBT",
            Tool::Iptables => "IPT",
            Tool::Ip6tables => "IP6T",
        }
    }

    /// The lock, and the table where it is not the default (EB-2).
    fn leading(self) -> &'static [&'static str] {
        match self {
            Tool::Ebtables => &["--concurrent", "-t", "nat"],
            Tool::Iptables | Tool::Ip6tables => &["-w"],
        }
    }
}

/// Whether an operation fails with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// It does.
    Must,
    /// It goes on.
    May,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program.
    pub tool: Tool,
    /// Its arguments, the lock and the table first.
    pub arguments: Vec<String>,
    /// Whether the operation fails with it.
    pub need: Need,
    /// The rule that it comes from.
    pub provenance: Option<Provenance>,
}

impl Command {
    fn new<'a>(tool: Tool, need: Need, words: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments = tool.leading().iter().copied().chain(words).map(str::to_owned).collect();
        Command { tool, arguments, need, provenance: None }
    }

    /// A command that has to succeed.
    pub fn must<'a>(tool: Tool, words: impl IntoIterator<Item = &'a str>) -> Self {
        Command::new(tool, Need::Must, words)
    }

    /// A command that may fail.
    pub fn may<'a>(tool: Tool, words: impl IntoIterator<Item = &'a str>) -> Self {
        Command::new(tool, Need::May, words)
    }
}

/// The display form (EB-33).
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tool.name())?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", display(argument)))
    }
}

/// An argument in the display form: in single quotes if a shell would do anything with it (EB-33).
fn display(argument: &str) -> String {
    const QUOTED: &str = "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~";
    if argument.is_empty() || argument.contains(|c| QUOTED.contains(c)) {
        return in_single_quotes(argument);
    }
    argument.to_owned()
}

/// A word of a shell script: bare only if it consists of what no shell looks at (EB-157).
pub(super) fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+=@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { in_single_quotes(word) }
}

fn in_single_quotes(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A word of the restore format: in double quotes, where a backslash protects a quote or a backslash, if it is empty
/// or holds any of these or a blank. Line ends have no form there; names and comments have none (EB-158).
pub(super) fn restore(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"', '\\', '\'']) {
        return word.to_owned();
    }
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// Words of the restore format, with blanks between them.
pub(super) fn restore_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(restore).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eb_33_display_form() {
        let words = ["-A", "FJ-vnet0", "!", "", "a'b c", "tab\there", "f=a;r=1", "x,y:z/w+v=u@t%s", "é"];
        assert_eq!(
            Command::must(Tool::Iptables, words).to_string(),
            "iptables -w -A FJ-vnet0 '!' '' 'a'\\''b c' 'tab\there' 'f=a;r=1' x,y:z/w+v=u@t%s é"
        );
        for c in "\r\t\n !\"#$&()*;<>?[\\]^`{|}~".chars() {
            assert_eq!(display(&format!("a{c}")), format!("'a{c}'"));
        }
    }

    #[test]
    fn eb_2_lock_and_table_come_first() {
        assert_eq!(Command::may(Tool::Ebtables, ["-L"]).to_string(), "ebtables --concurrent -t nat -L");
        assert_eq!(Command::may(Tool::Ip6tables, ["-L"]).to_string(), "ip6tables -w -L");
    }

    #[test]
    fn eb_157_words_of_a_script() {
        assert_eq!(shell("vnet0-arp_x.y:z"), "vnet0-arp_x.y:z");
        assert_eq!(shell("!"), "'!'");
        assert_eq!(shell(""), "''");
        assert_eq!(shell("it's $HOME `id` é"), "'it'\\''s $HOME `id` é'");
        assert_eq!(shell("a\\"), "'a\\'");
    }

    #[test]
    fn words_of_the_restore_format() {
        assert_eq!(restore("!"), "!");
        assert_eq!(restore(""), "\"\"");
        assert_eq!(restore("a b"), "\"a b\"");
        assert_eq!(restore(r#"say "\n" 'x'"#), r#""say \"\\n\" 'x'""#);
        assert_eq!(restore("it's"), "\"it's\"");
        assert_eq!(restore("$HOME;`id`"), "$HOME;`id`");
    }
}
