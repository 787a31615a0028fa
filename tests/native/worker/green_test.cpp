// SPDX-License-Identifier: BSD-3-Clause
// What a client may not do with parts of a device and green contexts. The driver behind this worker is the
// emulated one, which crashes nobody: what counts is that it is never given what the client made up.
#include "client.h"
#include "wire/device_messages.h"
#include "wire/green_messages.h"
#include "wire/memory_messages.h"

namespace {

using test::Client;
using test::LedgerFile;

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kDescription = 7000, kGreen = 7001, kStream = 7002, kEvent = 7003, kOther = 7004;
constexpr std::uint32_t kSm = CU_DEV_RESOURCE_TYPE_SM;
using Whose = wire::ResourceOf::Whose;

struct One {
  One() : ledger({64 * MiB}), client(ledger, 0, {64 * MiB}) { client.start(); }
  wire::DeviceResource resource(Whose whose, std::uint64_t id) {
    return client.call(wire::ResourceOf{whose, id, kSm}).as<wire::ResourceOf::Reply>().resource;
  }
  template <class M>
  std::uint32_t result(const M& message) {
    return client.call(message).header.result;
  }
  // A green context of one multiprocessor.
  wire::DeviceResource make_green() {
    const wire::ResourceSplitByCount split{resource(Whose::device, 0), 1, 0, 1, 1, 1};
    const auto parts = client.call(split).as<wire::ResourceSplitByCount::Reply>();
    CHECK_EQUAL(parts.made.size(), 1u);
    CHECK_EQUAL(result(wire::ResourceDescribe{kDescription, parts.made}), 0u);
    CHECK_EQUAL(result(wire::GreenContextCreate{kGreen, kDescription, 0, 1}), 0u);
    return parts.made[0];
  }
  // The error that a posted call left behind.
  std::uint64_t complaint(wire::Opcode opcode, std::vector<std::uint64_t> words) {
    client.post_words(opcode, std::move(words));
    return client.call(wire::MemInfo{}).header.context;
  }
  LedgerFile ledger;
  Client client;
};

TEST(a_part_is_what_the_driver_said_whatever_the_client_writes_into_it) {
  One one;
  wire::DeviceResource part = one.make_green();
  CHECK_EQUAL(part.shown[0], 1u);
  part.shown[0] = 1000;
  CHECK_EQUAL(one.result(wire::ResourceDescribe{kOther, {part}}), 0u);
  CHECK_EQUAL(one.result(wire::GreenContextCreate{kOther, kOther, 0, 1}), 0u);
  CHECK_EQUAL(one.resource(Whose::green_context, kOther).shown[0], 1u);
  // The same part is the same to whoever asks again: asking does not fill the worker's memory.
  CHECK_EQUAL(one.resource(Whose::device, 0).id, one.resource(Whose::context, one.client.context).id);
}

TEST(made_up_parts_and_names_are_errors) {
  One one;
  one.make_green();
  for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{99}, UINT64_MAX}) {
    const wire::DeviceResource forged{id, kSm, {1, 1, 1}};
    CHECK_EQUAL(one.result(wire::ResourceDescribe{kOther, {forged}}), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQUAL(one.result(wire::ResourceSplitByCount{forged, 1, 0, 1, 1, 1}), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQUAL(one.result(wire::ResourceSplit{forged, 0, 1, 1, {{1}}}), CUDA_ERROR_INVALID_VALUE);
  }
  CHECK_EQUAL(one.result(wire::ResourceDescribe{kOther, {}}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.result(wire::ResourceOf{Whose::device, 7, kSm}), CUDA_ERROR_INVALID_DEVICE);
  CHECK_EQUAL(one.result(wire::ResourceOf{Whose::context, kOther, kSm}), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_EQUAL(one.result(wire::ResourceOf{Whose::stream, kOther, kSm}), CUDA_ERROR_INVALID_HANDLE);
  CHECK_EQUAL(one.result(wire::ResourceOf{static_cast<Whose>(9), 0, kSm}), CUDA_ERROR_INVALID_VALUE);
  // A context is no green context, and a stream no description.
  CHECK_EQUAL(one.result(wire::ResourceOf{Whose::green_context, one.client.context, kSm}),
              CUDA_ERROR_INVALID_CONTEXT);
  CHECK_EQUAL(one.result(wire::GreenContextDestroy{one.client.context}), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_EQUAL(one.result(wire::ContextDestroy{kGreen}), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_EQUAL(one.result(wire::GreenContextCreate{kOther, kStream, 0, 1}), CUDA_ERROR_INVALID_HANDLE);
  CHECK_EQUAL(one.result(wire::GreenContextCreate{kOther, 0, 0, 1}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.complaint(wire::Opcode::cuGreenCtxRecordEvent, {one.client.context, kEvent}),
              CUDA_ERROR_INVALID_CONTEXT);
}

TEST(groups_without_end_take_no_memory) {
  One one;
  const wire::DeviceResource whole = one.resource(Whose::device, 0);
  const auto parts = one.client.call(wire::ResourceSplitByCount{whole, UINT32_MAX, 0, 1, 1, 0})
                         .as<wire::ResourceSplitByCount::Reply>();
  CHECK_EQUAL(parts.groups, whole.shown[0]);
  const std::vector<wire::ResourceSplit::Group> groups(wire::kMostResourceGroups + 1);
  CHECK_EQUAL(one.result(wire::ResourceSplit{whole, 0, 0, 0, groups}), CUDA_ERROR_INVALID_VALUE);
}

// Memory that was taken with a green context current is the primary one's, and so are its streams.
TEST(a_green_context_ends_alone_or_with_its_primary_context) {
  One one;
  one.make_green();
  one.client.context = kGreen;
  const std::uint64_t memory = one.client.allocate(MiB);
  one.client.send(wire::Opcode::cuStreamCreate, false,
                  [](wire::Encoder& out) { out(kStream, std::uint32_t{CU_STREAM_NON_BLOCKING}); });
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamQuery, {kStream}).header.result, 0u);
  CHECK_EQUAL(one.result(wire::GreenContextDestroy{kGreen}), 0u);
  one.client.context = Client::kContext;
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamQuery, {kStream}).header.result,
              CUDA_ERROR_STREAM_DETACHED);
  CHECK_EQUAL(one.complaint(wire::Opcode::cuStreamDestroy_v2, {kStream}), 0u);
  CHECK_EQUAL(one.client.call(wire::CopyToHost{memory, 64, 0, 1}).header.result, 0u);
  CHECK_EQUAL(one.result(wire::GreenContextDestroy{kGreen}), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_EQUAL(one.result(wire::GreenContextCreate{kGreen, kDescription, 0, 1}), 0u);
  CHECK_EQUAL(one.result(wire::PrimaryReset{0}), 0u);
  CHECK_EQUAL(one.result(wire::ResourceOf{Whose::green_context, kGreen, kSm}), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_EQUAL(one.result(wire::GreenContextCreate{kOther, kDescription, 0, 1}), CUDA_ERROR_INVALID_CONTEXT);
  one.client.context = 0;
  CHECK_EQUAL(one.result(wire::PrimaryRetain{Client::kContext, 0, 0}), 0u);
  one.client.context = Client::kContext;
  CHECK_EQUAL(one.client.info().free_bytes, 64 * MiB);
}

TEST(an_id_that_is_taken_ends_the_worker) {
  One one;
  one.make_green();
  one.client.ask(wire::GreenContextCreate{kGreen, kDescription, 0, 1});
  CHECK_EQUAL(one.client.wait_for_end(), 1);
}

}  // namespace

TEST_MAIN
