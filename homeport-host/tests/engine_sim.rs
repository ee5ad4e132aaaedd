//! The simulated engine keeps the contract that Docker keeps.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

mod engine_contract;

use engine_contract::{Bench, LABEL, MANIFEST, fresh_run, image_name};
use homeport_core::digest::Digest;
use homeport_core::unit::PortNumber;
use homeport_host::engine::sim::{Boot, ExecReply, Fate, OnStop, SimImage};
use homeport_host::engine::{
    ContainerSpec, ContainerUser, Entrypoint, ExecSpec, ExitCode, ExposedPort, SimEngine, Stream, Transport,
};

contract_tests!(bench());

fn bench() -> Bench {
    let run = fresh_run();
    let name = image_name(&run);
    let image = Digest::new([1; 32]);
    let mut made = SimImage::new(image, name.clone())
        .label(LABEL, &run)
        .label("of-image", "1")
        .entrypoint(&["/fixture"])
        .file("/port/manifest.json", MANIFEST)
        .program(program)
        .exec(exec);
    made.facts.exposed = vec![
        ExposedPort { port: PortNumber::new(22), transport: Transport::Tcp },
        ExposedPort { port: PortNumber::new(53), transport: Transport::Udp },
    ];
    made.facts.volumes = vec!["/declared".to_owned()];
    made.facts.env = vec!["FROM_IMAGE=1".to_owned()];
    let engine = SimEngine::new();
    let archive = b"the archive of the image".to_vec();
    engine.put_archive(archive.clone(), made.clone());
    engine.put_image(made);
    Bench { engine: Box::new(engine), image, name, archive, run, dir: tempfile::tempdir().unwrap() }
}

/// What the fixture does as the first process.
fn program(boot: &mut Boot) -> Fate {
    if let Entrypoint::Exactly(words) = &boot.spec.entrypoint
        && words[0] != "/fixture"
    {
        return Fate::Refused(format!("exec: \"{}\": no such file", words[0]));
    }
    let args: Vec<_> = boot.spec.args.iter().map(String::as_str).collect();
    match args[..] {
        ["serve"] => {
            boot.print(Stream::Out, "out 1\nout 2\n");
            boot.print(Stream::Err, "err 1\n");
            Fate::Runs(OnStop::Exits(ExitCode::SUCCESS))
        }
        ["stubborn"] => Fate::Runs(OnStop::Ignores),
        ["exit", code] => Fate::Exits(ExitCode::new(code.parse().unwrap())),
        ["hog"] => Fate::OutOfMemory,
        ref other => panic!("the fixture does not know {other:?}"),
    }
}

/// What the fixture does in a running container.
fn exec(container: &ContainerSpec, spec: &ExecSpec, input: &[u8]) -> ExecReply {
    let ends = |code, output: Vec<(Stream, Vec<u8>)>| ExecReply::Ends { code: ExitCode::new(code), output };
    let out = |bytes: &[u8]| vec![(Stream::Out, bytes.to_vec())];
    let argv: Vec<_> = spec.argv.iter().map(String::as_str).collect();
    match argv[..] {
        ["/fixture", "both"] => ends(7, vec![(Stream::Out, b"to out".to_vec()), (Stream::Err, b"to err".to_vec())]),
        ["/fixture", "cat"] => ends(0, out(input)),
        ["/fixture", "who"] => {
            let ContainerUser { uid, gid } = spec.user.unwrap_or(container.user);
            ends(0, out(format!("{uid}:{gid}").as_bytes()))
        }
        ["/fixture", "env", key] => {
            let value = spec.env.get(key).or_else(|| container.env.get(key)).map_or("(none)", String::as_str);
            ends(0, out(value.as_bytes()))
        }
        ["/fixture", "hang"] => ExecReply::Hangs,
        [program, ..] => ends(127, out(format!("exec: \"{program}\": no such file").as_bytes())),
        [] => panic!("a program without a name"),
    }
}
