//! What can be wrong with a document, and where.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::model::{InvalidName, Kind, Location, Severity};
use crate::problem::Problem;

/// What is wrong, without the place.
///
/// Whether it is an error or a warning depends on the profile: see [`XmlProblem::severity`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum XmlError {
    /// The text is no XML (XML-1).
    #[error("this is not well-formed XML: {why}")]
    #[diagnostic(code(nwf::xml::not_well_formed), help("nothing of the file was read"))]
    NotWellFormed {
        /// What is wrong.
        why: String,
    },
    /// A document type, and with it entities.
    #[error("a document type (`<!DOCTYPE`) is refused")]
    #[diagnostic(code(nwf::xml::document_type), help("remove it; filters need no entities of their own"))]
    DocumentType,
    /// A reference to an entity that XML does not predefine.
    #[error("the entity `&{};` is unknown", quote(name))]
    #[diagnostic(
        code(nwf::xml::unknown_entity),
        help("`&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;` and characters by number, such as `&#233;`, are known")
    )]
    UnknownEntity {
        /// Its name.
        name: String,
    },
    /// A character that XML does not have.
    #[error("the character U+{:04X} (byte {offset}) cannot stand in XML", u32::from(*character))]
    #[diagnostic(code(nwf::xml::forbidden_character), help("remove it; is this a text file?"))]
    ForbiddenCharacter {
        /// The character.
        character: char,
        /// Its offset in bytes.
        offset: usize,
    },
    /// The bytes are no UTF-8.
    #[error("this is not UTF-8 text: byte {offset} cannot be read")]
    #[diagnostic(code(nwf::xml::not_utf8), help("{help}"))]
    NotUtf8 {
        /// Offset of the first byte that is wrong.
        offset: usize,
        /// What to do about it.
        help: &'static str,
    },
    /// The declaration names another encoding than UTF-8.
    #[error("the document declares the encoding `{}`; only UTF-8 is read", quote(declared))]
    #[diagnostic(
        code(nwf::xml::encoding),
        help("convert the file to UTF-8, for example with iconv, and remove the word `encoding`")
    )]
    Encoding {
        /// The encoding.
        declared: String,
    },
    /// More bytes than any filter has.
    #[error("the document has more than {limit} bytes")]
    #[diagnostic(code(nwf::xml::too_large), help("no filter is as large as this; is it the right file?"))]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Elements inside elements inside elements.
    #[error("elements are nested more than {limit} deep")]
    #[diagnostic(code(nwf::xml::too_deep), help("a filter needs three levels; is it the right file?"))]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More elements than any filter has.
    #[error("the document has more than {limit} elements and attributes")]
    #[diagnostic(
        code(nwf::xml::too_many_elements),
        help("long lists of addresses belong into parameters or IP sets, not into one rule each")
    )]
    TooManyNodes {
        /// The limit.
        limit: usize,
    },
    /// So much is wrong that the rest is not told.
    #[error("there are more problems than the {limit} that are told")]
    #[diagnostic(code(nwf::xml::too_many_problems), help("repair those, then run again"))]
    TooManyProblems {
        /// The limit.
        limit: usize,
    },

    /// The root element is none that is read (XML-5).
    #[error("the root element `{}` is not one that this version reads", quote(name))]
    #[diagnostic(
        code(nwf::xml::unknown_root),
        help("{}`filter`, `filterbinding`, `filterbindingstatus`, `interface` and `domain` are read", did_you_mean(*closest))
    )]
    UnknownRoot {
        /// Its name.
        name: String,
        /// What is probably meant.
        closest: Option<&'static str>,
    },
    /// An element that nobody asked for.
    #[error("`<{}>` knows no element `<{}>`", quote(parent), quote(name))]
    #[diagnostic(code(nwf::xml::unknown_element), help("{}", proposal(*closest, "elements", known)))]
    UnknownElement {
        /// Its name.
        name: String,
        /// The element that it stands in.
        parent: String,
        /// What is probably meant.
        closest: Option<&'static str>,
        /// The elements that can stand there.
        known: Vec<&'static str>,
    },
    /// An attribute that nobody asked for.
    #[error("`<{}>` knows no attribute `{}`", quote(element), quote(name))]
    #[diagnostic(code(nwf::xml::unknown_attribute), help("{}", proposal(*closest, "attributes", known)))]
    UnknownAttribute {
        /// Its name.
        name: String,
        /// The element that it stands in.
        element: String,
        /// What is probably meant.
        closest: Option<&'static str>,
        /// The attributes that the element has.
        known: Vec<&'static str>,
    },
    /// An attribute that only the profile `nwf` knows.
    #[error("libvirt ignores `{attribute}` in `<{element}>`, and so does the profile `libvirt`")]
    #[diagnostic(
        code(nwf::xml::only_ours),
        help("the rule matches more than it says; the profile `nwf` reads the attribute")
    )]
    OnlyOurs {
        /// The attribute.
        attribute: &'static str,
        /// The protocol.
        element: &'static str,
    },
    /// Text where only elements count (XML-2).
    #[error("text inside `<{}>` is dropped", quote(element))]
    #[diagnostic(code(nwf::xml::stray_text), help("remove it, or make it a comment: `<!-- ... -->`"))]
    StrayText {
        /// The element.
        element: String,
    },
    /// A second element where one counts.
    #[error("`<{parent}>` has more than one `<{name}>`; only the first counts")]
    #[diagnostic(code(nwf::xml::repeated_element), help("remove one of them; the first is in line {first_line}"))]
    RepeatedElement {
        /// Its name.
        name: &'static str,
        /// The element that it stands in.
        parent: String,
        /// Where the first stands.
        first_line: u32,
    },
    /// A needed attribute is absent (XML-11, XML-20, XML-30, XML-120).
    #[error("`<{element}>` lacks the attribute `{attribute}`")]
    #[diagnostic(code(nwf::xml::missing_attribute), help("{help}"))]
    MissingAttribute {
        /// The element.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
        /// What it must hold.
        help: &'static str,
    },
    /// A needed element is absent (XML-120, XML-124).
    #[error("`<{parent}>` lacks the element `<{element}>`")]
    #[diagnostic(code(nwf::xml::missing_element), help("{help}"))]
    MissingElement {
        /// The element that it would stand in.
        parent: &'static str,
        /// The element.
        element: &'static str,
        /// What it must hold.
        help: &'static str,
    },
    /// `x=''` where that means that the attribute is absent (XML-4).
    #[error("`{attribute}` of `<{element}>` is empty and counts as absent")]
    #[diagnostic(code(nwf::xml::empty_attribute), help("give it a value, or remove it"))]
    EmptyAttribute {
        /// The element.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
    },

    /// A filter's name that could be no file's name (XML-11, Q-3).
    #[error("{0}")]
    #[diagnostic(code(nwf::xml::bad_filter_name), help("clean-traffic and my_filter.2 are such names"))]
    BadFilterName(InvalidName),
    /// A chain's name (XML-13, XML-14, Q-4).
    #[error("{0}")]
    #[diagnostic(
        code(nwf::xml::bad_chain),
        help(
            "a chain is `root`, or one of `mac`, `vlan`, `stp`, `arp`, `rarp`, `ipv4`, `ipv6` with anything behind, at most 12 characters"
        )
    )]
    BadChain(InvalidName),
    /// A priority of a chain or rule (XML-15, XML-30, Q-8).
    #[error("`{}` is not a priority", quote(text))]
    #[diagnostic(code(nwf::xml::bad_priority), help("a priority is a decimal number from -1000 to 1000"))]
    BadPriority {
        /// What was written.
        text: String,
    },
    /// A priority that belongs to no chain.
    #[error("`priority` is without effect in a filter without `chain`")]
    #[diagnostic(code(nwf::xml::priority_without_chain), help("name the chain, or remove `priority`"))]
    PriorityWithoutChain,
    /// A UUID (XML-17).
    #[error("`{}` is not a UUID", quote(text))]
    #[diagnostic(
        code(nwf::xml::bad_uuid),
        help("a UUID has 32 hexadecimal digits, such as 5c6d49af-b071-6127-b4ec-6f8ed4b55335")
    )]
    BadUuid {
        /// What was written.
        text: String,
    },
    /// A parameter that libvirt would drop (XML-21, Q-7).
    #[error("this parameter cannot be used: {why}")]
    #[diagnostic(code(nwf::xml::bad_parameter), help("{help}"))]
    BadParameter {
        /// What is wrong.
        why: String,
        /// What would be right.
        help: &'static str,
    },
    /// How an address is to be learned (RES-53, QR-14).
    #[error("`{}` is not a learning method", quote(text))]
    #[diagnostic(code(nwf::xml::bad_learning_method), help("the methods are `any`, `dhcp` and `none`"))]
    BadLearningMethod {
        /// What was written.
        text: String,
    },
    /// A learning method where none is looked for (QR-14).
    #[error("`CTRL_IP_LEARNING` has no effect in a filter")]
    #[diagnostic(code(nwf::xml::learning_in_filter), help("it belongs to the parameters of the interface"))]
    LearningInFilter,

    /// The action of a rule (XML-30).
    #[error("`{}` is not an action", quote(text))]
    #[diagnostic(
        code(nwf::xml::bad_action),
        help("{}the actions are `drop`, `accept`, `reject`, `return` and `continue`", did_you_mean(*closest))
    )]
    BadAction {
        /// What was written.
        text: String,
        /// What is probably meant.
        closest: Option<&'static str>,
    },
    /// The direction of a rule (XML-30).
    #[error("`{}` is not a direction", quote(text))]
    #[diagnostic(
        code(nwf::xml::bad_direction),
        help("{}the directions are `in` (to the guest), `out` (from the guest) and `inout`", did_you_mean(*closest))
    )]
    BadDirection {
        /// What was written.
        text: String,
        /// What is probably meant.
        closest: Option<&'static str>,
    },
    /// `statematch` (XML-30).
    #[error("`{}` is no value of `statematch`", quote(text))]
    #[diagnostic(
        code(nwf::xml::bad_statematch),
        help("write `false` or `0` to switch it off; remove it to leave it on")
    )]
    BadStatematch {
        /// What was written.
        text: String,
    },
    /// `match` (XML-40).
    #[error("`{}` is no value of `match`", quote(text))]
    #[diagnostic(
        code(nwf::xml::bad_match),
        help("write `no` to negate the attributes of the element, `yes` or nothing otherwise")
    )]
    BadMatch {
        /// What was written.
        text: String,
    },
    /// A rule about two protocols.
    #[error("a rule is about one protocol: `<{second}>` cannot stand beside `<{first}>`")]
    #[diagnostic(code(nwf::xml::second_protocol), help("make it a rule of its own"))]
    SecondProtocol {
        /// The protocol of the rule.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// An attribute that a later element of the same rule gives again (XML-32).
    #[error("`{attribute}` is given again in line {again_line}; only the last one counts")]
    #[diagnostic(code(nwf::xml::overwritten), help("remove one, or make two rules"))]
    Overwritten {
        /// The attribute.
        attribute: &'static str,
        /// Where the one stands that counts.
        again_line: u32,
    },

    /// The value of an attribute (XML-52 to XML-59).
    #[error("`{}` is not a value of `{attribute}`{}", quote(text), detail(*because))]
    #[diagnostic(
        code(nwf::xml::bad_value),
        help("{}write {}{}", did_you_mean(*closest), kind.expected(), if *variable { "; or a variable such as `$NAME`" } else { "" })
    )]
    BadValue {
        /// The attribute.
        attribute: &'static str,
        /// What was written.
        text: String,
        /// What it should be.
        kind: Kind,
        /// What is wrong in particular.
        because: Option<&'static str>,
        /// Whether a variable can stand there.
        variable: bool,
        /// What is probably meant.
        closest: Option<&'static str>,
    },
    /// A value that libvirt reads in its own way.
    #[error("`{}` as `{attribute}` is read as `{}`: {why}", quote(text), quote(read))]
    #[diagnostic(
        code(nwf::xml::loose_value),
        help("write `{}`; the profile `nwf` refuses what stands here", quote(read))
    )]
    LooseValue {
        /// The attribute.
        attribute: &'static str,
        /// What was written.
        text: String,
        /// What was understood.
        read: String,
        /// The habit of libvirt's that did it.
        why: &'static str,
    },
    /// A MAC address outside of rules (XML-120).
    #[error("`{}` is not a MAC address", quote(text))]
    #[diagnostic(code(nwf::xml::bad_mac), help("write six groups of hexadecimal digits, such as 52:54:00:12:34:56"))]
    BadMac {
        /// What was written.
        text: String,
    },
    /// The name of an interface (XML-120).
    #[error("{0}")]
    #[diagnostic(code(nwf::xml::bad_interface_name), help("vnet0 is such a name; `ip link` lists those that exist"))]
    BadInterfaceName(InvalidName),
    /// A variable that is written wrongly (XML-50, RES-10, QR-1).
    #[error("`{}` is not a variable access", quote(text))]
    #[diagnostic(
        code(nwf::xml::bad_variable),
        help(
            "write `$NAME`, `$NAME[@N]` to walk with iterator N (0 to 1000), or `$NAME[N]` for the value at position N"
        )
    )]
    BadVariable {
        /// What was written.
        text: String,
    },
    /// A variable that libvirt reads in its own way (QR-1).
    #[error("`{}` is read as {read}", quote(text))]
    #[diagnostic(code(nwf::xml::loose_variable), help("the profile `nwf` refuses what stands here"))]
    LooseVariable {
        /// What was written.
        text: String,
        /// What was understood.
        read: String,
    },
    /// A variable where none can have an effect (XML-51, Q-11).
    #[error("`{attribute}` takes no variable")]
    #[diagnostic(code(nwf::xml::variable_not_allowed), help("write {expected}"))]
    VariableNotAllowed {
        /// The attribute.
        attribute: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// The same in the profile `libvirt`, which takes it and does nothing with it (XML-51).
    #[error("the variable in `{attribute}` must have a value but has no use: {effect}")]
    #[diagnostic(code(nwf::xml::useless_variable), help("write a literal; the profile `nwf` refuses a variable here"))]
    UselessVariable {
        /// The attribute.
        attribute: &'static str,
        /// What libvirt does.
        effect: &'static str,
    },
    /// A range end that libvirt types wrongly.
    #[error("`{attribute}` of `<{element}>` cannot be used in the profile `libvirt`")]
    #[diagnostic(
        code(nwf::xml::ipv4_range_end),
        help(
            "libvirt takes only an IPv4 address here, which no IPv6 packet has; the profile `nwf` takes an IPv6 address"
        )
    )]
    Ipv4RangeEnd {
        /// The protocol.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
    },

    /// Ports of no protocol (XML-80, Q-19).
    #[error("`{attribute}` needs a protocol that has ports")]
    #[diagnostic(
        code(nwf::xml::ports_without_protocol),
        help("add `protocol='tcp'`, `'udp'`, `'sctp'` or `'33'` (dccp){more}; a variable cannot say it")
    )]
    PortsWithoutProtocol {
        /// The attribute.
        attribute: &'static str,
        /// What else must be so.
        more: &'static str,
    },
    /// `ipsetflags` without `ipset`.
    #[error("`ipsetflags` is given without `ipset`")]
    #[diagnostic(code(nwf::xml::set_flags_alone), help("name the IP set: `ipset='NAME'`"))]
    SetFlagsAlone,
    /// What libvirt does to IP sets (XML-81, Q-20).
    #[error("libvirt drops {what} from `<{element}>`, and so does the profile `libvirt`")]
    #[diagnostic(
        code(nwf::xml::set_dropped),
        help(
            "the rule matches more than it says; libvirt looks sets up in `all` and `all-ipv6` only, with `ipset` and `ipsetflags`"
        )
    )]
    SetDropped {
        /// The attributes.
        what: &'static str,
        /// The protocol.
        element: &'static str,
    },
    /// `ipset` alone, which gains `src` (XML-81).
    #[error(
        "`ipset` without `ipsetflags` is read with `ipsetflags='src'`, which libvirt drops when it reads the filter again"
    )]
    #[diagnostic(
        code(nwf::xml::set_without_flags),
        help("libvirt can store such a rule but not use it; write `ipsetflags` in an `all` rule")
    )]
    SetWithoutFlags,
    /// Something that is accepted and changes nothing (XML-82).
    #[error("`{attribute}` has no effect: {why}")]
    #[diagnostic(code(nwf::xml::no_effect), help("{help}"))]
    NoEffect {
        /// The attribute.
        attribute: &'static str,
        /// Why it has none.
        why: String,
        /// What to do about it.
        help: &'static str,
    },
    /// A range that holds nothing.
    #[error("the range from `{start}` to `{end}` is empty")]
    #[diagnostic(code(nwf::xml::range_reversed), help("the end of a range is not below its start"))]
    RangeReversed {
        /// Its start.
        start: String,
        /// Its end.
        end: String,
    },
    /// A sign that libvirt changes and we do not (XML-43, Q-10).
    #[error("libvirt reads `{attribute}` {theirs} here, the profile `nwf` {ours}")]
    #[diagnostic(
        code(nwf::xml::sign_differs),
        help(
            "`{attribute}` takes over the sign of `{leader}` in libvirt; write both with the same sign, or read the file with `--compat libvirt`"
        )
    )]
    SignDiffers {
        /// The attribute.
        attribute: &'static str,
        /// The attribute whose sign libvirt takes.
        leader: &'static str,
        /// How libvirt reads it.
        theirs: &'static str,
        /// How we read it.
        ours: &'static str,
    },
    /// The same in the profile `libvirt`.
    #[error("`{attribute}` is written {written} and read {read}")]
    #[diagnostic(code(nwf::xml::sign_taken_over), help("in libvirt it takes over the sign of `{leader}`"))]
    SignTakenOver {
        /// The attribute.
        attribute: &'static str,
        /// The attribute whose sign counts.
        leader: &'static str,
        /// The sign as written.
        written: &'static str,
        /// The sign that counts.
        read: &'static str,
    },
    /// The states of several elements.
    #[error("the states of all elements count together (`{union}`), but only `{last}` is printed")]
    #[diagnostic(code(nwf::xml::state_united), help("write all states in one `state`"))]
    StateUnited {
        /// What counts.
        union: String,
        /// What is printed.
        last: String,
    },
    /// `$MAC` and `$IP` in step (QR-3).
    #[error("this rule walks `$MAC` and `${list}` with one iterator")]
    #[diagnostic(
        code(nwf::xml::mac_and_ip),
        help("it fails as soon as a second address is known; write `${list}[@1]`")
    )]
    MacAndIp {
        /// The variable that can become a list.
        list: &'static str,
    },
    /// An IP-layer rule in a filter with a chain (QR-9, RES-81).
    #[error("`{protocol}` rules do not go into the chain `{chain}`")]
    #[diagnostic(
        code(nwf::xml::ip_rule_in_chain),
        help("IP-layer rules form one list, behind those of all `root` filters; put it into a filter without `chain`")
    )]
    IpRuleInChain {
        /// The protocol.
        protocol: &'static str,
        /// The chain.
        chain: String,
    },

    /// An interface type whose filter libvirt forgets (XML-111, Q-21).
    #[error("an interface of type `{}` cannot have a filter", quote(kind))]
    #[diagnostic(
        code(nwf::xml::unsupported_interface),
        help("filters work on interfaces of type `network`, `bridge` and `ethernet`")
    )]
    UnsupportedInterface {
        /// The type.
        kind: String,
    },
    /// An interface document that asks for nothing.
    #[error("this interface has no filter")]
    #[diagnostic(code(nwf::xml::no_filter), help("add `<filterref filter='NAME'/>`"))]
    NoFilter,
}

