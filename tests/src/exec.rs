//! Between fork and exec: the one file of the harness with unsafe code.

#![allow(unsafe_code)]

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, raise, signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, chdir, execve, mkdir, setsid, write};
use seccompiler::{BpfProgram, apply_filter};

use crate::root::{Root, c_string};
use crate::start::Directory;
use crate::user::User;

/// Everything that is set up between fork and exec.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) program: CString,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) home: CString,
    pub(crate) root: Arc<Root>,
    pub(crate) user_namespace: Option<OwnedFd>,
    pub(crate) control_group: Option<OwnedFd>,
    pub(crate) without_sys_admin: bool,
    pub(crate) user: User,
    pub(crate) gids: Vec<Gid>,
    pub(crate) directory: Directory,
    pub(crate) umask: u32,
    pub(crate) open: Vec<(OwnedFd, RawFd)>,
    pub(crate) closed: Vec<RawFd>,
    pub(crate) ignored: Vec<Signal>,
    pub(crate) blocked: Vec<Signal>,
    pub(crate) limits: Vec<(Resource, u64, u64)>,
    pub(crate) filters: Vec<BpfProgram>,
    pub(crate) writable: Vec<CString>,
    pub(crate) may_refer: bool,
    pub(crate) has_terminal: bool,
}

/// Makes `command` run the plan and its program instead of its own.
pub(crate) fn instead(command: &mut Command, plan: Plan) {
    let directory = match &plan.directory {
        Directory::At(path) | Directory::Deleted(path) => c_string(path),
        Directory::Deep { name, .. } => name.clone(),
    };
    let carry_out = move || {
        let Err(errno) = run(&plan, &directory);
        Err(io::Error::from(errno))
    };
    // SAFETY: the closure makes system calls on strings and descriptors that were made before the fork.
    // execve's two arrays are allocated in the child, which glibc and musl allow after a fork.
    unsafe { command.pre_exec(carry_out) };
}

fn run(plan: &Plan, directory: &CString) -> nix::Result<Infallible> {
    if plan.has_terminal {
        setsid()?;
        // SAFETY: the request takes an integer; descriptor 0 is the terminal.
        Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
    }
    if let Some(processes) = &plan.control_group {
        // 0 is the process that writes. cgroups(7)
        write(processes, b"0")?;
    }
    plan.root.enter()?;
    if let Some(namespace) = &plan.user_namespace {
        setns(namespace, CloneFlags::CLONE_NEWUSER)?;
    }
    for (resource, soft, hard) in &plan.limits {
        setrlimit(*resource, *soft, *hard)?;
    }
    if plan.without_sys_admin {
        drop_sys_admin()?;
    }
    plan.user.become_user(&plan.gids)?;
    enter_directory(plan, directory)?;
    umask(Mode::from_bits_truncate(plan.umask));
    descriptors(plan)?;
    signals(plan)?;
    if !plan.writable.is_empty() {
        landlock(&plan.writable, plan.may_refer)?;
    }
    for filter in &plan.filters {
        apply_filter(filter).map_err(|_| Errno::last())?;
    }
    execve(&plan.program, &plan.arguments, &plan.environment)
}

/// Takes CAP_SYS_ADMIN away for good: what root executes gets the bounding and the inheritable set.
/// capabilities(7)
fn drop_sys_admin() -> nix::Result<()> {
    const CAP_SYS_ADMIN: libc::c_ulong = 21;
    // SAFETY: the request takes an integer.
    Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_ADMIN) })?;
    // Version 3, this process; the effective, permitted and inheritable set in two halves. capset(2)
    let (header, mut sets) = ([0x2008_0522_u32, 0], [[0_u32; 3]; 2]);
    // SAFETY: the call reads two integers and writes six.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw const header, &raw mut sets) })?;
    sets[0].iter_mut().for_each(|set| *set &= !(1 << CAP_SYS_ADMIN));
    // SAFETY: the call reads two integers and six.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) })
        .map(drop)
}

