//! Owns the rules of configuration keys in a manifest: constraints that fit the type, defaults that the type accepts.
//! Never sees a value that an operator gave.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::read::Pointer;
use super::shape::Findings;
use super::wire::{self, KeyType};
use crate::config::{Deprecation, KeySpec, Kind, Limits, Need, Pattern, Reload, Secrecy, Value};
use crate::name::ConfigKey;

/// The greatest length of a text where the manifest sets none.
const LINE_MAX: u32 = 4096;
const TEXT_MAX: u32 = 65536;
/// The most items of a list; a manifest can only set fewer.
const LIST_MAX: i64 = 1000;

pub(super) fn keys(
    wire: BTreeMap<String, wire::Key>,
    at: &Pointer,
    findings: &mut Findings,
) -> BTreeMap<ConfigKey, KeySpec> {
    let declared: BTreeSet<String> = wire.keys().cloned().collect();
    let keys: BTreeMap<ConfigKey, KeySpec> = findings.map(wire, at, key);
    let mut taken: BTreeMap<&str, &ConfigKey> = BTreeMap::new();
    for (name, spec) in &keys {
        let at = at.child(name.as_str());
        if let Some(env) = &spec.env
            && let Some(other) = taken.insert(env, name)
        {
            let message = format!("`{name}` and `{other}` are given to services as the same variable `{env}`");
            findings.add("HP-MAN-020", "MAN-33", &at, message);
        }
        if let Some(instead) = spec.deprecated.as_ref().and_then(|deprecated| deprecated.instead.as_ref())
            && (instead == name || !declared.contains(instead.as_str()))
        {
            let message = format!("`{name}` says to use `{instead}` instead, which is not another key of this port");
            findings.add("HP-MAN-021", "MAN-9", &at.child("deprecated").child("use"), message);
        }
    }
    keys
}

fn key(wire: wire::Key, at: &Pointer, findings: &mut Findings) -> Option<KeySpec> {
    let kind = kind(&wire, at, findings);
    let mut accepted = |json: Option<&serde_json::Value>, field: &str| {
        json.zip(kind.as_ref()).and_then(|(json, kind)| value(json, kind, &at.child(field), findings))
    };
    let default = accepted(wire.default.as_ref(), "default");
    let example = accepted(wire.example.as_ref(), "example");
    let secrecy = if wire.secret == Some(true) { Secrecy::Secret } else { Secrecy::Open };
    let need = if wire.required == Some(true) { Need::Required } else { Need::Optional };
    if need == Need::Required && wire.default.is_some() {
        findings
            .add("HP-MAN-022", "MAN-34", at, format!("`{}` is required and has a default", at.text()))
            .set_expected("one of the two");
    }
    if secrecy == Secrecy::Secret && (wire.default.is_some() || wire.env.is_some()) {
        let message = format!("`{}` is secret and has a default or an environment variable", at.text());
        findings.add("HP-MAN-023", "MAN-35", at, message).set_expected("neither: an image is no place for a secret");
    }
    let env = wire.env.filter(|env| is_env(env, &at.child("env"), findings));
    let since = wire.since.and_then(|text| version(&text, &at.child("since"), findings));
    let deprecated = wire.deprecated.and_then(|wire| deprecation(&wire, &at.child("deprecated"), findings));
    let reload = match wire.reload {
        Some(wire::ReloadKind::Live) => Reload::Live,
        Some(wire::ReloadKind::Restart) | None => Reload::Restart,
    };
    let summary = wire.summary.unwrap_or_default();
    Some(KeySpec { kind: kind?, need, secrecy, default, example, reload, env, since, deprecated, summary })
}

