// SPDX-License-Identifier: BSD-3-Clause
// Integer intrinsics, 64- and 128-bit arithmetic, a switch with many cases.
#define ROW(expression) out[row++ * n + i] = (unsigned long long)(expression);
extern "C" __global__ void integers(unsigned long long* out, const unsigned long long* a, const unsigned long long* b,
                                    int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, row = 0;
  if (i >= n) return;
  unsigned long long x = a[i], y = b[i] | 1;
  unsigned u = x, v = y;
  ROW(__popcll(x)) ROW(__clzll(x)) ROW(__ffsll(x)) ROW(__brevll(x)) ROW(__umul64hi(x, y)) ROW(__brev(u)) ROW(__clz(u))
  ROW(__byte_perm(u, v, 0x5140)) ROW(__funnelshift_l(u, v, 13)) ROW(__dp4a(u, v, 7u)) ROW(__umulhi(u, v))
  ROW(__usad(u, v, 3u)) ROW(__vaddus4(u, v)) ROW(__vabsdiffu4(u, v)) ROW(__hadd((int)u, (int)v))
  ROW(x / y) ROW(x % y) ROW((long long)x / (long long)y) ROW((long long)x % (long long)y) ROW(u / v) ROW((int)u % (int)v)
  unsigned __int128 w = (unsigned __int128)x * y + x;
  ROW(w >> 64) ROW(w) ROW(w >> 37) ROW((unsigned long long)(w / 1000003))
}

extern "C" __global__ void cases(int* out, const int* in) {
  int x = in[threadIdx.x], r;
  switch (x) {
    case 0: r = 17; break;
    case 1: r = x + threadIdx.x; break;
    case 2: r = -5;  // and on
    case 3: r = x * 100; break;
    case 4: r = __popc(x); break;
    case 5: r = x ^ 1234; break;
    case 6: r = 1 << x; break;
    case 7: r = x / 3; break;
    case 100: r = 1; break;
    default: r = -1;
  }
  out[threadIdx.x] = r;
}
