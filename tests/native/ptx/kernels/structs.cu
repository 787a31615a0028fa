// SPDX-License-Identifier: BSD-3-Clause
// Structures by value: as a kernel parameter, into a function and out of it, with mixed alignments.
struct Inner {
  char tag;
  double weight;
};
struct Job {
  short offset;
  Inner inner[2];
  float scale;
  unsigned char flags[3];
  long long base;
};

__device__ __noinline__ Inner merge(Inner a, Inner b) { return {char(a.tag + b.tag), a.weight * b.weight}; }

extern "C" __global__ void work(double* out, Job job, int3 shape) {
  Inner both = merge(job.inner[0], job.inner[1]);
  int t = threadIdx.x;
  out[t] = job.base + job.offset + both.tag + both.weight * job.scale + job.flags[t % 3] + shape.x * 100 +
           shape.y * 10 + shape.z;
}
