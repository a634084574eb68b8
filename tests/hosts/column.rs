//! A column of the matrix: a bundle, how it is packed, and how its answer is checked.

use std::env::consts;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use tests::{Bundle, Closure, Ended, Start, http, until};

use crate::row::{Machine, PREFIX};

/// A bundle: how it is packed, and what it has to say.
pub(crate) struct Packed {
    /// The column's name.
    pub(crate) name: &'static str,
    /// Whether it may be relocated.
    pub(crate) form: Form,
    attribute: &'static str,
    /// The last of them is started.
    entries: &'static [&'static str],
    program: Program,
}

/// Whether a bundle can be relocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Every mode is allowed.
    Relocatable,
    /// As one that the packer could not prove to be relocatable.
    Fixed,
}

enum Program {
    /// One that is given arguments and stdin, and answers on stdout.
    Command { arguments: &'static [&'static str], stdin: &'static [u8], check: fn(&str) },
    /// markov, over HTTP.
    Service,
}

const HELLO: Program = Program::Command {
    arguments: &[],
    stdin: b"",
    check: |text| assert_eq!(text, "Hello from a closure of two paths.\n"),
};

const SORT: Program = Program::Command {
    arguments: &["-r"],
    stdin: b"a\nc\nb\n",
    check: |text| assert_eq!(text, "c\nb\na\n"),
};

const PYTHON: Program = Program::Command {
    arguments: &["one", "two words"],
    stdin: b"",
    check: |text| {
        let report: serde_json::Value = serde_json::from_str(text).expect("it prints JSON");
        assert_eq!(report["answer"], 42);
        assert_eq!(report["arguments"], serde_json::json!(["one", "two words"]));
    },
};

/// The columns.
pub(crate) static PACKED: [Packed; 6] = [
    Packed {
        name: "hello",
        attribute: "hello",
        entries: &["/bin/hello"],
        form: Form::Relocatable,
        program: HELLO,
    },
    Packed {
        name: "coreutils",
        attribute: "coreutils",
        entries: &["/bin/ls", "/bin/sort"],
        form: Form::Relocatable,
        program: SORT,
    },
    Packed {
        name: "python",
        attribute: "python-example",
        entries: &["/bin/python-example"],
        form: Form::Relocatable,
        program: PYTHON,
    },
    Packed {
        name: "markov",
        attribute: "markov-slim",
        entries: &["/bin/markov"],
        form: Form::Relocatable,
        program: Program::Service,
    },
    Packed {
        name: "hello-fixed",
        attribute: "hello",
        entries: &["/bin/hello"],
        form: Form::Fixed,
        program: HELLO,
    },
    Packed {
        name: "markov-fixed",
        attribute: "markov-slim",
        entries: &["/bin/markov"],
        form: Form::Fixed,
        program: Program::Service,
    },
];

impl Packed {
    /// Puts it on a machine, under the name of the entry to start, and returns its path there.
    pub(crate) fn install(&self, machine: &Machine) -> PathBuf {
        machine
            .host
            .install_as(self.pack_for(consts::ARCH).path, Path::new("/srv").join(self.file()))
    }

    fn pack_for(&self, processor: &str) -> Bundle {
        let closure = Closure::example_for(processor, self.attribute);
        let builder = Bundle::of(&closure).entries(self.entries).option("--level", "3");
        match self.form {
            Form::Relocatable => builder.pack(),
            Form::Fixed => builder.option("--mode", "host,namespace,ram").pack(),
        }
    }

    fn file(&self) -> &OsStr {
        let entry = self.entries.last().and_then(|entry| Path::new(entry).file_name());
        entry.expect("an entry has a name")
    }

    /// Puts it below a directory that a machine with this processor has as /srv, with what it reads.
    pub(crate) fn install_for_shell(&self, srv: &Path, processor: &str) {
        let directory = srv.join(self.name);
        fs::create_dir(&directory).expect("make a directory");
        fs::copy(self.pack_for(processor).path, directory.join(self.file()))
            .expect("copy a bundle");
        if let Program::Command { stdin, .. } = self.program {
            fs::write(directory.join("stdin"), stdin).expect("write a file");
        }
    }

    /// The command by which a shell starts it there. Another command may start it: it ends with a space then.
    pub(crate) fn command(&self, starter: &str) -> String {
        let directory = format!("/srv/{}", self.name);
        let path = format!("{directory}/{}", self.file().display());
        match self.program {
            Program::Command { arguments, .. } => {
                let quoted: String = arguments.iter().map(|text| format!(" \"{text}\"")).collect();
                format!("{starter}{path}{quoted} <{directory}/stdin")
            }
            Program::Service => format!("/srv/serve.sh {starter}{path}"),
        }
    }

    /// Checks the answer of a program that ended well.
    pub(crate) fn check(&self, ended: &Ended) {
        if ended.status.success() {
            let text = std::str::from_utf8(&ended.stdout).expect("stdout is text");
            match self.program {
                Program::Command { check, .. } => {
                    check(text);
                    let stderr = ended.stderr();
                    // A place that can't be used is logged with its hint.
                    let is_log =
                        |line: &str| line.starts_with(PREFIX) || line.starts_with("hint: ");
                    assert!(stderr.lines().all(is_log), "{stderr}");
                }
                Program::Service => check_words(text),
            }
        }
    }

    /// Starts it on a machine and checks the program's answer, if there is one; whether there has to be one
    /// is for the caller to say.
    pub(crate) fn run(&self, machine: &Machine, path: &Path, log: &str) -> Ended {
        let start = machine.start(path).env("PACKED_LOG", log);
        let ended = match &self.program {
            Program::Command { arguments, stdin, .. } => {
                let ended = start.args(*arguments).stdin(stdin).run();
                self.check(&ended);
                ended
            }
            Program::Service => serve(machine, start),
        };
        let left = machine.host.processes();
        assert!(left.running.is_empty(), "left running: {left:?}\n{}", ended.stderr());
        ended
    }
}

/// Starts the service, talks to it and ends it as a supervisor would.
fn serve(machine: &Machine, start: Start) -> Ended {
    let address = format!("127.0.0.1:{}", http::free_port());
    let url = |path: &str| format!("http://{address}/{path}");
    let mut running = start.env("MARKOV_LISTEN_ADDR", &address).spawn();
    let listens = || TcpStream::connect(&address).is_ok();
    let answers = until("the service answers, or ends", || {
        let answer = if listens() { http::get(&url("generate?numParts=3")) } else { None };
        let answers = answer.is_some_and(|answer| answer.status == 200);
        (answers || running.has_ended()).then_some(answers)
    });
    if answers {
        let built = http::post(&url("build"), "hello world. foo bar.").expect("it listens");
        assert_eq!(built.status, 200, "{}", built.body);
        let text = http::get(&url("generate?numParts=3")).expect("it listens").body;
        check_words(&text);
        machine.terminate("/bin/markov");
    }
    running.wait()
}

/// Checks that the service speaks with the words that it was given.
fn check_words(text: &str) {
    let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    assert!(words.clone().next().is_some(), "{text:?}");
    assert!(words.all(|word| ["hello", "world", "foo", "bar"].contains(&word)), "{text:?}");
}
