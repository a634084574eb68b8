//! The flake at the top, with package sets in the place of nixpkgs: the Debian-made one, and in it stand-ins for what
//! compiles Rust and Go. What only nixpkgs has is evaluated, all else is built and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Closure, example, nix_command, offline_bundler, packer, run, source, target};

/// A copy of the flake: path flakes are copied to the store, and beside the original are built files.
struct Flake {
    directory: TempDir,
}

impl Flake {
    /// The flake as it is.
    fn new() -> Flake {
        let directory = tempfile::tempdir().expect("make a directory");
        let mut copy = Command::new("cp");
        let entries = fs::read_dir(source()).expect("list the flake");
        let paths = entries.map(|entry| entry.expect("list the flake").path());
        copy.arg("-r").args(paths.filter(|path| !is_built(path))).arg(directory.path());
        run(&mut copy).expect_code(0);
        Flake { directory }
    }

    /// The flake with the package set of this machine.
    fn on_this_machine() -> Flake {
        let flake = Flake::new();
        let _ = (
            offline_bundler(),
            Closure::example("markov"),
            Closure::example("markov-circus"),
            Closure::example("hello"),
        );
        let nixpkgs = flake.path().join("nixpkgs");
        fs::create_dir(&nixpkgs).expect("make a directory");
        let packer = fs::canonicalize(target().join("offline-packer")).expect("it is built");
        let stand_ins = STAND_INS
            .replace("@SOURCE@", &source().display().to_string())
            .replace("@PACKER@", &packer.display().to_string());
        fs::write(nixpkgs.join("flake.nix"), stand_ins).expect("write a flake");

        let file = flake.path().join("flake.nix");
        let text = fs::read_to_string(&file).expect("read the flake");
        let url = "github:NixOS/nixpkgs/nixos-25.11";
        assert!(text.contains(url), "flake.nix has another input: {text}");
        let text = text.replace(url, &format!("path:{}", nixpkgs.display()));
        fs::write(file, text).expect("write the flake");
        fs::remove_file(flake.path().join("flake.lock")).expect("remove the lock");
        flake
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn reference(&self) -> String {
        format!("path:{}", self.path().display())
    }

    /// A command of `nix` on an output. The Debian-made set is outside of the flake, and its builders are scripts that
    /// use the machine's programs.
    fn nix(&self, command: &str, output: &str) -> Command {
        let mut nix = nix_command("nix");
        nix.args([command, "--impure", "--no-write-lock-file", "--option", "sandbox", "false"]);
        nix.arg(format!("{}#{output}", self.reference())).current_dir(self.path());
        nix
    }

    fn build(&self, output: &str) -> PathBuf {
        let link = self.path().join("result");
        run(self.nix("build", output).arg("--out-link").arg(&link)).expect_code(0);
        fs::canonicalize(link).expect("Nix makes a link")
    }

    fn evaluate(&self, output: &str, function: &str) -> Value {
        let ended = run(self.nix("eval", output).args(["--json", "--apply", function]));
        ended.expect_code(0);
        serde_json::from_slice(&ended.stdout).expect("Nix prints JSON")
    }
}

/// Whether it is what cargo or git make beside the flake.
fn is_built(path: &Path) -> bool {
    path.ends_with("target") || path.ends_with(".git")
}

/// nixpkgs of this machine.
const STAND_INS: &str = r#"{
  outputs = _:
    let
      set = system:
        let
          made = import @SOURCE@/nix { inputs = @SOURCE@/target/nix-inputs; inherit system; };
          inherit (made.pkgs) runCommand;
          # All that is asked for is evaluated.
          rustPlatform.buildRustPackage = { pname, version, src, ... }@asked:
            runCommand "${pname}-${version}" { inherit src; asked = builtins.toJSON asked; } ''
              mkdir -p $out/bin
              ln -s ${builtins.storePath "@PACKER@"}/bin/packer $out/bin/packer
              ${if pname == "compose" then "ln -s ${made.supervisor}/bin/compose $out/bin/compose" else ""}
            '' // { inherit pname; inherit (asked) meta; };
        in
        made.pkgs // {
          inherit (made) hello;
          inherit rustPlatform;
          pkgsStatic = made.pkgs.pkgsStatic // { inherit rustPlatform; };
          pkgsCross = builtins.listToAttrs (map (name: { inherit name; value.pkgsStatic = { inherit rustPlatform; }; })
            [ "gnu64" "aarch64-multiplatform" "riscv64" ]);
          fetchFromGitHub = { owner, repo, rev, sha256 }: null;
          buildGoModule = { pname, version, src, vendorHash }: runCommand pname { server = made.markov-server; }
            "mkdir -p $out/bin; ln -s $server/bin/markov-server $out/bin/${pname}";
          mkShell = asked: runCommand "shell" { asked = builtins.toJSON asked; } "echo $asked > $out";
          clippy = "clippy";
          rustfmt = "rustfmt";
        };
    in
    { legacyPackages = { x86_64-linux = set "x86_64-linux"; aarch64-linux = set "aarch64-linux"; }; };
}"#;

