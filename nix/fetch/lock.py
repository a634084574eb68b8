"""The lock: which packages, in which version, with which digest and dependencies."""

import hashlib
import json
import os


class Lock:
    """What was taken from a distribution and from the Python package index."""

    def __init__(self, machine, roots):
        self.machine = machine  # "debian 12 amd64": versions of another release mean nothing here
        self.roots = roots  # the packages the expressions name; the rest follows from their dependencies
        self.debian = {}
        self.python = ""  # the wheels were chosen for this version
        self.wheels = {}
        self.trusted = True  # whether its versions are to be taken where they can be had

    @classmethod
    def read(cls, path):
        data = json.loads(path.read_text())
        lock = cls(data["machine"], data["roots"])
        lock.debian, lock.python, lock.wheels = data["debian"], data["python"], data["wheels"]
        return lock

    def write(self, path):
        data = {
            "machine": self.machine,
            "roots": self.roots,
            "debian": dict(sorted(self.debian.items())),
            "python": self.python,
            "wheels": dict(sorted(self.wheels.items())),
        }
        write_json(path, data)


def write_json(path, data):
    """Writes a file that an evaluation may be reading: left alone when equal, and renamed when not."""
    text = json.dumps(data, indent=2) + "\n"
    if path.exists() and path.read_text() == text:
        return
    aside = path.with_suffix(".new")
    aside.write_text(text)
    os.replace(aside, path)


def sha256(path):
    """The hexadecimal SHA-256 of a file; None where there is no file."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except FileNotFoundError:
        return None
