# SPDX-License-Identifier: BSD-3-Clause
"""What a kernel asks of its lease's holder, from one side of the folder to the other."""

import errno
import logging
import os

import pytest

from bfkernel.provisioner.holder_link import HolderError, ask_holder
from bfkernel.remote.client.holder_requests import RequestWatcher
from bfkernel.remote.client.size import Size
from tests.waiting import eventually


@pytest.fixture
def asked(tmp_path):
    """Watch ``tmp_path``, and answer with what was asked for; everything but 2048m is granted."""
    sizes = []

    def carry_out(request):
        sizes.append(request.size)
        if request.size == Size.parse("2048m"):
            msg = "There is no such size."
            raise ValueError(msg)
        if request.size == Size.parse("4096m"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return f"here is {request.size}"

    watcher = RequestWatcher(tmp_path, carry_out, logging.getLogger(__name__))
    watcher.start()
    yield sizes
    watcher.stop()


def test_each_question_has_its_answer(tmp_path, asked):
    lease_file = tmp_path / "lease.json"
    assert ask_holder(lease_file, None) == "here is None"
    assert ask_holder(lease_file, "0.5x2") == "here is 0.5x2"
    assert asked == [None, Size.of(0.5, None, 2)]


def test_a_refusal_and_nonsense_are_sentences(tmp_path, asked):
    with pytest.raises(HolderError, match=r"^There is no such size\.$"):
        ask_holder(tmp_path / "lease.json", "2048m")
    with pytest.raises(HolderError, match="'much' is no size"):
        ask_holder(tmp_path / "lease.json", "much")
    assert len(asked) == 1


def test_what_goes_wrong_with_one_request_is_said_and_the_next_is_answered(tmp_path, asked):
    with pytest.raises(HolderError, match="No space left"):
        ask_holder(tmp_path / "lease.json", "4096m")
    (tmp_path / "request.json").write_bytes(b"\xff")
    eventually(lambda: not (tmp_path / "request.json").exists())
    assert ask_holder(tmp_path / "lease.json", "0.1") == "here is 0.1"


def test_the_replies_are_for_their_owner_alone(tmp_path, asked):
    ask_holder(tmp_path / "lease.json", None)
    assert (tmp_path / "reply.json").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "request.json").exists()


def test_nobody_answers(tmp_path):
    with pytest.raises(HolderError, match=r"has not answered in 0\.2 s"):
        ask_holder(tmp_path / "lease.json", None, limit_s=0.2)


def test_the_lease_is_gone(tmp_path):
    with pytest.raises(HolderError, match="cannot be asked: No such file"):
        ask_holder(tmp_path / "gone" / "lease.json", None)
