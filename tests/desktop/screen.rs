//! A host with a screen, and programs on it.

use std::fs;
use std::path::PathBuf;

use tests::{Bundle, Change, Closure, Display, Host, Nix, Picture, Running, Start, User, once};

/// A host with a screen.
pub(crate) struct Screen {
    pub(crate) host: Host,
    pub(crate) display: Display,
}

/// How a program is started, in a bundle as alone.
#[derive(Clone, Copy, Default)]
pub(crate) struct How<'a> {
    pub(crate) arguments: &'a [&'a str],
    pub(crate) variables: &'a [(&'a str, &'a str)],
    pub(crate) changes: &'a [Change],
    /// Files of the host: a path in its own directories, and what is in it.
    pub(crate) files: &'a [(&'a str, &'a [u8])],
}

/// The bundle of a program in nix/corpus/desktop.toml.
pub(crate) fn bundle(program: &str) -> Bundle {
    Bundle::of(&closure(program)).entry("/bin/run").option("--level", "1").pack()
}

pub(crate) fn closure(program: &str) -> Closure {
    Closure::example(&format!("desktop.{program}"))
}

/// A directory of the host in whose place is an empty one.
pub(crate) fn without(directory: &str) -> Change {
    Change::Mount { kind: "tmpfs", at: directory.into(), options: "mode=0755".to_owned() }
}

impl Screen {
    /// A host with an ordinary user, and nothing on its screen.
    pub(crate) fn new(nix: Nix, how: &How<'_>) -> Screen {
        let host = host(nix, how);
        let display = Display::on(&host);
        Screen { host, display }
    }

    /// The screen with a program on it that runs from the store.
    pub(crate) fn alone(program: &str, how: &How<'_>) -> (Screen, Running) {
        let screen = Screen::new(Nix::SamePaths, how);
        let running = screen.start(alone(program), how).spawn();
        (screen, running)
    }

    /// The screen with a program on it that runs from a bundle.
    pub(crate) fn packed(bundle: &Bundle, mode: &str, how: &How<'_>) -> (Screen, Running) {
        let screen = Screen::new(Nix::Absent, how);
        let program = screen.host.install(&bundle.path);
        let running = screen.start(program, how).env("PACKED_MODE", mode).spawn();
        (screen, running)
    }

    /// A start of a program that finds the screen.
    pub(crate) fn start(&self, program: impl Into<PathBuf>, how: &How<'_>) -> Start {
        start(&self.host, program, how).env("DISPLAY", &self.display.name)
    }

    /// What the program shows when it does not change any more.
    #[track_caller]
    pub(crate) fn still(&self, running: Running) -> Picture {
        self.display.still().unwrap_or_else(|shown| self.fail(running, "no still picture", &shown))
    }

    /// Checks that this picture is shown.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &Picture, running: Running, what: &str) {
        if let Err(shown) = self.display.wait_for(expected) {
            let expected_at = expected.kept("expected");
            let count = shown.difference(expected);
            self.fail(
                running,
                &format!("{what}: {count} pixels differ from {}", expected_at.display()),
                &shown,
            )
        }
    }

    #[track_caller]
    fn fail(&self, running: Running, what: &str, shown: &Picture) -> ! {
        self.host.processes().kill();
        panic!("{what}: {}\n{}", shown.kept("shown").display(), running.wait().stderr())
    }
}

/// Where a program is in the store.
pub(crate) fn alone(program: &str) -> PathBuf {
    closure(program).path.join("bin/run")
}

/// A host with an ordinary user.
pub(crate) fn host(nix: Nix, how: &How<'_>) -> Host {
    let account = Change::Bind { source: accounts(), at: "/etc/passwd".into() };
    let changes: Vec<Change> = how.changes.iter().cloned().chain([account]).collect();
    let host = Host::changed(User::numbered(USER), nix, &changes);
    host.directory(RUNTIME, 0o700);
    for (path, bytes) in how.files {
        let path = PathBuf::from(path);
        host.directory(path.parent().expect("a file has a directory"), 0o755);
        fs::write(host.outside(path), bytes).expect("write a file");
    }
    host
}

/// The user's number: below those of other tests.
const USER: u32 = 0x4fff_0000;

/// The machine's accounts and that of the user: a session bus is only for users who have one.
fn accounts() -> PathBuf {
    once("passwd", USER, |path| {
        let own = format!("alice:x:{USER}:{}::/home/alice:/bin/sh\n", User::numbered(USER).gid);
        let machine = fs::read_to_string("/etc/passwd").expect("read the machine's accounts");
        fs::write(path, machine + &own).expect("write accounts");
    })
}

/// The user's directory for sockets, as systemd makes it.
const RUNTIME: &str = "/tmp/runtime";

pub(crate) fn start(host: &Host, program: impl Into<PathBuf>, how: &How<'_>) -> Start {
    let start = host.start(program).args(how.arguments).env("XDG_RUNTIME_DIR", RUNTIME);
    how.variables.iter().fold(start, |start, (name, value)| start.env(name, value))
}

/// Checks that a program shows the same in a bundle as alone, in each of these modes; returns what it shows.
#[track_caller]
pub(crate) fn same_as_alone(program: &str, modes: &[&str], how: &How<'_>) -> Picture {
    let (alone, running) = Screen::alone(program, how);
    let expected = alone.still(running);
    let bundle = bundle(program);
    for mode in modes {
        let (screen, running) = Screen::packed(&bundle, mode, how);
        screen.expect(&expected, running, &format!("{program} in the mode {mode}"));
    }
    expected
}

/// The modes in which a bundle runs from the cache.
pub(crate) const MODES: [&str; 2] = ["relocate", "namespace"];
