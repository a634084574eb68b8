//! Processes that are unlike others.

use nix::libc::SYS_exit;
use nix::sys::signal::Signal;
use tests::until;

use super::hidden::HIDE;
use super::{Case, end, has_ended, last, number, python};
use crate::MODES;

/// Of a process whose first thread has ended, only the other threads say what they use.
#[test]
fn a_process_without_its_first_thread_is_found() {
    let exit = format!(
        "import ctypes, threading; threading.Thread(target=serve).start(); \
         ctypes.CDLL(None).syscall({SYS_exit}, 0)"
    );
    for mode in MODES {
        let case = Case::ordinary(&python(), mode);
        let running = case.serve(&[], &[&exit]);
        let server = last(running.pid());
        until("the first thread has ended", || has_ended(server).then_some(()));
        case.is_kept(&format!("in use by process {server} (python3)"));
        case.answers("colorsys");
        end(server);
        let _ = running.wait();
        case.is_cleared_by("clear");
    }
}

#[test]
fn any_name_is_shown_in_one_line() {
    for mode in MODES {
        let case = Case::ordinary(&python(), mode);
        let rename = r"import ctypes; ctypes.CDLL(None).prctl(15, b'a) (\n\x1b\\ b', 0, 0, 0)";
        let running = case.serve(&[], &[rename]);
        let server = last(running.pid());
        case.has_no_lease(server);
        case.is_kept(&format!(r"in use by process {server} (a) (\n\u{{1b}}\\ b)"));
        end(server);
        let _ = running.wait();
    }
}

/// A process that has ended uses nothing, even if nobody has waited for it. What it hid stays hidden.
#[test]
fn a_process_that_nobody_waits_for_keeps_nothing() {
    for mode in MODES {
        let case = Case::ordinary(&python(), mode);
        case.start("python3").arg("--version").run().expect_code(0);
        // Of the host's: the parent uses nothing.
        let parent = "import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:])
open('pid', 'w').write(str(child.pid))
time.sleep(1000)";
        let parent = case.host.start("/usr/bin/python3").args(["-c", parent]);
        let parent = parent.arg(&case.bundle).args(["-c", HIDE]).env("PACKED_MODE", mode).spawn();
        let child = number(&case.host.outside(case.host.home("pid")));
        until("the child has ended", || has_ended(child).then_some(()));
        case.is_cleared_by("clear");
        assert!(std::fs::exists(format!("/proc/{child}")).unwrap(), "its number is still taken");
        parent.signal(Signal::SIGKILL);
        parent.wait().expect_signal(9);
    }
}

/// A program that goes on in a new process again and again, each time in one that no list of processes had.
#[test]
fn a_process_that_changes_its_number_is_found() {
    const HOP: &str = "import os, time
os.closerange(3, 256)
while not os.path.exists('end'):
    if os.fork(): os._exit(0)
    time.sleep(0.001)
os.rename('end', 'ended')";
    for mode in MODES {
        let case = Case::ordinary(&python(), mode);
        let end = case.host.outside(case.host.home("end"));
        let running = case.start("python3").args(["-Bc", HOP]).spawn();
        // Its number changes when the first process ends.
        until("it runs", || has_ended(last(running.pid())).then_some(()));
        for _ in 0..20 {
            let said = case.clear("clear");
            assert!(
                said.starts_with("in use by process ") && said.contains(" (python3), "),
                "{said}"
            );
        }
        std::fs::write(&end, "").unwrap();
        until("it has ended", || end.with_file_name("ended").exists().then_some(()));
        let _ = running.wait();
        case.is_cleared_by("clear");
    }
}
