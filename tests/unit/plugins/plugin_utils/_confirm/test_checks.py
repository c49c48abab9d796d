# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a change: which are refused, what they are called, and where their commands are not to be seen."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import (
    FROM_INPUT,
    OUTPUT,
    SPEC,
    Check,
    read_checks,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.verbs import CheckCommand, CheckHere
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.arguments import validate
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import failed_step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS, Answer, Section, compose
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Verb

from tests.unit.helpers.shells import NONCE, ROUTER_SHELLS, SHELLS, run_script

SECRET = "hunter22-4711"
EVERY_ARGUMENT = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\000' ' '"


def item(**values: Any) -> dict[str, Any]:
    empty = dict.fromkeys(["name", "reach", "port", "resolve", "gateway", "command"])
    return {"from": "router", **empty, "timeout": 5, **values}


@pytest.mark.parametrize(
    ("items", "timeout", "says"),
    [
        ([item(reach="192.0.2.1", port=22)], 30, "port 22 goes with reach, from the controller"),
        ([item(reach="-f 192.0.2.1")], 30, "reach must be an address or a name, got '-f 192.0.2.1'"),
        ([item(gateway="ipv4", **{"from": "controller"})], 30, "gateway is the router's"),
        ([item(resolve=" ")], 30, "resolve must be a name, got ' '"),
        ([item(command="true")], 0, "confirm_timeout is 0"),
        ([item(command="true", timeout=15), item(command="true", timeout=15)], 30, "may take 30 s"),
        ([item(command="true", timeout=0)], 30, "timeout must be 1 or more seconds, got 0"),
        (
            [item(reach="192.0.2.1", port=70000, **{"from": "controller"})],
            30,
            "port must be from 1 to 65535, got 70000",
        ),
        ([item(command="true", name=" ")], 30, "name must be one line of 1 to 80 characters, got ' '"),
        ([item(command="true", name="a\nb")], 30, "name must be one line"),
        ([item(command="true", name="a\x1b[2Kb")], 30, "name must be one line"),
        ([item(command="true", name="a" * 81)], 30, "name must be one line"),
        ([item(command="true\0false")], 30, "command has a NUL in it"),
    ],
)
def test_checks_that_make_no_sense(items: list[dict[str, Any]], timeout: int, says: str) -> None:
    with pytest.raises(OffloadError, match=says):
        read_checks(items, timeout)


@pytest.mark.parametrize(
    "wrong",
    [
        SECRET,
        {"command": SECRET, "timeout": 99},
        [{"command": SECRET, "timeout": "soon"}],
        [{"command": SECRET, "reach": "192.0.2.1"}],
        [{"command": SECRET, "commands": SECRET}],
        [{"command": SECRET, "port": 22}],
        [{"command": SECRET, "from": "somewhere"}],
        [{"command": SECRET, "timeout": 0}],
        [{"command": SECRET, "timeout": 900}],
        [{"command": [SECRET]}, {"command": {SECRET: SECRET}, "port": 1}],
        [{"command": f"{SECRET}\0"}],
        [[SECRET]],
    ],
    ids=str,
)
def test_no_refusal_shows_a_command(wrong: Any) -> None:
    with pytest.raises(OffloadError) as caught:
        read_checks(validate({"checks": SPEC}, {}, {"checks": wrong})["checks"], 30)
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.details}"


def test_what_is_null_is_left_out() -> None:
    options = validate({"checks": SPEC}, {}, {"checks": [{"resolve": None, "command": "true", "name": None}]})
    assert read_checks(options["checks"], 30) == [Check(True, "command", "true", 0, 5)]


@pytest.mark.parametrize(
    ("values", "called"),
    [
        ({"reach": "192.0.2.1"}, "check from the router: reach 192.0.2.1"),
        (
            {"reach": "192.0.2.1", "port": 22, "from": "controller"},
            "check from the controller: reach 192.0.2.1 port 22",
        ),
        ({"resolve": "www.example.org"}, "check from the router: resolve www.example.org"),
        ({"command": SECRET}, "check from the router: command"),
        ({"command": SECRET, "name": "the till answers"}, "check from the router: the till answers"),
        ({"reach": "192.0.2.1", "name": " the till "}, "check from the router: the till"),
    ],
)
def test_what_a_check_is_called(values: dict[str, Any], called: str) -> None:
    (check,) = read_checks([item(**values)], 30)
    assert (str(check), check.step().summary) == (called, called)
    assert SECRET not in f"{check!r} {check.step()!r}", "what a traceback may show"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (Check(False, "command", "true", 0, 5), ""),
        (Check(False, "command", "sleep 9", 0, 1), "no answer within 1 s"),
        (Check(False, "resolve", "localhost", 0, 5), ""),
        (Check(False, "reach", "127.0.0.1", 1, 5), "refused"),
        (Check(False, "reach", "fw..example.org", 22, 5), "label"),
        (Check(False, "command", "printf '\\351'; exit 1", 0, 5), "\ufffd"),
        (Check(False, "command", "exit 4", 0, 5), "exit code 4"),
        (Check(False, "command", "read -r line; exit 3", 0, 5), "exit code 3"),
        (Check(False, "command", "false # why\n", 0, 5), "exit code 1"),
        (Check(False, "command", "cat <<E\nfound $((1 + 1))\nE\nexit 1", 0, 5), "found 2"),
    ],
)
def test_checks_on_the_controller(what: Check, why: str) -> None:
    output = what.fails_here()
    assert why in output if why else output == ""


