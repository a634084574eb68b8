"""Lists or unpacks a bundle: `reader.py list BUNDLE`, `reader.py unpack BUNDLE DIRECTORY`.

It was written from docs/format.md alone, shares no code with packer, and checks digests and rules on its way.
"""
import hashlib
import os
import struct
import subprocess
import sys

DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
DIRECTORY, FILE, EXECUTABLE, LINK, MODULE = range(5)
NO_PARENT, FRAME, SECTION = 0xFFFFFFFF, 128 << 20, 512 << 20

def check(holds, rule):
    if not holds:
        sys.exit(f"reader: {rule}")

def checked(name, data, digest):
    check(hashlib.sha256(data).digest() == digest, f"{name}: another digest")
    return data

class Part:
    """The fields of a part, one after the other."""
    def __init__(self, name, data):
        self.name, self.data, self.at = name, data, 0
    def bytes(self, length):
        self.at += length
        check(self.at <= len(self.data), f"{self.name}: too short")
        return self.data[self.at - length : self.at]
    def number(self, size):
        return int.from_bytes(self.bytes(size), "little")
    def short(self):
        return self.bytes(self.number(2))
    def list(self, item):
        return [item() for _ in range(self.number(4))]
    def end(self):
        check(self.at == len(self.data), f"{self.name}: bytes are left over")

def decompress(name, data, limit):
    """One zstd frame. The length in its header (RFC 8878, 3.1.1.1) says what has to be allocated."""
    check(data[:4] == b"\x28\xb5\x2f\xfd" and data[4] & 7 == 0, f"{name}: no such zstd frame")
    size, single = data[4] >> 6, data[4] >> 5 & 1
    field = data[6 - single :][: (single, 2, 4, 8)[size]]
    length = int.from_bytes(field, "little") + (256 if size == 1 else 0)
    check(field and length <= limit, f"{name}: its content has no length, or too much of it")
    zstd = subprocess.run(["zstd", "-dcq", "--memory=128MB"], input=data, stdout=subprocess.PIPE)
    check(zstd.returncode == 0 and len(zstd.stdout) == length, f"{name}: its content is damaged")
    return zstd.stdout

def base_name(part):
    bits = int.from_bytes(part.bytes(20), "little")
    return "".join(DIGITS[bits >> 5 * (31 - i) & 31] for i in range(32)) + "-" + part.short().decode()

def note(file):
    headers, (size, count) = struct.unpack_from("<Q", file, 32)[0], struct.unpack_from("<HH", file, 54)
    for at in range(headers, headers + size * count, size):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", file, at)
        notes = Part("note", file[start : start + length] if kind == 4 else b"")
        while notes.at < len(notes.data):
            name, content, owner = [notes.number(4) for _ in range(3)]
            name = notes.bytes(name + -name % 4)
            content = notes.bytes(content + -content % 4)
            if (name, owner) == (b"packer\0\0", 1):
                return content
    sys.exit("reader: there is no descriptor: this is no bundle")

def descriptor(file):
    part = Part("descriptor", note(file))
    head, _, digest = part.bytes(8), part.bytes(8), part.bytes(32)
    version, length = struct.unpack("<II", head)
    check(version in (1, 2, 3, 4, 5), f"bundle format version {version} is not known")
    body = Part("descriptor", part.bytes(length))
    checked("descriptor", head + body.data, digest)
    check(len(part.data) == 8192 and not any(part.data[part.at :]), "descriptor: not as long as it says")
    payload, file_len = body.number(8), body.number(8)
    check(file_len == len(file), "the file has another length")
    sections = [(body.number(8), body.number(8), body.bytes(32)) for _ in range(3)]
    modes = body.number(4)
    check(modes & 15 and modes < (16 if version == 1 else 32), "descriptor: a mode is not known, or there is none")
    paths = body.list(lambda: (base_name(body), body.bytes(32)))
    subset = lambda: body.number(2) if version > 4 else 0
    entries = body.list(lambda: (body.number(2), body.short(), subset()))
    check(entries and all(path < len(paths) for path, _, _ in entries), "descriptor: a wrong entry")
    piece = lambda: {0: body.short, 1: lambda: body.number(2), 2: lambda: None}[body.number(1)]()
    body.list(lambda: (body.number(1), body.short(), body.list(piece)))
    if version > 3:
        flagged = lambda: [body.number(2) for _ in range(body.number(1))]
        body.list(lambda: (body.number(4), flagged(), flagged()))
        body.list(body.short)
    if body.at < len(body.data):
        argv0 = body.number(1)
        check(argv0 in (1, 2, 3), "descriptor: an unknown argv0")
        if argv0 == 3:
            body.short()
    body.end()
    programs = [f"/nix/store/{paths[path][0]}{name.decode()}" for path, name, _ in entries]
    return version, payload, sections, programs, max(subset for _, _, subset in entries)

