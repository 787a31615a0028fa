// SPDX-License-Identifier: BSD-3-Clause
// A worker whose client has stripes: payloads that come and go beside their frames.
#include "wire/stripes.h"

#include <algorithm>

#include "client.h"
#include "noise.h"
#include "wire/memory_messages.h"

namespace {

using test::Client;
using test::LedgerFile;
using test::noise;
using test::Reply;
using namespace std::chrono_literals;

constexpr std::uint64_t MiB = 1 << 20;

std::pair<wire::Fd, wire::Fd> sockets(int type) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, type, 0, ends) == 0);
  return {wire::Fd(ends[0]), wire::Fd(ends[1])};
}

// A worker with an agent's line to it, over which connections come.
struct One {
  One() {
    CHECK(wire::send_letter(control.first.get(), R"({"join": "key", "name": "one"})"));
    client.start();
  }
  // Hands the worker one more stripe. False where it does not take it.
  bool join() {
    auto [ours, workers] = sockets(SOCK_STREAM);
    CHECK(wire::send_letter(control.first.get(), R"({"role": "stripe"})", workers.get()));
    workers.reset();
    try {
      CHECK(wire::receive_greeting(ours.get(), 10s)["ok"].truth());
    } catch (const std::system_error&) {
      return false;
    }
    last = ours.get();
    CHECK(stripes.add(std::move(ours)));
    return true;
  }
  void join(int count) {
    for (int i = 0; i < count; ++i) CHECK(join());
  }
  // The frame of a copy whose payload goes over the stripes; then that, or its beginning.
  void upload(std::uint64_t to, const std::vector<std::byte>& bytes, std::size_t left_out = 0) {
    std::vector<std::byte> payload;
    wire::CopyToDevice copy;
    copy.destination = to;
    copy.bytes = bytes;
    wire::Encoder out(payload);
    out(copy);
    const wire::FrameHeader header{.size = static_cast<std::uint32_t>(payload.size()),
                                   .opcode = static_cast<std::uint16_t>(wire::CopyToDevice::opcode),
                                   .flags = wire::kFlagStriped,
                                   .context = client.context};
    client.send_raw(&header, sizeof header);
    iovec part{payload.data(), payload.size() - left_out};
    stripes.write(std::span(&part, 1));
  }
  void ask_striped(std::uint64_t from, std::uint64_t size) {
    client.send_flagged(wire::CopyToHost::opcode, wire::kFlagWaiting | wire::kFlagStripedReply,
                        [&](wire::Encoder& out) { out(wire::CopyToHost{from, size, 0, 1}); });
  }
  std::vector<std::byte> download(std::uint64_t from, std::uint64_t size) {
    ask_striped(from, size);
    wire::FrameHeader header;
    client.take(&header, sizeof header);
    CHECK_EQUAL(header.result, 0u);
    CHECK_EQUAL(header.context, 0u);
    CHECK_EQUAL(header.size, size);
    CHECK((header.flags & wire::kFlagStriped) != 0);
    std::vector<std::byte> bytes(size);
    for (std::size_t done = 0; done < size;) done += *stripes.read(bytes.data() + done, size - done);
    return bytes;
  }

  std::pair<wire::Fd, wire::Fd> control = sockets(SOCK_SEQPACKET);
  LedgerFile ledger{{64 * MiB}};
  Client client{ledger, 0, {64 * MiB}, {"--control-fd", std::to_string(control.second.get())}};
  wire::Stripes stripes;
  int last = -1;  // the latest stripe
};

TEST(payloads_beside_their_frames_keep_their_order) {
  One one;
  CHECK_EQUAL(one.client.offered["stripes"].integer(), static_cast<std::int64_t>(wire::kMostStripes));
  one.join(3);
  for (const std::size_t size : {1ul, 1'000'003ul, 5 * MiB, 16 * MiB}) {
    const std::uint64_t at = one.client.allocate(size), other = one.client.allocate(1000);
    const auto bytes = noise(size), few = noise(1000);
    one.upload(at, bytes);
    wire::CopyToDevice beside;  // in its frame, as ever
    beside.destination = other;
    beside.bytes = few;
    one.client.post(beside);
    CHECK(one.client.call(wire::CopyToHost{other, 1000, 0, 1}).payload == few);
    CHECK(one.download(at, size) == bytes);
    CHECK(one.client.call(wire::CopyToHost{at, size, 0, 1}).payload == bytes);
    one.client.post(wire::MemFree{at});
    one.client.post(wire::MemFree{other});
  }
}

TEST(the_payload_of_a_copy_that_fails_is_passed_over) {
  One one;
  one.join(2);
  const std::uint64_t at = one.client.allocate(2 * MiB);
  const auto bytes = noise(2 * MiB);
  one.upload(0x1000, bytes);
  one.upload(at, bytes);
  CHECK_EQUAL(one.client.call(wire::MemInfo{}).header.context, CUDA_ERROR_INVALID_VALUE);
  CHECK(one.download(at, bytes.size()) == bytes);
}

TEST(eight_are_taken_before_the_first_use) {
  One all;
  all.join(wire::kMostStripes);
  CHECK(!all.join());
  One used;
  used.join(1);
  const std::uint64_t at = used.client.allocate(1);
  used.upload(at, noise(1));
  CHECK(used.download(at, 1) == noise(1));
  CHECK(!used.join());
  CHECK_EQUAL(used.client.info().total_bytes, 64 * MiB);  // who is refused is, and no one else
}

TEST(who_asks_without_stripes_is_answered_in_the_frame) {
  One one;
  const std::uint64_t at = one.client.allocate(MiB);
  one.ask_striped(at, MiB);
  CHECK_EQUAL(one.client.receive().payload.size(), MiB);
}

TEST(a_payload_on_stripes_that_do_not_exist_ends_the_worker) {
  One one;
  const wire::FrameHeader header{.size = 100, .opcode = 300, .flags = wire::kFlagStriped};
  one.client.send_raw(&header, sizeof header);
  CHECK_EQUAL(one.client.wait_for_end(), 1);
  CHECK(one.client.log().find("on stripes, and there are none") != std::string::npos);
}

TEST(a_stripe_that_ends_ends_the_worker) {
  One one;
  one.join(1);
  const std::uint64_t at = one.client.allocate(2 * MiB);
  one.upload(at, noise(2 * MiB), 1);
  CHECK(!one.client.readable(100ms));
  shutdown(one.last, SHUT_WR);
  CHECK_EQUAL(one.client.wait_for_end(), 1);
}

TEST(a_client_that_leaves_amid_a_payload_leaves_no_worker) {
  One one;
  one.join(2);
  const std::uint64_t at = one.client.allocate(2 * MiB);
  one.upload(at, noise(2 * MiB), 1);
  one.client.hang_up();  // the stripes stay open, as in a child that was forked
  one.client.wait_for_end();
}

}  // namespace

TEST_MAIN
