"""One S3 server per test run, a bucket per test, clones that know the way to it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automind_data.pinning.config import with_option
from tests.s3.server import KEY, SECRET, STORE, S3Server
from tests.scratch import git

NOWHERE = "http://127.0.0.1:9"
"""Nobody listens there."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server. A test that kills it starts it again."""
    with S3Server(tmp_path_factory.mktemp("s3") / "objects") as server:
        yield server


@pytest.fixture
def s3(running: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with no credentials but those that a test gives; nothing is counted yet."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    running.relay.forget()
    return running


@pytest.fixture
def credentials(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and credentials of the server in the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def bucket(s3: S3Server) -> Path:
    """An empty bucket of its own: the folder of its objects; its name is the bucket's."""
    folder = s3.bucket(f"bucket-{next(_numbers)}")
    s3.relay.forget()
    return folder


@pytest.fixture
def store(bucket: Path) -> Path:
    """The folder of the objects that `dvc push` brings into the bucket."""
    return bucket / STORE


@pytest.fixture
def point(s3: S3Server, bucket: Path) -> Callable[..., Path]:
    """Point a clone's remote `storage` to the bucket, in config.local; None leaves a key out."""

    def write(clone: Path, **options: str | int | None) -> Path:
        said = {
            "url": f"s3://{bucket.name}/team",
            "endpointurl": s3.url,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "connect_timeout": 5,
            "read_timeout": 10,
            **options,
        }
        keep_in_local(clone, 'remote "storage"', said)
        return clone

    return write


@pytest.fixture
def colleague(point: Callable[..., Path]) -> Callable[..., Path]:
    """Clone a clone: it reaches the bucket and no origin; nothing is pulled yet."""

    def clone(other: Path, **options: str | int | None) -> Path:
        folder = other.with_name(f"{other.name}-{next(_numbers)}")
        git(other.parent, "clone", "-q", other.as_uri(), folder.name)
        keep_in_local(folder, 'remote "release"', {"url": f"{NOWHERE}/release"})
        keep_in_local(folder, 'remote "figshare"', {"url": f"{NOWHERE}/files"})
        return point(folder, **options)

    return clone


def keep_in_local(clone: Path, section: str, options: dict[str, str | int | None]) -> None:
    """Write options into a clone's config.local."""
    path = clone / ".dvc" / "config.local"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for key, value in options.items():
        if value is not None:
            text = with_option(text, section, key, str(value))
    path.write_text(text, encoding="utf-8")
