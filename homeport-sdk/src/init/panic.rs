//! Owns the last resort: a bug that panics ends init with 70 and a termination file, not with a signal.
//! Never runs in a port that is written as it should be.

use std::panic::PanicHookInfo;

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;

use super::record::Record;
use super::report::Failure;

/// From now on a panic is told in this record. [spec: ENT-28]
pub(crate) fn tell_in(record: Record) {
    std::panic::set_hook(Box::new(move |info| end(&record, info)));
}

#[expect(
    clippy::exit,
    reason = "the hook runs where nothing can be returned to; the alternative is an abort by signal"
)]
fn end(record: &Record, info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let said = info.payload_as_str().unwrap_or("a panic without words");
    let fault = Fault::new("HP-INIT-001", "init", "a bug of the port's init")
        .actual(homeport_core::text::clip(said, 300))
        .remedy(format!("report it to the port's author, with the place in its source: {place}"));
    let status = record.end(&Failure::new(ExitStatus::Internal, fault));
    std::process::exit(status.code().into());
}
