# Becomes circusd, which runs both programs, starts them again when they die, and stops the server before redis.
#
# Its endpoints are sockets in the fresh directory, which only the user can enter: by default they would be TCP ports
# that let everybody on the machine run commands.
printf '%s\n' \
    '[circus]' \
    "endpoint = ipc://$run/endpoint" \
    "pubsub_endpoint = ipc://$run/pubsub" \
    'check_delay = 1' \
    '' \
    '[watcher:redis]' \
    "cmd = $start_redis" \
    'priority = 2' \
    'copy_env = True' \
    'max_retry = -1' \
    'hooks.before_stop = markov_circus_hooks.after_server' \
    'hooks.after_stop = markov_circus_hooks.remove_run_directory' \
    '' \
    '[env:redis]' \
    "PYTHONPATH = $hooks" \
    '' \
    '[watcher:markov]' \
    "cmd = $start_server" \
    'priority = 1' \
    'copy_env = True' \
    'max_retry = -1' \
    > $run/circus.ini
exec "$circusd" $run/circus.ini
