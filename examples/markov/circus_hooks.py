"""What circus does not do by itself: stop one after the other, and leave nothing behind.

circus tells all watchers to stop at once, in the order of their priorities: the server has had its signal when redis's
turn comes. Hooks are found through PYTHONPATH in the watcher's environment.
"""

import shutil
import time

PATIENCE = 10  # seconds; circus kills a watcher that takes longer than 30


def after_server(watcher, arbiter, **_):
    """Lets redis stop when the server is gone, where both are to stop."""
    server = arbiter.get_watcher("markov")
    deadline = time.monotonic() + PATIENCE
    while server.status() != "active" and time.monotonic() < deadline:
        if not any(process.is_alive() for process in server.processes.values()):
            break
        time.sleep(0.02)
    return True


def remove_run_directory(watcher, arbiter, **_):
    """Removes configuration and sockets at the end, but not when redis alone is stopped."""
    if arbiter.get_watcher("markov").status() != "active":
        shutil.rmtree(".markov-run", ignore_errors=True)
    return True
