# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text for boot, tried by the real nft in a network namespace: where there is unshare, and where there is none."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.rehearsal import plan_rehearsal
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredTable

from tests.unit.helpers.firewalls import needs_namespaces

pytestmark = needs_namespaces
CONTENT = """\
table inet t {
	set seen {
		type ipv4_addr
		flags dynamic
		size 128
	}

	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state established,related accept
		tcp dport { 22, 80 } ip saddr @seen accept
	}
}
"""
LISTING = CONTENT.replace("\t\tflags dynamic\n\t\tsize 128\n", "\t\tsize 128\n\t\tflags dynamic\n")
NONE = "#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n"


class Trial:
    """One exec with the verb, in a network namespace of its own."""

    def __init__(
        self, place: Path, shell: list[str], namespace: bool, content: str, more: str = "", named: str = ""
    ) -> None:
        verb = replace(plan_rehearsal(DesiredTable("inet", "t", content, ()), "00000001", False), named=named)
        (place / "bin").mkdir(exist_ok=True)
        if not namespace:
            (place / "bin/unshare").write_text(NONE)
            (place / "bin/unshare").chmod(0o755)
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in verb.call)
        text = "\n".join(fragment(name) for name in ("prelude", "read/ruleset", "apply/steps", "apply/ruleset"))
        script = f"""nonce=0
{text}
PATH={place}/bin:$PATH
ip link add lan0 type dummy 2>/dev/null || ip link add lan0 type veth 2>/dev/null || ip tuntap add lan0 mode tun
{more}
{words} >said 2>&1
echo $? >rc
printf '%s\\n' "$wanted" >wanted
nft list tables >tables
"""
        program = shutil.which(shell[0]) or shell[0]
        done = subprocess.run(
            ["unshare", "-n", "-m", program, *shell[1:], "-s"],
            input=script,
            cwd=place,
            text=True,
            capture_output=True,
            check=False,
        )
        assert (place / "rc").exists(), done.stderr
        self.code, self.said, self.wanted, self.tables = (
            (place / name).read_text() for name in ("rc", "said", "wanted", "tables")
        )


@pytest.fixture(params=[True, False], ids=["namespace", "no namespace"])
def namespace(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_what_boot_loads_is_listed_as_the_router_will_list_it(
    tmp_path: Path, shell: list[str], namespace: bool
) -> None:
    trial = Trial(tmp_path, shell, namespace, CONTENT)
    assert (trial.code, trial.said) == ("0\n", "")
    assert trial.wanted == LISTING
    assert trial.tables == "", "nothing is left"


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("ip saddr gw.nft-offload.invalid accept", "Could not resolve hostname"),
        ("tcp dort 22 accept", "syntax error"),
        ("jump nowhere", "No such file or directory"),
    ],
)
def test_what_boot_does_not_load_is_told_with_its_line(
    tmp_path: Path, shell: list[str], namespace: bool, rule: str, complaint: str
) -> None:
    content = CONTENT.replace('iif "lo" accept', rule)
    trial = Trial(tmp_path, shell, namespace, content)
    assert trial.code == "1\n"
    line = DesiredTable("inet", "t", content, ()).boot_text().split(rule)[0].count("\n") + 1
    assert f"/dev/stdin:{line}:" in trial.said and complaint in trial.said
    assert (trial.wanted, trial.tables) == ("\n", "")


def test_a_device_that_is_there_now_is_not_there_at_boot(tmp_path: Path, shell: list[str]) -> None:
    trial = Trial(tmp_path, shell, True, CONTENT.replace('iif "lo" accept', 'iif "lan0" accept'))
    assert trial.code == "1\n" and "Interface does not exist" in trial.said


def test_a_host_that_a_file_names_is_there_at_boot(tmp_path: Path, shell: list[str], namespace: bool) -> None:
    trial = Trial(tmp_path, shell, namespace, CONTENT.replace("iif", "ip saddr localhost iif"))
    assert (trial.code, trial.said) == ("0\n", "")
    assert "ip saddr 127.0.0.1" in trial.wanted


