#!/usr/bin/env python3
"""Checks the Grafana and Prometheus pack against a real Prometheus that scrapes a running node.

    tests/prometheus/check.py --metrics-url http://127.0.0.1:8080/metrics [--call PG_KCP]
    tests/prometheus/check.py --metrics-page FILE     a page that was saved, or an insta snapshot of one

It runs promtool over the page, the configuration, the rules and the rules' tests; starts a Prometheus of its own on a
free loopback port, in a folder that it removes again; and evaluates every expression of every dashboard and rule. An
expression must not fail, must name only metrics that exist, and must find data: all but alerts and annotations, which
are empty as long as nothing happens. With --call it plays an application of that target meanwhile: it asks the node for
permits and reports calls, of which some fail; without such calls the panels and rules that show them find nothing. Exit
code: 0 all is well, 1 something is not, 2 it could not be tried.

Needs promtool and prometheus (Debian: apt-get install -y --no-install-recommends prometheus), and Python 3.9.
"""

import argparse
import contextlib
import http.server
import json
import math
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config/prometheus/prometheus.yml"
RULES = sorted((ROOT / "config/prometheus/rules").glob("*.yml"))
RULE_TESTS = sorted((ROOT / "tests/data/prometheus").glob("*_test.yml"))
DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
PROVISIONING = sorted((ROOT / "grafana/provisioning").rglob("*.yml"))

TEXT = "text/plain; version=0.0.4"
# What Grafana would put in for every node and every target (".+" is what All stands for), and an interval over all that
# was scraped: what happens seldom, such as a commit, is found wherever it happened.
VARIABLES = {"__rate_interval": "10m", "__interval": "10m", "__range": "10m"}
# Metrics that a node has only where it watches something that speaks TLS, which the demo does not. On a saved page they
# are looked for like the others.
OF_TLS = {"probe_ssl_earliest_cert_expiry"}
NAME = re.compile(r"\b(?:[a-z]+:)?(?:breakwater|probe|process)_[a-z0-9_]+(?::[a-z0-9_]+)?\b")


class CannotTry(Exception):
    """Something that the check itself needs is missing."""


class Report:
    """The table that is printed, and whether all of it is well."""

    def __init__(self):
        self.rows = []

    def add(self, subject, what, problem=None, found=""):
        self.rows.append((subject, what, problem, found))

    def failed(self):
        return [row for row in self.rows if row[2]]

    def print(self):
        width = max(len(subject) for subject, *_ in self.rows)
        for subject, what, problem, found in self.rows:
            verdict = "FAIL" if problem else "ok"
            what = what if problem or len(what) <= 110 else f"{what[:107]}..."
            print(f"{verdict:<4}  {subject:<{width}}  {found:>12}  {what}")
            if problem:
                print(f"      {problem}")
        failed = len(self.failed())
        print(f"{len(self.rows)} checks, {failed} failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--metrics-url", help="the page of a running node")
    source.add_argument("--metrics-page", type=pathlib.Path, help="a saved page, served from here")
    parser.add_argument("--seconds", type=float, default=20, help="how long to scrape before asking (default: 20)")
    parser.add_argument(
        "--patience", type=float, default=60, help="how long to wait for what has not happened yet (default: 60)"
    )
    parser.add_argument("--call", metavar="TARGET", help="report calls to this target of the node while it is scraped")
    arguments = parser.parse_args()
    if arguments.call and not arguments.metrics_url:
        parser.error("--call needs --metrics-url: a saved page takes no reports")
    # So that a kill, too, ends the Prometheus and removes its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    report = Report()
    try:
        for tool in ("promtool", "prometheus"):
            if shutil.which(tool) is None:
                raise CannotTry(f"{tool} is not installed: apt-get install -y --no-install-recommends prometheus")
        with contextlib.ExitStack() as stack:
            url = arguments.metrics_url
            # A page that stands still has rates of 0, and a quantile of nothing is not a number.
            moving = url is not None
            if url is None:
                url = stack.enter_context(served(arguments.metrics_page))
            check_page(report, url)
            check_files(report)
            if arguments.call:
                stack.enter_context(application(url, arguments.call))
            prometheus = stack.enter_context(running_prometheus(url))
            prometheus.scrape(arguments.seconds)
            prometheus.patient_until = time.monotonic() + arguments.patience
            check_scrape(report, prometheus, url)
            check_rules(report, prometheus, moving)
            for path in DASHBOARDS:
                check_dashboard(report, prometheus, path, moving)
    except CannotTry as reason:
        print(f"check.py: {reason}", file=sys.stderr)
        return 2
    report.print()
    return 1 if report.failed() else 0


