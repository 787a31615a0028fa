# SPDX-License-Identifier: BSD-3-Clause
"""What groups' properties say, for launchers and for the pool."""

from __future__ import annotations

import asyncio
import json

import pytest

pytest.importorskip("bfkernel_hub", reason="hub_plugin is not installed here")
from bfkernel_hub.group_policy import GroupPolicy
from bfkernel_hub.http_json import RefusedError
from bfkernel_hub.hub_api import Group
from bfkernel_hub.quotas import QuotaKeeper, QuotaName, Said, Wanted, wanted
from bfkernel_hub.settings import BfkernelHub
from bfkernel_hub.sizes import Offer, SizeEntry, offers
from bfkernel_hub.watch import Departures

ENTRIES = [SizeEntry("0.02"), SizeEntry("0.1", ("cs", "bio"), "The course")]


def policies(**groups):
    return {name: GroupPolicy.read({"bfkernel": value}) for name, value in groups.items()}


def test_a_student_sees_what_is_for_everybody_and_for_the_own_groups():
    assert offers(ENTRIES, {}) == [Offer("0.02")]
    assert offers(ENTRIES, policies(cs={})) == [Offer("0.02"), Offer("0.1", "cs", "The course")]
    assert offers(ENTRIES, policies(physics={})) == [Offer("0.02")]
    assert [offer.group for offer in offers(ENTRIES, policies(cs={}, bio={}))] == ["", "cs", "bio"]


def test_a_groups_own_sizes_take_the_place_of_the_configurations():
    assert offers(ENTRIES, policies(cs={"sizes": ["0.5x2"], "course": "CS"})) == [
        Offer("0.02"),
        Offer("0.5x2", "cs", "CS"),
    ]
    assert offers(ENTRIES, policies(cs={"sizes": []})) == [Offer("0.02")]


def test_the_admin_pages_text_means_the_same_as_an_object():
    value = {"gpus": 0.1, "total": {"gpus": 4}, "sizes": ["0.02"]}
    assert GroupPolicy.read({"bfkernel": json.dumps(value)}) == GroupPolicy.read({"bfkernel": value})
    assert GroupPolicy.read({"bfkernel": ""}) == GroupPolicy.read({}) == GroupPolicy()


@pytest.mark.parametrize("value", ["{", 3, [1], {"total": 3}])
def test_a_property_that_cannot_be_read_is_an_error_with_an_example(value):
    with pytest.raises(ValueError, match="write"):
        GroupPolicy.read({"bfkernel": value})


@pytest.mark.parametrize(
    ("sizes", "read"), [("0.02", None), ([0.02], None), (["many", "0.02"], ("0.02",)), ([], ())]
)
def test_a_mistyped_size_costs_itself_and_no_limit(sizes, read, caplog):
    value = {"gpus": 0.3, "sizes": sizes}
    policy = GroupPolicy.read({"bfkernel": value})
    assert (policy.limits, policy.sizes, bool(policy.faults)) == ({"gpus": 0.3}, read, sizes != [])
    group = Group("cs", frozenset(), {"bfkernel": value})
    assert wanted(settings(), [group], Said()).limits == {QuotaName("groups", "cs"): {"gpus": 0.3}}
    assert ("group cs" in caplog.text) == bool(policy.faults)


def settings(**values) -> BfkernelHub:
    return BfkernelHub(**values)


def test_a_property_goes_over_the_configuration_field_by_field():
    configured = settings(
        quotas={"default": {"gpus": 0.1}, "groups": {"cs": {"gpus": 0.2, "leases": 3}}}, idle_timeout_s=600
    )
    group = Group("cs", frozenset(), {"bfkernel": {"gpus": 0.3, "total": {"gpus": 2}}})
    assert wanted(configured, [group], Said()).limits == {
        QuotaName("default", ""): {"gpus": 0.1, "longest_idle_s": 600},
        QuotaName("groups", "cs"): {"gpus": 0.3, "leases": 3},
        QuotaName("totals", "cs"): {"gpus": 2},
    }


class Pool:
    """Quotas as the pool keeps and shows them."""

    def __init__(self) -> None:
        self.kept = {"default": {"gpus": None}, "groups": {"by-hand": {"gpus": 9}}, "totals": {}, "users": {}}
        self.changes = 0
        self.order = []

    async def quotas(self):
        return self.kept

    async def set_quota(self, kind, name, limits, *, enforce):
        self.changes += 1
        self.order.append(kind if limits else f"no {kind}")
        if limits and limits.get("gpus") == "many":
            raise RefusedError(422, "gpus: a number")
        if kind == "default":
            self.kept["default"] = {"gpus": None, **(limits or {})}
        elif limits is None:
            self.kept[kind].pop(name, None)
        else:
            self.kept[kind][name] = {"leases": None, **limits}


