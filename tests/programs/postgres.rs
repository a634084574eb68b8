//! PostgreSQL's programs look for each other, and for their data, where they are themselves.

use std::path::Path;

use nix::sys::signal::Signal;
use tests::{Bundle, Change, Closure, Host, Nix, User, until};

use crate::{MODES, fails_with_callers, link, place};

const DATA: &str = "/tmp/data";

/// Relative to the store path.
const PROGRAMS: &str = "/lib/postgresql/15/bin";

#[test]
#[ignore = "downloads and packs postgresql: 85 MB"]
fn a_server_starts_and_answers() {
    let closure = Closure::example("package.postgresql-15");
    let directory = tempfile::tempdir().unwrap();
    let entries = ["initdb", "postgres", "psql"].map(|name| format!("{PROGRAMS}/{name}"));
    let bundle = Bundle::of(&closure).entries(&entries.each_ref().map(String::as_str));
    let bundle = bundle.option("--level", "1").pack_into(directory.path());
    for mode in MODES {
        let user = User::ordinary();
        // initdb asks for the user's name.
        let accounts = directory.path().join(format!("passwd-{mode}"));
        let account = format!("alice:x:{}:{}::/home/alice:/bin/sh\n", user.uid, user.gid);
        std::fs::write(&accounts, account).unwrap();
        let accounts = Change::Bind { source: accounts, at: "/etc/passwd".into() };
        let host = Host::changed(user, Nix::Absent, &[accounts]);
        let program = host.install(&bundle.path);
        answers(&host, &program, mode);
    }
}

fn answers(host: &Host, program: &Path, mode: &str) {
    let start = |program: &Path| host.start(program).env("PACKED_MODE", mode);
    // Not by a link: beside links, it would find the link that is called postgres.
    let initdb = || start(program).args(["-D", DATA, "-A", "trust", "--no-sync", "--locale=C"]);
    let message = "program \"postgres\" is needed by initdb but was not found";
    fails_with_callers(initdb(), message);
    initdb().run().expect_code(0);

    let [postgres, psql] = ["postgres", "psql"].map(|name| link(host, program, name));
    let arguments = ["-D", DATA, "-k", DATA, "-c", "listen_addresses="];
    let mut server = start(&postgres).args(arguments).spawn();
    let ask = |question: &str| {
        let start = start(&psql).args(["-h", DATA, "-d", "postgres", "-X", "-A", "-t", "-c"]);
        start.arg(question).run()
    };
    let answer = until("the server answers", || {
        let answer = ask("select 6 * 7");
        (answer.status.success() || server.has_ended()).then_some(answer)
    });
    if server.has_ended() {
        panic!("the server ended: {}", server.wait().stderr());
    }
    assert_eq!(answer.stdout(), "42\n", "{mode}");
    let data = ask("select setting from pg_config where name = 'SHAREDIR'").stdout();
    assert!(Path::new(&data).starts_with(place(host, mode)), "{mode}: {data}");
    // A fast shutdown.
    server.signal(Signal::SIGINT);
    server.wait().expect_code(0);
}
