#!/usr/bin/env python3
"""The gateway beside its peers, one run, same upstream, same requests.

Usage: bench/gateway.py [--quick] [--tls] [nginx|minio] [NAME…]

With --tls clients speak https to hallpass, haproxy and nginx; the way to the upstream stays plain. HALLPASS_BINARY names another
build than target/release/hallpass.

Each gateway process is pinned to one core, the load and the upstream to the other. Peers that are not installed are left
out and named: nginx, haproxy, wrk from Debian; `cargo install s3s-proxy --version 0.14.1 --locked`; aws-sigv4-proxy by the Go
module proxy; MinIO as `cargo xtask setup` leaves it; plain-proxy, the gateway's HTTP library and nothing else, by
`cargo build --release -p hallpass-upstream --example plain_proxy`. The others' programs are looked for in PATH and in $PEERS.
"""
import datetime
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = [Path(folder) for folder in os.environ.get("PEERS", "").split(":") if folder]
QUICK, TLS = "--quick" in sys.argv, "--tls" in sys.argv
BINARY = os.environ.get("HALLPASS_BINARY", ROOT / "target/release/hallpass")
SPEAKS_TLS = ("hallpass", "haproxy", "nginx")
MIB = 1024 * 1024
BULK = (64 if QUICK else 256) * MIB
REPEATS = 2 if QUICK else 4
SECONDS = 2 if QUICK else 5
SMALL = 16 * 1024
KEY = ("AKIAIOSFODNN7EXAMPL0", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
TICKS = os.sysconf("SC_CLK_TCK")


def program(name):
    found = shutil.which(name) or next((str(p / name) for p in PEERS if (p / name).exists()), None)
    return found or (f"/usr/sbin/{name}" if Path(f"/usr/sbin/{name}").exists() else None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_port(port, process):
    for _ in range(2000):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"{process.args} does not listen")


class Running:
    """A process (and its children) on one core, and what it uses."""
    all = []

    def __init__(self, folder, command, port, core, env=None):
        self.log = open(folder / f"{Path(command[0]).name}-{port}.log", "ab")
        self.port = port
        self.process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, cwd=folder,
                                        start_new_session=True)
        self.all.append(self)
        wait_port(port, self.process)

    def pids(self):
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return [self.process.pid, *map(int, children)]

    def cpu(self):
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def peak(self):
        peaks = [re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in self.pids()]
        return max(int(found[1]) for found in peaks if found) / 1024

    def stop(self):
        if self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


# -- the upstreams and the gateways


def certificate(folder):
    """A certificate and its key, in one file each and in one together."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=bench", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True)
    (folder / "tls.pem").write_text((folder / "tls.crt").read_text() + (folder / "tls.key").read_text())
    return folder


def nginx_conf(folder, port, location):
    conf = folder / f"nginx-{port}.conf"
    conf.write_text(f"""