def section(file, name, magic, where):
    start, length, digest = where
    data = file[start : start + length]
    check(len(data) == length <= SECTION, f"{name}: not inside the file, or too long")
    check(struct.unpack("<II", file[start - 8 : start]) == (magic, length), f"{name}: another header")
    return checked(name, data, digest)

def is_rising(values):
    return all(a < b for a, b in zip(values, values[1:]))

def manifest(data, version, last_subset):
    part = Part("manifest", data)
    part.short()
    for _ in range(1 if version == 1 else 3):
        part.list(part.short)
    def flag():
        value = part.number(1)
        check(value < 2, "manifest: a flag is neither 0 nor 1")
        return value
    def info():
        known = references(), part.list(lambda: base_name(part)), part.list(lambda: base_name(part))
        known += (part.short().decode(), part.list(lambda: (part.short().decode(), part.bytes(64))))
        rising = all(is_rising(names) for names in (known[0], known[1], known[4]))
        check(rising and len(known[2]) < 2, "manifest: what Nix knows is out of order")
    references = lambda: part.list(lambda: part.number(4))
    def path():
        fields = base_name(part), part.bytes(32), part.number(8), part.bytes(32), references()
        if version > 2:
            flag()
            check(len(part.list(info)) < 2, "manifest: a store path is described twice")
        return fields
    paths = part.list(path)
    if version > 2:
        flag()
        part.bytes(part.number(4)).decode()
    if version > 4:
        subsets = part.list(references)
        check(last_subset <= len(subsets), "manifest: an entry's subset is missing")
        check(all(is_rising(subset + [len(paths)]) for subset in subsets), "manifest: a wrong subset")
        check(is_rising(part.list(lambda: (part.short(), part.bytes(16)))), "manifest: the rules are out of order")
        for _ in range(3):
            part.short().decode()
        check(len(part.list(lambda: part.bytes(32))) < 2, "manifest: two digests of the stub")
    part.end()
    check(is_rising([path[0] for path in paths]), "manifest: the store paths are out of order")
    return paths

def index(data):
    part = Part("index", data)
    digests = part.list(lambda: part.bytes(32))
    def node():
        parent, kind, name = part.number(4), part.number(1), part.short()
        check(kind <= MODULE, "index: a kind is not known")
        is_name = 0 < len(name) < 256 and name not in (b".", b"..") and not {0, 47} & set(name)
        check(not name if parent == NO_PARENT else is_name, "index: a name is not one")
        place = (part.number(8), part.number(8)) if kind in (FILE, EXECUTABLE, MODULE) else (0, 0)
        target = part.short() if kind == LINK else b""
        check(kind != LINK or 0 < len(target) < 4096 and 0 not in target, "index: a target is not one")
        kind == DIRECTORY or part.list(lambda: part.bytes(12))
        return parent, kind, name, place, target
    nodes = part.list(node)
    part.end()
    return digests, nodes

def strings(*texts):
    return b"".join(struct.pack("<Q", len(text)) + text + bytes(-len(text) % 8) for text in texts)

