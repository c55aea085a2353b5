"""A containerd with one pod of one container, made as the kubelet makes it: by its CRI socket, with nothing fetched."""
import contextlib
import hashlib
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

from house import wait_for

SOCKET = Path("/run/containerd/containerd.sock")
IMAGE = "localhost/hp/sleeper:1"
# Who besides root may connect.
GROUP = 1600
POD = "7c0e6d1a-52a1-4f6e-9a3e-0d3d1f2b4c5d"


def number(value):
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + number(rest) if rest else bytes([low])


def field(key, value):
    """One field of a protobuf message."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    value = value.encode() if isinstance(value, str) else value
    return number(key << 3 | 2) + number(len(value)) + value


def table(key, entries):
    return b"".join(field(key, field(1, name) + field(2, value)) for name, value in entries.items())


def call(method, message):
    """Calls runtime.v1.RuntimeService by curl; its answer's first field, where that is a text."""
    said = subprocess.run(["curl", "-sS", "-i", "-m", "60", "--http2-prior-knowledge", "--unix-socket", SOCKET, "-H",
                           "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-",
                           f"http://localhost/runtime.v1.RuntimeService/{method}"],
                          input=b"\0" + struct.pack(">I", len(message)) + message, capture_output=True).stdout
    assert b"grpc-status: 0" in said, said
    message = said.partition(b"\r\n\r\n")[2][5:]
    return message[2:2 + message[1]].decode() if message[:1] == b"\x0a" else None


def copy_program(program, root):
    """A program of this machine and its libraries, below `root`."""
    lines = subprocess.run(["ldd", program], capture_output=True, text=True).stdout.split()
    for source, target in [(program, "bin/" + os.path.basename(program)), *[(line, line[1:]) for line in lines if line[0] == "/"]]:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(source), root / target)


def image(folder):
    """An archive as `docker save` writes it."""
    copy_program("/usr/bin/sleep", folder / "root")
    subprocess.run(["tar", "-C", folder / "root", "-cf", folder / "layer.tar", "."], check=True)
    layer = hashlib.sha256((folder / "layer.tar").read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sleep", "600"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]}}))
    (folder / "manifest.json").write_text(json.dumps([
        {"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]))
    archive = folder / "image.tar"
    subprocess.run(["tar", "-C", folder, "-cf", archive, "manifest.json", "config.json", "layer.tar"], check=True)
    return archive


class Containerd:
    def __init__(self, folder):
        assert not SOCKET.exists(), "there is a containerd on this machine"
        SOCKET.parent.mkdir(exist_ok=True)
        config = folder / "config.toml"
        config.write_text(f"""version = 2
root = "{folder}/data"
state = "{folder}/state"
[grpc]
address = "{SOCKET}"
gid = {GROUP}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
restrict_oom_score_adj = true
containerd.snapshotter = "native"
""")
        self.pod = None
        self.log = open(folder / "log", "ab")
        self.process = subprocess.Popen(["containerd", "--config", config], stdout=self.log, stderr=self.log)
        try:
            wait_for(lambda: self.ctr("version").returncode == 0, "containerd being there")
            imported = self.ctr("image", "import", "--snapshotter", "native", image(folder))
            assert imported.returncode == 0, imported.stderr
            self.container = self.run()
        except BaseException:
            self.close()
            raise

    def ctr(self, *words):
        return subprocess.run(["ctr", "--address", SOCKET, "--namespace", "k8s.io", *words], capture_output=True, text=True)

    def run(self):
        """The id of a container `web` in the pod `shop/web-1`, in the machine's own network: no network is set up."""
        network = field(2, field(1, field(1, 2) + field(2, 1)))
        pod = (field(1, field(1, "web-1") + field(2, POD) + field(3, "shop")) + table(6, {"app": "web"})
               + field(8, field(1, f"/kubepods/besteffort/pod{POD}") + network))
        self.pod = call("RunPodSandbox", field(1, pod))
        container = (field(1, field(1, "web")) + field(2, field(1, IMAGE)) + field(3, "/bin/sleep") + field(4, "600")
                     + table(9, {"team": "a", "io.kubernetes.pod.name": "web-1"}))
        made = call("CreateContainer", field(1, self.pod) + field(2, container) + field(3, pod))
        call("StartContainer", field(1, made))
        return made

    def pid(self):
        lines = self.ctr("task", "ls").stdout.splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(self.container))

    def close(self):
        if self.pod:
            call("StopPodSandbox", field(1, self.pod))
            call("RemovePodSandbox", field(1, self.pod))
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        for name in ("containerd.sock", "containerd.sock.ttrpc"):
            (SOCKET.parent / name).unlink(missing_ok=True)
        for group in (f"kubepods/besteffort/pod{POD}", "kubepods/besteffort", "kubepods"):
            for path in Path("/sys/fs/cgroup").glob(f"*/{group}"):
                with contextlib.suppress(OSError):
                    path.rmdir()
