// SPDX-License-Identifier: BSD-3-Clause
// A program with a GPU that does what it is told, so that others can be watched meanwhile. It prints "ready",
// then obeys lines on stdin, and answers each with one number:
//   launches COUNT          launch so often and synchronise; answers seconds
//   trips COUNT             launch and synchronise, so often; answers the median in microseconds
//   steps COUNT             what an eager framework does, in small: ten launches, an event, one scalar to the
//                           host and a synchronisation, so often; answers the median in microseconds
//   thousands COUNT         a thousand launches, an event after each hundred and a synchronisation, so often;
//                           answers the median in microseconds
//   until SECONDS           launches and synchronises, 1,000 at a time, until CLOCK_MONOTONIC is SECONDS;
//                           answers launches a second
//   lightly UNTIL RATE      ten launches and a synchronisation, RATE times a second; answers how often
#include "work.h"

enum { kBatch = 1000, kLight = 10, kPerEvent = 100 };

static void launch_and_wait(long count) {
  while (count-- > 0) launch();
  CHECK(cuStreamSynchronize(work.stream));
}

static double median_us(void (*work)(void), int count) {
  double* took = malloc(count * sizeof *took);
  for (int i = 0; i < count; i++) {
    const double start = now_s();
    work();
    took[i] = now_s() - start;
  }
  const double median = quantile(took, count, 0.5);
  free(took);
  return median * 1e6;
}

static void trip(void) { launch_and_wait(1); }

static void launch_and_record(int count) {
  static CUevent event;
  if (!event) CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  while (count-- > 0) launch();
  CHECK(cuEventRecord(event, work.stream));
}

static void step(void) {
  static float scalar;
  launch_and_record(10);
  CHECK(cuMemcpyDtoHAsync(&scalar, work.out, sizeof scalar, work.stream));
  CHECK(cuStreamSynchronize(work.stream));
}

static void thousand(void) {
  for (int i = 0; i < kBatch / kPerEvent; i++) launch_and_record(kPerEvent);
  CHECK(cuStreamSynchronize(work.stream));
}

static double launches_until(double end) {
  const double begin = now_s();
  long count = 0;
  for (; now_s() < end; count += kBatch) launch_and_wait(kBatch);
  return count / (now_s() - begin);
}

static double lightly_until(double end, double rate) {
  long count = 0;
  for (double due = now_s(); due < end; due += 1 / rate, count++) {
    const double rest = due - now_s();
    const struct timespec pause = {(time_t)rest, (long)((rest - (time_t)rest) * 1e9)};
    if (rest > 0) nanosleep(&pause, NULL);
    launch_and_wait(kLight);
  }
  return count;
}

int main(void) {
  char line[100];
  double first, second;
  set_up();
  puts("ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    const double begin = now_s();
    if (sscanf(line, "launches %lf", &first) == 1) {
      launch_and_wait((long)first);
      printf("%.9f\n", now_s() - begin);
    } else if (sscanf(line, "trips %lf", &first) == 1) {
      printf("%.3f\n", median_us(trip, (int)first));
    } else if (sscanf(line, "steps %lf", &first) == 1) {
      printf("%.3f\n", median_us(step, (int)first));
    } else if (sscanf(line, "thousands %lf", &first) == 1) {
      printf("%.3f\n", median_us(thousand, (int)first));
    } else if (sscanf(line, "until %lf", &first) == 1) {
      printf("%.1f\n", launches_until(first));
    } else if (sscanf(line, "lightly %lf %lf", &first, &second) == 2) {
      printf("%.0f\n", lightly_until(first, second));
    } else {
      fprintf(stderr, "not understood: %s", line);
      return 1;
    }
    fflush(stdout);
  }
  return 0;
}
