# SPDX-License-Identifier: BSD-3-Clause
"""The specification of the driver API: it covers cuda.h, and what is generated from it holds together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bfkernel.remote.cuda import coverage, emit_shim, emit_wire, emit_worker
from bfkernel.remote.cuda.__main__ import BY_HAND, PAGE, write_all
from bfkernel.remote.cuda.find_header import cuda_include
from bfkernel.remote.cuda.header import Headers, base_name, preprocess, public_name
from bfkernel.remote.cuda.specification import SPECIFICATION, Specification, SpecificationError, load

try:
    HEADERS = Headers(cuda_include())
except FileNotFoundError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture(scope="module")
def specification() -> Specification:
    return load(HEADERS)


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = SPECIFICATION.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "driver_api.spec"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_every_function_of_cuda_h_is_listed(specification: Specification) -> None:
    assert {base_name(name) for name in HEADERS.functions} <= specification.calls.keys()


def test_what_is_listed_exists(specification: Specification) -> None:
    known = HEADERS.functions.keys() | set(HEADERS.interop_names)
    extra = [name for name in specification.calls if name not in known]
    assert all(name.startswith("cuProfiler") for name in extra)


def test_a_function_that_is_not_listed_is_an_error(tmp_path: Path) -> None:
    path = edited(tmp_path, "cuMemcpyPeer                    posted", "#")
    with pytest.raises(SpecificationError, match="cuMemcpyPeer"):
        load(HEADERS, path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("pvalue: out", "value: out", "no parameter value"),
        ("pvalue: out", "", "say what pvalue means"),
        ("pvalue: out", "pvalue: outwards", "cannot read the direction"),
        ("cuCtxSetLimit                   waiting", "cuCtxSetLimit                   maybe", "no class"),
        ("= cuCtxDestroy_v2", "= cuCtxDestroyed", "no such call"),
        ("= cuCtxDestroy_v2", "= cuCtxGetDevice_v2", "different parameters"),
        ("cuProfilerStop()", "cuProfilerStart()", "listed twice"),
        ("cuGLInit", "cuGLInvented", "none of the headers"),
    ],
)
def test_a_line_that_does_not_fit_is_an_error(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(SpecificationError, match=complaint):
        load(HEADERS, edited(tmp_path, old, new))


def test_opcodes_are_unique_and_clear_of_the_reserved(specification: Specification) -> None:
    codes = list(specification.opcodes.values())
    assert len(set(codes)) == len(codes)
    assert min(codes) > 1
    assert max(codes) < 1 << 16


def test_the_digest_follows_the_lines_and_not_the_comments(
    tmp_path: Path, specification: Specification
) -> None:
    comment = load(HEADERS, edited(tmp_path, "# Launches and occupancy", "# Launches, occupancy"))
    line = load(
        HEADERS, edited(tmp_path, "cuCtxSetCacheConfig             posted", "cuCtxSetCacheConfig waiting")
    )
    assert comment.digest == specification.digest
    assert line.digest != specification.digest


# What a runtime asks at two or more versions must be answered with different functions.
@pytest.mark.parametrize(
    ("name", "version", "symbol"),
    [
        ("cuMemAlloc", 3020, "cuMemAlloc_v2"),
        ("cuCtxGetDevice", 2000, "cuCtxGetDevice"),
        ("cuCtxGetDevice", 13000, "cuCtxGetDevice_v2"),
        ("cuCtxSynchronize", 13000, "cuCtxSynchronize_v2"),
        ("cuGetProcAddress", 11030, "cuGetProcAddress"),
        ("cuGetProcAddress", 12000, "cuGetProcAddress_v2"),
        ("cuStreamGetCaptureInfo", 11030, "cuStreamGetCaptureInfo_v2"),
        ("cuStreamGetCaptureInfo", 12030, "cuStreamGetCaptureInfo_v3"),
        ("cuCtxCreate", 12050, "cuCtxCreate_v4"),
    ],
)
def test_versions_select_the_form(specification: Specification, name: str, version: int, symbol: str) -> None:
    forms = [e for e in specification.proc_addresses if e.name == name and not e.per_thread]
    assert max((e for e in forms if e.version <= version), key=lambda e: e.version).symbol == symbol


def test_calls_that_are_not_forwarded_are_found_all_the_same(specification: Specification) -> None:
    found = {entry.symbol for entry in specification.proc_addresses}
    assert specification.calls["cuMulticastCreate"].klass == "absent"
    assert {"cuMulticastCreate", "cuMemAlloc", "cuMemAlloc_v2"} <= found


# Every name that cudart 13.0 asks for at two versions or more: one wrong form shifts its arguments silently.
@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("cuCtxGetDevice", (2000, 13000)),
        ("cuCtxSynchronize", (2000, 13000)),
        ("cuEventElapsedTime", (2000, 12080)),
        ("cuGraphAddDependencies", (10000, 12030)),
        ("cuGraphRemoveDependencies", (10000, 12030)),
        ("cuGraphGetEdges", (10000, 12030)),
        ("cuGraphNodeGetDependencies", (10000, 12030)),
        ("cuGraphNodeGetDependentNodes", (10000, 12030)),
        ("cuGraphAddNode", (12020, 12030)),
        ("cuGraphInstantiate", (10000, 11000)),
        ("cuIpcOpenMemHandle", (4010, 11000)),
        ("cuMemAdvise", (8000, 12020)),
        ("cuMemPrefetchAsync", (8000, 12020)),
        ("cuMemcpyBatchAsync", (12080, 13000)),
        ("cuMemcpy3DBatchAsync", (12080, 13000)),
        ("cuStreamBeginCapture", (10000, 10010)),
        ("cuStreamGetCaptureInfo", (10010, 11030, 12030)),
        ("cuStreamUpdateCaptureDependencies", (11030, 12030)),
    ],
)
def test_each_version_that_a_runtime_asks_for_has_a_form_of_its_own(
    specification: Specification, name: str, versions: tuple[int, ...]
) -> None:
    forms = [e for e in specification.proc_addresses if e.name == name and not e.per_thread]
    asked = [max((e for e in forms if e.version <= v), key=lambda e: e.version).symbol for v in versions]
    assert asked[0] == name
    assert asked[1:] == [f"{name}_v{number}" for number in range(2, len(versions) + 1)]


def test_per_thread_forms_are_offered_beside_their_base(specification: Specification) -> None:
    per_thread = {e.symbol for e in specification.proc_addresses if e.per_thread}
    assert {"cuLaunchKernel_ptsz", "cuMemcpyHtoD_v2_ptds", "cuStreamSynchronize_ptsz"} <= per_thread


def test_every_generated_call_has_a_stub_and_a_case(specification: Specification) -> None:
    stubs = emit_shim.stubs(specification)
    cases = emit_worker.dispatch(specification)
    for call in specification.calls.values():
        if not call.generated:
            continue
        assert (f"CUresult {call.name}(" in stubs) is not call.stub_by_hand, call.name
        assert (f"case wire::Opcode::{call.name}:" in cases) is not call.blocks, call.name


def test_every_symbol_is_defined_and_exported(specification: Specification) -> None:
    defined = set(re.findall(r"BFKERNEL_EXPORT CUresult (cu\w+)\(", emit_shim.entries(specification)))
    exported = set(re.findall(r"^    (cu\w+);$", emit_shim.exports(specification), flags=re.M))
    assert defined == exported
    assert HEADERS.functions.keys() <= defined


def test_the_outputs_are_written_once(tmp_path: Path, specification: Specification) -> None:
    write_all(specification, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    write_all(specification, tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert emit_wire.opcodes(specification) == (tmp_path / "wire" / "opcodes.h").read_text(encoding="utf-8")


def test_the_coverage_page_is_current(specification: Specification) -> None:
    hint = "run 'python -m bfkernel.remote.cuda coverage'"
    assert PAGE.read_text(encoding="utf-8") == coverage.page(specification, BY_HAND), hint


def test_what_is_not_supported_says_why(specification: Specification) -> None:
    absent = [call for call in specification.calls.values() if call.klass == "absent"]
    assert [call.name for call in absent if call.reason in ("", "not forwarded", "not forwarded yet")] == []


def test_the_page_lists_what_people_wrote(specification: Specification, tmp_path: Path) -> None:
    (tmp_path / "software.md").write_text("# Tried with\n", encoding="utf-8")
    assert "[Tried with](compatibility/software.md)" in coverage.page(specification, tmp_path)


def test_every_result_has_a_name_and_a_sentence() -> None:
    codes = {name: (value, sentence) for name, value, sentence in HEADERS.error_codes}
    assert codes["CUDA_SUCCESS"][0] == 0
    assert codes["CUDA_ERROR_OUT_OF_MEMORY"][0] == 2
    assert codes["CUDA_ERROR_UNKNOWN"][0] == 999
    assert all(len(sentence) > 10 for _, sentence in codes.values())


def test_names() -> None:
    assert base_name("cuMemcpyHtoD_v2_ptds") == "cuMemcpyHtoD_v2"
    assert public_name("cuMemcpyHtoD_v2_ptds") == "cuMemcpyHtoD"


def test_the_preprocessor_follows_conditions_and_macros() -> None:
    text = """
    #define cuOne cuOne_v2
    #if defined(__CUDA_API_VERSION_INTERNAL) && !defined(NOTHING)
    cuOne
    #elif defined(__cplusplus)
    cuTwo
    #else
    cuThree
    #endif
    #undef cuOne
    cuOne /* cuGone */ // cuGone
    #if CUDA_VERSION >= 99
    cuFour
    #endif
    """
    assert preprocess(text).split() == ["cuOne_v2", "cuOne"]
