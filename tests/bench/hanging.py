#!/usr/bin/env python3
"""From the failing answer that crosses the threshold to a healthy webhook, by itself and beside channels that hang.

  hanging.py --bin target/release/breakwater [--alerts 60]

One node a scene, all scenes in one run: the healthy webhook alone; beside one that is as well, which shows what a second
channel costs anyhow; beside a webhook that takes a request and never answers; beside a mail server that takes a connection and never greets; beside a program that sleeps. Prints the median
and the p99 of each scene, and by how much it is later than alone. Exits 1 if a median is more than 50 ms later.
"""
import argparse
import json
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from loopback import Quiet, free_port, ready, serve

HEAD = """[node]
name = "bench"
data_dir = "{data}"
[http]
listen = "127.0.0.1:{port}"
[alerting]
log = false
allow_exec = true
[defaults]
interval = "1s"
failure_threshold = 1
[[channel]]
name = "healthy"
kind = "webhook"
url = "http://127.0.0.1:{hook}/"
"""
# Its name comes first in the alphabet, and so does it wherever channels are gone through.
SCENES = {
    "alone": "",
    "another that is well": '[[channel]]\nname = "a"\nkind = "webhook"\nurl = "http://127.0.0.1:{other}/"\n',
    "a webhook that hangs": '[[channel]]\nname = "a"\nkind = "webhook"\nurl = "http://127.0.0.1:{silent}/"\n',
    "a mail server that hangs": '[[channel]]\nname = "a"\nkind = "email"\nhost = "127.0.0.1"\nport = {silent}\n'
                                'encryption = "none"\nfrom = "a@example.com"\nto = ["b@example.com"]\n',
    "a program that sleeps": '[[channel]]\nname = "a"\nkind = "exec"\ncommand = ["/bin/sleep", "3600"]\n',
}
TARGET = """[[target]]
name = "t{i}"
endpoint = "http://127.0.0.1:{port}"
[target.probe]
path = "/t{i}"
connection = "fresh"
[target.alert]
on = ["down"]
"""
LIMIT_MS = 50


class Service(Quiet):
    down, answered = set(), {}

    def do_GET(self):
        name = self.path[1:]
        self.answer(503 if name in self.down else 200)
        if name in self.down:
            self.answered.setdefault(name, time.monotonic_ns())


class Receiver(Quiet):
    heard = {}

    def do_POST(self):
        now = time.monotonic_ns()
        body = json.loads(self.body())
        if body["type"] == "breakwater.alert.firing":
            self.heard.setdefault(body["subject"], now)
        self.answer(200)


class Other(Quiet):
    def do_POST(self):
        self.body()
        self.answer(200)


def silent():
    """A server that takes whatever comes and says nothing; returns its port and how many came."""
    server = socket.create_server(("127.0.0.1", 0), backlog=512)
    held = []

    def take():
        while True:
            held.append(server.accept()[0])
    threading.Thread(target=take, daemon=True).start()
    return server.getsockname()[1], held


def scene(binary, other, alerts, hook, well, service):
    port = free_port()
    silent_port, held = silent()
    Service.down, Service.answered, Receiver.heard = set(), {}, {}
    with tempfile.TemporaryDirectory(prefix="breakwater-hanging-") as folder:
        folder = pathlib.Path(folder)
        config = folder / "bench.toml"
        config.write_text(HEAD.format(data=folder / "data", port=port, hook=hook) + other.format(silent=silent_port, other=well)
                          + "".join(TARGET.format(i=i, port=service) for i in range(alerts)))
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen([binary, "serve", "--config", str(config)], stdout=log, stderr=log)
            try:
                ready(f"http://127.0.0.1:{port}", process, folder / "log")
                time.sleep(3)
                for i in range(alerts):
                    Service.down.add(f"t{i}")
                    time.sleep(0.2)
                time.sleep(3)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait()
    if "silent" in other and not held:
        sys.exit("the channel that hangs was never asked")
    return sorted((Receiver.heard[name] - at) / 1e6 for name, at in Service.answered.items() if name in Receiver.heard)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--alerts", type=int, default=60)
    args = parser.parse_args()
    hook, well, service = serve(Receiver), serve(Other), serve(Service)
    alone, late = None, []
    for name, other in SCENES.items():
        took = scene(args.bin, other, args.alerts, hook, well, service)
        if len(took) < args.alerts:
            sys.exit(f"{name}: {len(took)} of {args.alerts} alerts arrived")
        median, p99 = statistics.median(took), took[int(len(took) * 0.99)]
        alone = alone or (median, p99)
        print(f"{name}: median {median:.1f} ms, p99 {p99:.1f} ms; later than alone by {median - alone[0]:.1f} ms and "
              f"{p99 - alone[1]:.1f} ms", flush=True)
        late += [name] * (median - alone[0] > LIMIT_MS)
    if late:
        sys.exit(f"delayed by more than {LIMIT_MS} ms: {', '.join(late)}")


if __name__ == "__main__":
    main()
