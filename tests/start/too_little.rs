//! Too low limits: a start works, or says which limit to raise.

use nix::sys::resource::Resource;
use tests::{Bundle, Closure, ControlGroup, Ended, Host, Start};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Frames of 16 MiB: two threads need 41 MiB for them.
fn bundle() -> Bundle {
    let closure = Closure::example("python-example");
    Bundle::of(&closure).entry("/bin/python-example").option("--level", "3").pack()
}

/// Whether the program ran; else the launcher named this limit.
fn ran(ended: &Ended, hint: &str) -> bool {
    if ended.status.success() {
        assert!(ended.text().contains("\"answer\": 42"), "{ended:?}");
        return true;
    }
    let (_, said) = ended.refusal();
    assert_eq!(said, format!("hint: {hint}"));
    false
}

/// Starts a bundle first and once more with lower and lower limits, and returns how often it ran.
fn count(
    values: &[u64],
    hint: &str,
    limit: impl Fn(Start, u64) -> Start,
) -> Vec<(u64, bool, bool)> {
    let bundle = bundle();
    let start = |value: &u64| {
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        let run = || ran(&limit(host.start(&program), *value).run(), hint);
        let first = run();
        if !first {
            host.start(&program).run().expect_code(0);
        }
        (*value, first, run())
    };
    values.iter().map(start).collect()
}

#[test]
fn open_files() {
    let hint = "raise the limit of open files: ulimit -n 64";
    let counted = count(&[4, 5, 6, 7, 8, 10, 16], hint, |start, limit| {
        start.limit(Resource::RLIMIT_NOFILE, limit, limit)
    });
    assert_eq!(counted[0], (4, false, false));
    assert_eq!(counted[5..], [(10, true, true), (16, true, true)], "{counted:?}");
}

#[test]
fn memory() {
    let bundle = bundle();
    let (data, space) = (Resource::RLIMIT_DATA, Resource::RLIMIT_AS);
    for (resource, option) in [(data, "-d"), (space, "-v")] {
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        let start = |limit| host.start(&program).limit(resource, limit, limit).run();
        for limit in [8 * MIB, 24 * MIB] {
            let (_, hint) = start(limit).refusal();
            assert_eq!(hint, format!("hint: raise the limit of memory: ulimit {option} unlimited"));
        }
        start(256 * MIB).expect_code(0);
    }
}

#[test]
fn stack() {
    // Python needs more than that; the probe does not.
    for mode in ["relocate", "namespace"] {
        let bundle = Bundle::probe_in(mode);
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        let start = |limit| {
            let start = host.start(&program).args(["exit", "9"]);
            start.limit(Resource::RLIMIT_STACK, limit, limit).run()
        };
        let (what, hint) = start(16 * KIB).refusal();
        assert_eq!(what, "packed: the stack is too small to unpack this bundle", "{mode}");
        assert_eq!(hint, "hint: raise the limit of the stack: ulimit -s 64", "{mode}");
        start(64 * KIB).expect_code(9);
        start(16 * KIB).expect_code(9);
    }
}

#[test]
fn memory_of_a_control_group() {
    let bundle = bundle();
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let start = |mib: u64, mode: &str| {
        let group = ControlGroup::with_memory(mib * MIB);
        let start = host.start(&program).env("PACKED_MODE", mode);
        start.env("PACKED_CACHE", host.home(&format!("{mib}"))).control_group(&group).run()
    };
    for mib in [16, 20] {
        let (what, hint) = start(mib, "relocate").refusal();
        let allowed = format!("{:.1} MB", (mib * MIB) as f64 / 1e6);
        assert_eq!(what, format!("packed: out of memory: its control group allows {allowed}"));
        assert_eq!(
            hint,
            "hint: raise that limit: MemoryMax= of a service, --memory of a container"
        );
    }
    for mib in [32, 40, 64] {
        for mode in ["relocate", "namespace"] {
            assert!(start(mib, mode).text().contains("\"answer\": 42"), "{mode}, {mib} MiB");
        }
    }
    // 60 MB do not fit into memory.
    let (what, _) = start(32, "ram").refusal();
    assert!(what.contains("its control group allows"), "{what}");
}
