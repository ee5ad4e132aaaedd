//! Builds a port's image from its folder: the same inputs give the same bytes, on any machine.
//!
//! ```text
//! port.toml ----> manifest -------------------------------+
//! image.toml ---> recipe ---+-----> port layer ----------+|
//! rootfs/ ------------------+                            ||
//! debs.lock ----> lock -> cache -> deb -> base layer ---+||
//! the init's binary ------------------> init layer ----+|||
//!                                                      vvvv
//!                                              image -> archive
//! ```
//!
//! [`Source::read`] reads a folder and finds every fault in it; [`debs::provide`] brings the packages that its lock names,
//! each checked by its sha256; [`assemble()`] makes the layers as values and refuses an image that holds a private key, or
//! a program whose libraries were left out; [`Image::write`] writes one archive that every engine loads.
//!
//! Nothing is ever unpacked onto the disk of the machine that builds, and no install script of a package is run: what
//! such a script would have done stands in the recipe.

mod accounts;
mod apt;
mod archive;
mod assemble;
mod date;
mod deb;
pub mod debs;
mod elf;
mod error;
mod glob;
mod image;
mod inspect;
mod layer;
mod lock;
mod manifest;
mod older;
mod onto_base;
mod path;
mod recipe;
mod recipe_check;
mod rootfs;
mod source;
mod tree;

pub use assemble::{Parts, assemble};
pub use date::Date;
pub use deb::{Deb, DebError};
pub use error::BuildError;
pub use image::{Image, LayerSummary};
pub use lock::{Lock, LockedDeb, Sha256};
pub use manifest::{compile_manifest, compile_services};
pub use onto_base::{BaseContext, onto_base};
pub use path::{ImagePath, PathError};
pub use recipe::{Account, Group, Packages, Recipe};
pub use source::Source;
pub use tree::{Meta, Node, Tree, TreeError};
