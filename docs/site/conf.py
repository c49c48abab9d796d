# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the site that `make site` builds: docs/docsite/rst and what the plugins and roles document."""

from __future__ import annotations

import re

from docutils.nodes import Element, TextElement, reference
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "kmod.nft_offload"
author = "the kmod.nft_offload authors"
project_copyright = f"2026, {author}"
language = "en"
extensions = ["sphinx_antsibull_ext"]
nitpicky = True
# both schemes, and no request to anywhere
html_theme = "furo"
html_title = "kmod.nft_offload: flow offload that is proven"
html_show_sourcelink = False
# a summary is fetched from the page, which a browser does not do from a disk
html_show_search_summary = False

ANSIBLE = "https://docs.ansible.com/ansible/latest/"
LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
BUILTIN = "ansible_collections.ansible.builtin."


def resolve_ansible(_app: Sphinx, _env: BuildEnvironment, node: pending_xref, content: TextElement) -> Element | None:
    """A label of Ansible's own documentation, which a build without a network cannot look up."""
    target = node["reftarget"]
    page = LABELS.get(target)
    if target.startswith(BUILTIN):
        page = f"collections/ansible/builtin/{target.removeprefix(BUILTIN)}.html"
    return reference("", "", content, internal=False, refuri=f"{ANSIBLE}{page}") if page else None


def drop_contents(_app: Sphinx, _page: str, source: list[str]) -> None:
    """The theme shows what a page has on it by itself, and complains of a page that does it again."""
    source[0] = re.sub(r"^\.\. contents::\n(?:[ ].*\n)*", "", source[0], flags=re.MULTILINE)


def setup(app: Sphinx) -> None:
    app.connect("source-read", drop_contents)
    app.connect("missing-reference", resolve_ansible)
