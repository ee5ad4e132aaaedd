//! Owns the rules of configuration keys: which there are, and what each asks for and promises.
//! Never looks at a key's type and limits: that is `constraint`'s.

use super::super::change::{Found, pairs};
use super::super::rule::declare_rules;
use super::{constraint, port};
use crate::config::{Deprecation, KeySpec, Need, Reload, Secrecy, Value};
use crate::manifest::Manifest;

declare_rules! {
    ADDED = "key-added", Minor,
        "a key was added that needs no value",
        "a script that sets the key fails on the version before";
    REQUIRED_ADDED = "key-required-added", Major,
        "a key was added that has to have a value",
        "`homeport upgrade` without `--set` cannot start the port";
    REMOVED = "key-removed", Major,
        "a deprecated key was removed",
        "`homeport deploy --set KEY=VALUE` is refused";
    REMOVED_AT_ONCE = "key-removed-at-once", Forbidden as "HP-UPG-011",
        "a key was removed that no earlier version deprecated",
        "an operator who set it was never told, and the value does nothing any more";
    REMOVED_EARLY = "key-removed-early", Forbidden as "HP-UPG-012",
        "a key was removed before the version that its deprecation names",
        "an operator who planned for that version loses the value";
    REUSED = "key-reused", Forbidden as "HP-UPG-013",
        "a key's name stands for another key: by `since` it is newer than the one of that name",
        "a value that was set for the old meaning is taken for the new one";
    REQUIRED = "key-required", Major,
        "a key has to have a value that did not have to",
        "an instance without the value cannot be started";
    OPTIONAL = "key-optional", Minor,
        "a key no longer has to have a value",
        "a deploy without the value is refused by the version before";
    SECRET = "key-secret", Minor,
        "a key became secret",
        "`--set KEY=VALUE` is refused; its value comes from a file";
    OPEN = "key-open", Forbidden as "HP-UPG-014",
        "a secret key is secret no longer",
        "a password that was kept from every screen is shown by `homeport config`";
    DEFAULT_CHANGED = "key-default-changed", Minor,
        "a default changed",
        "a new instance behaves differently; those that there are keep their value";
    RELOAD_LIVE = "key-live", Minor,
        "a change of a key takes effect without a new start",
        "on the version before, the same change ends connections";
    RELOAD_RESTART = "key-restart", Major,
        "a change of a key needs a new start that did not",
        "`homeport config set` at noon ends everybody's connections";
    ENV_CHANGED = "key-env-changed", Patch,
        "services get a key's value in another variable",
        "only what is inside the image reads the variable";
    DEPRECATED = "key-deprecated", Minor,
        "a key was deprecated",
        "an operator has to be told before it goes";
    DEPRECATION_CHANGED = "key-deprecation-changed", Minor,
        "what a deprecation promises changed, or it was taken back",
        "an operator who planned by it has to plan anew";
    EXAMPLE_CHANGED = "key-example-changed", Patch,
        "an example changed",
        "examples are for documents and tests";
}

pub(super) fn compare(old: &Manifest, new: &Manifest, found: &mut Found) {
    for (name, was, is) in pairs(&old.config, &new.config) {
        let at = format!("/config/{name}");
        match (was, is) {
            (Some(was), Some(is)) => both(&at, was, is, old, found),
            (Some(was), None) => gone(&at, was, new, found),
            (None, Some(is)) => {
                found.added(if is.need == Need::Required { &REQUIRED_ADDED } else { &ADDED }, at);
            }
            (None, None) => {}
        }
    }
}

fn gone(at: &str, was: &KeySpec, new: &Manifest, found: &mut Found) {
    let Some(deprecated) = &was.deprecated else {
        return found.added(&REMOVED_AT_ONCE, at);
    };
    match &deprecated.remove_in {
        Some(promised) if new.port.version.cmp_precedence(promised).is_lt() => {
            found.add(&REMOVED_EARLY, format!("{at}/deprecated/remove_in"), Some(promised.to_string()), None);
        }
        _ => found.added(&REMOVED, at),
    }
}

fn both(at: &str, was: &KeySpec, is: &KeySpec, old: &Manifest, found: &mut Found) {
    constraint::compare(at, &was.kind, &is.kind, found);
    let is_required = |spec: &KeySpec| spec.need == Need::Required;
    let need = if is_required(is) { &REQUIRED } else { &OPTIONAL };
    found.unequal(need, format!("{at}/required"), &is_required(was), &is_required(is));
    let is_secret = |spec: &KeySpec| spec.secrecy == Secrecy::Secret;
    let secrecy = if is_secret(is) { &SECRET } else { &OPEN };
    found.unequal(secrecy, format!("{at}/secret"), &is_secret(was), &is_secret(is));
    let reload = |spec: &KeySpec| match spec.reload {
        Reload::Live => "live",
        Reload::Restart => "restart",
    };
    let rule = if is.reload == Reload::Live { &RELOAD_LIVE } else { &RELOAD_RESTART };
    found.unequal(rule, format!("{at}/reload"), &reload(was), &reload(is));
    let shown = |value: &Option<Value>| value.as_ref().map(|value| value.to_json().to_string());
    if was.default != is.default {
        found.add(&DEFAULT_CHANGED, format!("{at}/default"), shown(&was.default), shown(&is.default));
    }
    if was.example != is.example {
        found.add(&EXAMPLE_CHANGED, format!("{at}/example"), shown(&was.example), shown(&is.example));
    }
    if was.env != is.env {
        found.add(&ENV_CHANGED, format!("{at}/env"), was.env.clone(), is.env.clone());
    }
    deprecation(&format!("{at}/deprecated"), was.deprecated.as_ref(), is.deprecated.as_ref(), found);
    let said = |spec: &KeySpec| spec.since.as_ref().map(ToString::to_string);
    if was.since != is.since {
        let newer = is.since.as_ref().is_some_and(|since| since.cmp_precedence(&old.port.version).is_gt());
        if newer {
            found.add(&REUSED, format!("{at}/since"), said(was), said(is));
        } else {
            let text = |spec: &KeySpec| said(spec).unwrap_or_default();
            port::text(format!("{at}/since"), &text(was), &text(is), found);
        }
    }
    port::text(format!("{at}/summary"), &was.summary, &is.summary, found);
}

fn deprecation(at: &str, was: Option<&Deprecation>, is: Option<&Deprecation>, found: &mut Found) {
    let shown = |deprecation: &Deprecation| {
        let instead = deprecation.instead.as_ref().map(|key| format!(", use {key}")).unwrap_or_default();
        let gone = deprecation.remove_in.as_ref().map(|version| format!(", removed in {version}")).unwrap_or_default();
        format!("since {}{instead}{gone}", deprecation.since)
    };
    match (was, is) {
        (None, Some(is)) => found.add(&DEPRECATED, at, None, Some(shown(is))),
        (was, is) if was != is => found.add(&DEPRECATION_CHANGED, at, was.map(shown), is.map(shown)),
        _ => {}
    }
}
