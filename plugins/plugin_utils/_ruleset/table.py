# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The text of our table: what a user may write in it, and the transaction from the live one to it. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import OffloadError
from .._core.names import SOFTWARE_DEVICES, expand, stands_for
from .._core.nft_tokens import Token, join_tokens, require_readable
from .._observe.parse.boot import HEADER, MARK
from .._observe.parse.nft import parse_statements
from .._observe.state import Flowtable

REMOVAL_ORDER = (
    "map",
    "set",
    "chain",
    "counter",
    "quota",
    "limit",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "synproxy",
    "secmark",
)
"""kinds of objects in the order in which they can be deleted once the rules, which may name any of them, are flushed:
maps may name chains and objects. The guard, which has to do without the controller, has the same list."""


@dataclass(frozen=True)
class DesiredFlowtable:
    """A flowtable as it should be; whether in hardware was decided before."""

    name: str
    devices: tuple[str, ...]
    hardware: bool
    counter: bool = False
    priority: int = 0
    """of its hook"""

    @property
    def hook(self) -> str:
        """The statement about its hook, in nft's words."""
        return f"hook ingress priority {self.priority};"

    @property
    def options(self) -> str:
        """The statements beside the devices, in nft's words."""
        return ("flags offload; " if self.hardware else "") + ("counter; " if self.counter else "")


@dataclass(frozen=True)
class _Table:
    family: str
    name: str

    @property
    def path(self) -> str:
        """Family and name, as nft reads them."""
        return f"{self.family} {self.name}"

    def attach(self, flowtable: DesiredFlowtable, device: str) -> str:
        """The nft command that adds a device; it must repeat hook and flags, or the kernel refuses it."""
        return (
            f"add flowtable {self.path} {flowtable.name}"
            f' {{ {flowtable.hook} devices = {{ "{device}" }}; {flowtable.options}}}'
        )

    def detach(self, flowtable: DesiredFlowtable, device: str) -> str:
        """The nft command that removes one device and leaves the others alone."""
        return (
            f"delete flowtable {self.path} {flowtable.name}"
            f' {{ {flowtable.hook} devices = {{ "{device}" }}; {flowtable.options}}}'
        )


SOFTWARE_HEAD = "# What hardware does not take. In a table of its own: within one, a device can be in one flowtable."
"""the line of the file for boot with which the text of the second table begins"""
SOFTWARE_PRIORITY = 10
"""of its flowtables' hooks: after those in hardware, where most packets are found at the first look"""


@dataclass(frozen=True)
class SoftwareTable(_Table):
    """The table for devices that hardware does not take, beside ours with a hardware flowtable.

    ``content`` is the user's text for it, without flowtables, and with the devices in the place of SOFTWARE_DEVICES.
    """

    content: str
    flowtables: tuple[DesiredFlowtable, ...]
    marked: bool = False

    def head(self) -> str:
        """The lines before the user's text: the table anew, in the place of one that is there."""
        start = f"table {self.path}\ndelete table {self.path}\n"
        return f"{SOFTWARE_HEAD}\n{start}{_declare(self.path, self.flowtables, self.marked)}"

    def text(self) -> str:
        """What boot loads: every flowtable, no device."""
        return self.head() + _load_form(self.content)


def name_devices(content: str, devices: Sequence[str]) -> str:
    """The user's text for the second table with these devices in the place of SOFTWARE_DEVICES."""
    named = ", ".join(f'"{device}"' for device in devices)
    return content.replace(SOFTWARE_DEVICES, named if len(devices) == 1 else f"{{ {named} }}")


def _declare(path: str, flowtables: Sequence[DesiredFlowtable], marked: bool, flush: str = "") -> str:
    """The lines that make a table with its flowtables, without devices; ``flush`` empties one that is there."""
    lines = "".join(
        f"\tflowtable {flowtable.name} {{ {flowtable.hook} {flowtable.options}}}\n" for flowtable in flowtables
    )
    mark = f" {{ {MARK}; }}" if marked else ""
    return f"table {path}{mark}\n{flush}table {path} {{\n{lines}}}\n"


