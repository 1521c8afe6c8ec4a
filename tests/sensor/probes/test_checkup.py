"""What the doctor finds, and what it advises."""

from pathlib import Path

import pytest

from sensor.probes import ProbeError, checkup


@pytest.mark.parametrize(
    ("release", "ok"), [("6.18.44-fc", True), ("5.15.0", True), ("5.14.9", False), ("4.19", False), ("odd", False)]
)
def test_kernels_before_5_15_are_too_old(release: str, ok: bool) -> None:
    found = checkup.kernel(release)
    assert found.ok is ok
    assert bool(found.advice) is not ok


@pytest.mark.parametrize(
    ("capabilities", "ok"),
    [
        ("000001ffffffffff", True),
        ("0000000000200000", True),
        ("000000c000000000", True),
        ("0000008000000000", False),
        ("0", False),
    ],
)  # fmt: skip
def test_root_or_two_capabilities_are_enough(capabilities: str, ok: bool) -> None:
    assert checkup.privileges(f"Name:\tx\nCapEff:\t{capabilities}\n").ok is ok
    assert checkup.privileges("").ok is False


def test_an_ordinary_user_is_told_at_once_what_is_missing() -> None:
    with pytest.raises(ProbeError, match=r"privileges: uid \d+, capabilities 0x0; run as root, or give the service"):
        checkup.demand("Name:\tpython\nCapEff:\t0000000000000000\n")


def test_a_kernel_without_btf_is_told_what_to_do(tmp_path: Path) -> None:
    found = checkup.type_information(tmp_path / "vmlinux")
    assert found.ok is False
    assert "CONFIG_DEBUG_INFO_BTF" in found.advice


def test_a_kernel_that_refuses_is_quoted() -> None:
    def refused() -> None:
        raise ProbeError("the kernel refused every probe (first: x: Operation not permitted)")

    found = checkup.loading(refused)
    assert found.ok is False
    assert "Operation not permitted" in found.detail
    assert checkup.loading(lambda: None).ok is True


def test_every_finding_that_is_not_ok_has_advice() -> None:
    findings = checkup.doctor()
    assert [finding.name for finding in findings][:6] == ["processor", "kernel", "privileges", "btf", "tracefs", "bcc"]
    assert all(finding.advice for finding in findings if not finding.ok)
    assert not any(finding.advice for finding in findings if finding.ok)
