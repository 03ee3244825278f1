"""The files of `hardware/`: what can be checked of them without a radio, systemd or a system bus."""

import getpass
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbus_fast import Message
from dbus_fast.aio import MessageBus

from oob.cli.arguments import parse_address
from oob.cli.parser import parse
from oob.device.offers import offer_kind
from oob.pairing import Model
from oob.transport.bluez_bus import OBJECT_MANAGER
from oob.transport.finding import State
from oob.transport.host_survey import survey_configuration
from oob.transport.readers_survey import MODPROBE, READERS, UDEV, Reader, permission, rule_of
from tests.e2e.family import ROOT
from tests.transport.bluez_stand_in import stand_in
from tests.transport.dbus_daemon import dbus_daemon

HARDWARE = ROOT / "hardware"
DENIED = "org.freedesktop.DBus.Error.AccessDenied"

# What the system bus of a distribution begins with, and a second service that everybody may call.
SYSTEM_BUS = """
<policy context="default">
  <allow user="*"/><deny own="*"/><deny send_type="method_call"/><allow send_type="signal"/>
  <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
  <allow receive_type="method_call"/><allow receive_type="method_return"/>
  <allow receive_type="error"/><allow receive_type="signal"/>
  <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  <allow own="org.bluez"/><allow own="org.other"/><allow send_destination="org.other"/>
</policy>"""


async def call(address: str, destination: str) -> str | None:
    """Call a service; return the name of the error that comes back, or None."""
    bus = await MessageBus(address).connect()
    try:
        reply = await bus.call(Message(destination, "/", OBJECT_MANAGER, "GetManagedObjects"))
        return reply.error_name
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


async def called(address: str) -> tuple[str | None, str | None]:
    """Call BlueZ and another service on the bus at `address`; return the errors."""
    async with stand_in(address), stand_in(address, name="org.other"):
        return await call(address, "org.bluez"), await call(address, "org.other")


def policy(user: str) -> str:
    """Return the policy that is shipped, for this user."""
    text = (HARDWARE / "oob-bluetooth.conf").read_text(encoding="utf-8")
    assert text.count('user="oob-device"') == 1
    found = re.search(r"<busconfig>(.*)</busconfig>", text, re.DOTALL)
    assert found is not None
    return found[1].replace("oob-device", user)


@pytest.mark.parametrize(
    ("with_policy", "bluez", "other"), [(True, None, DENIED), (False, DENIED, None)], ids=["with it", "without it"]
)
async def test_the_policy_opens_bluez_and_nothing_else(
    with_policy: bool, bluez: str | None, other: str | None, tmp_path: Path
) -> None:
    rules = SYSTEM_BUS + (policy(getpass.getuser()) if with_policy else "")
    with dbus_daemon(tmp_path, rules) as address:
        assert await called(address) == (bluez, other)


async def test_the_policy_is_about_its_user_alone(tmp_path: Path) -> None:
    with dbus_daemon(tmp_path, SYSTEM_BUS + policy("65533")) as address:
        assert await called(address) == (DENIED, None)


def test_the_doctor_is_content_with_the_settings(tmp_path: Path) -> None:
    (tmp_path / "etc/bluetooth").mkdir(parents=True)
    (tmp_path / "etc/bluetooth/main.conf").write_bytes((HARDWARE / "main.conf").read_bytes())
    findings = survey_configuration(tmp_path)
    assert [each.check for each in findings] == ["controller mode", "privacy", "experimental"]
    assert {each.state for each in findings} == {State.OK}


def settings() -> dict[str, list[str]]:
    """Return the settings of the unit, each with its values in order."""
    found: dict[str, list[str]] = {}
    for line in (HARDWARE / "oob-device.service").read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_service_can_do_little() -> None:
    unit = settings()
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]
    assert unit["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6"]
    assert unit["StateDirectoryMode"] == ["0700"]
    assert unit["ProtectSystem"] == ["strict"]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "MemoryDenyWriteExecute"):
        assert unit[name] == ["yes"], name
    assert unit["User"] == ["oob-device"] != ["root"]


