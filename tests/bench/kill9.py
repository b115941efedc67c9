#!/usr/bin/env python3
"""Kills a node with -9 again and again while applications record failures and targets flap; then counts.

  kill9.py --bin target/release/breakwater [--kills 200] [--seed N] [--writers 16]

Checked at the end: the store opened each time; sequences run from 1 without a gap; no acknowledged failure is missing
and none is there twice; each recorded failure and each alert reached the receiver, under one webhook-id each, and
whatever was sent twice was the same to the byte. Prints its seed; exits 1 if anything does not hold.
"""
import argparse
import collections
import hashlib
import http.client
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

from loopback import Quiet, free_port, serve

CONFIG = """[node]
name = "kill9"
data_dir = "{data}"
[http]
listen = "127.0.0.1:{port}"
[defaults]
interval = "200ms"
timeout = "150ms"
failure_threshold = 2
[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{hook}/"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""
TARGET = """[[target]]
name = "FLAPPING_{i}"
endpoint = "http://127.0.0.1:{port}"
[target.probe]
kind = "http"
path = "/{i}"
connection = "fresh"
[target.breaker]
open_time = "500ms"
[target.alert]
channels = ["hook"]
"""
DETAIL = {"errorMessage": "Timeout occurred", "requestPayload": "{amount:1000}", "responsePayload": "N/A",
          "additionalInfo": "N/A"}


class Receiver(Quiet):
    seen = {}                                   # webhook-id -> (body, how often)
    changed = []
    lock = threading.Lock()

    def do_POST(self):
        body = self.body()
        key, digest = self.headers["webhook-id"], hashlib.sha256(body).hexdigest()
        with self.lock:
            before = self.seen.get(key)
            if before and before[1] != digest:
                self.changed.append(key)
            self.seen[key] = (json.loads(body), digest, (before[2] if before else 0) + 1)
        self.answer(200)


class Flapping(Quiet):
    rng = random.Random(0)
    down = collections.defaultdict(bool)
    frozen = False

    def do_GET(self):
        if self.frozen:
            return self.answer(200)
        if self.rng.random() < 0.05:
            self.down[self.path] = not self.down[self.path]
        self.answer(503 if self.down[self.path] else 200)


class Node:
    def __init__(self, binary, config, port, log):
        self.command = [binary, "serve", "--config", str(config)]
        self.port, self.log, self.process, self.openings = port, log, None, []

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        while time.monotonic() - began < 60:
            if self.process.poll() is not None:
                sys.exit(f"the node ended with {self.process.returncode} at start {len(self.openings) + 1}: see {self.log.name}")
            try:
                if self.get("/readyz")[0] == 200:
                    self.openings.append(time.monotonic() - began)
                    return
            except OSError:
                pass
            time.sleep(0.005)
        sys.exit("the node was not ready in 60 s")

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()

    def kill(self, how):
        self.process.send_signal(how)
        self.process.wait()


def write(node, number, acknowledged, sent, stop):
    connection, count = None, 0
    while not stop.is_set():
        marker = f"w{number}-{count}"
        count += 1
        body = json.dumps({"failureType": "PAYMENT_GATEWAY", "failureDetail": {"errorCode": marker, **DETAIL},
                           "targetSystem": "PG_KCP", "occurredAt": "2024-06-01T10:00:00Z", "integrationStatusId": 2001})
        sent.add(marker)
        try:
            connection = connection or http.client.HTTPConnection("127.0.0.1", node.port, timeout=5)
            connection.request("POST", "/integrationFailureHistories/recordintegrationfailure", body,
                               {"content-type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            if response.status == 200:
                acknowledged[marker] = json.loads(text)["data"]["integrationFailureHistoryId"]
        except (OSError, http.client.HTTPException, ValueError):
            connection = None
            time.sleep(0.01)


def all_events(node):
    events, after = [], 0
    while True:
        page = json.loads(node.get(f"/events?after={after}&limit=1000")[1])
        if not page["content"]:
            return events
        events += page["content"]
        after = page["next"]


def judge(node, acknowledged, problems):
    events = all_events(node)
    sequences = [int(event["id"]) for event in events]
    if sequences != list(range(1, len(events) + 1)):
        problems.append("the log's sequences have a gap or repeat")
    recorded = collections.defaultdict(list)
    for event in events:
        if event["type"] == "IntegrationFailureRecorded":
            recorded[event["data"]["failureDetail"]["errorCode"]].append(event["data"]["integrationFailureHistoryId"])
    lost = [marker for marker, history in acknowledged.items() if history not in recorded.get(marker, [])]
    twice = [marker for marker, ids in recorded.items() if marker.startswith("w") and len(ids) > 1]
    ids = collections.Counter(history for several in recorded.values() for history in several)
    problems += [f"{len(lost)} acknowledged failures are lost, e.g. {lost[:3]}"] if lost else []
    problems += [f"{len(twice)} failures are there twice, e.g. {twice[:3]}"] if twice else []
    problems += ["an id was given twice"] if any(count > 1 for count in ids.values()) else []
    return events, {marker: several for marker, several in recorded.items() if marker.startswith("w")}


def judge_outbox(events, recorded, problems):
    told = collections.defaultdict(set)
    with Receiver.lock:
        seen = dict(Receiver.seen)
    for key, (body, _, _) in seen.items():
        data = body["data"]
        many = data.get("integrationFailureHistoryIds") or []
        if data.get("count", 0) > len(many):
            problems.append(f"a message of {data['count']} names {len(many)}: give it fewer writers")
        for one in many or [data.get("incident") or data.get("integrationFailureHistoryId")]:
            told[(body["type"], one)].add(key)
    expected = [("breakwater.failure.recorded", history) for several in recorded.values() for history in several]
    for event in events:
        if event["type"] in ("AlertFired", "AlertResolved"):
            word = "firing" if event["type"] == "AlertFired" else "resolved"
            expected.append((f"breakwater.alert.{word}", event["data"]["incidentId"]))
    # Ids are numbers in both.
    lost = [what for what in expected if what not in told]
    doubled = [what for what, keys in told.items() if len(keys) > 1]
    known = set(expected)
    strange = [what for what in told if what not in known and what[0] != "breakwater.alert.reminder"]
    for name, what in (("lost", lost), ("sent under two ids", doubled), ("sent but not in the log", strange)):
        if what:
            problems.append(f"{len(what)} messages {name}, e.g. {what[:3]}")
    if Receiver.changed:
        problems.append(f"{len(Receiver.changed)} messages changed between two attempts")
    return len(expected)


def drained(node, limit):
    # The targets go on flapping: what is fired from here on would never be still.
    Flapping.frozen = True
    end, quiet, before = time.monotonic() + limit, 0, None
    while time.monotonic() < end:
        text = node.get("/metrics")[1].decode()
        empty = any(line.startswith("breakwater_outbox_pending") and float(line.split()[-1]) == 0 for line in text.splitlines())
        now = (len(Receiver.seen), json.loads(node.get("/events?limit=1")[1])["next"], text.count('state="FAILED"} 1'))
        quiet = quiet + 1 if empty and now == before else 0
        if quiet >= 10:
            return True
        before = now
        time.sleep(0.5)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    a = parser.parse_args()
    print(f"seed {a.seed}", flush=True)
    rng, Flapping.rng = random.Random(a.seed), random.Random(a.seed + 1)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-kill9-"))
    hook, flapping, port = serve(Receiver), serve(Flapping), free_port()
    config = folder / "breakwater.toml"
    config.write_text(CONFIG.format(data=folder / "data", port=port, hook=hook)
                      + "".join(TARGET.format(i=i, port=flapping) for i in range(5)))
    node = Node(a.bin, config, port, open(folder / "node.log", "ab"))
    node.start()
    acknowledged, sent, stop = {}, set(), threading.Event()
    writers = [threading.Thread(target=write, args=(node, i, acknowledged, sent, stop)) for i in range(a.writers)]
    for writer in writers:
        writer.start()
    for _ in range(a.kills):
        time.sleep(rng.uniform(0.02, 0.4))
        node.kill(signal.SIGKILL)
        node.start()
    stop.set()
    for writer in writers:
        writer.join()
    problems = [] if drained(node, 600) else ["the outbox did not drain in 600 s"]
    time.sleep(1)
    events, recorded = judge(node, acknowledged, problems)
    expected = judge_outbox(events, recorded, problems)
    node.kill(signal.SIGTERM)
    repeats = sum(times - 1 for _, _, times in Receiver.seen.values())
    openings = sorted(node.openings)
    print(f"{a.kills} kills; {len(sent)} failures sent, {len(acknowledged)} acknowledged, "
          f"{sum(map(len, recorded.values()))} recorded; {len(events)} events; {expected} messages expected, {len(Receiver.seen)} ids "
          f"received, {repeats} sent again under their id; opened {len(openings)} times, "
          f"ready after {openings[len(openings) // 2] * 1e3:.0f} ms (median), {openings[-1] * 1e3:.0f} ms (longest)")
    for problem in problems:
        print("PROBLEM:", problem)
    print("held" if not problems else f"did not hold; files in {folder}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
