"""What all tests share: with OOB_NO_SKIP=1 (as in .ci/run) a skipped test is a failed one; the option --bench."""

import os
from collections.abc import Generator

import hypothesis
import pytest

# No time is ever asserted: on a loaded machine a deadline would fail tests that prove something else.
hypothesis.settings.register_profile("oob", deadline=None)
hypothesis.settings.load_profile("oob")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench", metavar="FILE", help="the adapters for `-m hardware`: see hardware/bench.toml")


_NO_SKIP = os.environ.get("OOB_NO_SKIP") == "1"


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that keeps its reason; an expected failure (xfail) stays what it is."""
    if not _NO_SKIP or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} was skipped, and OOB_NO_SKIP=1 forbids it: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
