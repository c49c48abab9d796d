# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers in virtual machines, for the demo, Molecule, the benchmarks and for trying things out.

Run from the repository root as `python -m lab`, or import `lab.api`. Nothing that ships needs this package.
"""
