# Builder: unpacks a wheel into $out, binds its libraries to the store, compiles it, and writes its programs.
#
# From Nix: wheel, file (the wheel's name), python3, site (where modules go), search (module directories of the wheels
# it needs), programs (1: the console scripts become programs), dependencies, triplet, emulator, elf, compile.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022
python=$(echo "$python3"/bin/python3.*[0-9])

mkdir -p "$out/$site"
$emulator "$python" -IB -m zipfile -e "$wheel" "$out/$site"

if [ -n "$programs" ]; then
    mkdir "$out/bin"
    $emulator "$python" -IB - "$out" "$python" "$out/$site" $search <<'EOF'
import configparser, pathlib, sys

out, python, *search = sys.argv[1:]
points = configparser.ConfigParser()
points.read(pathlib.Path(search[0]).glob("*.dist-info/entry_points.txt"))
for program, point in points["console_scripts"].items():
    module, function = point.split(":")
    path = pathlib.Path(out, "bin", program)
    # -I: neither the caller's PYTHONPATH nor modules in its directory get into the program. -B: nothing is written.
    path.write_text(
        f"#!{python} -IB\n"
        f"import sys\n"
        f"sys.path[len(sys.path):] = {search!r}\n"
        f"from {module} import {function}\n"
        f"sys.exit({function}())\n"
    )
    path.chmod(0o755)
EOF
fi

. "$elf"
bind_all
. "$compile"
check_all
