//! Owns what went wrong while a phase was carried out, and which exit status that makes.
//! Never writes anything down: `record` does.

use std::fmt;

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;

/// Which status wins where errors of several kinds were found: what makes the others moot stands first. [spec: ENT-27]
const GRAVEST_FIRST: &[ExitStatus] = &[
    ExitStatus::Usage,
    ExitStatus::Protocol,
    ExitStatus::Internal,
    ExitStatus::InputMissing,
    ExitStatus::DataForeign,
    ExitStatus::FormatNewer,
    ExitStatus::MigrationNeeded,
    ExitStatus::NotPermitted,
    ExitStatus::CannotCreate,
    ExitStatus::NoSpace,
    ExitStatus::ConfigInvalid,
    ExitStatus::MigrationFailedDirty,
    ExitStatus::MigrationFailedClean,
    ExitStatus::Io,
    ExitStatus::OsRefused,
    ExitStatus::ServiceFailed,
    ExitStatus::Temporary,
    ExitStatus::KilledAtStop,
];

/// One error: the fault, and the status that init exits with if it is the gravest one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What init exits with.
    pub status: ExitStatus,
    /// What is wrong.
    pub fault: Fault,
}

/// What a phase found: errors and warnings, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    problems: Vec<Problem>,
    warnings: Vec<Fault>,
}

impl Report {
    /// Adds an error.
    pub fn error(&mut self, status: ExitStatus, fault: Fault) {
        self.problems.push(Problem { status, fault });
    }

    /// Adds something that somebody should look at, though the port works.
    pub fn warn(&mut self, fault: Fault) {
        self.warnings.push(fault);
    }

    /// The value, or nothing and the failure's errors added.
    pub fn keep<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                self.problems.extend(failure.problems);
                None
            }
        }
    }

    /// Whether no error was found.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// What the errors are about.
    pub(crate) fn subjects(&self) -> Vec<String> {
        self.problems.iter().map(|problem| problem.fault.subject.clone()).collect()
    }

    /// The warnings.
    pub(crate) fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// A failure with every error, if there is one.
    pub fn into_result(self) -> Result<(), Failure> {
        if self.problems.is_empty() { Ok(()) } else { Err(Failure { problems: self.problems }) }
    }
}

/// Why something could not be done: at least one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    problems: Vec<Problem>,
}

impl Failure {
    /// A failure with one error.
    pub fn new(status: ExitStatus, fault: Fault) -> Self {
        Self { problems: vec![Problem { status, fault }] }
    }

    /// A failure with one error that came from the operating system: a full disk is 84, a read-only one 73, a missing
    /// permission 77, everything else 74.
    pub fn from_io(fault: Fault, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let status = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ExitStatus::NoSpace,
            ErrorKind::ReadOnlyFilesystem => ExitStatus::CannotCreate,
            ErrorKind::PermissionDenied => ExitStatus::NotPermitted,
            ErrorKind::OutOfMemory | ErrorKind::ResourceBusy => ExitStatus::OsRefused,
            _ => ExitStatus::Io,
        };
        Self::new(status, fault.actual(error.to_string()))
    }

    /// Every error, oldest first.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The status of the gravest error. [spec: ENT-27]
    pub fn status(&self) -> ExitStatus {
        GRAVEST_FIRST
            .iter()
            .copied()
            .find(|status| self.problems.iter().any(|problem| problem.status == *status))
            .unwrap_or(ExitStatus::Unclassified)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            let joint = if n == 0 { "" } else { "; " };
            write!(f, "{joint}{}", problem.fault)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Fault {
        Fault::new("X-TEST-001", "a", "`a` is wrong")
    }

    #[test]
    fn the_gravest_error_decides_and_none_is_lost() {
        let mut report = Report::default();
        report.error(ExitStatus::ConfigInvalid, fault());
        report.error(ExitStatus::InputMissing, fault());
        report.warn(fault());
        let failure = report.into_result().unwrap_err();
        assert_eq!(failure.status(), ExitStatus::InputMissing);
        assert_eq!(failure.problems().len(), 2);
    }

    #[test]
    fn warnings_alone_are_no_failure() {
        let mut report = Report::default();
        report.warn(fault());
        assert!(report.is_clean());
        assert_eq!(report.into_result(), Ok(()));
    }

    #[test]
    fn every_status_that_is_an_error_has_a_rank() {
        for status in ExitStatus::ALL {
            let ranked = GRAVEST_FIRST.contains(status);
            assert_eq!(ranked, !matches!(status, ExitStatus::Done | ExitStatus::Unclassified), "{status:?}");
        }
    }
}
