# SPDX-License-Identifier: BSD-3-Clause
"""The provisioner with a real kernel process, called as jupyter_client calls it."""

import asyncio
import os
import signal
import sys
import time

import pytest
from jupyter_client.kernelspec import KernelSpec
from traitlets import TraitError

from bfkernel.provisioner import FractionalGPUProvisioner
from bfkernel.remote.client import PoolClient
from tests.waiting import eventually

from .embedded_pool import TTL_S

#: Much longer than what must not wait takes, also on a busy machine.
LONG_S = 10.0
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture(autouse=True)
def _shim(tmp_path, monkeypatch):
    (tmp_path / "native" / "client").mkdir(parents=True)
    (tmp_path / "native" / "client" / "libcuda.so.1").touch()
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path / "native"))


@pytest.fixture
def make():
    """Make provisioners; their processes are killed at the end."""
    made = []

    def make(argv=SLEEPER, spec_env=None, *, answer_wait_s=20.0, **config):
        spec = KernelSpec(argv=argv, env=spec_env or {}, display_name="test", language="python")
        config.update(kernel_id=str(len(made)), kernel_spec=spec, answer_wait_s=answer_wait_s)
        provisioner = FractionalGPUProvisioner(**config)
        # Without a kernel manager nobody else sets it.
        provisioner.connection_info = {}
        made.append(provisioner)
        return provisioner

    yield make
    for provisioner in made:
        if provisioner.process:
            os.killpg(provisioner.pgid, signal.SIGKILL)
            provisioner.process.wait()
        if provisioner._holder:
            provisioner._holder.release()


async def start(provisioner, **kwargs):
    kwargs = await provisioner.pre_launch(**kwargs)
    await provisioner.launch_kernel(kwargs.pop("cmd"), **kwargs)
    return kwargs["env"]


async def kill(provisioner):
    await provisioner.kill()
    await provisioner.wait()


def leases():
    with PoolClient() as client:
        return client.leases()


def test_the_kernel_is_routed_whatever_its_kernelspec_says(pool, make, tmp_path):
    async def scenario():
        provisioner = make(
            fraction=0.1, spec_env={"LD_LIBRARY_PATH": "/opt/cuda:${LD_LIBRARY_PATH}", "A": "1"}
        )
        env = await start(provisioner, env={"LD_LIBRARY_PATH": "/site", "JPY_SESSION_NAME": "/n/a.ipynb"})
        assert env["LD_LIBRARY_PATH"].split(":") == [str(tmp_path / "native/client"), "/opt/cuda", "/site"]
        assert env["BFKERNEL_LEASE_FILE"] == str(provisioner._holder.path)
        assert env["A"] == "1"
        (lease,) = leases()
        assert lease["holder"]["name"] == "/n/a.ipynb"

    asyncio.run(scenario())


def test_cleanup_decides_and_only_cleanup(pool, make):
    async def scenario():
        provisioner = make(fraction=0.1)
        await start(provisioner)
        (lease,) = leases()
        for _ in range(2):
            await kill(provisioner)  # "restart now" is kill(restart=False), too
            await provisioner.cleanup(restart=True)
            await start(provisioner)
            assert [found["id"] for found in leases()] == [lease["id"]]
        await kill(provisioner)
        await provisioner.cleanup(restart=False)
        assert leases() == []
        await provisioner.cleanup(restart=False)

    asyncio.run(scenario())


def test_a_blocked_event_loop_loses_no_lease(pool, make):
    async def scenario():
        await start(make(fraction=0.1))
        time.sleep(4 * TTL_S)  # noqa: ASYNC251 - the point of the test
        assert len(leases()) == 1

    asyncio.run(scenario())


def test_a_kernel_that_died_loses_its_lease_although_the_server_lives(pool, make):
    async def scenario():
        provisioner = make(fraction=0.1)
        await start(provisioner)
        await kill(provisioner)
        eventually(lambda: leases() == [])
        # And one that is started again after that has a new one.
        await provisioner.cleanup(restart=True)
        await start(provisioner)
        assert len(leases()) == 1

    asyncio.run(scenario())


def test_cleanup_of_a_kernel_that_goes_on_living_keeps_its_lease(pool, make):
    async def scenario():
        provisioner = make(fraction=0.1)
        await start(provisioner)
        await provisioner.cleanup(restart=False)
        await asyncio.sleep(2 * TTL_S)
        assert len(leases()) == 1
        await kill(provisioner)
        eventually(lambda: leases() == [])

    asyncio.run(scenario())


