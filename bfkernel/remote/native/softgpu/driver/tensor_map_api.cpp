// SPDX-License-Identifier: BSD-3-Clause
// cuTensorMap*: descriptors of tensors for the copy engine of compute capability 9.0. What such a copy may
// ask for is checked as cuda.h states it, and kept; that no kernel can make the copy here shows when its PTX
// is loaded.
#include <algorithm>
#include <cstring>
#include <span>

#include "current.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kMostDimensions = 5;
constexpr uint64_t kMostElements = uint64_t{1} << 31;
constexpr uint64_t kStrideLimit = uint64_t{1} << 40;
constexpr uint32_t kMostInBox = 256, kMostElementStride = 8, kMostInColumn = 1024;

enum class Form : uint8_t { tiled = 1, im2col, im2col_wide };

// What all kinds of maps have in common. Doubles as what lies in the 128 bytes of a map.
struct Contents {
  uint64_t address;
  Form form;
  uint8_t type, rank, interleave, swizzle, promotion, fill, wide_mode;
  uint32_t dimensions[kMostDimensions];  // less one, so that 2^31 fits
  uint16_t box[kMostDimensions];         // tiled: elements along each dimension
  uint8_t element_strides[kMostDimensions];
  uint64_t strides[kMostDimensions - 1];
  int16_t lower[3], upper[3];  // im2col: the corners of the box of pixels
  uint16_t channels, pixels;
};
static_assert(sizeof(Contents) <= sizeof(CUtensorMap));

struct Tensor {
  CUtensorMapDataType type;
  uint32_t rank;
  const void* address;
  const cuuint64_t* dimensions;
  const cuuint64_t* strides;
  const cuuint32_t* element_strides;
  CUtensorMapInterleave interleave;
  CUtensorMapSwizzle swizzle;
  CUtensorMapL2promotion promotion;
  CUtensorMapFloatOOBfill fill;
};

bool packed(CUtensorMapDataType type) { return type >= CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN8B; }
bool widely_packed(CUtensorMapDataType type) { return type >= CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN16B; }
bool floating(CUtensorMapDataType type) { return type >= CU_TENSOR_MAP_DATA_TYPE_FLOAT16 && !packed(type); }

// Of one element; packed elements take half a byte or less.
uint32_t element_bytes(CUtensorMapDataType type) {
  switch (type) {
    case CU_TENSOR_MAP_DATA_TYPE_UINT8:
      return 1;
    case CU_TENSOR_MAP_DATA_TYPE_UINT16:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16:
      return 2;
    case CU_TENSOR_MAP_DATA_TYPE_UINT64:
    case CU_TENSOR_MAP_DATA_TYPE_INT64:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT64:
      return 8;
    default:
      return 4;
  }
}

uint32_t swizzle_bytes(CUtensorMapSwizzle swizzle) {
  return swizzle == CU_TENSOR_MAP_SWIZZLE_32B ? 32 : swizzle == CU_TENSOR_MAP_SWIZZLE_64B ? 64 : 128;
}

