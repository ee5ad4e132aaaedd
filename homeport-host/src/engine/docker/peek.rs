//! Owns reading one file of an image: by a container that is made, never started, and removed. Runs nothing of the image.

use std::collections::HashMap;
use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptions, ListContainersOptions, RemoveContainerOptions,
};
use futures_util::StreamExt as _;
use homeport_core::digest::Digest;
use homeport_core::unit::Bytes;

use super::PEEK_LABEL;
use super::connect::Call;
use super::failure::has_status;
use crate::engine::error::EngineError;

/// What a tar archive of one file may add: its header, a long name, padding and the end.
const FRAMING: u64 = 16 << 10;

/// A peek takes well under a second: one this old was left by a process that was killed.
const STALE: Duration = Duration::from_mins(10);

pub(super) async fn read_file(
    call: &Call,
    image: &Digest,
    path: &str,
    limit: Bytes,
) -> Result<Option<Vec<u8>>, EngineError> {
    remove_stale(call).await?;
    let body = ContainerCreateBody {
        image: Some(image.to_string()),
        // Never run; an image without any command could not be made into a container at all.
        entrypoint: Some(vec!["/never-started".to_owned()]),
        labels: Some(HashMap::from([(PEEK_LABEL.to_owned(), String::new())])),
        network_disabled: Some(true),
        host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let made = call.docker.create_container(None::<CreateContainerOptions>, body).await;
    let container = made.map_err(|error| call.failure(error))?.id;
    let archive = download(call, &container, path, limit).await;
    remove(call, &container).await?;
    match archive? {
        None => Ok(None),
        Some(archive) => extract(&archive, limit).map(Some).map_err(|fault| match fault {
            Fault::TooLarge => too_large(call, path, limit),
            Fault::Other(message) => call.unexpected(format!("`{path}` {message}")),
        }),
    }
}

fn too_large(call: &Call, path: &str, limit: Bytes) -> EngineError {
    EngineError::TooLarge { action: call.action.clone(), path: path.to_owned(), limit }
}

/// The archive that holds the file, or as much of it as was wanted; `None` where there is no such path.
async fn download(call: &Call, container: &str, path: &str, limit: Bytes) -> Result<Option<Vec<u8>>, EngineError> {
    let options = DownloadFromContainerOptions { path: path.to_owned() };
    let mut chunks = call.docker.download_from_container(container, Some(options));
    let most = limit.get().saturating_add(FRAMING);
    let mut archive = Vec::new();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => archive.extend_from_slice(&chunk),
            Err(error) if is_missing_path(&error) => return Ok(None),
            Err(error) => return Err(call.failure(error)),
        }
        if archive.len() as u64 > most {
            break;
        }
    }
    Ok(Some(archive))
}

fn is_missing_path(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, message } if !message.contains("No such container"))
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    TooLarge,
    Other(String),
}

/// The bytes of the one regular file in a tar archive.
fn extract(archive: &[u8], limit: Bytes) -> Result<Vec<u8>, Fault> {
    let broken = |error: std::io::Error| Fault::Other(format!("came in an archive that cannot be read: {error}"));
    let mut archive = tar::Archive::new(archive);
    let Some(entry) = archive.entries().map_err(broken)?.next() else {
        return Err(Fault::Other("came in an empty archive".to_owned()));
    };
    let entry = entry.map_err(broken)?;
    let kind = entry.header().entry_type();
    if !kind.is_file() {
        return Err(Fault::Other(format!("is not a regular file: found {kind:?}")));
    }
    if entry.size() > limit.get() {
        return Err(Fault::TooLarge);
    }
    let size = entry.size();
    let mut bytes = Vec::new();
    entry.take(limit.get()).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(Fault::Other("came cut short".to_owned())) }
}

/// The container never ran, so that a nameless volume that it got by the image holds nothing but the image's own files.
async fn remove(call: &Call, container: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptions { force: true, v: true, link: false };
    match call.docker.remove_container(container, Some(options)).await {
        Ok(()) => Ok(()),
        Err(error) if has_status(&error, 404) => Ok(()),
        Err(error) => Err(call.failure(error)),
    }
}

async fn remove_stale(call: &Call) -> Result<(), EngineError> {
    let filters = HashMap::from([
        ("label".to_owned(), vec![PEEK_LABEL.to_owned()]),
        ("status".to_owned(), vec!["created".to_owned()]),
    ]);
    let options = ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
    let found = call.docker.list_containers(Some(options)).await.map_err(|error| call.failure(error))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for container in found {
        let made = Duration::from_secs(container.created.and_then(|made| u64::try_from(made).ok()).unwrap_or(u64::MAX));
        if now.saturating_sub(made) > STALE {
            remove(call, container.id.as_deref().unwrap_or_default()).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(kind: tar::EntryType, bytes: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, "manifest.json", bytes).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn only_a_whole_regular_file_within_the_limit_is_taken() {
        let file = archive(tar::EntryType::Regular, b"hello");
        assert_eq!(extract(&file, Bytes::new(5)).unwrap(), b"hello");
        assert_eq!(extract(&file, Bytes::new(4)), Err(Fault::TooLarge));
        assert!(extract(&file[..514], Bytes::new(5)).is_err());
        assert!(extract(&[], Bytes::new(5)).is_err());
        for kind in [tar::EntryType::Directory, tar::EntryType::Symlink, tar::EntryType::Fifo] {
            assert!(matches!(extract(&archive(kind, b""), Bytes::new(5)), Err(Fault::Other(_))), "{kind:?}");
        }
    }
}
