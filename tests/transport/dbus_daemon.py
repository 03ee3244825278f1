"""A private D-Bus, in place of the system bus: a dbus-daemon of its own on a socket in a temporary directory."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ALLOW = '<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>'
NO_CALLS = f'{ALLOW}<deny send_destination="org.bluez" send_type="method_call"/>'
"""A policy that lets nobody call BlueZ."""


@contextmanager
def dbus_daemon(directory: Path, policy: str = ALLOW) -> Iterator[str]:
    """Run a bus that starts no services; yield its address."""
    config = directory / "bus.conf"
    config.write_text(
        '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"'
        ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">'
        f"<busconfig><type>session</type><listen>unix:path={directory}/bus</listen><auth>EXTERNAL</auth>"
        f'<policy context="default">{policy}</policy></busconfig>'
    )
    arguments = ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={config}", "--print-address=1"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
