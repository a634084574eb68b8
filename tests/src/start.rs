//! A start of a program, set up down to the last descriptor, and the wait for its end.

use std::env::consts;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccompiler::{SeccompAction, SeccompFilter};

use crate::control_group::ControlGroup;
use crate::ended::Ended;
use crate::exec::{self, Plan};
use crate::root::{Root, c_string};
use crate::user::User;

/// The current directory of a program that starts.
#[derive(Clone, Debug)]
pub enum Directory {
    /// One that is there.
    At(PathBuf),
    /// `depth` directories of one name, made below the home directory.
    Deep {
        /// The name of each.
        name: CString,
        /// How many.
        depth: u32,
    },
    /// One that was removed after it became the current directory.
    Deleted(PathBuf),
}

/// How a program is started.
#[derive(Debug)]
#[must_use]
pub struct Start {
    plan: Plan,
    stdin: Vec<u8>,
}

/// A safety net, not a measurement: even on a busy machine nothing that a test starts takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(1800);

impl Start {
    pub(crate) fn new(program: PathBuf, root: &Arc<Root>, user: &User) -> Start {
        let home = user.home();
        let environment = [
            format!("HOME={}", home.display()),
            "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
            "LC_ALL=C.UTF-8".to_owned(),
        ];
        let plan = Plan {
            arguments: vec![c_string(&program)],
            environment: environment.map(|text| c_str(text.as_bytes())).into(),
            program: c_string(&program),
            home: c_string(home),
            root: Arc::clone(root),
            user_namespace: None,
            control_group: None,
            without_sys_admin: false,
            user: user.clone(),
            gids: user.gids(),
            directory: Directory::At(home.to_owned()),
            umask: 0o022,
            open: Vec::new(),
            closed: Vec::new(),
            ignored: Vec::new(),
            blocked: Vec::new(),
            limits: Vec::new(),
            filters: Vec::new(),
            writable: Vec::new(),
            may_refer: true,
            has_terminal: false,
        };
        Start { plan, stdin: Vec::new() }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Start {
        self.plan.arguments.push(c_str(argument.as_ref().as_bytes()));
        self
    }

    /// Adds arguments.
    pub fn args(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Start {
        arguments.into_iter().fold(self, Start::arg)
    }

    /// Sets all of argv, the program's name included; it may be empty.
    pub fn argv(mut self, arguments: &[&[u8]]) -> Start {
        self.plan.arguments = arguments.iter().map(|argument| c_str(argument)).collect();
        self
    }

    /// Adds a variable, or replaces it.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Start {
        self = self.without_env(name);
        let entry = [name.as_bytes(), b"=", value.as_ref().as_bytes()].concat();
        self.plan.environment.push(c_str(&entry));
        self
    }

    /// Removes a variable.
    pub fn without_env(mut self, name: &str) -> Start {
        let prefix = format!("{name}=");
        self.plan.environment.retain(|entry| !entry.to_bytes().starts_with(prefix.as_bytes()));
        self
    }

    /// Sets the whole environment: any strings, in this order.
    pub fn environment(mut self, entries: &[&[u8]]) -> Start {
        self.plan.environment = entries.iter().map(|entry| c_str(entry)).collect();
        self
    }

    /// Has another user start it.
    pub fn user(mut self, user: &User) -> Start {
        self.plan.user = user.clone();
        self.plan.gids = user.gids();
        self
    }

    /// Sets the current directory.
    pub fn directory(mut self, directory: Directory) -> Start {
        self.plan.directory = directory;
        self
    }

    /// Sets the file mode creation mask.
    pub fn umask(mut self, umask: u32) -> Start {
        self.plan.umask = umask;
        self
    }

    /// Hands a file over as descriptor `number`.
    pub fn open(mut self, number: RawFd, file: impl Into<OwnedFd>) -> Start {
        let file = exec::out_of_the_way(&file.into()).expect("duplicate a descriptor");
        self.plan.open.push((file, number));
        self
    }

    /// Closes a descriptor.
    pub fn close(mut self, number: RawFd) -> Start {
        self.plan.closed.push(number);
        self
    }

    /// Ignores a signal.
    pub fn ignore(mut self, signal: Signal) -> Start {
        self.plan.ignored.push(signal);
        self
    }

    /// Blocks a signal and sends it, so that it is pending.
    pub fn block(mut self, signal: Signal) -> Start {
        self.plan.blocked.push(signal);
        self
    }

    /// Sets a resource limit, soft and hard.
    pub fn limit(mut self, resource: Resource, soft: u64, hard: u64) -> Start {
        self.plan.limits.push((resource, soft, hard));
        self
    }

    /// Refuses system calls: a seccomp filter that is in force when the program starts.
    pub fn filter(mut self, calls: &[libc::c_long], action: SeccompAction) -> Start {
        let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
        let architecture = consts::ARCH.try_into().expect("seccompiler knows this machine");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture);
        let program = filter.and_then(TryInto::try_into).expect("the filter is a valid one");
        self.plan.filters.push(program);
        self
    }

