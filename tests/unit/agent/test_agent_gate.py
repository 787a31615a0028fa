# SPDX-License-Identifier: BSD-3-Clause
"""Who may connect to a GPU server."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bfkernel.remote.agent.gate import Gate
from bfkernel.remote.agent.greeting import RefusalCode, RefusalError
from bfkernel.remote.grants import Grant, GrantSigner
from bfkernel.remote.messages import ReportAnswer
from bfkernel.remote.records import Placement


@pytest.fixture
def signer() -> GrantSigner:
    return GrantSigner(Ed25519PrivateKey.generate())


def grant(as_of: float, server: str = "gpu1", lease: str = "l1") -> Grant:
    return Grant(lease, "ada", server, (Placement("GPU-0", 655),), as_of)


def answer(signer: GrantSigner, as_of: float, *serve: str) -> ReportAnswer:
    return ReportAnswer(
        as_of=as_of, public_key=signer.public_key, serve=list(serve), over=[], report_every_s=2.0
    )


def refused(gate: Gate, token: str) -> RefusalCode:
    with pytest.raises(RefusalError) as caught:
        gate.admit(token)
    assert str(caught.value).endswith(".")
    return caught.value.code


def test_a_grant_is_newer_than_the_pools_last_word_or_on_its_list(
    tmp_path: Path, signer: GrantSigner
) -> None:
    gate = Gate("gpu1", tmp_path / "key")
    gate.learn(answer(signer, 100.0, "l1"))
    assert gate.admit(signer.sign(grant(50.0))).placements == (Placement("GPU-0", 655),)
    assert gate.admit(signer.sign(grant(101.0, lease="new"))).lease == "new"
    assert refused(gate, signer.sign(grant(99.0, lease="old"))) is RefusalCode.LEASE_ENDED
    gate.learn(answer(signer, 200.0))
    assert refused(gate, signer.sign(grant(101.0))) is RefusalCode.LEASE_ENDED


def test_an_answer_that_was_overtaken_changes_nothing(tmp_path: Path, signer: GrantSigner) -> None:
    gate = Gate("gpu1", tmp_path / "key")
    gate.learn(answer(signer, 100.0))
    gate.learn(answer(signer, 90.0, "l1"))
    assert refused(gate, signer.sign(grant(80.0))) is RefusalCode.LEASE_ENDED


def test_the_key_is_remembered_while_the_pool_is_away(tmp_path: Path, signer: GrantSigner) -> None:
    assert refused(Gate("gpu1", tmp_path / "key"), signer.sign(grant(1.0))) is RefusalCode.TOKEN
    Gate("gpu1", tmp_path / "key").learn(answer(signer, 100.0))
    assert Gate("gpu1", tmp_path / "key").admit(signer.sign(grant(1.0))).lease == "l1"


def test_other_tokens_are_refused(tmp_path: Path, signer: GrantSigner) -> None:
    gate = Gate("gpu1", tmp_path / "key")
    gate.learn(answer(signer, 100.0, "l1"))
    stranger = GrantSigner(Ed25519PrivateKey.generate())
    claims = {
        "iss": "bfkernel", "sub": "ada", "iat": 0, "exp": int(time.time()) + 60,
        "lease": "l1", "server": "gpu1", "gpus": [["GPU-0", 1]], "as_of": 101.0,
    }  # fmt: skip
    tokens = [
        "",
        "x.y.z",
        stranger.sign(grant(101.0)),
        signer.sign(grant(101.0, server="gpu2")),
        signer.sign(Grant("l1", "ada", "gpu1", (), 101.0)),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "x" * 64, algorithm="HS256"),
        jwt.encode({**claims, "exp": int(time.time()) - 3600}, signer._key, algorithm="EdDSA"),
        jwt.encode({**claims, "iss": "other"}, signer._key, algorithm="EdDSA"),
        jwt.encode({**claims, "gpus": [["GPU-0"]]}, signer._key, algorithm="EdDSA"),
    ]
    for token in tokens:
        assert refused(gate, token) is RefusalCode.TOKEN
    assert gate.admit(jwt.encode(claims, signer._key, algorithm="EdDSA")).lease == "l1"
