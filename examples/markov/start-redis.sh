# Starts redis in the data directory, with the configuration that the entrypoint wrote.
# C: a locale of the caller's that is not in the closure would be refused.
cd -- "$MARKOV_DATA_DIR" && LC_ALL=C exec "$redis/redis-server" .markov-run/redis.conf
