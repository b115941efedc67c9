"""Small servers on loopback for the measuring scripts, a node to measure, and a client that keeps its connection."""
import contextlib
import http.client
import http.server
import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Quiet(http.server.BaseHTTPRequestHandler):
    """Keeps connections, answers without a body, and says nothing."""
    protocol_version = "HTTP/1.1"

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        self.wfile.flush()

    def body(self):
        return self.rfile.read(int(self.headers["content-length"]))

    def log_message(self, *_):
        pass


def serve(handler):
    """Serves in the background; returns the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None   # a killed node cuts its connections
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


@contextlib.contextmanager
def node(binary, targets):
    """A node of these targets, in a folder of its own; yields where it is."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="breakwater-bench-") as folder:
        folder = pathlib.Path(folder)
        config = folder / "bench.toml"
        config.write_text(f"""[node]
name = "bench"
data_dir = "{folder / 'data'}"
[http]
listen = "127.0.0.1:{port}"
{targets}""")
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen([binary, "serve", "--config", str(config)], stdout=log, stderr=log)
            try:
                ready(base, process, folder / "log")
                yield base
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait()


def ready(base, process, log):
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{base}/readyz", timeout=1).close()
            return
        if process.poll() is not None:
            raise SystemExit(f"the node ended:\n{log.read_text()}")
        time.sleep(0.05)


class Client:
    """Posts JSON over one connection."""

    def __init__(self, base):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=30)
        self.connection.connect()
        # Head and body go out in two writes: without this the second waits for the first one's acknowledgement.
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path, body):
        self.connection.request("POST", path, body, {"content-type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{path}: {answer.status} {text.decode()}")
        return json.loads(text)
