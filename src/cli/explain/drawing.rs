//! Filter trees and chains as text, as Graphviz text and as a picture.
//!
//! What there is to draw is first turned into boxes with lines of text, and arrows between them; text, Graphviz and
//! SVG are three ways to write the same boxes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::words;
use crate::model::{self, Entry, FilterName, Filters, Layer, Profile, Protocol};
use crate::ruleset::{InterfaceRules, Orientation, Rule, Side, Step, Verdict};

/// A drawing: trees of boxes; a box that several others point to is drawn once.
#[derive(Debug, Default)]
pub struct Drawing {
    boxes: Vec<Shape>,
    /// Boxes that nothing points to.
    tops: Vec<usize>,
}

/// A box.
#[derive(Debug, Default)]
struct Shape {
    title: String,
    lines: Vec<Line>,
}

/// A line of a box, and the box that it points to.
#[derive(Debug)]
struct Line {
    text: String,
    to: Option<usize>,
}

impl Drawing {
    fn add(&mut self, title: String) -> usize {
        self.boxes.push(Shape { title, lines: Vec::new() });
        self.boxes.len() - 1
    }

    fn line(&mut self, shape: usize, text: String, to: Option<usize>) {
        if let Some(shape) = self.boxes.get_mut(shape) {
            shape.lines.push(Line { text, to });
        }
    }

    /// The chains of interfaces.
    pub fn of_rules(interfaces: &[&InterfaceRules], profile: Profile) -> Drawing {
        let mut drawing = Drawing::default();
        for rules in interfaces {
            let mut title = rules.binding.interface.to_string();
            if let Some(mac) = rules.binding.mac {
                let _ = write!(title, "  {mac}");
            }
            if let Some(filter) = &rules.binding.filter {
                let _ = write!(title, "  {filter}");
            }
            let top = drawing.add(title);
            drawing.tops.push(top);
            for side in Side::BOTH {
                drawing.ethernet(top, rules, side);
                drawing.ip(top, rules, side, profile);
            }
        }
        drawing
    }

    fn ethernet(&mut self, top: usize, rules: &InterfaceRules, side: Side) {
        let steps = rules.root(side);
        if steps.is_empty() {
            return;
        }
        let root = self.add(format!("{}, Ethernet layer: root", name(side)));
        self.line(top, name(side).to_owned() + ", Ethernet layer", Some(root));
        let orientation = |rule: &Rule| match (rule.direction, side) {
            (model::Direction::Inout, Side::FromGuest) => Orientation::Mirrored,
            _ => Orientation::AsWritten,
        };
        let mut last_of_root = None;
        for step in steps {
            match step {
                Step::Rule(rule) => {
                    self.line(root, line(rule, orientation(rule)), None);
                    last_of_root = Some(rule);
                }
                Step::Jump(chain) => {
                    last_of_root = None;
                    let content = self.add(format!("chain {} ({})", chain.name, name(side)));
                    let entry = words::entry(chain.name.prefix());
                    self.line(root, format!("{} chain {}: {entry}", chain.priority, chain.name), Some(content));
                    let mut last = None;
                    for rule in rules.chain(&chain.name, side) {
                        self.line(content, line(rule, orientation(rule)), None);
                        last = Some(rule);
                    }
                    self.end(content, last);
                }
            }
        }
        self.end(root, last_of_root);
    }

    /// What becomes of a frame that no rule of a chain matches, unless the last one matches all.
    fn end(&mut self, shape: usize, last: Option<&Rule>) {
        let all = |rule: &Rule| {
            let any_frame = matches!(rule.protocol, None | Some(Protocol::Mac)) && rule.expressions.is_empty();
            any_frame && rule.verdict != Verdict::Continue
        };
        if !last.is_some_and(all) {
            self.line(shape, "end: accept".to_owned(), None);
        }
    }

