//! Owns the types of configuration values and what each accepts.
//! Never knows a key's name: faults are worded by `read`.

use crate::text::clip;

use super::value::Value;

/// A least and a greatest number, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The least.
    pub min: i64,
    /// The greatest; never below `min`.
    pub max: i64,
}

impl Limits {
    /// Every whole number that all JSON readers keep exact, since values travel as JSON (RFC 7493). [spec: MAN-7]
    pub const ANY: Self = Self { min: 1 - (1 << 53), max: (1 << 53) - 1 };

    fn words(self, what: &str) -> String {
        match (self.min == Self::ANY.min, self.max == Self::ANY.max) {
            (true, true) => what.to_owned(),
            (false, true) => format!("{what} of at least {}", self.min),
            (true, false) => format!("{what} of at most {}", self.max),
            (false, false) => format!("{what} from {} to {}", self.min, self.max),
        }
    }

    fn hold(self, number: i64) -> bool {
        (self.min..=self.max).contains(&number)
    }
}

/// A regular expression that a whole text must match; it is known to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern, or the reason why the text is none.
    pub fn new(source: &str) -> Result<Self, String> {
        let is_regex = |text: &str| regex_lite::RegexBuilder::new(text).size_limit(1 << 20).build();
        // Alone first: `a)|(?:b` is one only inside of the anchors, and would match more than the whole text.
        match is_regex(source).and_then(|_| is_regex(&anchored(source))) {
            Ok(_) => Ok(Self(source.to_owned())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.0
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        regex_lite::Regex::new(&anchored(&self.0)).is_ok_and(|regex| regex.is_match(text))
    }
}

fn anchored(source: &str) -> String {
    format!("^(?:{source})$")
}

/// A type with its constraints. [spec: MAN-7]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    String {
        /// The greatest length in characters.
        max_len: u32,
        /// What it must match.
        pattern: Option<Pattern>,
    },
    /// Text of several lines.
    Text {
        /// The greatest length in characters.
        max_len: u32,
    },
    /// Yes or no.
    Bool,
    /// A whole number.
    Int(Limits),
    /// A number of bytes.
    Bytes(Limits),
    /// A number of seconds.
    Duration(Limits),
    /// A host name.
    Hostname,
    /// A mail address.
    Email,
    /// An `http` or `https` address.
    Url,
    /// One of these texts.
    Enum(Vec<String>),
    /// A list of texts of one line each.
    List {
        /// How many there may be.
        count: Limits,
        /// The greatest length of each in characters.
        max_len: u32,
        /// What each must match.
        pattern: Option<Pattern>,
    },
}

impl Kind {
    /// The type's name, as manifests write it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::String { .. } => "string",
            Self::Text { .. } => "text",
            Self::Bool => "bool",
            Self::Int(_) => "int",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "duration",
            Self::Hostname => "hostname",
            Self::Email => "email",
            Self::Url => "url",
            Self::Enum(_) => "enum",
            Self::List { .. } => "list",
        }
    }

    /// What is accepted, in words: what stands after "wanted".
    pub fn wanted(&self) -> String {
        let matching = |pattern: &Option<Pattern>| {
            pattern.as_ref().map(|pattern| format!(" that matches `{}`", pattern.source())).unwrap_or_default()
        };
        match self {
            Self::String { max_len, pattern } => {
                format!("one line of at most {max_len} characters{}", matching(pattern))
            }
            Self::Text { max_len } => format!("a text of at most {max_len} characters"),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Int(limits) => limits.words("a whole number"),
            Self::Bytes(limits) => format!("{}, for example `64M`", limits.words("a number of bytes")),
            Self::Duration(limits) => format!("{}, for example `5m`", limits.words("a number of seconds")),
            Self::Hostname => "a host name, for example `mail.example.org`".to_owned(),
            Self::Email => "a mail address, for example `ann@example.org`".to_owned(),
            Self::Url => "an address that starts with `http://` or `https://`".to_owned(),
            Self::Enum(values) => {
                let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::List { count, max_len, pattern } => {
                format!("{}, each of at most {max_len} characters{}", lines(*count), matching(pattern))
            }
        }
    }

    /// Whether the value is accepted; else what was found, in words that are safe to show if the key is no secret.
    pub fn accept(&self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Self::String { max_len, pattern }, Value::Text(text)) => line_ok(text, *max_len, pattern.as_ref()),
            (Self::Text { max_len }, Value::Text(text)) => length_ok(text, *max_len),
            (Self::Bool, Value::Bool(_)) => Ok(()),
            (Self::Int(limits) | Self::Bytes(limits) | Self::Duration(limits), Value::Whole(number)) => {
                if limits.hold(*number) { Ok(()) } else { Err(format!("`{number}`")) }
            }
            (Self::Hostname, Value::Text(text)) => ok_if(is_hostname(text), text),
            (Self::Email, Value::Text(text)) => ok_if(is_email(text), text),
            (Self::Url, Value::Text(text)) => ok_if(is_url(text), text),
            (Self::Enum(values), Value::Text(text)) => ok_if(values.contains(text), text),
            (Self::List { count, max_len, pattern }, Value::List(items)) => {
                if !i64::try_from(items.len()).is_ok_and(|len| count.hold(len)) {
                    return Err(format!("a list of {}", items.len()));
                }
                items.iter().enumerate().try_for_each(|(n, item)| {
                    line_ok(item, *max_len, pattern.as_ref()).map_err(|found| format!("{found} as item {}", n + 1))
                })
            }
            (_, other) => Err(match other {
                Value::Text(text) => format!("the text `{}`", clip(text, 60)),
                Value::Whole(number) => format!("the number `{number}`"),
                Value::Bool(value) => format!("`{value}`"),
                Value::List(items) => format!("a list of {}", items.len()),
            }),
        }
    }
}

