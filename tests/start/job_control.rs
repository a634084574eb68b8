//! At a terminal, under a real shell with job control.

use std::path::{Path, PathBuf};

use tests::{Bundle, Host, Terminal};

/// Installs the probe and starts it once: a first start may show on the terminal how far it is.
fn unpacked(host: &Host) -> PathBuf {
    let program = host.install(&Bundle::probe().path);
    host.start(&program).args(["exit", "0"]).run().expect_code(0);
    program
}

fn shell(host: &Host) -> Terminal {
    let start = host.start("/bin/bash").args(["--norc", "--noprofile", "-i"]);
    let mut terminal = Terminal::start(start.env("PS1", "ready> ").env("TERM", "dumb"));
    terminal.expect("ready> ");
    terminal
}

/// Runs a program that sends back each line, and sends it the first one.
fn echo(terminal: &mut Terminal, program: &Path, line: &str) {
    terminal.send(&format!("{} echo\n", program.display()));
    terminal.expect("echo\r\n");
    terminal.send(&format!("{line}\n"));
    // Once as the terminal's echo, once as the program's.
    terminal.expect(&format!("{line}\r\n{line}\r\n"));
}

#[test]
fn ctrl_z_and_fg_work_under_a_shell() {
    for host in Host::every() {
        let program = unpacked(&host);
        let mut terminal = shell(&host);
        echo(&mut terminal, &program, "first");
        terminal.send("\x1a");
        terminal.expect("Stopped");
        terminal.expect("ready> ");
        terminal.send("jobs; fg\n");
        terminal.expect("Stopped");
        terminal.expect("probe echo\r\n");
        terminal.send("second\n");
        terminal.expect("second\r\nsecond\r\n");
        terminal.send("\x04");
        terminal.expect("ready> ");
        terminal.send("echo status $?\n");
        terminal.expect("status 0\r\n");
        terminal.send("exit\n");
        assert!(terminal.wait().success(), "{}", terminal.text());
    }
}

#[test]
fn ctrl_z_works_while_nothing_is_read() {
    for host in Host::every() {
        let program = unpacked(&host);
        let mut terminal = shell(&host);
        for _ in 0..3 {
            echo(&mut terminal, &program, "x");
            terminal.send("\x1a");
            terminal.expect("Stopped");
            terminal.expect("ready> ");
            terminal.send("kill %%; fg\n");
            terminal.expect("Terminated");
            terminal.expect("ready> ");
        }
        terminal.send("exit\n");
        let _ = terminal.wait();
        assert!(host.processes().running.is_empty(), "{:?}", host.processes());
    }
}

#[test]
fn ctrl_c_interrupts_the_program() {
    for host in Host::every() {
        let program = unpacked(&host);
        let mut terminal = shell(&host);
        echo(&mut terminal, &program, "x");
        terminal.send("\x03");
        terminal.expect("ready> ");
        terminal.send("echo status $?\n");
        terminal.expect("status 130\r\n");
        terminal.send("exit\n");
        assert!(terminal.wait().success());
    }
}

#[test]
fn the_program_has_its_callers_terminal() {
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        let report = host.home("report");
        let mut terminal = Terminal::start(host.start(program).arg("report-to").arg(&report));
        assert!(terminal.wait().success(), "{}", terminal.text());
        let text = std::fs::read_to_string(host.outside(&report)).unwrap();
        let report = tests::Report::parse(&text).unwrap();
        let pid = terminal.pid().to_string();
        assert_eq!(report.get("pid"), Some(pid.as_str()));
        assert_eq!(report.get("session"), Some(pid.as_str()));
        assert_ne!(report.get("terminal"), Some("0"));
        let text = terminal.text();
        let shown: Vec<&str> = text.split('\r').filter(|line| !line.is_empty()).collect();
        // Progress, which a slow first start shows, is gone.
        if let [progress @ .., end] = &shown[..] {
            let is_progress = |line: &&str| line.starts_with("packed: unpacking, ");
            assert!(progress.iter().all(is_progress) && *end == "\x1b[K", "{text:?}");
        }
    }
}