    /// Has Landlock forbid to open files for writing, but for those below some directories.
    pub fn writable_only(mut self, directories: &[&str]) -> Start {
        self.plan.writable = directories.iter().map(|path| c_str(path.as_bytes())).collect();
        self
    }

    /// Has Landlock forbid to move files to another directory, as most sandboxes with it do, and nothing else.
    pub fn without_refer(self) -> Start {
        let mut start = self.writable_only(&["/"]);
        start.plan.may_refer = false;
        start
    }

    /// Enters a user namespace before the user becomes another one.
    pub fn user_namespace(mut self, namespace: OwnedFd) -> Start {
        self.plan.user_namespace = Some(namespace);
        self
    }

    /// Puts the program into a control group.
    pub fn control_group(mut self, group: &ControlGroup) -> Start {
        self.plan.control_group = Some(group.processes());
        self
    }

    /// Takes CAP_SYS_ADMIN away, as container engines do.
    pub fn without_sys_admin(mut self) -> Start {
        self.plan.without_sys_admin = true;
        self
    }

    /// What the program reads on stdin; nothing without it.
    pub fn stdin(mut self, bytes: &[u8]) -> Start {
        self.stdin = bytes.to_vec();
        self
    }

    /// Starts the program, and waits until it has ended.
    #[must_use]
    pub fn run(self) -> Ended {
        self.spawn().wait()
    }

    /// Starts the program.
    #[must_use]
    pub fn spawn(self) -> Running {
        let streams = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
        let Start { plan, stdin } = self;
        let mut child = spawn(plan, streams);
        let mut input = child.stdin.take().expect("stdin is a pipe");
        // A program that doesn't read its input is no error.
        thread::spawn(move || drop(input.write_all(&stdin)));
        let stdout = collect(child.stdout.take().expect("stdout is a pipe"));
        let stderr = collect(child.stderr.take().expect("stderr is a pipe"));
        Running { child, stdout, stderr }
    }

    /// Starts the program in a session of its own with a terminal as its standard streams.
    pub(crate) fn spawn_on(mut self, terminal: &File) -> Child {
        self.plan.has_terminal = true;
        let stream = || Stdio::from(terminal.try_clone().expect("duplicate a descriptor"));
        spawn(self.plan, [stream(), stream(), stream()])
    }
}

fn spawn(plan: Plan, [stdin, stdout, stderr]: [Stdio; 3]) -> Child {
    let name = plan.program.to_string_lossy().into_owned();
    // The plan executes the program itself, with an argv and an environment that Command can't hold.
    let mut command = Command::new("/nothing");
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    exec::instead(&mut command, plan);
    command.spawn().unwrap_or_else(|error| panic!("can't start {name}: {error}"))
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("read what the program writes");
        bytes
    })
}

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

impl Running {
    /// The process that was spawned.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid is an i32"));
        kill(pid, signal).expect("send a signal");
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("wait for a program").is_some()
    }

    /// Waits until it has ended, and nobody holds its streams any more.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let status = wait(&mut self.child);
        let text = |stream: JoinHandle<Vec<u8>>| stream.join().expect("the reader does not panic");
        Ended { status, stdout: text(self.stdout), stderr: text(self.stderr) }
    }
}

/// Waits for a process; one that never ends is killed, and fails the test.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("wait for a program") {
            return status;
        }
        thread::sleep(Duration::from_millis(2));
    }
    // Its end is not looked at: the test has failed.
    let _ = child.kill();
    panic!("the program hangs");
}

/// Repeats `look` until it finds something; if that never happens, the test fails with `what`.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("waited in vain: {what}");
}

fn c_str(bytes: &[u8]) -> CString {
    CString::new(bytes).expect("no NUL in strings for execve")
}
