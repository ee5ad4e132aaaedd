//! A port whose volume has two formats, to show how a migration is written; tests run it as PID 1.
//!
//! Format 1 keeps each note as text in `NAME.txt`, format 2 as a JSON string in `NAME.json`. Each note changes by one
//! rename and is then taken out of its old form, so that a step can be cut off anywhere: a note that is there in both
//! forms is converted again, and one that is there in the new form alone is done.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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

fn notes(volume: &Path, form: Form) -> std::io::Result<Vec<PathBuf>> {
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

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::from_io(Fault::new("X-notes-001", "volumes.data", format!("`{}` cannot be used", path.display())), error)
}

fn convert(path: &Path, from: Form, to: Form) -> Result<(), Failure> {
    let failed = |error: std::io::Error| unreadable(path, &error);
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

    fn prepare(&self, _: &Context) -> Result<Vec<Service>, Failure> {
        Ok(vec![Service::new("main", "/bin/sleep").args(["1000"])])
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
    init::main(Notes)
}
