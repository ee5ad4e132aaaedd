//! Owns a JSON document as it was written: member order and repeated names are kept, so that both can be checked.
//! Never interprets a member.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::bound::MOST;

/// One JSON value. Numbers with a fraction are kept apart from whole ones: no field of a manifest
/// has a fraction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Whole(i128),
    Fraction(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// What the node is, for messages: the words after "found".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => "`null`".to_owned(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Whole(value) => format!("`{value}`"),
            Self::Fraction(value) => format!("`{value}`"),
            Self::Text(text) => format!("`{}`", crate::text::clip(text, 60)),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Object(members) => format!("an object of {}", members.len()),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Whole(value.into()))
    }

    /// `2.0` and `2e0` are `2`: JSON has one kind of number, and the schema language sees it so. [spec: MAN-3]
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact as a double")]
        let exact = MOST as f64;
        if value.fract() == 0.0 && value.abs() <= exact {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within range")]
            let whole = value as i64;
            return Ok(Node::Whole(whole.into()));
        }
        Ok(Node::Fraction(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }
}
