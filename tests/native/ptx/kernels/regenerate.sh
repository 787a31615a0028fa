#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Compiles every kernel of this folder to PTX. Needs nvcc (made with 13.0); the tests need only the .ptx files.
set -eu
cd "$(dirname "$0")"
for source in *.cu; do
  case $source in
    half.cu | pipeline.cu | syncs.cu | groups.cu | matrices.cu | arrivals.cu) arch=compute_80 ;;
    *) arch=compute_75 ;;
  esac
  flags=
  case $source in matmul.cu) flags=-lineinfo ;; stencil.cu) flags=-fmad=false ;; esac
  nvcc -ptx -arch=$arch -std=c++17 $flags -o "${source%.cu}.ptx" "$source"
  sed -i "s|$PWD/||" "${source%.cu}.ptx"
done
