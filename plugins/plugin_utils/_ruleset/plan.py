# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what the router says of our table to the plan that makes it as wanted. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .._confirm.change import ConfirmedPlan, Transaction
from .._confirm.verbs import Queue
from .._core import paths
from .._core.errors import OffloadError
from .._core.files import file_changes
from .._core.plan import Diff, Step, StepError
from .._core.verbs import Remove
from .._observe.parse.boot import parse_owned_table
from .._observe.parse.nft import (
    normalise_listing,
    parse_filtered_families,
    parse_flowtables,
    parse_includes,
    parse_objects,
)
from .._observe.parse.nft_errors import parse_errors
from .._systems.init_system import RULESET_SCRIPTS
from .._systems.registry import find_init_system
from . import history
from .hardware import Request, check_devices, decide
from .state import TableState, list_own_files
from .table import WantedFlowtable, WantedTable, device_changes, kept_objects, transactions
from .verbs import CutFlows, DryLoad, StageListing

Way = tuple[str, str]
"""devices from and to, each separated by spaces; none: whichever"""


def located(error: StepError, content: str, where: str) -> OffloadError:
    """The same error with nft's complaint shown where it belongs in the user's text.

    The kernel goes on after its first complaint, so only the first one is told; the others may be its echoes.
    """
    complaint = next(iter(parse_errors(error.said)), None)
    loaded = error.step.verb.text if isinstance(error.step.verb, (DryLoad, Queue)) else ""
    lines = content.splitlines()
    if complaint is None or content not in loaded:
        return error
    line = complaint.line - loaded[: loaded.index(content)].count("\n")
    if not 1 <= line <= len(lines):
        return error
    return OffloadError(
        f"nft refuses {where}, line {line} as rendered, column {complaint.column}: {complaint.message}: "
        f"{lines[line - 1].strip()!r}; nothing was changed",
        "correct that line",
        **error.details,
    )


def refuse_without_firewall(state: TableState, family: str, table: str, content: str) -> None:
    """Raise OffloadError where our table filters what comes to the router, and ``content`` would not, of IPv4 or IPv6.

    What the kernel listed when it was loaded counts, which has no includes. A file that the new text includes, as the
    old one did, may filter.
    """
    ruleset = state.files.get(paths.RULESET, "")
    before = parse_filtered_families(state.files.get(paths.LISTING) or ruleset or state.table or "")
    if not before - parse_filtered_families(content) or parse_includes(content) & parse_includes(ruleset):
        return
    raise OffloadError(
        f"the firewall of this router would go: table {family} {table} filters what comes to it (hook input), and "
        + ("the new ruleset does not" if content else "it is to be removed"),
        "give the variables that describe its firewall; or, to take it out all the same, set "
        "flow_offload_remove_firewall: true for this run (keep_firewall: false for the module)",
    )


def plan_present(
    state: TableState,
    family: str,
    table: str,
    content: str,
    requests: Sequence[Request],
    *,
    checking: bool,
    token: str,
    keep: bool = True,
    cut: Sequence[Way] = (),
) -> ConfirmedPlan:
    """Plan for our table as wanted: live, for boot, and for devices that come and go.

    ``keep``: what came into sets at run time stays; ``token`` makes the id of this change; ``cut``: the ways on which
    connections are judged anew when the rules change.
    """
    warnings = check_devices(state, requests)
    decisions = [decide(state, request, checking) for request in requests]
    wanted = WantedTable(family, table, content, tuple(flowtable for flowtable, _why in decisions))
    plan = _plan(state, wanted, [why for _flowtable, why in decisions], warnings, keep, token)
    # Once, when it is loaded: a fleet with plain NICs is not told with every run.
    if plan.texts:
        refused = [why for _flowtable, why in decisions if why["refused"]]
        told = [f"flowtable {why['name']} offloads in software: {why['reason']}" for why in refused]
        plan = replace(plan, warnings=[*plan.warnings, *told])
    return _judging(plan, state, wanted, cut, checking)


