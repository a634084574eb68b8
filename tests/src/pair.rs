//! Two versions of one closure: with a package of Debian's that has two releases, or with a changed program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::closure::Closure;
use crate::fixture::once;
use crate::program::{run, source, target};

/// The old and the new closure.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What is there.
    pub old: Closure,
    /// What it becomes.
    pub new: Closure,
}

impl Pair {
    /// An attribute of `nix/default.nix`, before and after an update of Debian packages.
    ///
    /// If Debian's archive offers an older release too, that is the old one; else the same package without what only
    /// debuggers read, so that all its programs differ.
    #[must_use]
    pub fn updated(attribute: &str, packages: &[&str]) -> Pair {
        let new = Closure::example(attribute);
        let inputs = inputs(&packages.join("+"));
        let mut lock = lock(&inputs);
        for package in packages {
            let entry = &mut lock["debian"][package];
            let version = entry["version"].as_str().expect("a version is text").to_owned();
            let file = match older(package, &version) {
                Some(older) => {
                    let file = download(package, &older, &inputs);
                    entry["version"] = json!(older);
                    file
                }
                None => rebuilt(entry["file"].as_str().expect("a name is text"), &inputs),
            };
            entry["sha256"] = json!(sha256(&inputs.join(&file)));
            entry["file"] = json!(file);
        }
        fs::write(inputs.join("lock.json"), lock.to_string()).expect("write a lock file");
        Pair { old: Closure::example_with(attribute, &inputs), new }
    }

    /// An attribute with markov's server, before and after a change of the server's source.
    ///
    /// The first call compiles it with all its libraries, which takes minutes.
    #[must_use]
    pub fn changed_server(attribute: &str) -> Pair {
        let old = Closure::example(attribute);
        let inputs = inputs("server");
        let program = once("markov-server", "changed", |path| {
            fs::copy(changed_server(), path).expect("copy a program");
        });
        // Another file, not other bytes in the one that is linked.
        let _ = fs::remove_file(inputs.join("markov-server"));
        fs::copy(program, inputs.join("markov-server")).expect("copy a program");
        Pair { new: Closure::example_with(attribute, &inputs), old }
    }
}

/// Makes a directory with what closures are made of, to change some of it.
fn inputs(name: &str) -> PathBuf {
    let directory = target().join("fixtures/inputs").join(name);
    fs::create_dir_all(&directory).expect("make a directory");
    for entry in fs::read_dir(source().join("target/nix-inputs")).expect("nix/build fills it") {
        let path = entry.expect("list it").path();
        let link = directory.join(path.file_name().expect("an entry has a name"));
        if path.is_file() {
            let _ = fs::remove_file(&link);
            fs::hard_link(&path, &link).expect("link a file");
        }
    }
    directory
}

/// Reads the list of packages; the file is unlinked, to be written anew.
fn lock(inputs: &Path) -> Value {
    let path = inputs.join("lock.json");
    let lock = fs::read_to_string(&path).expect("nix/build writes a lock file");
    fs::remove_file(path).expect("unlink a file");
    serde_json::from_str(&lock).expect("the lock file is JSON")
}

/// The oldest release of a package that Debian's archive offers, if it is another one.
fn older(package: &str, version: &str) -> Option<String> {
    let offered = run(Command::new("apt-cache").args(["madison", package])).text();
    let mut versions = offered.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    versions.next_back().filter(|oldest| *oldest != version).map(str::to_owned)
}

/// Downloads a release; returns the name of the file.
fn download(package: &str, version: &str, inputs: &Path) -> String {
    let mut apt = Command::new("apt-get");
    apt.current_dir(inputs).args(["download", "-qq", &format!("{package}={version}")]);
    run(&mut apt).expect_code(0);
    let version = version.replace(':', "%3a");
    let names = fs::read_dir(inputs).expect("list a directory").map(|entry| {
        entry.expect("list a directory").file_name().into_string().expect("a name is text")
    });
    let begin = format!("{package}_{version}_");
    names.into_iter().find(|name| name.starts_with(&begin)).expect("apt-get writes such a file")
}

/// Packs a package anew, with programs that have no `.comment`; returns the name of the file.
fn rebuilt(file: &str, inputs: &Path) -> String {
    let script = r#"rm -rf work; dpkg-deb -R "$1" work
        find work -type f -exec sh -c 'strip --remove-section=.comment "$1" 2>/dev/null || :' sh {} \;
        dpkg-deb -b work "$2" >/dev/null; rm -rf work"#;
    let name = format!("rebuilt-{file}");
    let mut sh = Command::new("sh");
    sh.current_dir(inputs).args(["-ec", script, "sh", file, &name]);
    run(&mut sh).expect_code(0);
    name
}

fn sha256(path: &Path) -> String {
    format::Digest::of(&fs::read(path).expect("read a package")).to_string()
}

/// Compiles the server with a change of two lines; returns the program.
fn changed_server() -> PathBuf {
    let directory = target().join("fixtures/changed-server");
    let script = r#"rm -rf "$1/examples"; mkdir -p "$1/examples/markov"
        cp -r examples/markov/server "$1/examples/markov"; cp Cargo.lock "$1"
        sed -e 's|^members = .*|members = ["examples/markov/server"]|' -e '/^# The stub: small/,$d' \
            -e '/^\[workspace.dependencies\]/,/^$/d' Cargo.toml > "$1/Cargo.toml"
        cd "$1/examples/markov/server/src"
        sed -i 's|"markov-server: {text}"|"markov-server 2: {text}"|' log.rs
        sed -i 's|"markov:{chain}:{}", words|"markov:{}:{}", chain.trim(), words|' chain.rs
        grep -q 'chain.trim()' chain.rs
        cd "$1"; cargo build --quiet --release --target "$2" -p markov-server --target-dir target"#;
    let triplet = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut sh = Command::new("sh");
    sh.current_dir(source()).args(["-ec", script, "sh"]).arg(&directory).arg(&triplet);
    run(&mut sh).expect_code(0);
    directory.join(format!("target/{triplet}/release/markov-server"))
}
