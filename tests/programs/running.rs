//! Programs that run without a lease: `PACKED=clear` and `packer cache` find them in /proc and keep their files.

/// Where /proc does not tell who uses what.
mod hidden;
/// Processes that are unlike others.
mod odd;
/// Servers that a supervisor starts, or that put themselves into the background.
mod servers;
/// Which bundle a process is of.
mod whose;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Bundle, Closure, Host, Running, Start, packer, until};

use crate::{link, place};

/// Starts a program as Python's subprocess does, without the launcher's descriptors, prints its number and ends.
const LAUNCH: &str = "import subprocess, sys
none = subprocess.DEVNULL
print(subprocess.Popen(sys.argv[1:], close_fds=True, stdin=none, stdout=none, stderr=none).pid)
";

/// Imports the modules that it is asked for. Its arguments are statements to begin with.
const SERVER: &str = "import importlib, os, socket, sys
def serve():
    server = socket.socket(socket.AF_UNIX)
    server.bind('socket')
    server.listen()
    while True:
        client = server.accept()[0]
        name = client.recv(100).decode()
        try: answer = importlib.import_module(name).__file__
        except Exception as error: answer = repr(error)
        client.sendall(answer.encode())
        client.close()
for statement in sys.argv[1:]: exec(statement)
serve()
";

/// How the server loses its lease by itself, as daemons do.
const CLOSE: &str = "os.closerange(3, 256)";

/// Debian's Python alone, from the set that the examples are made of.
fn python() -> Bundle {
    Bundle::of(&Closure::example("pkgs.python3"))
        .entry("/bin/python3")
        .option("--level", "3")
        .pack()
}

/// A program with Python beside it, which starts it without a lease.
fn with_python(package: &str, entries: &[&str], more: &[PathBuf]) -> Bundle {
    let (package, python) = (Closure::example(package), Closure::example("pkgs.python3").path);
    // A rule names the program, so Python needs it too: it is unpacked before it is started by its path.
    let rule = format!("PROGRAM={}", package.path.display());
    let builder = Bundle::of(&package).entries(entries).entry("/bin/python3").option("--env", rule);
    let closures = more.iter().chain([&python]);
    let builder = closures.fold(builder, |builder, path| builder.option("--closure", path));
    builder.option("--level", "3").pack()
}

/// A bundle on a host, started in one mode.
struct Case {
    host: Host,
    mode: &'static str,
    bundle: PathBuf,
    /// The command in front of those that clear the cache.
    sandbox: &'static [&'static str],
}

impl Case {
    fn new(host: Host, bundle: &Bundle, mode: &'static str) -> Case {
        let bundle = host.install(&bundle.path);
        let _ = host.install(packer());
        Case { host, mode, bundle, sandbox: &[] }
    }

    /// As an ordinary user without /nix.
    fn ordinary(bundle: &Bundle, mode: &'static str) -> Case {
        Case::new(Host::ordinary(), bundle, mode)
    }

    /// The bundle, started by the name of an entry.
    fn start(&self, entry: &str) -> Start {
        self.start_in(&[], entry)
    }

    /// The same, with a command in front of it.
    fn start_in(&self, sandbox: &[&str], entry: &str) -> Start {
        let program = Path::new("/srv/links").join(entry);
        if !self.host.outside(&program).is_symlink() {
            link(&self.host, &self.bundle, entry);
        }
        behind(&self.host, sandbox, &program).env("PACKED_MODE", self.mode)
    }

    /// Starts Python's server, which answers on `~/socket` once it has lost its lease.
    fn serve(&self, sandbox: &[&str], statements: &[&str]) -> Running {
        let start = self.start_in(sandbox, "python3").args(["-Bc", SERVER, CLOSE]);
        let running = start.args(statements).spawn();
        self.answers("wave");
        running
    }

    /// The names of the store paths in the cache.
    fn store_paths(&self) -> Vec<PathBuf> {
        let cache = self.host.outside(self.host.cache());
        let listed = |directory: &Path| {
            let entries = fs::read_dir(directory).into_iter().flatten();
            entries.map(|entry| entry.expect("list a directory").path()).collect::<Vec<_>>()
        };
        let has_hash = |path: &PathBuf| {
            path.to_string_lossy().rsplit('/').next().is_some_and(|n| n.contains('-'))
        };
        let mut paths = listed(&cache);
        paths.extend(listed(&cache.join("stores")).iter().flat_map(|store| listed(store)));
        paths
            .retain(|path| has_hash(path) && !path.parent().is_some_and(|p| p.ends_with("stores")));
        paths
    }

    /// Where a file of the only store path that has it is.
    fn file(&self, file: &str) -> PathBuf {
        let mut paths = self.store_paths();
        paths.retain(|path| path.join(file).exists());
        let [path] = &paths[..] else { panic!("{file}: {paths:?}") };
        path.join(file)
    }

    /// The same, as the bundle's programs see it.
    fn path(&self, file: &str) -> PathBuf {
        let cache = self.host.outside(self.host.cache());
        let path = self.file(file);
        let below = |directory: &Path| path.strip_prefix(directory).map(Path::to_owned);
        let path = below(&cache.join("stores/0")).or_else(|_| below(&cache));
        place(&self.host, self.mode).join(path.expect("it is in the cache"))
    }

