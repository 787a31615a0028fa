# SPDX-License-Identifier: BSD-3-Clause
"""Where requests go, and which none can go anywhere."""

from __future__ import annotations

import pytest
from pool_story import CARD_MIB, Story, policy

from bfkernel.remote.filters import Filter
from bfkernel.remote.records import Lease, LeaseState, Share


def place_of(lease: Lease) -> tuple[str | None, list[str]]:
    return lease.server, [p.gpu for p in lease.placements]


def test_a_fraction_is_floored_to_mib(one_card: Story) -> None:
    lease = one_card.ask(0.02)
    assert (lease.state, lease.memory_mib, lease.hundredths) == (LeaseState.GRANTED, 655, 2)
    assert one_card.free() == [CARD_MIB - 655]


def test_fifty_fiftieths_fit(one_card: Story) -> None:
    assert all(one_card.ask(0.02).state is LeaseState.GRANTED for _ in range(50))
    assert one_card.ask(0.02).state is LeaseState.QUEUED


@pytest.mark.parametrize(("fraction", "card", "mib"), [(0.29, 100, 29), (1.0, 32768, 32768), (0.1, 10, 1)])
def test_fractions_are_the_decimals_that_were_written(fraction: float, card: int, mib: int) -> None:
    assert Share(fraction).memory_on(card) == mib


def test_best_fit_leaves_the_untouched_card(story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    first, second = story.ask(mib=400), story.ask(mib=500)
    assert first.placements[0].gpu == second.placements[0].gpu
    assert story.ask(mib=1000).state is LeaseState.GRANTED


def test_best_fit_looks_at_cards_of_all_sizes(story: Story) -> None:
    story.server("large", 3000, 2000)
    story.server("small", 1200)
    assert place_of(story.ask(mib=1100)) == ("small", ["GPU-0"])
    assert place_of(story.ask(mib=1900)) == ("large", ["GPU-1"])


def test_equal_fits_are_decided_by_index_then_by_name(story: Story) -> None:
    story.server("b", 1000, 1000)
    story.server("a", 1000, 1000)
    found = [place_of(story.ask(1.0)) for _ in range(4)]
    assert found == [("a", ["GPU-0"]), ("b", ["GPU-0"]), ("a", ["GPU-1"]), ("b", ["GPU-1"])]


def test_gpus_of_one_lease_are_on_one_server(story: Story) -> None:
    story.server("gpu1", 1000)
    story.server("gpu2", 1000, 1000)
    lease = story.ask(mib=600, gpus=2)
    assert place_of(lease) == ("gpu2", ["GPU-0", "GPU-1"])
    assert story.ask(mib=600, gpus=2).state is LeaseState.QUEUED


def test_several_gpus_go_where_they_leave_the_least(story: Story) -> None:
    story.server("wide", 1000, 1000, 1000)
    story.server("tight", 700, 700)
    assert story.ask(mib=600, gpus=2).server == "tight"


def test_a_lease_across_unequal_cards_has_each_cards_fraction(story: Story) -> None:
    story.server("gpu1", 1000, 2000)
    lease = story.ask(0.5, gpus=2)
    assert [p.memory_mib for p in lease.placements] == [500, 1000]
    assert (lease.memory_mib, lease.hundredths) == (500, 100)


def test_mib_count_as_the_fraction_of_the_card_that_they_are(story: Story) -> None:
    story.server("gpu1", 1000)
    assert story.ask(mib=255).hundredths == 26


def mixed_fleet(story: Story) -> None:
    story.report("old", 16000, model="Tesla T4", driver_version="535.183.01", cuda_version="12.2")
    story.report("new", 40000, model="NVIDIA A100", driver_version="580.65.06", cuda_version="13.0")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("server=new", "new"),
        ("server!=new", "old"),
        ("server=o*", "old"),
        ("gpu=*a100*", "new"),
        ("gpu!=*a100*", "old"),
        ("driver=580", "new"),
        ("driver<580", "old"),
        ("cuda>=12.4", "new"),
        ("cuda<=12.2", "old"),
        ("memory>=20GiB", "new"),
        ("memory<20GiB", "old"),
    ],
)
def test_filters_choose_the_cards(story: Story, text: str, server: str) -> None:
    mixed_fleet(story)
    assert story.ask(0.5, text).server == server
    # The other card is free and must not be taken.
    assert story.ask(1.0, text).state is LeaseState.QUEUED


def test_all_filters_must_match(story: Story) -> None:
    mixed_fleet(story)
    refused = story.ask(0.5, "gpu=*A100*", "cuda<13")
    assert (refused.state, refused.code) == (LeaseState.REFUSED, "no-such-size")
    assert "with cuda<13 with gpu=*A100*" in refused.message


def test_a_driver_update_changes_what_filters_find(story: Story) -> None:
    story.report("gpu1", 1000, cuda_version="12.2")
    assert story.ask(0.5, "cuda>=13").state is LeaseState.REFUSED
    story.report("gpu1", 1000, cuda_version="13.0")
    assert story.ask(0.5, "cuda>=13").state is LeaseState.GRANTED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A100", "is no filter: write one of"),
        ("colour=red", "is no filter: write one of"),
        ("gpu<A100", "gpu is a name; compare it with = or !="),
        ("cuda>=new", "cuda is a version, such as 12.4"),
        ("memory>=much", "is not a number with a unit"),
        ("memory>=3 parsec", "is no size"),
        ("gpu=  ", "is no filter: write one of"),
        ("gpu=" + " " * 200 + "A100", "at most 200 characters; this one has 208"),
    ],
)
def test_a_bad_filter_gives_one_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as failure:
        Filter.parse(text)
    assert "\n" not in str(failure.value)


def test_spaces_around_the_parts_of_a_filter_do_not_count() -> None:
    assert Filter.parse("  gpu  =  *A100 80GB*  ") == Filter.parse("gpu=*A100 80GB*")


def test_what_no_server_could_ever_serve_is_refused(one_card: Story) -> None:
    lease = one_card.ask(mib=CARD_MIB + 1)
    assert (lease.state, lease.code) == (LeaseState.REFUSED, "no-such-size")
    assert lease.message == (
        "No GPU server of this pool can serve GPU 32769m: the largest GPU has 32768 MiB, "
        "and the most GPUs in one server are 1."
    )
    assert one_card.ask(0.5, gpus=2).state is LeaseState.REFUSED
    assert one_card.ask(0.00001).state is LeaseState.REFUSED
    assert not one_card.core.leases


def test_without_any_server_requests_wait(story: Story) -> None:
    lease = story.ask(0.02)
    assert (lease.state, lease.hundredths) == (LeaseState.QUEUED, 2)
    story.server()
    assert lease.state is LeaseState.GRANTED


def test_a_memory_quota_sends_a_fraction_to_the_small_card() -> None:
    """Best fit would take the large card, whose half is more than the quota."""
    story = Story(policy(memory_mib=1000))
    story.server("gpu1", 3000, 2000)
    for user in ("bob", "cleo"):
        assert place_of(story.ask(None, "memory>=3000", mib=700, user=user)) == ("gpu1", ["GPU-0"])
    assert place_of(story.ask(0.5)) == ("gpu1", ["GPU-1"])


def test_what_a_quota_never_allows_of_what_is_free_waits_for_the_rest() -> None:
    story = Story(policy(memory_mib=1000))
    story.server("large", 3000)
    story.server("small", 1000)
    full = story.ask(1.0, user="bob")
    assert full.server == "small"
    half = story.ask(0.5)
    assert half.state is LeaseState.QUEUED
    story.release(full)
    assert place_of(half) == ("small", ["GPU-0"])
