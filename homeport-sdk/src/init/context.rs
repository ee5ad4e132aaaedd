//! Owns what a port knows about the instance that it runs as: manifest, configuration, volumes, environment.
//! Never changes: a reload makes a new one.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use homeport_core::config::{Effective, Value};
use homeport_core::entrypoint::ExpectedVolumes;
use homeport_core::manifest::Manifest;
use homeport_core::name::InstanceName;
use homeport_core::unit::Format;

use super::child::base_env;

/// Whether a volume's data has to be there already. [spec: VOL-22]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeState {
    /// The host has just made the volume: the port may fill it.
    New,
    /// It was in use before: what is missing is lost, and never silently made anew.
    Existing,
}

/// A volume that passed the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mounted<'a> {
    /// Where it stands.
    pub path: &'a str,
    /// Whether its data has to be there already.
    pub state: VolumeState,
    /// The format that its data has, by the host's word: one that the manifest accepts. [spec: VOL-20]
    pub format: Format,
}

/// The instance, as its init sees it. Values are those that the manifest's rules accepted.
#[derive(Clone)]
pub struct Context {
    pub(crate) manifest: Rc<Manifest>,
    pub(crate) instance: InstanceName,
    pub(crate) config: Effective,
    pub(crate) volumes: ExpectedVolumes,
    pub(crate) tz: String,
}

impl Context {
    /// A context made by hand, for tests of a port; a running init makes its own.
    pub fn new(
        manifest: Manifest,
        instance: InstanceName,
        config: Effective,
        volumes: ExpectedVolumes,
        tz: impl Into<String>,
    ) -> Self {
        Self { manifest: Rc::new(manifest), instance, config, volumes, tz: tz.into() }
    }

    /// The port's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The instance's name.
    pub fn instance(&self) -> &InstanceName {
        &self.instance
    }

    /// The value of a key, secret or not; `None` where it has none or the manifest does not declare it.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.config.get(&key.parse().ok()?)
    }

    /// The value of a key that is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        if let Some(Value::Text(text)) = self.value(key) { Some(text) } else { None }
    }

    /// The value of a key that is a number, of bytes or seconds where its type says so.
    pub fn whole(&self, key: &str) -> Option<i64> {
        if let Some(Value::Whole(number)) = self.value(key) { Some(*number) } else { None }
    }

    /// The value of a key that is yes or no.
    pub fn flag(&self, key: &str) -> Option<bool> {
        if let Some(Value::Bool(value)) = self.value(key) { Some(*value) } else { None }
    }

    /// The value of a key that is a list; empty where it has none.
    pub fn list(&self, key: &str) -> &[String] {
        if let Some(Value::List(items)) = self.value(key) { items } else { &[] }
    }

    /// A volume of the manifest; `None` where the manifest or the host does not name it.
    pub fn volume(&self, name: &str) -> Option<Mounted<'_>> {
        let expected = self.volumes.get(&name.parse().ok()?)?;
        let state = if expected.new { VolumeState::New } else { VolumeState::Existing };
        Some(Mounted { path: &expected.path, state, format: expected.format })
    }

    /// The environment of every service: `PATH`, `HOME`, `LANG`, `TZ`, and the keys to which the manifest gives an
    /// `env` name, as text. [spec: ENT-36]
    pub fn service_env(&self) -> BTreeMap<String, String> {
        let mut env = base_env(&self.tz);
        for (key, spec) in &self.manifest.config {
            if let (Some(name), Some(value)) = (&spec.env, self.config.get(key)) {
                env.insert(name.clone(), value.to_text());
            }
        }
        env
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("port", &self.manifest.port.id)
            .field("instance", &self.instance)
            .field("config", &self.config.open)
            .field("volumes", &self.volumes)
            .finish_non_exhaustive()
    }
}
