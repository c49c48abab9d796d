# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What is known of every package manager: how it is asked, what packages are called, how its errors read.

One more is a file beside this one with a subclass of ``PackageManager``, a row in package_registry.py, its command in
sh/read/platform.sh, and two fragments: in sh/read what its calls call, which print nothing where its command is
missing, and in sh/apply a function for each verb of verbs.py that is about packages. Pure: no I/O.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from .._core.errors import OffloadError
from .._core.plan import remedy_for
from .._core.sections import Answer, Call
from .._core.text import iterate_lines, read_number, split_words

WAIT = "wait for the package manager that is running on the router, then run the play again"


@dataclass(frozen=True)
class Inventory:
    """What a package manager reports."""

    statuses: Mapping[str, str] = field(default_factory=dict)
    """package -> its status in dpkg's words: installed, config-files, empty for one that is not installed"""
    candidates: Mapping[str, str] = field(default_factory=dict)
    """package that is not installed -> version that would be installed"""
    removals: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """installed package -> packages that are in the way of its removal; the package itself may be among them"""
    used: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """installed package -> signs that somebody uses it by now"""
    image: str = ""
    """version of the kernel that every package of modules has to be for, where the package manager knows it"""
    warnings: tuple[str, ...] = ()
    """what has to be known before anything is installed"""


@dataclass(frozen=True)
class Reason:
    """Why a package manager refused, found in its output."""

    pattern: re.Pattern[str]
    """its named groups are for ``problem``"""
    problem: str
    """text for str.format, with the groups' names in braces, and {image} for ``Inventory.image``
    where no group has that name"""
    remedy: str


class PackageManager(ABC):
    """One package manager. A package manager that serves one distribution only names its init system."""

    name: ClassVar[str]
    """as messages call it"""
    command: ClassVar[str]
    """the command by which sh/read/platform.sh recognises it, and what the names of its sections begin with"""
    systems: ClassVar[frozenset[str]]
    """ID or ID_LIKE of /etc/os-release where it is the distribution's own"""
    kernels: ClassVar[str]
    """kernels of that distribution that have the flowtable modules, for messages"""
    init: ClassVar[str] = ""
    """init system of the only distribution it is supported on; empty: on any"""
    distribution: ClassVar[str] = ""
    """what that distribution is called"""
    read_scripts: ClassVar[tuple[str, ...]]
    """fragments of sh/read with what ``list_calls`` and ``list_removal_calls`` call"""
    apply_scripts: ClassVar[tuple[str, ...]]
    """fragments of sh/apply with its verbs"""
    names: ClassVar[Mapping[str, str]] = {}
    """package as the option ``packages`` names it (Debian's name) -> what it is called here, where that differs"""
    lists_modules: ClassVar[bool] = False
    """packages of modules bring lists of what boot loads"""
    broken_modules_remedy: ClassVar[str] = ""
    """what to do where the package of modules is installed, and its modules are missing all the same"""
    reasons: ClassVar[Sequence[Reason]] = ()
    """why it refuses; the first that is found counts"""
    remedies: ClassVar[Sequence[tuple[str, str]]] = ()
    """(part of an output that needs no explanation, what to do)"""

    @abstractmethod
    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        """Calls that print the status and candidate of each of these packages, and of the package of modules."""

    @abstractmethod
    def list_removal_calls(self, record_path: str) -> list[Call]:
        """Calls that print what removing each package in the file ``record_path`` means; see paths.KERNEL_FOUND."""

    @abstractmethod
    def parse_removal(self, output: str) -> frozenset[str]:
        """What a simulated removal of one package printed -> see ``Inventory.removals``."""

    @abstractmethod
    def find_modules_package(self, release: str, os_id: str) -> str:
        """The package with the fast path's modules for a kernel of this release; empty where the kernel's own has them.

        ``os_id`` is ID of /etc/os-release.
        """

    def translate_names(self, packages: Iterable[str]) -> list[str]:
        """What these packages of the option ``packages`` are called here."""
        return [self.names.get(package, package) for package in packages]

    def read(self, answer: Answer) -> Inventory:
        """The sections that these calls print -> Inventory; OffloadError where what is installed cannot be listed.

        A router may have several package managers, so the names of the sections begin with this one's command.
        """
        own = f"{self.command}."
        if f"{own}installed" in answer and not answer.ok(f"{own}installed"):
            output = answer.text(f"{own}installed").strip()
            raise OffloadError(
                f"{self.name} cannot list what is installed: {output}", remedy_for(output, self.remedies)
            )
        return Inventory(
            statuses=parse_statuses(answer.text(f"{own}packages")),
            candidates=parse_candidates(answer.text(f"{own}candidates")),
            removals={
                package: self.parse_removal(part.text) for package, part in answer.each(f"{own}removal.").items()
            },
            used={p: tuple(part.text.split("\n")) for p, part in answer.each(f"{own}used.").items() if part.text},
        )

    def explain(self, output: str, image: str) -> tuple[str, str] | None:
        """(what is wrong, what to do) for the output of a verb that failed; None where it needs no explanation.

        ``image`` is ``Inventory.image``.
        """
        for reason in self.reasons:
            if found := reason.pattern.search(output):
                named = {key: value for key, value in found.groupdict().items() if value}
                return reason.problem.format(**{"image": image or "another one", **named}), reason.remedy
        return None


def parse_statuses(text: str) -> dict[str, str]:
    """Lines ``PACKAGE STATUS`` (dpkg-query's db:Status-Status); an unknown package has no status."""
    words = (split_words(line) for line in iterate_lines(text))
    return {w[0]: w[1] if len(w) > 1 else "" for w in words if w}


def parse_candidates(text: str) -> dict[str, str]:
    """As apt-cache policy prints it -> package -> version; left out where none is known."""
    found: dict[str, str] = {}
    package = ""
    for line in iterate_lines(text):
        if match := re.fullmatch(r"(\S+):", line):
            package = match.group(1)
        elif package and (match := re.fullmatch(r"  Candidate: ([^(\s]\S*)", line)):
            found[package] = match.group(1)
    return found


def parse_upstream_version(version: str) -> tuple[int, ...]:
    """1:1.1.3-1 -> (1, 1, 3); empty when it does not start with a number (deb-version(7))."""
    match = re.match(r"(?:[0-9]+:)?([0-9]{1,18}(?:\.[0-9]{1,18})*)", version)
    return tuple(read_number(part) for part in match.group(1).split(".")) if match else ()
