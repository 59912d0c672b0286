"""Fetching a release that lies in S3, read in ranges by way of DVC's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import botocore.session
import pytest

from automind_data.pinning.dvcfile import Import
from tests.fetching.clones import ORIGIN, PATH, QUICK, cached, fetch, leave_part, part_of, pin
from tests.s3.server import KEY, SECRET, S3Server
from tests.scratch import make_clone

SIZE = 3_000_000
PATIENCE = replace(QUICK, tries=1, timeout=5.0)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with an empty bucket `releases`."""
    with S3Server(tmp_path_factory.mktemp("s3") / "data") as server:
        server.bucket("releases")
        yield server


@pytest.fixture
def whole(storage: S3Server) -> bytes:
    """The bytes of a file that lies below `releases/2030.1/`."""
    content = os.urandom(SIZE)
    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=storage.url,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.put_object(Bucket="releases", Key=f"2030.1/{PATH}", Body=content)
    client.close()
    return content


def clone_of(folder: Path, storage: S3Server, whole: bytes, **settings: str) -> tuple[Path, str]:
    """A clone that pins the file at `remote://release/`, and the file's md5."""
    import hashlib

    md5 = hashlib.md5(whole).hexdigest()
    clone = make_clone(folder)
    pin(clone, [Import(PATH, md5, SIZE, f"remote://release/{PATH}", "d", ORIGIN)])
    said = {
        "url": "s3://releases/2030.1",
        "endpointurl": storage.url,
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "connect_timeout": "2",
        "read_timeout": "2",
        **settings,
    }
    lines = [f"    {key} = {value}\n" for key, value in said.items()]
    (clone / ".dvc" / "config.local").write_text("['remote \"release\"']\n" + "".join(lines))
    return clone, md5


def test_it_comes_whole(tmp_path: Path, storage: S3Server, whole: bytes) -> None:
    clone, md5 = clone_of(tmp_path / "clone", storage, whole)
    assert fetch(clone, patience=PATIENCE).fetched == (PATH,)
    assert cached(clone) == {md5}


def test_it_goes_on_where_it_stopped(tmp_path: Path, storage: S3Server, whole: bytes) -> None:
    clone, md5 = clone_of(tmp_path / "clone", storage, whole)
    leave_part(clone, md5, SIZE, whole[: SIZE - 100_000])
    storage.relay.forget()
    assert fetch(clone, patience=PATIENCE).failed == {}
    assert storage.relay.received < 200_000
    assert cached(clone) == {md5}


def test_wrong_bytes_are_refused(tmp_path: Path, storage: S3Server, whole: bytes) -> None:
    clone, md5 = clone_of(tmp_path / "clone", storage, whole)
    (storage.folder / "releases" / "2030.1" / PATH).write_bytes(bytes(SIZE))
    report = fetch(clone, patience=PATIENCE)
    said = str(report.failed[PATH])
    assert f"s3://releases/2030.1/{PATH} sends other bytes than are pinned" in said
    assert cached(clone) == set()
    assert not part_of(clone, md5).exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"secret_access_key": "wrong-guess"}, "is closed to us: "),
        ({"url": "s3://releases/nowhere"}, "is not there"),
        ({"url": "s3://nothing/2030.1"}, "is not there"),
        ({"endpointurl": "http://127.0.0.1:1"}, "cannot be read: EndpointConnectionError"),
    ],
)
def test_what_a_user_reads(
    tmp_path: Path, storage: S3Server, whole: bytes, settings: dict[str, str], said: str
) -> None:
    clone, _ = clone_of(tmp_path / "clone", storage, whole, **settings)
    sentence = str(fetch(clone, patience=PATIENCE).failed[PATH])
    assert said in sentence
    assert "wrong-guess" not in sentence and SECRET not in sentence
    assert cached(clone) == set()
