//! Compositions as services of systemd, with the units that `packer unit` prints.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;
use tests::{Bundle, Closure, need, packer, run};

use crate::machines::DEBIAN_11;
use crate::services::{HAS_OTHER_ID, TAKE_ID, write};
use crate::virtual_machine::{Shared, VirtualMachine};

/// A composition, packed in one way.
pub(crate) struct Composition {
    attribute: &'static str,
    name: &'static str,
    modes: &'static str,
}

const MARKOV: Composition =
    Composition { attribute: "markov", name: "markov", modes: "host,relocate,namespace" };

/// As one that the packer could not prove to be relocatable.
const FIXED: Composition = Composition { modes: "host,namespace", ..MARKOV };

const SECRET: Composition =
    Composition { attribute: "composed.secret", name: "secret", modes: MARKOV.modes };

/// Whether a composition works as a service: when it has started, what systemd knows of it, and its end.
pub(crate) fn proofs(machine: &Shared) -> Vec<Trial> {
    let proof = |name: &str, prove: fn(&mut VirtualMachine)| {
        let machine = machine.clone();
        let run = move || {
            need(DEBIAN_11.needed);
            prove(&mut machine.renewed());
            Ok(())
        };
        Trial::test(format!("composition {name}"), run).with_ignored_flag(true)
    };
    vec![
        proof("starts and stops, relocate", |machine| starts_and_stops(machine, &MARKOV)),
        proof("starts and stops, namespace", |machine| starts_and_stops(machine, &FIXED)),
        proof("is started again when it hangs", is_started_again_when_it_hangs),
        proof("is started again when it is killed", is_started_again_when_it_is_killed),
        proof("says what it does", says_what_it_does),
        proof("runs under a user's manager", runs_under_a_users_manager),
    ]
}

/// Puts all of them below a directory that another machine has as /srv.
pub(crate) fn install_for_shell(srv: &Path) {
    for composition in [MARKOV, FIXED, SECRET] {
        let path = srv.join(composition.file());
        fs::create_dir_all(srv.join("compositions")).expect("make a directory");
        fs::copy(composition.pack().path, path).expect("copy a bundle");
    }
}

impl Composition {
    fn pack(&self) -> Bundle {
        let builder = Bundle::of(&Closure::example(self.attribute));
        let builder = builder.entry(&format!("/bin/{}", self.name));
        builder.option("--level", "3").option("--mode", self.modes).pack()
    }

    /// Below /srv.
    fn file(&self) -> String {
        format!("compositions/{}-{}", self.name, self.modes)
    }

    /// The unit that is printed, with another path of the bundle.
    fn unit(&self, options: &[&str]) -> String {
        let mut command = Command::new(packer());
        let printed = run(command.arg("unit").args(options).arg(self.pack().path)).text();
        let is_start = |line: &&str| line.starts_with("ExecStart=");
        let start = printed.lines().find(is_start).expect("a unit starts something");
        printed.replace(start, &format!("ExecStart=/usr/local/bin/{}", self.name))
    }

    /// Installs it, with a unit of the system's manager to which a drop-in can add lines.
    fn install(&self, machine: &mut VirtualMachine, lines: &str) {
        write(machine, "bundle.service", &self.unit(&[]));
        write(machine, "bundle.service.d/change.conf", &format!("[Service]\n{lines}"));
        self.copy(machine);
        run_all(machine, &["systemctl daemon-reload", "systemctl reset-failed"]);
    }

    fn copy(&self, machine: &mut VirtualMachine) {
        let command = format!("install /srv/{} /usr/local/bin/{}", self.file(), self.name);
        machine.run(&command).expect_code(0);
    }

    /// Asks it as root, as the page has it.
    fn ask(&self, machine: &mut VirtualMachine, question: &str) -> String {
        let name = self.name;
        let variables = format!("STATE_DIRECTORY=/var/lib/{name} COMPOSED={question}");
        machine.run(&format!("{variables} /usr/local/bin/{name} --json")).text()
    }

