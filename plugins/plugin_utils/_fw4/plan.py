# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From the state of offload in OpenWrt's firewall to the change that makes it as desired. Pure: no I/O.

fw4 uses what is staged in UCI like what is committed. So a change is staged, in memory, until it is confirmed, and only
then written to flash: a power failure before that ends in the old configuration, and a change that is undone leaves
flash as it was. Undone is what the kernel runs, from copies of the tables, and not by another load of fw4.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .._confirm import ids
from .._confirm.change import ChangeState, ConfirmedPlan, Transaction, parse_change, refuse_pending
from .._core import paths
from .._core.errors import OffloadError
from .._core.files import file_changes, read_files
from .._core.plan import Diff, Step
from .._core.sections import Answer
from .._core.text import iterate_lines, split_lines
from .._observe.parse.fw4 import (
    FALSE,
    OPTIONS,
    TRUE,
    Fw4Config,
    Fw4Device,
    Fw4Table,
    parse_complaints,
    parse_config,
    parse_flowtable,
    parse_zone_devices,
)
from .._observe.parse.fw4_pending import Fw4Pending, parse_pending
from .._observe.parse.platform import parse_platform
from .._observe.require import require_fw4
from .._observe.state import Platform
from .verbs import QueuedScript

ABSENT = "-"
OURS = re.compile(r"[^=]*[.]flow_offloading(_hw)?(=|$)|[^.=]*[.][^.=]*='?defaults'?$")
"""lines of `uci changes firewall` with one of our options, or a section for them"""
OWN_FILES = (paths.FW4_FOUND, paths.FW4_KEEP, paths.CONFIRMED)
STAGED = (paths.FW4_FOUND, paths.FW4_KEEP, "/etc/config/.firewall")
"""files for which a power failure leaves what was staged by a change that was not confirmed"""
SYSUPGRADE_KEEPS = f"{paths.FW4_FOUND}\n{paths.FW4_KEEP}\n"
NO_FW4 = ConfirmedPlan(result={"offload": "disabled", "reason": "there is no fw4", "devices": [], "options": {}})
"""the plan for a router that has another firewall, and from which nothing is to be taken back"""
STOPPED = "the firewall does not run"
OWN_TABLE = ("inet", "fw4")
SHOWN = 10
"""lines of a ruleset that fit into a message"""
STARTING = "start it (/etc/init.d/firewall start), then run the play again"


@dataclass(frozen=True)
class Fw4State:
    """OpenWrt's firewall as the router has it."""

    platform: Platform
    config: Fw4Config
    staged: tuple[str, ...] = ()
    """what somebody staged for the firewall and did not commit"""
    rendered: Fw4Table | None = None
    live: Fw4Table | None = None
    complaints: tuple[str, ...] = ()
    renders: bool = True
    """fw4 prints a ruleset at all"""
    loaded: frozenset[str] = frozenset()
    """of state (fw4 thinks it is loaded), table (it is), enabled (at boot)"""
    devices: Mapping[str, Fw4Device] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    change: ChangeState = field(default_factory=ChangeState)
    pending: Fw4Pending = field(default_factory=Fw4Pending)
    """what a load would make live besides our options"""

    @property
    def found(self) -> dict[str, str]:
        """Option -> its value before this collection first changed it, see paths.FW4_FOUND; empty: it never did."""
        lines = (line.partition(" ") for line in iterate_lines(self.files.get(paths.FW4_FOUND, "")))
        return {option: value for option, _blank, value in lines if option in OPTIONS}

    @property
    def confirmation(self) -> str:
        """See ConfirmedPlan.last_confirmed."""
        return self.files.get(paths.CONFIRMED, "").strip()


def has_fw4(answer: Answer) -> bool:
    """Whether the router has fw4 and uci."""
    return "fw4.uci" in answer


