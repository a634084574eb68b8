# Runs a program in a container, as crun's own configuration has it, with the system call filter of Debian's engines.
#
#     crun.py PROGRAM ARGUMENTS…
import json
import os
import platform
import subprocess
import sys
import tempfile

bundle = tempfile.mkdtemp()
rootless = ["--rootless"] if os.geteuid() else []
subprocess.run(["crun", "spec", *rootless], cwd=bundle, check=True)
path = bundle + "/config.json"
with open(path) as file:
    config = json.load(file)

process = config["process"]
process.update(args=sys.argv[1:], cwd="/srv/data", terminal=False)
process["env"] = [f"{name}={os.environ[name]}" for name in ("PACKED_LOG", "MARKOV_LISTEN_ADDR") if name in os.environ]
config["root"] = {"path": "/home/alice/image"}
config["mounts"].append({"destination": "/srv", "type": "none", "source": "/srv", "options": ["rbind"]})
# The machine's, to talk to the program.
namespaces = config["linux"]["namespaces"]
namespaces[:] = [namespace for namespace in namespaces if namespace["type"] != "network"]

# The profile has conditions, which an engine decides.
with open("/usr/share/containers/seccomp.json") as file:
    profile = json.load(file)
powers = set(process["capabilities"]["bounding"])
arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def applies(rule):
    includes, excludes = rule["includes"], rule["excludes"]
    return (
        powers >= set(includes.get("caps", ()))
        and not powers & set(excludes.get("caps", ()))
        and arch in includes.get("arches", [arch])
        and arch not in excludes.get("arches", ())
    )


rules = [
    {key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key) is not None}
    for rule in profile["syscalls"]
    if applies(rule)
]
seccomp = {key: profile[key] for key in ("defaultAction", "defaultErrnoRet")}
config["linux"]["seccomp"] = {**seccomp, "architectures": ["SCMP_ARCH_" + platform.machine().upper()], "syscalls": rules}
with open(path, "w") as file:
    json.dump(config, file)
options = ["--root", bundle + "/state", "--cgroup-manager", "disabled"]
os.execvp("crun", ["crun", *options, "run", "--bundle", bundle, os.path.basename(bundle)])
