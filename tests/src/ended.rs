//! What came out of a program: its status, its stdout and stderr, and checks of them.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};

use probe::Report;

/// How a line begins that a start writes once it has waited for two seconds.
const WAITING: &str = "packed: waiting for another start that is unpacking to ";

/// What came out of a program.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// What it wrote to stdout, if it ended well and wrote nothing to stderr.
    #[must_use]
    #[track_caller]
    pub fn stdout(&self) -> String {
        self.expect_quiet();
        self.text()
    }

    /// Checks that it ended well and wrote nothing to stderr.
    #[track_caller]
    pub fn expect_quiet(&self) -> &Ended {
        self.expect_code(0);
        assert_eq!(self.stderr(), "", "nothing is written to stderr");
        self
    }

    /// What it wrote to stdout, if it ended well. What it wrote to stderr is for people: Nix says there that it waits
    /// for a lock.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        self.expect_code(0);
        String::from_utf8(self.stdout.clone()).expect("stdout is text")
    }

    /// As [`Ended::stdout`], for one of several starts at once: on a busy machine it may have said that it waits for
    /// another one.
    #[must_use]
    #[track_caller]
    pub fn stdout_of_several(mut self) -> String {
        let stderr = self.stderr();
        let lines = stderr.lines().filter(|line| !line.starts_with(WAITING));
        self.stderr = lines.collect::<Vec<_>>().join("\n").into_bytes();
        self.stdout()
    }

    /// What it wrote to stderr.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The probe's report, if it ended well and wrote nothing to stderr.
    #[must_use]
    #[track_caller]
    pub fn report(&self) -> Report {
        let stdout = self.stdout();
        Report::parse(&stdout).unwrap_or_else(|| panic!("no report: {stdout:?}"))
    }

    /// Checks the exit status.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Ended {
        assert_eq!(self.status.code(), Some(code), "{}\n{}", self.status, self.stderr());
        self
    }

    /// Checks that a signal ended it.
    #[track_caller]
    pub fn expect_signal(&self, signal: i32) -> &Ended {
        assert_eq!(self.status.signal(), Some(signal), "{}\n{}", self.status, self.stderr());
        self
    }

    /// Checks that the launcher gave up: nothing on stdout, exit status 125, and two lines on stderr, of
    /// which the second says what to do. Returns both.
    #[must_use]
    #[track_caller]
    pub fn refusal(&self) -> (String, String) {
        self.expect_refusal(125)
    }

    /// As [`Ended::refusal`], with another exit status.
    #[must_use]
    #[track_caller]
    pub fn expect_refusal(&self, code: i32) -> (String, String) {
        self.expect_code(code);
        assert_eq!(self.stdout, b"", "nothing is written to stdout");
        let stderr = self.stderr();
        let lines: Vec<&str> = stderr.lines().collect();
        let [what, hint] = lines[..] else { panic!("not two lines: {stderr:?}") };
        assert!(stderr.ends_with('\n'), "the second line is one: {stderr:?}");
        assert!(hint.starts_with("hint: "), "{stderr:?}");
        (what.to_owned(), hint.to_owned())
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended { status: output.status, stdout: output.stdout, stderr: output.stderr }
    }
}
