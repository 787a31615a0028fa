// SPDX-License-Identifier: BSD-3-Clause
// Attributes of streams, batches of operations on memory, and how many clusters fit.
#include <cstring>

#include "wire/extent.h"
#include "wire/launch_attributes.h"
#include "wire/stream_messages.h"
#include "worker/calls.h"
#include "worker/launch_attributes.h"
#include "worker/memory_operations.h"

namespace worker {

void check_memory_operation(Session& session, const CUstreamBatchMemOpParams& operation) {
  switch (operation.operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
      return session.check_device(operation.waitValue.address, 4);
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      return session.check_device(operation.waitValue.address, 8);
    case CU_STREAM_MEM_OP_BARRIER:
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
      return;
    case CU_STREAM_MEM_OP_ATOMIC_REDUCTION:
      return session.check_device(operation.atomicReduction.address, 8);
    default:
      throw CudaError{CUDA_ERROR_INVALID_VALUE};
  }
}

namespace {

CUresult set_attribute(Session& session, const wire::StreamSetAttribute& message) {
  const auto stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  const CUlaunchAttribute attribute = attribute_from_wire(session, message.attribute);
  return call(session.driver().cuStreamSetAttribute, stream, attribute.id, &attribute.value);
}

CUresult get_attribute(Session& session, const wire::StreamGetAttribute& message,
                       wire::StreamGetAttribute::Reply& reply) {
  const auto stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  // What a stream has must not tell the client addresses of this process.
  const wire::AttributeValue holds = wire::attribute_value(message.id);
  if (holds != wire::AttributeValue::numbers && holds != wire::AttributeValue::window)
    return CUDA_ERROR_INVALID_VALUE;
  CUlaunchAttributeValue value{};
  const CUresult result =
      call(session.driver().cuStreamGetAttribute, stream, static_cast<CUstreamAttrID>(message.id), &value);
  reply.attribute.id = message.id;
  std::memcpy(reply.attribute.value.data(), &value, sizeof value);
  return result;
}

// Decoded as the generated calls are; written by hand since each operation names memory.
void batch_mem_op(Session& session, const wire::FrameHeader& request) {
  wire::Decoder in(session.connection().rest());
  const auto stream = session.handle<CUstream>(wire::Kind::stream, in.take<std::uint64_t>());
  const auto count = in.take<unsigned>();
  const auto flags = in.take<unsigned>();
  wire::Elements<CUstreamBatchMemOpParams> operations(
      in.raw(wire::rows(sizeof(CUstreamBatchMemOpParams), count)));
  in.end();
  if (count > kMostMemoryOperations) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  for (unsigned i = 0; i < count; ++i) check_memory_operation(session, operations.data()[i]);
  session.answer(request,
                 call(session.driver().cuStreamBatchMemOp_v2, stream, count, operations.data(), flags));
}

CUresult cluster_occupancy(Session& session, const wire::ClusterOccupancy& message,
                           wire::ClusterOccupancy::Reply& reply) {
  const auto function = session.handle<CUfunction>(wire::Kind::function, message.function);
  if (function == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  LaunchConfig launch(session, message.attributes);
  launch.set_shape(message.grid, message.block);
  launch.config.sharedMemBytes = message.shared_bytes;
  launch.config.hStream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  const DriverTable& driver = session.driver();
  switch (message.question) {
    case wire::ClusterOccupancy::Question::largest_cluster:
      return call(driver.cuOccupancyMaxPotentialClusterSize, &reply.value, function, &launch.config);
    case wire::ClusterOccupancy::Question::active_clusters:
      return call(driver.cuOccupancyMaxActiveClusters, &reply.value, function, &launch.config);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace

void add_stream_calls(CallTable& table) {
  table.serve<&set_attribute>(wire::Opcode::StreamSetAttribute);
  table.serve<&get_attribute>(wire::Opcode::StreamGetAttribute);
  table.serve<&cluster_occupancy>(wire::Opcode::ClusterOccupancy);
  table.set(wire::Opcode::cuStreamBatchMemOp_v2, &batch_mem_op);
}

}  // namespace worker
