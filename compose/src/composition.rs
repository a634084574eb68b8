//! The composition: what `nix/compose.nix` writes and this program reads.
//!
//! The keys are those of docs/compose.md. `nix/compose.nix` checks what a user writes; this program refuses what it
//! does not know, so that both stay the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};
use crate::placeholders::Placeholders;

/// Services that belong together.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Composition {
    /// Its name, in messages and of its directory for sockets.
    pub name: String,
    /// The service whose end ends everything.
    pub main: Option<String>,
    /// The variable that names the directory for data.
    pub state_variable: Option<String>,
    /// Variables of the caller, with what stands for them if they are not set.
    pub variables: BTreeMap<String, String>,
    /// Files that the caller names, by the variable that names them: they are never packed.
    pub secrets: BTreeMap<String, String>,
    /// The services, by name.
    pub services: BTreeMap<String, Service>,
}

/// A service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables on top of the caller's.
    pub env: BTreeMap<String, String>,
    /// The services that must be ready before it starts.
    pub after: Vec<String>,
    /// How it is known to be ready; without it, it is ready when it is started.
    pub ready: Option<Ready>,
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub stop: Stop,
    /// Whether it runs to its end before what is after it starts.
    pub oneshot: bool,
    /// The name of its own directory for data, in which it runs.
    pub state: Option<String>,
    /// Files in its run-time directory: the text of each.
    pub configs: BTreeMap<String, String>,
    /// The user that it runs as, where root started the composition.
    pub user: Option<String>,
    /// Signals to the composition that are passed on to it: HUP, USR1, USR2.
    pub signals: Vec<SignalName>,
}

/// How a service is known to be ready.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "ReadyKeys")]
pub struct Ready {
    /// What is asked.
    pub check: Check,
    /// Time between two questions.
    pub interval: Duration,
    /// Time after which it has failed.
    pub timeout: Duration,
}

/// What tells that a service is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A TCP port takes a connection: host:port.
    Tcp(String),
    /// A socket takes a connection: its path.
    Unix(String),
    /// A URL of `http:` answers with this status, or one from 200 to 399.
    Http(String, Option<u16>),
    /// A command ends with the status 0.
    Exec(Vec<String>),
    /// A line of its log has this text in it.
    Log(String),
    /// It says READY=1 on `NOTIFY_SOCKET`: sd_notify(3).
    Notify,
}

/// Returns the address and the path of a URL.
///
/// # Errors
///
/// What it should be, if it is not of `http:`.
pub fn http(url: &str) -> std::result::Result<(String, String), &'static str> {
    let wrong = "is no http: URL, such as http://localhost:8000/";
    let rest = url.strip_prefix("http://").ok_or(wrong)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // A password would be for a server that wants one.
    if authority.is_empty() || authority.contains('@') {
        return Err(wrong);
    }
    // A colon in brackets is one of IPv6.
    let has_port = authority.rfind(':') > authority.rfind(']');
    let port = if has_port { "" } else { ":80" };
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((address(&format!("{authority}{port}"))?, format!("{slash}{path}")))
}