/// Characters of the document that one message repeats.
const QUOTED_MAX: usize = 80;

/// A piece of the document for a message: characters that cannot be seen are spelt out, and what is too long for a
/// message is cut.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        None => text.escape_debug().to_string(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().escape_debug()),
    }
}

/// Why a name is none, told of its beginning if it is too long for a message.
pub(super) fn retell<T>(
    text: &str,
    invalid: InvalidName,
    parse: impl FnOnce(&str) -> Result<T, InvalidName>,
) -> InvalidName {
    match text.char_indices().nth(QUOTED_MAX) {
        None => invalid,
        Some((end, _)) => parse(&format!("{}…", text.get(..end).unwrap_or_default())).err().unwrap_or(invalid),
    }
}

fn did_you_mean(closest: Option<&'static str>) -> String {
    closest.map(|closest| format!("did you mean `{closest}`? ")).unwrap_or_default()
}

fn detail(why: Option<&'static str>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

/// The name that was probably meant, or else all that would have been right.
fn proposal(closest: Option<&'static str>, what: &str, known: &[&'static str]) -> String {
    match (closest, known) {
        (Some(closest), _) => format!("did you mean `{closest}`?"),
        (None, []) => format!("it has no {what}"),
        (None, known) => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("its {what} are {}", names.join(", "))
        }
    }
}

