//! What `packer build` can't do it says before it writes anything: two lines, and what to do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{self, Command};

use tests::{Closure, Store, packer, probe, run};

/// Runs `packer build` with an output; returns the two lines.
fn refusal(arguments: &[&str]) -> (String, String) {
    let directory = tempfile::tempdir().expect("make a directory");
    let output = directory.path().join("output");
    let ended = run(Command::new(packer()).arg("build").args(arguments).arg("-o").arg(&output));
    let lines = ended.expect_refusal(1);
    let left: Vec<_> = fs::read_dir(directory.path()).expect("list it").collect();
    assert!(left.is_empty(), "nothing is written: {left:?}");
    lines
}

fn contains((what, hint): &(String, String), in_what: &[&str], in_hint: &[&str]) {
    assert!(in_what.iter().all(|text| what.contains(text)), "{in_what:?} in {what:?}");
    assert!(in_hint.iter().all(|text| hint.contains(text)), "{in_hint:?} in {hint:?}");
}

#[test]
fn a_wrong_closure_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let missing = "/nix/store/00000000000000000000000000000000-missing";
    let cases = [
        ("/usr/bin", "/usr/bin is not a store path", "/nix/store/"),
        ("/nix/store", "/nix/store is not a store path", "/nix/store/"),
        (file, "is not a store path", "./result"),
        (missing, missing, "build it again"),
        ("/no/such/link", "/no/such/link", "check the path"),
    ];
    for (closure, what, hint) in cases {
        let lines = refusal(&["--closure", closure, "--entry", "/bin/x"]);
        contains(&lines, &[what], &[hint]);
    }
}

/// Runs a command of Nix's; returns the line that it prints.
fn nix(program: &str, arguments: &[&str]) -> String {
    let ended = run(Command::new(program).args(arguments));
    ended.expect_code(0);
    String::from_utf8_lossy(&ended.stdout).trim().trim_matches('"').to_owned()
}