def read_state(answer: Answer) -> Fw4State:
    """Sections of sh/read/{platform,files,fw4,fw4_pending,change}.sh -> Fw4State.

    Raises OffloadError where there is no fw4, where uci cannot read the configuration, and for an incomplete answer.
    """
    platform = parse_platform(answer.require("platform").text)
    require_fw4(platform)
    if not has_fw4(answer):
        raise OffloadError(
            "there is no fw4 on this router",
            "fw4_offload is for OpenWrt 22.03 and later; elsewhere use kmod.nft_offload.ruleset",
        )
    if not answer.ok("fw4.uci"):
        raise OffloadError(
            f"uci cannot read {paths.FW4_CONFIG}: {answer.text('fw4.uci').strip()}",
            "correct it until 'uci show firewall' shows it, then run the play again",
        )
    staged = answer.require("fw4.staged")
    if staged.rc != 0:
        raise OffloadError(
            f"uci cannot tell what is staged for the firewall: {staged.text.strip() or f'exit code {staged.rc}'}",
            "correct that until 'uci changes firewall' ends with 0, then run the play again",
        )
    printed = answer.require("fw4.print")
    change = parse_change(answer.text("change"))
    return Fw4State(
        platform=platform,
        config=parse_config(answer.text("fw4.uci")),
        staged=tuple(split_lines(staged.text)),
        rendered=parse_flowtable(printed.text),
        live=parse_flowtable(answer.require("fw4.live").text),
        complaints=parse_complaints(printed.text),
        renders=printed.rc == 0,
        loaded=frozenset(answer.require("fw4.loaded").text.split()),
        devices=parse_zone_devices(answer.require("fw4.devices").text),
        files=read_files(answer),
        change=change,
        # while a change waits, what is live is not what is committed
        pending=Fw4Pending() if change.pending else parse_pending(answer.require("fw4.pending").text),
    )


def choose_offload(state: Fw4State, offload: str, check_mode: bool) -> tuple[str, str]:
    """(hardware, software, disabled, or auto where nothing shows it; why).

    Wireless devices take no part: OpenWrt mixes those that can with others.
    In check mode a changeable feature that is still off proves nothing: nic_features turns it on before the real run.
    hw-tc-offload of a switch port is always on (net/dsa/user.c), so its conduit is what counts. It being on does not
    mean that the driver takes flowtables, and OpenWrt's kernel does not show it: offload_verify sees what comes of it.
    A device of which neither ethtool nor netifd shows the feature stays in software, and ``why`` names it. So does
    a VLAN or bridge of which netifd does not show the devtype, by which fw4 finds the NIC below.
    """
    if offload != "auto":
        return offload, "requested"
    if "state" not in state.loaded:
        return "auto", f"{STOPPED}, so its devices are not known"
    wired = {name: device for name, device in state.devices.items() if device.kind != "wlan"}
    has_ethtool = "ethtool" in state.platform.commands
    foreseen = {name for name, device in wired.items() if check_mode and device.may_turn_on(has_ethtool)}
    lacking = [device for name, device in wired.items() if not device.hw_tc_offload and name not in foreseen]
    if not wired:
        return "software", "no wired device is known in a zone"
    if lacking:
        hiding = {name: device.target for name, device in wired.items() if device.hides_nic}
        features = _describe_features([device for device in lacking if not device.hides_nic], has_ethtool)
        return "software", "; ".join([*_describe_hidden(hiding), *features])
    if foreseen:
        return "hardware", "foreseen: hw-tc-offload is off, and nic_features can turn it on before the real run"
    return "hardware", "hw-tc-offload is on for every wired device"


def _describe_hidden(hiding: Mapping[str, str]) -> Iterator[str]:
    """Devices that fw4 would list in place of what is below."""
    for name, below in sorted(hiding.items()):
        yield f"fw4 would list {name} in place of {below}, for netifd does not show its devtype"


def _describe_features(devices: Iterable[Fw4Device], has_ethtool: bool) -> Iterator[str]:
    """What is shown of hw-tc-offload of devices that do not have it on."""
    shown = {"false": "is off or missing, as netifd shows it", "": f"is not known, for {_why_unknown(has_ethtool)}"}
    named: dict[str, set[str]] = {}
    for device in devices:
        named.setdefault(shown.get(device.feature, f"is {device.feature}"), set()).add(device.target)
    for what, names in sorted(named.items()):
        yield f"hw-tc-offload of {', '.join(sorted(names))} {what}"


def _why_unknown(has_ethtool: bool) -> str:
    if has_ethtool:
        return "neither ethtool nor netifd shows it"
    return "netifd does not show it and ethtool is not installed"


