//! A service at run time: its process, its pipes and what state it is in.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User};

use crate::composition::{Check, Ready, Service, When};
use crate::directories::{Run, make_private, own};
use crate::error::{Error, Result};
use crate::guard::MARK;
use crate::output::Stream;
use crate::placeholders::Placeholders;

/// Lines of each service that are kept.
const KEPT: usize = 1000;

/// Bytes of a line; a longer one is cut into several.
const LINE_LEN: usize = 16 << 10;

/// A service that was ready for so long begins anew with its delays.
const STEADY: Duration = Duration::from_secs(10);

/// What a service is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It waits for others.
    Waiting,
    /// It runs, and is not ready yet.
    Starting {
        /// When it has failed.
        until: Option<Instant>,
    },
    /// It runs, and others may use it.
    Ready,
    /// It is started again at this time.
    Delayed(Instant),
    /// It was told to stop, and is killed at this time.
    Stopping(Instant),
    /// It has ended, and is not started again.
    Ended(Ended),
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was never started.
    Never,
    /// With this exit status.
    Status(i32),
    /// By the signal with this number.
    Signal(i32),
    /// It was not ready in time.
    Late,
    /// It ended with the status 0 before it was ready.
    Early,
}

impl Ended {
    /// The exit status that a shell would give: 128 and the number of a signal.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Ended::Never => 0,
            Ended::Status(status) => u8::try_from(status & 0xff).unwrap_or(1),
            Ended::Signal(signal) => u8::try_from(128 + signal).unwrap_or(255),
            Ended::Late | Ended::Early => 1,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Never => f.write_str("not started"),
            Ended::Status(status) => write!(f, "exit status {status}"),
            Ended::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {number}"),
            },
            Ended::Late => f.write_str("not ready in time"),
            Ended::Early => f.write_str("ended before it was ready"),
        }
    }
}

/// A stream of a service.
#[derive(Debug)]
pub struct Pipe {
    /// The end that is read.
    pub file: OwnedFd,
    /// What came behind the last line.
    part: Vec<u8>,
}

/// A service.
#[derive(Debug)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// What the composition says of it, with all placeholders replaced.
    pub service: Service,
    /// What it is doing.
    pub state: State,
    /// When that began.
    pub since: Instant,
    /// Its process, which leads a process group of its own.
    pub process: Option<Pid>,
    /// How that has ended, if it was told to stop and others of its group have not.
    pub ended: Option<Ended>,
    /// Whether it is stopped because it was not ready in time.
    pub is_late: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// How often in a row.
    in_a_row: u32,
    /// Its standard output and standard error.
    pub pipes: [Option<Pipe>; 2],
    /// Its last lines.
    pub lines: VecDeque<String>,
    /// Where it says that it is ready.
    pub notify: Option<UnixDatagram>,
    /// A command that asks whether it is ready.
    pub asking: Option<Pid>,
    /// Whether a thread asks whether it is ready.
    pub is_asked: bool,
    /// When to ask next.
    pub ask_at: Option<Instant>,
    /// What was seen when it was asked last.
    pub seen: String,
    /// Whether to start it again when it has stopped: somebody asked for that.
    pub again: bool,
    directory: PathBuf,
    variables: Vec<(String, String)>,
    user: Option<User>,
}

