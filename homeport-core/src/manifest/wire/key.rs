//! Owns a configuration key as written.
//! Never holds a rule that needs two fields: those are in `check`.

use serde_json::Value;

use crate::manifest::bound::{LEAST, MOST, SUMMARY, VALUE, VARIABLE, form, line, lines, whole};
use crate::manifest::declare::{wire_object, wire_word};

wire_word! {
    /// The type of a configuration key's value. [spec: MAN-7]
    pub enum KeyType {
        /// One line of text.
        String = "string",
        /// Text of several lines.
        Text = "text",
        /// Yes or no.
        Bool = "bool",
        /// A whole number.
        Int = "int",
        /// A number of bytes.
        Bytes = "bytes",
        /// A number of seconds.
        Duration = "duration",
        /// A fully qualified or single-label host name.
        Hostname = "hostname",
        /// A mail address.
        Email = "email",
        /// An `http` or `https` address.
        Url = "url",
        /// One of the texts in `values`.
        Enum = "enum",
        /// A list of texts of one line each.
        List = "list",
    }
}

wire_word! {
    /// What it takes for a changed value to take effect. [spec: MAN-8]
    pub enum ReloadKind {
        /// The running port takes it over.
        Live = "live",
        /// The port is started again.
        Restart = "restart",
    }
}

wire_object! {
    /// A configuration key. [spec: MAN-7]
    pub struct Key {
        /// The type of its value.
        pub r#type: KeyType,
        /// Whether there must be a value.
        pub required: Option<bool>,
        /// Whether the value must never be shown.
        pub secret: Option<bool>,
        /// The value where none is given.
        pub default: Option<Value> = VALUE,
        /// A value for documents and tests.
        pub example: Option<Value> = VALUE,
        /// The least number, length of a list, bytes or seconds.
        pub min: Option<i64> = whole(LEAST, MOST),
        /// The greatest number, length of a list, bytes or seconds.
        pub max: Option<i64> = whole(LEAST, MOST),
        /// The greatest length of a text in characters; of each item in a list.
        pub max_len: Option<u32> = whole(1, 65_536),
        /// A regular expression that the whole text, or each item of a list, must match.
        pub pattern: Option<String> = line(1, 1000),
        /// The texts that are offered.
        #[serde(default)]
        pub values: Vec<String> = lines(100, 200),
        /// What it takes for a change to take effect; `restart` where it is not said.
        pub reload: Option<ReloadKind>,
        /// The environment variable in which services get the value.
        pub env: Option<String> = form(VARIABLE, 64),
        /// The version of the port in which the key first stood.
        pub since: Option<String> = line(1, 64),
        /// Set where the key is on its way out.
        pub deprecated: Option<Deprecated>,
        /// One sentence.
        pub summary: Option<String> = SUMMARY,
    }
}

wire_object! {
    /// Says that a key is on its way out. [spec: MAN-9]
    pub struct Deprecated {
        /// The version that deprecated it.
        pub since: String = line(1, 64),
        /// The key to use instead.
        pub r#use: Option<String> = line(1, 64),
        /// The version in which it is gone.
        pub remove_in: Option<String> = line(1, 64),
    }
}
