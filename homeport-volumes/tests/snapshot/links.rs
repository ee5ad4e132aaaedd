//! Names of one file: inside of the volume, and outside of it. [spec: STO-13, STO-17]

use std::fs;

use homeport_volumes::snapshot::{Base, Mode};
use homeport_volumes::tree::Line;

use crate::house::House;
use crate::odd_tree::assert_same;

fn links(house: &House, head: &homeport_volumes::store::SnapshotHead, at: &str) -> Option<u32> {
    let Line::Entry(entry) = house.line(head, at) else { panic!("`{at}` is another name") };
    entry.meta.attributes.links
}

#[test]
fn the_first_name_carries_the_content_whichever_that_is() {
    let house = House::new();
    house.file("m", b"words");
    fs::hard_link(house.at("m"), house.at("n")).unwrap();
    let first = house.take();
    assert!(matches!(house.line(&first.head, "n"), Line::HardLink(link) if link.first.as_bytes() == b"m"));
    // A name before the first, the first one gone, all but one gone.
    fs::hard_link(house.at("m"), house.at("a")).unwrap();
    let second = house.take();
    assert!(matches!(house.line(&second.head, "m"), Line::HardLink(link) if link.first.as_bytes() == b"a"));
    house.assert_is_tree(&second.head);
    fs::remove_file(house.at("a")).unwrap();
    let third = house.take();
    house.assert_is_tree(&third.head);
    fs::remove_file(house.at("m")).unwrap();
    let fourth = house.take();
    assert_eq!(links(&house, &fourth.head, "n"), None);
    house.assert_is_tree(&fourth.head);
    assert_same(&house.tree, &house.restore(&fourth.head, "restored"));
}

#[test]
fn names_outside_of_the_volume_are_counted() {
    let house = House::new();
    let outside = house.scratch.0.join("outside");
    house.file("a", b"shared");
    fs::hard_link(house.at("a"), house.at("b")).unwrap();
    house.file("whole", b"inside only");
    fs::hard_link(house.at("whole"), house.at("x")).unwrap();
    fs::hard_link(house.at("a"), &outside).unwrap();
    crate::house::settle();
    let first = house.take();
    assert_eq!(links(&house, &first.head, "a"), Some(3));
    assert_eq!(links(&house, &first.head, "whole"), None);
    assert_eq!(first.volumes[0].1.files_read, 2, "the second scan reads nothing");
    // Nothing changed: the snapshot before has said it, so one scan is enough and the entries are the same.
    let again = house.take();
    assert_eq!(again.head.body.volumes[0].entries, first.head.body.volumes[0].entries);
    fs::rename(&outside, house.at("c")).unwrap();
    let inside = house.take();
    assert_eq!(links(&house, &inside.head, "a"), None);
    house.assert_is_tree(&inside.head);
    fs::rename(house.at("c"), &outside).unwrap();
    let out = house.try_take(Mode::Still, Base::ReadAll(Box::new(inside.head))).unwrap();
    assert_eq!(links(&house, &out.head, "a"), Some(3));
}

#[test]
fn a_large_file_with_two_names_is_stored_once() {
    let house = House::new();
    house.file("a", &crate::odd_tree::noise(2_500_000));
    fs::hard_link(house.at("a"), house.at("b")).unwrap();
    let first = house.take();
    assert_eq!(first.head.body.volumes[0].bytes, 2_500_000);
    assert_eq!(first.volumes[0].1.bytes_read, 2_500_000);
    let second = house.take();
    assert_eq!(second.head.body.volumes[0].entries, first.head.body.volumes[0].entries);
    assert_same(&house.tree, &house.restore(&second.head, "restored"));
}
