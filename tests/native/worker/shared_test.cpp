// SPDX-License-Identifier: BSD-3-Clause
// A worker and a client on one machine, which share memory.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "client.h"
#include "noise.h"
#include "wire/host_block_messages.h"
#include "wire/memory_messages.h"

namespace {

using test::Client;
using test::LedgerFile;
using test::noise;
using test::Reply;
using wire::Direction;
using namespace std::chrono_literals;

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kBlock = 7000;

struct One {
  explicit One(const std::vector<std::string>& more = {})
      : ledger({64 * MiB}), client(ledger, 0, {64 * MiB}, more) {}
  LedgerFile ledger;
  Client client;
};

// A file as the client sends it for a block.
wire::Fd file(std::size_t size, int seals = F_SEAL_GROW | F_SEAL_SHRINK) {
  wire::Fd made(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK(ftruncate(made.get(), static_cast<off_t>(size)) == 0);
  CHECK(seals == 0 || fcntl(made.get(), F_ADD_SEALS, seals) == 0);
  return made;
}

Reply open_block(Client& client, std::uint64_t name, std::uint64_t size, int file) {
  CHECK(wire::send_letter(client.line.get(), "block", file));
  return client.call(wire::HostBlockOpen{name, size});
}

// The error of posted calls so far, with an answer that says that copies are done.
std::uint64_t settle(Client& client) {
  const Reply reply = client.call(wire::HostBlockCopiesDone{0});
  CHECK_EQUAL(reply.header.result, 0u);
  return reply.header.context;
}

TEST(frames_and_replies_of_all_sizes_go_through_rings) {
  One one;
  one.client.start_shared();
  for (const std::size_t size : {1ul, 4096ul, 100'000ul, 5'000'001ul}) {
    const std::uint64_t at = one.client.allocate(size);
    const auto bytes = noise(size);
    wire::CopyToDevice up;
    up.destination = at;
    up.bytes = bytes;
    one.client.post(up);
    CHECK(one.client.call(wire::CopyToHost{at, size, 0, 1}).payload == bytes);
    one.client.post(wire::MemFree{at});
  }
  one.client.hang_up();
  CHECK_EQUAL(one.client.wait_for_end(), 0);
}

TEST(who_does_not_know_the_key_gets_nothing) {
  One one;
  const auto offer = one.client.hear_window();
  const std::string name = offer["local"]["socket"].text();
  const wire::Fd silent = wire::connect_locally(name);
  const wire::Fd stranger = wire::connect_locally(name);
  CHECK(wire::send_letter(stranger.get(), "open, please"));
  one.client.line = wire::connect_locally(name);
  CHECK(wire::send_letter(one.client.line.get(), offer["local"]["key"].text()));
  one.client.take_segment();
  one.client.retain();
  CHECK(wire::receive_letter(stranger.get(), 1s).text.empty());
  CHECK(!wire::connect_locally(name));
}

TEST(who_says_that_it_shares_and_does_not_come_is_sent_away) {
  One one;
  one.client.hear_window();
  one.client.say_shared();
  CHECK_EQUAL(one.client.wait_for_end(10s), 1);
  CHECK(one.client.log().find("did not come for its shared memory") != std::string::npos);
}

TEST(sharing_can_be_forbidden) {
  One one({"--no-shared-memory"});
  CHECK(one.client.hear_window()["local"].is_null());
  one.client.say("mapped");
  one.client.retain();
}

TEST(staging_carries_copies_both_ways) {
  One one;
  one.client.start_shared();
  const auto bytes = noise(MiB);
  const std::uint64_t at = one.client.allocate(MiB);
  std::ranges::copy(bytes, one.client.segment->uploads().begin() + 4096);
  one.client.post(wire::HostBlockCopy{Direction::to_device, at, 0, wire::kUploadsBlock, 4096, MiB});
  one.client.post(wire::HostBlockCopy{Direction::to_host, at, 0, wire::kDownloadsBlock, 64, MiB});
  CHECK_EQUAL(settle(one.client), 0u);
  CHECK(std::ranges::equal(one.client.segment->downloads().subspan(64, MiB), bytes));
}

TEST(a_block_of_the_program_is_copied_from_and_to) {
  One one;
  one.client.start_shared();
  const auto bytes = noise(100'000);
  const std::uint64_t at = one.client.allocate(MiB);
  const wire::Fd memory = file(MiB);
  const wire::Mapping mapping(memory.get(), MiB);
  CHECK_EQUAL(open_block(one.client, kBlock, MiB, memory.get()).header.result, 0u);
  std::ranges::copy(bytes, mapping.bytes().begin());
  one.client.post(wire::HostBlockCopy{Direction::to_device, at, 0, kBlock, 0, 100'000});
  one.client.post(wire::HostBlockCopy{Direction::to_host, at, 0, kBlock, 500'000, 100'000});
  one.client.post(wire::HostBlockClose{kBlock});
  CHECK_EQUAL(settle(one.client), 0u);
  CHECK(std::ranges::equal(mapping.bytes().subspan(500'000, 100'000), bytes));
  one.client.post(wire::HostBlockCopy{Direction::to_device, at, 0, kBlock, 0, 1});
  CHECK_EQUAL(settle(one.client), CUDA_ERROR_INVALID_VALUE);
}

TEST(copies_stay_inside_their_block_and_the_clients_memory) {
  One one;
  one.client.start_shared();
  const std::uint64_t at = one.client.allocate(MiB);
  const wire::Fd memory = file(MiB);
  CHECK_EQUAL(open_block(one.client, kBlock, MiB, memory.get()).header.result, 0u);
  const wire::HostBlockCopy bad[] = {
      {Direction::to_device, at, 0, kBlock, 1, MiB},
      {Direction::to_device, at, 0, kBlock, UINT64_MAX, 2},
      {Direction::to_host, at, 0, kBlock, MiB + 1, 0},
      {Direction::to_host, at, 0, wire::kUploadsBlock, 0, 5 * MiB},
      {Direction::to_host, at, 0, kBlock + 1, 0, 1},
      {Direction::to_device, at + MiB, 0, kBlock, 0, 1},
      {Direction::to_host, at - 1, 0, kBlock, 0, 2},
  };
  for (const wire::HostBlockCopy& copy : bad) {
    one.client.post(copy);
    CHECK_EQUAL(settle(one.client), CUDA_ERROR_INVALID_VALUE);
  }
  one.client.post(wire::HostBlockClose{wire::kUploadsBlock});  // the staging stays
  CHECK_EQUAL(settle(one.client), CUDA_ERROR_INVALID_VALUE);
  one.client.post(wire::HostBlockCopy{Direction::to_device, at, 0, wire::kUploadsBlock, 0, 100});
  CHECK_EQUAL(settle(one.client), 0u);
  CHECK_EQUAL(open_block(one.client, kBlock + 1, UINT64_MAX, memory.get()).header.result,
              CUDA_ERROR_OUT_OF_MEMORY);
}

// Each of these ends its own worker with a reason, and by no signal.
TEST(blocks_that_cannot_be_end_their_worker) {
  const auto ends = [](auto attack) {
    One one;
    one.client.start_shared();
    attack(one.client);
    CHECK_EQUAL(one.client.wait_for_end(), 1);
  };
  ends([](Client& client) {  // it could shrink under the driver
    const wire::Fd memory = file(MiB, F_SEAL_GROW);
    wire::send_letter(client.line.get(), "block", memory.get());
    client.ask(wire::HostBlockOpen{kBlock, MiB});
  });
  ends([](Client& client) {  // another size
    const wire::Fd memory = file(MiB);
    wire::send_letter(client.line.get(), "block", memory.get());
    client.ask(wire::HostBlockOpen{kBlock, 2 * MiB});
  });
  ends([](Client& client) {  // a letter without anything in it
    wire::send_letter(client.line.get(), "block");
    client.ask(wire::HostBlockOpen{kBlock, MiB});
  });
  ends([](Client& client) {  // the same name twice
    const wire::Fd memory = file(MiB);
    CHECK_EQUAL(open_block(client, kBlock, MiB, memory.get()).header.result, 0u);
    wire::send_letter(client.line.get(), "block", memory.get());
    client.ask(wire::HostBlockOpen{kBlock, MiB});
  });
  ends([](Client& client) { client.ask(wire::HostBlockOpen{kBlock, MiB}); });  // no letter at all
}

// What a hostile client does to the memory hurts its own worker, and that one cleanly.
TEST(scribbling_in_the_rings_ends_the_worker_without_a_crash) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    One one;
    one.client.start_shared();
    std::mt19937_64 random(seed);
    const wire::Segment::Ring rings[] = {one.client.segment->to_worker(), one.client.segment->to_client()};
    for (int i = 0; i < 200; ++i) {
      const wire::Segment::Ring& ring = rings[random() % 2];
      switch (random() % 4) {
        case 0:
          ring.state.written = random() >> random() % 64;
          break;
        case 1:
          ring.state.read = random() >> random() % 64;
          break;
        case 2:
          (random() % 2 ? ring.state.reader_sleeps : ring.state.writer_sleeps) = random() % 3;
          break;
        default:
          for (int k = 0; k < 64; ++k) ring.bytes[random() % ring.bytes.size()] = std::byte(random());
      }
    }
    one.client.hang_up();
    const int status = one.client.wait_for_end();
    CHECK(status == 0 || status == 1);
  }
}

TEST(a_client_that_dies_ends_its_worker_at_once) {
  One one;
  one.client.start_shared();
  const auto start = std::chrono::steady_clock::now();
  one.client.hang_up();
  CHECK_EQUAL(one.client.wait_for_end(), 0);
  CHECK(std::chrono::steady_clock::now() - start < 10s);
}

}  // namespace

TEST_MAIN
