//! Rules as text for people, and what differs between two texts.

use std::fmt::Write as _;

use super::change::comment;
use super::kernel::Comments;
use super::state::Record;
use crate::model::InterfaceName;
use crate::plan::{Link, PlanChain, Rendering};

/// An interface's rules as a person reads them. With `found`, the rules are those that the kernel was found to have.
pub fn text(interface: &InterfaceName, rendering: &Rendering, found: Option<&Comments>, setup: bool) -> String {
    let mut text = format!("interface {interface}\n");
    if setup {
        for statement in &rendering.setup {
            let _ = writeln!(text, "  {statement}");
        }
    }
    for PlanChain { table, name, lines } in &rendering.chains {
        let recorded: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let lines = match found {
            None => recorded.iter().map(|line| (*line).to_owned()).collect(),
            Some(found) => match found.get(&(*table, name.clone())) {
                None => continue,
                Some(comments) => aligned(&recorded, comments),
            },
        };
        let _ = writeln!(text, "  chain {table} {name}");
        for line in lines {
            let _ = writeln!(text, "    {line}");
        }
    }
    for Link { table, from, to, .. } in &rendering.links {
        let _ = writeln!(text, "  link {table} {from} -> {to}");
    }
    text
}

/// The recorded rules that the kernel still has, told by their comments, with those that nobody recorded.
fn aligned(recorded: &[&str], comments: &[Option<String>]) -> Vec<String> {
    let mut rest = recorded.iter();
    let mut lines = Vec::new();
    for found in comments {
        let mut ahead = rest.clone();
        if let Some(line) = ahead.find(|line| comment(line) == found.as_deref()) {
            lines.push((*line).to_owned());
            rest = ahead;
        } else {
            let name = found.as_deref().unwrap_or("none");
            lines.push(format!("# a rule that is not of the plan (comment: {name})"));
        }
    }
    lines
}

/// Text of a record, without the constant part.
pub fn record(record: &Record, found: Option<&Comments>, setup: bool) -> String {
    text(record.interface(), &record.rendering, found, setup)
}

/// Lines around a difference that are shown with it.
const CONTEXT: usize = 3;

/// Above this number of cells the middle of two texts is shown as wholly different: no person compares as many lines.
const CELLS_MAX: usize = 4_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit<'a> {
    Keep(&'a str),
    Drop(&'a str),
    Add(&'a str),
}

/// The unified diff of two texts; empty if they are equal.
pub fn unified(before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let edits = edits(&before.lines().collect::<Vec<_>>(), &after.lines().collect::<Vec<_>>());
    let changed: Vec<usize> =
        edits.iter().enumerate().filter(|(_, edit)| !matches!(edit, Edit::Keep(_))).map(|(at, _)| at).collect();
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for at in changed {
        let (start, end) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(edits.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            _ => hunks.push((start, end)),
        }
    }
    let mut text = "--- in force\n+++ planned\n".to_owned();
    let (mut old, mut new, mut at) = (0, 0, 0);
    for (start, end) in hunks {
        let count = |edits: &[Edit<'_>]| {
            let olds = edits.iter().filter(|edit| !matches!(edit, Edit::Add(_))).count();
            let news = edits.iter().filter(|edit| !matches!(edit, Edit::Drop(_))).count();
            (olds, news)
        };
        let (skipped, hunk) = (edits.get(at..start).unwrap_or_default(), edits.get(start..end).unwrap_or_default());
        let ((skipped_old, skipped_new), (olds, news)) = (count(skipped), count(hunk));
        old += skipped_old;
        new += skipped_new;
        // An empty side is numbered by the line in front of it.
        let first = |line: usize, lines: usize| if lines == 0 { line } else { line + 1 };
        let _ = writeln!(text, "@@ -{},{olds} +{},{news} @@", first(old, olds), first(new, news));
        for edit in hunk {
            let _ = match edit {
                Edit::Keep(line) => writeln!(text, " {line}"),
                Edit::Drop(line) => writeln!(text, "-{line}"),
                Edit::Add(line) => writeln!(text, "+{line}"),
            };
        }
        old += olds;
        new += news;
        at = end;
    }
    text
}

/// The way from one list of lines to another, with the longest common subsequence kept.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (kept, old) = old.split_at(head);
    let new = new.get(head..).unwrap_or_default();
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, end) = old.split_at(old.len() - tail);
    let new = new.get(..new.len() - tail).unwrap_or_default();

    let mut edits: Vec<Edit<'a>> = kept.iter().map(|line| Edit::Keep(line)).collect();
    if old.len().saturating_mul(new.len()) > CELLS_MAX {
        edits.extend(old.iter().map(|line| Edit::Drop(line)));
        edits.extend(new.iter().map(|line| Edit::Add(line)));
    } else {
        middle(old, new, &mut edits);
    }
    edits.extend(end.iter().map(|line| Edit::Keep(line)));
    edits
}

fn middle<'a>(old: &[&'a str], new: &[&'a str], edits: &mut Vec<Edit<'a>>) {
    // Length of the longest common subsequence of what follows each pair of places.
    let width = new.len() + 1;
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    let at = |longest: &[u32], i: usize, j: usize| longest.get(i * width + j).copied().unwrap_or_default();
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let length = if a == b {
                at(&longest, i + 1, j + 1) + 1
            } else {
                at(&longest, i + 1, j).max(at(&longest, i, j + 1))
            };
            if let Some(cell) = longest.get_mut(i * width + j) {
                *cell = length;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                edits.push(Edit::Keep(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || at(&longest, i + 1, j) >= at(&longest, i, j + 1) => {
                edits.push(Edit::Drop(a));
                i += 1;
            }
            (_, Some(b)) => {
                edits.push(Edit::Add(b));
                j += 1;
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ui_11_a_diff_is_unified() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n";
        let after = "a\nb\nC\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n";
        insta::assert_snapshot!(unified(before, after), @r"
        --- in force
        +++ planned
        @@ -1,6 +1,6 @@
         a
         b
        -c
        +C
         d
         e
         f
        @@ -10,3 +10,4 @@
         j
         k
         l
        +m
        ");
        assert_eq!(unified(before, before), "");
        assert_eq!(unified("", "x\n"), "--- in force\n+++ planned\n@@ -0,0 +1,1 @@\n+x\n");
        assert_eq!(unified("x\n", ""), "--- in force\n+++ planned\n@@ -1,1 +0,0 @@\n-x\n");
    }

    proptest::proptest! {
        /// Taking one side of the edits gives that side's text, whatever the texts are.
        #[test]
        fn a_diff_leads_from_one_text_to_the_other(old in "[abc\n]{0,40}", new in "[abc\n]{0,40}") {
            let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
            let edits = edits(&old, &new);
            let olds: Vec<&str> = edits.iter().filter_map(|edit| match edit {
                Edit::Keep(line) | Edit::Drop(line) => Some(*line),
                Edit::Add(_) => None,
            }).collect();
            let news: Vec<&str> = edits.iter().filter_map(|edit| match edit {
                Edit::Keep(line) | Edit::Add(line) => Some(*line),
                Edit::Drop(_) => None,
            }).collect();
            proptest::prop_assert_eq!(olds, old);
            proptest::prop_assert_eq!(news, new);
        }
    }
}
