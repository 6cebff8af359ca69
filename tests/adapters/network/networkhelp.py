"""What the tests of the network share: hostile addresses, listeners that stand for the outside."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.adapters.network.dialer import Dialer, closed
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme

HOSTILE = (
    "127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001",
    "0177.0.0.1", "0", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "0xa9fea9fe", "2852039166", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1", "fc00::1", "ff02::1",
    "fec0::1", "::ffff:169.254.169.254", "64:ff9b:1::1", "2001:db8::1", "localhost",
    "168.63.129.16", "::ffff:168.63.129.16",
    "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "[::1]",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700:4700::1111")

OUTSIDE, INSIDE = "outside.test", "inside.test"


class Outside:
    """A listener on loopback that stands for a host outside; it keeps what it was sent."""

    def __init__(self, reply: bytes = b"") -> None:
        self.reply = reply or answer(b"outside")
        self.connections = 0
        self.heard = bytearray()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each connection once."""
        self.connections += 1
        try:
            self.heard += await reader.read(65_536)
            writer.write(self.reply)
            await writer.drain()
            writer.write_eof()
            while more := await reader.read(65_536):
                self.heard += more
        except OSError:
            pass
        finally:
            await closed(writer)


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An answer of http."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def listening(one: Outside, context: ssl.SSLContext | None = None) -> AsyncIterator[Outside]:
    """Serve on a port of loopback."""
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=context)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


def leading(**hosts: Sequence[str]) -> Dialer:
    """A dialer whose names lead where is said; `_` stands for a dot. Others have no address."""
    known = {name.replace("_", "."): list(found) for name, found in hosts.items()}

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host not in known:
            raise OSError("no such host")
        return known[host]

    return Dialer(resolver=resolve)


HERE = leading(outside_test=["127.0.0.1"], inside_test=["127.0.0.1"])


def allowing(port: int, *schemes: Scheme, bytes_max: int | None = None) -> NetworkPolicy:
    """A policy by which `outside.test` may be reached at a port of loopback."""
    chosen = schemes or (Scheme.HTTP,)
    return NetworkPolicy(
        rules=(NetworkRule(host=OUTSIDE, ports=(port,), schemes=chosen),),
        bytes_max=bytes_max,
        unsafe_addresses=(f"127.0.0.1:{port}",),
    )


def certificate(folder: Path, host: str = OUTSIDE) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that is that host, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{host}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cafile=str(pem))
    return server, client
