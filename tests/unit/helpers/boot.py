# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that starts: the boot script under a router's shell, with the real nft in a network namespace of its own.

Its files are in a directory, and so are the paths that the script writes to.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import history
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.emergency import render_emergency
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredTable

COMMANDS = ("nft", "mv", "rm", "sync", "mkdir", "logger", "sleep", "cat")
"""everything that the boot script calls"""


def filter_text(port: int, rule: str = "", name: str = "t") -> str:
    """A firewall that accepts SSH at this port, and forwards to it; ``rule`` is one more."""
    more = f"\t\t{rule}\n" if rule else ""
    return (
        f"table inet {name} {{\n\tchain input {{\n\t\ttype filter hook input priority filter; policy drop;\n"
        f"{more}\t\ttcp dport {port} accept\n\t}}\n\n\tchain forward {{\n"
        f"\t\ttype filter hook forward priority filter; policy drop;\n\t\ttcp dport {port} accept\n\t}}\n}}\n"
    )


def overlay_text(port: int, rule: str = "", name: str = "t") -> str:
    """A table that filters nothing."""
    more = f"\t\t{rule}\n" if rule else ""
    return (
        f"table inet {name} {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter + 10; policy accept;\n"
        f"{more}\t\ttcp dport {port} accept\n\t}}\n}}\n"
    )


_NO_PAUSE = '[ "$1" != 0.1 ] || exec "$real" 0.01\n'


@dataclass(frozen=True)
class Started:
    """How a start ended."""

    code: int
    said: str
    """standard error"""
    tables: str
    """what the kernel lists, without its own tables"""
    record: Mapping[str, str]
    waited: list[str]
    """seconds that sleep was told, but for the moments in which a program is waited for"""
    logged: str
    """what logger was told"""


STAGED = ".9-0badcafe.nft-offload-new"
"""what is behind the name of a file that a change staged"""


class BootRouter:
    """``place`` is its directory, ``shell`` the words that start its shell."""

    def __init__(self, place: Path, shell: Sequence[str]) -> None:
        self.place = place
        self.words = [shutil.which(shell[0]) or shell[0], *shell[1:]]
        self.home = place / "etc"
        self.run = place / "run/nft-offload"
        for directory in (self.home / "history", place / "run", place / "bin"):
            directory.mkdir(parents=True)
        self.nft = shutil.which("nft")
        self.script = place / "ruleset"
        self.run_it = f'PATH={place}/bin:$PATH "$@" {self.script} 2>/dev/null'
        """sh that runs it, for ``before`` of ``start``"""
        text = paths.installed("ruleset.sh")
        for was, now in (
            (f"home={paths.HOME}\n", f"home={self.home}\n"),
            (f"run={paths.RUN}\n", f"run={self.run}\n"),
            ("kernel_log=/dev/kmsg\n", f"kernel_log={place}/kmsg\n"),
            ("/usr/local/lib/nft-offload/features", f"{place}/features"),
        ):
            assert was in text
            text = text.replace(was, now)
        self.script.write_text(text)
        self.shim("sleep", f'{_NO_PAUSE}echo "$1" >>"$place/waited"; exec "$real" 0.2')
        self.shim("logger", 'echo "$*" >>"$place/logged"')

    # --- its files

    def confirm(self, content: str, number: int = 3, kept: Mapping[int, str] | None = None) -> None:
        """Files for boot, as a confirmed change leaves them; ``kept`` are rulesets of before by their numbers."""
        desired = self._desired(content)
        self.write("ruleset.nft", desired.boot_text())
        self.write("devices", desired.attachments())
        self.write("confirmed", history.confirmation(f"{number}-0000000{number}", desired.boot_text(), "") + "\n")
        if (text := render_emergency(desired, ())) is not None:
            self.write("emergency.nft", text)
        for other, before in (kept or {}).items():
            change = f"{other}-0000000{other}"
            self.write(f"history/{change}.nft", history.kept_text(change, self._desired(before).boot_text(), ""))

    def stage(self, name: str, content: str) -> None:
        """A file that a confirmed change wrote, and has not put in place yet."""
        self.write(f"{name}{STAGED}", self._desired(content).boot_text())
        with (self.home / "committing").open("a") as journal:
            journal.write(f"{STAGED} {self.home}/{name}\n")

    def write(self, name: str, text: str) -> None:
        (self.home / name).write_text(text)

    @staticmethod
    def _desired(content: str) -> DesiredTable:
        return DesiredTable("inet", content.split()[2], content, ())

    # --- its programs

    def shim(self, command: str, script: str) -> None:
        """A program in place of the router's own one, which is then ``$real``."""
        file = self.place / "bin" / command
        real = shutil.which(command) or "false"
        file.write_text(f"#!/bin/sh\nplace={self.place}\nreal={real}\n{script}\n")
        file.chmod(0o755)

    def hurry(self, seconds: int) -> None:
        """What hangs is ended after these seconds."""
        text, count = re.subn(r"(?m)^((?:less_|disk_)?patience)=[0-9]+$", rf"\1={seconds}", self.script.read_text())
        assert count == 3
        self.script.write_text(text)

    def shim_nft(self, pattern: str, script: str) -> None:
        """The script in place of nft where its arguments and its standard input match the pattern, one of sh."""
        self.shim(
            "nft",
            'input=\n[ "$*" != "-f -" ] || input=$(/bin/cat)\n'
            f'case "$* $input" in {pattern}) {script} ;; esac\n'
            '[ -n "$input" ] || exec "$real" "$@"\nprintf "%s\\n" "$input" | "$real" "$@"',
        )

    def fails(self, command: str, times: int | None = None) -> None:
        """The command fails as often; None: for ever. It is the same with each start."""
        counted = f'count=$(/bin/cat "$place/{command}.count" 2>/dev/null || echo 0)\n'
        counted += f'echo $((count + 1)) >"$place/{command}.count"\n'
        limit = f'[ "$count" -ge {times} ] || ' if times is not None else ""
        other = 'exec "$real" "$@"' if command not in ("sleep", "logger") else "exit 0"
        self.shim(command, f"{counted}{limit}{{ echo '{command}: it fails' >&2; exit 1; }}\n{other}")

    # --- its starts

    def start(self, before: str = "", times: int = 1) -> Started:
        """Boot it: in a kernel without tables but for what ``before`` does. ``times``: run the script as often."""
        for name in ("waited", "logged", "listing"):
            (self.place / name).unlink(missing_ok=True)
        again = f'"$@" "{self.script}" 2>"{self.place}/said"; echo $? >"{self.place}/code"; '
        listing = f'{self.nft} -s list ruleset >"{self.place}/listing"'
        script = f"{before}\nPATH={self.place}/bin:$PATH; {again * times}{listing}"
        subprocess.run(
            ["unshare", "-n", "sh", "-c", script, "sh", *self.words],
            cwd=self.place,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        record = dict(line.split("=", 1) for line in self._text("run/nft-offload/boot").splitlines())
        return Started(
            int(self._text("code")),
            self._text("said"),
            self._text("listing"),
            record,
            self._text("waited").split(),
            self._text("logged"),
        )

    def _text(self, name: str) -> str:
        file = self.place / name
        return file.read_text() if file.is_file() else ""
