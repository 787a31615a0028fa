# SPDX-License-Identifier: BSD-3-Clause
import os
import stat
import time

import pytest

from bfkernel.remote.client.lease_file import LeaseFile, new_lease_dir, runtime_dir, sweep_lease_dirs


def lease(**changes):
    fields = {"state": "queued", "size": "GPU 0.02", "gpus": 1, "message": "position 1", "pid": os.getpid()}
    return LeaseFile(**{**fields, **changes})


def test_written_and_read_back_and_private(tmp_path):
    path = tmp_path / "lease.json"
    lease(token="secret").write(path)
    assert LeaseFile.read(path) == lease(token="secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["lease.json"]


def test_another_version_is_not_read(tmp_path):
    path = tmp_path / "lease.json"
    path.write_text('{"version": 2}')
    with pytest.raises(ValueError, match="version 1"):
        LeaseFile.read(path)


def test_the_runtime_dir_is_private_even_where_somebody_opened_it(tmp_path, monkeypatch):
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    monkeypatch.setenv("BFKERNEL_RUNTIME_DIR", str(folder))
    assert stat.S_IMODE(runtime_dir().stat().st_mode) == 0o700


def test_a_link_in_place_of_the_runtime_dir_is_refused(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("BFKERNEL_RUNTIME_DIR", str(tmp_path / "link"))
    with pytest.raises(PermissionError, match="does not belong to you"):
        runtime_dir()


def test_folders_of_dead_holders_are_swept_away_after_a_day():
    dead, alive = new_lease_dir(), new_lease_dir()
    lease(pid=2**22 - 1).write(dead / "lease.json")
    lease().write(alive / "lease.json")
    for folder in (dead, alive):
        os.utime(folder, (time.time() - 2 * 86400,) * 2)
    sweep_lease_dirs(runtime_dir())
    assert not dead.exists()
    assert alive.exists()
