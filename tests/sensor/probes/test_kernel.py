"""The header tree and the flags made from BTF."""

from pathlib import Path

import pytest

from sensor.probes import layout
from sensor.probes.btf import VMLINUX, BtfError, vmlinux
from sensor.probes.kernel import version_code, write_headers
from sensor.probes.loader import probe_names, read_schema
from sensor.probes.schema import offsets_used


@pytest.mark.parametrize(
    ("release", "code"),
    [("6.18.44-fc", 0x06122C), ("5.15", 0x050F00), ("5.4.300", 0x0504FF), ("odd", 0x050F00)],
)
def test_releases_are_numbered_as_the_kernel_numbers_them(release: str, code: int) -> None:
    assert version_code(release) == code


def test_the_tree_has_what_bcc_asks_for(tmp_path: Path) -> None:
    write_headers(tmp_path)
    assert "CONFIG_BPF_SYSCALL" in (tmp_path / "include/linux/kconfig.h").read_text()
    assert "<bcc/bpf.h>" in (tmp_path / "include/uapi/linux/bpf.h").read_text()
    assert (tmp_path / "include/uapi/linux/if_packet.h").read_text() == ""


@pytest.mark.skipif(not VMLINUX.exists(), reason=f"{VMLINUX} is not there: a kernel without BTF")
def test_every_offset_the_probes_ask_for_is_found_on_this_kernel() -> None:
    used = offsets_used(read_schema(probe_names()).text())
    flags = layout.flags(vmlinux(), used)
    names = {flag.partition("=")[0] for flag in flags}
    assert {f"-DOFFSET_{container}__{member}" for container, member in used} - names <= {
        "-DOFFSET_ovl_inode____upperdentry",
        "-DOFFSET_ovl_inode__vfs_inode",
    }
    with pytest.raises(BtfError, match="struct task_struct has no member nothing"):
        layout.flags(vmlinux(), {("task_struct", "nothing")})
