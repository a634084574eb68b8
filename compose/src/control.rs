//! Questions to the instance that runs, over a socket that only its user can reach.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Time for an answer; a stopped instance gives none.
const PATIENCE: Duration = Duration::from_secs(10);

/// A question: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// What the services do.
    Status,
    /// The last lines of a service.
    Logs(String),
    /// Stops a service and starts it again.
    Restart(String),
    /// Stops all.
    Stop,
}

/// An answer: one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Question::Status`].
    Status(Vec<Report>),
    /// To [`Question::Logs`].
    Lines(Vec<String>),
    /// It is done, or has begun.
    Done,
    /// A service cannot be started again now.
    Refused {
        /// Its name.
        name: String,
        /// What it is doing.
        state: String,
    },
    /// There is no such service.
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that are there.
        services: Vec<String>,
    },
}

/// What a service does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: String,
    /// Its process.
    pub pid: Option<i32>,
    /// Since when: seconds since 1970.
    pub since: f64,
    /// How often it was started again.
    pub restarts: u32,
    /// Bytes of memory of its process.
    pub memory: u64,
}

impl Question {
    /// Reads a command, such as `status`, and the service that it is about.
    ///
    /// # Errors
    ///
    /// If it is not a command.
    pub fn parse(command: &str, service: Option<&str>) -> Result<Question> {
        match (command, service) {
            ("status", None) => Ok(Question::Status),
            ("stop", None) => Ok(Question::Stop),
            ("logs", Some(name)) => Ok(Question::Logs(name.to_owned())),
            ("restart", Some(name)) => Ok(Question::Restart(name.to_owned())),
            (command, Some(name)) => Err(Error::Command(format!("{command}={name}"))),
            (command, None) => Err(Error::Command(command.to_owned())),
        }
    }

    /// Sends it and waits for the answer.
    ///
    /// # Errors
    ///
    /// If the instance ends before it answers.
    pub fn ask(&self, path: &std::path::Path) -> Result<Answer> {
        let failed = || Error::file("ask at", path);
        let mut stream = UnixStream::connect(path).map_err(failed())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed())?;
        let line = serde_json::to_string(self).unwrap_or_default() + "\n";
        stream.write_all(line.as_bytes()).map_err(failed())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).map_err(failed())?;
        serde_json::from_str(&answer).map_err(|error| failed()(error.into()))
    }

    /// Reads a question.
    #[must_use]
    pub fn receive(stream: &mut UnixStream) -> Option<Question> {
        // It is sent at once; who sends it byte by byte is not waited for.
        let mut buffer = [0; 4096];
        let len = stream.read(&mut buffer).ok()?;
        serde_json::from_slice(buffer[..len].strip_suffix(b"\n")?).ok()
    }
}

impl Answer {
    /// Sends the answer. Who asked may have gone.
    pub fn send(&self, stream: &mut UnixStream) {
        let line = serde_json::to_string(self).unwrap_or_default();
        let _ = writeln!(stream, "{line}");
    }
}
