"""Contracts about the published files and the archives among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from automind_data.common.archive import MEMBER_KINDS
from automind_data.common.archive.plan import matches
from automind_data.common.files import md5_of
from automind_data.common.layout import FILES
from automind_data.contracts.registry import Found, contract
from automind_data.contracts.subjects import ArchiveFile, NotDerived, Published, Refused

__all__: list[str] = []

PATHS = tuple(file.path for file in FILES)


@contract("file-missing", "error", Published)
def every_published_file_is_there(release: Published) -> Iterator[Found]:
    """Every file of the published layout is in the release and on disk."""
    stated = {file.path for file in release.release.files}
    for path in PATHS:
        if path not in stated:
            yield Found("the release does not list this published file", file=path)
        elif not (release.folder / path).is_file():
            yield Found("the release lists this file but it is not there", file=path)


@contract("file-twice", "error", Published)
def no_published_file_is_listed_twice(release: Published) -> Iterator[Found]:
    """The release lists every file once."""
    for path, times in Counter(file.path for file in release.release.files).items():
        if times > 1:
            yield Found(f"the release lists this file {times} times", times, file=path)


@contract("file-unknown", "hint", Published)
def no_file_is_outside_the_layout(release: Published) -> Iterator[Found]:
    """Every listed file belongs to the published layout."""
    for path in dict.fromkeys(file.path for file in release.release.files):
        if path not in PATHS:
            yield Found("the release lists this file, which the layout does not know", file=path)


@contract("file-changed", "error", Published)
def every_file_is_as_stated(release: Published) -> Iterator[Found]:
    """Every file has the size and the md5 that the release states."""
    for file in release.release.files:
        path = release.folder / file.path
        if not path.is_file():
            continue
        size = path.stat().st_size
        if size != file.size:
            message = f"has {size} bytes where the release states {file.size}"
            yield Found(message, file=file.path)
        elif (md5 := md5_of(path)) != file.md5:
            yield Found(f"has md5 {md5} where the release states {file.md5}", file=file.path)


@contract("mixed-releases", "warning", Published)
def all_files_are_of_one_release(release: Published) -> Iterator[Found]:
    """All files come from the release that the whole is named after."""
    name = release.release.release
    others = [file for file in release.release.files if file.release != name]
    if others:
        named = ", ".join(sorted({file.release for file in others}))
        yield Found(
            f"{len(others)} of {len(release.release.files)} files are of {named}, not of {name}",
            len(others),
            tuple({"file": file.path, "release": file.release} for file in others),
        )


@contract("archive-refused", "error", ArchiveFile)
def nothing_speaks_against_the_archive(archive: ArchiveFile) -> Iterator[Found]:
    """The archive is a whole zip that can be unpacked safely."""
    violations = archive.plan.violations
    if violations:
        yield Found(
            f"is refused: {violations[0]}",
            len(violations),
            tuple({"violation": violation} for violation in violations),
        )


@contract("member-missing", "error", ArchiveFile)
def every_member_is_there(archive: ArchiveFile) -> Iterator[Found]:
    """The archive holds every kind of file that it should."""
    for kind in archive.needs:
        if not archive.plan.violations and not _of_kind(archive, kind):
            yield Found(f"holds no {kind} ({MEMBER_KINDS[kind]})")


@contract("posterior-twice", "error", ArchiveFile)
def one_posterior(archive: ArchiveFile) -> Iterator[Found]:
    """The archive holds one posterior at most."""
    yield from _several(archive, "posterior")


@contract("several-batches", "info", ArchiveFile)
def batches_are_put_together(archive: ArchiveFile) -> Iterator[Found]:
    """Several batches in one archive are read as one; `convert` refuses priors that differ."""
    for kind in ("table", "prior", "default params", "analysis params"):
        yield from _several(archive, kind)


@contract("members-left-out", "info", ArchiveFile)
def nothing_is_left_out(archive: ArchiveFile) -> Iterator[Found]:
    """Files that an operating system left in the archive are left out."""
    dropped = archive.plan.dropped
    if dropped:
        message = "holds files that an operating system left behind; they are left out"
        yield Found(message, len(dropped), tuple({"member": name} for name in dropped))


@contract("not-derived", "error", NotDerived)
def every_check_had_its_input(missing: NotDerived) -> Iterator[Found]:
    """What the checks read has been derived."""
    yield Found(f"{missing.output} is not there, so nothing of it was checked")


@contract("refused", "error", Refused)
def the_file_can_be_read(refused: Refused) -> Iterator[Found]:
    """The file can be read."""
    yield Found(refused.sentence)


def _of_kind(archive: ArchiveFile, kind: str) -> list[str]:
    paths = (member.path for member in archive.plan.members)
    return sorted(path for path in paths if matches(path, MEMBER_KINDS[kind]))


def _several(archive: ArchiveFile, kind: str) -> Iterator[Found]:
    found = _of_kind(archive, kind)
    if len(found) > 1:
        message = f"holds {len(found)} files of the kind {kind} ({MEMBER_KINDS[kind]})"
        yield Found(message, len(found), tuple({"member": path} for path in found))
