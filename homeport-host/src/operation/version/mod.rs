//! Another version of an instance's port: up, down, and back to the one from before, as one operation that is carried out
//! whole or taken back whole. [spec: UPG-40, UPG-48]
//!
//! ```text
//! request -> the other image -> judge (pure) -> survey -> VersionPlan -> consent -> run -> VersionChanged
//! ```

mod change;
mod configuration;
mod facts;
mod history;
mod judge;
mod left;
mod present;
mod repair;
mod room;
mod target;
mod view;

pub use change::{rollback, upgrade};
pub use history::{HistoryLine, history};
pub use repair::{EndedHow, EndedOperation, Repaired, repair};
pub use view::{
    AlreadyThere, ChangeView, ClientsView, MigrationView, MigrationWay, SetBackView, Upgraded, VersionChanged,
    VersionPlan, WayBackView,
};
