"""Much at once through the gateway: ten thousand objects, one large one, a thousand clients; memory and descriptors stay."""
import hashlib
import http.client
import os
import re
import resource
import shutil
import tempfile
import threading
import urllib.parse

import pytest
from boto3.s3.transfer import TransferConfig

import adapters
import front as fronts
from house import wait_for
from test_document_003 import RESIDENT_MAX_KIB

MIB = 1 << 20
MANY = 10_000
# Beyond 32 bits where there is room: the file, the store's copy and parts, and what comes back.
LARGE = 5 * 1024 * MIB if shutil.disk_usage(tempfile.gettempdir()).free >= 20 << 30 else 1536 * MIB
CLIENTS = 1_000


@pytest.fixture(scope="module")
def front():
    with fronts.started() as running:
        yield running


@pytest.fixture(params=fronts.UPSTREAMS)
def bucket(request):
    return f"{request.param}-data"


def resident_max(front):
    """The most memory that the gateway ever held, in KiB."""
    text = open(f"/proc/{front.house.process.pid}/status").read()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1])


def descriptors(front):
    return len(os.listdir(f"/proc/{front.house.process.pid}/fd"))


# First: what the others leave behind in memory would not be its own.
@pytest.mark.large
def test_one_large_object(front, tmp_path):
    """A file of blocks that each say where they belong, so that none can be swapped."""
    path, back, block = tmp_path / "large", tmp_path / "back", os.urandom(MIB - 8)
    with open(path, "wb") as file:
        for number in range(LARGE // MIB):
            file.write(number.to_bytes(8) + block)
    s3, config = front.boto(), TransferConfig(multipart_chunksize=32 * MIB, max_concurrency=8)
    s3.upload_file(str(path), "minio-data", "large", Config=config)
    assert s3.head_object(Bucket="minio-data", Key="large")["ContentLength"] == LARGE
    s3.download_file("minio-data", "large", str(back), Config=config)
    digests = []
    for each in (path, back):
        with open(each, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        each.unlink()
    assert digests[0] == digests[1]
    # In one stream, too.
    body, received = s3.get_object(Bucket="minio-data", Key="large")["Body"], 0
    for piece in body.iter_chunks(MIB):
        received += len(piece)
    assert received == LARGE
    s3.delete_object(Bucket="minio-data", Key="large")
    assert resident_max(front) < RESIDENT_MAX_KIB


def test_ten_thousand_objects(front, bucket, tmp_path):
    house, top = front.house, f"s3://{bucket}/many"
    folder = tmp_path / "many"
    for number in range(MANY):
        path = folder / f"{number // 100:02}" / f"object {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))

    def s5cmd(*words):
        return house.run([adapters.S5CMD.program, "--numworkers", "32", *words]).stdout

    s5cmd("cp", f"{folder}/", f"{top}/")
    listed = s5cmd("ls", f"{top}/*").splitlines()
    assert len(listed) == MANY
    # The other client's pages, and its idea of folders.
    aws = lambda *words: house.aws("s3", *words, env=house.env())
    assert len(aws("ls", "--recursive", f"{top}/").splitlines()) == MANY
    assert len(aws("ls", f"{top}/").splitlines()) == MANY // 100
    s5cmd("cp", f"{top}/*", f"{tmp_path}/back/")
    for number in range(MANY):
        name = f"{number // 100:02}/object {number}"
        assert (tmp_path / "back" / name).read_text() == str(number), name
    # By lists of a thousand.
    s5cmd("rm", f"{top}/*")
    assert front.keys(bucket, "many/") == []
    deletions = [r for r in house.records(eventName="DeleteObjects") if r["requestParameters"]["bucketName"] == bucket]
    assert len(deletions) == MANY // 1000


def test_a_thousand_clients_at_once(front, bucket):
    """All of them connect before the first asks, and none leaves before the last was answered."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * CLIENTS, limit[1]), limit[1]))
    where, s3 = urllib.parse.urlsplit(front.house.api), front.boto(signature_version="s3v4")
    before, failures = descriptors(front), []
    connected, answered = threading.Barrier(CLIENTS), threading.Barrier(CLIENTS)

    def target(method, number):
        url = s3.generate_presigned_url(f"{method.lower()}_object", Params={"Bucket": bucket, "Key": f"clients/{number}"})
        return url[len(front.house.api):]

    targets = [[(method, target(method, number)) for method in ("PUT", "GET", "DELETE")] for number in range(CLIENTS)]
    at_once = []

    def client(number):
        try:
            wire = http.client.HTTPConnection(where.hostname, where.port, timeout=120)
            wire.connect()
            if connected.wait(120) == 0:
                at_once.append(descriptors(front))
            body = b"%d" % number * 100
            for method, path in targets[number]:
                wire.request(method, path, body=body if method == "PUT" else None)
                answer = wire.getresponse()
                read = answer.read()
                wanted = {"PUT": (200, b""), "GET": (200, body), "DELETE": (204, b"")}[method]
                if (answer.status, read) != wanted:
                    failures.append((number, method, answer.status, read[:300]))
            answered.wait(120)
            wire.close()
        except Exception as error:  # any failure is one to look at
            failures.append((number, repr(error)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert failures == [], (len(failures), failures[:5])
    assert at_once[0] >= CLIENTS
    assert front.keys(bucket, "clients/") == []
    # A few connections to the store may be kept for the next; idle ones are given back after half a minute.
    wait_for(lambda: descriptors(front) <= before + 40, "their descriptors being given back")
    front.no_mishap()
