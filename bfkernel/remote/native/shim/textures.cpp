// SPDX-License-Identifier: BSD-3-Clause
// Textures and surfaces. Their numbers are the driver's, since they travel inside kernel parameters; what
// they were made of is kept here.
#include <map>
#include <mutex>
#include <optional>

#include "shim/api.h"
#include "shim/arrays.h"
#include "shim/contexts.h"
#include "shim/request.h"
#include "wire/array_messages.h"

namespace shim {
namespace {

struct Made {
  uint64_t id = 0;
  ContextObject* context = nullptr;
  CUDA_RESOURCE_DESC resource{};
  CUDA_TEXTURE_DESC texture{};
  std::optional<CUDA_RESOURCE_VIEW_DESC> view;
};

std::mutex mutex;
using Table = std::map<unsigned long long, Made>;  // by the driver's number
Table& textures = *new Table;
Table& surfaces = *new Table;

const bool registered = [] {
  contexts::on_end([](ContextObject* context) {
    const auto ends = [context](const auto& item) { return item.second.context == context; };
    const std::lock_guard lock(mutex);
    std::erase_if(textures, ends);
    std::erase_if(surfaces, ends);
  });
  return true;
}();

Made find(const Table& table, unsigned long long number) {
  const std::lock_guard lock(mutex);
  const auto found = table.find(number);
  require(found != table.end(), CUDA_ERROR_INVALID_VALUE);
  return found->second;
}

Made take(Table& table, unsigned long long number) {
  const Made out = find(table, number);
  const std::lock_guard lock(mutex);
  table.erase(number);
  return out;
}

wire::Resource to_wire(const CUDA_RESOURCE_DESC& from) {
  wire::Resource out;
  out.type = static_cast<uint32_t>(from.resType);
  out.flags = from.flags;
  switch (from.resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      out.array = id_of(from.res.array.hArray);
      return out;
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      out.array = id_of(from.res.mipmap.hMipmappedArray);
      return out;
    case CU_RESOURCE_TYPE_LINEAR:
      out.address = from.res.linear.devPtr;
      out.format = from.res.linear.format;
      out.channels = from.res.linear.numChannels;
      out.width = from.res.linear.sizeInBytes;
      return out;
    case CU_RESOURCE_TYPE_PITCH2D:
      out.address = from.res.pitch2D.devPtr;
      out.format = from.res.pitch2D.format;
      out.channels = from.res.pitch2D.numChannels;
      out.width = from.res.pitch2D.width;
      out.height = from.res.pitch2D.height;
      out.pitch = from.res.pitch2D.pitchInBytes;
      return out;
    default:
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
}

template <class Struct>
wire::Bytes bytes_of(const Struct& from) {
  return {reinterpret_cast<const std::byte*>(&from), sizeof from};
}

// Under the number that the driver gave.
void keep(Table& table, unsigned long long number, Made made) {
  made.context = contexts::home();
  const std::lock_guard lock(mutex);
  table.insert_or_assign(number, std::move(made));
}

template <class Message>
void destroy(Table& table, unsigned long long number) {
  const Made made = take(table, number);
  Request request(Message::opcode, Context::any);
  request.in_context(made.context);
  request.fields(Message{made.id});
  request.post();
}

}  // namespace

namespace api {

CUresult cuTexObjectCreate(CUtexObject* pTexObject, const CUDA_RESOURCE_DESC* pResDesc,
                           const CUDA_TEXTURE_DESC* pTexDesc, const CUDA_RESOURCE_VIEW_DESC* pResViewDesc) {
  require(pTexObject);
  require(pResDesc);
  require(pTexDesc);
  Made made{next_id(), nullptr, *pResDesc, *pTexDesc, std::nullopt};
  if (pResViewDesc) made.view = *pResViewDesc;
  const wire::TextureCreate message{made.id, to_wire(made.resource), bytes_of(made.texture),
                                    made.view ? bytes_of(*made.view) : wire::Bytes{}};
  *pTexObject = call(message, Context::current, Deferred::keep).number;
  keep(textures, *pTexObject, std::move(made));
  return CUDA_SUCCESS;
}

CUresult cuTexObjectDestroy(CUtexObject texObject) {
  destroy<wire::TextureDestroy>(textures, texObject);
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC* pResDesc, CUtexObject texObject) {
  require(pResDesc);
  *pResDesc = find(textures, texObject).resource;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC* pTexDesc, CUtexObject texObject) {
  require(pTexDesc);
  *pTexDesc = find(textures, texObject).texture;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC* pResViewDesc, CUtexObject texObject) {
  require(pResViewDesc);
  const Made made = find(textures, texObject);
  require(made.view.has_value(), CUDA_ERROR_INVALID_VALUE);
  *pResViewDesc = *made.view;
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectCreate(CUsurfObject* pSurfObject, const CUDA_RESOURCE_DESC* pResDesc) {
  require(pSurfObject);
  require(pResDesc);
  require(pResDesc->resType == CU_RESOURCE_TYPE_ARRAY, CUDA_ERROR_INVALID_VALUE);
  Made made{next_id(), nullptr, *pResDesc, {}, std::nullopt};
  *pSurfObject =
      call(wire::SurfaceCreate{made.id, to_wire(made.resource)}, Context::current, Deferred::keep).number;
  keep(surfaces, *pSurfObject, std::move(made));
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectDestroy(CUsurfObject surfObject) {
  destroy<wire::SurfaceDestroy>(surfaces, surfObject);
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC* pResDesc, CUsurfObject surfObject) {
  require(pResDesc);
  *pResDesc = find(surfaces, surfObject).resource;
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
