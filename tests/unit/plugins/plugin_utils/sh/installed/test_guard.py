# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard loads to bring a table back: in one transaction, with flowtables in their places."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import guard_script

from tests.unit.helpers.events import list_guards
from tests.unit.helpers.sandbox import Sandbox
from tests.unit.helpers.shells import ROUTER_SHELLS

FLOWTABLE = "\tflowtable ft {{\n\t\thook ingress priority filter\n\t\tdevices = {{ {devices} }}\n{flags}\t}}\n\n"
HARDWARE = "\t\tflags offload\n\t\tcounter\n"
CHAIN = (
    "\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tct state new jump more\n\t}\n"
)


def listing(devices: str = "lo", flags: str = HARDWARE, chain: str = CHAIN) -> str:
    return "table inet t {\n" + FLOWTABLE.format(devices=devices, flags=flags) + chain + "}\n"


@pytest.fixture(params=ROUTER_SHELLS, ids=lambda shell: shell[0])
def router(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"no {request.param[0]} here")
    return Sandbox(tmp_path, request.param)


def prepare(place: Path, *before: str) -> Path:
    """The directory of a change of table inet t (and inet t1) that is to be undone."""
    pending = place / "run/nft-offload/pending/1-00000001"
    pending.mkdir(parents=True)
    (pending / "guard").write_text(guard_script())
    (pending / "id").write_text("1-00000001\n")
    events = ("begun 1 1 0", "deadline 0", "loading", "loaded", "undo test")
    (pending / "events").write_text("".join(f"1-00000001 {event} .\n" for event in events))
    for name in ("staged", "made", "outcome", "reloading"):
        (pending / name).write_text("")
    (pending / "tables").write_text("".join(f"inet t{n or ''}\n" for n in range(len(before))))
    for number, text in enumerate(before, start=1):
        (pending / f"before.{number}").write_text(text)
    return pending


def rollback(router: Sandbox, *before: str) -> tuple[list[str], str]:
    """(the lines that nft got, the outcome)."""
    prepare(router.place, *before)
    assert start_guard(router).wait(60) == 0
    return nft_lines(router), (router.home / "last").read_text().strip()


def start_guard(router: Sandbox) -> subprocess.Popen[bytes]:
    guard = router.pending / "guard"
    if str(router.sh) not in guard.read_text():
        guard.write_text(guard.read_text().replace("/bin/sh ", f"{router.sh} "))
    environment = {"PATH": f"{router.place / 'bin'}:{os.environ['PATH']}"}
    return subprocess.Popen([str(router.sh), str(router.pending / "guard"), "watch"], env=environment)


def end_guard(router: Sandbox, guard: subprocess.Popen[bytes]) -> None:
    """And what it started: one that cannot undo a change goes on."""
    for pid in {guard.pid, *list_guards(router.pending)}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    guard.wait()


def wait_for_attempt(router: Sandbox, number: int) -> str:
    """The outcome as it is after that many attempts to undo the change."""
    until = time.monotonic() + 60
    while f"after attempt {number}," not in (text := (router.pending / "outcome").read_text()):
        assert time.monotonic() < until, text
        time.sleep(0.1)
    return text.strip()


def nft_lines(router: Sandbox) -> list[str]:
    """The lines that nft got."""
    return router.log.read_text().splitlines() if router.log.exists() else []


def flowtable_statements(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if " flowtable " in line and not line.startswith("\t")]


def test_a_flowtable_that_is_the_same_stays(router: Sandbox) -> None:
    router.set_table(listing(chain="\tset gone {\n\t\ttype mark\n\t}\n\n\tchain other {\n\t}\n"))
    lines, outcome = rollback(router, listing())
    assert lines[:4] == [
        "flush table inet t",
        "delete set inet t gone",
        "delete chain inet t other",
        "table inet t {",
    ]
    assert flowtable_statements(lines) == []
    assert "devices" not in "".join(lines)
    assert outcome.startswith("1-00000001 ")
    assert router.table() == listing()


