//! The markov example from end to end: real redis, over HTTP, where there is no /nix.

use std::collections::BTreeSet;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::http::{self, Answer};
use tests::{
    Bundle, Closure, Directory, Host, Nix, Terminal, User, bundle as bundle_function, examples,
    nix_build, source, until,
};

fn bundle(variant: &str) -> Bundle {
    Bundle::of(&Closure::example(variant)).entry("/bin/markov").option("--level", "3").pack()
}

const VARIANTS: [&str; 3] = ["markov", "markov-circus", "markov-slim"];

/// A markov that runs at a terminal.
struct Markov<'a> {
    host: &'a Host,
    terminal: Terminal,
    url: String,
}

impl Markov<'_> {
    /// Starts it in the directory `data` of the user's, and waits until it answers.
    fn start<'a>(host: &'a Host, bundle: &Bundle) -> Markov<'a> {
        Markov::start_in("", host, bundle)
    }

    /// As `start`, in this mode; without a name the bundle chooses.
    fn start_in<'a>(mode: &str, host: &'a Host, bundle: &Bundle) -> Markov<'a> {
        Markov::start_with("PACKED_MODE", mode, host, bundle)
    }

    /// As `start`, with a variable.
    fn start_with<'a>(name: &str, value: &str, host: &'a Host, bundle: &Bundle) -> Markov<'a> {
        let address = format!("127.0.0.1:{}", http::free_port());
        let data = host.directory(host.home("data"), 0o755);
        let start = host.start(host.install(&bundle.path)).directory(Directory::At(data));
        let terminal = Terminal::start(start.env("MARKOV_LISTEN_ADDR", &address).env(name, value));
        let markov = Markov { host, terminal, url: format!("http://{address}") };
        markov.until_answered();
        markov
    }

    fn until_answered(&self) {
        let what =
            format!("an answer on {}; the terminal shows\n{}", self.host, self.terminal.text());
        until(&what, || {
            let answer = http::get(&format!("{}/generate?numParts=1", self.url))?;
            (answer.status == 200).then_some(())
        });
    }

    fn build(&self, text: &str) {
        let answer = http::post(&format!("{}/build", self.url), text).expect("it listens");
        assert_eq!(answer.status, 200, "on {}: {answer:?}", self.host);
    }

    fn generate(&self, query: &str) -> Answer {
        http::get(&format!("{}/generate?{query}", self.url)).expect("it listens")
    }

    /// Checks that it speaks with the words that it was given.
    fn expect_words(&self, words: &[&str]) {
        let words: BTreeSet<&str> = words.iter().copied().collect();
        let Answer { status, body } = self.generate("numParts=3");
        assert_eq!(status, 200, "on {}: {body}", self.host);
        let spoken: BTreeSet<&str> =
            body.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        assert!(!spoken.is_empty() && spoken.is_subset(&words), "on {}: {body:?}", self.host);
    }

    /// The number of the process whose command line has this in it.
    fn process(&self, name: &str) -> Option<i32> {
        let running = self.host.processes().running;
        running.into_iter().find(|(_, line)| line.contains(name)).map(|(pid, _)| pid)
    }

    /// Ends it as a person would; nothing may be left.
    fn interrupt(mut self) {
        self.terminal.send("\x03");
        self.terminal.wait();
        let left = self.host.processes();
        assert!(left.running.is_empty(), "on {}: {left:?}\n{}", self.host, self.terminal.text());
    }
}

fn speaks_and_remembers(variant: &str) {
    let bundle = bundle(variant);
    for mode in bundle.modes() {
        for host in [Host::ordinary(), Host::new(User::root(), Nix::Absent)] {
            let markov = Markov::start_in(&mode, &host, &bundle);
            assert_eq!(markov.generate("").status, 400, "numParts is required");
            markov.build("hello world. foo bar.");
            markov.expect_words(&["hello", "world", "foo", "bar"]);
            markov.interrupt();

            let markov = Markov::start_in(&mode, &host, &bundle);
            markov.expect_words(&["hello", "world", "foo", "bar"]);
            markov.interrupt();
        }
    }
}

#[test]
fn markov_answers_and_keeps_its_data_over_a_restart() {
    speaks_and_remembers("markov");
}

#[test]
fn markov_circus_answers_and_keeps_its_data_over_a_restart() {
    speaks_and_remembers("markov-circus");
}

#[test]
fn markov_slim_answers_and_keeps_its_data_over_a_restart() {
    speaks_and_remembers("markov-slim");
}

