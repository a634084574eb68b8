//! The caller sees how the program ended, not how the launcher did.

use nix::sys::resource::Resource;
use nix::sys::signal::Signal::{
    self, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
};
use tests::{Bundle, Host};

#[test]
fn every_exit_status_arrives() {
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        for status in 0..=255 {
            let ended = host.start(&program).args(["exit", &status.to_string()]).run();
            ended.expect_code(status);
            assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 0), "{status} on {host}");
        }
    }
}

#[test]
fn death_by_every_signal_arrives() {
    // These don't kill.
    let harmless = [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH];
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        for signal in Signal::iterator().filter(|signal| !harmless.contains(signal)) {
            let start = host.start(&program).args(["signal", &(signal as i32).to_string()]);
            let ended = start.limit(Resource::RLIMIT_CORE, 0, 0).run();
            ended.expect_signal(signal as i32);
            assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 0), "{signal} on {host}");
        }
    }
}
