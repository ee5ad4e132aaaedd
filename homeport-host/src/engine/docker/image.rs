//! Owns images at Docker: found, listed, loaded, removed. Never pulled: what runs was put here on purpose.

use std::collections::HashMap;
use std::io::{self, Read};

use bollard::models::{BuildInfo, ImageInspect};
use bollard::query_parameters::{ImportImageOptions, ListImagesOptions, RemoveImageOptions};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::connect::Call;
use super::failure::has_status;
use crate::engine::error::EngineError;
use crate::engine::image::{ExposedPort, ImageFacts, LoadedImage};
use crate::engine::label::LabelFilter;
use crate::engine::name::{ImageName, ImageRef};
use crate::engine::outcome::RemoveOutcome;

/// How much of an archive is read at once.
const CHUNK: usize = 256 << 10;

/// The image that was meant and no other: Docker also takes the beginning of an id for a name.
pub(super) async fn find(call: &Call, image: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
    let answer = match call.docker.inspect_image(&image.to_string()).await {
        Ok(answer) => answer,
        Err(error) if has_status(&error, 404) => return Ok(None),
        Err(error) => return Err(call.failure(error)),
    };
    let is_meant = match image {
        ImageRef::Id(id) => answer.id.as_deref() == Some(id.to_string().as_str()),
        ImageRef::Name(name) => {
            let names = [answer.repo_tags.as_deref(), answer.repo_digests.as_deref()];
            names.into_iter().flatten().flatten().any(|called| means(name, called))
        }
    };
    is_meant.then(|| facts(answer).map_err(|message| call.unexpected(message))).transpose()
}

pub(super) async fn list(call: &Call, filter: &LabelFilter) -> Result<Vec<ImageFacts>, EngineError> {
    let filters = HashMap::from([("label".to_owned(), filter.terms())]);
    let options = ListImagesOptions { filters: Some(filters), ..ListImagesOptions::default() };
    let summaries = call.docker.list_images(Some(options)).await.map_err(|error| call.failure(error))?;
    let mut images = Vec::with_capacity(summaries.len());
    for summary in summaries {
        let id = summary.id.parse().map_err(|error| call.unexpected(format!("{error}")))?;
        images.extend(find(call, &ImageRef::Id(id)).await?);
    }
    images.sort_by_key(|image| image.id);
    Ok(images)
}

pub(super) async fn remove(call: &Call, image: &ImageRef) -> Result<RemoveOutcome, EngineError> {
    if find(call, image).await?.is_none() {
        return Ok(RemoveOutcome::Absent);
    }
    let options = RemoveImageOptions { force: false, noprune: false, ..RemoveImageOptions::default() };
    match call.docker.remove_image(&image.to_string(), Some(options), None).await {
        Ok(_) => Ok(RemoveOutcome::Removed),
        Err(error) if has_status(&error, 404) => Ok(RemoveOutcome::Absent),
        Err(error) => Err(call.failure(error)),
    }
}

pub(super) async fn load(call: &Call, archive: Box<dyn Read + Send>) -> Result<Vec<LoadedImage>, EngineError> {
    let (sender, mut receiver) = mpsc::channel(2);
    let reader = std::thread::spawn(move || feed(archive, &sender));
    let body = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let options = ImportImageOptions { quiet: true, ..ImportImageOptions::default() };
    let mut answers = call.docker.import_image_stream(options, body, None);
    let mut loaded = Vec::new();
    let mut failed = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(line) => loaded.extend(loaded_image(&line)),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    // With the body gone the reader's next send fails and it ends.
    drop(answers);
    if let Ok(Err(error)) = reader.join() {
        return Err(call.unexpected(format!("the archive could not be read: {error}")));
    }
    match failed {
        Some(error) => Err(call.failure(error)),
        None if loaded.is_empty() => Err(call.unexpected("the archive held no image")),
        None => Ok(loaded),
    }
}

/// Reads the archive to its end on this thread, as long as somebody takes it.
fn feed(mut archive: Box<dyn Read + Send>, sender: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match archive.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                if sender.blocking_send(Ok(Bytes::copy_from_slice(&buffer[..count]))).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // The body must end in an error, or the engine would take what it has for all.
                let _gone = sender.blocking_send(Err(io::Error::from(error.kind())));
                return Err(error);
            }
        }
    }
}

