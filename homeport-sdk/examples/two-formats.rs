//! A port whose volume has two formats, to show how a migration is written; tests run it as PID 1, and in images of their own.
//!
//! Where its manifest declares an endpoint, it takes notes there: `put NAME TEXT` is answered with `ok` once the note is on
//! the disk, `about` with the port's version and the format that it writes. One line is one request.
//!
//! Format 1 keeps each note as text in `NAME.txt`, format 2 as a JSON string in `NAME.json`. Each note changes by one
//! rename and is then taken out of its old form, so that a step can be cut off anywhere: a note that is there in both
//! forms is converted again, and one that is there in the new form alone is done.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_sdk::init::{self, Context, Failure, MigrationFailure, Port, Report, Service, Step};

/// The port.
struct Notes;

/// One of the two forms of a note.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
}

impl Form {
    const fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
        }
    }

    fn read(self, bytes: Vec<u8>) -> Option<String> {
        match self {
            Self::Text => String::from_utf8(bytes).ok(),
            Self::Json => serde_json::from_slice(&bytes).ok(),
        }
    }

    fn write(self, note: &str) -> Vec<u8> {
        match self {
            Self::Text => note.as_bytes().to_vec(),
            Self::Json => serde_json::Value::from(note).to_string().into_bytes(),
        }
    }
}

fn notes(volume: &Path, form: Form) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(volume)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == form.extension()) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::from_io(Fault::new("X-notes-001", "volumes.data", format!("`{}` cannot be used", path.display())), error)
}

fn convert(path: &Path, from: Form, to: Form) -> Result<(), Failure> {
    let failed = |error: io::Error| unreadable(path, &error);
    let note = from.read(fs::read(path).map_err(failed)?).ok_or_else(|| {
        let fault = Fault::new("X-notes-002", "volumes.data", format!("`{}` is no note", path.display()));
        Failure::new(ExitStatus::DataForeign, fault)
    })?;
    let (new, part) = (path.with_extension(to.extension()), path.with_extension("part"));
    let replace = || {
        let mut file = File::create(&part)?;
        file.write_all(&to.write(&note))?;
        file.sync_all()?;
        fs::rename(&part, &new)?;
        fs::remove_file(path)
    };
    replace().map_err(failed)
}

/// What its one service does: it keeps the notes that clients bring.
struct Keeper {
    volume: PathBuf,
    form: Form,
    about: String,
}

impl Keeper {
    /// Serves for as long as it lives.
    fn serve(self, port: u16) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        let keeper = Arc::new(self);
        for client in listener.incoming() {
            let (client, keeper) = (client?, Arc::clone(&keeper));
            // A client that hangs up ends its own conversation.
            std::thread::spawn(move || keeper.talk(client).ok());
        }
        Ok(())
    }

    fn talk(&self, client: TcpStream) -> io::Result<()> {
        let mut answers = client.try_clone()?;
        for line in BufReader::new(client).lines() {
            let line = line?;
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let answer = match words.as_slice() {
                ["about"] => self.about.clone(),
                ["put", name, text] if is_name(name) => match self.put(name, text) {
                    Ok(()) => "ok".to_owned(),
                    Err(error) => format!("failed: {error}"),
                },
                _ => "wanted `put NAME TEXT` or `about`".to_owned(),
            };
            answers.write_all(format!("{answer}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Keeps a note: whole under its name, and on the disk, or not at all.
    fn put(&self, name: &str, text: &str) -> io::Result<()> {
        let part = self.volume.join(name).with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(&self.form.write(text))?;
        file.sync_all()?;
        fs::rename(&part, part.with_extension(self.form.extension()))?;
        File::open(&self.volume)?.sync_all()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Port for Notes {
    fn check_volumes(&self, cx: &Context, report: &mut Report) {
        let Some(volume) = cx.volume("data") else { return };
        let old = if volume.format.get() == 1 { Form::Json } else { Form::Text };
        match notes(Path::new(volume.path), old) {
            Ok(left) if left.is_empty() => {}
            Ok(left) => {
                let message = format!("{} notes are not in format {}", left.len(), volume.format);
                report.error(ExitStatus::DataForeign, Fault::new("X-notes-003", "volumes.data", message));
            }
            Err(error) => {
                report.keep(Err::<(), _>(unreadable(Path::new(volume.path), &error)));
            }
        }
    }

    fn prepare(&self, cx: &Context) -> Result<Vec<Service>, Failure> {
        let service = match (cx.manifest().endpoints.values().next(), cx.volume("data")) {
            (Some(endpoint), Some(volume)) => Service::new("main", "/port/init").args([
                "keep".to_owned(),
                endpoint.port.to_string(),
                volume.path.to_owned(),
                volume.format.to_string(),
                cx.manifest().port.version.to_string(),
            ]),
            _ => Service::new("main", "/bin/sleep").args(["1000"]),
        };
        Ok(vec![service])
    }

    fn migrate(&self, step: &Step<'_>) -> Result<(), MigrationFailure> {
        let (from, to) = if step.from < step.to { (Form::Text, Form::Json) } else { (Form::Json, Form::Text) };
        let volume = Path::new(step.path);
        let old = notes(volume, from).map_err(|error| MigrationFailure::Unchanged(unreadable(volume, &error)))?;
        for (done, path) in old.iter().enumerate() {
            // What was done by this step, or by one that was cut off, is not taken back: the host has the snapshot.
            let is_first = done == 0 && notes(volume, to).is_ok_and(|new| new.is_empty());
            let failed = if is_first { MigrationFailure::Unchanged } else { MigrationFailure::MayBeChanged };
            convert(path, from, to).map_err(failed)?;
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // The service is this very program: there is no other in its image.
    let [word, port, volume, format, version] = words.as_slice() else { return init::main(Notes) };
    let Some(port) = port.parse().ok().filter(|_| word == "keep") else { return init::main(Notes) };
    let form = if format == "1" { Form::Text } else { Form::Json };
    let keeper = Keeper { volume: volume.into(), form, about: format!("{version} {format}") };
    if keeper.serve(port).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
