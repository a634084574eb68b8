//! References are rewritten where all can be, and where one can't, `packer build` says which.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Bundle, Closure, Ended, Host, Report, Store, User, packer, probe, run, tree};

/// A store with the probe, and another store path to refer to.
fn store() -> Store {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    store.file(format!("{}/etc/text", Store::OTHER), b"text");
    store
}

/// The reference that the files hold.
fn reference() -> String {
    format!("/nix/store/{}", Store::OTHER)
}

/// `packer build` with the probe as entry; returns what it prints, and the bundle.
fn build(store: &Store, options: &[&str]) -> (Ended, Bundle) {
    let path = store.root().join("probe");
    let mut command = Bundle::of_store(store, Store::PATH).entry("/bin/probe").command();
    let ended = run(command.args(["--level", "1"]).args(options).arg("-o").arg(&path));
    (ended, Bundle { path })
}

/// Makes compressed files of `text` and `two`, the second without a reference, by the tools that people use.
const COMPRESS: &str = r#"
gzip -c text > one.gz; xz -c text > one.xz; bzip2 -c text > one.bz2; zstd -qc text > one.zst
gzip -c two > two.gz; cat two.gz one.gz > members.gz; head -c 30 one.gz > cut.gz
xz -c two > two.xz; cat two.xz one.xz > streams.xz
zstd -qc two > two.zst; cat two.zst one.zst > frames.zst
tar -cf pages.tar one.gz; tar -cJf page.tar.xz one.gz
python3 -B - <<END
import os, zipapp, zipfile
def archive(name, member, method):
    with zipfile.ZipFile(name, "w", method) as archive: archive.write(member)
archive("stored.jar", "text", zipfile.ZIP_STORED)
archive("module.whl", "text", zipfile.ZIP_DEFLATED)
archive("wheel.zip", "module.whl", zipfile.ZIP_BZIP2)
# With a line in front of it that starts Python.
os.mkdir("app")
os.link("text", "app/__main__.py")
zipapp.create_archive("app", "app.pyz", "/usr/bin/env python3")
# With the flag of an encrypted file.
locked = bytearray(open("module.whl", "rb").read())
for header, flags in (b"PK\3\4", 6), (b"PK\1\2", 8): locked[locked.find(header) + flags] |= 1
open("locked.zip", "wb").write(locked)
END
gzip -c wheel.zip > wheel.zip.gz
rm -r app text two
"#;

/// What is found in them.
const COMPRESSED: [(&str, &str); 16] = [
    ("app.pyz", "a reference inside a zip file"),
    ("frames.zst", "a reference inside a zstd file"),
    ("locked.zip", "a zip file that cannot be looked into ("),
    ("members.gz", "a reference inside a gzip file"),
    ("module.whl", "a reference inside a zip file"),
    ("one.bz2", "a reference inside a bzip2 file"),
    ("one.gz", "a reference inside a gzip file"),
    ("one.xz", "a reference inside a xz file"),
    ("one.zst", "a reference inside a zstd file"),
    ("page.tar.xz", "a reference inside a xz file"),
    ("pages.tar", "a reference inside a tar file"),
    ("stored.jar", "a reference inside a zip file"),
    ("streams.xz", "a reference inside a xz file"),
    ("wheel.zip", "a reference inside a zip file"),
    ("wheel.zip.gz", "a reference inside a gzip file"),
    // Damaged: nobody else can read further, either. So this alone is a doubt, and comes last.
    ("cut.gz", "a gzip file that cannot be looked into ("),
];

fn compress(directory: &Path) {
    let write = |name, text: &str| fs::write(directory.join(name), text).expect("write a file");
    write("text", &format!("prefix={}\n", reference()));
    write("two", "nothing\n");
    run(Command::new("sh").args(["-euc", COMPRESS]).current_dir(directory)).expect_code(0);
}

