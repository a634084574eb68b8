//! Services of systemd, with the units of `docs/systemd.md`.

use std::fs;

use libtest_mimic::Trial;
use tests::{Ended, need, source};

use crate::machines::DEBIAN_11;
use crate::refusals::UNSHARE_EPERM;
use crate::row::Expected::{self, RunsFrom};
use crate::row::{PREFIX, Row};
use crate::virtual_machine::{Shared, VirtualMachine};

pub(crate) fn rows(machine: &Shared) -> Vec<Row> {
    let row = |name, relocatable: Expected, fixed: Expected, change: Change| {
        let machine = machine.clone();
        Row::started(name, relocatable, fixed, move |packed, log| {
            let mut machine = machine.renewed();
            change.install(&mut machine);
            let command = format!("PACKED_LOG={log} {}", packed.command("/srv/service.sh "));
            let [first, second] = [0, 1].map(|number| {
                machine.run(change.before[number]).expect_code(0);
                let ended = machine.run(&command);
                packed.check(&ended);
                ended
            });
            machine.run(change.after).expect_code(0);
            [first, second]
        })
        .needing(DEBIAN_11.needed)
    };
    let place = "/var/cache/markov/packed";
    let (relocate, namespace) = (RunsFrom("relocate", place), RunsFrom("namespace", place));
    let other_id = Change { before: ["true", TAKE_ID], after: HAS_OTHER_ID, ..Change::lines("") };
    let mounts = Change::lines(&format!("{}\n{}", restrictions(), block("Any other bundle")));
    vec![
        row("service", relocate, namespace, Change::lines("")),
        row("service, another user ID", relocate, namespace, other_id),
        row("service, all restrictions", relocate, UNSHARE_EPERM, Change::lines(&restrictions())),
        row("service, mounts allowed", relocate, namespace, mounts),
    ]
}

/// Whether the unit confines what it starts; what the page says of the cache and of the unit's main process.
pub(crate) fn proofs(machine: &Shared) -> Vec<Trial> {
    let proof = |name: &str, mode: &'static str, prove: fn(&mut VirtualMachine, &str)| {
        let machine = machine.clone();
        let run = move || {
            need(DEBIAN_11.needed);
            prove(&mut machine.renewed(), mode);
            Ok(())
        };
        let name = if mode.is_empty() { name.to_owned() } else { format!("{name}, {mode}") };
        Trial::test(name, run).with_ignored_flag(true)
    };
    let mut trials = vec![proof("service is confined", "", is_confined)];
    for mode in ["relocate", "namespace"] {
        trials.push(proof("service unpacks", mode, unpacks_where_the_page_says));
        trials.push(proof("service ends as its program", mode, ends_as_its_program));
        trials.push(proof("service has its sockets", mode, has_its_sockets));
    }
    trials
}

/// What differs from the unit of the page.
struct Change {
    /// Lines of the section `[Service]`.
    lines: String,
    /// What is run before each start.
    before: [&'static str; 2],
    /// What is run at the end.
    after: &'static str,
}

impl Change {
    fn lines(lines: &str) -> Change {
        Change { lines: lines.to_owned(), before: ["true"; 2], after: "true" }
    }

