// SPDX-License-Identifier: BSD-3-Clause
// What the benchmark's programs share: a clock, medians, memory that cannot be compressed. A program prints
// one figure a line: its name, which ends in its unit, and a number.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void require(int good, const char* what) {
  if (good) return;
  perror(what);
  exit(1);
}

static double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static int ascending(const void* left, const void* right) {
  const double a = *(const double*)left, b = *(const double*)right;
  return (a > b) - (a < b);
}

// The value that the given share of `values` is below; sorts them.
static double quantile(double* values, int count, double share) {
  qsort(values, count, sizeof *values, ascending);
  return values[(int)(count * share)];
}

// Random bytes, so that nothing on the way can gain by compressing them.
static void fill_randomly(void* memory, size_t size) {
  uint64_t* words = memory;
  uint64_t state = 88172645463325252ull;
  for (size_t i = 0; i < size / sizeof *words; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    words[i] = state;
  }
}

static void* random_bytes(size_t size) {
  void* memory = aligned_alloc(4096, size);
  require(memory != NULL, "aligned_alloc");
  fill_randomly(memory, size);
  return memory;
}
