//! Owns the writes about approvals: each is given out once and used once. Never decides whether one fits.

use homeport_core::digest::Digest;

use super::approval::ApprovalRecord;
use super::change::Change;
use super::error::LedgerError;
use super::time::Time;
use super::writer::LedgerWriter;

/// So many are remembered, so that a token that was used can be told from one that never was.
const KEPT_APPROVALS: i64 = 1_000;

impl LedgerWriter<'_> {
    /// Writes down an approval that is given out. One with the same token is never overwritten.
    pub fn add_approval(&mut self, record: &ApprovalRecord) -> Result<Change, LedgerError> {
        self.write(|_, connection| {
            let rows = connection
                .prepare_cached(
                    "INSERT INTO approval (token, command, digest, facts, issued, expires, used)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (token) DO NOTHING",
                )?
                .execute((
                    record.token.to_string(),
                    &record.command,
                    record.digest.to_string(),
                    &record.facts,
                    record.issued.as_str(),
                    record.expires.as_str(),
                    record.used.as_ref().map(Time::as_str),
                ))?;
            connection
                .prepare_cached(
                    "DELETE FROM approval WHERE token NOT IN (SELECT token FROM approval ORDER BY issued DESC LIMIT ?1)",
                )?
                .execute([KEPT_APPROVALS])?;
            Ok(Change::of_rows(rows))
        })
    }

    /// Uses an approval up. `Unchanged` where there is none with this token, or it was used before.
    pub fn use_approval(&mut self, token: &Digest, at: &Time) -> Result<Change, LedgerError> {
        let sql = "UPDATE approval SET used = ?2 WHERE token = ?1 AND used IS NULL";
        self.execute(sql, (token.to_string(), at.as_str()))
    }
}
