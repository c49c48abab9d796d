# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of the documentation's pages that are written by a program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LABEL = "ansible_collections.kmod.nft_offload.docsite"


def head(name: str, title: str, source: str) -> str:
    """The first lines of the page ``name``, up to its title. ``source``: what it is written from, and by what."""
    return f"""\
..
  Copyright: (c) 2026, the kmod.nft_offload authors
  GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

  {source}

.. _{LABEL}.{name}:

{underline(title, "=")}
"""


def underline(text: str, line: str) -> str:
    """A title."""
    return f"{text}\n{line * len(text)}\n"


def escape(text: str) -> str:
    """The text with every character escaped that would be markup."""
    return re.sub(r"([*`|\\]|(?<=\w)_(?!\w))", r"\\\1", text)


def table(columns: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[object]]) -> str:
    """A table with a row of titles; every cell is escaped."""
    lines = [f".. list-table::\n   :header-rows: 1\n   :widths: {' '.join(map(str, widths))}\n\n"]
    for row in (columns, *rows):
        cells = [f"     - {escape(str(cell))}".rstrip() for cell in row]
        lines.append("   * " + "\n".join(cells)[5:] + "\n")
    return "".join(lines)
