//! Owns the images of the simulated engine. Never opens an archive: which bytes hold which image is told beforehand.

use std::io::Read;

use homeport_core::digest::Digest;
use homeport_core::unit::Bytes;

use super::program::SimImage;
use super::world::World;
use crate::engine::error::{Action, EngineError, Subject};
use crate::engine::image::{ImageFacts, LoadedImage};
use crate::engine::label::LabelFilter;
use crate::engine::name::{ImageName, ImageRef};
use crate::engine::outcome::RemoveOutcome;

impl World {
    pub(super) fn image(&self, image: &ImageRef) -> Option<&SimImage> {
        match image {
            ImageRef::Id(id) => self.images.get(id),
            ImageRef::Name(name) => self.images.values().find(|found| found.facts.names.contains(&tagged(name))),
        }
    }

    pub(super) fn images(&self, filter: &LabelFilter) -> Vec<ImageFacts> {
        self.images.values().map(|image| image.facts.clone()).filter(|facts| filter.matches(&facts.labels)).collect()
    }

    /// Puts an image in; a name that another image has goes over to it.
    pub(super) fn put_image(&mut self, mut image: SimImage) {
        image.facts.names = image.facts.names.iter().map(tagged).collect();
        for other in self.images.values_mut() {
            other.facts.names.retain(|name| !image.facts.names.contains(name));
        }
        self.images.insert(image.facts.id, image);
    }

    pub(super) fn load_image(
        &mut self,
        action: &Action,
        mut archive: Box<dyn Read + Send>,
    ) -> Result<Vec<LoadedImage>, EngineError> {
        let mut bytes = Vec::new();
        archive.read_to_end(&mut bytes).map_err(|error| EngineError::Unexpected {
            action: action.clone(),
            message: format!("the archive could not be read: {error}"),
        })?;
        let Some((_, image)) = self.archives.iter().find(|(known, _)| *known == bytes) else {
            let message = "the archive is not an image archive".to_owned();
            return Err(EngineError::Refused { action: action.clone(), status: 400, message });
        };
        let image = image.clone();
        let loaded = if image.facts.names.is_empty() {
            vec![LoadedImage::Bare(image.facts.id)]
        } else {
            image.facts.names.iter().map(tagged).map(LoadedImage::Named).collect()
        };
        self.put_image(image);
        Ok(loaded)
    }

    pub(super) fn remove_image(&mut self, action: &Action, image: &ImageRef) -> Result<RemoveOutcome, EngineError> {
        let Some(found) = self.image(image) else {
            return Ok(RemoveOutcome::Absent);
        };
        let (id, names) = (found.facts.id, found.facts.names.clone());
        let conflict = |message: &str| EngineError::Conflict { action: action.clone(), message: message.to_owned() };
        let is_last = names.len() <= 1;
        if matches!(image, ImageRef::Id(_)) && !is_last {
            return Err(conflict("the image has several names"));
        }
        if is_last && self.containers.values().any(|container| container.spec.image == id) {
            return Err(conflict("a container uses the image"));
        }
        if is_last {
            self.images.remove(&id);
        } else if let (ImageRef::Name(name), Some(found)) = (image, self.images.get_mut(&id)) {
            found.facts.names.retain(|known| *known != tagged(name));
        }
        Ok(RemoveOutcome::Removed)
    }

    pub(super) fn read_image_file(
        &self,
        action: &Action,
        image: &Digest,
        path: &str,
        limit: Bytes,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let found = self.images.get(image).ok_or_else(|| EngineError::NotFound {
            action: action.clone(),
            what: Subject::Image,
            name: image.to_string(),
        })?;
        match found.files.get(path) {
            Some(bytes) if bytes.len() as u64 > limit.get() => {
                Err(EngineError::TooLarge { action: action.clone(), path: path.to_owned(), limit })
            }
            Some(bytes) => Ok(Some(bytes.clone())),
            None => {
                let below = format!("{}/", path.trim_end_matches('/'));
                if found.files.keys().any(|file| file.starts_with(&below)) {
                    let message = format!("`{path}` is not a regular file: found Directory");
                    return Err(EngineError::Unexpected { action: action.clone(), message });
                }
                Ok(None)
            }
        }
    }
}

/// The name with its tag: without one it means `latest`.
fn tagged(name: &ImageName) -> ImageName {
    let last = name.as_str().rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) {
        return name.clone();
    }
    format!("{name}:latest").parse().unwrap_or_else(|_| name.clone())
}
