//! Size: compares bundles at several levels with archives of the same closure.

mod choices;

use std::fs;
use std::path::{Path, PathBuf};

use tests::Bundle;

use crate::closures::Subject;
use crate::fixture::{beside, directory, once, payload, shell};
use crate::part::Part;
use crate::peers::{squashfs, tar, wrappe};
use crate::picture::{Axis, Chart, Mark, Whose};
use crate::spawn;
use crate::spread::Spread;
use crate::table::Table;

const CLOSURES: [&str; 4] = ["markov", "markov-circus", "markov-slim", "python-example"];
const LEVELS: [i32; 6] = [3, 9, 12, 15, 19, 22];

/// The limit on the size of the stub, in KiB.
const STUB_LIMIT: f64 = 512.0;

/// The limits on the size, from what was reached: docs/size.md says what is left and why.
const PAYLOAD_LIMIT: f64 = 1.02;
const BUNDLE_LIMIT: f64 = 1.06;
const XZ_LIMIT: f64 = 1.15;

/// The limit on packing again after a small change, of packing anew.
const AGAIN_LIMIT: f64 = 0.05;

/// The size of one file in bytes, and for bundles the processor time to pack it in seconds.
struct Row {
    name: String,
    bytes: u64,
    seconds: Option<f64>,
    whose: Whose,
}

/// Measures four closures.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("The size");
    let mut stub = 0;
    for attribute in CLOSURES {
        let subject = Subject::of(attribute, 1);
        stub = subject.bundle.payload();
        let archive = archive(&subject.bundle);
        let mut rows: Vec<Row> = LEVELS.iter().map(|level| packed(attribute, *level)).collect();
        rows.extend(solid(&archive));
        rows.extend(peers(&subject));
        limits(&mut part, attribute, &rows, stub as u64);
        table(&mut part, attribute, &rows, len(&archive));
        part.tables.push(choices::table(&format!("{attribute}: what the choices bring"), &archive));
    }
    repacked(&mut part);
    part.limit("the stub, in KiB", stub as f64 / 1024.0, STUB_LIMIT);
    part.note("The solid frames and xz compress the bundle's own tar stream, in which a file that occurs twice is \
        stored once; bzip2 (nix-bundle's way), wrappe and squashfs take the closure itself.");
    part
}

/// Packs a closure twice, with one small store path changed: the second build uses the frame cache.
fn repacked(part: &mut Part) {
    let kept = directory().join("frames");
    shell("rm -rf \"$1\" && mkdir \"$1\"", &[&kept]);
    let pack = |version: u32| {
        let output = kept.join("bundle");
        let (builder, _) = Subject::describe("markov-circus", version);
        let mut command = builder.command();
        let ended = spawn::timed(command.env("XDG_CACHE_HOME", &kept).arg("--output").arg(&output));
        ended.worked.as_secs_f64()
    };
    let [anew, again] = [1, 2].map(pack);
    part.limit(
        "markov-circus: packing again after a small change / packing anew",
        again / anew,
        AGAIN_LIMIT,
    );
    part.note(format!("Packing markov-circus anew took {anew:.1} s of a processor, again with one small store path changed \
        {again:.1} s. Packing uses all processors."));
}

/// Decompresses the tar stream of a bundle to a file.
fn archive(bundle: &Bundle) -> PathBuf {
    beside(bundle, "payload.tar", |to| shell("zstd -dcq \"$1\" >\"$2\"", &[&payload(bundle), to]))
}

/// Packs a closure, to measure the size and the time.
fn packed(attribute: &str, level: i32) -> Row {
    let output = directory().join(format!("size-{attribute}-{level}"));
    let (builder, _) = Subject::describe(attribute, 1);
    let mut command = builder.option("--level", level.to_string()).command();
    let ended = spawn::timed(command.arg("--output").arg(&output));
    let bytes = len(&output);
    fs::remove_file(&output).expect("remove a bundle");
    Row {
        name: format!("bundle, level {level}"),
        bytes,
        seconds: Some(ended.worked.as_secs_f64()),
        whose: Whose::Ours,
    }
}

