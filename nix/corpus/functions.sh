trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
free_port() { # VARIABLE: sets it to a port of 127.0.0.1 where nothing listens
    local free=$((20000 + RANDOM % 12000))
    while listens $free; do free=$((free + 1)); done
    printf -v "$1" %s $free
}
await() { # COMMAND...: waits until it succeeds
    local try
    for try in {1..150}; do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    "$@"
}
listens() { # PORT: does something listen there?
    (: < /dev/tcp/127.0.0.1/$1) 2>/dev/null
}
stop() { # PID...
    kill "$@"
    wait "$@" || true
}
type_into() { # COMMAND TEXT...: runs it in a terminal (with socat) and types the texts, one after the other
    local command=$1
    shift
    {
        await test -s screen
        for text; do
            sleep 0.5
            printf %b "$text"
        done
        sleep 0.5
    } | socat - "EXEC:$command,pty,setsid,ctty,stderr,rawer" > screen
}