def test_the_service_keeps_its_code_out_of_the_journal_and_its_state_where_it_may_write() -> None:
    unit = settings()
    assert unit["StandardOutput"] == ["null"]
    (command,) = unit["ExecStart"]
    assert f"--state /var/lib/{unit['StateDirectory'][0]} " in command


def test_the_command_of_the_service_is_one_that_oob_takes() -> None:
    (command,) = settings()["ExecStart"]
    program, *arguments = shlex.split(command)
    args = parse(arguments)
    assert program == "/opt/oob/bin/oob"
    assert (args.run, args.ble, args.adapter, args.name) == ("oob.cli.device.run", True, "hci0", "Lab printer")
    assert offer_kind(Model[args.model.upper()], args.printed or None)
    assert parse_address(args.listen) == ("192.168.1.20", 8443)


def lines_of(name: str) -> list[str]:
    """Return what a file says besides its comments."""
    text = (HARDWARE / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_rules_are_for_the_readers_that_the_doctor_knows() -> None:
    assert lines_of("70-oob-nfc.rules") == [rule_of(ids) for ids in READERS]
    assert Path(UDEV).name == "70-oob-nfc.rules" < "73-seat-late.rules", "where systemd acts on uaccess"


def test_each_reader_in_the_rules_has_its_name() -> None:
    text = (HARDWARE / "70-oob-nfc.rules").read_text(encoding="utf-8")
    assert all(f"# {name}\n{rule_of(ids)}\n" in text for ids, (name, _) in READERS.items())


def test_the_modules_are_those_that_take_the_readers() -> None:
    takers = {modules[0] for _, modules in READERS.values() if modules}
    assert lines_of("oob-nfc-modprobe.conf") == [f"blacklist {module}" for module in sorted(takers)]
    text = (HARDWARE / "oob-nfc-modprobe.conf").read_text(encoding="utf-8")
    assert f"hardware/oob-nfc-modprobe.conf /{MODPROBE}\n" in text, "where the doctor puts it"


def test_the_page_names_the_readers_and_what_takes_them() -> None:
    page = (HARDWARE / "readers.md").read_text(encoding="utf-8")
    names = {":".join(ids) for ids in READERS}
    assert names <= set(re.findall(r"[0-9a-f]{4}:[0-9a-f]{4}", page))
    rows = re.findall(r"^\| `(\w+)` \| ([0-9a-f:, ]+) \|", page, re.MULTILINE)
    takers = {(module, name) for module, listed in rows for name in listed.split(", ")}
    assert takers == {(modules[0], ":".join(ids)) for ids, (_, modules) in READERS.items() if modules}


def test_the_mend_for_a_group_takes_the_rules_that_are_shipped(tmp_path: Path) -> None:
    """What `oob doctor` says to who is not at the machine, run on a copy of the file."""
    reader = Reader(("054c", "06c1"), tmp_path / "dev", "")
    rules = tmp_path / UDEV
    rules.parent.mkdir(parents=True)
    rules.write_bytes((HARDWARE / "70-oob-nfc.rules").read_bytes())
    command = permission(reader, tmp_path).partition(" && ")[0]
    changed = command.removeprefix("sudo ").replace(f"/{UDEV}", str(rules))
    subprocess.run(shlex.split(changed), check=True)  # noqa: S603
    assert rules.read_text().count('GROUP="plugdev", MODE="0660", TAG+="uaccess"\n') == len(READERS)
    assert "sed" not in permission(reader, tmp_path), "once is enough"


def links() -> Iterator[tuple[Path, str]]:
    for page in sorted(HARDWARE.glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            yield page, target


def test_every_link_between_the_files_leads_somewhere() -> None:
    local = [(page, target) for page, target in links() if not target.startswith("https://")]
    assert len(local) >= 8
    assert [target for page, target in local if not (page.parent / target).exists()] == []


def test_the_index_names_every_file() -> None:
    index = (HARDWARE / "README.md").read_text(encoding="utf-8")
    assert [
        path.name for path in HARDWARE.iterdir() if path.name != "README.md" and f"({path.name})" not in index
    ] == []
