//! What is packed: a closure that Nix builds for these tests, and binary caches of it that Nix writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use tests::server::{Answer, Request, Server};
use tests::{Ended, nix_build, nix_command, once, probe, run};

/// The store paths by their short names: a program, a library that refers to itself, data with large and odd files, a
/// directory that was added, and a text.
pub(crate) const NAMES: [&str; 5] =
    ["cached-program", "cached-library", "cached-data", "cached-source", "cached-text"];

/// The name of the key that signs.
const KEY: &str = "test-1";

/// The closure with its signatures.
pub(crate) struct Made {
    /// The root store path.
    pub(crate) root: String,
    /// The public key.
    pub(crate) key: String,
    /// The file with the secret key.
    secret: PathBuf,
}

/// The closure that most tests pack.
pub(crate) fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = Made::new("cached-", "");
        let mut sign = nix_command("nix");
        sign.args(["store", "sign", "--recursive", "--key-file"]).arg(&made.secret).arg(&made.root);
        run(&mut sign).expect_code(0);
        made
    })
}

impl Made {
    /// A closure that nobody has built before, with names that begin otherwise.
    pub(crate) fn new(prefix: &str, stamp: &str) -> Made {
        let keys = once("cache-keys", 1, |directory| {
            fs::create_dir(directory).expect("make a directory");
            let mut command = nix_command("nix-store");
            command.args(["--generate-binary-cache-key", KEY]);
            run(command.arg(directory.join("secret")).arg(directory.join("public"))).expect_code(0);
        });
        let key = fs::read_to_string(keys.join("public")).expect("read the key");
        let key = key.trim().to_owned();
        // Another source tree has another key: its tests sign store paths of their own.
        let stamp = format!("{key}{stamp}");
        let source = tempfile::tempdir().expect("make a directory");
        fs::copy(probe(), source.path().join("probe")).expect("copy the probe");
        // A text in a source that names another store path is no reference: Nix does not scan sources.
        let text = TEXT.replace("PREFIX", prefix).replace("STAMP", &stamp);
        let mut eval = nix_command("nix-instantiate");
        let text = run(eval.args(["--read-write-mode", "--eval", "-E", &text])).text();
        fs::write(source.path().join("names"), text).expect("write the name");
        let expression = EXPRESSION
            .replace("TEXT", TEXT)
            .replace("PREFIX", prefix)
            .replace("STAMP", &stamp)
            .replace("SOURCE", source.path().to_str().expect("a path is text"));
        // There is a shell outside of the sandbox.
        let (root, _) = nix_build(&expression, &["--option", "sandbox", "false"]);
        Made {
            root: root.to_str().expect("a path is text").to_owned(),
            key,
            secret: keys.join("secret"),
        }
    }

    /// Writes a cache of it, with a compression by Nix's name.
    pub(crate) fn copy(&self, compression: &str, to: &Path) {
        let url = format!(
            "file://{}?compression={compression}&secret-key={}",
            to.display(),
            self.secret.display()
        );
        let home = tempfile::tempdir().expect("make a directory");
        let mut copy = nix_command("nix");
        // Nix remembers what a cache has.
        copy.env("HOME", home.path()).env_remove("XDG_CACHE_HOME");
        run(copy.args(["copy", "--to", &url, &self.root])).expect_code(0);
    }
}

const TEXT: &str = r#"builtins.toFile "PREFIXtext" "hello STAMP\n""#;

