# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what was read of our table to the plan that makes it as desired. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._confirm.change import ConfirmedPlan, Transaction
from .._confirm.verbs import Queue, StageListing
from .._core import paths
from .._core.errors import OffloadError
from .._core.files import file_changes, read_files
from .._core.names import SOFTWARE, expand
from .._core.nft_tokens import find_line
from .._core.plan import Diff, Step, StepError
from .._core.verbs import Remove
from .._observe.parse.boot import MARK, is_marked, makes_marked, parse_our_table
from .._observe.parse.nft import (
    normalise_listing,
    parse_flowtables,
    parse_objects,
)
from .._observe.parse.nft_errors import parse_errors
from .._systems.init_registry import find_init_scripts, find_init_system, require_init_system
from . import history
from .emergency import render_emergency
from .flush import DevicePair, add_flush
from .hardware import Decision, Request, decide_offload, warn_of_absent_devices
from .owner import (
    decide_mark,
    is_another_owners,
    is_old_table_another_owners,
    is_software_table_ours,
    keeps_comments,
    refuse_foreign,
    warn_of_foreign,
)
from .rehearsal import Obstacle, explain_complaint, find_obstacles, plan_emergency_rehearsal, plan_rehearsal
from .state import TableState, list_own_files
from .table import (
    SOFTWARE_HEAD,
    SOFTWARE_PRIORITY,
    DesiredFlowtable,
    DesiredTable,
    SoftwareTable,
    device_changes,
    kept_objects,
    name_devices,
    require_own_table,
    transactions,
)
from .verbs import DryLoad, Rehearse

CONTENT = "option content"
"""where a ruleset's text comes from, for errors"""


def locate_complaint(error: StepError, content: str, where: str) -> OffloadError:
    """The same error with nft's complaint shown at its line of the user's text; ``where`` names that text.

    The kernel goes on after its first complaint, so only that one is shown; the others may be its echoes.
    """
    verb = error.step.verb
    complaint = next(iter(parse_errors(error.output)), None)
    loaded = verb.text if isinstance(verb, (DryLoad, Queue, Rehearse)) else ""
    if isinstance(verb, Rehearse) and not content and parse_our_table(loaded):
        content = read_kept_table(loaded, "").content.rstrip("\n")
    lines = content.split("\n")
    if complaint is None or not content or content not in loaded:
        return error
    line = find_line(content, complaint.line - loaded[: loaded.index(content)].count("\n"))
    if not 1 <= line <= len(lines):
        return error
    if isinstance(verb, Rehearse):
        return OffloadError(
            f"boot would not load {where}, line {line} as rendered: {complaint.message}: {lines[line - 1].strip()!r}; "
            "nothing was changed",
            explain_complaint(complaint.message),
            **error.details,
        )
    return OffloadError(
        f"nft refuses {where}, line {line} as rendered, column {complaint.column}: {complaint.message}: "
        f"{lines[line - 1].strip()!r}; nothing was changed",
        "correct that line",
        **error.details,
    )


def _refuse_obstacles(obstacles: Sequence[Obstacle], where: str) -> None:
    """Raise OffloadError where the text names what boot will not find."""
    if not obstacles:
        return
    first, *others = obstacles
    lines = [str(line) for line in sorted({other.line for other in others} - {first.line})]
    also = f" (see also line {', '.join(lines)})" if lines else ""
    raise OffloadError(
        f"boot would not load {where}, line {first.line} as rendered{also}: {first.text!r}: {first.reason}; "
        "nothing was changed",
        first.remedy,
    )


