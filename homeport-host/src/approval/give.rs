//! Owns giving a token out for facts, and judging one that comes back. The only randomness is the token's.

use std::time::Duration;

use super::error::ApprovalError;
use super::facts::Facts;
use super::token::Token;
use crate::ledger::{ApprovalRecord, Change, LedgerError, LedgerWriter, Refusal, Time};

/// How long a token counts.
const LIFETIME: Duration = Duration::from_hours(1);

/// A token that was given out, for the operator to see.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// From when on it counts for nothing.
    pub expires: Time,
    /// What it allows.
    pub facts: Facts,
}

/// A token that was judged to fit. Used up together with the first write of what it allows.
#[derive(Debug)]
#[must_use = "a consent that is not used up could be used twice"]
pub struct TokenUse(Token);

/// Gives a token out for exactly this.
pub(crate) fn issue(
    writer: &mut LedgerWriter<'_>,
    command: &str,
    facts: &Facts,
    now: &Time,
) -> Result<Issued, LedgerError> {
    let mut bits = [0; 10];
    getrandom::fill(&mut bits).map_err(LedgerError::Randomness)?;
    let issued = Issued { token: Token::from_bits(bits), expires: now.after(LIFETIME), facts: facts.clone() };
    writer.add_approval(&ApprovalRecord {
        token: issued.token.digest(),
        command: command.to_owned(),
        digest: facts.digest(command),
        facts: serde_json::to_string(facts).unwrap_or_default(),
        issued: now.clone(),
        expires: issued.expires.clone(),
        used: None,
    })?;
    Ok(issued)
}

/// Whether a token allows exactly this, by what the ledger has of it.
///
/// # Errors
/// Why it does not; the first of: unknown, for another command, used, expired, for another plan.
pub fn judge(
    found: Option<&ApprovalRecord>,
    token: &Token,
    command: &str,
    facts: &Facts,
    now: &Time,
) -> Result<TokenUse, ApprovalError> {
    let found = found.filter(|found| found.token == token.digest()).ok_or(ApprovalError::Unknown)?;
    if found.command != command {
        return Err(ApprovalError::OtherCommand { found: found.command.clone(), wanted: command.to_owned() });
    }
    if let Some(at) = &found.used {
        return Err(ApprovalError::Used { at: at.clone() });
    }
    // A clock that was set back makes no token older than it is, and one from the future is none of this hour.
    if *now >= found.expires || *now < found.issued {
        return Err(ApprovalError::Expired { at: found.expires.clone() });
    }
    if found.digest != facts.digest(command) {
        let approved: Facts = serde_json::from_str(&found.facts).unwrap_or_default();
        return Err(ApprovalError::OtherPlan { command: command.to_owned(), differences: approved.differences(facts) });
    }
    Ok(TokenUse(token.clone()))
}

impl TokenUse {
    /// Uses the token up. To be called in the transaction that begins what it allows.
    ///
    /// # Errors
    /// `ApprovalGone` where it was used or forgotten since it was judged.
    pub(crate) fn use_up(&self, writer: &mut LedgerWriter<'_>, now: &Time) -> Result<(), LedgerError> {
        match writer.use_approval(&self.0.digest(), now)? {
            Change::Changed => Ok(()),
            Change::Unchanged => Err(Refusal::ApprovalGone.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::fault::Advice as _;

    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn facts() -> Facts {
        Facts::default().with("volume home: uuid", "u1").with("volume home: bytes", 10)
    }

    fn record(token: &Token) -> ApprovalRecord {
        ApprovalRecord {
            token: token.digest(),
            command: "purge alice".into(),
            digest: facts().digest("purge alice"),
            facts: serde_json::to_string(&facts()).unwrap(),
            issued: at("2026-11-23T04:00:00Z"),
            expires: at("2026-11-23T05:00:00Z"),
            used: None,
        }
    }

    /// A case: its name, what the ledger has, the token, the command, what it would do, when, and the code of the refusal.
    type Row<'a> = (&'a str, Option<&'a ApprovalRecord>, &'a Token, &'a str, &'a Facts, &'a str, &'a str);

    #[test]
    fn a_token_allows_one_plan_once_for_an_hour() {
        let token = Token::from_bits([1; 10]);
        let stranger = Token::from_bits([2; 10]);
        let good = record(&token);
        let used = ApprovalRecord { used: Some(at("2026-11-23T04:10:00Z")), ..good.clone() };
        let other_volume = facts().with("volume home: uuid", "u2");
        let grown = facts().with("volume home: bytes", 11);
        let same = facts();
        let rows: [Row<'_>; 11] = [
            ("fits", Some(&good), &token, "purge alice", &same, "2026-11-23T04:00:00Z", ""),
            ("last moment", Some(&good), &token, "purge alice", &same, "2026-11-23T04:59:59.999Z", ""),
            ("never given out", None, &token, "purge alice", &same, "2026-11-23T04:30:00Z", "HP-APR-003"),
            ("of another", Some(&good), &stranger, "purge alice", &same, "2026-11-23T04:30:00Z", "HP-APR-003"),
            ("used", Some(&used), &token, "purge alice", &same, "2026-11-23T04:30:00Z", "HP-APR-004"),
            ("expired", Some(&good), &token, "purge alice", &same, "2026-11-23T05:00:00Z", "HP-APR-005"),
            ("long expired", Some(&good), &token, "purge alice", &same, "2036-11-23T05:00:00Z", "HP-APR-005"),
            ("clock set back", Some(&good), &token, "purge alice", &same, "2016-11-23T04:30:00Z", "HP-APR-005"),
            ("other instance", Some(&good), &token, "purge bob", &same, "2026-11-23T04:30:00Z", "HP-APR-006"),
            ("other volume", Some(&good), &token, "purge alice", &other_volume, "2026-11-23T04:30:00Z", "HP-APR-007"),
            ("a byte more", Some(&good), &token, "purge alice", &grown, "2026-11-23T04:30:00Z", "HP-APR-007"),
        ];
        for (case, found, given, command, plan, now, code) in rows {
            let verdict = judge(found, given, command, plan, &at(now));
            let got = verdict.as_ref().err().map_or("", |error| error.code());
            assert_eq!(got, code, "{case}: {verdict:?}");
            assert!(verdict.is_ok() || verdict.unwrap_err().help().is_some(), "{case}");
        }
        let error = judge(Some(&good), &token, "purge alice", &grown, &at("2026-11-23T04:30:00Z")).unwrap_err();
        assert!(error.to_string().ends_with("volume home: bytes: approved `10`, found `11`"), "{error}");
    }
}