/// Returns an address with its host, which may be left out.
///
/// # Errors
///
/// What it should be, if it is not a host and a port.
pub fn address(text: &str) -> std::result::Result<String, &'static str> {
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            Ok(format!("{}:{port}", if host.is_empty() { "localhost" } else { host }))
        }
        _ => Err("is no address, such as localhost:8000"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadyKeys {
    tcp: Option<String>,
    unix: Option<String>,
    http: Option<String>,
    status: Option<u16>,
    exec: Option<Vec<String>>,
    log: Option<String>,
    #[serde(default)]
    notify: bool,
    #[serde(default = "ReadyKeys::interval", deserialize_with = "seconds")]
    interval: Duration,
    #[serde(default = "ReadyKeys::timeout", deserialize_with = "seconds")]
    timeout: Duration,
}

impl ReadyKeys {
    fn interval() -> Duration {
        Duration::from_millis(50)
    }

    fn timeout() -> Duration {
        Duration::from_secs(60)
    }
}

impl TryFrom<ReadyKeys> for Ready {
    type Error = &'static str;

    fn try_from(keys: ReadyKeys) -> std::result::Result<Ready, &'static str> {
        let ReadyKeys { tcp, unix, http, status, exec, log, notify, interval, timeout } = keys;
        if status.is_some() && http.is_none() {
            return Err("a status is for http");
        }
        let checks = [
            tcp.map(Check::Tcp),
            unix.map(Check::Unix),
            http.map(|url| Check::Http(url, status)),
            exec.map(Check::Exec),
            log.map(Check::Log),
            notify.then_some(Check::Notify),
        ];
        let mut checks = checks.into_iter().flatten();
        let (Some(check), None) = (checks.next(), checks.next()) else {
            return Err("name one of tcp, unix, http, exec, log and notify");
        };
        if check == Check::Exec(Vec::new()) {
            return Err("exec has no program");
        }
        Ok(Ready { check, interval, timeout })
    }
}

/// When a service is started again.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// After which ends.
    pub when: When,
    /// Time before the first time; twice as long each time, up to `maxDelay`.
    #[serde(deserialize_with = "seconds")]
    pub delay: Duration,
    /// The longest time.
    #[serde(deserialize_with = "seconds")]
    pub max_delay: Duration,
    /// Times in a row before it has failed for good. A service that was ready for ten seconds begins anew.
    pub limit: Option<u32>,
}

impl Default for Restart {
    fn default() -> Restart {
        let (delay, max_delay) = (Duration::from_millis(100), Duration::from_secs(30));
        Restart { when: When::No, delay, max_delay, limit: None }
    }
}

/// After which ends a service is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Never.
    #[default]
    No,
    /// After a signal, or a status other than 0.
    OnFailure,
    /// After every end.
    Always,
}

/// How a service is stopped.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// The signal.
    pub signal: SignalName,
    /// Time after which it is killed.
    #[serde(deserialize_with = "seconds")]
    pub timeout: Duration,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop { signal: SignalName(Signal::SIGTERM), timeout: Duration::from_secs(10) }
    }
}

/// A signal by its name, such as `TERM` or `SIGTERM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SignalName(pub Signal);

impl TryFrom<String> for SignalName {
    type Error = String;

    fn try_from(name: String) -> std::result::Result<SignalName, String> {
        let short = name.strip_prefix("SIG").unwrap_or(&name);
        let signal = format!("SIG{short}").parse();
        signal.map(SignalName).map_err(|_| format!("there is no signal {name}"))
    }
}

/// Seconds at most: 30 years.
const LONGEST: f64 = 1e9;

fn seconds<'de, D: Deserializer<'de>>(number: D) -> std::result::Result<Duration, D::Error> {
    match f64::deserialize(number)? {
        number if number > LONGEST => Err(D::Error::custom("more than a billion seconds")),
        number => Duration::try_from_secs_f64(number).map_err(D::Error::custom),
    }
}

/// Says where in a composition something is wrong: of a key or a value that is not known also what is near it.
fn explain(place: &str, message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let (what, rest) = match message.split_once(" `") {
        Some(("unknown field", rest)) => ("key", rest),
        Some(("unknown variant", rest)) => ("value", rest),
        _ => return format!("{place}: {message}"),
    };
    let (wrong, rest) = rest.split_once('`').unwrap_or((rest, ""));
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let distance = |name: &&&str| strsim::damerau_levenshtein(wrong, name);
    let near = known.iter().min_by_key(distance).filter(|name| distance(name) * 2 < wrong.len());
    let hint = match near {
        Some(name) => format!("did you mean {name}?"),
        None => format!("it is one of {}", known.join(", ")),
    };
    match what {
        "key" => format!("{place}: unknown key; {hint}"),
        _ => format!("{place}: unknown value {wrong}; {hint}"),
    }
}

