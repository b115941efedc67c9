#!/usr/bin/env python3
"""The guarded proxy beside nginx (and Envoy, HAProxy where they are installed): requests per second, latency, CPU, memory.

  proxy.py --bin target/release/breakwater [--reps 3] [--seconds 10] [--connections 32] [--soak 600]

wrk with one thread and keep-alive -> a proxy -> one nginx worker that answers 200 with two bytes. The rounds are
interleaved (nginx, breakwater, ..., nginx, breakwater, ...), so that a disturbed minute hits all alike; what is compared
are the medians of one run. Breakwater runs with its breaker, its metrics and a probe each second. CPU is read from /proc
for the proxy's processes alone. `--soak` sends through Breakwater alone for so many seconds and prints its memory.
Needs wrk and nginx; envoy by the environment's ENVOY_BIN.
"""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

from loopback import free_port

TARGET = """worker_processes 1; daemon off; pid {d}/target.pid; error_log {d}/target.err;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {d}/tb; proxy_temp_path {d}/tp;
  fastcgi_temp_path {d}/tf; uwsgi_temp_path {d}/tu; scgi_temp_path {d}/ts;
  server {{ listen 127.0.0.1:{t}; location / {{ return 200 "ok"; }} }} }}
"""
NGINX = """worker_processes 1; daemon off; pid {d}/nginx.pid; error_log {d}/nginx.err;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f;
  uwsgi_temp_path {d}/u; scgi_temp_path {d}/s; keepalive_requests 100000000;
  upstream u {{ server 127.0.0.1:{t}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{p};
    location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
"""
HAPROXY = """global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
listen px
  bind 127.0.0.1:{p}
  server s 127.0.0.1:{t} pool-max-conn 64
"""
ENVOY = """static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {p} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: px
          generate_request_id: false
          route_config:
            virtual_hosts: [{{ name: v, domains: ["*"], routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: c }} }}] }}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: c
    type: STATIC
    connect_timeout: 5s
    load_assignment:
      cluster_name: c
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {t} }} }} }} }}] }}]
"""
BREAKWATER = """[node]
name = "bench"
data_dir = "{d}/data"
[http]
listen = "127.0.0.1:{h}"
[[target]]
name = "BENCH"
endpoint = "http://127.0.0.1:{t}"
interval = "1s"
[target.breaker]
bulkhead = 256
[[proxy.route]]
listen = "127.0.0.1:{p}"
target = "BENCH"
"""


def start(name, a, folder, target):
    """Starts a proxy; returns (process, port)."""
    port = free_port()
    fill = {"d": folder, "t": target, "p": port, "h": free_port()}
    text, command = {
        "nginx": (NGINX, lambda f: ["nginx", "-c", f, "-e", f"{folder}/nginx.err"]),
        "haproxy": (HAPROXY, lambda f: ["haproxy", "-db", "-f", f]),
        "envoy": (ENVOY, lambda f: [os.environ["ENVOY_BIN"], "-c", f, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]),
        "breakwater": (BREAKWATER, lambda f: [a.bin, "serve", "--config", f]),
    }[name]
    file = folder / f"{name}.{'yaml' if name == 'envoy' else 'toml' if name == 'breakwater' else 'conf'}"
    file.write_text(text.format(**fill))
    log = open(folder / f"{name}.log", "wb")
    return subprocess.Popen(command(str(file)), stdout=log, stderr=log), port


def wait_for(port, seconds=20):
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=1) as answer:
                assert answer.read() == b"ok"
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def family(pid):
    """A process and all that it started."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [one for child in children for one in family(int(child))]


def cpu_seconds(pid):
    total = 0
    for one in family(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    kib = sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{one}/status").read_text())[1]) for one in family(pid))
    return kib / 1024


def wrk(port, connections, seconds):
    output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/x"],
                            capture_output=True, text=True, check=True).stdout
    percentile = dict(re.findall(r"\s(50|99)%\s+([\d.]+\w+)", output))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]), "p50": micros(percentile["50"]),
            "p99": micros(percentile["99"]), "bad": int(bad[1]) if bad else 0}


def micros(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s)$", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def rounds(a, proxies):
    seen = {name: [] for name in proxies}
    for _ in range(a.reps):
        for name, (process, port) in proxies.items():
            before = cpu_seconds(process.pid)
            result = wrk(port, a.connections, a.seconds)
            result["cpu"] = (cpu_seconds(process.pid) - before) * 1e6 / (result["rps"] * a.seconds)
            seen[name].append(result)
    return seen


def show(seen, proxies):
    middle = {n: {k: statistics.median(r[k] for r in rows) for k in rows[0]} for n, rows in seen.items()}
    print(f"{'':12}{'requests/s':>12}{'p50 us':>9}{'p99 us':>9}{'CPU us/request':>16}{'MiB':>7}{'not 2xx':>9}"
          f"{'of nginx rps':>14}{'of nginx p99':>14}")
    for name, row in middle.items():
        bad = sum(r["bad"] for r in seen[name])
        print(f"{name:12}{row['rps']:12.0f}{row['p50']:9.0f}{row['p99']:9.0f}{row['cpu']:16.1f}"
              f"{resident_mib(proxies[name][0].pid):7.0f}{bad:9}{row['rps'] / middle['nginx']['rps']:14.2f}"
              f"{row['p99'] / middle['nginx']['p99']:14.2f}")
    sent = sum(r["bad"] for r in seen["breakwater"])
    assert sent == 0, f"{sent} answers of Breakwater were not 2xx"


def soak(a, process, port):
    print("seconds  requests/s  MiB")
    began = time.monotonic()
    while (gone := time.monotonic() - began) < a.soak:
        result = wrk(port, a.connections, min(30, a.soak))
        print(f"{gone + 30:7.0f}{result['rps']:12.0f}{resident_mib(process.pid):5.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--soak", type=int, default=0)
    a = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-proxy-"))
    names = ["nginx", "breakwater"]
    names += ["haproxy"] if shutil.which("haproxy") else []
    names += ["envoy"] if os.environ.get("ENVOY_BIN") else []
    target, processes = free_port(), []
    (folder / "target.conf").write_text(TARGET.format(d=folder, t=target))
    try:
        processes.append(subprocess.Popen(["nginx", "-c", str(folder / "target.conf"), "-e", f"{folder}/target.err"]))
        wait_for(target)
        proxies = {name: start(name, a, folder, target) for name in (["breakwater"] if a.soak else names)}
        processes += [process for process, _ in proxies.values()]
        for _, port in proxies.values():
            wait_for(port)
        if a.soak:
            soak(a, *proxies["breakwater"])
        else:
            show(rounds(a, proxies), proxies)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
