//! Passwords on stdin, as scripts give them.

use std::io::Write;
use std::process::{Command, Stdio};

use tests::Ended;

/// Runs a command with a text on stdin.
pub(crate) fn feed(command: &mut Command, text: &str) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start it");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // It may end before it reads.
    let _ = stdin.write_all(text.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("wait for it").into()
}