@pytest.mark.parametrize("readable", [True, False], ids=["nft-reads-its-listing", "nft-reads-only-the-text"])
def test_without_awk_a_flowtable_that_hardware_has_stays(router: Sandbox, readable: bool) -> None:
    """A driver takes no second one while the first is bound, so the table cannot be made again in one transaction."""
    awk = router.place / "bin/awk"
    awk.write_text("#!/bin/sh\nexit 127\n")
    awk.chmod(0o755)
    live = listing(chain="\tset gone {\n\t\ttype mark\n\t}\n\n\tct helper sip {\n\t}\n\n\tchain other {\n\t}\n")
    router.set_table(live)
    pending = prepare(router.place, listing())
    if not readable:
        (pending / "text.1").write_text(f"# as it was written\n{listing()}")
    assert start_guard(router).wait(60) == 0
    lines, outcome = nft_lines(router), (router.home / "last").read_text()
    assert ("# as it was written" in lines) == (not readable)
    emptied = [
        "flush table inet t",
        "delete set inet t gone",
        "delete chain inet t other",
        "delete ct helper inet t sip",
    ]
    assert [line for line in lines if line in emptied] == emptied
    assert "rolled_back" in outcome
    assert router.table() == listing()


def test_only_the_devices_that_differ_come_and_go(router: Sandbox) -> None:
    router.set_table(listing(devices='"new0"'))
    lines, _outcome = rollback(router, listing(devices="lo, away0"))
    what = "flowtable inet t ft { hook ingress priority filter; devices = "
    assert flowtable_statements(lines) == [
        f'delete {what}{{ "new0" }}; flags offload; counter; }}',
        f'add {what}{{ "lo" }}; flags offload; counter; }}',
    ]


def test_from_software_back_to_hardware(router: Sandbox) -> None:
    router.set_table(listing(flags=""))
    lines, _outcome = rollback(router, listing())
    assert "delete flowtable inet t ft" in lines
    assert (
        'add flowtable inet t ft { hook ingress priority filter; devices = { "lo" }; flags offload; counter; }' in lines
    )


def test_a_device_goes_back_to_the_hardware_flowtable_that_had_it(router: Sandbox) -> None:
    """The driver takes no second one while the first is bound, so this cannot be one transaction."""
    router.set_table(listing().replace("flowtable ft", "flowtable other"))
    lines, outcome = rollback(router, listing())
    assert router.table() == listing()
    assert "delete table inet t" not in lines, "the rules are never away"
    assert outcome.split()[1] == "rolled_back"


def test_a_device_goes_back_to_the_table_that_had_it(router: Sandbox) -> None:
    router.set_table(listing().replace("table inet t ", "table inet t1 "), "t1")
    _told, outcome = rollback(router, listing(), "")
    assert (router.table(), router.table("t1")) == (listing(), None)
    assert outcome.split()[1] == "rolled_back"


def test_nothing_is_done_where_nothing_differs(router: Sandbox) -> None:
    router.set_table(listing())
    lines, outcome = rollback(router, listing())
    assert lines == []
    assert outcome.split()[1] == "rolled_back"


def test_a_table_that_was_not_there_goes(router: Sandbox) -> None:
    router.set_table(listing(), "t1")
    lines, _outcome = rollback(router, listing(flags=""), "")
    assert "table inet t {" in lines
    assert lines.index("delete table inet t1") > lines.index("table inet t {"), "something filters all the time"
    assert router.table("t1") is None
    assert router.table() == listing(flags="")


def test_what_cannot_be_brought_back_is_told(router: Sandbox) -> None:
    """And it goes on until it is done."""
    router.set_table(listing(chain="\tchain other {\n\t}\n"))
    before = prepare(router.place, listing(chain="\tchain REFUSED {\n\t}\n")) / "before.1"
    guard = start_guard(router)
    outcome = wait_for_attempt(router, 2)
    assert outcome.split()[1] == "broken"
    assert "what was there is not back after attempt 2, and is tried again" in outcome
    assert "syntax error" in outcome
    before.write_text(listing())
    assert guard.wait(60) == 0
    assert (router.home / "last").read_text().split()[1] == "rolled_back"
    assert router.table() == listing()


