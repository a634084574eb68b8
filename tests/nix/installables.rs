//! `packer build --closure .#hello`: Nix builds it first.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tests::{Bundle, Closure, Ended, Host, Project, run};

/// Runs a bundle of the project's on an ordinary host; returns the first word that it prints.
fn first_word(project: &Project, name: &str) -> String {
    let host = Host::ordinary();
    let text = host.start(host.install(project.path().join(name))).run().stdout();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Checks that it failed with what Nix wrote, and then these two lines.
#[track_caller]
fn expect_failure(ended: &Ended, nix: &str, lines: &str) {
    ended.expect_code(1);
    let stderr = ended.stderr();
    let written = stderr.strip_suffix(lines).unwrap_or_else(|| panic!("{stderr}"));
    assert!(written.contains(nix), "{stderr}");
}

#[test]
fn an_installable_is_built_and_packed() {
    let project = Project::new();
    let built = run(&mut project.build(&["--closure", ".#hello"]));
    built.expect_code(0);
    assert!(built.stderr().contains("building '/nix/store/"), "{}", built.stderr());
    let summary = String::from_utf8_lossy(&built.stdout);
    assert!(summary.starts_with("hello: 3 files, ") && summary.lines().count() == 1, "{summary}");
    assert_eq!(first_word(&project, "hello"), "hello");
    assert!(!project.path().join("result").exists(), "no link is left");
    // By the names of the registry, and where Nix has a setting of its own.
    let mut again = project.build(&["--closure", "nixpkgs#hello", "-o", "again"]);
    run(&mut again).expect_code(0);
    let read = |name| fs::read(project.path().join(name)).unwrap();
    assert!(read("again") == read("hello"));
}

#[test]
fn installables_and_paths_go_together() {
    let project = Project::new();
    let hello = Closure::example("hello");
    symlink(&hello.path, project.path().join("result")).unwrap();
    let closures = ["--closure", ".#other", "--closure", "./result", "--closure", "path:.#hello"];
    let entries = ["--entry", "/bin/hello", "--entry", "/bin/other", "-o", "both"];
    run(&mut project.build(&[&closures[..], &entries].concat())).expect_code(0);
    // The first of them that has it is meant.
    let host = Host::ordinary();
    let both = host.install(project.path().join("both"));
    assert_eq!(host.start(&both).run().stdout(), "Hello from a closure of two paths.\n");
    let other = host.start(&both).argv(&[b"other", b"one"]).run().stdout();
    assert!(other.starts_with("other ") && other.ends_with(" one\n"), "{other}");
}

#[test]
fn an_output_can_be_named() {
    let project = Project::new();
    run(&mut project.build(&["--closure", ".#several", "--closure", ".#several.man"]))
        .expect_code(0);
    let info = Bundle { path: project.path().join("several") }.inspect();
    let paths = info["store_paths"].as_array().unwrap().iter();
    let names: Vec<&str> = paths
        .map(|path| path["path"].as_str().unwrap().rsplit("several-").next().unwrap())
        .collect();
    assert!(names.contains(&"bin") && names.contains(&"man"), "{names:?}");
    assert_eq!(first_word(&project, "several"), "several");
}

#[test]
fn an_existing_path_is_a_path() {
    let project = Project::new();
    let hello = Closure::example("hello");
    symlink(&hello.path, project.path().join(".#other")).unwrap();
    run(&mut project.build(&["--closure", ".#other"])).expect_code(0);
    assert_eq!(first_word(&project, "hello"), "Hello");
}

#[test]
fn what_nix_says_of_a_failure_is_passed_on() {
    let project = Project::new();
    for (installable, nix) in [
        (".#broken", "main.c: no such thing as"),
        (".#missing", "does not provide attribute"),
        ("/no/such/flake#hello", "/no/such/flake"),
        ("unknown:x", "unknown:x"),
    ] {
        let ended = run(&mut project.build(&["--closure", installable]));
        let lines = format!(
            "packer: Nix could not build {installable}\nhint: Nix says why in the lines above\n"
        );
        expect_failure(&ended, nix, &lines);
    }
    let mut without_nix = project.build(&["--closure", ".#hello"]);
    expect_failure(
        &run(without_nix.env("PATH", "/nowhere")),
        "",
        "packer: cannot build .#hello: Nix is not installed\n\
         hint: install Nix, or give --closure a store path that is on this machine\n",
    );
}

#[test]
fn two_thousand_store_paths_are_no_command_line() {
    let project = Project::new();
    let log = project.path().join("log");
    let mut traced = project.command("strace");
    traced.args(["-f", "-v", "-s", "100", "-e", "trace=execve", "-o"]).arg(&log);
    run(traced.args(["packer", "build", "--closure", ".#many"])).expect_code(0);
    let bundle = Bundle { path: project.path().join("many") };
    let count = bundle.inspect()["store_paths"].as_array().unwrap().len();
    assert_eq!(count, 2002, "the parts, the text and the root");
    assert_eq!(first_word(&project, "many"), "many");

    // What each program got as its arguments: they are the first list of a line.
    let log = fs::read_to_string(log).unwrap();
    let arguments: Vec<&str> =
        log.lines().filter_map(|line| line.split(['[', ']']).nth(1)).collect();
    assert!(arguments.iter().any(|list| list.contains("\"--requisites\"")), "{log}");
    for list in arguments {
        assert!(list.matches("/nix/store/").count() <= 2, "{list}");
    }
}

/// `TARGET EXECUTABLE`, as nix-bundle takes it, is answered with a command line that works.
#[test]
fn nix_bundles_form_is_answered_with_ours() {
    let project = Project::new();
    let expression = "((import ./.) {}).hello";
    for (words, name) in [
        (&["build", "hello", "/bin/hello"][..], "hello"),
        (&["other", "/bin/other"], "other"),
        (&["build", expression, "/bin/hello", "-o", "an expression's"], "an expression's"),
        (&["build", ".#hello", "-o", "alone"], "alone"),
    ] {
        let (what, hint) = run(project.command("packer").args(words)).expect_refusal(1);
        let target = words.iter().find(|word| **word != "build").unwrap();
        assert_eq!(what, format!("packer: write --closure in front of {target}"));
        let command = hint.strip_prefix("hint: ").unwrap();
        assert!(command.starts_with("packer build --closure "), "{command}");
        run(project.command("sh").args(["-c", command])).expect_code(0);
        let word = first_word(&project, name);
        assert!(word == "hello" || word == name, "{command}: {word}");
    }
}

/// Other mistakes have clap's own words, in two lines.
#[test]
fn other_usage_errors_have_their_own_words() {
    for (words, text) in [
        (&["biuld"][..], "unrecognized subcommand 'biuld'"),
        (&["extract", "./bundle"], "--to <DIR>"),
        (&["cache", "/x"], "unrecognized subcommand '/x'"),
        (&["build", "--closur", "x"], "unexpected argument '--closur'"),
        (&["inspect", "a", "b"], "unexpected argument 'b'"),
    ] {
        let ended = run(Command::new(tests::packer()).args(words).current_dir(Path::new("/")));
        let (what, _) = ended.expect_refusal(2);
        assert!(what.contains(text), "{words:?}: {what}");
    }
}