    /// Has Python start a program without a lease, and end; returns the program's number.
    fn launch(&self, program: &Path, arguments: &[&str]) -> i32 {
        let start = self.start("python3").args(["-Bc", LAUNCH]);
        let said = start.arg(program).args(arguments).run().stdout();
        said.trim().parse().expect("a process has a number")
    }

    /// Has Python start a program that goes on in another process, and waits until the first one has ended.
    fn launch_daemon(&self, program: &Path, arguments: &[&str]) {
        let first = self.launch(program, arguments);
        until("the first process has ended", || has_ended(first).then_some(()));
    }

    /// What the server in the home directory says of a module.
    fn ask(&self, module: &str) -> Option<String> {
        let mut client = UnixStream::connect(self.host.outside(self.host.home("socket"))).ok()?;
        let mut answer = String::new();
        client.write_all(module.as_bytes()).ok()?;
        client.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Waits until the server answers, and checks that it reads a file of its store path.
    fn answers(&self, module: &str) {
        let answer = until("the server answers", || self.ask(module));
        assert!(Path::new(&answer).starts_with(place(&self.host, self.mode)), "{answer}");
        assert!(answer.ends_with(&format!("/{module}.py")), "{answer}");
    }

    fn clear(&self, command: &str) -> String {
        behind(&self.host, self.sandbox, &self.bundle).env("PACKED", command).run().stdout()
    }

    fn cache(&self, arguments: &[&str]) -> String {
        let start = behind(&self.host, self.sandbox, Path::new("/srv/packer"));
        start.arg("cache").args(arguments).run().stdout()
    }

    /// Makes the bundles' last use an hour ago.
    fn age(&self) {
        let records = fs::read_dir(self.host.outside(self.host.cache().join("bundles")));
        for record in records.expect("list the records") {
            let record = File::open(record.expect("list the records").path());
            let hour = Duration::from_secs(3600);
            record
                .and_then(|record| record.set_modified(SystemTime::now() - hour))
                .expect("set its time");
        }
    }

    /// Checks that nothing is removed, for a reason that is certain.
    fn is_kept(&self, reason: &str) {
        let before = self.store_paths();
        let cache = self.host.cache();
        assert_eq!(self.clear("clear"), format!("{reason}, not cleared: {}\n", cache.display()));
        self.age();
        for command in [&["clear", "--force"][..], &["gc", "--days", "0"]] {
            let said = self.cache(command);
            assert!(said.contains("removed 0 bundles") && said.contains(reason), "{said}");
        }
        assert!(self.cache(&["list"]).contains("running)"));
        assert_eq!(self.store_paths(), before);
    }

    /// Checks that nothing is removed, for a reason that is not certain.
    fn is_perhaps_kept(&self, reason: &str) {
        let before = self.store_paths();
        let hint = "hint: PACKED=clear=force clears it all the same";
        let cache = self.host.cache();
        let expected = format!("{reason}, not cleared: {}\n{hint}\n", cache.display());
        assert_eq!(self.clear("clear"), expected);
        let said = self.cache(&["clear"]);
        assert!(said.contains("removed 0 bundles") && said.contains(reason), "{said}");
        assert!(said.contains("hint: --force removes"), "{said}");
        assert_eq!(self.store_paths(), before);
    }

    /// Checks that the bundle is removed, with all its store paths.
    fn is_cleared_by(&self, command: &str) {
        let cache = self.host.cache();
        assert_eq!(self.clear(command), format!("cleared {}\n", cache.display()));
        let left = self.store_paths();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Checks that a process of the user runs and no lease keeps its files: else a test proves nothing.
    fn has_no_lease(&self, process: i32) {
        assert_eq!(leases(process), 0, "{process}");
        let owner = fs::metadata(format!("/proc/{process}")).expect("it runs").uid();
        assert!([0, self.host.user.uid].contains(&owner));
    }
}

/// A program, with a command in front of it.
fn behind(host: &Host, command: &[&str], program: &Path) -> Start {
    match command {
        [] => host.start(program),
        [command, arguments @ ..] => host.start(command).args(arguments).arg(program),
    }
}

/// The number of leases that a process holds.
fn leases(process: i32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs");
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("/packed/bundles/")).count()
}

/// Ends a process, and waits until it is gone.
fn end(process: i32) {
    kill(Pid::from_raw(process), Signal::SIGKILL).expect("it runs");
    until("it has ended", || has_ended(process).then_some(()));
}

/// Whether a process has ended: what is left of it has no program.
fn has_ended(process: i32) -> bool {
    fs::read_link(format!("/proc/{process}/exe")).is_err()
}

/// The process below others of which each has one child.
fn last(process: u32) -> i32 {
    let mut process = i32::try_from(process).expect("a number of a process is an i32");
    loop {
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
        match children.expect("it runs").trim().parse() {
            Ok(child) => process = child,
            Err(_) => return process,
        }
    }
}

/// The number that a server writes to a file.
fn number(path: &Path) -> i32 {
    until("a process writes its number", || fs::read_to_string(path).ok()?.trim().parse().ok())
}