fn system() -> String {
    format!("{}-linux", std::env::consts::ARCH)
}

#[test]
fn the_lock_is_whole_and_has_one_input() {
    let flake = Flake::new();
    let mut command = nix_command("nix");
    command.args(["flake", "metadata", "--json", "--no-update-lock-file", &flake.reference()]);
    let metadata: Value = serde_json::from_str(&run(&mut command).text()).expect("it is JSON");
    let nodes = metadata["locks"]["nodes"].as_object().expect("the lock has nodes");
    assert_eq!(nodes.keys().collect::<Vec<_>>(), ["nixpkgs", "root"]);
    let locked = &nodes["nixpkgs"]["locked"];
    assert_eq!(locked["rev"].as_str().map(str::len), Some(40), "{locked}");
    assert!(locked["narHash"].as_str().is_some_and(|hash| hash.starts_with("sha256-")), "{locked}");
}

#[test]
fn every_output_evaluates() {
    let flake = Flake::on_this_machine();
    let mut check = nix_command("nix");
    check.args(["flake", "check", "--impure", "--no-write-lock-file", "--no-build"]);
    run(check.arg(flake.reference())).expect_code(0);

    let names = |names: &[&str]| json!({ "x86_64-linux": names, "aarch64-linux": names });
    for (output, expected) in [
        (
            "packages",
            names(&[
                "default",
                "markov",
                "markov-circus",
                "markov-slim",
                "packer",
                "packer-all",
                "runtime",
            ]),
        ),
        ("apps", names(&["default", "markov", "markov-circus", "markov-slim", "packer"])),
        ("checks", names(&["alone", "hello", "packer", "runtime"])),
        ("devShells", names(&["default"])),
        ("lib", names(&["bundle", "compose"])),
        ("bundlers", names(&["aarch64-linux", "default", "riscv64-linux", "x86_64-linux"])),
    ] {
        let found = flake.evaluate(output, "builtins.mapAttrs (_: builtins.attrNames)");
        assert_eq!(found, expected, "{output}");
    }
    // For another machine, the stub is that machine's.
    let drv = flake.evaluate("packages.aarch64-linux.markov", "bundle: bundle.system");
    assert_eq!(drv, json!("aarch64-linux"));
}

#[test]
fn outputs_are_built_and_run() {
    let flake = Flake::on_this_machine();
    let system = system();
    for output in ["runtime", "default"] {
        flake.build(output);
    }
    let version = run(Command::new(flake.build("packer").join("bin/packer")).arg("--version"));
    let run_app = run(flake.nix("run", "").args(["--", "--version"]));
    run_app.expect_code(0);
    assert_eq!(String::from_utf8_lossy(&run_app.stdout), version.stdout());
    for supervisor in ["markov", "markov-circus", "markov-slim"] {
        assert!(flake.build(&format!("{supervisor}.closure")).join("bin/markov").exists());
    }
    let verified = fs::read_to_string(flake.build(&format!("checks.{system}.hello"))).unwrap();
    assert!(!verified.is_empty(), "the check has verified a bundle");
    let said = fs::read_to_string(flake.build(&format!("checks.{system}.alone"))).unwrap();
    assert_eq!(said, "Hello from a closure of two paths.\n");
    let shell = fs::read_to_string(flake.build(&format!("devShells.{system}.default"))).unwrap();
    assert!(shell.contains("PACKER_STUB"), "{shell}");
}

