//! Owns the rules of what a key's value can be: its type, and whether more or less is accepted than before.
//! Never looks at a value.

use super::super::change::{Found, listed};
use super::super::rule::declare_rules;
use super::port;
use crate::config::{Kind, Limits, Pattern};

declare_rules! {
    TYPE_CHANGED = "key-type-changed", Major,
        "a key takes values of another type",
        "`--set KEY=VALUE` with the value of before is refused";
    TIGHTENED = "key-tightened", Major,
        "a key takes less than before",
        "an instance whose value is not taken any more cannot be started";
    RELAXED = "key-relaxed", Minor,
        "a key takes more than before",
        "a value that is taken now is refused by the version before";
}

pub(super) fn compare(at: &str, old: &Kind, new: &Kind, found: &mut Found) {
    use Kind as K;
    match (old, new) {
        (K::String { max_len: was, pattern: from }, K::String { max_len: is, pattern: to }) => {
            length(at, *was, *is, found);
            pattern(at, from.as_ref(), to.as_ref(), found);
        }
        (K::Text { max_len: was }, K::Text { max_len: is }) => length(at, *was, *is, found),
        (K::Int(was), K::Int(is)) | (K::Bytes(was), K::Bytes(is)) | (K::Duration(was), K::Duration(is)) => {
            limits(at, *was, *is, found);
        }
        (K::Enum(was), K::Enum(is)) => offered(at, was, is, found),
        (
            K::List { count: was, max_len: was_len, pattern: from },
            K::List { count: is, max_len: is_len, pattern: to },
        ) => {
            limits(at, *was, *is, found);
            length(at, *was_len, *is_len, found);
            pattern(at, from.as_ref(), to.as_ref(), found);
        }
        (K::Bool, K::Bool) | (K::Hostname, K::Hostname) | (K::Email, K::Email) | (K::Url, K::Url) => {}
        (was, is) => {
            found.add(&TYPE_CHANGED, format!("{at}/type"), Some(was.word().into()), Some(is.word().into()));
        }
    }
}

fn limits(at: &str, was: Limits, is: Limits, found: &mut Found) {
    found.moved((&RELAXED, &TIGHTENED), format!("{at}/min"), Some(&was.min), Some(&is.min));
    found.moved((&TIGHTENED, &RELAXED), format!("{at}/max"), Some(&was.max), Some(&is.max));
}

fn length(at: &str, was: u32, is: u32, found: &mut Found) {
    found.moved((&TIGHTENED, &RELAXED), format!("{at}/max_len"), Some(&was), Some(&is));
}

/// Whether one expression accepts less than another is not decided: another one counts as less.
fn pattern(at: &str, was: Option<&Pattern>, is: Option<&Pattern>, found: &mut Found) {
    if was != is {
        let source = |pattern: Option<&Pattern>| pattern.map(|pattern| pattern.source().to_owned());
        let rule = if is.is_none() { &RELAXED } else { &TIGHTENED };
        found.add(rule, format!("{at}/pattern"), source(was), source(is));
    }
}

fn offered(at: &str, was: &[String], is: &[String], found: &mut Found) {
    let at = format!("{at}/values");
    let gone = was.iter().any(|value| !is.contains(value));
    let added = is.iter().any(|value| !was.contains(value));
    for (differs, rule) in [(gone, &TIGHTENED), (added, &RELAXED)] {
        if differs {
            found.add(rule, at.as_str(), Some(listed(was)), Some(listed(is)));
        }
    }
    if !gone && !added {
        port::text(at, &listed(was), &listed(is), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(old: &Kind, new: &Kind) -> Vec<(&'static str, String)> {
        let mut found = Found::default();
        compare("/k", old, new, &mut found);
        found.into_changes().into_iter().map(|change| (change.rule.id, change.subject)).collect()
    }

    type Row = (Kind, Kind, &'static [(&'static str, &'static str)]);

    #[test]
    fn each_limit_is_looked_at_in_both_directions() {
        let limits = |min, max| Limits { min, max };
        let list = |min, max, max_len| Kind::List { count: limits(min, max), max_len, pattern: None };
        let string = |pattern: &str| Kind::String {
            max_len: 9,
            pattern: (!pattern.is_empty()).then(|| Pattern::new(pattern).unwrap()),
        };
        let values = |values: &[&str]| Kind::Enum(values.iter().map(|value| (*value).to_owned()).collect());
        let rows: Vec<Row> = vec![
            (Kind::Int(limits(1, 9)), Kind::Int(limits(2, 9)), &[("key-tightened", "/k/min")]),
            (Kind::Int(limits(1, 9)), Kind::Int(limits(0, 9)), &[("key-relaxed", "/k/min")]),
            (Kind::Bytes(limits(1, 9)), Kind::Bytes(limits(1, 8)), &[("key-tightened", "/k/max")]),
            (Kind::Duration(limits(1, 9)), Kind::Duration(limits(1, 10)), &[("key-relaxed", "/k/max")]),
            (
                Kind::Int(limits(1, 9)),
                Kind::Int(limits(2, 10)),
                &[("key-tightened", "/k/min"), ("key-relaxed", "/k/max")],
            ),
            (Kind::Int(limits(1, 9)), Kind::Bytes(limits(1, 9)), &[("key-type-changed", "/k/type")]),
            (Kind::Text { max_len: 9 }, Kind::Text { max_len: 8 }, &[("key-tightened", "/k/max_len")]),
            (list(0, 9, 9), list(1, 9, 10), &[("key-tightened", "/k/min"), ("key-relaxed", "/k/max_len")]),
            (string(""), string("a"), &[("key-tightened", "/k/pattern")]),
            (string("a"), string("a|b"), &[("key-tightened", "/k/pattern")]),
            (string("a"), string(""), &[("key-relaxed", "/k/pattern")]),
            (values(&["a", "b"]), values(&["a"]), &[("key-tightened", "/k/values")]),
            (values(&["a", "b"]), values(&["a", "b", "c"]), &[("key-relaxed", "/k/values")]),
            (values(&["a", "b"]), values(&["a", "c"]), &[("key-tightened", "/k/values"), ("key-relaxed", "/k/values")]),
            (values(&["a", "b"]), values(&["b", "a"]), &[("text-changed", "/k/values")]),
        ];
        for (old, new, wanted) in rows {
            let found = rules_of(&old, &new);
            let found: Vec<(&str, &str)> = found.iter().map(|(id, at)| (*id, at.as_str())).collect();
            assert_eq!(found, wanted, "{old:?} {new:?}");
        }
    }
}