/// What is said in front of the help for something that the profile `libvirt` leaves out.
const IGNORED: &str = "libvirt ignores this, and so does the profile `libvirt`";

/// One thing that is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlProblem {
    /// What is wrong.
    pub error: XmlError,
    /// Whether the document is refused for it.
    pub severity: Severity,
    /// Where it is.
    pub at: Location,
    /// Whether what is wrong was left out, as libvirt does without a word.
    pub(super) ignored: bool,
    excerpt: Excerpt,
}

impl XmlProblem {
    pub(super) fn new(error: XmlError, severity: Severity, at: Location, excerpt: Excerpt) -> Self {
        XmlProblem { error, severity, at, ignored: false, excerpt }
    }

    /// Whether the document is refused for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for XmlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for XmlProblem {}

impl Diagnostic for XmlProblem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.error.help()?;
        if self.ignored { Some(Box::new(format!("{IGNORED}; {help}"))) } else { Some(help) }
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.excerpt.text.is_empty()).then_some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Range { start, end } = self.excerpt.span.clone();
        let label = LabeledSpan::new(None, start, end - start);
        (!self.excerpt.text.is_empty()).then(|| Box::new(std::iter::once(label)) as Box<_>)
    }
}

impl Problem for XmlProblem {
    fn location(&self) -> Option<Location> {
        Some(self.at.clone())
    }
}

