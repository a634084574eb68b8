//! Deltas of real closures: the new bundle comes out byte for byte, and runs.

use std::io::Write;
use std::process::Stdio;

use tests::{Pair, run};

use crate::files::Files;

/// Applies the delta of a pair in both ways; returns the share of the new bundle's bytes that it has, in percent.
fn share(files: &Files, options: &[&str]) -> f64 {
    let delta = files.delta(options);
    let new = files.read("new");
    files.packer(&["apply", "old", "delta", "-o", "made"]).expect_code(0);
    assert!(files.read("made") == new, "another bundle than the new one");
    100.0 * delta.len() as f64 / new.len() as f64
}

/// Asks a composition what its services do: none runs, so it says so. Returns its status and its message.
fn starts(files: &Files, name: &str) -> (Option<i32>, String) {
    let mut command = files.command(files.path(name));
    command.env("PACKED_CACHE", files.path("cache")).env("PACKED_MODE", "relocate");
    let ended = run(command.env("COMPOSED", "status"));
    (ended.status.code(), ended.stderr())
}

#[test]
fn small_bundle_is_made_and_runs() {
    let files = Files::small();
    let share = share(&files, &[]);
    assert!(share < 1.0, "{share} % for a file and a word");
    files.packer(&["verify", "made"]).expect_code(0);
    let mut command = files.command(files.path("made"));
    let ended = run(command.env("PACKED_CACHE", files.path("cache")));
    let _ = ended.report();
    let again = files.read("delta");
    assert!(files.delta(&["--threads", "1"]) == again, "the same delta whatever the threads");
}

#[test]
fn bundle_that_runs_is_replaced() {
    let files = Files::small();
    files.delta(&[]);
    let mut command = files.command(files.path("old"));
    command.env("PACKED_CACHE", files.path("cache")).arg("echo");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().expect("start the old bundle");
    files.packer(&["apply", "old", "delta", "-o", "old"]).expect_code(0);
    assert!(files.read("old") == files.read("new"));
    let mut stdin = running.stdin.take().expect("it is piped");
    stdin.write_all(b"still here").expect("write to the program");
    drop(stdin);
    let ended = running.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), &ended.stdout[..]), (Some(0), &b"still here"[..]));
    files.packer(&["verify", "old"]).expect_code(0);
}

#[test]
fn delta_of_an_updated_package_is_small() {
    let files = Files::of_pair(&Pair::updated("markov", &["redis-server", "redis-tools"]));
    let [patched, whole] = [&[][..], &["--fast"]].map(|options| share(&files, options));
    assert!(patched < 5.0, "{patched} %");
    assert!(patched < whole && whole < 100.0, "{patched} % and {whole} %");
    assert_eq!(starts(&files, "made"), starts(&files, "new"));
}

#[test]
fn delta_is_small_though_all_store_paths_have_other_hashes() {
    let files = Files::of_pair(&Pair::updated("markov", &["libc6"]));
    let share = share(&files, &[]);
    assert!(share < 3.0, "{share} %");
    files.packer(&["verify", "made"]).expect_code(0);
}

#[test]
#[ignore = "compiles the server and its libraries: minutes"]
fn delta_of_a_changed_program_is_small() {
    let files = Files::of_pair(&Pair::changed_server("markov"));
    let share = share(&files, &[]);
    assert!(share < 5.0, "{share} %");
}
