# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a description must not hold: each is refused, with the key that is wrong and a remedy."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.kmod.nft_offload.plugins.filter.overlay_ruleset import overlay_ruleset
from ansible_collections.kmod.nft_offload.plugins.filter.router_restricted_pairs import router_restricted_pairs
from ansible_collections.kmod.nft_offload.plugins.filter.router_ruleset import router_ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.names import KEYWORD

from tests.unit.helpers.firewalls import NFT, needs_namespaces, nft

GOOD: dict[str, Any] = {
    "zones": [
        {"name": "lan", "devices": ["lan0"], "services": ["ssh"]},
        {"name": "wan", "devices": ["wan0"], "masquerade": True, "services": ["https"]},
        {"name": "dmz", "devices": ["dmz0"]},
    ],
    "sets": [{"name": "some", "elements": ["192.0.2.0/24"]}, {"name": "web", "type": "ports", "elements": ["80"]}],
    "maps": [{"name": "marks", "key": "ipv4", "value": "mark", "elements": [{"key": "10.0.0.0/8", "value": "1"}]}],
}
FORWARD = {"name": "mail", "from": ["wan"], "to": "dmz", "port": "25", "ipv4": "10.0.0.2"}
RULE = {"from": ["lan"], "to": ["wan"]}

WRONG = yaml.safe_load(Path(__file__).with_name("refused.yml").read_text())
FILES = {"list.txt": "# a list\n192.0.2.1 ; first\nnonsense\n", "backslash.nft": "accept\r\n# note \\\r\naccept\n"}


def test_what_they_are_made_from_is_good() -> None:
    assert "flow add @ft" in router_ruleset(GOOD, login=["ssh"])
    assert "dnat ip to 10.0.0.2" in router_ruleset({**GOOD, "port_forwards": [FORWARD], "forward": [RULE]})


@pytest.mark.parametrize("case", WRONG, ids=[f"{number}-{case['key']}" for number, case in enumerate(WRONG)])
def test_refused(case: dict[str, Any]) -> None:
    wrong = copy.deepcopy(GOOD) | {case["key"]: case["value"]} | case.get("more", {})
    with pytest.raises(AnsibleFilterError, match=case["says"]) as caught:
        router_ruleset(wrong, files=FILES, login=["ssh"])
    assert "Remedy: " in str(caught.value)


def test_blanks_between_the_items_of_a_text() -> None:
    rule = {"from": "lan, dmz", "to": "wan", "services": "dns , udp/123", "sources": "@some, 198.51.100.7"}
    split = {key: [item.strip() for item in value.split(",")] for key, value in rule.items()}
    assert router_ruleset(GOOD | {"forward": [rule]}) == router_ruleset(GOOD | {"forward": [split]})
    assert overlay_ruleset([{"marks": "1, 2"}]) == overlay_ruleset([{"marks": ["1", "2"]}])


@pytest.mark.parametrize("text", ["192.0.2.1\r\n", "# a list\n192.0.2.1\n"])
def test_a_file_may_begin_with_the_mark_of_utf_8(text: str) -> None:
    router = GOOD | {"sets": [*GOOD["sets"], {"name": "bad", "file": "bad.txt"}]}
    mine = {"extra": [{"place": "input", "file": "bad.txt"}]}
    assert "elements = { 192.0.2.1 }" in router_ruleset(router, files={"bad.txt": f"\ufeff{text}"})
    assert "\ufeff" not in router_ruleset(GOOD | mine, files={"bad.txt": f"\ufeff{text}"})


def test_a_port_forward_that_a_rule_refuses() -> None:
    refusing = {"from": ["wan"], "to": ["dmz"], "action": "drop"}
    wrong = GOOD | {"forward": [refusing], "port_forwards": [FORWARD]}
    with pytest.raises(AnsibleFilterError, match=r"port_forwards\[0\] is never reached: .*forward\[0\] refuses"):
        router_ruleset(wrong)


