"""Fetches what the Nix expressions of this repository are built from.

    python3 nix/fetch DIRECTORY [--update]
    python3 nix/fetch DIRECTORY --corpus

Downloads the packages named in nix/debian/lock.json into DIRECTORY, checks every digest, and writes
DIRECTORY/lock.json: the same lock with what was really taken. Nothing that is there already is fetched again, so a
second run needs no network. With --update the newest versions are taken and nix/debian/lock.json is rewritten.
With --corpus the packages are those of nix/corpus/programs, in the versions that apt offers.

Python and not sh: the lock is JSON, and pip needs Python on the machine anyway.
"""

import pathlib
import sys
import tomllib

import closures
import debian
import wheels
from lock import Lock
from report import FetchError, notice

NIX = pathlib.Path(__file__).resolve().parent.parent
RECORDED = NIX / "debian" / "lock.json"
PROGRAMS = NIX / "corpus" / "programs"

OPTIONS = {"--update", "--corpus"}


def main(arguments):
    options = {argument for argument in arguments if argument.startswith("--")}
    directories = [argument for argument in arguments if argument not in options]
    if len(directories) != 1 or len(options) > 1 or options - OPTIONS:
        raise FetchError("usage: fetch DIRECTORY [--update | --corpus]", "nix/build calls it with the right directory")
    directory = pathlib.Path(directories[0])
    directory.mkdir(parents=True, exist_ok=True)
    if "--corpus" in options:
        programs = [program for kind in sorted(PROGRAMS.glob("*.toml")) for program in tomllib.loads(kind.read_text()).values()]
        roots = {"bash", "coreutils", "libc-bin"}.union(*(program["debs"] for program in programs))
        closures.fetch(sorted(roots), directory)
    else:
        locked(directory, "--update" in options)


def locked(directory, update):
    """Fetches what the lock names."""
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


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except FetchError as error:
        sys.exit(str(error))