@dataclass(frozen=True)
class DesiredTable(_Table):
    """Our table as it should be. ``content`` is the user's text, without flowtables."""

    content: str
    flowtables: tuple[DesiredFlowtable, ...]
    marked: bool = False
    """whether the table is made with our mark. Only its first statement can: a table that is there takes no comment"""
    software: SoftwareTable | None = None
    """the second table, where there is one: it is loaded, confirmed and undone together with ours"""

    def head(self) -> str:
        """The lines before the user's text: an empty start that is safe to load again, then the flowtables."""
        flush = f"flush table {self.path}\n"
        return f"{HEADER}\n{_declare(self.path, self.flowtables, self.marked, flush)}"

    def boot_text(self) -> str:
        """What boot loads: every flowtable, no device (an absent one would fail the whole file up to Linux 6.15)."""
        return self.head() + _load_form(self.content) + (self.software.text() if self.software else "")

    def attachments(self) -> str:
        """Text of paths.DEVICES, for boot and re-plug: a line 'DEVICE COMMAND' for each device of each flowtable."""
        return "".join(
            f"{device} {table.attach(flowtable, device)}\n"
            for table in (self, *((self.software,) if self.software else ()))
            for flowtable in table.flowtables
            for device in flowtable.devices
        )


def require_own_table(content: str, family: str, table: str, where: str) -> None:
    """Raise OffloadError where ``content`` is anything but blocks of the task's own table, and definitions.

    Flowtables are declared by an option. ``where`` names the text in the error. What ``require_readable`` refuses is
    refused too; nft itself checks the rest.
    """
    written = f"table {family} {table}"
    own = [written.split(), *([["table", table]] if family == "ip" else [])]
    seen = False

    def judge(statement: Sequence[Token]) -> None:
        """One statement outside of the table; of its blocks only the braces are there."""
        nonlocal seen
        words = [token.text for token in statement]
        if words[:1] != ["table"]:
            if words and words[0] not in ("define", "redefine", "undefine"):
                raise _outside(statement, written, where)
            return
        head = words.index("{") if "{" in words else len(words)
        if words[:head] not in own:
            raise OffloadError(
                f"{where}, line {statement[0].line}: {_shorten(statement[:head])!r} is not the table that this task "
                "owns",
                f"name it '{written}', or set the options family and table",
            )
        if behind := statement[head + len("{}") :]:
            raise _outside(behind, written, where)
        seen = True

    depth = 0
    statement: list[Token] = []
    begins = True
    for token in require_readable(_load_form(content), where):
        depth -= token.text == "}"
        if depth == 0 and token.text in {";", "\n"}:
            judge(statement)
            statement = []
        elif depth == 0:
            statement.append(token)
            if token.text == "{":
                judge(statement)
        elif depth == 1 and begins and token.text == "flowtable" and statement[0].text == "table":
            raise OffloadError(
                f"{where}, line {token.line}: the text declares a flowtable itself",
                "leave it out of the text and declare it with the option flowtables",
            )
        begins = token.text in {"{", "}", ";", "\n"}
        depth += token.text == "{"
    judge(statement)
    if not seen:
        raise OffloadError(f"{where}: there is no table in the text", f"write '{written} {{ ... }}'")


def _outside(statement: Sequence[Token], written: str, where: str) -> OffloadError:
    return OffloadError(
        f"{where}, line {statement[0].line}: {_shorten(statement)!r} stands outside of the table",
        f"put it inside of '{written} {{ ... }}'; other tables are never touched",
    )


def _shorten(statement: Sequence[Token]) -> str:
    """As many of its first characters as an error needs."""
    return join_tokens(statement[:20])[:100]


def _load_form(content: str) -> str:
    """A user's text as it is put between ours: it ends in one line feed."""
    return content.rstrip("\n") + "\n"


