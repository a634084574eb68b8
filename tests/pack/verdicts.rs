//! The verdict on relocation for files that real tools make: proven, likely or refused, and why.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::{Bundle, Host, Store, packer, probe, run};

/// A store with the probe as the program.
fn store() -> Store {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    store.file(format!("{}/etc/text", Store::OTHER), b"the text\n");
    store.file(format!("{}/etc/more", Store::OTHER), b"more text\n");
    store
}

/// Where the other store path is.
fn other() -> String {
    format!("/nix/store/{}", Store::OTHER)
}

/// Packs the store, and returns the bundle with what `packer inspect` says of relocation.
fn pack(store: &Store, entry: &str, options: &[&str]) -> (Bundle, Value) {
    let builder = Bundle::of_store(store, Store::PATH).entry(entry).option("--level", "1");
    let path = store.root().join("packed");
    let mut command = builder.command();
    run(command.args(options).arg("-o").arg(&path)).expect_code(0);
    let bundle = Bundle { path };
    let relocation = bundle.inspect()["relocation"].clone();
    (bundle, relocation)
}

/// The verdict, and the first reason without the file's name.
fn verdict(relocation: &Value) -> (String, String) {
    let verdict = relocation["verdict"].as_str().expect("a word").to_owned();
    let list = if verdict == "refused" { "obstacles" } else { "doubts" };
    let reason = relocation[list][0].as_str().unwrap_or_default();
    (verdict, reason.split_once(": ").map_or(String::new(), |(_, reason)| reason.to_owned()))
}

/// Files that hold the reference `$1`, by the tools that people use.
const FILES: &str = r#"
import ctypes, dbm.dumb, os, sqlite3, struct, subprocess, sys, tarfile, zipfile, zlib
path = sys.argv[1]
def write(name, data):
    with open(name, "wb") as file: file.write(data if isinstance(data, bytes) else data.encode())
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(*chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")
text = path.encode()
write("plain.png", png(chunk(b"tEXt", b"svg:base-uri\0file://" + text)))
write("animated.png", png(chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"tEXt", b"Source\0" + text)))
write("ztxt.png", png(chunk(b"zTXt", b"Source\0\0" + zlib.compress(text))))
write("itxt.png", png(chunk(b"iTXt", b"Source\0\1\0en\0\0" + zlib.compress(text))))
write("text.conf", f"prefix = {path}\n")
write("sorted.list", "".join(f"{path}/{number}\n" for number in range(10)))
write("few.list", f"{path}/a\n{path}/b\n")
write("bwrap.sh", "#!/bin/sh\nexec bwrap --ro-bind /nix /nix sh\n")
os.chmod("bwrap.sh", 0o755)
write("source.txt", "bwrap --ro-bind /nix /nix\n")
write("unknown.bin", b"\1\0\2" + text)
write("Main.class", b"\xca\xfe\xba\xbe\0\0\0\x34" + text)
write("messages.mo", struct.pack("<I", 0x950412de) + bytes(24) + text + b"\0")
write("cut.txt", f"half of it: {path[:30]}\n")
for name, mode in (("plain.sqlite", "delete"), ("wal.sqlite", "wal")):
    db = sqlite3.connect(name)
    db.execute(f"pragma journal_mode={mode}")
    db.execute("create table paths (path text primary key, name text) without rowid")
    db.execute("insert into paths values (?, 'x')", (path,))
    db.commit()
    if mode == "wal":
        import shutil
        shutil.copy("wal.sqlite-wal", "log.sqlite-wal")
    db.close()
write("a.c", f'const char *path = "{path}";\n')
subprocess.run(["gcc", "-c", "a.c"], check=True)
subprocess.run(["ar", "rcs", "liba.a", "a.o"], check=True)
os.makedirs("deb/DEBIAN"); os.makedirs("deb/usr")
write("deb/DEBIAN/control", "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n")
write("deb/usr/file", path)
subprocess.run(["dpkg-deb", "--root-owner-group", "-b", "deb", "x.deb"], check=True, stdout=subprocess.DEVNULL)
with zipfile.ZipFile("stored.zip", "w", zipfile.ZIP_STORED) as archive: archive.write("text.conf")
for name, format in (("plain.tar", tarfile.GNU_FORMAT), ("pax.tar", tarfile.PAX_FORMAT)):
    with tarfile.open(name, "w", format=format) as archive: archive.add("text.conf")
with tarfile.open("names.tar", "w") as archive: archive.add("text.conf", arcname=path[1:])
with tarfile.open("outer.tar", "w") as archive: archive.add("names.tar")
# As old tars are: no magic number, and a checksum of signed bytes.
with tarfile.open("odd.tar", "w") as archive: archive.add("text.conf", arcname="text.conf")
old = bytearray(open("odd.tar", "rb").read())
old[257:265] = bytes(8); old[0:4] = b"\xe4\xf6\xfct"; old[148:156] = b" " * 8
total = sum(struct.unpack("512b", old[:512]))
old[148:156] = b"%06o\0 " % (total & 0o777777)
write("odd.tar", bytes(old))
# A damaged header in the middle, as in CPython's own test data.
damaged = bytearray(open("plain.tar", "rb").read()); damaged[148] ^= 1
write("damaged.tar", open("plain.tar", "rb").read()[:1024] + bytes(damaged))
"#;