    /// Its services with their states.
    fn states(&self, machine: &mut VirtualMachine) -> Vec<[String; 2]> {
        let answer = self.ask(machine, "status");
        let services: Vec<Value> = serde_json::from_str(&answer).expect("an answer is JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        services.iter().map(|one| [text(&one["name"]), text(&one["state"])]).collect()
    }
}

fn run_all(machine: &mut VirtualMachine, commands: &[&str]) {
    for command in commands {
        machine.run(command).expect_code(0);
    }
}

/// Waits for a condition of bash's.
fn wait(machine: &mut VirtualMachine, condition: &str) {
    let command = format!(
        "for _ in {{1..600}}; do if {condition}; then exit; fi; sleep 0.1; done; \
         systemctl status bundle >&2; journalctl -n 40 -o cat >&2; exit 1"
    );
    machine.run(&command).expect_code(0);
}

/// What systemd knows of the service.
fn property(machine: &mut VirtualMachine, name: &str) -> String {
    let shown = machine.run(&format!("systemctl show bundle -p {name} --value")).text();
    shown.trim_end().to_owned()
}

/// Gives markov words to speak with.
fn teach(machine: &mut VirtualMachine) {
    machine.run("/srv/request.sh 8000 POST /build 'hello world. foo bar.'").expect_code(0);
}

/// What markov says with these words: everything, in this order.
fn speaks(machine: &mut VirtualMachine) {
    let said = machine.run("/srv/request.sh 8000 GET '/generate?numParts=9'").text();
    assert_eq!(said, "hello world. foo bar.\n");
}

/// Fails if a process or a socket is left.
fn has_left_nothing(machine: &mut VirtualMachine) {
    run_all(
        machine,
        &[
            "[ -z \"$(cat /sys/fs/cgroup/system.slice/bundle.service/cgroup.procs 2>/dev/null)\" ]",
            "! pgrep 'redis|markov'",
            "[ ! -e /run/markov ] && [ ! -e /run/private/markov ]",
            "[ \"$(ls -A /var/lib/markov/)\" = appendonlydir ]",
        ],
    );
}

fn starts_and_stops(machine: &mut VirtualMachine, composition: &Composition) {
    composition.install(machine, "");
    machine.run("systemctl start bundle").expect_code(0);
    // At once.
    teach(machine);
    speaks(machine);
    assert_eq!(property(machine, "StatusText"), "all services are ready");
    let states = [["redis", "ready"], ["server", "ready"]];
    assert_eq!(composition.states(machine), states);
    machine.run("systemctl stop bundle").expect_code(0);
    assert_eq!(property(machine, "Result,ActiveState"), "success\ninactive");
    has_left_nothing(machine);
    run_all(machine, &[TAKE_ID, "systemctl start bundle", HAS_OTHER_ID]);
    speaks(machine);
    machine.run("systemctl restart bundle").expect_code(0);
    speaks(machine);
    assert_eq!(composition.ask(machine, "stop"), "");
    wait(machine, "[ $(systemctl show bundle -p ActiveState --value) = inactive ]");
    assert_eq!(property(machine, "Result,NRestarts"), "success\n0");
    has_left_nothing(machine);
}

/// Sends a signal to the supervisor, after which systemd starts it again and its data is there.
fn is_started_again(machine: &mut VirtualMachine, signal: &str) {
    let signal = format!("kill -{signal} $(systemctl show bundle -p MainPID --value)");
    let is_ready =
        "[ \"$(systemctl show bundle -p NRestarts,ActiveState --value)\" = $'1\\nactive' ]";
    teach(machine);
    machine.run(&signal).expect_code(0);
    wait(machine, is_ready);
    speaks(machine);
    assert_eq!(machine.run("pgrep -c redis-server").text(), "1\n");
    assert_eq!(machine.run("ls /run/markov/ | wc -l").text(), "1\n");
    machine.run("systemctl stop bundle").expect_code(0);
    has_left_nothing(machine);
}

fn is_started_again_when_it_hangs(machine: &mut VirtualMachine) {
    MARKOV.install(machine, "WatchdogSec=2");
    run_all(machine, &["systemctl start bundle", "sleep 5"]);
    assert_eq!(property(machine, "NRestarts,ActiveState"), "0\nactive");
    is_started_again(machine, "STOP");
    machine.run("journalctl -u bundle | grep 'Watchdog timeout'").expect_code(0);
}

fn is_started_again_when_it_is_killed(machine: &mut VirtualMachine) {
    MARKOV.install(machine, "");
    machine.run("systemctl start bundle").expect_code(0);
    is_started_again(machine, "KILL");
}

/// A secret for [`SECRET`].
const CREDENTIAL: &str = "echo word | install -D -m 600 /dev/stdin /etc/credstore/db-password";

fn says_what_it_does(machine: &mut VirtualMachine) {
    let says = |machine: &mut VirtualMachine, text: &str| {
        wait(
            machine,
            &format!("[ \"$(systemctl show bundle -p StatusText --value)\" = '{text}' ]"),
        );
        property(machine, "ActiveState")
    };
    SECRET.install(machine, "");
    run_all(machine, &[CREDENTIAL, "systemctl start --no-block bundle"]);
    assert_eq!(says(machine, "waiting for server"), "activating");
    machine.run("touch /var/lib/secret/go").expect_code(0);
    says(machine, "all services are ready");
    assert_eq!(machine.run("cat /var/lib/secret/password").text(), "word\n");

    machine.run("rm /var/lib/secret/go").expect_code(0);
    SECRET.ask(machine, "restart=server");
    // From the moment at which it is asked to stop.
    assert_eq!(says(machine, "starting server again"), "active");
    wait(machine, "[ -e /var/lib/secret/stopped ]");
    run_all(machine, &["rm /var/lib/secret/stopped", "touch /var/lib/secret/go"]);
    assert_eq!(says(machine, "all services are ready"), "active");

    machine.run("systemctl reload bundle").expect_code(0);
    wait(machine, "[ -e /var/lib/secret/reloaded ]");
    machine.run("systemctl stop bundle").expect_code(0);
    assert_eq!(machine.run("cat /var/lib/secret/stopped").text(), "server\ndatabase\n");
}

/// What logind does for a user whose services run without a login.
const RUNTIME_DIRECTORY: &str =
    "[Service]\nExecStart=\nExecStart=install -d -o %i -m 700 /run/user/%i\nExecStop=\n";
const ITS_VARIABLE: &str = "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n";

fn runs_under_a_users_manager(machine: &mut VirtualMachine) {
    write(machine, "user-runtime-dir@.service.d/bundle.conf", RUNTIME_DIRECTORY);
    write(machine, "user@.service.d/bundle.conf", ITS_VARIABLE);
    run_all(machine, &["systemctl daemon-reload", "systemctl start user@$(id -u alice)"]);
    let user = "runuser -u alice -- env HOME=/home/alice XDG_RUNTIME_DIR=/run/user/$(id -u alice)";
    let config = "/home/alice/.config";
    for composition in [MARKOV, SECRET] {
        composition.copy(machine);
        let name = composition.name;
        write(machine, &format!("{name}.bundle"), &composition.unit(&["--user"]));
        let copy = format!(
            "{user} install -D /run/systemd/system/{name}.bundle {config}/systemd/user/{name}.service"
        );
        machine.run(&copy).expect_code(0);
    }
    let systemctl = |command: &str| format!("{user} systemctl --user {command}");
    let status = |name| systemctl(&format!("show {name} -p StatusText --value"));

    machine.run(&systemctl("start markov")).expect_code(0);
    teach(machine);
    assert_eq!(machine.run(&status("markov")).text(), "all services are ready\n");
    let asked = "COMPOSED=status /usr/local/bin/markov | grep -c ready";
    let asked = machine.run(&format!("{user} STATE_DIRECTORY={config}/markov {asked}")).text();
    assert_eq!(asked, "2\n");
    run_all(
        machine,
        &[
            &systemctl("stop markov"),
            "! pgrep 'redis|markov'",
            "[ ! -e /run/user/$(id -u alice)/markov ]",
            &format!("[ \"$(ls -A {config}/markov)\" = appendonlydir ]"),
            "[ -d /home/alice/.cache/packed ]",
            &systemctl("start markov"),
        ],
    );
    speaks(machine);

    let secret =
        format!("echo word | install -D -o alice -m 600 /dev/stdin {config}/credstore/db-password");
    run_all(machine, &[&secret, &systemctl("start --no-block secret")]);
    wait(machine, &format!("[ \"$({})\" = 'waiting for server' ]", status("secret")));
    machine.run(&format!("touch {config}/secret/go")).expect_code(0);
    wait(machine, &systemctl("--quiet is-active secret"));
    assert_eq!(machine.run(&format!("cat {config}/secret/password")).text(), "word\n");
    machine.run(&systemctl("reload secret")).expect_code(0);
    wait(machine, &format!("[ -e {config}/secret/reloaded ]"));
    machine.run(&systemctl("stop secret")).expect_code(0);
    let stopped = machine.run(&format!("cat {config}/secret/stopped")).text();
    assert_eq!(stopped, "server\ndatabase\n");
}