# Files


def check_page(report, url):
    try:
        request = urllib.request.Request(url, headers={"Accept": TEXT})
        with urllib.request.urlopen(request, timeout=30) as response:
            page = response.read()
    except OSError as error:
        raise CannotTry(f"{url} does not answer: {error}") from error
    if page.endswith(b"# EOF\n"):
        # promtool reads only the text format; of OpenMetrics the scrape is the check.
        return
    run(report, "page", ["promtool", "check", "metrics"], page, silent=True)


def check_files(report):
    run(report, "config", ["promtool", "check", "config", str(CONFIG)])
    for path in RULES:
        run(report, "rules", ["promtool", "check", "rules", str(path)])
    for path in RULE_TESTS:
        run(report, "rules", ["promtool", "test", "rules", str(path)])
    tested = "".join(path.read_text() for path in RULE_TESTS)
    for path in RULES:
        for kind, name in re.findall(r"^\s*- (alert|record): (\S+)", path.read_text(), re.MULTILINE):
            report.add("rules", f"{kind} {name} has a test", None if name in tested else "no test names it")
    for folder, paths in (("grafana/dashboards", DASHBOARDS), ("grafana/provisioning", PROVISIONING)):
        report.add(folder, "files", None if paths else "there are none", f"{len(paths)} files")
    for path in PROVISIONING:
        first = next((line for line in path.read_text().splitlines() if line and not line.startswith("#")), "")
        report.add("grafana", relative(path), None if first == "apiVersion: 1" else "must begin with apiVersion: 1")


def run(report, subject, command, stdin=b"", silent=False):
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = done.stdout.decode(errors="replace").strip()
    problem = None
    if done.returncode != 0 or (silent and said):
        problem = said or f"exit code {done.returncode}"
    words = [word if not word.startswith(str(ROOT)) else relative(pathlib.Path(word)) for word in command]
    report.add(subject, " ".join(words), problem)


def relative(path):
    return str(path.relative_to(ROOT))


# Prometheus


class Prometheus:
    """A Prometheus that scrapes one page every second, and was given our rules."""

    def __init__(self, base, process, log):
        self.base = base
        self.process = process
        self.log = log
        self.names = set()
        self.patient_until = 0.0

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.base}{path}?{query}", timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(json.load(error).get("error", str(error))) from error

    def query(self, expression):
        return self.get("/api/v1/query", query=expression)["result"]

    def scrape(self, seconds):
        """Waits until so many seconds of scrapes are stored and every rule was evaluated after the last of them."""
        began = time.monotonic()
        while time.monotonic() - began < seconds + 60:
            self.must_run()
            with contextlib.suppress(OSError, QueryError, IndexError):
                scrapes = int(self.query("count_over_time(up[10m])")[0]["value"][1])
                if scrapes > seconds and all(rule["health"] != "unknown" for rule in self.rules()):
                    break
            time.sleep(0.5)
        else:
            raise CannotTry(f"Prometheus did not scrape for {seconds} s; its log:\n{self.log.read_text()[-3000:]}")
        self.names = set(self.get("/api/v1/label/__name__/values"))

    def rules(self):
        return [rule for group in self.get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def must_run(self):
        if self.process.poll() is not None:
            raise CannotTry(f"Prometheus ended; its log:\n{self.log.read_text()[-3000:]}")


class QueryError(Exception):
    """Prometheus refused an expression."""


@contextlib.contextmanager
def running_prometheus(url):
    parts = urllib.parse.urlsplit(url)
    with tempfile.TemporaryDirectory(prefix="breakwater-prometheus-") as folder:
        folder = pathlib.Path(folder)
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in RULES],
            "scrape_configs": [
                {
                    "job_name": "breakwater",
                    "scheme": parts.scheme,
                    "metrics_path": parts.path or "/metrics",
                    "static_configs": [{"targets": [parts.netloc]}],
                }
            ],
        }
        # Every JSON text is YAML.
        (folder / "prometheus.yml").write_text(json.dumps(config))
        address = f"127.0.0.1:{free_port()}"
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={address}",
                ],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield Prometheus(f"http://{address}", process, log)
            finally:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def check_scrape(report, prometheus, url):
    for target in prometheus.get("/api/v1/targets")["activeTargets"]:
        problem = target["lastError"] if target["health"] != "up" else None
        report.add("scrape", url, problem, f"{target['lastScrapeDuration'] * 1000:.0f} ms")
    metadata = prometheus.get("/api/v1/targets/metadata")
    for entry in metadata:
        if not entry["help"]:
            report.add("scrape", entry["metric"], "it has no HELP")
    report.add("scrape", "metrics with their help", None if metadata else "there are none", f"{len(metadata)} metrics")


