//! Where /proc does not tell who uses what: what may be in use is kept unless forced.

use tests::{Change, Host, Nix, User, until};

use super::{Case, end, last, python, with_python};
use crate::MODES;

/// What a program does to take another name, as tmux's server.
const RENAME: &str = "import ctypes; ctypes.CDLL(None).prctl(15, b'another', 0, 0, 0)";

/// What a program does to hide its files, as ssh-agent.
pub(super) const HIDE: &str = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)";

/// What the user's processes outside of a sandbox are to those in it.
const UNSEEN: &str = "perhaps in use by a process that /proc does not show here";

/// Whether a program can hide from its user: not in a namespace of users, which belongs to who made it.
fn may_hide(mode: &str) -> bool {
    mode == "relocate"
}

#[test]
fn an_agent_that_hides_is_kept_unless_forced() {
    let bundle = with_python("package.openssh-client", &["/bin/ssh-agent"], &[]);
    for mode in MODES {
        let case = Case::ordinary(&bundle, mode);
        case.start("python3").arg("--version").run().expect_code(0);
        let agent = case.launch(&case.path("bin/ssh-agent"), &["-D", "-a", "socket"]);
        let socket = case.host.outside(case.host.home("socket"));
        until("the agent listens", || socket.exists().then_some(()));
        case.has_no_lease(agent);
        let process = format!("in use by process {agent} (ssh-agent)");
        if may_hide(mode) {
            case.is_perhaps_kept(&format!("perhaps {process}, which hides its files"));
            case.is_cleared_by("clear=force");
            end(agent);
        } else {
            case.is_kept(&process);
            end(agent);
            case.is_cleared_by("clear");
        }
    }
}

/// The kernel lets the user who made a namespace of processes look into it.
#[test]
fn a_program_in_another_namespace_of_processes_is_found() {
    let bundle = python();
    let unshare = ["/usr/bin/unshare", "--user", "--map-current-user", "--pid", "--fork"];
    let bwrap = ["/usr/bin/bwrap", "--unshare-pid", "--dev-bind", "/", "/", "--proc", "/proc"];
    for mode in MODES {
        for sandbox in [&unshare[..], &bwrap] {
            let case = Case::ordinary(&bundle, mode);
            let running = case.serve(sandbox, &[]);
            let server = last(running.pid());
            case.has_no_lease(server);
            case.is_kept(&format!("in use by process {server} (python3)"));
            case.answers("colorsys");
            end(server);
            let _ = running.wait();
            case.is_cleared_by("clear");
        }
    }
}

#[test]
fn a_program_outside_of_the_sandbox_is_kept_unless_forced() {
    const SANDBOXES: [&[&str]; 3] = [
        // It shows no process of the host's.
        &["/usr/bin/bwrap", "--unshare-pid", "--dev-bind", "/", "/", "--proc", "/proc"],
        // It shows the host's processes, but the user may not look at what runs outside of the namespace of users.
        &["/usr/bin/bwrap", "--unshare-pid", "--dev-bind", "/", "/"],
        &["/usr/bin/bwrap", "--dev-bind", "/", "/"],
    ];
    let bundle = python();
    for mode in MODES {
        for sandbox in SANDBOXES {
            let case = Case { sandbox, ..Case::ordinary(&bundle, mode) };
            let running = case.serve(&[], &[RENAME]);
            let server = last(running.pid());
            case.has_no_lease(server);
            match sandbox.contains(&"--proc") {
                true => case.is_perhaps_kept(UNSEEN),
                // Its command line is there.
                false => case.is_perhaps_kept(&renamed(server)),
            }
            case.answers("colorsys");
            case.is_cleared_by("clear=force");
            end(server);
            let _ = running.wait();
        }
    }
}

/// Its command line has the path of its program.
#[test]
fn a_program_that_hides_under_another_name_is_kept() {
    let bundle = python();
    for mode in MODES.into_iter().filter(|mode| may_hide(mode)) {
        let case = Case::ordinary(&bundle, mode);
        let running = case.serve(&[], &[RENAME, HIDE]);
        let server = last(running.pid());
        case.has_no_lease(server);
        case.is_perhaps_kept(&renamed(server));
        case.answers("colorsys");
        end(server);
        let _ = running.wait();
        case.is_cleared_by("clear");
    }
}

fn renamed(server: i32) -> String {
    format!("perhaps in use by process {server} (another), which hides its files")
}

/// Without its own processes that hide, and those of others, a user cannot know.
#[test]
fn hidepid_keeps_what_may_be_in_use() {
    let bundle = python();
    for mode in MODES {
        for hides in [false, true] {
            let proc =
                Change::Mount { kind: "proc", at: "/proc".into(), options: "hidepid=2".to_owned() };
            let host = Host::changed(User::ordinary(), Nix::Absent, &[proc]);
            let case = Case::new(host, &bundle, mode);
            let running = case.serve(&[], if hides { &[HIDE] } else { &[] });
            let server = last(running.pid());
            case.has_no_lease(server);
            match hides && may_hide(mode) {
                false => case.is_kept(&format!("in use by process {server} (python3)")),
                true => case.is_perhaps_kept(UNSEEN),
            }
            case.answers("colorsys");
            end(server);
            let _ = running.wait();
            // Still nobody knows.
            case.is_perhaps_kept(UNSEEN);
            case.is_cleared_by("clear=force");
        }
    }
}
