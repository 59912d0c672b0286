"""One version of a figshare article, pinned from what the API says about it."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from automind_data.common.errors import AutomindError
from automind_data.origins import FIGSHARE_SOURCE, NOT_STATED, Offer, Stated, shown

if TYPE_CHECKING:
    from automind_data.web import Client

__all__ = ["ORIGIN", "FigshareOrigin"]

HOME = "https://figshare.com"
LARGEST_PAGE = 1000
MOST_FILES = 10_000
BY_HAND = "download the files in a browser and import them as a folder or as the bundle zip"
FORMS = "figshare:ARTICLE[/VERSION]"

_ARTICLE, _VERSION = r"(?P<article>[1-9][0-9]{0,17})", r"(?P<version>[1-9][0-9]{0,5})"
_FORMS = (
    re.compile(rf"figshare:{_ARTICLE}(?:/{_VERSION})?", re.IGNORECASE),
    re.compile(
        r"(?i:https?://(?:[\w-]+\.)*figshare\.com)/articles/[a-z_]+/[^/]+/"
        rf"{_ARTICLE}(?:/{_VERSION})?/?",
    ),
    re.compile(
        rf"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?10\.6084/m9\.figshare\.{_ARTICLE}"
        rf"(?:\.v{_VERSION})?/?",
        re.IGNORECASE,
    ),
)
_OURS = re.compile(
    r"figshare:|doi:|10\.6084/|https?://(?:dx\.)?doi\.org/"
    r"|https?://(?:[\w-]+\.)*figshare\.com(?!/s(?:[/?#]|\Z))(?:[/?#]|\Z)",
    re.IGNORECASE,
)
_MD5 = re.compile(r"[0-9a-f]{32}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")

T = TypeVar("T")


class _Licence(msgspec.Struct):
    name: str | None = None


class _Article(msgspec.Struct):
    id: int
    version: int
    size: int | None = None
    title: str | None = None
    doi: str | None = None
    published_date: str | None = None
    url_public_html: str | None = None
    figshare_url: str | None = None
    license: _Licence | None = None
    folder_structure: dict[str, str] | list[str] | None = None


class _File(msgspec.Struct, frozen=True):
    id: int
    name: str
    size: int
    is_link_only: bool = False
    computed_md5: str | None = None
    supplied_md5: str | None = None


class FigshareOrigin:
    """One version of a figshare article; the newest, if the source names none.

    Parameters
    ----------
    source
        `figshare:ARTICLE[/VERSION]`, the address of the article's page, or its DOI.
    client
        What asks the API; None: one with the default patience.

    Raises
    ------
    AutomindError
        The source names no article.
    """

    kind: ClassVar[str] = "figshare"
    accepts: ClassVar[str] = f"{FORMS}, the address or the DOI of a figshare article"

    def __init__(self, source: str, client: Client | None = None) -> None:
        from automind_data.web import Client

        found = next((match for form in _FORMS if (match := form.fullmatch(_plain(source)))), None)
        if found is None:
            step = f"name it as {FORMS}; article and version stand in the address of its page"
            raise AutomindError(shown(source), "names no figshare article", step)
        self._article = int(found["article"])
        self._version = int(found["version"]) if found["version"] else None
        self._client = client or Client()

    def __str__(self) -> str:
        version = f"/{self._version}" if self._version else ""
        return f"figshare:{self._article}{version}"

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say whether `source` is an article's short form, a DOI, or a page of figshare."""
        return _OURS.match(source.strip()) is not None

    @property
    def address(self) -> str:
        """The page of the article."""
        for address in (self._described.url_public_html, self._described.figshare_url):
            if page := _page(address or ""):
                return page
        doi = self.stated.doi or ""
        return f"https://doi.org/{doi}" if re.fullmatch(r"10\.[!->@-~]+", doi) else HOME

    @property
    def release(self) -> str:
        """The article's id and version."""
        return f"figshare-{self._article}.v{self._described.version}"

    @property
    def stated(self) -> Stated:
        """What the API says about the article."""
        said = self._described
        day = _DAY.match(said.published_date or "")
        return Stated(
            licence=_text(said.license.name if said.license else None),
            article=self._article,
            version=said.version,
            doi=_text(said.doi),
            title=_text(said.title),
            date=day[0] if day else NOT_STATED,
        )

    def offers(self) -> list[Offer]:
        """List the files that the API lists; nothing is downloaded.

        Raises
        ------
        AutomindError
            The API gives no answer, one of another form, or one with a name that no
            published file can have.
        """
        folders = self._described.folder_structure
        by_id = folders if isinstance(folders, dict) else {}
        return [self._offer(file, by_id.get(str(file.id), "")) for file in self._listed()]

    def base_url(self, prefix: str) -> None:
        """Return None: DVC finds these files by their ids."""

    @cached_property
    def _described(self) -> _Article:
        of_version = f"/versions/{self._version}" if self._version else ""
        said = self._ask(of_version, _Article)
        found, wanted = (said.id, said.version), (self._article, self._version or said.version)
        if found != wanted or said.version < 1:
            rule = f"the API answers with article {found[0]}, version {found[1]}"
            raise AutomindError(str(self), rule, "look at the page of the article")
        return said

    def _listed(self) -> list[_File]:
        """Return the files of all pages.

        Later pages are as long as the first one turned out to be: a server may have
        its own limit. The last page is the one that brings all bytes of the article,
        or adds nothing.
        """
        found: dict[int, _File] = {}
        page, size = 1, LARGEST_PAGE
        while len(found) <= MOST_FILES:
            listed = self._ask(
                f"/versions/{self._described.version}/files",
                list[_File],
                {"page": page, "page_size": size},
            )
            known = len(found)
            for file in listed:
                if found.setdefault(file.id, file) != file:
                    rule = f"the API lists file {file.id} twice, with different words"
                    raise AutomindError(str(self), rule, "run it again")
            is_all = sum(file.size for file in found.values()) == self._described.size
            if is_all or len(found) == known:
                return list(found.values())
            page, size = page + 1, len(listed) if page == 1 else size
        rule = f"the API lists more than {MOST_FILES} files"
        raise AutomindError(str(self), rule, "look at the page of the article")

    def _ask(self, path: str, form: type[T], params: dict[str, str | int] | None = None) -> T:
        from automind_data.web.figshare import api_base

        url = f"{api_base()}/articles/{self._article}{path}"
        answer: Any = self._client.get_json(url, params, what=str(self))
        try:
            return msgspec.convert(answer, form)
        except msgspec.ValidationError as error:
            said = " ".join(str(error).split()).replace("`", "")
            rule = f"the API's answer is not of the form that figshare documents ({said})"
            raise AutomindError(str(self), rule, BY_HAND) from None

    def _offer(self, file: _File, folder: str) -> Offer:
        name, folder = file.name, folder.removeprefix("/").removesuffix("/")
        parts = [*folder.split("/"), name] if folder else [name]
        tricks = {"", ".", ".."} & set(parts) or "\\" in folder or set("/\\") & set(name)
        if tricks or not (name + folder).isprintable():
            rule = f"the API lists file {file.id} under the name {'/'.join(parts)!r}"
            raise AutomindError(str(self), f"{rule}, which no file can have", BY_HAND)
        if file.id < 1:
            rule = f"the API lists {name} with the id {file.id}"
            raise AutomindError(str(self), rule, BY_HAND)
        return Offer(
            "/".join(parts),
            file.size,
            md5=file.computed_md5,
            source=f"{FIGSHARE_SOURCE}{file.id}",
            flaw=_flaw(file),
        )


