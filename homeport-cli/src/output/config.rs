//! Owns how configuration is shown. A secret's value never gets here.

use homeport_core::config::Value;
use homeport_core::name::{ConfigKey, InstanceName};
use homeport_host::operation::{ConfigView, Reconfigured, ValueOrigin};

use super::Render;
use super::page::Page;

/// Every key of an instance.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ConfigReport {
    pub(crate) instance: InstanceName,
    pub(crate) config: Vec<ConfigView>,
}

impl Render for ConfigReport {
    fn text(&self, page: &mut Page) {
        if self.config.is_empty() {
            page.line(format_args!("`{}` has no configuration", self.instance));
        }
        for view in &self.config {
            let origin = if view.origin == ValueOrigin::Default { "  (default)" } else { "" };
            match (&view.value, view.origin) {
                (_, ValueOrigin::None) => page.line(format_args!("{}: not set", view.key)),
                (_, _) if view.secret => page.line(format_args!("{}: hidden, it is secret{origin}", view.key)),
                (None, _) => page.line(format_args!("{}: no value", view.key)),
                (Some(value), _) => value_text(page, &view.key, value, origin),
            }
            if !view.summary.is_empty() {
                page.line(format_args!("    # {}", view.summary));
            }
        }
    }
}

fn value_text(page: &mut Page, key: &ConfigKey, value: &Value, origin: &str) {
    let text = value.to_text();
    match value {
        Value::List(items) if items.is_empty() => page.line(format_args!("{key}: empty list{origin}")),
        Value::Text(text) if text.is_empty() => page.line(format_args!("{key}: empty{origin}")),
        Value::Text(text) if !text.contains('\n') => page.line(format_args!("{key}: {text}{origin}")),
        Value::Whole(_) | Value::Bool(_) => page.line(format_args!("{key}: {text}{origin}")),
        Value::List(_) | Value::Text(_) => {
            page.line(format_args!("{key}:{origin}"));
            for line in text.lines() {
                page.line(format_args!("    {line}"));
            }
        }
    }
}

/// What a change of configuration did.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ReconfiguredReport {
    pub(crate) instance: InstanceName,
    #[serde(flatten)]
    pub(crate) done: Reconfigured,
}

impl Render for ReconfiguredReport {
    fn text(&self, page: &mut Page) {
        let keys: Vec<String> = self.done.changed.iter().map(|key| format!("`{key}`")).collect();
        let name = &self.instance;
        match (keys.is_empty(), self.done.restarted) {
            (true, _) => page.line(format_args!("`{name}` has these values already; nothing was changed")),
            (false, true) => {
                page.line(format_args!("`{name}` runs in a new container with other values for {}", keys.join(", ")));
            }
            (false, false) => {
                page.line(format_args!("`{name}` has other values for {} from its next start on", keys.join(", ")));
            }
        }
    }
}
