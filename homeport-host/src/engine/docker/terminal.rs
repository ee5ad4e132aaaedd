//! Owns starting a program on a terminal, the one request that is not bollard's: its decoder takes output that begins with
//! a byte of 0 to 2 for the header of a frame and swallows it (measured with bollard 0.21.1), and a terminal has no frames.

use std::io;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::connect::Call;
use super::engine::ANSWER;
use crate::engine::error::EngineError;

/// How long the head of an answer may be.
const HEAD: usize = 16 << 10;

/// Both ways to a terminal: whatever bytes the program writes, and whatever it is to read.
pub(super) struct TerminalStreams {
    /// What came together with the answer's head.
    pub(super) first: Bytes,
    pub(super) output: OwnedReadHalf,
    pub(super) input: OwnedWriteHalf,
}

/// Starts a program that was described with a terminal.
pub(super) async fn start(call: &Call, exec: &str) -> Result<TerminalStreams, EngineError> {
    let lost = |source: io::Error| EngineError::Lost { action: call.action.clone(), source: Box::new(source) };
    match tokio::time::timeout(ANSWER, request(&call.socket, exec)).await {
        Err(_) => Err(EngineError::Timeout { action: call.action.clone(), after: ANSWER }),
        Ok(Err(error)) => Err(lost(error)),
        // 200 is what engines said before they knew the upgrade.
        Ok(Ok((Head { status: 101 | 200, rest, .. }, stream))) => {
            let (output, input) = stream.into_split();
            Ok(TerminalStreams { first: rest, output, input })
        }
        Ok(Ok((head, mut stream))) => {
            let message = head.message(&mut stream).await.map_err(lost)?;
            Err(EngineError::Refused { action: call.action.clone(), status: head.status, message })
        }
    }
}

async fn request(socket: &Path, exec: &str) -> io::Result<(Head, UnixStream)> {
    let mut stream = UnixStream::connect(socket).await?;
    let body = r#"{"Detach":false,"Tty":true}"#;
    let request = format!(
        "POST /exec/{exec}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = BytesMut::with_capacity(4096);
    loop {
        if let Some(head) = parse_head(&bytes)? {
            return Ok((head, stream));
        }
        if bytes.len() > HEAD || stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer has no end of its head"));
        }
    }
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: usize,
    rest: Bytes,
}

impl Head {
    /// The engine's words in an answer that is an error.
    async fn message(&self, stream: &mut UnixStream) -> io::Result<String> {
        let mut body = self.rest.to_vec();
        let missing = self.length.min(HEAD).saturating_sub(body.len());
        let mut more = vec![0; missing];
        stream.read_exact(&mut more).await?;
        body.extend_from_slice(&more);
        let text = String::from_utf8_lossy(&body).into_owned();
        let message =
            serde_json::from_str::<Value>(&text).ok().and_then(|body| Some(body["message"].as_str()?.to_owned()));
        Ok(message.unwrap_or(text))
    }
}

/// Reads the head of an answer once it is whole; what follows it is the rest.
fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| broken())?;
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()).ok_or_else(broken)?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.trim().parse().map_err(|_| broken()))?;
    Ok(Some(Head { status, length, rest: Bytes::copy_from_slice(&bytes[end + 4..]) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole_and_not_before() {
        let answer = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\x00\x01rest";
        let whole = answer.len() - 6;
        for end in 0..whole {
            assert_eq!(parse_head(&answer[..end]).unwrap(), None, "{end}");
        }
        let head = parse_head(answer).unwrap().unwrap();
        assert_eq!(head, Head { status: 101, length: 0, rest: Bytes::from_static(b"\x00\x01rest") });
        let error = parse_head(b"HTTP/1.1 409 Conflict\r\ncontent-length: 12\r\n\r\n").unwrap().unwrap();
        assert_eq!((error.status, error.length), (409, 12));
        for bad in [&b"SSH-2.0-x\r\n\r\n"[..], b"HTTP/1.1 x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
            assert!(parse_head(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