    /// Writes the unit; systemd has to read it.
    fn install(&self, machine: &mut VirtualMachine) {
        write(machine, "bundle.service", &block("## The unit"));
        let lines = format!("[Service]\n{}", self.lines);
        write(machine, "bundle.service.d/change.conf", &lines);
    }
}

/// The first block of code on the page below a line that begins so.
fn block(begin: &str) -> String {
    let page = fs::read_to_string(source().join("docs/systemd.md")).expect("read a page");
    let is_code = |line: &&str| line.starts_with("    ");
    let below = page.lines().skip_while(|line| !line.starts_with(begin));
    let code = below.skip_while(|line| !is_code(line));
    let lines: Vec<&str> =
        code.take_while(|line| is_code(line) || line.is_empty()).map(str::trim).collect();
    assert!(lines.contains(&"[Service]"), "no unit below {begin:?}");
    lines.join("\n")
}

/// What the page says that a bundle bears if it can be relocated.
fn restrictions() -> String {
    block("## Restrictions")
}

/// Writes a file of units.
pub(crate) fn write(machine: &mut VirtualMachine, name: &str, text: &str) {
    let path = format!("/run/systemd/system/{name}");
    let quote = |line: &str| format!(" '{}'", line.replace('\'', r"'\''"));
    let quoted: String = text.lines().map(quote).collect();
    let command = format!("mkdir -p $(dirname {path}) && printf '%s\\n'{quoted} >{path}");
    machine.run(&command).expect_code(0);
}

/// Another user gets the ID that the service had.
pub(crate) const TAKE_ID: &str = "id=$(stat -c %u /var/cache/private/markov) && \
    echo squatter:x:$id:$id::/:/bin/false >>/etc/passwd";

pub(crate) const HAS_OTHER_ID: &str =
    "[ $(stat -c %u /var/cache/private/markov/packed) != $(id -u squatter) ]";

/// Without this the rows prove nothing: systemd ignores a setting that it does not know.
fn is_confined(machine: &mut VirtualMachine, _: &str) {
    Change::lines("").install(machine);
    machine.run("touch /tmp/file").expect_code(0);
    let confined = machine.run("/srv/service.sh /usr/bin/perl /srv/confined.pl").stdout();
    let expected = "NoNewPrivs:\t1\nCapEff:\t0000000000000000\nuser: dynamic\n\
        /srv: Read-only file system\n/tmp/file: not seen\nmmap: Operation not permitted\n";
    assert_eq!(sorted(&confined), sorted(expected));
    let free = machine.run("perl /srv/confined.pl").stdout();
    let same: Vec<_> = sorted(&free).into_iter().filter(|line| confined.contains(line)).collect();
    assert!(same.is_empty(), "the proof sees no difference in {same:?}");
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn unpacks_where_the_page_says(machine: &mut VirtualMachine, mode: &str) {
    let named = |name| format!("CacheDirectory=\nCacheDirectory={name}\n");
    let linked = named("eleven-long") + "Environment=PACKED_CACHE=%C/eleven-long";
    let temporary = "/var/tmp/packed-";
    // A path that is not rewritten may be longer.
    let long = if mode == "relocate" { temporary } else { "/var/cache/thirteen-long/packed" };
    for (lines, place) in [
        ("CacheDirectory=".to_owned(), temporary),
        (named("twelve-chars"), "/var/cache/twelve-chars/packed"),
        (named("thirteen-long"), long),
        (linked, "/var/cache/private/eleven-long"),
        ("ProcSubset=pid".to_owned(), "/var/cache/markov/packed"),
    ] {
        let log = "Environment=PACKED_LOG=debug\nStandardError=file:/run/bundle/log";
        for first in [true, false] {
            start(machine, mode, "exit 0", &format!("{lines}\n{log}")).expect_code(0);
            machine.run(ENDED).expect_code(0);
            let said = machine.run("cat /run/bundle/log").stdout();
            assert!(said.contains(&format!("{PREFIX}mode {mode}\n")), "{lines}: {said}");
            let unpacks = said.contains(&format!("{PREFIX}unpacking "));
            assert_eq!(unpacks, first || place == temporary, "{lines}: {said}");
            assert!(!unpacks || said.contains(&format!(" to {place}")), "{lines}: {said}");
        }
    }
}

fn ends_as_its_program(machine: &mut VirtualMachine, mode: &str) {
    let mut after = |arguments: &str, lines: &str, command: &str| {
        start(machine, mode, arguments, lines).expect_code(0);
        machine.run(command).expect_code(0);
        let ended = machine.run("cat /run/bundle/ended");
        machine.run("systemctl stop bundle").expect_code(0);
        ended.stdout()
    };
    // The launcher unpacks first.
    let runs = "id=$(systemctl show bundle -p MainPID --value); \
        until grep -q /bin/probe /proc/$id/cmdline; do sleep 0.1; done";
    let is_alone = "[ $id = \"$(cat /sys/fs/cgroup/system.slice/bundle.service/cgroup.procs)\" ]";
    let stopped = format!("{runs}; {is_alone} && systemctl stop bundle");
    assert_eq!(after("sleep", "", &stopped), "success killed TERM\n");
    let reloaded = format!("{runs}; systemctl reload bundle && {ENDED}");
    assert_eq!(after("sleep", "", &reloaded), "success killed HUP\n");
    let once = "Restart=no";
    assert_eq!(after("exit 3", once, ENDED), "exit-code exited 3\n");
    assert_eq!(after("exit 0", once, ENDED), "success exited 0\n");
    assert_eq!(after("signal 9", once, ENDED), "signal killed KILL\n");

    // As the page has it, a failed program is started again, and a launcher that gave up is not.
    let restarted =
        "until [ $(systemctl show bundle -p NRestarts --value) -gt 0 ]; do sleep 0.1; done";
    assert!(after("exit 3", "", restarted).starts_with("exit-code exited 3\n"));
    let failed = format!(
        "{ENDED}; sleep 1; [ \"$(systemctl show bundle -p NRestarts,ActiveState --value)\" = \
         $'0\\nfailed' ]"
    );
    let refused = "Environment=PACKED_MODE=fast";
    assert_eq!(after("exit 0", refused, &failed), "exit-code exited 125\n");
}

fn has_its_sockets(machine: &mut VirtualMachine, mode: &str) {
    write(machine, "bundle.socket", "[Socket]\nListenStream=/run/bundle.sock\n");
    let report = "StandardOutput=file:/run/bundle/report";
    // A socket needs its service.
    Change::lines("").install(machine);
    machine.run("systemctl daemon-reload && systemctl start bundle.socket").expect_code(0);
    start(machine, mode, "report", report).expect_code(0);
    machine.run(ENDED).expect_code(0);
    let report = machine.run("cat /run/bundle/report").report();
    assert_eq!(report.get("parent"), Some("1"));
    assert_eq!(Some(report.values_of("LISTEN_PID")[0]), report.get("pid"));
    assert_eq!(report.values_of("LISTEN_FDS"), ["1"]);
    let socket = report.get("descriptor 3").unwrap_or_default();
    assert!(socket.starts_with("socket:"), "{socket:?}");
}

/// Waits until the service has ended once.
const ENDED: &str = "until [ -s /run/bundle/ended ]; do sleep 0.1; done";

/// Starts the probe as a service that writes how it ended.
fn start(machine: &mut VirtualMachine, mode: &str, arguments: &str, lines: &str) -> Ended {
    let end = "echo $$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS >>/run/bundle/ended";
    let lines = format!(
        "ExecStart=\nExecStart=/srv/probe-{mode} {arguments}\n\
         ExecReload=/bin/sh -c 'kill -HUP $MAINPID'\nExecStopPost=+/bin/sh -c '{end}'\n{lines}"
    );
    Change::lines(&lines).install(machine);
    machine.run(
        "rm -rf /run/bundle && mkdir /run/bundle && systemctl daemon-reload && \
         systemctl reset-failed && systemctl start bundle",
    )
}
