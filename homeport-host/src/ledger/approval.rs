//! Owns what the ledger remembers of an operator's consent. Never holds the token itself, only its digest: who reads the
//! ledger can't give consent by it.

use homeport_core::digest::Digest;

use super::time::Time;

/// A token that was given out for one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// The SHA-256 of the token.
    pub token: Digest,
    /// What it allows, for example `purge alice-shell`.
    pub command: String,
    /// The SHA-256 of the facts.
    pub digest: Digest,
    /// What the operator was shown, as a JSON object: enough to say what differs.
    pub facts: String,
    /// When it was given out.
    pub issued: Time,
    /// From when on it counts for nothing.
    pub expires: Time,
    /// When it was used up.
    pub used: Option<Time>,
}
