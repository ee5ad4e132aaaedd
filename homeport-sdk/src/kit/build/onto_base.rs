//! Makes what a container engine's own builder needs to put a port onto a base image: for authors who have a registry.
//! Never runs the builder, and never asks a registry for anything.

use std::collections::BTreeMap;

use super::assemble::{init_tree, port_tree};
use super::date::Date;
use super::error::BuildError;
use super::image;
use super::layer;
use super::source::Source;
use super::tree::Tree;

/// A build context with everything in it, and what goes on the builder's command line.
#[derive(Debug)]
pub struct BaseContext {
    /// The files of the context, by name; one is the `Dockerfile`.
    pub files: BTreeMap<&'static str, Vec<u8>>,
    /// The labels that make the image a port.
    pub labels: BTreeMap<String, String>,
    /// The name to give the image.
    pub tag: String,
}

/// What stands after the author's own lines.
const TAIL: &str = "\n\
# Added by `cargo xtask build-port --base`: the port's own files, then PID 1 and the manifest.\n\
ADD port.tar /\n\
ADD init.tar /\n\
USER 0:0\n\
WORKDIR /\n\
HEALTHCHECK NONE\n\
STOPSIGNAL SIGTERM\n\
ENTRYPOINT [\"/port/init\"]\n\
CMD [\"run\"]\n";

/// Makes the build context for a port's folder, its `Dockerfile` and its init.
///
/// The Dockerfile only installs packages: the recipe's users, directories, symlinks and `rootfs/` are added to it.
/// Joins are left to the base's own tools, because what they join is known only to the builder.
pub fn onto_base(source: &Source, dockerfile: &str, init: Vec<u8>) -> Result<BaseContext, BuildError> {
    let mut faults = Vec::new();
    let mut recipe = source.recipe.clone();
    recipe.joins.clear();
    let own = Source {
        dir: source.dir.clone(),
        manifest: source.manifest.clone(),
        manifest_bytes: source.manifest_bytes.clone(),
        services: source.services.clone(),
        recipe,
        lock: None,
        rootfs: source.rootfs.clone(),
    };
    let port = port_tree(&own, &Tree::default(), &mut faults)?;
    let init = init_tree(&own, init, &port)?;
    if !faults.is_empty() {
        return Err(BuildError::Image(faults));
    }
    let date = source.lock.as_ref().map_or(Date::EPOCH, |lock| lock.date);
    let tar = |tree| layer::write(tree, date).map_err(|source| BuildError::io("write", "a layer".as_ref(), source));
    let dockerfile = format!("{}{TAIL}", dockerfile.trim_end());
    Ok(BaseContext {
        files: BTreeMap::from([
            ("Dockerfile", dockerfile.into_bytes()),
            ("port.tar", tar(&port)?),
            ("init.tar", tar(&init)?),
        ]),
        labels: image::labels(&source.manifest, &source.manifest_bytes),
        tag: image::tag(&source.manifest),
    })
}
