"""A release in S3, pinned from its checksum file; real server, real requests."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import s3fs

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.origins import find_origin, s3
from automind_data.pinning.config import option
from automind_data.pinning.dvcfile import dvc_path, parse_import
from tests.origins.test_schemas import hold_to_schemas
from tests.s3.conftest import NOWHERE
from tests.s3.server import S3Server
from tests.scratch import PATHS, changes, commit, content, dvc, make_clone, make_release, run_import

pytestmark = pytest.mark.usefixtures("credentials")


def s3_files() -> Any:
    return s3fs.S3FileSystem(skip_instance_cache=True)


@pytest.fixture
def address(bucket: Path, tmp_path: Path) -> str:
    """A release with its checksum file at a prefix."""
    release = make_release(tmp_path / "release")
    subprocess.run("md5sum */* > MD5SUMS", shell=True, check=True, cwd=release)
    shutil.copytree(release, bucket / "2030.1")
    return f"s3://{bucket.name}/2030.1"


def test_pinned_without_a_data_byte_and_then_found_by_dvc(
    tmp_path: Path, address: str, bucket: Path, s3: S3Server
) -> None:
    clone = make_clone(tmp_path / "clone")
    report = run_import(clone, f"{address}/")
    assert (report.release, report.kind, report.changed) == ("2030.1", "s3", PATHS)
    got = [request.path for request in s3.relay.requests if request.method == "GET"]
    assert got == [f"/{bucket.name}/2030.1/MD5SUMS"]
    for path in PATHS:
        pinned = parse_import(path, (clone / dvc_path(path)).read_bytes())
        assert pinned is not None
        assert pinned.md5 == md5_of(tmp_path / "release" / path)
        assert pinned.size == len(content(path, "first"))
        assert pinned.source == f"remote://release/{path}"
        assert pinned.origin.address == address
    hold_to_schemas(clone)
    said = option(clone, 'remote "release"', "url")
    assert said is not None and said[0] == address
    commit(clone, "2030.1")
    s3.relay.forget()
    assert dvc(clone, "status").count("not in cache:") == len(PATHS)
    assert s3.relay.requests == []
    assert run_import(clone, address).written == ()
    assert changes(clone) == []
    dvc(clone, "update", dvc_path(PATHS[0]))
    assert (clone / "datasets" / PATHS[0]).read_bytes() == content(PATHS[0], "first")


def test_what_is_not_there(address: str, bucket: Path) -> None:
    for source, said in (
        ("s3://no-such-bucket/2030.1", "s3://no-such-bucket: is no bucket there"),
        (f"s3://{bucket.name}/2031.1", f"s3://{bucket.name}/2031.1: holds nothing"),
        (f"{address}/dgms", f"{address}/dgms/MD5SUMS: is not there"),
    ):
        with pytest.raises(AutomindError) as refused:
            find_origin(source).offers()
        assert str(refused.value).startswith(said)


def test_a_listed_file_that_is_not_there(address: str) -> None:
    s3_files().rm(f"{address}/{PATHS[3]}")
    with pytest.raises(AutomindError, match=f"MD5SUMS: lists {PATHS[3]}, which is not there"):
        find_origin(address).offers()


def test_a_checksum_file_that_is_another_thing(address: str) -> None:
    for data, said in (
        (b"<html>", "line 1 is not a line of md5sum"),
        (b"\xff\xfe", "is not text"),
        (b"x" * 1_048_577, "has 1048577 bytes, too many"),
    ):
        s3_files().pipe_file(f"{address}/MD5SUMS", data)
        with pytest.raises(AutomindError, match=said):
            find_origin(address).offers()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret", "is forbidden for these credentials"),
        ("AWS_ACCESS_KEY_ID", "WRONGKEY", "is forbidden for these credentials"),
        ("AWS_PROFILE", "nobody", "AWS_PROFILE names a profile that is not in the AWS files"),
    ],
)
def test_credentials_that_do_not_do(
    address: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(AutomindError) as refused:
        find_origin(address).offers()
    assert said in str(refused.value) and value not in str(refused.value)


def test_no_credentials(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AutomindError, match="needs credentials, and none were found; next: set"):
        find_origin(address).offers()


def test_nobody_answers(address: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automind_data.origins.s3.TIMEOUT", 1)
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    s3.relay.silent = True
    began = time.monotonic()
    try:
        with pytest.raises(AutomindError, match="cannot be reached; next: look at the network"):
            find_origin(address).offers()
    finally:
        s3.relay.silent = False
    assert time.monotonic() - began < 12
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    with pytest.raises(AutomindError, match="cannot be reached"):
        find_origin(address).offers()


@pytest.mark.parametrize(
    "source",
    ["s3://", "s3:///a", "s3://b?x=hush", "s3://bucket/a?versionId=hush", "s3://hush@bucket/a"],
)
def test_addresses_that_are_refused(source: str) -> None:
    with pytest.raises(AutomindError, match="is no address in S3; next: give a bucket") as refused:
        find_origin(source)
    assert "hush" not in str(refused.value)


def test_the_address_is_clean() -> None:
    origin = find_origin("s3://bucket/a/2030.1//")
    assert (origin.address, origin.release) == ("s3://bucket/a/2030.1", "2030.1")
    assert origin.base_url("") == origin.address
    assert origin.base_url("top/") == "s3://bucket/a/2030.1/top"
    assert find_origin("s3://bucket").release == "bucket"
    assert s3.S3Origin("s3://bucket/").base_url("") == "s3://bucket"
