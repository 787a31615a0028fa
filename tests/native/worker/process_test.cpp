// SPDX-License-Identifier: BSD-3-Clause
// The worker as a process: what a client, well-behaved or not, sees of it.
#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

#include "client.h"
#include "noise.h"
#include "wire/code_messages.h"
#include "wire/device_messages.h"
#include "wire/memory_messages.h"

namespace {

using test::Client;
using test::LedgerFile;
using test::noise;
using namespace std::chrono_literals;

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kModule = 6000;
constexpr std::uint64_t kSleep = wire::entry_id(kModule, 0), kPrint = wire::entry_id(kModule, 1),
                        kFault = wire::entry_id(kModule, 2);

// One worker on a lease of one GPU.
struct One {
  explicit One(std::uint64_t limit = 64 * MiB) : ledger({limit}), client(ledger, 0, {limit}) {}
  LedgerFile ledger;
  Client client;
};

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

TEST(greets_and_says_what_the_devices_are) {
  One one;
  one.client.greet();
  CHECK_EQUAL(one.client.size, 64ull << 30);
  CHECK_EQUAL(one.client.base % (2 * MiB), 0u);
  const auto snapshot = one.client.call(wire::DeviceSnapshot{}).as<wire::DeviceSnapshot::Reply>();
  CHECK_EQUAL(snapshot.driver_version, 13000);
  CHECK_EQUAL(snapshot.devices.size(), 1u);
  CHECK_EQUAL(snapshot.devices[0].total_bytes, 64 * MiB);
  CHECK(snapshot.devices[0].name == "Null GPU");
  CHECK_EQUAL(snapshot.devices[0].attributes.at(CU_DEVICE_ATTRIBUTE_WARP_SIZE),
              CU_DEVICE_ATTRIBUTE_WARP_SIZE);
}

TEST(offers_other_windows_and_gives_up_after_eight) {
  One one;
  std::vector<std::uint64_t> bases;
  for (int i = 0; i < 8; ++i) {
    const auto offer = one.client.hear();
    bases.push_back(wire::parse_hex(offer["window_base"].text()));
    one.client.say("taken");
  }
  std::sort(bases.begin(), bases.end());
  CHECK(std::unique(bases.begin(), bases.end()) == bases.end());
  CHECK_EQUAL(one.client.wait_for_end(), 1);
  CHECK(one.client.log().find("windows") != std::string::npos);
}

TEST(a_driver_that_fails_is_told_to_the_client) {
  setenv("NULLDRIVER_FAIL", "1", 1);
  One one;
  unsetenv("NULLDRIVER_FAIL");
  const auto greeting = one.client.hear();
  CHECK(!greeting["ok"].truth(true));
  CHECK(greeting["message"].text().find("cuInit") != std::string::npos);
  CHECK_EQUAL(one.client.wait_for_end(), 1);
}

TEST(copies_come_back_as_they_went) {
  One one;
  one.client.start();
  for (const std::size_t size : {1ul, 4096ul, 100'000ul, 5'000'001ul, 16ul << 20}) {
    const std::uint64_t at = one.client.allocate(size);
    CHECK(at >= one.client.base && at + size <= one.client.base + one.client.size / 2);
    const auto bytes = noise(size);
    wire::CopyToDevice up;
    up.destination = at;
    up.bytes = bytes;
    one.client.post(up);
    const test::Reply down = one.client.call(wire::CopyToHost{at, size, 0, 1});
    CHECK_EQUAL(down.header.result, 0u);
    CHECK_EQUAL(down.header.context, 0u);
    CHECK(down.payload == bytes);
    one.client.post(wire::MemFree{at});
  }
}

TEST(copies_in_two_and_three_dimensions) {
  One one;
  one.client.start();
  const std::uint64_t at = one.client.allocate(MiB);
  const auto bytes = noise(10 * 7 * 3);
  wire::Copy3D copy;
  copy.direction = wire::Direction::to_device;
  copy.width_bytes = 10, copy.height = 7, copy.depth = 3;
  copy.destination = {at + 100, 64, 64 * 9};
  copy.bytes = bytes;
  one.client.post(copy);
  copy.direction = wire::Direction::on_device;
  copy.source = copy.destination;
  copy.destination = {at + 5000, 32, 32 * 7};
  copy.bytes = {};
  one.client.post(copy);
  copy.direction = wire::Direction::to_host;
  copy.source = copy.destination;
  const test::Reply down = one.client.call(copy);
  CHECK_EQUAL(down.header.context, 0u);
  CHECK(down.payload == bytes);
  copy.source.slice_pitch = MiB;
  CHECK_EQUAL(one.client.call(copy).header.result, CUDA_ERROR_INVALID_VALUE);
  copy.source = {at, 0, 0};  // rows upon rows
  copy.height = 1ull << 40, copy.width_bytes = 1, copy.depth = 1;
  CHECK_EQUAL(one.client.call(copy).header.result, CUDA_ERROR_INVALID_VALUE);
  copy.depth = UINT64_MAX;
  one.client.ask(copy);  // a size that overflows is no call at all
  CHECK_EQUAL(one.client.wait_for_end(), 1);
}

TEST(memory_that_is_not_the_clients_is_refused) {
  One one;
  one.client.start();
  const std::uint64_t at = one.client.allocate(1000);
  for (const std::uint64_t bad : {std::uint64_t{0}, std::uint64_t{0x1000}, at - 1, at + 1000,
                                  one.client.base + 60 * MiB, UINT64_MAX - 3}) {
    CHECK_EQUAL(one.client.call(wire::CopyToHost{bad, 100, 0, 1}).header.result, CUDA_ERROR_INVALID_VALUE);
    const auto bytes = noise(100);
    wire::CopyToDevice up;
    up.destination = bad;
    up.bytes = bytes;
    one.client.post(up);
    one.client.post_words(wire::Opcode::cuMemcpyDtoD_v2, {at, bad, 100});
    // Posted calls' errors come with the next reply, once.
    CHECK_EQUAL(one.client.call(wire::MemInfo{}).header.context, CUDA_ERROR_INVALID_VALUE);
    CHECK_EQUAL(one.client.call(wire::MemInfo{}).header.context, 0u);
  }
}

TEST(the_limit_holds_and_freeing_gives_back) {
  One one(32 * MiB);
  one.client.start();
  CHECK_EQUAL(one.client.info().total_bytes, 32 * MiB);
  CHECK_EQUAL(one.client.info().free_bytes, 32 * MiB);
  const std::uint64_t big = one.client.allocate(30 * MiB);
  CHECK(big != 0);
  CHECK_EQUAL(one.client.call(wire::MemAlloc{4 * MiB}).header.result, CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(one.client.info().free_bytes, 2 * MiB);
  one.client.post(wire::MemFree{big});
  CHECK(one.client.allocate(30 * MiB) != 0);
  one.client.post(wire::MemFree{big + 512});
  CHECK_EQUAL(one.client.call(wire::MemInfo{}).header.context, CUDA_ERROR_INVALID_VALUE);
}

TEST(ten_thousand_rounds_leave_the_lease_flat) {
  One one;
  one.client.start();
  for (int i = 0; i < 10000; ++i) {
    const std::uint64_t at = one.client.allocate(1 + i * 997 % (3 * MiB));
    CHECK(at != 0);
    one.client.post(wire::MemFree{at});
  }
  CHECK_EQUAL(one.client.info().free_bytes, 64 * MiB);
  // What is kept for a moment, in case the client wants it again, goes by itself.
  for (int i = 0; i < 500 && one.ledger.held() != 0; ++i) std::this_thread::sleep_for(10ms);
  CHECK_EQUAL(one.ledger.held(), 0u);
  CHECK(one.ledger.file().slot[0].calls > 20000);
}

TEST(two_processes_share_a_limit) {
  LedgerFile ledger({32 * MiB});
  Client a(ledger, 0, {32 * MiB});
  a.start();
  const std::uint64_t at = a.allocate(20 * MiB);
  CHECK(at != 0);
  Client b(ledger, 1, {32 * MiB});
  b.start();
  CHECK_EQUAL(b.info().free_bytes, 12 * MiB);
  CHECK_EQUAL(b.allocate(20 * MiB), 0u);
  // A free that the other has posted counts, even when it is still on its way; not when it takes long.
  a.post(wire::MemFree{at});
  std::uint64_t other = 0;
  for (int i = 0; i < 20 && other == 0; ++i) other = b.allocate(20 * MiB);
  CHECK(other != 0);
  CHECK_EQUAL(ledger.held(), 20 * MiB);
}

TEST(memory_freed_under_a_running_kernel_is_waited_for) {
  One one(32 * MiB);
  one.client.start();
  one.client.load(kModule, "kernels");
  const std::uint64_t at = one.client.allocate(30 * MiB);
  const auto start = std::chrono::steady_clock::now();
  one.client.launch(kSleep, 0, 1'500'000);
  one.client.post(wire::MemFree{at});
  CHECK_EQUAL(one.client.info().free_bytes, 32 * MiB);
  CHECK(ms_since(start) < 1000);
  CHECK(one.client.allocate(30 * MiB) != 0);
  CHECK(ms_since(start) >= 1490);
}

TEST(a_call_that_waits_does_not_stop_the_others) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  const auto start = std::chrono::steady_clock::now();
  one.client.launch(kSleep, 0, 1'500'000);
  std::vector<std::uint32_t> waiting;
  waiting.push_back(one.client.send(wire::Opcode::cuCtxSynchronize, true, [](wire::Encoder&) {}));
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(one.client.send(wire::Opcode::cuStreamSynchronize, true,
                                      [](wire::Encoder& out) { out(std::uint64_t{0}); }));
  }
  const std::uint32_t quick = one.client.ask(wire::MemInfo{});
  CHECK_EQUAL(one.client.receive().header.sequence, quick);
  CHECK(ms_since(start) < 1000);
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const auto reply = one.client.receive();
    CHECK_EQUAL(reply.header.result, 0u);
    CHECK_EQUAL(std::erase(waiting, reply.header.sequence), 1u);
    --i;
    if (waiting.empty()) break;
  }
  CHECK(ms_since(start) >= 1490);
}

