"""Jobs in a queue: jobs.py server REDIS HOST:PORT, or jobs.py worker REDIS SECONDS

POST / adds a job, GET / is a JSON list of what was done. The worker turns a job into capital letters, and crashes after
some seconds: whatever it does then, no job is lost or done twice.
"""

import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROLE, REDIS, OPTION = sys.argv[1:]


class Redis:
    """A connection to redis, with as much of its protocol as is needed here."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(REDIS)
        self.answers = self.socket.makefile("rb")

    def __call__(self, *words):
        words = [word.encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"*%d\r\n%s" % (len(words), b"".join(parts)))
        return self.answer()

    def answer(self):
        line = self.answers.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.answer() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else self.answers.read(int(rest) + 2)[:-2].decode()
        if kind in b"+:" and line:
            return rest.decode()
        raise OSError(f"redis: {line.decode()}")


class Handler(BaseHTTPRequestHandler):
    def answer(self, *words):
        try:
            status, body = 200, json.dumps(Redis()(*words)).encode()
        except OSError as error:
            status, body = 503, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer("LRANGE", "done", "0", "-1")

    def do_POST(self):
        self.answer("LPUSH", "jobs", self.rfile.read(int(self.headers["Content-Length"])).decode())

    def log_message(self, *_):
        pass


def crash():
    print("the worker crashes", flush=True)
    os._exit(1)


def work(seconds):
    timer = threading.Timer(seconds, crash)
    timer.daemon = True
    timer.start()
    redis = Redis()
    while True:
        # First what the one before took and did not finish.
        job = redis("LINDEX", "taken", "-1") or redis("BLMOVE", "jobs", "taken", "RIGHT", "LEFT", "0")
        time.sleep(0.02)
        # Both or none.
        redis("MULTI")
        redis("LREM", "taken", "1", job)
        redis("RPUSH", "done", job.upper())
        redis("EXEC")


if ROLE == "worker":
    work(float(OPTION))
else:
    host, port = OPTION.rsplit(":", 1)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
