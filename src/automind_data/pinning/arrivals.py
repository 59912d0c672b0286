"""Reading what an origin offers into a staging folder, and refusing what is not whole."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from automind_data.common.errors import AutomindError
from automind_data.common.layout import FILES
from automind_data.origins import Offer
from automind_data.pinning.dvcfile import Import
from automind_data.pinning.match import Match, match_names
from automind_data.pinning.objects import Objects, copy_hashing
from automind_data.pinning.whole import what_is_missing

__all__ = ["Arrival", "choose", "read_offer", "refuse_cut_off", "require_room"]

CHUNK = 1 << 20
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
GET_AGAIN = "get the release again from where it was published"


@dataclass(frozen=True)
class Arrival:
    """A file that was read: md5, size in bytes, and where its bytes wait to be moved.

    `part` is None for bytes that the cache has already, or that come later.
    """

    md5: str
    size: int
    part: Path | None = None


def choose(source: str, offers: Sequence[Offer], partial: bool) -> Match:
    """Find the published files among the offers.

    Raises
    ------
    AutomindError
        Files are missing (and `partial` is False), all are missing, a file is at two
        places, or has a flaw.
    """
    match = match_names((file.path for file in FILES), (offer.name for offer in offers))
    problems = [
        f"{path} is there {len(names)} times ({', '.join(_places(names, offers))})"
        for path, names in match.ambiguous.items()
    ]
    by_name = {offer.name: offer for offer in offers}
    flaws = {path: _flaw(by_name[name]) for path, name in match.found.items()}
    flawed = [f"{path} {flaw}" for path, flaw in flaws.items() if flaw]
    problems += flawed
    if not match.found and not match.ambiguous:
        rule = f"holds none of the {len(FILES)} published files"
        raise AutomindError(source, rule, "name a place that holds a release")
    if match.missing and not partial:
        listed = ", ".join(match.missing)
        problems.append(f"{len(match.missing)} of {len(FILES)} files are missing ({listed})")
    if not problems:
        return match
    step = "add them, or take the others with --partial"
    if flawed:
        step = "download the files in a browser and import them as a folder or as the bundle zip"
    if match.ambiguous:
        step = "leave one of each"
    raise AutomindError(source, "; ".join(problems), step)


def _flaw(offer: Offer) -> str | None:
    """Say why an offer cannot be pinned, as far as that shows without its bytes."""
    later = offer.open is None and not offer.flaw
    return "is empty" if later and offer.size < 1 else offer.flaw


def _places(names: Sequence[str], offers: Sequence[Offer]) -> list[str]:
    """Return the names, with the DVC address of each where that tells them apart."""
    if len(set(names)) == len(names):
        return list(names)
    alike = [offer for offer in offers if offer.name in names]
    return [f"{offer.name} at {offer.source}" if offer.source else offer.name for offer in alike]


def refuse_cut_off(source: str, files: Mapping[str, Path]) -> None:
    """Refuse published files that show that they are not whole.

    Raises
    ------
    AutomindError
        One sentence that names all of them.
    """
    said = {path: what_is_missing(file, path) for path, file in files.items()}
    problems = [f"{path} {reason}" for path, reason in said.items() if reason]
    if problems:
        raise AutomindError(source, "; ".join(problems), GET_AGAIN)


def require_room(cache: Objects, needed: int) -> None:
    """Refuse when the disk of the cache has fewer bytes free than are needed.

    Raises
    ------
    AutomindError
        It names the folder and both numbers.
    """
    folder = cache.folder
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        rule = f"has {free} bytes free where {needed} are needed"
        raise AutomindError(cache.folder, rule, "make room, or set cache.dir to a larger disk")


def read_offer(
    offer: Offer, part: Path, pinned: Import | None, cache: Objects
) -> Generator[int, None, Arrival]:
    """Read one offer into `part`, yield the bytes done so far, return what arrived.

    Bytes that are pinned and cached already, or whose file is given away, are only
    read, not written.

    Raises
    ------
    AutomindError
        It had another size than was listed, its md5 is not the one that the
        origin states, or the disk is full.
    """
    if offer.open is None:
        if offer.md5 is None:
            raise AutomindError(offer.name, "has neither bytes nor an md5", GET_AGAIN)
        return Arrival(offer.md5, offer.size)
    cached = pinned and pinned.size == offer.size and cache.has(pinned.md5, pinned.size)
    if offer.given or cached:
        digest = hashlib.md5(usedforsecurity=False)
        with offer.open() as stream:
            done = 0
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                yield done
        md5 = digest.hexdigest()
        if offer.given:
            _refuse_other(offer, md5, done)
            return Arrival(md5, done, offer.local)
        if pinned and md5 == pinned.md5:
            return Arrival(md5, done)
    try:
        with offer.open() as stream:
            md5 = yield from copy_hashing(stream, part)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        rule = f"cannot be copied to {part.parent}, the disk is full"
        raise AutomindError(offer.name, rule, "make room and run it again") from None
    size = part.stat().st_size
    _refuse_other(offer, md5, size)
    return Arrival(md5, size, part)


def _refuse_other(offer: Offer, md5: str, size: int) -> None:
    """Refuse bytes that are not those of the offer."""
    if size != offer.size:
        rule = f"changed while it was read: {size} bytes where {offer.size} were listed"
        raise AutomindError(offer.name, rule, "run it again")
    if offer.md5 not in (None, md5):
        raise AutomindError(offer.name, f"has the md5 {md5}, not {offer.md5}", GET_AGAIN)
