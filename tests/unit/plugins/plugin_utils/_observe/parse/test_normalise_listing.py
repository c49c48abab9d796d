# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router, under each of its shells, and the controller leave the same out of a listing of nft.

Texts of nft 1.0.6 (bookworm), 1.1.3 (trixie) and 1.1.7 (forky), and others made up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import guard_script
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import (
    diff_listings,
    normalise_listing,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import SUITES, answer, captured
from tests.unit.helpers.shells import ROUTER_SHELLS

Normalise = Callable[[str], str]


@pytest.fixture(scope="module", params=ROUTER_SHELLS, ids=lambda shell: shell[0])
def on_router(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Normalise:
    """The router's function, with the awk that goes with its shell."""
    shell = request.param
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    place = tmp_path_factory.mktemp("router")
    (place / "guard").write_text(guard_script(), encoding="utf-8")
    (place / "id").write_text("1-00000001\n")
    if shell[0] == "busybox":
        (place / "awk").write_text('#!/bin/sh\nexec busybox awk "$@"\n')
        (place / "awk").chmod(0o755)
    environment = {"PATH": f"{place}:{os.environ['PATH']}"}

    def normalise(text: str) -> str:
        command = [*shell, str(place / "guard"), "normalise"]
        done = subprocess.run(command, input=text.encode(), env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode()

    return normalise


def texts_of(suite: str) -> list[str]:
    """All that the routers of a suite listed."""
    listings = [captured(suite, "ruleset")]
    for name in ("router", "devices", "names"):
        sections = answer(suite, name)
        listings += [f"{sections[part].text}\n" for part in ("flowtables", "ruleset", "live") if part in sections]
    return listings


@pytest.mark.parametrize("suite", SUITES)
def test_real_listings(suite: str, on_router: Normalise) -> None:
    listings = texts_of(suite)
    assert any("devices = {" in text for text in listings)
    assert any("\t# count " in text for text in listings) is (suite == "forky")
    for text in listings:
        plain = on_router(text)
        assert plain == normalise_listing(text)
        assert "\t\tdevices = " not in plain and "\t# count " not in plain
        assert on_router(plain) == plain


FLOWTABLE = "table inet t {\n\tflowtable ft {\n\t\thook ingress priority filter\n%s\t\tcounter\n\t}\n}\n"
SET = "table inet t {\n\tset s {\n\t\ttype ipv4_addr\n\t\tsize 65535%s\n\t\tflags dynamic\n\t}\n}\n"
SAME = {
    FLOWTABLE % "": [
        FLOWTABLE % devices
        for devices in (
            "\t\tdevices = { eth0 }\n",
            "\t\tdevices = { eth0, eth1 };\n",
            '\t\tdevices = { "eth0", "eth1.5" }\n',
            '\t\tdevices = { "a}b", "eth*", "d{" }\n',
            "\t\tdevices = { eth0,\n\t\t\t    eth1,\n\t\t\t    eth2 }\n",
            '\t\tdevices = { "eth0",\n\t\t\t    "a } b",\n\t\t\t    "eth2"\n\t\t}\n',
            "\t\tdevices = { }\n",
        )
    ],
    SET % "": [SET % count for count in ("\t# count 1", "\t# count 65535", " # count 2")],
}
"""a listing without what changes -> the same with it"""


@pytest.mark.parametrize(("plain", "text"), [(plain, text) for plain, texts in SAME.items() for text in texts])
def test_what_changes_by_itself_goes(plain: str, text: str, on_router: Normalise) -> None:
    assert (on_router(text), normalise_listing(text)) == (plain, plain)


STAYS = [
    'table inet t {\n\tcomment "\n\t\tdevices = { a }\n\t# count 5\n"\n}\n',
    '\t\ttcp dport 22 accept comment "devices = { lan0 }"\n',
    '\t\ttcp dport 22 accept comment "size 5\t# count 5"\n',
    '\t\tcomment "two\n\t\tsize 5\t# count 5\nlines"\n',
    "\t\ttype filter hook ingress devices = { eth0, eth1 } priority filter; policy accept;\n",
    "\tset devices {\n\t\telements = { 192.0.2.1,\n\t\t\t     192.0.2.2 }\n\t}\n",
    "\t\tct count 5 accept\n\t\tct count over 5 drop # handle 5\n",
    "\tset s { # handle 5\n\t\tsize 5\t# counted 5\n\t}\n",
    # an end that is missing
    "\t\tdevices = { eth0,\n\t\tsize 5\t# count 5\n",
    '\t\tdevices = { "eth0 }\n\t\tsize 5\t# count 5\n',
    '\t\tcomment "open\n\t\tdevices = { a }\n',
]


@pytest.mark.parametrize("text", STAYS)
def test_what_only_looks_like_it_stays(text: str, on_router: Normalise) -> None:
    assert (on_router(text), normalise_listing(text)) == (text, text)


def test_texts_like_none_that_nft_lists(on_router: Normalise) -> None:
    for text in (
        "",
        "\n\n",
        "devices = { a } counter # count 5\n",
        "devices = { a }\t# count 5\n",
        'devices = { a }"\n\t# count 5\n" # count 5\n',
        "devices = { a }; devices = { b }\ndevices = { c }\n",
        "size 5 # count 4 # count 5\n",
        'comment "a" # count 5\n',
        'comment "a\nb" # count 5\n"c # count 5\n',
        "size 5\t# count 5 \n",
    ):
        assert on_router(text) == normalise_listing(text)


PIECES = ["devices = {", "}", '"', "\n", "\t", " ", ";", "\t# count 5", "# count", "size 5", "elements = {", "a,", "ü"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_text(pieces: list[str], on_router: Normalise) -> None:
    text = "".join(pieces) + "\n"
    assert on_router(text) == normalise_listing(text)


@pytest.mark.parametrize(
    ("recorded", "live", "changes"),
    [
        ("table inet t {\n\tchain a {\n\t}\n}\n", "table inet t {\n\tchain a {\n\t}\n}\n", ()),
        ("table inet t {\n}\n", 'table inet t {\n\tdevices = { "lan0" }\n}\n', ()),
        ("table inet t {\n\tx\n}\n", "table inet t {\n\ty\n}\n", ("-x", "+y")),
        ("table inet t {\n}\n", "", ("-table inet t {", "-}")),
    ],
)
def test_differences_of_listings(recorded: str, live: str, changes: tuple[str, ...]) -> None:
    assert diff_listings(recorded, live) == changes
