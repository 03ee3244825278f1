"""A batch for a production line: for each device its state, its label, and a row in a table.

    DIRECTORY/batch.json      what was asked for; written first
    DIRECTORY/0001/           the state of the device: its identity key, and its secret or printed passcode
    DIRECTORY/0001.svg        its label
    DIRECTORY/devices.csv     one row a device; written last, when all else is there

Whoever is interrupted goes on by asking for the same again: what is there already stays as it is. A batch that is
complete is never touched.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from oob.device.offers import offer_kind
from oob.device.state import DeviceStore
from oob.errors import UsageError
from oob.labels.drawing import KINDS, WIDTH, Label, draw
from oob.pairing import Bootstrap, Model, Passcode
from oob.storage import exclusive, find, write_atomic

MODELS: Final = (Model.SECRET, Model.PASSCODE, Model.PINNED)
"""Those whose label is printed once, for the life of the device."""
MAX_COUNT: Final = 100_000
PLAN_FILE, TABLE_FILE = "batch.json", "devices.csv"
_PLACEHOLDERS: Final = ("{number}", "{hash}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch is to be; UsageError if that cannot be.

    `name` is the product's, at most 32 bytes: part of each device's credential, so each must be run under it. `width`
    is that of the labels in millimetres. `url_template` is an https URL in which {number} and {hash} are replaced.
    """

    count: int
    name: str
    model: Model = Model.SECRET
    kind: str = KINDS[0]
    width: float = WIDTH
    url_template: str = ""
    font: Path | None = None

    def __post_init__(self) -> None:
        """Check all that can be checked before the first file is written."""
        if not 1 <= self.count <= MAX_COUNT:
            raise UsageError(f"a batch has 1 to {MAX_COUNT} devices", step="batch")
        if self.model not in MODELS:
            raise UsageError(f"the model {self.model.name.lower()} has no label", step="batch")
        if not self.name.strip():
            raise UsageError("the devices need a name", step="batch")
        self._check_url()
        hash_, key = bytes(32), bytes(16)  # as large as the real ones
        secret = key if self.model is Model.SECRET else None
        self._draw(Bootstrap(1, (self.model,), hash_, secret, key, name=self.name), Passcode.from_number(0))

    def _check_url(self) -> None:
        if not self.url_template:
            return
        plain = self.url("", b"")
        if (
            not plain.startswith("https://")
            or not plain.isascii()
            or not plain.isprintable()
            or re.search("[{} ]", plain)
        ):
            remedy = "For example https://example.com/d/{number}"
            raise UsageError("this is no template of an https URL", step="batch", remedy=remedy)

    def url(self, number: str, hash_: bytes) -> str:
        """Return the URL for one device."""
        values = zip(_PLACEHOLDERS, (number, hash_.hex()), strict=True)
        text = self.url_template
        for placeholder, value in values:
            text = text.replace(placeholder, value)
        return text

    def encode(self) -> bytes:
        """Return the JSON form, to tell whether the same is asked for again. Nothing in it is secret."""
        return json.dumps(asdict(self), default=str, indent=1).encode() + b"\n"

    def make(self, directory: Path, number: str, random: Callable[[int], bytes], now: float) -> "Made":
        """Make one device and its label, or take up what an interrupted run left of them. Raises StorageError."""
        store = DeviceStore(directory / number, self.name, random)
        carried = offer_kind(self.model, printed=True)(store, random, lambda: now).out_of_band()
        if isinstance(carried, Bootstrap):
            bootstrap, passcode = carried, None
        else:
            # No tag key: a reset changes that of a device with a passcode, and what is printed must stay true.
            credential = store.identity.credential
            bootstrap, passcode = Bootstrap(1, (self.model,), credential.hash(), name=self.name), carried
        label = directory / f"{number}.{self.kind}"
        if find(label) is None:
            write_atomic(label, self._draw(bootstrap, passcode))
        return Made(number, self.name, label.name, self.url(number, bootstrap.cred_r_hash), bootstrap, passcode)

    def _draw(self, bootstrap: Bootstrap, passcode: Passcode | None) -> bytes:
        return draw(Label(bootstrap, passcode, self.name, self.width, self.font), self.kind)


@dataclass(frozen=True, slots=True)
class Made:
    """A device of a batch."""

    number: str
    name: str
    label: str
    url: str
    bootstrap: Bootstrap
    passcode: Passcode | None = field(repr=False)

    def row(self, *, secrets: bool) -> dict[str, str]:
        """Return what the table says of it; its secrets only if they are asked for."""
        row = {
            "number": self.number,
            "hash": self.bootstrap.cred_r_hash.hex(),
            "name": self.name,
            "label": self.label,
        }
        if self.url:
            row["url"] = self.url
        return {**row, **self._secrets()} if secrets else row

    def _secrets(self) -> dict[str, str]:
        return {
            "secret": (self.bootstrap.secret or b"").hex(),
            "passcode": self.passcode.digits if self.passcode else "",
            "tag_key": (self.bootstrap.tag_key or b"").hex(),
            "bootstrap": self.bootstrap.to_text(),
        }


def make_batch(
    directory: Path, plan: Plan, random: Callable[[int], bytes], now: float, *, secrets: bool = False
) -> Generator[Made]:
    """Yield each device when it and its label are on the disk, and write the table after the last one.

    `random` and `now` are the source of random bytes and the time in seconds; `secrets` puts the secrets into the
    table, which only its owner can read then. Raises UsageError for a directory that holds something else, or a batch
    that is complete; StorageError.
    """
    with exclusive(directory):
        _begin(directory, plan)
        rows = []
        for number in range(1, plan.count + 1):
            made = plan.make(directory, f"{number:0{max(4, len(str(plan.count)))}}", random, now)
            rows.append(made.row(secrets=secrets))
            yield made
        write_atomic(directory / TABLE_FILE, _table(rows), 0o600 if secrets else 0o644)


def _begin(directory: Path, plan: Plan) -> None:
    """Write the plan, or find it as it was left. Raises UsageError rather than to mix two batches."""
    if find(directory / TABLE_FILE) is not None:
        raise UsageError(f"{directory} holds a complete batch", step="batch", remedy="Choose another directory")
    begun = find(directory / PLAN_FILE)
    if begun is None and any(not each.name.startswith(".") for each in directory.iterdir()):
        raise UsageError(f"{directory} is not empty", step="batch", remedy="Choose another directory")
    if begun is not None and begun != plan.encode():
        remedy = f"Ask for the same as {PLAN_FILE} there says, to go on; or choose another directory"
        raise UsageError(f"{directory} holds a part of another batch", step="batch", remedy=remedy)
    if begun is None:
        write_atomic(directory / PLAN_FILE, plan.encode(), 0o644)


def _table(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
