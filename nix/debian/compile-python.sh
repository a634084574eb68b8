# Compiles every module, so that a start does not.
#
# unchecked-hash: valid whatever time the source file has; the times in a store, in an archive and in a cache differ.
# No hash randomisation, one process, and nothing left from the imports of the compiler itself (-B -f): the same bytes
# on every build.
python=$(echo "${python3:-$out}"/bin/python3.*[0-9])
PYTHONHASHSEED=0 $emulator "$python" -IB -m compileall -q -f -j 1 --invalidation-mode unchecked-hash "$out/lib" || {
    echo "nix/debian: a Python module of $name does not compile (see above)" >&2
    echo "hint: name the file in 'unwanted' in nix/debian/default.nix if it is a template" >&2
    exit 1
}
