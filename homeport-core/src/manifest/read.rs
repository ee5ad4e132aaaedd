//! Owns reading a wire type out of a JSON document with every fault at once: missing, unknown and repeated members,
//! wrong types, numbers out of range, each with its JSON pointer.
//! Never checks what members mean together: that is `check`.

use std::collections::BTreeMap;

use super::node::Node;
use crate::fault::Fault;
use crate::text::nearest;

/// Where in a document something stands: a JSON pointer (RFC 6901).
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// The pointer to a member of what this one points to.
    pub(crate) fn child(&self, member: &str) -> Self {
        Self(format!("{}/{}", self.0, member.replace('~', "~0").replace('/', "~1")))
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
        let read: Vec<Option<(String, T)>> =
            members.iter().map(|(name, node)| Some((name.clone(), T::read(node, &at.child(name), faults)?))).collect();
        read.into_iter().collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// The members of an object; a repeated name is a fault.
fn members<'a>(node: &'a Node, at: &Pointer, faults: &mut Vec<Fault>) -> Option<&'a [(String, Node)]> {
    let Node::Object(members) = node else {
        faults.push(wrong_type(node, at, "an object"));
        return None;
    };
    let before = faults.len();
    for (n, (name, _)) in members.iter().enumerate() {
        if members[..n].iter().any(|(earlier, _)| earlier == name) {
            let at = at.child(name).text();
            faults.push(
                Fault::new("HP-MAN-005", at.clone(), format!("`{at}` stands twice"))
                    .expected("each name once")
                    .clause("MAN-3"),
            );
        }
    }
    (faults.len() == before).then_some(members)
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
            let shown = crate::text::clip(&at.child(name).text(), 120);
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

    /// Reads one member.
    pub(crate) fn member<T: Read>(&self, name: &str, faults: &mut Vec<Fault>) -> Option<T> {
        let at = self.at.child(name);
        if let Some((_, node)) = self.members.iter().find(|(member, _)| member == name) {
            return T::read(node, &at, faults);
        }
        let absent = T::absent();
        if absent.is_none() {
            let at = at.text();
            faults.push(Fault::new("HP-MAN-007", at.clone(), format!("`{at}` is missing")).clause("MAN-4"));
        }
        absent
    }
}

/// A field's name as documents write it: `r#type` is `type`.
pub(crate) fn plain(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Declares a wire object: the struct as serde and schemars see it, and how it is read with every fault at once.
macro_rules! wire_object {
    (
        $(#[$meta:meta])*
        $(free $free:literal)?
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)+
        }

        impl $crate::manifest::read::Read for $name {
            fn read(
                node: &$crate::manifest::node::Node,
                at: &$crate::manifest::read::Pointer,
                faults: &mut Vec<$crate::fault::Fault>,
            ) -> Option<Self> {
                let known = [$($crate::manifest::read::plain(stringify!($field))),+];
                let free: Option<&str> = None $(.or(Some($free)))?;
                let object = $crate::manifest::read::ObjectReader::open(node, at, &known, free, faults)?;
                $(let $field = object.member::<$ty>($crate::manifest::read::plain(stringify!($field)), faults);)+
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
}

/// Declares a wire word: an enum that is written as one of a few fixed texts.
macro_rules! wire_word {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// The word as manifests write it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::manifest::read::Read for $name {
            fn read(
                node: &$crate::manifest::node::Node,
                at: &$crate::manifest::read::Pointer,
                faults: &mut Vec<$crate::fault::Fault>,
            ) -> Option<Self> {
                if let $crate::manifest::node::Node::Text(text) = node {
                    match text.as_str() {
                        $($word => return Some(Self::$variant),)+
                        _ => {}
                    }
                }
                let wanted = concat!("one of", $(" `", $word, "`"),+);
                faults.push($crate::manifest::read::wrong_type(node, at, wanted));
                None
            }
        }
    };
}

pub(crate) use {wire_object, wire_word};