    fn ip(&mut self, top: usize, rules: &InterfaceRules, side: Side, profile: Profile) {
        for layer in [Layer::Ipv4, Layer::Ipv6] {
            let of_layer = rules.ip_rules().filter(|rule| rule.layer() == layer);
            let standing: Vec<(&Rule, Orientation)> = of_layer
                .filter_map(|rule| {
                    let placement = rule.placements(profile).into_iter().find(|placement| placement.side == side)?;
                    Some((rule, placement.orientation))
                })
                .collect();
            if standing.is_empty() {
                continue;
            }
            let title = format!("{}, {}", name(side), words::layer(layer));
            let list = self.add(title.clone());
            self.line(top, title, Some(list));
            for (rule, orientation) in standing {
                self.line(list, line(rule, orientation), None);
            }
            self.line(list, "end: accept".to_owned(), None);
        }
    }

    /// The trees of filters, from bindings and from filters that no other refers to.
    pub fn of_filters(filters: &Filters) -> Drawing {
        let mut drawing = Drawing::default();
        let mut known: BTreeMap<&FilterName, usize> = BTreeMap::new();
        for filter in &filters.filters {
            let title = format!("{}  chain {} ({})", filter.name, filter.chain, filter.priority);
            let shape = drawing.add(title);
            known.entry(&filter.name).or_insert(shape);
        }
        let mut referred = BTreeSet::new();
        for filter in &filters.filters {
            let Some(own) = known.get(&filter.name).copied() else { continue };
            let mut number = 0;
            for entry in &filter.entries {
                match entry {
                    Entry::Rule(rule) => {
                        number += 1;
                        drawing.line(own, format!("{number}. {}", written(rule)), None);
                    }
                    Entry::Reference(reference) => {
                        let to = known.get(&reference.filter).copied();
                        referred.extend(to);
                        let text = drawing.reference(&reference.filter, to);
                        drawing.line(own, text, to);
                    }
                }
            }
        }
        for binding in &filters.bindings {
            let interface = binding.interface.as_ref().map_or("(no interface)", |interface| interface.as_str());
            let mac = binding.mac.map_or(String::new(), |mac| format!("  {mac}"));
            let top = drawing.add(format!("{interface}{mac}"));
            drawing.tops.push(top);
            for (name, values) in &binding.parameters {
                drawing.line(top, format!("{name}={}", values.join(",")), None);
            }
            let to = known.get(&binding.filter).copied();
            referred.extend(to);
            let text = drawing.reference(&binding.filter, to);
            drawing.line(top, text, to);
        }
        let unreferred = known.values().copied().filter(|shape| !referred.contains(shape));
        drawing.tops.extend(unreferred);
        // A cycle has no beginning: its first filter is one.
        let seen = drawing.reached();
        let lost = (0..drawing.boxes.len()).find(|shape| !seen.contains(shape));
        drawing.tops.extend(lost);
        drawing
    }

    /// A reference to a filter: its title, where it is known.
    fn reference(&self, name: &FilterName, to: Option<usize>) -> String {
        match to.and_then(|to| self.boxes.get(to)) {
            Some(shape) => format!("filter {}", shape.title),
            None => format!("filter {name}  (not in the document)"),
        }
    }

