//! Updates over HTTP: bytes and time of `packer update`, beside zsync and a whole download from the same nginx.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Bundle, Closure, Served, packer, run};

use crate::closures::Subject;
use crate::fixture::{self, directory, once};
use crate::part::Part;
use crate::table::Table;
use crate::turns::{Case, Turns};

const ROUNDS: usize = 3;

/// Bytes a second that nginx sends over one connection: a line of 16 Mbit/s.
const RATE: &str = "limit_rate 2m;";

const WHOLE: &str = "curl, the whole file";
const ZSYNC: &str = "zsync";
const UPDATE: &str = "packer update";

/// Measures updates over HTTP.
pub(crate) fn measure() -> Part {
    tests::need(&["zsync", "zsyncmake", "curl"]);
    let mut part = Part::new("Updates over HTTP");
    let entry = [1, 2].map(|version| Subject::of("markov-circus", version).bundle.path);
    let server = [1, 2].map(new_server);
    let head = ["case", "bytes", "of the file", "of the whole download's time", "median s"];
    for (name, limit, [old, new]) in [
        ("The entry of markov-circus: a store path of a few kilobytes", 0.5, entry),
        ("markov with a new server", 0.6, server),
    ] {
        let mut table = Table::new(name, &head);
        let (bytes, turns) = compare(&old, &new);
        let all = fs::metadata(&new).expect("it was made").len();
        for (case, name) in [WHOLE, ZSYNC, UPDATE].into_iter().enumerate() {
            let [share, median] = turns.cells(case);
            let of_all = format!("{:.3}", bytes[case] as f64 / all as f64);
            table.row([name.to_owned(), bytes[case].to_string(), of_all, share, median]);
        }
        part.tables.push(table);
        part.limit(
            format!("{name}: bytes of {UPDATE} / whole"),
            bytes[2] as f64 / all as f64,
            limit,
        );
    }
    part.note("nginx on 127.0.0.1 sends 2 MiB a second. Bytes are those of nginx's log: bodies of answers, with zsync's \
        own file. zsync finds blocks in the old file; the bundle's frames are compressed, so it finds whole frames, and \
        fetches each changed one. Every case ends with the same file.");
    part
}

/// The bytes of each case, and the time.
fn compare(old: &Path, new: &Path) -> ([u64; 3], Turns) {
    let published = directory().join("published");
    fixture::shell(
        "rm -rf \"$1\"; mkdir -p \"$1\"; cp \"$2\" \"$1/probe\"; cd \"$1\"; zsyncmake -q -u probe -o probe.zsync probe || \
         zsyncmake -u probe -o probe.zsync probe",
        &[&published, new],
    );
    let served = Served::nginx(&published, RATE);
    let url = format!("{}/probe", served.url());
    let work = directory().join("update-http");
    fixture::shell("rm -rf \"$1\" && mkdir -p \"$1\"", &[&work]);
    // Every update begins with the old file and an empty cache.
    let begin = || {
        fixture::shell("rm -rf \"$1\"/* && cp \"$2\" \"$1/old\"", &[&work, old]);
        let mut command = Command::new("env");
        command.current_dir(&work).env("HOME", &work).env("XDG_CACHE_HOME", &work);
        command
    };
    let cases: [Case<'_>; 3] = [
        (
            WHOLE,
            Box::new(|| {
                let mut command = begin();
                command.args(["curl", "--silent", "--noproxy", "*", "-o", "new", &url]);
                command
            }),
        ),
        (
            ZSYNC,
            Box::new(|| {
                let mut command = begin();
                command.args(["zsync", "-q", "-i", "old", "-o", "new", &format!("{url}.zsync")]);
                command
            }),
        ),
        (
            UPDATE,
            Box::new(|| {
                let mut command = begin();
                command.arg(packer()).args(["update", "old", &url, "--allow-older"]);
                command
            }),
        ),
    ];
    let (bytes, before) = (Cell::new([0; 3]), Cell::new(0));
    let turns = Turns::of(&cases, ROUNDS, |case| {
        let made = work.join(if case == 2 { "old" } else { "new" });
        assert!(fs::read(made).expect("it is there") == fs::read(new).expect("read it"));
        let sent = served.requests().iter().map(|request| request.sent).sum();
        let mut all = bytes.get();
        all[case] = sent - before.replace(sent);
        bytes.set(all);
    });
    (bytes.get(), turns)
}

/// The bundle of markov, whose server is changed in its second version.
fn new_server(version: u32) -> PathBuf {
    let closure = Closure::example("markov");
    let name = closure.path.file_name().expect("a store path has a name").display().to_string();
    let top = once(directory().join(format!("new-server-{version}-{name}")), |half| {
        let store = half.join("nix/store");
        fs::create_dir_all(&store).expect("make a store");
        run(Command::new("cp").arg("-a").args(closure.requisites()).arg(&store)).expect_code(0);
        let script = "cd \"$1\"; for file in $(find . -type f -path '*markov*/bin/*'); do
            [ \"$(head -c 4 $file | tail -c 3)\" = ELF ] || continue
            chmod u+w $file; printf new >> $file; done";
        if version > 1 {
            fixture::shell(script, &[&store]);
        }
    });
    let bundle = Bundle::of(&closure).entry("/bin/markov").option("--store-root", top);
    bundle.option("--release", version.to_string()).pack().path
}
