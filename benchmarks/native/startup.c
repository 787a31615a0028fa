// SPDX-License-Identifier: BSD-3-Clause
// How long a program takes to its first result. Usage: startup STARTED_S SALT [KIB]: when it was started, by
// CLOCK_MONOTONIC, and the code to load: KIB (1024 unless said) of PTX that is different for each SALT, so
// that a salt that no one has used finds an empty code cache.
#include <string.h>

#include "work.h"

// The kernel, and a long comment.
static char* salted_image(const char* salt, size_t size) {
  static const char hex[] = "0123456789abcdef";
  char* image = malloc(size + 1);
  uint64_t state = strtoull(salt, NULL, 10) * 2 + 1;
  size_t at = sprintf(image, "%s// ", kVectorAdd);
  for (; at < size; at++) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    image[at] = hex[state >> 60];
  }
  image[size] = '\0';
  return image;
}

int main(int argc, char** argv) {
  require(argc > 2, "usage: startup STARTED_S SALT [KIB]");
  char* image = salted_image(argv[2], (size_t)(argc > 3 ? atoi(argv[3]) : 1024) << 10);
  const double begin = now_s();
  start_context();
  const double context = now_s();
  load_kernel(image);
  const double loaded = now_s();
  first_launch();
  const double done = now_s();
  printf("process_ms %.3f\n", (begin - atof(argv[1])) * 1e3);
  printf("context_ms %.3f\n", (context - begin) * 1e3);
  printf("module_ms %.3f\n", (loaded - context) * 1e3);
  printf("launch_ms %.3f\n", (done - loaded) * 1e3);
  printf("first_result_ms %.3f\n", (done - begin) * 1e3);
  return 0;
}
