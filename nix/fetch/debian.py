"""Debian packages: resolves what is needed, downloads it, checks it.

A dependency is followed where it is a shared library or a part of Python (Debian's sections `libs` and `python`):
those are what programs load. Accounts, init scripts, documentation and the like belong to an installed system.
"""

import apt
import platform
import re
from lock import sha256, Lock
from report import FetchError, notice

LOADED = {"libs", "oldlibs", "python"}

# glibc's package and libgcc's need each other; resolved first, libc6 is the one that keeps its dependency.
FIRST = "libc6"


def architecture():
    """What Debian calls this machine's processor type."""
    return (apt.run("dpkg", "--print-architecture") or platform.machine()).strip()


def machine(architecture):
    """Distribution, release and architecture, as in `debian 12 amd64`."""
    release = platform.freedesktop_os_release()
    return f"{release.get('ID', 'unknown')} {release.get('VERSION_ID', 'unstable')} {architecture}"


def file_name(name, version, architecture):
    """The name apt-get download gives the file."""
    return f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"


def fetch(recorded, directory):
    """Name → what was taken, for the roots and everything they load."""
    earlier = directory / "lock.json"
    before = Lock.read(earlier).debian if earlier.exists() and recorded.trusted else {}
    packages = apt.Packages()
    for attempt in ("with the lists there are", "with fresh lists"):
        try:
            taken = resolve(recorded, before, packages, directory)
            missing = {n: e for n, e in taken.items() if sha256(directory / e["file"]) != e["sha256"]}
            if missing:
                apt.download({n: e["version"] for n, e in missing.items()}, directory)
            check(missing, directory)
            break
        except Unavailable as error:
            if attempt == "with fresh lists" or not apt.update():
                raise FetchError(f"cannot download {error}", "run apt-get update as root, and see that apt-get download works") from None
            packages = apt.Packages()
    if recorded.trusted:
        for name, entry in sorted(taken.items()):
            old = recorded.debian.get(name)
            if old and old["version"] != entry["version"]:
                notice(f"{name} {old['version']} is no longer offered; {entry['version']} is taken")
    return acyclic(taken, recorded.roots)


class Unavailable(Exception):
    """apt does not offer, or did not deliver, these packages."""


def resolve(recorded, before, packages, directory):
    """Follows dependencies from the roots; decides each package's version on the way."""
    taken, level = {}, [FIRST, *recorded.roots]
    if recorded.trusted:
        packages.ask([n for n in recorded.debian if not present(n, recorded, before, directory)])
    while level:
        packages_here = sorted(set(level) - set(taken))
        open_names = [n for n in packages_here if not present(n, recorded, before, directory)]
        packages.ask(open_names)
        for name in packages_here:
            taken[name] = (
                present(name, recorded, before, directory)
                or offered(name, recorded, packages)
                or newest(name, recorded.roots, packages)
            )
        level = [d for name in packages_here for d in taken[name]["depends"] if d not in taken]
    return taken


def present(name, recorded, before, directory):
    """The entry whose file is there: the recorded one, else the one taken in an earlier run."""
    wanted = recorded.debian.get(name) if recorded.trusted else None
    for entry in (wanted, before.get(name)):
        # The recorded version with another digest is for `offered` to refuse.
        if not entry or wanted and entry["version"] == wanted["version"] and entry["sha256"] != wanted["sha256"]:
            continue
        if sha256(directory / entry["file"]) == entry["sha256"]:
            return entry
    return None


def offered(name, recorded, packages):
    """The recorded entry, if its version can still be had."""
    entry = recorded.debian.get(name) if recorded.trusted else None
    fields = entry and packages.version(name, entry["version"])
    if not fields:
        return None
    if fields["SHA256"] != entry["sha256"]:
        raise FetchError(
            f"{name} {entry['version']} has another digest than nix/debian/lock.json records",
            "the package or the lock was tampered with; nix/build --update takes what apt offers",
        )
    return entry


def newest(name, roots, packages):
    """An entry for the version apt would install."""
    fields = packages.candidate(name)
    if not fields:
        raise Unavailable(name)
    alternatives = [
        [re.split(r"[\s(:\[]", alternative.strip())[0] for alternative in dependency.split("|")]
        for field in ("Pre-Depends", "Depends")
        for dependency in fields.get(field, "").split(",")
        if dependency.strip()
    ]
    packages.ask([name for choice in alternatives for name in choice])
    depends = []
    for choice in alternatives:
        found = next((n for n in choice if packages.candidate(n)), None)
        if found and (section(packages.candidate(found)) in LOADED or found in roots) and found not in depends:
            depends.append(found)
    return {
        "version": fields["Version"],
        "section": section(fields),
        "file": file_name(name, fields["Version"], fields["Architecture"]),
        "sha256": fields["SHA256"],
        "depends": sorted(depends),
    }


def section(fields):
    """The section without Ubuntu's component in front, as in `universe/libs`."""
    return fields.get("Section", "").split("/")[-1]


def check(missing, directory):
    """Refuses what came with another digest; what did not come is unavailable."""
    for name, entry in missing.items():
        digest = sha256(directory / entry["file"])
        if digest is None:
            raise Unavailable(f"{name} {entry['version']}")
        if digest != entry["sha256"]:
            (directory / entry["file"]).unlink()
            raise FetchError(f"{entry['file']} was downloaded with a wrong digest", "try again; if it stays, the mirror is damaged")


def acyclic(taken, roots):
    """Drops the dependencies that close a circle: a store path can only refer to older ones."""
    done, result = set(), {}

    def visit(name, path):
        if name in done:
            return
        entry = dict(taken[name])
        path = [*path, name]
        # The parts of Python depend on each other both ways and become one store path.
        entry["depends"] = [d for d in entry["depends"] if d not in path or entry["section"] == "python" == taken[d]["section"]]
        for dependency in entry["depends"]:
            if dependency not in path:
                visit(dependency, path)
        done.add(name)
        result[name] = entry

    for name in (FIRST, *roots):
        visit(name, [])
    return result


def python_version(taken):
    """The version of the interpreter that came, as in `3.11`."""
    return ".".join(re.sub(r"^\d+:", "", taken["python3"]["version"]).split(".")[:2])
