"""Debian packages with all that they depend on, in groups that become store paths.

Unlike debian.py, it follows every dependency, and takes the versions that apt offers and checks.
"""

import re

import apt
from debian import FIRST, Unavailable, acyclic, check, file_name, section
from lock import sha256, write_json
from report import FetchError

# Parts of an installed system, what the scripts need that install it, and what only manuals and builds need.
# Programs do not load them.
SYSTEM = re.compile(
    r"adduser|apt|base-files|cron.*|dbus.*|debconf.*|default-mta|dictionaries-common|dmsetup|dpkg|emacsen-common|"
    r"init-system-helpers|install-info|libjs-sphinxdoc|libpam-.*|logrotate|lsb-.*|netbase|passwd|procps|"
    r"python3-pythran|sensible-utils|ssl-cert|systemd.*|sysvinit-utils|tex-common|ucf|udev|update-inetd|usrmerge|"
    r"util-linux.*|xfonts-utils"
)

LIBRARIES = {"libs", "oldlibs"}

# Each Debian system has them as /bin/sh and /bin/bash, so the packages with scripts for them need not say so.
SHELLS = ["dash", "bash"]


def fetch(roots, directory):
    """Downloads the roots and what they need. Writes lock.json, which nix/corpus/default.nix reads."""
    try:
        packages = downloaded(roots, directory)
    except Unavailable as error:
        # There are no lists yet, or the mirror has newer packages.
        if not apt.update():
            raise FetchError(f"cannot download {error}", "run apt-get update as root") from None
        packages = again(roots, directory)
    groups = joined(packages)
    lock = {
        "groups": acyclic(groups, [packages[root]["group"] for root in roots]),
        "packages": {name: {key: entry[key] for key in ("group", "depends")} for name, entry in packages.items()},
    }
    write_json(directory / "lock.json", lock)


def downloaded(roots, directory):
    """Name → entry of the roots and of everything they need, whose files are there."""
    packages = closure(roots)
    missing = {name: entry for name, entry in packages.items() if sha256(directory / entry["file"]) != entry["sha256"]}
    wanted = sorted(missing)
    for start in range(0, len(wanted), 100):
        apt.download({name: missing[name]["version"] for name in wanted[start : start + 100]}, directory)
    check(missing, directory)
    return packages


def again(roots, directory):
    """The same with fresh lists."""
    try:
        return downloaded(roots, directory)
    except Unavailable as error:
        raise FetchError(f"cannot download {error}", "see what apt-get download says of it") from None


def closure(roots):
    """Name → entry of the roots and of everything they need."""
    offered, providers = {}, {}
    # Not what is installed: a package from elsewhere would hide Debian's.
    for fields in apt.stanzas(apt.run("apt-cache", "-o", "Dir::State::status=/dev/null", "dumpavail")):
        offered[fields["Package"]] = fields
        for provided in listed(fields, "Provides"):
            providers.setdefault(name_in(provided), []).append(fields["Package"])

    def choose(alternatives):
        for name in alternatives:
            for found in [name] if name in offered else providers.get(name, [])[:1]:
                return None if SYSTEM.fullmatch(found) else found
        return None

    taken, open_names = {}, [FIRST, *SHELLS, *roots]
    while open_names:
        name = open_names.pop()
        if name in taken:
            continue
        if name not in offered:
            raise Unavailable(name)
        fields = offered[name]
        needed = [choose(map(name_in, choice.split("|")))
                  for field in ("Pre-Depends", "Depends") for choice in listed(fields, field)]
        taken[name] = {
            "version": fields["Version"],
            "section": section(fields),
            "file": file_name(name, fields["Version"], fields["Architecture"]),
            "sha256": fields["SHA256"],
            "depends": sorted(set(needed) - {None, name}),
            # As in nixpkgs, a source package is one store path; its libraries are others.
            "group": name if section(fields) in LIBRARIES else fields.get("Source", name).split(" ")[0],
        }
        open_names += taken[name]["depends"]

    below_shell, open_names = set(), [*SHELLS]
    while open_names:
        name = open_names.pop()
        if name not in below_shell:
            below_shell.add(name)
            open_names += taken[name]["depends"]
    for name in taken.keys() - below_shell:
        taken[name]["depends"] = sorted({*SHELLS, *taken[name]["depends"]})
    return taken


def listed(fields, field):
    """The parts of a field that are separated by commas; none where it is missing."""
    return fields[field].split(",") if field in fields else []


def name_in(dependency):
    """The package's name in `name:any (>= 1.0)`."""
    return re.split(r"[\s(:\[]", dependency.strip())[0]


def joined(packages):
    """The groups, but those that need each other are one: a library, and what its own source has beside it."""
    groups = grouped(packages)
    reached = {}
    for name in groups:
        found, open_names = set(), [name]
        while open_names:
            new = set(groups[open_names.pop()]["depends"]) - found
            found |= new
            open_names += new
        reached[name] = found
    # libc6 and libgcc-s1 stay apart, see ../debian/libc.sh.
    names = {
        name: min((other for other in reached[name] if name in reached[other] and name not in reached[FIRST]),
                  key=lambda other: (-len(groups[other]["files"]), other), default=name)
        for name in groups
    }
    for entry in packages.values():
        entry["group"] = names[entry["group"]]
    return grouped(packages)


def grouped(packages):
    """Group → its files, and the groups that it needs."""
    groups = {}
    for name, entry in sorted(packages.items()):
        group = groups.setdefault(entry["group"], {"version": entry["version"], "section": "", "files": [], "depends": []})
        group["files"].append({key: entry[key] for key in ("file", "sha256")})
        if entry["section"] == "games":
            group["games"] = True
        needed = {packages[depend]["group"] for depend in entry["depends"]} - {entry["group"]}
        group["depends"] = sorted({*group["depends"], *needed})
    return groups
