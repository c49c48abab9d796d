# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered firewalls: word for word, as nft takes them, as the module ruleset loads them and as verify reads them."""

from __future__ import annotations

import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.filter.router_ruleset import router_ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import (
    normalise_listing,
    parse_objects,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.rules import parse_rules
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    DesiredTable,
    kept_objects,
    require_own_table,
    transactions,
)

from tests.unit.helpers.firewalls import GOLDEN, NAMES, NFT, golden, needs_namespaces, nft, rendered, without_flowtable
from tests.unit.helpers.walks import traverse

SCRIPTS = Path(__file__).resolve().parents[5] / "plugins/plugin_utils/sh"


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    assert golden(name) == (GOLDEN / f"{name}.nft").read_text()
    assert golden(name) == golden(name)


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
@pytest.mark.parametrize("name", NAMES)
def test_nft_takes_it(name: str, program: str) -> None:
    done = nft(without_flowtable(golden(name)), program, "-c")
    assert done.returncode == 0, done.stderr


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("keep", [True, False])
def test_the_module_loads_it_and_loads_it_again(name: str, program: str, keep: bool, tmp_path: Path) -> None:
    """Each time in one transaction, as the module ruleset writes it, and with what sets hold or without."""
    text = golden(name)
    require_own_table(text, "inet", "nft_offload", "here")
    wanted = DesiredTable("inet", "nft_offload", without_flowtable(text), ())
    kept = kept_objects(*[wanted.boot_text()] * 4) if keep else frozenset()
    assert bool(kept) is (keep and name != "overlay")
    first = transactions(wanted, (), None, ())
    second = transactions(wanted, (), parse_objects(wanted.content), (), kept)
    assert len(first) == len(second) == 1
    (tmp_path / "first").write_text(first[0])
    (tmp_path / "second").write_text(second[0])
    steps = " && ".join(f"{program} -f {tmp_path}/{each}" for each in ("first", "second", "second"))
    done = subprocess.run(["unshare", "-n", "sh", "-c", steps], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "flush ruleset" not in first[0] + second[0]


# Elements that rules would have added by then, in sets that fill themselves
FILL = r"""
for set in $($NFT list sets | sed -n 's/^\tset \(limit_.*_v4\) {/\1/p'); do
  $NFT add element inet nft_offload $set '{ 192.0.2.1 limit rate 10/minute burst 5 packets }'
done
for set in $($NFT list sets | sed -n 's/^\tset \(connections_.*_v4\) {/\1/p'); do
  $NFT add element inet nft_offload $set '{ 192.0.2.1 ct count 5 }'
done
"""
LIST = "list() { $NFT -s $1 list table inet nft_offload; }; list"


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
@pytest.mark.parametrize("name", NAMES)
def test_a_router_can_go_back_to_it(name: str, program: str, tmp_path: Path) -> None:
    """A change that is undone loads what nft listed before it."""
    steps = f"$NFT -f - || exit\n{LIST} -t >loaded\n{FILL}{LIST} -t >filled; {LIST} >before &&"
    steps += f"$NFT delete table inet nft_offload && $NFT -f before && {LIST} >after"
    command = ["unshare", "-n", "env", f"NFT={program}", "sh", "-c", steps]
    text = without_flowtable(golden(name))
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    loaded, filled = (normalise_listing((tmp_path / file).read_text()) for file in ("loaded", "filled"))
    assert loaded == filled, "elements that came are no change by hand"
    before, after = (re.sub(r" expires \w+", "", (tmp_path / file).read_text()) for file in ("before", "after"))
    assert before == after
    assert before.count("192.0.2.1 ") == (2 if name == "everything" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_verify_finds_the_rule_that_feeds_the_flowtable(name: str) -> None:
    unknown: list[str] = []
    (rule,) = parse_rules(golden(name), unknown)
    assert (rule.flowtable, unknown) == ("ft", [])
    assert "surely" in {one.shown for one in traverse(golden(name)).judged}
    assert (rule.protocols, rule.conditions) == (frozenset({"tcp", "udp"}), "")


@needs_namespaces
@pytest.mark.parametrize("name", NAMES)
def test_verify_reads_it_as_the_router_lists_it(name: str) -> None:
    """With the flowtable written into the listing: this machine's kernel may have none."""
    command = ["unshare", "-n", "sh", "-c", "nft -f - && nft -s -t list ruleset"]
    text = without_flowtable(golden(name))
    listing = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    listing = re.sub(r"^(\t\t(?:[^\n]* )?)counter$", r"\1flow add @ft", listing, flags=re.MULTILINE)
    head, rest = listing.split("{\n", 1)
    listing = f"{head}{{\n\tflowtable ft {{\n\t\thook ingress priority filter\n\t}}\n\n{rest}"
    reduce = ["sh", "-c", f". {SCRIPTS / 'read/nftables.sh'}; _reduce"]
    reduced = subprocess.run(reduce, input=listing, capture_output=True, text=True, check=True).stdout
    (rule,) = parse_rules(reduced)
    assert rule.flowtable == "ft"
    assert len(reduced) < 6000, "a large firewall is not sent whole"


def test_nothing_invalid_is_offloaded() -> None:
    """The rule stands after the one that drops invalid packets and before the one that accepts the others."""
    lines = [line.strip() for line in golden("small").splitlines()]
    feeding = next(number for number, line in enumerate(lines) if "flow add" in line)
    assert lines[feeding - 1].startswith("ct state invalid ") and lines[feeding - 1].endswith(" drop")
    assert lines[feeding + 1] == "ct state { established, related } accept"


def test_each_part_names_its_variable() -> None:
    text = golden("everything")
    for key in ("input[0]", "forward[1]", "port_forwards[2]", "source_nat[1]", "sets[1]", "maps[0]", "extra[0].rules"):
        assert f"# flow_offload_router.{key}" in text
    assert "# flow_offload_exclude[5]: packets 20" in text
    assert "# zone lan: lan0, lan1" in text


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=ascii)
def test_a_text_is_a_rule_a_line(end: str) -> None:
    """As YAML's block scalars are: no comma ends a rule, and no comment becomes one."""
    lines = ["# nothing may drop, accept", "tcp dport { 22, 80 } jump own", "", "ct state established,related accept"]
    zones = [{"name": "lan", "devices": ["lan0"]}]
    extra = {"place": "input", "rules": end.join([*lines, ""])}
    text = router_ruleset({"zones": zones, "extra": [extra]})
    assert text == router_ruleset({"zones": zones, "extra": [{**extra, "rules": lines}]})
    assert "".join(f"\t\t{line}\n" if line else "\n" for line in lines) in text


@needs_namespaces
def test_100000_prefixes_load_in_seconds() -> None:
    dice = random.Random(1)
    prefixes = [
        f"{dice.randrange(1, 224)}.{dice.randrange(256)}.{dice.randrange(256)}.0/24" for _number in range(80_000)
    ]
    prefixes += [f"2001:db8:{dice.randrange(65536):x}:{dice.randrange(65536):x}::/64" for _each in range(40_000)]
    router = {
        "zones": [{"name": "lan", "devices": ["lan0"], "services": ["ssh"]}, {"name": "wan", "devices": ["wan0"]}],
        "sets": [{"name": "listed", "file": "listed.txt"}],
        "blocklists": [{"set": "listed", "from": ["wan"], "to": ["wan"]}],
    }
    started = sum(os.times()[:4])
    text = rendered({"flow_offload_router": router}, {"listed.txt": "\n".join(prefixes)})
    assert text.count("/24,") + text.count("/64,") > 100_000
    done = nft(without_flowtable(text))
    assert done.returncode == 0, done.stderr
    assert sum(os.times()[:4]) - started < 20, "seconds of CPU, nft's too"
