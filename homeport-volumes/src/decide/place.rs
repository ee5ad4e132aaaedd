//! Owns the rules about where a volume is: path, mount, disk, space and neighbours. Never judges what is in it.

use crate::facts::{Facts, MarkerFact, PathFact, Place, ProbeFact};
use crate::filesystem::{FsClass, Sameness};
use crate::path::Relation;
use crate::request::{Access, Known, Origin};

use super::judge::{Judge, is_there};

/// Whether the place that is meant can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It can, or can be made.
    Here,
    /// It cannot: whatever is found there says nothing about the volume.
    Elsewhere,
}

/// Whether the known volume itself is at the path: then its disk is there, mounted elsewhere than it was.
fn holds(facts: &Facts, known: &Known) -> bool {
    let marker = facts.content.as_ref().map(|content| &content.marker);
    matches!(marker, Some(MarkerFact::Valid(marker)) if marker.uuid == known.uuid)
}

impl Judge<'_> {
    /// V01 and the half of V02 that tells whether the disk is there at all.
    pub(super) fn check_path(&mut self) -> Reach {
        let request = self.request;
        let mut reach = Reach::Here;
        if let Some(known) = self.known.filter(|known| known.path != request.path) {
            let message = format!("volume `{}` is known at another path", self.volume());
            let fault = self.fault("HP-VOL-001", "VOL-18", message);
            self.add(fault.expected(format!("`{}`", known.path)).actual(format!("`{}`", request.path)).remedy(
                format!("use `{}`; if the volume is at the other path by now, run `{}`", known.path, self.relocation()),
            ));
            reach = Reach::Elsewhere;
        } else if self.check_mounted() == Reach::Elsewhere {
            return Reach::Elsewhere;
        }
        if self.check_way() == Reach::Elsewhere {
            reach = Reach::Elsewhere;
        }
        reach
    }

    /// V02: is the disk mounted that should be on the way?
    fn check_mounted(&mut self) -> Reach {
        let (request, facts) = (self.request, self.facts);
        if let Some(point) = &facts.lost_mount {
            let same_disk = facts.place.as_ref().zip(self.known).is_some_and(|(place, known)| {
                is_there(facts) && known.fs.compare(&place.fs) == Sameness::Same && holds(facts, known)
            });
            if !same_disk {
                let message = format!("the disk that volume `{}` lives on is not mounted", self.volume());
                let fault = self.fault("HP-VOL-002", "VOL-31", message);
                let disk = self.known.map(|known| known.fs.to_string()).unwrap_or_default();
                self.add(
                    fault
                        .expected(format!("`{disk}` mounted at `{point}`"))
                        .actual(format!("nothing mounted at `{point}`"))
                        .remedy(format!(
                            "mount the disk at `{point}` and repeat the command; where it is gone for good, look at \
                             `homeport purge {} --dry-run`",
                            request.instance
                        )),
                );
                return Reach::Elsewhere;
            }
        }
        // A known volume that is found on its own disk is where it should be, whatever fstab says.
        if let Some(entry) = facts.unmounted.as_ref().filter(|_| self.known.is_none() || !is_there(facts)) {
            let (point, source) = (entry.point.display(), entry.source.to_string_lossy());
            let message = format!("`{}` is below a mount point of `/etc/fstab` that is not mounted", request.path);
            let fault = self.fault("HP-VOL-002", "VOL-31", message);
            self.add(
                fault
                    .expected(format!("`{source}` mounted at `{point}`"))
                    .actual(format!("nothing mounted at `{point}`"))
                    .remedy(format!("run `mount {point}` and repeat the command")),
            );
            return Reach::Elsewhere;
        }
        Reach::Here
    }

    /// V01: is there a directory, reached without a link?
    fn check_way(&mut self) -> Reach {
        let (request, volume) = (self.request, self.volume().clone());
        let path = &request.path;
        let fault = match &self.facts.path {
            PathFact::Directory => return Reach::Here,
            PathFact::Missing { first } => {
                let default = match &request.origin {
                    Origin::Default { data_root } => Some(data_root),
                    Origin::Operator => None,
                };
                match (self.known, default) {
                    (None, Some(root)) if self.facts.data_root_exists && path.relation(root) == Relation::Inside => {
                        return Reach::Here;
                    }
                    (None, Some(root)) => self
                        .fault("HP-VOL-001", "VOL-18", format!("volume `{volume}` has no data root to be made in"))
                        .expected(format!("the directory `{root}`, and the volume below it"))
                        .actual(format!("nothing at `{first}`"))
                        .remedy(format!("mount or make `{root}` and repeat the command")),
                    (None, None) => self
                        .fault("HP-VOL-001", "VOL-18", format!("the directory for volume `{volume}` does not exist"))
                        .expected(format!("an empty directory at `{path}`"))
                        .actual(format!("nothing at `{first}`"))
                        .remedy(format!(
                            "check the path for a typing mistake; if it is right, run `mkdir -p '{path}'` and repeat \
                             the command"
                        )),
                    (Some(_), _) => self
                        .fault("HP-VOL-001", "VOL-18", format!("volume `{volume}` is gone from its place"))
                        .expected(format!("the volume at `{path}`"))
                        .actual(format!("nothing at `{first}`"))
                        .remedy(format!(
                            "mount the disk that holds it, or bring the directory back to `{path}`; where it is \
                             elsewhere by now, run `{}`; HomePort does not make a known volume anew: {}",
                            self.relocation(),
                            self.letting_go()
                        )),
                }
            }
            PathFact::NotADirectory { component } => self
                .fault("HP-VOL-001", "VOL-15", format!("the path of volume `{volume}` does not lead to a directory"))
                .expected(format!("a directory at `{path}`"))
                .actual(format!("something else at `{component}`"))
                .remedy("name a directory"),
            PathFact::Link { component, target, real } => {
                let advice = real.as_ref().map_or_else(
                    || "the link leads nowhere: mount what it points to, or name an existing directory".to_owned(),
                    |real| format!("use the real path: `{}`", real.display()),
                );
                self.fault(
                    "HP-VOL-001",
                    "VOL-15",
                    format!("the path of volume `{volume}` goes through a symbolic link"),
                )
                .expected("a path without links, because a link can point elsewhere a moment later")
                .actual(format!("`{component}` points to `{}`", target.display()))
                .remedy(advice)
            }
            PathFact::Unreachable { reason } => self
                .fault("HP-VOL-001", "VOL-15", format!("the path of volume `{volume}` cannot be opened"))
                .expected(format!("a directory at `{path}`"))
                .actual(reason.clone())
                .remedy("see the kernel's log (`dmesg`), and run this as root"),
        };
        self.add(fault);
        Reach::Elsewhere
    }

    /// V02, V08, V10 and V13: the file system.
    pub(super) fn check_place(&mut self) {
        let Some(place) = &self.facts.place else { return };
        if let Some(known) = self.known {
            self.check_same_disk(known, place);
        }
        if self.request.access == Access::Shared {
            return;
        }
        self.check_promises(place);
        if self.request.origin == Origin::Operator && place.fs.is_volatile() {
            let message = format!("volume `{}` would be lost at the next boot", self.volume());
            let fault = self.fault("HP-VOL-013", "VOL-33", message);
            self.add(
                fault
                    .expected("a file system on a disk")
                    .actual(format!("`{}` at `{}`", place.fs.kind, place.mount_point.display()))
                    .remedy("name a directory on a disk"),
            );
        }
        if self.request.access == Access::ReadWrite {
            self.check_writable(place);
            self.check_space(place);
        }
    }

    /// V13: what only works on a file system of this machine's own.
    fn check_promises(&mut self, place: &Place) {
        let why = match place.fs.class() {
            FsClass::Disk | FsClass::Memory => return,
            FsClass::Network => "another machine can change it unseen, and a lock or a sync may not reach the disk",
            FsClass::Program => "a program answers for it, which may end or not keep what it promises",
        };
        let message = format!("volume `{}` is on a file system that keeps too little of what is needed", self.volume());
        let fault = self.fault("HP-VOL-016", "VOL-37", message);
        self.add(
            fault
                .expected("a file system of this machine's kernel on a disk, for example ext4, XFS or btrfs")
                .actual(format!("`{}` at `{}`: {why}", place.fs.kind, place.mount_point.display()))
                .remedy("name a directory on a disk of this machine; a disk of another one can be attached as a block device"),
        );
    }

    fn check_same_disk(&mut self, known: &Known, place: &Place) {
        if known.fs.compare(&place.fs) == Sameness::Different {
            let message = format!("volume `{}` is not on the disk that it was made on", self.volume());
            let fault = self.fault("HP-VOL-002", "VOL-32", message);
            self.add(
                fault
                    .expected(format!("`{}`", known.fs))
                    .actual(format!("`{}` at `{}`", place.fs, place.mount_point.display()))
                    .remedy(format!(
                        "mount the disk of the volume so that it is found at `{}` again, and repeat the command",
                        known.path
                    )),
            );
        }
    }

    /// V08.
    fn check_writable(&mut self, place: &Place) {
        let probe = self.facts.content.as_ref().map_or(&ProbeFact::NotTried, |content| &content.probe);
        let message = format!("volume `{}` cannot be written to", self.volume());
        let fault = self.fault("HP-VOL-008", "VOL-16", message).expected("a file system that can be written to");
        let fault = match probe {
            ProbeFact::Failed(reason) => fault
                .actual(format!("writing a file failed: {reason}"))
                .remedy("see the kernel's log (`dmesg`): the disk may be failing"),
            _ if place.read_only || *probe == ProbeFact::ReadOnly => {
                let point = place.mount_point.display();
                fault.actual(format!("`{point}` is mounted read-only")).remedy(format!(
                    "see the kernel's log (`dmesg`): a disk with errors turns read-only; check it, then run \
                     `mount -o remount,rw {point}`"
                ))
            }
            _ => return,
        };
        self.add(fault);
    }

    /// V10.
    fn check_space(&mut self, place: &Place) {
        let point = place.mount_point.display();
        let reserve = self.request.reserve;
        let probe = self.facts.content.as_ref().map(|content| &content.probe);
        let message = format!("the file system of volume `{}` has too little room", self.volume());
        let fault = self.fault("HP-VOL-010", "VOL-30", message);
        let short_of_bytes = place.free_bytes < reserve.bytes;
        if short_of_bytes {
            self.add(
                fault
                    .clone()
                    .expected(format!("{} bytes free", reserve.bytes))
                    .actual(format!("{} bytes free at `{point}`", place.free_bytes))
                    .remedy("remove what is not needed from that file system, or make it larger"),
            );
        }
        let inodes = place.free_inodes.filter(|free| *free < reserve.inodes);
        if let Some(free) = inodes {
            self.add(
                fault
                    .clone()
                    .expected(format!("{} inodes free", reserve.inodes))
                    .actual(format!("{free} inodes free at `{point}`"))
                    .remedy("remove small files from that file system; it cannot hold more files, whatever their size"),
            );
        }
        if probe == Some(&ProbeFact::Full) && !short_of_bytes && inodes.is_none() {
            self.add(
                fault
                    .expected("room for one more file")
                    .actual(format!("`{point}` is full, or the quota on it is used up"))
                    .remedy("remove what is not needed from that file system, make it larger, or raise the quota"),
            );
        }
    }

    /// V12.
    pub(super) fn check_overlap(&mut self) {
        for overlap in &self.facts.overlaps {
            let how = match overlap.relation {
                Relation::Same => "the same directory as",
                Relation::Inside => "inside",
                Relation::Around => "around",
                Relation::Separate => continue,
            };
            let message = format!("volume `{}` overlaps with {}", self.volume(), overlap.label);
            let fault = self.fault("HP-VOL-012", "VOL-34", message);
            self.add(
                fault
                    .expected("a directory of its own")
                    .actual(format!("`{}` is {how} `{}`", self.request.path, overlap.path))
                    .remedy("name a directory beside it"),
            );
        }
        for point in &self.facts.mounts_inside {
            let message = format!("something else is mounted inside volume `{}`", self.volume());
            let fault = self.fault("HP-VOL-012", "VOL-34", message);
            self.add(
                fault
                    .expected(format!("no mount below `{}`", self.request.path))
                    .actual(format!("a mount at `{}`", point.display()))
                    .remedy(format!("run `umount {}`, or name another directory", point.display())),
            );
        }
    }
}