// The worker looks every two seconds.
TEST(a_silent_client_is_active_for_as_long_as_its_kernel_runs) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  one.client.launch(kSleep, 0, 3'000'000);
  one.client.info();
  const worker::LedgerSlot& slot = one.ledger.file().slot[0];
  const std::uint64_t called = slot.last_call_ns;
  std::this_thread::sleep_for(2600ms);
  CHECK(slot.last_call_ns > called + kSecond);
  std::this_thread::sleep_for(2000ms);
  CHECK(slot.last_call_ns < called + 3 * kSecond);
}

TEST(modules_come_with_their_tables_and_logs) {
  One one;
  one.client.start();
  const auto table = one.client.load(kModule, "kernels").as<wire::LoadReply>();
  CHECK(table.table_complete);
  CHECK_EQUAL(table.kernels.size(), 3u);
  CHECK(table.kernels[0].name == "sleep" && table.kernels[0].params_known);
  CHECK_EQUAL(table.kernels[0].params.at(0).size, 4u);
  CHECK_EQUAL(table.kernels[0].attributes.at(CU_FUNC_ATTRIBUTE_NUM_REGS), CU_FUNC_ATTRIBUTE_NUM_REGS);
  const auto broken = one.client.load(kModule + 1, "broken");
  CHECK_EQUAL(broken.header.result, CUDA_ERROR_INVALID_PTX);
  CHECK(broken.as<wire::LoadReply>().report.error_log == "line 1: broken");
  // A launch that brings less than the kernel takes does not reach the driver.
  wire::Launch launch;
  launch.function = kSleep;
  one.client.post(launch);
  CHECK_EQUAL(one.client.call(wire::MemInfo{}).header.context, CUDA_ERROR_INVALID_VALUE);
  const auto global =
      one.client.call(wire::ModuleGlobal{kModule, 0, 0, "variable"}).as<wire::ModuleGlobal::Reply>();
  CHECK_EQUAL(one.client.call(wire::CopyToHost{global.address, global.size, 0, 1}).header.result, 0u);
  one.client.post_words(wire::Opcode::cuModuleUnload, {kModule});
  CHECK_EQUAL(one.client.call(wire::CopyToHost{global.address, global.size, 0, 1}).header.result,
              CUDA_ERROR_INVALID_VALUE);
  one.client.launch(kSleep, 0, 1);
  CHECK_EQUAL(one.client.call(wire::MemInfo{}).header.context, CUDA_ERROR_INVALID_HANDLE);
}

