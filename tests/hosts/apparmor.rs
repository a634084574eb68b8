//! AppArmor, which refuses namespaces, in the virtual machine with Debian 13.

use crate::column::Packed;
use crate::refusals::{APPARMOR_LABEL, APPARMOR_MOUNT};
use crate::row::Expected::{self, Runs};
use crate::row::Row;
use crate::virtual_machine::{Shared, VirtualMachine};

pub(crate) fn rows(machine: &Shared) -> Vec<Row> {
    let row = |name, profile: &'static str, fixed: Expected, before: Before| {
        let machine = machine.clone();
        let needed = machine.model.needed;
        Row::started(name, Runs("relocate"), fixed, move |packed, log| {
            let mut machine = machine.renewed();
            machine.run("apparmor_parser -r /srv/apparmor.profiles").expect_code(0);
            before(&mut machine, packed);
            let command = command(packed, profile, &format!("PACKED_LOG={log}"));
            [0, 1].map(|_| {
                let ended = machine.run(&command);
                packed.check(&ended);
                ended
            })
        })
        .needing(needed)
        .only(BUNDLES)
    };
    let runs = Runs("namespace");
    vec![
        row("user, Linux 6.12", "unconfined", runs, |_, _| {}),
        row("AppArmor, no namespaces", "no-namespaces", APPARMOR_LABEL, |_, _| {}),
        row("AppArmor, namespaces allowed", "namespaces", runs, |_, _| {}),
        row("AppArmor, as on Ubuntu", ORDINARY, APPARMOR_MOUNT, |machine, _| restrict(machine)),
        row("AppArmor, the hint's profile", ORDINARY, runs, |machine, packed| {
            restrict(machine);
            take_the_hint(machine, packed);
        }),
    ]
}

/// The machine is slow, and AppArmor has nothing to do with what a program is.
const BUNDLES: &[&str] = &["hello", "hello-fixed", "markov-fixed"];

/// The profile that stands for what Ubuntu's kernel does to a program without a profile.
const ORDINARY: &str = "ordinary";

/// What is done before a bundle is started.
type Before = fn(&mut VirtualMachine, &Packed);

/// The command by which root starts a bundle as an ordinary user, confined and with a variable.
fn command(packed: &Packed, profile: &str, variable: &str) -> String {
    let program = packed.command(&format!("/srv/with_profile.sh {profile} "));
    format!("su -l alice -c '{variable} {program}'")
}

/// Ubuntu's kernel has this setting. Here, a file stands for it, and a profile for what it does.
fn restrict(machine: &mut VirtualMachine) {
    let restrict = "mkdir -p /run/kernel && mount --bind /run/kernel /proc/sys/kernel && \
        echo 1 >/run/kernel/apparmor_restrict_unprivileged_userns";
    machine.run(restrict).expect_code(0);
}

/// Does as root what the hint of a bundle that was refused says, as it is printed.
fn take_the_hint(machine: &mut VirtualMachine, packed: &Packed) {
    let (_, hint) = machine.run(&command(packed, ORDINARY, "PACKED_MODE=namespace")).refusal();
    let (_, command) = hint.split_once("; as root: ").expect("the hint has a command");
    machine.run(command).expect_code(0);
    // That start has unpacked it.
    machine.run("rm -rf /home/alice/.cache").expect_code(0);
}
