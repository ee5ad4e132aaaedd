//! Owns how a call reaches the engine: the socket's state told apart before any request, a runtime for the call, a limit.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::runtime::{Builder, Runtime};

use super::engine::{ANSWER, DockerEngine};
use crate::engine::error::{Action, EngineError};

/// One call: the client, what is being done, and the socket for the one request that is not bollard's.
pub(super) struct Call {
    pub(super) docker: Docker,
    pub(super) action: Action,
    pub(super) socket: PathBuf,
}

impl DockerEngine {
    /// Runs `work` to its end, at most for `limit` in all.
    pub(super) fn call<T>(
        &self,
        action: Action,
        limit: Duration,
        work: impl AsyncFnOnce(&Call) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let call = self.open(action, limit)?;
        runtime()?.block_on(async {
            match tokio::time::timeout(limit, work(&call)).await {
                Ok(result) => result,
                Err(_) => Err(EngineError::Timeout { action: call.action.clone(), after: limit }),
            }
        })
    }

    /// Runs `work` to its end however long that takes; only the beginning of each answer has a limit.
    pub(super) fn stream<T>(
        &self,
        action: Action,
        work: impl AsyncFnOnce(&Call) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let call = self.open(action, ANSWER)?;
        runtime()?.block_on(work(&call))
    }

    fn open(&self, action: Action, limit: Duration) -> Result<Call, EngineError> {
        probe(self.socket())?;
        let Some(path) = self.socket().to_str() else {
            let message = format!("the socket's path `{}` is not UTF-8", self.socket().display());
            return Err(EngineError::Unexpected { action, message });
        };
        let docker = Docker::connect_with_unix(path, limit.as_secs().max(1), API_DEFAULT_VERSION)
            .map_err(|source| EngineError::Lost { action: action.clone(), source: Box::new(source) })?;
        Ok(Call { docker, action, socket: self.socket().to_owned() })
    }
}

fn runtime() -> Result<Runtime, EngineError> {
    Builder::new_current_thread().enable_io().enable_time().build().map_err(|source| EngineError::Runtime { source })
}

/// Tells a socket that is missing, one that nobody listens on and one that may not be used apart. Sends nothing.
fn probe(socket: &Path) -> Result<(), EngineError> {
    let socket = socket.to_owned();
    match UnixStream::connect(&socket) {
        Ok(_connected) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => EngineError::SocketMissing { socket },
            ErrorKind::PermissionDenied => EngineError::PermissionDenied { socket },
            _ => EngineError::NotRunning { socket, source: error },
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::engine::Engine as _;

    #[test]
    fn a_missing_socket_is_not_a_dead_one_and_neither_is_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = DockerEngine::at(dir.path().join("missing")).ping();
        assert!(matches!(missing, Err(EngineError::SocketMissing { .. })), "{missing:?}");

        let dead = dir.path().join("dead");
        drop(UnixListener::bind(&dead).unwrap());
        let dead = DockerEngine::at(dead).ping();
        assert!(matches!(dead, Err(EngineError::NotRunning { .. })), "{dead:?}");

        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let file = DockerEngine::at(file).ping();
        assert!(matches!(file, Err(EngineError::NotRunning { .. })), "{file:?}");
    }

    /// The engine's socket belongs to root, and root may use every socket; so the test asks as another user.
    #[test]
    fn a_socket_that_may_not_be_used_is_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let locked = dir.path().join("locked");
        std::fs::create_dir(&locked).unwrap();
        let socket = locked.join("docker.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        for dir in [dir.path(), &locked] {
            std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let result = as_nobody(move || DockerEngine::at(socket).ping());
        assert!(matches!(result, Err(EngineError::PermissionDenied { .. })), "{result:?}");
    }

    /// Runs `work` on a thread of its own that has given up root; the process keeps it.
    fn as_nobody<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        use rustix::process::{Gid, Uid};
        let run = move || {
            if rustix::process::geteuid().is_root() {
                let nobody = (Uid::from_raw(65534), Gid::from_raw(65534));
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(nobody.1, nobody.1, nobody.1).unwrap();
                rustix::thread::set_thread_res_uid(nobody.0, nobody.0, nobody.0).unwrap();
            }
            work()
        };
        std::thread::spawn(run).join().unwrap()
    }

    #[test]
    fn a_silent_engine_runs_into_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("silent");
        let _listener = UnixListener::bind(&socket).unwrap();
        let limit = Duration::from_millis(300);
        let result = DockerEngine::at(socket).call(
            Action::new(crate::engine::Operation::Ping),
            limit,
            super::super::system::ping,
        );
        assert!(matches!(result, Err(EngineError::Timeout { after, .. }) if after == limit), "{result:?}");
    }

    #[test]
    fn an_engine_that_hangs_up_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("rude");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            for _connection in 0..2 {
                drop(listener.accept().unwrap());
            }
        });
        let result = DockerEngine::at(socket).ping();
        server.join().unwrap();
        assert!(matches!(result, Err(EngineError::Lost { .. })), "{result:?}");
    }
}