@pytest.mark.parametrize("starts", ["sleep 61 &", "env -i sleep 61 &", "setsid sleep 61 &", "env -i setsid sleep 61 &"])
def test_a_check_that_hangs_is_ended_with_all_that_it_started(starts: str, tmp_path: Path) -> None:
    """Whoever holds its output does not hold the task."""
    child = tmp_path / "child"
    command = f"sh -c '{starts} echo $! >{child}; wait; sleep 61' & sleep 61"
    for seconds in (1, 4, 16):
        started = time.monotonic()
        assert Check(False, "command", command, 0, seconds).fails_here() == f"no answer within {seconds} s"
        assert time.monotonic() - started < 30
        if child.exists() and child.read_text():
            break
    assert ends(int(child.read_text()))


def ends(process: int) -> bool:
    """Within some seconds."""
    until = time.monotonic() + 20
    while runs(process) and time.monotonic() < until:
        time.sleep(0.01)
    return not runs(process)


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_check_prints_is_bounded() -> None:
    """In memory too: some 100 MB go by here."""
    command = "head -c 100000000 /dev/zero | tr '\\000' x; echo; echo the end; exit 1"
    output = Check(False, "command", command, 0, 60).fails_here()
    assert len(output) <= OUTPUT
    assert output.endswith("the end")


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (f"401 for user:{SECRET}@192.0.2.1", "401 for ***@192.0.2.1"),
        (f"no such password: {SECRET}", "no such password: ***"),
        (f"sh: 1: curl -u user:{SECRET} x: not found", "sh: 1: ***: not found"),
        ("connection refused", "connection refused"),
    ],
)
def test_what_a_command_echoes_of_itself_is_hidden(printed: str, shown: str) -> None:
    check = Check(True, "command", f"curl -u user:{SECRET} x", 0, 5)
    failed = failed_step([check.step()], Answer({"step.0": Section(printed, 1)}))
    assert failed is not None and failed[1] == shown


def test_a_task_with_no_log_shows_nothing_that_was_printed() -> None:
    (check,) = read_checks([item(command="echo abc; exit 1", **{"from": "controller"})], 30, silent=True)
    assert "abc" not in check.fails_here()
    failed = failed_step([check.step()], Answer({"step.0": Section("abc", 1)}))
    assert failed is not None and "abc" not in failed[1] and "no_log" in failed[1]


def test_no_process_of_the_controller_has_a_command_in_its_arguments(tmp_path: Path) -> None:
    command = f": {SECRET}; {EVERY_ARGUMENT} >{tmp_path}/seen"
    assert Check(False, "command", command, 0, 60).fails_here() == ""
    seen = (tmp_path / "seen").read_text()
    assert "nft_offload_check" in seen
    assert SECRET not in seen


def check_on_a_router(shell: list[str], verb: Verb, place: Path) -> str:
    """What a router prints for a check."""
    calls = [("eval", f"change={shlex.quote(str(place))}"), ("section", "check", *verb.call)]
    return run_script(shell, compose(NONCE, ("apply/checks",), calls), place)


