//! What else a process hands on to the program that it becomes.

use nix::sys::resource::{RLIM_INFINITY, Resource};
use tests::{Host, assert_same_start};

#[test]
fn the_umask_stays() {
    for host in Host::every() {
        for umask in [0, 0o022, 0o027, 0o077, 0o177, 0o777] {
            let report = assert_same_start(&host, |start| start.umask(umask));
            assert_eq!(report.get("status Umask"), Some(format!("{umask:04o}").as_str()));
        }
    }
}

#[test]
fn a_first_start_works_under_every_umask() {
    for umask in [0, 0o077, 0o777] {
        for host in Host::every() {
            assert_same_start(&host, |start| start.umask(umask));
        }
    }
}

#[test]
fn resource_limits_stay() {
    const MIB: u64 = 1 << 20;
    let cases = [
        (Resource::RLIMIT_CORE, 0, RLIM_INFINITY),
        (Resource::RLIMIT_NOFILE, 64, 256),
        (Resource::RLIMIT_NOFILE, 4096, 4096),
        (Resource::RLIMIT_STACK, MIB, 2 * MIB),
        (Resource::RLIMIT_STACK, RLIM_INFINITY, RLIM_INFINITY),
        (Resource::RLIMIT_CPU, 100, 200),
        (Resource::RLIMIT_FSIZE, 64 * MIB, 128 * MIB),
        (Resource::RLIMIT_MEMLOCK, 0, 0),
        (Resource::RLIMIT_SIGPENDING, 7, 7),
    ];
    for host in Host::every() {
        for (resource, soft, hard) in cases {
            assert_same_start(&host, |start| start.limit(resource, soft, hard));
        }
    }
}
