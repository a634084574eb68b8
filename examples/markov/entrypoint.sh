# The part of bin/markov that is the same for every supervisor: reads the variables, prepares the fresh directory with
# redis's configuration. The supervisor's part follows. Bash; every tool comes by its path, PATH is not used.
#
# Everything runs in the data directory and names the fresh one as `.markov-run`, relative to it: the path of a socket
# may have 108 bytes at most, a directory's may have 4 096.

# Descriptors that the caller closed would be given to the next files that are opened.
exec </dev/null
{ : >&1; } 2>/dev/null || exec >/dev/null
{ : >&2; } 2>/dev/null || exec 2>/dev/null

fail() { # WHAT HINT
    printf 'markov: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

if (($# > 0)); then
    fail "unknown argument: $1" "it is set up by MARKOV_LISTEN_ADDR, MARKOV_TIMEOUT and MARKOV_DATA_DIR"
fi

export MARKOV_LISTEN_ADDR=${MARKOV_LISTEN_ADDR:-localhost:8000}
export MARKOV_TIMEOUT=${MARKOV_TIMEOUT:-720}
export MARKOV_REDIS_ADDR=${MARKOV_REDIS_ADDR:-$default_redis_addr}
data=${MARKOV_DATA_DIR:-$PWD}

[[ $MARKOV_LISTEN_ADDR =~ ^(.*):([0-9]+)$ ]] ||
    fail "MARKOV_LISTEN_ADDR cannot be '$MARKOV_LISTEN_ADDR'" "write host:port or :port, as in localhost:8000"
host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}
[[ $MARKOV_TIMEOUT =~ ^[0-9]+$ ]] ||
    fail "MARKOV_TIMEOUT cannot be '$MARKOV_TIMEOUT'" "write a number of hours, as in 720"

"$coreutils/mkdir" -p -- "$data" 2>/dev/null && cd -- "$data" 2>/dev/null ||
    fail "the data directory '$data' cannot be used" "set MARKOV_DATA_DIR to a directory that you may write to"
export MARKOV_DATA_DIR=$PWD

# Two redis writing to the same file would destroy it.
run=.markov-run
if [[ -S $run/redis.sock && $("$redis/redis-cli" -s $run/redis.sock ping 2>/dev/null) == PONG ]]; then
    fail "a markov runs already in '$PWD'" "stop it, or set MARKOV_DATA_DIR to another directory"
fi
# Said here, once: a supervisor would try for ever.
case $host in '' | localhost | 0.0.0.0 | 127.*)
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        fail "port $port is in use" "stop what uses it, or set MARKOV_LISTEN_ADDR, as in localhost:$((port + 1))"
    fi
    ;;
esac

"$coreutils/rm" -rf $run
"$coreutils/mkdir" -m 700 $run 2>/dev/null ||
    fail "the data directory '$PWD' is not writable" "set MARKOV_DATA_DIR to a directory that you may write to"
"$coreutils/mkfifo" $run/fifo 2>/dev/null ||
    fail "the file system of '$PWD' has no sockets and pipes" "set MARKOV_DATA_DIR to a directory on a local disk"
"$coreutils/rm" $run/fifo

if [[ -n $MARKOV_REDIS_ADDR ]]; then
    where="bind ${MARKOV_REDIS_ADDR%:*}
port ${MARKOV_REDIS_ADDR##*:}"
else
    where="port 0"
fi
# The append-only file alone keeps the data. redis resolves its paths in the data directory, where it is started.
printf '%s\n' "$where" "unixsocket $run/redis.sock" 'unixsocketperm 700' 'daemonize no' \
    'save ""' 'appendonly yes' 'appendfilename "markov.data"' > $run/redis.conf