#[test]
fn references_in_compressed_files_are_found_by_every_name() {
    let store = store();
    compress(store.file(format!("{}/lib/text", Store::PATH), b"").parent().unwrap());
    let place = |name: &str| format!("/nix/store/{}/lib/{name}", Store::PATH);

    let (ended, bundle) = build(&store, &[]);
    let first = format!("{}: {}", place(COMPRESSED[0].0), COMPRESSED[0].1);
    let verdict = format!(", not relocatable ({first}; and 14 more, see packer inspect)\n");
    assert!(ended.stdout().ends_with(&verdict), "{}", ended.stdout());

    let inspected = run(Command::new(packer()).arg("inspect").arg(&bundle.path)).stdout();
    let (_, listed) = inspected.split_once("\nrelocation   not relocatable:\n").expect("a list");
    for ((name, what), line) in COMPRESSED.iter().zip(listed.lines()) {
        let expected = format!("             {}: {what}", place(name));
        assert!(line.starts_with(&expected), "{line}");
    }
    assert_eq!(listed.lines().nth(COMPRESSED.len()).unwrap().split(' ').next(), Some("size"));

    assert_eq!(bundle.modes(), ["namespace", "ram"]);
    let (what, hint) = build(&store, &["--mode", "relocate"]).0.expect_refusal(1);
    assert_eq!(what, format!("packer: the closure cannot be relocated: {first}"));
    assert_eq!(
        hint,
        "hint: leave relocate out of --mode, or the file out with --exclude; --relocate vouches for a file"
    );
}

#[test]
fn documentation_may_hold_what_it_likes() {
    let store = store();
    compress(store.file(format!("{}/share/doc/text", Store::PATH), b"").parent().unwrap());
    let (ended, bundle) = build(&store, &[]);
    // What stored.jar and app.pyz hold uncompressed is under a checksum, and stays, too.
    let verdict = ", relocatable (0 references in 0 files)\n";
    assert!(ended.stdout().ends_with(verdict), "{}", ended.stdout());
    let host = Host::ordinary();
    let start = host.start(host.install(&bundle.path)).env("PACKED_MODE", "relocate");
    let unpacked = relocated(&start.run());
    let documentation = |top: &Path| tree::list(&top.join("share")).unwrap();
    let expected = documentation(&store.at(Store::PATH));
    assert_eq!(documentation(&host.outside(unpacked)), expected);
}

/// Where the probe says that its store path is.
fn relocated(ended: &Ended) -> PathBuf {
    ended.expect_code(0);
    let report = Report::parse(&String::from_utf8_lossy(&ended.stdout)).expect("a report");
    let program = report.get("exe").expect("the probe says which file it is");
    program.strip_suffix("/bin/probe").expect("the program is in bin/").into()
}

#[test]
fn what_is_rewritten_is_right_to_the_byte() {
    const LARGE: usize = (20 << 20) / 44;
    let store = store();
    let line = format!("{}/etc/text\n", reference());
    let file = |name: &str, content: &[u8]| {
        store.file(format!("{}/{name}", Store::PATH), content);
    };
    // Hardly anything but references, so that one lies over each border between its frames.
    file("large", format!("{}\n", &reference()[..43]).repeat(LARGE).as_bytes());
    // A Python module whose source is to be checked, over several frames, too.
    let module = [b"\xa7\x0d\x0d\x0a\x03\0\0\0-digest-", line.repeat(200_000).as_bytes()].concat();
    file("module.pyc", &module);
    file("end", &reference().as_bytes()[..43]);
    file("cut", &reference().as_bytes()[..18]);
    store.link(format!("{}/link", Store::PATH), line.trim_end().as_bytes());
    // Long runs of zeros become holes.
    file("sparse", b"");
    let sparse = File::options().write(true).open(store.at(Store::PATH).join("sparse")).unwrap();
    sparse.set_len(10 << 20).unwrap();
    for at in [0, (64 << 10) - 20, 5 << 20, (10 << 20) - 1000] {
        sparse.write_all_at(line.as_bytes(), at).unwrap();
    }

    // A list in order and a binary file of no known kind, for which the packager vouches.
    let (ended, bundle) = build(&store, &["--relocate", "{large,sparse}"]);
    let count = LARGE + 200_000 + 1 + 1 + 4;
    let verdict = format!(", relocatable ({count} references in 5 files)\n");
    assert!(ended.stdout().ends_with(&verdict), "{}", ended.stdout());
    assert!(bundle.inspect()["frames"].as_u64() > Some(4));
    run(Command::new(packer()).arg("verify").arg(&bundle.path)).expect_code(0);

    let host = Host::ordinary();
    let start = host.start(host.install(&bundle.path)).env("PACKED_MODE", "relocate");
    let unpacked = host.outside(relocated(&start.run()));
    let target = fs::read_link(unpacked.join("link")).unwrap();
    let other = target.to_str().unwrap().strip_suffix("/etc/text").unwrap();
    assert_eq!(fs::read(host.outside(&target)).unwrap(), b"text");
    assert_eq!(other.len(), reference().len());
    for name in ["large", "module.pyc", "end", "cut", "sparse"] {
        let text =
            |top: &Path| String::from_utf8_lossy(&fs::read(top.join(name)).unwrap()).into_owned();
        let mut expected = text(&store.at(Store::PATH)).replace(&reference()[..43], &other[..43]);
        if name == "module.pyc" {
            // The flags: a digest that is not to be checked.
            expected = expected.replacen('\x03', "\x01", 1);
        }
        assert!(text(&unpacked) == expected, "{name}");
    }
}

