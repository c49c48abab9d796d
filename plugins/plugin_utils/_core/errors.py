# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The exceptions of the collection: who raises them, and what becomes of them.

::

    Exception
    +-- OffloadError                  here: something that a user can act on, with its remedy
    |   |     raised by  everything that reads, plans or renders, wherever it meets what it cannot go on with
    |   |     becomes    a failed task: OffloadAction.run (_core/action.py) puts the router's name before the text;
    |   |                in a filter AnsibleFilterError
    |   +-- StepError                 _core/plan.py: a step that the router refused, with what its tool printed
    |             raised by  raise_failed_step (_core/plan.py), raise_failed_change (_confirm/change.py), and a dry run
    |                        in check mode
    |             becomes    the same; before that ruleset shows nft's complaint at its line of the user's text, and
    |                        kernel_support explains the package manager's
    +-- TooLong                       _verify/walk/walk.py: a ruleset has more ways through it than are looked at
    |         becomes    an unproven rung that says so; never leaves _verify/walk/classes.py
    +-- AnsibleError                  of ansible-core
        +-- AnsibleConnectionFailure  raised by the connection plugin, and by carry_out (_confirm/carry_out.py) for a
        |                             router that stays away; becomes an unreachable host
        +-- AnsibleFilterError        raised by the filters; becomes a failed template

Nothing else is raised on purpose: any other exception is a defect of the collection.
"""

from __future__ import annotations

from typing import Any


class OffloadError(Exception):
    """Something a user can act on: what is wrong, and the remedy.

    ``details`` are added to the task's result as they are.
    """

    def __init__(self, problem: str, remedy: str, **details: Any) -> None:
        super().__init__(f"{problem.rstrip('.')}. Remedy: {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.details = details
