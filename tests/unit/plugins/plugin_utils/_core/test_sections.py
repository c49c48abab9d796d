# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section protocol: what a router prints is read whole or refused, and what it is sent runs whole or not at all."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import (
    LONGEST_ANSWER,
    SCRIPTS,
    Answer,
    Section,
    compose,
    fragment,
    parse,
    with_needed,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._fw4 import plan as _fw4
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._kernel import plan as _kernel
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._nic import plan as _nic
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.fw4 import read_fw4
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import state as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_manager import PackageManager
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_registry import PACKAGE_MANAGERS
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.answers import count
from tests.unit.helpers.captures import AWKS
from tests.unit.helpers.shells import NONCE, SHELLS, run_script

MARKER = f"@@{NONCE}"
NAMES = sorted(
    str(file.relative_to(SCRIPTS).with_suffix("")) for file in SCRIPTS.rglob("*.sh") if file.parent.name != "installed"
)
HOSTILE = (
    "$(touch ran)",
    "`touch ran`",
    "'; touch ran; '",
    '"; touch ran; "',
    "a\nb\n\n",
    "-n",
    "\\n\\0101 %s %d",
    "*",
    "~ $HOME ${IFS}",
    "ä€\t\x07",
    "@@fedcba9876543210 end",
    "",
)


def answered(sections: Mapping[str, tuple[str, int]]) -> str:
    """A whole answer, as prelude.sh prints it."""
    parts = [f"{MARKER} + {name}\n{text}\n{MARKER} - {name} {rc}\n" for name, (text, rc) in sections.items()]
    return "".join(parts) + f"{MARKER} end\n"


def test_sections_come_back_with_their_exit_codes() -> None:
    output = answered({"one": ("first\nsecond", 0), "features wan0": ("", 4)})
    assert parse(output, NONCE) == {"one": Section("first\nsecond", 0), "features wan0": Section("", 4)}


def test_a_last_line_without_an_end_reads_like_one_with_it() -> None:
    assert parse(answered({"a": ("text", 0)}), NONCE) == parse(answered({"a": ("text\n", 0)}), NONCE)


def test_what_comes_before_and_after_is_not_read() -> None:
    output = "Welcome!\n" + answered({"a": ("x", 0)}) + "Bye!\n@@fedcba9876543210 + b\n"
    assert parse(output, NONCE) == {"a": Section("x", 0)}


def test_a_terminal_line_end_is_a_line_end() -> None:
    output = answered({"a": ("x\ny", 3)})
    assert parse(output.replace("\n", "\r\n"), NONCE) == parse(output, NONCE)


def damage_markers(output: str) -> Iterator[str]:
    """The answer with one of its markers lost, joined to other text, there twice, changed, or out of place."""
    lines = output.split("\n")
    for at, line in enumerate(lines):
        if not line.startswith(MARKER):
            continue
        before, after = lines[:at], lines[at + 1 :]
        yield "\n".join([*before, *after])
        yield "\n".join([*before, f"[ 12.3] lan0: link up {line}", *after])
        yield "\n".join([*before, line, line, *after])
        yield "\n".join([*before, line.replace(" a", " c"), *after]) if " a" in line else "\n".join([*before, *after])
        yield "\n".join([*before, *after[:1], line, *after[1:]])


def test_a_marker_that_is_lost_doubled_or_out_of_place_is_an_error() -> None:
    """What a command of the router writes past its section can join a marker's line."""
    output = answered({"a": ("x", 0), "b": ("y\nz", 0)})
    whole = parse(output, NONCE)
    for damaged in damage_markers(output):
        try:
            # to move a marker by a line moves the line
            assert parse(damaged, NONCE).keys() == whole.keys()
            assert damaged.count(MARKER) == output.count(MARKER)
        except OffloadError as error:
            assert error.remedy


def test_a_whole_section_that_is_there_twice_is_an_error() -> None:
    output = answered({"a": ("x", 0)})
    one = output.removesuffix(f"{MARKER} end\n")
    with pytest.raises(OffloadError, match="damaged: it has section 'a' twice"):
        parse(one + output, NONCE)
    with pytest.raises(OffloadError, match="damaged: it goes on after its end"):
        parse(output + output, NONCE)


