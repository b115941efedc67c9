#!/usr/bin/env python3
"""How long a batch of 1,000 observations takes, from its first byte sent to the answer, over a kept connection.

  observations.py --bin target/release/breakwater [--batches 300]

Three kinds of batches: good calls as small as they can be, good calls with all members, and calls of which one in a
hundred failed with an error code. The breaker stays closed, so each of them is counted in its window.
"""
import argparse
import datetime
import json
import statistics
import time
import uuid

from loopback import Client, node

TARGET = """[[target]]
name = "t"
endpoint = "http://127.0.0.1:9"
interval = "1h"
failure_threshold = 100
[target.probe]
kind = "tcp"
"""


def whole(i, outcome="success", **more):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return {"operation": "approve", "outcome": outcome, "durationMs": 20 + i % 100 + 0.25, "at": now, **more}


def batches():
    yield "small", [{"outcome": "success", "durationMs": 20}] * 1000
    yield "whole", [whole(i, permitId=str(uuid.uuid4())) for i in range(1000)]
    yield "1 % failed", [
        whole(i, "failure", errorCode="GATEWAY_TIMEOUT") if i % 100 == 0 else whole(i) for i in range(1000)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--batches", type=int, default=300)
    a = parser.parse_args()
    with node(a.bin, TARGET) as base:
        client = Client(base)
        for name, batch in batches():
            body = json.dumps(batch).encode()
            took = []
            for _ in range(a.batches):
                began = time.monotonic_ns()
                answer = client.post("/targets/t/observations", body)
                took.append((time.monotonic_ns() - began) / 1e6)
                assert answer["accepted"] == 1000, answer
            took.sort()
            p99 = took[min(len(took) - 1, len(took) * 99 // 100)]
            print(f"{name:>10}: {len(body) // 1024:3} KiB, median {statistics.median(took):.2f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    main()
