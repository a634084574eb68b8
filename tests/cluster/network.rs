//! Which place a start chooses, by the types that statfs(2) tells.

use std::fs;

use nix::mount::MsFlags;
use tests::{Change, Host, Nix, Start, User};

use crate::shared::probe;

/// The types of `linux/magic.h`, as strace writes them to memory.
const TYPES: [(&str, &str); 5] = [
    ("nfs", "6969000000000000"),
    ("lustre", "d00bd00b00000000"),
    ("gpfs", "5346504700000000"),
    ("beegfs", "2603831900000000"),
    ("ceph", "0064c30000000000"),
];

/// Starts a program with strace(1), which answers with another type for these files.
fn start(host: &Host, kind: &str, paths: &[&str]) -> Start {
    let program = host.install(probe().path);
    let mut start = host.start("/usr/bin/strace").args(["-f", "-o", "/dev/null"]);
    for call in ["statfs", "fstatfs"] {
        start = start.args(["-e", &format!("inject={call}:poke_exit=@arg2={kind}")]);
    }
    for path in paths {
        start = start.args(["-P", path]);
    }
    start.arg(program).args(["exit", "7"]).env("PACKED_LOG", "debug")
}

const HOME: [&str; 3] = ["/home/alice", "/home/alice/.cache", "/home/alice/.cache/packed"];

/// What a start says, if the program ran.
fn said(start: Start) -> String {
    let ended = start.run();
    ended.expect_code(7);
    ended.stderr()
}

#[test]
fn a_network_home_comes_last() {
    for (name, kind) in TYPES {
        let host = Host::ordinary();
        let said = said(start(&host, kind, &HOME));
        let line = format!(
            "/home/alice/.cache/packed is on a network file system ({name}): it comes last\n"
        );
        assert!(said.contains(&line), "{said}");
        assert!(said.contains("to /var/tmp/packed-"), "{said}");
        assert!(!host.outside(host.cache()).exists(), "{said}");
        // It is found there, and the file system's type does not matter any more.
        let next = self::said(start(&host, kind, &HOME));
        assert!(!next.contains("unpacking") && !next.contains("network"), "{next}");
    }
}

#[test]
fn a_jobs_directory_comes_before_those_for_all() {
    let (_, nfs) = TYPES[0];
    for variable in ["SLURM_TMPDIR", "PBS_JOBDIR", "LSF_TMPDIR", "_CONDOR_SCRATCH_DIR", "TMPDIR"] {
        let host = Host::ordinary();
        let job = host.directory("/tmp/job.1", 0o700);
        let start = start(&host, nfs, &HOME).env(variable, &job);
        let said = said(start);
        assert!(said.contains("to /tmp/job.1/packed\n"), "{variable}: {said}");
    }
    // Not private: everybody may write there, or another user owns it.
    let host = Host::ordinary();
    host.directory("/tmp/open", 0o777);
    for (path, why) in [("/tmp", "belongs to user 0"), ("/tmp/open", "others may write to it")] {
        let said =
            said(start(&host, nfs, &HOME).env("TMPDIR", path).env("PACKED_MODE", "namespace"));
        assert!(said.contains(&format!("not in {path}/packed: {why}")), "{said}");
        assert!(said.contains("to /var/tmp/packed-"), "{said}");
        host.start("/bin/sh")
            .args(["-c", "chmod -R u+w /var/tmp/packed-*; rm -r /var/tmp/packed-*"])
            .run()
            .expect_code(0);
    }
    // Not local.
    let host = Host::ordinary();
    host.directory("/tmp/job.2", 0o700);
    let paths = [&HOME[..], &["/tmp/job.2", "/tmp/job.2/packed"]].concat();
    let said = said(start(&host, nfs, &paths).env("TMPDIR", "/tmp/job.2"));
    assert!(said.contains("to /var/tmp/packed-"), "{said}");
}

/// A host on whose disks only the home can be written to, with this much memory in /dev/shm.
fn without_disk(size: &str) -> Host {
    let flags = |at: &str| Change::Flags(at.into(), MsFlags::MS_RDONLY);
    let options = format!("size={size},mode=1777");
    let memory = Change::Mount { kind: "tmpfs", at: "/dev/shm".into(), options };
    Host::changed(User::ordinary(), Nix::Absent, &[flags("/tmp"), flags("/var/tmp"), memory])
}

#[test]
fn memory_comes_before_the_network_if_there_is_enough() {
    let (_, nfs) = TYPES[0];
    let enough = said(start(&without_disk("64m"), nfs, &HOME));
    assert!(enough.contains("to /dev/shm/packed-"), "{enough}");
    let host = without_disk("800k");
    let little = said(start(&host, nfs, &HOME));
    assert!(little.contains("not in /dev/shm: too little memory"), "{little}");
    assert!(little.contains("to /home/alice/.cache/packed\n"), "{little}");
    // Without a network file system, memory is no place to leave anything in.
    let local =
        host.start("/srv/probe").env("PACKED_CACHE", "/home/alice/c").env("PACKED_LOG", "debug");
    assert!(!local.args(["exit", "7"]).run().stderr().contains("/dev/shm"));
}

/// The record is for all machines: a boot is of one.
#[test]
fn a_record_on_a_network_file_system_names_no_boot() {
    let (_, nfs) = TYPES[0];
    let host = Host::ordinary();
    let paths = ["/home/alice/c"];
    let said = said(start(&host, nfs, &paths).env("PACKED_CACHE", "/home/alice/c"));
    assert!(said.contains("to /home/alice/c\n"), "{said}");
    let record =
        fs::read_dir(host.outside("/home/alice/c/bundles")).expect("list the records").next();
    let record = fs::read_to_string(record.expect("one record").expect("list them").path())
        .expect("read it");
    assert!(record.contains("\nboot ------------------------------------\n"), "{record}");
    // And another machine may be running it.
    let clear = |command| {
        let start = start(&host, nfs, &paths).env("PACKED_CACHE", "/home/alice/c");
        start.without_env("PACKED_LOG").env("PACKED", command).run().stdout()
    };
    let kept = clear("clear");
    assert!(kept.starts_with("perhaps in use on another machine, not cleared"), "{kept}");
    assert_eq!(clear("clear=force"), "cleared /home/alice/c\n");
}
