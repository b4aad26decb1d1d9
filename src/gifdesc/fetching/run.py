"""Download many URLs into a folder, with a manifest of the results."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from gifdesc.data.downloads import failure_reason
from gifdesc.data.url_lists import ListedUrl
from gifdesc.data.url_names import stem_of
from gifdesc.errors import DownloadError
from gifdesc.fetching.companions import write_companions
from gifdesc.fetching.content import judge
from gifdesc.fetching.manifest import KEPT, FetchEntry, FetchManifest
from gifdesc.fetching.names import FileNames
from gifdesc.fetching.pace import Pace
from gifdesc.fetching.results import FetchEvent
from gifdesc.system.files import writing
from gifdesc.system.http import PRIVATE, HttpClient, HttpLimits, download_file
from gifdesc.system.http_errors import HttpError
from gifdesc.system.locking import locked
from gifdesc.system.replacement import new_temporary_file, remove_leftovers, sync_file


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """How URLs are fetched.

    Attributes:
        limits: of each file.
        concurrency: files that are downloaded at once.
        requests_per_second: to each host, redirects not counted; None for no limit.
        retries: further attempts after a failure that may pass.
        backoff_seconds: the wait before the second attempt; it doubles with each further attempt.
        retry_failed: ask again for URLs that failed or were refused in an earlier run.
        keep_stills: keep pictures that do not move.
        allow_private: allow servers on private addresses, and ask again for URLs that an earlier
            run refused because of theirs.
    """

    limits: HttpLimits = field(default_factory=HttpLimits)
    concurrency: int = 4
    requests_per_second: float | None = 10.0
    retries: int = 3
    backoff_seconds: float = 1.0
    retry_failed: bool = False
    keep_stills: bool = False
    allow_private: bool = False


def fetch(
    urls: Mapping[str, ListedUrl], output_dir: Path, config: FetchConfig
) -> Generator[FetchEvent, None, None]:
    """Download every URL, skip finished files, and keep the manifest.

    A file gets its name after it is complete and was judged by its content. After a kill at any
    moment, a rerun fetches the missing files. Descriptions and lists of splits are written at the
    end, also of a run that is interrupted.

    Args:
        urls: from `read_url_list`.
        output_dir: the folder of files, with the manifest.
        config: how to fetch.

    Yields:
        An event for each URL, in the order in which they are finished.

    Raises:
        DownloadError: another run is writing to the folder, it cannot be written, or its manifest
            is damaged.
    """
    remedy = "finished files are in the manifest, and a rerun continues"
    with writing(output_dir, DownloadError, remedy=remedy):
        refusal = DownloadError(
            f"{output_dir}: another gifdesc fetch is writing here; wait for it, or choose another "
            "folder with --output"
        )
        with locked(output_dir, refusal):
            remove_leftovers(output_dir)
            manifest = FetchManifest(output_dir)
            manifest.compact()  # removes half a line of a killed run
            run = _Run(output_dir, manifest, config)
            try:
                yield from run.fetch_all(urls)
            finally:
                manifest.compact()
                files = {url: entry.file for url, entry in manifest.entries.items()}
                write_companions(output_dir, urls.values(), files)


@dataclass(frozen=True)
class _Received:
    """The result of a download: its entry without a file's name, and the file to keep."""

    entry: FetchEntry
    temporary_path: Path | None = None
    ending: str = ""


