//! Binary caches: a thousand store paths from a server on this machine, beside Nix; and the memory that it takes.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Closure, Served, nix_command, packer, run};

use crate::fixture::{self, directory, once};
use crate::part::Part;
use crate::spawn;
use crate::table::Table;
use crate::turns::{Case, Turns};

const ROUNDS: usize = 5;

/// The store paths of the closure, besides the one that refers to them.
const PATHS: usize = 1000;

/// Bytes of a file at most: larger ones are cut, so that every store path has something.
const PIECE: usize = 128 << 10;

const NIX: &str = "nix copy";
const FETCHED: &str = "packer sbom";
const PACKER: &str = "packer build --level 1";

/// Copies of the files in the closure whose memory is measured.
const COPIES: usize = 8;

/// Measures binary caches.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("Binary caches");
    time(&mut part);
    memory(&mut part);
    part.note("The files of markov-circus as 1 000 store paths in a cache that nix copy made (xz, signed), served by nginx \
        on 127.0.0.1. nix copy fills an empty store; packer sbom fetches and reads, packer build also packs; they keep \
        nothing. Peak memory: of packer, with the same closure from a store and from a cache, and with one store path that \
        has the same files eight times.");
    part
}

fn time(part: &mut Part) {
    let cache = Cache::thousand();
    let served = Served::nginx(&cache.files, "");
    let work = directory().join("copied");
    fixture::shell("rm -rf \"$1\" && mkdir -p \"$1\"", &[&work]);
    let copies = Cell::new(0);
    let nix = || {
        copies.set(copies.get() + 1);
        let mut command = nix_command("nix");
        command.args(["copy", "--option", "trusted-public-keys", &cache.key]);
        command.args(["--from", &served.url(), "--to"]).arg(work.join(copies.get().to_string()));
        command.args(&cache.roots);
        command
    };
    let cases: [Case<'_>; 3] = [
        (NIX, Box::new(nix)),
        (FETCHED, Box::new(|| cache.list(&served.url(), &work))),
        (PACKER, Box::new(|| cache.pack(&served.url(), &work, &["--level", "1"]))),
    ];
    let turns = Turns::of(&cases, ROUNDS, |_| ());
    let head = ["case", "of nix copy", "median s"];
    let mut table = Table::new("1 000 store paths from a server on this machine", &head);
    for (case, (name, _)) in cases.iter().enumerate() {
        let [share, median] = turns.cells(case);
        table.row([(*name).to_owned(), share, median]);
    }
    part.tables.push(table);
    part.limit(format!("{FETCHED} / {NIX}, time"), turns.ratio(1, 0).median, 0.7);
    part.limit(format!("{PACKER} / {NIX}, time"), turns.ratio(2, 0).median, 0.8);
    fixture::shell("chmod -R u+w \"$1\" && rm -rf \"$1\"", &[&work]);
}

fn memory(part: &mut Part) {
    let mut table = Table::new(
        "Peak memory of packer build --level 1, MiB",
        &["closure", "MB", "store", "cache"],
    );
    let caches = [("1 000 store paths", Cache::thousand()), ("one store path", Cache::large())];
    for (name, cache) in caches {
        let peak = |from: &str| {
            let output = directory().join("memory");
            let mut command = cache.pack(from, &output, &["--level", "1"]);
            if from.is_empty() {
                command = Command::new(packer());
                command.args(["build", "--no-cache", "--level", "1", "--entry", "/bin/thousand"]);
                command.args(cache.closures()).arg("--output").arg(output.join("bundle"));
            }
            fs::create_dir_all(&output).expect("make a directory");
            spawn::timed(&command).peak as f64 / 1024.0
        };
        let from = cache.files.to_str().expect("a path is text").to_owned();
        let cells = [peak(""), peak(&from)].map(|peak| format!("{peak:.0}"));
        let megabytes = format!("{:.0}", cache.bytes as f64 / 1e6);
        table.row([vec![name.to_owned(), megabytes], cells.into()].concat());
    }
    part.tables.push(table);
}

/// A closure in a binary cache.
struct Cache {
    /// The cache's directory.
    files: PathBuf,
    /// The store paths whose closure it has; the last has the program.
    roots: Vec<String>,
    key: String,
    /// Bytes of its files.
    bytes: u64,
}

