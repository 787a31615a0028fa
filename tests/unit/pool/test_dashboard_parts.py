# SPDX-License-Identifier: BSD-3-Clause
"""What the dashboard's pages are made of: charts, limits, words, seals."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bfkernel.remote.grants import GrantSigner
from bfkernel.remote.messages import LimitUse, OwnQuota, QuotaAnswer, QuotaLimits, Sample
from bfkernel.remote.pool.core import Quota, Quotas
from bfkernel.remote.pool.dashboard import words
from bfkernel.remote.pool.dashboard.charts import HEIGHT, WIDTH, charts
from bfkernel.remote.pool.dashboard.limits import (
    FIELDS,
    quota_row,
    quota_rows,
    read_limits,
    scope_bars,
    shown,
)
from bfkernel.remote.pool.dashboard.sealing import Seal
from bfkernel.remote.pool.quota_settings import QuotaName

NOTHING = {field.name: "" for field in FIELDS}


def sample(at: float, leased: float = 1.0, busy: float | None = None, queued: int = 0) -> Sample:
    return Sample(at=at, gpus=4, leased=leased, held=leased / 2, busy=busy, leases=1, active=1, queued=queued)


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)]


def test_a_chart_runs_from_left_to_right_and_from_nothing_to_all_gpus() -> None:
    leased = charts([sample(0, leased=0), sample(60, leased=2), sample(120, leased=4)], 0, 120)[0]
    assert points(leased.lines) == [(0, HEIGHT), (WIDTH / 2, HEIGHT / 2), (WIDTH, 0)]
    assert (leased.top, leased.latest) == ("4", "4")
    assert leased.summary == "GPUs leased: 4 now, 2 on average, 4 at most."


def test_a_chart_is_broken_where_the_pool_did_not_run() -> None:
    held = [60.0 * i for i in range(30)] + [60.0 * i for i in range(90, 120)]
    leased = charts([sample(at) for at in held], 0, 7200)[0]
    assert leased.lines.count("M") == 2


def test_a_week_of_samples_makes_a_line_of_few_points_with_the_same_mean() -> None:
    week = [sample(60.0 * i, leased=float(i % 2)) for i in range(7 * 1440)]
    line = points(charts(week, 0, 7 * 86400)[0].lines)
    assert len(line) <= 200
    assert all(y == pytest.approx(HEIGHT * (1 - 0.5 / 4), abs=1) for _, y in line)


def test_a_single_sample_is_drawn_and_what_no_driver_tells_is_said() -> None:
    leased, _, busy, queued = charts([sample(50, queued=3)], 0, 60)
    assert len(points(leased.lines)) == 2
    assert (busy.lines, busy.latest) == ("", "no figure")
    assert busy.summary == "GPUs computing: nothing is known."
    assert (queued.top, queued.latest) == ("3", "3")
    assert charts([], 0, 60)[0].latest == "no figure"


@pytest.mark.parametrize(
    ("used", "limit", "level", "part"),
    [(0.5, 1.0, "free", 0.5), (0.9, 1.0, "near", 0.9), (1.0, 1.0, "full", 1.0), (2.0, 1.0, "full", 1.0),
     (0.0, 0.0, "full", 1.0), (3.0, None, "free", 0.0)],
)  # fmt: skip
def test_a_limits_bar_warns_when_it_is_nearly_full(
    used: float, limit: float | None, level: str, part: float
) -> None:
    ((_, (bar,)),) = scope_bars(own(("account", "", limit, used)))
    assert (bar.level, bar.part) == (level, part)


def own(*scopes: tuple[str, str, float | None, float]) -> QuotaAnswer:
    """Return an answer with one limit a scope: its kind, its group, the limit, what is used."""
    quotas = [
        OwnQuota(scope=kind, group=group, limits=[LimitUse(name="gpus", limit=limit, used=used)])
        for kind, group, limit, used in scopes
    ]
    terms = dict.fromkeys(("longest_lease_s", "longest_idle_s", "longest_queue_s"))
    return QuotaAnswer(user="ada", groups=[], quotas=quotas, priority=0, **terms)


def test_scopes_with_limits_are_told_apart_and_others_left_out() -> None:
    answer = own(
        ("account", "", None, 1), ("account", "ml", 2, 1), ("user", "", 3, 1), ("group", "lab", 4, 1)
    )
    titles = [title for title, _ in scope_bars(answer)]
    assert titles == ["You, for group ml", "You in all", "Group lab, all members together"]


def test_without_any_limit_what_is_used_is_shown_and_what_is_not_is_left_out() -> None:
    ((title, bars),) = scope_bars(own(("account", "", None, 1.5), ("account", "ml", None, 2)))
    assert (title, [(bar.name, bar.used, bar.limit) for bar in bars]) == (
        "You",
        [("GPUs at once", "1.5", "")],
    )
    assert scope_bars(own(("account", "", None, 0.0))) == [("You", [])]


def test_a_filled_form_is_read_in_peoples_units() -> None:
    filled = {
        **NOTHING,
        "gpus": " 0.5 ",
        "memory_mib": "16GiB",
        "longest_lease_s": "8h",
        "leases": "unlimited",
    }
    limits = read_limits(filled)
    assert (limits.gpus, limits.memory_mib, limits.longest_lease_s) == (0.5, 16384, 28800)
    assert (limits.leases, limits.priority) == ("unlimited", None)


@given(
    st.builds(
        QuotaLimits,
        gpus=st.none() | st.just("unlimited") | st.integers(0, 10**6).map(lambda n: n / 100),
        memory_mib=st.none() | st.integers(1, 1 << 30).map(float),
        longest_idle_s=st.none() | st.just("unlimited") | st.integers(0, 10**8).map(float),
        priority=st.none() | st.integers(-1000, 1000),
        weight=st.none() | st.integers(1, 100000).map(lambda n: n / 100),
    )
)
def test_what_the_form_shows_is_read_back_as_the_same(limits: QuotaLimits) -> None:
    assert read_limits({field.name: shown(limits, field) for field in FIELDS}) == limits


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("gpus", "much", "GPUs at once: 'much' cannot be read: write for example 0.5, or unlimited."),
        ("longest_idle_s", "30 parsecs", "Longest idle time: '30 parsecs' cannot be read"),
        ("gpus", "-1", "GPUs at once: Input should be"),
        ("gpus", "nan", "GPUs at once: 'nan' cannot be read"),
        ("weight", "0", "Weight in the queue: Input should be"),
        ("priority", "unlimited", "Priority: Input should be"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_limits({**NOTHING, name: text})


def test_quotas_are_listed_with_whose_they_are() -> None:
    members, lab, ada = Quota(leases=3), Quota(), Quota()
    quotas = Quotas(Quota(gpus=2), groups={"ml": members}, totals={"lab": lab}, users={"ada": ada})
    assert [row.title for row in quota_rows(quotas)] == [
        "Everybody",
        "Each member of group ml",
        "Group lab, all members together",
        "User ada",
    ]
    assert quota_row(quotas, QuotaName("groups", "ml")).said == ["Leases at once 3"]
    assert quota_row(quotas, QuotaName("users", "new")).said == []


def test_numbers_are_said_as_people_write_them() -> None:
    assert [words.memory(mib) for mib in (0, 491, 1024, 1536, 81920, 163118)] == [
        "0 MiB",
        "491 MiB",
        "1 GiB",
        "1.5 GiB",
        "80 GiB",
        "159 GiB",
    ]
    assert [words.number(n) for n in (0, 0.02, 1.5, 12, 0.333)] == ["0", "0.02", "1.5", "12", "0.33"]
    assert (words.ago(3), words.ago(150), words.duration(4 * 86400)) == ("just now", "2 min ago", "4 days")
    assert (words.count(1, "lease"), words.count(0, "lease")) == ("1 lease", "0 leases")
    assert (words.about(None), words.about(120)) == ("unknown", "about 2 min")


def test_a_sealed_text_opens_where_the_key_is_the_same_and_nowhere_else() -> None:
    signer, stranger = a_signer(), a_signer()
    sealed = Seal(signer, "session", 60).close("a secret")
    assert "secret" not in sealed
    assert Seal(signer, "session", 60).open(sealed) == "a secret"
    assert Seal(signer, "form", 60).open(sealed) is None
    assert Seal(stranger, "session", 60).open(sealed) is None
    middle = len(sealed) // 2
    changed = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]
    for broken in (changed, sealed[:-4], "", None, "ä", "x" * 5000):
        assert Seal(signer, "session", 60).open(broken) is None
    assert Seal(signer, "session", -1).open(sealed) is None


def a_signer() -> GrantSigner:
    return GrantSigner(Ed25519PrivateKey.generate())
