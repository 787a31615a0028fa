// SPDX-License-Identifier: BSD-3-Clause
// cuTexObject* and cuSurfObject*. Texture references (cuTexRef*) went out of CUDA with version 12; nothing
// that compilers make today can use them.
#include "array.h"
#include "current.h"
#include "texture_objects.h"

using namespace softgpu::driver;

SOFTGPU_API cuTexObjectCreate(CUtexObject* pTexObject, const CUDA_RESOURCE_DESC* pResDesc,
                              const CUDA_TEXTURE_DESC* pTexDesc,
                              const CUDA_RESOURCE_VIEW_DESC* pResViewDesc) {
  return with_context([&](Context& context) {
    require(pTexObject != nullptr && pResDesc != nullptr && pTexDesc != nullptr);
    *pTexObject = TextureObjects::instance().add(make_texture(context, *pResDesc, *pTexDesc, pResViewDesc));
  });
}

SOFTGPU_API cuTexObjectDestroy(CUtexObject texObject) {
  return with_context([&](Context&) { TextureObjects::instance().remove_texture(texObject); });
}

SOFTGPU_API cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC* pResDesc, CUtexObject texObject) {
  return with_context([&](Context&) {
    require(pResDesc != nullptr);
    *pResDesc = TextureObjects::instance().texture_object(texObject).resource;
  });
}

SOFTGPU_API cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC* pTexDesc, CUtexObject texObject) {
  return with_context([&](Context&) {
    require(pTexDesc != nullptr);
    *pTexDesc = TextureObjects::instance().texture_object(texObject).description;
  });
}

SOFTGPU_API cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC* pResViewDesc, CUtexObject texObject) {
  return with_context([&](Context&) {
    const TextureObject object = TextureObjects::instance().texture_object(texObject);
    require(pResViewDesc != nullptr && object.view.has_value());
    *pResViewDesc = *object.view;
  });
}

SOFTGPU_API cuSurfObjectCreate(CUsurfObject* pSurfObject, const CUDA_RESOURCE_DESC* pResDesc) {
  return with_context([&](Context& context) {
    require(pSurfObject != nullptr && pResDesc != nullptr);
    *pSurfObject = TextureObjects::instance().add(make_surface(context, *pResDesc));
  });
}

SOFTGPU_API cuSurfObjectDestroy(CUsurfObject surfObject) {
  return with_context([&](Context&) { TextureObjects::instance().remove_surface(surfObject); });
}

SOFTGPU_API cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC* pResDesc, CUsurfObject surfObject) {
  return with_context([&](Context&) {
    require(pResDesc != nullptr);
    *pResDesc = TextureObjects::instance().surface_object(surfObject).resource;
  });
}

SOFTGPU_API cuDeviceGetTexture1DLinearMaxWidth(size_t* maxWidthInElements, CUarray_format format,
                                               unsigned numChannels, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(maxWidthInElements != nullptr);
    texel_format(format, numChannels);
    const Device& device = driver.device(dev);
    *maxWidthInElements =
        static_cast<size_t>(device.attribute(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH).value_or(0));
  });
}
