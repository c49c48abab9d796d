# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as Prometheus reads it from a file, as by the textfile collector of its node exporter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from .fleet import FleetReport
from .format import Format

Sample = tuple[dict[str, str], float]
"""labels, value"""


class PrometheusFile(Format):
    """Gauges in the text format 0.0.4: few series, none a device or a flow."""

    name = "Prometheus"
    target = "file"
    suffix = ".prom"

    def render(self, report: FleetReport) -> str:
        """Each gauge with its HELP and TYPE, also where it has no sample."""
        routers = report.routers
        found = Counter(
            (name, finding.id, finding.severity) for name, router in routers.items() for finding in router.findings
        )
        gauges: dict[str, tuple[str, Iterable[Sample]]] = {
            "nft_offload_report_timestamp_seconds": (
                "When the run ended.",
                [({}, report.made.timestamp())] if report.made else [],
            ),
            "nft_offload_verified": (
                "Whether the last run had a verdict on the router.",
                (({"router": name}, bool(router.rungs)) for name, router in routers.items()),
            ),
            "nft_offload_rung": (
                "Number of the highest rung proven, 0 to 7.",
                (({"router": name}, router.rung) for name, router in routers.items()),
            ),
            "nft_offload_findings": (
                "Findings on the router.",
                (
                    ({"router": name, "id": id, "severity": severity}, number)
                    for (name, id, severity), number in found.items()
                ),
            ),
        }
        return "".join(f"{line}\n" for name, gauge in gauges.items() for line in _gauge_lines(name, *gauge))


def _gauge_lines(name: str, help: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        yield f"{name}{{{pairs}}} {value:.0f}"


def _escape(text: str) -> str:
    """The value of a label."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
