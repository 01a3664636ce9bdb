//! The long texts of the errors (`nwf-parse --explain CODE`).

/// Code and explanation of every problem of this stage.
pub const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "nwf::xml::not_well_formed",
        "The file is no XML document: a tag is not closed, a quote is missing, an attribute stands twice, or \
         something of this kind. The message points at the first place where reading could not go on. Nothing of \
         the file was read, so there may be further mistakes.",
    ),
    (
        "nwf::xml::document_type",
        "The file has a document type, <!DOCTYPE ...>. It could define entities that grow to any size or name \
         other files, and no filter needs one, so it is refused in both profiles. Remove it, and write out what \
         its entities stood for.",
    ),
    (
        "nwf::xml::unknown_entity",
        "The file refers to an entity, such as &name;, that XML does not predefine. Known are &amp; &lt; &gt; &quot; \
         &apos; and characters by number: &#233; in decimal, &#xe9; in hexadecimal. A bare & is written &amp;. A \
         number that stands for no character of XML, such as &#0;, is unknown too.",
    ),
    (
        "nwf::xml::forbidden_character",
        "XML has no control characters but tab, newline and carriage return, also not by number. A NUL near the \
         beginning means most often that the file is no text, or UTF-16.",
    ),
    (
        "nwf::xml::not_utf8",
        "The bytes of the file are no UTF-8 text. Files in other encodings are converted first, for example with \
         `iconv -f ISO-8859-1 -t UTF-8`; files that begin with the bytes ff fe or fe ff are UTF-16.",
    ),
    (
        "nwf::xml::encoding",
        "The XML declaration of the file names another encoding than UTF-8, but a file is read as UTF-8 only. Convert \
         the file, and change or remove `encoding='...'` in its first line.",
    ),
    (
        "nwf::xml::too_large",
        "An XML document can have 16 MiB. The largest filters that people write have some hundred kilobytes; long \
         lists of addresses belong into the parameters of a binding, or into IP sets.",
    ),
    (
        "nwf::xml::too_deep",
        "Elements can be nested 256 deep, as in libvirt. A filter needs three levels and a domain about ten.",
    ),
    (
        "nwf::xml::too_many_elements",
        "An XML document can have 500,000 elements and attributes together. A list of addresses needs one rule and a \
         parameter with many values, not one rule for each address.",
    ),
    (
        "nwf::xml::too_many_problems",
        "The first 200 problems of a file are told. If there is an error among the others, this is an error too. \
         A file with so many problems is most often read under the wrong profile (see --compat), or is no filter.",
    ),
    (
        "nwf::xml::unknown_root",
        "The outermost element decides what a file is. A `filter` is a filter; a `filterbinding` (or libvirt's status \
         file around it, `filterbindingstatus`) and an `interface` bind a filter to an interface; a `domain` \
         gives one binding for each of its interfaces that has a filterref.",
    ),
    (
        "nwf::xml::unknown_element",
        "An element stands where nothing of that name is known; names are case-sensitive. libvirt ignores such elements \
         with everything in them, so that a misspelt protocol makes a rule match all traffic. The profile `nwf` \
         refuses the file; with --compat libvirt the element is ignored with a warning.",
    ),
    (
        "nwf::xml::unknown_attribute",
        "An element has an attribute that it does not know; names are case-sensitive. libvirt ignores such attributes, so \
         that a misspelt address or port makes a rule match more than it says. The profile `nwf` refuses the file; \
         with --compat libvirt the attribute is ignored with a warning.",
    ),
    (
        "nwf::xml::only_ours",
        "The attribute `flags` of `tcp-ipv6` is in libvirt's schema, but libvirt ignores it. The profile `nwf` reads it \
         like that of `tcp`. In the profile `libvirt` it is ignored, so the rule matches more than it says.",
    ),
    (
        "nwf::xml::stray_text",
        "There is text between elements. It has no meaning and is not written back; most often a comment lost its \
         <!-- and -->, or a tag its <.",
    ),
    (
        "nwf::xml::repeated_element",
        "An element that can stand once stands again, for example a second <uuid> in a filter. libvirt takes the first \
         and ignores the others.",
    ),
    (
        "nwf::xml::missing_attribute",
        "An attribute is absent that its element needs: the name of a filter, action and direction of a rule, the \
         filter of a filterref, and so on. The same is said if it is empty where that counts as absent.",
    ),
    (
        "nwf::xml::missing_element",
        "An element is absent, or empty, that the one around it needs. A filterbinding has an owner (with name and \
         uuid), a portdev, a mac and a filterref; linkdev and backend are optional.",
    ),
    (
        "nwf::xml::empty_attribute",
        "For a filter's chain and priority an empty attribute counts as an absent one, as in libvirt. This is rarely \
         meant: a filter with chain='' has the chain `root`.",
    ),
    (
        "nwf::xml::bad_filter_name",
        "A filter's name, also where it is referred to, begins with a letter or `_` and goes on with letters, digits, \
         `.`, `-` and `_`, at most 255 bytes. libvirt checks no name, and stores files that it cannot read back; in \
         the profile `libvirt` only control characters are refused.",
    ),
    (
        "nwf::xml::bad_chain",
        "A chain is `root`, or begins with what decides which frames enter it: `mac`, `vlan`, `stp`, `arp`, `rarp`, \
         `ipv4` or `ipv6`. Anything out of letters, digits, `_`, `.`, `:` and `-` can follow, for example \
         `arp-gateway`, up to 12 characters in all. A name that begins with `root` and is longer is none.",
    ),
    (
        "nwf::xml::bad_priority",
        "Priorities of chains and rules are decimal numbers from -1000 to 1000; low ones come first. libvirt refuses a \
         bad one of a chain, and silently takes 500 for a bad one of a rule; the profile `libvirt` does the latter \
         with a warning.",
    ),
    (
        "nwf::xml::priority_without_chain",
        "The attribute `priority` of a filter is that of its chain. Without `chain` the filter is in the chain `root`, \
         whose priority is 0; libvirt checks the number and then forgets it. The order of the rules is decided by \
         their own priorities.",
    ),
    (
        "nwf::xml::bad_uuid",
        "A UUID has 32 hexadecimal digits. Dashes and blanks can stand anywhere between pairs of digits, so the usual \
         form with four dashes and the one without any are both read.",
    ),
    (
        "nwf::xml::bad_parameter",
        "A parameter has a name out of letters, digits and `_`, and a value out of letters, digits, `_`, `.` and `:` that \
         is not empty. Networks such as 10.0.0.0/8 are no values; use two attributes, address and mask. libvirt drops \
         a bad parameter without a word, and the variable then has no value; the profile `libvirt` drops it with a \
         warning. A list is written as several parameters of one name.",
    ),
    (
        "nwf::xml::bad_learning_method",
        "The parameter CTRL_IP_LEARNING says how the address of an interface is found if none is given: `any` from the \
         first packets, `dhcp` from the answers of a DHCP server, `none` not at all. Another value is found out only when \
         an address is missing, and the filter cannot be built then.",
    ),
    (
        "nwf::xml::learning_in_filter",
        "The parameter CTRL_IP_LEARNING is looked up where an interface is bound to its top-level filter, and nowhere \
         else. Inside a filter it has no effect.",
    ),
    (
        "nwf::xml::bad_action",
        "A rule's action is one of `drop` (discard), `accept` (let pass), `reject` (discard and answer), `return` (leave the \
         chain and go on in the calling one) and `continue` (go on with the next rule), in lower case.",
    ),
    (
        "nwf::xml::bad_direction",
        "A rule's direction is what the guest sees: `in` is traffic to the guest, `out` traffic from the guest, `inout` \
         both, in lower case.",
    ),
    (
        "nwf::xml::bad_statematch",
        "statematch='false' (or '0') switches off the check of the connection's state that a rule has otherwise. \
         libvirt ignores any other text, so the check stays on.",
    ),
    (
        "nwf::xml::bad_match",
        "match='no' negates the attributes of its element, each on its own; match='yes' is the same as none. \
         libvirt takes any text but `no` for `yes`, so match='false' matches what it was meant to exclude.",
    ),
    (
        "nwf::xml::second_protocol",
        "The first protocol element decides what a rule is about; further elements of the same protocol add to it. An \
         element of another protocol is ignored by libvirt. Write one rule for each protocol.",
    ),
    (
        "nwf::xml::overwritten",
        "A rule can have several elements of one protocol, for example to negate some attributes and not others. If two \
         of them give the same attribute, the last one counts and the other has no effect. Two addresses need two rules, \
         or a variable with two values.",
    ),
    (
        "nwf::xml::bad_value",
        "The value of an attribute is not of the kind that the attribute takes. Numbers are read as decimal first and, if \
         that fails, as hexadecimal: `10` is ten, `0x10` and `1f` are hexadecimal. A value that begins with `$` is a \
         variable. The profile `nwf` refuses odd forms that libvirt takes: signs and blanks in front of numbers, short, \
         octal or hexadecimal IPv4 addresses, any word for `false`, comments above 256 bytes, lists without separators.",
    ),
    (
        "nwf::xml::loose_value",
        "In the profile `libvirt` the value was read as libvirt reads it, which is probably not what was meant: negative \
         numbers wrap around, `012.0.0.1` is octal, any unknown word is `false`, long comments are cut, and words need no \
         comma between them. The profile `nwf` refuses such values.",
    ),
    (
        "nwf::xml::bad_mac",
        "A MAC address is six groups of one or two hexadecimal digits, separated by colons. Dashes, groups without \
         separators and text behind the address are refused.",
    ),
    (
        "nwf::xml::bad_interface_name",
        "The name of an interface has 1 to 15 bytes, is neither `.` nor `..`, and has no `/`, no `:`, no blanks and no \
         control characters. These are the limits of the kernel.",
    ),
    (
        "nwf::xml::bad_variable",
        "A value that begins with `$` is a variable: `$NAME` walks through its values, `$NAME[@N]` does so with iterator N \
         from 0 to 1000 (variables with the same iterator walk in step, different iterators give all combinations), and \
         `$NAME[N]` is always the value at position N, from 0. Blanks can stand inside the brackets only.",
    ),
    (
        "nwf::xml::loose_variable",
        "In the profile `libvirt` the variable was read as libvirt reads it: text behind `]` is dropped, and a name can be \
         empty. Such a variable never has the value that was meant. The profile `nwf` refuses it.",
    ),
    (
        "nwf::xml::variable_not_allowed",
        "The attributes `state`, `gratuitous` and `flags` of `tcp` take literal values only: libvirt accepts a variable \
         there, asks for its value, and then ignores it. In a comment `$` is an ordinary character.",
    ),
    (
        "nwf::xml::useless_variable",
        "In the profile `libvirt` a variable can stand in `state`, `gratuitous`, `flags` of `tcp` and `comment`. It must have a \
         value, or the filter cannot be built, but the value is ignored: `flags` then matches `NONE/NONE`, a comment is \
         lost.",
    ),
    (
        "nwf::xml::ipv4_range_end",
        "libvirt reads `dstipto` of the protocols over IPv6 as an IPv4 address. So an IPv6 address is refused there, and \
         an IPv4 address makes a rule that no packet can match. The profile `libvirt` refuses both; the profile `nwf` \
         reads an IPv6 address. A mask instead of a range works in both.",
    ),
    (
        "nwf::xml::ports_without_protocol",
        "In `ip` and `ipv6` a port has a meaning only if `protocol` says that there are ports: 6 (tcp), 17 (udp), 33 \
         (dccp) or 132 (sctp), by number or name. A variable is refused. The profile `nwf` looks at all elements of the \
         rule together; the profile `libvirt`, as libvirt does, wants `protocol` in the same element as the ports, or \
         in an earlier one.",
    ),
    (
        "nwf::xml::set_flags_alone",
        "The attribute `ipsetflags` says which fields of a packet are looked up in the set that `ipset` names. Without a \
         set it has no meaning; libvirt drops it, and the rule then matches all traffic.",
    ),
    (
        "nwf::xml::set_dropped",
        "libvirt uses IP sets in `all` and `all-ipv6` only. In other protocols it drops `ipset` and `ipsetflags` if both are \
         given, and `ipsetflags` if it stands alone, so that the rule matches more than it says. The profile `libvirt` does \
         the same with a warning; the profile `nwf` keeps them in every IP-layer protocol.",
    ),
    (
        "nwf::xml::set_without_flags",
        "libvirt adds ipsetflags='src' to an `ipset` that stands alone, except in `all` and `all-ipv6`. It can store such a \
         rule but not use it, and drops both when it reads the filter again. In the profile `nwf` `ipset` alone means \
         `ipsetflags='src'`, and works.",
    ),
    (
        "nwf::xml::no_effect",
        "The attribute is accepted and changes nothing: a mask without its address, the end of a range without its start, a \
         range beside an address, an ICMP code without type, `state` while `statematch` is off, `gratuitous` that is \
         false, or a sign that cannot be negated. In most cases an attribute is missing or misplaced.",
    ),
    (
        "nwf::xml::range_reversed",
        "The end of a range is below its start, so no packet is inside. libvirt does not look at it; what happens then \
         is decided by the firewall tool.",
    ),
    (
        "nwf::xml::sign_differs",
        "In libvirt some attributes take over the sign of another one: all ports that of `srcportstart`, ICMP codes and the ends \
         of ICMP ranges that of `type`. So <tcp match='no' dstportstart='80'/> is a positive match there. In the profile \
         `nwf` each attribute has the sign that it is written with; only masks and ends of ranges go with what they \
         belong to. The warning says that this file means something else to libvirt.",
    ),
    (
        "nwf::xml::sign_taken_over",
        "In the profile `libvirt` some attributes take over the sign of another one, whatever they are written with: masks \
         and ends of ranges that of their address or start, all ports that of `srcportstart`, ICMP codes that of `type`. \
         If that other one is absent they are positive.",
    ),
    (
        "nwf::xml::state_united",
        "If several elements of a rule have `state`, libvirt matches the states of all of them but prints and stores only \
         the last. So the rule changes its meaning when libvirt reads it again. The profile `nwf` prints them all.",
    ),
    (
        "nwf::xml::mac_and_ip",
        "All variables that one iterator walks must have equally many values. $MAC always has one; $IP has as many as \
         addresses are known. So the rule fails as soon as the interface has a second address. With $IP[@1] each address \
         is combined with the one MAC address.",
    ),
    (
        "nwf::xml::ip_rule_in_chain",
        "Rules of IP-layer protocols (tcp, udp, icmp, all, their IPv6 twins, and so on) do not live in the chains of the \
         Ethernet layer. They form one list, and those in filters with a chain come behind all those in filters \
         without, whatever their priorities are. Put such rules into a filter without `chain`, or use `ip` and `ipv6`.",
    ),
    (
        "nwf::xml::unsupported_interface",
        "A filter needs a network device on the host through which the guest's traffic passes. Interfaces of type \
         `network`, `bridge` and `ethernet` have one. For other types libvirt drops the filter without a word; the guest then \
         runs unfiltered. The profile `libvirt` does so with a warning.",
    ),
    ("nwf::xml::no_filter", "The document is an <interface> without <filterref>, so there is nothing to bind."),
    (
        "nwf::xml::duplicate_filter",
        "Two inputs define filters of one name. Which of them is meant cannot be told, so neither is taken.",
    ),
    (
        "nwf::xml::duplicate_binding",
        "Two inputs bind a filter to the same interface. An interface has one top-level filter; a filter that refers to \
         both gives it the rules of both.",
    ),
];