def test_a_copy_that_is_gone_does_not_say_that_there_was_no_table(router: Sandbox) -> None:
    router.set_table(listing())
    (prepare(router.place, listing(flags="")) / "before.1").unlink()
    guard = start_guard(router)
    assert "the copy of table inet t is gone" in wait_for_attempt(router, 1)
    end_guard(router, guard)
    assert (router.table(), nft_lines(router)) == (listing(), [])


def test_two_guards_at_once(router: Sandbox) -> None:
    """The second one stands by, and finds it done."""
    slow = listing(flags="", chain=CHAIN.replace("policy accept;", "policy accept; # SLOW"))
    router.set_table(listing(flags=""))
    prepare(router.place, slow)
    guards = [start_guard(router), start_guard(router)]
    assert [guard.wait(60) for guard in guards] == [0, 0]
    assert router.table() == slow
    assert nft_lines(router).count("table inet t {") == 1
    assert (router.home / "last").read_text().split()[1] == "rolled_back"


REAL = """table inet t {
	set block {
		type ipv4_addr
		flags timeout
		elements = { 192.0.2.1 timeout 1h }
	}

	set wide {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 198.51.100.0/24, 203.0.113.7-203.0.113.9 }
	}

	map zones {
		type ifname : verdict
		elements = { "lo" : jump inner }
	}

	counter passed {
		comment "a } and a \\t{"
	}

	chain inner {
		counter name "passed" accept
	}

	chain input {
		type filter hook input priority filter; policy accept;
		iifname vmap @zones
		ip saddr @block drop comment "set x {"
		ip saddr { 192.0.2.9, 192.0.2.10 } jump {
			accept
		}
	}
}
"""
OTHER = "table inet t {\n\tmap zones { type ifname : verdict; elements = { lo : drop }; }\n\tchain new {\n\t}\n}\n"


needs_kernel = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nft") is None, reason="needs root and nft")


