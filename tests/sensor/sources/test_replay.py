"""Recordings: what is read is the event that was written, and what is no event is told with its line."""

import gzip
from pathlib import Path

import pytest

from sensor.engine import Engine
from sensor.event import Event, Fd, Process
from sensor.rules import load
from sensor.sources import recording, replay

SESSION = Path(__file__).parents[2] / "fixtures/events/session.jsonl.gz"


def event() -> Event:
    init = Process(pid=1, name="systemd", exe="/sbin/init", args=[])
    shell = Process(pid=20, ppid=1, name="bash", exe="-bash", args=["-l"], uid=0, sid=20, parent=init)
    return Event(
        type="openat",
        time=1_700_000_000_000_000_000,
        num=7,
        cpu=1,
        res=3,
        args={"fd": 3, "name": "/etc/shadow", "flags": 32768},
        proc=Process(
            pid=42, tid=42, ppid=20, start_time=5, start_ticks=6, name="cat", exe="cat", exepath="/usr/bin/cat",
            args=["/etc/shadow"], cwd="/root", env=["HOME=/root"], uid=0, gid=0, loginuid=-1, tty=34816, sid=20,
            pgid=42, vpid=42, vpgid=42, cap_effective=0, cgroups="/a", container_id="host",
            is_exe_from_memfd=False, is_exe_upper_layer=False, is_exe_writable=True, exe_ino=9,
            exe_ino_ctime=10, exe_ino_mtime=11, parent=shell,
        ),
        fd=Fd(num=3, typechar="f", name="/etc/shadow", nameraw="/etc/shadow", dev=1, ino=2),
    )  # fmt: skip


def test_an_event_survives_being_recorded_and_read():
    one = event()
    assert replay.read(recording.line(one)) == one


def test_a_connection_survives_too():
    one = event()
    one.fd = Fd(num=4, typechar="4", name="a", l4proto="tcp", cip="10.0.0.1", cport=1, sip="10.0.0.2", sport=2,
                is_server=False, connected=True, name_changed=False)  # fmt: skip
    one.proc = None
    assert replay.read(recording.line(one)) == one


def test_the_recorded_session_reads_and_matches_like_live_events():
    ruleset = load([("f", "- rule: r\n  desc: d\n  condition: evt.type = openat and fd.name = /etc/shadow\n"
                         "  output: '%proc.cmdline %proc.pname %proc.aname[4]'\n  priority: INFO\n")])  # fmt: skip
    engine = Engine(ruleset)
    texts = {rule.render(one)[0] for one in replay.events(SESSION) for rule in engine.evaluate(one)}
    assert "cat /etc/../etc/shadow bash systemd" in texts


def test_fields_that_no_attribute_holds_are_kept_as_recorded():
    one = replay.read(b'{"evt.type":"execve","evt.time":1,"container.name":"web","proc.duration":"5","x.y":1}')
    assert one.given == {"container.name": "web", "proc.duration": 5, "x.y": 1}


def test_recorded_fields_have_the_types_that_their_source_compares():
    one = replay.read(
        b'{"evt.type":"","evt.time":1,"evt.source":"k8s_audit","ka.user.groups":"devs","ka.response.code":403,'
        b'"ka.verb":["get"]}'
    )
    assert one.given == {"ka.user.groups": ["devs"], "ka.response.code": "403", "ka.verb": '["get"]'}
    two = replay.read(b'{"evt.type":"execve","evt.time":1,"proc.aname":"sshd","proc.pid":"7","proc.args":["a",1]}')
    assert two.given == {"proc.aname": ["sshd"]}
    assert two.proc == Process(pid=7, args=["a", "1"])


def test_a_recorded_ancestor_is_any_of_them():
    ruleset = load([("f", "- rule: r\n  desc: d\n  condition: evt.type = execve and proc.aname contains ssh\n"
                         "  output: o\n  priority: INFO\n")])  # fmt: skip
    one = replay.read(b'{"evt.type":"execve","evt.time":1,"proc.aname":"sshd"}')
    assert [rule.name for rule in Engine(ruleset).evaluate(one)] == ["r"]


def test_a_recorded_type_source_and_number_are_attributes_and_a_missing_number_is_the_line(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('\n{"evt.type":"a","evt.time":1}\n{"evt.type":"b","evt.time":2,"evt.num":9,"evt.source":"okta"}\n')
    assert [(one.type, one.num, one.source) for one in replay.events(path)] == [("a", 2, "syscall"), ("b", 9, "okta")]


def test_a_compressed_recording_is_read_by_its_name(tmp_path):
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(recording.line(event())))
    assert next(replay.events(path)).proc.name == "cat"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"not json", "events.jsonl:2"),
        (b"[]", "an event is a JSON object"),
        (b"{}", "an event needs evt.type"),
        (b'{"evt.type":"open"}', "evt.time"),
        (b'{"evt.type":"open","evt.time":true}', "evt.time"),
        (b'{"evt.type":"","evt.time":1}', "evt.type is empty"),
        (b'{"evt.type":"open","evt.time":1,"evt.source":5}', "evt.source"),
        (b'{"evt.type":"open","evt.time":1,"evt.rawres":"5"}', "evt.rawres is not a whole number"),
        (b'{"evt.type":"open","evt.time":1,"user.uid":"bob"}', "user.uid is not a whole number"),
        (b'{"evt.type":"open","evt.time":1,"proc.name":["a"]}', "proc.name is not a text"),
        (b'{"evt.type":"open","evt.time":1,"fd.connected":"maybe"}', "fd.connected is not true or false"),
        (b'{"evt.type":"open","evt.time":1,"proc.pid":1,"ancestors":[{"uid":"a"}]}', "uid is not a whole number"),
        (b'{"evt.type":"open","evt.time":1,"args":[]}', "args is not an object"),
        (b'{"evt.type":"open","evt.time":1,"proc.pid":1,"ancestors":[{"nmae":"a"}]}', "a process has no 'nmae'"),
        (b'{"evt.type":"open","evt.time":1,"proc.pid":1,"ancestors":[5]}', "a process is an object"),
        (b'{"evt.type":"open","evt.time":1,"proc.pid":1,"ancestors":5}', "ancestors is not a list"),
        (b'{"evt.type":"open","evt.time":1,"x":"' + b"a" * replay.MAX_LINE + b'"}', "longer than"),
    ],
)
def test_a_line_that_is_no_event_is_told_with_its_place(tmp_path, line, message):
    path = tmp_path / "events.jsonl"
    path.write_bytes(recording.line(event()) + line)
    with pytest.raises(replay.BadRecording, match=r"events.jsonl:2: ") as caught:
        list(replay.events(path))
    assert message in str(caught.value)
