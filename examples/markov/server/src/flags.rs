//! The command line, as the original's: `-name value` or `-name=value`, with one dash or two.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The help text.
pub(crate) const USAGE: &str = "\
Usage: markov-server [flags]
  -prefixLen N        words that the next one is chosen by (default 2)
  -listenAddr ADDR    address of the HTTP interface (default :8080)
  -redisAddr ADDR     host:port of redis, or the path of its socket (default 127.0.0.1:6379)
  -timeout HOURS      hours an unused word stays in a chain (default 720)";

/// More words than this in a prefix make every text its own only continuation, and keys of any size.
const MAX_PREFIX_LEN: usize = 16;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Serves with these flags.
    Serve(Flags),
    /// Prints the flags.
    Help,
}

/// The flags of a server.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct Flags {
    /// Words in a prefix, 1 to 16.
    pub(crate) prefix_len: usize,
    /// Where to listen, as `host:port`.
    pub(crate) listen_addr: String,
    /// Where redis is.
    pub(crate) redis_addr: RedisAddr,
    /// Hours after which an unused suffix is removed.
    pub(crate) timeout: u32,
}

/// Where redis is: an address with a slash is the path of a socket.
#[derive(Debug, PartialEq, Clone)]
pub(crate) enum RedisAddr {
    /// Host and port.
    Tcp(String, u16),
    /// A Unix socket.
    Socket(PathBuf),
}

/// A command line that cannot be used.
#[derive(Debug, PartialEq)]
pub(crate) enum FlagError {
    /// An argument that is no flag of ours.
    Unknown(String),
    /// A flag at the end of the line.
    NoValue(String),
    /// A value that does not fit its flag.
    BadValue { flag: String, value: String, wanted: &'static str },
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(argument) => {
                write!(f, "unknown argument: {argument}\nhint: markov-server -help lists the flags")
            }
            Self::NoValue(flag) => {
                write!(f, "{flag} has no value\nhint: write {flag} VALUE or {flag}=VALUE")
            }
            Self::BadValue { flag, value, wanted } => {
                write!(f, "{flag} cannot be {value:?}\nhint: it must be {wanted}")
            }
        }
    }
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            prefix_len: 2,
            listen_addr: ":8080".into(),
            redis_addr: RedisAddr::Tcp("127.0.0.1".into(), 6379),
            timeout: 720,
        }
    }
}

impl Flags {
    /// Reads the arguments behind the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, FlagError> {
        let mut flags = Self::default();
        let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
        while let Some(argument) = arguments.next() {
            let Some(named) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'))
            else {
                return Err(FlagError::Unknown(argument));
            };
            let (name, given) = match named.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (named, None),
            };
            if matches!(name, "h" | "help") {
                return Ok(Command::Help);
            }
            if !matches!(name, "prefixLen" | "listenAddr" | "redisAddr" | "timeout") {
                return Err(FlagError::Unknown(argument));
            }
            let flag = format!("-{name}");
            let Some(value) = given.or_else(|| arguments.next()) else {
                return Err(FlagError::NoValue(flag));
            };
            flags.set(flag, value)?;
        }
        Ok(Command::Serve(flags))
    }

    fn set(&mut self, flag: String, value: String) -> Result<(), FlagError> {
        let wanted = match flag.as_str() {
            "-prefixLen" => match value.parse() {
                Ok(length @ 1..=MAX_PREFIX_LEN) => {
                    self.prefix_len = length;
                    return Ok(());
                }
                _ => "a number from 1 to 16",
            },
            "-timeout" => match value.parse() {
                Ok(hours) => {
                    self.timeout = hours;
                    return Ok(());
                }
                Err(_) => "a number of hours",
            },
            "-redisAddr" => match redis_addr(&value) {
                Some(address) => {
                    self.redis_addr = address;
                    return Ok(());
                }
                None => "host:port, or the path of a socket",
            },
            _ if host_and_port(&value).is_some() => {
                self.listen_addr = value;
                return Ok(());
            }
            _ => "host:port or :port",
        };
        Err(FlagError::BadValue { flag, value, wanted })
    }
}

fn redis_addr(value: &str) -> Option<RedisAddr> {
    if value.contains('/') {
        return Some(RedisAddr::Socket(value.into()));
    }
    let (host, port) = host_and_port(value)?;
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Some(RedisAddr::Tcp(host.into(), port))
}

/// Splits `host:port`; the host may be empty, or an IPv6 address in brackets.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => Some((inner, port)),
        None if host.contains(':') => None,
        None => Some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, FlagError> {
        Flags::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn without_arguments_the_originals_defaults() {
        assert_eq!(parse(&[]), Ok(Command::Serve(Flags::default())));
    }

    #[test]
    fn all_ways_to_write_a_flag() {
        for arguments in
            [&["-timeout", "5"][..], &["--timeout", "5"], &["-timeout=5"], &["--timeout=5"]]
        {
            let wanted = Flags { timeout: 5, ..Flags::default() };
            assert_eq!(parse(arguments), Ok(Command::Serve(wanted)), "{arguments:?}");
        }
        assert_eq!(parse(&["-help"]), Ok(Command::Help));
    }

    #[test]
    fn redis_addresses() {
        let socket = |path: &str| Some(RedisAddr::Socket(path.into()));
        let tcp = |host: &str, port| Some(RedisAddr::Tcp(host.into(), port));
        let cases = [
            ("./redis.sock", socket("./redis.sock")),
            ("/run/redis.sock", socket("/run/redis.sock")),
            (":6380", tcp("127.0.0.1", 6380)),
            ("db:1", tcp("db", 1)),
            ("[::1]:1", tcp("::1", 1)),
            ("::1:1", None),
            ("db", None),
            ("db:70000", None),
        ];
        for (value, wanted) in cases {
            assert_eq!(redis_addr(value), wanted, "{value}");
        }
    }

    #[test]
    fn bad_command_lines() {
        let cases: [(&[&str], &str); 5] = [
            (&["serve"], "unknown argument: serve\nhint: markov-server -help lists the flags"),
            (&["-port", "1"], "unknown argument: -port\nhint: markov-server -help lists the flags"),
            (&["-timeout"], "-timeout has no value\nhint: write -timeout VALUE or -timeout=VALUE"),
            (
                &["-prefixLen", "0"],
                "-prefixLen cannot be \"0\"\nhint: it must be a number from 1 to 16",
            ),
            (
                &["-listenAddr", "8000"],
                "-listenAddr cannot be \"8000\"\nhint: it must be host:port or :port",
            ),
        ];
        for (arguments, wanted) in cases {
            let error = parse(arguments).expect_err("refused");
            assert_eq!(error.to_string(), wanted);
        }
    }
}