@pytest.mark.parametrize("shell", SHELLS)
def test_no_process_of_a_router_has_a_command_in_its_arguments(shell: list[str], tmp_path: Path) -> None:
    command = (
        f': {SECRET}; {EVERY_ARGUMENT} >seen; read -r line || echo no input; cat <<E\nit\'s "$((1 + 1))"\nE\nexit 7'
    )
    output = check_on_a_router(shell, CheckHere(10, CheckCommand(command, "yes", (SECRET,))), tmp_path)
    assert '\nno input\nit\'s "2"\n' in output
    assert "- check 7\n" in output
    seen = (tmp_path / "seen").read_text()
    assert "nft_offload_check" in seen
    assert SECRET not in seen


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("shown", "command", "printed"),
    [
        ("yes", f"echo a{SECRET}b{SECRET}; exit 3", "a***b***\n\n@@{} - check 3"),
        ("yes", f"echo '{SECRET}'; echo '*'; echo '@7'", "***\n*\n@7\n\n@@{} - check 0"),
        ("no", "echo quiet; exit 2", "+ check\n\n@@{} - check 2"),
        ("yes", "echo gone >&2; kill -9 $$", "\n@@{} - check 137"),
        ("yes", "head -c 3000000 /dev/zero | tr '\\000' '\\n'; seq 9", "\n5\n6\n7\n8\n9\n"),
        # what is printed later, or by what is left behind, is no exit code
        ("yes", "exec 3>&1; (sleep 0.3; echo @0 >&3) & exit 1", "\n@@{} - check 1"),
        ("yes", "(sleep 1; echo later) & true", "\n@@{} - check 0"),
        ("yes", "sleep 61 & echo why; exit 1", "+ check\nwhy\n\n@@{} - check 1"),
        ("yes", "echo @0; exit 4", "@0\n\n@@{} - check 4"),
        ("yes", "if true; then", "\n@@{} - check 2"),
    ],
)
def test_what_a_router_prints_of_a_command(
    shell: list[str], shown: str, command: str, printed: str, tmp_path: Path
) -> None:
    """Ansible shows it with -vvv as it comes, with no_log too."""
    started = time.monotonic()
    output = check_on_a_router(shell, CheckHere(10, CheckCommand(command, shown, (SECRET,))), tmp_path)
    assert printed.format(NONCE) in output
    assert SECRET not in output
    assert len(output) < 2000
    assert time.monotonic() - started < 9, "what it leaves behind is not waited for"


@pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("starts", ["sleep 61 &", "env -i sleep 61 &", 'env -i sh -c "sleep 61; :" &'])
def test_a_check_that_hangs_on_a_router_is_ended_with_all_that_it_started(
    shell: list[str], starts: str, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    for seconds in (1, 4, 16):
        verb = CheckHere(seconds, CheckCommand(f"{starts} echo $! >{child}; wait", "yes", ()))
        assert f"no answer within {seconds} s" in check_on_a_router(shell, verb, tmp_path)
        if child.exists() and child.read_text():
            break
    assert ends(int(child.read_text()))


QUOTED = "ab;cd|ef&gh<ij"
LONG = "".join(f"{number:x}" for number in range(2000))


@pytest.mark.parametrize(
    ("command", "secrets"),
    [
        (f"echo \"denied for '{QUOTED}'\"; exit 1", [QUOTED]),
        (f"P='{QUOTED}'; echo denied for $P; exit 1", [QUOTED, "ab;cd"]),
        (f'P="{QUOTED}"; echo denied for $P; exit 1', [QUOTED, "ab;cd"]),
        (f"echo user:'{QUOTED}'; exit 1", [QUOTED]),
        ("P=ab\\;cd\\|ef; echo denied for $P; exit 1", ["ab;cd|ef"]),
        ('P="four\\$four"; echo denied for $P; exit 1', ["four$four"]),
        (
            "P='S3cretPass\nwith a line end in it'; echo denied for \"$P\"; exit 1",
            ["S3cretPass", "with a line end in it"],
        ),
        ("P='S3cret Pass Phrase\nand more'; echo denied for \"$P\" | head -n 1; exit 1", ["S3cret Pass Phrase"]),
        ("printf 'x\\tsecret-pass\\0\\n'; exit 1", ["secret-pass"]),
        (f"# it's a comment\nP='{QUOTED}'; echo denied for $P; exit 1", [QUOTED]),
        # more than is kept: the rest of it is no word of the command
        (f"P={LONG}; echo denied for $P; exit 1", [LONG[-10:], LONG[-100:-90]]),
        (f"P='x y {' '.join(LONG[n : n + 5] for n in range(0, 5500, 5))}'; echo $P; exit 1", [LONG[5490:5495]]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_no_word_of_a_command_is_shown_whole_or_in_part(command: str, secrets: list[str], tmp_path: Path) -> None:
    here = Check(False, "command", command, 0, 60)
    shown = [here.fails_here()]
    there = Check(True, "command", command, 0, 10)
    for shell in ROUTER_SHELLS:
        output = check_on_a_router(shell, there.step().verb, tmp_path)
        assert "- check 1\n" in output
        shown.append(output)
    assert [(secret, text) for secret in secrets for text in shown if secret in text] == []


def test_both_sides_start_a_command_in_the_same_way() -> None:
    assert f"| sh -c {shlex.quote(FROM_INPUT)}\n" in (SCRIPTS / "apply/checks.sh").read_text()


def test_this_machine_would_show_it(tmp_path: Path) -> None:
    """Else the tests above would see nothing."""
    command = f": {SECRET}; {EVERY_ARGUMENT}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert SECRET in done.stdout
