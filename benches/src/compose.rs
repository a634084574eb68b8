//! Compositions: the time until all services are ready, compared with the sum of the services' own times.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tests::{Bundle, Closure, http};

use crate::part::Part;
use crate::spread::Spread;
use crate::table::Table;

const ROUNDS: usize = 11;

/// Attributes of `nix/default.nix`, the names of the compositions, and the variables for their addresses.
const EXAMPLES: [(&str, &str, &str); 3] = [
    ("markov", "markov", "MARKOV_LISTEN_ADDR"),
    ("worker", "worker", "WORKER_LISTEN_ADDR"),
    ("blog", "blog", "BLOG_LISTEN_ADDR"),
];

/// nobody, who has an account: PostgreSQL refuses root.
const USER: u32 = 65534;

/// Between two questions whether a service is ready.
const INTERVAL: Duration = Duration::from_millis(1);

const PATIENCE: Duration = Duration::from_secs(600);

/// Measures the start of each example whose data is there, and that of its services one by one.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("Compositions");
    let title = "From the start until all services are ready";
    let head = ["composition", "of the longest path", "median ms", "longest path, median ms"];
    let mut table = Table::new(title, &head);
    for (attribute, name, address) in EXAMPLES {
        let example = Example::new(attribute, name, address);
        // Unpacks the bundle, and makes the data.
        example.together();
        let rounds: Vec<_> =
            (0..ROUNDS).map(|_| (example.together(), example.one_by_one())).collect();
        let ratio = Spread::of(rounds.iter().map(|(together, alone)| together / alone));
        let [together, alone] = [
            Spread::of(rounds.iter().map(|(together, _)| *together)),
            Spread::of(rounds.iter().map(|(_, alone)| *alone)),
        ];
        table.row([
            name.to_owned(),
            format!("{:.2} ({:.2} – {:.2})", ratio.median, ratio.low, ratio.high),
            format!("{:.0}", together.median),
            format!("{:.0}", alone.median),
        ]);
        part.limit(format!("{name}: ready / longest path"), ratio.median, 1.2);
        fs::remove_dir_all(&example.directory).expect("remove a directory");
    }
    part.tables.push(table);
    part.note("The next start of a bundle, relocated, with data from an earlier start, until its last service answers \
        over HTTP. Longest path: each service started by itself from the store when those before it are ready, and \
        asked every millisecond by its own `ready`; the times along the slowest chain of `after` are added.");
    part
}

struct Example {
    name: String,
    composition: Value,
    /// In /tmp: paths of sockets are short.
    directory: PathBuf,
    bundle: PathBuf,
    variables: BTreeMap<String, String>,
    address: String,
}

impl Example {
    fn new(attribute: &str, name: &str, address: &str) -> Example {
        let closure = Closure::example(attribute);
        let text = fs::read(closure.path.join("share/composition.json")).expect("it is there");
        let composition: Value = serde_json::from_slice(&text).expect("it is JSON");
        let packed = Bundle::of(&closure).entry(&format!("/bin/{name}")).option("--level", "3");
        let directory = PathBuf::from(format!("/tmp/bench-{}", process::id()));
        for path in [&directory, &directory.join("data"), &directory.join("run")] {
            fs::create_dir(path).expect("make a directory");
            chown(path, Some(USER), Some(USER)).expect("give it away");
        }
        let bundle = directory.join(name);
        fs::copy(packed.pack().path, &bundle).expect("copy a bundle");
        fs::set_permissions(&bundle, Permissions::from_mode(0o755)).expect("set its mode");
        let mut variables: BTreeMap<String, String> =
            serde_json::from_value(composition["variables"].clone()).expect("they are texts");
        variables.insert(address.to_owned(), format!("127.0.0.1:{}", http::free_port()));
        let (name, address) = (name.to_owned(), address.to_owned());
        Example { name, composition, directory, bundle, variables, address }
    }