def plan_present(
    state: TableState,
    family: str,
    table: str,
    content: str,
    requests: Sequence[Request],
    *,
    check_mode: bool,
    token: str,
    keep_elements: bool = True,
    flush: Sequence[DevicePair] = (),
    where: str = CONTENT,
    adopt: bool = False,
    software_content: str = "",
) -> ConfirmedPlan:
    """Plan for our table as desired: live, for boot, and for devices that come and go.

    ``content`` is the user's text without flowtables, and ``where`` names it in errors; ``software_content`` is that of
    the second table, empty where devices that refuse hardware keep the others from it; ``token`` becomes part of the
    change's id; with ``keep_elements``, what came into sets at run time stays; ``flush`` are the pairs of devices
    between which connections are flushed when the rules change; with ``adopt`` a table of somebody else is replaced.
    Raises OffloadError for a device that does not exist or refuses, for a text that boot would not load, and for
    somebody else's table.
    """
    if not adopt and is_another_owners(state, family, table):
        refuse_foreign(f"{family} {table}", state.table or "")
    warnings = warn_of_absent_devices(state, requests)
    decisions = [decide_offload(state, request, check_mode, bool(software_content)) for request in requests]
    flowtables = tuple(decision.flowtable for decision in decisions)
    software = _software_table(state, family, table, software_content, decisions)
    if software is not None and not adopt and not is_software_table_ours(state, family, table):
        refuse_foreign(software.path, state.software_table or "")
    desired = DesiredTable(family, table, content, flowtables, decide_mark(state, family, table), software)
    found = _describe_flowtables(desired, [decision.result for decision in decisions])
    plan = _plan(state, desired, found, warnings, keep_elements, token, checking=check_mode, where=where)
    # Once, when it is loaded: a fleet with plain NICs is not warned with every run.
    if plan.texts:
        refused = [decision for decision in decisions if decision.result["refused"]]
        plan = replace(plan, warnings=[*plan.warnings, *map(_describe_refused, refused)])
    return _with_flush(plan, state, desired, flush, check_mode)


def _software_table(
    state: TableState, family: str, table: str, content: str, decisions: Sequence[Decision]
) -> SoftwareTable | None:
    """The second table, where devices are left for it."""
    left = sorted({name for decision in decisions for name in decision.left})
    flowtables = tuple(decision.software for decision in decisions if decision.software is not None)
    if not flowtables:
        return None
    marked = keeps_comments(state.platform)
    return SoftwareTable(family, f"{table}{SOFTWARE}", name_devices(content, left), flowtables, marked)


