// SPDX-License-Identifier: BSD-3-Clause
// cuArray* and cuMipmappedArray*.
#include "array.h"
#include "current.h"

using namespace softgpu::driver;

namespace {

CUDA_ARRAY3D_DESCRIPTOR widened(const CUDA_ARRAY_DESCRIPTOR& flat) {
  return {flat.Width, flat.Height, 0, flat.Format, flat.NumChannels, 0};
}

CUresult create(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  return with_context([&](Context& context) {
    require(out != nullptr);
    *out = make_array(context, descriptor)->handle();
  });
}

void describe(size_t bytes, CUDA_ARRAY_MEMORY_REQUIREMENTS* out) {
  require(out != nullptr);
  *out = {};
  out->size = (bytes + kArrayAlignment - 1) / kArrayAlignment * kArrayAlignment;
  out->alignment = kArrayAlignment;
}

}  // namespace

SOFTGPU_API cuArrayCreate_v2(CUarray* pHandle, const CUDA_ARRAY_DESCRIPTOR* pAllocateArray) {
  if (!pAllocateArray) return CUDA_ERROR_INVALID_VALUE;
  return create(pHandle, widened(*pAllocateArray));
}

SOFTGPU_API cuArray3DCreate_v2(CUarray* pHandle, const CUDA_ARRAY3D_DESCRIPTOR* pAllocateArray) {
  if (!pAllocateArray) return CUDA_ERROR_INVALID_VALUE;
  return create(pHandle, *pAllocateArray);
}

SOFTGPU_API cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR* pArrayDescriptor, CUarray hArray) {
  return with_context([&](Context&) {
    require(pArrayDescriptor != nullptr);
    const CUDA_ARRAY3D_DESCRIPTOR& whole = registry<Array>().get(hArray)->descriptor;
    *pArrayDescriptor = {whole.Width, whole.Height, whole.Format, whole.NumChannels};
  });
}

SOFTGPU_API cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR* pArrayDescriptor, CUarray hArray) {
  return with_context([&](Context&) {
    require(pArrayDescriptor != nullptr);
    *pArrayDescriptor = registry<Array>().get(hArray)->descriptor;
  });
}

// What still copies or reads it keeps its memory until then.
SOFTGPU_API cuArrayDestroy(CUarray hArray) {
  return with_context([&](Context&) {
    require(!registry<Array>().get(hArray)->of_mipmap, CUDA_ERROR_INVALID_HANDLE);
    registry<Array>().remove(hArray);
  });
}

SOFTGPU_API cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS* memoryRequirements, CUarray array,
                                         CUdevice) {
  return with_driver([&](Driver&) { describe(registry<Array>().get(array)->bytes(), memoryRequirements); });
}

SOFTGPU_API cuArrayGetPlane(CUarray*, CUarray hArray, unsigned int) {
  return with_context([&](Context&) {
    registry<Array>().get(hArray);
    fail(CUDA_ERROR_INVALID_VALUE);  // no format here has planes
  });
}

SOFTGPU_API cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES*, CUarray array) {
  return with_driver([&](Driver&) {
    registry<Array>().get(array);
    fail(CUDA_ERROR_INVALID_VALUE);  // none is sparse
  });
}

SOFTGPU_API cuMipmappedArrayCreate(CUmipmappedArray* pHandle,
                                   const CUDA_ARRAY3D_DESCRIPTOR* pMipmappedArrayDesc,
                                   unsigned int numMipmapLevels) {
  return with_context([&](Context& context) {
    require(pHandle != nullptr && pMipmappedArrayDesc != nullptr);
    auto made = make_mipmapped_array(context, *pMipmappedArrayDesc, numMipmapLevels);
    *pHandle = reinterpret_cast<CUmipmappedArray>(made.get());
  });
}

SOFTGPU_API cuMipmappedArrayGetLevel(CUarray* pLevelArray, CUmipmappedArray hMipmappedArray,
                                     unsigned int level) {
  return with_context([&](Context&) {
    auto array = registry<MipmappedArray>().get(hMipmappedArray);
    require(pLevelArray != nullptr && level < array->levels.size());
    *pLevelArray = array->levels[level]->handle();
  });
}

SOFTGPU_API cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray) {
  return with_context([&](Context&) { retire(*registry<MipmappedArray>().get(hMipmappedArray)); });
}

SOFTGPU_API cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS* memoryRequirements,
                                                  CUmipmappedArray mipmap, CUdevice) {
  return with_driver(
      [&](Driver&) { describe(registry<MipmappedArray>().get(mipmap)->bytes(), memoryRequirements); });
}

SOFTGPU_API cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES*, CUmipmappedArray mipmap) {
  return with_driver([&](Driver&) {
    registry<MipmappedArray>().get(mipmap);
    fail(CUDA_ERROR_INVALID_VALUE);
  });
}