worker_processes 1; daemon off; pid {folder}/nginx-{port}.pid; error_log {folder}/nginx-{port}.err;
load_module modules/ngx_http_dav_ext_module.so;
events {{ worker_connections 4096; }}
http {{ access_log off; client_max_body_size 0; keepalive_requests 1000000; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {location} }}
""")
    if "dav_methods" in location and not Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so").exists():
        conf.write_text(conf.read_text().replace("load_module modules/ngx_http_dav_ext_module.so;", ""))
    if "dav_methods" not in location:
        conf.write_text(conf.read_text().replace("load_module modules/ngx_http_dav_ext_module.so;", ""))
    return conf


def upstream_nginx(folder):
    (folder / "dav" / "bench").mkdir(parents=True)
    os.chmod(folder, 0o755)
    port = free_port()
    conf = nginx_conf(folder, port, f"server {{ listen 127.0.0.1:{port}; root {folder}/dav; dav_methods PUT DELETE; "
                                    f"create_full_put_path on; location / {{ }} }}")
    conf.write_text("user root;\n" + conf.read_text())
    return Running(folder, [program("nginx"), "-c", conf], port, 0), KEY


def upstream_minio(folder):
    tools = Path(os.environ.get("HALLPASS_TOOLS", Path.home() / ".cache/hallpass/tools"))
    port = free_port()
    env = {"MINIO_ROOT_USER": KEY[0], "MINIO_ROOT_PASSWORD": KEY[1], "MINIO_UPDATE": "off"}
    running = Running(folder, [tools / "go-minio/minio", "server", "--quiet", "--address", f"127.0.0.1:{port}",
                               "--console-address", f"127.0.0.1:{free_port()}", folder / "store"], port, 0, env)
    for _ in range(100):
        status, _ = send(port, *signed("PUT", "/bench", port, KEY, b""))
        if status == 200:
            break
        time.sleep(0.1)
    else:
        raise SystemExit(f"MinIO makes no bucket: {status}")
    return running, KEY


def hallpass(folder, upstream, key):
    (folder / "keys").write_text(f"[default]\naws_access_key_id = {key[0]}\naws_secret_access_key = {key[1]}\n")
    tls = certificate(folder) if TLS else None
    listener = f'[listener]\ncertificate_file = "{tls}/tls.crt"\nkey_file = "{tls}/tls.key"\n' if tls else ""
    (folder / "hallpass.toml").write_text(f"""{listener}
[[upstream]]
name = "bench"
buckets = ["bench"]
endpoint = "http://127.0.0.1:{upstream}"
credentials = {{ file = "{folder}/keys" }}
""")
    port = free_port()
    running = Running(folder, [BINARY, "dev", "--data", folder / "data", "--api", f"127.0.0.1:{port}",
                               "--metadata", "127.0.0.1:0", "--region", "us-east-1", "--config", folder / "hallpass.toml",
                               "--ready-file", folder / "ready"], port, 1)
    while not (folder / "ready").exists():
        time.sleep(0.01)
    text = Path(json.loads((folder / "ready").read_text())["admin_credentials"]).read_text()
    own = tuple(re.search(rf"{name} = (\S+)", text)[1] for name in ("aws_access_key_id", "aws_secret_access_key"))
    return running, own


def haproxy(folder, upstream, key):
    port = free_port()
    (folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
listen bench
  bind 127.0.0.1:{port}{f' ssl crt {certificate(folder)}/tls.pem' if TLS else ''}
  server s 127.0.0.1:{upstream}
""")
    return Running(folder, [program("haproxy"), "-f", folder / "haproxy.cfg"], port, 1), key


def nginx(folder, upstream, key):
    port = free_port()
    tls = certificate(folder) if TLS else None
    served = f" ssl; ssl_certificate {tls}/tls.crt; ssl_certificate_key {tls}/tls.key" if tls else ""
    conf = nginx_conf(folder, port, f"""
  upstream u {{ server 127.0.0.1:{upstream}; keepalive 128; }}
  server {{ listen 127.0.0.1:{port}{served}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $http_host; proxy_request_buffering off; proxy_buffering on; proxy_max_temp_file_size 0; }} }}""")
    return Running(folder, [program("nginx"), "-c", conf], port, 1), key


def plain_proxy(folder, upstream, key):
    """What the gateway's own HTTP library costs when nothing is done but passing on."""
    port = free_port()
    return Running(folder, [ROOT / "target/release/examples/plain_proxy", f"127.0.0.1:{port}", f"127.0.0.1:{upstream}"],
                   port, 1), key


