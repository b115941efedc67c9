#!/usr/bin/env python3
"""What watching costs: a node watches N targets, each at an address of its own on loopback.

  probes.py --bin target/release/breakwater [--targets 10000] [--interval 1s] [--seconds 20] [--connection fresh]

The other side is `breakwater simulate`, listening on every address of 127.0.0.0/8. CPU and memory are the node's alone,
from /proc; probes and the schedule's lag are the node's own counters. Compare runs of one machine in one hour.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from loopback import free_port

HEAD = """[node]
name = "bench"
data_dir = "{data}"
[http]
listen = "127.0.0.1:{port}"
[alerting]
log = false
[defaults]
interval = "{interval}"
timeout = "5s"
"""
TARGET = """[[target]]
name = "t{i:05d}"
endpoint = "http://{host}:{farm}"
[target.probe]
path = "/health"
connection = "{connection}"
"""


def host(i):
    return f"127.{1 + i // 62500}.{(i // 250) % 250}.{i % 250 + 1}"


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def metrics(port):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60).read().decode()


def probes(text):
    return sum(float(n) for n in re.findall(r"^breakwater_probe_attempts_total\{[^}]*\} (\S+)", text, re.M))


def lag(text, part):
    """The schedule's lag below which this part of the probes began, by the histogram's bucket."""
    buckets = re.findall(r'^breakwater_probe_schedule_lag_seconds_bucket\{[^}]*le="([^"]+)"\} (\S+)', text, re.M)
    total = float(buckets[-1][1])
    return next(bound for bound, count in buckets if float(count) >= part * total)


def wait_ready(port):
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1)
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("the node was not ready in 30 s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--targets", type=int, default=10000)
    parser.add_argument("--interval", default="1s")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--connection", default="fresh", choices=["fresh", "kept", "mixed"])
    a = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-probes-"))
    farm, port = free_port(), free_port()
    config = HEAD.format(data=folder / "data", port=port, interval=a.interval)
    config += "".join(TARGET.format(i=i, host=host(i), farm=farm, connection=a.connection) for i in range(a.targets))
    (folder / "bench.toml").write_text(config)
    log = open(folder / "log", "wb")
    started = [subprocess.Popen([a.bin, "simulate", "--listen", f"0.0.0.0:{farm}"], stdout=log, stderr=log)]
    try:
        time.sleep(0.5)
        node = subprocess.Popen([a.bin, "serve", "--config", str(folder / "bench.toml")], stdout=log, stderr=log)
        started.append(node)
        wait_ready(port)
        time.sleep(12)
        before, cpu, began = probes(metrics(port)), cpu_seconds(node.pid), time.monotonic()
        time.sleep(a.seconds)
        cpu, took = cpu_seconds(node.pid) - cpu, time.monotonic() - began
        memory, text = resident_mib(node.pid), metrics(port)
        count = probes(text) - before
        print(f"{a.targets} targets every {a.interval}, {a.connection} connections: {count / took:.0f} probes/s, "
              f"{cpu * 1e6 / count:.1f} CPU ms per 1,000, {memory:.0f} MiB resident, "
              f"schedule lag p50 <= {lag(text, 0.5)} s, p99 <= {lag(text, 0.99)} s")
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
            process.wait()
        log.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
