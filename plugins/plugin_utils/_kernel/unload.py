# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which kernel modules can be unloaded again, and in what order. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .._observe.parse.modules import LoadedModule
from .._observe.state import FLOWTABLE_MODULES


def add_modules_on_top(brought: Iterable[str], live: Mapping[str, LoadedModule]) -> set[str]:
    """The modules brought, with what the kernel loaded on top of them when rules asked for it.

    That is nft's expressions (nft_ct, nft_masq) and what those alone use (nf_nat). Others that came on top, such as
    nf_conntrack_ftp, were loaded by somebody on purpose and work without being referenced.
    """
    found = set(brought)

    def came_along(name: str) -> bool:
        on_top = any(name in live[below].users for below in found if below in live)
        users = live[name].users
        return on_top and (name.startswith("nft_") or (bool(users) and users <= found))

    while more := {name for name in live if name not in found and came_along(name)}:
        found |= more
    return found


def plan_unloading(brought: Iterable[str], live: Mapping[str, LoadedModule]) -> tuple[list[str], dict[str, str]]:
    """(modules to unload, in order; module that stays -> why): one is free once all that use it were unloaded."""
    left = {name for name in brought if name in live}
    order: list[str] = []
    while free := sorted(n for n in left if live[n].references == len(live[n].users & set(order))):
        order += free
        left -= set(free)
    others = {name: sorted(live[name].users - set(order)) for name in sorted(left)}
    return order, {name: f"used by {', '.join(users)}" if users else "in use" for name, users in others.items()}


def predict_references(
    live: Mapping[str, LoadedModule], own: str, tables: Collection[str], flowtables: Collection[str]
) -> dict[str, LoadedModule]:
    """The loaded modules as they will be once our table is gone, of all ``tables`` and those that hold ``flowtables``.

    The kernel does not report who holds a reference: those to a module count as ours when no other table can hold it.
    """
    if own not in tables:
        return dict(live)
    others = set(tables) - {own}
    freed = set(live) if not others else set(FLOWTABLE_MODULES) if not set(flowtables) & others else set()
    return dict(live) | {name: LoadedModule(len(live[name].users), live[name].users) for name in freed & set(live)}
