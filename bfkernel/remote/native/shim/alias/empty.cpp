// SPDX-License-Identifier: BSD-3-Clause
// Nothing: libcuda.so only needs libcuda.so.1.
