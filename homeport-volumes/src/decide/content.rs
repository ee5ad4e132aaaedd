//! Owns the rules about whose data a directory holds: marker, ledger and stamp have to agree. Never judges the place.

use homeport_core::fault::Fault;

use crate::facts::{Content, DataFact, Filling, StampFact};
use crate::identity::Generation;
use crate::marker::{Marker, MarkerFault};
use crate::request::{Access, Known, Remembered};

use super::judge::{Judge, remembers_data};
use super::verdict::{Novelty, Verdict};

impl Judge<'_> {
    /// V03: the marker cannot be used.
    pub(super) fn torn_marker(&mut self, fault: &MarkerFault) {
        let remedy = match fault {
            MarkerFault::Newer { .. } => "use the HomePort that wrote it, or a newer one".to_owned(),
            _ => format!(
                "bring `{}/.homeport/marker.json` back from a backup; HomePort changes nothing here, the data may be \
                 whole",
                self.request.path
            ),
        };
        let message = format!("volume `{}` has a damaged marker", self.volume());
        let (code, clause) = match fault {
            MarkerFault::Newer { .. } => ("HP-VOL-003", "VOL-11"),
            _ => ("HP-VOL-003", "VOL-12"),
        };
        let fault = self.fault(code, clause, message).expected("a whole marker").actual(fault.to_string());
        self.add(fault.remedy(remedy));
    }

    /// The command that shows how what is at the path would become the volume.
    fn adoption(&self) -> String {
        let request = self.request;
        let (port, instance, volume) = (&request.port, &request.instance, &request.volume);
        format!("homeport volume adopt {port} {instance} {volume} {} --dry-run", request.path.as_word())
    }

    /// The command that tells HomePort where the volume is now.
    pub(super) fn relocation(&self) -> String {
        format!("homeport volume move {} {} PATH", self.request.instance, self.request.volume)
    }

    /// What can be done where a volume is gone for good.
    pub(super) fn letting_go(&self) -> String {
        let (instance, port) = (&self.request.instance, &self.request.port);
        format!(
            "where it is gone for good, `homeport purge {instance} --dry-run`, with the instance stopped, shows how it is \
             let go; after that `homeport deploy {port} --name {instance}` makes a new one, and `homeport snapshot \
             restore {instance} SNAPSHOT` puts the data of a snapshot into it"
        )
    }

    /// V03: something is there, and nothing says what.
    pub(super) fn no_marker(&mut self, content: &Content) -> Option<Verdict> {
        let path = &self.request.path;
        let shown = if content.strangers.is_empty() {
            "`data` with something in it".to_owned()
        } else {
            content.strangers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let message = format!("the directory for volume `{}` is not empty and has no marker", self.volume());
        let remedy = match self.known {
            None => format!(
                "name an empty directory; to make what is here the volume, look at `{}`; it stays as it is",
                self.adoption()
            ),
            Some(_) => format!("mount or bring back the volume that belongs at `{path}`; what is here stays as it is"),
        };
        let wanted = match self.known {
            None => format!("an empty directory at `{path}`, or one that HomePort made for this volume"),
            Some(known) => format!("volume {} at `{path}`", known.uuid),
        };
        let fault = self.fault("HP-VOL-003", "VOL-18", message).expected(wanted).actual(shown).remedy(remedy);
        self.add(fault);
        None
    }

    /// V05: nothing where there was a volume.
    pub(super) fn blank_where_data_is_expected(&mut self, known: &Known) -> Option<Verdict> {
        let path = &self.request.path;
        let message = format!("volume `{}` is blank", self.volume());
        let fault = self.fault("HP-VOL-005", "VOL-18", message);
        self.add(
            fault.expected(format!("volume {} at `{path}`", known.uuid)).actual("a directory without any data").remedy(
                format!(
                    "mount the disk that holds the volume, or bring its directory back to `{path}`; where it is \
                     elsewhere, run `{}`; HomePort does not make a known volume anew: {}",
                    self.relocation(),
                    self.letting_go()
                ),
            ),
        );
        None
    }

    /// V04 to V07: a whole marker is there. Whether the port may initialise the data.
    pub(super) fn check_marker(&mut self, marker: &Marker, content: &Content) -> Option<Novelty> {
        let faults_before = self.faults.len();
        self.check_ownership(marker);
        if self.faults.len() == faults_before {
            if self.request.access != Access::Shared {
                self.check_format(marker);
            }
            self.check_generation(marker);
        }
        let novelty = self.check_data(marker, content);
        novelty.filter(|_| self.faults.len() == faults_before)
    }

    /// V04: port, instance, volume, HomePort and identity.
    fn check_ownership(&mut self, marker: &Marker) {
        let (request, path) = (self.request, &self.request.path);
        let rows = [
            ("HomePort", request.root.as_str(), marker.root.as_str()),
            ("port", request.port.as_str(), marker.port.as_str()),
            ("instance", request.instance.as_str(), marker.instance.as_str()),
            ("volume", request.volume.as_str(), marker.volume.as_str()),
        ];
        let foreign = rows.iter().filter(|(_, wanted, found)| wanted != found);
        let (wanted, found): (Vec<_>, Vec<_>) =
            foreign.map(|(what, wanted, found)| (format!("{what} `{wanted}`"), format!("{what} `{found}`"))).unzip();
        if !wanted.is_empty() {
            let name = "name the directory of this volume, or an empty one for a new volume";
            let remedy = if marker.port == request.port {
                format!("{name}; to make this one its volume, look at `{}`", self.adoption())
            } else {
                // Nothing makes the data of one port that of another.
                name.to_owned()
            };
            let message = format!("`{path}` holds a volume that is not `{}` of `{}`", self.volume(), request.instance);
            let fault = self.fault("HP-VOL-004", "VOL-18", message);
            self.add(
                fault
                    .expected(format!("a volume of {}", wanted.join(", ")))
                    .actual(format!("a volume of {}", found.join(", ")))
                    .remedy(remedy),
            );
            return;
        }
        if let Some(known) = self.known.filter(|known| known.uuid != marker.uuid) {
            let message = format!("`{path}` holds another volume `{}` than the one that is known", self.volume());
            let fault = self.fault("HP-VOL-004", "VOL-18", message);
            self
                .add(fault.expected(format!("volume {}", known.uuid)).actual(format!("volume {}", marker.uuid)).remedy(
                format!(
                    "bring back the volume that belongs at `{path}`; to use this one from now on, purge that one first"
                ),
            ));
        }
        for twin in request.neighbours.iter().filter(|other| other.uuid == Some(marker.uuid) && other.path != *path) {
            let message = format!("volume {} is known twice", marker.uuid);
            let fault = self.fault("HP-VOL-003", "VOL-8", message);
            self.add(
                fault
                    .expected("an identity of its own")
                    .actual(format!("`{path}` and {} at `{}` with the same one", twin.label, twin.path))
                    .remedy("one is a copy of the other: name the original, or an empty directory for a new volume"),
            );
        }
    }

    /// V06.
    fn check_format(&mut self, marker: &Marker) {
        let (found, newest, oldest) = (marker.format, self.request.format, self.request.min_format);
        let volume = self.volume();
        let (message, remedy) = if found > newest {
            let message = format!("the format of volume `{volume}` is newer than the image");
            (message, "use the version of the port that wrote it, or a newer one")
        } else if found < oldest {
            (
                format!("the format of volume `{volume}` is older than the image works with: migration needed"),
                "upgrade the \
                instance, which migrates it",
            )
        } else {
            return;
        };
        let wanted = if oldest == newest { format!("format {newest}") } else { format!("format {oldest} to {newest}") };
        let fault = self.fault("HP-VOL-006", "VOL-3", message);
        self.add(fault.expected(wanted).actual(format!("format {found}")).remedy(remedy));
    }

    /// V07.
    fn check_generation(&mut self, marker: &Marker) {
        let Some(known) = self.known.filter(|known| marker.generation < known.generation) else { return };
        let message = format!("volume `{}` is an old copy of itself", self.volume());
        let fault = self.fault("HP-VOL-007", "VOL-13", message);
        self.add(
            fault
                .expected(format!("generation {} or later", known.generation))
                .actual(format!("generation {}", marker.generation))
                .remedy(format!(
                    "a clone, or a disk that was set back, is mounted: mount the disk that was last in use, where the \
                     newer data is; to go on with the older data, look at `{}`",
                    self.adoption()
                )),
        );
    }

    /// V05 and the stamp: the data itself.
    fn check_data(&mut self, marker: &Marker, content: &Content) -> Option<Novelty> {
        let path = &self.request.path;
        let (filling, stamp) = match &content.data {
            DataFact::Present { filling, stamp, .. } => (*filling, stamp),
            DataFact::Absent => {
                let fault = self.data_gone(format!("no `{path}/data`"));
                self.add(fault);
                return None;
            }
            DataFact::NotADirectory => {
                let fault = self.data_gone(format!("`{path}/data` is not a directory on the same disk"));
                self.add(fault);
                return None;
            }
        };
        self.check_stamp(marker, stamp);
        if filling == Filling::Filled {
            return Some(Novelty::Used);
        }
        // Without the ledger only a volume that was never in use is known to have been empty all along.
        let once_used = marker.generation != Generation::NEVER_USED && self.known.is_none();
        if remembers_data(self.known) || once_used {
            let fault = self.data_gone(format!("`{path}/data` is empty"));
            let remedy = format!(
                "mount the disk that holds the data, or bring it back from a backup; if the data is not wanted any \
                 more, move `{path}` away and name an empty directory"
            );
            self.add(fault.remedy(remedy));
            return None;
        }
        // What was in use has a past, also where nothing is left of it. [spec: VOL-22]
        let has_past = self.known.is_some_and(|known| known.data == Remembered::Past);
        Some(if has_past { Novelty::Used } else { Novelty::New })
    }

    fn data_gone(&self, actual: String) -> Fault {
        let path = &self.request.path;
        self.fault("HP-VOL-005", "VOL-18", format!("volume `{}` has lost its data", self.volume()))
            .expected(format!("the directory `{path}/data` with the data in it"))
            .actual(actual)
            .remedy(format!("bring `{path}/data` back from a backup"))
    }

    fn check_stamp(&mut self, marker: &Marker, stamp: &StampFact) {
        let path = &self.request.path;
        let message = format!("`{path}/data` does not belong to the marker beside it");
        let fault = self
            .fault("HP-VOL-004", "VOL-7", message)
            .expected(format!("data of volume {}", marker.uuid))
            .remedy(format!("bring back the `data` that belongs to `{path}`"));
        match stamp {
            StampFact::Strange(text) => self.add(fault.actual(format!("a stamp `{text}`"))),
            StampFact::Stamp { uuid, .. } if *uuid != marker.uuid => {
                self.add(fault.actual(format!("data of volume {uuid}")));
            }
            StampFact::Stamp { format, .. } if *format != marker.format => {
                let message = format!("a migration of volume `{}` was interrupted", self.volume());
                let fault = self.fault("HP-VOL-006", "VOL-3", message);
                self.add(
                    fault
                        .expected(format!("data of format {}", marker.format))
                        .actual(format!("data of format {format}"))
                        .remedy("restore the volume from the snapshot before the migration"),
                );
            }
            StampFact::Unsupported | StampFact::Absent | StampFact::Stamp { .. } => {}
        }
    }
}
