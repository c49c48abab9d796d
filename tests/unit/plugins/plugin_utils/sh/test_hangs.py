# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reading ends in bounded time whichever tool hangs, with what the others showed, and leaves no process behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import sections
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import (
    HUNG,
    Answer,
    Section,
    compose,
    fragment,
    parse,
)

from tests.unit.helpers.shells import NONCE, SHELLS

HANGS = "#!/bin/sh\necho half\nsleep 1000\necho whole\n"


def read(shell: list[str], place: Path, *calls: tuple[str, ...], functions: str = "") -> Answer:
    """The answer of a script that only reads, which looks at its tools every 0.2 seconds."""
    script = compose(NONCE, (), calls, counted=True).replace("sleep 10 ", "sleep 0.2 ")
    script = script.replace("\nsection() {", f"\n{functions}\nsection() {{", 1)
    command = [shutil.which(shell[0]) or shell[0], *shell[1:], "-s"]
    environment = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, input=script.encode(), cwd=place, env=environment, capture_output=True, timeout=30, check=False
    )
    return parse(done.stdout.decode(), NONCE, counted=True)


def tool(place: Path, name: str, text: str = HANGS) -> None:
    (place / name).write_text(text)
    (place / name).chmod(0o755)


def left(place: Path) -> list[str]:
    """Processes that were started there and still run; one that was ended takes its time on a busy machine."""
    for _try in range(100):
        if not (found := _list_left(place)):
            break
        time.sleep(0.2)
    return found


def _list_left(place: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")) == place:
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_others_show_is_read(shell: list[str], tmp_path: Path) -> None:
    tool(tmp_path, "nft")
    answer = read(
        shell,
        tmp_path,
        ("section", "before", "echo", "one"),
        ("section", "flowtables", "nft", "list", "flowtables"),
        ("section", "between", "echo", "two"),
        ("section", "ruleset", "filtered"),
        ("section", "after", "echo", "three"),
        functions="filtered() { nft list ruleset 2>/dev/null | grep . || :; }",
    )
    said = Section("nft did not end in time", HUNG)
    assert dict(answer) == {
        "before": Section("one", 0),
        "flowtables": said,
        "between": Section("two", 0),
        "ruleset": said,
        "after": Section("three", 0),
    }
    assert left(tmp_path) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tool_in_a_substitution(shell: list[str], tmp_path: Path) -> None:
    tool(tmp_path, "ethtool")
    functions = 'features() { found=$(ethtool -k lan0) || :; echo "found $found"; }'
    answer = read(
        shell, tmp_path, ("section", "features lan0", "features"), ("section", "x", "echo"), functions=functions
    )
    assert answer["features lan0"] == Section("ethtool did not end in time", HUNG)
    assert answer["x"].rc == 0


def test_no_tool_is_started_past_the_shell() -> None:
    """What the shell no longer calls, because it hung, would hang again behind exec or command."""
    for file in sorted((Path(sections.__file__).parents[1] / "sh/read").glob("*.sh")):
        lines = [line.strip() for line in file.read_text().splitlines()]
        assert not [line for line in lines if re.match(r"(exec|command) [a-z\"$]", line)], file.name


def test_several_tools_hang(tmp_path: Path) -> None:
    for name in ("ip", "tc"):
        tool(tmp_path, name)
    calls = [("section", f"{name} {n}", name) for n in range(20) for name in ("ip", "tc")]
    begun = time.monotonic()
    answer = read(["dash"], tmp_path, *calls)
    assert {part.text for part in answer.values()} == {"ip did not end in time", "tc did not end in time"}
    assert len(answer) == 40
    assert time.monotonic() - begun < 15


def test_what_takes_its_time_is_not_ended(tmp_path: Path) -> None:
    """A sample sleeps, a filter waits for what it filters, and a package manager has longer."""
    tool(tmp_path, "opkg", "#!/bin/sh\nsleep 1.4\necho done\n")
    functions = "waiting() { sleep 1.4; echo a | { sleep 1.4; grep a; }; }"
    answer = read(["dash"], tmp_path, ("section", "a", "waiting"), ("section", "b", "opkg"), functions=functions)
    assert dict(answer) == {"a": Section("a", 0), "b": Section("done", 0)}


STUCK = """\
1 (init) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5
10 (sh) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 6
11 (sh) S 10 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7
12 (sh) S 10 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 8
13 (my (odd) nft) D 12 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9
14 (sleep) S 13 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9
15 (ip) S 11 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9
16 (ip) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9
17 (tc) Z 12 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9
"""


@pytest.mark.parametrize("awk", ["awk", "busybox awk"])
@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("", "seen 13 9 1\n"),
        ("13 9 1", "seen 13 9 2\n"),
        ("13 9 2", "seen 13 9 3\nhung 12 my__odd__nft 13 14\n"),
        ("13 8 2", "seen 13 9 1\n"),
        ("13 9 4", "seen 13 9 5\nstuck 12\n"),
    ],
)
def test_which_process_hangs(before: str, found: str, awk: str, tmp_path: Path) -> None:
    """Of the script's own; and what stays although it was ended, as in the kernel."""
    script = f'awk() {{ command {awk} "$@"; }}\n{fragment("hangs")}\n_find_hung 10 11'
    text = f"{before}\n--\n{STUCK}"
    done = subprocess.run(["sh", "-c", script], input=text, cwd=tmp_path, capture_output=True, text=True, check=False)
    shown = [[*line.split()[:3], *sorted(line.split()[3:])] for line in done.stdout.splitlines()]
    assert (done.stderr, shown) == ("", [line.split() for line in found.splitlines()])


def test_a_tool_that_cannot_be_ended_ends_the_answer(tmp_path: Path) -> None:
    """The kernel lets it go when it likes; here a kill that does nothing stands for that."""
    tool(tmp_path, "nft")
    script = compose(NONCE, (), [("section", "a", "nft"), ("section", "b", "echo")], counted=True)
    script = script.replace("sleep 10 ", "sleep 0.2 ").replace("kill -9 $_pids", ":").replace("kill -USR1", ": ")
    done = subprocess.run(
        ["dash", "-s"],
        input=script.encode(),
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    answer = parse(done.stdout.decode(), NONCE, counted=True)
    assert dict(answer) == {"a": Section("nft did not end in time", HUNG)}
    with pytest.raises(OffloadError, match="nft did not end in time on the router, and could not be ended"):
        answer.require("b")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")) == tmp_path:
                os.kill(int(process.name), 9)
        except OSError:
            continue