/// The verdict on each of them, alone in a closure, and a part of the reason.
const VERDICTS: [(&str, &str, &str); 27] = [
    ("text.conf", "proven", ""),
    ("few.list", "proven", ""),
    ("source.txt", "proven", ""),
    ("Main.class", "proven", ""),
    ("messages.mo", "proven", ""),
    ("a.o", "proven", ""),
    ("liba.a", "proven", ""),
    ("plain.tar", "proven", ""),
    ("pax.tar", "proven", ""),
    ("odd.tar", "proven", ""),
    ("damaged.tar", "proven", ""),
    ("sorted.list", "likely", "sorted list"),
    ("bwrap.sh", "likely", "names /nix without a hash, at byte 32"),
    ("unknown.bin", "likely", "no known kind"),
    ("plain.sqlite", "likely", "database"),
    ("wal.sqlite", "likely", "database"),
    ("log.sqlite-wal", "refused", "checksum"),
    ("plain.png", "refused", "checksum"),
    ("animated.png", "refused", "checksum"),
    ("ztxt.png", "refused", "inside a PNG file"),
    ("itxt.png", "refused", "inside a PNG file"),
    ("cut.txt", "refused", "in pieces"),
    ("x.deb", "refused", "inside a ar file"),
    ("stored.zip", "refused", "inside a zip file"),
    ("names.tar", "refused", "inside a tar file"),
    ("outer.tar", "refused", "inside a tar file"),
    ("a.c", "proven", ""),
];

fn make(directory: &Path) {
    let mut python = Command::new("python3");
    python.args(["-B", "-c", FILES, &format!("{}/etc/text", other())]).current_dir(directory);
    run(&mut python).expect_code(0);
}

#[test]
fn each_kind_of_file_has_its_verdict() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    for (name, expected, why) in VERDICTS {
        let store = store();
        let content = fs::read(directory.path().join(name)).unwrap();
        let path = format!("{}/lib/{name}", Store::PATH);
        if name == "bwrap.sh" {
            store.executable(path, &content);
        } else {
            store.file(path, &content);
        }
        let (bundle, relocation) = pack(&store, "/bin/probe", &[]);
        let (found, reason) = verdict(&relocation);
        assert_eq!(found, expected, "{name}: {relocation}");
        assert!(reason.contains(why), "{name}: {reason}");
        let modes: &[&str] = match expected {
            "proven" => &["host", "relocate", "namespace", "ram"],
            "likely" => &["host", "namespace", "relocate", "ram"],
            _ => &["host", "namespace", "ram"],
        };
        assert_eq!(bundle.inspect()["modes"], serde_json::json!(modes), "{name}");
    }
}

#[test]
fn the_packagers_word_is_kept() {
    let store = store();
    let text = other();
    store.file(format!("{}/lib/unknown.bin", Store::PATH), &[b"\x01\0", text.as_bytes()].concat());
    store.file(format!("{}/lib/text", Store::PATH), text.as_bytes());
    let (bundle, relocation) = pack(&store, "/bin/probe", &["--relocate", "lib/*.bin"]);
    assert_eq!(verdict(&relocation).0, "proven");
    let vouched = relocation["vouched"][0].as_str().unwrap();
    assert!(vouched.contains("lib/unknown.bin: holds a reference"), "{vouched}");
    let text = run(Command::new(packer()).arg("inspect").arg(&bundle.path)).stdout();
    assert!(text.contains(&format!("vouched for  {vouched}\n")), "{text}");

    let (_, relocation) = pack(&store, "/bin/probe", &["--no-relocate", "lib/text"]);
    let (found, reason) = verdict(&relocation);
    assert_eq!((found.as_str(), reason.as_str()), ("refused", "kept from relocation by --no-relocate"));
}

/// Copies of two paths, as C programs make them; each prints the two files.
const COPIES: &str = r#"
#include <stdio.h>
#include <string.h>
__attribute__((noinline)) void text(char *b) { strcpy(b, DEP "/etc/text"); }
__attribute__((noinline)) void more(char *b) { memcpy(b, DEP "/etc/more", sizeof DEP "/etc/more"); }
static int show(const char *p) {
    FILE *f = fopen(p, "r"); char l[80];
    if (!f) { perror(p); return 1; }
    fputs(fgets(l, 80, f), stdout); return 0;
}
int main(void) {
    char b[200], c[] = DEP "/etc/text"; int bad;
    text(b); bad = show(b); more(b); bad |= show(b); bad |= show(c);
    return bad | show(DEP "/etc/more");
}
"#;

#[test]
fn paths_that_a_compiler_cuts_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("copies.c");
    fs::write(&source, COPIES).unwrap();
    let (mut proven, mut refused) = (0, 0);
    for options in [
        &["-O0"][..],
        &["-O1"],
        &["-O2"],
        &["-O3"],
        &["-Os"],
        &["-O2", "-march=x86-64-v3"],
        &["-O2", "-march=x86-64-v4"],
        // A call: the string stays whole.
        &["-O2", "-fno-builtin"],
    ] {
        let store = store();
        let program = directory.path().join("copies");
        let mut gcc = Command::new("gcc");
        gcc.args(["-static", &format!("-DDEP=\"{}\"", other())]).args(options);
        run(gcc.arg(&source).arg("-o").arg(&program)).expect_code(0);
        store.program(format!("{}/bin/copies", Store::PATH), &program);
        let (bundle, relocation) = pack(&store, "/bin/copies", &[]);
        let (found, reason) = verdict(&relocation);
        if found == "refused" {
            refused += 1;
            assert!(reason.starts_with("a store hash in pieces"), "{options:?}: {reason}");
            continue;
        }
        // Then every path is whole, and it runs where no /nix is.
        proven += 1;
        assert_eq!(found, "proven", "{options:?}: {reason}");
        let host = Host::ordinary();
        let start = host.start(host.install(&bundle.path)).env("PACKED_MODE", "relocate");
        let expected = "the text\nmore text\nthe text\nmore text\n";
        assert_eq!(start.run().stdout(), expected, "{options:?}");
    }
    assert!(proven > 0 && refused > 3, "{proven} proven, {refused} refused");
}
