//! A composition that runs on a host: its state by `COMPOSED=`, its end and what is left.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::{Bundle, Closure, Directory, Ended, Host, Running, Start, http, tree, until};

/// An example, and how it is used over HTTP.
pub(crate) struct Example {
    /// The attribute of `nix/default.nix`.
    pub(crate) attribute: &'static str,
    /// Options of `packer build`.
    pub(crate) options: &'static [&'static str],
    /// The name of the composition.
    pub(crate) name: &'static str,
    /// Its services in the order in which they start, and their states when all is ready.
    pub(crate) services: &'static [(&'static str, &'static str)],
    /// The variable for the address.
    pub(crate) address: &'static str,
    /// Other variables.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// A path that answers with 200 when all is ready.
    pub(crate) path: &'static str,
    /// Gives it data, of which nothing may be lost.
    pub(crate) write: fn(url: &str),
    /// Checks that the data is there.
    pub(crate) read: fn(url: &str),
    /// What is in the directory for data when it has stopped.
    pub(crate) data: &'static [&'static str],
}

/// A composition that runs.
pub(crate) struct Composed<'a> {
    example: &'a Example,
    host: &'a Host,
    mode: String,
    program: PathBuf,
    running: Option<Running>,
    /// Where it answers.
    pub(crate) url: String,
}

impl Example {
    fn bundle(&self) -> Bundle {
        let closure = Closure::example(self.attribute);
        let entry = format!("/bin/{}", self.name);
        let builder = Bundle::of(&closure).entry(&entry).option("--level", "3");
        self.options.iter().fold(builder, |builder, option| builder.flag(option)).pack()
    }

    /// The same without what running does not need.
    pub(crate) const fn slim(self) -> Example {
        Example { options: &["--slim", "--strip"], ..self }
    }

    /// Starts it in the directory `data` of the user's.
    pub(crate) fn start<'a>(&'a self, host: &'a Host, mode: &str) -> Composed<'a> {
        host.directory(host.home("data"), 0o700);
        let program = PathBuf::from("/srv").join(self.name);
        if !host.outside(&program).exists() {
            let _ = host.install(self.bundle().path);
        }
        let address = format!("127.0.0.1:{}", http::free_port());
        let mut start = at(host, &program, mode).env(self.address, &address);
        for (name, value) in self.variables {
            start = start.env(name, value);
        }
        let (mode, running) = (mode.to_owned(), Some(start.spawn()));
        Composed { example: self, host, mode, program, running, url: format!("http://{address}") }
    }
}

fn at(host: &Host, program: &PathBuf, mode: &str) -> Start {
    let start = host.start(program).directory(Directory::At(host.home("data")));
    start.env("PACKED_MODE", mode)
}

fn log(ended: &Ended) -> String {
    String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr()
}

impl Composed<'_> {
    /// Asks it about itself.
    pub(crate) fn ask(&self, question: &str) -> Ended {
        at(self.host, &self.program, &self.mode).env("COMPOSED", question).arg("--json").run()
    }

    /// The services with all that is known about them, if it answers.
    pub(crate) fn status(&self) -> Option<Vec<Value>> {
        let ended = self.ask("status");
        let is_answer = ended.status.success();
        is_answer.then(|| serde_json::from_slice(&ended.stdout).expect("status --json is JSON"))
    }

    /// How often a service was started again.
    pub(crate) fn restarts(&self, service: &str) -> Option<u64> {
        self.status()?.iter().find(|found| found["name"] == service)?["restarts"].as_u64()
    }

    /// Waits until it answers questions.
    pub(crate) fn until_asked(&mut self) {
        self.until("an answer to COMPOSED=status", Composed::status);
    }

    /// Waits until it answers over HTTP, and lists its services as they are when all is ready.
    pub(crate) fn until_ready(&mut self) {
        let url = format!("{}{}", self.url, self.example.path);
        self.until(&url, |_| http::get(&url).filter(|answer| answer.status == 200));
        self.until("all services are ready", |composed| {
            let (found, expected) = (composed.status()?, composed.example.services);
            let is_as_expected = |(found, (name, state)): (&Value, &(&str, &str))| {
                found["name"] == *name && found["state"] == *state
            };
            let is_ready =
                found.len() == expected.len() && found.iter().zip(expected).all(is_as_expected);
            is_ready.then_some(())
        });
    }

    /// Repeats `look` until it finds something; the test fails when the composition has ended.
    pub(crate) fn until<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        until(what, || {
            if self.running.as_mut().expect("it was not stopped").has_ended() {
                let ended = self.end();
                panic!("{what}: it has ended with {}\n{}", ended.status, log(&ended));
            }
            look(self)
        })
    }

    /// What it has in directories that are not for data: sockets, generated files, shared memory.
    pub(crate) fn temporary(&self) -> Vec<String> {
        let list = |path| tree::list(&self.host.outside(path)).expect("list a directory");
        let own = ["/tmp", "/var/tmp"].map(list);
        // The machine's; nobody else has this user's number.
        let memory = fs::read_dir("/dev/shm").expect("list a directory").filter_map(Result::ok);
        // Another user's can be gone by now.
        let is_ours =
            |file: &DirEntry| file.metadata().is_ok_and(|it| it.uid() == self.host.user.uid);
        let memory = memory.filter(is_ours).map(|file| file.path().display().to_string());
        own.into_iter().flat_map(BTreeMap::into_keys).chain(memory).collect()
    }

    fn signal(&self, signal: Signal) {
        self.running.as_ref().expect("it was not stopped").signal(signal);
    }

    fn end(&mut self) -> Ended {
        self.running.take().expect("it was not stopped").wait()
    }

    /// Kills the supervisor, which has no time to stop anything.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.end().expect_signal(Signal::SIGKILL as i32);
    }

    /// Has it stop, and returns its log; only its data is left.
    pub(crate) fn stop(mut self, signal: Signal) -> String {
        self.signal(signal);
        let ended = self.end();
        let log = log(&ended);
        assert_eq!(ended.status.code(), Some(0), "{}\n{log}", ended.status);
        let left = self.host.processes();
        assert!(left.running.is_empty(), "{left:?}\n{log}");
        let left = self.temporary();
        assert!(left.is_empty(), "{left:?}\n{log}");
        let mut home =
            tree::list(&self.host.outside(self.host.user.home())).expect("list a directory");
        home.retain(|path, _| !path.starts_with("/.cache") && path != "/data");
        home.retain(|path, line| {
            assert!(!line.contains("SOCK") && !line.contains("FIFO"), "{path}: {line}");
            let data = self.example.data.iter();
            !data.into_iter().any(|name| {
                let path = path.strip_prefix("/data/").unwrap_or_default();
                path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        });
        assert!(home.is_empty(), "{home:?}\n{log}");
        log
    }
}
