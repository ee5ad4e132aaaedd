//! Owns a configuration value: text, whole number, yes or no, or a list of texts.
//! Never knows which key it belongs to.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A typed value. Bytes and durations are whole numbers (bytes, seconds). [spec: MAN-7]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number, of bytes or seconds where the type says so.
    Whole(i64),
    /// Yes or no.
    Bool(bool),
    /// A list of texts of one line each.
    List(Vec<String>),
}

impl Value {
    /// The value as JSON, as `/run/port/config.json` has it. [spec: ENT-9]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Whole(number) => (*number).into(),
            Self::Bool(value) => (*value).into(),
            Self::List(items) => items.clone().into(),
        }
    }

    /// The value that a JSON value stands for; `None` for objects, fractions, `null` and mixed lists.
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        match json {
            serde_json::Value::String(text) => Some(Self::Text(text.clone())),
            serde_json::Value::Number(number) => number.as_i64().map(Self::Whole),
            serde_json::Value::Bool(value) => Some(Self::Bool(*value)),
            serde_json::Value::Array(items) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>().map(Self::List)
            }
            _ => None,
        }
    }

    /// The value as one text: as an environment variable or a secret's file has it; list items stand on lines.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::List(items) => items.join("\n"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        Self::from_json(&json).ok_or_else(|| {
            serde::de::Error::custom(
                "not a configuration value: wanted a text, a whole number, a bool or a list of texts",
            )
        })
    }
}
