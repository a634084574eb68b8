#!/bin/bash
# Starts markov by the command $@, talks to it, prints what it said and ends it; its exit status is this script's.

request() { # METHOD PATH BODY; prints the answer's body
    /srv/request.sh 8080 "$@"
}

MARKOV_LISTEN_ADDR=127.0.0.1:8080 "$@" >/dev/null &
until request GET '/generate?numParts=1' '' 2>/dev/null; do
    kill -0 $! 2>/dev/null || break
    sleep 0.1
done
if kill -0 $! 2>/dev/null; then
    request POST /build 'hello world. foo bar.' && request GET '/generate?numParts=3' ''
    kill $!
fi
wait $!
