//! A virtual machine that runs a bundle on an older kernel, with systemd.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tests::{Bundle, Ended, run, source};

use crate::column::PACKED;
use crate::compositions;
use crate::debian_11::debian_11;

/// What the virtual machine needs.
pub(crate) const NEEDED: &[&str] = &["debootstrap", "mke2fs", "qemu-system-x86_64"];

/// The machine that many cells share, one at a time. The first one starts it, the last one ends it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<LazyLock<Mutex<VirtualMachine>>>);

impl Shared {
    /// It is not started yet.
    pub(crate) fn new() -> Shared {
        Shared(Arc::new(LazyLock::new(|| Mutex::new(VirtualMachine::boot()))))
    }

    /// The machine, without what another cell left.
    pub(crate) fn renewed(&self) -> MutexGuard<'_, VirtualMachine> {
        // After a failure in another cell it may still run.
        let mut machine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        machine.run(AS_NEW).expect_code(0);
        machine
    }
}

/// Takes away what another cell left: files, settings, services and users.
const AS_NEW: &str = "[ ! -e /run/systemd/system/bundle.service ] || \
    systemctl stop bundle.socket bundle 2>/dev/null; systemctl stop 'user@*'; \
    rm -rf /nix /home/alice /root/.cache /root/* /tmp/* /var/tmp/* /run/bundle && \
    rm -rf /run/systemd/system/bundle.* /run/systemd/system/*.bundle /run/systemd/system/*/bundle.conf /var/cache/private /var/lib/private && \
    find /var/cache /var/lib -lname 'private/*' -delete && \
    sed -i /^squatter:/d /etc/passwd && install -d -o alice -g alice /home/alice && \
    echo 1 >/proc/sys/kernel/unprivileged_userns_clone";

/// A machine with Debian 11, its kernel and its systemd as the first process, and the bundles at `/srv/<column>`.
///
/// Emulated: hardware that helps is not everywhere, and a kernel of this age doesn't start on all of it.
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

/// The kernel's parameters: the root directory is on a disk, as on a real machine.
const PARAMETERS: &str = "console=ttyS1 panic=-1 root=/dev/nvme0n1 rw init=/bin/sh -- -c \
    \"mount -t devtmpfs dev /dev && mount /dev/nvme0n2 /srv && exec /srv/machine.sh\"";

impl VirtualMachine {
    /// Starts it, and waits until it takes commands.
    pub(crate) fn boot() -> VirtualMachine {
        let files = tempfile::tempdir().expect("make a directory");
        let (log, srv) = (files.path().join("console"), files.path().join("staged"));
        fs::create_dir(&srv).expect("make a directory");
        for script in ["machine.sh", "request.sh", "serve.sh", "service.sh", "confined.pl"] {
            let hosts = source().join("tests/hosts");
            fs::copy(hosts.join(script), srv.join(script)).expect("copy a script");
        }
        PACKED.iter().for_each(|packed| packed.install_for_shell(&srv));
        compositions::install_for_shell(&srv);
        for mode in ["relocate", "namespace"] {
            let copy = srv.join(format!("probe-{mode}"));
            fs::copy(Bundle::probe_in(mode).path, copy).expect("copy a bundle");
        }
        let disk = |directory: &Path, name, size| {
            let path = files.path().join(name);
            let mut command = Command::new("mke2fs");
            command.args(["-q", "-t", "ext4", "-d"]).arg(directory).arg(&path).arg(size);
            // It announces the file that it makes.
            run(&mut command).expect_code(0);
            format!("if=none,format=raw,cache=unsafe,id={name},file={}", path.display())
        };
        let mut command = Command::new("timeout");
        command.args([LIFETIME, "qemu-system-x86_64", "-accel", "tcg", "-m", "1024"]);
        command.args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"]);
        command.arg("-serial").arg(format!("file:{}", log.display()));
        command.arg("-kernel").arg(debian_11().join("boot/vmlinuz"));
        command.args(["-append", PARAMETERS, "-device", "nvme,serial=1"]);
        // Sizes of files with holes.
        command.arg("-drive").arg(disk(&debian_11(), "root", "2G"));
        command.args(["-device", "nvme-ns,drive=root,nsid=1"]);
        command.arg("-drive").arg(disk(&srv, "srv", "500M"));
        command.args(["-device", "nvme-ns,drive=srv,nsid=2"]);
        let errors = File::create(files.path().join("qemu")).expect("make a file");
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut qemu = streams.spawn().expect("run timeout");
        let input = qemu.stdin.take().expect("stdin is a pipe");
        let output = BufReader::new(qemu.stdout.take().expect("stdout is a pipe"));
        let mut machine = VirtualMachine { qemu, input, output, files };
        assert_eq!(machine.line(), "ready", "{}", machine.log());
        let release = machine.run("uname -r").stdout();
        assert!(release.starts_with("5.10."), "another kernel: {release}");
        machine
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
