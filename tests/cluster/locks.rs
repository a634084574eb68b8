//! Where flock(2) does nothing, the rename makes it right: the lock only saves work.

use seccompiler::SeccompAction;
use tests::{Host, Nix, Store, User, say};

use crate::of_files;

/// How many are started at once.
const STARTS: usize = 24;

#[test]
fn first_starts_at_once_work_without_locks() {
    let store = Store::new();
    let bundle = of_files(&store, 300);
    // The call does nothing and succeeds, as on NFS with local_lock=none and a server without locks; or it is refused.
    let answers = [0, nix::libc::ENOLCK];
    for mode in ["relocate", "namespace"] {
        for answer in answers {
            let host = Host::new(User::ordinary(), Nix::Absent);
            let program = host.install(&bundle.path);
            let running: Vec<_> = (0..STARTS)
                .map(|_| {
                    let start =
                        host.start(&program).env("PACKED_MODE", mode).env("PACKED_LOG", "debug");
                    let action = SeccompAction::Errno(answer.unsigned_abs());
                    start.filter(&[nix::libc::SYS_flock], action).args(["files", "0"]).spawn()
                })
                .collect();
            let ended: Vec<_> = running.into_iter().map(|running| running.wait()).collect();
            let unpacked =
                ended.iter().filter(|ended| ended.stderr().contains("unpacking")).count();
            for one in &ended {
                one.expect_code(0);
                assert_eq!(one.stdout, ended[0].stdout, "{mode}");
            }
            say(&format!(
                "{STARTS} first starts without locks ({answer}), {mode}: {unpacked} unpacked"
            ));
            // All is right afterwards, and the leftovers of others are only theirs who were at work.
            let verify = host.start(&program).env("PACKED", "verify").run().stdout();
            assert!(verify.contains("store paths are whole"), "{verify}");
            let left = format!("find {} -name '.packed-*'", host.cache().display());
            assert_eq!(host.start("/bin/sh").args(["-c", &left]).run().stdout(), "", "{mode}");
        }
    }
}
