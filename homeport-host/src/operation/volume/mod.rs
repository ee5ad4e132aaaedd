//! Volumes by themselves: which there are, whether they are safe to use, taking one up, and letting one be elsewhere.

mod adopt;
mod list;
mod relocate;

pub use adopt::{AdoptPlan, Adopted, volume_adopt};
pub use list::{CheckedVolume, OwnerRule, VolumeEntry, volume_check, volume_list};
pub use relocate::{MovePlan, Moved, volume_move};
