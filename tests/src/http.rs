//! Requests over HTTP, made by curl as a person would make them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::ended::Ended;
use crate::program::run;

/// Seconds that a request may take: a safety net. [`crate::until`] then repeats it.
const PATIENCE: &str = "300";

/// A port of 127.0.0.1 that was free a moment ago, and that nobody else in this process was given.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen on a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        if given.insert(port) {
            return port;
        }
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// What was sent.
    pub body: String,
}

/// Sends a GET request; `None` if nobody listens.
#[must_use]
pub fn get(url: &str) -> Option<Answer> {
    answer(Command::new("curl").arg(url))
}

/// Sends a POST request; `None` if nobody listens.
#[must_use]
pub fn post(url: &str, body: &str) -> Option<Answer> {
    answer(Command::new("curl").args(["--data-binary", body, url]))
}

fn answer(curl: &mut Command) -> Option<Answer> {
    curl.args(["--silent", "--noproxy", "*", "--max-time", PATIENCE]);
    curl.args(["--write-out", "\n%{http_code}"]);
    let Ended { status, stdout, .. } = run(curl);
    if !status.success() {
        return None;
    }
    let text = String::from_utf8(stdout).expect("the service answers with text");
    let (body, status) = text.rsplit_once('\n').expect("curl writes the status");
    Some(Answer { status: status.parse().expect("a status is a number"), body: body.to_owned() })
}
