//! Bundles as Nix makes them: in a sandbox, by the flake that `make -s offline-bundler` prints.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{
    Bundle, Closure, Host, Nix, User, bundle, example, nix_build, nix_command, offline_bundler,
    packer, references, run,
};

/// Somebody's flake, with a program that is a script and an app that is another one's.
fn foreign_flake() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("make a directory");
    let (shell, tools) = (Closure::example("pkgs.bash"), Closure::example("coreutils"));
    let flake = format!(
        r##"{{
            outputs = _: let
                here = path: builtins.appendContext path {{ ${{path}}.path = true; }};
                shell = "${{here "{shell}"}}/bin/bash";
                tools = "${{here "{tools}"}}/bin";
                system = "{arch}-linux";
            in rec {{
                packages.${{system}}.default = derivation {{
                    name = "greet-1.0";
                    inherit system;
                    builder = shell;
                    args = [ "-ec" ''
                        ${{tools}}/mkdir -p $out/bin
                        printf '#!${{shell}}\nprintf "%%s\\n" "hello" "$@"\n' > $out/bin/greet
                        ${{tools}}/chmod +x $out/bin/greet
                    '' ];
                }};
                apps.${{system}} = {{
                    base = {{ type = "app"; program = "${{tools}}/basename"; }};
                    single = {{ type = "app"; program = "${{derivation {{
                        name = "single.sh";
                        inherit system;
                        builder = shell;
                        args = [ "-ec" ''
                            printf '#!${{shell}}\necho "$#"\n' > $out
                            ${{tools}}/chmod +x $out
                        '' ];
                    }}}}"; }};
                }};
            }};
        }}"##,
        shell = shell.path.display(),
        tools = tools.path.display(),
        arch = std::env::consts::ARCH,
    );
    fs::write(directory.path().join("flake.nix"), flake).expect("write a flake");
    directory
}

/// Runs a bundle that Nix made, where there is no Nix.
fn run_elsewhere(bundle: &Path, arguments: &[&str]) -> String {
    let host = Host::new(User::ordinary(), Nix::Absent);
    host.start(host.install(bundle)).args(arguments).run().stdout()
}

#[test]
fn nix_bundle_takes_a_derivation_and_an_app() {
    let flake = foreign_flake();
    for (fragment, name, arguments, expected) in [
        ("", "greet", ["one two", "3"], "hello\none two\n3\n"),
        ("#base", "basename", ["/some/file.c", ".c"], "file\n"),
        ("#single", "single.sh", ["one", "two"], "2\n"),
    ] {
        let installable = format!("path:{}{fragment}", flake.path().display());
        let mut command = nix_command("nix");
        command.args(["bundle", "--bundler", offline_bundler(), &installable]);
        run(command.current_dir(&flake)).expect_code(0);
        // Nix's link has the derivation's name.
        let bundle = fs::canonicalize(flake.path().join(name)).expect("nix bundle makes a link");
        assert!(bundle.is_file(), "the output is the executable itself");
        assert_eq!(references(&bundle), "");
        assert_eq!(run_elsewhere(&bundle, &arguments), expected);
    }
}

#[test]
fn a_bundle_is_a_pure_derivation() {
    let (hello, closure) = example("hello");
    let expression = format!("{} {{ drv = {hello}; }}", bundle());
    let (built, _) = nix_build(&expression, &[]);
    assert_eq!(references(&built), "");
    // Once more, and compared.
    assert_eq!(nix_build(&expression, &["--check"]).0, built);

    // The same bytes as on the command line: the environment of a build leaves no trace.
    let by_hand = Bundle::of(&closure).entry("/bin/hello").without_path_info().pack();
    assert!(fs::read(&built).unwrap() == fs::read(&by_hand.path).unwrap());
    assert_eq!(fs::metadata(&built).unwrap().mode() & 0o777, 0o555);
}

#[test]
fn the_entry_has_a_default() {
    let (hello, _) = example("hello");
    for (drv, expected) in [
        (format!("{hello} // {{ meta.mainProgram = \"hello\"; name = \"x\"; }}"), "hello"),
        (format!("{hello} // {{ pname = \"hello\"; name = \"x-1.0\"; }}"), "hello"),
        (format!("{hello} // {{ name = \"hello-2.12.1\"; }}"), "hello"),
    ] {
        let (built, _) = nix_build(&format!("{} {{ drv = {drv}; }}", bundle()), &[]);
        let info = Bundle { path: built }.inspect();
        assert_eq!(info["entries"][0]["name"], expected, "{drv}: {info}");
    }
    // The only program, in a file of another name.
    let expression = format!("{} {{ drv = {hello}; entry = null; name = \"other\"; }}", bundle());
    let (built, _) = nix_build(&expression, &[]);
    assert!(built.to_string_lossy().ends_with("-other"), "{}", built.display());
    assert_eq!(run_elsewhere(&built, &[]), "Hello from a closure of two paths.\n");
}