def check_rules(report, prometheus, moving):
    for rule in prometheus.rules():
        problem = rule.get("lastError") or None
        if problem is None and rule["health"] != "ok":
            problem = f"its health is {rule['health']}"
        if problem:
            report.add(f"rule {rule['name']}", rule["query"], problem)
            continue
        recording = rule["type"] == "recording"
        check_expression(report, prometheus, f"rule {rule['name']}", rule["query"], recording, moving)


# Dashboards


def check_dashboard(report, prometheus, path, moving):
    dashboard = json.loads(path.read_text())
    chosen = dict(VARIABLES)
    for what, right in dashboard_rules(dashboard, path):
        report.add(relative(path), what, None if right else "it is not so")
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            values = check_variable(report, prometheus, variable)
            if values and not variable["multi"]:
                # What Grafana chooses, too, when nobody has chosen.
                chosen[variable["name"]] = values[0]
    for annotation in dashboard["annotations"]["list"]:
        subject = f"annotation {annotation['name']}"
        check_expression(report, prometheus, subject, annotation["expr"], False, moving, chosen)
    for panel in panels_of(dashboard):
        for what, right in panel_rules(panel):
            if not right:
                report.add(panel["title"], what, "it is not so")
        for target in panel["targets"]:
            subject = f"panel {panel['title']} {target['refId']}"
            check_expression(report, prometheus, subject, target["expr"], True, moving, chosen)


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        nested = panel.get("panels", []) if panel["type"] == "row" else [panel]
        yield from nested


def dashboard_rules(dashboard, path):
    yield "has no id of one installation", dashboard.get("id", 0) is None
    yield "has the uid of its file's name", dashboard.get("uid") == f"breakwater-{path.stem}"
    yield "has a schema of 39 to 41", 39 <= dashboard.get("schemaVersion", 0) <= 41
    first = dashboard["templating"]["list"][0]
    yield "lets people choose the data source first", (first["type"], first["name"]) == ("datasource", "datasource")
    ids = [panel["id"] for panel in dashboard["panels"]]
    yield "gives each panel an id of its own", len(ids) == len(set(ids))
    yield "puts no panel over another", not overlaps([panel["gridPos"] for panel in dashboard["panels"]])


def panel_rules(panel):
    sources = [panel["datasource"]] + [target["datasource"] for target in panel["targets"]]
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    yield "asks the chosen data source", all(source == wanted for source in sources)
    yield "has a unit", bool(panel["fieldConfig"]["defaults"].get("unit"))
    yield "says what it shows", bool(panel.get("description"))
    rates = [target["expr"] for target in panel["targets"] if panel["type"] != "table" and "rate(" in target["expr"]]
    yield "takes rates over $__rate_interval", all("[$__rate_interval]" in rate for rate in rates)


