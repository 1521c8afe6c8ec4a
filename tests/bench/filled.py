"""Alerts by the million, made by PostgreSQL itself: as if they had come in over the last day and were routed."""

import psycopg

FILL = """
INSERT INTO routing_alert (uuid, time, time_ns, received_at, rule, priority, source, hostname, output, output_fields,
                           tags, held_back, fingerprint, token_id, sensor_id, own_node)
SELECT (lpad(to_hex((ns / 1000000)::int8), 12, '0') || '7000' || '8000' || lpad(to_hex(i), 12, '0'))::uuid,
       to_timestamp(ns / 1e9), ns, to_timestamp(ns / 1e9),
       CASE WHEN i = %(seldom)s THEN 'Seldom' ELSE 'Rule number ' || (i * 7919) %% 500 || ' of the bench' END,
       CASE WHEN i = %(seldom)s THEN 0 ELSE 2 + i %% 4 END,
       'syscall', 'node-' || (i * 104729) %% 200,
       'Sensitive file opened by a process that has no business with it ' || repeat('x', 200),
       jsonb_build_object('proc.name', 'cat', 'proc.exepath', '/usr/bin/cat', 'proc.pid', i %% 4194304,
                          'proc.cmdline', 'cat ' || repeat('/etc/shadow ', 15), 'user.name', 'root',
                          'fd.name', '/etc/shadow', 'container.image.repository', 'docker.io/library/nginx',
                          'k8s.ns.name', 'team-' || i %% 20,
                          'k8s.pod.name', CASE WHEN i = %(seldom)s THEN 'web-seldom' ELSE 'web-' || i %% 1000 END),
       CASE WHEN i = %(seldom)s THEN '["T9999"]'::jsonb ELSE '["filesystem", "T1555"]'::jsonb END,
       0, md5((i %% 100000)::text) || md5((i %% 100000)::text), 1, NULL, true
FROM (SELECT i, %(start)s + i * %(step)s AS ns FROM generate_series(%(first)s::int8, %(last)s::int8) AS i) AS made
"""
CHUNK = 250_000
DAY_NS = 86_400 * 10**9


def fill(url: str, count: int, now_ns: int) -> None:
    """Store `count` alerts, evenly over the day before now; one in the middle of it is like no other."""
    step = DAY_NS // count
    with psycopg.connect(url, autocommit=True) as connection:
        for first in range(0, count, CHUNK):
            last = min(first + CHUNK, count) - 1
            numbers = {"first": first, "last": last, "start": now_ns - DAY_NS, "step": step, "seldom": count // 2}
            connection.execute(FILL, numbers)
        connection.execute("ANALYZE routing_alert")