def _warn_of_unknown(state: Fw4State) -> list[str]:
    """That auto is software for want of knowledge alone, and how to know."""
    wired = [device for device in state.devices.values() if device.kind != "wlan"]
    unknown = sorted({device.target for device in wired if device.hw_tc_offload is None})
    if not unknown or any(device.hw_tc_offload is False for device in wired):
        return []
    has_ethtool = "ethtool" in state.platform.commands
    install = "" if has_ethtool else "install ethtool (kmod.nft_offload.kernel_support) and run the play again, or "
    names = ", ".join(unknown)
    return [
        f"offload is in software because hw-tc-offload of {names} is not known: {_why_unknown(has_ethtool)}."
        f" To have it in hardware, {install}set offload to hardware"
    ]


def options_to_set(config: Fw4Config, offload: str) -> dict[str, str]:
    """Option that has to change -> its new value. A spelling that means the same stays; a missing option means no."""
    desired = {"flow_offloading": offload != "disabled"}
    if offload != "auto":
        desired["flow_offloading_hw"] = offload == "hardware"
    return {option: "1" if on else "0" for option, on in desired.items() if config.effective(option) is not on}


def plan_present(
    state: Fw4State, offload: str, check_mode: bool, token: str, load_pending: bool = False
) -> ConfirmedPlan:
    """Plan for the firewall as desired.

    ``offload`` is auto, hardware, software or disabled; ``token`` becomes part of the change's id. Raises OffloadError
    for what somebody else staged, for what was committed and not loaded, unless ``load_pending``, and for a firewall
    that does not run or that fw4 cannot render.
    """
    decided, why = choose_offload(state, offload, check_mode)
    values = options_to_set(state.config, decided)
    found = state.found or {option: state.config.values.get(option, ABSENT) for option in OPTIONS}
    files = {paths.FW4_FOUND: (paths.PRIVATE, _record(found)), paths.FW4_KEEP: (paths.READABLE, SYSUPGRADE_KEEPS)}
    if not values and not state.found:
        files = {}  # nothing of it is ours
    desired = "auto" if offload == "auto" and decided == "hardware" else decided
    unknown = _warn_of_unknown(state) if (offload, decided) == ("auto", "software") else []
    result: dict[str, Any] = {"offload": decided, "reason": why, "warnings": unknown}
    if desired == "auto" and not values and any(table and not table.hardware for table in (state.live, state.rendered)):
        result = {"offload": "software", "reason": "; ".join(state.complaints) or "fw4 fell back to software"}
    return _plan(state, values, desired, files, check_mode, result, token, load_pending)


def plan_absent(state: Fw4State, check_mode: bool, token: str, load_pending: bool = False) -> ConfirmedPlan:
    """Plan that gives the options the values that were found; not one that fw4 refuses, for it would load no firewall.

    The other arguments, and what is raised, are those of ``plan_present``.
    """
    now = state.config.values
    found = {option: value if value in TRUE | FALSE else ABSENT for option, value in state.found.items()}
    values = {option: value for option, value in found.items() if now.get(option, ABSENT) != value}
    after = {option: value for option, value in {**now, **values}.items() if value != ABSENT}
    config = Fw4Config(state.config.section, after, state.config.sections)
    on, hardware = config.effective("flow_offloading"), config.effective("flow_offloading_hw")
    desired = "disabled" if not on else "auto" if hardware else "software"
    result = {"offload": "disabled" if not on else "hardware" if hardware else "software", "reason": "as it was found"}
    files = dict.fromkeys((paths.FW4_FOUND, paths.FW4_KEEP))
    return _plan(state, values, desired, files, check_mode, result, token, load_pending, repair=bool(state.found))


