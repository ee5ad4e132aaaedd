//! Owns [`Generic`], the port that a services file describes: what it runs, and when it works.
//! Never judges the file: `services` does.

use std::path::Path;
use std::time::Duration;

use homeport_core::entrypoint::{ExitStatus, SERVICES_FILE};
use homeport_core::fault::Fault;

use super::services::{Declared, Ready, Services};
use crate::init::context::Context;
use crate::init::port::{Port, connect, endpoints_answer};
use crate::init::report::{Failure, Report};
use crate::init::service::Service;
use crate::init::tool::Tool;

/// A probe's command may take this long.
const COMMAND_LIMIT: Duration = Duration::from_secs(4);

/// The port that the services file describes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Generic;

fn read() -> Result<Services, Failure> {
    let name = SERVICES_FILE;
    let bytes = std::fs::read(Path::new(name)).map_err(|error| {
        let fault = Fault::new("HP-SVC-001", "services", format!("`{name}` cannot be read"));
        Failure::new(ExitStatus::Internal, fault.actual(error.to_string()).clause("ENT-40"))
    })?;
    Services::parse(&bytes).map_err(|faults| {
        let mut report = Report::default();
        for fault in faults {
            report.error(ExitStatus::Internal, fault);
        }
        report
            .into_result()
            .err()
            .unwrap_or_else(|| Failure::new(ExitStatus::Internal, Fault::new("HP-SVC-001", "services", "no services")))
    })
}

impl Port for Generic {
    fn check(&self, cx: &Context, report: &mut Report) {
        let _ = cx;
        report.keep(read());
    }

    fn prepare(&self, _: &Context) -> Result<Vec<Service>, Failure> {
        Ok(read()?.in_order.into_iter().map(|declared| declared.service).collect())
    }

    fn ready(&self, cx: &Context) -> Result<(), Failure> {
        self.health(cx)
    }

    /// Each service's own probe; where none has any, whether the declared endpoints take connections. [spec: ENT-43]
    fn health(&self, cx: &Context) -> Result<(), Failure> {
        let services = read()?;
        let mut report = Report::default();
        for declared in &services.in_order {
            if let Err(found) = ask(cx, declared) {
                let name = &declared.service.name;
                let fault =
                    Fault::new("HP-RUN-011", format!("services.{name}"), format!("service `{name}` is not ready"));
                report.error(ExitStatus::ServiceFailed, fault.actual(found).clause("ENT-43"));
            }
        }
        report.into_result()?;
        let has_own = services.in_order.iter().any(|declared| declared.ready != Ready::Always);
        if has_own { Ok(()) } else { endpoints_answer(cx) }
    }
}

fn ask(cx: &Context, declared: &Declared) -> Result<(), String> {
    match &declared.ready {
        Ready::Always => Ok(()),
        Ready::Tcp(port) => connect(port.get()).map_err(|error| format!("port {port}: {error}")),
        Ready::Command(command) => {
            let Some((program, args)) = command.split_first() else { return Ok(()) };
            let service = &declared.service;
            let tool = Tool::new(program)
                .args(args.iter().cloned())
                .envs(&cx.service_env())
                .envs(&service.env)
                .user(service.uid, service.gid)
                .within(COMMAND_LIMIT);
            match tool.run() {
                Ok(output) if output.code == 0 => Ok(()),
                Ok(output) => Err(format!("`{program}` exited with {}: {}", output.code, output.words())),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}
