# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a report gets into its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.writing import replace_file


def test_the_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "fleet.json"
    replace_file(path, "one\n")
    assert path.read_text() == "one\n"
    with pytest.raises(UnicodeError):
        replace_file(path, "a text that cannot be encoded: \ud800")
    assert path.read_text() == "one\n"
    replace_file(path, "two\n")
    assert path.read_text() == "two\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["fleet.json"]
    assert path.stat().st_mode & 0o777 == 0o644