fn solid(archive: &Path) -> Vec<Row> {
    let compressors = [
        (SOLID, "zst-19", "zstd -19 -cq \"$1\" >\"$2\""),
        (
            "zstd --ultra -22 --long=27, solid",
            "zst-22",
            "zstd --ultra -22 --long=27 -cq \"$1\" >\"$2\"",
        ),
        (XZ, "xz", "xz -9 -c \"$1\" >\"$2\""),
    ];
    compressors
        .map(|(name, ending, line)| {
            let to = archive.with_file_name(format!("payload.tar.{ending}"));
            let path = once(to, |to| shell(line, &[archive, to]));
            Row { name: name.to_owned(), bytes: len(&path), seconds: None, whose: Whose::Peer }
        })
        .into()
}

fn peers(subject: &Subject) -> Vec<Row> {
    let files = [
        (STOCK, tar::zstd(&subject.bundle)),
        ("tar --bzip2 (nix-bundle)", tar::bzip2(&subject.bundle)),
        ("wrappe -c 19", wrappe::pack(subject)),
        ("squashfs, zstd -22", squashfs::image(subject, "zstd")),
        ("squashfs, xz", squashfs::image(subject, "xz")),
    ];
    let row = |(name, path): (&str, PathBuf)| Row {
        name: name.to_owned(),
        bytes: len(&path),
        seconds: None,
        whose: Whose::Peer,
    };
    files.map(row).into()
}

/// The bundle's own tar stream.
const SOLID: &str = "zstd -19, solid";
/// The closure as GNU tar writes it.
const STOCK: &str = "tar --sort=name, zstd -19";
const XZ: &str = "xz -9";

/// An archive of its own tar stream has no launcher in it, so the payload is compared, too.
fn limits(part: &mut Part, attribute: &str, rows: &[Row], stub: u64) {
    let bytes = |name: &str| {
        let row = rows.iter().find(|row| row.name == name);
        row.expect("every row is there").bytes
    };
    let mut compare = |own: &str, bytes_own: u64, other: &str, limit: f64| {
        let ratio = bytes_own as f64 / bytes(other) as f64;
        part.limit(format!("{attribute}: {own} / {other}"), ratio, limit);
    };
    let [usual, ultra] = ["bundle, level 19", "bundle, level 22"];
    compare("payload, level 19", bytes(usual) - stub, SOLID, PAYLOAD_LIMIT);
    compare(usual, bytes(usual), STOCK, BUNDLE_LIMIT);
    compare(usual, bytes(usual), SOLID, BUNDLE_LIMIT);
    compare(ultra, bytes(ultra), XZ, XZ_LIMIT);
}

fn table(part: &mut Part, attribute: &str, rows: &[Row], before: u64) {
    let solid = rows.iter().find(|row| row.name == SOLID).expect("every row is there").bytes;
    let title = format!("{attribute}, {:.1} MB as tar", before as f64 / 1e6);
    let mut table = Table::new(&title, &["file", "of zstd -19, solid", "bytes", "processor s"]);
    let mut marks = Vec::new();
    let mut times = Vec::new();
    for Row { name, bytes, seconds, whose } in rows {
        table.row([
            name.clone(),
            format!("{:.3}", *bytes as f64 / solid as f64),
            bytes.to_string(),
            seconds.map_or("–".to_owned(), |seconds| format!("{seconds:.1}")),
        ]);
        let value = Spread::of([*bytes as f64 / 1e6]);
        marks.push(Mark { label: name.clone(), value, whose: *whose });
        if let Some(seconds) = seconds {
            let label = format!("{name}: {:.1} MB", *bytes as f64 / 1e6);
            times.push(Mark { label, value: Spread::of([*seconds]), whose: *whose });
        }
    }
    part.tables.push(table);
    for (what, unit, marks) in [("Size", "MB", marks), ("Processor time to pack", "s", times)] {
        let title = format!("{what}: {title}");
        part.charts.push(Chart { title, unit: unit.into(), axis: Axis::Linear, marks });
    }
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len()
}