def transactions(
    desired: DesiredTable,
    present: Collection[str],
    live: Mapping[str, Sequence[str]] | None,
    live_flowtables: Sequence[Flowtable],
    kept: Collection[tuple[str, str]] = (),
) -> list[str]:
    """The nft texts that turn the live table into the desired one, each all or nothing; the first holds every rule.

    ``present`` are the devices that exist now; ``live`` holds the names of the live table's objects by kind, None where
    there is no table; ``kept`` are (kind, name) of those that stay with what they hold. A flowtable that stays as it is
    stays in place with its devices: a driver built on flow_block_cb_setup_simple cannot take a second one while the
    first is bound, and every flow would be torn down. For the same reason a device that goes from one hardware
    flowtable to another one has to leave first, in a transaction of its own.
    """
    lines: list[str] = []
    if live is not None:
        lines.append(f"flush table {desired.path}")
        lines += [
            f"delete {kind} {desired.path} {name}"
            for kind in REMOVAL_ORDER
            for name in live.get(kind, ())
            if (kind, name) not in kept
        ]
        staying = {flowtable.name for flowtable in desired.flowtables if _stays(flowtable, live_flowtables)}
        lines += [f"delete flowtable {desired.path} {old.name}" for old in live_flowtables if old.name not in staying]
    text = "".join(f"{line}\n" for line in lines) + desired.boot_text()
    joining, leaving = device_changes(desired, present, live_flowtables)
    leaving_first = {
        device
        for old in live_flowtables
        for device in old.devices
        for flowtable in desired.flowtables
        if flowtable.name != old.name and any(stands_for(listed, device) for listed in flowtable.devices)
        if (flowtable.hardware and old.hardware) or any(old.name == stays.name for stays in desired.flowtables)
    }
    if any(device in leaving_first for _line, device in joining):
        return [text + leaving, "".join(f"{line}\n" for line, _device in joining)]
    return [text + "".join(f"{line}\n" for line, _device in joining) + leaving]


def _stays(desired: DesiredFlowtable, live: Sequence[Flowtable]) -> bool:
    return any(old.name == desired.name and old.hardware == desired.hardware for old in live)


def device_changes(
    desired: DesiredTable | SoftwareTable, present: Collection[str], live: Sequence[Flowtable]
) -> tuple[list[tuple[str, str]], str]:
    """(command, device) for each device that is missing, and the text that removes those too many.

    Each command touches its device only.
    """
    joining: list[tuple[str, str]] = []
    leaving = ""
    for flowtable in desired.flowtables:
        held = [
            d for old in live if old.name == flowtable.name and old.hardware == flowtable.hardware for d in old.devices
        ]
        lacking = [device for device in expand(flowtable.devices, present) if device not in held]
        staying = {d for d in held if any(stands_for(listed, d) for listed in flowtable.devices)}
        joining += [(desired.attach(flowtable, device), device) for device in lacking]
        leaving += "".join(f"{desired.detach(flowtable, d)}\n" for d in held if d not in staying)
    return joining, leaving


HOLDERS = ("set", "map", "counter", "quota")
"""kinds that hold what came at run time"""
OBJECTS = frozenset({"verdict", "counter", "quota", "limit", "synproxy", "secmark", "helper", "timeout", "expectation"})
"""words in a map's type that make its elements name other objects"""


def _declarations(text: str) -> dict[tuple[str, str], tuple[tuple[str, ...], ...]]:
    """(kind, name) of HOLDERS -> the words of each statement in it. Definitions count as part of what names one."""
    found: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    defined: list[tuple[str, ...]] = []
    for statement in parse_statements(text):
        if statement.kind in HOLDERS:
            found.setdefault((statement.kind, statement.name), []).append(statement.words)
        elif not statement.table:
            defined.append(statement.words)
    return {
        key: tuple([*words, *(defined if any("$" in word for line in words for word in line) else ())])
        for key, words in found.items()
    }


def kept_objects(old: str, new: str, recorded: str, live: str) -> frozenset[tuple[str, str]]:
    """(kind, name) of the sets, maps, counters and quotas that stay in place with what they hold.

    Those are declared in the ``new`` text as they were in the ``old`` one, and ``live`` as they were ``recorded`` right
    after that one was loaded. A map that leads to chains or to objects does not stay: those could not be replaced.
    """
    before, after = _declarations(old), _declarations(new)
    loaded, now = _declarations(recorded), _declarations(live)
    return frozenset(
        key
        for key, words in after.items()
        if before.get(key) == words
        and key in now
        and now[key] == loaded.get(key)
        and not (key[0] == "map" and OBJECTS & {word.strip(":") for line in words for word in line})
    )
