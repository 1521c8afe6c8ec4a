"""What a sensor counts about itself."""

from pathlib import Path

from sensor.stats import Stats


def test_a_snapshot_has_the_counters_and_what_the_process_costs() -> None:
    stats = Stats()
    stats.events += 5
    stats.lost += 2
    snapshot = stats.snapshot()
    assert (snapshot["events"], snapshot["lost"], snapshot["matches"]) == (5, 2, 0)
    assert snapshot["rss_bytes"] > 1_000_000
    assert snapshot["cpu_percent"] >= 0.0


def test_every_stat_of_the_watching_loop_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sensor.md").read_text()
    assert [name for name in Stats().snapshot() if f"`{name}`" not in page] == []
