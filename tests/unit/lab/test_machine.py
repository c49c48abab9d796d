# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports, stale pid files, and a boot that fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import machine
from lab.host import LabError
from lab.machine import Machine, choose_port


@pytest.fixture
def mine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, tmp_path / "qmp")


@pytest.fixture
def process(mine: Machine) -> Iterator[subprocess.Popen[bytes]]:
    """Looks like the machine's QEMU: its command line names the pid file. It does not listen to QMP."""
    sleeper = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", "-pidfile", str(mine.pid_file)]
    child = subprocess.Popen(sleeper, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # on a busy machine its command line is not to be seen at once
    mine.pid_file.write_text(f"{child.pid}\n")
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_port_is_free_and_not_taken_by_another_router(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        busy: int = listener.getsockname()[1]
        monkeypatch.setattr(machine, "PORTS", range(busy, busy + 1))
        with pytest.raises(LabError, match=f"between {busy} and {busy}") as caught:
            choose_port(set())
        assert "lab down" in caught.value.remedy
    assert choose_port(set()) == busy
    with pytest.raises(LabError):
        choose_port({busy})


def test_our_process_is_found_by_its_pid_file(mine: Machine, process: subprocess.Popen[bytes]) -> None:
    assert mine.pid() == process.pid


@pytest.mark.parametrize("content", ["", "not a number", "999999999", pytest.param(str(os.getpid()), id="ours")])
def test_a_stale_pid_is_nobody(mine: Machine, content: str) -> None:
    """No such process, or one that is somebody else's, such as this very test."""
    mine.pid_file.write_text(content)
    assert mine.pid() is None
    mine.stop()  # and nobody is ended


def test_no_pid_file_is_nobody(mine: Machine) -> None:
    assert mine.pid() is None
    mine.stop()


def test_a_process_that_does_not_answer_is_ended_by_its_pid(
    mine: Machine, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "STOP_PATIENCE", 0.1)
    mine.stop()
    assert process.wait() == -signal.SIGTERM


def test_a_panic_ends_the_wait_and_is_shown(mine: Machine, process: subprocess.Popen[bytes]) -> None:
    mine.console.write_text("insmod: no such file\nKernel panic - not syncing: no init\n" + "call trace\n" * 30)
    start = time.monotonic()
    with pytest.raises(LabError, match=r"no such file\n.*no init$"):
        mine.wait_ready(1, 30)
    assert time.monotonic() - start < 5


def test_a_machine_that_is_gone_ends_the_wait(mine: Machine) -> None:
    with pytest.raises(LabError, match="ended while booting"):
        mine.wait_ready(1, 30)


def test_the_second_boot_is_waited_for(mine: Machine, process: subprocess.Popen[bytes]) -> None:
    mine.console.write_bytes(machine.READY + b"\n")
    mine.wait_ready(1, 1)
    with pytest.raises(LabError, match="in time"):
        mine.wait_ready(2, 0.3)
