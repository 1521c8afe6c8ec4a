import pytest

from routing.faults import Fault, check_condition, check_fields

pytestmark = pytest.mark.django_db


def test_a_condition_that_cannot_be_read_is_a_fault_with_its_place() -> None:
    with pytest.raises(Fault) as fault:
        check_condition("source", "alert.rule = x and alert.rul = y")
    assert fault.value.field == "source"
    assert str(fault.value).startswith("Line 1, column 20: ")
    assert fault.value.error is not None
    assert fault.value.error.hint == "did you mean alert.rule?"


def test_an_empty_condition_holds_for_everything_where_that_may_be() -> None:
    check_condition("condition", "")
    with pytest.raises(Fault, match="hold for every alert"):
        check_condition("condition", " ", needed=True)


def test_tables_that_are_not_there_are_faults() -> None:
    with pytest.raises(Fault, match="no lookup table"):
        check_condition("condition", "alert.lookup[teams.team] = x")
    with pytest.raises(Fault, match="no lookup table"):
        check_fields("group_by", ["alert.rule", "alert.lookup[teams.team]"])


def test_what_is_no_field_is_a_fault() -> None:
    check_fields("group_by", ["alert.rule", "k8s.ns.name"])
    with pytest.raises(Fault, match="did you mean alert"):
        check_fields("group_by", ["alert.rul"])
