//! Runs a program alone and in a bundle, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use tests::{Bundle, Directory, Ended, Host, Nix, Start, User};

use crate::program::Program;
use crate::table::{Row, Run, Verdict};

/// What came out for a program, and what is wrong with that.
pub(crate) type Outcome = (Row, Result<(), String>);

/// Packs a program, and compares it with itself: alone where its store paths are, and in a bundle where no /nix is.
///
/// The bundle is relocated if its verdict allows it, and has a namespace if not. It is wrong if a program whose
/// relocation is proven, or that is in a namespace, is not the same in a bundle. What is likely may differ: the table
/// says so.
///
/// # Errors
///
/// If the program does not work alone, or not with `--slim`.
pub(crate) fn compare(program: &Program) -> Result<Outcome, String> {
    let closure = program.closure();
    let user = User::ordinary();
    let alone = Host::new(user.clone(), Nix::SamePaths);
    let expected = start(&alone, closure.path.join("bin/run")).run();
    if !expected.status.success() || expected.stdout.is_empty() {
        let output = text(&expected, &Names::new());
        return Err(format!("alone, it does not work: {output}\n{}", expected.stderr()));
    }

    let directory = tempfile::tempdir().expect("make a directory");
    fs::create_dir(directory.path().join("slim")).expect("make a directory");
    let builder = Bundle::of(&closure).entry("/bin/run").option("--level", "1");
    let bundle = builder.pack_into(directory.path());
    let info = bundle.inspect();
    let verdict = Verdict::of(&info["relocation"]);
    let host = Host::new(user, Nix::Absent);
    let bundle = host.install(&bundle.path);
    let mode = if verdict == Verdict::Refused { "namespace" } else { "relocate" };
    let packed = start(&host, &bundle).env("PACKED_MODE", mode).run();
    let names = relocated(&host, &closure.requisites());
    let verified = start(&host, &bundle).env("PACKED", "verify").run();

    let result = same(&expected, &packed, &names).and_then(|()| untouched(&verified));
    // What running does not need is left out: then it prints the same as with it.
    if program.slim {
        let slim = builder.flag("--slim").option("--locales", "all").flag("--strip");
        let slim = slim.pack_into(&directory.path().join("slim"));
        let host = Host::new(User::ordinary(), Nix::Absent);
        let ended = start(&host, host.install(&slim.path)).env("PACKED_MODE", "namespace").run();
        same(&expected, &ended, &Names::new()).map_err(|error| format!("slim, {error}"))?;
    }
    let run = match (verdict, &result) {
        (_, Err(_)) => Run::Differs,
        (Verdict::Refused, Ok(())) => Run::Namespace,
        (_, Ok(())) => Run::Same,
    };
    let row = Row::new(verdict, run, &info);
    let result = match verdict {
        Verdict::Likely => Ok(()),
        Verdict::Proven if program.breaks => Err("it is proven, and should break".to_owned()),
        Verdict::Proven | Verdict::Refused => result,
    };
    Ok((row, result))
}

/// A start in a directory of its own.
fn start(host: &Host, program: impl Into<PathBuf>) -> Start {
    let place = host.directory("/tmp/work", 0o700);
    host.start(program).without_env("PATH").env("TMPDIR", &place).directory(Directory::At(place))
}

/// For each start of a relocated path, `/nix/store/<hash>` of the store path.
type Names = BTreeMap<String, String>;

/// What stands in the place of each `/nix/store/<hash>` of a relocated closure.
fn relocated(host: &Host, paths: &BTreeSet<String>) -> Names {
    let cache = host.cache();
    let Ok(entries) = fs::read_dir(host.outside(&cache)) else { return Names::new() };
    let mut names = Names::new();
    for entry in entries {
        let entry = entry.expect("list the cache").file_name().into_string().expect("text");
        let path = format!("{}/{entry}", cache.display());
        // Both have the same length, and the same name behind it.
        let same = |of: &&String| of.len() == path.len() && of[REFERENCE..] == path[REFERENCE..];
        let mut found = paths.iter().filter(same);
        if let (Some(of), None) = (found.next(), found.next()) {
            names.insert(path[..REFERENCE].to_owned(), of[..REFERENCE].to_owned());
        }
    }
    names
}

/// The length of `/nix/store/<hash>`.
const REFERENCE: usize = format::REFERENCE_LEN;

fn same(expected: &Ended, ended: &Ended, names: &Names) -> Result<(), String> {
    let (expected, packed) = (text(expected, &Names::new()), text(ended, names));
    if expected == packed {
        return Ok(());
    }
    Err(format!("alone:\n{expected}\nin a bundle:\n{packed}\nstderr:\n{}", ended.stderr()))
}

/// The status and the output, with store paths for their relocated copies. What is on stderr is for people: some write
/// times there.
fn text(ended: &Ended, names: &Names) -> String {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        names.iter().fold(text, |text, (from, to)| text.replace(from, to))
    };
    format!("{}\n{}", ended.status, text(&ended.stdout))
}

/// Whether nothing was written into an unpacked store path.
fn untouched(verified: &Ended) -> Result<(), String> {
    let text = verified.text();
    if text.contains("altered") { Err(text) } else { Ok(()) }
}
