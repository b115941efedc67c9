#!/usr/bin/env python3
"""From the observations that trip a breaker to the event on the stream, commit and disk sync included.

  trip_to_sse.py --bin target/release/breakwater [--trips 200]

Each trip: ten failures in one batch, over a kept connection; the time from sending that request to the moment at which
a client of /events/stream has the event is measured by one clock, in this process. In between the breaker is reset.
"""
import argparse
import json
import statistics
import threading
import time
import urllib.request

from loopback import Client, node

TARGET = """[[target]]
name = "t"
endpoint = "http://127.0.0.1:9"
interval = "1h"
[target.probe]
kind = "tcp"
[target.breaker]
open_time = "1h"
open_time_max = "1h"
"""
FAILURES = json.dumps([{"outcome": "failure", "durationMs": 5}] * 10).encode()


class Stream(threading.Thread):
    """Reads the stream of events and notes when a breaker opened."""

    def __init__(self, base):
        super().__init__(daemon=True)
        self.answer = urllib.request.urlopen(f"{base}/events/stream", timeout=60)
        self.opened, self.seen_at = threading.Event(), 0

    def run(self):
        for line in self.answer:
            now = time.monotonic_ns()
            if line.startswith(b"data:"):
                event = json.loads(line[5:])
                if event["type"] == "CircuitBreakerTransitioned" and event["data"]["to"] == "open":
                    self.seen_at = now
                    self.opened.set()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--trips", type=int, default=200)
    a = parser.parse_args()
    took = []
    with node(a.bin, TARGET) as base:
        client, stream = Client(base), Stream(base)
        # Its first probe finds nobody, which moves the target's state; a reset makes the breaker as new.
        stream.start()
        time.sleep(1)
        for _ in range(a.trips):
            client.post("/targets/t/breaker/reset", b"{}")
            stream.opened.clear()
            sent_at = time.monotonic_ns()
            client.post("/targets/t/observations", FAILURES)
            if not stream.opened.wait(10):
                raise SystemExit("the breaker opened and the stream did not say so in 10 s")
            took.append((stream.seen_at - sent_at) / 1e6)
    took.sort()
    p99 = took[min(len(took) - 1, len(took) * 99 // 100)]
    print(f"{len(took)} trips: median {statistics.median(took):.2f} ms, p99 {p99:.2f} ms, longest {took[-1]:.2f} ms")


if __name__ == "__main__":
    main()