    fn reached(&self) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut next = self.tops.clone();
        while let Some(shape) = next.pop() {
            if seen.insert(shape)
                && let Some(shape) = self.boxes.get(shape)
            {
                next.extend(shape.lines.iter().filter_map(|line| line.to));
            }
        }
        seen
    }

    /// Indented text. A box is told where it is first pointed to; later its title stands alone.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut seen = BTreeSet::new();
        for top in &self.tops {
            let title = self.boxes.get(*top).map_or("", |shape| shape.title.as_str());
            let _ = writeln!(text, "{title}");
            seen.insert(*top);
            self.branch(*top, "", &mut seen, &mut text);
        }
        text
    }

    fn branch(&self, shape: usize, indent: &str, seen: &mut BTreeSet<usize>, text: &mut String) {
        let Some(shape) = self.boxes.get(shape) else { return };
        for (position, line) in shape.lines.iter().enumerate() {
            let last = position + 1 == shape.lines.len();
            let (corner, below) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
            let again = line.to.is_some_and(|to| !seen.insert(to));
            let above = if again { "  (see above)" } else { "" };
            let _ = writeln!(text, "{indent}{corner}{}{above}", line.text);
            if let Some(to) = line.to
                && !again
                && indent.chars().count() < DEPTH_MAX * 4
            {
                self.branch(to, &format!("{indent}{below}"), seen, text);
            }
        }
    }

    /// Text for Graphviz' `dot`.
    pub fn dot(&self) -> String {
        let mut text =
            "digraph nwf {\n  rankdir=LR;\n  node [shape=box, fontname=monospace, fontsize=10];\n".to_owned();
        for (number, shape) in self.boxes.iter().enumerate() {
            let mut label = escape_dot(&shape.title) + "\\l";
            if !shape.lines.is_empty() {
                label.push_str("\\l");
            }
            for line in &shape.lines {
                label.push_str(&(escape_dot(&line.text) + "\\l"));
            }
            let _ = writeln!(text, "  n{number} [label=\"{label}\"];");
        }
        for (number, shape) in self.boxes.iter().enumerate() {
            let targets: BTreeSet<usize> = shape.lines.iter().filter_map(|line| line.to).collect();
            for to in targets {
                let _ = writeln!(text, "  n{number} -> n{to};");
            }
        }
        text + "}\n"
    }

    /// A picture: boxes in columns, by how far they are from the left, and a curve from each line to its box.
    pub fn svg(&self) -> String {
        let places = self.layout();
        let width = places.iter().map(|place| place.x + place.width).max().unwrap_or_default() + MARGIN;
        let height = places.iter().map(|place| place.y + place.height).max().unwrap_or_default() + MARGIN;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for (shape, place) in self.boxes.iter().zip(&places) {
            let Place { x, y, width, height } = *place;
            let _ = writeln!(
                text,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"#f4f7fb\" stroke=\"#4a6785\"/>"
            );
            let (left, first) = (x + PADDING, y + LINE);
            let title = escape_xml(&cut(&shape.title));
            let _ = writeln!(text, "<text x=\"{left}\" y=\"{first}\" font-weight=\"bold\">{title}</text>");
            for (position, line) in shape.lines.iter().enumerate() {
                let base = line_y(*place, position);
                let shown = escape_xml(&cut(&line.text));
                let _ = writeln!(text, "<text x=\"{left}\" y=\"{base}\">{shown}</text>");
                if let Some(to) = line.to.and_then(|to| places.get(to)) {
                    let (x1, y1, x2, y2) = (x + width, base - LINE / 3, to.x, to.y + LINE - LINE / 3);
                    let (c1, c2) = (x1 + GAP / 2, x2 - GAP / 2);
                    let _ = writeln!(
                        text,
                        "<path d=\"M {x1} {y1} C {c1} {y1} {c2} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#4a6785\"/>\n\
                         <circle cx=\"{x2}\" cy=\"{y2}\" r=\"3\" fill=\"#4a6785\"/>"
                    );
                }
            }
        }
        text + "</svg>\n"
    }

    /// Where each box stands: its column is its longest distance from a top, and it stands no higher than the box
    /// that first points to it.
    fn layout(&self) -> Vec<Place> {
        let mut column = vec![0_usize; self.boxes.len()];
        // A box is moved right of what points to it; cycles end after as many rounds as there are boxes.
        for _ in 0..self.boxes.len().min(COLUMNS_MAX) {
            let mut moved = false;
            for (number, shape) in self.boxes.iter().enumerate() {
                let own = column.get(number).copied().unwrap_or_default();
                for to in shape.lines.iter().filter_map(|line| line.to) {
                    if let Some(place) = column.get_mut(to)
                        && *place <= own
                        && own < COLUMNS_MAX
                    {
                        *place = own + 1;
                        moved = true;
                    }
                }
            }
            if !moved {
                break;
            }
        }
        let columns = column.iter().max().map_or(0, |last| last + 1);
        let mut left = vec![MARGIN; columns + 1];
        for number in 0..columns {
            let here = self.boxes.iter().zip(&column).filter(|(_, column)| **column == number);
            let widest = here.map(|(shape, _)| shape.width()).max().unwrap_or_default();
            let next = left.get(number).copied().unwrap_or_default() + widest + GAP;
            if let Some(place) = left.get_mut(number + 1) {
                *place = next;
            }
        }
        let mut free = vec![MARGIN; columns];
        let mut places = vec![Place::default(); self.boxes.len()];
        let mut order: Vec<usize> = (0..self.boxes.len()).collect();
        order.sort_by_key(|number| column.get(*number).copied());
        let mut wanted = vec![0; self.boxes.len()];
        for number in order {
            let (Some(shape), Some(own)) = (self.boxes.get(number), column.get(number).copied()) else { continue };
            let Some(y) = free.get_mut(own) else { continue };
            let at = (*y).max(wanted.get(number).copied().unwrap_or_default());
            let place = Place {
                x: left.get(own).copied().unwrap_or_default(),
                y: at,
                width: shape.width(),
                height: shape.height(),
            };
            *y = at + place.height + MARGIN;
            for to in shape.lines.iter().filter_map(|line| line.to) {
                if let Some(wish) = wanted.get_mut(to)
                    && *wish == 0
                {
                    *wish = at;
                }
            }
            if let Some(slot) = places.get_mut(number) {
                *slot = place;
            }
        }
        places
    }
}

