# SPDX-License-Identifier: BSD-3-Clause
import http.server
import threading

import pytest

from bfkernel.remote.client import (
    BadRequest,
    LeaseRequest,
    NoShare,
    PoolClient,
    PoolError,
    PoolUnreachable,
    Size,
)


def request(size="0.02", name="a test"):
    return LeaseRequest(Size.parse(size), kind="command", name=name)


def test_a_lease_from_request_to_release(pool):
    with PoolClient() as client:
        lease = client.request_lease(request())
        assert (lease["state"], lease["memory_mib"], lease["size"]) == ("granted", 20, "GPU 0.02")
        assert client.heartbeat(lease["id"])["token"]
        assert [found["id"] for found in client.leases()] == [lease["id"]]
        assert client.gpus()[0]["leased_mib"] == 20
        assert client.servers()[0]["name"] == "box"
        client.release(lease["id"])
        assert client.release(lease["id"])["state"] == "released"
        assert client.leases() == []
        assert [found["state"] for found in client.leases(ended=True)] == ["released"]


def test_errors_carry_the_pools_sentence(pool):
    with PoolClient() as client:
        with pytest.raises(NoShare, match="the largest GPU has 1000 MiB"):
            client.request_lease(request("2048m"))
        with pytest.raises(BadRequest, match="There is no lease nonsense"):
            client.heartbeat("nonsense")


def test_a_long_command_line_is_shortened(pool):
    with PoolClient() as client:
        lease = client.request_lease(request(name="x" * 100_000))
        assert len(lease["holder"]["name"]) == 200


def test_nobody_at_the_address():
    with PoolClient("http://127.0.0.1:9") as client, pytest.raises(PoolUnreachable, match="does not answer"):
        client.health()


def test_an_address_that_is_none():
    with pytest.raises(PoolError, match="not a pool's address"), PoolClient("http://[") as client:
        client.health()


def test_something_else_at_the_address():
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = PoolClient(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(PoolError, match="is not a bfkernel pool"):
            client.health()
        server.shutdown()