/// How many lines a list may have, in words.
fn lines(count: Limits) -> String {
    match (count.min.max(0), count.max) {
        (0, max) => format!("at most {max} lines"),
        (min, max) if min == max => format!("{min} lines"),
        (min, max) => format!("{min} to {max} lines"),
    }
}

fn ok_if(holds: bool, text: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("`{}`", clip(text, 60))) }
}

fn length_ok(text: &str, max_len: u32) -> Result<(), String> {
    let chars = text.chars().count();
    if text.contains('\0') {
        return Err("a NUL character".to_owned());
    }
    if usize::try_from(max_len).is_ok_and(|max| chars <= max) { Ok(()) } else { Err(format!("{chars} characters")) }
}

fn line_ok(text: &str, max_len: u32, pattern: Option<&Pattern>) -> Result<(), String> {
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(format!("a control character ({})", control.escape_default()));
    }
    length_ok(text, max_len)?;
    ok_if(pattern.is_none_or(|pattern| pattern.matches(text)), text)
}

/// A host name by RFC 1123: labels of letters, digits and inner `-`, at most 253 bytes, not a bare number.
fn is_hostname(text: &str) -> bool {
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label_ok) && !last_is_number
}

/// A mail address that servers take without quoting: RFC 5321 dot-string at a host name.
fn is_email(text: &str) -> bool {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        (1..=64).contains(&local.len())
            && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
            && domain.contains('.')
            && is_hostname(domain)
    })
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= 2000
        && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_addresses_and_urls_by_their_rules() {
        for (text, holds) in [
            ("a", true),
            ("mail.example.org", true),
            ("1a.example", true),
            ("127.0.0.1", false),
            ("-a.b", false),
            ("a..b", false),
            ("a_b", false),
            ("", false),
        ] {
            assert_eq!(is_hostname(text), holds, "{text}");
        }
        for (text, holds) in [
            ("a@b.c", true),
            ("a.b+c@d.ef", true),
            ("a@b", false),
            ("@b.c", false),
            ("a..b@c.d", false),
            ("a b@c.d", false),
        ] {
            assert_eq!(is_email(text), holds, "{text}");
        }
        for (text, holds) in [
            ("https://a", true),
            ("http://a/b?c", true),
            ("ftp://a", false),
            ("https:///a", false),
            ("http://a b", false),
        ] {
            assert_eq!(is_url(text), holds, "{text}");
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_text_or_not_at_all() {
        let pattern = Pattern::new("a|b+").unwrap();
        assert!(pattern.matches("a") && pattern.matches("bbb"));
        assert!(!pattern.matches("ab") && !pattern.matches("xa") && !pattern.matches("a\n"));
        assert!(Pattern::new("(").is_err());
        assert!(Pattern::new("a)|(?:b").is_err());
    }
}