fn kind(wire: &wire::Key, at: &Pointer, findings: &mut Findings) -> Option<Kind> {
    use KeyType as T;
    let allowed: &[&str] = match wire.r#type {
        T::String => &["max_len", "pattern"],
        T::Text => &["max_len"],
        T::Bool | T::Hostname | T::Email | T::Url => &[],
        T::Int | T::Bytes | T::Duration => &["min", "max"],
        T::Enum => &["values"],
        T::List => &["min", "max", "max_len", "pattern"],
    };
    let given = [
        ("min", wire.min.is_some()),
        ("max", wire.max.is_some()),
        ("max_len", wire.max_len.is_some()),
        ("pattern", wire.pattern.is_some()),
        ("values", !wire.values.is_empty()),
    ];
    let mut fits = true;
    for (name, _) in given.iter().filter(|(name, is_given)| *is_given && !allowed.contains(name)) {
        let message = format!("`{}` means nothing for a key of type `{}`", at.child(name).text(), wire.r#type.word());
        findings.add("HP-MAN-025", "MAN-36", &at.child(name), message);
        fits = false;
    }
    let least = if matches!(wire.r#type, T::Int) { Limits::ANY.min } else { 0 };
    let most = if matches!(wire.r#type, T::List) { LIST_MAX } else { Limits::ANY.max };
    let limits = Limits { min: wire.min.unwrap_or(least), max: wire.max.unwrap_or(most) };
    if limits.min > limits.max || limits.min < least || limits.max > most {
        let message = format!("`{}` has limits that nothing can keep", at.text());
        findings.add("HP-MAN-026", "MAN-37", at, message).set_actual(format!("from {} to {}", limits.min, limits.max));
        fits = false;
    }
    let pattern = match wire.pattern.as_deref().map(Pattern::new) {
        None => None,
        Some(Ok(pattern)) => Some(pattern),
        Some(Err(reason)) => {
            let at = at.child("pattern");
            findings
                .add("HP-MAN-027", "MAN-38", &at, format!("`{}` is not a regular expression", at.text()))
                .set_actual(reason);
            fits = false;
            None
        }
    };
    if matches!(wire.r#type, T::Enum) && wire.values.is_empty() {
        let at = at.child("values");
        findings
            .add("HP-MAN-028", "MAN-39", &at, format!("`{}` offers nothing", at.text()))
            .set_expected("at least one text");
        fits = false;
    }
    let line = wire.max_len.unwrap_or(LINE_MAX);
    fits.then(|| match wire.r#type {
        T::String => Kind::String { max_len: line, pattern },
        T::Text => Kind::Text { max_len: wire.max_len.unwrap_or(TEXT_MAX) },
        T::Bool => Kind::Bool,
        T::Int => Kind::Int(limits),
        T::Bytes => Kind::Bytes(limits),
        T::Duration => Kind::Duration(limits),
        T::Hostname => Kind::Hostname,
        T::Email => Kind::Email,
        T::Url => Kind::Url,
        T::Enum => Kind::Enum(wire.values.clone()),
        T::List => Kind::List { count: limits, max_len: line, pattern },
    })
}

/// The default or example; `None` means that it was faulty.
fn value(json: &serde_json::Value, kind: &Kind, at: &Pointer, findings: &mut Findings) -> Option<Value> {
    let refused = match Value::from_json(json) {
        Some(value) => match kind.accept(&value) {
            Ok(()) => return Some(value),
            Err(found) => found,
        },
        None => format!("`{json}`"),
    };
    let fault =
        findings.add("HP-MAN-029", "MAN-7", at, format!("`{}` is not a value that the key can take", at.text()));
    fault.set_actual(refused);
    fault.set_expected(kind.wanted());
    None
}

/// Whether services can be given a variable of this name; adds why not.
fn is_env(text: &str, at: &Pointer, findings: &mut Findings) -> bool {
    let ok = text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with("HOMEPORT_");
    if !ok {
        let fault = findings.add("HP-MAN-024", "MAN-11", at, format!("`{}` is not a variable's name", at.text()));
        fault.set_actual(format!("`{}`", crate::text::clip(text, 60)));
        fault.set_expected("A-Z, 0-9 and `_`, a letter first, not starting with `HOMEPORT_`");
    }
    ok
}

fn deprecation(wire: &wire::Deprecated, at: &Pointer, findings: &mut Findings) -> Option<Deprecation> {
    let since = version(&wire.since, &at.child("since"), findings);
    let instead = wire.r#use.as_deref().and_then(|key| findings.name(key, &at.child("use")));
    let remove_in = wire.remove_in.as_deref().and_then(|text| version(text, &at.child("remove_in"), findings));
    Some(Deprecation { since: since?, instead, remove_in })
}

/// Reads a version, or adds why it is none.
pub(super) fn version(text: &str, at: &Pointer, findings: &mut Findings) -> Option<Version> {
    let version = Version::parse(text);
    if version.is_err() {
        let fault = findings.add("HP-MAN-014", "MAN-6", at, format!("`{}` is not a version", at.text()));
        fault.set_actual(format!("`{}`", crate::text::clip(text, 40)));
        fault.set_expected("MAJOR.MINOR.PATCH by semantic versioning 2.0");
    }
    version.ok()
}
