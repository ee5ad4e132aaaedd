//! Owns how a port is shown: what it is, what it needs, what it can be told. Never looks for one.

use homeport_core::config::{KeySpec, Need, Secrecy};
use homeport_core::manifest::{DefaultPublic, Manifest};
use homeport_core::name::ConfigKey;
use homeport_host::image::PortImage;

use super::Render;
use super::page::Page;

/// A port as its image has it. As JSON it holds the manifest as it stands in the image.
#[derive(Debug)]
pub(crate) struct PortReport(pub(crate) PortImage);

impl serde::Serialize for PortReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error as _, SerializeStruct as _};
        let manifest: serde_json::Value = serde_json::from_slice(&self.0.bytes).map_err(S::Error::custom)?;
        let mut report = serializer.serialize_struct("port", 3)?;
        report.serialize_field("image", &self.0.id)?;
        report.serialize_field("reference", &self.0.reference)?;
        report.serialize_field("manifest", &manifest)?;
        report.end()
    }
}

impl Render for PortReport {
    fn text(&self, page: &mut Page) {
        let manifest = &self.0.manifest;
        page.line(format_args!("`{}` {}: {}", manifest.port.id, manifest.port.version, manifest.port.title));
        if !manifest.port.summary.is_empty() {
            page.line(format_args!("  {}", manifest.port.summary));
        }
        for (label, text) in [("license", &manifest.port.license), ("source", &manifest.port.source)] {
            if !text.is_empty() {
                page.line(format_args!("  {label}: {text}"));
            }
        }
        page.line(format_args!("  image: {} ({})", self.0.reference, self.0.id));
        page.line(format_args!("  protocol: {}", manifest.protocol));
        config(page, manifest);
        endpoints(page, manifest);
        volumes(page, manifest);
        needs(page, manifest);
    }
}

fn config(page: &mut Page, manifest: &Manifest) {
    if manifest.config.is_empty() {
        return;
    }
    page.line("configuration (`--set KEY=VALUE`, secrets with `--set-file KEY=PATH`)");
    for (key, spec) in &manifest.config {
        key_text(page, key, spec);
    }
}

fn key_text(page: &mut Page, key: &ConfigKey, spec: &KeySpec) {
    let mut words = vec![spec.kind.wanted()];
    words.extend((spec.need == Need::Required).then(|| "required".to_owned()));
    words.extend((spec.secrecy == Secrecy::Secret).then(|| "secret".to_owned()));
    words.extend(spec.default.as_ref().map(|value| format!("default `{}`", value.to_text())));
    page.line(format_args!("  {key}: {}", words.join("; ")));
    if !spec.summary.is_empty() {
        page.line(format_args!("      {}", spec.summary));
    }
    if let Some(old) = &spec.deprecated {
        let instead = old.instead.as_ref().map(|key| format!("; use `{key}`")).unwrap_or_default();
        page.line(format_args!("      deprecated since {}{instead}", old.since));
    }
}

fn endpoints(page: &mut Page, manifest: &Manifest) {
    if manifest.endpoints.is_empty() {
        return;
    }
    page.line("endpoints (`--route ENDPOINT=ADDRESS`)");
    for (name, endpoint) in &manifest.endpoints {
        let public = match endpoint.default_public {
            DefaultPublic::None => "no public address unless asked for".to_owned(),
            DefaultPublic::Random => "a free public port".to_owned(),
            DefaultPublic::Port(port) => format!("public port {port}"),
        };
        page.line(format_args!(
            "  {name}: {} on {} {}; {public}",
            endpoint.protocol,
            endpoint.transport.word(),
            endpoint.port
        ));
        if !endpoint.summary.is_empty() {
            page.line(format_args!("      {}", endpoint.summary));
        }
    }
}

fn volumes(page: &mut Page, manifest: &Manifest) {
    if manifest.volumes.is_empty() {
        return;
    }
    page.line("volumes (`--volume NAME=PATH`)");
    for (name, volume) in &manifest.volumes {
        page.line(format_args!(
            "  {name}: `{}`, format {}, owner {}:{}, mode {}",
            volume.path, volume.format, volume.uid, volume.gid, volume.mode
        ));
        if !volume.summary.is_empty() {
            page.line(format_args!("      {}", volume.summary));
        }
    }
}

fn needs(page: &mut Page, manifest: &Manifest) {
    page.line("limits and privileges");
    let resources = &manifest.resources;
    page.line(format_args!(
        "  memory: {} bytes, processes: {}, open files: {}",
        resources.memory_limit, resources.pids_max, resources.nofile
    ));
    let capabilities: Vec<&str> = manifest.privileges.capabilities.iter().map(String::as_str).collect();
    page.line(format_args!("  capabilities: {}", capabilities.join(", ")));
    if !manifest.privileges.devices.is_empty() {
        page.line(format_args!("  devices: {}", manifest.privileges.devices.join(", ")));
    }
    page.line(format_args!("  ready within {} s, stopped within {} s", manifest.ready_within, manifest.stop_within));
}
