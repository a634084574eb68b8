//! Deltas: their size, and the time and memory to make and to apply them, beside other tools, on real updates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Bundle, Pair, packer};

use crate::fixture::{directory, shell};
use crate::part::Part;
use crate::spawn::{self, Ended};
use crate::table::Table;

/// Runs of each command; the fastest counts. The figures are of seconds and of sizes, which hardly differ.
const ROUNDS: usize = 1;

/// A tool that makes patches: how it makes one, how it applies one. `$old`, `$new`, `$patch`, `$out` are files.
struct Tool {
    name: &'static str,
    make: &'static str,
    apply: &'static str,
    /// What it works on.
    on: On,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// The bundles.
    Bundles,
    /// The tar streams of the bundles: the result is no bundle yet.
    Streams,
}

const TOOLS: [Tool; 7] = [
    Tool {
        name: "packer delta",
        make: "$packer delta $old $new -o $patch",
        apply: "$packer apply $old $patch -o $out",
        on: On::Bundles,
    },
    Tool {
        name: "packer delta --fast",
        make: "$packer delta --fast $old $new -o $patch",
        apply: "$packer apply $old $patch -o $out",
        on: On::Bundles,
    },
    Tool {
        name: "zsync, bytes fetched",
        make: "zsyncmake -u file -o $patch $new",
        apply: "",
        on: On::Bundles,
    },
    Tool {
        name: "bsdiff",
        make: "bsdiff $old $new $patch",
        apply: "bspatch $old $out $patch",
        on: On::Bundles,
    },
    Tool {
        name: "xdelta3 -9",
        make: "xdelta3 -9 -e -f -B 268435456 -s $old $new $patch",
        apply: "xdelta3 -d -f -B 268435456 -s $old $patch $out",
        on: On::Bundles,
    },
    Tool {
        name: "zstd --patch-from",
        make: "zstd -q -f -19 --long=27 --patch-from=$old $new -o $patch",
        apply: "zstd -q -f -d --long=27 --patch-from=$old $patch -o $out",
        on: On::Bundles,
    },
    Tool {
        name: "zstd --patch-from, tar streams",
        make: "zstd -q -f -19 --long=27 --patch-from=$old $new -o $patch",
        apply: "zstd -q -f -d --long=27 --patch-from=$old $patch -o $out",
        on: On::Streams,
    },
];

/// Measures deltas of markov: a changed server, another release of redis, another release of glibc.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("Deltas");
    for (title, pair, limit) in [
        ("markov with a changed server", Pair::changed_server("markov"), 0.05),
        ("a release of redis", Pair::updated("markov", &["redis-server", "redis-tools"]), 0.05),
        ("a release of glibc", Pair::updated("markov", &["libc6"]), 0.03),
    ] {
        let bundles =
            [&pair.old, &pair.new].map(|closure| Bundle::of(closure).entry("/bin/markov").pack());
        table(&mut part, title, &bundles, limit);
    }
    part.note(format!("Sizes are of the patch. Times are the fastest of {ROUNDS} runs, memory is the largest of one \
        process. zsync fetches blocks of the new file: what it would fetch is counted with a file as the server, and its \
        time is that of the copy. On the tar streams, zstd works on what packer would still have to compress: the result \
        is no bundle, and its digest is not the one that was signed."));
    part
}

fn table(part: &mut Part, title: &str, bundles: &[Bundle; 2], limit: f64) {
    let whole = size(&bundles[1].path);
    let title = format!("{title}: patches of a bundle of {:.2} MB", whole / 1e6);
    let head = ["tool", "kB", "of the bundle", "make s", "make MiB", "apply s", "apply MiB"];
    let mut table = Table::new(&title, &head);
    for tool in TOOLS {
        let files = match tool.on {
            On::Bundles => bundles.clone().map(|bundle| bundle.path),
            On::Streams => bundles.each_ref().map(stream),
        };
        let measured = measure_tool(&tool, &files);
        let cells = |ended: &Ended| {
            [
                format!("{:.2}", ended.took.as_secs_f64()),
                format!("{:.0}", ended.peak as f64 / 1024.0),
            ]
        };
        let share = measured.bytes / whole;
        let mut row = vec![tool.name.to_owned()];
        row.extend([format!("{:.1}", measured.bytes / 1e3), format!("{:.2} %", share * 100.0)]);
        row.extend(cells(&measured.make));
        row.extend(cells(&measured.apply));
        table.row(row);
        if tool.name == "packer delta" {
            part.limit(format!("{title}: packer delta / bundle"), share, limit);
        }
    }
    part.tables.push(table);
}

/// What a tool needs for a pair.
struct Measured {
    bytes: f64,
    make: Ended,
    apply: Ended,
}

fn measure_tool(tool: &Tool, [old, new]: &[PathBuf; 2]) -> Measured {
    let work = directory().join("delta");
    shell("rm -rf \"$1\" && mkdir -p \"$1\"", &[&work]);
    let (patch, out) = (work.join("patch"), work.join("out"));
    let command = |line: &str| {
        let mut command = Command::new("/bin/sh");
        command.args(["-ec", line]).env("packer", packer()).env("old", old).env("new", new);
        command.env("patch", &patch).env("out", &out);
        command
    };
    let fastest = |line: &str| {
        let ended = (0..ROUNDS).map(|_| spawn::timed(&command(line)));
        ended.min_by_key(|ended| ended.took).expect("there are rounds")
    };
    let make = fastest(tool.make);
    if tool.apply.is_empty() {
        let (apply, bytes) = zsync(&work, old, new);
        return Measured { bytes: bytes + size(&patch), make, apply };
    }
    let apply = fastest(tool.apply);
    shell("cmp \"$1\" \"$2\"", &[new, &out]);
    Measured { bytes: size(&patch), make, apply }
}

/// Runs zsync with a server on this machine; returns what it took and the bytes that it fetched.
fn zsync(work: &Path, old: &Path, new: &Path) -> (Ended, f64) {
    fs::copy(new, work.join("file")).expect("copy a bundle");
    shell("cd \"$1\" && zsyncmake -u file -o file.zsync file", &[work]);
    let served = tests::Served::nginx(work, "");
    let line = "cd \"$work\" && zsync -i \"$old\" -o zsynced \"$url/file.zsync\" >log 2>&1";
    let mut command = Command::new("/bin/sh");
    command.args(["-ec", line]).env("work", work).env("old", old).env("url", served.url());
    let ended = spawn::timed(&command);
    let log = fs::read_to_string(work.join("log")).expect("zsync says what it fetched");
    // "used 123 local, fetched 456"
    let fetched = log.rsplit("fetched ").next().and_then(|rest| rest.split_whitespace().next());
    shell("cmp \"$1\" \"$2\"", &[new, &work.join("zsynced")]);
    (ended, fetched.and_then(|bytes| bytes.parse().ok()).expect("zsync counts bytes"))
}

/// The tar stream of a bundle.
fn stream(bundle: &Bundle) -> PathBuf {
    let payload = crate::fixture::payload(bundle);
    crate::fixture::beside(bundle, "payload.tar", |to| {
        shell("zstd -q -d --long=27 \"$1\" -o \"$2\"", &[&payload, to]);
    })
}

fn size(path: &Path) -> f64 {
    fs::metadata(path).expect("it was made").len() as f64
}