def _plan(
    state: Fw4State,
    values: Mapping[str, str],
    desired: str,
    files: Mapping[str, tuple[str, str] | None],
    check_mode: bool,
    result: Mapping[str, Any],
    token: str,
    load_pending: bool,
    repair: bool = True,
) -> ConfirmedPlan:
    """``repair``: a live firewall that is not what fw4 would make of its configuration is loaded once more."""
    leftovers = [path for path in state.files if path.startswith(STAGED) and path.endswith(".nft-offload-new")]
    own = file_changes(state.files, {**files, **dict.fromkeys(leftovers)})
    drifted = state.renders and (state.live != state.rendered or "table" not in state.loaded)
    refuse_pending(state.change)
    # an abandoned change is undone by whoever begins the next one, and is what is staged
    left = state.change.pending is not None
    reload = not values and (left or (repair and drifted))
    if not left:
        _refuse_staged(state, bool(values or reload))
    if repair and not state.renders and not values:
        raise OffloadError(
            f"fw4 makes no ruleset of {paths.FW4_CONFIG}, and the next start leaves the router without a firewall: "
            f"{'; '.join(state.complaints) or 'fw4 print failed'}",
            "correct it until 'fw4 check' passes, then run the play again",
        )
    stopped = "state" not in state.loaded and bool(values or reload or result["offload"] == "auto")
    if stopped and not check_mode:
        raise OffloadError(STOPPED, STARTING)
    if values or reload:
        _refuse_pending_configuration(state, load_pending)
    summaries = [_describe(option, value) for option, value in values.items()]
    if reload:
        summaries = ["reload the firewall"]
    script = (
        [Transaction("; ".join(summaries), change_script(state, values, desired, load_pending))] if summaries else []
    )
    writing = f"write {paths.FW4_CONFIG}"
    return ConfirmedPlan(
        id=ids.next_id([state.confirmation.partition(" ")[0]], token),
        last_confirmed=state.confirmation,
        texts=script,
        copied=list(dict.fromkeys([OWN_TABLE, *state.pending.tables])) if script else [],
        preparing=[Step(writing, QueuedScript("stage"))] if values else [],
        leaving=[Step(writing, QueuedScript("commit"))] if values else [],
        committed=partial(_committed, values, files.get(paths.FW4_FOUND) is not None) if values else None,
        files=own.written,
        removed=own.removed,
        diffs=[*([_diff(state.config, values)] if values else []), *_live_diff(state, reload), *own.diffs],
        result={
            **result,
            "devices": list(state.live.devices) if state.live else [],
            "options": {option: {**state.config.values, **values}.get(option, ABSENT) for option in OPTIONS},
            # those of the last reading count: a change may have put right what fw4 complained of
            "warnings": [
                *result.get("warnings", ()),
                *([f"{STOPPED}: {STARTING}"] if stopped else []),
                *(_describe_lost(state) if check_mode and summaries else []),
                *_warnings(state),
            ],
        },
    )


def _committed(values: Mapping[str, str], recorded: bool, answer: Answer) -> bool:
    """Whether the change is on flash, with the record that precedes it, after a power failure left nothing staged."""
    after = read_state(answer)
    on_flash = all(after.config.values.get(option, ABSENT) == value for option, value in values.items())
    return on_flash and not after.staged and (bool(after.found) or not recorded)


def _refuse_staged(state: Fw4State, changing: bool) -> None:
    """Raise OffloadError where what is staged would be loaded, or is why the options look as desired."""
    if changing:
        staged, why = state.staged, "fw4 would load them together with ours"
    else:
        staged = tuple(line for line in state.staged if OURS.match(line))
        why = "fw4 uses them, and the next start does not"
    if staged:
        raise OffloadError(
            f"somebody staged changes of the firewall and did not commit them ({'; '.join(staged[:5])}): {why}",
            "commit them with 'uci commit firewall', or drop them with 'uci revert firewall', and run the play again",
            staged=list(state.staged),
        )


def _refuse_pending_configuration(state: Fw4State, load_pending: bool) -> None:
    """Raise OffloadError where a load makes more live than our options, or takes a zone away that fw4 skips."""
    pending = state.pending
    skipped = [zone for zone in pending.zones if any(f"({zone}) skipped" in line for line in state.complaints)]
    if skipped:
        raise OffloadError(
            f"fw4 would leave out zones that are live now ({', '.join(skipped)}), and 'fw4 check' passes all the same: "
            f"{'; '.join(state.complaints[:5])}",
            f"correct {paths.FW4_CONFIG} until 'fw4 print' prints no such line, then run the play again",
        )
    if load_pending:
        return
    if pending.unclear:
        raise OffloadError(
            "what a load of the firewall makes live cannot be compared with what is live: "
            f"{'; '.join(pending.unclear[:SHOWN])}",
            "correct that; or load the firewall yourself (/etc/init.d/firewall reload), or set load_pending to true",
            unloaded=list(pending.unclear),
        )
    if pending.lines:
        more = f"; and {len(pending.lines) - SHOWN} more" if len(pending.lines) > SHOWN else ""
        raise OffloadError(
            "the firewall's configuration was changed and not loaded, and a load makes that live together with ours: "
            f"{'; '.join(pending.lines[:SHOWN])}{more}",
            "load it yourself first (/etc/init.d/firewall reload), or take it back; to load it with this change, which "
            "undoes both unless it is confirmed, set load_pending to true",
            unloaded=list(pending.lines),
        )


