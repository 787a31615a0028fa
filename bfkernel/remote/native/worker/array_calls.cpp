// SPDX-License-Identifier: BSD-3-Clause
// Arrays, mipmapped arrays, textures and surfaces. The memory behind arrays is the driver's own; the lease is
// charged for it.
#include <cstring>

#include "wire/array_format.h"
#include "wire/array_messages.h"
#include "wire/extent.h"
#include "worker/allocate.h"
#include "worker/calls.h"

namespace worker {
namespace {

CUDA_ARRAY3D_DESCRIPTOR to_driver(const wire::ArrayDescriptor& from) {
  CUDA_ARRAY3D_DESCRIPTOR out{};
  out.Width = from.width;
  out.Height = from.height;
  out.Depth = from.depth;
  out.Format = static_cast<CUarray_format>(from.format);
  out.NumChannels = from.channels;
  out.Flags = from.flags;
  return out;
}

wire::ArrayDescriptor from_driver(const CUDA_ARRAY3D_DESCRIPTOR& from) {
  return {from.Width,       from.Height, from.Depth, static_cast<std::uint32_t>(from.Format),
          from.NumChannels, from.Flags};
}

constexpr wire::Kind kind_of(bool mipmapped) {
  return mipmapped ? wire::Kind::mipmapped_array : wire::Kind::array;
}

// The driver's half of making one, whichever of the two it is.
CUresult make(const DriverTable& driver, const wire::ArrayCreate& message, void** handle) {
  const CUDA_ARRAY3D_DESCRIPTOR descriptor = to_driver(message.descriptor);
  if (message.levels == 0) {
    CUarray array = nullptr;
    const CUresult result = call(driver.cuArray3DCreate_v2, &array, &descriptor);
    *handle = array;
    return result;
  }
  CUmipmappedArray array = nullptr;
  const CUresult result = call(driver.cuMipmappedArrayCreate, &array, &descriptor, message.levels);
  *handle = array;
  return result;
}

CUresult create(Session& session, const wire::ArrayCreate& message, ArrayInfo info) {
  if (!session.ledger().take(info.device, info.charged)) {
    session.memory().release_slack();
    if (!session.ledger().take(info.device, info.charged)) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  void* handle = nullptr;
  const CUresult result = make(session.driver(), message, &handle);
  if (result != CUDA_SUCCESS) {
    session.ledger().give(info.device, info.charged);
    return result;
  }
  session.arrays().add(message.array, info);
  session.adopt(kind_of(message.levels != 0), message.array, handle, 0, info.context);
  return CUDA_SUCCESS;
}

void array_create(Session& session, const wire::FrameHeader& request, const wire::ArrayCreate& message) {
  const Context& context = session.current();
  auto info = array_info(message.descriptor);
  if (!info) throw CudaError{CUDA_ERROR_NOT_SUPPORTED};
  info->device = context.device;
  info->context = context.home;
  info->charged = array_cost(message.descriptor, message.levels);
  if (info->charged > session.ledger().limit(context.device)) throw CudaError{CUDA_ERROR_OUT_OF_MEMORY};
  allocate_by(session, request, context.device,
              [&session, message, info = *info] { return create(session, message, info); });
}

// The driver may wait for work that uses the array, so this happens beside the session's thread.
void array_destroy(Session& session, const wire::FrameHeader& request, const wire::ArrayDestroy& message) {
  const bool mipmapped = message.mipmapped != 0;
  const Handles::Entry entry = session.handles().entry(kind_of(mipmapped), message.array);
  if (entry.handle == nullptr || entry.owner != 0) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
  void* handle = session.drop(kind_of(mipmapped), message.array);
  session.handles().drop_if([id = message.array](std::uint64_t, const Handles::Entry& part) {
    return part.kind == wire::Kind::array && part.owner == id;
  });
  session.aside(request, [&session, id = message.array, mipmapped, handle] {
    const DriverTable& driver = session.driver();
    const CUresult result = mipmapped
                                ? call(driver.cuMipmappedArrayDestroy, static_cast<CUmipmappedArray>(handle))
                                : call(driver.cuArrayDestroy, static_cast<CUarray>(handle));
    session.arrays().remove(id);
    return result;
  });
}

CUresult array_part(Session& session, const wire::ArrayPart& message, wire::ArrayPart::Reply& reply) {
  const DriverTable& driver = session.driver();
  const bool mipmapped = message.mipmapped != 0;
  const Handles::Entry whole = session.handles().entry(kind_of(mipmapped), message.whole);
  if (whole.handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  CUarray part = nullptr;
  CUresult result =
      mipmapped ? call(driver.cuMipmappedArrayGetLevel, &part, static_cast<CUmipmappedArray>(whole.handle),
                       message.index)
                : call(driver.cuArrayGetPlane, &part, static_cast<CUarray>(whole.handle), message.index);
  if (result != CUDA_SUCCESS) return result;
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  result = call(driver.cuArray3DGetDescriptor_v2, &descriptor, part);
  if (result != CUDA_SUCCESS) return result;
  reply.descriptor = from_driver(descriptor);
  auto info = array_info(reply.descriptor);
  if (!info) return CUDA_ERROR_NOT_SUPPORTED;
  info->context = whole.context;
  info->whole = message.whole;
  session.arrays().add(message.part, *info);
  session.adopt(wire::Kind::array, message.part, part, message.whole, whole.context);
  return CUDA_SUCCESS;
}

// ---- textures and surfaces

void* known(void* handle) {
  if (handle == nullptr) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
  return handle;
}

CUDA_RESOURCE_DESC to_driver(Session& session, const wire::Resource& from) {
  CUDA_RESOURCE_DESC out{};
  out.resType = static_cast<CUresourcetype>(from.type);
  out.flags = from.flags;
  const std::uint64_t element = wire::element_bytes(from.format, from.channels);
  const auto format = static_cast<CUarray_format>(from.format);
  switch (from.type) {
    case CU_RESOURCE_TYPE_ARRAY:
      out.res.array.hArray =
          static_cast<CUarray>(known(session.handle<CUarray>(wire::Kind::array, from.array)));
      return out;
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      out.res.mipmap.hMipmappedArray = static_cast<CUmipmappedArray>(
          known(session.handle<CUmipmappedArray>(wire::Kind::mipmapped_array, from.array)));
      return out;
    case CU_RESOURCE_TYPE_LINEAR:
      if (element == 0) throw CudaError{CUDA_ERROR_INVALID_VALUE};
      session.check_device(from.address, from.width);
      out.res.linear = {from.address, format, from.channels, from.width};
      return out;
    case CU_RESOURCE_TYPE_PITCH2D:
      if (element == 0) throw CudaError{CUDA_ERROR_INVALID_VALUE};
      session.check_device(from.address, wire::pitched(from.pitch, element, from.width, from.height));
      out.res.pitch2D = {from.address, format, from.channels, from.width, from.height, from.pitch};
      return out;
    default:
      throw CudaError{CUDA_ERROR_INVALID_VALUE};
  }
}

// One of CUDA's structs that travelled as bytes.
template <class Struct>
Struct from_bytes(wire::Bytes bytes) {
  Struct out;
  if (bytes.size() != sizeof out) throw wire::Malformed("a description has the wrong size");
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

CUresult texture_create(Session& session, const wire::TextureCreate& message, wire::ObjectReply& reply) {
  session.current();
  const CUDA_RESOURCE_DESC resource = to_driver(session, message.resource);
  const auto description = from_bytes<CUDA_TEXTURE_DESC>(message.description);
  CUDA_RESOURCE_VIEW_DESC view{};
  if (!message.view.empty()) view = from_bytes<CUDA_RESOURCE_VIEW_DESC>(message.view);
  CUtexObject object = 0;
  const CUresult result =
      call(session.driver().cuTexObjectCreate, &object, &resource, &description,
           message.view.empty() ? static_cast<const CUDA_RESOURCE_VIEW_DESC*>(nullptr) : &view);
  if (result != CUDA_SUCCESS) return result;
  session.adopt(wire::Kind::texture, message.texture, reinterpret_cast<void*>(object));
  reply.number = object;
  return CUDA_SUCCESS;
}

CUresult texture_destroy(Session& session, const wire::TextureDestroy& message) {
  void* object = session.drop(wire::Kind::texture, message.texture);
  return call(session.driver().cuTexObjectDestroy, reinterpret_cast<CUtexObject>(object));
}

CUresult surface_create(Session& session, const wire::SurfaceCreate& message, wire::ObjectReply& reply) {
  session.current();
  const CUDA_RESOURCE_DESC resource = to_driver(session, message.resource);
  CUsurfObject object = 0;
  const CUresult result = call(session.driver().cuSurfObjectCreate, &object, &resource);
  if (result != CUDA_SUCCESS) return result;
  session.adopt(wire::Kind::surface, message.surface, reinterpret_cast<void*>(object));
  reply.number = object;
  return CUDA_SUCCESS;
}

CUresult surface_destroy(Session& session, const wire::SurfaceDestroy& message) {
  void* object = session.drop(wire::Kind::surface, message.surface);
  return call(session.driver().cuSurfObjectDestroy, reinterpret_cast<CUsurfObject>(object));
}

}  // namespace

void add_array_calls(CallTable& table) {
  table.serve<&array_create>(wire::Opcode::ArrayCreate);
  table.serve<&array_destroy>(wire::Opcode::ArrayDestroy);
  table.serve<&array_part>(wire::Opcode::ArrayPart);
  table.serve<&texture_create>(wire::Opcode::TextureCreate);
  table.serve<&texture_destroy>(wire::Opcode::TextureDestroy);
  table.serve<&surface_create>(wire::Opcode::SurfaceCreate);
  table.serve<&surface_destroy>(wire::Opcode::SurfaceDestroy);
}

}  // namespace worker
