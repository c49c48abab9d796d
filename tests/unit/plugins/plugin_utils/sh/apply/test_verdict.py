# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict is left where the watch reads it, whole or not at all."""

from __future__ import annotations

import time
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS

from tests.unit.helpers.shells import run_script


def record(shell: list[str], place: Path) -> str:
    text = (SCRIPTS / "apply/verdict.sh").read_text().replace("/run", f"{place}/run")
    return run_script(shell, f"{text}\nrecord_verdict 'rung 6\nrequired 4' && echo done", place)


def test_it_is_left_with_the_time(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert record(shell, tmp_path) == "done\n"
    assert record(shell, tmp_path) == "done\n", "once more"
    (verdict,) = (tmp_path / "run/nft-offload-watch").iterdir()
    *lines, when = verdict.read_text().splitlines()
    assert lines == ["rung 6", "required 4"]
    assert abs(int(when.removeprefix("time ")) - time.time()) < 600
    assert verdict.stat().st_mode & 0o777 == 0o644, "an exporter is not root"


def test_where_there_is_no_room_the_one_before_stays(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "run/nft-offload-watch/verdict.new").mkdir(parents=True)
    assert record(shell, tmp_path) == ""
    assert not (tmp_path / "run/nft-offload-watch/verdict").exists()
