//! Questions to nftables, asked of the kernel itself: a program that lists rules takes a hundred times as long.
//!
//! Numbers are those of `linux/netlink.h`, `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`; comments lie
//! in the user data of tables, elements and rules as libnftnl writes them: type, length, text with a NUL.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, socket,
};

use super::runner::Element;
use crate::plan::Table;

/// Largest answer, in bytes: the kernel writes at most 32 KiB at once.
const ANSWER_MAX: usize = 64 * 1024;

/// How often a listing is asked for again that somebody has changed under way.
const TRIES: u32 = 20;

const REQUEST: u16 = 0x1;
const DUMP: u16 = 0x300;
/// In an answer: the rules have changed since the listing began.
const INTERRUPTED: u16 = 0x10;
const ERROR: u16 = 2;
const DONE: u16 = 3;

const SUBSYSTEM: u16 = 10 << 8;
const GET_TABLE: u16 = 1;
const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;
const GET_ELEMENTS: u16 = 13;
const GET_GENERATION: u16 = 16;

const FAMILY_INET: u8 = 1;
const FAMILY_BRIDGE: u8 = 7;

const TABLE_NAME: u16 = 1;
const TABLE_USERDATA: u16 = 6;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_USERDATA: u16 = 7;
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_USERDATA: u16 = 6;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
const GENERATION_ID: u16 = 1;
/// The verdict `jump`.
const JUMP: i32 = -3;
/// The comment in user data.
const COMMENT: u8 = 0;

/// The name of our tables.
const NWF: &str = "nwf";

/// The generation of rules.
///
/// # Errors
/// The kernel refuses.
pub fn generation() -> io::Result<u32> {
    let answers = ask(0, GET_GENERATION, false, &[])?;
    let id = answers.iter().find_map(|answer| find(answer, GENERATION_ID));
    id.and_then(number).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The comment of a table, empty if it has none; none if there is no such table.
///
/// # Errors
/// The kernel refuses.
pub fn table(table: Table) -> io::Result<Option<String>> {
    let answers = existing(ask(family(table), GET_TABLE, false, &[(TABLE_NAME, NWF)]))?;
    Ok(answers.and_then(|answers| answers.first().map(|answer| comment(answer, TABLE_USERDATA).unwrap_or_default())))
}

/// The elements of a map of interface names; none if there is no such map.
///
/// # Errors
/// The kernel refuses.
pub fn elements(map: &str) -> io::Result<Vec<Element>> {
    let names = [(LIST_TABLE, NWF), (LIST_SET, map)];
    let answers = existing(ask(FAMILY_BRIDGE, GET_ELEMENTS, true, &names))?.unwrap_or_default();
    let lists = answers.iter().filter_map(|answer| find(answer, LIST_ELEMENTS));
    Ok(lists.flat_map(attributes).filter_map(|(_, element)| read_element(element)).collect())
}

fn read_element(element: &[u8]) -> Option<Element> {
    let key = find(find(element, ELEMENT_KEY)?, DATA_VALUE)?;
    let verdict = find(element, ELEMENT_DATA).and_then(|data| find(data, DATA_VERDICT));
    let target = verdict.and_then(|verdict| {
        let code = number(find(verdict, VERDICT_CODE)?)?;
        (code == JUMP.cast_unsigned()).then(|| find(verdict, VERDICT_CHAIN).map(text))?
    });
    Some(Element { interface: text(key), target, comment: comment(element, ELEMENT_USERDATA) })
}

/// The names of all chains of our table in the bridge family.
///
/// # Errors
/// The kernel refuses.
pub fn chains() -> io::Result<Vec<String>> {
    let answers = ask(FAMILY_BRIDGE, GET_CHAIN, true, &[])?;
    let ours = answers.iter().filter(|answer| find(answer, CHAIN_TABLE).map(text).as_deref() == Some(NWF));
    Ok(ours.filter_map(|answer| find(answer, CHAIN_NAME).map(text)).collect())
}

/// The comments of the rules of a chain, in order; none if there is no such chain.
///
/// # Errors
/// The kernel refuses.
pub fn rules(table: Table, chain: &str) -> io::Result<Option<Vec<Option<String>>>> {
    let names = [(CHAIN_TABLE, NWF), (CHAIN_NAME, chain)];
    if existing(ask(family(table), GET_CHAIN, false, &names))?.is_none() {
        return Ok(None);
    }
    let names = [(RULE_TABLE, NWF), (RULE_CHAIN, chain)];
    let answers = existing(ask(family(table), GET_RULE, true, &names))?.unwrap_or_default();
    Ok(Some(answers.iter().map(|answer| comment(answer, RULE_USERDATA)).collect()))
}

fn family(table: Table) -> u8 {
    if table == Table::InetNwf { FAMILY_INET } else { FAMILY_BRIDGE }
}

/// What does not exist is no error.
fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks one question; gives the attributes of each message of the answer.
fn ask(family: u8, question: u16, is_dump: bool, names: &[(u16, &str)]) -> io::Result<Vec<Vec<u8>>> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    let request = request(family, question, is_dump, names);
    for _ in 0..TRIES {
        sendto(socket.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        if let Some(answers) = answers(&socket, is_dump)? {
            return Ok(answers);
        }
    }
    Err(io::Error::from(Errno::EINTR))
}

fn request(family: u8, question: u16, is_dump: bool, names: &[(u16, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, name) in names {
        let length = u16::try_from(4 + name.len() + 1).unwrap_or(u16::MAX);
        body.extend(length.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(name.as_bytes());
        body.push(0);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    // Length, type, flags, sequence, sender; then family, version, resource.
    let mut request = Vec::with_capacity(20 + body.len());
    request.extend(u32::try_from(20 + body.len()).unwrap_or(u32::MAX).to_ne_bytes());
    request.extend((SUBSYSTEM | question).to_ne_bytes());
    request.extend((REQUEST | if is_dump { DUMP } else { 0 }).to_ne_bytes());
    request.extend([0; 8]);
    request.extend([family, 0, 0, 0]);
    request.extend(body);
    request
}

/// Reads an answer to its end; none if it is to be asked for again.
fn answers(socket: &OwnedFd, is_dump: bool) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut buffer = vec![0; ANSWER_MAX];
    let mut answers = Vec::new();
    let mut is_whole = true;
    loop {
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((message, next)) = split(rest) {
            rest = next;
            let (kind, flags) = (short(message, 4).unwrap_or(ERROR), short(message, 6).unwrap_or_default());
            is_whole &= flags & INTERRUPTED == 0;
            if kind == ERROR || kind == DONE {
                let code = message.get(16..20).and_then(|bytes| Some(i32::from_ne_bytes(bytes.try_into().ok()?)));
                return match code.unwrap_or_default() {
                    0 => Ok(is_whole.then_some(answers)),
                    code if code == -(Errno::EINTR as i32) => Ok(None),
                    code => Err(io::Error::from_raw_os_error(-code)),
                };
            }
            answers.push(message.get(20..).unwrap_or_default().to_vec());
            if !is_dump {
                return Ok(Some(answers));
            }
        }
    }
}

/// The first message, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?)).ok()?;
    if length < 16 {
        return None;
    }
    Some((bytes.get(..length)?, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Type and content of each attribute.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(short(bytes, 0)?);
        // The two highest bits say that it is nested, or in network order.
        let kind = short(bytes, 2)? & 0x3fff;
        let content = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, content))
    })
}

fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, content)| (kind == wanted).then_some(content))
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Text up to a NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// The comment in the user data of an object; none if it has none.
fn comment(object: &[u8], userdata: u16) -> Option<String> {
    let mut bytes = find(object, userdata)?;
    loop {
        let (kind, length) = (*bytes.first()?, usize::from(*bytes.get(1)?));
        let content = bytes.get(2..2 + length)?;
        if kind == COMMENT {
            return Some(text(content));
        }
        bytes = bytes.get(2 + length..)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(content.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn an_element_is_read() {
        let verdict =
            [attribute(VERDICT_CODE, &JUMP.to_be_bytes()), attribute(VERDICT_CHAIN, b"i.vnet0.l2o\0")].concat();
        let element = [
            attribute(ELEMENT_KEY | 0x8000, &attribute(DATA_VALUE, b"vnet0\0\0\0\0\0\0\0\0\0\0\0")),
            attribute(ELEMENT_DATA | 0x8000, &attribute(DATA_VERDICT | 0x8000, &verdict)),
            attribute(ELEMENT_USERDATA, b"\x05\x01x\x00\x05h=12\0"),
        ]
        .concat();
        let expected = Element {
            interface: "vnet0".to_owned(),
            target: Some("i.vnet0.l2o".to_owned()),
            comment: Some("h=12".to_owned()),
        };
        assert_eq!(read_element(&element), Some(expected));
        // Cut anywhere it is still no reason to panic.
        for length in 0..element.len() {
            let _ = read_element(&element[..length]);
        }
    }

    #[test]
    fn requests_are_aligned() {
        let bytes = request(FAMILY_BRIDGE, GET_RULE, true, &[(RULE_TABLE, "nwf"), (RULE_CHAIN, "i.vnet0.l2o")]);
        assert_eq!(bytes.len(), 20 + 8 + 16);
        assert_eq!(split(&bytes).unwrap().0.len(), bytes.len());
        assert_eq!(find(&bytes[20..], RULE_CHAIN).map(text).as_deref(), Some("i.vnet0.l2o"));
    }

    #[test]
    fn questions_are_answered_or_refused_but_never_waited_for() {
        // Without privileges the kernel refuses; either way the calls come back.
        let _ = (generation(), table(Table::InetNwf), elements("l2o"), chains(), rules(Table::BridgeNwf, "x"));
    }
}
