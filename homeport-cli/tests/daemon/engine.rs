//! Owns an engine that speaks as much of Docker's language as a daemon needs: containers that run, end and are removed, and the
//! events of it. What a container serves is a thread's: it echoes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// One container.
#[derive(Debug, Clone)]
struct Container {
    address: SocketAddr,
    is_running: bool,
}

#[derive(Debug, Default)]
struct State {
    containers: BTreeMap<String, Container>,
    labels: BTreeMap<String, String>,
    listeners: Vec<UnixStream>,
    /// Everything that was to change a container.
    changes: Vec<String>,
}

/// The engine; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Engine(Arc<Mutex<State>>);

impl Engine {
    /// Listens there until the process of the tests ends.
    pub(crate) fn listen(socket: &Path) -> Self {
        let (engine, listener) = (Self::default(), UnixListener::bind(socket).unwrap());
        let own = engine.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(stream));
            }
        });
        engine
    }

    /// The labels of every container.
    pub(crate) fn label(&self, name: &str, value: &str) {
        self.state().labels.insert(name.to_owned(), value.to_owned());
    }

    /// A container that runs and echoes there.
    pub(crate) fn run(&self, id: &str, address: SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut bytes) {
                        if stream.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        self.state().containers.insert(id.to_owned(), Container { address, is_running: true });
    }

    /// The container is killed; its connections say nothing of it.
    pub(crate) fn kill(&self, id: &str) {
        let mut state = self.state();
        state.containers.get_mut(id).unwrap().is_running = false;
        let mut attributes = json!({ "name": name(id), "exitCode": "137" });
        for (label, value) in &state.labels {
            attributes[label] = json!(value);
        }
        let event = json!({
            "Type": "container", "Action": "die", "timeNano": 1_700_000_000_000_000_000_u64,
            "Actor": { "ID": id, "Attributes": attributes },
        });
        let line = format!("{event}\n");
        state.listeners.retain_mut(|stream| write!(stream, "{:x}\r\n{line}\r\n", line.len()).is_ok());
    }

    /// What was to be changed so far.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.state().changes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: UnixStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let mut body = 0;
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) == 0 {
                    return;
                }
                if let Some(length) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    body = length.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; body]).unwrap_or(());
            let mut words = line.split(' ');
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if path.contains("/events") {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap_or(());
                return self.state().listeners.push(stream);
            }
            let (status, answer) = self.answer(method, path);
            let text = if status == 204 { String::new() } else { answer.to_string() };
            let head =
                format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}", text.len());
            if write!(stream, "{head}\r\n\r\n{text}").is_err() {
                return;
            }
        }
    }

    fn answer(&self, method: &str, path: &str) -> (u16, Value) {
        let mut state = self.state();
        let path = path.split('?').next().unwrap_or_default();
        let mut parts = path.split('/').skip_while(|part| *part != "containers").skip(1);
        let (id, what) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default());
        let missing = || (404, json!({ "message": "there is no such thing" }));
        if method != "GET" && !id.is_empty() {
            state.changes.push(format!("{method} {id} {what}").trim_end().to_owned());
        }
        match (method, id.as_str(), what) {
            ("GET", "json", "") => (200, json!([])),
            (_, id, _) if !state.containers.contains_key(id) => missing(),
            ("GET", id, "json") => (200, inspect(id, &state.containers[id], &state.labels)),
            ("POST", id, "stop" | "kill") => {
                state.containers.get_mut(id).unwrap().is_running = false;
                (204, Value::Null)
            }
            ("POST", _, "wait") => (200, json!({ "StatusCode": 0 })),
            ("DELETE", id, "") => {
                state.containers.remove(id);
                (204, Value::Null)
            }
            _ => missing(),
        }
    }
}

fn name(id: &str) -> String {
    format!("homeport-{}", &id[..4])
}

fn inspect(id: &str, container: &Container, labels: &BTreeMap<String, String>) -> Value {
    let state = if container.is_running {
        json!({ "Status": "running", "Pid": 1, "StartedAt": "2026-01-02T03:04:05Z" })
    } else {
        json!({ "Status": "exited", "ExitCode": 137, "FinishedAt": "2026-01-02T03:04:06Z" })
    };
    json!({
        "Id": id, "Name": format!("/{}", name(id)), "Image": format!("sha256:{}", "0b".repeat(32)), "State": state,
        "Config": { "Labels": labels }, "Mounts": [],
        "NetworkSettings": { "Networks": { "n": { "IPAddress": container.address.ip().to_string() } } },
    })
}
