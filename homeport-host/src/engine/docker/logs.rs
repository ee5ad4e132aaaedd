//! Owns reading a container's output from Docker. Never keeps any.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt as _;

use super::connect::Call;
use super::inspect;
use crate::engine::cancel::Cancel;
use crate::engine::error::EngineError;
use crate::engine::name::ContainerRef;
use crate::engine::observe::{Flow, LogFollow, LogRequest, LogTail, LogTimes, Stream};
use crate::engine::outcome::LogsEnd;

pub(super) async fn read(
    call: &Call,
    container: &ContainerRef,
    request: &LogRequest,
    sink: &mut dyn FnMut(Stream, &[u8]) -> Flow,
) -> Result<LogsEnd, EngineError> {
    let facts = inspect::existing(call, container).await?;
    let cancel = match &request.follow {
        LogFollow::No => Cancel::new(),
        LogFollow::Until(cancel) => cancel.clone(),
    };
    let options = LogsOptions {
        follow: matches!(request.follow, LogFollow::Until(_)),
        stdout: true,
        stderr: true,
        since: request.since.map_or(0, |since| i32::try_from(since.unix_timestamp()).unwrap_or(i32::MAX)),
        timestamps: request.times == LogTimes::With,
        tail: match request.tail {
            LogTail::All => "all".to_owned(),
            LogTail::Lines(lines) => lines.to_string(),
        },
        ..LogsOptions::default()
    };
    let mut chunks = call.docker.logs(facts.id.as_str(), Some(options));
    loop {
        let chunk = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(LogsEnd::Cancelled),
            chunk = chunks.next() => chunk,
        };
        match chunk {
            None => return Ok(LogsEnd::Complete),
            Some(Err(error)) => return Err(call.failure(error)),
            Some(Ok(chunk)) => {
                let (stream, bytes) = part(&chunk);
                if sink(stream, bytes) == Flow::Stop {
                    return Ok(LogsEnd::Stopped);
                }
            }
        }
    }
}

/// Which output a chunk is of, and its bytes.
pub(super) fn part(chunk: &LogOutput) -> (Stream, &[u8]) {
    match chunk {
        LogOutput::StdErr { message } => (Stream::Err, message),
        LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
            (Stream::Out, message)
        }
    }
}
