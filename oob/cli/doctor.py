"""`oob doctor`: what this machine has for Bluetooth LE and NFC, what it lacks, and how to mend it."""

import argparse
import sys

from oob.cli.terminal import Terminal
from oob.errors import LinkError
from oob.transport.bluez_survey import survey_bluez
from oob.transport.finding import Finding, State
from oob.transport.host_survey import survey_configuration, survey_kernel, survey_rfkill, survey_system
from oob.transport.readers_survey import survey_pcsc, survey_readers

VITAL = frozenset(
    {"backend", "bleak", "dbus-fast", "d-bus", "bluez", "bluez version", "permission", "adapters", "controller mode"}
)
"""The checks without which this machine cannot be a client over Bluetooth LE: one of them missing makes exit code 3."""

_GOOD = "Bluetooth LE can be used from here, as a client."
_UNKNOWN = "Nothing speaks against Bluetooth LE here; whether the radio is on, and allowed, shows when it is used."


async def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Show all findings; 0 if this machine can be a client over Bluetooth LE, 3 if not."""
    findings = await _survey(args.adapter)
    for each in findings:
        _show(each, terminal)
    lacking = [each.check for each in findings if each.check in VITAL and each.state is State.MISSING]
    if lacking:
        terminal.say(f"Bluetooth LE cannot be used from here, for want of: {', '.join(lacking)}.")
        return LinkError.exit_code
    terminal.say(_GOOD if sys.platform == "linux" else _UNKNOWN)
    return 0


async def _survey(adapter: str | None) -> list[Finding]:
    findings = survey_system()
    if sys.platform == "linux":  # elsewhere, to look further is to ask the user for the radio
        findings += [*survey_kernel(), *survey_rfkill(), *await survey_bluez(adapter), *survey_configuration()]
    findings += survey_readers() if sys.platform == "linux" else survey_pcsc()
    return findings


def _show(finding: Finding, terminal: Terminal) -> None:
    terminal.result({"check": finding.check, "state": finding.state, "seen": finding.seen, "mend": finding.mend})
    terminal.show(f"{finding.state:7}  {finding.check:16}  {finding.seen}")
    if finding.mend:
        terminal.show(f"{'':7}  {'mend:':>16}  {finding.mend}")