def counted(sections: Mapping[str, tuple[str, int]]) -> str:
    """A whole answer that was counted, as sh/tally.sh passes it on."""
    return count(answered(sections))


TEXTS = {"a": ("one\ntwo\n\nthree", 0), "features lan0": ("hw-tc-offload: off", 1), "empty": ("", 0)}


def test_a_counted_answer_reads_like_any_other() -> None:
    assert parse(counted(TEXTS), NONCE, counted=True) == parse(answered(TEXTS), NONCE)
    assert parse(counted(TEXTS).replace("\n", "\r\n"), NONCE, counted=True) == parse(answered(TEXTS), NONCE)
    assert parse(counted({}), NONCE, counted=True) == {}


def test_no_line_of_a_counted_answer_is_lost_cut_added_or_moved_unseen() -> None:
    output = counted(TEXTS)
    lines = output.split("\n")[:-1]
    damaged = [
        *(lines[:at] + lines[at + 1 :] for at in range(len(lines))),
        *(lines[: at + 1] + lines[at:] for at in range(len(lines))),
        *([*lines[:at], line[:-1], *lines[at + 1 :]] for at, line in enumerate(lines) if line),
        *(
            [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
            for at in range(len(lines) - 1)
            if len(lines[at]) != len(lines[at + 1])
        ),
    ]
    assert len(damaged) > 40
    for mutant in damaged:
        with pytest.raises(OffloadError, match=r"damaged|cut off"):
            parse("\n".join([*mutant, ""]), NONCE, counted=True)


def test_sections_of_a_counted_answer_do_not_get_lost_unseen() -> None:
    output = counted(TEXTS)
    for name in TEXTS:
        start = output.index(f"{MARKER} + {name}")
        end = output.index("\n", output.index(f"{MARKER} - {name}")) + 1
        with pytest.raises(OffloadError, match="damaged: it has 2 sections of 3"):
            parse(output[:start] + output[end:], NONCE, counted=True)


def test_an_answer_that_is_not_counted_is_no_counted_one() -> None:
    with pytest.raises(OffloadError, match="damaged"):
        parse(answered(TEXTS), NONCE, counted=True)


def test_an_answer_that_is_too_long_is_refused_with_the_section() -> None:
    output = answered({"a": ("x", 0), "big": ("y\n" * (LONGEST_ANSWER // 2), 0), "b": ("", 0)})
    with pytest.raises(OffloadError, match="longer than 8 MiB, most of it is section 'big'"):
        parse(output, NONCE)


def test_the_very_last_line_end_may_be_missing() -> None:
    assert parse(answered({"a": ("x", 0)}).removesuffix("\n"), NONCE) == {"a": Section("x", 0)}


READERS: dict[Callable[[Answer], object], tuple[str, ...]] = {
    _ruleset.read_state: ("platform", "links"),
    _fw4.read_state: ("platform", "fw4.staged", "fw4.print", "fw4.live", "fw4.loaded", "fw4.devices", "fw4.pending"),
    _kernel.read_state: ("platform", "modules"),
    _nic.read_state: ("platform", "nics", "features lan0"),
    read_fw4: ("fw4.staged", "fw4.print", "fw4.loaded"),
}
"""what makes a state of sections -> those that its scripts always print"""
MORE = {"fw4.uci": Section("", 0), "driver lan0": Section("driver: labnic", 0)}


@pytest.mark.parametrize(("read", "name"), [(read, name) for read, names in READERS.items() for name in names])
def test_a_state_is_not_made_without_what_it_rests_on(read: Callable[[Answer], object], name: str) -> None:
    whole = {**MORE, **{section: Section("", 0) for section in READERS[read]}}
    read(Answer(whole))
    with pytest.raises(OffloadError, match=f"the router's answer has no section '{name}'"):
        read(Answer({key: section for key, section in whole.items() if key != name}))


@pytest.mark.parametrize(
    "text",
    [
        "@@fedcba9876543210 - a 0\n@@fedcba9876543210 end",
        "@@ end\n@@ - a 0",
        "@@$nonce end",
    ],
)
def test_a_marker_that_is_not_ours_is_text(text: str) -> None:
    assert parse(answered({"a": (text, 0), "b": ("", 1)}), NONCE) == {"a": Section(text, 0), "b": Section("", 1)}


@pytest.mark.parametrize(
    "end",
    [f"{MARKER} - b 0", f"{MARKER} - a", f"{MARKER} - a x", f"{MARKER} - a -1", f"{MARKER} - a ²", f"{MARKER} ? a"],
)
def test_an_end_that_does_not_fit_is_an_error(end: str) -> None:
    output = f"{MARKER} + a\ntext\n{end}\nmore\n{MARKER} end\n"
    with pytest.raises(OffloadError, match="damaged"):
        parse(output, NONCE)


@pytest.mark.parametrize("output", ["", "\n", "sh: not found\n", "@@fedcba9876543210 end\n"])
def test_no_answer_is_told_from_one_cut_off(output: str) -> None:
    with pytest.raises(OffloadError, match="gave no answer"):
        parse(output, NONCE)


def test_an_answer_cut_off_anywhere_is_refused() -> None:
    output = answered({"a": ("some text", 0), "b": ("more\ntext", 1)})
    for length in range(len(output) - len(" end\n") + 1):
        with pytest.raises(OffloadError, match=r"cut off|gave no answer"):
            parse(output[:length], NONCE)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9./ _-]{0,20}[a-z0-9]", fullmatch=True), st.text(), max_size=4))
def test_any_text_comes_through(texts: dict[str, str]) -> None:
    found = parse(answered({name: (text, 0) for name, text in texts.items()}), NONCE)
    assert {name: section.text for name, section in found.items()} == {
        name: re.sub("\r{1,3}\n", "\n", f"{text}\n").removesuffix("\n").removesuffix("\n")
        for name, text in texts.items()
    }
    # an awk may take NUL for the end of a line, and prints what it counts
    sent = {name: (text.replace("\0", ""), 0) for name, text in texts.items()}
    assert parse(counted(sent), NONCE, counted=True) == parse(answered(sent), NONCE)


@given(st.text(), st.lists(st.sampled_from([f"{MARKER} + a", f"{MARKER} - a 0", f"{MARKER} -", f"{MARKER} ", "x"])))
def test_nothing_but_the_error_meant_for_users_is_raised(text: str, lines: list[str]) -> None:
    try:
        parse("\n".join([*lines, text]), NONCE)
    except OffloadError as error:
        assert error.remedy


@pytest.mark.parametrize("shell", SHELLS)
def test_words_of_calls_arrive_as_they_are(shell: list[str], tmp_path: Path) -> None:
    calls: list[tuple[str, ...]] = [("section", f"call.{n}", "printf", "%s.", value) for n, value in enumerate(HOSTILE)]
    found = parse(run_script(shell, compose(NONCE, (), calls), tmp_path), NONCE)
    for number, value in enumerate(HOSTILE):
        assert found[f"call.{number}"] == Section(f"{value}.", 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_exit_codes_and_errors_are_told(shell: list[str], tmp_path: Path) -> None:
    calls = [
        ("section", "fails", "sh", "-c", "echo out; echo err >&2; exit 7"),
        ("section", "missing", "no-such-command"),
        ("section", "silent", "true"),
        ("section", "reads", "cat"),
    ]
    found = parse(run_script(shell, compose(NONCE, (), calls), tmp_path), NONCE)
    assert found["fails"] == Section("out\nerr", 7)
    assert found["missing"].rc == 127
    assert found["silent"] == Section("", 0)
    assert found["reads"] == Section("", 0)  # standard input is not the rest of the script


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_ends_early_is_seen(shell: list[str], tmp_path: Path) -> None:
    with pytest.raises(OffloadError, match="cut off"):
        parse(run_script(shell, compose(NONCE, (), [("section", "a", "echo"), ("exit", "0")]), tmp_path), NONCE)


@pytest.mark.parametrize("shell", SHELLS)
def test_an_upload_cut_off_at_any_byte_runs_nothing(shell: list[str], tmp_path: Path) -> None:
    """But for the very last words, which the shell can do without: then all of it runs."""
    script = compose(NONCE, (), [("touch", "ran"), ("section", "a", "echo", "}\n} </dev/null\n")])
    whole = len(script) - len(" </dev/null\n")
    assert script[whole - 1 :] == "} </dev/null\n"
    for length in range(len(script)):
        output = run_script(shell, script[:length], tmp_path)
        ran = tmp_path / "ran"
        assert ran.exists() == (output != "")
        if output:
            assert length >= whole
            assert "a" in parse(output, NONCE)
            ran.unlink()


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_and_awk_counts_alike(shell: list[str], awk: str, tmp_path: Path) -> None:
    odd = r"one\n\303\244\302\205 \377\r\n\n\033[2K\ttwo\0three\n"
    calls = [
        ("section", "odd", "printf", odd),
        ("section", "long", "printf", "%0100000d", "7"),
        ("section", "fails", "sh", "-c", "exit 3"),
    ]
    script = compose(NONCE, (), calls, counted=True).replace(" awk ", f" {awk} ")
    command = [shutil.which(shell[0]) or shell[0], *shell[1:], "-s"]
    done = subprocess.run(command, input=script.encode(), cwd=tmp_path, capture_output=True, check=True)
    found = parse(done.stdout.decode("utf-8", "surrogateescape"), NONCE, counted=True)
    assert found["odd"].text.startswith("one\nä\x85 \udcff\n\n\x1b[2K\ttwo")
    assert (len(found["long"].text), found["fails"].rc) == (100000, 3)


def test_a_router_ends_an_answer_that_gets_too_long(tmp_path: Path) -> None:
    calls = [("section", "a", "true"), ("section", "endless", "yes"), ("section", "b", "true")]
    output = run_script(["dash"], compose(NONCE, (), calls, counted=True), tmp_path)
    assert len(output) <= LONGEST_ANSWER
    with pytest.raises(OffloadError, match="longer than 8 MiB, most of it is section 'endless'"):
        parse(output, NONCE, counted=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_counted_upload_cut_off_at_any_byte_runs_nothing(shell: list[str], tmp_path: Path) -> None:
    script = compose(NONCE, (), [("touch", "ran"), ("section", "a", "echo")], counted=True)
    for length in range(0, len(script) - 2, 7):
        run_script(shell, script[:length], tmp_path)
        assert not (tmp_path / "ran").exists()
    assert parse(run_script(shell, script, tmp_path), NONCE, counted=True).keys() == {"a"}


def test_fragments_lose_only_what_a_reader_needs() -> None:
    for name in NAMES:
        lines = [line.strip() for line in (SCRIPTS / f"{name}.sh").read_text().splitlines()]
        assert fragment(name).splitlines() == [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("manager", PACKAGE_MANAGERS, ids=lambda manager: manager.apply_scripts[0])
def test_fragments_that_meet_in_a_script_name_no_function_alike(manager: PackageManager) -> None:
    """The later one would take the place of the other without a word."""
    scripts = {
        other: {part for script in other.apply_scripts for part in with_needed(script)} for other in PACKAGE_MANAGERS
    }
    of_others = set().union(*scripts.values()) - scripts[manager]
    names = [name for name in NAMES if name not in of_others]
    defined = [
        (function, name)
        for name in names
        for function in re.findall(r"^([a-z_]+)\(\) \{", fragment(name), re.MULTILINE)
    ]
    assert [pair for pair in defined if Counter(function for function, _name in defined)[pair[0]] > 1] == []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", NAMES)
def test_every_fragment_is_understood_by_every_shell(shell: list[str], name: str, tmp_path: Path) -> None:
    assert parse(run_script(shell, compose(NONCE, (name,), ()), tmp_path), NONCE) == {}
