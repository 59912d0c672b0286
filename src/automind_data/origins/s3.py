"""A prefix in S3 with a checksum file: `s3://bucket/prefix`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ClassVar

from automind_data.common.errors import AutomindError
from automind_data.origins import Offer, shown
from automind_data.origins.checksums import CHECKSUM_FILE, MAX_BYTES, parse_md5sums

__all__ = ["ORIGIN", "S3Origin"]

AT_ONCE = 4
TRIES = 3
TIMEOUT = 10
"""Seconds to wait for a connection, and for an answer."""

_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<prefix>/[^?#@\s]*)?")


class S3Origin:
    """A prefix in a bucket; its `MD5SUMS` says which files it has.

    Endpoint, profile and credentials come from the environment and the files of the
    AWS tools: `AWS_ENDPOINT_URL`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on.

    Raises
    ------
    AutomindError
        The source is not an address in S3.
    """

    kind: ClassVar[str] = "s3"
    accepts: ClassVar[str] = f"an S3 prefix s3://bucket/prefix with a file {CHECKSUM_FILE}"

    def __init__(self, source: str) -> None:
        found = _ADDRESS.fullmatch(source.strip())
        if found is None:
            step = "give a bucket and a prefix, s3://bucket/prefix"
            raise AutomindError(shown(source).split("@")[-1], "is no address in S3", step)
        self.bucket = found["bucket"]
        self.prefix = (found["prefix"] or "").strip("/")
        self.address = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        self.release = self.address.rpartition("/")[2]

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say whether `source` begins with `s3://`."""
        return source.strip().startswith("s3://")

    def offers(self) -> list[Offer]:
        """List what the checksum file lists, with the sizes that the bucket states.

        Raises
        ------
        AutomindError
            There is no such bucket, prefix or checksum file, it cannot be read, or a
            file that it lists is not there.
        """
        import s3fs

        where = f"{self.address}/{CHECKSUM_FILE}"
        with self._explained():
            bucket = s3fs.S3FileSystem(
                skip_instance_cache=True,
                use_listings_cache=False,
                config_kwargs={
                    "connect_timeout": TIMEOUT,
                    "read_timeout": TIMEOUT,
                    "retries": {"total_max_attempts": 1},
                },
            )
            bucket.retries = TRIES
            text = self._checksums(bucket, where)
        listed = parse_md5sums(text, where)
        with self._explained(), ThreadPoolExecutor(AT_ONCE) as threads:
            sizes = list(threads.map(self._sizer(bucket, where), listed))
        return [
            Offer(path, size, md5=md5)
            for (path, md5), size in zip(listed.items(), sizes, strict=True)
        ]

    def base_url(self, prefix: str) -> str:
        """Return the prefix, or the one in it that everything lies in."""
        return f"{self.address}/{prefix}".rstrip("/")

    def _checksums(self, bucket: Any, where: str) -> str:
        key = where.removeprefix("s3://")
        try:
            size = bucket.info(key)["size"]
            if size > MAX_BYTES:
                rule = f"has {size} bytes, too many for a checksum file"
                raise AutomindError(where, rule, "look at the file")
            return str(bucket.cat_file(key).decode("utf-8"))
        except UnicodeDecodeError:
            rule = "is not text"
            raise AutomindError(where, rule, "look at the file") from None
        except FileNotFoundError:
            raise self._not_there(bucket, where) from None

    def _not_there(self, bucket: Any, where: str) -> AutomindError:
        """Return what to say where there is no checksum file."""
        below = f"{self.prefix}/" if self.prefix else ""
        try:
            found = bucket.call_s3(
                "list_objects_v2", Bucket=self.bucket, Prefix=below, MaxKeys=1
            ).get("KeyCount")
        except FileNotFoundError:
            step = "look at the name of the bucket, and at AWS_ENDPOINT_URL"
            return AutomindError(f"s3://{self.bucket}", "is no bucket there", step)
        if not found:
            return AutomindError(self.address, "holds nothing", "look at the prefix")
        step = f"make it beside the files and copy it there: md5sum */* > {CHECKSUM_FILE}"
        return AutomindError(where, "is not there", step)

    def _sizer(self, bucket: Any, where: str) -> Callable[[str], int]:
        def size(path: str) -> int:
            try:
                found = bucket.info(f"{self.address.removeprefix('s3://')}/{path}")
            except FileNotFoundError:
                found = {"type": "nothing"}
            if found["type"] != "file":
                rule = f"lists {path}, which is not there"
                step = "put the file there, or write the checksum file again"
                raise AutomindError(where, rule, step)
            return int(found["size"])

        return size

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what botocore and s3fs raise into a sentence."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
            NoCredentialsError,
            PartialCredentialsError,
            ProfileNotFound,
        )

        keys = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        try:
            yield
        except (NoCredentialsError, PartialCredentialsError):
            raise AutomindError(
                self.address, "needs credentials, and none were found", keys
            ) from None
        except ProfileNotFound:
            rule = "cannot be read: AWS_PROFILE names a profile that is not in the AWS files"
            raise AutomindError(self.address, rule, "look at the profile's name") from None
        except PermissionError:
            rule = "is forbidden for these credentials"
            raise AutomindError(
                self.address, rule, "look at key and secret, or ask its owner"
            ) from None
        except (ConnectionError, HTTPClientError):
            rule = "cannot be reached"
            step = "look at the network and at AWS_ENDPOINT_URL, then run it again"
            raise AutomindError(self.address, rule, step) from None
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            rule = f"cannot be read: {' '.join(str(error).split())}"
            raise AutomindError(
                self.address, rule, "look at the address and run it again"
            ) from None


ORIGIN = S3Origin
