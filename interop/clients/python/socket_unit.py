"""Stands in for systemd's socket unit: FILE HOST:PORT COMMAND…; a line on stdin stops the command and starts it anew.

The sockets stay open in between, as systemd keeps them.
"""
import os
import socket
import sys

path, (host, port), command = sys.argv[1], sys.argv[2].split(":"), sys.argv[3:]
tcp = socket.create_server((host, int(port)), backlog=1024)
unix = socket.socket(socket.AF_UNIX)
unix.bind(path)
os.chmod(path, 0o666)
unix.listen(1024)


def start():
    def pass_sockets():
        spare = [os.dup(each.fileno()) for each in (tcp, unix)]
        for number, each in enumerate(spare):
            os.dup2(each, 3 + number)
            os.set_inheritable(3 + number, True)
        os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), "2"
        os.execvp(command[0], command)

    pid = os.fork()
    if pid == 0:
        try:
            pass_sockets()
        finally:
            os._exit(127)
    print("started", flush=True)
    return pid


pid = start()
for _ in sys.stdin:
    os.kill(pid, 15)
    os.waitpid(pid, 0)
    pid = start()
os.kill(pid, 15)
os.waitpid(pid, 0)
