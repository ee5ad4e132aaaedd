//! Owns a control group of threads that get next to no processor time that somebody else wants, as those of another machine would
//! get none. It goes when it is dropped.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where control groups for processors are, of their first version.
const GROUPS: &str = "/sys/fs/cgroup/cpu";

/// The group; clones are the same one.
#[derive(Clone)]
pub(super) struct Elsewhere(Arc<Group>);

struct Group(PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        // A thread that was waited for leaves it a moment later.
        let end = Instant::now() + Duration::from_secs(1);
        while let Err(error) = fs::remove_dir(&self.0) {
            if Instant::now() > end {
                return eprintln!("{} cannot be removed: {error}", self.0.display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Elsewhere {
    pub(super) fn make() -> Self {
        let group = PathBuf::from(GROUPS).join(format!("hpt-{}", std::process::id()));
        let wanted = "wanted are control groups of the first version with `cpu.idle`";
        fs::create_dir(&group).unwrap_or_else(|error| panic!("{}: {error}; {wanted}", group.display()));
        let made = Self(Arc::new(Group(group)));
        fs::write(made.0.0.join("cpu.idle"), "1").unwrap_or_else(|error| panic!("{GROUPS}: {error}; {wanted}"));
        made
    }

    /// Moves this thread there. It does not come back.
    pub(super) fn enter(&self) {
        fs::write(self.0.0.join("tasks"), "0").unwrap();
    }
}
