"""Fetches what the Nix expressions of this repository are built from.

    python3 nix/fetch DIRECTORY [--update]
    python3 nix/fetch DIRECTORY --sources NAME... [--packages NAME...]

Downloads the packages named in nix/debian/lock.json into DIRECTORY, checks every digest, and writes
DIRECTORY/lock.json: the same lock with what was really taken. Nothing that is there already is fetched again, so a
second run needs no network. With --update the newest versions are taken and nix/debian/lock.json is rewritten.

The second form downloads sources, and packages, of any version: see sources.py.

Python and not sh: the lock is JSON, and pip needs Python on the machine anyway.
"""

import pathlib
import sys

import debian
import sources
import wheels
from lock import Lock
from report import FetchError, notice

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "debian" / "lock.json"


def main(arguments):
    if arguments[1:2] == ["--sources"]:
        source_names, packages = split(arguments[2:], "--packages")
        directory = pathlib.Path(arguments[0])
        directory.mkdir(parents=True, exist_ok=True)
        return sources.fetch(source_names, packages, directory)
    update = "--update" in arguments
    directories = [argument for argument in arguments if not argument.startswith("--")]
    if len(directories) != 1 or any(a.startswith("--") and a != "--update" for a in arguments):
        raise FetchError("usage: fetch DIRECTORY [--update], or fetch DIRECTORY --sources NAME... [--packages NAME...]", "nix/build calls it with the right directory")
    directory = pathlib.Path(directories[0])
    directory.mkdir(parents=True, exist_ok=True)

    recorded = Lock.read(RECORDED)
    machine = debian.machine()
    recorded.trusted = not update and machine == recorded.machine
    if machine != recorded.machine and not update:
        notice(f"the lock was made on {recorded.machine}; on {machine} its own versions are taken")

    taken = Lock(machine, recorded.roots)
    taken.debian = debian.fetch(recorded, directory)
    taken.python = debian.python_version(taken.debian)
    taken.wheels = wheels.fetch(recorded, taken.python, directory)
    taken.write(directory / "lock.json")
    if update:
        taken.write(RECORDED)


def split(arguments, option):
    """What is before the option, and what is after it."""
    at = arguments.index(option) if option in arguments else len(arguments)
    return arguments[:at], arguments[at + 1:]


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except FetchError as error:
        sys.exit(str(error))
