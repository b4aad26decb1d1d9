"""Downloads from a server that misbehaves."""

import gzip
import io
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from gifdesc.errors import DownloadError
from gifdesc.system import http as http_module
from gifdesc.system.http import HttpClient, HttpLimits
from gifdesc.system.http_errors import HttpError
from http_server import (
    ACCESS_DENIED,
    cut_off,
    endless,
    gzip_bomb,
    redirect,
    send,
    serving,
    silent,
    slow_body,
    slow_headers,
    status,
    too_short_a_length,
)

BODY = b"GIF89a" + bytes(range(256)) * 400
LIMITS = HttpLimits(max_bytes=1_000_000, silence_seconds=5.0, total_seconds=30.0)


@pytest.fixture
def server():
    with serving() as state:
        yield state


def get(url, limits=LIMITS, private="always"):
    file = io.BytesIO()
    client = HttpClient(limits, private=private)
    try:
        assert client.download(url, file) == len(file.getvalue())
    finally:
        client.close()
    return file.getvalue()


def failure(url, **options):
    with pytest.raises(HttpError) as caught:
        get(url, **options)
    assert isinstance(caught.value, DownloadError)
    assert str(caught.value) == f"{url}: {caught.value.reason}"
    return caught.value


def test_a_file_is_received_whole(server):
    server.answers["/a.gif"] = BODY
    assert get(server.url("/a.gif?x=1#part")) == BODY
    assert server.headers["Host"] == f"127.0.0.1:{server.port}"
    assert server.headers["User-Agent"].startswith("gifdesc/")


def test_progress_is_reported(server):
    server.answers["/a.gif"] = BODY
    seen = []
    client = HttpClient(LIMITS, private="always")
    client.download(server.url("/a.gif"), io.BytesIO(), lambda *amounts: seen.append(amounts))
    client.close()
    assert seen[-1] == (len(BODY), len(BODY))


def test_a_connection_is_kept_for_the_next_file(server):
    connections = set()

    def answer(handler, _state):
        connections.add(handler.client_address)
        send(handler, BODY)

    server.answers |= {"/a": answer, "/b": answer}
    client = HttpClient(LIMITS, private="always")
    for path in ("/a", "/b", "/a"):
        client.download(server.url(path), io.BytesIO())
    client.close()
    assert len(connections) == 1


def test_a_kept_connection_that_the_server_closed_is_made_again(server):
    def answer(handler, _state):
        send(handler, BODY)
        handler.close_connection = True  # without a word in the headers

    server.answers["/a"] = answer
    client = HttpClient(LIMITS, private="always")
    assert [client.download(server.url("/a"), io.BytesIO()) for _ in range(3)] == [len(BODY)] * 3
    client.close()


def test_a_file_that_is_not_there(server):
    error = failure(server.url("/none.gif"))
    assert (error.reason, error.status) == ("the server answers 404 Not Found", 404)
    assert not error.is_passing


def test_the_body_of_an_error_is_kept(server):
    server.answers["/a"] = status(403, ACCESS_DENIED)
    error = failure(server.url("/a"))
    assert (error.status, error.body) == (403, ACCESS_DENIED)


def test_a_server_may_ask_to_wait(server):
    server.answers |= {
        "/seconds": status(429, Retry_After="7"),
        "/date": status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        "/odd": status(503, Retry_After="soon"),
    }
    error = failure(server.url("/seconds"))
    assert (error.is_passing, error.retry_after_seconds) == (True, 7.0)
    assert failure(server.url("/date")).retry_after_seconds == 0.0
    assert failure(server.url("/odd")).retry_after_seconds is None


def test_files_that_are_cut_off(server):
    server.answers |= {"/cut": cut_off(BODY), "/short": too_short_a_length(BODY)}
    error = failure(server.url("/cut"))
    assert error.reason.startswith("cut off after")
    assert error.is_passing
    assert get(server.url("/short")) == BODY[: len(BODY) // 2]


def test_limits_of_size(server):
    server.answers |= {
        "/endless": endless,
        "/bomb": gzip_bomb(50_000_000),
        "/huge": lambda handler, _state: send(handler, b"GIF", length=10**15),
    }
    for path in server.answers:
        assert failure(server.url(path)).reason == "larger than 1 MB"


def test_a_compressed_answer_is_decompressed(server):
    packed = gzip.compress(BODY)
    server.answers |= {
        "/packed": lambda handler, _state: send(handler, packed, Content_Encoding="gzip"),
        "/damaged": lambda handler, _state: send(handler, BODY, Content_Encoding="gzip"),
    }
    assert get(server.url("/packed")) == BODY
    assert failure(server.url("/damaged")).reason == "its compression is damaged"


@pytest.mark.parametrize("answer", [slow_body, slow_headers])
def test_a_limit_of_time_for_the_whole_download(server, answer):
    server.answers["/slow"] = answer
    limits = HttpLimits(silence_seconds=5.0, total_seconds=0.3)
    error = failure(server.url("/slow"), limits=limits)
    assert error.reason == "not finished after 0.3 s"
    assert error.is_passing


def test_a_limit_of_time_without_an_answer(server):
    server.answers["/silent"] = silent
    limits = HttpLimits(silence_seconds=0.2, total_seconds=30.0)
    assert failure(server.url("/silent"), limits=limits).reason == "no answer for 0.2 s"


def test_a_download_can_be_ended_from_another_thread(server):
    server.answers["/silent"] = silent
    client = HttpClient(LIMITS, private="always")
    caught = []

    def download():
        try:
            client.download(server.url("/silent"), io.BytesIO())
        except HttpError as error:
            caught.append(error.reason)

    thread = threading.Thread(target=download)
    thread.start()
    while not server.requests["/silent"]:
        pass
    client.abort()
    thread.join()
    assert caught == ["interrupted"]


def test_redirects_are_followed_up_to_five(server):
    for number in range(6):
        server.answers[f"/{number}"] = redirect(f"/{number + 1}")
    server.answers |= {"/6": BODY, "/loop": redirect("/loop")}
    assert get(server.url("/1")) == BODY
    assert failure(server.url("/0")).reason == "redirects more than 5 times"
    assert failure(server.url("/loop")).reason == "redirects more than 5 times"
    assert server.requests["/loop"] == 6


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/passwd", "redirects to file:///etc/passwd, which is neither http nor https"),
        (
            "ftp://example.org/a",
            "redirects to ftp://example.org/a, which is neither http nor https",
        ),
    ],
)
def test_redirects_elsewhere_are_refused(server, target, reason):
    server.answers["/a"] = redirect(target)
    assert failure(server.url("/a")).reason == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "is neither http nor https"),
        ("http:///a.gif", "is a URL without a server"),
        ("http://[::1/a.gif", "is not a URL"),
        ("http://example.org:port/", "is not a URL"),
        ("http://me:secret@example.org/", "is a URL with a user name, which is not supported"),
    ],
)
def test_what_is_no_url_of_a_server_is_refused(url, reason):
    assert failure(url).reason == reason