/// What is not in Nix's database, was collected as garbage, or lacks a part.
#[test]
fn a_closure_that_is_not_whole_is_refused() {
    let number = process::id();
    let refused = |path: &str| refusal(&["--closure", path, "--entry", "/bin/x"]);

    let never = format!("/nix/store/{number:032}-never-valid");
    fs::create_dir(&never).expect("make it");
    let lines = refused(&never);
    fs::remove_dir(&never).expect("remove it");
    contains(&lines, &["Nix does not know", &never], &["build it again", "--store-root /"]);

    let part = format!(r#"(builtins.toFile "part" "of process {number}")"#);
    let whole = format!(r#"builtins.toFile "whole" "${{{part}}}""#);
    let eval = |text: &str| nix("nix-instantiate", &["--eval", "--read-write-mode", "-E", text]);
    let (part, whole) = (eval(&part), eval(&whole));
    fs::remove_file(&part).expect("it is a file");
    let lines = refused(&whole);
    nix("nix-store", &["--delete", &whole, &part]);
    contains(&lines, &[&part], &["build it again"]);

    contains(&refused(&whole), &[&whole, "does not exist"], &["build it again"]);
}

#[test]
fn a_missing_entry_is_answered_with_those_that_are_there() {
    let closure = Closure::example("coreutils");
    let closure = closure.path.to_str().unwrap();
    let lines = refusal(&["--closure", closure, "--entry", "/bin/sorrt"]);
    contains(&lines, &["/bin/sorrt"], &["/bin/sort"]);
    let lines = refusal(&["--closure", closure]);
    contains(&lines, &["several programs"], &["--entry", "/bin/"]);
    let lines = refusal(&["--closure", closure, "--entry", "/bin/../bin/ls"]);
    contains(&lines, &["'..'"], &["without '..'"]);
    let lines = refusal(&["--closure", closure, "--entry", "/bin/ls", "--entry", "/bin/ls"]);
    contains(&lines, &["ls"], &["one only"]);
}

#[test]
fn an_entry_that_could_not_run_is_refused() {
    let store = Store::new();
    let at = |name: &str| format!("{}/bin/{name}", Store::PATH);
    store.program(at("probe"), &probe());
    store.file(at("data"), b"#!/bin/sh\n");
    store.executable(at("text"), b"no program\n");
    store.link(at("outside"), b"/bin/sh");
    store.link(at("loop"), b"loop");
    let mut foreign = fs::read(probe()).unwrap();
    // e_machine: EM_S390, which is no machine of ours.
    foreign[18..20].copy_from_slice(&22u16.to_le_bytes());
    store.executable(at("foreign"), &foreign);
    fs::create_dir(store.at(at("directory"))).unwrap();
    let root = store.root().to_str().unwrap().to_owned();
    let closure = format!("/nix/store/{}", Store::PATH);
    for (name, what) in [
        ("data", "not an executable file"),
        ("text", "neither an ELF program nor a script"),
        ("outside", "/bin/sh"),
        ("loop", "a loop of symbolic links"),
        ("foreign", "is for machine number 22"),
        ("directory", "not an executable file"),
        ("missing", "no program"),
    ] {
        let entry = format!("/bin/{name}");
        let lines = refusal(&["--store-root", &root, "--closure", &closure, "--entry", &entry]);
        contains(&lines, &[what, &entry], &[]);
    }
}

#[test]
fn a_special_file_has_to_be_left_out() {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    let fifo = store.at(format!("{}/fifo", Store::PATH));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let root = store.root().to_str().unwrap().to_owned();
    let closure = format!("/nix/store/{}", Store::PATH);
    let options = ["--store-root", &root, "--closure", &closure];
    contains(&refusal(&options), &["/fifo is neither a file"], &["--exclude"]);
    let mut command = Command::new(packer());
    command.arg("build").args(options).args(["--exclude", "fifo"]);
    run(command.current_dir(store.root())).expect_code(0);
}

#[test]
fn a_secret_is_not_packed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let secret = at("password", "correct horse\n");
    let options = |store: &Store, secret: &str| {
        let root = store.root().to_str().unwrap();
        let closure = format!("/nix/store/{}", Store::PATH);
        ["--store-root", root, "--closure", &closure, "--secret", secret].map(str::to_owned)
    };
    let refused = |store: &Store, secret: &str| {
        refusal(&options(store, secret).each_ref().map(String::as_str))
    };
    let store = || {
        let store = Store::new();
        store.program(format!("{}/bin/probe", Store::PATH), &probe());
        store
    };
    let place = |name: &str| format!("{}/{name}", Store::PATH);
    let in_file = store();
    // Over the border of what is read at once.
    let padding = vec![b'.'; (256 << 10) - 5];
    in_file.file(place("etc/config"), &[&padding[..], b"password: correct horse;"].concat());
    let in_link = store();
    in_link.link(place("link"), b"to/correct horse/x");
    let in_name = store();
    in_name.file(place("correct horse"), b"");
    for (store, file) in [(&in_file, "etc/config"), (&in_link, "link"), (&in_name, "correct horse")]
    {
        let what = format!("the content of the secret {secret} is in /nix/store/{}", place(file));
        contains(&refused(store, &secret), &[&what], &["a file that is not packed"]);
    }
    contains(&refused(&in_file, &at("pin", "1234\n")), &["too short", "4 bytes"], &["--secret"]);
    contains(&refused(&in_file, "/no/secret"), &["/no/secret: No such file"], &["check the path"]);

    // Not each line of it, and not a part.
    let other = at("other", "correct horse\nbattery\n");
    let mut command = Command::new(packer());
    command.arg("build").args(options(&in_file, &other));
    run(command.current_dir(directory.path())).expect_code(0);
}

#[test]
fn wrong_options_are_named() {
    let closure = Closure::probe();
    let common = ["--closure", closure.path.to_str().unwrap(), "--entry", "/bin/probe"];
    let cases = [
        (["--mode", "fast"], "'fast' is not a mode", "host, relocate, namespace"),
        (["--env", "NAME"], "'NAME'", "K=V"),
        (["--exclude", "[a"], "[a", "glob"),
        (["--stub", "/bin/sh"], "/bin/sh is not a stub", "--stub"),
        (["--stub", "/dev/zero"], "/dev/zero is not a stub: it is not a file", "--stub"),
        (["--store-root", "/no/store"], "/no/store", "--store-root"),
    ];
    for (option, what, hint) in cases {
        let lines = refusal(&[&common[..], &option].concat());
        contains(&lines, &[what], &[hint]);
    }
}

#[test]
fn an_output_that_is_there_is_replaced_only_by_a_whole_one() {
    let closure = Closure::probe();
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("probe");
    fs::write(&output, "before").unwrap();
    let build = |entry: &str| {
        let mut command = Command::new(packer());
        command.args(["build", "--entry", entry, "--closure"]).arg(&closure.path);
        run(command.current_dir(directory.path()))
    };
    build("/bin/missing").expect_code(1);
    assert_eq!(fs::read(&output).unwrap(), b"before");
    build("/bin/probe").expect_code(0);
    assert_eq!(run(Command::new(&output).env("PACKED", "verify")).status.code(), Some(0));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    fs::remove_file(&output).unwrap();
    symlink("/dev/null", &output).unwrap();
    let (what, _) = build("/bin/probe").expect_refusal(1);
    assert!(what.contains("cannot be replaced"), "{what}");
    assert!(output.is_symlink());
}

#[test]
fn a_file_that_is_no_bundle_is_named() {
    let packed = tests::Bundle::probe();
    let directory = tempfile::tempdir().unwrap();
    let cut = directory.path().join("cut");
    let bytes = fs::read(&packed.path).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 10]).unwrap();
    for command in ["inspect", "verify", "extract"] {
        let run = |bundle: &Path| {
            let mut packer = Command::new(packer());
            packer.arg(command).arg(bundle);
            if command == "extract" {
                packer.arg("--to").arg(directory.path());
            }
            run(&mut packer).expect_refusal(1)
        };
        contains(&run(Path::new("/bin/sh")), &["/bin/sh is not a bundle"], &["packer build"]);
        contains(&run(Path::new("/no/such")), &["/no/such"], &["check the path"]);
        contains(&run(&cut), &["payload is missing"], &["stripped"]);
    }
}
