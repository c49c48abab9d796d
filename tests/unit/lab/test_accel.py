# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM has to prove itself; the device alone does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import accel
from lab.images import Image

IMAGE = Image("trixie", Path("/nowhere"))


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(accel, "qemu_version", lambda: "7.2")
    (tmp_path / "kvm").touch()
    return tmp_path / "kvm"


def fake_qemu(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = directory / "qemu"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(accel, "tool", lambda _name: str(program))


def test_without_the_device_it_is_emulation(device: Path) -> None:
    device.unlink()
    assert accel.choose(IMAGE, device) == accel.Accel("tcg", f"emulation: no {device}")


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("echo '[    1.2] Run /init as init process'", "kvm"),
        ("echo 'failed to set MSR' >&2; exit 134", "tcg"),
        ("echo 'Linux version 6.12'; exec sleep 60", "tcg"),
        ("echo 'Run /init as init process'; exec sleep 60", "kvm"),
    ],
)
def test_only_a_boot_proves_kvm(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, name: str
) -> None:
    fake_qemu(tmp_path, monkeypatch, script)
    monkeypatch.setattr(accel, "PATIENCE", 1)
    chosen = accel.choose(IMAGE, device)
    assert chosen.name == name
    fake_qemu(tmp_path, monkeypatch, "exit 1")
    assert accel.choose(IMAGE, device) == chosen, "the proof is remembered"


def test_another_qemu_has_to_prove_it_again(device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, monkeypatch, "exit 1")
    assert accel.choose(IMAGE, device).name == "tcg"
    monkeypatch.setattr(accel, "qemu_version", lambda: "9.0")
    fake_qemu(tmp_path, monkeypatch, "echo Run /init as init process")
    assert accel.choose(IMAGE, device).name == "kvm"