    fn spawn(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.uid(USER).gid(USER).current_dir(directory).env("HOME", &self.directory);
        command.env_remove("XDG_RUNTIME_DIR").env("PACKED_MODE", "relocate");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The milliseconds until the composition is ready.
    fn together(&self) -> f64 {
        let bundle = self.bundle.display().to_string();
        let mut command = self.spawn(&bundle, &self.directory.join("data"));
        let start = Instant::now();
        let mut child =
            command.env(&self.address, &self.variables[&self.address]).spawn().expect("start it");
        let services = self.composition["services"].as_object().expect("services have names");
        let asked = services.values().find(|service| service["ready"]["http"].is_string());
        let url = self.fill(asked.expect("one answers over HTTP")["ready"]["http"].as_str(), "");
        self.until(&url, || answers(&url));
        let took = start.elapsed();
        stop(&mut child, Signal::SIGTERM);
        took.as_secs_f64() * 1e3
    }

    /// The milliseconds of the longest path.
    fn one_by_one(&self) -> f64 {
        let services = self.composition["services"].as_object().expect("services have names");
        let mut ready: BTreeMap<&str, f64> = BTreeMap::new();
        let mut running = Vec::new();
        while ready.len() < services.len() {
            for (name, service) in services {
                let after = service["after"].as_array().into_iter().flatten();
                let before: Option<Vec<f64>> = after
                    .map(|other| ready.get(other.as_str().unwrap_or_default()).copied())
                    .collect();
                let Some(before) = before.filter(|_| !ready.contains_key(name.as_str())) else {
                    continue;
                };
                let (took, child) = self.alone(name, service);
                running.push((child, service["stop"]["signal"].as_str().unwrap_or("TERM")));
                ready.insert(name, took + before.into_iter().fold(0.0, f64::max));
            }
        }
        for (mut child, signal) in running.into_iter().rev() {
            stop(&mut child, format!("SIG{signal}").parse().expect("it is a signal"));
        }
        ready.into_values().fold(0.0, f64::max)
    }

    fn alone(&self, name: &str, service: &Value) -> (f64, Child) {
        let state = service["state"].as_str().unwrap_or_default();
        let state = self.directory.join("data").join(state);
        let fill = |text: &Value| self.fill(text.as_str(), &state.display().to_string());
        let list = |texts: &Value| -> Vec<String> {
            texts.as_array().into_iter().flatten().map(fill).collect()
        };
        for (file, text) in service["configs"].as_object().into_iter().flatten() {
            let text = fill(text);
            fs::write(self.directory.join("run").join(file), text).expect("write a file");
        }
        let command = |argv: Vec<String>| {
            let mut command = self.spawn(&argv[0], &state);
            let environment = service["env"].as_object().into_iter().flatten();
            command.args(&argv[1..]).envs(environment.map(|(name, value)| (name, fill(value))));
            command
        };
        let start = Instant::now();
        let mut child = command(list(&service["argv"])).spawn().expect("start a service");
        let ready = &service["ready"];
        if service["oneshot"] == true {
            assert!(child.wait().expect("wait for it").success(), "{name} failed");
        } else if ready["http"].is_string() {
            self.until(name, || answers(&fill(&ready["http"])));
        } else if ready["unix"].is_string() {
            let socket = self.directory.join("run").join(fill(&ready["unix"]));
            self.until(name, || UnixStream::connect(&socket).is_ok());
        } else if ready["exec"].is_array() {
            let asks = || command(list(&ready["exec"])).status().expect("ask").success();
            self.until(name, asks);
        }
        (start.elapsed().as_secs_f64() * 1e3, child)
    }

    fn fill(&self, text: Option<&str>, state: &str) -> String {
        let run = self.directory.join("run").display().to_string();
        let text = text.unwrap_or_default().replace("%RUN%", &run).replace("%STATE%", state);
        let variables = self.variables.iter();
        variables.fold(text, |text, (name, value)| text.replace(&format!("%{name}%"), value))
    }

    fn until(&self, what: &str, is_ready: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_ready() {
            assert!(start.elapsed() < PATIENCE, "{}: {what} is never ready", self.name);
            thread::sleep(INTERVAL);
        }
    }
}

/// Whether an URL answers with status 200.
fn answers(url: &str) -> bool {
    let (address, path) =
        url.trim_start_matches("http://").split_once('/').expect("an URL has a path");
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.split(' ').nth(1) == Some("200")
}

/// Stops a process, if it runs.
fn stop(child: &mut Child, signal: Signal) {
    if child.try_wait().expect("wait for it").is_none() {
        let process = Pid::from_raw(child.id().try_into().expect("a pid is an i32"));
        kill(process, signal).expect("it runs");
        child.wait().expect("wait for it");
    }
}
