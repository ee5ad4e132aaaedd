//! Owns what the ledger knows of the clock: the newest moment that was written down, and the moments of the history.
//! Never reads the clock itself.

use super::error::LedgerError;
use super::read::Ledger;
use super::row;
use super::time::Time;

impl Ledger {
    /// The newest moment that was written down of something that happened; `None` before anything did.
    pub fn newest(&self) -> Result<Option<Time>, LedgerError> {
        let sql = "SELECT at FROM (SELECT max(time) AS at FROM event UNION ALL SELECT max(since) FROM trash)
                   WHERE at IS NOT NULL ORDER BY at DESC LIMIT 1";
        self.one(sql, [], |found| row::parsed(found, "at"))
    }

    /// `now`, or the newest moment that was written down where the clock is behind it: a clock that was set back makes
    /// nothing older than it is.
    pub fn not_before_known(&self, now: &Time) -> Result<Time, LedgerError> {
        Ok(self.newest()?.filter(|newest| newest > now).unwrap_or_else(|| now.clone()))
    }

    /// The moments of the history after `since`, in their order, each once.
    pub fn moments_after(&self, since: &Time) -> Result<Vec<Time>, LedgerError> {
        let sql = "SELECT DISTINCT time FROM event WHERE time > ?1 ORDER BY time";
        self.all(sql, [since.as_str()], |found| row::parsed(found, "time"))
    }
}
