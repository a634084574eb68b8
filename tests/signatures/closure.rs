//! A closure that nobody else has, which Nix signs with keys of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Bundle, Closure, Ended, Host, Nix, User, nix_build, nix_command, packer, run};

/// A store path with a program, one that it refers to, and a text, whose name follows from its content.
pub(crate) struct Made {
    pub(crate) root: Closure,
    pub(crate) other: PathBuf,
    pub(crate) text: PathBuf,
    /// Where keys and bundles are.
    pub(crate) directory: TempDir,
}

/// A key of Nix's.
pub(crate) struct Key {
    secret: PathBuf,
    /// As nix.conf has it.
    pub(crate) public: String,
}

impl Made {
    /// Makes a closure. Its names are new: Nix's database keeps signatures for good.
    pub(crate) fn new() -> Made {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
        let unique = format!("{}-{now}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().expect("make a directory");
        let program = directory.path().join("program");
        // An ELF header: nobody runs it.
        fs::write(&program, &fs::read(packer()).expect("read packer")[..64]).expect("write it");
        let expression = format!(
            r#"let
                make = name: script: derivation {{
                    inherit name;
                    system = builtins.currentSystem;
                    builder = "/bin/sh";
                    args = [ "-ec" "PATH=/usr/bin:/bin\n${{script}}" ];
                }};
                text = builtins.toFile "text" "{unique}\n";
                other = make "other" ''
                    mkdir -p $out/share/man
                    echo {unique} > $out/share/man/page
                    echo other > $out/share/name
                '';
            in make "signed-1.0" ''
                mkdir -p $out/bin
                cp ${{{}}} $out/bin/signed
                chmod 755 $out/bin/signed
                echo ${{other}} ${{text}} $out > $out/list
            ''"#,
            program.display(),
        );
        let (root, _) = nix_build(&expression, &["--option", "sandbox", "false"]);
        let list = fs::read_to_string(root.join("list")).expect("read a list");
        let mut paths = list.split_whitespace().map(PathBuf::from);
        let (other, text) = (paths.next().expect("the first"), paths.next().expect("the second"));
        Made { root: Closure { path: root }, other, text, directory }
    }

    /// Makes a key of Nix's.
    pub(crate) fn key(&self, name: &str) -> Key {
        let at = |ending: &str| self.directory.path().join(format!("{name}.{ending}"));
        let (secret, public) = (at("secret"), at("public"));
        let mut generate = nix_command("nix-store");
        generate.args(["--generate-binary-cache-key", name]).arg(&secret).arg(&public);
        run(&mut generate).expect_code(0);
        let public = fs::read_to_string(public).expect("read a key").trim().to_owned();
        Key { secret, public }
    }

    /// Has Nix sign store paths.
    pub(crate) fn sign(&self, key: &Key, paths: &[&Path]) {
        let mut sign = nix_command("nix");
        sign.args(["store", "sign", "--key-file"]).arg(&key.secret).args(paths);
        run(&mut sign).expect_code(0);
    }

    /// Packs it.
    pub(crate) fn pack(&self, options: &[(&str, &str)]) -> Bundle {
        let builder = Bundle::of(&self.root).entry("/bin/signed");
        let builder =
            options.iter().fold(builder, |builder, (name, value)| builder.option(name, value));
        builder.pack_into(self.directory.path())
    }
}

/// A machine without Nix that has a bundle: packer has to do with what is in it.
pub(crate) struct Offline {
    host: Host,
    packer: PathBuf,
    bundle: PathBuf,
}

impl Offline {
    pub(crate) fn with(bundle: &Bundle) -> Offline {
        let host = Host::new(User::ordinary(), Nix::Absent);
        let (packer, bundle) = (host.install(packer()), host.install(&bundle.path));
        Offline { host, packer, bundle }
    }

    /// Calls `packer verify`.
    pub(crate) fn verify(&self, options: &[&str]) -> Ended {
        self.host.start(&self.packer).arg("verify").arg(&self.bundle).args(options).run()
    }

    /// What it prints behind its first line, if it ends well.
    #[track_caller]
    pub(crate) fn report(&self, options: &[&str]) -> String {
        let text = self.verify(options).stdout();
        let (first, rest) = text.split_once('\n').expect("there are lines");
        assert!(first.ends_with(" store paths are as they were packed"), "{text}");
        rest.to_owned()
    }

    /// What it prints as JSON.
    #[track_caller]
    pub(crate) fn json(&self, options: &[&str]) -> Value {
        let text = self.verify(&[options, &["--json"]].concat()).stdout();
        serde_json::from_str(&text).expect("verify --json prints JSON")
    }
}

/// Calls packer in a directory.
pub(crate) fn packer_in(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(packer());
    command.current_dir(directory).args(arguments).env_remove("PACKER_KEY_PASSWORD");
    command
}
