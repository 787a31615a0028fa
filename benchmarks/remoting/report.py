# SPDX-License-Identifier: BSD-3-Clause
"""The tables of a run: on standard output, in the README and in docs/explanation/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .build import ROOT
from .comparisons import MEMORY, PING, WIRE, Comparison, comparisons
from .figures import (
    CAPS_GBIT,
    CLIENTS,
    COLD,
    DELAYS_MS,
    DIRECT,
    FAR_MS,
    FIGURES,
    FLOOR,
    LARGEST_KIB,
    NO_DELAY,
    TRANSPORTS,
    WARM,
    At,
    Figure,
    Taken,
    cap_series,
    clients_series,
    copy_name,
    delay_series,
)
from .sections import overhead
from .tables import number, rewrite, table

PAGES = (ROOT / "README.md", ROOT / "docs" / "explanation" / "performance.md")
Named = dict[str, str]  # a series, and what it is called in a table's head


def calls(taken: Taken) -> str:
    """What a call costs, in each series, and over TCP beside the floor."""
    rows = [*_compared(taken, "calls", FIGURES["calls"], PING)]
    largest = [figure for figure in FIGURES["copies"] if figure.name.endswith(f"_{LARGEST_KIB}K_GBps")]
    rows += _compared(taken, "copies", largest, WIRE)
    rows += [
        [
            figure.text,
            *["-"] * (len(_sides(taken)) + 1),
            number(_median(taken, "floors", FLOOR, figure), figure.unit),
        ]
        for figure in FIGURES["floors"]
    ]
    return table(["figure", *_sides(taken).values(), "TCP ÷ floor", "floor"], rows)


def _compared(taken: Taken, section: str, figures: Sequence[Figure], floor: At) -> list[list[str]]:
    limit = floor.median(taken)
    rows = []
    for figure in figures:
        values = [_median(taken, section, series, figure) for series in _sides(taken)]
        ratio = number(Comparison("", "", At(section, "tcp", figure.name), over=floor).median(taken))
        rows.append(
            [
                figure.text,
                *(number(value, figure.unit) for value in values),
                ratio,
                number(limit, figure.unit),
            ]
        )
    return rows


def _sides(taken: Taken) -> Named:
    return {DIRECT: "straight into the null driver", **_transports(taken)}


def _transports(taken: Taken) -> Named:
    """Return the transports that were measured."""
    present = {name.split()[0] for series in taken.values() for name in series}
    return {name: text for name, text in TRANSPORTS.items() if name in present}


def _median(taken: Taken, section: str, series: str, figure: Figure) -> float | None:
    return At(section, series, figure.name).median(taken)


def goals(taken: Taken) -> str:
    """Return every comparison that has a goal."""
    rows = []
    for each in comparisons(list(_transports(taken))):
        value = each.median(taken)
        if each.goal is None or value is None:
            continue
        side = TRANSPORTS.get(each.name.rsplit(".", 1)[1], "network")
        holds = "yes" if each.goal.holds(value) else "**no**"
        rows.append([each.text, side, number(value, each.unit), f"{each.goal} {each.unit}".strip(), holds])
    return table(["figure", "over", "measured", "goal", "holds"], rows)


def section(taken: Taken, name: str, series: Named) -> str:
    """Return the figures of a section, a column for each series that was measured."""
    series = {each: head for each, head in series.items() if taken.get(name, {}).get(each)}
    rows = [
        [figure.text, *(number(_median(taken, name, each, figure), figure.unit) for each in series)]
        for figure in FIGURES[name]
    ]
    rows = [row for row in rows if set(row[1:]) != {"-"}]
    return table(["figure", *series.values()], rows)


def copies(taken: Taken) -> str:
    """Return copies by size."""
    heads = {
        (way, side): f"{way} {text}" for way in ("h2d", "d2h") for side, text in _transports(taken).items()
    }
    rows = []
    for figure in FIGURES["copies"]:
        way, kind, size, _ = figure.name.split("_")
        if way == "d2h":
            continue
        cells = []
        for direction, side in heads:
            name = copy_name(direction, kind, int(size[:-1]))
            cells.append(number(At("copies", side, name).median(taken), "GB/s"))
        rows.append([figure.text.split(", ", 1)[1], *cells])
    return table(["memory of the program, size", *heads.values()], rows)


def engine(taken: Taken) -> str:
    """Return copies to a driver with a copy engine, beside raw TCP."""
    rows = []
    for figure in FIGURES["engine"]:
        at, (_, memory) = At("engine", "tcp", figure.name), MEMORY[figure.name[:3]]
        ratios = (Comparison("", "", at, over=floor).median(taken) for floor in (WIRE, memory))
        rows.append([figure.text, number(at.median(taken), figure.unit), *map(number, ratios)])
    return table(["figure", TRANSPORTS["tcp"], "÷ raw TCP", "÷ raw TCP from or into 256 MiB"], rows)


def scaling(taken: Taken) -> str:
    """Return what clients get, a row for each number of them."""
    columns = [(side, figure) for side in _transports(taken) for figure in FIGURES["scaling"]]
    heads = [f"{figure.text}, {TRANSPORTS[side]}" for side, figure in columns]
    rows = []
    for count in CLIENTS:
        of = [(clients_series(side, count), figure) for side, figure in columns]
        cells = [number(_median(taken, "scaling", series, figure), figure.unit) for series, figure in of]
        rows.append([str(count), *cells])
    return table(["clients", *heads], rows)


def contents(results: dict[str, Any]) -> dict[str, str]:
    """Return all tables by the marks that they stand between."""
    taken: Taken = results["taken"]
    sides = _transports(taken)
    starts = {f"{name} {state}": f"{text}, {state}" for name, text in sides.items() for state in (COLD, WARM)}
    delays = {NO_DELAY: NO_DELAY, **{delay_series(each): delay_series(each) for each in DELAYS_MS}}
    far = delay_series(FAR_MS)
    caps = {cap_series(each): cap_series(each) for each in CAPS_GBIT}
    loads = {each: each for each in (overhead.NULL, overhead.SOFTGPU, overhead.IDLE, overhead.BUSY)}
    return {
        "bench: calls": calls(taken),
        "bench: goals": goals(taken),
        "bench: copies": copies(taken),
        "bench: engine": engine(taken),
        "bench: startup": section(taken, "startup", {DIRECT: "null driver", **starts}),
        "bench: step": section(taken, "step", {DIRECT: "null driver", **sides}),
        "bench: network": section(taken, "network", delays),
        "bench: bandwidth": section(taken, "bandwidth", caps),
        "bench: distance": section(taken, "distance", {far: far}),
        "bench: scaling": scaling(taken),
        "bench: overhead": section(taken, "overhead", loads),
        "bench: machine": _machine(results),
    }


def _machine(results: dict[str, Any]) -> str:
    of = results["machine"]
    again = f"; measured again after a failure: {len(results['failures'])}" if results.get("failures") else ""
    delays = f"; delays by {of['delays_by']}" if of["delays_by"] else ""
    return (
        f"Medians of {results['rounds']} rounds, {results['date']}: {of['processor']}, {of['cores']} cores, "
        f"Linux {of['kernel']}, TCP with {of['tcp']}{delays}{again}."
    )


def text(results: dict[str, Any]) -> str:
    """Return everything, for standard output."""
    always = ("goals", "machine")
    parts = {mark.removeprefix("bench: "): content for mark, content in contents(results).items()}
    parts = {name: part for name, part in parts.items() if name in (*always, *results["taken"])}
    return "\n\n".join(f"{name}\n\n{part}" for name, part in parts.items())


def write(results: dict[str, Any]) -> None:
    """Put the tables into the pages."""
    for page in PAGES:
        rewrite(page, contents(results))