impl Cache {
    /// The files of markov-circus, in a thousand store paths and one that refers to them.
    fn thousand() -> Cache {
        Cache::of("thousand", "xz", |to| {
            let mut pieces = 0;
            for (number, file) in files().iter().enumerate() {
                let content = fs::read(file).expect("read a file");
                for (at, piece) in content.chunks(PIECE).enumerate() {
                    let share = to.join(format!("part-{:03}/share", pieces % PATHS));
                    fs::create_dir_all(&share).expect("make a directory");
                    fs::write(share.join(format!("{number}-{at}")), piece).expect("write a piece");
                    pieces += 1;
                }
            }
        })
    }

    /// The same files some times over, in one store path.
    fn large() -> Cache {
        Cache::of("large", "zstd", |to| {
            for copy in 0..COPIES {
                let share = to.join(format!("part-000/share/{copy}"));
                fs::create_dir_all(&share).expect("make a directory");
                for (number, file) in files().iter().enumerate() {
                    let mut content = fs::read(file).expect("read a file");
                    // Not the same file, which a bundle would have once.
                    content.extend(copy.to_le_bytes());
                    fs::write(share.join(number.to_string()), content).expect("write a file");
                }
            }
        })
    }

    /// Makes the directories, each of which becomes a store path, and a cache of them.
    fn of(name: &str, compression: &str, make: impl Fn(&Path)) -> Cache {
        let made = once(directory().join("caches").join(name), |half| {
            let parts = half.join("parts");
            make(&parts);
            let program = parts.join("part-000/bin");
            fs::create_dir_all(&program).expect("make a directory");
            fs::write(program.join("thousand"), "#!/bin/sh\n").expect("write a program");
            fixture::shell("chmod +x \"$1/thousand\"", &[&program]);
            let mut nix = nix_command("nix-instantiate");
            nix.args(["--read-write-mode", "--eval", "-E", EXPRESSION, "--argstr", "dir"]);
            let list = run(nix.arg(&parts)).text();
            let (list, first) = list.trim().trim_matches('"').split_once(' ').expect("two paths");
            fs::write(half.join("roots"), format!("{list}\n{first}")).expect("write the roots");
            let mut nix = nix_command("nix-store");
            nix.args(["--generate-binary-cache-key", "bench-1"]);
            run(nix.arg(half.join("secret")).arg(half.join("key"))).expect_code(0);
            let to = format!(
                "file://{}?compression={compression}&secret-key={}",
                half.join("cache").display(),
                half.join("secret").display()
            );
            run(nix_command("nix").args(["copy", "--to", &to, list, first])).expect_code(0);
        });
        let read = |name: &str| fs::read_to_string(made.join(name)).expect("it was made");
        let size = run(Command::new("du").args(["-sb"]).arg(made.join("parts"))).text();
        let bytes = size.split_whitespace().next().and_then(|bytes| bytes.parse().ok());
        Cache {
            files: made.join("cache"),
            roots: read("roots").lines().map(str::to_owned).collect(),
            key: read("key"),
            bytes: bytes.expect("du prints a number"),
        }
    }

    /// What names the closure on a command line.
    fn closures(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().flat_map(|root| ["--closure", root])
    }

    /// The command that packs it from a cache alone.
    fn pack(&self, from: &str, work: &Path, options: &[&str]) -> Command {
        let mut command = self.command("build", from);
        command.args(options).arg("--output").arg(work.join("bundle"));
        command
    }

    /// The command that fetches and reads it, and packs nothing.
    fn list(&self, from: &str, work: &Path) -> Command {
        let mut command = self.command("sbom", from);
        command.arg("--output").arg(work.join("bill.json"));
        command
    }

    fn command(&self, name: &str, from: &str) -> Command {
        let nothing = directory().join("nothing");
        fs::create_dir_all(&nothing).expect("make an empty directory");
        let mut command = Command::new(packer());
        command.args([name, "--no-cache", "--from", from, "--trusted-key", &self.key]);
        command.args(["--entry", "/bin/thousand", "--store-root"]).arg(nothing);
        command.args(self.closures());
        command
    }
}

/// The directories as store paths: the one of a list of them, and the first of them.
const EXPRESSION: &str = "{ dir }: let
    path = name: \"${builtins.path { path = /. + dir + \"/${name}\"; inherit name; }}\";
    names = builtins.attrNames (builtins.readDir (/. + dir));
    list = builtins.toFile \"thousand\" (builtins.concatStringsSep \"\\n\" (map path names));
in \"${list} ${path \"part-000\"}\"";

/// The files of markov-circus.
fn files() -> Vec<PathBuf> {
    let closure = Closure::example("markov-circus");
    let mut find = Command::new("find");
    find.args(closure.requisites()).args(["-type", "f"]);
    let mut files: Vec<PathBuf> = run(&mut find).text().lines().map(PathBuf::from).collect();
    files.sort();
    files
}