def against_kernel(shell: str, place: Path, change: str) -> str:
    """How REAL, changed by the commands, is listed after the roll back: the real nft, in a namespace of its own."""
    pending = prepare(place)
    (pending / "tables").write_text("inet t\n")
    (place / "old").write_text(REAL)
    (place / "new").write_text(OTHER)
    script = f"""
    nft -f old && nft -s list table inet t >{pending}/before.1
    {change}
    {shell} {pending}/guard watch
    nft -s list table inet t
    """
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], cwd=place, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or "not supported" in done.stderr:
        pytest.skip(f"no namespaces or no nf_tables here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert (place / "run/nft-offload/last").read_text().split()[1] == "rolled_back"
    return done.stdout


@needs_kernel
@pytest.mark.parametrize("shell", ["dash", "busybox ash"])
def test_against_the_kernel(shell: str, tmp_path: Path) -> None:
    change = """
    printf 'delete table inet t\\n' | cat - new | nft -f -
    nft list table inet t | grep -q 'chain new' || exit 9
    """
    table = against_kernel(shell, tmp_path, change)
    for part in ("chain inner", "192.0.2.1 timeout 1h", "198.51.100.0/24", "policy accept", '"lo" : jump inner'):
        assert part in table
    assert "chain new" not in table


@needs_kernel
@pytest.mark.parametrize("shell", ["dash", "busybox ash"])
def test_elements_come_back_where_nothing_else_differs(shell: str, tmp_path: Path) -> None:
    change = """
    nft 'delete element inet t zones { lo }; add element inet t zones { lo : drop }; flush set inet t wide' || exit 9
    """
    table = against_kernel(shell, tmp_path, change)
    for part in ("198.51.100.0/24", '"lo" : jump inner'):
        assert part in table


@needs_kernel
@pytest.mark.parametrize("shell", ["dash", "busybox ash"])
@pytest.mark.parametrize("zone", ["XST8", "XST-9"])
def test_hours_come_back_in_any_zone(shell: str, zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """West of Greenwich, nft 1.0 cannot read the hours that it lists; and the offset of a zone changes twice a year."""
    monkeypatch.setenv("TZ", zone)
    rule = 'meta hour "23:00"-"23:30" drop comment "the night"'
    change = f"""
    nft 'add rule inet t input {rule}' && nft list table inet t >at_first
    TZ=UTC0 nft -s list table inet t >run/nft-offload/pending/1-00000001/before.1
    {shell} run/nft-offload/pending/1-00000001/guard copies || exit 9
    nft 'flush chain inet t input'
    """
    table = against_kernel(shell, tmp_path, change)
    assert [line for line in table.splitlines() if "the night" in line] == [
        line for line in (tmp_path / "at_first").read_text().splitlines() if "the night" in line
    ]


@needs_kernel
@pytest.mark.parametrize("shell", ["dash", "busybox ash"])
@pytest.mark.parametrize(
    "words", ["ticket 17:\\n\\tchain x {\\n", "\\ntable inet other {\\n", "\\n}\\n"], ids=["chain", "table", "end"]
)
def test_a_line_end_in_a_string_ends_no_line(shell: str, words: str, tmp_path: Path) -> None:
    """nft lists it as it is; what the lines of the string look like is nothing that was there."""
    change = f"""
    nft 'add table inet other; add chain inet other c'
    printf 'add rule inet t input counter comment "{words}"\\n' | nft -f -
    TZ=UTC0 nft -s list table inet t >run/nft-offload/pending/1-00000001/before.1
    {shell} run/nft-offload/pending/1-00000001/guard copies || exit 9
    nft 'flush chain inet t input; add chain inet t chain_x'
    """
    table = against_kernel(shell, tmp_path, change)
    assert words.partition("\\n")[0] in table and "chain_x" not in table
    assert "iifname vmap @zones" in table


LONE = """
nft add table inet {table}
nft add chain inet {table} c
printf '{{"nftables": [{{"add": {{"rule": {{"family": "inet", "table": "{table}", "chain": "c",
  "comment": "game \\\\" 1", "expr": [{{"accept": null}}]}}}}}}]}}' | nft -j -f - || exit 8
nft list table inet {table} | grep -q 'game " 1"' || exit 7
"""
"""a rule with a quote in its comment, which nft lists as it is, and cannot read then"""


@needs_kernel
@pytest.mark.parametrize("shell", ["dash", "busybox ash"])
def test_a_quote_without_an_end_is_refused_and_empties_nothing(shell: str, tmp_path: Path) -> None:
    pending = prepare(tmp_path)
    (pending / "tables").write_text("inet t\n")
    script = f"""{LONE.format(table="t")}
    TZ=UTC0 nft -s list table inet t >{pending}/before.1
    {shell} {pending}/guard copies && exit 9
    nft add rule inet t c drop
    {shell} {pending}/guard restore 1 >&2
    nft list table inet t
    """
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert "could not be undone" in done.stdout and 'game " 1"' in done.stdout


@needs_kernel
@pytest.mark.parametrize("shell", ["dash", "busybox ash"])
def test_a_quote_without_an_end_in_a_table_of_somebody_else(shell: str, tmp_path: Path) -> None:
    """It keeps nobody from a change, and from undoing it."""
    change = f"{LONE.format(table='aa')}\nnft 'flush chain inet t input'"
    assert "iifname vmap @zones" in against_kernel(shell, tmp_path, change)
    pending = prepare(tmp_path / "load")
    (pending / "tables").write_text("inet t\n")
    (pending / "load.1").write_text(OTHER)
    (pending / "events").write_text("1-00000001 begun 1 1 0 .\n")
    script = f"{LONE.format(table='aa')}\n{shell} {pending}/guard load"
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)


MARKED = listing().replace("{\n", '{\n\tcomment "kmod.nft_offload"\n', 1)


@pytest.mark.parametrize(("live", "before"), [(MARKED, listing()), (listing(), MARKED)], ids=["adopted", "unmarked"])
def test_a_table_that_was_made_again_is_made_again(router: Sandbox, live: str, before: str) -> None:
    """A table takes a comment only when it is made, so one with another comment cannot stay in its place."""
    router.set_table(live)
    lines, ended = rollback(router, before)
    assert lines[0] == "delete table inet t"
    assert "rolled_back" in ended
    assert router.table() == before