@pytest.mark.parametrize(
    ("exclude", "error"),
    [
        ([{}], r"flow_offload_exclude\[0\]: it excludes nothing"),
        ([{"service": ["dns"]}], r"no option 'flow_offload_exclude\.service'.*did you mean 'services'"),
        ([{"services": ["telephony"]}], r"flow_offload_exclude\[0\]\.services: unknown service in telephony"),
        ([{"services": ["ping"]}], r"flow_offload_exclude\[0\]\.services: ping is never offloaded anyway"),
        ([{"addresses": ["somewhere"]}], r"flow_offload_exclude\[0\]\.addresses: 'somewhere' is not an address"),
        ([{"addresses": ["@some"]}], r"flow_offload_exclude\[0\]\.addresses: only .*router has sets"),
        ([{"zones": ["lan"]}], r"flow_offload_exclude\[0\]\.zones: only .*router has zones"),
        ([{"devices": ["a b"]}], r"flow_offload_exclude\[0\]\.devices: a device's name was expected"),
        ([{"marks": ["red"]}], r"flow_offload_exclude\[0\]\.marks: 'red' is not a mark"),
        ([{"marks": ["0x10/0x0f"]}], r"flow_offload_exclude\[0\]\.marks: '0x10/0x0f' has bits outside of its mask"),
        ([{"dscp": ["high"]}], r"flow_offload_exclude\[0\]\.dscp: a class such as ef"),
        ([{"services": ["tcp/@web"]}], r"flow_offload_exclude\[0\]\.services: only .*router has sets \(@web\)"),
        ([{"addresses": ["10.0.0.0/24\n"]}], r"flow_offload_exclude\[0\]\.addresses: .* is not an address"),
        ([{"marks": ["0x10\n"]}], r"flow_offload_exclude\[0\]\.marks: .* is not a mark"),
        ([{"marks": ["0/0"]}], r"flow_offload_exclude\[0\]\.marks: '0/0' fits every mark"),
        ([{"packets": 0}], r"flow_offload_exclude\[0\]"),
        ([{"devices": ["*"]}], r"flow_offload_exclude\[0\]\.devices: a device's name was expected"),
        ([{"devices": ["wg+"]}], r"flow_offload_exclude\[0\]\.devices: 'wg\+' looks like a pattern"),
        (["sip"], r"flow_offload_exclude\[0\]: a dictionary was expected, not 'sip'"),
        ({"services": ["sip"]}, r"flow_offload_exclude: a list was expected, not \{'services'"),
        (None, r"flow_offload_exclude: a list was expected, not None"),
    ],
)
def test_refused_exclusions(exclude: Any, error: str) -> None:
    with pytest.raises(AnsibleFilterError, match=error) as caught:
        overlay_ruleset(exclude)
    assert "Remedy: " in str(caught.value)


def test_exclusions_of_a_router_know_its_names() -> None:
    text = router_ruleset(GOOD, exclude=[{"zones": ["dmz"], "addresses": ["@some"], "services": ["tcp/@web"]}])
    assert 'meta l4proto tcp ct original proto-dst @web ip daddr @some4 oifname "dmz0" return' in text
    parted = GOOD | {"zones": [*GOOD["zones"], {"name": "iot", "devices": ["dmz0"], "subnets": ["10.66.0.0/24"]}]}
    with pytest.raises(
        AnsibleFilterError, match=r"exclude\[0\]\.zones: iot has only a part of its devices.*in addresses"
    ):
        router_ruleset(parted, exclude=[{"zones": ["iot"]}])
    with pytest.raises(AnsibleFilterError, match=r"flow_offload_exclude\[0\]\.zones names dxz, but the zones are"):
        router_ruleset(GOOD, exclude=[{"zones": ["dxz"]}])


@pytest.mark.parametrize(
    "good",
    [
        {"zones": [*GOOD["zones"], {"name": "own", "devices": ["own0"], "services": ["tcp/@web"]}]}
        | {"port_forwards": [{**FORWARD, "from": "own", "port": "8080"}]},
        {"port_forwards": [{**FORWARD, "sources": ["@some"]}, FORWARD]},
        {
            "services": [{"name": "pages", "ports": ["tcp/@web", "udp/443"]}],
            "input": [{"from": "lan", "services": "pages"}],
        },
        {"port_forwards": [{**FORWARD, "port": "22", "hairpin": ["lan"]}]},
        {"input": [{"from": "wan", "services": "ssh", "sources": ["192.0.2.1"]}]}
        | {"port_forwards": [{**FORWARD, "port": "22", "sources": ["198.51.100.1"]}]},
        {"input": [{"from": "wan", "services": ["ntp"], "family": each} for each in ("ipv4", "ipv6")]},
        {
            "sets": [{"name": "later"}, {"name": "web", "type": "ports"}],
            "forward": [{**RULE, "sources": ["10.0.0.0/8"]}],
        }
        | {"input": [{"from": "wan", "services": "ntp", "sources": [each]} for each in ("10.0.0.0/8", "@later")]},
    ],
    ids=str,
)
def test_what_goes_together(good: dict[str, Any]) -> None:
    assert "flow add @ft" in router_ruleset(GOOD | good, login=["ssh"])


def test_a_forwarded_login_is_no_way_in() -> None:
    """A rule that takes everything from some is behind the port forward; over IPv6 nothing is translated."""
    shell = {"name": "shell", "from": "wan", "to": "dmz", "port": "22", "ipv4": "10.0.0.2"}
    zones = [{"name": "wan", "devices": ["wan0"]}, {"name": "dmz", "devices": ["dmz0"]}]
    rule = {"from": "wan", "sources": ["192.0.2.0/24", "2001:db8::/32"]}
    with pytest.raises(AnsibleFilterError, match="no zone offers ssh"):
        router_ruleset({"zones": zones, "input": [rule], "port_forwards": [shell]}, login=["ssh"])
    router_ruleset({"zones": zones, "input": [{**rule, "family": "ipv6"}], "port_forwards": [shell]}, login=["ssh"])