#[test]
fn python_loads_what_was_compiled_before() {
    let closure = Closure::example("python-modules");
    let builder = Bundle::of(&closure).entry("/bin/python-modules").option("--level", "3");
    let bundle = builder.option("--mode", "relocate").pack();
    for user in [User::ordinary(), User::root()] {
        let host = Host::new(user, tests::Nix::Absent);
        let program = host.install(&bundle.path);
        let start = || host.start(&program).run();
        start().expect_code(0);
        let files = tree::list(&host.outside(host.cache())).unwrap();
        let ended = start();
        let place = host.cache().display().to_string();
        let places = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(places.lines().count() == 3 && places.lines().all(|line| line.starts_with(&place)));
        // With -v, Python says which file it has the code of a module from, and which it writes.
        let stderr = ended.stderr();
        for module in ["timestamp", "checked_hash", "unchecked_hash"] {
            let matches = format!(".pyc matches {place}/");
            let is_said =
                |line: &&str| line.contains(&matches) && line.ends_with(&format!("/{module}.py"));
            assert_eq!(stderr.lines().filter(is_said).count(), 1, "{module} on {host}:\n{stderr}");
        }
        let code = || stderr.lines().filter(|line| line.starts_with("# code object from"));
        assert!(code().count() > 3 && code().all(|line| line.ends_with(".pyc'")), "{stderr}");
        assert!(!stderr.contains("# wrote"), "on {host}:\n{stderr}");
        // Root could write.
        assert_eq!(tree::list(&host.outside(host.cache())).unwrap(), files, "on {host}");
    }
}

#[test]
fn where_references_do_not_fit_the_next_place_is_taken() {
    let bundle = Bundle::of(&Closure::probe()).entry("/bin/probe").pack();
    let long = format!("/home/alice/{}", "x".repeat(60 - "/home/alice/".len()));
    let cases = [
        (long.as_str(), "its path has 74 bytes, 30 are allowed"),
        ("/home/alice/al ice", "its path holds ' '"),
        ("/home/alice/al:ice", "its path holds ':'"),
    ];
    for (home, why) in cases {
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        host.directory(home, 0o700);
        let ended = host.start(&program).env("HOME", home).env("PACKED_LOG", "debug").run();
        let line = format!("packed: not in {home}/.cache/packed: {why}\n");
        assert!(ended.stderr().contains(&line), "{}", ended.stderr());
        assert!(ended.stderr().contains("packed: mode relocate\n"), "{}", ended.stderr());
        let place = relocated(&ended);
        assert!(place.starts_with("/var/tmp") && place.display().to_string().contains("/packed-"));

        // No other place may be taken: the next mode.
        let cache = format!("{home}/.cache/packed");
        let start = host.start(&program).env("PACKED_CACHE", &cache).env("PACKED_LOG", "debug");
        let ended = start.run();
        let line = format!(
            "packed: not mode relocate: no directory can hold the cache: {cache} ({why})\n"
        );
        assert!(ended.stderr().contains(&line), "{}", ended.stderr());
        assert!(ended.stderr().contains("packed: mode namespace\n"), "{}", ended.stderr());
        let place = relocated(&ended);
        assert_eq!(place, Closure::probe().path);
    }
}
