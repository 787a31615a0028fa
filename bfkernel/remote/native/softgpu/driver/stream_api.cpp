// SPDX-License-Identifier: BSD-3-Clause
// Making, asking and waiting for streams.
#include "capture.h"
#include "current.h"

using namespace softgpu::driver;

namespace {

template <typename Body>
CUresult with_stream(CUstream handle, Body&& body) {
  return with_context([&](Context& context) { return body(*resolve_stream(context, handle)); });
}

bool is_stream_attribute(CUstreamAttrID attribute) {
  return attribute == CU_STREAM_ATTRIBUTE_ACCESS_POLICY_WINDOW ||
         attribute == CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY ||
         attribute == CU_STREAM_ATTRIBUTE_PRIORITY || attribute == CU_STREAM_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP ||
         attribute == CU_STREAM_ATTRIBUTE_MEM_SYNC_DOMAIN;
}

CUstreamAttrValue initial_attribute(const Stream& stream, CUstreamAttrID attribute) {
  CUstreamAttrValue value = {};
  if (attribute == CU_STREAM_ATTRIBUTE_PRIORITY) value.priority = stream.priority;
  if (attribute == CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY) value.syncPolicy = CU_SYNC_POLICY_AUTO;
  return value;
}

}  // namespace

SOFTGPU_API cuStreamCreateWithPriority(CUstream* phStream, unsigned int flags, int priority) {
  return with_context([&](Context& context) {
    require(phStream != nullptr && (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) == 0);
    std::shared_ptr<Stream> stream = context.add_stream(flags, clamp_priority(priority));
    stream->green = current_green();
    *phStream = registry<Stream>().add<CUstream>(std::move(stream));
  });
}

SOFTGPU_API cuStreamCreate(CUstream* phStream, unsigned int Flags) {
  return cuStreamCreateWithPriority(phStream, Flags, 0);
}

// Work already submitted goes on to its end.
SOFTGPU_API cuStreamDestroy_v2(CUstream hStream) {
  return with_driver([&](Driver&) {
    std::shared_ptr<Stream> stream = registry<Stream>().remove(hStream);
    require(stream != nullptr, CUDA_ERROR_INVALID_HANDLE);
    abandon_capture(*stream);
    if (auto context = stream->context.lock()) context->forget_stream(stream);
  });
}

SOFTGPU_API cuStreamSynchronize(CUstream hStream) {
  return with_stream(hStream, [](Stream& stream) { return synchronize(stream); });
}

SOFTGPU_API cuStreamQuery(CUstream hStream) {
  return with_stream(hStream, [](Stream& stream) {
    std::shared_ptr<Context> context = owner(stream);
    not_in_capture_of(*context, stream);
    not_in_unsafe_capture();
    std::vector<Ticket> pending;
    if (Ticket ticket = Scheduler::instance().outstanding(stream.queue); ticket.queue)
      pending.push_back(ticket);
    if (&stream == context->legacy_stream().get()) context->order(stream, &pending);
    return pending.empty() ? context->fault() : CUDA_ERROR_NOT_READY;
  });
}

SOFTGPU_API cuStreamGetPriority(CUstream hStream, int* priority) {
  return with_stream(hStream, [&](Stream& stream) {
    require(priority != nullptr);
    *priority = stream.priority;
  });
}

SOFTGPU_API cuStreamGetFlags(CUstream hStream, unsigned int* flags) {
  return with_stream(hStream, [&](Stream& stream) {
    require(flags != nullptr);
    *flags = stream.flags;
  });
}

SOFTGPU_API cuStreamGetId(CUstream hStream, unsigned long long* streamId) {
  return with_stream(hStream, [&](Stream& stream) {
    require(streamId != nullptr);
    *streamId = stream.id;
  });
}

SOFTGPU_API cuStreamGetDevice(CUstream hStream, CUdevice* device) {
  return with_stream(hStream, [&](Stream& stream) {
    require(device != nullptr);
    *device = owner(stream)->device.ordinal;
  });
}

SOFTGPU_API cuStreamGetCtx(CUstream hStream, CUcontext* pctx) {
  return with_stream(hStream, [&](Stream& stream) {
    require(pctx != nullptr);
    *pctx = Current{owner(stream), green_behind(stream)}.handle();
  });
}

SOFTGPU_API cuStreamCopyAttributes(CUstream dst, CUstream src) {
  return with_context([&](Context& context) {
    std::shared_ptr<Stream> to = resolve_stream(context, dst);
    std::shared_ptr<Stream> from = resolve_stream(context, src);
    if (to == from) return;
    std::scoped_lock lock(to->attributes_mutex, from->attributes_mutex);
    to->attributes = from->attributes;
  });
}

SOFTGPU_API cuStreamGetAttribute(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue* value_out) {
  return with_stream(hStream, [&](Stream& stream) {
    require(value_out != nullptr && is_stream_attribute(attr));
    std::lock_guard lock(stream.attributes_mutex);
    auto found = stream.attributes.find(attr);
    *value_out = found == stream.attributes.end() ? initial_attribute(stream, attr) : found->second;
  });
}

// Attributes tune scheduling and caches that are not there; they are remembered for whoever asks.
SOFTGPU_API cuStreamSetAttribute(CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue* value) {
  return with_stream(hStream, [&](Stream& stream) {
    require(value != nullptr && is_stream_attribute(attr));
    std::lock_guard lock(stream.attributes_mutex);
    stream.attributes[attr] = *value;
  });
}
