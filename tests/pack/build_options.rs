//! What the options of `packer build` do to the bundle.

use tests::{Bundle, Closure, Host, Report, Store, probe};

fn report(host: &Host, bundle: &Bundle, environment: &[&[u8]]) -> Report {
    let home = format!("HOME={}", host.user.home().display());
    let environment = [&[home.as_bytes()], environment].concat();
    host.start(host.install(&bundle.path)).environment(&environment).run().report()
}

/// Every host with each of the modes.
fn every_with<const N: usize>(
    modes: [&'static str; N],
) -> impl Iterator<Item = (Host, &'static str)> {
    modes.into_iter().flat_map(|mode| Host::every().into_iter().map(move |host| (host, mode)))
}

#[test]
fn env_sets_a_variable_or_leaves_the_callers() {
    let closure = Closure::probe();
    let path = closure.path.display().to_string();
    let bundle = Bundle::of(&closure)
        .entry("/bin/probe")
        .option("--env", "ALWAYS=one=1")
        .option("--env", "UNLESS?=two")
        .option("--env", "OTHER?=three")
        .option("--env", format!("PLACE={path}/share:x"))
        .pack();
    for (host, mode) in every_with(["relocate", "namespace"]) {
        let mode_variable = format!("PACKED_MODE={mode}");
        let given: [&[u8]; 5] =
            [b"UNLESS=mine", b"ALWAYS=mine", b"ALWAYS=again", b"odd", mode_variable.as_bytes()];
        let report = report(&host, &bundle, &given);
        assert_eq!(report.values_of("ALWAYS"), ["one=1"], "on {host}");
        assert_eq!(report.values_of("UNLESS"), ["mine"], "on {host}");
        assert_eq!(report.values_of("OTHER"), ["three"], "on {host}");
        // Where the store path is in this mode: two levels above the program.
        let exe = report.get("exe").expect("the probe says which file it is");
        let place = exe.strip_suffix("/bin/probe").expect("the program is in bin/");
        assert_eq!(report.values_of("PLACE"), [format!("{place}/share:x")], "{mode} on {host}");
        assert_eq!(place == path, mode == "namespace", "{mode} on {host}: {place}");
        assert!(report.all("variable").any(|variable| variable == "odd"), "on {host}");
    }
}

#[test]
fn exclude_leaves_files_out() {
    let closure = Closure::example("coreutils");
    let files = |builder: tests::Builder| {
        let info = builder.entry("/bin/ls").option("--level", "1").pack().inspect();
        info["files"].as_u64().expect("inspect counts files")
    };
    let all = files(Bundle::of(&closure));
    let some = files(Bundle::of(&closure).option("--exclude", "share/**"));
    assert!(some < all, "{some} of {all}");
    let host = Host::ordinary();
    let bundle = Bundle::of(&closure)
        .entry("/bin/ls")
        .option("--level", "1")
        .option("--exclude", "share/**")
        .pack();
    let program = host.install(bundle.path);
    let list = |below| {
        let path = closure.path.join(below);
        host.start(&program).env("PACKED_MODE", "namespace").arg(path).run().stdout
    };
    assert!(!list("bin").is_empty());
    assert!(list("share").is_empty());
}

#[test]
fn a_pattern_that_matches_nothing_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new();
    store.program(format!("{}/bin/hello", Store::PATH), &probe());
    store.file(format!("{}/share/text", Store::PATH), b"text");
    let warned = |name: &str, patterns: &[&str]| {
        let builder = Bundle::of_store(&store, Store::PATH).entry("/bin/hello");
        let builder = patterns.iter().fold(builder, |builder, glob| builder.option(name, glob));
        let ended = tests::run(builder.command().arg("-o").arg(directory.path().join("hello")));
        ended.expect_code(0);
        ended.stderr()
    };
    assert_eq!(warned("--exclude", &["share/**"]), "");
    for (name, nothing) in [
        ("--exclude", "no file"),
        ("--no-relocate", "no file"),
        ("--relocate", "no file that is in doubt"),
    ] {
        let stderr = warned(name, &["shar/**", "/nix/store/no/**"]);
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(lines[0], format!("packer: warning: {name} /nix/store/no/** matches {nothing}"));
        assert!(
            lines[1].starts_with("hint: a pattern is for a whole path below a store path"),
            "{stderr}"
        );
        assert_eq!(lines[2], format!("packer: warning: {name} shar/** matches {nothing}"));
        assert_eq!(lines.len(), 4, "{stderr}");
    }
}

#[test]
fn the_only_program_needs_no_name() {
    let closure = Closure::example("hello");
    let directory = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(tests::packer());
    command.args(["build", "--closure"]).arg(&closure.path).current_dir(directory.path());
    let ended = tests::run(&mut command);
    ended.expect_code(0);
    // One line: files, sizes, time. No progress, since stderr is no terminal.
    let summary = ended.stdout();
    assert_eq!(summary.lines().count(), 1, "{summary}");
    assert!(summary.starts_with("hello: ") && summary.contains("files"), "{summary}");
    let host = Host::ordinary();
    let program = host.install(directory.path().join("hello"));
    assert_eq!(host.start(program).run().stdout(), "Hello from a closure of two paths.\n");
}

#[test]
fn every_level_gives_a_bundle_that_runs() {
    let host = Host::ordinary();
    for level in ["1", "9", "22"] {
        let bundle =
            Bundle::of(&Closure::probe()).entry("/bin/probe").option("--level", level).pack();
        let program = host.install(bundle.path);
        host.start(program).args(["exit", "5"]).run().expect_code(5);
    }
}
