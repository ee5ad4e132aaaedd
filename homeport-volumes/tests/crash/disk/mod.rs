//! A disk that records what is written to it, and disks made again from the record.

mod blocks;
mod device;
mod filesystem;
mod mounted;
mod record;

pub(crate) use blocks::Blocks;
pub(crate) use device::Device;
pub(crate) use filesystem::Kind;
pub(crate) use mounted::Mounted;
pub(crate) use record::{Cut, Record};
