//! Rules about images.

use homeport_core::digest::Digest;
use homeport_core::unit::Bytes;
use homeport_host::engine::{EngineError, ImageRef, LabelFilter, LoadedImage, RemoveOutcome, Subject};

use super::{Bench, LABEL, MANIFEST};

pub(crate) fn an_image_is_found_by_id_and_by_name(bench: &Bench) {
    let by_id = bench.engine.image(&bench.image.into()).unwrap().unwrap();
    let by_name = bench.engine.image(&bench.name.clone().into()).unwrap().unwrap();
    assert_eq!(by_id, by_name);
    assert_eq!(by_id.id, bench.image);
    assert_eq!(by_id.names, std::slice::from_ref(&bench.name));
    assert_eq!(by_id.labels.get(LABEL), Some(bench.run.as_str()));
    assert_eq!(by_id.entrypoint, ["/fixture"]);
    assert_eq!(by_id.exposed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["22/tcp", "53/udp"]);
    assert_eq!(by_id.volumes, ["/declared"]);
    assert!(by_id.env.contains(&"FROM_IMAGE=1".to_owned()), "{:?}", by_id.env);
    assert!(by_id.size.get() > 0);

    let missing = ["homeport-test/none".parse().unwrap(), ImageRef::Id(Digest::new([9; 32]))];
    for image in missing {
        assert_eq!(bench.engine.image(&image).unwrap(), None, "{image}");
    }
    // The beginning of an id is no name.
    let prefix: ImageRef = bench.image.hex()[..12].parse().unwrap();
    assert_eq!(bench.engine.image(&prefix).unwrap(), None);

    assert_eq!(bench.engine.images(&bench.filter()).unwrap(), [by_id]);
    assert_eq!(bench.engine.images(&LabelFilter::any().value(LABEL, "none")).unwrap(), []);
}

pub(crate) fn loading_the_same_archive_again_changes_nothing(bench: &Bench) {
    let before = bench.engine.images(&bench.filter()).unwrap();
    let loaded = bench.engine.load_image(Box::new(std::io::Cursor::new(bench.archive.clone()))).unwrap();
    assert_eq!(loaded, [LoadedImage::Named(bench.name.clone())]);
    assert_eq!(bench.engine.images(&bench.filter()).unwrap(), before);
}

pub(crate) fn what_is_no_archive_is_refused(bench: &Bench) {
    assert_eq!(bench.engine.remove_image(&bench.image.into()).unwrap(), RemoveOutcome::Removed);
    let half = bench.archive[..bench.archive.len() / 2].to_vec();
    for bytes in [half, b"no archive at all".to_vec()] {
        let result = bench.engine.load_image(Box::new(std::io::Cursor::new(bytes)));
        assert!(matches!(result, Err(EngineError::Refused { .. } | EngineError::Unexpected { .. })), "{result:?}");
    }
    assert_eq!(bench.engine.images(&bench.filter()).unwrap(), []);
}

pub(crate) fn a_file_is_read_and_nothing_is_left(bench: &Bench) {
    let before = bench.engine.list(&LabelFilter::any().key(homeport_host::engine::docker::PEEK_LABEL)).unwrap();
    let read = |path: &str, limit: u64| bench.engine.read_image_file(&bench.image, path, Bytes::new(limit));
    let exactly = MANIFEST.len() as u64;
    assert_eq!(read("/port/manifest.json", exactly).unwrap().as_deref(), Some(MANIFEST));
    assert_eq!(read("/port/none.json", 100).unwrap(), None);
    assert_eq!(read("/none/at/all", 100).unwrap(), None);
    let large = read("/port/manifest.json", exactly - 1);
    assert!(matches!(large, Err(EngineError::TooLarge { .. })), "{large:?}");
    let directory = read("/port", 100);
    assert!(matches!(directory, Err(EngineError::Unexpected { .. })), "{directory:?}");
    let missing = bench.engine.read_image_file(&Digest::new([9; 32]), "/port/manifest.json", Bytes::new(100));
    assert!(matches!(missing, Err(EngineError::NotFound { what: Subject::Image, .. })), "{missing:?}");
    // Other tests may peek at the same time, at their own images.
    let ours = |facts: &&homeport_host::engine::ContainerFacts| facts.image == bench.image;
    let after = bench.engine.list(&LabelFilter::any().key(homeport_host::engine::docker::PEEK_LABEL)).unwrap();
    assert_eq!(before.iter().filter(ours).count() + after.iter().filter(ours).count(), 0);
}

pub(crate) fn an_image_in_use_is_not_removed(bench: &Bench) {
    let container = bench.engine.create(&bench.spec("user", &["serve"])).unwrap().id.into();
    let image = ImageRef::from(bench.image);
    let used = bench.engine.remove_image(&image);
    assert!(matches!(used, Err(EngineError::Conflict { .. })), "{used:?}");
    bench.engine.remove(&container).unwrap();
    assert_eq!(bench.engine.remove_image(&image).unwrap(), RemoveOutcome::Removed);
    assert_eq!(bench.engine.remove_image(&image).unwrap(), RemoveOutcome::Absent);
    assert_eq!(bench.engine.remove_image(&bench.name.clone().into()).unwrap(), RemoveOutcome::Absent);
    let create = bench.engine.create(&bench.spec("user", &["serve"]));
    assert!(matches!(create, Err(EngineError::NotFound { what: Subject::Image, .. })), "{create:?}");
}
