//! Deploys that are refused because of the image, each with its exact message.

use super::fixture::{dockerfile, web};
use super::refused_config::refuse;
use super::world::{World, docker};

#[test]
fn there_is_no_image_of_the_port() {
    let world = World::new();
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", "nosuchport"]));
}

#[test]
fn there_is_no_such_image() {
    let world = World::new();
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", "example/nosuch:1.0"]));
}

#[test]
fn an_image_is_no_port() {
    let image = dockerfile("plain", "FROM scratch\nCOPY busybox /bin/busybox\n");
    let world = World::new();
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", &image.name]));
}

#[test]
fn label_and_file_differ() {
    let good = web("t-differ");
    let world = World::new();
    let label =
        docker(&["image", "inspect", "--format", "{{index .Config.Labels \"io.homeport.manifest\"}}", &good.name]);
    let other = label.replace("A port for tests", "Another title!!!");
    assert_ne!(label, other);
    let image = dockerfile("differ", &format!("FROM {}\nLABEL io.homeport.manifest={}\n", good.name, quoted(&other)));
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", &image.name, "--name", "x"]));
}

#[test]
fn the_protocol_is_too_new() {
    let good = web("t-newer");
    let world = World::new();
    let label =
        docker(&["image", "inspect", "--format", "{{index .Config.Labels \"io.homeport.manifest\"}}", &good.name]);
    let newer = label.replace(r#""protocol":"1.0""#, r#""protocol":"1.7""#);
    assert_ne!(label, newer);
    let text = format!("FROM {}\nLABEL io.homeport.manifest={} io.homeport.protocol=1.7\n", good.name, quoted(&newer));
    let image = dockerfile("newer", &text);
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", &image.name, "--name", "x"]));
}

/// A text as a Dockerfile's value.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}
