//! Owns reading one value for one key, from a command line's text or from a stored value, and the fault if it fails.
//! Never shows what was given for a secret key.

use crate::fault::Fault;
use crate::name::ConfigKey;

use super::kind::Kind;
use super::spec::{KeySpec, Secrecy};
use super::value::Value;

impl KeySpec {
    /// Reads what an operator typed or what a file held. Numbers of bytes take `K`, `M`, `G`, `T` (powers of 1024),
    /// durations `s`, `m`, `h`, `d`; a list has an item a line, blank lines are left out. [spec: MAN-7]
    pub fn parse_text(&self, key: &ConfigKey, text: &str) -> Result<Value, Fault> {
        let value = match &self.kind {
            Kind::Bool => match text.trim() {
                "true" | "yes" | "on" => Some(Value::Bool(true)),
                "false" | "no" | "off" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Int(_) => text.trim().parse().ok().map(Value::Whole),
            Kind::Bytes(_) => scaled(text.trim(), &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)]),
            Kind::Duration(_) => scaled(text.trim(), &[("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]),
            Kind::List { .. } => Some(Value::List(
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            )),
            Kind::Text { .. } => Some(Value::Text(text.to_owned())),
            _ => Some(Value::Text(text.strip_suffix('\n').unwrap_or(text).to_owned())),
        };
        match value {
            Some(value) => self.accept(key, value),
            None => Err(self.refuse(key, &format!("`{}`", crate::text::clip(text.trim(), 60)))),
        }
    }

    /// Accepts a value that is already typed, as stored by the host or as `/run/port/config.json` has it.
    pub fn accept(&self, key: &ConfigKey, value: Value) -> Result<Value, Fault> {
        match self.kind.accept(&value) {
            Ok(()) => Ok(value),
            Err(found) => Err(self.refuse(key, &found)),
        }
    }

    fn refuse(&self, key: &ConfigKey, found: &str) -> Fault {
        let shown = match self.secrecy {
            Secrecy::Open => found,
            Secrecy::Secret => "a value that is not shown (the key is secret)",
        };
        Fault::new("HP-CFG-003", format!("config.{key}"), format!("`{key}` has a value that it can't take"))
            .actual(shown)
            .expected(self.kind.wanted())
            .remedy(format!("set it: `--set {key}=VALUE`, or `--set-file {key}=PATH`"))
            .clause("MAN-7")
    }
}

/// A whole number with one of these endings, or with none.
fn scaled(text: &str, endings: &[(&str, i64)]) -> Option<Value> {
    let (digits, factor) =
        endings.iter().find_map(|(ending, factor)| Some((text.strip_suffix(ending)?, *factor))).unwrap_or((text, 1));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(factor).map(Value::Whole)
}

#[cfg(test)]
mod tests {
    use super::super::kind::Limits;
    use super::super::spec::{Need, Reload};
    use super::*;

    pub(super) fn spec(kind: Kind) -> KeySpec {
        KeySpec {
            kind,
            need: Need::Optional,
            secrecy: Secrecy::Open,
            default: None,
            example: None,
            reload: Reload::Restart,
            env: None,
            since: None,
            deprecated: None,
            summary: String::new(),
        }
    }

    const ANY: Limits = Limits::ANY;

    #[test]
    fn text_is_read_by_type() {
        let list = Kind::List { count: Limits { min: 1, max: 3 }, max_len: 10, pattern: None };
        let rows: Vec<(Kind, &str, Option<Value>)> = vec![
            (Kind::Bool, "yes", Some(Value::Bool(true))),
            (Kind::Bool, "off\n", Some(Value::Bool(false))),
            (Kind::Bool, "1", None),
            (Kind::Int(Limits { min: 1, max: 9 }), "9", Some(Value::Whole(9))),
            (Kind::Int(Limits { min: 1, max: 9 }), "10", None),
            (Kind::Int(ANY), "1.5", None),
            (Kind::Bytes(ANY), "64M", Some(Value::Whole(64 << 20))),
            (Kind::Bytes(ANY), "9999999999T", None),
            (Kind::Bytes(ANY), "M", None),
            (Kind::Duration(ANY), "5m", Some(Value::Whole(300))),
            (Kind::Duration(ANY), "-5m", None),
            (list.clone(), "a\n\n b \n", Some(Value::List(vec!["a".into(), "b".into()]))),
            (list.clone(), "", None),
            (list, "a\nb\nc\nd", None),
            (Kind::String { max_len: 5, pattern: None }, "abc\n", Some(Value::Text("abc".into()))),
            (Kind::String { max_len: 5, pattern: None }, "a\nb", None),
            (Kind::String { max_len: 5, pattern: None }, "abcdef", None),
            (Kind::Enum(vec!["bash".into(), "zsh".into()]), "zsh", Some(Value::Text("zsh".into()))),
            (Kind::Enum(vec!["bash".into(), "zsh".into()]), "fish", None),
        ];
        let key: ConfigKey = "k".parse().unwrap();
        for (kind, text, wanted) in rows {
            assert_eq!(spec(kind.clone()).parse_text(&key, text).ok(), wanted, "{kind:?} {text:?}");
        }
    }

    #[test]
    fn a_secret_is_never_shown_in_a_fault() {
        let mut secret = spec(Kind::String { max_len: 3, pattern: None });
        secret.secrecy = Secrecy::Secret;
        for given in ["hunter2", "hun\u{7}"] {
            let fault = secret.parse_text(&"password".parse().unwrap(), given).unwrap_err();
            assert!(!format!("{fault:?}").contains("hun"), "{fault:?}");
        }
    }
}
