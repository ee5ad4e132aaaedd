//! Owns the look at the volumes themselves that belongs to a look at the whole store: a share of the files that the newest
//! snapshot of each instance took for unchanged is read. Never says anything of a volume that is not there.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use homeport_core::fault::Fault;
use homeport_core::name::InstanceName;
use homeport_volumes::check_readable;
use homeport_volumes::snapshot::{Share, SourceChecked, Subject, check_source};
use homeport_volumes::store::{SnapshotHead, Store, VolumePart};
use homeport_volumes::tree::TreePath;

use crate::host::Host;
use crate::ledger::{Ledger, LedgerError};
use crate::progress::Meter;
use crate::run::{known, with_causes};

/// One file of so many is read.
const ONE_OF: NonZeroU32 = match NonZeroU32::new(50) {
    Some(number) => number,
    None => NonZeroU32::MIN,
};

/// What is different from the newest snapshots, or cannot be read, although nothing says that it was changed. Each day reads
/// another share. [spec: STO-9]
pub(super) fn sources(
    host: &Host,
    ledger: &Ledger,
    store: &Store,
    heads: &[SnapshotHead],
) -> Result<Vec<Fault>, LedgerError> {
    let day = u64::try_from(host.now().unix_seconds()).unwrap_or(0) / 86_400;
    let newest: BTreeMap<&InstanceName, &SnapshotHead> = heads.iter().map(|head| (&head.body.instance, head)).collect();
    let mut faults = Vec::new();
    for head in newest.into_values() {
        for part in &head.body.volumes {
            faults.extend(volume(host, ledger, store, head, part, Share { one_of: ONE_OF, seed: day })?);
        }
    }
    Ok(faults)
}

/// The same of one volume; nothing where it is away, or is another one by now.
fn volume(
    host: &Host,
    ledger: &Ledger,
    store: &Store,
    head: &SnapshotHead,
    part: &VolumePart,
    share: Share,
) -> Result<Vec<Fault>, LedgerError> {
    let Some(record) = ledger.volume_by_uuid(&part.uuid.to_string())? else { return Ok(Vec::new()) };
    let root = ledger.root_id()?.unwrap_or_else(|| head.body.root.clone());
    let Ok((asked, known)) = known::ask(host, ledger, &root, &record) else { return Ok(Vec::new()) };
    let Ok(readable) = check_readable(&host.machine, &asked, &known) else { return Ok(Vec::new()) };
    let subject = Subject::of(&record.name, &readable);
    let meter = Meter::new(&*host.progress, format!("read some of `{}` again", record.name));
    let whose = format!("volume `{}` of `{}`", record.name, head.body.instance);
    Ok(match check_source(store, &part.entries, &subject, share, &meter) {
        Ok(checked) => told(&whose, &checked),
        Err(error) => vec![
            Fault::new("HP-SNA-013", whose.replace('`', ""), format!("the files of {whose} cannot be compared"))
                .actual(with_causes(&error))
                .remedy(REMEDY),
        ],
    })
}

const REMEDY: &str = "look in the kernel's log and check the disk of the volume; the snapshot has what it was";

fn told(whose: &str, checked: &SourceChecked) -> Vec<Fault> {
    let fault = |count: u64, paths: &[TreePath], what: &str| {
        let first = paths.first().map_or_else(String::new, |path| format!(", for example `{path}`"));
        let message = format!("{count} of {} files of {whose} that were read {what}{first}", checked.files.max(count));
        Fault::new("HP-SNA-013", whose.replace('`', ""), message).remedy(REMEDY)
    };
    let mut faults = Vec::new();
    if checked.different_count > 0 {
        let what = "have other bytes than the snapshot, and no time says that they were changed";
        faults.push(fault(checked.different_count, &checked.different, what));
    }
    if checked.unreadable_count > 0 {
        faults.push(fault(checked.unreadable_count, &checked.unreadable, "cannot be read"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_without_a_sign_is_a_fault_and_a_good_look_is_none() {
        let good = SourceChecked { unchanged: 900, files: 20, bytes: 5000, ..SourceChecked::default() };
        assert_eq!(told("volume `home` of `alice`", &good), []);
        let bad = SourceChecked {
            different: vec!["mail/1".parse().unwrap()],
            different_count: 2,
            unreadable: vec!["deep".parse().unwrap()],
            unreadable_count: 1,
            ..good
        };
        let told = told("volume `home` of `alice`", &bad);
        let words: Vec<_> = told.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(
            words,
            [
                "2 of 20 files of volume `home` of `alice` that were read have other bytes than the snapshot, and no time \
                 says that they were changed, for example `mail/1`",
                "1 of 20 files of volume `home` of `alice` that were read cannot be read, for example `deep`",
            ]
        );
        assert!(told.iter().all(|fault| fault.code == "HP-SNA-013" && !fault.remedy.is_empty()));
    }
}