TEST(an_old_driver_is_asked_name_by_name) {
  setenv("NULLDRIVER_OLD", "1", 1);
  One one;
  unsetenv("NULLDRIVER_OLD");
  one.client.start();
  const auto table = one.client.load(kModule, ".entry sleep(.param .u32 us) { }").as<wire::LoadReply>();
  CHECK(!table.table_complete && table.kernels.empty());
  const auto found =
      one.client.call(wire::FunctionLookup{kModule, 0, 0, "sleep"}).as<wire::FunctionLookup::Reply>();
  CHECK(found.kernel.params_known);
  CHECK_EQUAL(found.kernel.params.at(0).size, 4u);
  CHECK_EQUAL(one.client.call(wire::FunctionLookup{kModule, 0, 1, "other"}).header.result,
              CUDA_ERROR_NOT_FOUND);
}

TEST(what_the_device_prints_comes_before_the_reply) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  for (int i = 0; i < 3; ++i) one.client.launch(kPrint, 0, 0);
  const std::uint32_t asked = one.client.send(wire::Opcode::cuCtxSynchronize, true, [](wire::Encoder&) {});
  std::string text;
  test::Reply reply = one.client.receive();
  while (reply.header.opcode == wire::kOpcodeStdout) {
    text.append(reinterpret_cast<const char*>(reply.payload.data()), reply.payload.size());
    reply = one.client.receive();
  }
  CHECK_EQUAL(reply.header.sequence, asked);
  CHECK(text == "hello from the device\nhello from the device\nhello from the device\n");
}

