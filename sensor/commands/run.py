"""Watch this node and send alerts to the server, or print them with --stdout.

Settings come from /etc/sensorapp/sensor.toml (or --config, or SENSOR_CONFIG) and SENSOR_<SECTION>_<KEY>.
Prints "ready" on stderr once events arrive. Ends with status 3 where the kernel cannot be watched.
"""

import argparse
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import FrameType
from urllib.parse import urlsplit

import structlog

from sensor import config_reader, logs
from sensor.config import PULL, Config, ConfigError, Rules
from sensor.watch import Source, SourceFailed, Watch

log = structlog.get_logger(__name__)

CANNOT_WATCH = 3
FAILED = 1


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="settings file instead of /etc/sensorapp/sensor.toml")
    parser.add_argument("--rules", nargs="+", metavar="FILE", help="rule files or directories instead of the settings'")
    parser.add_argument("--stdout", action="store_true", help="print alerts as JSON lines; needs no server")
    parser.add_argument(
        "--replay", type=Path, metavar="EVENTS", help="play recorded events instead of watching the kernel"
    )
    parser.add_argument("--loop", action="store_true", help="play the recording again and again")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    from sensor.context.users import Users
    from sensor.fields import lookups
    from sensor.probes import ProbeError
    from sensor.rulefeed import RulesetRefused

    config = config_reader.load(args.config)
    logs.set_up(config.logs)
    accounts = Users()
    lookups.answer_with(user=accounts.user, group=accounts.group_name, hostname=config.node.hostname)
    if args.rules:
        config = replace(config, rules=Rules(tuple(args.rules), config.rules.matching))
    stop = Event()
    _die_on_signals()
    try:
        source, probes = _source(args, config)
        if args.stdout:
            return _print_alerts(config, source, stop)
        return _serve(config, source, probes, stop)
    except RulesetRefused as error:
        print(f"sensor: rules not usable\n{error}", file=sys.stderr)
        return 2
    except ProbeError as error:
        print(f"sensor: cannot watch this kernel: {error}", file=sys.stderr)
        return CANNOT_WATCH
    except SourceFailed as error:
        print(f"sensor: the event source failed: {error}", file=sys.stderr)
        return FAILED


def _die_on_signals() -> None:
    """Until events arrive there is nothing to finish, and compiling probes would hold up a polite end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _ready(stop: Event) -> None:
    """From now on a signal is a polite end; and say so to whoever waits."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    print("ready", file=sys.stderr, flush=True)


def _source(args: argparse.Namespace, config: Config) -> tuple[Source, Callable[[], list[str]]]:
    """The event source, and how to ask what it has attached."""
    if args.replay:
        from sensor.playback import Playback

        if not args.replay.is_file():
            raise ConfigError(f"--replay {args.replay}: no such file")
        return Playback(args.replay, loop=args.loop), lambda: ["replay"]
    from sensor.context.processes import Processes
    from sensor.probes.ebpf import KernelSource

    kernel = KernelSource(config.probes.names or None, Processes())
    return kernel, lambda: list(kernel.attached)


def _serve(config: Config, source: Source, probes: Callable[[], list[str]], stop: Event) -> int:
    from sensor.agent import Agent

    if not config.server.url:
        raise ConfigError("server.url is not set; set it, or print alerts with --stdout")
    address = urlsplit(config.server.url)
    if address.scheme == "http" and address.hostname not in ("127.0.0.1", "::1", "localhost"):
        log.warning("token_sent_unencrypted", url=config.server.url, advice="use https")
    try:
        agent = Agent(config, source, probes, stop)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"spool.path {config.spool.path} cannot be used: {error}") from None
    agent.run(lambda: _ready(stop))
    return 0


def _print_alerts(config: Config, source: Source, stop: Event) -> int:
    from sensor.alert import Alert
    from sensor.engine import Engine
    from sensor.rulefeed import BUILT_IN, compiled, read_files
    from sensor.wording import falco_line

    output = sys.stdout.buffer

    def emit(alert: Alert) -> None:
        try:
            output.write(falco_line(alert))
            output.flush()
        except BrokenPipeError:
            # Whoever read us has gone. What is still in the buffer goes nowhere, so that the end is quiet.
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
            stop.set()

    files = (str(BUILT_IN),) if config.rules.files == (PULL,) else config.rules.files
    engine = Engine(compiled(read_files(files)), matching=config.rules.matching)
    watch = Watch(source, engine, config.node.hostname, emit)
    watch.open()
    try:
        _ready(stop)
        watch.loop(stop)
    finally:
        source.close()
    log.info("stopped", **watch.stats.snapshot(), rule_errors=watch.rule_errors)
    return 0
