# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Does one part of a description take all that another one is about, so that it is shadowed? Pure: no I/O.

A set counts as what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import elements, services
from .elements import Line, Span
from .model import Declared, Hosts
from .services import Port


class Shadowing:
    """Compares ports and addresses. It knows the declared sets, and reads each once, when it is first needed."""

    def __init__(self, declared: Iterable[Declared]) -> None:
        self.declared = {one.name: one for one in declared}
        self.spans: dict[str, list[Span]] = {}

    def _set(self, name: str) -> list[Span]:
        if name not in self.spans:
            declared = self.declared[name]
            read = services.read_span if declared.type == "inet_service" else _span
            self.spans[name] = [read(element, declared.where) for element in declared.elements]
        return self.spans[name]

    def _spans(self, port: Port) -> list[Span]:
        return self._set(port.named) if port.named else [(port.low, port.high)]

    def overlap(self, one: Iterable[Port], other: Iterable[Port]) -> bool:
        """Is there a port in both?"""
        other = tuple(other)
        return any(
            a.protocol == b.protocol
            and any(x[0] <= y[1] and y[0] <= x[1] for x in self._spans(a) for y in self._spans(b))
            for a in one
            for b in other
        )

    def covers_ports(self, wide: Sequence[Port], narrow: Sequence[Port]) -> bool:
        """Does ``wide`` have all ports of ``narrow``? No ports mean every one."""
        if not wide or not narrow:
            return not wide
        spans: dict[str, list[Span]] = {}
        for port in wide:
            spans.setdefault(port.protocol, []).extend(self._spans(port))
        return all(port in wide or _within(self._spans(port), spans.get(port.protocol, [])) for port in narrow)

    def covers_hosts(self, wide: Hosts | None, narrow: Hosts | None, family: str) -> bool:
        """Does ``wide`` have all addresses of ``narrow``? None means everyone."""
        if wide is None or narrow is None:
            return wide is None
        spans = [span for value in wide.get(family, ()) for span in self._values(value)]
        return all(
            value in wide.get(family, ()) or _within(self._values(value), spans) for value in narrow.get(family, ())
        )

    def _values(self, value: str) -> list[Span]:
        """What stands in an address match: ``192.0.2.1``, ``{ a, b }``, ``@name4``. A mask has no spans."""
        if value.startswith("@"):
            return self._set(value[1:])
        if value.startswith("& "):
            return []
        return [_span(item, "") for item in value.strip("{ }").split(", ")]


def _span(text: str, where: str) -> Span:
    return elements.address_span(Line(text, where))[1]


def _within(narrow: Sequence[Span], wide: Iterable[Span]) -> bool:
    """Not for a set that holds nothing: it is there to be filled on the router."""
    return bool(narrow) and elements.is_inside(narrow, wide)
