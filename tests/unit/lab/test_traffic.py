# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traffic generator, run over this machine's loopback, and the reading of its report."""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
from types import ModuleType

import pytest

from lab import images, traffic
from lab.host import LabError
from lab.traffic import Carried

SCRIPT = images.GUEST / "root/usr/lib/lab/traffic.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The guest's script, with both hosts on the loopback and a port of its own."""
    spec = importlib.util.spec_from_file_location("lab_guest_traffic", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        module.__dict__["PORT"] = probe.getsockname()[1]
    module.__dict__["WAN_HOST"] = {4: (socket.AF_INET, "127.0.0.1"), 6: (socket.AF_INET6, "::1")}
    threading.Thread(target=module.sink, daemon=True).start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", module.PORT), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    return module


def test_every_flow_is_carried_there_and_back(generator: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.send(0.5, 100, background=False) == 0
    flows = traffic.parse(capsys.readouterr().out)
    assert [flow.flow for flow in flows] == ["tcp4", "udp4", "tcp6", "udp6"]
    for flow in flows:
        assert 0 < flow.returned <= flow.sent <= 60
        assert flow.bytes == flow.returned * len(generator.PAYLOAD)
        assert flow.error == ""


def test_a_flow_that_carries_nothing_is_a_failure(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setattr(generator, "PORT", probe.getsockname()[1])
    assert generator.send(0.2, 100, background=False) == 1
    flows = traffic.parse(capsys.readouterr().out)
    assert all(flow.returned == 0 for flow in flows)
    assert "refused" in flows[0].error


def test_a_report_is_read_with_its_error() -> None:
    assert traffic.parse("tcp4 10 9 1800 \nudp6 5 0 0 No route to host\n") == [
        Carried("tcp4", 10, 9, 1800, ""),
        Carried("udp6", 5, 0, 0, "No route to host"),
    ]


@pytest.mark.parametrize("seconds", [0, -1, 3601, float("nan")])
def test_traffic_is_bounded_in_time(seconds: float) -> None:
    with pytest.raises(LabError, match="seconds of traffic cannot be driven"):
        traffic.drive(None, seconds)  # type: ignore[arg-type]
