"""Source packages of the distribution, downloaded and verified by apt: for nix/source.

The machine's apt need not know sources: they are asked for in private lists, at the places its packages come from.
There is no lock. A distribution takes old versions off its mirrors, and apt verifies what it downloads; lock.json in
the directory says what was taken.
"""

import json
import os
import pathlib
import re
import tempfile

import apt
import debian
from lock import sha256, write_json
from report import FetchError, notice

# Only what the distribution itself offers: other places have other packages of the same name.
DISTRIBUTIONS = {"Debian", "Ubuntu"}


def fetch(sources, packages, directory):
    """Takes source packages, and the .deb files of packages, where an earlier run has not."""
    path = directory / "lock.json"
    machine = debian.machine(debian.architecture())
    before = json.loads(path.read_text()) if path.exists() else {}
    if before.get("machine") != machine:
        before = {}
    taken = {"machine": machine}
    for kind, names, take in (("sources", sources, Sources(directory)), ("packages", packages, Debs(directory))):
        earlier = before.get(kind, {})
        taken[kind] = {name: earlier[name] if is_there(earlier.get(name), directory) else take(name) for name in names}
    write_json(path, taken)


def is_there(entry, directory):
    """Whether all its files are there, unchanged."""
    return entry is not None and all(sha256(directory / file["file"]) == file["sha256"] for file in entry["files"])


class Sources:
    """Downloads source packages."""

    def __init__(self, directory):
        self.directory = directory
        self.lists = directory / "lists"
        self.places = []

    def __call__(self, name):
        if not self.places:
            self.update()
        # All places first: then apt takes the newest version. A mirror may lack files that its lists name.
        for lines in (self.places, *([line] for line in self.places)):
            entry = self.download(name, lines)
            if entry:
                if lines != self.places:
                    notice(f"the newest source of {name} cannot be had; {entry['version']} is taken")
                return entry
        raise FetchError(f"apt-get cannot download the source of {name}", "see that the machine's mirror offers sources")

    def update(self):
        """Learns the places of the machine's packages, and fetches their lists of sources."""
        fields = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
        known = apt.run("apt-get", "indextargets", "--format", fields, "Created-By: Packages")
        for line in dict.fromkeys((known or "").splitlines()):
            origin, uri, release, component, key = line.split("|")
            if origin in DISTRIBUTIONS:
                # A key may be a file's name or the key itself, which has lines.
                option = f"[signed-by={key}] " if key.startswith("/") else ""
                self.places.append(f"deb-src {option}{uri} {release} {component}")
        if not self.places:
            raise FetchError("apt knows no place of Debian's or Ubuntu's packages", "see apt-cache policy, and run apt-get update as root")
        self.lists.mkdir(exist_ok=True)
        if self.apt(self.places, "update") is None:
            raise FetchError("apt-get cannot fetch the lists of sources", "see that apt-get update works on this machine")

    def apt(self, lines, *command, directory=None):
        """Runs apt-get with a private list of these lines."""
        with tempfile.NamedTemporaryFile("w", suffix=".list", dir=self.directory) as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            options = {
                "Dir::Etc::sourcelist": os.path.abspath(file.name),
                "Dir::Etc::sourceparts": "-",
                "Dir::State::lists": os.path.abspath(self.lists),
                # The machine's own caches stay as they are.
                "Dir::Cache::pkgcache": "",
                "Dir::Cache::srcpkgcache": "",
                "APT::Sandbox::User": "root",
            }
            arguments = [argument for option in options.items() for argument in ("-o", "=".join(option))]
            return apt.run("apt-get", *arguments, *command, directory=directory)

    def download(self, name, lines):
        """The entry for what came; None where something is missing."""
        with tempfile.TemporaryDirectory(dir=self.directory) as aside:
            # apt-get exits with 0 although a file is missing, so the .dsc says what belongs to it.
            self.apt(lines, "source", "--download-only", "--only-source", name, directory=aside)
            came = {path.name: path for path in pathlib.Path(aside).iterdir()}
            description = next((path for file, path in came.items() if file.endswith(".dsc")), None)
            if description is None:
                return None
            text = description.read_text()
            listed = re.search(r"^Checksums-Sha256:((?:\n .*)+)", text, re.MULTILINE).group(1)
            files = {file: digest for digest, _, file in (line.split() for line in listed.strip().splitlines())}
            if any(file not in came or sha256(came[file]) != digest for file, digest in files.items()):
                return None
            files[description.name] = sha256(description)
            for file in files:
                os.replace(came[file], self.directory / file)
            version = re.search(r"^Version: *(.*)$", text, re.MULTILINE).group(1)
            return {"version": version, "files": [{"file": file, "sha256": digest} for file, digest in sorted(files.items())]}


class Debs:
    """Downloads binary packages."""

    def __init__(self, directory):
        self.directory = directory

    def __call__(self, name):
        fields = apt.Packages().candidate(name)
        if fields:
            apt.download({name: fields["Version"]}, self.directory)
            file = debian.file_name(name, fields["Version"], fields["Architecture"])
            if sha256(self.directory / file) == fields["SHA256"]:
                return {"version": fields["Version"], "files": [{"file": file, "sha256": fields["SHA256"]}]}
        raise FetchError(f"cannot download {name}", "run apt-get update as root, and see that apt-get download works")