def test_a_log_prefix_fits_in_bytes() -> None:
    rule = {"from": "wan", "services": "ntp", "log": True, "comment": "ü" * 100}
    text = router_ruleset(GOOD | {"input": [rule]})
    (prefix,) = re.findall('log prefix "([^"]*)"', text)
    assert prefix == f"nft input 0 {'ü' * 54}: " and len(prefix.encode()) <= 127


@pytest.mark.parametrize("wrong", [None, "zones", 7, ["zones"]])
def test_another_kind_of_input_is_told(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="Remedy: "):
        router_ruleset(wrong)


def test_what_yaml_writes_for_false_is_false() -> None:
    """Ansible takes "no" for a bool and hands it on as it is."""
    zones = [{**GOOD["zones"][0], "masquerade": "no", "dhcp_client": "no"}]
    text = router_ruleset({"zones": zones})
    assert "masquerade" not in text and "DHCP" not in text


def test_login_on_another_port() -> None:
    zones = [{"name": "lan", "devices": ["lan0"], "services": ["tcp/2000-2100"]}]
    router_ruleset({"zones": zones}, login=["ssh", "tcp/2022"])
    with pytest.raises(AnsibleFilterError, match="no zone offers ssh or tcp/2222"):
        router_ruleset({"zones": zones}, login=["ssh", "tcp/2222"])
    router_ruleset({"zones": zones, "input": [{"from": ["lan"], "services": ["ssh"]}]}, login=["ssh"])
    with pytest.raises(AnsibleFilterError, match="no zone offers ssh"):
        refused = [{"from": ["lan"], "services": ["ssh"], "action": "drop"}]
        router_ruleset({"zones": zones, "input": refused}, login=["ssh"])


def test_restricted_pairs() -> None:
    """Every way but those that let everything through; here that from the LAN to the WAN, or none."""

    def is_open(**changes: Any) -> bool:
        ways = router_restricted_pairs(GOOD | changes)
        return ways != [{"from": [], "to": []}] and {"from": ["lan0"], "to": ["wan0"]} not in ways

    some = {"from": "lan", "to": "wan", "services": ["dns"]}
    assert is_open(forward=[RULE])
    assert is_open(forward=[some, RULE])
    assert is_open(zones=[{**zone, "forward": "accept"} for zone in GOOD["zones"]])
    assert not is_open()
    assert not is_open(forward=[some])
    assert not is_open(forward=[{**some, "action": "drop"}, RULE])
    assert not is_open(forward=[{**RULE, "limit": {"rate": "9/second"}}])
    assert not is_open(forward=[RULE], blocklists=[{"set": "some", "from": "wan"}])
    assert not is_open(forward=[RULE], zones=[{**zone, "bogons": True} for zone in GOOD["zones"]])
    iot = {"name": "iot", "devices": ["lan0"], "subnets": ["10.66.0.0/24"]}
    assert not is_open(forward=[RULE], zones=[*GOOD["zones"], iot])
    assert not is_open(forward=[{**RULE, "hours": "21:00-06:00"}])
    assert not is_open(forward=[RULE], extra=[{"place": "forward", "rules": ["drop"]}])
    with pytest.raises(AnsibleFilterError, match="zones is empty"):
        router_restricted_pairs({})


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
def test_what_is_not_refused_nft_takes(program: str) -> None:
    """Words of nft's grammar, as its own library holds them, for the name of a set of ports and of a counter."""
    libraries = [path for path in Path("/usr/lib").rglob("libnftables.so.1*") if not path.is_symlink()]
    found = {
        word.decode()
        for path in libraries
        for word in re.findall(rb"(?<![ -~])[a-z][a-z0-9]{1,15}(?=\0)", path.read_bytes())
    }
    assert "add" in found
    words = sorted(word for word in found if not KEYWORD.match(word))
    sets = "".join(f"set {word} {{ type inet_service; }}\ncounter {word} {{ }}\n" for word in words)
    rules = "".join(f'tcp dport @{word} counter name "{word}"\n' for word in words)
    done = nft(f"table inet t {{\n{sets}chain c {{\n{rules}}}\n}}\n", program, "-c")
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("name", ["mark", "offload", "flow"])
def test_a_set_of_addresses_may_have_any_name(name: str) -> None:
    """Its families are in it, so it is no word of nft's."""
    assert f"set {name}4 {{" in router_ruleset(GOOD | {"sets": [{"name": name}]})