/// Reads `Loaded image: x` and `Loaded image ID: sha256:y`.
fn loaded_image(line: &BuildInfo) -> Option<LoadedImage> {
    let text = line.stream.as_deref()?.trim();
    if let Some(id) = text.strip_prefix("Loaded image ID: ") {
        return id.parse().ok().map(LoadedImage::Bare);
    }
    text.strip_prefix("Loaded image: ")?.parse().ok().map(LoadedImage::Named)
}

/// Whether `wanted` is what the engine calls `called`: no tag means `latest`, and Podman puts a registry before a name.
fn means(wanted: &ImageName, called: &str) -> bool {
    let last = wanted.as_str().rsplit('/').next().unwrap_or_default();
    let full = if last.contains([':', '@']) { wanted.to_string() } else { format!("{wanted}:latest") };
    called == full || called.strip_suffix(&full).is_some_and(|registry| registry.ends_with('/'))
}

fn facts(answer: ImageInspect) -> Result<ImageFacts, String> {
    let config = answer.config.unwrap_or_default();
    let mut volumes = config.volumes.unwrap_or_default();
    volumes.sort();
    let mut exposed: Vec<_> =
        config.exposed_ports.iter().flatten().filter_map(|port| ExposedPort::parse(port)).collect();
    exposed.sort();
    Ok(ImageFacts {
        id: answer.id.unwrap_or_default().parse().map_err(|error| format!("{error}"))?,
        names: answer.repo_tags.iter().flatten().filter_map(|name| name.parse().ok()).collect(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        volumes,
        exposed,
        architecture: answer.architecture.unwrap_or_default(),
        size: homeport_core::unit::Bytes::new(answer.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_without_a_tag_is_the_latest_and_never_the_beginning_of_an_id() {
        let rows = [
            ("shell", "shell:latest", true),
            ("shell:1", "shell:1", true),
            ("shell:1", "localhost/shell:1", true),
            ("shell", "docker.io/library/shell:latest", true),
            ("127.0.0.1:5000/shell", "127.0.0.1:5000/shell:latest", true),
            ("shell", "shell:1", false),
            ("shell:1", "myshell:1", false),
            ("ab", "sha256:ab", false),
        ];
        for (wanted, called, same) in rows {
            assert_eq!(means(&wanted.parse().unwrap(), called), same, "{wanted} {called}");
        }
    }

    #[test]
    fn facts_hold_what_the_image_declares() {
        let answer = serde_json::from_value(json!({
            "Id": format!("sha256:{}", "0a".repeat(32)),
            "RepoTags": ["homeport/shell:1.0.0"],
            "Architecture": "amd64",
            "Size": 45_000_000,
            "Config": {
                "Entrypoint": ["/port/init"],
                "Env": ["A=1"],
                "Volumes": { "/data": {} },
                "ExposedPorts": { "22/tcp": {}, "60000-60010/udp": {} },
                "Labels": { "io.homeport.manifest": "{}" }
            }
        }));
        let facts = facts(answer.unwrap()).unwrap();
        assert_eq!(facts.names.len(), 1);
        assert_eq!(facts.entrypoint, ["/port/init"]);
        assert_eq!(facts.volumes, ["/data"]);
        assert_eq!(facts.exposed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["22/tcp"]);
        assert_eq!(facts.labels.get("io.homeport.manifest"), Some("{}"));
        assert_eq!(facts.size.get(), 45_000_000);
    }

    #[test]
    fn what_was_loaded_is_read_from_the_engines_words() {
        let line = |text: &str| BuildInfo { stream: Some(text.to_owned()), ..BuildInfo::default() };
        let named = loaded_image(&line("Loaded image: a/b:1\n"));
        assert_eq!(named, Some(LoadedImage::Named("a/b:1".parse().unwrap())));
        let id = format!("sha256:{}", "0a".repeat(32));
        let bare = loaded_image(&line(&format!("Loaded image ID: {id}\n")));
        assert_eq!(bare, Some(LoadedImage::Bare(id.parse().unwrap())));
        assert_eq!(loaded_image(&line("The image a/b:1 already exists, renaming the old one")), None);
    }
}
