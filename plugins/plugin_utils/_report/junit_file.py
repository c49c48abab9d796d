# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as a JUnit file, for what shows the results of a CI job."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from xml.etree import ElementTree

from .fleet import FindingReport, FleetReport, RouterReport, RungReport
from .format import Format

COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}
"""what a case has that did not pass -> the attribute that counts it"""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class JunitFile(Format):
    """A suite for each router with a case for each rung.

    A rung that is unproven or does not apply is skipped, one that failed or has an error among its findings is a
    failure, and a router without a verdict is an error.
    """

    name = "JUnit"
    target = "file"
    suffix = ".xml"

    def render(self, report: FleetReport) -> str:
        """One element ``testsuites``."""
        root = ElementTree.Element("testsuites", name="flow offload")
        for name, router in report.routers.items():
            suite = _add_suite(root, _xml_text(name), router)
            if report.made:
                suite.set("timestamp", report.made.replace(tzinfo=None).isoformat(timespec="seconds"))
        _count(root)
        ElementTree.indent(root)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add_suite(root: ElementTree.Element, name: str, router: RouterReport) -> ElementTree.Element:
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    for rung in router.rungs:
        _add_rung(suite, rung, [finding for finding in router.findings if finding.id in rung.findings])
    placed = {id for rung in router.rungs for id in rung.findings}
    if others := [finding for finding in router.findings if finding.id not in placed]:
        case = _add_case(suite, "beside the rungs" if router.rungs else "verified")
        errors = [finding for finding in others if finding.severity == "error"]
        if errors:
            _add_outcome(case, "failure" if router.rungs else "error", errors[0].message, _list_findings(others))
        else:
            ElementTree.SubElement(case, "system-out").text = _list_findings(others)
    _count(suite)
    return suite


def _add_rung(suite: ElementTree.Element, rung: RungReport, findings: list[FindingReport]) -> None:
    case = _add_case(suite, f"{rung.number} {rung.name}")
    errors = [finding.message for finding in findings if finding.severity == "error"]
    said = "\n".join(rung.evidence)
    if errors or rung.status == "failed":
        _add_outcome(case, "failure", (errors or [said or "failed"])[0], _list_findings(findings))
    elif rung.status != "proven":
        reason = findings[0].message if findings else said
        _add_outcome(case, "skipped", f"{rung.status.replace('_', ' ')}{f': {reason}' if reason else ''}", "")
    if output := "\n".join(filter(None, [said, "" if errors else _list_findings(findings)])):
        ElementTree.SubElement(case, "system-out").text = _xml_text(output)


def _add_case(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=suite.attrib["name"], name=name)


def _add_outcome(case: ElementTree.Element, kind: str, message: str, text: str) -> None:
    outcome = ElementTree.SubElement(case, kind, message=_xml_text(message))
    outcome.text = text or None


def _list_findings(findings: Iterable[FindingReport]) -> str:
    lines = (f"{one.severity} {one.id}: {one.message}\nremedy: {one.remedy}" for one in findings)
    return _xml_text("\n".join(lines))


def _count(element: ElementTree.Element) -> None:
    """How many cases there are below it, and of each outcome."""
    found = Counter(child.tag for child in element.iter())
    element.set("tests", str(found["testcase"]))
    for kind, attribute in COUNTED.items():
        element.set(attribute, str(found[kind]))


def _xml_text(text: str) -> str:
    """With the characters that XML cannot have made visible."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
