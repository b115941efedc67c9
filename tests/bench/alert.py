#!/usr/bin/env python3
"""From the failing answer that crosses the threshold to the webhook on the wire, commit and disk sync included.

  alert.py --bin target/release/breakwater [--alerts 60]

Each alert: a target that was well answers 503 once its turn comes; the time from that answer's last byte to the moment
at which the receiver has the request is measured by one clock, in this process.
"""
import argparse
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from loopback import Quiet, serve

HEAD = """[node]
name = "bench"
data_dir = "{data}"
[http]
listen = "127.0.0.1:0"
[defaults]
interval = "1s"
failure_threshold = 1
[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{hook}/"
"""
TARGET = """[[target]]
name = "t{i}"
endpoint = "http://127.0.0.1:{port}"
[target.probe]
path = "/t{i}"
connection = "fresh"
[target.alert]
on = ["down"]
"""


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--alerts", type=int, default=60)
    a = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-alert-"))
    hook, port = serve(Receiver), serve(Service)
    config = folder / "bench.toml"
    config.write_text(HEAD.format(data=folder / "data", hook=hook)
                      + "".join(TARGET.format(i=i, port=port) for i in range(a.alerts)))
    with open(folder / "log", "wb") as log:
        node = subprocess.Popen([a.bin, "serve", "--config", str(config)], stdout=log, stderr=log)
        try:
            time.sleep(4)
            for i in range(a.alerts):
                Service.down.add(f"t{i}")
                time.sleep(0.2)
            time.sleep(3)
        finally:
            node.send_signal(signal.SIGTERM)
            node.wait()
    took = sorted((Receiver.heard[name] - at) / 1e6 for name, at in Service.answered.items() if name in Receiver.heard)
    print(f"{len(took)} of {a.alerts} alerts: median {statistics.median(took):.1f} ms, longest {took[-1]:.1f} ms")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
