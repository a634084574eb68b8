"""Makes files that hold the reference sys.argv[1], by the tools that people use."""

import os, shutil, sqlite3, struct, subprocess, sys, tarfile, zipfile, zlib
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