class _Run:
    """A run over many URLs into a folder."""

    def __init__(self, output_dir: Path, manifest: FetchManifest, config: FetchConfig) -> None:
        self._output_dir = output_dir
        self._manifest = manifest
        self._config = config
        self._stop = threading.Event()
        self._pace = Pace(config.requests_per_second, self._stop)
        self._clients: list[HttpClient] = []
        self._local = threading.local()
        self._stems: dict[str, str] = {}

    def fetch_all(self, urls: Mapping[str, ListedUrl]) -> Iterator[FetchEvent]:
        """Download the URLs that are not done, several at a time."""
        is_done = {url: self._is_done(url) for url in urls}
        names = FileNames(self._names_in_use())
        self._stems = {url: self._own_stem(url) or names.give(url) for url in urls}
        running: set[Future[_Received]] = set()
        pool = ThreadPoolExecutor(self._config.concurrency, thread_name_prefix="fetch")
        try:
            for url in urls:
                if is_done[url]:
                    yield FetchEvent(self._manifest.entries[url], is_old=True)
                    continue
                running.add(pool.submit(self._receive, url))
                if len(running) >= 2 * self._config.concurrency:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from self._finish(finished)
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                yield from self._finish(finished)
        finally:
            self._end(pool, running)

    def _is_done(self, url: str) -> bool:
        entry = self._manifest.entries.get(url)
        if entry is None:
            return False
        if entry.file is not None:
            path = self._output_dir / entry.file
            return path.is_file() and path.stat().st_size == entry.size_bytes
        if entry.status == "still":
            return not self._config.keep_stills
        if self._config.allow_private and PRIVATE in (entry.error or ""):
            return False  # that run did not allow it
        return not self._config.retry_failed

    def _own_stem(self, url: str) -> str | None:
        """The stem that an earlier run gave to a URL; None if there is none."""
        entry = self._manifest.entries.get(url)
        return None if entry is None or entry.file is None else Path(entry.file).stem

    def _names_in_use(self) -> Iterator[str]:
        """The names of all files in the folder, and those in the manifest that are missing."""
        yield from (path.name for path in self._output_dir.iterdir())
        yield from (entry.file for entry in self._manifest.entries.values() if entry.file)

    def _finish(self, futures: set[Future[_Received]]) -> Iterator[FetchEvent]:
        # All are recorded before the first is reported: the receiver may stop at any report.
        entries = [self._record(future.result()) for future in futures]
        yield from map(FetchEvent, entries)

    def _record(self, received: _Received) -> FetchEntry:
        """Add the entry to the manifest, and give the file its name."""
        entry = received.entry
        if received.temporary_path is None:
            self._manifest.add(entry)
            return entry
        path = self._output_dir / (self._stems[entry.url] + received.ending)
        entry = replace(entry, file=path.name)
        # In this order: a file without an entry would be taken for a file of the user's.
        self._manifest.add(entry)
        received.temporary_path.replace(path)
        return entry

    def _end(self, pool: ThreadPoolExecutor, running: set[Future[_Received]]) -> None:
        """End all downloads; those that are finished are kept."""
        finished = [future for future in running if future.done()]
        self._stop.set()  # what ends from here on was interrupted
        pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients:
            client.abort()
        pool.shutdown()
        for client in self._clients:
            client.close()
        with suppress(OSError):  # such as a full disk, which is being reported
            for future in finished:
                if future.exception() is None:
                    self._record(future.result())
        remove_leftovers(self._output_dir)

    def _client(self) -> HttpClient:
        """The client of this thread."""
        client: HttpClient | None = getattr(self._local, "client", None)
        if client is None:
            client = HttpClient(
                self._config.limits,
                private="always" if self._config.allow_private else "never",
                private_advice="allow it with --allow-private if you trust the list",
            )
            self._local.client = client
            self._clients.append(client)
            if self._stop.is_set():
                client.abort()
        return client

    def _receive(self, url: str) -> _Received:
        """Download a URL and judge its content; in a thread of the pool."""
        temporary_path = new_temporary_file(self._output_dir)
        is_kept = False
        try:
            try:
                self._download(url, temporary_path)
            except HttpError as error:
                return _Received(FetchEntry(url=url, status="failed", error=failure_reason(error)))
            data = temporary_path.read_bytes()
            judgement = judge(data)
            status = judgement.status
            is_kept = status in KEPT or (status == "still" and self._config.keep_stills)
            if is_kept:
                sync_file(temporary_path)
            entry = FetchEntry(
                url=url,
                status=status,
                error=judgement.error,
                size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                num_frames=judgement.num_frames,
            )
            # `.gif` stays also for other content: folders are searched for it.
            ending = ".gif" if stem_of(url)[1] == ".gif" else judgement.ending
            return _Received(entry, temporary_path if is_kept else None, ending)
        finally:
            if not is_kept:
                temporary_path.unlink(missing_ok=True)

    def _download(self, url: str, path: Path) -> None:
        """Download a URL at the pace that its server wants."""
        host = _host_of(url)

        def wait(seconds: float, is_asked: bool) -> bool:
            if is_asked:
                self._pace.pause(host, seconds)
            else:
                self._stop.wait(seconds)
            self._pace.wait(host)
            return not self._stop.is_set()

        self._pace.wait(host)
        download_file(
            self._client(),
            url,
            path,
            retries=self._config.retries,
            wait=wait,
            backoff_seconds=self._config.backoff_seconds,
        )


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # the client names what is wrong
        return ""
