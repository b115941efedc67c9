#!/usr/bin/env python3
"""Lets ten thousand targets fall within a second and come back, with group_by = ["group"], and counts what people are
told: over a webhook, and by a real Alertmanager (`prometheus-alertmanager`) beside it.

  storm.py --bin target/release/breakwater [--targets 10000] [--groups 5] [--interval 10s] [--threshold 3]
           [--group-interval 5m]

Prints: when the first and the last alert left after the fall, how many messages that were in the first ten seconds for
each group, when the Alertmanager knew all of them and when none fired there any more, the node's memory before and at
its highest, how late its probes began, and how long /readyz took meanwhile. Exits 1 if an alert is missing, doubled or
never resolved, if a group had more than one message in its first ten seconds, if the last alert left later than 30 s
after the fall, or if anything of ours fires at the Alertmanager in the end. The ends come after group_interval, so one
run takes some seven minutes.
"""
import argparse
import asyncio
import collections
import contextlib
import http.client
import json
import multiprocessing
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from loopback import Quiet, free_port, serve

HEAD = """[node]
name = "storm"
data_dir = "{data}"
[http]
listen = "127.0.0.1:{port}"
[alerting]
log = false
group_by = ["group"]
group_interval = "{group_interval}"
[defaults]
interval = "{interval}"
timeout = "20s"
failure_threshold = {threshold}
[defaults.alert]
on = ["down"]
[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{hook}/"
[[channel]]
name = "am"
kind = "alertmanager"
url = "http://127.0.0.1:{am}"
"""
TARGET = """[[target]]
name = "T{i}"
endpoint = "http://127.0.0.1:{port}"
group = "group-{g}"
"""
ALERTMANAGER = """route:
  receiver: nobody
receivers:
- name: nobody
"""
OURS = "/api/v2/alerts?" + urllib.parse.urlencode({"filter": 'job="breakwater"'})


class Receiver(Quiet):
    told, lock = [], threading.Lock()

    def do_POST(self):
        event = json.loads(self.body())
        with self.lock:
            self.told.append((time.monotonic(), self.headers["webhook-id"], event))
        self.answer(200)


class Service(asyncio.Protocol):
    """Ten thousand kept connections, a thousand probes a second: one thread for each of them would be the bottleneck."""
    answers = {status: f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n".encode() for status in (200, 503)}
    status = None

    def connection_made(self, transport):
        self.transport, self.read = transport, b""

    def data_received(self, data):
        self.read += data
        while b"\r\n\r\n" in self.read:
            _, self.read = self.read.split(b"\r\n\r\n", 1)
            self.transport.write(self.answers[self.status.value])


def service(status, port):
    """Serves what is watched, in a process of its own."""
    async def run():
        Service.status = status
        server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", port, backlog=4096)
        await server.serve_forever()
    asyncio.run(run())


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


def wait(what, ready, limit=900):
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > limit:
            sys.exit(f"waited {limit} s for {what}")
        time.sleep(0.2)


class Watcher(threading.Thread):
    """Asks /readyz again and again: what holds up the actors' thread or the runtime shows there."""

    def __init__(self, port, process):
        super().__init__(daemon=True)
        self.port, self.process, self.took, self.highest, self.on = port, process, [], 0, True

    def run(self):
        while self.on:
            began = time.monotonic()
            with contextlib.suppress(OSError, http.client.HTTPException, TypeError):
                get(self.port, "/readyz")
                self.took.append(time.monotonic() - began)
                self.highest = max(self.highest, memory(self.process))
            time.sleep(0.05)


@contextlib.contextmanager
def alertmanager(folder, port):
    config = pathlib.Path(folder, "alertmanager.yml")
    config.write_text(ALERTMANAGER)
    process = subprocess.Popen(["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder}/am",
                                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--interval", default="10s")
    parser.add_argument("--threshold", type=int, default=3)
    parser.add_argument("--group-interval", default="5m")
    args = parser.parse_args()
    hook, port, am, watched = serve(Receiver), free_port(), free_port(), free_port()
    status = multiprocessing.Value("i", 200)
    multiprocessing.Process(target=service, args=(status, watched), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, alertmanager(folder, am):
        text = HEAD.format(data=f"{folder}/data", port=port, hook=hook, am=am, interval=args.interval,
                           threshold=args.threshold, group_interval=args.group_interval)
        text += "".join(TARGET.format(i=i, port=watched, g=i % args.groups) for i in range(args.targets))
        config = pathlib.Path(folder, "storm.toml")
        config.write_text(text)
        process = subprocess.Popen([args.bin, "serve", "--config", str(config)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            judge(args, port, am, process, status)
        finally:
            process.terminate()
            process.wait()


def judge(args, port, am, process, status):
    def answers():
        try:
            return total(port, "CONNECTED") == args.targets
        except OSError:
            return False

    def fire():
        return len(json.loads(get(am, OURS)))
    wait("every target to be connected", answers)
    before, watcher = memory(process), Watcher(port, process)
    watcher.start()
    fell = time.monotonic()
    status.value = 503
    wait("every alert", lambda: alerts("firing")[1] >= args.targets)
    firing, number = alerts("firing")
    first, last = min(at for at, _ in firing), max(at for at, _ in firing)
    early = collections.Counter(event["data"].get("group") for at, event in firing if at - first < 10)
    wait("the Alertmanager to know all", lambda: fire() == args.targets)
    known = time.monotonic()
    status.value = 200
    rose = time.monotonic()
    wait("every end", lambda: alerts("resolved")[1] >= args.targets)
    ended = time.monotonic()
    _, ends = alerts("resolved")
    wait("the Alertmanager to know that nothing fires", lambda: fire() == 0)
    silent = time.monotonic()
    wait("the outbox to be empty", lambda: json.loads(get(port, "/outbox"))["page"]["totalElements"] == 0)
    watcher.on = False
    watcher.join()
    lag = [line for line in get(port, "/metrics").splitlines() if line.startswith("breakwater_probe_schedule_lag_seconds")]
    took = sorted(watcher.took)
    print(f"{args.targets} targets in {args.groups} groups: {number} alerts in {len(firing)} messages, "
          f"the first after {first - fell:.1f} s, the last after {last - fell:.1f} s; {ends} resolved, "
          f"{ended - rose:.1f} s after they were well")
    seconds = collections.Counter()
    for at, event in firing:
        seconds[int(at - fell)] += event["data"].get("count", 1)
    print(f"alerts by the second after the fall in which they left: {dict(sorted(seconds.items()))}")
    print(f"messages of a group in the ten seconds after the first: {dict(early)}")
    print(f"the Alertmanager knew all after {known - fell:.1f} s, and {silent - rose:.1f} s after they were well that "
          "nothing fires")
    print(f"memory: {before} MiB before, {watcher.highest} MiB at its highest")
    print(f"/readyz: median {statistics.median(took) * 1e3:.1f} ms, p99 {took[int(len(took) * 0.99)] * 1e3:.1f} ms, "
          f"longest {took[-1] * 1e3:.1f} ms of {len(took)}")
    print("\n".join(lag))
    time.sleep(5)   # what is said again must not fire either
    left = fire()
    problems = [f"{number} alerts"] * (number != args.targets) + [f"{ends} ends"] * (ends != args.targets)
    problems += [f"group {name} had {many} messages" for name, many in early.items() if many > 1]
    problems += ["the last alert was late"] * (last - fell > 30)
    problems += [f"{left} alerts fire at the Alertmanager"] * (left > 0)
    if problems:
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    main()
