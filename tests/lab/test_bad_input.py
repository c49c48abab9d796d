# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input: a clear error names the router, the mistake and a remedy, and nothing changes on the router."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lab.router import Live
from tests.lab.rulesets import CONTENT, FLOWTABLE

pytestmark = pytest.mark.router("trixie/offload", "tools")


def check(router: Live, msg: str, *parts: str) -> None:
    """Assert that the message has the router's name and all parts in this order, and that the router is unchanged."""
    assert router.name in msg
    place = 0
    for part in parts:
        assert part in msg[place:], f"{part!r} is not in {msg[place:]!r}, the rest of {msg!r}"
        place = msg.index(part, place) + len(part)
    router.is_untouched()


# mistake -> (module, options, parts of the message)
OPTIONS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "unknown device in a flowtable": (
        "ruleset",
        {"content": CONTENT, "flowtables": [{"name": "ft", "devices": ["lan0", "wna0"]}]},
        ["option flowtables", "'wna0'", "Remedy", "did you mean 'wan0'?", "lan0, lo, mgmt0, wan0"],
    ),
    "unknown device of a feature": (
        "nic_features",
        {"devices": ["lan0", "eth7"]},
        ["option devices", "'eth7'", "Remedy", "lan0, lo, mgmt0, wan0"],
    ),
    "device without the feature": (
        "nic_features",
        {"devices": ["lan0"], "features": {"hw-tc-ofload": True}},
        ["option devices", "lan0", "labnic", "no feature hw-tc-ofload", "Remedy", "did you mean 'hw-tc-offload'?"],
    ),
    "device with the feature fixed": (
        "nic_features",
        {"devices": ["lan0", "mgmt0"]},
        ["hw-tc-offload of mgmt0 is fixed off", "virtio_net", "Remedy", "unsupported: skip"],
    ),
    "hardware where a NIC refuses": (
        "ruleset",
        {"content": CONTENT, "flowtables": [{"name": "ft", "devices": ["lan0", "mgmt0"], "offload": "hardware"}]},
        ["option flowtables", "mgmt0", "virtio_net", "Remedy", "offload: auto or software"],
    ),
    "misspelt option": ("nic_features", {"device": ["lan0"]}, ["'device'", "Remedy", "did you mean 'devices'?"]),
    "misspelt option of a flowtable": (
        "ruleset",
        {"content": CONTENT, "flowtables": [{**FLOWTABLE, "ofload": "auto"}]},
        ["flowtables.ofload", "Remedy", "did you mean 'offload'?"],
    ),
    "unknown choice": (
        "ruleset",
        {"content": CONTENT, "flowtables": [{**FLOWTABLE, "offload": "hardwear"}]},
        ["offload", "hardwear", "Remedy"],
    ),
    "two tables": (
        "ruleset",
        {"content": CONTENT + "table ip other {\n}\n", "flowtables": [FLOWTABLE]},
        ["option content, line 7", "table ip other", "Remedy"],
    ),
    "syntax error": (
        "ruleset",
        {"content": CONTENT.replace("flow add", "flow ad"), "flowtables": [FLOWTABLE]},
        ["option content, line 4", "syntax error", "flow ad @ft", "nothing was changed", "Remedy"],
    ),
    "unknown flowtable in a rule": (
        "ruleset",
        {"content": CONTENT.replace("@ft", "@fast"), "flowtables": [FLOWTABLE]},
        ["option content, line 4", "No such file or directory", "nothing was changed", "Remedy"],
    ),
    "packages that no source has": (
        "kernel_support",
        {"packages": ["nftables", "ethtool", "nft-no-such-package"]},
        ["nft-no-such-package", "Remedy"],
    ),
}


@pytest.mark.parametrize("what", OPTIONS)
def test_module(router: Live, what: str) -> None:
    module, options, parts = OPTIONS[what]
    task = router.module(module, **options)
    assert task.status == "failed"
    check(router, task.msg, *parts)


@pytest.mark.parametrize("what", ["syntax error", "unknown flowtable in a rule", "hardware where a NIC refuses"])
def test_check_mode_fails_alike(router: Live, what: str) -> None:
    module, options, parts = OPTIONS[what]
    task = router.module(module, check=True, **options)
    assert task.status == "failed"
    # a check run never changes anything, so its message leaves that out
    check(router, task.msg, *(part for part in parts if part != "nothing was changed"))


