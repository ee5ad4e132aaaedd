//! The contract of [`homeport_host::engine::Engine`], rule by rule, for every engine that claims to keep it.
//!
//! A [`Bench`] is one engine with one test image in it; what a test makes on it carries the label `homeport.test`
//! with the run's own value, and is gone when the bench is dropped, also after a panic. `HOMEPORT_KEEP=1` keeps it.

pub(crate) mod containers;
pub(crate) mod images;
pub(crate) mod names;
pub(crate) mod observed;
pub(crate) mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use homeport_core::digest::Digest;
use homeport_core::unit::{Bytes, Seconds};
use homeport_host::engine::{
    Access, BindMount, Capability, ContainerName, ContainerRef, ContainerSpec, ContainerUser, Engine, Entrypoint,
    ExecOutcome, ExecSpec, ExecStreams, Flow, ImageName, LabelFilter, Labels, Limits, MountPath, NetworkId,
    NetworkMode, NetworkName, NetworkSpec, PeerTraffic, PidLimit, Reach, Stream,
};

/// The label of everything that a test makes.
pub(crate) const LABEL: &str = "homeport.test";
/// The manifest in the test image.
pub(crate) const MANIFEST: &[u8] = b"{\"port\":\"contract\"}\n";

/// One engine with the test image in it.
pub(crate) struct Bench {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) image: Digest,
    pub(crate) name: ImageName,
    /// The archive that the image was loaded from.
    pub(crate) archive: Vec<u8>,
    pub(crate) run: String,
    /// A directory of the host.
    pub(crate) dir: tempfile::TempDir,
}

