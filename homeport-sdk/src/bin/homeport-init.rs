//! The generic init: PID 1 of a port without code, whose services stand in `/port/services.json`.
//! Never does anything itself: `homeport_sdk::init` does.

use std::process::ExitCode;

use homeport_sdk::init;

fn main() -> ExitCode {
    init::main(init::generic::Generic)
}