/// Those that the command line has, without what a build decides itself.
fn options(command: &str) -> BTreeSet<String> {
    let help = run(Command::new(packer()).args([command, "--help"])).stdout();
    // Descriptions stand further right.
    let lines = help.lines().filter(|line| line.starts_with("      --") || line.starts_with("  -"));
    let names = lines.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("--")));
    let fixed = [
        // Given by the derivation: its closure, its output, its store.
        "closure-graph",
        "output",
        "store-root",
        // There is no database to ask in a build.
        "no-path-info",
        // Nothing outlives a build, and nobody reads the summary.
        "no-cache",
        "json",
        "help",
        // A build has no network, and all store paths are there.
        "push",
        "plain-http",
        "from",
        "trusted-key",
        "insecure-no-signatures",
        "timeout",
    ];
    names.filter(|name| !fixed.contains(name)).map(str::to_owned).collect()
}

#[test]
fn every_option_is_an_attribute() {
    let expression = format!("builtins.attrNames (builtins.functionArgs ({}))", bundle());
    let mut command = nix_command("nix-instantiate");
    let names = run(command.args(["--eval", "--strict", "--json", "-E", &expression])).text();
    let names: BTreeSet<String> = serde_json::from_str(&names).expect("Nix prints JSON");
    // The first closure is `drv`, each further one is in `extra`; the derivation has a name.
    let mut expected = options("build");
    assert!(expected.remove("closure"), "{expected:?}");
    expected.extend(["drv", "extra", "name"].map(str::to_owned));
    assert_eq!(names, expected);

    // An image takes what it shares with the bundle from that.
    let (hello, _) = example("hello");
    let image = format!("({} {{ drv = {hello}; }}).imageWith", bundle());
    let expression = format!("builtins.attrNames (builtins.functionArgs {image})");
    let mut command = nix_command("nix-instantiate");
    let own = run(command.args(["--eval", "--strict", "--json", "-E", &expression])).text();
    let own: BTreeSet<String> = serde_json::from_str(&own).expect("Nix prints JSON");
    let mut all = options("image");
    assert!(all.remove("closure"), "{all:?}");
    let shared = &names - &own;
    assert_eq!(&own - &shared, &all - &shared);
}

#[test]
fn an_image_is_a_derivation() {
    let (hello, closure) = example("hello");
    for (attribute, options) in [
        ("image", &[][..]),
        (
            "imageWith { compression = \"zstd\"; level = 3; user = \"7:8\"; name = \"greeter:1\"; }",
            &["--compression", "zstd", "--level", "3", "--user", "7:8", "--name", "greeter:1"],
        ),
        (
            "imageWith { store-only = true; max-layers = 3; }",
            &["--store-only", "--max-layers", "3"],
        ),
    ] {
        let expression = format!("({} {{ drv = {hello}; }}).{attribute}", bundle());
        let (built, _) = nix_build(&expression, &[]);
        assert!(built.to_string_lossy().ends_with("-hello.oci.tar"), "{}", built.display());
        let directory = tempfile::tempdir().expect("make a directory");
        let by_hand = directory.path().join("hello.oci.tar");
        let mut image = Command::new(packer());
        image.args(["image", "--entry", "/bin/hello", "--closure"]).arg(&closure.path);
        run(image.args(options).arg("--output").arg(&by_hand)).expect_code(0);
        assert!(fs::read(&built).unwrap() == fs::read(&by_hand).unwrap(), "{attribute}");
    }
}

#[test]
fn attributes_are_passed_on() {
    let ((drv, hello), (extra, tools)) = (example("hello"), example("coreutils"));
    let expression = format!(
        r#"{} {{ drv = {drv}; extra = [ {extra} ];
            entry = [ "/bin/true" "/bin/hello" ]; env = [ "A=b c" "D?={}" ]; exclude = "share/man/**";
            level = 3; mode = [ "namespace" "ram" ]; threads = 1;
            slim = true; locales = [ "en" "de" ]; strip = true; }}"#,
        bundle(),
        tools.path.display(),
    );
    let (built, _) = nix_build(&expression, &[]);
    assert!(built.to_string_lossy().ends_with("-true"), "{}", built.display());
    let by_hand = Bundle::of(&hello)
        .option("--closure", &tools.path)
        .entries(&["/bin/true", "/bin/hello"])
        .option("--env", "A=b c")
        .option("--env", format!("D?={}", tools.path.display()))
        .option("--exclude", "share/man/**")
        .option("--level", "3")
        .option("--mode", "namespace,ram")
        .flag("--slim")
        .option("--locales", "en,de")
        .flag("--strip")
        .without_path_info()
        .pack();
    assert!(fs::read(built).unwrap() == fs::read(by_hand.path).unwrap());
}