const EXPRESSION: &str = r##"
let
  make = name: script: arguments: derivation ({
    name = "PREFIX${name}";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/usr/bin:/bin";
    stamp = "STAMP";
  } // arguments);
  text = TEXT;
  source = builtins.path { name = "PREFIXsource"; path = SOURCE; };
  data = make "data" ''
    mkdir -p $out/empty $out/share
    zeros() { head -c $1 /dev/zero; }
    key=00000000000000000000000000000001
    zeros 1500000 | openssl enc -aes-128-ctr -K $key -iv $key > $out/share/noise
    zeros 1500000 > $out/share/zeros
    : > $out/share/nothing
    ln -s share/noise $out/link
    echo "#!/bin/sh" > "$out/share/with blank"
    chmod +x "$out/share/with blank"
  '' { };
  library = make "library" ''
    mkdir -p $out/lib
    echo "$out ${data}" > $out/lib/paths
  '' { };
in make "program" ''
  mkdir -p $out/bin $out/share
  cp ${source}/probe $out/bin/probe
  chmod +x $out/bin/probe
  echo "${library} ${text} ${source}" > $out/share/reference
'' { }
"##;

/// A cache in a directory of its own; a test may change it.
pub(crate) struct Cache(TempDir);

impl Cache {
    /// A cache of the closure, as Nix writes it.
    pub(crate) fn new(compression: &str) -> Cache {
        let made = made();
        let name = format!("cache-{compression}");
        let kept = once(&name, (&made.root, &made.key), |to| made.copy(compression, to));
        let directory = tempfile::Builder::new().prefix("cache-").tempdir().expect("make one");
        run(Command::new("cp").arg("-rT").arg(kept).arg(directory.path())).expect_code(0);
        Cache(directory)
    }

    /// A cache of another closure.
    pub(crate) fn of(made: &Made, compression: &str) -> Cache {
        let directory = tempfile::Builder::new().prefix("cache-").tempdir().expect("make one");
        made.copy(compression, directory.path());
        Cache(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its URL as a directory.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// The file that describes a store path, which ends with `name`.
    pub(crate) fn narinfo(&self, name: &str) -> PathBuf {
        let entries = fs::read_dir(self.path()).expect("list a cache");
        let mut paths = entries.map(|entry| entry.expect("list a cache").path());
        let is_it = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "narinfo")
                && fields(path)["StorePath"].ends_with(name)
        };
        paths.find(is_it).unwrap_or_else(|| panic!("no {name}"))
    }

    /// A field of a narinfo.
    pub(crate) fn field(&self, name: &str, field: &str) -> String {
        fields(&self.narinfo(name))[field].clone()
    }

    /// Sets a field of a narinfo, or removes it.
    pub(crate) fn set(&self, name: &str, field: &str, value: Option<&str>) {
        let path = self.narinfo(name);
        let text = fs::read_to_string(&path).expect("read a narinfo");
        let start = format!("{field}: ");
        let others = text.lines().filter(|line| !line.starts_with(&start)).map(str::to_owned);
        let set = value.map(|value| format!("{start}{value}"));
        let lines: Vec<String> = others.chain(set).collect();
        fs::write(&path, lines.join("\n") + "\n").expect("write a narinfo");
    }

    /// The NAR of a store path.
    pub(crate) fn nar(&self, name: &str) -> PathBuf {
        self.path().join(self.field(name, "URL"))
    }

    /// Forgets the length and the digest of the compressed NAR, which nobody signs.
    pub(crate) fn forget_file(&self, name: &str) {
        self.set(name, "FileSize", None);
        self.set(name, "FileHash", None);
    }
}

fn fields(narinfo: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(narinfo).expect("read a narinfo");
    let fields = text.lines().filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The answer of a server to a request for a file of a directory; it knows ranges.
pub(crate) fn file(directory: &Path, request: &Request) -> Answer {
    let path = directory.join(request.path.trim_start_matches('/'));
    let Ok(bytes) = fs::read(path) else { return Answer::new(404).body("no such file") };
    match start(request) {
        0 => Answer::new(200).body(bytes),
        start => {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            Answer::new(206).header("Content-Range", range).body(&bytes[start..])
        }
    }
}

/// Serves a cache as it is; returns the URL, too.
pub(crate) fn serve(cache: Cache) -> (Server, String) {
    let server = Server::start(move |request, _| file(cache.path(), request));
    let url = format!("http://{}", server.name("").trim_end_matches('/'));
    (server, url)
}

/// The number of requests with something in their paths.
pub(crate) fn count(requests: &[Request], part: &str) -> usize {
    requests.iter().filter(|request| request.path.contains(part)).count()
}

/// The first byte that a request asks for.
pub(crate) fn start(request: &Request) -> usize {
    let range = request.headers.get("range");
    let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    start.map_or(0, |start| start.parse().expect("a number"))
}

/// What a test does to a cache.
pub(crate) type Change<'a> = &'a dyn Fn(&Cache);

/// Runs a shell script in a cache.
pub(crate) fn shell(cache: &Cache, script: &str) -> Ended {
    run(Command::new("sh").current_dir(cache.path()).args(["-euc", script]))
}