def _flaw(file: _File) -> str | None:
    """Say why a file cannot be pinned."""
    md5 = file.computed_md5 or ""
    if file.is_link_only:
        return "is only a link to another place"
    if not _MD5.fullmatch(md5):
        return f"has no md5 (the API says {md5[:40]!r})"
    if file.supplied_md5 and file.supplied_md5.lower() != md5:
        return f"arrived damaged at figshare (md5 {md5} where {file.supplied_md5[:40]!r} was sent)"
    return None if file.size > 0 else f"has a size of {file.size} bytes"


def _plain(source: str) -> str:
    return re.split(r"[?#]", source.strip(), maxsplit=1)[0]


def _text(said: str | None) -> str:
    """Return words as tracked files may hold them.

    >>> _text("Which network? \\n Data"), _text(" ")
    ('Which network？ Data', 'not stated')
    """
    line = " ".join((said or "").split()).replace("?", "？")
    return "".join(letter for letter in line if letter.isprintable()).strip() or NOT_STATED


def _page(address: str) -> str | None:
    """Return a public address without query, as https; None if it is none.

    >>> _page("http://figshare.com/articles/dataset/a b/1?private_link=x")
    'https://figshare.com/articles/dataset/a%20b/1'
    """
    try:
        split = urlsplit(address)
        host = split.hostname or ""
    except ValueError:
        return None
    on_figshare = host == "figshare.com" or host.endswith(".figshare.com")
    if not host.isascii() or not (
        split.scheme == "https" or (split.scheme == "http" and on_figshare)
    ):
        return None
    return f"https://{host}{quote(split.path, safe='/%:@!$&()*+,;=~')}"


ORIGIN = FigshareOrigin
