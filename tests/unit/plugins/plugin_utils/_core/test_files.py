# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as found and as desired."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.files import file_changes, read_files
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import parse

from tests.unit.helpers.answers import to_output
from tests.unit.helpers.shells import NONCE


def test_carriage_returns_at_line_ends_do_not_differ_for_ever() -> None:
    """A file written with them is read back without: a terminal may have put them there."""
    desired = {"/etc/a": ("0644", "one\r\ntwo\r\n"), "/etc/b": ("0644", "one\n")}
    found = read_files(parse(to_output({"file./etc/a": ("one\r\ntwo\r\n", 0), "file./etc/b": ("one\r\n", 0)}), NONCE))
    assert found == {"/etc/a": "one\ntwo\n", "/etc/b": "one\n"}
    assert file_changes(found, desired).written == {}


def test_any_other_difference_is_one() -> None:
    desired = {"/etc/a": ("0644", "one\rtwo\n"), "/etc/b": ("0644", "one\n"), "/etc/c": ("0644", "")}
    changes = file_changes({"/etc/a": "onetwo\n", "/etc/b": "one\n\n"}, desired)
    assert changes.written.keys() == {"/etc/a", "/etc/b", "/etc/c"}
