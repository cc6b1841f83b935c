"""Which connections the HTTP client asks of a board's network, with TLS and without."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import ctypes

import pytest

_TIME = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
_CONNECT = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_bool, ctypes.c_uint64
)
_SEND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64)
_RECEIVE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t), ctypes.c_uint64
)
_CLOSE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_BIG = 8192  # larger than any structure that is only handed on


class _Net(ctypes.Structure):
    _fields_ = [
        ("context", ctypes.c_void_p), ("has_tls", ctypes.c_bool), ("connect", _CONNECT), ("send", _SEND),
        ("receive", _RECEIVE), ("close", _CLOSE),
    ]  # fmt: skip


class _Clock(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("milliseconds", _TIME)]


class Client:
    """The HTTP client on a network that notes what it is asked for."""

    def __init__(self, c, has_tls: bool) -> None:
        self.c, self.connections, self._left = c, [], b""
        self._net = _Net(
            None, has_tls, _CONNECT(self._connect), _SEND(self._send), _RECEIVE(self._receive), _CLOSE(lambda _: None)
        )
        self._clock = _Clock(None, _TIME(lambda _: 0))
        self._http = ctypes.create_string_buffer(_BIG)
        c.es_http_open(self._http, ctypes.byref(self._net), ctypes.byref(self._clock), 1000)

    def _connect(self, _context, host, port, tls, _deadline) -> int:
        self.connections.append((host.decode(), port, tls))
        return 0

    def _send(self, _context, _data, _size, _deadline) -> int:
        self._left = _ANSWER
        return 0

    def _receive(self, _context, data, size, received, _deadline) -> int:
        part, self._left = self._left[:size], self._left[size:]
        ctypes.memmove(data, part, len(part))
        received[0] = len(part)
        return 0

    def get(self, url: str) -> int:
        parsed, answer = ctypes.create_string_buffer(_BIG), ctypes.create_string_buffer(_BIG)
        status = self.c.es_url_parse(parsed, url.encode())
        if status:
            return status
        body = ctypes.create_string_buffer(16)
        return self.c.es_http_get(self._http, parsed, b"", body, ctypes.c_size_t(16), answer)


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("http://a.test/x", ("a.test", 80, False)),
        ("https://a.test/x", ("a.test", 443, True)),
        ("https://a.test:8443/x", ("a.test", 8443, True)),
        ("http://a.test:443/x", ("a.test", 443, False)),
    ],
)
def test_the_scheme_says_whether_tls_is_spoken(library, url, connection):
    client = Client(library.c, has_tls=True)
    assert client.get(url) == 0
    assert client.connections == [connection]


def test_a_connection_without_tls_is_not_used_for_a_url_with_it(library):
    # GIVEN an open connection to a port
    client = Client(library.c, has_tls=True)
    assert client.get("http://a.test:8000/x") == 0
    assert client.get("http://a.test:8000/y") == 0
    assert len(client.connections) == 1
    # WHEN the same port is asked with TLS, and without again THEN each has a connection of its own
    assert client.get("https://a.test:8000/x") == 0
    assert client.get("http://a.test:8000/x") == 0
    assert [tls for _, _, tls in client.connections] == [False, True, False]


def test_a_network_without_tls_is_not_asked_for_it(library):
    client = Client(library.c, has_tls=False)
    status = client.get("https://a.test/x")
    library.c.es_error_name.restype = ctypes.c_char_p
    assert library.c.es_error_name(status) == b"ES_ERR_TLS"
    assert client.connections == []
