// SPDX-License-Identifier: BSD-3-Clause
// Texture and surface objects as nvcc makes them: one fetch a thread, of coordinates that the host chose.
#define FETCH extern "C" __global__ void

struct Place { float x, y, z; int layer; };

FETCH tex_1d(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex1D<float4>(t, at[i].x);
}
FETCH tex_2d(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex2D<float4>(t, at[i].x, at[i].y);
}
FETCH tex_3d(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex3D<float4>(t, at[i].x, at[i].y, at[i].z);
}
FETCH tex_1d_layered(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex1DLayered<float4>(t, at[i].x, at[i].layer);
}
FETCH tex_2d_layered(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex2DLayered<float4>(t, at[i].x, at[i].y, at[i].layer);
}
FETCH tex_cube(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = texCubemap<float4>(t, at[i].x, at[i].y, at[i].z);
}
FETCH tex_cube_layered(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = texCubemapLayered<float4>(t, at[i].x, at[i].y, at[i].z, at[i].layer);
}
FETCH tex_2d_level(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex2DLod<float4>(t, at[i].x, at[i].y, at[i].z);
}
// The gradient is z in both directions.
FETCH tex_2d_gradient(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) {
    float z = at[i].z;
    out[i] = tex2DGrad<float4>(t, at[i].x, at[i].y, make_float2(z, 0), make_float2(0, z));
  }
}
FETCH tex_2d_gather(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex2Dgather<float4>(t, at[i].x, at[i].y, 0);
}
FETCH tex_1d_fetch(float4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex1Dfetch<float4>(t, at[i].layer);
}
FETCH tex_2d_integers(int4* out, cudaTextureObject_t t, const Place* at, int n) {
  int i = threadIdx.x;
  if (i < n) out[i] = tex2D<int4>(t, at[i].x, at[i].y);
}
// Every second thread leaves early, and the rest use one of two textures.
FETCH tex_divergent(float* out, cudaTextureObject_t a, cudaTextureObject_t b, int n) {
  int i = threadIdx.x;
  if (i >= n || i % 2) return;
  out[i] = tex1Dfetch<float>(i % 4 ? a : b, i);
}

// A picture turned by a quarter, through surfaces.
FETCH turn(cudaSurfaceObject_t out, cudaSurfaceObject_t in, int size) {
  int x = threadIdx.x, y = blockIdx.x;
  float value = surf2Dread<float>(in, x * 4, y);
  surf2Dwrite(value, out, (size - 1 - y) * 4, x);
}
FETCH fill_3d(cudaSurfaceObject_t out) {
  int x = threadIdx.x, y = threadIdx.y, z = threadIdx.z;
  surf3Dwrite((short)(x + 10 * y + 100 * z), out, x * 2, y, z);
}
FETCH layers(cudaSurfaceObject_t s) {
  int x = threadIdx.x, layer = threadIdx.y;
  uchar4 c = surf2DLayeredread<uchar4>(s, x * 4, 0, layer);
  surf2DLayeredwrite(make_uchar4(c.w, c.z, c.y, c.x), s, x * 4, 1, layer);
}
// Beyond both ends: 0 where the mode says so, the outermost texel where it says that.
FETCH edges(float* out, cudaSurfaceObject_t s, int size) {
  int i = threadIdx.x;
  int x = (i - 2) * 4;
  out[i] = surf1Dread<float>(s, x, cudaBoundaryModeZero);
  out[size + 4 + i] = surf1Dread<float>(s, x, cudaBoundaryModeClamp);
  if (x < 0) surf1Dwrite(99.0f, s, x, cudaBoundaryModeZero);
}
FETCH outside(cudaSurfaceObject_t s, int x) { surf1Dwrite(1.0f, s, x); }

// What images are made with in many programs: a bilinear resize, every pixel a thread.
FETCH resize(unsigned char* out, cudaTextureObject_t t, int width, int height) {
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  out[y * width + x] = (unsigned char)(tex2D<float>(t, (x + 0.5f) / width, (y + 0.5f) / height) * 255 + 0.5f);
}
