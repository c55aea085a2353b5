"""Roles as files: `hallpass dev --files DIR`. Document 001 asks for credentials "as a filesystem to which standard UNIX
permissions could be applied"; here real users, real reads and the kernel say whether they are.
"""
import ctypes
import errno
import json
import mmap
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from house import BINARY, House, TOOLS, wait_for

# Numbers that no account here has.
OWNER, MEMBER, NAMED, STRANGER = 61001, 61002, 61003, 61004
GROUP, OTHER_GROUP = 62001, 62002
FILES = ["credentials", "credentials.json", "env"]
WEB = f"""
[[file]]
role = "web"
owner = {OWNER}
group = {GROUP}
mode = "0440"
acl = ["user:{NAMED}:r"]
"""
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}


def mounts(path):
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {path} " in line]


def as_user(uid, *command, groups=(), cwd="/", **options):
    """Runs a command as a uid with exactly those supplementary groups."""
    words = ["setpriv", "--reuid", str(uid), "--regid", str(uid)]
    words += ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return subprocess.run([*words, *map(str, command)], capture_output=True, text=True, timeout=60, cwd=cwd, **options)


def with_tools(uid, folder, *command, **options):
    """`as_user` with the clients' folder open to everyone, which lies in root's home."""
    # The clients' interpreter may lie elsewhere.
    needed = TOOLS, (TOOLS / "python-awscli/bin/python").resolve()
    closed = {next((p for p in reversed(path.parents) if p.stat().st_mode & 0o001 == 0), None) for path in needed} - {None}
    if not closed:
        return as_user(uid, *command, **options)
    script = ""
    for number, place in enumerate(closed):
        upper, work = folder / f"upper{number}", folder / f"work{number}"
        upper.mkdir(exist_ok=True)
        work.mkdir(exist_ok=True)
        script += f"mount -t overlay -o lowerdir={place},upperdir={upper},workdir={work} open {place} && chmod o+x {place} && "
    script += "exec \"$0\" \"$@\""
    words = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *map(str, command)]
    return subprocess.run(["unshare", "--mount", "sh", "-c", script, *words], capture_output=True, text=True, timeout=60,
                          cwd="/", **options)


