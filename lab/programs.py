# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs for a router that is not Debian's: from this machine, or from packages unpacked into a directory."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.host import LabError

SEARCHED = ("usr/bin", "usr/sbin")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = "usr/lib64/ld-linux-x86-64.so.2"


class NoBusybox(Exception):
    """No busybox that a root directory can be made with; the message has the reason."""


@dataclass(frozen=True)
class Programs:
    """Programs below ``top``: / for this machine, or a directory of unpacked Debian packages, which can run here."""

    top: Path = Path("/")

    @property
    def ours(self) -> bool:
        return self.top == Path("/")

    def find(self, name: str) -> Path | None:
        """A program's path, or None."""
        if self.ours:
            found = shutil.which(name)
            return Path(found) if found else None
        return next((path for place in SEARCHED if (path := self.top / place / name).is_file()), None)

    def command(self, program: Path) -> list[str]:
        """The command line that runs a program on this machine, with its own libraries."""
        if self.ours:
            return [str(program)]
        return [str(self.top / LOADER), "--library-path", str(self.top / LIBRARIES), str(program)]

    def get(self, name: str) -> Path:
        """A program's path; LabError when it is missing."""
        found = self.find(name)
        if found is None:
            raise LabError(f"there is no {name} in {self.top}")
        return found

    def output(self, name: str, *arguments: str) -> str:
        """The output of a program, which must succeed."""
        command = [*self.command(self.get(name)), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def libraries(self, program: Path) -> list[tuple[Path, str]]:
        """(file, its place in a root directory) of each library, the loader among them; none of a static program."""
        if self.ours:
            listing = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
            return [(Path(path), path.lstrip("/")) for path in re.findall(r"(/\S+) \(0x", listing)]
        loader = [str(self.top / LOADER), "--library-path", str(self.top / LIBRARIES), "--list", str(program)]
        listing = subprocess.run(loader, capture_output=True, text=True, check=False).stdout
        found = [Path(path) for path in re.findall(rf"=> ({re.escape(str(self.top))}/\S+)", listing)]
        return [(path, f"{'lib64' if path.name.startswith('ld-') else LIBRARIES}/{path.name}") for path in found]

    def install(self, program: Path, root: Path, to: str) -> None:
        """Copy a program, with its libraries, to the path ``to`` of a root directory."""
        self.install_libraries(program, root)
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, root / to)

    def install_libraries(self, program: Path, root: Path) -> None:
        """Copy a program's libraries to a root directory."""
        for library, place in self.libraries(program):
            target = root / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(library, target)

    def busybox(self) -> Path:
        """A busybox whose shell runs only the applets in PATH; raises NoBusybox where there is none."""
        found = self.find("busybox")
        if found is None:
            raise NoBusybox("busybox is not installed")
        probe = [*self.command(found), "ash", "-c", "PATH=/nowhere; base64 --help"]
        inside = subprocess.run(probe, capture_output=True, check=False)
        if inside.returncode != 127:
            raise NoBusybox(f"the shell of {found} runs every applet, also those that a router lacks")
        return found
