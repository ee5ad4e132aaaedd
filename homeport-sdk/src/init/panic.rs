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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;

    /// Names the directory in which the test, started again as a process of its own, falls.
    const DIRECTORY: &str = "HOMEPORT_TEST_PANIC";

    #[test]
    fn a_panic_ends_with_70_and_a_termination_file() {
        if let Some(dir) = std::env::var_os(DIRECTORY).map(PathBuf::from) {
            tell_in(Record::within("run", &dir));
            panic!("a promise was broken");
        }
        let dir = tempfile::tempdir().unwrap();
        let name = "init::panic::tests::a_panic_ends_with_70_and_a_termination_file";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", name]).env(DIRECTORY, dir.path()).output().unwrap();
        assert_eq!(ended.status.code(), Some(70), "{ended:?}");
        let told =
            |path: &Path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let termination = told(&dir.path().join("termination.json"));
        assert_eq!((&termination["exit"], &termination["phase"]), (&70.into(), &"run".into()));
        let error = &termination["errors"][0];
        assert_eq!((&error["code"], &error["actual"]), (&"HP-INIT-001".into(), &"a promise was broken".into()));
        assert!(error["remedy"].as_str().unwrap().contains("panic.rs"), "{error}");
        assert_eq!(told(&dir.path().join("diag.jsonl"))["code"], "HP-INIT-001");
    }
}
