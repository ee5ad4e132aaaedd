//! The trash: what is in it, taking something out again, and emptying it.

mod age;
mod cut_off;
mod empty;
mod list;
mod put_back;

pub use empty::{Emptied, EmptyPlan, trash_empty};
pub use list::{InnerTree, TrashList, TrashView, TreeView, trash_list};
pub use put_back::{PutBack, PutBackPlan, trash_restore};
