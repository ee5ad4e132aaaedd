//! Owns the rules about the condition of a volume that is there: its owner, and who else uses it.
//! Never judges whose it is.

use crate::facts::{Content, DataFact, HomeFact, JournalFact, LockFact};
use crate::marker::Marker;
use crate::owner::Owner;
use crate::request::Access;

use super::amount::{self, Loss};
use super::judge::Judge;

impl Judge<'_> {
    /// V09: owners and modes.
    pub(super) fn check_condition(&mut self, content: &Content) {
        if self.request.access == Access::Shared {
            return;
        }
        let path = self.request.path.clone();
        self.check_owner(&path.to_string(), content.owner, Owner::PRIVATE, "VOL-5");
        if let HomeFact::Present { owner, .. } = &content.home {
            self.check_owner(&format!("{path}/.homeport"), *owner, Owner::PRIVATE, "VOL-5");
        }
        if let DataFact::Present { owner, .. } = &content.data {
            self.check_owner(&format!("{path}/data"), *owner, self.request.owner, "VOL-6");
        }
    }

    /// V09 below `data/`: the user is another one than when the volume was made, and the files are still that one's.
    pub(super) fn check_drift(&mut self, marker: &Marker, content: &Content) {
        let (then, now) = (marker.owner.uid, self.request.owner.uid);
        let Some(sample) = content.sample.as_ref().filter(|_| then != now) else { return };
        let has = |uid| sample.owners.iter().find(|(owner, _)| *owner == uid).map_or(0, |(_, count)| *count);
        if has(now) > 0 || has(then) == 0 {
            return;
        }
        let path = self.request.path.clone();
        let message = format!("what is in `{path}/data` still belongs to another user than the image's");
        let fault = self.fault("HP-VOL-009", "VOL-39", message);
        self.add(
            fault
                .expected(format!("entries of {now}"))
                .actual(format!("{} of {} entries that were looked at are of {then}", has(then), sample.entries))
                .remedy(format!(
                    "use the image whose user is {then}, or give the files to {now} yourself with `chown -R --from={then} \
                     {now} '{path}/data'`: HomePort changes none of them"
                )),
        );
    }

    /// V05: nearly everything is gone. [spec: VOL-36]
    pub(super) fn check_amount(&mut self, content: &Content) {
        let Some((Loss::Most, expected, actual)) = amount::loss(self.known, content.sample.as_ref()) else { return };
        let message = format!("volume `{}` has lost nearly all of its data", self.volume());
        let fault = self.fault("HP-VOL-015", "VOL-36", message);
        self.add(fault.expected(format!("about {expected}, as in the last snapshot")).actual(actual).remedy(
            "mount what is missing, or restore a snapshot; if it is meant to be so, make a snapshot with `homeport \
             snapshot create`, confirm it with `homeport snapshot acknowledge`, and repeat the command",
        ));
    }

    fn check_owner(&mut self, directory: &str, found: Owner, wanted: Owner, clause: &'static str) {
        if found == wanted {
            return;
        }
        let mut advice = Vec::new();
        if (found.uid, found.gid) != (wanted.uid, wanted.gid) {
            advice.push(format!("`chown {}:{} '{directory}'`", wanted.uid, wanted.gid));
        }
        if found.mode != wanted.mode {
            advice.push(format!("`chmod {} '{directory}'`", wanted.mode));
        }
        let also = if clause == "VOL-6" && found.uid != wanted.uid {
            "; look first whether the files in it have the wrong owner too, HomePort changes none of them"
        } else {
            ""
        };
        let message = format!("`{directory}` has the wrong owner or mode");
        let fault = self.fault("HP-VOL-009", clause, message);
        self.add(
            fault
                .expected(wanted.to_string())
                .actual(found.to_string())
                .remedy(format!("run {}{also}", advice.join(" and "))),
        );
    }

    /// V06: an exchange of the data that a crash cut off. [spec: VOL-46]
    pub(super) fn check_journal(&mut self, content: &Content) {
        let message = format!("a restore of volume `{}` was interrupted", self.volume());
        let fault = self.fault("HP-VOL-006", "VOL-46", message).expected("no exchange of its data that was begun");
        match &content.journal {
            JournalFact::Absent | JournalFact::Finished { .. } => {}
            JournalFact::Unfinished { tx } => self.add(fault.actual(format!("the journal of {tx}")).remedy(
                "the next command on the instance brings it to an end: the data is that of before or that of the \
                 snapshot, and both are kept",
            )),
            JournalFact::Damaged { reason } => {
                let path = &self.request.path;
                let remedy = format!(
                    "`{path}/data` is whole, and so is what is below `{path}/.homeport/staging`: look which of them is \
                     wanted, and ask for help before anything is moved"
                );
                self.add(fault.actual(format!("a journal that cannot be read: {reason}")).remedy(remedy));
            }
        }
    }

    /// V11: whoever else has the volume.
    pub(super) fn check_use(&mut self) {
        let (request, facts) = (self.request, self.facts);
        if request.access == Access::Shared {
            return;
        }
        let message = format!("volume `{}` is in use", self.volume());
        let fault = self.fault("HP-VOL-011", "VOL-14", message).expected("nobody else using it");
        if let Some(holder) = &request.in_use_by {
            self.add(fault.clone().actual(holder.clone()).remedy(format!("stop {holder} and repeat the command")));
        }
        for user in &facts.users {
            let (pid, command, point) = (user.pid, &user.command, user.mount_point.display());
            self.add(
                fault
                    .clone()
                    .actual(format!("process {pid} (`{command}`) has it mounted at `{point}`"))
                    .remedy("stop the container or service of that process and repeat the command"),
            );
        }
        if facts.content.as_ref().is_some_and(|content| content.lock == LockFact::Held) {
            self.add(
                fault
                    .actual("another process holds its lock")
                    .remedy("wait until the other command has ended, and repeat this one"),
            );
        }
    }
}