def _judging(
    plan: ConfirmedPlan, state: TableState, wanted: WantedTable, cut: Sequence[Way], checking: bool
) -> ConfirmedPlan:
    """The plan, and then connections judged anew: for other rules, and where that is owed from a run before.

    That it is owed is committed with the rules, so whatever comes between them and the end of it, a later run does it.
    """
    owed = [_way(line) for line in state.files.get(paths.CUT_OWED, "").splitlines()]
    new = [] if not plan.texts or _as_loaded(state, wanted) else cut
    ways = list(dict.fromkeys([*owed, *new]))
    if not ways:
        return plan
    if "conntrack" not in state.platform.commands and not checking:
        remedy = "install it, with kmod.nft_offload.kernel_support and packages: [nftables, ethtool, conntrack]"
        if not new:
            raise OffloadError(
                f"{paths.CUT_OWED}: an earlier run left connections to be judged anew, and there is no conntrack on "
                "this router",
                f"{remedy}; or delete that file",
            )
        raise OffloadError("option cut: there is no conntrack on this router", remedy)
    says = ", ".join(f"{_end(one)} to {_end(other)}" for one, other in ways)
    steps = [
        Step(f"judge connections anew: {says}", CutFlows(tuple(end for way in ways for end in way))),
        Step("note that they were", Remove(paths.CUT_OWED)),
    ]
    noted = {paths.CUT_OWED: ("0644", "".join(f"{one}:{other}\n" for one, other in ways))} if new else {}
    return replace(plan, records={**plan.records, **noted}, closing=[*plan.closing, *steps])


def _way(line: str) -> Way:
    """A line of the file that says what is owed."""
    one, _to, other = line.partition(":")
    return one.strip(), other.strip()


def _end(devices: str) -> str:
    """One end of a way in words."""
    names = devices.replace("!", "")
    return names if names == devices != "" else f"any device but {names}" if names else "anywhere"


def plan_restored(
    state: TableState,
    which: str,
    family: str,
    table: str,
    *,
    checking: bool,
    token: str,
    cut: Sequence[Way] = (),
) -> ConfirmedPlan:
    """Plan for a ruleset that was confirmed before: ``which`` is ``last``, ``previous`` or an id."""
    chosen = history.choose(which, state.confirmed, state.kept)
    if not state.confirmed and paths.RULESET in state.files:
        raise OffloadError(
            f"{paths.CONFIRMED} is missing, so what was confirmed is not known", "load a ruleset with state: present"
        )
    if chosen == "" or not state.confirmed:
        plan = plan_absent(state, family, table, token)
        if not state.confirmed and not plan.changed:
            told = "nothing was rolled back: this router has no ruleset that this module confirmed"
            plan = replace(plan, warnings=[told])
        return plan
    if chosen is None:
        if state.tampered:
            raise OffloadError(
                f"the files for boot were changed by hand since {state.confirmed} was confirmed",
                "load the one you want with state: present, or give the id of one that is kept: "
                + ", ".join(state.kept),
            )
        texts = state.files.get(paths.RULESET, ""), state.files.get(paths.DEVICES, "")
    else:
        texts = history.read_entry(state.files.get(history.path(chosen), ""))
    wanted = wanted_as_kept(*texts)
    if (wanted.family, wanted.name) != (family, table):
        raise OffloadError(
            f"option table: ruleset {chosen or state.confirmed} is table {wanted.path}, not {family} {table}",
            f"set family to {wanted.family} and table to {wanted.name}",
        )
    flowtables: list[dict[str, Any]] = [
        {
            "name": flowtable.name,
            "devices": list(flowtable.devices),
            "offload": "hardware" if flowtable.hardware else "software",
            "reason": "as it was confirmed",
            "refused": {},
        }
        for flowtable in wanted.flowtables
    ]
    plan = _plan(state, wanted, flowtables, [], True, token, chosen or "")
    return _judging(plan, state, wanted, cut, checking)


def wanted_as_kept(ruleset: str, devices: str) -> WantedTable:
    """The table that the files for boot describe; raises OffloadError for files that are not of this module."""
    owned = parse_owned_table(ruleset)
    if owned is None:
        raise OffloadError(
            "the ruleset that was confirmed before cannot be read", "load the one you want with state: present"
        )
    statements = [line.partition(" ")[::2] for line in devices.splitlines()]
    start = f"add flowtable {owned[0]} {owned[1]}"
    flowtables = tuple(
        WantedFlowtable(
            flowtable.name,
            tuple(device for device, text in statements if text.startswith(f"{start} {flowtable.name} ")),
            flowtable.hardware,
            flowtable.counter,
        )
        for flowtable in parse_flowtables(ruleset)
        if (flowtable.family, flowtable.table) == owned
    )
    head = WantedTable(*owned, "", flowtables).head()
    return WantedTable(*owned, ruleset.removeprefix(head), flowtables)


