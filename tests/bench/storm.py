#!/usr/bin/env python3
"""Lets ten thousand targets fall at once and come back, with group_by = ["group"], and counts what people are told.

  storm.py --bin target/release/breakwater [--targets 10000] [--groups 5] [--interval 2s]

Prints: when the first and the last alert left after the fall, how many messages that were in the first ten seconds for
each group, the node's memory before and at its highest, and how late its probes began. Exits 1 if an alert is missing,
doubled or never resolved, if a group had more than one message in its first ten seconds, or if the last alert left
later than 30 s after the fall. The ends come after group_interval, so one run takes some six minutes.
"""
import argparse
import collections
import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from loopback import Quiet, free_port, serve

HEAD = """[node]
name = "storm"
data_dir = "{data}"
[http]
listen = "127.0.0.1:{port}"
[alerting]
log = false
group_by = ["group"]
[defaults]
interval = "{interval}"
timeout = "20s"
failure_threshold = 1
[defaults.alert]
on = ["down"]
[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{hook}/"
"""
TARGET = """[[target]]
name = "T{i}"
endpoint = "http://127.0.0.1:{port}"
group = "group-{g}"
"""


class Receiver(Quiet):
    told, lock = [], threading.Lock()

    def do_POST(self):
        event = json.loads(self.body())
        with self.lock:
            self.told.append((time.monotonic(), self.headers["webhook-id"], event))
        self.answer(200)


class Service(Quiet):
    status = 200

    def do_GET(self):
        self.answer(Service.status)


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def total(port, state):
    return json.loads(get(port, f"/integrationStatuses?state={state}&size=1"))["page"]["totalElements"]


def memory(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024


def alerts(status):
    with Receiver.lock:
        first = {key: (at, event) for at, key, event in reversed(Receiver.told)}
    found = [(at, event) for at, event in first.values() if event["data"].get("status") == status]
    return found, sum(event["data"].get("count", 1) for _, event in found)


def wait(what, ready, limit=600):
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > limit:
            sys.exit(f"waited {limit} s for {what}")
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--interval", default="2s")
    args = parser.parse_args()
    hook, service = serve(Receiver), serve(Service)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        text = HEAD.format(data=f"{folder}/data", port=port, hook=hook, interval=args.interval)
        text += "".join(TARGET.format(i=i, port=service, g=i % args.groups) for i in range(args.targets))
        config = pathlib.Path(folder, "storm.toml")
        config.write_text(text)
        process = subprocess.Popen([args.bin, "serve", "--config", str(config)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            judge(args, port, process)
        finally:
            process.terminate()
            process.wait()


def judge(args, port, process):
    def answers():
        try:
            return total(port, "CONNECTED") == args.targets
        except OSError:
            return False
    wait("every target to be connected", answers)
    before, highest = memory(process), [0]
    fell = time.monotonic()
    Service.status = 503

    def told(status):
        highest[0] = max(highest[0], memory(process))
        return alerts(status)[1] >= args.targets
    wait("every alert", lambda: told("firing"))
    firing, number = alerts("firing")
    first, last = min(at for at, _ in firing), max(at for at, _ in firing)
    early = collections.Counter(event["data"].get("group") for at, event in firing if at - first < 10)
    Service.status = 200
    wait("every end", lambda: told("resolved"))
    _, ends = alerts("resolved")
    lag = [line for line in get(port, "/metrics").splitlines() if line.startswith("breakwater_probe_schedule_lag_seconds")]
    print(f"{args.targets} targets in {args.groups} groups: {number} alerts in {len(firing)} messages, "
          f"the first after {first - fell:.1f} s, the last after {last - fell:.1f} s; {ends} resolved")
    print(f"messages of a group in the ten seconds after the first: {dict(early)}")
    print(f"memory: {before} MiB before, {highest[0]} MiB at its highest")
    print("\n".join(lag[-3:]))
    problems = [f"{number} alerts"] * (number != args.targets) + [f"{ends} ends"] * (ends != args.targets)
    problems += [f"group {name} had {many} messages" for name, many in early.items() if many > 1]
    problems += ["the last alert was late"] * (last - fell > 30)
    if problems:
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    main()
