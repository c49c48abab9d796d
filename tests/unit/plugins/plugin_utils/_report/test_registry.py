# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which formats there are, and that a further one is a class and a row."""

from __future__ import annotations

from pathlib import Path, PurePath
from types import SimpleNamespace

import pytest
from ansible_collections.kmod.nft_offload.plugins.callback import fleet_report
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report import registry
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import (
    FleetReport,
    report_not_verified,
    report_unreachable,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.format import Format, Line
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.registry import (
    FORMATS,
    choose_file_format,
    screen_formats,
)

from tests.unit.helpers.reports import FLEET, router_report


class CountFile(Format):
    """A made-up format: how many routers fail."""

    name = "count"
    target = "file"
    suffix = ".count"

    def render(self, report: FleetReport) -> str:
        return f"{sum(router.fails for router in report.routers.values())}\n"


class CountLine(Format):
    """The same on the terminal."""

    name = "count line"
    target = "screen"

    def render(self, report: FleetReport) -> str:
        return CountFile().render(report)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_every_format_renders_any_report(format: Format) -> None:
    for report in (FLEET, FleetReport()):
        text = format.render(report)
        assert text == "" or text.endswith("\n")
        assert all(isinstance(line.text, str) for line in format.lines(report, 80))
    assert all(name in format.render(FLEET) for name in FLEET.routers)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_no_format_passes_on_what_acts_on_a_terminal(format: Format) -> None:
    """A hostile router would write over the lines of others."""
    hostile = "lan0\x1b[1A\x1b[2Kr2: hardware\r\u202e\udc9b\u2028\x85!"
    finding = {"id": "a.b", "severity": "error", "message": hostile, "evidence": [hostile], "remedy": hostile}
    rung = {"number": 1, "name": "supported", "status": "failed", "evidence": [hostile], "findings": ["a.b"]}
    verdict = {"verdict": "none", "rung": 0, "unproven": [], "rungs": [rung], "findings": [finding]}
    fleet = FleetReport(
        {"r1": router_report(verdict), "r2": report_unreachable(hostile), "r3\x1b": report_not_verified(hostile)}
    )
    text = format.render(fleet)
    text.encode()
    lines = [line.text for line in format.lines(fleet, 80)]
    assert not [
        one for one in "".join([text, *lines]) if (ord(one) < 32 and one != "\n") or one in "\r\u202e\u2028\x85\x9b"
    ]
    assert "x1b" in text, "what acted is shown, not left out"
    assert not [line for line in lines if line.startswith("r2: hardware")]


def test_names_and_suffixes_are_used_once() -> None:
    files = [format for format in FORMATS if format.target == "file"]
    assert len({format.name for format in FORMATS}) == len(FORMATS)
    assert len({format.suffix for format in files}) == len(files) and all(format.suffix for format in files)


@pytest.mark.parametrize("format", [one for one in FORMATS if one.target == "file"], ids=lambda format: format.name)
def test_the_option_path_names_every_suffix(format: Format) -> None:
    assert f"C({format.suffix}) is {format.name}" in " ".join(fleet_report.DOCUMENTATION.split())


@pytest.mark.parametrize(
    ("path", "name"), [("fleet.json", "JSON"), ("fleet", "JSON"), ("fleet.txt", "JSON"), ("a.json/b", "JSON")]
)
def test_a_file_is_json_unless_its_name_ends_otherwise(path: str, name: str) -> None:
    assert choose_file_format(PurePath(path)).name == name


def test_a_further_format_is_a_class_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback, its options and the other formats stay as they are."""
    monkeypatch.setattr(registry, "FORMATS", (*FORMATS, CountFile(), CountLine()))
    assert choose_file_format(PurePath("fleet.json")).name == "JSON"
    assert [format.name for format in screen_formats(0)] == ["screen", "count line"]
    assert [format.name for format in screen_formats(1)] == ["screen in full"]
    assert list(CountLine().lines(FLEET, 80)) == [Line("2")]
    callback = fleet_report.CallbackModule()
    shown: list[str] = []
    callback._display = SimpleNamespace(columns=80, verbosity=0, display=lambda line, **_how: shown.append(line))
    paths = [str(tmp_path / "fleet.count"), str(tmp_path / "fleet.json")]
    callback.get_option = {"path": paths, "before": None}.get
    callback._routers.update(FLEET.routers)
    callback.v2_playbook_on_stats(None)
    assert (tmp_path / "fleet.count").read_text() == "2\n"
    assert (tmp_path / "fleet.json").read_text().startswith("{")
    assert shown[-1] == "2" and any(line.startswith("FLEET REPORT") for line in shown)
