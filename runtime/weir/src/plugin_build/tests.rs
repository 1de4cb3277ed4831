//! The whole command, as far as it goes without a toolchain for guests.

use super::*;
use clap::{Args, FromArgMatches};

fn options(arguments: &[&str]) -> Result<BuildOptions, clap::Error> {
    let command = BuildOptions::augment_args(clap::Command::new("build").no_binary_name(true));
    command.try_get_matches_from(arguments).and_then(|matches| BuildOptions::from_arg_matches(&matches))
}

// covers P-08
#[test]
fn the_arguments_are_read() {
    let given = ["guests/tier", "--toolchain", "debian", "--out", "tier.wasm", "--", "--locked"];
    let options = options(&given).unwrap();
    assert_eq!(options.dir, PathBuf::from("guests/tier"));
    assert_eq!(options.toolchain, GuestToolchain::Debian);
    assert_eq!(options.out, Some("tier.wasm".into()));
    assert_eq!(options.cargo_arguments, ["--locked"]);
}

#[test]
fn an_unknown_toolchain_is_refused_with_the_known_ones() {
    let words = options(&["--toolchain", "nix"]).unwrap_err().to_string();
    assert!(["auto", "rustup", "debian"].iter().all(|name| words.contains(name)), "{words}");
}

#[test]
fn a_folder_without_a_package_is_refused_before_anything_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut progress = Vec::new();
    let error = build(&BuildOptions { dir: dir.path().into(), ..BuildOptions::default() }, &mut progress).unwrap_err();
    assert_eq!(error.code(), "plugin.build.no-package");
    assert!(progress.is_empty());
}

#[test]
fn a_result_is_told_to_people_and_to_programs() {
    let built = Built {
        name: "tier".into(),
        version: "1.0.0".into(),
        component: "target/weir/tier.wasm".into(),
        bytes: 90_361,
        hooks: vec!["action".into()],
        imports: vec!["weir:plugin/log@0.1.0".into()],
        toolchain: "the installed target".into(),
        elapsed: Duration::from_millis(1234),
    };
    assert_eq!(built.summary(), "target/weir/tier.wasm  90361 bytes, hooks: action, in 1.2 s");
    let json = serde_json::to_value(&built).unwrap();
    assert_eq!((&json["elapsed_ms"], &json["hooks"][0]), (&1234.into(), &"action".into()));
}
