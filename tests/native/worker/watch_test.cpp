// SPDX-License-Identifier: BSD-3-Clause
// Events and streams that a client has asked about: the worker tells when they are done.
#include <set>

#include "client.h"

namespace {

using test::Client;
using test::LedgerFile;
using namespace std::chrono_literals;

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kModule = 6000;
constexpr std::uint64_t kSleep = wire::entry_id(kModule, 0);

struct One {
  One() : ledger({64 * MiB}), client(ledger, 0, {64 * MiB}) {}
  LedgerFile ledger;
  Client client;
};

TEST(what_was_asked_about_is_reported_when_it_is_done) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  one.client.send(wire::Opcode::cuStreamCreate, false,
                  [](wire::Encoder& out) { out(std::uint64_t{7000}, 1u); });
  one.client.send(wire::Opcode::cuEventCreate, false,
                  [](wire::Encoder& out) { out(std::uint64_t{7100}, 2u); });
  const auto start = std::chrono::steady_clock::now();
  one.client.launch(kSleep, 7000, 1'000'000);
  one.client.post_words(wire::Opcode::cuEventRecord, {7100, 7000});
  const auto ask = [&](wire::Opcode opcode, std::uint64_t id) {
    const std::uint32_t sequence = one.client.send_flagged(opcode, wire::kFlagWaiting | wire::kFlagWatch,
                                                           [&](wire::Encoder& out) { out(id); });
    const test::Reply reply = one.client.receive();
    CHECK_EQUAL(reply.header.sequence, sequence);
    CHECK_EQUAL(reply.header.result, CUDA_ERROR_NOT_READY);
    CHECK_EQUAL(reply.header.flags, wire::kFlagWatch);
    return sequence;
  };
  const std::uint32_t first = ask(wire::Opcode::cuEventQuery, 7100);
  const std::uint32_t second = ask(wire::Opcode::cuStreamQuery, 7000);
  std::set<std::uint32_t> reported;  // in either order: both are done in the same moment
  for (int i = 0; i < 2; ++i) {
    const test::Reply report = one.client.receive();
    CHECK_EQUAL(report.header.opcode, wire::kOpcodeReady);
    reported.insert(report.header.sequence);
    CHECK_EQUAL(report.header.result, 0u);
    CHECK_EQUAL(report.header.size, 0u);
  }
  CHECK((reported == std::set{first, second}));
  CHECK(std::chrono::steady_clock::now() - start >= 1s);
  // Whoever is done is not watched, and an event that ends is reported at once, as what it is then.
  one.client.send_flagged(wire::Opcode::cuEventQuery, wire::kFlagWaiting | wire::kFlagWatch,
                          [](wire::Encoder& out) { out(std::uint64_t{7100}); });
  const test::Reply done = one.client.receive();
  CHECK_EQUAL(done.header.result, 0u);
  CHECK_EQUAL(done.header.flags, 0u);
  one.client.launch(kSleep, 7000, 10'000'000);
  one.client.post_words(wire::Opcode::cuEventRecord, {7100, 7000});
  const std::uint32_t third = ask(wire::Opcode::cuEventQuery, 7100);
  one.client.post_words(wire::Opcode::cuEventDestroy_v2, {7100});
  const test::Reply ended = one.client.receive();
  CHECK_EQUAL(ended.header.opcode, wire::kOpcodeReady);
  CHECK_EQUAL(ended.header.sequence, third);
  CHECK_EQUAL(ended.header.result, CUDA_ERROR_INVALID_HANDLE);
}

TEST(a_client_cannot_have_everything_watched) {
  One one;
  one.client.start();
  one.client.load(kModule, "kernels");
  one.client.send(wire::Opcode::cuStreamCreate, false,
                  [](wire::Encoder& out) { out(std::uint64_t{7000}, 1u); });
  one.client.launch(kSleep, 7000, 10'000'000);
  const auto watched = [&] {
    one.client.send_flagged(wire::Opcode::cuStreamQuery, wire::kFlagWaiting | wire::kFlagWatch,
                            [](wire::Encoder& out) { out(std::uint64_t{7000}); });
    const test::Reply reply = one.client.receive();
    CHECK_EQUAL(reply.header.result, CUDA_ERROR_NOT_READY);
    return reply.header.flags == wire::kFlagWatch;
  };
  int count = 0;
  while (watched()) ++count;
  CHECK_EQUAL(count, 1024);
}

}  // namespace

TEST_MAIN