def test_the_refusing_device_is_in_the_result(router: Live) -> None:
    module, options, _parts = OPTIONS["hardware where a NIC refuses"]
    assert set(router.module(module, **options).result["refused"]) == {"mgmt0", "lan0"}, "lan0 has its feature off here"


ROLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "misspelt variable": (
        {"flow_offload_mod": "hardware"},
        ["flow_offload_mod.", "flow_offload_mode"],
    ),
    "unknown mode": ({"flow_offload_mode": "hardwear"}, ["flow_offload_mode", "hardwear", "disabled"]),
    "misspelt key of a zone": (
        {
            "flow_offload_ruleset": "router",
            "flow_offload_router": {"zones": [{"name": "lan", "devices": ["lan0"], "service": ["ssh"]}], "forward": []},
        },
        ["service"],
    ),
    "a firewall that shuts everyone out": (
        {
            "flow_offload_ruleset": "router",
            "flow_offload_router": {"zones": [{"name": "lan", "devices": ["lan0"]}], "forward": []},
        },
        ["flow_offload_router", "no zone offers ssh"],
    ),
    "a forward rule to nowhere": (
        {
            "flow_offload_ruleset": "router",
            "flow_offload_router": {
                "zones": [{"name": "lan", "devices": ["lan0"], "services": ["ssh"]}],
                "forward": [{"from": "lan", "to": ["wam"]}],
            },
        },
        ["flow_offload_router", "wam", "the zones are lan"],
    ),
    "hardware where a NIC refuses": (
        {"flow_offload_mode": "hardware", "flow_offload_devices": ["lan0", "mgmt0"]},
        ["mgmt0", "virtio_net", "Remedy"],
    ),
    "unknown device": (
        {"flow_offload_devices": ["lan0", "wna0"]},
        ["flow_offload_devices", "wna0", "lan0, lo, mgmt0, wan0"],
    ),
    "a missing template": (
        {"flow_offload_ruleset": "/nowhere/firewall.nft.j2"},
        ["/nowhere/firewall.nft.j2", "Remedy"],
    ),
}


@pytest.mark.parametrize("what", ROLE)
def test_role(router: Live, what: str) -> None:
    variables, parts = ROLE[what]
    run = router.role(**variables)
    assert run.code != 0
    failure = run.failure
    # Ansible's own check of an argument spec cannot name the router in its message; its output starts with the name
    msg = failure.msg if router.name in failure.msg else f"{router.name}: {failure.msg} {failure.result}"
    check(router, msg, *parts)


@pytest.mark.router("trixie/offload", "bare")
def test_role_rejects_an_unknown_device_before_it_installs_anything(router: Live) -> None:
    variables, parts = ROLE["unknown device"]
    check(router, router.role(**variables).failure.msg, *parts)


@pytest.mark.parametrize("module", ["ruleset", "role"])
def test_template_that_nft_rejects(router: Live, tmp_path: Path, module: str) -> None:
    template = tmp_path / "firewall.nft.j2"
    template.write_text(
        "{# a comment that is not rendered,\n   so lines differ #}\n"
        + CONTENT.replace("established", "{{ 'establishd' }}"),
        encoding="utf-8",
    )
    if module == "role":
        failure = router.role(flow_offload_ruleset=str(template)).failure
    else:
        failure = router.module("ruleset", src=str(template), flowtables=[FLOWTABLE])
    assert failure.status == "failed"
    check(router, failure.msg, f"template {template}, line 4 as rendered", "establishd", "Remedy")


@pytest.mark.router("trixie/offload", "offloading")
def test_verify_of_an_unknown_device(router: Live) -> None:
    task = router.module("offload_verify", devices=["lan0", "eth7"])
    assert task.status == "failed"
    check(router, task.msg, "eth7", "does not exist", "Remedy", "'eth7'")


@pytest.mark.router("trixie/plain", "tools")
@pytest.mark.parametrize("caller", ["role", "ruleset"])
def test_hardware_on_plain_nics(router: Live, caller: str) -> None:
    if caller == "role":
        failure = router.role(flow_offload_mode="hardware").failure
    else:
        failure = router.module("ruleset", content=CONTENT, flowtables=[{**FLOWTABLE, "offload": "hardware"}])
        assert set(failure.result["refused"]) == {"lan0", "wan0"}
    assert failure.status == "failed"
    check(router, failure.msg, "lan0", "veth", "Remedy")
