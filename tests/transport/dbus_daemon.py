"""A private D-Bus, in place of the system bus: a dbus-daemon of its own on a socket in a temporary directory."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ALLOW = """
<policy context="default">
  <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy>"""
"""A policy by which everybody may do everything."""
NO_CALLS = ALLOW.replace("</policy>", '<deny send_destination="org.bluez" send_type="method_call"/></policy>')
"""A policy that lets nobody call BlueZ."""


def activatable(directory: Path) -> Path:
    """Have the bus start a BlueZ that makes a file and fails; return the path of the file."""
    script, made = directory / "start.sh", directory / "started"
    script.write_text(f"touch {made}; exit 1")
    (directory / "org.bluez.service").write_text(f"[D-BUS Service]\nName=org.bluez\nExec=/bin/sh {script}\n")
    return made


@contextmanager
def dbus_daemon(directory: Path, policy: str = ALLOW) -> Iterator[str]:
    """Run a bus; yield its address. It starts what has a service file in the same directory."""
    config = directory / "bus.conf"
    config.write_text(
        '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"'
        ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">'
        f"<busconfig><type>session</type><listen>unix:path={directory}/bus</listen><auth>EXTERNAL</auth>"
        f"<servicedir>{directory}</servicedir>{policy}</busconfig>"
    )
    arguments = ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={config}", "--print-address=1"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
