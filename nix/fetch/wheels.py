"""Wheels: the Python packages that circus needs, downloaded by pip and checked."""

import pathlib
import subprocess
import sys
import tempfile

from lock import Lock, sha256
from report import FetchError, notice


def fetch(recorded, python, processor, directory):
    """Name → what was taken, for every wheel of the lock."""
    wanted = recorded.wheels if recorded.trusted else {}
    taken = {name: entry for name, entry in wanted.items() if is_there(entry, directory)}
    taken |= earlier(recorded, python, directory, taken)
    # The recorded versions in one go; where one is not offered any more, pip gives none of them.
    open_names = [name for name in wanted if name not in taken]
    taken |= download([f"{name}=={wanted[name]['version']}" for name in open_names], python, processor, directory)
    for name in recorded.wheels:
        if name not in taken and name in wanted:
            taken |= download([f"{name}=={wanted[name]['version']}"], python, processor, directory)
        if name not in taken:
            taken |= download([name], python, processor, directory)
        if name not in taken:
            raise FetchError(
                f"pip cannot download {name} for Python {python}",
                f"see what it says: python3 -m pip download --no-deps --only-binary=:all: {name}",
            )
    for name, entry in wanted.items():
        compare(name, entry, taken[name], directory)
    return taken


def is_there(entry, directory):
    """Whether the file is there and is the one that is meant."""
    return sha256(directory / entry["file"]) == entry["sha256"]


def compare(name, entry, taken, directory):
    """Refuses the recorded file with another content; says so where it is another file."""
    if taken["file"] != entry["file"]:
        notice(f"{name}: {taken['file']} is taken; {entry['file']}, which the lock records, is not offered here")
    elif taken["sha256"] != entry["sha256"]:
        (directory / taken["file"]).unlink()
        raise FetchError(
            f"{entry['file']} has another digest than nix/debian/lock.json records",
            "the wheel or the lock was tampered with; nix/build --update takes what pip offers",
        )


def earlier(recorded, python, directory, taken):
    """What an earlier run took in the place of recorded wheels, where it is still there."""
    path = directory / "lock.json"
    lock = Lock.read(path) if path.exists() and recorded.trusted else None
    if not lock or lock.python != python:
        return {}
    return {
        name: entry
        for name, entry in lock.wheels.items()
        if name not in taken and name in recorded.wheels
        and entry["file"] != recorded.wheels[name]["file"] and is_there(entry, directory)
    }


def download(requirements, python, processor, directory):
    """Downloads wheels for the closure's Python, which need not be the one that runs this; none where pip fails."""
    if not requirements:
        return {}
    abi = "cp" + python.replace(".", "")
    with tempfile.TemporaryDirectory(dir=directory) as aside:
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", "--dest", aside]
        command += ["--abi", abi, "--abi", "abi3", "--abi", "none"]
        for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014"):
            command += ["--platform", f"{tag}_{processor}"]
        result = subprocess.run([*command, *requirements], capture_output=True, text=True)
        if "No module named pip" in result.stderr:
            raise FetchError("pip is not installed", "apt-get install python3-pip")
        if result.returncode != 0:
            return {}
        return dict(described(file.rename(directory / file.name)) for file in pathlib.Path(aside).iterdir())


def described(file):
    """Name and entry for a file; a wheel is called name-version-tags."""
    name, version, _ = file.name.split("-", 2)
    return name.lower(), {"version": version, "file": file.name, "sha256": sha256(file)}
