# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for nft, and for NICs that take one hardware flowtable at a time.

Tables are files next to it, as nft lists them; every text is logged; a transaction does all or nothing. What it does
not know of nft it takes as it is, and a text with REFUSED in it not at all.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

PLACE = Path(sys.argv[1])
# "chain forward" -> its lines, as listed; "flowtable ft" -> hook, devices, flags, counter; "comment" -> its line, which
# only a table that is made takes
Table = dict[str, list[str]]


class Refused(Exception):
    """The whole transaction is refused."""


def path(table: str) -> Path:
    return PLACE / "tables" / table.replace(" ", "-")


def parse(lines: list[str]) -> Table:
    """Objects between the head and the end of a table's block."""
    table: Table = {}
    name = ""
    for line in lines:
        inline = re.match(r"\t(\w.*\S) \{ (.*) \}$", line)
        if inline:
            table[inline[1]] = [f"\t\t{part.strip()}" for part in inline[2].split(";") if part.strip()]
        elif re.match(r"\t\w.* \{$", line):
            name = line.strip()[:-2]
            table[name] = []
        elif line == "\t}":
            name = ""
        elif line.startswith("\tcomment "):
            table["comment"] = [line]
        elif name:
            table[name].append(line)
    return {key: flowtable(listed) if key.startswith("flowtable") else listed for key, listed in table.items()}


def flowtable(listed: list[str]) -> list[str]:
    hook = next(line for line in listed if "hook" in line).replace(" 0", " filter")
    devices = ", ".join(sorted(devices_of(listed)))
    shown = [f"\t\tdevices = {{ {devices} }}"] if devices else []
    return [
        hook,
        *shown,
        *[line for line in listed if "flags" in line],
        *[line for line in listed if "counter" in line],
    ]


def devices_of(listed: list[str]) -> set[str]:
    words = {word for line in listed if "devices" in line for word in re.findall(r'[^\s{},"=]+', line)}
    return words - {"devices"}


def show(table: str, objects: Table) -> str:
    head = "".join(f"{line}\n" for line in objects.get("comment", ()))
    named = [key for key in objects if key != "comment"]
    order = sorted(named, key=lambda key: {"flowtable": 1, "chain": 2}.get(key.split()[0], 0))
    blocks = ["\n".join([f"\t{key} {{", *objects[key], "\t}"]) + "\n" for key in order]
    return f"table {table} {{\n{head}" + "\n".join(blocks) + "}\n"


def load(text: str, dry: bool = False) -> None:
    if "REFUSED" in text:
        raise Refused("syntax error, unexpected string")
    if "SLOW" in text:
        time.sleep(2)
    files = list((PLACE / "tables").iterdir())
    state = {file.name.replace("-", " "): parse(file.read_text().splitlines()) for file in files}
    bound = {
        d for t in state.values() for listed in t.values() if "\t\tflags offload" in listed for d in devices_of(listed)
    }
    lines = iter(text.splitlines())
    for line in lines:
        words = line.split()
        if words[:1] == ["table"]:
            made = " ".join(words[1:3]) not in state
            table = state.setdefault(" ".join(words[1:3]), {})
            block = [f"\t{found[1]}"] if (found := re.search(r'\{ (comment "[^"]*"); \}', line)) else []
            while words[-1] == "{" and (inner := next(lines)) != "}":
                block.append(inner)
            for key, listed in parse(block).items():
                if key == "comment" and not made:
                    continue
                merge(table, key, listed, bound)
        elif words and not line.startswith("#"):
            act(state, line, bound)
    if dry:
        return
    for file in files:
        if file.name.replace("-", " ") not in state:
            file.unlink()
    for name, objects in state.items():
        path(name).write_text(show(name, objects))


def act(state: dict[str, Table], line: str, bound: set[str]) -> None:
    """One of add, delete and flush."""
    words = line.split()
    where = words.index("inet")
    kind, rest = " ".join(words[1:where]), words[where:]
    name = " ".join(rest[:2])
    if name not in state:
        raise Refused("No such file or directory")
    if kind == "table":
        if words[0] == "delete":
            del state[name]
        return
    table, key = state[name], f"{kind} {rest[2]}"
    listed = [f"\t\t{part.strip()}" for part in line.partition("{")[2].rpartition("}")[0].split(";") if part.strip()]
    if words[0] == "add":
        merge(table, key, flowtable(listed), bound)
    elif key not in table:
        raise Refused("No such file or directory")
    elif listed:
        left = devices_of(table[key]) - devices_of(listed)
        others = [line for line in table[key] if "devices" not in line]
        table[key] = flowtable([*others, f"devices = {' '.join(left)}"])
    else:
        del table[key]


def merge(table: Table, key: str, listed: list[str], bound: set[str]) -> None:
    """Declare an object; a flowtable keeps the devices that it has."""
    if not key.startswith("flowtable"):
        table[key] = listed
        return
    old = table.get(key)
    hardware = "\t\tflags offload" in listed
    if old is not None and ("\t\tflags offload" in old) != hardware:
        raise Refused("Operation not supported")
    new = devices_of(listed) - (devices_of(old) if old else set())
    if hardware and new & bound:
        raise Refused("Device or resource busy")
    table[key] = flowtable([*listed, *(old or [])[1:2]])


def main() -> int:
    words = [word for word in sys.argv[2:] if word not in ("-s", "-t")]
    if words[:2] == ["list", "ruleset"]:
        sys.stdout.write("".join(file.read_text() for file in sorted((PLACE / "tables").iterdir())))
        return 0
    dry = words[0] == "-c"
    words = words[dry:]
    if words[0] == "list":
        file = path(" ".join(words[2:4]))
        if not file.exists():
            sys.stderr.write("Error: No such file or directory\n")
            return 1
        sys.stdout.write(file.read_text())
        return 0
    if words[0] == "-f":
        text = sys.stdin.read() if words[1] == "-" else Path(words[1]).read_text()
    else:
        text = " ".join(words)
    text = re.sub(r'^include "(.*)"$', lambda found: Path(found[1]).read_text(), text, flags=re.MULTILINE)
    if not dry:
        with (PLACE / "nft.log").open("a") as log:
            log.write(text.rstrip("\n") + "\n")
    try:
        load(text, dry)
    except Refused as refused:
        sys.stderr.write(f"{words[-1]}:1:1-7: Error: {refused}\n")
        return 1
    return 0


sys.exit(main())