// More than a pipe holds: the driver must never wait for us to read.
TEST(a_device_that_prints_much_does_not_block) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  constexpr std::size_t kLines = 200'000;
  for (std::size_t i = 0; i < kLines; ++i) one.client.launch(kPrint, 0, 0);
  one.client.send(wire::Opcode::cuCtxSynchronize, true, [](wire::Encoder&) {});
  std::size_t bytes = 0;
  for (test::Reply reply = one.client.receive(); reply.header.opcode == wire::kOpcodeStdout;
       reply = one.client.receive()) {
    bytes += reply.payload.size();
  }
  CHECK_EQUAL(bytes, kLines * std::strlen("hello from the device\n"));
}

TEST(streams_are_named_by_the_client) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  one.client.send(wire::Opcode::cuStreamCreate, false,
                  [](wire::Encoder& out) { out(std::uint64_t{7000}, 0u); });
  one.client.launch(kSleep, 7000, 1'000'000);
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamQuery, {7000}).header.result, CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamQuery, {0}).header.result, 0u);
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamSynchronize, {7000}).header.result, 0u);
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamQuery, {7001}).header.result, CUDA_ERROR_INVALID_HANDLE);
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamQuery, {kModule}).header.result,
              CUDA_ERROR_INVALID_HANDLE);
  one.client.post_words(wire::Opcode::cuStreamDestroy_v2, {7000});
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamQuery, {7000}).header.result, CUDA_ERROR_INVALID_HANDLE);
}

TEST(the_client_maps_its_own_memory) {
  One one(32 * MiB);
  one.client.start();
  const std::uint64_t upper = one.client.base + one.client.size / 2;
  CHECK_EQUAL(one.client.call(wire::MemCreate{9000, 4 * MiB, 0}).header.result, 0u);
  CHECK_EQUAL(one.client.call(wire::MemMap{upper, 4 * MiB, 0, 9000}).header.result, 0u);
  CHECK_EQUAL(one.client.call(wire::MemSetAccess{upper, 4 * MiB, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE})
                  .header.result,
              0u);
  CHECK_EQUAL(one.client.call(wire::CopyToHost{upper, MiB, 0, 1}).header.result, 0u);
  CHECK_EQUAL(one.client.call(wire::MemCreate{9001, 30 * MiB, 0}).header.result, CUDA_ERROR_OUT_OF_MEMORY);
  one.client.post(wire::MemRelease{9000});
  CHECK_EQUAL(one.client.call(wire::MemUnmap{upper, 4 * MiB}).header.result, 0u);
  CHECK_EQUAL(one.client.call(wire::CopyToHost{upper, 1, 0, 1}).header.result, CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.ledger.held(), 0u);
}

TEST(a_context_takes_its_memory_with_it) {
  One one(32 * MiB);
  one.client.start();
  CHECK(one.client.allocate(20 * MiB) != 0);
  CHECK_EQUAL(one.client.call(wire::PrimaryReset{0}).header.result, 0u);
  CHECK_EQUAL(one.ledger.held(), 0u);
  CHECK_EQUAL(one.client.call(wire::MemAlloc{1}).header.result, CUDA_ERROR_INVALID_CONTEXT);
  CHECK_EQUAL(one.client.call(wire::PrimaryRetain{Client::kContext, 0, 0}).header.result, 0u);
  CHECK(one.client.allocate(30 * MiB) != 0);
}

