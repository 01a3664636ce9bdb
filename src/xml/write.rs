//! The canonical form of filters and bindings (spec 01, section 9; XML-122).
//!
//! What is printed here reads back as the same value, under the same profile.

use std::fmt::Write;

use crate::model::{
    Binding, Entry, Filter, InterfaceName, MacAddr, Owner, Parameters, Priority, Profile, Reference, Rule,
};

/// Prints a filter (XML-90 to XML-97) for readers of a profile.
///
/// A chain priority of 0 is left out as XML-91 has it, unless the profile would then read another one.
pub fn write_filter(filter: &Filter, profile: Profile) -> String {
    let mut out = String::new();
    put(&mut out, format_args!("<filter name='{}' chain='{}'", escape(filter.name.as_str()), filter.chain));
    let default = filter.chain.prefix().default_priority(profile);
    if filter.priority != Priority::ZERO || default != Priority::ZERO {
        put(&mut out, format_args!(" priority='{}'", filter.priority));
    }
    put(&mut out, format_args!(">\n  <uuid>{}</uuid>\n", filter.printed_uuid()));
    for entry in &filter.entries {
        match entry {
            Entry::Rule(rule) => write_rule(&mut out, rule),
            Entry::Reference(Reference { filter, parameters, .. }) => {
                write_reference(&mut out, "  ", filter.as_str(), parameters);
            }
        }
    }
    out.push_str("</filter>\n");
    out
}

/// Prints a binding in the first of these forms that can hold it: `<filterbinding>` (XML-122) if it has owner,
/// interface and MAC; `<domain>` if it has an owner; `<interface>`. Only the first has a place for a link
/// device and a backend.
pub fn write_binding(binding: &Binding) -> String {
    let mut out = String::new();
    match (&binding.owner, &binding.interface, &binding.mac) {
        (Some(owner), Some(interface), Some(mac)) => write_filter_binding(&mut out, binding, owner, interface, *mac),
        (Some(owner), _, _) => {
            let (name, uuid) = (escape(&owner.name), owner.uuid);
            put(&mut out, format_args!("<domain>\n  <name>{name}</name>\n  <uuid>{uuid}</uuid>\n  <devices>\n"));
            write_interface(&mut out, "    ", binding);
            out.push_str("  </devices>\n</domain>\n");
        }
        (None, _, _) => write_interface(&mut out, "", binding),
    }
    out
}

fn write_filter_binding(out: &mut String, binding: &Binding, owner: &Owner, interface: &InterfaceName, mac: MacAddr) {
    out.push_str("<filterbinding>\n  <owner>\n");
    put(out, format_args!("    <name>{}</name>\n    <uuid>{}</uuid>\n", escape(&owner.name), owner.uuid));
    put(out, format_args!("  </owner>\n  <portdev name='{}'/>\n", escape(interface.as_str())));
    if let Some(link) = &binding.link_device {
        put(out, format_args!("  <linkdev name='{}'/>\n", escape(link.as_str())));
    }
    put(out, format_args!("  <mac address='{mac}'/>\n"));
    write_reference(out, "  ", binding.filter.as_str(), &binding.parameters);
    if let Some(backend) = &binding.backend {
        put(out, format_args!("  <backend name='{}'/>\n", escape(backend)));
    }
    out.push_str("</filterbinding>\n");
}

fn write_interface(out: &mut String, indent: &str, binding: &Binding) {
    put(out, format_args!("{indent}<interface type='bridge'>\n"));
    if let Some(mac) = &binding.mac {
        put(out, format_args!("{indent}  <mac address='{mac}'/>\n"));
    }
    if let Some(interface) = &binding.interface {
        put(out, format_args!("{indent}  <target dev='{}'/>\n", escape(interface.as_str())));
    }
    write_reference(out, &format!("{indent}  "), binding.filter.as_str(), &binding.parameters);
    put(out, format_args!("{indent}</interface>\n"));
}

/// XML-96.
fn write_reference(out: &mut String, indent: &str, filter: &str, parameters: &Parameters) {
    put(out, format_args!("{indent}<filterref filter='{}'", escape(filter)));
    if parameters.values().all(Vec::is_empty) {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for (name, values) in parameters {
        for value in values {
            put(out, format_args!("{indent}  <parameter name='{name}' value='{}'/>\n", escape(value)));
        }
    }
    put(out, format_args!("{indent}</filterref>\n"));
}

/// XML-93 and XML-94.
fn write_rule(out: &mut String, rule: &Rule) {
    let (action, direction) = (rule.action.name(), rule.direction.name());
    put(out, format_args!("  <rule action='{action}' direction='{direction}' priority='{}'", rule.priority));
    if !rule.statematch {
        out.push_str(" statematch='false'");
    }
    let Some(protocol) = rule.protocol else {
        out.push_str("/>\n");
        return;
    };
    put(out, format_args!(">\n    <{protocol}"));
    // The sign of the open element, once an attribute has fixed it.
    let mut sign = None;
    for item in &rule.items {
        // An attribute that the protocol does not take cannot be in a rule that was read or checked.
        let Some(row) = protocol.row(item.attribute) else { continue };
        if sign.is_some_and(|sign| sign != item.negated) {
            put(out, format_args!("/>\n    <{protocol}"));
            sign = None;
        }
        if sign.is_none() {
            sign = Some(item.negated);
            if item.negated {
                out.push_str(" match='no'");
            }
        }
        put(out, format_args!(" {}='{}'", item.attribute, escape(&item.print(row.kind))));
    }
    out.push_str("/>\n  </rule>\n");
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A `String` takes everything.
    let _ = out.write_fmt(text);
}

/// XML-60: a text that cannot leave its quotes. White space that an attribute would lose is written by number;
/// characters that XML does not have are dropped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}
