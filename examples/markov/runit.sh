# Runs both programs, each under a runsv that starts it again when it dies; stops the server before redis.
#
# This shell stays and waits, since runit's own top program, runsvdir, neither stops in order nor waits for the end.
# Each runsv is in a session of its own, so Ctrl-C reaches this shell alone.
programs=(redis server)
start=([0]="$start_redis" [1]="$start_server")
pids=()
asked=

# Where the caller ignores SIGHUP (nohup), the shell cannot catch it, and that is right.
trap 'asked=yes' INT TERM HUP

for index in 0 1; do
    "$coreutils/mkdir" $run/"${programs[index]}"
    "$coreutils/ln" -s "${start[index]}" $run/"${programs[index]}"/run
    "$runit/chpst" -P "$runit/runsv" $run/"${programs[index]}" &
    pids[index]=$!
done

# Ends when a signal comes, or when a runsv dies, which only a kill -9 can bring about.
[[ -n $asked ]] || wait -n

trap '' INT TERM HUP
for index in 1 0; do
    # TERM to the program, KILL after 10 seconds; its runsv ends with it. sv looks only twice a second, so it is not
    # waited for; it fails at once where the runsv was just starting, which then has nothing to end but itself.
    "$runit/sv" -w 10 force-shutdown "./$run/${programs[index]}" >/dev/null 2>&1 &
    wait -n "${pids[index]}" $!
    kill -KILL $! 2>/dev/null
    kill "${pids[index]}" 2>/dev/null
    wait "${pids[index]}" $! 2>/dev/null
done
"$coreutils/rm" -rf $run

[[ -n $asked ]] || fail "a supervisor was killed, everything was stopped" "start it again"
exit 0
