# Runs images: markov.tar, tools.tar (env, sort, true), who.tar.
run() { podman run --rm --log-driver=passthrough "$@"; }
for image in markov tools who; do podman load --quiet --input $image.tar; done

# Who it is.
[ "$(run who)" = "user 1000 1000 /work /work True" ]
[ "$(run --read-only who)" = "user 1000 1000 /work /work True" ]
[ "$(run --user 0 who)" = "root 0 0 / /work True" ]
[ "$(run --workdir /tmp who)" = "user 1000 1000 /work /tmp True" ]

# Variables: the image's, and the caller's in their place.
[ "$(run tools | grep -e ^COLOR= -e ^PATH= | sort | tr '\n' ' ')" = "COLOR=red PATH=/bin " ]
[ "$(run --env COLOR=blue tools | grep ^COLOR=)" = COLOR=blue ]

# The other entries, by link and by name.
[ "$(printf 'a\nc\nb\n' | run --interactive --entrypoint /bin/sort tools -r | tr '\n' ' ')" = "c b a " ]
[ "$(printf 'b\na\n' | run --interactive --entrypoint sort tools | tr '\n' ' ')" = "a b " ]
run --entrypoint true tools

# A service: it answers, is asked, keeps its data in a volume and ends by SIGTERM.
url=127.0.0.1:8000
answers() {
    for _ in $(seq 600); do
        [ "$(curl --silent --write-out '%{http_code}' --output /dev/null "$url/generate?numParts=1")" != 200 ] || return 0
        sleep 0.1
    done
    podman logs markov
    return 1
}
for text in 'hello world.' ''; do
    podman run --detach --name markov --volume data:/work --env MARKOV_LISTEN_ADDR=$url markov
    answers
    [ -z "$text" ] || curl --silent --fail --data-binary "$text" $url/build
    [ "$(curl --silent "$url/generate?numParts=2")" = 'hello world.' ]
    podman exec --env COMPOSED=status markov /bin/markov | grep '^server *ready'
    podman stop markov
    [ "$(podman inspect markov --format '{{.State.ExitCode}}')" = 0 ]
    podman rm markov
done

# The files in the image are those of the closure.
podman create --name files who
podman export --output who.export.tar files
podman rm files
