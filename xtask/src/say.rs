//! Owns what a task says to the person who runs it: one line a thing on stdout, failures on stderr.
//! Never decides anything; a stdout that is gone is no failure of the task.

use std::fmt::Display;
use std::io::Write as _;

/// Says one thing that was done, or was found done.
pub(crate) fn line(text: impl Display) {
    // A reader that went away must not stop a half-done setup.
    let mut out = std::io::stdout().lock();
    let _gone = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Says something that must not be overlooked.
pub(crate) fn warning(text: impl Display) {
    let _gone = writeln!(std::io::stderr().lock(), "warning: {text}");
}

/// Says why the task failed: the error and every cause below it, one a line.
pub(crate) fn failure(error: &anyhow::Error) {
    let mut err = std::io::stderr().lock();
    let _gone = writeln!(err, "error: {error}");
    for cause in error.chain().skip(1) {
        let _gone = writeln!(err, "  cause: {cause}");
    }
}