/// A word that no other bench of any process has: lowercase letters and digits.
pub(crate) fn fresh_run() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}n{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The name of a run's image.
pub(crate) fn image_name(run: &str) -> ImageName {
    format!("homeport-test/contract:{run}").parse().unwrap()
}

impl Bench {
    pub(crate) fn container(&self, suffix: &str) -> ContainerName {
        format!("homeport-test-{}-{suffix}", self.run).parse().unwrap()
    }

    pub(crate) fn labels(&self) -> Labels {
        Labels::new().with(LABEL, self.run.as_str())
    }

    pub(crate) fn filter(&self) -> LabelFilter {
        LabelFilter::any().value(LABEL, self.run.as_str())
    }

    /// A container of the test image that does this.
    pub(crate) fn spec(&self, suffix: &str, args: &[&str]) -> ContainerSpec {
        ContainerSpec {
            name: self.container(suffix),
            image: self.image,
            entrypoint: Entrypoint::Exactly(vec!["/fixture".to_owned()]),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            user: ContainerUser::ROOT,
            labels: self.labels(),
            hostname: "contract".parse().unwrap(),
            network: NetworkMode::None,
            extra_hosts: Vec::new(),
            binds: vec![self.declared()],
            tmpfs: Vec::new(),
            capabilities: BTreeSet::from([Capability::SETUID, Capability::SETGID, Capability::KILL]),
            limits: Limits::new(Bytes::new(64 << 20), PidLimit::new(64)),
            stop_grace: Seconds::new(2),
        }
    }

    /// What covers the volume that the image declares.
    pub(crate) fn declared(&self) -> BindMount {
        BindMount {
            source: MountPath::try_from(self.dir.path()).unwrap(),
            target: "/declared".parse().unwrap(),
            access: Access::ReadWrite,
        }
    }

    /// A container that was made and started.
    pub(crate) fn started(&self, suffix: &str, args: &[&str]) -> ContainerRef {
        let made = self.engine.create(&self.spec(suffix, args)).unwrap();
        let container = ContainerRef::from(made.id);
        self.engine.start(&container).unwrap();
        container
    }

    pub(crate) fn network_spec(&self) -> NetworkSpec {
        NetworkSpec {
            name: self.network_name(),
            labels: self.labels(),
            peers: PeerTraffic::Blocked,
            reach: Reach::Outside,
        }
    }

    pub(crate) fn network_name(&self) -> NetworkName {
        format!("homeport-test-{}", self.run).parse().unwrap()
    }

    pub(crate) fn network(&self) -> NetworkId {
        self.engine.ensure_network(&self.network_spec()).unwrap().into_inner()
    }

    /// A path in the bench's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the fixture in a container; its code and outputs.
    pub(crate) fn run(&self, container: &ContainerRef, args: &[&str]) -> (ExecOutcome, String, String) {
        self.run_spec(container, &fixture(args))
    }

    pub(crate) fn run_spec(&self, container: &ContainerRef, spec: &ExecSpec) -> (ExecOutcome, String, String) {
        let mut outputs = Outputs::default();
        let outcome =
            self.engine.exec(container, spec, ExecStreams::output(&mut |stream, bytes| outputs.take(stream, bytes)));
        (outcome.unwrap(), outputs.out(), outputs.err())
    }

    fn clean(&self) {
        for container in self.engine.list(&self.filter()).unwrap_or_default() {
            report(&container.name, self.engine.remove(&container.id.into()));
        }
        if let Ok(Some(network)) = self.engine.network(&self.network_name(), &LabelFilter::any()) {
            report(&network, self.engine.remove_network(&network));
        }
        for image in self.engine.images(&self.filter()).unwrap_or_default() {
            report(&image.id, self.engine.remove_image(&image.id.into()));
        }
    }
}

fn report<T>(what: &dyn std::fmt::Display, result: Result<T, homeport_host::engine::EngineError>) {
    if let Err(error) = result {
        eprintln!("`{what}` is left behind: {error}");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::env::var_os("HOMEPORT_KEEP").is_none() {
            self.clean();
        }
    }
}

/// The fixture with these arguments.
pub(crate) fn fixture(args: &[&str]) -> ExecSpec {
    ExecSpec::new(std::iter::once("/fixture").chain(args.iter().copied()))
}

/// Both outputs of a program, apart.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

impl Outputs {
    pub(crate) fn take(&mut self, stream: Stream, bytes: &[u8]) -> Flow {
        match stream {
            Stream::Out => self.out.extend_from_slice(bytes),
            Stream::Err => self.err.extend_from_slice(bytes),
        }
        Flow::Continue
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }
}

/// Each rule as a test of its own, on a bench that the expression makes.
#[macro_export]
macro_rules! contract_tests {
    ($bench:expr; $($module:ident: $($rule:ident),+ $(,)?;)+) => {
        $($(
            #[test]
            fn $rule() {
                engine_contract::$module::$rule(&$bench);
            }
        )+)+
    };
    ($bench:expr) => {
        $crate::contract_tests! {
            $bench;
            images: an_image_is_found_by_id_and_by_name,
                loading_the_same_archive_again_changes_nothing,
                what_is_no_archive_is_refused,
                a_file_is_read_and_nothing_is_left,
                an_image_in_use_is_not_removed;
            names: a_network_is_made_once,
                a_network_in_use_is_not_removed,
                a_name_is_given_once,
                the_beginning_of_an_id_is_no_name,
                what_is_not_there_is_said_to_be_missing,
                a_missing_network_is_an_error_at_the_latest_at_the_start;
            containers: a_container_lives_and_every_step_can_be_repeated,
                a_missing_source_is_refused_and_not_made,
                a_wrong_description_is_refused,
                a_declared_volume_is_covered_or_refused,
                who_ignores_the_stop_is_killed,
                a_kill_ends_it,
                an_end_has_its_code,
                want_of_memory_is_told_from_a_kill,
                a_running_container_can_be_removed,
                a_failed_start_leaves_a_container_that_can_be_removed;
            observed: facts_show_what_was_asked_for,
                the_list_holds_what_matches_in_order,
                output_is_kept_and_can_be_followed,
                events_tell_a_whole_life_in_order,
                events_wait_for_what_comes_and_can_be_cancelled;
            programs: a_program_has_a_code_and_two_outputs,
                a_program_reads_its_input,
                a_program_runs_as_whom_it_should,
                a_program_runs_into_its_limit,
                a_program_can_be_left_alone,
                a_program_that_is_not_there_ends_with_a_code;
        }
    };
}