def test_name_services_behind_sockets_are_not_asked(tmp_path: Path, shell: list[str]) -> None:
    """nscd, systemd-resolved, sssd and the like answer through sockets, which a network namespace does not hide."""
    (tmp_path / "bin").mkdir()
    looks = '#!/bin/sh\n[ ! -e /run/nft-offload-socket ] || { echo reached >&2; exit 1; }\nexec /usr/sbin/nft "$@"\n'
    (tmp_path / "bin/nft").write_text(looks.replace("/usr/sbin/nft", shutil.which("nft") or ""))
    (tmp_path / "bin/nft").chmod(0o755)
    more = "mount -t tmpfs none /run && : >/run/nft-offload-socket"
    trial = Trial(tmp_path, shell, True, CONTENT.replace("tcp dport", "tcp dort"), more)
    assert "syntax error" in trial.said and "reached" not in trial.said


def test_what_a_killed_run_left_is_gone_after_the_next(tmp_path: Path, shell: list[str]) -> None:
    """And another controller's, which tries one at this moment, stays."""
    gone = [f"table inet nft_offload_rehearsal_{name}" for name in ("0badcafe", "1_77")]
    stay = ["table inet other", "table inet nft_offload_rehearsal_999999999_7"]
    trial = Trial(tmp_path, shell, False, CONTENT, "; ".join(f"nft add {table}" for table in (*gone, *stay)))
    assert trial.code == "0\n"
    assert sorted(trial.tables.splitlines()) == sorted(stay)


@pytest.mark.parametrize("command", ["awk", "sed"])
def test_a_text_that_could_not_be_made_ready_is_not_one_that_nft_took(
    tmp_path: Path, shell: list[str], command: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / command).write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / command).chmod(0o755)
    trial = Trial(tmp_path, shell, False, CONTENT.replace("tcp dport", "tcp dort"))
    assert trial.code == "1\n" and trial.wanted == "\n"


def test_a_line_longer_than_an_argument_can_be(tmp_path: Path, shell: list[str], namespace: bool) -> None:
    elements = ", ".join(f"10.{a}.{b}.1" for a in range(80) for b in range(250))
    content = f"table inet t {{ set s {{ type ipv4_addr; elements = {{ {elements} }}; }}; }}\n"
    trial = Trial(tmp_path, shell, namespace, content)
    assert (trial.code, trial.said) == ("0\n", "")
    assert "set s" in trial.wanted


def test_what_a_text_names_counts_where_there_is_no_namespace(
    tmp_path: Path, shell: list[str], namespace: bool
) -> None:
    trial = Trial(tmp_path, shell, namespace, CONTENT, named="/dev/stdin:7:1-1: Error: it names what is not there")
    assert trial.code == ("0\n" if namespace else "1\n")
    assert ("it names what is not there" in trial.said) == (not namespace)


def test_a_listing_that_fails_leaves_nothing_behind(tmp_path: Path, shell: list[str], namespace: bool) -> None:
    """And the text is refused: what nft took and does not list, it may not have loaded."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nft").write_text(
        f'#!/bin/sh\n[ "$2 $3" != "-t list" ] || exit 1\nexec {shutil.which("nft")} "$@"\n'
    )
    (tmp_path / "bin/nft").chmod(0o755)
    trial = Trial(tmp_path, shell, namespace, CONTENT)
    assert (trial.code, trial.wanted, trial.tables) == ("1\n", "\n", "")
    assert trial.said == "nft took the text, and lists no table inet t\n"


def test_what_the_router_runs_is_not_touched(tmp_path: Path, shell: list[str], namespace: bool) -> None:
    live = "printf 'table inet t { chain c { }; }' | nft -f - ; nft list ruleset >before"
    trial = Trial(tmp_path, shell, namespace, CONTENT, live)
    assert trial.code == "0\n"
    assert trial.tables == "table inet t\n"


@pytest.mark.parametrize(
    "more", ["", "table inet t\n", "table inet t;\n", "table inet t # again\n", "table inet t {\n}\n"]
)
def test_what_is_tried_gets_no_packet(tmp_path: Path, shell: list[str], more: str) -> None:
    """A declaration without flags would take them from the table again."""
    (tmp_path / "bin").mkdir()
    real = shutil.which("nft")
    (tmp_path / "bin/nft").write_text(
        f'#!/bin/sh\n{real} "$@" || exit\n[ "$*" != "-f -" ] || {real} list ruleset >live\n'
    )
    (tmp_path / "bin/nft").chmod(0o755)
    trial = Trial(tmp_path, shell, False, CONTENT + more)
    assert (trial.code, trial.said, trial.wanted) == ("0\n", "", LISTING)
    live = (tmp_path / "live").read_text()
    assert live.startswith("table inet nft_offload_rehearsal_") and "\n\tflags dormant\n" in live