def overlaps(places):
    taken = set()
    for place in places:
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken or x >= 24:
                    return True
                taken.add((x, y))
    return False


def check_variable(report, prometheus, variable):
    subject = f"variable {variable['name']}"
    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    if asked is None:
        report.add(subject, variable["query"]["query"], "it is not label_values(metric, label)")
        return []
    metric, label = asked.groups()
    try:
        values = prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": substituted(metric)})
    except QueryError as error:
        report.add(subject, variable["query"]["query"], str(error))
        return []
    problem = None if values else "it has no value"
    report.add(subject, variable["query"]["query"], problem, f"{len(values)} values")
    return sorted(values)


def check_expression(report, prometheus, subject, expression, must_find, moving, chosen=VARIABLES):
    what = " ".join(expression.split())
    unknown = sorted(set(NAME.findall(unlabelled(what))) - prometheus.names)
    if moving and unknown and OF_TLS.issuperset(unknown):
        must_find = False
    elif unknown:
        report.add(subject, what, f"no such metric: {', '.join(unknown)}")
        return
    while True:
        try:
            found = prometheus.query(substituted(what, chosen))
        except QueryError as error:
            report.add(subject, what, str(error))
            return
        numbers = [series for series in found if not math.isnan(float(series["value"][1]))]
        problem = None
        if must_find and not found:
            problem = "it finds nothing"
        elif must_find and moving and not numbers:
            problem = "it finds no number: every value is NaN"
        if problem is None or time.monotonic() > prometheus.patient_until:
            break
        time.sleep(1)
    count = f"{len(numbers)} series" if len(numbers) == len(found) else f"{len(numbers)}+{len(found) - len(numbers)} NaN"
    report.add(subject, what, problem, count)


def unlabelled(expression):
    """Without what is in quotes, where a word that looks like a metric is none."""
    return re.sub(r'"[^"]*"', '""', expression)


def substituted(expression, chosen=VARIABLES):
    def value(match):
        name = match.group(1) or match.group(2)
        # Grafana leaves $1 of a label_replace as it is.
        return match.group(0) if name.isdigit() else chosen.get(name, ".+")

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, expression)


# An application


@contextlib.contextmanager
def application(metrics_url, target):
    """Calls to a target as an application in another language makes them: with a permit each, reported in batches."""
    base = metrics_url.rsplit("/", 1)[0] + f"/targets/{urllib.parse.quote(target, safe='')}"
    ended = threading.Event()
    failed = []

    def call():
        number = 0
        try:
            while not ended.wait(0.5):
                batch = []
                for _ in range(8):
                    number += 1
                    permit = asked(f"{base}/permit")
                    if permit is not None:
                        batch.append(observation(number, permit["permitId"]))
                reported(f"{base}/observations", batch)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if failed:
            raise CannotTry(f"{base} did not take calls: {failed[0]}")


def observation(number, permit):
    bad = number % 11 == 0
    return {
        "operation": "approve",
        "outcome": "failure" if bad else "success",
        "durationMs": 1200 if bad else 20 + number % 7 * 30,
        "permitId": permit,
        **({"errorCode": "GATEWAY_TIMEOUT"} if bad else {}),
    }


def asked(url):
    """A permit, or nothing where the node says when to come again."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == 503 and error.headers["Retry-After"]:
            return None
        raise


def reported(url, batch):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(batch).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        accepted = json.load(response)
    if accepted["accepted"] != len(batch):
        raise OSError(f"{len(batch)} calls were reported, {accepted['accepted']} accepted")


# A saved page


@contextlib.contextmanager
def served(path):
    """Serves a page at a loopback port, in the format that it is in, without the front matter of an insta snapshot."""
    try:
        text = path.read_text()
    except OSError as error:
        raise CannotTry(f"{path}: {error.strerror}") from error
    if text.startswith("---\n"):
        text = text.split("\n---\n", 1)[1]
    page = text.rstrip("\n") + "\n"
    open_metrics = page.endswith("# EOF\n")
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8" if open_metrics else f"{TEXT}; charset=utf-8"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
