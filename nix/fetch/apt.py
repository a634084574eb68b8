"""What apt knows and can download, asked through its own programs."""

import os
import re
import shutil
import subprocess
import tempfile

from report import FetchError

ENVIRONMENT = {**os.environ, "LC_ALL": "C"}

# What apt's programs are told before all else.
OPTIONS = []


def use(architecture, directory):
    """Has packages of another architecture taken from the same sources, with lists in a directory of their own."""
    for name in ("lists/partial", "archives/partial"):
        (directory / "apt" / name).mkdir(parents=True, exist_ok=True)
    # Nothing of that architecture is installed.
    for setting in (
        f"APT::Architecture={architecture}",
        f"APT::Architectures::={architecture}",
        f"Dir::State={directory.resolve()}/apt",
        "Dir::State::status=/dev/null",
        f"Dir::Cache={directory.resolve()}/apt",
    ):
        OPTIONS.extend(("-o", setting))


def run(*command, directory=None):
    """Runs a program of apt's; its output, or None when it fails."""
    if command[0] in ("apt-get", "apt-cache"):
        command = [command[0], *OPTIONS, *command[1:]]
    if shutil.which(command[0]) is None:
        raise FetchError(f"{command[0]} is not installed", f"this needs a Debian or Ubuntu system with apt ({command[0]})")
    result = subprocess.run(command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else None


def stanzas(text):
    """The packages in apt-cache's output, each a dictionary of its fields."""
    for stanza in re.split(r"\n\n+", text or ""):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): *(.*)$", stanza, re.MULTILINE))
        # Without a digest it is what dpkg has installed, which nobody may offer any more.
        if "Package" in fields and "SHA256" in fields:
            yield fields


class Packages:
    """The packages apt offers, asked for in groups since each question costs a third of a second."""

    def __init__(self):
        self.known = {}

    def ask(self, names):
        """Learns about all names at once."""
        new = sorted(set(names) - set(self.known))
        if not new:
            return
        self.known.update({name: [] for name in new})
        # The candidate first: it is what apt would install; then every other version.
        for arguments in (["--no-all-versions"], []):
            # apt-cache fails when one of many names is virtual, and still prints the others.
            command = ["apt-cache", *OPTIONS, "show", *arguments, *new]
            result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
            for fields in stanzas(result.stdout):
                offered = self.known.setdefault(fields["Package"], [])
                if fields not in offered:
                    offered.append(fields)

    def candidate(self, name):
        """The version to take where the lock does not say; None for a virtual package."""
        self.ask([name])
        return next(iter(self.known[name]), None)

    def version(self, name, version):
        """That version's fields; None where it is not offered any more."""
        self.ask([name])
        return next((fields for fields in self.known[name] if fields["Version"] == version), None)


def update():
    """Fetches the package lists; False where that needs root or fails."""
    if os.geteuid() != 0 and not OPTIONS:
        return False
    updated = run("apt-get", *sandbox(), "update") is not None
    # Some of the sources may not have another architecture: what is missing is found out when it is asked for.
    return updated or bool(OPTIONS)


def sandbox():
    """apt's unprivileged user cannot write below a private directory; the digests are checked either way."""
    return ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []


def download(wanted, directory):
    """Downloads name → version; moves what came into the directory and returns how many files that were."""
    with tempfile.TemporaryDirectory(dir=directory) as aside:
        names = [f"{name}={version}" for name, version in sorted(wanted.items())]
        run("apt-get", *sandbox(), "download", *names, directory=aside)
        came = os.listdir(aside)
        for file in came:
            os.replace(os.path.join(aside, file), directory / file)
    return len(came)
