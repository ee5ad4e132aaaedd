//! Owns the translation of bollard's errors into HomePort's. Never decides what they mean for an operation.

use bollard::errors::Error;

use super::connect::Call;
use crate::engine::error::{EngineError, Subject};

impl Call {
    /// What this error of the client means for this call.
    pub(super) fn failure(&self, error: Error) -> EngineError {
        let action = self.action.clone();
        match error {
            Error::DockerResponseServerError { status_code: 404, message } => self.missing(message),
            Error::DockerResponseServerError { status_code: 409, message } => EngineError::Conflict { action, message },
            Error::DockerResponseServerError { status_code: status, message } => {
                EngineError::Refused { action, status, message }
            }
            // Within a stream that began well.
            Error::DockerStreamError { error: message } => EngineError::Refused { action, status: 200, message },
            Error::RequestTimeoutError => EngineError::Timeout { action, after: self.docker.timeout() },
            Error::IOError { .. } | Error::HyperResponseError { .. } | Error::HyperLegacyError { .. } => {
                EngineError::Lost { action, source: Box::new(error) }
            }
            other => self.unexpected(other.to_string()),
        }
    }

    /// The engine's answer is not what it should be.
    pub(super) fn unexpected(&self, message: impl Into<String>) -> EngineError {
        EngineError::Unexpected { action: self.action.clone(), message: message.into() }
    }

    /// What this call is about is not there.
    pub(super) fn not_found(&self, what: Subject) -> EngineError {
        EngineError::NotFound { action: self.action.clone(), what, name: self.action.subject.clone() }
    }

    fn missing(&self, message: String) -> EngineError {
        let action = self.action.clone();
        match parse_missing(&message) {
            Some((what, name)) => EngineError::NotFound { action, what, name: name.to_owned() },
            None => EngineError::Refused { action, status: 404, message },
        }
    }
}

/// What kind of thing is missing and which, by the engine's words: `No such image: x`, `network x not found`.
fn parse_missing(message: &str) -> Option<(Subject, &str)> {
    for (start, what) in [
        ("No such container: ", Subject::Container),
        ("No such image: ", Subject::Image),
        ("No such network: ", Subject::Network),
    ] {
        if let Some((_, name)) = message.split_once(start) {
            return Some((what, name.trim()));
        }
    }
    let (_, rest) = message.split_once("network ")?;
    Some((Subject::Network, rest.split_once(" not found")?.0))
}

/// Whether the error is the engine's answer with this status.
pub(super) fn has_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_read_from_the_engines_words() {
        let rows = [
            ("No such container: homeport-a", Some((Subject::Container, "homeport-a"))),
            ("No such image: sha256:00", Some((Subject::Image, "sha256:00"))),
            ("network 0a1b not found", Some((Subject::Network, "0a1b"))),
            ("No such network: x", Some((Subject::Network, "x"))),
            ("page not found", None),
        ];
        for (message, expected) in rows {
            assert_eq!(parse_missing(message), expected, "{message}");
        }
    }
}
