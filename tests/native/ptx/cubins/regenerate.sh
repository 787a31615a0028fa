#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Compiles machine.cu to machine code. Needs nvcc (made with 13.0); the tests need only what it makes.
set -eu
cd "$(dirname "$0")"
code() { for sm in "$@"; do printf -- '-gencode arch=compute_%s,code=sm_%s ' "$sm" "$sm"; done; }
nvcc -arch=sm_80 -cubin -o sm_80.cubin machine.cu
# shellcheck disable=SC2046
nvcc -fatbin $(code 75 80 86 90) --compress-mode=size -o machine_code.fatbin machine.cu
nvcc -fatbin -gencode arch=compute_75,code=compute_75 -gencode arch=compute_80,code=sm_80 -o both.fatbin machine.cu
nvcc -fatbin $(code 75 90) --compress-mode=size -o other_devices.fatbin machine.cu
