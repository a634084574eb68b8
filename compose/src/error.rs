//! The errors, each with two lines: what failed, and `hint:` with what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a composition cannot run, or a question about it cannot be answered.
#[derive(Debug)]
pub enum Error {
    /// The composition has something in it that is not known: `nix/compose.nix` writes none such.
    Composition(String),
    /// A file or directory cannot be used.
    File {
        /// What was tried, such as `read`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// Another instance has the directory for data.
    Running {
        /// The composition's name.
        name: String,
        /// The directory.
        directory: PathBuf,
        /// The other's process.
        process: u32,
    },
    /// No instance has the directory for data.
    NotRunning(PathBuf),
    /// A placeholder stands for nothing.
    Placeholder {
        /// The service that uses it.
        service: String,
        /// Its name.
        name: String,
    },
    /// The path of a socket would be longer than the kernel allows: unix(7).
    SocketPath(PathBuf),
    /// A file that the caller has to name.
    Secret {
        /// The secret's name.
        name: String,
        /// The variable that names its file.
        variable: String,
    },
    /// There is no such user.
    User(String),
    /// A path is not UTF-8, as JSON and the variables of services are here.
    NoText(PathBuf),
    /// `COMPOSED` is not a command.
    Command(String),
    /// A service cannot be started again now.
    Refused {
        /// Its name.
        name: String,
        /// What it is doing.
        state: String,
    },
    /// A command names a service that is not there.
    Service {
        /// What was named.
        name: String,
        /// Those that are there.
        services: Vec<String>,
    },
    /// There is an argument that is not known; the services take none.
    Argument {
        /// The argument.
        argument: String,
        /// The variables that the services use.
        variables: Vec<String>,
    },
    /// Arguments, variables or files could not be handed to the system.
    System(&'static str, nix::Error),
}

/// A result of this program.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns the error of an operation on a file.
    pub fn file(
        operation: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::File { operation, path, source }
    }

    fn hint(&self) -> String {
        match self {
            Error::Composition(_) => "docs/compose.md lists the keys and what they may be".into(),
            Error::File { operation: "ask at", .. } => {
                "ask as its user or root; the sockets of a unit with PrivateTmp= are in its RuntimeDirectory=".into()
            }
            Error::File { operation: "read the secret", .. } => {
                "name a file that this user may read, or pass a credential".into()
            }
            Error::File { .. } => "name a directory that you may write to".into(),
            Error::Running { .. } => "stop it with COMPOSED=stop, or name another directory for data".into(),
            Error::NotRunning(_) => "start it, or run this where it was started".into(),
            Error::Placeholder { name, .. } => {
                format!("give it a default with variables.{name}, or write %% for %")
            }
            Error::SocketPath(_) => "set XDG_RUNTIME_DIR to a short path, or unset it".into(),
            Error::Secret { name, variable } => {
                format!("set {variable} to the path of a file, or pass the credential {name}")
            }
            Error::User(_) => "make it, or name another one in the composition".into(),
            Error::NoText(_) => "use a path in UTF-8".into(),
            Error::Refused { .. } => "COMPOSED=status says what it waits for".into(),
            Error::Command(_) => {
                "it is status, logs=SERVICE, restart=SERVICE, stop or check; unset COMPOSED to start the services".into()
            }
            Error::Service { services, .. } => format!("the services are {}", services.join(", ")),
            Error::Argument { variables, .. } => {
                let more = if variables.is_empty() { "" } else { "; set up the services by " };
                format!("it takes --json and --log-format{more}{}", variables.join(", "))
            }
            Error::System(..) => "see the limits of this user: ulimit -a".into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Composition(what) => write!(f, "the composition is wrong: {what}")?,
            Error::File { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())?;
            }
            Error::Running { name, directory, process } => {
                write!(
                    f,
                    "a {name} runs already in {}, as process {process}",
                    directory.display()
                )?;
            }
            Error::NotRunning(directory) => write!(f, "nothing runs in {}", directory.display())?,
            Error::Placeholder { service, name } => {
                write!(f, "{service}: %{name}% stands for nothing")?;
            }
            Error::SocketPath(path) => {
                write!(f, "a path of a socket has 107 bytes at most: {}", path.display())?;
            }
            Error::Secret { name, .. } => write!(f, "the secret {name} is missing")?,
            Error::User(name) => write!(f, "there is no user {name}")?,
            Error::NoText(path) => write!(f, "this path is not text: {}", path.display())?,
            Error::Refused { name, state } => {
                write!(f, "{name} cannot be started again: it is {state}")?;
            }
            Error::Command(command) => write!(f, "{command} is not a command")?,
            Error::Service { name, .. } => write!(f, "there is no service {name}")?,
            Error::Argument { argument, .. } => write!(f, "unknown argument: {argument}")?,
            Error::System(what, errno) => write!(f, "cannot {what}: {}", errno.desc())?,
        }
        write!(f, "\nhint: {}", self.hint())
    }
}

impl std::error::Error for Error {}
