//! Owns what a rule on the difference of two manifests is, and the list of all of them.
//! Never looks at a manifest: what finds a change stands beside the rule, in `compare`.

use super::bump::Bump;
use super::compare;

/// What a version of a port promises about one kind of change. [spec: UPG-10]
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule's name, for example `key-removed`. Stable.
    pub id: &'static str,
    /// What the change asks of the version.
    pub bump: Bump,
    /// The code with which a host refuses the change where the version does not allow it.
    pub code: &'static str,
    /// What happened: lowercase, without a period.
    pub message: &'static str,
    /// The least that an operator does, or has, that the change can break; for a patch, why nothing breaks.
    pub witness: &'static str,
}

/// The code of every change that a greater version would allow.
pub(super) const TOO_SMALL: &str = "HP-UPG-004";

/// Every rule, in the order of the specification's table.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    compare::RULES.iter().copied().flatten()
}

/// Declares rules, each as a constant, and all of them as `RULES`. `as` gives a forbidden one its own code.
macro_rules! declare_rules {
    (@code) => { $crate::upgrade::rule::TOO_SMALL };
    (@code $code:literal) => { $code };
    ($($name:ident = $id:literal, $bump:ident $(as $code:literal)?, $message:literal, $witness:literal;)+) => {
        $(
            const $name: $crate::upgrade::rule::Rule = $crate::upgrade::rule::Rule {
                id: $id,
                bump: $crate::upgrade::bump::Bump::$bump,
                code: $crate::upgrade::rule::declare_rules!(@code $($code)?),
                message: $message,
                witness: $witness,
            };
        )+
        pub(super) const RULES: &[$crate::upgrade::rule::Rule] = &[$($name),+];
    };
}

pub(super) use declare_rules;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_says_something() {
        let ids: BTreeSet<&str> = rules().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), rules().count());
        for rule in rules() {
            let plain = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(rule.id.bytes().all(plain), "{}", rule.id);
            assert!(rule.message.len() > 10 && !rule.message.ends_with('.'), "{}", rule.id);
            assert!(rule.message.starts_with(|c: char| c.is_lowercase() || c == '`'), "{}", rule.id);
            assert!(rule.witness.len() > 10 && !rule.witness.ends_with('.'), "{}", rule.id);
            assert!(!rule.message.contains('|') && !rule.witness.contains('|'), "{}", rule.id);
        }
    }

    #[test]
    fn only_a_forbidden_change_has_a_code_of_its_own() {
        let mut codes = BTreeSet::new();
        for rule in rules() {
            assert_eq!(rule.code == TOO_SMALL, rule.bump != Bump::Forbidden, "{}", rule.id);
            assert!(rule.bump != Bump::Forbidden || codes.insert(rule.code), "{}", rule.id);
        }
    }
}
