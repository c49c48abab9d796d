# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed repository for an Alpine router, made with Alpine's own apk, of Debian's programs.

The packages stand in for Alpine's of the same names. They leave out: libraries, which are on the disk already, manual
pages, and all files of nftables but its default ruleset and its init script, which are written here after Alpine's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.host import tool
from lab.programs import Programs

HERE = Path(__file__).resolve().parent
PLACE = "var/lib/lab/apk"
INDEX = f"/{PLACE}/packages.adb"
KEY = "etc/apk/keys/lab.rsa.pub"
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class Package:
    """A package of the repository: its program, and further files below packages/NAME."""

    name: str
    program: str

    @property
    def files(self) -> Path:
        return HERE / "packages" / self.name


PACKAGES = (Package("nftables", "nft"), Package("ethtool", "ethtool"), Package("conntrack-tools", "conntrack"))

Run = Callable[..., None]
"""runs a command, its words given one by one"""


@dataclass(frozen=True)
class Apk:
    """Alpine's apk in a router's root directory, run on this machine with its own libraries."""

    root: Path

    def command(self, *words: str | Path) -> list[str]:
        """The command line that runs it."""
        loader = self.root / "lib/ld-musl-x86_64.so.1"
        libraries = f"{self.root / 'lib'}:{self.root / 'usr/lib'}"
        return [str(word) for word in (loader, "--library-path", libraries, self.root / "sbin/apk", *words)]


def make_repository(root: Path, programs: Programs, work: Path, run: Run, owner: list[str]) -> None:
    """Put the repository and its key into a router's root directory.

    ``work`` is an empty directory; ``owner`` starts a command line for which the files there are root's.
    """
    key = work / "key.rsa"
    run(tool("ssh-keygen"), "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", key)
    run("sh", "-c", 'ssh-keygen -e -m PKCS8 -f "$1" >"$2"', "sh", key, root / KEY)
    place = root / PLACE
    place.mkdir(parents=True)
    apk = Apk(root)
    made = []
    for package in PACKAGES:
        program = programs.get(package.program)
        files = work / package.name
        if package.files.is_dir():
            shutil.copytree(package.files, files)
        programs.install_libraries(program, root)
        (files / "usr/sbin").mkdir(parents=True)
        shutil.copy(program, files / "usr/sbin" / package.program)
        version = f"{read_version(programs.output(package.program, '--version'))}-r0"
        made.append(place / f"{package.name}-{version}.apk")
        words: list[str | Path] = ["--sign-key", key, "--files", files, "--output", made[-1]]
        run(*owner, *apk.command("mkpkg", *_describe(package, version), *words))
    trusted: list[str | Path] = [
        "--keys-dir",
        (root / KEY).parent,
        "--sign-key",
        key,
        "--output",
        place / Path(INDEX).name,
    ]
    run(*owner, *apk.command("mkndx", *trusted, *made))
    (root / "etc/apk/repositories").write_text(f"{INDEX}\n")


def read_version(text: str) -> str:
    """The version in what a program prints of itself: 'nftables v1.1.3 (Commodore Bullmoose #4)' -> 1.1.3."""
    found = _VERSION.search(text)
    assert found, f"no version in {text!r}"
    return found[1]


def _describe(package: Package, version: str) -> list[str]:
    info = {
        "name": package.name,
        "version": version,
        "arch": "x86_64",
        "description": f"a stand-in for {package.name}: Debian's {package.program}",
        "license": "GPL-2.0-or-later",
    }
    return [word for key, value in info.items() for word in ("--info", f"{key}:{value}")]