def _describe_lost(state: Fw4State) -> list[str]:
    lost = "; ".join(state.pending.lost[:SHOWN])
    taken = "a load of the firewall takes away what others added to its tables at run time, unless they add it again"
    return [f"{taken}: {lost}"] if lost else []


def _warnings(state: Fw4State) -> list[str]:
    found = [f"fw4: {complaint}" for complaint in state.complaints]
    if state.config.sections > 1:
        found.append(f"{paths.FW4_CONFIG} has {state.config.sections} sections of defaults: fw4 uses the first")
    if "enabled" not in state.loaded:
        found.append("boot does not start the firewall: /etc/init.d/firewall enable")
    return found


def change_script(state: Fw4State, values: Mapping[str, str], desired: str, load_pending: bool = False) -> str:
    """The script for sh: sh/installed/fw4.sh with this change in its head.

    ``values`` is option -> new value; ``desired`` is what must be live in the end: hardware, software, auto, disabled.
    ``load_pending``: zones may go that the configuration no longer has.
    """
    changes = "\n".join(f"{option} {value}" for option, value in values.items())
    head = {
        "section": state.config.section,
        "changes": changes,
        "desired": desired,
        "record": paths.FW4_FOUND,
        "seen": state.pending.seen,
        "others": "load" if load_pending else "refuse",
    }
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in head.items())
    return f"#!/bin/sh\n{lines}{paths.installed('fw4.sh')}"


def _record(found: Mapping[str, str]) -> str:
    return "".join(f"{option} {value}\n" for option, value in sorted(found.items()))


def _describe(option: str, value: str) -> str:
    return f"delete {option}" if value == ABSENT else f"set {option} to {value}"


def _diff(config: Fw4Config, values: Mapping[str, str]) -> Diff:
    def text(now: Mapping[str, str]) -> str:
        lines = [(option, now[option]) for option in OPTIONS if now.get(option, ABSENT) != ABSENT]
        return "".join(f"firewall.@defaults[0].{option}='{value}'\n" for option, value in lines)

    return Diff(paths.FW4_CONFIG, text(config.values), text({**config.values, **values}))


def _live_diff(state: Fw4State, reload: bool) -> list[Diff]:
    """Where the live flowtable is not what fw4 would make, as when Wi-Fi came up after the firewall."""
    if not reload:
        return []
    return [Diff("live table inet fw4", _describe_flowtable(state.live), _describe_flowtable(state.rendered))]


def _describe_flowtable(table: Fw4Table | None) -> str:
    if table is None:
        return "no flowtable\n"
    return f"flowtable ft: {', '.join(table.devices)} ({'hardware' if table.hardware else 'software'})\n"


def describe_undone(reading: Answer, again: Answer) -> str:
    """A sentence for the error: what the router runs after a change that was not confirmed.

    ``reading`` is the one that the plan was made from, ``again`` the one after it.
    """
    if parse_change(again.text("change")).pending is not None:
        return "The firewall is not as it was before yet: the router goes on until it is, and takes no other change"
    before = read_state(reading)
    try:
        after = read_state(again)
    except OffloadError as error:
        return f"What the firewall is now could not be read: {error.problem}"
    if (after.live, after.config) != (before.live, before.config):
        now = "something else: see 'uci changes firewall'"
    elif after.staged != before.staged:
        now = f"as it was before, on flash too; somebody staged meanwhile: {'; '.join(after.staged)}"
    else:
        now = "as it was before, on flash too"
    return f"The firewall is now {now}"
