# Starts the server when redis answers; after half a minute anyway, since the server then says what is wrong.
cd -- "$MARKOV_DATA_DIR" || exit
socket=.markov-run/redis.sock
for ((tenths = 0; tenths < 300; tenths++)); do
    [[ $("$redis/redis-cli" -s $socket ping 2>/dev/null) == PONG ]] && break
    "$coreutils/sleep" 0.1
done
exec "$server" -listenAddr "$MARKOV_LISTEN_ADDR" -timeout "$MARKOV_TIMEOUT" -redisAddr "${MARKOV_REDIS_ADDR:-$socket}"