impl Unit {
    /// Prepares a service: replaces placeholders, makes its directory for data, writes its files.
    ///
    /// # Errors
    ///
    /// If a placeholder stands for nothing, a directory or file cannot be written, or there is no such user.
    pub fn prepare(
        name: &str,
        service: &Service,
        placeholders: &Placeholders,
        state: &Path,
        run: &Run,
    ) -> Result<Unit> {
        let mut service = service.clone();
        let user = run.user.as_ref().filter(|_| service.user.is_some());
        let own = |path: &Path| own(path, user);
        let directory = match &service.state {
            Some(name) => state.join(name),
            None => state.to_owned(),
        };
        if service.state.is_some() {
            make_private(&directory, user)?;
        }
        let mut placeholders = placeholders.clone();
        placeholders.set("STATE", directory.to_string_lossy());
        service.fill(name, &placeholders)?;
        if let Some(Ready { check: Check::Unix(path), .. }) = &mut service.ready {
            // A relative path is one in the directory for sockets.
            *path = run.socket(path)?.to_string_lossy().into_owned();
        }
        for (file, text) in &service.configs {
            let path = run.path.join(file);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(Error::file("make", parent))?;
            }
            fs::write(&path, text).map_err(Error::file("write", &path))?;
            path.ancestors().take_while(|above| *above != run.path).try_for_each(own)?;
        }
        // As a login has it: environ(7).
        let of_user = |user: &User| {
            let home = user.dir.to_string_lossy().into_owned();
            [("HOME", home), ("USER", user.name.clone()), ("LOGNAME", user.name.clone())]
        };
        let of_user = user.map(of_user).into_iter().flatten();
        let mut variables: Vec<_> = of_user
            .map(|(name, value)| (name.to_owned(), value))
            .chain(service.env.clone())
            .collect();
        variables.push((MARK.to_owned(), run.path.to_string_lossy().into_owned()));
        let notify = match service.ready.as_ref().map(|ready| &ready.check) {
            Some(Check::Notify) => {
                let path = run.socket(&format!("{name}.notify"))?;
                let socket = UnixDatagram::bind(&path).map_err(Error::file("make", &path))?;
                socket.set_nonblocking(true).map_err(Error::file("use", &path))?;
                own(&path)?;
                variables.push(("NOTIFY_SOCKET".to_owned(), path.to_string_lossy().into_owned()));
                Some(socket)
            }
            _ => None,
        };
        Ok(Unit {
            name: name.to_owned(),
            service,
            state: State::Waiting,
            since: Instant::now(),
            process: None,
            ended: None,
            is_late: false,
            restarts: 0,
            in_a_row: 0,
            pipes: [None, None],
            lines: VecDeque::new(),
            notify,
            asking: None,
            is_asked: false,
            ask_at: None,
            seen: String::new(),
            again: false,
            directory,
            variables,
            user: user.cloned(),
        })
    }

    /// Whether what waits for it may start.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready | State::Ended(Ended::Status(0)))
    }

    /// Whether it has a process.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Its name, its program and the directory in which that runs, for messages.
    #[must_use]
    pub fn place(&self) -> (&str, &str, std::path::Display<'_>) {
        (&self.name, &self.service.argv[0], self.directory.display())
    }

    /// The next message at its `NOTIFY_SOCKET`.
    pub fn heard(&mut self) -> Option<String> {
        let mut buffer = [0; 4096];
        let len = self.notify.as_ref()?.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    }

    /// Changes the state.
    pub fn enter(&mut self, state: State) {
        self.state = state;
        self.since = Instant::now();
    }

    fn command(&self, argv: &[String]) -> Command {
        let (program, arguments) = argv.split_first().expect("a service has a program");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory).process_group(0);
        // They are between this process and systemd.
        const SYSTEMD: [&str; 6] = [
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
            "LISTEN_PID",
            "LISTEN_FDS",
            "LISTEN_FDNAMES",
        ];
        for name in SYSTEMD {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Starts its process.
    ///
    /// # Errors
    ///
    /// What execve(2) or pipe(2) say.
    pub fn start(&mut self) -> io::Result<Pid> {
        let mut command = self.command(&self.service.argv);
        command.stdin(Stdio::null());
        let mut ends = Vec::new();
        for number in [0, 1] {
            let (read, write) = io::pipe()?;
            match number {
                0 => command.stdout(write),
                _ => command.stderr(write),
            };
            let file = OwnedFd::from(read);
            fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            ends.push(Some(Pipe { file, part: Vec::new() }));
        }
        let child = command.spawn()?;
        let process = pid(child.id());
        for (pipe, end) in self.pipes.iter_mut().zip(ends) {
            *pipe = end;
        }
        self.process = Some(process);
        self.is_late = false;
        let now = Instant::now();
        let ready = self.service.ready.as_ref();
        self.ask_at = ready.map(|_| now);
        match ready {
            Some(ready) => {
                self.seen = match &ready.check {
                    Check::Tcp(at) | Check::Unix(at) | Check::Http(at, _) => {
                        format!("{at}: no answer")
                    }
                    Check::Exec(argv) => format!("{}: no answer", argv[0]),
                    Check::Log(text) => format!("no line with {text:?}"),
                    Check::Notify => "no READY=1 at NOTIFY_SOCKET".to_owned(),
                };
                let until = now.checked_add(ready.timeout);
                self.enter(State::Starting { until });
            }
            None if self.service.oneshot => self.enter(State::Starting { until: None }),
            None => self.enter(State::Ready),
        }
        Ok(process)
    }

    /// Starts a command that asks whether it is ready.
    ///
    /// # Errors
    ///
    /// What execve(2) says.
    pub fn ask_by(&mut self, argv: &[String]) -> io::Result<()> {
        let mut command = self.command(argv);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.asking = Some(pid(command.spawn()?.id()));
        Ok(())
    }

    /// Sends a signal to its process and those that it started, except those that left its group.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = self.process {
            // It may have ended.
            let _ = killpg(process, signal);
        }
    }

    /// Whether a process is left in its group.
    #[must_use]
    pub fn has_group(&self) -> bool {
        self.process.is_some_and(|process| killpg(process, None).is_ok())
    }

    /// Tells it to stop.
    pub fn stop(&mut self) {
        self.signal(self.service.stop.signal.0);
        // A stopped process must be able to end.
        self.signal(Signal::SIGCONT);
        let now = Instant::now();
        let until = now.checked_add(self.service.stop.timeout);
        self.enter(State::Stopping(until.unwrap_or(now)));
    }

    /// Decides what comes after an end that nobody asked for; `None` if it has ended for good.
    pub fn next(&mut self, ended: Ended) -> Option<Duration> {
        let restart = &self.service.restart;
        if self.since.elapsed() >= STEADY && self.state == State::Ready {
            self.in_a_row = 0;
        }
        let is_failure = ended != Ended::Status(0);
        let again = match restart.when {
            When::No => false,
            When::OnFailure => is_failure,
            When::Always => !self.service.oneshot || is_failure,
        };
        if !again || restart.limit.is_some_and(|limit| self.in_a_row >= limit) {
            return None;
        }
        let delay = restart.delay.saturating_mul(1 << self.in_a_row.min(31)).min(restart.max_delay);
        self.in_a_row += 1;
        self.restarts += 1;
        Some(delay)
    }

    /// Reads some of a stream; returns its whole lines, or `None` if there is nothing to read now.
    pub fn read(&mut self, stream: Stream) -> Option<Vec<String>> {
        let pipe = self.pipes[stream as usize].as_mut()?;
        let mut buffer = [0; 8192];
        let len = match nix::unistd::read(&pipe.file, &mut buffer) {
            Ok(len) => len,
            Err(Errno::EAGAIN | Errno::EINTR) => return None,
            Err(_) => 0,
        };
        pipe.part.extend_from_slice(&buffer[..len]);
        let lines = lines(&mut pipe.part);
        if len > 0 {
            return Some(self.keep(lines));
        }
        let last = self.flush(stream);
        self.pipes[stream as usize] = None;
        Some(last)
    }

    /// Returns what came behind the last line of a stream, if there is any.
    pub fn flush(&mut self, stream: Stream) -> Vec<String> {
        let pipe = self.pipes[stream as usize].as_mut();
        let part = pipe.map(|pipe| std::mem::take(&mut pipe.part)).filter(|part| !part.is_empty());
        self.keep(part.iter().map(|part| text(part)).collect())
    }

    fn keep(&mut self, lines: Vec<String>) -> Vec<String> {
        self.lines.extend(lines.iter().cloned());
        self.lines.drain(..self.lines.len().saturating_sub(KEPT));
        lines
    }
}

/// Takes the whole lines; one that is too long is cut between two characters of UTF-8.
fn lines(part: &mut Vec<u8>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = &part[..];
    loop {
        let (line, len) = match rest.iter().take(LINE_LEN + 1).position(|byte| *byte == b'\n') {
            Some(at) => (&rest[..at], at + 1),
            None if rest.len() > LINE_LEN => {
                let begins = |at: &usize| rest[*at] & 0b1100_0000 != 0b1000_0000;
                let at = (LINE_LEN - 3..=LINE_LEN).rev().find(begins).unwrap_or(LINE_LEN);
                (&rest[..at], at)
            }
            None => break,
        };
        lines.push(text(line));
        rest = &rest[len..];
    }
    let taken = part.len() - rest.len();
    part.drain(..taken);
    lines
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().expect("a process's number is an i32"))
}
