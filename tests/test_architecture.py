"""The rules that keep the layers apart, read from the syntax trees.

import-linter checks the order of the layers (`make imports`). Here stands what it cannot see or cannot name: imports of
packages that nothing imports yet, calls that reach for a clock or for randomness, printing, switched-off verification,
and modules without tests.
"""

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "oob"
CORE = ("errors", "cbor", "crypto", "cose", "framing", "handshake", "pairing", "binding")

# A foreign package and the only rooms that may import it. `oob.sim.bleak_backend`: docs/decisions/0003.
ROOMS = {
    "cryptography": ("crypto", "issuance"),
    "nacl": ("crypto",),
    "cbor2": ("cbor",),
    "bleak": ("transport", "sim.bleak_backend"),
    "dbus_fast": ("transport", "sim.bluez"),
    "nfc": ("transport",),
    "smartcard": ("transport",),
    "bumble": ("sim",),
    "segno": ("labels",),
    "PIL": ("labels",),
    "zxingcpp": ("labels",),
    "starlette": ("issuance", "device"),
    "sqlalchemy": ("issuance",),
    "rich": ("cli",),
}

NOT_IN_THE_CORE = {
    *("asyncio", "concurrent", "http", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select"),
    *("selectors", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib"),
    *("uuid", "warnings"),
}
# Calls that reach a clock or randomness through an innocent import.
CLOCKS_AND_DICE = {"now", "utcnow", "today", "urandom", "generate_private_key", "generate_key", "random_bytes"}

# Modules without a test file of their own, each with the reason.
_BY_THE_RUNNER = "judged as a whole, by vectors sound and damaged: tests/conformance/test_vectors.py"
_BY_THE_DEVICES = "played against sound and broken devices: tests/conformance/test_device.py"
_BY_THE_PARSER = "what can be said on the command line: tests/cli/test_parser.py"
_BY_THE_RADIO = "an adapter, tested where it is used: tests/sim/test_radio.py"
TESTED_ELSEWHERE = {
    "__init__.py": "tests/test_public.py",
    "cli/arguments.py": _BY_THE_PARSER,
    "cli/parties.py": _BY_THE_PARSER,
    "cli/tag_parser.py": _BY_THE_PARSER,
    "cli/tools.py": _BY_THE_PARSER,
    "conformance/bench.py": _BY_THE_DEVICES,
    "conformance/cpace.py": _BY_THE_RUNNER,
    "conformance/edhoc.py": _BY_THE_RUNNER,
    "conformance/intermediate.py": _BY_THE_RUNNER,
    "conformance/invalid.py": _BY_THE_RUNNER,
    "conformance/openings.py": _BY_THE_DEVICES,
    "conformance/result.py": _BY_THE_RUNNER,
    "conformance/sessions.py": _BY_THE_DEVICES,
    "sim/bleak_backend.py": _BY_THE_RADIO,
    "sim/bumble_peripheral.py": _BY_THE_RADIO,
    "transport/bluez_session.py": "one life of a device on BlueZ: tests/transport/test_bluez_peripheral.py",
    "sim/bluez/link.py": "a connection, tested as a device has it: tests/sim/bluez/test_remote_gatt.py",
    "sim/controller.py": "tested where something advertises by it: tests/sim/bluez/test_advertising_manager.py",
    "device/offers.py": "the table of all offers, which tests/device/test_offer.py goes through",
    "device/screen_offers.py": "the kinds of one thing, tested side by side: tests/device/test_offer.py",
    "device/tag_offers.py": "the kinds of one thing, tested side by side: tests/device/test_offer.py",
    "framing/procedure.py": "names and a check, which tests/framing/test_type2.py and its siblings go by",
    "transport/nfc.py": "names, which the readers' tests go by: tests/transport/test_nfcpy_reader.py",
    "transport/frame_stream.py": "what a socket and TCP share: tests/transport/test_socket.py, test_tcp.py",
    "transport/nfc_profile.py": "the service and its records, which tests/transport/test_tnep_stack.py goes by",
    "transport/gatt_profile.py": "constants, which tests/transport/test_ble_central.py goes by",
}


def modules() -> list[Path]:
    """Every Python file of the package, relative to it."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def name_of(module: Path) -> str:
    """`handshake/session.py` -> `handshake.session`; the root's `__init__.py` -> ``."""
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def lives_in(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def foreign_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, top-level package) of every absolute import, deferred ones and those for types included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            target = node.args[0] if node.args else None
            yield node.lineno, str(target.value).partition(".")[0] if isinstance(target, ast.Constant) else "?"


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def rooms_broken(name: str, tree: ast.Module) -> Iterator[str]:
    for line, package in foreign_imports(tree):
        if package in ROOMS and not lives_in(name, ROOMS[package]):
            yield f"line {line}: {package} may be imported only in {', '.join(ROOMS[package])}"


def core_broken(name: str, tree: ast.Module) -> Iterator[str]:
    if not lives_in(name, CORE):
        return
    for line, package in foreign_imports(tree):
        if package in NOT_IN_THE_CORE:
            yield f"line {line}: the core imports {package}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _hides_io(node):
            yield f"line {node.lineno}: the core calls {ast.unparse(node.func)}()"


def _hides_io(node: ast.Call) -> bool:
    # X25519PrivateKey.generate() draws from the system; EcdhKey.generate(curve, random) from its argument.
    opens = isinstance(node.func, ast.Name) and node.func.id == "open"
    draws = _called(node) == "generate" and not node.args and not node.keywords
    return opens or draws or _called(node) in CLOCKS_AND_DICE


def prints(name: str, tree: ast.Module) -> Iterator[str]:
    if lives_in(name, ("cli",)):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "input"}:
            yield f"line {node.lineno}: only cli may {node.func.id}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr", "sys.stdin"}:
            yield f"line {node.lineno}: only cli owns the terminal"


