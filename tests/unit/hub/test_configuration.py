# SPDX-License-Identifier: BSD-3-Clause
"""configure(c) adds to what an admin has set, in whichever way, and overwrites nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

pytest.importorskip("bfkernel_hub", reason="hub_plugin is not installed here")
from bfkernel_hub import BfkernelHub, configure

SCOPE = "access:services!service=bfkernel"


def configured(prepare=lambda c: None) -> Config:
    c = Config()
    prepare(c)
    configure(c)
    return c


def hub_of(c: Config):
    from jupyterhub.app import JupyterHub

    return JupyterHub(config=c)


def test_on_a_bare_hub_the_service_role_and_scopes_are_complete():
    hub = hub_of(configured())
    (service,) = hub.services
    assert (service["name"], service["display"]) == ("bfkernel", False)
    roles = {role["name"]: role for role in hub.load_roles}
    assert roles["user"]["scopes"] == ["self", SCOPE]
    assert roles["bfkernel-service"]["services"] == ["bfkernel"]


@pytest.mark.parametrize("section", ["Spawner", "KubeSpawner"])
def test_scopes_of_servers_are_kept_or_the_default(section):
    c = configured()
    assert c.Spawner.server_token_scopes == ["users:activity!user", "access:servers!server", SCOPE]
    c = configured(lambda c: setattr(c[section], "server_token_scopes", ["custom:x"]))
    assert c[section].server_token_scopes == ["custom:x", SCOPE]
    c = configured(lambda c: setattr(c[section], "server_token_scopes", lambda spawner: [spawner]))
    assert c[section].server_token_scopes("y") == ["y", SCOPE]


def test_servers_keep_what_the_admins_role_server_gives_them():
    def role(**said):
        c = configured(lambda c: c.JupyterHub.load_roles.append({"name": "server", **said}))
        return c.Spawner.server_token_scopes

    assert role(scopes=["users:activity!user", "custom:x"]) == ["users:activity!user", "custom:x", SCOPE]
    assert role(description="x") == ["users:activity!user", "access:servers!server", SCOPE]


def test_services_and_roles_stay_however_they_were_set():
    def as_lists(c):
        c.JupyterHub.services = [{"name": "cull"}]
        c.JupyterHub.load_roles = [{"name": "user", "scopes": ["self", "custom:x"]}]

    def by_append(c):
        c.JupyterHub.services.append({"name": "cull"})
        c.JupyterHub.load_roles.append({"name": "user", "scopes": ["self", "custom:x"]})

    for prepare in (as_lists, by_append):
        hub = hub_of(configured(prepare))
        assert [service["name"] for service in hub.services] == ["cull", "bfkernel"]
        assert [role["name"] for role in hub.load_roles] == ["user", "bfkernel-service"]
        assert hub.load_roles[0]["scopes"] == ["self", "custom:x", SCOPE]


def spawner(*groups: str, **properties: object):
    orm = [SimpleNamespace(name=name, properties=properties) for name in groups]
    warnings = []
    return SimpleNamespace(
        user=SimpleNamespace(name="anna", orm_user=SimpleNamespace(groups=orm)),
        environment={"A": "1"},
        args=["--x"],
        log=SimpleNamespace(warning=lambda *words: warnings.append(words)),
        warnings=warnings,
    )


@pytest.mark.parametrize("section", ["Spawner", "KubeSpawner"])
def test_the_admins_own_hook_runs_first_and_its_refusal_stands(section):
    order = []

    async def own(spawner):
        order.append(spawner.environment["A"])
        if spawner.user.name == "eve":
            msg = "not you"
            raise RuntimeError(msg)

    c = configured(lambda c: setattr(c[section], "pre_spawn_hook", own))
    server = spawner()
    asyncio.run(c[section].pre_spawn_hook(server))
    assert order == ["1"]
    assert server.environment["BFKERNEL_POOL_URL"] == "http://127.0.0.1:8766"
    assert server.environment["A"] == "1"
    assert server.args[0] == "--x"
    server = spawner()
    server.user.name = "eve"
    with pytest.raises(RuntimeError, match="not you"):
        asyncio.run(c[section].pre_spawn_hook(server))


def test_what_the_admin_has_named_for_servers_wins():
    c = configured()
    server = spawner()
    server.environment = {"BFKERNEL_POOL_URL": "http://other"}
    server.args = ["--ServerApp.kernel_spec_manager_class=site.Own"]
    asyncio.run(c.Spawner.pre_spawn_hook(server))
    assert server.environment["BFKERNEL_POOL_URL"] == "http://other"
    assert server.args == ["--ServerApp.kernel_spec_manager_class=site.Own"]


def test_who_may_use_no_size_is_refused_where_the_admin_wants_it():
    def prepare(c):
        c.BfkernelHub.only_with_sizes = True
        c.BfkernelHub.sizes = [{"size": "0.02", "groups": ["cs"]}]

    hook = configured(prepare).Spawner.pre_spawn_hook
    with pytest.raises(Exception, match="ask your course's staff") as refused:
        asyncio.run(hook(spawner("physics")))
    assert refused.value.status_code == 403
    asyncio.run(hook(spawner("cs")))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sizes", [{"size": 0.02}], "write a text such as '0.02'"),
        ("sizes", [{"size": "0.02", "group": "cs"}], "not group"),
        ("sizes", [{"size": "0.02", "groups": "cs"}], r"write \['cs'\]"),
        ("quotas", {"group": {}}, "default, groups, totals, users"),
        ("poll_s", 600.0, "poll_s"),
    ],
)
def test_a_mistyped_setting_is_said_when_the_hub_starts(name, value, words):
    with pytest.raises(TraitError, match=words):
        configured(lambda c: setattr(c.BfkernelHub, name, value))


def test_what_the_file_has_set_that_loads_this_one_as_a_part_stays(tmp_path):
    part = tmp_path / "part.py"
    part.write_text("from bfkernel_hub import configure\nconfigure(c)\n")
    whole = tmp_path / "whole.py"
    whole.write_text(
        "c.JupyterHub.services = [{'name': 'cull'}]\n"
        "c.JupyterHub.load_roles = [{'name': 'cull-role', 'scopes': []}]\n"
        "c.JupyterHub.template_vars = {'announcement': 'x'}\n"
        "c.JupyterHub.template_paths = ['/own']\n"
        f"load_subconfig({str(part)!r})\n"
    )
    hub = hub_of(PyFileConfigLoader(str(whole)).load_config())
    assert [service["name"] for service in hub.services] == ["cull", "bfkernel"]
    assert [role["name"] for role in hub.load_roles] == ["cull-role", "user", "bfkernel-service"]
    assert hub.template_vars["announcement"] == "x"
    assert hub.template_vars["bfkernel_service"] == "bfkernel"
    assert "/own" in hub.template_paths
    assert len(hub.template_paths) == 2


def test_templates_stand_after_the_admins_own_and_before_the_hubs():
    own, ours = hub_of(configured(lambda c: setattr(c.JupyterHub, "template_paths", ["/own"]))).template_paths
    assert (own, ours.endswith("bfkernel_hub/templates")) == ("/own", True)
    ours, hubs = hub_of(configured()).template_paths
    assert ours.endswith("bfkernel_hub/templates")
    assert hubs.endswith("share/jupyterhub/templates")


def test_a_proxy_elsewhere_finds_the_service_at_its_url_and_the_hub_on_loopback():
    def prepare(c):
        c.BfkernelHub.service_host = "0.0.0.0"
        c.BfkernelHub.service_url = "http://hub:8767"

    (service,) = hub_of(configured(prepare)).services
    assert service["url"] == "http://hub:8767"
    settings = BfkernelHub.loads(service["environment"]["BFKERNEL_HUB_SETTINGS"])
    assert (settings.service_host, settings.service_address) == ("0.0.0.0", "http://127.0.0.1:8767")