#[test]
fn the_flakes_bundler_is_its_function_and_its_overlays() {
    let flake = Flake::on_this_machine();
    let (hello, _) = example("hello");
    let mut command = nix_command("nix");
    command.args(["bundle", "--impure", "--option", "sandbox", "false", "--bundler"]);
    command.arg(flake.reference()).args(["--expr", &hello]).current_dir(flake.path());
    run(&mut command).expect_code(0);
    let bundle = fs::canonicalize(flake.path().join("hello")).expect("nix bundle makes a link");
    assert_eq!(run(&mut Command::new(&bundle)).stdout(), "Hello from a closure of two paths.\n");

    let built = bundle.display();
    let function = format!("bundle: (bundle {{ drv = {hello}; }}).outPath");
    assert_eq!(
        flake.evaluate(&format!("lib.{}.bundle", system()), &function),
        json!(format!("{built}"))
    );
    let nixpkgs = format!("(builtins.getFlake \"path:{}/nixpkgs\")", flake.path().display());
    let overlaid = format!(
        "overlay: let pkgs = {nixpkgs}.legacyPackages.{} // overlay pkgs {{ }}; in \
            (pkgs.packed.bundle {{ drv = {hello}; }}).outPath",
        system(),
    );
    assert_eq!(flake.evaluate("overlays.default", &overlaid), json!(format!("{built}")));
}

#[test]
fn there_is_a_bundler_for_each_processor_type() {
    let flake = Flake::on_this_machine();
    let _ = Closure::example_for("aarch64", "hello");
    let bundle = |hello: &str| {
        let mut command = nix_command("nix");
        command.args(["bundle", "--impure", "--option", "sandbox", "false", "--bundler"]);
        command.arg(format!("{}#aarch64-linux", flake.reference()));
        run(command.args(["--expr", hello]).current_dir(flake.path()))
    };
    let source = source().display();
    bundle(&format!(
        "(import {source}/nix {{
            inputs = {source}/target/nix-inputs/aarch64;
            system = \"aarch64-linux\";
            builder = builtins.currentSystem;
        }}).hello"
    ))
    .expect_code(0);
    let made = fs::canonicalize(flake.path().join("hello")).expect("nix bundle makes a link");
    let inspected = run(Command::new(packer()).arg("inspect").arg(made)).stdout();
    assert!(inspected.contains("system       aarch64-linux\n"), "{inspected}");

    let ended = bundle(&example("hello").0);
    // Nix has it for a build that failed.
    ended.expect_code(100);
    let stderr = ended.stderr();
    assert!(stderr.contains("/bin/hello is for x86_64, but the bundle is for aarch64"), "{stderr}");
}

#[test]
fn cargo_has_all_that_it_reads() {
    let flake = Flake::on_this_machine();
    let src = flake.evaluate("packer", "packer: packer.src");
    let src = Path::new(src.as_str().expect("a path is text"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline", "--manifest-path"]);
    run(cargo.arg(src.join("Cargo.toml"))).expect_code(0);
    assert!(!src.join("flake.nix").exists(), "it is built again when anything changes");
}

#[test]
fn every_expression_parses() {
    let mut parse = nix_command("nix-instantiate");
    parse.arg("--parse").arg(source().join("flake.nix"));
    for directory in ["nix", "nix/debian", "examples/hello", "examples/markov"] {
        let directory = source().join(directory);
        let files = fs::read_dir(&directory).expect("list a directory");
        let files = files.map(|file| file.expect("list a directory").path());
        parse.args(
            files.filter(|file| file.extension().is_some_and(|extension| extension == "nix")),
        );
    }
    run(&mut parse).expect_code(0);
}
