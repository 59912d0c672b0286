"""The test server itself: what it answers is what figshare's OpenAPI document describes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from automind_data.common.files import md5_of
from tests.figshare_server import FAULTS, Fault, FigshareServer
from tests.scratch import PATHS, ROOT, content, make_release

SCHEMAS = json.loads((Path(__file__).parent / "figshare_schemas.json").read_text())
SAME = "observations/organoid_summary.csv"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    top = tmp_path_factory.mktemp("releases")
    made = [make_release(top / name, name) for name in ("first", "second")]
    for folder in made:
        (folder / SAME).write_bytes(content(SAME, "same"))
        (folder / "README.md").write_text("not served\n")
    return made


@pytest.fixture
def server(folders: list[Path]) -> Iterator[FigshareServer]:
    with FigshareServer(folders) as server:
        yield server


def require(value: Any, name: str, many: bool = False) -> None:
    reference = {"$ref": f"#/components/schemas/{name}"}
    schema = {**SCHEMAS, **({"type": "array", "items": reference} if many else reference)}
    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)


def test_the_schemas_are_whole_and_hold_no_prose() -> None:
    text = json.dumps(SCHEMAS)
    assert '"description": "' not in text and "example" not in text
    assert SCHEMAS["components"]["schemas"]["PublicFile"]["required"]
    with pytest.raises(jsonschema.ValidationError):
        require({"id": "1"}, "PublicFile")
    with pytest.raises(jsonschema.ValidationError):
        require({"figshare_url": "a"}, "ArticleComplete")


def test_answers_follow_the_openapi_document(server: FigshareServer) -> None:
    article = f"{server.api}/articles/{server.article}"
    require(requests.get(article).json(), "ArticleComplete")
    require(requests.get(f"{article}/versions").json(), "ArticleVersions", many=True)
    for url in (f"{article}/files", f"{article}/versions/1/files"):
        require(requests.get(url, params={"page_size": 1000}).json(), "PublicFile", many=True)
    file = server.file_id(PATHS[0])
    require(requests.get(f"{article}/files/{file}").json(), "PublicFile")
    for version in (1, 2):
        described = requests.get(f"{article}/versions/{version}").json()
        require(described, "ArticleComplete")
        assert described["version"] == version
        assert described["doi"] == f"10.6084/m9.figshare.{server.article}.v{version}"
    missing = requests.get(f"{server.api}/articles/5")
    assert missing.status_code == 404
    require(missing.json(), "ErrorMessage")


def test_lists_stop_at_ten_and_come_in_pages(server: FigshareServer) -> None:
    article = f"{server.api}/articles/{server.article}"
    assert len(requests.get(article).json()["files"]) == 10
    assert len(requests.get(f"{article}/files").json()) == 10
    assert len(requests.get(f"{article}/files", params={"page": 2}).json()) == 2
    assert requests.get(f"{article}/files", params={"page": 3}).json() == []
    assert len(requests.get(f"{article}/files", params={"limit": 5, "offset": 10}).json()) == 2
    for wrong in ({"page_size": 1001}, {"page": 0}, {"page": "x"}):
        assert requests.get(f"{article}/files", params=wrong).status_code == 400


def test_folders_and_ids(server: FigshareServer) -> None:
    article = f"{server.api}/articles/{server.article}"
    said = requests.get(article).json()["folder_structure"]
    assert said[str(server.file_id("dgms/psd_posterior.pickle"))] == "dgms"
    assert len(said) == len(PATHS)
    server.folders = False
    assert requests.get(article).json()["folder_structure"] == {}
    assert server.file_id(SAME, 1) == server.file_id(SAME, 2)
    assert server.file_id(PATHS[0], 1) != server.file_id(PATHS[0], 2)


def test_both_ways_to_a_file(server: FigshareServer, folders: list[Path]) -> None:
    number = server.file_id(PATHS[0], 1)
    for url in (f"{server.api}/file/download/{number}", f"{server.download}/{number}"):
        got = requests.get(url)
        assert got.content == (folders[0] / PATHS[0]).read_bytes()
        assert [step.status_code for step in got.history] == [302]
    part = requests.get(f"{server.download}/{number}", headers={"Range": "bytes=5-9"})
    assert part.status_code == 206
    assert part.content == (folders[0] / PATHS[0]).read_bytes()[5:10]
    past = requests.get(f"{server.download}/{number}", headers={"Range": "bytes=99999-"})
    assert past.status_code == 416


def test_a_signature_works_once_and_expires(server: FigshareServer) -> None:
    number = server.file_id(PATHS[0])
    door = f"{server.download}/{number}"
    signed = requests.get(door, allow_redirects=False).headers["Location"]
    assert requests.get(signed).status_code == 200
    assert requests.get(signed).status_code == 403
    server.expires = 0.05
    signed = requests.get(door, allow_redirects=False).headers["Location"]
    time.sleep(0.1)
    assert requests.get(signed).status_code == 403


def test_a_private_article_opens_to_its_token_only(folders: list[Path]) -> None:
    with FigshareServer(folders, public=False) as server:
        number = server.file_id(PATHS[0])
        door = f"{server.download}/{number}"
        assert requests.get(f"{server.api}/articles/{server.article}").status_code == 404
        assert requests.get(f"{server.api}/file/download/{number}").status_code == 404
        assert requests.get(door).status_code == 403
        assert requests.get(door, params={"private_link": "guess"}).status_code == 403
        assert requests.get(door, params={"private_link": "secret"}).status_code == 200
        assert "secret" not in "".join(map(str, server.log))


def test_a_fault_is_counted_and_keeps_to_its_file_and_door(server: FigshareServer) -> None:
    first, other = (server.file_id(path) for path in PATHS[:2])
    server.faults = [Fault("403", first=2, file=first, door="download")]
    url = f"{server.download}/{first}"
    assert requests.get(f"{server.download}/{other}").status_code == 200
    assert requests.get(f"{server.api}/file/download/{first}").status_code == 200
    assert [requests.get(url).status_code for _ in range(3)] == [403, 403, 200]
    assert Fault.parse("429:3@api") == Fault("429", 3, door="api")
    with pytest.raises(ValueError):
        Fault("nonsense")


@pytest.mark.parametrize(
    ("name", "status"),
    [("challenge", 202), ("html", 200), ("empty", 200), ("429", 429), ("404", 404), ("500", 500)],
)
def test_what_a_door_answers(server: FigshareServer, name: str, status: int) -> None:
    server.faults = [Fault(name)]
    got = requests.get(f"{server.download}/{server.file_id(PATHS[0])}")
    assert got.status_code == status
    assert ("x-amzn-waf-action" in got.headers) == (name == "challenge")
    assert ("Retry-After" in got.headers) == (name == "429")
    assert (b"<html>" in got.content) == (name in ("html", "500"))
    listed = requests.get(f"{server.api}/articles/{server.article}/files")
    assert listed.status_code == 200


@pytest.mark.parametrize("name", ["cut", "chunked-cut", "gone"])
def test_a_connection_that_ends_early(server: FigshareServer, name: str) -> None:
    server.faults = [Fault(name)]
    with pytest.raises(requests.RequestException):
        _ = requests.get(f"{server.download}/{server.file_id(PATHS[0])}").content


@pytest.mark.parametrize("name", ["corrupt", "corrupt-tail", "html-right-length"])
def test_wrong_bytes_of_the_right_length(
    server: FigshareServer, folders: list[Path], name: str
) -> None:
    server.faults = [Fault(name)]
    right = (folders[1] / PATHS[0]).read_bytes()
    got = requests.get(f"{server.download}/{server.file_id(PATHS[0])}").content
    assert len(got) == len(right) and got != right


@pytest.mark.parametrize("name", ["wrong-size", "wrong-md5", "no-md5"])
def test_lists_that_are_wrong(server: FigshareServer, name: str) -> None:
    server.faults = [Fault(name)]
    listed = requests.get(f"{server.api}/articles/{server.article}/files").json()
    require(listed, "PublicFile", many=True)
    for said in listed:
        file = server.served(said["id"])
        assert file is not None
        assert (said["size"] == file.size) == (name != "wrong-size")
        assert (said["computed_md5"] == file.md5) == (name == "wrong-size")


def test_a_rate_holds_and_the_log_counts(server: FigshareServer, folders: list[Path]) -> None:
    server.rate = 1000
    size = (folders[1] / PATHS[0]).stat().st_size
    began = time.monotonic()
    assert len(requests.get(f"{server.download}/{server.file_id(PATHS[0])}").content) == size
    assert time.monotonic() - began > 0.8 * size / 1000
    assert server.data_bytes() == size


def test_by_hand(folders: list[Path]) -> None:
    command = [sys.executable, "-m", "tests.figshare_server", *map(str, folders)]
    process = subprocess.Popen(
        [*command, "--fault", "404:1@api"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        said = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[:2])
        assert "article 1000001, 2 versions, 12 files" in lines[2]
        api = said["AUTOMIND_FIGSHARE_API"]
        listed = requests.get(f"{api}/articles/1000001/versions/2/files").json()
        door = f"{api}/file/download/{listed[0]['id']}"
        assert [requests.get(door).status_code for _ in range(2)] == [404, 200]
        got = requests.get(f"{said['AUTOMIND_FIGSHARE_DOWNLOAD']}/{listed[0]['id']}").content
        assert len(got) == listed[0]["size"]
        assert listed[0]["computed_md5"] == md5_of(folders[1] / PATHS[0])
    finally:
        process.terminate()
        process.wait()


def test_every_fault_is_explained() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tests.figshare_server", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name, said in FAULTS.items():
        assert f"  {name:18} {said}" in shown
