//! Owns giving the daemon's place to a new one, while nobody else does anything that needs it.

use super::error::OperationError;
use crate::daemon::{DaemonClient, Restarted};
use crate::host::Host;
use crate::oplock::{OperationLock, Wait};

/// Restarts the daemon of this HomePort, or starts it where it does not run. No address is closed and no connection ends.
///
/// # Errors
/// An operation that goes on for longer than the host has patience; else those of starting a daemon. The one that runs goes on
/// where the new one did not get as far as taking its place.
pub fn restart_daemon(host: &Host, daemon: &DaemonClient) -> Result<Restarted, OperationError> {
    host.layout.prepare()?;
    let (wait, now) = (Wait::For(host.patience), host.now());
    let _nothing_else = OperationLock::acquire(&host.layout, wait, "daemon restart", now, |_| {})?;
    Ok(daemon.restart()?)
}
