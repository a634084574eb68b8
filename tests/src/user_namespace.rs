//! User namespaces of the tests' own, in which the kernel can be told what it must not be told for the whole machine.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::process::Command;

use crate::program::run;
use crate::start::until;

/// A user namespace with the machine's users, and a mount namespace of its own. It is there as long as this is.
#[derive(Debug)]
pub struct UserNamespace {
    users: File,
    _mounts: File,
}

impl UserNamespace {
    /// Makes one, and runs a script as its root.
    #[must_use]
    pub fn prepared(script: &str) -> UserNamespace {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--mount", "sleep", "infinity"]);
        let mut holder = unshare.spawn().expect("run unshare");
        let of = |pid: &str| format!("/proc/{pid}/ns/user");
        let pid = holder.id().to_string();
        until("a user namespace", || {
            let is = |pid| fs::read_link(of(pid)).expect("a process has a namespace");
            (is(&pid) != is("self")).then_some(())
        });
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{pid}/{map}"), "0 0 4294967295").expect("map all users");
        }
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &pid, "--user", "--mount", "sh", "-ec", script]);
        run(&mut nsenter).expect_code(0);
        let open = |kind| File::open(format!("/proc/{pid}/ns/{kind}")).expect("open a namespace");
        let (users, mounts) = (open("user"), open("mnt"));
        holder.kill().and_then(|()| holder.wait()).expect("end a process");
        UserNamespace { users, _mounts: mounts }
    }

    /// One in which the kernel runs programs for a processor type by Debian's emulator.
    ///
    /// Since Linux 6.7, each user namespace can have programs of its own for kinds of files:
    /// Documentation/admin-guide/binfmt-misc.rst. With `F` the emulator is opened now, so it need not be on a host.
    #[must_use]
    pub fn emulating(processor: &str) -> UserNamespace {
        // ELF(5): 64 bits, little-endian, version 1, of any system; a program or a library; of this machine.
        let machine = match processor {
            "aarch64" => "b7",
            _ => panic!("no number of a machine in ELF is known here for {processor}"),
        };
        let magic = format!(r"\x7fELF\x02\x01\x01{}\x02\x00\x{machine}\x00", r"\x00".repeat(9));
        let mask = format!(
            r"{}\xfe\xff\xff\xff",
            [r"\xff".repeat(7), r"\x00".into(), r"\xff".repeat(8)].concat()
        );
        let emulator = format!("/usr/bin/qemu-{processor}-static");
        UserNamespace::prepared(&format!(
            "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; \
             printf %s ':{processor}:M::{magic}:{mask}:{emulator}:F' >/proc/sys/fs/binfmt_misc/register"
        ))
    }

    /// The namespace, for [`crate::Start::user_namespace`].
    #[must_use]
    pub fn file(&self) -> OwnedFd {
        self.users.try_clone().expect("duplicate a descriptor").into()
    }
}
