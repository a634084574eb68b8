"""Fetches what the Nix expressions of this repository are built from.

    python3 nix/fetch DIRECTORY [--update]
    python3 nix/fetch DIRECTORY --corpus
    python3 nix/fetch DIRECTORY --desktop
    python3 nix/fetch DIRECTORY --closure NAME...
    python3 nix/fetch DIRECTORY --sources NAME... [--packages NAME...]
    python3 nix/fetch DIRECTORY --processor TYPE …

The first form downloads the packages named in nix/debian/lock.json into DIRECTORY, checks every digest, and writes
DIRECTORY/lock.json: the same lock with what was really taken. Nothing that is there already is fetched again, so a
second run needs no network. With --update the newest versions are taken and nix/debian/lock.json is rewritten.

The other forms take the versions that apt offers: the packages of nix/corpus/programs or nix/corpus/desktop.toml with
all that they need (closures.py), or of the named ones; sources, and packages alone (sources.py). Each form takes what
is for another processor type, such as aarch64, from the same sources of apt's.

Python and not sh: the lock is JSON, and pip needs Python on the machine anyway.
"""

import argparse
import pathlib
import platform
import sys
import tomllib

import apt
import closures
import debian
import sources
import wheels
from lock import Lock
from report import FetchError, notice

NIX = pathlib.Path(__file__).resolve().parent.parent
RECORDED = NIX / "debian" / "lock.json"
PROGRAMS = NIX / "corpus" / "programs"
DESKTOP = NIX / "corpus" / "desktop.toml"

# What Debian calls a processor type.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# What every program of the corpus has.
ALWAYS = {"bash", "coreutils", "libc-bin"}


def main():
    parser = argparse.ArgumentParser("nix/fetch", description="Fetches what is built from; nix/build calls it.")
    parser.add_argument("directory", type=pathlib.Path)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--update", action="store_true")
    what.add_argument("--corpus", action="store_true")
    what.add_argument("--desktop", action="store_true")
    what.add_argument("--closure", nargs="+")
    what.add_argument("--sources", nargs="+")
    parser.add_argument("--packages", nargs="+", default=[])
    parser.add_argument("--processor", choices=ARCHITECTURES, default=platform.machine())
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    own, wanted = debian.architecture(), ARCHITECTURES.get(options.processor)
    if wanted and wanted != own:
        apt.use(wanted, options.directory)
    if options.corpus:
        closures.fetch(sorted(ALWAYS.union(*map(packages, PROGRAMS.glob("*.toml")))), options.directory)
    elif options.desktop:
        closures.fetch(sorted(ALWAYS | packages(DESKTOP)), options.directory)
    elif options.closure:
        closures.fetch(options.closure, options.directory)
    elif options.sources:
        sources.fetch(options.sources, options.packages, options.directory)
    else:
        locked(options.directory, options.update, options.processor, wanted or own)


def packages(programs):
    """The packages that a file of the corpus names."""
    return {package for program in tomllib.loads(programs.read_text()).values() for package in program["debs"]}


def locked(directory, update, processor, architecture):
    """Fetches what the lock names."""
    recorded, earlier = Lock.read(RECORDED), directory / "lock.json"
    machine = debian.machine(architecture)
    if machine != recorded.machine and not update and earlier.exists():
        taken = Lock.read(earlier)
        # What an earlier run took there.
        if (taken.machine, taken.roots, taken.wheels.keys()) == (machine, recorded.roots, recorded.wheels.keys()):
            recorded = taken
    recorded.trusted = not update and machine == recorded.machine
    if machine != recorded.machine and not update:
        notice(f"the lock was made on {recorded.machine}; on {machine} its own versions are taken")

    taken = Lock(machine, recorded.roots)
    taken.debian = debian.fetch(recorded, directory)
    taken.python = debian.python_version(taken.debian)
    taken.wheels = wheels.fetch(recorded, taken.python, processor, directory)
    taken.write(directory / "lock.json")
    if update:
        taken.write(RECORDED)


if __name__ == "__main__":
    try:
        main()
    except FetchError as error:
        sys.exit(str(error))
