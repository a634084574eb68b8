# Programs of games, which Debian has in a directory of their own, go to bin as well.
merge usr/games bin
. "$scripts"
perl "$texts" "$out" $dependencies
bind_all