def _describe_flowtables(desired: DesiredTable, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The result's ``flowtables``: those of our table, then those of the second one."""
    more = [
        {
            "name": flowtable.name,
            "devices": list(flowtable.devices),
            "offload": "software",
            "reason": "for what hardware does not take",
            "refused": {},
        }
        for flowtable in (desired.software.flowtables if desired.software else ())
    ]
    path = desired.software.path if desired.software else ""
    return [*({**one, "table": desired.path} for one in results), *({**one, "table": path} for one in more)]


def _describe_refused(decision: Decision) -> str:
    """A warning of what is not in hardware, and why."""
    why = decision.result
    if not decision.left:
        return f"flowtable {why['name']} offloads in software: {why['reason']}"
    reasons = "; ".join(f"{device}: {reason}" for device, reason in why["refused"].items())
    devices = ", ".join(why["devices"])
    left = ", ".join(decision.left)
    return f"flowtable {why['name']} offloads in hardware for {devices}; in software for {left}. {reasons}"


def _with_flush(
    plan: ConfirmedPlan, state: TableState, desired: DesiredTable, pairs: Sequence[DevicePair], check_mode: bool
) -> ConfirmedPlan:
    new_rules = bool(plan.texts) and not _is_as_loaded(state, desired)
    return add_flush(plan, state, pairs if new_rules else (), check_mode)


def plan_restored(
    state: TableState,
    which: str,
    family: str,
    table: str,
    *,
    check_mode: bool,
    token: str,
    flush: Sequence[DevicePair] = (),
    where: str = "",
    adopt: bool = False,
) -> ConfirmedPlan:
    """Plan for a ruleset that was confirmed before: ``which`` is ``last``, ``previous`` or an id.

    The other arguments are those of ``plan_present``. Raises OffloadError for one that is not kept, cannot be read, or
    would not be loaded by boot.
    """
    chosen = history.choose_id(which, state.confirmed, state.kept)
    if not state.confirmed and paths.RULESET in state.files:
        raise OffloadError(
            f"{paths.CONFIRMED} is missing, so what was confirmed is not known", "load a ruleset with state: present"
        )
    if chosen == "" or not state.confirmed:
        plan = plan_absent(state, family, table, token, adopt)
        if not state.confirmed and not plan.changed:
            warning = "nothing was rolled back: this router has no ruleset that this module confirmed"
            plan = replace(plan, warnings=[*plan.warnings, warning])
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
        texts = history.read_kept_text(state.files.get(history.path(chosen), ""))
    desired = read_kept_table(*texts)
    if (desired.family, desired.name) != (family, table):
        raise OffloadError(
            f"option table: ruleset {chosen or state.confirmed} is table {desired.path}, not {family} {table}",
            f"set family to {desired.family} and table to {desired.name}",
        )
    where = where or f"ruleset {chosen or state.confirmed}"
    # the file may be another one by now, and what is refused now may have been let in by an older version
    require_own_table(desired.content, family, table, where)
    if desired.software is not None:
        require_own_table(desired.software.content, family, desired.software.name, where)
        if not adopt and not is_software_table_ours(state, family, table):
            refuse_foreign(desired.software.path, state.software_table or "")
    if not adopt and is_another_owners(state, family, table):
        refuse_foreign(f"{family} {table}", state.table or "")
    desired = replace(desired, marked=decide_mark(state, family, table))
    flowtables: list[dict[str, Any]] = [
        {
            "name": flowtable.name,
            "devices": list(flowtable.devices),
            "offload": "hardware" if flowtable.hardware else "software",
            "reason": "as it was confirmed",
            "refused": {},
        }
        for flowtable in desired.flowtables
    ]
    flowtables = _describe_flowtables(desired, flowtables)
    plan = _plan(state, desired, flowtables, [], True, token, chosen or "", checking=check_mode, where=where)
    return _with_flush(plan, state, desired, flush, check_mode)


def read_kept_table(ruleset: str, devices: str) -> DesiredTable:
    """The table that the files for boot describe; raises OffloadError for files that are not of this module."""
    our_table = parse_our_table(ruleset)
    if our_table is None:
        raise OffloadError(
            "the ruleset that was confirmed before cannot be read", "load the one you want with state: present"
        )
    commands = [line.partition(" ")[::2] for line in devices.split("\n")]

    def read_flowtables(family: str, table: str, priority: int) -> tuple[DesiredFlowtable, ...]:
        start = f"add flowtable {family} {table}"
        return tuple(
            DesiredFlowtable(
                flowtable.name,
                tuple(device for device, text in commands if text.startswith(f"{start} {flowtable.name} ")),
                flowtable.hardware,
                flowtable.counter,
                priority,
            )
            for flowtable in parse_flowtables(ruleset)
            if (flowtable.family, flowtable.table) == (family, table)
        )

    software_path = (our_table[0], f"{our_table[1]}{SOFTWARE}")
    # not at a comment that reads like its first line
    start = f"{SOFTWARE_HEAD}\ntable {' '.join(software_path)}\n"
    text, second, software_text = ruleset.partition(f"\n{start}")
    software = None
    if second:
        text += "\n"
        software_text = start + software_text
        marked = f"\ntable {' '.join(software_path)} {{ {MARK}; }}\n" in software_text
        software = SoftwareTable(*software_path, "", read_flowtables(*software_path, SOFTWARE_PRIORITY), marked)
        software = replace(software, content=software_text.removeprefix(software.head()))
    flowtables = read_flowtables(*our_table, 0)
    marked = makes_marked(ruleset)
    head = DesiredTable(*our_table, "", flowtables, marked).head()
    return DesiredTable(*our_table, text.removeprefix(head), flowtables, marked, software)


def _plan(
    state: TableState,
    desired: DesiredTable,
    flowtables: Sequence[dict[str, Any]],
    warnings: list[str],
    keep_elements: bool,
    token: str,
    restored: str = "",
    *,
    checking: bool,
    where: str,
) -> ConfirmedPlan:
    init = require_init_system(state.platform.init)
    if is_old_table_another_owners(state):
        warnings.append(warn_of_foreign(" ".join(parse_our_table(state.files[paths.RULESET]) or ())))
    emergency = render_emergency(desired, state.ssh_ports)
    files = {
        paths.EMERGENCY: (paths.PRIVATE, emergency) if emergency is not None else None,
        paths.RULESET: (paths.PRIVATE, desired.boot_text()),
        paths.DEVICES: (paths.PRIVATE, desired.attachments()),
        **({paths.SOFTWARE_LISTING: None} if desired.software is None else {}),
        **init.ruleset.written,
    }
    changes = file_changes(state.files, files)
    differing = changes.written
    texts = _live_change(state, desired, keep_elements)
    closing = _forget_fallback(state, warnings)
    closing += init.plan_after_writing(init.ruleset, state.files, differing, state.service)
    dry = Step(f"validate table {desired.path}", DryLoad(_text_without_devices(state, desired, keep_elements)))
    obstacles = find_obstacles(desired.content, state.platform.kernel_version)
    by_trial = [one for one in obstacles if one.seen_in_namespace]
    tried = Step(
        f"try whether boot would load table {desired.path}", plan_rehearsal(desired, token, checking, by_trial)
    )
    # in this order: what the last one leaves is compared with what is live then
    trials = [dry, tried] if texts else []
    if paths.EMERGENCY in differing:
        verb = plan_emergency_rehearsal(desired, state.ssh_ports, token, checking)
        trials.insert(0, Step("try whether boot would load the emergency ruleset", verb))
    if texts:
        _refuse_obstacles([one for one in obstacles if not one.seen_in_namespace], where)
        # the trial tells, where there is one
        obstacles = [] if "nft" in state.platform.commands else by_trial
    warnings += [f"boot may not load line {one.line} of the ruleset: {one.text!r}; {one.remedy}" for one in obstacles]
    change = state.next_id(token)
    records, forgotten, now = _records(state, desired, restored or change)
    return ConfirmedPlan(
        id=change,
        last_confirmed=state.confirmation,
        texts=texts,
        tables=_touched_tables(state, desired) if texts else [],
        validating=trials,
        sources=_sources(state),
        listings=_listings(desired) if texts else [],
        files=_with_nothing_in_place(differing, changes.removed),
        records=records,
        forgotten=forgotten,
        removed=changes.removed,
        closing=closing,
        dry_runs=trials if "nft" in state.platform.commands else [],
        diffs=[*_live_diffs(state, desired, bool(texts)), *changes.diffs],
        result={
            "table": desired.path,
            "flowtables": list(flowtables),
            "ruleset": now,
            "kept": [i for i in history.kept_ids([*state.kept, *_ids(records)]) if history.path(i) not in forgotten],
        },
        warnings=warnings,
        system_scripts=find_init_scripts(state.platform.init),
    )


def _touched_tables(state: TableState, desired: DesiredTable) -> list[tuple[str, str]]:
    """The tables that a load of the desired one touches: it, the second one, and those that go."""
    old = _old_table(state, desired)
    second = desired.family, f"{desired.name}{SOFTWARE}"
    touched = [(desired.family, desired.name), *([old] if old else []), *_leaving_software_tables(state, desired)]
    return [*touched, second] if desired.software is not None else touched


def _leaving_software_tables(state: TableState, desired: DesiredTable) -> list[tuple[str, str]]:
    """Second tables that are not desired: that of the desired table, and that of the one which the boot file names."""
    leaving = []
    mine = desired.family, f"{desired.name}{SOFTWARE}"
    live = state.software_table is not None and is_software_table_ours(state, desired.family, desired.name)
    if desired.software is None and live:
        leaving.append(mine)
    old = _old_table(state, desired)
    if old is not None and paths.SOFTWARE_LISTING in state.files and (old[0], f"{old[1]}{SOFTWARE}") != mine:
        leaving.append((old[0], f"{old[1]}{SOFTWARE}"))
    return leaving


def _listings(desired: DesiredTable) -> list[StageListing]:
    """Of the table that is tried before it is loaded, and then of the second one."""
    second = desired.software
    mine = StageListing(paths.LISTING, desired.family, desired.name)
    return [mine, *([StageListing(paths.SOFTWARE_LISTING, second.family, second.name)] if second else [])]


def _with_nothing_in_place(
    written: Mapping[str, tuple[str, str]], removed: Collection[str]
) -> Mapping[str, tuple[str, str]]:
    """The files to write, with an empty one in place of an emergency ruleset that goes.

    It is removed once all files are in place, but a power failure before that must not leave the next boot with one
    that the new ruleset has no use for: boot takes an empty one for none.
    """
    return {**written, paths.EMERGENCY: (paths.PRIVATE, "")} if paths.EMERGENCY in removed else written


def _forget_fallback(state: TableState, warnings: list[str]) -> list[Step]:
    """The step after which no boot is said to have fallen back any more; one is told in ``warnings``."""
    boot = state.boot
    if not boot.fell_back:
        return []
    what = {"none": "nothing", "emergency": "the emergency ruleset"}.get(boot.loaded, f"ruleset {boot.loaded[5:]}")
    warnings.append(f"boot loaded {what}, because it could not load what was confirmed: {boot.complaint}")
    records = [path for path in paths.BOOT_RECORDS if path in state.files]
    return [Step("note that what boot loaded is replaced", Remove(path)) for path in records]


def _ids(records: dict[str, tuple[str, str]]) -> list[str]:
    prefix = f"{paths.HISTORY}/"
    return [path.removeprefix(prefix) for path in records if path.startswith(prefix)]


def _records(state: TableState, desired: DesiredTable, new: str) -> tuple[dict[str, tuple[str, str]], list[str], str]:
    """(files to write, files to delete, id of what is confirmed then): only for another ruleset than was confirmed."""
    texts = desired.boot_text(), desired.attachments()
    if state.confirmed and state.confirmation == history.confirmation(state.confirmed, *texts):
        return {}, [], state.confirmed
    records = {paths.CONFIRMED: (paths.PRIVATE, f"{history.confirmation(new, *texts)}\n")}
    old = "" if state.tampered else state.confirmed
    if old:
        text = history.kept_text(old, state.files[paths.RULESET], state.files.get(paths.DEVICES, ""))
        records[history.path(old)] = (paths.PRIVATE, text)
    return records, [history.path(i) for i in history.ids_to_forget(state.kept, new, old)], new


def _live_change(state: TableState, desired: DesiredTable, keep_elements: bool) -> list[Transaction]:
    """The nft texts that make the live table as desired; none where it is."""
    load = f"load table {desired.path}"
    live = parse_objects(state.table) if state.table is not None else None
    kept = _kept_objects(state, desired, keep_elements)
    again = _is_made_again(state, desired)
    joining, leaving = device_changes(desired, state.links, () if again else state.flowtables)
    join = "".join(f"{line}\n" for line, _device in joining)
    old = _old_table(state, desired)
    if old is not None:
        # the old table may hold the devices: it has to be gone before they join, see ``transactions``
        path = " ".join(old)
        text = _text_without_devices(state, desired, keep_elements)
        texts = [f"table {path}\ndelete table {path}\n{text}", join]
        load = f"drop table {path}, {load}"
    elif again:
        # as with an old table
        texts = [_text_without_devices(state, desired, keep_elements), join]
        load = f"drop table {desired.path} as it is, {load}"
    elif live is not None and _is_as_loaded(state, desired):
        busy = any(device in flowtable.devices for _line, device in joining for flowtable in state.flowtables)
        texts = [leaving, join] if busy else [leaving + join]
    else:
        texts = transactions(desired, state.links, live, state.flowtables, kept)
    texts = _with_software_table(state, desired, texts)
    steps = [load, f"bring devices into table {desired.path}"]
    return [Transaction(summary, text) for summary, text in zip(steps, texts, strict=False) if text]


def _with_software_table(state: TableState, desired: DesiredTable, texts: list[str]) -> list[str]:
    """The texts, with what becomes of the second table's devices at their end, and those tables gone that go.

    Where our table stays as it is loaded, the second one does too; else the first text makes it anew, without devices.
    """
    gone = "".join(
        f"table {path}\ndelete table {path}\n" for path in map(" ".join, _leaving_software_tables(state, desired))
    )
    joining, leaving = "", ""
    if desired.software is not None:
        held = state.software_flowtables if _is_as_loaded(state, desired) and not _is_made_again(state, desired) else ()
        lines, leaving = device_changes(desired.software, state.links, held)
        joining = "".join(f"{line}\n" for line, _device in lines)
    first, *others = texts
    changed = [gone + first, *others]
    return [*changed[:-1], changed[-1] + leaving + joining]


def _is_as_loaded(state: TableState, desired: DesiredTable) -> bool:
    """Whether the live tables, but for devices, are what loading the desired text made."""
    for path, live in ((paths.LISTING, state.table), (paths.SOFTWARE_LISTING, state.software_table)):
        if path == paths.SOFTWARE_LISTING and not is_software_table_ours(state, desired.family, desired.name):
            continue
        if normalise_listing(state.files.get(path, "")) != normalise_listing(live or ""):
            return False
    if state.files.get(paths.RULESET) == desired.boot_text():
        return True
    # the text for boot was changed by hand, and is not what is loaded
    return state.confirmation == history.confirmation(state.confirmed, desired.boot_text(), desired.attachments())


def _kept_objects(state: TableState, desired: DesiredTable, keep_elements: bool) -> frozenset[tuple[str, str]]:
    if not keep_elements:
        return frozenset()
    recorded = state.files.get(paths.LISTING, "")
    return kept_objects(state.files.get(paths.RULESET, ""), desired.boot_text(), recorded, state.table or "")


def _text_without_devices(state: TableState, desired: DesiredTable, keep_elements: bool) -> str:
    """The transaction for a dry run: devices stay out, because their features may still be off in check mode."""
    if state.table is None:
        return transactions(desired, (), None, ())[0]
    if _is_made_again(state, desired):
        return f"delete table {desired.path}\n{transactions(desired, (), None, ())[0]}"
    return transactions(
        desired, (), parse_objects(state.table), state.flowtables, _kept_objects(state, desired, keep_elements)
    )[0]


def _is_made_again(state: TableState, desired: DesiredTable) -> bool:
    """Whether the live table has to go first, for it takes no mark while it is there.

    It is somebody else's, or it lost the mark that it was recorded with; one that never had it stays as it is.
    """
    if not desired.marked or state.table is None or is_marked(state.table):
        return False
    recorded = state.files.get(paths.LISTING, "")
    return is_marked(recorded) or is_another_owners(state, desired.family, desired.name)


def _old_table(state: TableState, desired: DesiredTable) -> tuple[str, str] | None:
    """The table that the boot file still names, when that is another one; it goes, unless it is somebody else's now."""
    old = parse_our_table(state.files.get(paths.RULESET, ""))
    if old is None or old == (desired.family, desired.name) or is_old_table_another_owners(state):
        return None
    return old


def _live_diffs(state: TableState, desired: DesiredTable, load: bool) -> list[Diff]:
    """What was changed by hand or is somebody else's, as a whole; and the devices that come and go."""
    header = f"live table {desired.path}"
    recorded = state.files.get(paths.LISTING, "")
    drifted = normalise_listing(state.table or "") != normalise_listing(recorded)
    diffs = []
    other = _old_table(state, desired)
    if other is not None and state.old_table is not None:
        diffs.append(Diff(f"live table {' '.join(other)}", normalise_listing(state.old_table), ""))
    if load and is_another_owners(state, desired.family, desired.name):
        diffs.append(Diff(header, state.whole or state.table or "", desired.boot_text()))
    elif load and drifted and (recorded or state.table):
        after = normalise_listing(recorded) or desired.boot_text()
        diffs.append(Diff(header, normalise_listing(state.table or ""), after))
    recorded = state.files.get(paths.SOFTWARE_LISTING, "") if desired.software is not None else ""
    second = state.software_table if is_software_table_ours(state, desired.family, desired.name) else None
    if load and normalise_listing(second or "") != normalise_listing(recorded):
        path = f"{desired.path}{SOFTWARE}"
        after = normalise_listing(recorded) or (desired.software.text() if desired.software else "")
        diffs.append(Diff(f"live table {path}", normalise_listing(second or ""), after))
    held = {f.name: f for f in state.flowtables}
    before, after = "", ""
    for flowtable in desired.flowtables:
        old = held.get(flowtable.name)
        before += _flowtable_line(old.name, old.devices, old.hardware) if old else ""
        present = expand(flowtable.devices, state.links)
        after += _flowtable_line(flowtable.name, present, flowtable.hardware)
    if before != after:
        diffs.append(Diff(f"{header}: devices", before, after))
    return diffs


def _sources(state: TableState) -> dict[tuple[str, str], str]:
    """The file for boot as the source of the live table, where that is as it was loaded, and the file as confirmed."""
    if state.tampered:
        return {}
    ours = parse_our_table(state.files.get(paths.RULESET, ""))
    recorded = normalise_listing(state.files.get(paths.LISTING, ""))
    return {ours: paths.RULESET} if ours and recorded and recorded == normalise_listing(state.table or "") else {}


def _flowtable_line(name: str, devices: Sequence[str], hardware: bool) -> str:
    return (
        f"flowtable {name}: {', '.join(sorted(devices)) or 'no devices'} ({'hardware' if hardware else 'software'})\n"
    )


def plan_absent(state: TableState, family: str, table: str, token: str, adopt: bool = False) -> ConfirmedPlan:
    """Plan that leaves no trace of our table: live, files, units, rulesets confirmed before.

    A table of somebody else stays, with a warning; with ``adopt`` the one of that name goes all the same.
    """
    written = parse_our_table(state.files.get(paths.RULESET, ""))
    live = {(family, table): state.whole or state.table}
    foreign = [(family, table)] if is_another_owners(state, family, table) and not adopt else []
    if written not in (None, (family, table)):
        live |= {written: state.old_table}
        foreign += [written] if is_old_table_another_owners(state) else []
    if is_software_table_ours(state, family, table):
        live |= {(family, f"{table}{SOFTWARE}"): state.software_table}
    elif not adopt:
        foreign.append((family, f"{table}{SOFTWARE}"))
    listings = {path: listing for path, listing in live.items() if listing is not None and path not in foreign}
    orphan = [(written[0], f"{written[1]}{SOFTWARE}")] if written and paths.SOFTWARE_LISTING in state.files else []
    # one of another name was not looked for, and may be gone
    unseen = {path for path in orphan if path != (family, f"{table}{SOFTWARE}")}
    listings |= {path: state.files[paths.SOFTWARE_LISTING] for path in unseen}
    made = {" ".join(path): f"table {' '.join(path)}\n" for path in unseen}
    names = [" ".join(path) for path in listings]
    forgotten = [history.path(change) for change in state.kept]
    init = find_init_system(state.platform.init)
    # What boot would load in place of a text that is gone goes first, then what starts at boot, links before what they
    # lead to, and the text last: a power failure leaves nothing that starts without its text, and the text says whose
    # the table is until all else is gone.
    links = init.ruleset.links if init else ()
    changes = file_changes(state.files, dict.fromkeys([paths.EMERGENCY, *links, *reversed(list_own_files())]))
    kept = [Diff(path, state.files[path], "") for path in forgotten if path in state.files]
    return ConfirmedPlan(
        id=state.next_id(token),
        last_confirmed=state.confirmation,
        texts=[Transaction(f"drop table {path}", f"{made.get(path, '')}delete table {path}\n") for path in names],
        tables=list(listings),
        sources=_sources(state),
        stopping=init.plan_before_removing(init.ruleset, state.service) if init else [],
        removed=changes.removed,
        forgotten=forgotten,
        # nothing is removed before the confirmation
        committed=lambda answer: not read_files(answer).keys() >= set(changes.removed),
        closing=init.plan_after_removing(init.ruleset, changes.removed, state.service) if init else [],
        diffs=[
            *(Diff(f"live table {' '.join(path)}", listing, "") for path, listing in listings.items()),
            *changes.diffs,
            *kept,
        ],
        result={"table": f"{family} {table}", "flowtables": [], "ruleset": "", "kept": []},
        warnings=[warn_of_foreign(" ".join(path)) for path in foreign],
        system_scripts=find_init_scripts(state.platform.init),
    )