fn survives_the_death_of_its_parts(variant: &str) {
    let host = Host::ordinary();
    let markov = Markov::start(&host, &bundle(variant));
    markov.build("one two three. four five six.");
    for part in ["redis-server", "markov-server"] {
        let before =
            markov.process(part).unwrap_or_else(|| panic!("no {part}: {:?}", host.processes()));
        kill(Pid::from_raw(before), Signal::SIGKILL).expect("it runs");
        until(&format!("another {part}"), || markov.process(part).filter(|now| *now != before));
        markov.until_answered();
        markov.expect_words(&["one", "two", "three", "four", "five", "six"]);
    }
    markov.interrupt();
}

#[test]
fn markov_survives_the_death_of_its_parts() {
    survives_the_death_of_its_parts("markov");
}

#[test]
fn markov_circus_survives_the_death_of_its_parts() {
    survives_the_death_of_its_parts("markov-circus");
}

#[test]
fn markov_slim_survives_the_death_of_its_parts() {
    survives_the_death_of_its_parts("markov-slim");
}

#[test]
fn all_variants_run_where_the_store_has_other_paths() {
    for variant in VARIANTS {
        let bundle = bundle(variant);
        for user in [User::ordinary(), User::root()] {
            let host = Host::new(user, Nix::OtherPaths);
            let markov = Markov::start(&host, &bundle);
            markov.build("hello world.");
            markov.expect_words(&["hello", "world"]);
            markov.interrupt();
        }
    }
}

#[test]
fn sigterm_stops_everything() {
    for variant in VARIANTS {
        let host = Host::ordinary();
        let mut markov = Markov::start(&host, &bundle(variant));
        let pid = markov.terminal.pid().try_into().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        markov.terminal.wait();
        let left = host.processes();
        assert!(left.running.is_empty(), "{variant}: {left:?}");
    }
}

#[test]
fn nothing_is_written_but_the_data_and_the_cache() {
    for variant in VARIANTS {
        let host = Host::ordinary();
        let markov = Markov::start(&host, &bundle(variant));
        markov.build("hello world.");
        markov.interrupt();
        for empty in ["/tmp", "/var/tmp"] {
            let left = tests::tree::list(&host.outside(empty)).unwrap();
            assert!(left.is_empty(), "{variant}: {left:?}");
        }
        let mut home = tests::tree::list(&host.outside(host.user.home())).unwrap();
        home.retain(|path, _| !path.starts_with("/.cache") && !path.starts_with("/data"));
        assert!(home.is_empty(), "{variant}: {home:?}");
    }
}

/// The bundle of `nix/markov.nix`, compressed quickly; `arguments` beside `pkgs` and `bundle`.
fn from_nix(arguments: &str) -> Bundle {
    // What it is made of; only the bundle and its scripts are new.
    VARIANTS.iter().for_each(|variant| drop(Closure::example(variant)));
    let expression = format!(
        r#"let
            made = {};
            bundle = arguments: {} (arguments // {{ level = 1; }});
            compose = import {}/nix/compose.nix {{ inherit (made) pkgs; inherit bundle; compose = made.supervisor; }};
            # nixpkgs' names, with this machine's server in the place of what is fetched.
            nixpkgs = made.pkgs // {{
                fetchFromGitHub = {{ owner, repo, rev, sha256 }}: null;
                buildGoModule = {{ pname, version, src, vendorHash }}: made.pkgs.runCommand "go-${{pname}}"
                    {{ server = "${{made.markov-server}}/bin/markov-server"; }}
                    "mkdir -p $out/bin; ln -s $server $out/bin/${{pname}}";
            }};
        in import {}/nix/markov.nix ({{ inherit bundle compose; }} // {arguments})"#,
        examples(),
        bundle_function(),
        source().display(),
        source().display(),
    );
    // The Debian-made set's builders are scripts that use the machine's programs.
    Bundle { path: nix_build(&expression, &["--option", "sandbox", "false"]).0 }
}

#[test]
fn the_articles_file_makes_the_service_of_both_package_sets() {
    let debian = "{ pkgs = made.pkgs; inherit (made) markov-server; \
        server = \"${made.markov-server}/bin/markov-server\"; redisAddr = \"\"; }";
    let nixpkgs = "{ pkgs = nixpkgs; }";
    let runit = "{ pkgs = nixpkgs; supervisor = \"runit\"; name = \"markov-slim\"; }";
    // Its redis would listen on the port that the original knows.
    let port = http::free_port().to_string();
    let address = format!("127.0.0.1:{}", http::free_port());
    for (arguments, variable, value) in [
        (debian, "MARKOV_TIMEOUT", "1"),
        (nixpkgs, "MARKOV_REDIS_PORT", &port),
        (runit, "MARKOV_REDIS_ADDR", &address),
    ] {
        let host = Host::ordinary();
        let bundle = from_nix(arguments);
        let markov = Markov::start_with(variable, value, &host, &bundle);
        markov.build("hello world.");
        markov.expect_words(&["hello", "world"]);
        markov.interrupt();
    }
}
