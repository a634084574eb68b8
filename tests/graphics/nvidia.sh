#!/bin/sh
# nvidia.sh OUTPUT PACKAGE...
#
# Unpacks packages of Debian's non-free component to OUTPUT. The machine's apt need not know that component: it is asked
# for at the places its packages come from, in private lists.
set -eu

output=$1
shift
work=$output.work
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$output"
apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(SIGNED_BY)' 'Created-By: Packages' 'Component: main' |
    sort -u | while IFS='|' read -r origin uri release key; do
    # A key may be a file's name, the key itself, which has lines, or missing.
    case $key in /*) key="[signed-by=$key] " ;; *) key= ;; esac
    [ "$origin" != Debian ] || echo "deb $key$uri $release non-free"
done > "$work/sources.list"
# Nothing is installed, and the machine's own caches stay as they are.
apt() {
    apt-get -q -o APT::Sandbox::User=root -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o Dir::State::status=/dev/null "$@" >&2
}
apt update
cd "$work/cache"
apt download "$@"
for package in *.deb; do
    dpkg-deb --extract "$package" "$output"
done
rm -r "$work"