def _plan(
    state: TableState,
    wanted: WantedTable,
    flowtables: Sequence[dict[str, Any]],
    warnings: list[str],
    keep: bool,
    token: str,
    restored: str = "",
) -> ConfirmedPlan:
    init = find_init_system(state.platform.init)
    if init is None:
        warnings.append("the table is live, but only systemd and OpenWrt are known here to load it at boot")
    files = {
        paths.RULESET: ("0644", wanted.boot_text()),
        paths.DEVICES: ("0644", wanted.attachments()),
        **(init.ruleset.written if init else RULESET_SCRIPTS),
    }
    changes = file_changes(state.files, files)
    differing = changes.written
    texts = _live_change(state, wanted, keep)
    closing = init.plan_after_writing(init.ruleset, state.files, differing, state.service) if init else []
    dry = Step(f"validate table {wanted.path}", DryLoad(_without_devices(state, wanted, keep)))
    old = _renamed(state, wanted)
    change = state.next_id(token)
    records, forgotten, now = _records(state, wanted, restored or change)
    return ConfirmedPlan(
        id=change,
        last_confirmed=state.confirmation,
        texts=texts,
        tables=[(wanted.family, wanted.name), *([old] if old else [])] if texts else [],
        validating=[dry] if texts else [],
        listing=Step(
            f"note how the kernel lists table {wanted.path}",
            StageListing(paths.LISTING, wanted.family, wanted.name),
        )
        if texts
        else None,
        files=differing,
        records=records,
        forgotten=forgotten,
        closing=closing,
        checks=[dry] if texts and "nft" in state.platform.commands else [],
        diffs=[*_live_diffs(state, wanted, bool(texts)), *changes.diffs],
        result={
            "table": wanted.path,
            "flowtables": list(flowtables),
            "ruleset": now,
            "kept": [i for i in history.kept_ids([*state.kept, *_ids(records)]) if history.path(i) not in forgotten],
        },
        warnings=warnings,
    )


def _ids(records: dict[str, tuple[str, str]]) -> list[str]:
    prefix = f"{paths.HISTORY}/"
    return [path.removeprefix(prefix) for path in records if path.startswith(prefix)]


def _records(state: TableState, wanted: WantedTable, new: str) -> tuple[dict[str, tuple[str, str]], list[str], str]:
    """(files to write, files to delete, id of what is confirmed then): only for another ruleset than was confirmed."""
    texts = wanted.boot_text(), wanted.attachments()
    if state.confirmed and state.confirmation == history.confirmation(state.confirmed, *texts):
        return {}, [], state.confirmed
    records = {paths.CONFIRMED: ("0644", f"{history.confirmation(new, *texts)}\n")}
    old = "" if state.tampered else state.confirmed
    if old:
        text = history.entry(old, state.files[paths.RULESET], state.files.get(paths.DEVICES, ""))
        records[history.path(old)] = ("0600", text)
    return records, [history.path(i) for i in history.forgotten(state.kept, new, old)], new


def _live_change(state: TableState, wanted: WantedTable, keep: bool) -> list[Transaction]:
    """The nft texts that make the live table as wanted; none when it is."""
    load = f"load table {wanted.path}"
    live = parse_objects(state.table) if state.table is not None else None
    kept = _kept(state, wanted, keep)
    joining, leaving = device_changes(wanted, state.links, state.flowtables)
    join = "".join(f"{line}\n" for line, _device in joining)
    old = _renamed(state, wanted)
    if old is not None:
        # the old table may hold the devices: it has to be gone before they join, see ``transactions``
        path = " ".join(old)
        text = transactions(wanted, (), live, state.flowtables, kept)[0]
        texts = [f"table {path}\ndelete table {path}\n{text}", join]
        load = f"drop table {path}, {load}"
    elif live is not None and _as_loaded(state, wanted):
        busy = any(device in flowtable.devices for _line, device in joining for flowtable in state.flowtables)
        texts = [leaving, join] if busy else [leaving + join]
    else:
        texts = transactions(wanted, state.links, live, state.flowtables, kept)
    steps = [load, f"bring devices into table {wanted.path}"]
    return [Transaction(summary, text) for summary, text in zip(steps, texts, strict=False) if text]