void check_kinds(const Tensor& tensor) {
  auto within = [](auto value, auto last) { require(value >= 0 && value <= last); };
  within(tensor.type, CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B);
  within(tensor.interleave, CU_TENSOR_MAP_INTERLEAVE_32B);
  within(tensor.swizzle, CU_TENSOR_MAP_SWIZZLE_128B_ATOM_64B);
  within(tensor.promotion, CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
  within(tensor.fill, CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA);
  require(tensor.fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE || floating(tensor.type));
  require(tensor.interleave != CU_TENSOR_MAP_INTERLEAVE_32B || tensor.swizzle == CU_TENSOR_MAP_SWIZZLE_32B);
  if (tensor.type == CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B)
    require(tensor.interleave == CU_TENSOR_MAP_INTERLEAVE_NONE);
}

void check_layout(const Tensor& tensor) {
  require(tensor.dimensions != nullptr && tensor.element_strides != nullptr);
  require(tensor.strides != nullptr || tensor.rank == 1);
  const bool wide = tensor.interleave == CU_TENSOR_MAP_INTERLEAVE_32B || widely_packed(tensor.type);
  const uint64_t alignment = wide ? 32 : 16;
  require(reinterpret_cast<uint64_t>(tensor.address) % alignment == 0);
  for (unsigned i = 0; i < tensor.rank; ++i) {
    require(tensor.dimensions[i] >= 1 && tensor.dimensions[i] <= kMostElements);
    require(tensor.element_strides[i] >= 1 && tensor.element_strides[i] <= kMostElementStride);
    if (i == 0) continue;
    require(tensor.strides[i - 1] % alignment == 0 && tensor.strides[i - 1] < kStrideLimit);
  }
  const unsigned multiple = widely_packed(tensor.type) ? 128 : packed(tensor.type) ? 2 : 1;
  require(tensor.dimensions[0] % multiple == 0);
}

// How many elements lie side by side in shared memory, whatever the kind of map.
void check_row(const Tensor& tensor, uint32_t elements) {
  require(elements >= 1 && elements <= kMostInBox);
  if (widely_packed(tensor.type)) require(elements == 128);
  if (packed(tensor.type) || tensor.interleave != CU_TENSOR_MAP_INTERLEAVE_NONE) return;
  const uint32_t bytes = elements * element_bytes(tensor.type);
  require(bytes % 16 == 0);
  require(tensor.swizzle == CU_TENSOR_MAP_SWIZZLE_NONE || bytes <= swizzle_bytes(tensor.swizzle));
}

Contents contents_of(const Tensor& tensor, Form form) {
  check_kinds(tensor);
  check_layout(tensor);
  Contents out = {};
  out.address = reinterpret_cast<uint64_t>(tensor.address);
  out.form = form;
  out.type = static_cast<uint8_t>(tensor.type);
  out.rank = static_cast<uint8_t>(tensor.rank);
  out.interleave = static_cast<uint8_t>(tensor.interleave);
  out.swizzle = static_cast<uint8_t>(tensor.swizzle);
  out.promotion = static_cast<uint8_t>(tensor.promotion);
  out.fill = static_cast<uint8_t>(tensor.fill);
  for (unsigned i = 0; i < tensor.rank; ++i) {
    out.dimensions[i] = static_cast<uint32_t>(tensor.dimensions[i] - 1);
    out.element_strides[i] = static_cast<uint8_t>(tensor.element_strides[i]);
    if (i > 0) out.strides[i - 1] = tensor.strides[i - 1];
  }
  return out;
}

void write(const Contents& contents, CUtensorMap* map) {
  std::memset(map, 0, sizeof *map);
  std::memcpy(map, &contents, sizeof contents);
}

Contents read(const CUtensorMap& map) {
  Contents out;
  std::memcpy(&out, &map, sizeof out);
  require(out.form >= Form::tiled && out.form <= Form::im2col_wide);
  return out;
}

// For a map that a device of this compute capability understands, at an address that is aligned for one.
template <typename Body>
CUresult with_map(CUtensorMap* map, int least_major, Body&& body) {
  return with_context([&](Context& context) {
    require(context.device.compute_capability[0] >= least_major, CUDA_ERROR_NOT_SUPPORTED);
    require(map != nullptr && reinterpret_cast<uintptr_t>(map) % 64 == 0);
    body();
  });
}

void check_im2col(const Tensor& tensor, uint32_t channels, uint32_t pixels) {
  require(tensor.rank >= 3 && tensor.rank <= kMostDimensions);
  check_row(tensor, channels);
  require(pixels <= kMostInColumn);
}

// Corners are offsets whose width in the map shrinks as the number of dimensions grows.
void keep_corners(std::span<const int> lower, std::span<const int> upper, unsigned bits, Contents* out) {
  const int limit = 1 << (bits - 1);
  auto keep = [limit](std::span<const int> from, int16_t* to) {
    for (int corner : from) require(corner >= -limit && corner < limit);
    std::copy(from.begin(), from.end(), to);
  };
  keep(lower, out->lower);
  keep(upper, out->upper);
}

}  // namespace

SOFTGPU_API cuTensorMapEncodeTiled(CUtensorMap* tensorMap, CUtensorMapDataType tensorDataType,
                                   cuuint32_t tensorRank, void* globalAddress, const cuuint64_t* globalDim,
                                   const cuuint64_t* globalStrides, const cuuint32_t* boxDim,
                                   const cuuint32_t* elementStrides, CUtensorMapInterleave interleave,
                                   CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2Promotion,
                                   CUtensorMapFloatOOBfill oobFill) {
  return with_map(tensorMap, 9, [&] {
    const Tensor tensor = {tensorDataType, tensorRank, globalAddress, globalDim,   globalStrides,
                           elementStrides, interleave, swizzle,       l2Promotion, oobFill};
    const unsigned least = interleave == CU_TENSOR_MAP_INTERLEAVE_NONE ? 1 : 3;
    require(tensorRank >= least && tensorRank <= kMostDimensions && boxDim != nullptr);
    Contents contents = contents_of(tensor, Form::tiled);
    check_row(tensor, boxDim[0]);
    for (unsigned i = 0; i < tensorRank; ++i) {
      require(boxDim[i] >= 1 && boxDim[i] <= kMostInBox);
      contents.box[i] = static_cast<uint16_t>(boxDim[i]);
    }
    write(contents, tensorMap);
  });
}

