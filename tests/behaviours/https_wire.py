"""HTTPS by hand: requests with any path and headers, and the raw bytes of a connection for broken ones."""
import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field

from mqtt_wire import TIMEOUT


@dataclass
class Answer:
    status: int
    headers: dict = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.headers.get("iothub-errorcode")


def connection(hub, certificate=None):
    context = ssl.create_default_context(cafile=hub.ca_file)
    if certificate:
        context.load_cert_chain(certificate.certificate, certificate.key)
    return http.client.HTTPSConnection("127.0.0.1", hub.info["ports"]["https"], context=context, timeout=TIMEOUT)


def exchange(link, method, target, body=None, headers=None):
    """One request on an open connection; the target goes out as it is. A list as body is sent chunked."""
    link.putrequest(method, target, skip_accept_encoding=True)
    chunked = isinstance(body, list)
    if isinstance(body, (dict, str)):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    sent = dict(headers or {})
    if chunked:
        sent["Transfer-Encoding"] = "chunked"
    elif body is not None:
        sent.setdefault("Content-Length", str(len(body)))
    for name, value in sent.items():
        link.putheader(name, value)
    if chunked:
        link.endheaders(body, encode_chunked=True)
    else:
        link.endheaders(body)
    answer = link.getresponse()
    content = answer.read()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)


def request(hub, method, target, body=None, headers=None, certificate=None):
    link = connection(hub, certificate)
    try:
        return exchange(link, method, target, body, headers)
    finally:
        link.close()


class RawHttps:
    """A TLS connection to the HTTPS port that sends bytes as they are."""

    def __init__(self, hub):
        context = ssl.create_default_context(cafile=hub.ca_file)
        raw = socket.create_connection(("127.0.0.1", hub.info["ports"]["https"]), timeout=TIMEOUT)
        self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1")

    def send(self, data):
        self.socket.sendall(data)

    def read_until(self, mark):
        data = b""
        while mark not in data:
            piece = self.socket.recv(4096)
            if not piece:
                break
            data += piece
        return data

    def read_all(self):
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except (ConnectionError, ssl.SSLEOFError):
            pass
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