def _as_loaded(state: TableState, wanted: WantedTable) -> bool:
    """Is the live table, but for devices, what loading the wanted text made?"""
    recorded = state.files.get(paths.LISTING, "")
    if normalise_listing(recorded) != normalise_listing(state.table or ""):
        return False
    if state.files.get(paths.RULESET) == wanted.boot_text():
        return True
    # the text for boot was changed by hand, and is not what is loaded
    return state.confirmation == history.confirmation(state.confirmed, wanted.boot_text(), wanted.attachments())


def _kept(state: TableState, wanted: WantedTable, keep: bool) -> frozenset[tuple[str, str]]:
    if not keep:
        return frozenset()
    recorded = state.files.get(paths.LISTING, "")
    return kept_objects(state.files.get(paths.RULESET, ""), wanted.boot_text(), recorded, state.table or "")


def _without_devices(state: TableState, wanted: WantedTable, keep: bool) -> str:
    """The transaction for a dry run: devices stay out, because their features may still be off in check mode."""
    if state.table is None:
        return transactions(wanted, (), None, ())[0]
    return transactions(wanted, (), parse_objects(state.table), state.flowtables, _kept(state, wanted, keep))[0]


def _renamed(state: TableState, wanted: WantedTable) -> tuple[str, str] | None:
    """The table that the boot file still names, when that is another one."""
    old = parse_owned_table(state.files.get(paths.RULESET, ""))
    return None if old == (wanted.family, wanted.name) else old


def _live_diffs(state: TableState, wanted: WantedTable, load: bool) -> list[Diff]:
    """What was changed by hand, and the devices that come and go."""
    header = f"live table {wanted.path}"
    recorded = state.files.get(paths.LISTING, "")
    drifted = normalise_listing(state.table or "") != normalise_listing(recorded)
    diffs = []
    if load and drifted and recorded:
        diffs.append(Diff(header, normalise_listing(state.table or ""), normalise_listing(recorded)))
    held = {f.name: f for f in state.flowtables}
    before, after = "", ""
    for flowtable in wanted.flowtables:
        old = held.get(flowtable.name)
        before += _device_line(old.name, old.devices, old.hardware) if old else ""
        there = [device for device in flowtable.devices if device in state.links]
        after += _device_line(flowtable.name, there, flowtable.hardware)
    if before != after:
        diffs.append(Diff(f"{header}: devices", before, after))
    return diffs


def _device_line(name: str, devices: Sequence[str], hardware: bool) -> str:
    return (
        f"flowtable {name}: {', '.join(sorted(devices)) or 'no devices'} ({'hardware' if hardware else 'software'})\n"
    )


def plan_absent(state: TableState, family: str, table: str, token: str) -> ConfirmedPlan:
    """Plan that leaves no trace of our table: live, files, units, rulesets confirmed before."""
    written = parse_owned_table(state.files.get(paths.RULESET, ""))
    live = state.table is not None
    changes = file_changes(state.files, dict.fromkeys(list_own_files()))
    texts = []
    tables = []
    if live:
        texts.append(f"delete table {family} {table}\n")
        tables.append((family, table))
    if written not in (None, (family, table)):
        path = " ".join(written)
        texts.append(f"table {path}\ndelete table {path}\n")
        tables.append(written)
    init = find_init_system(state.platform.init)
    diffs = [Diff(f"live table {family} {table}", normalise_listing(state.table or ""), "")] if live else []
    names = [" ".join(pair) for pair in tables]
    return ConfirmedPlan(
        id=state.next_id(token),
        last_confirmed=state.confirmation,
        texts=[Transaction(f"drop table {path}", text) for path, text in zip(names, texts, strict=True)],
        tables=tables,
        leaving=init.plan_before_removing(init.ruleset, state.service) if init else [],
        removed=changes.removed,
        forgotten=[history.path(change) for change in state.kept],
        closing=init.plan_after_removing(init.ruleset, changes.removed, state.service) if init else [],
        diffs=[*diffs, *changes.diffs],
        result={"table": f"{family} {table}", "flowtables": [], "ruleset": "", "kept": []},
    )