SOFTGPU_API cuTensorMapEncodeIm2col(CUtensorMap* tensorMap, CUtensorMapDataType tensorDataType,
                                    cuuint32_t tensorRank, void* globalAddress, const cuuint64_t* globalDim,
                                    const cuuint64_t* globalStrides, const int* pixelBoxLowerCorner,
                                    const int* pixelBoxUpperCorner, cuuint32_t channelsPerPixel,
                                    cuuint32_t pixelsPerColumn, const cuuint32_t* elementStrides,
                                    CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                    CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill) {
  return with_map(tensorMap, 9, [&] {
    const Tensor tensor = {tensorDataType, tensorRank, globalAddress, globalDim,   globalStrides,
                           elementStrides, interleave, swizzle,       l2Promotion, oobFill};
    check_im2col(tensor, channelsPerPixel, pixelsPerColumn);
    require(pixelBoxLowerCorner != nullptr && pixelBoxUpperCorner != nullptr);
    Contents contents = contents_of(tensor, Form::im2col);
    const unsigned spatial = tensorRank - 2;
    keep_corners({pixelBoxLowerCorner, spatial}, {pixelBoxUpperCorner, spatial}, 16 / spatial, &contents);
    contents.channels = static_cast<uint16_t>(channelsPerPixel);
    contents.pixels = static_cast<uint16_t>(pixelsPerColumn);
    write(contents, tensorMap);
  });
}

SOFTGPU_API cuTensorMapEncodeIm2colWide(CUtensorMap* tensorMap, CUtensorMapDataType tensorDataType,
                                        cuuint32_t tensorRank, void* globalAddress,
                                        const cuuint64_t* globalDim, const cuuint64_t* globalStrides,
                                        int pixelBoxLowerCornerWidth, int pixelBoxUpperCornerWidth,
                                        cuuint32_t channelsPerPixel, cuuint32_t pixelsPerColumn,
                                        const cuuint32_t* elementStrides, CUtensorMapInterleave interleave,
                                        CUtensorMapIm2ColWideMode mode, CUtensorMapSwizzle swizzle,
                                        CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill) {
  return with_map(tensorMap, 10, [&] {
    const Tensor tensor = {tensorDataType, tensorRank, globalAddress, globalDim,   globalStrides,
                           elementStrides, interleave, swizzle,       l2Promotion, oobFill};
    require(mode == CU_TENSOR_MAP_IM2COL_WIDE_MODE_W || mode == CU_TENSOR_MAP_IM2COL_WIDE_MODE_W128);
    require(swizzle == CU_TENSOR_MAP_SWIZZLE_64B || swizzle == CU_TENSOR_MAP_SWIZZLE_128B ||
            swizzle == CU_TENSOR_MAP_SWIZZLE_128B_ATOM_32B);
    if (mode == CU_TENSOR_MAP_IM2COL_WIDE_MODE_W128) pixelsPerColumn = 0;  // ignored
    check_im2col(tensor, channelsPerPixel, pixelsPerColumn);
    Contents contents = contents_of(tensor, Form::im2col_wide);
    keep_corners({&pixelBoxLowerCornerWidth, 1}, {&pixelBoxUpperCornerWidth, 1}, 16, &contents);
    contents.wide_mode = static_cast<uint8_t>(mode);
    contents.channels = static_cast<uint16_t>(channelsPerPixel);
    contents.pixels = static_cast<uint16_t>(pixelsPerColumn);
    write(contents, tensorMap);
  });
}

SOFTGPU_API cuTensorMapReplaceAddress(CUtensorMap* tensorMap, void* globalAddress) {
  return with_map(tensorMap, 9, [&] {
    Contents contents = read(*tensorMap);
    const auto type = static_cast<CUtensorMapDataType>(contents.type);
    const bool wide = contents.interleave == CU_TENSOR_MAP_INTERLEAVE_32B || widely_packed(type);
    contents.address = reinterpret_cast<uint64_t>(globalAddress);
    require(contents.address % (wide ? 32 : 16) == 0);
    write(contents, tensorMap);
  });
}

// Where the class makes no difference, as here, it stays the small one.
SOFTGPU_API cuTensorMapSetAllocationClass(CUtensorMap* tensorMap, CUtensorMapAllocClass allocClass,
                                          CUtensorMapAllocClass* outAllocClass) {
  if (outAllocClass != nullptr) *outAllocClass = CU_TENSOR_MAP_ALLOC_CLASS_SMALL;
  return with_map(tensorMap, 9, [&] {
    require(allocClass >= CU_TENSOR_MAP_ALLOC_CLASS_AUTO && allocClass <= CU_TENSOR_MAP_ALLOC_CLASS_LARGE);
    read(*tensorMap);
  });
}
