# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for tools, in the shells of routers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.safety.sabotage import STAGES, restore_tool, stand_in
from tests.unit.helpers.shells import ROUTER_SHELLS

SHELL = pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=lambda shell: shell[-1].rpartition("/")[2])


class Place:
    """A directory of tools, and one in the place of /root."""

    def __init__(self, root: Path, shell: list[str]) -> None:
        self.root = root
        self.shell = shell
        (root / "bin").mkdir()
        (root / "bin/tool").write_text("#!/bin/sh\necho real $*\n")
        (root / "bin/tool").chmod(0o755)
        (root / "stages").write_text(self.here(STAGES))

    def here(self, text: str) -> str:
        return text.replace("/root/", f"{self.root}/").replace("/run/nft-offload", f"{self.root}/run")

    def run(self, text: str) -> str:
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        done = subprocess.run(
            [*self.shell, "-c", self.here(text)], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr + (f"code {done.returncode}" if done.returncode else "")


@pytest.fixture
def place(tmp_path: Path, shell: list[str]) -> Place:
    return Place(tmp_path, list(shell))


@SHELL
def test_a_tool_fails_once(place: Place) -> None:
    place.run(stand_in("tool", "first"))
    assert place.run("tool a") == "code 1"
    assert place.run("tool a b") == "real a b\n"


@SHELL
def test_a_service_that_cannot_read_the_stages_has_the_tool(place: Place) -> None:
    place.run(stand_in("tool", "true"))
    (place.root / "stages").unlink()
    assert place.run("tool a") == "real a\n"


@SHELL
def test_a_tool_fails_twice_and_is_put_back(place: Place) -> None:
    place.run(stand_in("tool", "at_most 2"))
    assert [place.run("tool a") for _round in range(3)] == ["code 1", "code 1", "real a\n"]
    place.run(restore_tool("tool"))
    assert (place.root / "bin/tool").read_text() == "#!/bin/sh\necho real $*\n"


@SHELL
@pytest.mark.parametrize("tool", ["cat", "rm", "mv", "chmod", "sed"])
def test_a_tool_that_stand_ins_are_made_with(place: Place, tool: str) -> None:
    (place.root / "bin" / tool).symlink_to(f"/bin/{tool}")
    place.run(stand_in(tool, "true"))
    assert place.run(f"{tool} --version") == "code 1"
    place.run(f"PATH={place.root}/bin:/usr/bin:/bin\n{restore_tool(tool)}")
    assert "code 1" not in place.run(f"{tool} --version")


@SHELL
def test_one_stand_in_before_another(place: Place) -> None:
    place.run(stand_in("tool", 'case "$*" in *one*) ;; *) false ;; esac'))
    place.run(stand_in("tool", 'case "$*" in *two*) ;; *) false ;; esac', "exit 2"))
    assert [place.run(f"tool {word}") for word in ("one", "two", "three")] == ["code 1", "code 2", "real three\n"]


@SHELL
def test_a_tool_behind_a_link(place: Place) -> None:
    (place.root / "bin/tool").rename(place.root / "elsewhere")
    (place.root / "bin/tool").symlink_to(place.root / "elsewhere")
    place.run(stand_in("tool", "true", "$real first; exit 3"))
    assert place.run("tool a") == "real first\ncode 3"
    place.run(restore_tool("tool"))
    assert place.run("tool a") == "real a\n"


@SHELL
def test_stages_of_a_change(place: Place) -> None:
    pending = place.root / "run/pending/1-a"
    asks = ". /root/stages; for stage in locked loaded confirmed undoing; do ! $stage || echo $stage; done"
    assert place.run(asks) == ""
    pending.mkdir(parents=True)
    (pending / "events").write_text("1-a guard 12 34 .\n1-a loading .\n")
    assert place.run(asks) == "locked\n"
    with (pending / "events").open("a") as events:
        events.write("1-a loaded .\n1-a undo why it is .\n")
    assert place.run(asks) == "locked\nloaded\nundoing\n"


@SHELL
def test_who_calls(place: Place) -> None:
    place.run(stand_in("tool", "by ./guard"))
    (place.root / "guard").write_text("tool a\n:\n")
    assert place.run("tool a") == "real a\n"
    assert place.run(f"cd {place.root}; {' '.join(place.shell)} ./guard") == ""


@SHELL
def test_processes_are_found_without_pgrep(place: Place) -> None:
    found = place.run(
        """. /root/stages
sleep 71 &
echo "$! $(child $$ sleep) $(matching 'sleep71')"
kill $!"""
    )
    numbers = found.split()
    assert len(set(numbers)) == 1 and len(numbers) == 3, found