def nar(number, nodes, below, content):
    """The NAR serialisation of a node."""
    _, kind, _, place, target = nodes[number]
    if kind == DIRECTORY:
        inner = strings(b"directory")
        for child in below[number]:
            inner += strings(b"entry", b"(", b"name", nodes[child][2], b"node")
            inner += nar(child, nodes, below, content) + strings(b")")
    elif kind == LINK:
        inner = strings(b"symlink", b"target", target)
    else:
        inner = strings(b"regular", *[b"executable", b""] * (kind == EXECUTABLE), b"contents", content(*place))
    return strings(b"(", b"type") + inner + strings(b")")

def tree(nodes, roots):
    """The nodes in each directory, and the path of each node."""
    below, paths, opened = [[] for _ in nodes], [], []
    for number, (parent, kind, name, *_) in enumerate(nodes):
        while opened and opened[-1] != parent:
            opened.pop()
        check((parent == NO_PARENT) == (not opened) and len(opened) < 8192, "index: a wrong parent")
        siblings = below[parent] if opened else []
        check(not siblings or nodes[siblings[-1]][2] < name, "index: names are out of order")
        siblings.append(number)
        paths.append(paths[parent] + b"/" + name if opened else b"nix/store/" + next(roots, "").encode())
        opened += [number] if kind == DIRECTORY else []
    return below, paths

def unpack(nodes, paths, content, directory):
    os.makedirs(f"{directory}/nix/store", exist_ok=True)
    os.chdir(directory)
    for (_, kind, _, place, target), path in zip(nodes, paths):
        if kind == DIRECTORY:
            os.mkdir(path)
        elif kind == LINK:
            os.symlink(target, path)
        else:
            open(path, "xb").write(content(*place))
    for (_, kind, *_), path in reversed([*zip(nodes, paths)]):
        if kind != LINK:
            os.chmod(path, 0o444 if kind in (FILE, MODULE) else 0o555)
        os.utime(path, (1, 1), follow_symlinks=False)

def main(action, bundle, directory=None):
    file = open(bundle, "rb").read()
    version, payload, sections, programs, last_subset = descriptor(file)
    parts = [("manifest", 0x184D2A50), ("index", 0x184D2A51), ("seek table", 0x184D2A5E)]
    stored = [section(file, *part, where) for part, where in zip(parts, sections)]
    store_paths = manifest(decompress("manifest", stored[0], SECTION), version, last_subset)
    digests, nodes = index(decompress("index", stored[1], SECTION))
    rows, end = [*struct.iter_unpack("<II", stored[2][:-9])], struct.unpack("<IBI", stored[2][-9:])
    check(end == (len(rows), 0, 0x8F92EAB1) and len(rows) == len(digests) + 2, "seek table: not one")
    stream, at = b"", payload
    for number, ((length, content_len), digest) in enumerate(zip(rows, digests)):
        name = f"frame {number}"
        frame = decompress(name, checked(name, file[at : at + length], digest), FRAME)
        check(len(frame) == content_len > 0, f"{name}: another length")
        stream, at = stream + frame, at + length
    for (start, length, _), row in zip(sections, rows[-2:] + [(8 + len(stored[2]), 0)]):
        check((start, (8 + length, 0)) == (at + 8, row), "the frames are not behind one another")
        at += row[0]
    check(at == len(file), "bytes are left over")
    content = lambda start, length: stream[start : start + length]
    check(all(sum(node[3]) <= len(stream) for node in nodes), "index: a content is outside of the tar stream")
    roots = [number for number, node in enumerate(nodes) if node[0] == NO_PARENT]
    check(len(roots) == len(store_paths), "index: not one root for each store path")
    below, paths = tree(nodes, iter(path[0] for path in store_paths))
    for root, (name, digest, length, *_) in zip(roots, store_paths):
        data = checked(name, strings(b"nix-archive-1") + nar(root, nodes, below, content), digest)
        check(len(data) == length, f"{name}: another length")
    if action == "unpack":
        return unpack(nodes, paths, content, directory)
    print(*(f"entry {program}" for program in programs), sep="\n")
    for (_, kind, _, (_, length), target), path in zip(nodes, paths):
        print("dfxlf"[kind], length, "/" + os.fsdecode(path), os.fsdecode(target))

main(*sys.argv[1:])
