// SPDX-License-Identifier: BSD-3-Clause
// What a client may not do with arrays, textures, attributes and operations on memory; and what answers tell.
#include <cstring>

#include "client.h"
#include "wire/array_messages.h"
#include "wire/device_messages.h"
#include "wire/memory_messages.h"
#include "wire/stream_messages.h"

namespace {

using test::Client;
using test::LedgerFile;

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kArray = 7000, kOther = 7001, kTexture = 7100;
constexpr std::uint64_t kModule = 6000, kStream = 7200, kSecondContext = 5001;

struct One {
  One() : ledger({64 * MiB}), client(ledger, 0, {64 * MiB}) { client.start(); }
  std::uint32_t make(std::uint64_t id, std::uint64_t width, std::uint64_t height, std::uint64_t depth,
                     std::uint32_t format = CU_AD_FORMAT_FLOAT) {
    return client.call(wire::ArrayCreate{id, {width, height, depth, format, 4, 0}, 0}).header.result;
  }
  // The error that a posted message left behind.
  template <class M>
  std::uint64_t complaint(const M& message) {
    client.post(message);
    return client.call(wire::MemInfo{}).header.context;
  }
  LedgerFile ledger;
  Client client;
};

TEST(arrays_count_in_the_lease) {
  One one;
  const auto before = one.client.info().free_bytes;
  CHECK_EQUAL(one.make(kArray, 1024, 1024, 0), 0u);
  CHECK_EQUAL(before - one.client.info().free_bytes, 16 * MiB);
  CHECK_EQUAL(one.make(kOther, 1024, 1024, 4), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(one.make(kOther, 1 << 20, 1 << 20, 1 << 20), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(one.make(kOther, std::uint64_t{1} << 62, 1, 1), CUDA_ERROR_NOT_SUPPORTED);
  CHECK_EQUAL(one.make(kOther, 16, 16, 0, CU_AD_FORMAT_NV12), CUDA_ERROR_NOT_SUPPORTED);
  one.client.post(wire::ArrayDestroy{kArray, 0});
  // It goes beside the session's thread.
  for (int i = 0; i < 500 && one.client.info().free_bytes != before; ++i) usleep(10000);
  CHECK_EQUAL(one.client.info().free_bytes, before);
  CHECK_EQUAL(one.make(kArray, 1024, 1024, 0), 0u);
  // What belongs to a context ends with it.
  one.client.post(wire::PrimaryRelease{0});
  one.client.context = 0;
  one.client.call(wire::PrimaryRetain{Client::kContext + 1, 0, 0});
  one.client.context = Client::kContext + 1;
  CHECK_EQUAL(one.client.info().free_bytes, before);
}

TEST(copies_stay_inside_their_arrays) {
  One one;
  const std::uint64_t memory = one.client.allocate(MiB);
  CHECK_EQUAL(one.make(kArray, 16, 8, 2), 0u);
  wire::Copy3D copy;
  copy.width_bytes = 256, copy.height = 8, copy.depth = 2;
  copy.source = {memory, 256, 2048};
  copy.destination_array = {kArray, 0, 0, 0};
  CHECK_EQUAL(one.complaint(copy), 0u);
  const wire::ArrayPlace outside[] = {{kArray, 1, 0, 0},
                                      {kArray, 0, 1, 0},
                                      {kArray, 0, 0, 1},
                                      {kArray, UINT64_MAX, 0, 0},
                                      {kArray, 0, UINT64_MAX - 1, 0}};
  for (const wire::ArrayPlace& place : outside) {
    copy.destination_array = place;
    CHECK_EQUAL(one.complaint(copy), CUDA_ERROR_INVALID_VALUE);
  }
  copy.destination_array = {kOther, 0, 0, 0};
  CHECK_EQUAL(one.complaint(copy), CUDA_ERROR_INVALID_HANDLE);
  copy.destination_array = {Client::kContext, 0, 0, 0};
  CHECK_EQUAL(one.complaint(copy), CUDA_ERROR_INVALID_HANDLE);
  copy.destination_array = {kArray, 0, 0, 0};
  copy.source.address = one.client.base + 512 * MiB;
  CHECK_EQUAL(one.complaint(copy), CUDA_ERROR_INVALID_VALUE);
}

TEST(handles_of_arrays_are_checked) {
  One one;
  CHECK_EQUAL(one.make(kArray, 16, 8, 0), 0u);
  CHECK_EQUAL(one.complaint(wire::ArrayDestroy{kArray, 1}), CUDA_ERROR_INVALID_HANDLE);
  CHECK_EQUAL(one.client.call(wire::ArrayPart{kArray, 1, 0, kOther}).header.result,
              CUDA_ERROR_INVALID_HANDLE);
  CHECK_EQUAL(one.complaint(wire::ArrayDestroy{kArray, 0}), 0u);
  CHECK_EQUAL(one.complaint(wire::ArrayDestroy{kArray, 0}), CUDA_ERROR_INVALID_HANDLE);
}

TEST(textures_see_only_the_client_s_memory) {
  One one;
  const std::uint64_t memory = one.client.allocate(MiB);
  const CUDA_TEXTURE_DESC description{};
  wire::TextureCreate create;
  create.texture = kTexture;
  create.description = std::as_bytes(std::span(&description, 1));
  wire::Resource& resource = create.resource;
  resource = {CU_RESOURCE_TYPE_LINEAR, 0, memory, CU_AD_FORMAT_FLOAT, 1, MiB, 0, 0, 0};
  const auto result = [&] { return one.client.call(create).header.result; };
  CHECK_EQUAL(result(), 0u);
  create.texture = kTexture + 1;
  resource.width = MiB + 4;
  CHECK_EQUAL(result(), CUDA_ERROR_INVALID_VALUE);
  resource = {CU_RESOURCE_TYPE_PITCH2D, 0, memory, CU_AD_FORMAT_FLOAT, 1, 256, 1025, 1024, 0};
  CHECK_EQUAL(result(), CUDA_ERROR_INVALID_VALUE);
  resource = {CU_RESOURCE_TYPE_PITCH2D, 0, memory, CU_AD_FORMAT_NV12, 1, 256, 1, 1024, 0};
  CHECK_EQUAL(result(), CUDA_ERROR_INVALID_VALUE);
  resource = {.type = CU_RESOURCE_TYPE_ARRAY, .array = kOther};
  CHECK_EQUAL(result(), CUDA_ERROR_INVALID_HANDLE);
  resource = {.type = CU_RESOURCE_TYPE_ARRAY, .array = 0};
  CHECK_EQUAL(result(), CUDA_ERROR_INVALID_HANDLE);
  resource = {.type = 99};
  CHECK_EQUAL(result(), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.complaint(wire::TextureDestroy{kTexture}), 0u);
  CHECK_EQUAL(one.complaint(wire::TextureDestroy{kTexture}), CUDA_ERROR_INVALID_HANDLE);
  resource = {CU_RESOURCE_TYPE_LINEAR, 0, memory, CU_AD_FORMAT_FLOAT, 1, MiB, 0, 0, 0};
  create.description = create.description.first(8);
  one.client.ask(create);
  CHECK_EQUAL(one.client.wait_for_end(), 1);
}

TEST(operations_on_memory_name_the_client_s) {
  One one;
  const std::uint64_t memory = one.client.allocate(MiB);
  const auto complaint = [&](CUstreamBatchMemOpParams operation, std::uint32_t count) {
    one.client.send(wire::Opcode::cuStreamBatchMemOp_v2, false, [&](wire::Encoder& out) {
      out(std::uint64_t{0}, count, std::uint32_t{0});
      for (std::uint32_t i = 0; i < count; ++i) out.raw(&operation, sizeof operation);
    });
    return one.client.call(wire::MemInfo{}).header.context;
  };
  CUstreamBatchMemOpParams operation{};
  operation.writeValue = {CU_STREAM_MEM_OP_WRITE_VALUE_32, memory + MiB - 4, {1}, 0, 0};
  CHECK_EQUAL(complaint(operation, 1), 0u);
  operation.operation = CU_STREAM_MEM_OP_WRITE_VALUE_64;
  CHECK_EQUAL(complaint(operation, 1), CUDA_ERROR_INVALID_VALUE);
  operation.operation = static_cast<CUstreamBatchMemOpType>(99);
  CHECK_EQUAL(complaint(operation, 1), CUDA_ERROR_INVALID_VALUE);
  operation.operation = CU_STREAM_MEM_OP_BARRIER;
  CHECK_EQUAL(complaint(operation, 256), 0u);
  CHECK_EQUAL(complaint(operation, 257), CUDA_ERROR_INVALID_VALUE);
}

TEST(attributes_hold_no_pointers) {
  One one;
  const std::uint64_t memory = one.client.allocate(MiB);
  const auto result = [&](std::uint32_t id, const CUlaunchAttributeValue& value) {
    wire::StreamSetAttribute message;
    message.attribute.id = id;
    std::memcpy(message.attribute.value.data(), &value, sizeof value);
    return one.client.call(message).header.result;
  };
  CUlaunchAttributeValue value{};
  CHECK_EQUAL(result(CU_LAUNCH_ATTRIBUTE_PRIORITY, value), 0u);
  CHECK_EQUAL(result(CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE, value), CUDA_ERROR_NOT_SUPPORTED);
  CHECK_EQUAL(result(1000, value), CUDA_ERROR_NOT_SUPPORTED);
  value.accessPolicyWindow.base_ptr = reinterpret_cast<void*>(memory);
  value.accessPolicyWindow.num_bytes = MiB;
  CHECK_EQUAL(result(CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW, value), 0u);
  value.accessPolicyWindow.num_bytes = 2 * MiB;
  CHECK_EQUAL(result(CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW, value), CUDA_ERROR_INVALID_VALUE);
  value.launchCompletionEvent.event = reinterpret_cast<CUevent>(kOther);
  CHECK_EQUAL(result(CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT, value), CUDA_ERROR_INVALID_HANDLE);
}

}  // namespace

// Of a question with an answer: does the answer say that the GPUs are idle?
bool idle(Client& client, std::uint16_t flags = wire::kFlagWaiting | wire::kFlagIdle) {
  client.send_flagged(wire::Opcode::MemInfo, flags, [](wire::Encoder&) {});
  const test::Reply reply = client.receive();
  CHECK_EQUAL(reply.header.result, 0u);
  return (reply.header.flags & wire::kFlagIdle) != 0;
}

TEST(an_answer_says_on_request_that_all_is_done) {
  LedgerFile ledger({64 * MiB});
  Client client(ledger, 0, {64 * MiB});
  client.start();
  CHECK(idle(client));
  CHECK(!idle(client, wire::kFlagWaiting));
  client.load(kModule, "kernels");
  client.send(wire::Opcode::cuStreamCreate, false, [](wire::Encoder& out) { out(kStream, 1u); });
  client.launch(wire::entry_id(kModule, 0), kStream, 1'000'000);
  CHECK(!idle(client));
  // A context in which nothing runs does not make up for another.
  CHECK_EQUAL(client.call(wire::ContextCreate{kSecondContext, 0, 0}).header.result, 0u);
  client.context = kSecondContext;
  CHECK(!idle(client));
  client.context = Client::kContext;
  client.send_flagged(wire::Opcode::cuStreamSynchronize, wire::kFlagWaiting | wire::kFlagIdle,
                      [](wire::Encoder& out) { out(kStream); });
  CHECK_EQUAL(client.receive().header.flags, wire::kFlagIdle);
}

TEST(work_of_a_stream_that_is_gone_is_not_done) {
  LedgerFile ledger({64 * MiB});
  Client client(ledger, 0, {64 * MiB});
  client.start();
  client.load(kModule, "kernels");
  client.send(wire::Opcode::cuStreamCreate, false, [](wire::Encoder& out) { out(kStream, 1u); });
  client.launch(wire::entry_id(kModule, 0), kStream, 1'000'000);
  client.post_words(wire::Opcode::cuStreamDestroy_v2, {kStream});
  CHECK(!idle(client));
  for (int i = 0; i < 500 && !idle(client); ++i) usleep(10000);
  CHECK(idle(client));
}

TEST_MAIN