/// Forbids this process to open files for writing, but for those below `writable`. landlock(7)
///
/// What a domain doesn't handle is allowed, but for one: to move or link a file to another directory it must handle
/// LANDLOCK_ACCESS_FS_REFER and allow it (`may_refer`).
fn landlock(writable: &[CString], may_refer: bool) -> nix::Result<()> {
    const RULE_PATH_BENEATH: libc::c_int = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        allowed_access: u64,
        parent: RawFd,
    }
    const WRITE_FILE: u64 = 1 << 1;
    const REFER: u64 = 1 << 13;
    let access = if may_refer { WRITE_FILE | REFER } else { WRITE_FILE };
    set_no_new_privs()?;
    let size = size_of_val(&access);
    // SAFETY: the call reads one integer of this size, and returns a descriptor.
    let ruleset = Errno::result(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const access, size, 0)
    })?;
    for path in writable {
        let directory = open(path.as_c_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        let rule = PathBeneath { allowed_access: access, parent: directory.as_raw_fd() };
        // SAFETY: the call reads a structure of this layout.
        Errno::result(unsafe {
            let rule = &raw const rule;
            libc::syscall(libc::SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, rule, 0)
        })?;
    }
    // SAFETY: the call takes integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) }).map(drop)
}

fn enter_directory(plan: &Plan, path: &CString) -> nix::Result<()> {
    let mode = Mode::from_bits_truncate(0o755);
    match plan.directory {
        Directory::At(_) => chdir(path.as_c_str()),
        Directory::Deleted(_) => {
            mkdir(path.as_c_str(), mode)?;
            chdir(path.as_c_str())?;
            // SAFETY: the string is NUL-terminated.
            Errno::result(unsafe { libc::rmdir(path.as_ptr()) }).map(drop)
        }
        Directory::Deep { depth, .. } => {
            chdir(plan.home.as_c_str())?;
            for _ in 0..depth {
                match mkdir(path.as_c_str(), mode) {
                    Ok(()) | Err(Errno::EEXIST) => chdir(path.as_c_str())?,
                    Err(errno) => return Err(errno),
                }
            }
            Ok(())
        }
    }
}

fn descriptors(plan: &Plan) -> nix::Result<()> {
    // What the test's process has inherited itself, such as make's jobserver, is nobody's business.
    // SAFETY: the call takes integers, and sets a flag only.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })?;
    for (file, number) in &plan.open {
        // SAFETY: the child's descriptors belong to nobody else, and it ends or executes right after.
        Errno::result(unsafe { libc::dup2(file.as_raw_fd(), *number) })?;
    }
    for number in &plan.closed {
        // SAFETY: as above.
        Errno::result(unsafe { libc::close(*number) })?;
    }
    Ok(())
}

fn signals(plan: &Plan) -> nix::Result<()> {
    // Whoever runs the tests may ignore some: what nohup(1) and a shell's background jobs do.
    for default in Signal::iterator().filter(|signal| !matches!(signal, SIGKILL | SIGSTOP)) {
        // SAFETY: SIG_DFL is no handler: no code runs.
        unsafe { signal(default, SigHandler::SigDfl) }?;
    }
    for ignored in &plan.ignored {
        // SAFETY: SIG_IGN is no handler: no code runs.
        unsafe { signal(*ignored, SigHandler::SigIgn) }?;
    }
    let blocked: SigSet = plan.blocked.iter().copied().collect();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&blocked), None)?;
    plan.blocked.iter().try_for_each(|signal| raise(*signal))
}

/// Duplicates a descriptor to a number that no test hands over.
pub(crate) fn out_of_the_way(file: &OwnedFd) -> nix::Result<OwnedFd> {
    const FIRST: RawFd = 512;
    let number = fcntl(file, FcntlArg::F_DUPFD_CLOEXEC(FIRST))?;
    // SAFETY: the descriptor was made by the call above and is owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
