"""What pages say about a definition: whether it holds, and when next."""

from datetime import timedelta

import pytest

from routing.lookups import digest_of
from routing.models import Inhibition, InhibitionSource, Lookup, MaintenanceWindow, TimeInterval
from routing.views.defined import sample, telling
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def interval(start: str, end: str) -> TimeInterval:
    return TimeInterval.objects.create(name="an interval", spec=[{"times": [{"start_time": start, "end_time": end}]}])


def test_an_interval_holds_until_its_end_or_from_its_next_start() -> None:
    told = telling(interval("11:00", "13:00"), NOW, ["the route a"])
    assert (told.holds, told.at, told.users) == (True, NOW + HOUR, ["the route a"])
    TimeInterval.objects.all().delete()
    told = telling(interval("14:00", "15:00"), NOW, [])
    assert (told.holds, told.at) == (False, NOW + 2 * HOUR)


def test_an_interval_whose_end_is_far_away_says_no_end_and_one_that_is_over_no_start() -> None:
    always = TimeInterval(name="always", spec=[{"weekdays": ["monday:sunday"]}])
    assert (telling(always, NOW, []).holds, telling(always, NOW, []).at) == (True, None)
    past = TimeInterval(name="past", spec=[{"years": ["2020"]}])
    assert (telling(past, NOW, []).holds, telling(past, NOW, []).at) == (False, None)


def test_what_cannot_be_read_any_more_says_why() -> None:
    assert "funday" in telling(TimeInterval(name="x", spec=[{"weekdays": ["funday"]}]), NOW, []).problem
    assert "Line 1" in telling(Lookup(name="x", text="nothing at all"), NOW, []).problem
    assert sample(Lookup(name="x", text="nothing at all")) is None


def test_a_window_holds_comes_is_over_or_is_disabled() -> None:
    window = MaintenanceWindow(name="w", condition="alert.rule = x", starts_at=NOW - HOUR, ends_at=NOW + HOUR)
    assert (telling(window, NOW, []).holds, telling(window, NOW, []).at) == (True, NOW + HOUR)
    assert telling(window, NOW - 2 * HOUR, []).at == NOW - HOUR
    assert telling(window, NOW + 2 * HOUR, []).at is None
    window.enabled = False
    assert (telling(window, NOW, []).holds, telling(window, NOW, []).at) == (False, None)


def test_an_inhibition_says_how_many_sources_fire() -> None:
    row = Inhibition.objects.create(name="i", source="alert.rule = a", target="alert.rule = b")
    assert telling(row, NOW, []).note == "no source fires now"
    for key, until in (("a", NOW + HOUR), ("b", NOW - HOUR)):
        InhibitionSource.objects.create(inhibition=row, key=key, also_target=False, until=until)
    assert telling(row, NOW, []).note == "1 source firing now"


def test_a_table_says_how_large_it_is_and_shows_its_first_lines() -> None:
    text = "k8s.ns.name,team,channel\n" + "".join(f"ns{number},t{number},\n" for number in range(25))
    row = Lookup(name="teams", text=text, digest=digest_of(text))
    assert telling(row, NOW, []).sentence == "25 values of k8s.ns.name, with team, channel"
    shown = sample(row)
    assert shown is not None
    assert (len(shown["lines"]), shown["more"], shown["lines"][0]) == (20, 5, ("ns0", ["t0", ""]))


def test_what_is_no_definition_is_refused() -> None:
    with pytest.raises(TypeError):
        telling(build.route(), NOW, [])