#[test]
fn a_bundle_runs_in_the_check_of_a_package() {
    let shell = Closure::example("pkgs.bash");
    let (hello, _) = example("hello");
    // In a sandbox there is what the derivation names, and nothing else.
    for (closure, mode) in [(hello.as_str(), "host"), ("null", "relocate")] {
        let expression = format!(
            r#"let bundle = {} {{ drv = {hello}; }}; in derivation {{
                name = "checked-{mode}"; system = builtins.currentSystem;
                builder = "${{builtins.storePath "{shell}"}}/bin/bash"; inherit bundle; closure = {closure};
                args = [ "-ec" "PACKED_LOG=debug PACKED_CACHE=$PWD/cache $bundle > $out" ]; }}"#,
            bundle(),
            shell = shell.path.display(),
        );
        let (built, _) = nix_build(&expression, &[]);
        let text = fs::read_to_string(&built).unwrap();
        assert_eq!(text, "Hello from a closure of two paths.\n");
        // Again, to see what it says.
        let (_, log) = nix_build(&expression, &["--check"]);
        assert!(log.contains(&format!("packed: mode {mode}\n")), "{log}");
    }
}

/// The file in which Nix hands over a closure, in a form; built with the real Nix.
fn graph(form: &str, closure: &Closure, directory: &Path) -> PathBuf {
    let file = directory.join(form);
    let copy = |attributes: &str, name: &str| {
        let (shell, root) = (Closure::example("pkgs.bash"), closure.path.display());
        let expression = format!(
            r#"derivation {{ name = "graph"; system = builtins.currentSystem;
                builder = "${{builtins.storePath "{}"}}/bin/bash"; {attributes} (builtins.storePath "{root}") ];
                args = [ "-c" "echo \"$(<{name})\" > $1" "sh" (builtins.placeholder "out") ]; }}"#,
            shell.path.display(),
        );
        fs::read(nix_build(&expression, &[]).0).expect("read a graph")
    };
    let content = match form {
        "structured" => {
            copy("__structuredAttrs = true; exportReferencesGraph.any-name = [", ".attrs.json")
        }
        "classic" => copy("exportReferencesGraph = [ \"graph\"", "graph"),
        "registration" => {
            let mut dump = nix_command("nix-store");
            run(dump.arg("--dump-db").args(closure.requisites())).stdout
        }
        other => {
            assert_eq!(other, "store-paths");
            closure.requisites().iter().flat_map(|path| format!("{path}\n").into_bytes()).collect()
        }
    };
    fs::write(&file, content).expect("write a graph");
    file
}

#[test]
fn every_form_of_a_graph_gives_the_same_bundle() {
    let closure = Closure::example("coreutils");
    let builder = Bundle::of(&closure).entry("/bin/true").option("--level", "1");
    let expected = fs::read(builder.without_path_info().pack().path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for form in ["structured", "classic", "registration", "store-paths"] {
        let output = directory.path().join("bundle");
        let mut command = Command::new(packer());
        // There is no Nix to ask in a build.
        command.env("PATH", "/nowhere").args([
            "build",
            "--no-cache",
            "--level",
            "1",
            "--entry",
            "/bin/true",
        ]);
        command.arg("--closure-graph").arg(graph(form, &closure, directory.path()));
        if form == "store-paths" {
            command.arg("--closure").arg(&closure.path);
        }
        run(command.arg("-o").arg(&output)).expect_code(0);
        assert!(fs::read(output).unwrap() == expected, "{form}");
    }
}

#[test]
fn a_graph_that_is_none_is_refused() {
    let closure = Closure::example("coreutils");
    let directory = tempfile::tempdir().unwrap();
    let (file, output) = (directory.path().join("graph"), directory.path().join("bundle"));
    let paths = closure.requisites().into_iter().collect::<Vec<_>>().join("\n");
    let gone = "/nix/store/0zqbvva59jscqy50km1a26xisr7vsjz5-gone";
    for (content, expected) in [
        ("a program\n", "is not a closure graph: it contains something that is not a store path"),
        (paths.as_str(), "does not say which store paths are the roots of the closure"),
        (gone, "gone does not exist"),
    ] {
        fs::write(&file, content).unwrap();
        let mut command = Command::new(packer());
        command.args(["build", "--closure-graph"]).arg(&file).arg("-o").arg(&output);
        let (what, _) = run(&mut command).expect_refusal(1);
        assert!(what.contains(expected), "{what}");
        assert!(!output.exists());
    }
}