TEST(memory_of_another_device_counts_there) {
  setenv("NULLDRIVER_GPUS", "2", 1);
  LedgerFile ledger({16 * MiB, 32 * MiB});
  Client client(ledger, 0, {16 * MiB, 32 * MiB});
  unsetenv("NULLDRIVER_GPUS");
  client.start();
  CHECK_EQUAL(client.call(wire::MemAlloc{20 * MiB, 1}).header.result, 0u);
  CHECK_EQUAL(client.call(wire::MemAlloc{20 * MiB, 1}).header.result, CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(client.call(wire::MemAlloc{20 * MiB, 0}).header.result, CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(client.call(wire::MemAlloc{MiB, 2}).header.result, CUDA_ERROR_INVALID_DEVICE);
  CHECK_EQUAL(client.info().free_bytes, 16 * MiB);
}

TEST(several_gpus_have_limits_of_their_own) {
  setenv("NULLDRIVER_GPUS", "2", 1);
  LedgerFile ledger({16 * MiB, 32 * MiB});
  Client client(ledger, 0, {16 * MiB, 32 * MiB});
  unsetenv("NULLDRIVER_GPUS");
  client.start();
  CHECK_EQUAL(client.call(wire::PrimaryRetain{5001, 1, 0}).header.result, 0u);
  CHECK_EQUAL(client.allocate(20 * MiB), 0u);
  client.context = 5001;
  CHECK(client.allocate(20 * MiB) != 0);
  CHECK_EQUAL(client.info().total_bytes, 32 * MiB);
  CHECK_EQUAL(client.call(wire::PrimaryRetain{5002, 2, 0}).header.result, CUDA_ERROR_INVALID_DEVICE);
  CHECK_EQUAL(ledger.held(0), 0u);
  CHECK_EQUAL(ledger.held(1), 20 * MiB);
}

TEST(an_error_of_the_device_stays) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  const std::uint64_t at = one.client.allocate(100);
  one.client.launch(kFault, 0, 0);
  CHECK_EQUAL(one.client.call(wire::Opcode::cuCtxSynchronize).header.result, CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_EQUAL(one.client.call(wire::CopyToHost{at, 100, 0, 1}).header.result, CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_EQUAL(one.client.call(wire::Opcode::cuStreamSynchronize, {0}).header.result,
              CUDA_ERROR_ILLEGAL_ADDRESS);
}

// ---- ends

TEST(ends_when_the_client_does) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  one.client.launch(kSleep, 0, 3'000'000);
  one.client.send(wire::Opcode::cuCtxSynchronize, true, [](wire::Encoder&) {});
  const auto start = std::chrono::steady_clock::now();
  one.client.hang_up();
  CHECK_EQUAL(one.client.wait_for_end(), 0);
  CHECK(ms_since(start) < 2500);
}

TEST(ends_at_sigterm) {
  One one;
  one.client.start();
  kill(one.client.pid(), SIGTERM);
  CHECK_EQUAL(one.client.wait_for_end(), 0);
}

TEST(garbage_ends_this_worker_only) {
  LedgerFile ledger({64 * MiB});
  Client good(ledger, 0, {64 * MiB});
  good.start();
  for (unsigned seed = 0; seed < 20; ++seed) {
    Client bad(ledger, 1, {64 * MiB});
    bad.start();
    CHECK(bad.allocate(MiB) != 0);
    auto bytes = noise(2000 + seed);
    wire::FrameHeader header{.size = seed % 2 ? 1000u : UINT32_MAX,
                             .opcode = static_cast<std::uint16_t>(seed * 20)};
    std::memcpy(bytes.data(), &header, sizeof header);
    bad.send_raw(bytes.data(), bytes.size());
    CHECK_EQUAL(bad.wait_for_end(), 1);
    const std::string log = bad.log();
    if (log.find("bfkernel-worker lease=test pid=") != 0) test::fail(__FILE__, __LINE__, log);
    ledger.file().slot[1] = {};  // as the agent does
    CHECK(good.allocate(512) != 0);
  }
}

TEST(a_greeting_that_is_none_ends_it) {
  One one;
  const auto bytes = noise(100);
  one.client.send_raw(bytes.data(), bytes.size());
  CHECK_EQUAL(one.client.wait_for_end(), 1);
}

TEST(a_usage_error_is_64) {
  LedgerFile ledger({MiB});
  Client client(ledger, 0, {});
  CHECK_EQUAL(client.wait_for_end(), 64);
  CHECK(client.log().find("--limit") != std::string::npos);
}

}  // namespace

TEST_MAIN
