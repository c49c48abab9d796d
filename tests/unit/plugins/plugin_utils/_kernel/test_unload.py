# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modules can go again."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._kernel.unload import add_modules_on_top, plan_unloading
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.modules import LoadedModule
from hypothesis import given
from hypothesis import strategies as st


def test_what_rules_loaded_on_top_goes_too() -> None:
    live = {
        "nf_conntrack": LoadedModule(4, frozenset({"nft_ct", "nf_nat", "nft_masq", "nf_conntrack_ftp"})),
        "nf_tables": LoadedModule(2, frozenset({"nft_ct", "nft_masq"})),
        "nf_nat": LoadedModule(1, frozenset({"nft_masq"})),
        "nft_ct": LoadedModule(0),
        "nft_masq": LoadedModule(0),
        "nf_conntrack_ftp": LoadedModule(0),
        "nft_alone": LoadedModule(0),
    }
    brought = {"nf_conntrack", "nf_tables"}
    assert add_modules_on_top(brought, live) == {*brought, "nft_ct", "nft_masq", "nf_nat"}
    assert add_modules_on_top({"nf_conntrack_ftp"}, live) == {"nf_conntrack_ftp"}
    order, kept = plan_unloading(add_modules_on_top(brought, live), live)
    assert set(order) == {"nf_tables", "nft_ct", "nft_masq", "nf_nat"}
    assert kept == {"nf_conntrack": "used by nf_conntrack_ftp"}


MODULES = st.sets(st.sampled_from("abcdefgh"))


@given(MODULES, st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(MODULES, st.integers(0, 1))))
def test_only_free_modules_are_unloaded_and_in_order(brought: set[str], told: dict[str, tuple[set[str], int]]) -> None:
    live = {
        name: LoadedModule(len(users - {name}) + more, frozenset(users - {name}))
        for name, (users, more) in told.items()
    }
    order, kept = plan_unloading(brought, live)
    assert set(order) | set(kept) == brought & set(live)
    assert not set(order) & set(kept)
    for position, name in enumerate(order):
        assert live[name].references == len(live[name].users & set(order[:position]))
    for name in kept:
        assert live[name].references > len(live[name].users & set(order))
