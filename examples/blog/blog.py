"""The application of the blog: blog.py SOCKET PSQL…

GET / is a JSON list of all posts, POST / adds one. PSQL is the command that asks the database.
"""

import os
import socketserver
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

SOCKET, PSQL = sys.argv[1], [*sys.argv[2:], "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]


def query(text, /, **variables):
    """Asks the database; psql itself quotes what stands as :'name' in the text."""
    options = [f"--set={name}={value}" for name, value in variables.items()]
    return subprocess.run([*PSQL, *options], input=text, capture_output=True, text=True, check=True).stdout


class Handler(BaseHTTPRequestHandler):
    def answer(self, text, /, **variables):
        try:
            status, body = 200, query(text, **variables).encode()
        except subprocess.CalledProcessError as error:
            status, body = 503, error.stderr.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer("select coalesce(json_agg(text order by id), '[]') from posts;")

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer("insert into posts (text) values (:'text');", text=text)

    def log_message(self, *_):
        """Says nothing: nginx is in front, and a client at a socket has no address."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    # One that was killed has left its socket.
    if os.path.exists(SOCKET):
        os.remove(SOCKET)
    Server(SOCKET, Handler).serve_forever()
