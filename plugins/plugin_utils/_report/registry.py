# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report formats that there are."""

from __future__ import annotations

from pathlib import PurePath

from .csv_file import CsvFile
from .format import Format
from .html_file import HtmlFile
from .json_file import JsonFile
from .junit_file import JunitFile
from .markdown_file import MarkdownFile
from .prometheus_file import PrometheusFile
from .screen import FullScreen, Screen

DEFAULT_FILE: Format = JsonFile()
"""for a path that ends like the files of no format"""
FORMATS: tuple[Format, ...] = (
    Screen(),
    FullScreen(),
    DEFAULT_FILE,
    HtmlFile(),
    JunitFile(),
    MarkdownFile(),
    PrometheusFile(),
    CsvFile(),
)


def screen_formats(verbosity: int) -> list[Format]:
    """Formats that are shown on the terminal at the end of a run with so many ``-v``."""
    target = "full screen" if verbosity else "screen"
    return [format for format in FORMATS if format.target == target]


def choose_file_format(path: PurePath) -> Format:
    """The format whose suffix the path has, else DEFAULT_FILE."""
    found = (format for format in FORMATS if format.target == "file" and path.name.endswith(format.suffix))
    return next(found, DEFAULT_FILE)