def s3s_proxy(folder, upstream, key):
    port = free_port()
    env = {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_REGION": "us-east-1", "RUST_LOG": "error"}
    return Running(folder, [program("s3s-proxy"), "--host", "127.0.0.1", "--port", port, "--endpoint-url",
                            f"http://127.0.0.1:{upstream}"], port, 1, env), key


def aws_sigv4_proxy(folder, upstream, key):
    port = free_port()
    env = {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    return Running(folder, [program("aws-sigv4-proxy"), "--port", f"127.0.0.1:{port}", "--name", "s3", "--region", "us-east-1",
                            "--host", f"127.0.0.1:{upstream}", "--upstream-url-scheme", "http"], port, 1, env), key


GATEWAYS = {"plain-proxy": plain_proxy, "haproxy": haproxy, "nginx": nginx, "hallpass": hallpass, "s3s-proxy": s3s_proxy, "aws-sigv4-proxy": aws_sigv4_proxy}

# -- requests


def signed(method, path, port, key, body, payload=None, headers=None, frame=None):
    """A signed request as bytes: its head, and its body."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    payload = payload or hashlib.sha256(body).hexdigest()
    fields = {"host": f"127.0.0.1:{port}", "x-amz-date": stamp, "x-amz-content-sha256": payload, **(headers or {})}
    names = ";".join(sorted(fields))
    canonical = "\n".join([method, path, "", *[f"{n}:{fields[n]}" for n in sorted(fields)], "", names, payload])
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signing = ("AWS4" + key[1]).encode()
    for part in (stamp[:8], "us-east-1", "s3", "aws4_request"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
    if frame:
        body = frame(body, signing, signature, stamp, scope)
    fields["authorization"] = f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    fields["content-length"] = str(len(body))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return head.encode(), body


def chunked(body, signing, previous, stamp, scope):
    out, empty = bytearray(), hashlib.sha256(b"").hexdigest()
    view = memoryview(body)
    for start in [*range(0, len(body), 65536), len(body)]:
        piece = view[start:start + 65536]
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, empty, hashlib.sha256(piece).hexdigest()])
        previous = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
        out += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + b"\r\n"
    return bytes(out)


def trailer(body, *_):
    import base64
    import zlib
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    out, view = bytearray(), memoryview(body)
    # Small ones, as SDKs send: MinIO refuses a chunk beyond 16 MiB and closes the connection in the middle of it.
    for start in range(0, len(body), MIB):
        piece = view[start:start + MIB]
        out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    return bytes(out) + f"0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n".encode()


BODIES = {
    "signed": {},
    "unsigned": {"payload": "UNSIGNED-PAYLOAD"},
    "signed chunks": {"payload": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "frame": chunked},
    "unsigned trailer": {"payload": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "frame": trailer},
}


def put_request(port, key, path, body, form):
    options, headers = dict(BODIES[form]), {}
    if "frame" in options:
        headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body))}
        if form == "unsigned trailer":
            headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    return signed("PUT", path, port, key, body, headers=headers, **options)


def connect(port, tls):
    wire = socket.create_connection(("127.0.0.1", port), 60)
    if not tls:
        return wire
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(wire)


def send(port, head, body=b"", tls=False):
    """Sends a request, throws the answer away, and tells its status and length."""
    with connect(port, tls) as wire:
        wire.sendall(head)
        try:
            wire.sendall(body)
        except (BrokenPipeError, ConnectionResetError):
            # Refused before all of it was sent; the answer may still be there to read.
            pass
        answer = bytearray()
        while b"\r\n\r\n" not in answer:
            try:
                data = wire.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return 0, 0
            answer += data
        head, _, rest = bytes(answer).partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        got, want, scratch = len(rest), int(length[1]) if length else 0, bytearray(MIB)
        while got < want:
            count = wire.recv_into(scratch)
            if not count:
                break
            got += count
        return int(head.split()[1]), got


# -- measuring


def bulk(running, port, key, method, form):
    """CPU seconds of the gateway per GiB."""
    body = os.urandom(BULK)
    request = put_request(port, key, "/bench/bulk", body, form) if method == "PUT" else signed("GET", "/bench/bulk", port, key, b"")
    before, began = running.cpu() if running else 0, time.monotonic()
    for _ in range(REPEATS):
        status, got = send(port, *request, tls=TLS and running is not None)
        if status not in (200, 201, 204) or (method == "GET" and got != BULK):
            return f"failed ({status})", None
    gib = BULK * REPEATS / (1024 * MIB)
    return (running.cpu() - before) / gib if running else None, (time.monotonic() - began) / gib


def small(running, port, key, method, connections, folder):
    """wrk's requests per second and latencies, and CPU milliseconds of the gateway per request."""
    body = b"x" * SMALL
    head, _ = put_request(port, key, "/bench/small", body, "signed") if method == "PUT" else signed("GET", "/bench/small", port, key, b"")
    lines = head.decode().split("\r\n")
    headers = [line.split(": ", 1) for line in lines[1:] if line and not line.startswith(("content-length", "host:"))]
    script = folder / "wrk.lua"
    script.write_text(f'wrk.method = "{method}"\n' + "".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}\n" for k, v in headers)
                      + (f'wrk.body = string.rep("x", {SMALL})\n' if method == "PUT" else ""))
    before = running.cpu() if running else 0
    out = subprocess.run(["taskset", "-c", "0", program("wrk"), "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", script,
                          f"http{'s' if TLS and running else ''}://127.0.0.1:{port}/bench/small"], capture_output=True, text=True).stdout
    used = running.cpu() - before if running else 0
    total = int(re.search(r"(\d+) requests in", out)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad or not total:
        return f"failed ({bad and bad[1]} of {total})", None, None, None
    unit = {"us": 0.001, "ms": 1, "s": 1000}
    at = lambda percent: next(float(v) * unit[u] for v, u in re.findall(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", out))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), at(50), at(99), used * 1000 / total if running else None


def show(value, digits=2):
    return value if isinstance(value, str) else "—" if value is None else f"{value:.{digits}f}"


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    which = words.pop(0) if words and words[0] in ("nginx", "minio") else "nginx"
    names = ["direct", *(words or GATEWAYS)]
    names = [name for name in names if not TLS or name in ("direct", *SPEAKS_TLS)]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR", "/dev/shm")) as temporary:
        folder = Path(temporary)
        upstream, key = {"nginx": upstream_nginx, "minio": upstream_minio}[which](folder)
        sha = hashlib.sha256()
        piece, began = os.urandom(64 * MIB), time.process_time()
        for _ in range(4):
            sha.update(piece)
        print(f"upstream {which}; bare SHA-256: {(time.process_time() - began) * 4:.2f} s/GiB\n")
        print("| through | " + " | ".join(f"PUT {form}, s/GiB" for form in BODIES) + " | GET, s/GiB | peak MiB |")
        print("|---" * (len(BODIES) + 3) + "|")
        table = []
        for name in names:
            if name != "direct" and not program({"hallpass": "sh", "plain-proxy": "sh"}.get(name, name)):
                print(f"| {name} | not installed |")
                continue
            place = folder / name
            place.mkdir()
            running, own = (None, key) if name == "direct" else GATEWAYS[name](place, upstream.port, key)
            port = running.port if running else upstream.port
            puts = [bulk(running, port, own, "PUT", form)[0] for form in BODIES]
            direct = upstream.port
            send(direct, *put_request(direct, key, "/bench/bulk", os.urandom(BULK), "signed"))
            get = bulk(running, port, own, "GET", None)[0]
            print(f"| {name} | " + " | ".join(map(show, puts)) + f" | {show(get)} | {show(running.peak() if running else None, 1)} |", flush=True)
            send(direct, *put_request(direct, key, "/bench/small", b"x" * SMALL, "signed"))
            for method in ("GET", "PUT"):
                for connections in (1, 16, 64):
                    table.append((name, method, connections, *small(running, port, own, method, connections, place)))
            if running:
                running.stop()
        print("\n| through | 16 KiB | connections | requests/s | p50 ms | p99 ms | CPU ms/request |\n|---|---|---|---|---|---|---|")
        for name, method, connections, rate, p50, p99, cpu in table:
            print(f"| {name} | {method} | {connections} | {show(rate, 0)} | {show(p50)} | {show(p99)} | {show(cpu, 3)} |")


try:
    main()
finally:
    for each in Running.all:
        each.stop()