def test_a_launch_that_fails_releases(pool, make):
    async def scenario():
        with pytest.raises(FileNotFoundError):
            await start(make(["/nonexistent"], fraction=0.1))
        assert leases() == []

    asyncio.run(scenario())


def test_a_refusal_is_one_sentence(pool, make):
    async def scenario():
        with pytest.raises(RuntimeError, match=r"^No GPU server of this pool can serve [^.]*\.$") as raised:
            await start(make(memory_mib=5000))
        assert max(map(len, str(raised.value).splitlines())) <= 80, "JupyterLab cuts longer lines off"

    asyncio.run(scenario())


def test_a_shim_that_was_not_built_is_one_sentence_and_holds_nothing(pool, make, tmp_path, monkeypatch):
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path / "empty"))

    async def scenario():
        with pytest.raises(FileNotFoundError, match="is missing: run"):
            await start(make(fraction=0.1))
        assert leases() == []

    asyncio.run(scenario())


def test_a_pool_that_is_down_delays_neither_start_nor_end(make, monkeypatch):
    monkeypatch.setenv("BFKERNEL_POOL_URL", "http://127.0.0.1:9")

    async def scenario():
        provisioner = make(fraction=0.1)
        began = time.monotonic()
        await start(provisioner)
        assert time.monotonic() - began < provisioner.answer_wait_s / 2
        assert "does not answer" in provisioner._holder.current.message
        await kill(provisioner)
        began = time.monotonic()
        await provisioner.cleanup(restart=False)
        assert time.monotonic() - began < LONG_S

    asyncio.run(scenario())


def test_a_pool_that_hangs_delays_neither_start_nor_end(make, monkeypatch):
    async def scenario():
        hanging = await asyncio.start_server(lambda *_: asyncio.sleep(6 * LONG_S), "127.0.0.1", 0)
        monkeypatch.setenv("BFKERNEL_POOL_URL", f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}")
        provisioner = make(fraction=0.1, release_wait_s=0.5, answer_wait_s=0.3)
        began = time.monotonic()
        await start(provisioner)
        assert time.monotonic() - began < LONG_S
        await kill(provisioner)
        began = time.monotonic()
        await provisioner.cleanup(restart=False)
        assert time.monotonic() - began < LONG_S
        hanging.close()

    asyncio.run(scenario())


def test_a_restart_replaces_a_holder_whose_thread_has_ended(pool, make, monkeypatch):
    async def scenario():
        provisioner = make(fraction=0.1)
        await start(provisioner)
        failed = provisioner._holder
        with monkeypatch.context() as broken:
            broken.setattr(failed, "_alive", None)
            eventually(lambda: not failed.running)
        await kill(provisioner)
        await provisioner.cleanup(restart=True)
        await start(provisioner)
        assert provisioner._holder is not failed
        (lease,) = leases()
        assert (lease["id"], lease["state"]) == (provisioner._holder.lease_id, "granted")

    asyncio.run(scenario())


def test_another_process_takes_the_kernel_over(pool, make):
    async def scenario():
        first, second = make(fraction=0.1), make(fraction=0.1)
        await start(first)
        (lease,) = leases()
        await second.load_provisioner_info(await first.get_provisioner_info())
        first._holder._stopping.set()
        await asyncio.sleep(2 * TTL_S)
        assert [found["id"] for found in leases()] == [lease["id"]]
        await kill(first)
        eventually(lambda: leases() == [])

    asyncio.run(scenario())


@pytest.mark.parametrize("fraction", [0, -1, 1.5])
def test_a_fraction_out_of_range_is_refused_by_its_trait(make, fraction):
    with pytest.raises(TraitError, match="above 0 and at most 1"):
        make(fraction=fraction)


def test_group_and_filters_go_into_the_request(pool, make):
    async def scenario():
        await start(make(fraction=0.1, filters=["gpu = test*", "memory<2GiB"]))
        (lease,) = leases()
        assert sorted(lease["filters"]) == ["gpu=test*", "memory<2GiB"]
        # Nobody on a pool without users is in a group, and the pool's word on that is the dialog's.
        refused = make(fraction=0.1, group="cs231n")
        with pytest.raises(RuntimeError, match="You are not in the group cs231n"):
            await start(refused)
        assert not refused.has_process

    asyncio.run(scenario())


def test_a_filter_that_is_none_is_a_configuration_error(make):
    with pytest.raises(TraitError, match="filters: 'cores>3' is no filter"):
        make(fraction=0.1, filters=["cores>3"])
