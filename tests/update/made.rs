//! Bundles of two versions, and the directories where one replaces the other.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use format::{BUNDLE_VERSION, Manifest};
use tempfile::TempDir;
use tests::server::{Answer, Request, Server};
use tests::{Bundle, Ended, Forge, Forged, Store, packer, run};

/// The frames of a bundle.
pub(crate) const FRAMES: usize = 24;

/// Bytes of a file that does not compress: larger than the gaps that packer fetches.
const NOISE: usize = 5 << 20;

/// A bundle of the probe with some frames, of version 1.0.
pub(crate) fn first() -> Forge {
    static FIRST: OnceLock<Forge> = OnceLock::new();
    FIRST.get_or_init(make).clone()
}

fn make() -> Forge {
    let store = Store::new();
    let at = |name: &str| format!("{}/{name}", Store::PATH);
    store.program(at("bin/probe"), &tests::probe());
    store.file(at("share/noise"), &noise(NOISE));
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
    let bundle = bundle.option("--level", "1").option("--mode", "namespace");
    let mut forge = Forge::of(&bundle.pack_into(store.root()));
    let tar = forge.tar();
    forge.set_tar(&tar, FRAMES);
    release(forge, |release| release.version = "1.0".to_owned())
}

/// Bytes that zstd cannot compress, always the same: xorshift64.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Changes what a bundle says of itself.
pub(crate) fn release(mut forge: Forge, change: impl FnOnce(&mut format::Release)) -> Forge {
    let content = forge.manifest.content();
    let mut manifest = Manifest::decode(&content, BUNDLE_VERSION).expect("a manifest");
    change(&mut manifest.release);
    forge.manifest = Forged::of(&manifest.encode().expect("a manifest"));
    forge
}

/// The same with another version.
pub(crate) fn version(forge: Forge, version: &str) -> Forge {
    release(forge, |release| release.version = version.to_owned())
}

/// Changes two frames, and leaves their content as it was: it is cut in another place.
pub(crate) fn change(mut forge: Forge, first: usize) -> Forge {
    let content = [forge.frames[first].content(), forge.frames[first + 1].content()].concat();
    let (one, two) = content.split_at(content.len() / 3);
    forge.frames[first] = Forged::of(one);
    forge.frames[first + 1] = Forged::of(two);
    forge
}

/// The bundle of version 2.0: it has two times two other frames.
pub(crate) fn second() -> Forge {
    version(change(change(first(), 3), 15), "2.0")
}

/// A directory with a bundle, `probe`, and the home of who updates it.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    /// With the bundle of version 1.0.
    pub(crate) fn new() -> Home {
        Home::with(&first())
    }

    pub(crate) fn with(forge: &Forge) -> Home {
        let directory = tempfile::Builder::new().prefix("update-").tempdir().expect("make one");
        fs::create_dir(directory.path().join("bin")).expect("make a directory");
        let home = Home { directory };
        let _ = forge.write(&home.probe());
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The bundle, which is alone in its directory.
    pub(crate) fn probe(&self) -> PathBuf {
        self.path().join("bin/probe")
    }

    /// The names beside the bundle.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.path().join("bin"))
    }

    /// The frames that are kept for the next run.
    pub(crate) fn kept(&self) -> Vec<String> {
        names(&self.path().join("cache/packer/downloads"))
    }

    /// `packer` with a home and a cache of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.around(Command::new(packer()), arguments)
    }

    /// The same behind a command that runs it.
    pub(crate) fn around(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).current_dir(self.path().join("bin"));
        command.env("HOME", self.path()).env("XDG_CACHE_HOME", self.path().join("cache"));
        fs::create_dir_all(self.path().join("cache")).expect("make a directory");
        for name in
            ["SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC", "http_proxy", "https_proxy", "all_proxy"]
        {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn packer(&self, arguments: &[&str]) -> Ended {
        run(&mut self.command(arguments))
    }

    /// Updates the bundle, which then has these bytes.
    #[track_caller]
    pub(crate) fn update(&self, arguments: &[&str], expected: &Forge) -> String {
        let ended = self.packer(&[&["update", "probe"], arguments].concat());
        let text = ended.stdout();
        self.expect(expected);
        assert_eq!(self.kept(), Vec::<String>::new(), "nothing is kept");
        text
    }

    /// Checks that an update is refused and leaves everything as it was; returns both lines.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str]) -> (String, String) {
        let before = (fs::read(self.probe()).expect("read it"), self.names());
        let ended = self.packer(&[&["update", "probe"], arguments].concat());
        let lines = ended.expect_refusal(1);
        let after = (fs::read(self.probe()).expect("read it"), self.names());
        assert!(before == after, "the bundle is another one: {lines:?}");
        lines
    }

    /// Checks that the bundle has these bytes and is alone.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &Forge) {
        let is_same = fs::read(self.probe()).expect("read it") == expected.bytes();
        assert!(is_same, "the bundle is another one");
        assert_eq!(self.names(), ["probe"]);
        let mode = fs::metadata(self.probe()).expect("look at it").permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let names = entries.map(|entry| entry.expect("list it").file_name());
    let mut names: Vec<String> =
        names.map(|name| name.into_string().expect("a name is text")).collect();
    names.sort();
    names
}

/// A directory that a server serves, with a bundle, `probe`.
pub(crate) fn published(forge: &Forge) -> TempDir {
    let directory = tempfile::Builder::new().prefix("published-").tempdir().expect("make one");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("set its mode");
    let _ = forge.write(&directory.path().join("probe"));
    directory
}

/// The range that a request asks for.
pub(crate) fn range(request: &Request, len: usize) -> Option<std::ops::Range<usize>> {
    let range = request.headers.get("range")?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let last = last.parse::<usize>().map_or(len, |last| last + 1);
    Some(first.parse().ok()?..last.min(len))
}

/// The answer of a good server.
pub(crate) fn answer(bytes: &[u8], request: &Request) -> Answer {
    let etag = "\"1\"";
    match range(request, bytes.len()) {
        Some(range) => {
            let header = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
            let answer = Answer::new(206).header("Content-Range", header).header("ETag", etag);
            answer.body(&bytes[range])
        }
        None => Answer::new(200).header("ETag", etag).body(bytes),
    }
}

/// A server with bytes, whose answers a test changes; it is given the number of the answer, too.
pub(crate) fn serve(
    bytes: Vec<u8>,
    change: impl Fn(&Request, usize, Answer) -> Answer + Send + Sync + 'static,
) -> (Server, String) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |request, _| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        change(request, number, answer(&bytes, request))
    });
    let url = format!("http://{}", server.name("probe"));
    (server, url)
}