/// How deep a tree is told as text.
const DEPTH_MAX: usize = 100;
/// Pixels around boxes.
const MARGIN: usize = 16;
/// Pixels between columns.
const GAP: usize = 60;
/// Pixels left of a text.
const PADDING: usize = 8;
/// Pixels from line to line.
const LINE: usize = 16;
/// Pixels of a character, in tenths.
const CHARACTER_TENTHS: usize = 73;
/// Longest text in a box; longer ones are cut.
const TEXT_MAX: usize = 90;
/// Most columns.
const COLUMNS_MAX: usize = 64;

/// Where a box stands, in pixels.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

fn line_y(place: Place, position: usize) -> usize {
    place.y + LINE * (position + 2) + LINE / 4
}

impl Shape {
    fn width(&self) -> usize {
        let texts = self.lines.iter().map(|line| &line.text).chain([&self.title]);
        let longest = texts.map(|text| text.chars().count().min(TEXT_MAX)).max().unwrap_or_default();
        longest * CHARACTER_TENTHS / 10 + 2 * PADDING
    }

    fn height(&self) -> usize {
        LINE * (self.lines.len() + 1) + LINE
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= TEXT_MAX {
        return text.to_owned();
    }
    text.chars().take(TEXT_MAX - 3).chain("...".chars()).collect()
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn escape_dot(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ")
}

fn name(side: Side) -> &'static str {
    match side {
        Side::FromGuest => "from the guest",
        Side::ToGuest => "to the guest",
    }
}

fn line(rule: &Rule, orientation: Orientation) -> String {
    format!("{} {}  [{}]", rule.priority, words::rule(rule, orientation), words::place(&rule.provenance))
}

/// A rule as it is written in a filter.
fn written(rule: &model::Rule) -> String {
    let mut text = format!("{} {} {}", rule.priority, rule.action.name(), rule.direction.name());
    if let Some(protocol) = rule.protocol {
        let _ = write!(text, " {protocol}");
        for item in &rule.items {
            let Some(row) = protocol.row(item.attribute) else { continue };
            let equal = if item.negated { "!=" } else { "=" };
            let _ = write!(text, " {}{equal}{}", item.attribute, item.print(row.kind));
        }
    }
    if !rule.statematch {
        text.push_str(" statematch=false");
    }
    text
}
