//! Owns what a single member of a manifest can hold beyond its type: ranges, lengths, counts and forms. Each bound is
//! said once and kept twice, by the reader and by the JSON Schema, so that the two can't drift apart.
//! Never holds a rule that needs two members: those are in `check`.

use std::collections::BTreeSet;

use super::node::Node;
use super::read::Pointer;
use crate::fault::Fault;

/// What a member can hold. A form is kept by `check`, which has better words than "does not match".
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "schema"),
    expect(dead_code, reason = "forms are kept by `check` here, and read by the schema")
)]
pub(crate) enum Bound {
    /// Whatever its type can.
    Free,
    /// A whole number in a range.
    Whole { min: i64, max: i64 },
    /// A text without control characters.
    Line { min: u32, max: u32 },
    /// A text of a form.
    Form { pattern: &'static str, max: u32 },
    /// A list of texts without control characters, none of them twice.
    Lines { items: u32, each: u32 },
    /// A list of anything.
    Items { most: u32 },
    /// An object whose names have a form.
    Members { names: &'static str, longest: u32, most: u32 },
    /// An object whose names have a form and whose values are texts.
    Texts { names: &'static str, longest: u32, most: u32, each: u32 },
    /// A configuration value.
    Value,
}

/// The greatest whole number that every JSON reader keeps exact (RFC 7493). [spec: MAN-26]
pub(crate) const MOST: i64 = (1 << 53) - 1;
/// The least one.
pub(crate) const LEAST: i64 = -MOST;

pub(crate) const PROTOCOL: &str = r"^(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})$";
pub(crate) const ID: &str = "^[a-z]([a-z0-9-]{0,30}[a-z0-9])$";
pub(crate) const NAME: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";
pub(crate) const KEY: &str = r"^[a-z]([a-z0-9_]*[a-z0-9])?(\.[a-z]([a-z0-9_]*[a-z0-9])?)*$";
pub(crate) const VARIABLE: &str = "^[A-Z][A-Z0-9_]{0,63}$";
pub(crate) const PATH: &str = "^(/[A-Za-z0-9._-]+)+$";
pub(crate) const MODE: &str = "^0[0-7]{3}$";
pub(crate) const TMPFS_MODE: &str = "^(0[0-7]{3}|1777)$";
pub(crate) const WORD: &str = "^[a-z][a-z0-9-]{0,31}$";
pub(crate) const PUBLIC: &str = "^(random|[1-9][0-9]{0,4})$";
pub(crate) const REQUEST_PATH: &str = "^/[!-~]*$";
pub(crate) const ZONE: &str = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";
pub(crate) const SYSCTL: &str = r"^[a-z0-9_]+(\.[a-zA-Z0-9_-]+)+$";
/// A text without control characters: nothing that a manifest says can forge a line on an operator's screen.
#[cfg(feature = "schema")]
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

pub(crate) const SUMMARY: Bound = line(0, 300);
pub(crate) const VALUE: Bound = Bound::Value;
pub(crate) const FORMAT: Bound = whole(1, 65_535);
/// The greatest id is what the system calls take for "leave as it is".
pub(crate) const ID_NUMBER: Bound = whole(0, 4_294_967_294);

pub(crate) const fn whole(min: i64, max: i64) -> Bound {
    Bound::Whole { min, max }
}

pub(crate) const fn line(min: u32, max: u32) -> Bound {
    Bound::Line { min, max }
}

pub(crate) const fn form(pattern: &'static str, max: u32) -> Bound {
    Bound::Form { pattern, max }
}

pub(crate) const fn lines(items: u32, each: u32) -> Bound {
    Bound::Lines { items, each }
}

pub(crate) const fn items(most: u32) -> Bound {
    Bound::Items { most }
}

pub(crate) const fn members(names: &'static str, longest: u32, most: u32) -> Bound {
    Bound::Members { names, longest, most }
}

pub(crate) const fn texts(names: &'static str, longest: u32, most: u32, each: u32) -> Bound {
    Bound::Texts { names, longest, most, each }
}

impl Bound {
    /// Adds a fault for each way in which the member goes beyond the bound. Its type was read already. [spec: MAN-26]
    pub(super) fn keep(self, node: &Node, at: &Pointer, faults: &mut Vec<Fault>) {
        match (self, node) {
            (Self::Whole { min, max }, Node::Whole(number)) => keep_range(*number, min, max, at, faults),
            (Self::Value, Node::Whole(number)) => keep_range(*number, LEAST, MOST, at, faults),
            (Self::Line { min, max }, Node::Text(text)) => keep_line(text, min, max, at, faults),
            (Self::Lines { items, each }, Node::List(list)) => {
                keep_count(list.len(), items, "items", at, faults);
                let mut seen = BTreeSet::new();
                for (n, item) in list.iter().enumerate() {
                    let Node::Text(text) = item else { continue };
                    let at = at.child(&n.to_string());
                    if !seen.insert(text) {
                        faults.push(beyond(&at, "stands twice").actual(item.describe()).expected("each text once"));
                    }
                    keep_line(text, 1, each, &at, faults);
                }
            }
            (Self::Items { most }, Node::List(list)) => keep_count(list.len(), most, "items", at, faults),
            (Self::Value, Node::List(list)) => keep_count(list.len(), 1000, "items", at, faults),
            (Self::Members { most, .. }, Node::Object(members)) => {
                keep_count(members.len(), most, "members", at, faults);
            }
            (Self::Texts { most, each, .. }, Node::Object(members)) => {
                keep_count(members.len(), most, "members", at, faults);
                for (name, value) in members {
                    if let Node::Text(text) = value {
                        keep_line(text, 1, each, &at.child(name), faults);
                    }
                }
            }
            _ => {}
        }
    }
}

fn keep_range(number: i128, min: i64, max: i64, at: &Pointer, faults: &mut Vec<Fault>) {
    if number < i128::from(min) || number > i128::from(max) {
        let fault = beyond(at, "is out of range").actual(format!("`{number}`"));
        faults.push(fault.expected(format!("a whole number from {min} to {max}")));
    }
}

fn keep_line(text: &str, min: u32, max: u32, at: &Pointer, faults: &mut Vec<Fault>) {
    let chars = text.chars().count();
    if !(min as usize..=max as usize).contains(&chars) {
        let fault = beyond(at, "has the wrong length").actual(format!("{chars} characters"));
        faults.push(fault.expected(format!("{min} to {max} characters")));
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        let fault = beyond(at, "has a control character").actual(format!("`{}`", control.escape_default()));
        faults.push(fault.expected("text of one line"));
    }
}

fn keep_count(count: usize, most: u32, what: &str, at: &Pointer, faults: &mut Vec<Fault>) {
    if count > most as usize {
        let fault = beyond(at, "has too much in it").actual(format!("{count} {what}"));
        faults.push(fault.expected(format!("at most {most}")));
    }
}

fn beyond(at: &Pointer, how: &str) -> Fault {
    Fault::new("HP-MAN-008", at.text(), format!("`{}` {how}", at.text())).clause("MAN-26")
}

#[cfg(feature = "schema")]
impl schemars::transform::Transform for Bound {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        let mut put = |name: &str, value: serde_json::Value| {
            schema.insert(name.to_owned(), value);
        };
        match *self {
            Self::Free => {}
            Self::Whole { min, max } => {
                put("minimum", min.into());
                put("maximum", max.into());
            }
            Self::Line { min, max } => {
                put("minLength", min.into());
                put("maxLength", max.into());
                put("pattern", LINE.into());
            }
            Self::Form { pattern, max } => {
                put("maxLength", max.into());
                put("pattern", pattern.into());
            }
            Self::Lines { items, each } => {
                put("maxItems", items.into());
                put("uniqueItems", true.into());
                put("items", text_schema(each));
            }
            Self::Items { most } => put("maxItems", most.into()),
            Self::Members { names, longest, most } => {
                put("maxProperties", most.into());
                put("propertyNames", serde_json::json!({ "pattern": names, "maxLength": longest }));
            }
            Self::Texts { names, longest, most, each } => {
                put("maxProperties", most.into());
                put("propertyNames", serde_json::json!({ "pattern": names, "maxLength": longest }));
                put("additionalProperties", text_schema(each));
            }
            Self::Value => {
                put("type", serde_json::json!(["string", "integer", "boolean", "array"]));
                put("minimum", LEAST.into());
                put("maximum", MOST.into());
                put("maxItems", 1000.into());
                put("items", serde_json::json!({ "type": "string" }));
            }
        }
    }
}

/// A text of one line that is not empty.
#[cfg(feature = "schema")]
fn text_schema(max: u32) -> serde_json::Value {
    serde_json::json!({ "type": "string", "minLength": 1, "maxLength": max, "pattern": LINE })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::name::{ConfigKey, PortId, VolumeName};
    use crate::unit::Mode;
    use crate::version::ProtocolVersion;

    fn faults_of(bound: Bound, json: &str) -> Vec<String> {
        let node: Node = serde_json::from_str(json).unwrap();
        let mut faults = Vec::new();
        bound.keep(&node, &Pointer::default().child("x"), &mut faults);
        faults.iter().map(|fault| fault.subject.clone()).collect()
    }

    #[test]
    fn each_bound_holds_at_its_edge_and_breaks_past_it() {
        let rows: &[(Bound, &str, &[&str])] = &[
            (whole(1, 3), "1", &[]),
            (whole(1, 3), "3", &[]),
            (whole(1, 3), "0", &["/x"]),
            (whole(1, 3), "4", &["/x"]),
            (line(1, 3), "\"äöü\"", &[]),
            (line(1, 3), "\"\"", &["/x"]),
            (line(1, 3), "\"abcd\"", &["/x"]),
            (line(1, 3), "\"a\\nb\"", &["/x"]),
            (line(1, 3), "\"a\\u0085\"", &["/x"]),
            (lines(2, 3), "[\"a\", \"b\"]", &[]),
            (lines(2, 3), "[\"a\", \"a\"]", &["/x/1"]),
            (lines(2, 3), "[\"a\", \"b\", \"abcd\"]", &["/x", "/x/2"]),
            (lines(2, 3), "[\"\"]", &["/x/0"]),
            (items(1), "[{}]", &[]),
            (items(1), "[{}, {}]", &["/x"]),
            (members(NAME, 9, 1), "{\"a\": 1}", &[]),
            (members(NAME, 9, 1), "{\"a\": 1, \"b\": 1}", &["/x"]),
            (texts(SYSCTL, 9, 1, 2), "{\"a.b\": \"1\"}", &[]),
            (texts(SYSCTL, 9, 1, 2), "{\"a.b\": \"123\", \"c.d\": \"\"}", &["/x", "/x/a.b", "/x/c.d"]),
            (VALUE, "9007199254740991", &[]),
            (VALUE, "9007199254740992", &["/x"]),
        ];
        for (bound, json, wanted) in rows {
            assert_eq!(faults_of(*bound, json), *wanted, "{bound:?} {json}");
        }
    }

    fn matches(pattern: &str, max: usize, text: &str) -> bool {
        text.chars().count() <= max && regex_lite::Regex::new(pattern).unwrap().is_match(text)
    }

    proptest! {
        #[test]
        fn the_forms_say_what_the_types_accept(text in "[a-c01._-]{0,6}|[a-z0-9-]{28,36}|[a-z._0-9]{60,68}|[0-7]{3,5}|[0-9.]{1,7}") {
            prop_assert_eq!(matches(ID, 32, &text), text.parse::<PortId>().is_ok());
            prop_assert_eq!(matches(NAME, 32, &text), text.parse::<VolumeName>().is_ok());
            prop_assert_eq!(matches(KEY, 64, &text), text.parse::<ConfigKey>().is_ok());
            prop_assert_eq!(matches(MODE, 4, &text), Mode::parse(&text).is_some());
            if text.parse::<ProtocolVersion>().is_ok() {
                prop_assert!(matches(PROTOCOL, 11, &text));
            }
        }
    }
}
