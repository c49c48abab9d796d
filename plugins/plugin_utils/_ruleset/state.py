# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What was read of our table, its files, the devices, and of changes before. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._confirm.change import ChangeState, parse_change
from .._confirm.ids import next_id
from .._core import paths
from .._core.files import read_files
from .._core.sections import Answer, Section
from .._core.text import parse_count
from .._observe.parse.boot import UNKNOWN, BootRecord, parse_boot_record
from .._observe.parse.ethtool import parse_driver, parse_features
from .._observe.parse.nft import parse_flowtables
from .._observe.parse.platform import parse_platform
from .._observe.state import Feature, Flowtable, Platform
from .._systems.init_registry import list_ruleset_paths, read_service_state
from .._systems.init_system import ServiceState
from .history import confirmation, kept_ids

FEATURE = "hw-tc-offload"
# the emergency ruleset first: it is removed before what it stands in for, so that no boot takes that for lost
TEXTS = (
    paths.EMERGENCY,
    paths.RULESET,
    paths.LISTING,
    paths.SOFTWARE_LISTING,
    paths.DEVICES,
    paths.CONFIRMED,
)


def list_own_files() -> tuple[str, ...]:
    """Every path that the ruleset module may have made on a router, but for the rulesets confirmed before."""
    return (*TEXTS, paths.PENDING_FLUSH, *list_ruleset_paths(), *paths.BOOT_RECORDS)


@dataclass(frozen=True)
class TableState:
    """Our table, its files and the devices, as the router has them."""

    platform: Platform
    table: str | None
    """live listing; None: there is none"""
    flowtables: tuple[Flowtable, ...]
    files: Mapping[str, str]
    """path -> text, of ``list_own_files`` that exist"""
    links: frozenset[str]
    """devices that exist"""
    drivers: Mapping[str, str]
    features: Mapping[str, Feature]
    """device -> hw-tc-offload, where ethtool knows it"""
    probes: Mapping[str, Section]
    """device -> what a dry run with a hardware flowtable printed"""
    service: ServiceState
    """what the init system reports of the one that loads our table"""
    change: ChangeState = field(default_factory=ChangeState)
    whole: str = ""
    """listing of the table with what its sets hold, the first 64 KiB, where it seems to be somebody else's"""
    old_table: str | None = None
    """live listing of the table that the file for boot names, where that is another one; None: it is not there"""
    software_table: str | None = None
    """live listing of the second table of the task's table; None: it is not there"""
    unreadable: str = ""
    """what nft printed where it listed no table"""
    kept: tuple[str, ...] = ()
    """ids of the rulesets confirmed before, oldest first"""
    ssh_ports: tuple[int, ...] = ()
    """that SSH servers of the router listen on, as far as it is known; the one of this login first"""

    @property
    def boot(self) -> BootRecord:
        """What the last boot loaded."""
        return next((parse_boot_record(self.files[path]) for path in paths.BOOT_RECORDS if path in self.files), UNKNOWN)

    @property
    def confirmed(self) -> str:
        """The id of the ruleset that was confirmed last; empty: there is none, or it is of an older version."""
        return self.confirmation.partition(" ")[0]

    @property
    def confirmation(self) -> str:
        """The line of paths.CONFIRMED, see history.confirmation."""
        return self.files.get(paths.CONFIRMED, "").strip()

    @property
    def software_flowtables(self) -> tuple[Flowtable, ...]:
        """The flowtables of ``software_table``."""
        return tuple(parse_flowtables(self.software_table or ""))

    def next_id(self, token: str) -> str:
        """The id of a change that is made now; ``token`` tells apart what two controllers make at once."""
        return next_id([*self.kept, self.confirmed], token)

    @property
    def tampered(self) -> bool:
        """Whether the texts for boot are others than those that were confirmed."""
        texts = self.files.get(paths.RULESET, ""), self.files.get(paths.DEVICES, "")
        return confirmation(self.confirmed, *texts) != self.confirmation


def read_state(answer: Answer) -> TableState:
    """Sections of sh/read/{platform,files,nic,ruleset,change}.sh and of the init system -> TableState.

    Raises OffloadError for an incomplete answer.
    """
    platform = parse_platform(answer.require("platform").text)
    listing = _listing(answer, "table")
    complaint = answer.require("table").text if listing is None and "nft" in platform.commands else ""
    features = {
        device: feature
        for device, section in answer.each("features ").items()
        if (feature := parse_features(section.text).get(FEATURE)) is not None
    }
    drivers = answer.each("driver ").items()
    return TableState(
        platform=platform,
        table=listing,
        flowtables=tuple(parse_flowtables(listing)) if listing else (),
        files=read_files(answer),
        links=frozenset(answer.require("links").text.split()),
        drivers={device: parse_driver(section.text) for device, section in drivers if section.rc == 0},
        features=features,
        probes=answer.each("probe "),
        service=read_service_state(platform.init, answer, "ruleset"),
        change=parse_change(answer.text("change")),
        whole=_listing(answer, "table_whole") or "",
        old_table=_listing(answer, "old_table"),
        software_table=_listing(answer, "software_table"),
        unreadable=complaint.strip(),
        kept=kept_ids(answer.lines("kept")),
        ssh_ports=_parse_ports(answer.lines("ssh_ports")),
    )


def _listing(answer: Answer, name: str) -> str | None:
    """A listing to its last line end, which the section protocol leaves out; None where nft listed nothing."""
    return answer.text(name) + "\n" if answer.ok(name) else None


def _parse_ports(lines: Sequence[str]) -> tuple[int, ...]:
    """Lines with one port each -> the ports, each once and in order; what is none is left out."""
    numbers = dict.fromkeys(parse_count(line) or 0 for line in lines)
    return tuple(number for number in numbers if 0 < number < 65536)
