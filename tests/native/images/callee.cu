// SPDX-License-Identifier: BSD-3-Clause
__device__ int triple_and_one(int x) { return 3 * x + 1; }
