//! Virtual machines that run bundles on kernels that are not the machine's own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tests::{Ended, source};

/// What a virtual machine is made of.
pub(crate) struct Model {
    /// What it needs and `make test` does not install.
    pub(crate) needed: &'static [&'static str],
    /// What its kernel's release begins with.
    pub(crate) release: &'static str,
    /// A command that takes away what another cell left: files, settings, services and users.
    pub(crate) as_new: &'static str,
    /// Puts what it runs below a directory, which it has as /srv.
    pub(crate) install: fn(&Path),
    /// qemu's command, given what is to be its /srv and a directory for more files. Its stdin and stdout are the
    /// serial port at which `machine.sh` waits for commands.
    pub(crate) emulator: fn(&Path, &Path) -> Command,
}

/// A machine that many cells share, one at a time. The first one starts it, the last one ends it.
#[derive(Clone)]
pub(crate) struct Shared {
    /// What it is made of.
    pub(crate) model: &'static Model,
    machine: Arc<LazyLock<Mutex<VirtualMachine>, Boot>>,
}

/// Starts a machine.
type Boot = Box<dyn FnOnce() -> Mutex<VirtualMachine> + Send>;

impl Shared {
    /// It is not started yet.
    pub(crate) fn new(model: &'static Model) -> Shared {
        let boot = move || Mutex::new(VirtualMachine::boot(model));
        Shared { model, machine: Arc::new(LazyLock::new(Box::new(boot))) }
    }

    /// The machine, without what another cell left.
    pub(crate) fn renewed(&self) -> MutexGuard<'_, VirtualMachine> {
        // After a failure in another cell it may still run.
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.run(self.model.as_new).expect_code(0);
        machine
    }
}

/// A machine that runs, with the bundles at `/srv/<column>`.
///
/// Emulated: hardware that helps is not everywhere, and an older kernel doesn't start on all of it.
pub(crate) struct VirtualMachine {
    qemu: Child,
    /// The serial port, at which `machine.sh` waits for commands.
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Its disks, and what the kernel says.
    files: TempDir,
}

/// Seconds after which the machine is killed, if nobody ended it before. All its tests together take a tenth of that.
const LIFETIME: &str = "14400";

impl VirtualMachine {
    fn boot(model: &Model) -> VirtualMachine {
        let files = tempfile::tempdir().expect("make a directory");
        let srv = files.path().join("staged");
        fs::create_dir(&srv).expect("make a directory");
        for script in ["machine.sh", "request.sh", "serve.sh"] {
            install_script(script, &srv);
        }
        (model.install)(&srv);
        let emulator = (model.emulator)(&srv, files.path());
        let mut command = Command::new("timeout");
        command.arg(LIFETIME).arg(emulator.get_program()).args(emulator.get_args());
        command.args(["-accel", "tcg", "-nodefaults", "-display", "none", "-no-reboot"]);
        command.args(["-serial", "stdio"]);
        command.arg("-serial").arg(format!("file:{}", files.path().join("console").display()));
        let errors = File::create(files.path().join("qemu")).expect("make a file");
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut qemu = streams.spawn().expect("run timeout");
        let input = qemu.stdin.take().expect("stdin is a pipe");
        let output = BufReader::new(qemu.stdout.take().expect("stdout is a pipe"));
        let mut machine = VirtualMachine { qemu, input, output, files };
        machine.wait();
        let release = machine.run("uname -r").stdout();
        assert!(release.starts_with(model.release), "another kernel: {release}");
        machine
    }

    /// Waits until it takes commands.
    fn wait(&mut self) {
        // The kernel may say something here, until then.
        let mut said = String::new();
        loop {
            let line = self.line();
            if line.ends_with("ready") {
                return;
            }
            said = said + &line + "\n";
            // No line is empty, but for that at the end.
            assert!(!line.is_empty(), "{said}{}", self.log());
        }
    }

    /// Runs a command of bash, a single line, as root.
    pub(crate) fn run(&mut self, command: &str) -> Ended {
        writeln!(self.input, "{command}").expect("the machine takes commands");
        let line = self.line();
        let [status, stdout, stderr] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("no answer: {line:?}\n{}", self.log());
        };
        let code: i32 = status.parse().expect("an exit status is a number");
        // As wait(2) has it.
        let status = ExitStatus::from_raw(code << 8);
        Ended { status, stdout: bytes(stdout), stderr: bytes(stderr) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("read from the machine");
        line.trim_end().to_owned()
    }

    fn log(&self) -> String {
        let read = |name| fs::read(self.files.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("console"), read("qemu")].concat()).into_owned()
    }
}

impl Drop for VirtualMachine {
    fn drop(&mut self) {
        let pid = self.qemu.id().try_into().expect("a pid is an i32");
        // By a signal that timeout hands on. What happens is seen by nobody any more.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        drop(self.qemu.wait());
    }
}

/// What hexadecimal digits behind an `x` stand for.
fn bytes(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let all: Option<Vec<u8>> = digits.as_bytes()[1..].chunks(2).map(byte).collect();
    all.expect("hexadecimal digits")
}

/// Puts a script of this directory into another one.
pub(crate) fn install_script(name: &str, directory: &Path) {
    let script = source().join("tests/hosts").join(name);
    fs::copy(script, directory.join(name)).expect("copy a script");
}
