# SPDX-License-Identifier: BSD-3-Clause
"""The hardware check's own logic: which sections, how two runs compare, what the table and the JSON say."""

from __future__ import annotations

import json
import time

import pytest

from tests.gpu.report import Row, Verdict, as_json, failed, summary, table
from tests.gpu.said import agree, compare, parse
from tests.gpu.sections import SECTIONS, Bench, UnknownSection, select


def test_all_sections_without_names_and_the_named_in_the_order_of_the_check():
    assert select([]) == list(SECTIONS)
    assert [section.name for section in select(["numba", "memory"])] == ["memory", "numba"]


def test_an_unknown_section_is_named():
    with pytest.raises(UnknownSection, match="no section nonsense; there are conformance"):
        select(["memory", "nonsense"])


def test_a_section_never_gets_less_than_a_second():
    assert Bench({}, dry=True, end=time.monotonic() - 5).left() == 1.0


def test_frameworks_own_lines_are_no_facts():
    said = parse(
        "hello\nvalue\nvalue loss 1.5\nspeed training 10.5 images/s\nsame kind gpu a\nskipped x why not\n"
    )
    assert said.values == {"loss": 1.5}
    assert said.speeds == {"training": (10.5, "images/s")}
    assert said.same == {"kind": "gpu a"}
    assert said.skipped == {"x": "why not"}
    assert not parse("nothing of interest")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1.0, 1.01, True),
        (1.0, 1.1, False),
        (0.0, 0.0, True),
        (-2.0, 2.0, False),
        (float("nan"),) * 2 + (False,),
    ],
)
def test_results_agree_but_for_rounding(a, b, same):
    assert agree(a, b) is same


def test_a_result_that_only_one_run_has_is_a_failure():
    rows = compare("torch", parse("value loss 1.5\nvalue lost 2"), parse("value loss 1.5"))
    assert {row.check: row.verdict for row in rows} == {"loss": Verdict.PASSED, "lost": Verdict.FAILED}


def test_speed_is_told_as_a_ratio_and_not_judged():
    (row,) = compare(
        "speed", parse("speed training 200 images/s"), parse("speed training 20 images/s"), "(0.02)"
    )
    assert row.verdict is Verdict.PASSED
    assert (row.check, row.native, row.shared) == ("training (0.02)", "200 images/s", "20 images/s")
    assert row.note == "0.10 of native"


ROWS = [
    Row("torch", "loss", Verdict.FAILED, "1", "2", "a | b\n" + "long " * 40),
    Row("memory", "share 1", Verdict.PASSED, shared="80 GiB"),
    Row("jax", "all", Verdict.NOT_RUN, note="not run: no GPU"),
]


def test_the_table_is_markdown_with_one_line_for_each_check():
    lines = table(ROWS).splitlines()
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert len({len(line) for line in lines[:5]}) == 1
    assert [line.split("|")[1].strip() for line in lines[2:5]] == ["jax", "memory", "torch"]
    assert "a / b long" in lines[4]
    assert lines[-1] == "1 passed, 1 FAILED, 0 skipped, 1 not run" == summary(ROWS)


def test_the_json_holds_everything():
    found = json.loads(as_json({"gpus": []}, ROWS, {"torch": 1.23}))
    assert found["seconds"] == {"torch": 1.2}
    assert found["rows"][0]["note"] == ROWS[0].note
    assert [row["verdict"] for row in found["rows"]] == ["FAILED", "passed", "not run"]


def test_only_a_failure_fails_the_check():
    assert failed(ROWS)
    assert not failed(ROWS[1:])