def test_quotas_are_set_once_kept_and_forgotten_also_over_a_restart(tmp_path, caplog):
    pool, notes = Pool(), tmp_path / "notes.json"

    def apply(**groups):
        keeper = QuotaKeeper(pool, notes, Said(), enforce=False)
        asyncio.run(
            keeper.apply(Wanted({QuotaName("groups", name): limits for name, limits in groups.items()}))
        )

    apply(cs={"gpus": 1}, bio={"gpus": 2})
    apply(cs={"gpus": 1}, bio={"gpus": 2})
    assert pool.changes == 2, "what is as it should be is not set again"
    pool.kept["groups"]["cs"]["gpus"] = 7
    apply(cs={"gpus": 1})
    assert pool.kept["groups"] == {"by-hand": {"gpus": 9}, "cs": {"leases": None, "gpus": 1}}
    apply(cs={"gpus": "many"})
    assert "the pool refuses the quota of groups cs: gpus: a number" in caplog.text
    apply()
    assert pool.kept["groups"] == {"by-hand": {"gpus": 9}}


def test_the_default_comes_when_those_whom_it_does_not_bound_have_theirs(tmp_path):
    pool, group = Pool(), Group("cs", frozenset(), {"bfkernel": {"gpus": 1, "total": {"gpus": 4}}})

    def apply(groups, **quotas):
        keeper = QuotaKeeper(pool, tmp_path / "notes.json", Said(), enforce=True)
        asyncio.run(keeper.apply(wanted(settings(quotas=quotas), groups, Said())))

    apply([group], default={"gpus": 0.1}, users={"ada": {"gpus": 2}})
    assert pool.order == ["users", "groups", "totals", "default"]
    pool.order.clear()
    apply([], default={"gpus": 0.2})
    assert pool.order == ["default", "no groups", "no totals", "no users"]


def test_an_idle_timeout_alone_leaves_the_limits_of_the_pools_own_default(tmp_path):
    pool = Pool()
    pool.kept["default"] = {"gpus": 0.5, "leases": None, "longest_idle_s": None}

    def apply(idle_timeout_s):
        keeper = QuotaKeeper(pool, tmp_path / "notes.json", Said(), enforce=False)
        asyncio.run(keeper.apply(wanted(settings(idle_timeout_s=idle_timeout_s), [], Said())))

    apply(600)
    apply(600)
    assert (pool.kept["default"], pool.changes) == ({"gpus": 0.5, "longest_idle_s": 600}, 1)
    apply(300)
    assert pool.kept["default"] == {"gpus": 0.5, "longest_idle_s": 300}
    apply(None)
    assert pool.order == ["default", "default", "no default"]


def test_a_property_that_cannot_be_read_leaves_the_groups_quotas_as_they_are(tmp_path, caplog):
    configured = settings(quotas={"groups": {"cs": {"gpus": 1}}})

    def pool_after(pool, *properties):
        for value in properties:
            groups = [Group("cs", frozenset(), {"bfkernel": value})]
            keeper = QuotaKeeper(pool, tmp_path / f"{len(properties)}.json", Said(), enforce=True)
            asyncio.run(keeper.apply(wanted(configured, groups, Said())))
        return pool.kept["groups"].get("cs"), pool.kept["totals"].get("cs")

    own = {"gpus": 0.5, "total": {"gpus": 4}}
    total = {"leases": None, "gpus": 4}
    assert pool_after(Pool(), own, "{") == ({"leases": None, "gpus": 0.5}, total)
    assert "group cs: the property bfkernel is malformed" in caplog.text
    assert pool_after(Pool(), "{") == ({"leases": None, "gpus": 1}, None), "nothing is set yet"
    assert pool_after(Pool(), own, "{", {}) == ({"leases": None, "gpus": 1}, None)


def test_who_leaves_a_group_is_known_for_a_while_and_who_comes_back_is_not():
    now = [0.0]
    departures = Departures(lambda: now[0])
    lease = {"user": "anna", "group": "cs"}

    def look(*users):
        departures.look([Group("cs", frozenset(users), {})])
        return departures.over(lease)

    assert not look("anna", "ben")
    assert look("ben")
    assert look("ben"), "the pool may have granted by what it knew before"
    assert not look("anna", "ben")
    assert look("ben")
    now[0] = 1000.0
    assert not look("ben")
