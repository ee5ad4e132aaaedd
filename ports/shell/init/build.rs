//! Leaves out of a static init what it cannot use: tables for unwinding, in a program whose panics end it at once, and
//! second copies of equal functions. Never changes any other build: programs that unwind need the tables.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwind-tables.ld");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|found| found.split(',').any(|one| one == wanted));
    // Of the profiles only `init` asks for the smallest code, and it aborts on panic; cargo tells a build script no more.
    if is("OPT_LEVEL", "z") && is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        let script =
            env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default().join("no-unwind-tables.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
        // The toolchain's own linker, which folds equal functions, is the default for this architecture only.
        if is("CARGO_CFG_TARGET_ARCH", "x86_64") {
            println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        }
    }
}