def test_private_addresses_are_refused(server):
    server.answers["/a.gif"] = BODY
    for host in ("127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]"):
        url = f"http://{host}:{server.port}/a.gif"
        assert "has a private address" in failure(url, private="never").reason
    assert not server.requests


def test_a_host_that_is_unknown(monkeypatch):
    def unknown(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("http://nowhere.example/a").reason == "no server is called nowhere.example"


def public_name(monkeypatch, *public):
    """Let the local server count as public under some names."""
    names, addresses = dict.fromkeys(public, "127.0.0.1"), []

    def addresses_of(host, _port):
        found = names.get(host) or ("127.0.0.2" if host == "inner.example" else host)
        addresses.append((host, found))
        return [found]

    monkeypatch.setattr(http_module, "addresses_of", addresses_of)
    monkeypatch.setattr(http_module, "is_public", lambda address: address == "127.0.0.1")
    return addresses


@pytest.mark.parametrize("private", ["never", "typed"])
def test_a_public_server_does_not_lead_to_a_private_one(server, monkeypatch, private):
    public_name(monkeypatch, "public.example")
    server.answers["/a"] = redirect(f"http://inner.example:{server.port}/b")
    error = failure(f"http://public.example:{server.port}/a", private=private)
    assert error.reason == "inner.example has a private address (127.0.0.2), which is not allowed"
    assert not server.requests["/b"]


def test_a_server_that_was_typed_may_be_private(server):
    server.answers |= {"/a": redirect("/b"), "/b": BODY}
    assert get(server.url("/a"), private="typed") == BODY
    server.answers["/a"] = redirect(f"http://localhost:{server.port}/b")
    assert "localhost has a private address" in failure(server.url("/a"), private="typed").reason


def test_a_name_is_resolved_once_for_a_connection(server, monkeypatch):
    """A name server that answers with a private address the second time reaches nothing."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    monkeypatch.setattr(http_module, "addresses_of", lambda *_: next(answers))
    monkeypatch.setattr(http_module, "is_public", lambda address: address == "127.0.0.1")
    server.answers["/a"] = BODY
    assert get(f"http://rebinding.example:{server.port}/a", private="never") == BODY
    assert server.headers["Host"] == f"rebinding.example:{server.port}"
    error = failure(f"http://rebinding.example:{server.port}/a", private="never")
    assert "has a private address" in error.reason


def test_the_next_address_is_tried(server, monkeypatch):
    monkeypatch.setattr(http_module, "addresses_of", lambda *_: ["127.0.0.9", "127.0.0.1"])
    server.answers["/a"] = BODY
    assert get(f"http://two.example:{server.port}/a") == BODY
    monkeypatch.setattr(http_module, "addresses_of", lambda *_: ["127.0.0.9"])
    reason = failure(f"http://two.example:{server.port}/a").reason
    assert reason == "the connection failed (connection refused)"


def test_odd_characters_in_a_path_are_quoted(server):
    server.answers["/a%20b%C3%A9%25.gif"] = BODY
    assert get(server.url("/a bé%25.gif")) == BODY


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_a_certificate_must_be_of_the_name_in_the_url(tmp_path, monkeypatch):
    """The connection is made to an address, and the certificate checked for the name."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ("-subj", "/CN=good.example", "-addext", "subjectAltName=DNS:good.example")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", certificate, *names),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setattr(http_module, "addresses_of", lambda *_: ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(context) as server:
        server.answers["/a"] = BODY
        url = f"https://good.example:{server.port}/a"
        reason = "no secure connection (CERTIFICATE_VERIFY_FAILED)"
        assert failure(url).reason == reason
        trusting = ssl.create_default_context(cafile=certificate)
        monkeypatch.setattr(http_module, "_tls", lambda: trusting)
        assert get(url) == BODY
        assert server.headers["Host"] == f"good.example:{server.port}"
        assert failure(url.replace("good", "evil")).reason == reason
