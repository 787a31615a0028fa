#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes the images beside it with nvcc (CUDA 13.0): ./regenerate.sh [nvcc]
set -eu
cd "$(dirname "$0")"
nvcc=${1:-nvcc}
ptx="-gencode arch=compute_75,code=compute_75"
many="-gencode arch=compute_75,code=[sm_75,compute_75] -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90]"
$nvcc -fatbin $many --compress-mode=none scale.cu -o many.fatbin
$nvcc -fatbin $many --compress-mode=speed scale.cu -o many_lz4.fatbin
$nvcc -fatbin $ptx --compress-mode=size scale.cu -o ptx_zstd.fatbin
$nvcc -fatbin -gencode arch=compute_90,code=sm_90 scale.cu -o only_sm90.fatbin
$nvcc -fatbin -gencode arch=compute_90a,code=[sm_90a,compute_90a] scale.cu -o only_sm90a.fatbin
$nvcc -cubin -arch=sm_90 scale.cu -o scale_sm90.cubin
# The parts as a program holds them: relocatable, with PTX and machine code.
parts="-rdc=true -fatbin -gencode arch=compute_75,code=[sm_75,compute_75]"
$nvcc $parts caller.cu -o caller.fatbin
$nvcc $parts callee.cu -o callee.fatbin
$nvcc -rdc=true -dc -gencode arch=compute_75,code=sm_75 caller.cu -o caller.o
$nvcc -rdc=true -dc -gencode arch=compute_75,code=sm_75 callee.cu -o callee.o
$nvcc -dlink -fatbin -arch=sm_75 caller.o callee.o -o linked.fatbin
rm caller.o callee.o
