import csv
import os
import time
from pathlib import Path

import pytest

from oob.device import Device
from oob.device.state import IDENTITY_FILE, STATE_FILE
from oob.errors import StorageError, UsageError
from oob.labels.batch import MAX_COUNT, PLAN_FILE, TABLE_FILE, Made, Plan, make_batch
from oob.labels.scanning import load, scan
from oob.pairing import Bootstrap, Model, Passcode
from oob.storage import exclusive
from tests.e2e.stage import NoPage, stage

NOW = 1.7e9
OPEN_COLUMNS = ["number", "hash", "name", "label"]
SECRET_COLUMNS = ["secret", "passcode", "tag_key", "bootstrap"]


def make(directory: Path, plan: Plan, *, secrets: bool = False) -> list[Made]:
    return list(make_batch(directory, plan, os.urandom, NOW, secrets=secrets))


def table(directory: Path) -> list[dict[str, str]]:
    with (directory / TABLE_FILE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def device(directory: Path, model: Model, name: str = "Lamp") -> Device:
    return Device(name, directory, NoPage(), model=model, printed=True, clock=lambda: NOW)


@pytest.mark.parametrize("model", [Model.SECRET, Model.PINNED])
def test_each_label_is_that_of_its_device(tmp_path: Path, model: Model) -> None:
    batch = make(tmp_path / "b", Plan(3, "Lamp", model, "png"))
    rows = table(tmp_path / "b")
    assert len({row["hash"] for row in rows}) == 3
    for made, row in zip(batch, rows, strict=True):
        scanned = scan(load(tmp_path / "b" / row["label"]))
        assert scanned == made.bootstrap == device(tmp_path / "b" / row["number"], model).offer.out_of_band()
        assert row == {"number": made.number, "hash": scanned.cred_r_hash.hex(), "name": "Lamp", "label": made.label}


def test_a_label_with_a_passcode(tmp_path: Path) -> None:
    (made,) = make(tmp_path / "b", Plan(1, "Lamp", Model.PASSCODE, "png"))
    run = device(tmp_path / "b" / "0001", Model.PASSCODE)
    assert made.passcode == run.offer.out_of_band()
    scanned = scan(load(tmp_path / "b" / "0001.png"))
    credential = run.store.identity.credential
    assert scanned == Bootstrap(1, (Model.PASSCODE,), credential.hash(), name="Lamp"), "nothing in it is secret"


@pytest.mark.parametrize("model", [Model.SECRET, Model.PASSCODE, Model.PINNED])
def test_no_secret_is_in_the_table(tmp_path: Path, model: Model) -> None:
    batch = make(tmp_path / "b", Plan(2, "Lamp", model, url_template="https://example.com/{number}/{hash}"))
    text = (tmp_path / "b" / TABLE_FILE).read_text() + (tmp_path / "b" / PLAN_FILE).read_text()
    for made in batch:
        for secret in made._secrets().values():
            assert not secret or secret not in text
            assert not secret or secret not in repr(made)
        assert made.bootstrap.to_text() not in repr(made)
    assert list(table(tmp_path / "b")[0]) == [*OPEN_COLUMNS, "url"]


@pytest.mark.parametrize("model", [Model.SECRET, Model.PASSCODE])
def test_secrets_are_in_the_table_when_asked_for(tmp_path: Path, model: Model) -> None:
    (made,) = make(tmp_path / "b", Plan(1, "Lamp", model), secrets=True)
    (row,) = table(tmp_path / "b")
    assert list(row) == [*OPEN_COLUMNS, *SECRET_COLUMNS]
    assert mode(tmp_path / "b" / TABLE_FILE) == 0o600
    assert Bootstrap.from_text(row["bootstrap"]) == made.bootstrap
    if model is Model.PASSCODE:
        assert (row["secret"], row["tag_key"]) == ("", "")
        assert Passcode(row["passcode"]) == made.passcode
    else:
        assert row["secret"] == (made.bootstrap.secret or b"").hex()
        assert row["tag_key"] == (made.bootstrap.tag_key or b"").hex()


def test_what_holds_a_secret_is_for_its_user_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        make(tmp_path / "b", Plan(1, "Lamp"))
    finally:
        os.umask(old)
    assert mode(tmp_path / "b") == mode(tmp_path / "b" / "0001") == 0o700
    files = ("0001.svg", f"0001/{IDENTITY_FILE}", f"0001/{STATE_FILE}")
    assert {mode(tmp_path / "b" / each) for each in files} == {0o600}
    assert mode(tmp_path / "b" / TABLE_FILE) == 0o644


def test_a_url_for_each_device(tmp_path: Path) -> None:
    batch = make(tmp_path / "b", Plan(2, "Lamp", url_template="https://example.com/d/{number}?k={hash}"))
    expected = [f"https://example.com/d/{made.number}?k={made.bootstrap.cred_r_hash.hex()}" for made in batch]
    assert [row["url"] for row in table(tmp_path / "b")] == [made.url for made in batch] == expected


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_an_interrupted_batch_goes_on(tmp_path: Path, cut: int) -> None:
    plan = Plan(3, "Lamp", kind="png")
    making = make_batch(tmp_path / "b", plan, os.urandom, NOW)
    first = [next(making) for _ in range(cut)]
    making.close()
    before = contents(tmp_path / "b")
    assert TABLE_FILE not in before
    labels = [tmp_path / "b" / made.label for made in first]
    written = [path.stat().st_ino for path in labels]
    batch = make(tmp_path / "b", plan)
    assert batch[:cut] == first
    assert [path.stat().st_ino for path in labels] == written, "a label was drawn anew"
    after = contents(tmp_path / "b")
    assert {name: after[name] for name in before} == before, "nothing that was there was changed"
    assert [row["number"] for row in table(tmp_path / "b")] == ["0001", "0002", "0003"]


@pytest.mark.parametrize("model", [Model.SECRET, Model.PASSCODE])
def test_killed_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    genuine, writes = os.replace, [0]
    plan = Plan(2, "Lamp", model, "png")
    for limit in range(30):
        directory = tmp_path / str(limit)

        def stop(source: str, target: str, limit: int = limit) -> None:
            if writes[0] == limit:
                raise KeyboardInterrupt
            writes[0] += 1
            genuine(source, target)

        writes[0] = 0
        monkeypatch.setattr(os, "replace", stop)
        try:
            make(directory, plan)
        except KeyboardInterrupt:
            monkeypatch.undo()
            for made in make(directory, plan):
                carried = device(directory / made.number, model).offer.out_of_band()
                assert carried == (made.passcode or made.bootstrap)
                assert scan(load(directory / made.label)) == made.bootstrap
        else:
            break
    assert limit > 6, "it was stopped at each of its writes"


def test_a_complete_batch_is_never_touched(tmp_path: Path) -> None:
    make(tmp_path / "b", Plan(1, "Lamp"))
    before = contents(tmp_path / "b")
    for plan in (Plan(1, "Lamp"), Plan(2, "Lamp")):
        with pytest.raises(UsageError, match="holds a complete batch"):
            make(tmp_path / "b", plan)
    assert contents(tmp_path / "b") == before


def test_another_batch_is_not_mixed_in(tmp_path: Path) -> None:
    making = make_batch(tmp_path / "b", Plan(2, "Lamp"), os.urandom, NOW)
    next(making)
    making.close()
    for plan in (Plan(3, "Lamp"), Plan(2, "Other"), Plan(2, "Lamp", Model.PINNED), Plan(2, "Lamp", kind="pdf")):
        with pytest.raises(UsageError, match="a part of another batch") as caught:
            make(tmp_path / "b", plan)
        assert PLAN_FILE in caught.value.remedy


def test_a_directory_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "0001").mkdir()
    with pytest.raises(UsageError, match="is not empty"):
        make(tmp_path, Plan(1, "Lamp"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        make(tmp_path / "file", Plan(1, "Lamp"))


def test_one_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(StorageError, match="another process uses"):
        make(tmp_path, Plan(1, "Lamp"))


def test_numbers_sort(tmp_path: Path) -> None:
    made = next(make_batch(tmp_path, Plan(MAX_COUNT, "Lamp"), os.urandom, NOW))
    assert made.number == "000001"


@pytest.mark.parametrize(
    "template", ["http://example.com/{number}", "https://e/{x}", "https://e/ {number}", "https://ä/"]
)
def test_templates_that_make_no_url(template: str) -> None:
    with pytest.raises(UsageError, match="no template of an https URL"):
        Plan(1, "Lamp", url_template=template)


def test_what_cannot_be_a_batch() -> None:
    for count in (0, -1, MAX_COUNT + 1):
        with pytest.raises(UsageError, match="a batch has 1 to"):
            Plan(count, "Lamp")
    for name in ("", " ", "a\nb", "n" * 33):
        with pytest.raises(UsageError):
            Plan(1, name)
    for model in (Model.COMPARE, Model.BUTTON):
        with pytest.raises(UsageError, match="has no label"):
            Plan(1, "Lamp", model)
    with pytest.raises(UsageError, match="not readable"):
        Plan(1, "Lamp", width=8)


@pytest.mark.parametrize("model", [Model.SECRET, Model.PASSCODE])
async def test_a_device_of_a_batch_pairs_by_its_label(tmp_path: Path, model: Model) -> None:
    """Issuer, device and client in memory; the client has nothing but the picture, or the digits, of the label."""
    plan = Plan(2, "Lamp", model, "png")
    made, _ = make_batch(tmp_path / "b", plan, os.urandom, time.time())
    (tmp_path / "b" / "0001").rename(tmp_path / "device")
    carried = made.passcode or scan(load(tmp_path / "b" / made.label))
    async with stage(tmp_path, model=model, printed=True) as on:
        pairing = await on.pair(carried)
        assert pairing.device == on.key
        assert pairing.status == "ready"


async def test_the_label_of_another_device_does_not_pair(tmp_path: Path) -> None:
    make(tmp_path / "b", Plan(2, "Lamp", kind="png"))
    (tmp_path / "b" / "0001").rename(tmp_path / "device")
    async with stage(tmp_path, model=Model.SECRET) as on:
        error = await on.fail(scan(load(tmp_path / "b" / "0002.png")))
        assert error.exit_code == 4