/// The lines around a problem, so that a problem need not hold its whole document, nor look for the lines
/// when it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    file: Arc<str>,
    text: String,
    /// Offset of the text in the document.
    offset: usize,
    /// What is underlined, in offsets of the document.
    span: Range<usize>,
    /// Lines and characters in front of the text, then of the span; from 0.
    text_at: (usize, usize),
    span_at: (usize, usize),
}

/// Bytes of a line from which on only the part around a problem is shown.
const LONG_LINE: usize = 240;

/// Bytes of a long line that are shown on each side of a problem.
const SHOWN_MAX: usize = 60;

impl Excerpt {
    /// An excerpt of a document that cannot be shown.
    pub(super) fn none(file: Arc<str>) -> Self {
        Excerpt { file, text: String::new(), offset: 0, span: 0..0, text_at: (0, 0), span_at: (0, 0) }
    }

    /// Cuts the lines around a span, whose start is in the line and column (from 0) given.
    pub(super) fn cut(document: &str, file: Arc<str>, span: Range<usize>, line: usize, column: usize) -> Self {
        let floor = |mut at: usize| {
            at = at.min(document.len());
            while !document.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        let before = document.get(..start).unwrap_or_default();
        let behind = document.get(start..).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = behind.find('\n').map_or(document.len(), |at| start + at);
        // Only the first line of a longer span is underlined, and at least one character of it.
        let mut end = floor(span.end).min(line_end);
        if end <= start {
            end = (start + behind.chars().next().map_or(0, char::len_utf8)).min(line_end).max(start);
        }
        let long = line_end - line_start > LONG_LINE;
        let (first, text_at) = if long {
            let first = floor(start.saturating_sub(SHOWN_MAX).max(line_start));
            let shown = document.get(first..start).unwrap_or_default().chars().count();
            (first, (line, column.saturating_sub(shown)))
        } else {
            // One line more on each side, unless it is long itself.
            let above = before.get(..line_start.saturating_sub(1)).unwrap_or_default();
            let above_start = above.rfind('\n').map_or(0, |at| at + 1);
            let shown = line_start > 0 && line_start - above_start <= LONG_LINE;
            if shown { (above_start, (line.saturating_sub(1), 0)) } else { (line_start, (line, 0)) }
        };
        let last = if long {
            end = end.min(floor(start + SHOWN_MAX));
            floor((start + SHOWN_MAX).min(line_end))
        } else {
            let below = document.get(line_end + 1..).unwrap_or_default();
            let below_end = below.find('\n').map_or(document.len(), |at| line_end + 1 + at);
            if below_end.saturating_sub(line_end) <= LONG_LINE { below_end } else { line_end }
        };
        let text = document.get(first..last.max(first)).unwrap_or_default().to_owned();
        Excerpt { file, text, offset: first, span: start..end.max(start), text_at, span_at: (line, column) }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (text, offset, (line, column)) = if lines_before + lines_after == 0 {
            let from = self.span.start - self.offset;
            let text = self.text.get(from..self.span.end - self.offset).unwrap_or_default();
            (text, self.span.start, self.span_at)
        } else {
            (self.text.as_str(), self.offset, self.text_at)
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.to_string(),
            text.as_bytes(),
            (offset, text.len()).into(),
            line,
            column,
            text.lines().count(),
        )))
    }
}
