# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot will do."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import (
    HEADER,
    READ,
    BootRecord,
    parse_attachments,
    parse_boot_record,
    read_boot,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Boot
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_registry import (
    find_starters,
    list_starter_paths,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.shells import NONCE, SHELLS, run_script

FILES = list_starter_paths()
PIECES = {starter.files[0]: starter.files for starter in find_starters("systemd").values()}
ATTACH = 'add flowtable inet t ft { hook ingress priority 0; devices = { "lan0" }; }'
SYSTEMD = {"platform": Section("init=systemd", 0)}
WHOLE = {
    **SYSTEMD,
    "boot.ruleset": Section("table inet t {\n}", 0),
    f"file.{paths.LISTING}": Section("table inet t {\n}", 0),
    f"file.{paths.DEVICES}": Section(f"lan0 {ATTACH}", 0),
    f"file.{paths.FEATURES}": Section("lan0 hw-tc-offload on off\n# a word", 0),
    "boot.files": Section("\n".join(FILES), 0),
    "unit": Section("UnitFileState=enabled\nActiveState=active", 0),
    "live": Section("table inet t {\n}", 0),
    "boot.record": Section("loaded=kept 1-0000000a\ncomplaint=x:1:2-3: Error: a=b", 0),
}


def test_all_of_it() -> None:
    assert read_boot(Answer(WHOLE)) == Boot(
        ruleset="table inet t {\n}\n",
        listing="table inet t {\n}\n",
        live="table inet t {\n}\n",
        foreign=True,
        loaded="kept 1-0000000a",
        complaint="x:1:2-3: Error: a=b",
        attachments={"lan0": ATTACH},
        features={("lan0", "hw-tc-offload"): "on"},
        enabled=dict.fromkeys(PIECES, True),
    )


@pytest.mark.parametrize("text", ["", "loaded=", "loaded=all is well", "loaded=kept ../../x", "complaint=only"])
def test_a_record_of_boot_that_is_not_understood_is_none(text: str) -> None:
    assert parse_boot_record(text) == BootRecord()


def test_a_router_that_was_never_touched() -> None:
    assert read_boot(Answer({})) == Boot()
    gone = {"live": Section("Error: No such file or directory", 1), "boot.files": Section("", 0)}
    assert read_boot(Answer(gone | SYSTEMD | {"unit": Section("UnitFileState=\nActiveState=inactive", 0)})) == Boot()


@pytest.mark.parametrize("word", ["disabled", "masked", ""])
def test_a_unit_that_is_not_enabled(word: str) -> None:
    unit = Section(f"UnitFileState={word}\nActiveState=active", 0)
    enabled = read_boot(Answer(WHOLE | {"unit": unit})).enabled
    assert enabled == {**dict.fromkeys(PIECES, True), paths.RULESET_UNIT: False}


@pytest.mark.parametrize("gone", FILES)
def test_a_piece_that_lacks_a_file_does_nothing(gone: str) -> None:
    there = "\n".join(file for file in FILES if file != gone)
    enabled = read_boot(Answer(WHOLE | {"boot.files": Section(there, 0)})).enabled
    assert enabled == {piece: gone not in files for piece, files in PIECES.items()}


def test_nothing_starts_with_an_init_system_that_is_not_known() -> None:
    """It is our scripts that are named: no unit is expected there."""
    enabled = read_boot(Answer(WHOLE | {"platform": Section("uid=0", 0)})).enabled
    assert enabled == dict.fromkeys((paths.RULESET_SCRIPT, paths.DEVICE_SCRIPT, paths.FEATURES_SCRIPT), False)


def test_only_what_is_needed_or_there_counts() -> None:
    only_features = {
        name: part for name, part in WHOLE.items() if name.endswith(("features", "files", "unit", "platform"))
    }
    files = Section("\n".join(PIECES[paths.FEATURES_RULES]), 0)
    assert read_boot(Answer(only_features | {"boot.files": files})).enabled == {paths.FEATURES_RULES: True}
    left = read_boot(Answer(SYSTEMD | {"boot.files": Section(paths.DEVICE_RULES, 0)})).enabled
    assert left == {paths.DEVICE_RULES: False}


def test_what_the_texts_for_boot_mean() -> None:
    """The table that boot loads, and how the live one differs from it."""
    ruleset = Section(f"{HEADER}\ntable inet nft_offload\n", 0)
    boot = read_boot(Answer({**WHOLE, "boot.ruleset": ruleset, "live": Section("table inet t {\n\tx\n}", 0)}))
    assert (boot.table, boot.differences) == ("inet nft_offload", ("+x",))
    assert (read_boot(Answer(WHOLE)).table, read_boot(Answer(WHOLE)).differences) == ("", ())


def test_attachments() -> None:
    assert parse_attachments(f"\nlan0 {ATTACH}\nalone\nx;y  add x\n") == {"lan0": ATTACH, "x;y": "add x"}
    assert parse_attachments("a\x85b x\u2028y\n") == {"a\x85b": "x\u2028y"}


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), st.builds(Section, st.text(), st.integers(0, 1))))
def test_no_text_is_too_odd(answer: dict[str, Section]) -> None:
    read_boot(Answer(answer))


@pytest.mark.parametrize("shell", SHELLS)
def test_files_arrive_as_they_are_and_a_long_ruleset_with_its_head(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 65000 + "\n" + "y" * 2000)
    (tmp_path / "short").write_text("table inet t {\n}\n")
    for name in ("long", "short"):
        calls = [
            ("read_boot", str(tmp_path / name), str(tmp_path / "short"), "/no such"),
            ("read_services", "nftables"),
        ]
        found = parse(run_script(shell, compose(NONCE, ("read/boot",), calls), tmp_path), NONCE)
        text = (tmp_path / name).read_text()
        assert found["boot.ruleset"].text == text[:65536].removesuffix("\n")
        assert found["boot.files"].text == str(tmp_path / "short")
    script = compose(NONCE, ("read/boot",), [("read_boot", "/no such", *READ)])
    nothing = parse(run_script(shell, script, tmp_path), NONCE)
    assert "boot.ruleset" not in nothing
