//! Nothing is installed here: the commands are looked at, not run.

use super::*;
use Presence::{Absent, Present};

const RUSTUP: &str = "rustup target add wasm32-unknown-unknown";
const UPDATE: &str = "DEBIAN_FRONTEND=noninteractive apt-get update";
const INSTALL: &str =
    "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends rustc-web rust-web-src lld-22";

const BARE: Machine = Machine { target: Absent, rustup: Absent, packages: Absent, apt: Absent, user: User::Plain };
const DEVELOPER: Machine = Machine { rustup: Present, ..BARE };
const CONTAINER: Machine = Machine { apt: Present, user: User::Root, ..BARE };

/// The commands of each way, or the error's last words.
fn plan(choice: GuestToolchain, machine: Machine) -> Vec<Vec<String>> {
    let show = |way: Result<Way, BuildError>| match way {
        Ok(way) => way.setup.iter().map(ToString::to_string).collect(),
        Err(error) => vec![format!("{}: {error}", error.code())],
    };
    ways(choice, machine).into_iter().map(show).collect()
}

// covers P-08
#[test]
fn what_is_there_needs_no_command() {
    let nothing: &[Vec<String>] = &[Vec::new()];
    assert_eq!(plan(GuestToolchain::Auto, Machine { target: Present, ..CONTAINER }), nothing);
    assert_eq!(plan(GuestToolchain::Rustup, Machine { target: Present, ..BARE }), nothing);
    assert_eq!(plan(GuestToolchain::Debian, Machine { packages: Present, ..BARE }), nothing);
}

#[test]
fn rustup_adds_the_target() {
    assert_eq!(plan(GuestToolchain::Rustup, DEVELOPER), [[RUSTUP]]);
}

#[test]
fn root_installs_debians_packages_with_fresh_lists() {
    assert_eq!(plan(GuestToolchain::Debian, CONTAINER), [[UPDATE, INSTALL]]);
}

#[test]
fn others_are_given_the_one_command() {
    let planned = plan(GuestToolchain::Debian, Machine { user: User::Plain, ..CONTAINER });
    let [[error]] = planned.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] else { panic!("{planned:?}") };
    assert!(error.starts_with("plugin.build.toolchain-missing"), "{error}");
    let command = "\n  sudo apt-get install -y --no-install-recommends rustc-web rust-web-src lld-22\n";
    assert!(error.contains(command), "{error}");
}

#[test]
fn auto_tries_rustup_before_debian() {
    let both = Machine { rustup: Present, ..CONTAINER };
    assert_eq!(plan(GuestToolchain::Auto, both), [vec![RUSTUP], vec![UPDATE, INSTALL]]);
    let installed = Machine { packages: Present, ..both };
    assert_eq!(plan(GuestToolchain::Auto, installed), [vec![RUSTUP], vec![]]);
}

#[test]
fn a_way_that_fails_leads_to_the_next() {
    let both = Machine { rustup: Present, ..CONTAINER };
    let mut seen = Vec::new();
    let way = first_ready(ways(GuestToolchain::Auto, both), |command| {
        seen.push(command.to_string());
        match command.program {
            "rustup" => Err(BuildError::SetupFailed { command: command.to_string(), status: Default::default() }),
            _ => Ok(()),
        }
    });
    assert_eq!(way.unwrap().standard_library, StandardLibrary::FromSource);
    assert_eq!(seen, [RUSTUP, UPDATE, INSTALL]);
}

#[test]
fn with_no_way_left_the_error_says_what_to_run() {
    for choice in [GuestToolchain::Auto, GuestToolchain::Rustup, GuestToolchain::Debian] {
        let error = first_ready(ways(choice, BARE), |_| Ok(())).unwrap_err();
        assert_eq!(error.code(), "plugin.build.toolchain-missing");
        assert!(error.to_string().contains(&format!("\n  {RUSTUP}\n")), "{error}");
    }
    let failing = |command: &CommandLine| {
        Err(BuildError::SetupFailed { command: command.to_string(), status: Default::default() })
    };
    let error = first_ready(ways(GuestToolchain::Debian, CONTAINER), failing).unwrap_err();
    assert_eq!(error.code(), "plugin.build.setup-failed");
    assert!(error.to_string().contains("apt-get update"), "{error}");
}

#[test]
fn a_package_that_is_half_there_is_not_there() {
    assert!(are_installed("lld-22 installed\nrust-web-src installed\nrustc-web installed\n"));
    assert!(!are_installed("lld-22 installed\nrust-web-src installed\n"));
    assert!(!are_installed("lld-22 installed\nrust-web-src config-files\nrustc-web installed\n"));
}
