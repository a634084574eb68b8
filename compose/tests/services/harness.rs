//! A directory with the program, its composition, data and sockets; what runs in it, and what it has left.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Until something has failed; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(60);

/// The name of all compositions here.
pub(crate) const NAME: &str = "demo";

/// A directory with the program and its composition.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
}

impl Place {
    /// Lays out a composition of these services.
    pub(crate) fn new(services: &Value) -> Place {
        Place::with(&json!({"name": NAME, "services": services}))
    }

    /// Lays out a composition.
    pub(crate) fn with(composition: &Value) -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // None is the beginning of another, since processes are known by it.
        let name = format!("compose-{}-{number:04}", std::process::id());
        let path = std::env::temp_dir().join(name);
        for directory in ["bin", "share", "data", "run"] {
            fs::create_dir_all(path.join(directory)).unwrap();
        }
        let place = Place { path };
        let built = env!("CARGO_BIN_EXE_compose");
        if fs::hard_link(built, place.program()).is_err() {
            // Not this process: what another thread starts would have the file open for writing, and it could not run.
            assert!(Command::new("cp").arg(built).arg(place.program()).status().unwrap().success());
        }
        fs::write(place.path.join("share/composition.json"), composition.to_string()).unwrap();
        place
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.path.join("bin").join(NAME)
    }

    /// A file in the directory for data.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path.join("data").join(name)
    }

    /// The program, with few variables, in its directory for data.
    pub(crate) fn command(&self) -> Command {
        self.command_by(&[])
    }

    /// As [`Place::command`], but started by another program, such as nohup.
    pub(crate) fn command_by(&self, other: &[&str]) -> Command {
        // A shell ignores signals for what it starts in the background.
        let mut command = Command::new("env");
        command
            .arg("--default-signal")
            .args(other)
            .arg(self.program())
            .current_dir(self.data(""))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("XDG_RUNTIME_DIR", self.path.join("run"))
            .env("PLACE", &self.path);
        command
    }

    pub(crate) fn start(&self) -> Running<'_> {
        self.start_by(&mut self.command())
    }

    /// Starts a command with one pipe as its standard output and standard error.
    pub(crate) fn start_by(&self, command: &mut Command) -> Running<'_> {
        let (read, write) = std::io::pipe().unwrap();
        command.stdout(write.try_clone().unwrap()).stderr(write);
        let child = command.spawn().unwrap();
        // Else this process keeps the pipe open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in BufReader::new(read).split(b'\n') {
                let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
                lines.lock().unwrap().push(line);
            }
        });
        Running { place: self, child, log, reader: Some(reader) }
    }

    /// Starts a command whose output goes where it says.
    pub(crate) fn start_as_it_is(&self, command: &mut Command) -> Running<'_> {
        Running { place: self, child: command.spawn().unwrap(), log: Arc::default(), reader: None }
    }

    /// Runs it to its end; returns its exit status and its log.
    pub(crate) fn run(&self) -> (i32, String) {
        self.start().end()
    }

    /// Asks the instance that runs.
    pub(crate) fn ask(&self, question: &str, arguments: &[&str]) -> Output {
        self.command().env("COMPOSED", question).args(arguments).output().unwrap()
    }

    /// The processes that belong to this place, except the program's own.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let mark = self.path.to_string_lossy().into_owned();
        let own = format!("{}\0", self.program().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let text = |name| {
                String::from_utf8_lossy(&fs::read(entry.path().join(name)).unwrap_or_default())
                    .into_owned()
            };
            let directory = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            let line = text("cmdline");
            let is_here = directory.starts_with(&self.path)
                || text("environ").contains(&mark)
                || line.contains(&mark);
            if is_here && line != own {
                found.push((id, line.replace('\0', " ")));
            }
        }
        found
    }

    /// Fails if a process, a socket or a lock is left.
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.processes(), [], "processes are left");
        for directory in ["run", "data"] {
            let names = fs::read_dir(self.path.join(directory)).unwrap().flatten();
            let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let left: Vec<_> =
                names.filter(|name| directory == "run" || name.starts_with('.')).collect();
            assert!(left.is_empty(), "left in {directory}: {left:?}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Only after a test that has failed.
        for (id, _) in self.processes() {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A composition that runs.
pub(crate) struct Running<'a> {
    place: &'a Place,
    pub(crate) child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Running<'_> {
    pub(crate) fn id(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.id(), signal).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Waits for a text in the log.
    pub(crate) fn wait_for(&self, text: &str) {
        until(&format!("{text:?} in the log"), || {
            self.log().contains(text).then_some(()).ok_or_else(|| self.log())
        });
    }

    pub(crate) fn wait_ready(&self) {
        self.wait_for("all services are ready");
    }

    /// Waits for its end, after which nothing may be left; returns its exit status, as a shell has it, and its log.
    pub(crate) fn end(mut self) -> (i32, String) {
        let status = until("the end", || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(self.log()),
        });
        // A process that has the pipe would keep the reader.
        self.place.assert_nothing_left();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        (code.unwrap(), self.log())
    }

    /// Stops it by a signal; returns its exit status, its log and how long that took.
    pub(crate) fn stop(self, signal: Signal) -> (i32, String, Duration) {
        let since = Instant::now();
        self.signal(signal);
        let (code, log) = self.end();
        (code, log, since.elapsed())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Only after a test that has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition, which says what there is instead.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(instead) if Instant::now() > end => panic!("not {what}, but:\n{instead}"),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The arguments of a shell.
pub(crate) fn sh(script: &str) -> Value {
    json!(["sh", "-c", script])
}

/// The arguments of Python.
pub(crate) fn python(script: &str) -> Value {
    json!(["python3", "-u", "-c", script])
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Fails unless these texts are in the log, in this order.
pub(crate) fn assert_order(log: &str, texts: &[&str]) {
    let mut rest = log;
    for text in texts {
        let at = rest.find(text).unwrap_or_else(|| panic!("no {text:?} after these in\n{log}"));
        rest = &rest[at + text.len()..];
    }
}
