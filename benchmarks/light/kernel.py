# SPDX-License-Identifier: BSD-3-Clause
"""A kernel that answers ``kernel_info`` and ``shutdown``: ``kernel.py PACKAGES CONNECTION_FILE``."""

import hashlib
import hmac
import json
import os
import signal
import sys
import time
import uuid

sys.path.append(sys.argv[1])
import zmq

_INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "light",
    "implementation_version": "1",
    "language_info": {"name": "python", "version": "3", "mimetype": "text/x-python", "file_extension": ".py"},
    "banner": "",
}
_ANSWERS = {"kernel_info_request": _INFO, "shutdown_request": {"status": "ok"}}


class Kernel:
    """Its sockets, and the key that its messages are signed with."""

    def __init__(self, file: str) -> None:
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123 (pathlib is an import)
            self._told = json.load(opened)
        self._context = zmq.Context()
        self._iopub = self._bind(zmq.PUB, "iopub")
        self._asked = [self._bind(zmq.ROUTER, name) for name in ("shell", "control")]
        self._heart = self._bind(zmq.REP, "hb")
        self._stdin = self._bind(zmq.ROUTER, "stdin")

    def _bind(self, kind: int, name: str) -> zmq.Socket:
        bound = self._context.socket(kind)
        bound.linger = 100
        bound.bind(f"{self._told['transport']}://{self._told['ip']}:{self._told[f'{name}_port']}")
        return bound

    def run(self) -> None:
        """Answer until told to stop, or until the server is gone."""
        server, going, poller = os.getppid(), True, zmq.Poller()
        for waiting in (*self._asked, self._heart):
            poller.register(waiting, zmq.POLLIN)
        while going and os.getppid() == server:
            for ready, _ in poller.poll(1000):
                if ready is self._heart:
                    ready.send_multipart(ready.recv_multipart())
                else:
                    going = self._answer(ready) and going

    def _answer(self, asked: zmq.Socket) -> bool:
        parts = asked.recv_multipart()
        start = parts.index(b"<IDS|MSG>")
        header = json.loads(parts[start + 2])
        kind = header["msg_type"]
        self._publish("busy", header)
        if kind in _ANSWERS:
            reply = self._message(kind.replace("request", "reply"), _ANSWERS[kind], header)
            asked.send_multipart([*parts[:start], *reply])
        self._publish("idle", header)
        return bool(kind != "shutdown_request")

    def _publish(self, state: str, parent: dict) -> None:
        self._iopub.send_multipart([b"status", *self._message("status", {"execution_state": state}, parent)])

    def _message(self, kind: str, content: dict, parent: dict) -> list[bytes]:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        own = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "light", "username": "light"}
        header = {**own, "date": now, "version": "5.3"}
        parts = [json.dumps(part).encode() for part in (header, parent, {}, content)]
        signature = hmac.new(self._told["key"].encode(), digestmod=hashlib.sha256)
        for part in parts:
            signature.update(part)
        return [b"<IDS|MSG>", signature.hexdigest().encode(), *parts]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Kernel(sys.argv[2]).run()
