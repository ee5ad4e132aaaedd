//! Owns reading a wire type out of a JSON document with every fault at once: missing, unknown and repeated members,
//! wrong types, members beyond their bounds, each with its JSON pointer.
//! Never checks what members mean together: that is `check`.

use std::collections::{BTreeMap, BTreeSet};

use super::bound::Bound;
use super::node::Node;
use crate::fault::Fault;
use crate::text::nearest;

/// Where in a document something stands: a JSON pointer (RFC 6901), fit to be shown: of each name at most 64 characters,
/// control characters escaped. [spec: MAN-28]
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// The pointer to a member of what this one points to.
    pub(crate) fn child(&self, member: &str) -> Self {
        Self(format!("{}/{}", self.0, crate::text::clip(member, 64).replace('~', "~0").replace('/', "~1")))
    }

    /// The pointer as text; the whole document is `/`.
    pub(crate) fn text(&self) -> String {
        if self.0.is_empty() { "/".to_owned() } else { self.0.clone() }
    }
}

/// A type that can be read from a document. `None` means that at least one fault was pushed.
pub(crate) trait Read: Sized {
    /// Reads the value at `at`.
    fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self>;

    /// The value that stands for a member that is not there; `None` where it has to be there.
    fn absent() -> Option<Self> {
        None
    }
}

pub(crate) fn wrong_type(node: &Node, at: &Pointer, wanted: &str) -> Fault {
    Fault::new("HP-MAN-004", at.text(), format!("`{}` has the wrong type", at.text()))
        .actual(node.describe())
        .expected(wanted)
        .clause("MAN-4")
}

impl Read for String {
    fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self> {
        if let Node::Text(text) = node {
            return Some(text.clone());
        }
        faults.push(wrong_type(node, at, "a text"));
        None
    }
}

impl Read for bool {
    fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self> {
        if let Node::Bool(value) = node {
            return Some(*value);
        }
        faults.push(wrong_type(node, at, "`true` or `false`"));
        None
    }
}

macro_rules! read_whole {
    ($($ty:ty),+) => {$(
        impl Read for $ty {
            fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self> {
                let value = match node {
                    Node::Whole(value) => <$ty>::try_from(*value).ok(),
                    _ => None,
                };
                if value.is_none() {
                    faults.push(wrong_type(node, at, &format!("a whole number from {} to {}", <$ty>::MIN, <$ty>::MAX)));
                }
                value
            }
        }
    )+};
}
read_whole!(u8, u16, u32, u64, i64);

/// A default, example or offered value of a configuration key: text, number, yes or no, or a list of texts.
impl Read for serde_json::Value {
    fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self> {
        let value = match node {
            Node::Text(text) => Some(Self::from(text.clone())),
            Node::Bool(value) => Some(Self::from(*value)),
            Node::Whole(value) => i64::try_from(*value).ok().map(Self::from),
            Node::List(items) => {
                let texts: Option<Vec<Self>> = items
                    .iter()
                    .map(|item| if let Node::Text(text) = item { Some(Self::from(text.clone())) } else { None })
                    .collect();
                texts.map(Self::from)
            }
            _ => None,
        };
        if value.is_none() {
            faults.push(wrong_type(node, at, "a text, a whole number, `true`, `false` or a list of texts"));
        }
        value
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self> {
        T::read(node, at, faults).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self> {
        let Node::List(items) = node else {
            faults.push(wrong_type(node, at, "a list"));
            return None;
        };
        let read: Vec<Option<T>> =
            items.iter().enumerate().map(|(n, item)| T::read(item, &at.child(&n.to_string()), faults)).collect();
        read.into_iter().collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<Self> {
        let members = members(node, at, faults)?;
        // Inserted one by one: to collect would sort first, and that sort is 7 kB of a small init for each `T`.
        let mut read = Self::new();
        for (name, node) in members {
            if let Some(value) = T::read(node, &at.child(name), faults) {
                read.insert(name.clone(), value);
            }
        }
        (read.len() == members.len()).then_some(read)
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// Adds a fault for each name that stands twice in one object, anywhere in the document. [spec: MAN-3]
pub(super) fn names_once(node: &Node, at: &Pointer, faults: &mut Vec<Fault>) {
    match node {
        Node::Object(members) => {
            let mut seen = BTreeSet::new();
            for (name, member) in members {
                let at = at.child(name);
                if !seen.insert(name.as_str()) {
                    let fault = Fault::new("HP-MAN-005", at.text(), format!("`{}` stands twice", at.text()));
                    faults.push(fault.expected("each name once").clause("MAN-3"));
                }
                names_once(member, &at, faults);
            }
        }
        Node::List(items) => {
            for (n, item) in items.iter().enumerate() {
                names_once(item, &at.child(&n.to_string()), faults);
            }
        }
        Node::Null | Node::Bool(_) | Node::Whole(_) | Node::Fraction(_) | Node::Text(_) => {}
    }
}

/// Whether a member can be left out when it is written: it has the value that stands for nothing.
pub(crate) fn is_absent<T: Read + PartialEq>(value: &T) -> bool {
    T::absent().is_some_and(|absent| absent == *value)
}

/// The members of an object.
fn members<'a>(node: &'a Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<&'a [(String, Node)]> {
    let Node::Object(members) = node else {
        faults.push(wrong_type(node, at, "an object"));
        return None;
    };
    Some(members)
}

/// An object that is being read member by member.
pub(crate) struct ObjectReader<'a> {
    members: &'a [(String, Node)],
    at: &'a Pointer,
}

impl<'a> ObjectReader<'a> {
    /// Starts reading; members that are not in `known`, nor start with one of `free`, are faults.
    pub(crate) fn open(
        node: &'a Node,
        at: &'a Pointer,
        known: &[&'static str],
        free: Option<&str>,
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        let members = members(node, at, faults)?;
        for (name, _) in members {
            if known.contains(&name.as_str()) || free.is_some_and(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let shown = at.child(name).text();
            let fault = Fault::new("HP-MAN-006", shown.clone(), format!("`{shown}` is not a field of the manifest"))
                .expected(format!("one of {}", known.join(", ")))
                .clause("MAN-4");
            faults.push(match nearest(name, known.iter().copied()) {
                Some(meant) => fault.remedy(format!("did you mean `{meant}`?")),
                None => fault.remedy("fields of your own start with `x-` and stand at the top"),
            });
        }
        Some(Self { members, at })
    }

    /// Reads one member; what goes beyond its bound is a fault, but is read.
    pub(crate) fn member<T: Read>(&self, name: &str, bound: Bound, faults: &mut Vec<Fault>) -> Option<T> {
        let at = self.at.child(name);
        if let Some((_, node)) = self.members.iter().find(|(member, _)| member == name) {
            let value = T::read(node, &at, faults)?;
            bound.keep(node, &at, faults);
            return Some(value);
        }
        let absent = T::absent();
        if absent.is_none() {
            let at = at.text();
            faults.push(Fault::new("HP-MAN-007", at.clone(), format!("`{at}` is missing")).clause("MAN-4"));
        }
        absent
    }
}