impl Composition {
    /// Reads a composition.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has a key that is not known.
    pub fn read(path: &Path) -> Result<Composition> {
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Composition::parse(&text)
    }

    fn parse(text: &str) -> Result<Composition> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let composition: Composition =
            serde_path_to_error::deserialize(&mut reader).map_err(|error| {
                Error::Composition(explain(&error.path().to_string(), &error.inner().to_string()))
            })?;
        Ok(composition)
    }

    /// Returns the names of the services, each after those that it waits for.
    ///
    /// # Errors
    ///
    /// A cycle: each name waits for the next one, and the last is the first.
    pub fn order(&self) -> std::result::Result<Vec<&str>, Vec<&str>> {
        let mut order: Vec<&str> = Vec::new();
        while order.len() < self.services.len() {
            let is_missing = |name: &&String| !order.contains(&name.as_str());
            let missing = |name: &str| self.services[name].after.iter().find(is_missing);
            let mut left = self.services.keys().filter(is_missing);
            if let Some(next) = left.clone().find(|name| missing(name).is_none()) {
                order.push(next);
                continue;
            }
            // Each that is left waits for another of these: the way from one to the next comes back.
            let mut path: Vec<&str> = Vec::new();
            let mut name = left.next().map_or("", |name| name);
            while !path.contains(&name) {
                path.push(name);
                name = missing(name).map_or(name, |name| name);
            }
            let begin = path.iter().position(|other| *other == name).unwrap_or(0);
            path.push(name);
            return Err(path.split_off(begin));
        }
        Ok(order)
    }
}

impl Service {
    /// Replaces all placeholders; `name` is the service's, for the error.
    ///
    /// # Errors
    ///
    /// If one stands for nothing.
    pub fn fill(&mut self, name: &str, placeholders: &Placeholders) -> Result<()> {
        let texts =
            self.argv.iter_mut().chain(self.env.values_mut()).chain(self.configs.values_mut());
        let asked: Vec<&mut String> = match self.ready.as_mut().map(|ready| &mut ready.check) {
            Some(
                Check::Tcp(text) | Check::Unix(text) | Check::Http(text, _) | Check::Log(text),
            ) => {
                vec![text]
            }
            Some(Check::Exec(argv)) => argv.iter_mut().collect(),
            Some(Check::Notify) | None => Vec::new(),
        };
        for text in texts.chain(asked) {
            *text = placeholders.fill(text).map_err(|placeholder| Error::Placeholder {
                service: name.to_owned(),
                name: placeholder,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_come_after_what_they_wait_for() {
        let services = r#"{"a": {"argv": ["/a"], "after": ["c"]}, "b": {"argv": ["/b"]},
            "c": {"argv": ["/c"], "after": ["b"], "ready": {"tcp": "localhost:1", "timeout": 2}}}"#;
        let text = format!(r#"{{"name": "x", "services": {services}}}"#);
        let composition = Composition::parse(&text).unwrap();
        assert_eq!(composition.order(), Ok(vec!["b", "c", "a"]));
        let ready = composition.services["c"].ready.as_ref().unwrap();
        assert_eq!(ready.check, Check::Tcp("localhost:1".into()));
        assert_eq!((ready.interval.as_millis(), ready.timeout.as_secs()), (50, 2));
    }

    #[test]
    fn urls_have_an_address_and_a_path() {
        for (url, address, path) in [
            ("http://localhost", "localhost:80", "/"),
            ("http://:8000/a?b#c", "localhost:8000", "/a?b"),
            ("http://[::1]:8000", "[::1]:8000", "/"),
            ("http://[::1]/", "[::1]:80", "/"),
            ("http://a?b", "a:80", "/?b"),
        ] {
            assert_eq!(http(url), Ok((address.into(), path.into())));
        }
        for url in
            ["", "https://a/", "HTTP://a/", "a:80/", "http:///", "http://u:p@a/", "http://a:99999/"]
        {
            assert!(http(url).is_err(), "{url}");
        }
    }
}
