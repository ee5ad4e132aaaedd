//! Puts an image together from its parts: packages, the port's own files, and the init.
//! Never reads a file: every part comes in as a value, and what goes out is an image or every fault.

use std::collections::BTreeSet;
use std::sync::Arc;

use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;

use super::accounts;
use super::date::Date;
use super::deb::Deb;
use super::error::BuildError;
use super::glob::Glob;
use super::image::Image;
use super::inspect::inspect;
use super::layer;
use super::path::ImagePath;
use super::source::Source;
use super::tree::{Meta, Node, Tree};

/// What an image is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The port's folder.
    pub source: &'a Source,
    /// The packages, by name.
    pub debs: Vec<(String, Deb)>,
    /// The date of everything in the image.
    pub date: Date,
    /// The static program that is PID 1.
    pub init: Vec<u8>,
}

/// Puts the parts together. The same parts give the same image. [spec: ENT-1]
pub fn assemble(parts: Parts<'_>) -> Result<Image, BuildError> {
    let source = parts.source;
    let mut faults = Vec::new();
    let packages = package_tree(source, parts.debs, &mut faults)?;
    let port = port_tree(source, &packages, &mut faults)?;
    let below = packages.overlaid(&port);
    let init = init_tree(source, parts.init, &below)?;
    faults.extend(inspect(&below));
    if !faults.is_empty() {
        return Err(BuildError::Image(faults));
    }
    let mut layers = Vec::new();
    for (name, tree) in [("packages", packages), ("port", port), ("init", init)] {
        if tree.iter().next().is_some() {
            let tar = layer::write(&tree, parts.date);
            layers.push((name, tar.map_err(|source| BuildError::io("write", "a layer".as_ref(), source))?));
        }
    }
    let architecture = source.recipe.packages.as_ref().map_or("amd64", |packages| packages.architecture.as_str());
    Ok(Image::new(&source.manifest, &source.manifest_bytes, architecture, layers, parts.date)?)
}

/// The layer of the packages, without what the recipe leaves out.
fn package_tree(source: &Source, debs: Vec<(String, Deb)>, faults: &mut Vec<Fault>) -> Result<Tree, BuildError> {
    let recipe = &source.recipe;
    let mut tree = Tree::default();
    let mut unused: Vec<&Glob> = recipe.leave_out.iter().chain(&recipe.keep).collect();
    for (package, deb) in debs {
        for (path, node) in deb.entries {
            unused.retain(|glob| !glob.matches(&path));
            if recipe.takes(&path) {
                tree.insert(path, node, &package)?;
            }
        }
        // Where scanners look in images that have no package manager.
        let status = ImagePath::from_recipe(&format!("/var/lib/dpkg/status.d/{package}"))?;
        tree.insert(status, Node::text(0o644, deb.control), &package)?;
    }
    faults.extend(unused.into_iter().map(|glob| {
        Fault::new("HP-KIT-140", "image.toml", format!("the pattern `{glob}` matches nothing in the packages"))
            .remedy("remove it, or look for a slip")
    }));
    tree.complete(&Tree::default())?;
    Ok(tree)
}

/// The layer of the port's own files, over that of the packages.
pub(super) fn port_tree(source: &Source, packages: &Tree, faults: &mut Vec<Fault>) -> Result<Tree, BuildError> {
    let recipe = &source.recipe;
    let mut tree = source.rootfs.clone();
    for (path, meta) in &recipe.modes {
        match tree.get(path) {
            Some(Node::File(_, bytes)) => {
                let node = Node::File(*meta, Arc::clone(bytes));
                tree.replace(path.clone(), node, "image.toml");
            }
            Some(Node::Directory(_)) => tree.replace(path.clone(), Node::Directory(*meta), "image.toml"),
            _ => {
                faults.push(Fault::new("HP-KIT-141", "mode", format!("`{path}` is no file or directory of `rootfs/`")));
            }
        }
    }
    for (path, node) in accounts::files(recipe)? {
        tree.insert(path, node, "image.toml")?;
    }
    for (path, meta) in &recipe.directories {
        tree.replace(path.clone(), Node::Directory(*meta), "image.toml");
    }
    for (path, target) in &recipe.symlinks {
        if let Some(Node::File(..) | Node::Directory(_)) = packages.get(path) {
            let message = format!("`{path}` would hide what `{}` brings there", packages.origin(path));
            faults.push(Fault::new("HP-KIT-143", "symlink", message));
        }
        tree.insert(path.clone(), Node::Symlink(target.clone()), "image.toml")?;
    }
    for join in &recipe.joins {
        let both = packages.overlaid(&tree);
        let parts: Vec<&[u8]> =
            both.iter().filter(|(path, _)| join.from.matches(path)).filter_map(file_bytes).collect();
        if parts.is_empty() {
            let message = format!("the pattern `{}` matches no file", join.from);
            faults.push(Fault::new("HP-KIT-142", "join", message));
        }
        let bytes = parts.concat();
        tree.insert(join.into.clone(), Node::File(Meta::root(0o644), Arc::from(bytes)), "image.toml")?;
    }
    mount_points(&source.manifest, packages, &mut tree)?;
    tree.complete(packages)?;
    Ok(tree)
}

fn file_bytes<'a>((_, node): (&'a ImagePath, &'a Node)) -> Option<&'a [u8]> {
    if let Node::File(_, bytes) = node { Some(bytes) } else { None }
}

/// A directory for each volume and each file system in memory, with the owner and mode that the manifest declares:
/// nothing can make one in an image that is read-only.
fn mount_points(manifest: &Manifest, packages: &Tree, tree: &mut Tree) -> Result<(), BuildError> {
    let volumes = manifest
        .volumes
        .values()
        .map(|volume| (volume.path.as_str(), Meta { mode: volume.mode, uid: volume.uid, gid: volume.gid }));
    let mut seen = BTreeSet::new();
    let points = volumes
        .chain(manifest.privileges.tmpfs.iter().map(|tmpfs| (tmpfs.path.as_str(), Meta::root(tmpfs.mode.get()))));
    for (path, meta) in points.chain([("/run/port", Meta::root(0o755))]) {
        let path = ImagePath::from_recipe(path)?;
        if seen.insert(path.clone()) && tree.get(&path).is_none() && packages.get(&path).is_none() {
            tree.insert(path, Node::Directory(meta), "port.toml")?;
        }
    }
    Ok(())
}

/// The layer that makes an image a port: PID 1 and what it reads. [spec: MAN-1, ENT-1]
pub(super) fn init_tree(source: &Source, init: Vec<u8>, below: &Tree) -> Result<Tree, BuildError> {
    let file = |mode, bytes: Vec<u8>| Node::File(Meta::root(mode), Arc::from(bytes));
    let mut tree = Tree::default();
    tree.insert(ImagePath::from_recipe("/port/init")?, file(0o755, init), "init")?;
    tree.insert(
        ImagePath::from_recipe("/port/manifest.json")?,
        file(0o644, source.manifest_bytes.clone()),
        "port.toml",
    )?;
    if let Some(services) = &source.services {
        tree.insert(ImagePath::from_recipe("/port/services.json")?, file(0o644, services.clone()), "services.toml")?;
    }
    tree.complete(below)?;
    Ok(tree)
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
