"""The web client against a server that misbehaves."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest

from automind_data.web import Client, Fault, Patience, redacted
from automind_data.web.addresses import is_safe, next_address
from automind_data.web.figshare import api_base, download_base, token
from automind_data.web.patience import seconds_of
from tests import figshare_server
from tests.figshare_server import FigshareServer
from tests.scratch import make_release

QUICK = Patience(tries=3, pause=0.01, longest_pause=2.0, timeout=0.4, interval=0.0)
PATH = "dgms/psd_posterior.pickle"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release"))


@pytest.fixture
def server(release: Path) -> Iterator[FigshareServer]:
    with FigshareServer([release]) as server:
        yield server


@pytest.fixture
def client() -> Client:
    return Client(QUICK)


def fault(name: str, **options: object) -> figshare_server.Fault:
    return figshare_server.Fault(name, **options)


def listing(server: FigshareServer) -> str:
    return f"{server.api}/articles/{server.article}/files"


def file_url(server: FigshareServer) -> str:
    return f"{server.download}/{server.file_id(PATH)}"


@pytest.mark.parametrize(
    "name",
    ["403", "429", "500", "503", "empty", "gone"],
)
def test_a_fault_that_heals_is_waited_out(
    server: FigshareServer, client: Client, name: str
) -> None:
    server.faults = [fault(name, first=2, door="json", retry_after="0")]
    assert len(client.get_json(listing(server), {"page_size": 100}, "the list")) == 12
    assert len(server.log) == 3


@pytest.mark.parametrize(
    ("name", "kind", "requests"),
    [
        ("challenge", "bot wall", 1),
        ("html", "bot wall", 1),
        ("404", "not found", 1),
        ("redirect-scheme", "redirect", 1),
        ("redirect-loop", "redirect", 6),
        ("403", "forbidden", 3),
        ("429", "too many requests", 3),
        ("500", "server", 3),
        ("empty", "empty", 3),
        ("gone", "unreachable", 3),
    ],
)
def test_a_fault_that_stays_has_a_name(
    server: FigshareServer, client: Client, name: str, kind: str, requests: int
) -> None:
    server.faults = [fault(name, door="json", retry_after="0")]
    with pytest.raises(Fault) as raised:
        client.get_json(listing(server), what="the list")
    assert raised.value.kind == kind
    host = server.address.removeprefix("http://")
    assert str(raised.value).startswith(f"the list: {host} ")
    assert len(server.log) == requests


def test_retry_after_is_honoured_up_to_a_limit(server: FigshareServer) -> None:
    waited: list[float] = []
    client = Client(QUICK, waited.append)
    server.faults = [fault("429", first=1, door="json", retry_after="2")]
    client.get_json(listing(server))
    assert waited == [2.0]
    server.faults = [fault("429", first=1, door="json", retry_after="3600")]
    with pytest.raises(Fault, match=r"\(429\) and asks to wait for 3600 s; next: run it again"):
        client.get_json(listing(server))
    assert waited == [2.0]


def test_retry_after_may_be_a_date() -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    later = format_datetime(now + datetime.timedelta(seconds=90), usegmt=True)
    assert seconds_of(later, now) == 90
    assert seconds_of(format_datetime(now), now + datetime.timedelta(seconds=5)) == 0


def test_pauses_grow() -> None:
    waited: list[float] = []
    client = Client(Patience(tries=5, pause=1.0, longest_pause=5.0, interval=0), waited.append)
    with pytest.raises(Fault, match="it refuses the connection; next: check the network"):
        client.get_json("http://127.0.0.1:1/")
    assert waited == [1.0, 2.0, 4.0, 5.0]


@pytest.mark.parametrize("name", ["head-403", "head-405", "no-etag"])
def test_the_size_is_known_without_the_file(
    server: FigshareServer, client: Client, name: str
) -> None:
    server.faults = [fault(name)]
    assert client.size(file_url(server)) == server.served(server.file_id(PATH)).size
    assert server.data_bytes() <= 1


def test_a_size_that_is_not_stated_is_a_fault(server: FigshareServer, client: Client) -> None:
    server.faults = [fault("chunked")]
    with pytest.raises(Fault, match="does not state the size"):
        client.size(file_url(server))


def test_text_has_a_limit(server: FigshareServer, client: Client) -> None:
    assert '"version": 1' in client.get_text(f"{server.api}/articles/{server.article}/versions")
    with pytest.raises(Fault, match="answers with more than 100 bytes"):
        client.get_text(listing(server), limit=100)


def test_what_is_no_json_is_said(server: FigshareServer, client: Client) -> None:
    with pytest.raises(Fault, match=r"not JSON|not text"):
        client.get_json(file_url(server))


def test_a_body_starts_where_it_says(server: FigshareServer, client: Client) -> None:
    whole = server.served(server.file_id(PATH)).local.read_bytes()
    with client.stream(file_url(server), 10, expect=len(whole)) as body:
        assert (body.offset, body.total) == (10, len(whole))
        assert b"".join(body.blocks()) == whole[10:]
    server.faults = [fault("no-range")]
    with client.stream(file_url(server), 10) as body:
        assert (body.offset, body.total) == (0, len(whole))
        assert b"".join(body.blocks()) == whole


def test_another_length_is_refused_before_a_byte_is_read(
    server: FigshareServer, client: Client
) -> None:
    with (
        pytest.raises(Fault, match=r"offers \d+ bytes where 5 are pinned"),
        client.stream(file_url(server), expect=5),
    ):
        pass


def test_a_trickle_and_a_silence_are_given_up(server: FigshareServer, client: Client) -> None:
    for name, said in (
        ("trickle", "sends less than 1000 bytes a second"),
        ("silence", "sends nothing for 0.4 s"),
    ):
        server.faults = [fault(name)]
        with pytest.raises(Fault, match=said), client.stream(file_url(server)) as body:
            list(body.blocks())


def test_one_request_per_interval_to_the_api_only(server: FigshareServer, monkeypatch) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    client = Client(Patience(interval=0.15))
    for _ in range(4):
        client.get_json(listing(server))
        client.size(file_url(server))
    times = [request.when for request in server.requests("json")]
    assert times[-1] - times[0] > 0.4
    heads = [request.when for request in server.requests("download")]
    assert len(heads) == 4
    client = Client(Patience(interval=60.0))
    for _ in range(4):
        client.size(file_url(server))


def test_the_client_says_who_it_is(server: FigshareServer, client: Client) -> None:
    client.get_json(listing(server))
    agent = server.log[0].agent
    assert re.fullmatch(r"automind-data/\S+ \(python-requests/\S+\)", agent)


def test_a_proxy_is_not_asked_for_this_machine(
    server: FigshareServer, client: Client, monkeypatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert client.get_json(listing(server))


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a", "ftp://127.0.0.1/a", "file:///etc/hostname", "https:///a", "a"],
)
def test_unsafe_addresses_are_not_asked(client: Client, url: str) -> None:
    assert not is_safe(url)
    with pytest.raises(Fault, match="is not a safe address"):
        client.get_text(f"{url}?private_link=hidden", what="a")


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://a.org/x", "https://b.org/y?z=1", "https://b.org/y?z=1"),
        ("https://a.org/x/y", "../z", "https://a.org/z"),
        ("https://a.org/x", "//b.org/y", "https://b.org/y"),
        ("http://127.0.0.1:1/x", "https://b.org/y", "https://b.org/y"),
        ("http://127.0.0.1:1/x", "http://b.org/y", None),
        ("https://a.org/x", "http://a.org/x", None),
        ("https://a.org/x", "http://127.0.0.1/x", None),
        ("https://a.org/x", "ftp://a.org/x", None),
        ("https://a.org/x", "https://[bad", None),
    ],
)
def test_where_a_redirect_may_lead(url: str, location: str, target: str | None) -> None:
    assert next_address(url, location) == target


def test_messages_show_no_secret(server: FigshareServer, client: Client) -> None:
    assert redacted("https://u:p@a.org:1/x?private_link=t#f") == "https://a.org:1/x"
    for name in ("404", "redirect-scheme", "gone", "challenge"):
        server.faults = [fault(name)]
        with pytest.raises(Fault) as raised:
            client.size(f"{file_url(server)}?private_link=hidden")
        assert "hidden" not in str(raised.value) and "?" not in str(raised.value)


def test_addresses_and_token_come_from_the_environment(tmp_path: Path, monkeypatch) -> None:
    for name in ("API", "DOWNLOAD", "TOKEN"):
        monkeypatch.delenv(f"AUTOMIND_FIGSHARE_{name}", raising=False)
    assert api_base() == "https://api.figshare.com/v2"
    assert download_base() == "https://ndownloader.figshare.com/files"
    monkeypatch.setenv("AUTOMIND_FIGSHARE_API", "http://127.0.0.1:9/v2/")
    assert api_base() == "http://127.0.0.1:9/v2"
    (tmp_path / ".dvc").mkdir()
    assert token(tmp_path) is None
    local = tmp_path / ".dvc" / "config.local"
    local.write_text("['remote \"figshare\"']\n    password = kept\n")
    assert token(tmp_path) == "kept"
    monkeypatch.setenv("AUTOMIND_FIGSHARE_TOKEN", "given")
    assert token(tmp_path) == "given"
