# SPDX-License-Identifier: BSD-3-Clause
"""``examples/zero-to-jupyterhub``, as far as a machine without a cluster can tell.

What the chart itself does with the values (its templates, Kubernetes) is not run here; the example's README
says so.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
import yaml
from traitlets.config import Config

from .hub_harness import REPOSITORY
from .hubs import hub_on, pool_with_agents

pytestmark = pytest.mark.timeout(500)

VALUES = REPOSITORY / "examples" / "zero-to-jupyterhub" / "values.yaml"
AS_THE_CHART = Path(__file__).parent / "z2jh" / "jupyterhub_config.py"
#: The keys used, as the chart's values.schema.yaml has them; below these anything may stand.
KEYS = {
    **dict.fromkeys(
        ("hub.image.name", "hub.image.tag", "singleuser.image.name", "singleuser.image.tag"), str
    ),
    **dict.fromkeys(("hub.config", "hub.extraConfig"), dict),
    **dict.fromkeys(("hub.extraVolumes", "hub.extraVolumeMounts", "hub.service.extraPorts"), list),
    **dict.fromkeys(("hub.networkPolicy.ingress", "proxy.chp.networkPolicy.egress"), list),
    "singleuser.networkPolicy.egress": list,
}


@pytest.fixture(scope="module")
def values():
    return yaml.safe_load(VALUES.read_text())


def test_every_key_is_one_of_the_charts_with_a_value_of_its_kind(values):
    def walk(node, path=""):
        if path in KEYS or not isinstance(node, dict):
            yield path, type(node)
        else:
            for name, child in node.items():
                yield from walk(child, f"{path}.{name}".lstrip("."))

    assert dict(walk(values)) == KEYS


def test_ports_volumes_and_addresses_agree_with_each_other(values):
    hub, settings = values["hub"], values["hub"]["config"]["BfkernelHub"]
    port = settings["service_port"]
    assert settings["service_url"] == f"http://hub:{port}"
    assert [(p["port"], p["targetPort"]) for p in hub["service"]["extraPorts"]] == [(port, port)]
    rules = [*hub["networkPolicy"]["ingress"][:1], *values["proxy"]["chp"]["networkPolicy"]["egress"]]
    assert [[p["port"] for p in rule["ports"]] for rule in rules] == [[port], [port]]
    (mount,) = hub["extraVolumeMounts"]
    assert mount["name"] in [volume["name"] for volume in hub["extraVolumes"]]
    assert Path(settings["pool_token_file"]).parent == Path(mount["mountPath"])


def test_a_pod_of_kubespawner_gets_the_sizes_the_pool_and_the_launchers_class(monkeypatch):
    kubespawner = pytest.importorskip("kubespawner.spawner")
    monkeypatch.setattr(kubespawner, "load_config", lambda **_: None)  # there is no cluster to find
    c = Config()
    c.Spawner.cmd = "jupyterhub-singleuser"  # the chart's default
    exec(compile(AS_THE_CHART.read_text(), AS_THE_CHART, "exec"), {"c": c, "__file__": str(AS_THE_CHART)})
    anna = SimpleNamespace(name="anna", id=1, escaped_name="anna", url="/user/anna/", server=None, groups=[])
    anna.orm_user = SimpleNamespace(groups=[SimpleNamespace(name="cs231n", properties={})])
    hub = SimpleNamespace(base_url="/hub/", api_url="http://hub:8081/hub/api", public_host="")

    async def pod():
        server = kubespawner.KubeSpawner(config=c, user=anna, hub=hub, _mock=True)
        await server.run_pre_spawn_hook()
        assert "access:services!service=bfkernel" in server.server_token_scopes
        return await server.get_pod_manifest()

    (container,) = asyncio.run(pod()).spec.containers
    environment = {variable.name: variable.value for variable in container.env}
    assert environment["BFKERNEL_POOL_URL"] == "https://gpus.example.edu"
    assert json.loads(unquote(environment["BFKERNEL_SIZES"])) == [
        {"size": "0.02", "group": "", "course": "", "name": ""},
        {"size": "0.1", "group": "cs231n", "course": "CS 231n", "name": ""},
    ]
    assert any("SizedKernelSpecManager" in argument for argument in container.args)


def test_a_hub_with_these_values_has_their_quotas_and_its_students_their_sizes(tmp_path):
    with hub_on(tmp_path) as (hub, processes):
        hub.use_pool(*pool_with_agents(hub, processes, tmp_path))
        hub.environment["TESTS_EXAMPLE"] = str(AS_THE_CHART.parent)
        hub.last_quota = ("totals", "cs231n")
        hub.start()
        anna = hub.user("anna")
        anna.start_server()
        assert anna.sizes() == {"gpu-0.02": "GPU 0.02", "gpu-0.1-cs231n": "GPU 0.1 (CS 231n)"}
        anna.start_kernel("gpu-0.1-cs231n")
        (lease,) = hub.leases_of("anna")
        assert lease["group"] == "cs231n"
        assert hub.quotas()["default"]["longest_idle_s"] == 1800
        hub.stop()