def in_child(uid, action, groups=()):
    """The result of `action()` in a child of that uid: its value, or the errno it failed with."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(list(groups))
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            try:
                value = action()
            except OSError as error:
                value = f"errno {errno.errorcode[error.errno]}"
            os.write(write, json.dumps(value).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    assert text, "the child did not answer"
    return json.loads(text)


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def key_in(text):
    return re.search(r"(ASIA\w+)", text)[1]


class Roles:
    """A system with a mount; everything goes at the end, whatever happened."""

    def __init__(self, prefix=()):
        self.folder = Path(tempfile.mkdtemp(prefix="hp-files-"))
        self.folder.chmod(0o755)
        self.mount = self.folder / "roles"
        self.mount.mkdir()
        self.house = House("--files", str(self.mount), data=self.folder / "data")
        self.house.role("web", POLICY)
        self.rules(WEB)

    def rules(self, text):
        path = Path(self.house.ready["rules"])
        staged = path.with_suffix(".new")
        staged.write_text(text)
        staged.chmod(0o600)
        staged.rename(path)
        self.house.process.send_signal(signal.SIGHUP)
        wanted = set(re.findall(r'role = "(\w+)"', text)) & {"web", "backup", "demo"}
        wait_for(lambda: set(os.listdir(self.mount)) == wanted, f"the directories being {wanted}")
        for role in wanted:
            wait_for(lambda: (self.mount / role / "env").stat().st_size > 0, "the first lease")

    def decisions(self, uid, role="web"):
        return [detail["decision"] for record in self.house.records(eventName="IssueCredentials")
                if (detail := record["additionalEventData"]["hallpass"])["door"] == "file" and detail["uid"] == uid
                and record["requestParameters"]["role"] == role]

    def close(self):
        try:
            self.house.close()
        finally:
            while mounts(self.mount):
                subprocess.run(["umount", "-l", str(self.mount)], check=True)
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.folder)], check=True)


@pytest.fixture
def roles():
    made = Roles()
    yield made
    made.close()


def test_owner_group_and_list_read_and_nobody_else_does(roles):
    env = roles.mount / "web/env"
    read = lambda: len(text_of(env))  # noqa: E731
    size = env.stat().st_size
    assert in_child(OWNER, read) == size
    assert in_child(MEMBER, read, groups=[GROUP]) == size
    assert in_child(NAMED, read) == size
    assert in_child(0, read) == size
    for uid, groups in ((STRANGER, []), (MEMBER, []), (MEMBER, [OTHER_GROUP])):
        assert in_child(uid, read, groups=groups) == "errno ENOENT"
        # Not even that it is there: nothing in the list, and the same answer for what is not there at all.
        assert in_child(uid, lambda: os.listdir(roles.mount), groups=groups) == []
        assert in_child(uid, lambda: str(os.stat(roles.mount / "web")), groups=groups) == "errno ENOENT"
        assert in_child(uid, lambda: str(os.stat(roles.mount / "none")), groups=groups) == "errno ENOENT"
    # Even right after one who may.
    with open(env):
        assert in_child(STRANGER, read) == "errno ENOENT"
    assert in_child(OWNER, lambda: os.listdir(roles.mount)) == ["web"]
    assert sorted(in_child(NAMED, lambda: os.listdir(roles.mount / "web"))) == FILES
    # Nobody writes, not even root; nobody gives it away.
    for action in (lambda: str(os.open(env, os.O_WRONLY)), lambda: os.chmod(env, 0o444), lambda: os.remove(env),
                   lambda: os.rename(env, env.with_name("x")), lambda: os.chown(env, STRANGER, STRANGER)):
        assert in_child(OWNER, action) == "errno EROFS"
        assert in_child(0, action) == "errno EROFS"
    # Each open is on record with its user; each refusal too, though not each of a flood.
    assert roles.decisions(OWNER) == ["issued"] and roles.decisions(NAMED) == ["issued"]
    wait_for(lambda: roles.decisions(STRANGER), "the refusal being on record")
    assert roles.decisions(STRANGER) == ["refused"]
    record = [r for r in roles.house.records(eventName="IssueCredentials")
              if r["additionalEventData"]["hallpass"]["uid"] == OWNER][0]
    assert record["responseElements"]["accessKeyId"] == key_in(text_of(env))
    assert record["additionalEventData"]["hallpass"]["pid"], record


def test_a_user_without_rights_in_spite_of_an_open_group(roles):
    """A named user's entry decides before the group's, as in acl(5): by the kernel, and by us."""
    roles.rules(WEB.replace(f"user:{NAMED}:r", f"user:{NAMED}:-"))
    answers = []
    wait_for(lambda: answers.append(in_child(NAMED, lambda: len(text_of(roles.mount / "web/env")), groups=[GROUP]))
             or answers[-1] == "errno ENOENT", "the new list")
    # From the moment that the rules are in force, whatever the list still says.
    assert set(answers) <= {"errno EACCES", "errno ENOENT"}
    assert isinstance(in_child(MEMBER, lambda: len(text_of(roles.mount / "web/env")), groups=[GROUP]), int)
    list_ = in_child(OWNER, lambda: os.getxattr(roles.mount / "web/env", "system.posix_acl_access").hex())
    assert bytes.fromhex(list_)[:4] == b"\x02\0\0\0"


def test_the_aws_cli_reads_them(roles):
    env = roles.house.env(AWS_SHARED_CREDENTIALS_FILE=str(roles.mount / "web/credentials"), AWS_EC2_METADATA_DISABLED="true",
                          HOME="/nonexistent")
    aws = [TOOLS / "python-awscli/bin/aws", "sts", "get-caller-identity", "--output", "json"]
    done = with_tools(OWNER, roles.folder, *aws, env=env)
    assert done.returncode == 0, done.stderr
    assert ":assumed-role/web/" in json.loads(done.stdout)["Arn"]
    refused = with_tools(STRANGER, roles.folder, *aws, env=env)
    assert refused.returncode != 0 and "credentials" in refused.stderr, refused

    # The other two forms: a credential_process, and a shell.
    config = roles.folder / "config"
    config.write_text(f"[default]\ncredential_process = cat {roles.mount}/web/credentials.json\n")
    process = {**env, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_CONFIG_FILE": str(config)}
    done = with_tools(NAMED, roles.folder, *aws, env=process)
    assert done.returncode == 0 and "assumed-role/web" in done.stdout, done
    shell = f". {roles.mount}/web/env && exec {' '.join(map(str, aws))}"
    done = with_tools(OWNER, roles.folder, "sh", "-c", shell, env={**env, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"})
    assert done.returncode == 0 and "assumed-role/web" in done.stdout, done


def test_an_open_file_keeps_what_it_showed_and_a_new_one_is_fresh(roles):
    env = roles.mount / "web/env"
    profile = roles.house.ready["role"]
    held = os.open(env, os.O_RDONLY)
    try:
        before = os.pread(held, 65536, 0)
        change = ["--instance-profile-name", profile, "--role-name", "web"]
        roles.house.aws("iam", "remove-role-from-instance-profile", *change)
        wait_for(lambda: os.listdir(roles.mount) == [], "the directory being gone")
        with pytest.raises(FileNotFoundError):
            open(env)
        roles.house.aws("iam", "add-role-to-instance-profile", *change)
        wait_for(lambda: os.listdir(roles.mount) == ["web"], "the directory being back")
        wait_for(lambda: env.stat().st_size > 0, "the new lease")
        assert os.pread(held, 65536, 0) == before
        assert key_in(text_of(env)) != key_in(before.decode())
        assert os.fstat(held).st_mtime == os.stat(env).st_mtime
    finally:
        os.close(held)


def test_a_role_taken_away_cannot_be_read_from_an_open_file(roles):
    env = roles.mount / "web/env"
    ready, go = os.pipe(), os.pipe()

    def reader():
        held = os.open(env, os.O_RDONLY)
        first = len(os.pread(held, 65536, 0))
        os.write(ready[1], b".")
        os.read(go[0], 1)
        try:
            return [first, len(os.pread(held, 65536, 0))]
        except OSError as error:
            return [first, errno.errorcode[error.errno]]

    results = []
    thread = threading.Thread(target=lambda: results.append(in_child(OWNER, reader)))
    thread.start()
    os.read(ready[0], 1)
    roles.rules(WEB.replace(f"owner = {OWNER}", f"owner = {STRANGER}"))
    wait_for(lambda: (roles.mount / "web").stat().st_uid == STRANGER, "the new owner")
    os.write(go[1], b".")
    thread.join(30)
    assert results and results[0][0] > 0 and results[0][1] == "EACCES", results
    for end in (*ready, *go):
        os.close(end)


def test_a_descriptor_in_other_hands_is_worth_nothing(roles):
    """Root opens and hands on: what UNIX allows, and what makes credentials leak."""
    held = os.open(roles.mount / "web/env", os.O_RDONLY)
    try:
        assert os.pread(held, 10, 0)
        assert in_child(STRANGER, lambda: len(os.pread(held, 10, 0))) == "errno EACCES"
        assert in_child(STRANGER, lambda: len(open(f"/proc/self/fd/{held}").read())) in ("errno EACCES", "errno ENOENT")
        # The same by mapping it, and by a socket.
        assert in_child(OWNER, lambda: len(os.pread(held, 10, 0))) == 10
        ours, theirs = socket.socketpair()
        socket.send_fds(ours, [b"x"], [held])

        def received():
            _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
            return len(os.read(descriptors[0], 10))

        assert in_child(STRANGER, received) == "errno EACCES"
        ours.close()
        theirs.close()
    finally:
        os.close(held)
    wait_for(lambda: roles.decisions(STRANGER) == ["refused"], "the refusal being on record")


def test_reload_is_in_force_at_once_and_all_or_nothing(roles):
    env = roles.mount / "web/env"
    assert oct(env.stat().st_mode & 0o777) == "0o440"
    held = os.open(roles.mount / "web", os.O_RDONLY | os.O_DIRECTORY)
    try:
        roles.rules(WEB.replace("0440", "0400").replace(f'acl = ["user:{NAMED}:r"]', ""))
        wait_for(lambda: oct(env.stat().st_mode & 0o777) == "0o400", "the new mode")
        assert in_child(MEMBER, lambda: len(text_of(env)), groups=[GROUP]) == "errno ENOENT"
        assert in_child(NAMED, lambda: len(text_of(env))) == "errno ENOENT"
        # By a directory that was opened before, too.
        assert in_child(NAMED, lambda: os.open("env", os.O_RDONLY, dir_fd=held)) == "errno EACCES"
    finally:
        os.close(held)
    # A mistake anywhere leaves everything as it was.
    path = Path(roles.house.ready["rules"])
    path.write_text(WEB.replace("0440", "0444"))
    roles.house.process.send_signal(signal.SIGHUP)
    wait_for(lambda: roles.house.status()["agent"]["rules_error"], "the mistake being seen")
    assert "world_readable" in roles.house.status()["agent"]["rules_error"]
    assert oct(env.stat().st_mode & 0o777) == "0o400"
    assert in_child(STRANGER, lambda: len(text_of(env))) == "errno ENOENT"
    # Meant, it works.
    roles.rules(WEB.replace('"0440"', '"0444"\nworld_readable = true'))
    wait_for(lambda: isinstance(in_child(STRANGER, lambda: len(text_of(env))), int), "everyone reading")
    # A user whom nobody knows: not shown, and said.
    path.write_text(WEB.replace(f"owner = {OWNER}", 'owner = "no-such-user"'))
    roles.house.process.send_signal(signal.SIGHUP)
    wait_for(lambda: os.listdir(roles.mount) == [], "the directory being gone")
    files = wait_for(lambda: (f := roles.house.status()["agent"]["files"])["problem"] and f, "the status saying so")
    assert "no-such-user" in files["problem"] and files["file_system"] == "fuse", files


def test_a_killed_one_hangs_nobody_and_the_next_mounts_anew(roles):
    env = roles.mount / "web/env"
    held = os.open(env, os.O_RDONLY)
    house = roles.house
    house.process.kill()
    house.process.wait()
    house.log.close()
    for action in (lambda: os.pread(held, 10, 0), lambda: text_of(env), lambda: os.listdir(roles.mount)):
        with pytest.raises(OSError) as failed:
            action()
        assert failed.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    os.close(held)
    house.start()
    wait_for(lambda: in_child(OWNER, lambda: len(text_of(env))) == env.stat().st_size, "the files being back")
    assert len(mounts(roles.mount)) == 1
    # A second system leaves a live one alone.
    second = subprocess.run([BINARY, "dev", "--ephemeral", "--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0",
                             "--files", str(roles.mount)], capture_output=True, text=True, timeout=30)
    assert second.returncode != 0 and "another hallpass serves files" in second.stderr, second
    assert text_of(env)
    house.stop()
    assert mounts(roles.mount) == [] and os.listdir(roles.mount) == []


def test_a_thousand_opens_at_once(roles):
    env = roles.mount / "web/env"
    wanted = text_of(env)
    failures, barrier = [], threading.Barrier(100)

    def many():
        barrier.wait()
        for _ in range(10):
            try:
                if text_of(env) != wanted:
                    failures.append("another text")
            except OSError as error:
                failures.append(str(error))

    threads = [threading.Thread(target=many) for _ in range(100)]
    before = len(roles.decisions(0))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert failures == []
    assert len(roles.decisions(0)) - before == 1000
    # All held at once, too.
    held = [os.open(env, os.O_RDONLY) for _ in range(500)]
    assert {os.pread(fd, 65536, 0).decode() for fd in held} == {wanted}
    for fd in held:
        os.close(fd)


def test_unusual_ways_of_reading(roles):
    env = roles.mount / "web/env"
    wanted = env.read_bytes()
    # O_DIRECT, an odd place, past the end.
    direct = os.open(env, os.O_RDONLY | os.O_DIRECT)
    assert os.read(direct, 65536) == wanted
    assert os.pread(direct, 5, 7) == wanted[7:12] and os.pread(direct, 5, 1 << 40) == b""
    os.close(direct)
    with open(env, "rb") as file:
        assert file.seek(0, os.SEEK_END) == len(wanted)
        # A private mapping reads; a shared one is refused or reads. Neither shows another's.
        with mmap.mmap(file.fileno(), len(wanted), prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as mapped:
            assert mapped[:] == wanted
    copies = roles.folder / "copies"
    copies.mkdir(mode=0o700)
    for words in (["cp", "--sparse=always"], ["cp", "--sparse=never", "--reflink=auto"], ["dd", "status=none"]):
        target = copies / "copy"
        command = [f"if={env}", f"of={target}"] if words[0] == "dd" else [str(env), str(target)]
        subprocess.run([*words, *command], check=True, timeout=30)
        assert target.read_bytes() == wanted, words
    archive = subprocess.run(["tar", "-C", str(roles.mount), "-cf", "-", "web"], capture_output=True, check=True, timeout=30)
    assert wanted in archive.stdout
    tail = subprocess.Popen(["tail", "-c", "+1", "-f", str(env)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert tail.stdout.read(len(wanted)) == wanted
    finally:
        tail.kill()
        tail.wait()
        tail.stdout.close()
    # A watch can be set and sees what happens on this machine; it is not told of a rotation.
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        assert libc.inotify_add_watch(watch, str(env).encode(), 0xFFF) > 0, os.strerror(ctypes.get_errno())
        text_of(env)
        assert os.read(watch, 4096)
    finally:
        os.close(watch)
    # A file does not become a device, a program or a place for others.
    assert os.statvfs(roles.mount).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_RDONLY) == (
        os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_RDONLY)
    options = mounts(roles.mount)[0]
    assert "fuse.hallpass" in options and "default_permissions" in options and "allow_other" in options


def test_grep_over_everything_by_others_finds_nothing(roles):
    found = as_user(STRANGER, "grep", "-r", "ASIA", roles.mount)
    assert found.stdout == "" and "Permission" not in found.stderr, found
    walked = as_user(STRANGER, "find", roles.mount)
    assert walked.stdout.split() == [str(roles.mount)], walked


def test_a_bind_mount_in_another_namespace_keeps_the_rights(roles):
    inside = roles.folder / "inside"
    inside.mkdir()
    setpriv = f"setpriv --reuid {{}} --regid {{}} --clear-groups cat {inside}/env"
    script = (f"mount --bind {roles.mount}/web {inside} && {setpriv.format(OWNER, OWNER)} | wc -c; "
              f"{setpriv.format(STRANGER, STRANGER)}")
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert int(done.stdout) == (roles.mount / "web/env").stat().st_size, done
    assert "Permission denied" in done.stderr, done
    # A user namespace: its root is an ordinary user here.
    done = as_user(STRANGER, "unshare", "--user", "--map-root-user", "ls", roles.mount)
    assert done.stdout == "", done


@pytest.mark.parametrize("what", ["symlink", "not empty", "a file", "theirs", "writable", "parent", "other mount"])
def test_an_unfit_mount_point_is_refused(what):
    folder = Path(tempfile.mkdtemp(prefix="hp-point-"))
    point = folder / "roles"
    try:
        point.mkdir()
        wanted = {"symlink": "symlink", "not empty": "not empty", "a file": "not a directory", "theirs": "belong to root",
                  "writable": "can write", "parent": "can replace", "other mount": "tmpfs"}[what]
        if what == "symlink":
            point.rename(folder / "real")
            point.symlink_to(folder / "real")
        elif what == "not empty":
            (point / "x").write_text("")
        elif what == "a file":
            point.rmdir()
            point.write_text("")
        elif what == "theirs":
            os.chown(point, STRANGER, STRANGER)
        elif what == "writable":
            point.chmod(0o777)
        elif what == "parent":
            folder.chmod(0o777)
        else:
            subprocess.run(["mount", "-t", "tmpfs", "mine", str(point)], check=True)
        done = subprocess.run([BINARY, "dev", "--ephemeral", "--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0",
                               "--files", str(point)], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and wanted in done.stderr, done
        assert len(mounts(point)) == (1 if what == "other mount" else 0)
    finally:
        while mounts(point):
            subprocess.run(["umount", "-l", str(point)], check=True)
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


def test_a_start_that_fails_later_leaves_no_mount():
    """The agent's socket comes after the files, and its path has a bound."""
    folder = Path(tempfile.mkdtemp(prefix="hp-point-"))
    point = folder / "roles"
    point.mkdir()
    try:
        done = subprocess.run([BINARY, "dev", "--data", str(folder / ("d" * 120)), "--api", "127.0.0.1:0", "--metadata",
                               "127.0.0.1:0", "--files", str(point)], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and "socket" in done.stderr, done
        assert mounts(point) == []
    finally:
        while mounts(point):
            subprocess.run(["umount", "-l", str(point)], check=True)
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


class WithoutFuse:
    """A mount namespace of its own, in which /dev/fuse is something else."""

    @staticmethod
    def prefix():
        return ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /dev/fuse && exec "$0" "$@"']


def test_without_fuse_they_are_plain_files_on_a_tmpfs():
    folder = Path(tempfile.mkdtemp(prefix="hp-files-"))
    folder.chmod(0o755)
    mount = folder / "roles"
    mount.mkdir()
    house = House("--files", str(mount), data=folder / "data", machine=WithoutFuse())
    inside = ["nsenter", "--mount", "--target", str(house.process.pid), "--"]

    def see(uid, *command, groups=()):
        words = ["setpriv", "--reuid", str(uid), "--regid", str(uid)]
        words += ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
        return subprocess.run([*inside, *words, *map(str, command)], capture_output=True, text=True, timeout=60)

    try:
        house.role("web", POLICY)
        path = Path(house.ready["rules"])
        path.write_text(WEB)
        house.process.send_signal(signal.SIGHUP)
        env = mount / "web/env"
        wait_for(lambda: see(OWNER, "cat", env).returncode == 0, "the files being there")
        assert house.status()["agent"]["files"]["file_system"] == "tmpfs"
        first = see(OWNER, "cat", env).stdout
        assert see(MEMBER, "cat", env, groups=[GROUP]).stdout == first
        assert see(NAMED, "cat", env).stdout == first
        for uid in (STRANGER, MEMBER):
            refused = see(uid, "cat", env)
            assert refused.returncode != 0 and "Permission denied" in refused.stderr, refused
            assert see(uid, "ls", mount).returncode != 0
            assert see(uid, "touch", mount / "web/x").returncode != 0
        assert see(OWNER, "touch", mount / "web/x").returncode != 0
        shown = see(0, "stat", "-c", "%a %u %g", env).stdout.split()
        assert shown == ["440", str(OWNER), str(GROUP)]
        kinds = subprocess.run([*inside, "cat", "/proc/self/mountinfo"], capture_output=True, text=True).stdout
        line = next(line for line in kinds.splitlines() if f" {mount} " in line)
        assert " tmpfs hallpass " in line and "nosuid,nodev,noexec" in line, line
        # On record for the owner, and before the files were there.
        keys = [r["responseElements"]["accessKeyId"] for r in house.records(eventName="IssueCredentials")
                if r["additionalEventData"]["hallpass"].get("uid") == OWNER]
        assert keys == [key_in(first)]
        # Another mode: replaced. No rule: gone.
        path.write_text(WEB.replace("0440", "0400").replace(f'acl = ["user:{NAMED}:r"]', ""))
        house.process.send_signal(signal.SIGHUP)
        wait_for(lambda: see(0, "stat", "-c", "%a", env).stdout.strip() == "400", "the new mode")
        assert see(NAMED, "cat", env).returncode != 0
        assert see(0, "ls", "-A", mount / "web").stdout.split() == FILES
        path.write_text("")
        house.process.send_signal(signal.SIGHUP)
        wait_for(lambda: see(0, "ls", "-A", mount).stdout == "", "the files being gone")
    finally:
        house.close()
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)
    assert mounts(mount) == []


def test_nothing_secret_is_in_log_record_or_status(roles):
    text = in_child(OWNER, lambda: text_of(roles.mount / "web/env"))
    assert in_child(STRANGER, lambda: text_of(roles.mount / "web/env")) == "errno ENOENT"
    secrets = [re.search(rf"{name}='([^']+)'", text)[1] for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    house = roles.house
    shown = house.hallpass("status").stdout + house.hallpass("status", "--json").stdout
    shown += (house.path / "log").read_text() + "".join(f.read_text() for f in (house.data / "audit").rglob("*.json*"))
    assert str(roles.mount) in house.hallpass("status").stdout
    for secret in secrets:
        assert len(secret) > 20 and secret not in shown
    # The root key and the store are sealed; what is on the disk holds no session's secret either.
    for file in house.data.rglob("*"):
        if file.is_file():
            assert all(secret.encode() not in file.read_bytes() for secret in secrets), file
