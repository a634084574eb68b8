//! Bundles for another processor type in each mode, run by an emulator.

use std::sync::LazyLock;

use tests::{Bundle, Closure, Ended, Host, Nix, Start, User, UserNamespace, http, need, until};

use crate::{NEEDED, OTHER};

static EMULATING: LazyLock<UserNamespace> = LazyLock::new(|| UserNamespace::emulating(OTHER));

/// A bundle of an example.
fn bundle(attribute: &str, entries: &[&str]) -> Bundle {
    need(NEEDED);
    let closure = Closure::example_for(OTHER, attribute);
    Bundle::of(&closure).entries(entries).option("--level", "3").pack()
}

/// Starts it on a host whose kernel runs programs for the other processor type by the emulator.
fn start(host: &Host, bundle: &Bundle, mode: &str) -> Start {
    let program = host.install(&bundle.path);
    let start = host.start(program).user_namespace(EMULATING.file());
    start.env("PACKED_MODE", mode).env("PACKED_LOG", "debug")
}

/// Who can run a bundle in each mode: the emulator has threads, so the kernel makes no user namespace for an ordinary
/// user. unshare(2)
fn modes() -> [(&'static str, User); 4] {
    let user = User::ordinary;
    [("relocate", user()), ("host", user()), ("namespace", User::root()), ("ram", User::root())]
}

/// Runs it twice in each mode, the second time from the cache; `check` looks at what it wrote.
fn runs(bundle: &Bundle, arguments: &[&str], check: impl Fn(&str)) {
    for (mode, user) in modes() {
        let nix = if mode == "host" { Nix::SamePaths } else { Nix::Absent };
        let host = Host::new(user, nix);
        for time in 0..2 {
            let ended = start(&host, bundle, mode).args(arguments).run();
            check(&answer(&ended, mode));
            let unpacks = ended.stderr().contains("packed: unpacking");
            assert_eq!(unpacks, mode == "ram" || mode != "host" && time == 0, "{mode}, {time}");
        }
    }
}

fn answer(ended: &Ended, mode: &str) -> String {
    ended.expect_code(0);
    let stderr = ended.stderr();
    assert!(stderr.contains(&format!("packed: mode {mode}\n")), "{stderr}");
    String::from_utf8(ended.stdout.clone()).expect("stdout is text")
}

#[test]
fn hello_runs_in_every_mode() {
    runs(&bundle("hello", &["/bin/hello"]), &[], |text| {
        assert_eq!(text, "Hello from a closure of two paths.\n");
    });
}

#[test]
fn coreutils_run_in_every_mode() {
    runs(&bundle("coreutils", &["/bin/uname", "/bin/sort"]), &["-m"], |text| {
        assert_eq!(text, format!("{OTHER}\n"));
    });
}

#[test]
fn python_runs_in_every_mode() {
    runs(&bundle("python-example", &["/bin/python-example"]), &["two words"], |text| {
        let report: serde_json::Value = serde_json::from_str(text).expect("it prints JSON");
        assert_eq!(report["answer"], 42);
        assert_eq!(report["arguments"], serde_json::json!(["two words"]));
    });
}

#[test]
fn markov_answers_in_every_mode() {
    let bundle = bundle("markov", &["/bin/markov"]);
    for (mode, user) in modes().into_iter().filter(|(mode, _)| *mode != "host") {
        let host = Host::new(user, Nix::Absent);
        let address = format!("127.0.0.1:{}", http::free_port());
        let url = |path: &str| format!("http://{address}/{path}");
        let mut running = start(&host, &bundle, mode).env("MARKOV_LISTEN_ADDR", &address).spawn();
        let answers = until("the service answers, or ends", || {
            let ready = http::get(&url("generate?numParts=1")).is_some_and(|got| got.status == 200);
            (ready || running.has_ended()).then_some(ready)
        });
        if answers {
            let built = http::post(&url("build"), "hello world.").expect("it listens");
            assert_eq!(built.status, 200, "{}", built.body);
            let said = http::get(&url("generate?numParts=9")).expect("it listens").body;
            assert_eq!(said, "hello world.\n", "{mode}");
            running.signal(nix::sys::signal::Signal::SIGTERM);
        }
        let _ = answer(&running.wait(), mode);
        assert!(host.processes().running.is_empty(), "{mode}: {:?}", host.processes());
    }
}

#[test]
fn an_ordinary_user_is_told_that_there_are_no_namespaces() {
    let bundle = bundle("hello", &["/bin/hello"]);
    let ended = start(&Host::ordinary(), &bundle, "namespace").env("PACKED_LOG", "").run();
    ended.expect_code(125);
    assert_eq!(
        ended.stderr(),
        "packed: the closure cannot be made visible: namespace: unshare: Invalid argument\n\
         hint: the kernel (CONFIG_USER_NS) or qemu-user does not support user namespaces: run it as root\n"
    );
}

/// Without a handler for the kernel, a caller can still name the emulator. What it then starts is the program, which
/// this kernel cannot execute.
#[test]
fn the_emulator_by_hand_finds_the_bundle() {
    let bundle = bundle("hello", &["/bin/hello"]);
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let emulator = format!("/usr/bin/qemu-{OTHER}-static");
    let verify = host.start(&emulator).arg(&program).env("PACKED", "verify").run();
    assert!(verify.text().ends_with("seek table are whole\n"), "{}", verify.text());
    let ended = host.start(&emulator).arg(&program).run();
    ended.expect_code(126);
    let stderr = ended.stderr();
    assert!(stderr.contains("Exec format error\nhint: "), "{stderr}");
}
