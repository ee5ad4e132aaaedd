//! What is told of data that one of two versions wrote and the other has not, or has all the same; and what of it can be put
//! back.

use homeport_core::fault::Advice as _;
use homeport_host::hazard::{Hazard, Moment, Point};
use homeport_host::operation::{self, Execution};
use homeport_host::request::TrashRestoreRequest;

use crate::exhaust_version::{OVERLAP, REPLACE};
use crate::port::{Migrating, tree};
use crate::stage::{Ground, Stage, Trouble, alice};
use crate::version::{two_that_share, two_versions, upgrade};
use crate::view::Now;

/// What the history says of writes of a version that was taken back.
fn told_of_tried(stage: &Stage) -> Vec<String> {
    let told = stage.does(|host| operation::history(host, &alice(), None));
    told.into_iter().map(|line| line.text).filter(|text| text.contains("that was tried")).collect()
}

/// Nothing is kept from the operator of what a version wrote that is taken back: where it had the volume itself, that stays, and
/// the snapshot is named that has what was there before; where it had a copy, that is in the trash.
#[test]
fn what_a_version_that_is_taken_back_wrote_is_told_also_after_a_crash() {
    let ground = Ground::new();
    let clean = two_versions(&ground).with(&Trouble::default(), upgrade).0;
    let soak = REPLACE.iter().position(|step| *step == "soak").unwrap();
    let is_soak = |point: &Point| point.step == soak && point.moment == Moment::BeforeStep;
    let soak = clean.points.iter().position(is_soak).unwrap();
    for hazard in [Hazard::Fail, Hazard::Die] {
        let stage = two_versions(&ground);
        let home = stage.volume("home").join("data");
        let before = tree(&home).unwrap();
        let ran = stage.with(&Trouble::at(soak, hazard), upgrade).0;
        assert!(ran.result.is_err(), "{hazard:?}");
        stage.does(operation::resume_cut_off);
        let newest =
            stage.does(|host| operation::snapshot_list(host, Some(&alice()))).snapshots.pop().unwrap().sequence;
        let told = told_of_tried(&stage);
        let (mut of_home, mut of_keys) = (Vec::new(), Vec::new());
        for text in told {
            if text.contains("`home`") { of_home.push(text) } else { of_keys.push(text) }
        }
        let restores = format!("homeport snapshot restore alice {newest:#} --volume home");
        assert!(of_home.len() == 1 && of_home[0].ends_with(&restores), "{hazard:?}: {of_home:?}");
        let [of_keys] = of_keys.as_slice() else { panic!("{hazard:?}: {of_keys:?}") };
        let trash = stage.does(operation::trash_list);
        assert!(of_keys.contains("`hostkeys`") && of_keys.contains(&trash.bundles[0].id.to_string()), "{of_keys}");
        let wrote = tree(&home).unwrap();
        assert!(before.iter().all(|(name, bytes)| wrote.get(name) == Some(bytes)) && wrote.len() > before.len());
    }
}

/// Where the version from before goes on writing, or the new one never ran, nothing is said of what nobody knows or did.
#[test]
fn nothing_is_told_of_writes_of_a_version_that_never_ran_or_ran_beside_the_other() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.port.deeds().migrating = Migrating::FailsHalfWay;
    assert!(stage.with(&Trouble::default(), upgrade).0.result.is_err());
    assert_eq!(told_of_tried(&stage), Vec::<String>::new());

    let stage = two_that_share(&ground);
    let create = |point: &Point| point.moment == Moment::AfterStep && OVERLAP[point.step] == "start_container";
    let clean = two_that_share(&ground).with(&Trouble::default(), upgrade).0;
    let start = clean.points.iter().position(create).unwrap();
    assert!(stage.with(&Trouble::at(start, Hazard::Die), upgrade).0.died);
    stage.does(operation::resume_cut_off);
    let told = told_of_tried(&stage);
    assert!(told.len() == 1 && told[0].contains("`hostkeys`"), "{told:?}");
}

/// While two versions run, the old one can write to the tree that a migrated copy was made of: nothing of it is lost, and it
/// is told.
#[test]
fn what_the_old_version_writes_after_the_copy_is_told() {
    let ground = Ground::new();
    let is_kept = |entry: &std::fs::DirEntry| entry.file_type().unwrap().is_file();
    for late in ["", "written", "deleted"] {
        let stage = two_that_share(&ground);
        let old = stage.ledger().instance(&alice()).unwrap().unwrap().container.unwrap();
        let changed = stage.does(upgrade);
        let trash = stage.volume("hostkeys").join(".homeport/trash").join(changed.trash.unwrap().to_string());
        let tree_of = |dir: &std::path::Path| std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        let kept = if trash.exists() { trash } else { tree_of(trash.parent().unwrap()) };
        let data = kept.join("data");
        match late {
            "written" => std::fs::write(data.join("late"), "a client's last word").unwrap(),
            "deleted" => {
                let file = std::fs::read_dir(&data).unwrap().map(Result::unwrap).find(is_kept).unwrap();
                std::fs::remove_file(file.path()).unwrap();
            }
            _ => {}
        }
        stage.does(|host| operation::retire(host, &alice(), std::slice::from_ref(&old)));
        let told = stage.does(|host| operation::history(host, &alice(), None));
        let is_told = told.iter().any(|line| line.text.contains("was written to by the version from before"));
        assert_eq!(is_told, !late.is_empty(), "{late}: {told:?}");
    }
}

/// What an upgrade took out has the format of the version from before: that the present one does not work with it is said
/// before anything is stopped.
#[test]
fn what_the_present_version_does_not_work_with_is_not_put_back_from_the_trash() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let trash = stage.does(upgrade).trash.unwrap();
    for execution in [Execution::DryRun, Execution::Real] {
        let request = TrashRestoreRequest { what: trash.to_string().parse().unwrap(), approve: None, execution };
        let ran = stage.with(&Trouble::default(), |host| operation::trash_restore(host, &request)).0;
        let Err(error) = &ran.result else { panic!("put back") };
        let faults: Vec<_> = error.faults().iter().map(|fault| (fault.code, fault.actual.as_str())).collect();
        assert_eq!(faults, [("HP-DAT-009", "format 1")], "{}", ran.text());
    }
    assert_eq!(stage.settled("refused"), Now::running("hello@1.1.0"));
}