def verification_off(_: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"CERT_NONE", "_create_unverified_context"}:
            yield f"line {node.lineno}: {node.attr}"
        elif isinstance(node, ast.keyword) and node.arg in {"verify", "check_hostname"} and _is_false(node.value):
            yield f"line {node.value.lineno}: {node.arg}=False"
        elif isinstance(node, ast.Assign) and _is_false(node.value):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr in {"verify", "check_hostname"}:
                    yield f"line {node.lineno}: {target.attr} = False"


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


Rule = Callable[[str, ast.Module], Iterator[str]]


@pytest.mark.parametrize("rule", [rooms_broken, core_broken, prints, verification_off])
def test_the_package_keeps(rule: Rule) -> None:
    broken = [
        f"oob/{module}, {fault}" for module in modules() for fault in rule(name_of(module), parse(PACKAGE / module))
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("folder", ["tests", "examples"])
def test_nobody_switches_verification_off(folder: str) -> None:
    broken = [
        f"{path.relative_to(ROOT)}, {fault}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for fault in verification_off("", parse(path))
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (rooms_broken, "pairing.cpace", "import nacl.bindings"),
        (rooms_broken, "device.runtime", "def f():\n    from bleak import BleakClient"),
        (rooms_broken, "sim.radio", "import importlib\nimportlib.import_module('bleak.backends')"),
        (core_broken, "handshake.session", "import time"),
        (core_broken, "binding.statement", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
        (core_broken, "crypto.ecdh", "X25519PrivateKey.generate()"),
        (core_broken, "errors", "open('state')"),
        (prints, "device.runtime", "print('passcode')"),
        (prints, "device.runtime", "import sys\nsys.stdout.write('passcode')"),
        (verification_off, "client", "context.verify_mode = ssl.CERT_NONE"),
        (verification_off, "client", "context.check_hostname = False"),
        (verification_off, "client", "httpx.Client(verify=False)"),
    ],
)
def test_each_rule_sees_its_fault(rule: Rule, name: str, source: str) -> None:
    assert list(rule(name, ast.parse(source)))


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (rooms_broken, "sim.bleak_backend", "from bleak.backends.client import BaseBleakClient"),
        (core_broken, "handshake.session", "EcdhKey.generate(curve, random)"),
        (core_broken, "transport.memory", "import asyncio"),
        (prints, "cli.demo", "print('paired')"),
        (verification_off, "client", "context.check_hostname = True"),
    ],
)
def test_each_rule_lets_the_rest_pass(rule: Rule, name: str, source: str) -> None:
    assert not list(rule(name, ast.parse(source)))


def test_every_module_has_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    found = {name_of(module).partition(".")[0] for module in modules()} - {""}
    assert found <= placed
    assert set(CORE) <= placed


def has_code(module: Path) -> bool:
    """Whether a module defines something; an `__init__.py` that only names what it exports does not."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return module.name != "__init__.py" or any(
        isinstance(node, definitions) for node in ast.walk(parse(PACKAGE / module))
    )


def home_of_tests(module: Path) -> Path:
    """`cose/keys.py` -> `tests/cose/test_keys.py`; `cli/__init__.py` -> `tests/cli/test_cli.py`."""
    name = module.stem if module.name != "__init__.py" else (module.parent.name or "oob")
    return ROOT / "tests" / module.parent / f"test_{name.strip('_')}.py"


def test_every_module_has_its_test_file() -> None:
    missing = [
        f"oob/{module} has no {home_of_tests(module).relative_to(ROOT)}"
        for module in modules()
        if has_code(module) and str(module) not in TESTED_ELSEWHERE and not home_of_tests(module).is_file()
    ]
    assert not missing, "\n".join(missing)


def test_no_reason_outlives_its_module() -> None:
    stale = [name for name in TESTED_ELSEWHERE if not (PACKAGE / name).is_file() or home_of_tests(Path(name)).is_file()]
    assert not stale
