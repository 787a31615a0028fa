// SPDX-License-Identifier: BSD-3-Clause
// Shared memory between a client and its worker: bytes come out as they went in, waits end, and nothing that
// the other side writes there is believed.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <random>
#include <system_error>
#include <thread>

#include "../worker/check.h"
#include "../worker/noise.h"
#include "wire/codec.h"
#include "wire/ring.h"
#include "wire/shared_channel.h"
#include "wire/unix_socket.h"

namespace {

using test::noise;
using namespace std::chrono_literals;
using Side = wire::SharedChannel::Side;

struct Ring {
  explicit Ring(std::size_t size) : bytes(size) {}
  wire::RingState state;
  std::vector<std::byte> bytes;
  wire::RingWriter writer{state, bytes};
  wire::RingReader reader{state, bytes};
};

// Both ends of a connection, in one process.
struct Pair {
  static constexpr auto kSilence = 50ms;
  Pair() {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    clients_socket.reset(ends[0]);
    workers_socket.reset(ends[1]);
    client.emplace(clients, Side::client, ends[0], kSilence);
    worker.emplace(workers, Side::worker, ends[1], kSilence);
  }
  wire::Fd file = wire::Segment::make_file();
  wire::Segment clients{file.get()};
  wire::Segment workers{file.get()};
  wire::Fd clients_socket, workers_socket;
  std::optional<wire::SharedChannel> client, worker;
};

void write(wire::Channel& channel, std::span<const std::byte> bytes) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  channel.write(std::span(&part, 1));
}

// Everything until the end.
std::vector<std::byte> read_all(wire::Channel& channel) {
  std::vector<std::byte> all;
  std::vector<std::byte> some(10000);
  for (;;) {
    const std::optional<std::size_t> got = channel.read(some.data(), some.size());
    if (!got) continue;
    if (*got == 0) return all;
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(*got));
  }
}

TEST(a_ring_keeps_bytes_and_their_order) {
  for (const std::size_t size : {64ul, 4096ul, 65536ul}) {
    Ring ring(size);
    const auto sent = noise(1'000'000);
    const std::atomic<bool> closed{false};
    std::thread writer([&] {
      std::mt19937 random(1);
      std::span<const std::byte> left(sent);
      while (!left.empty()) {
        const std::size_t wanted = std::min<std::size_t>(left.size(), 1 + random() % 5000);
        left = left.subspan(ring.writer.put(left.first(wanted)));
        ring.writer.publish();
        if (!left.empty()) CHECK(ring.writer.wait(closed, 10s));
      }
    });
    std::vector<std::byte> got(sent.size());
    std::mt19937 random(2);
    for (std::size_t at = 0; at < got.size();) {
      CHECK(ring.reader.wait(closed, 10s));
      at += ring.reader.take(got.data() + at, std::min<std::size_t>(got.size() - at, 1 + random() % 3000));
    }
    writer.join();
    CHECK(got == sent);
    CHECK(ring.reader.empty());
  }
}

TEST(a_writer_does_not_believe_its_reader) {
  for (const std::uint64_t told : {std::uint64_t{101}, UINT64_MAX, std::uint64_t{1} << 63}) {
    Ring ring(128);
    CHECK_EQUAL(ring.writer.put(noise(100)), 100u);
    ring.writer.publish();
    ring.state.read = told;
    CHECK_THROWS(wire::Malformed, ring.writer.put(noise(100)));
  }
  Ring ring(128);
  ring.writer.put(noise(100));
  ring.state.read = 50;
  CHECK_EQUAL(ring.writer.put(noise(100)), 78u);
  ring.state.read = 49;  // what was read cannot be unread
  CHECK_THROWS(wire::Malformed, ring.writer.put(noise(100)));
}

TEST(a_reader_does_not_believe_its_writer) {
  for (const std::uint64_t told : {std::uint64_t{129}, UINT64_MAX, std::uint64_t{1} << 63}) {
    Ring ring(128);
    std::vector<std::byte> to(1000);
    ring.state.written = told;
    CHECK_THROWS(wire::Malformed, ring.reader.take(to.data(), to.size()));
  }
}

TEST(waits_end_at_their_limit_and_when_interrupted) {
  Ring ring(128);
  std::atomic<bool> closed{false};
  CHECK(!ring.reader.wait(closed, 20ms));
  std::thread closer([&] {
    std::this_thread::sleep_for(50ms);
    closed = true;
    ring.reader.interrupt();
  });
  const auto start = std::chrono::steady_clock::now();
  CHECK(ring.reader.wait(closed, 30s));
  CHECK(std::chrono::steady_clock::now() - start < 20s);
  closer.join();
}

TEST(large_writes_go_through_while_the_other_side_reads) {
  Pair pair;
  const auto up = noise(5'000'001);
  const auto down = noise(3'000'001);
  std::thread worker([&] {
    std::thread writer([&] { write(*pair.worker, down); });
    CHECK(read_all(*pair.worker) == up);
    writer.join();
    pair.worker->close();
  });
  std::thread writer([&] { write(*pair.client, up); });
  std::vector<std::byte> got(down.size());
  for (std::size_t at = 0; at < got.size();) {
    if (const auto more = pair.client->read(got.data() + at, got.size() - at)) at += *more;
  }
  writer.join();
  pair.client->close();
  worker.join();
  CHECK(got == down);
}

TEST(silence_is_told_and_the_end_comes_after_what_was_written) {
  Pair pair;
  std::byte byte;
  CHECK(!pair.worker->read(&byte, 1).has_value());
  write(*pair.client, noise(1000));
  pair.clients_socket.reset();  // the client has died; nobody called close()
  CHECK_EQUAL(read_all(*pair.worker).size(), 1000u);
  CHECK_THROWS(std::system_error, write(*pair.worker, noise(wire::Segment::kToClient + 1)));
}

TEST(memory_that_could_shrink_or_has_another_size_is_refused) {
  const auto refused = [](std::size_t size, int seals) {
    const wire::Fd file(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK(ftruncate(file.get(), static_cast<off_t>(size)) == 0);
    if (seals != 0) CHECK(fcntl(file.get(), F_ADD_SEALS, seals) == 0);
    CHECK_THROWS(wire::Malformed, wire::Mapping(file.get(), 8192));
  };
  refused(8192, 0);
  refused(8192, F_SEAL_GROW);
  refused(4096, F_SEAL_GROW | F_SEAL_SHRINK);
  refused(16384, F_SEAL_GROW | F_SEAL_SHRINK);
  const wire::Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK_THROWS(wire::Malformed, wire::Mapping(null.get(), 8192));
  CHECK_EQUAL(wire::Mapping(wire::make_sealed_file(8192).get(), 8192).bytes().size(), 8192u);
}

TEST(letters_keep_apart_and_carry_descriptors) {
  const std::string name = "bfkernel-test-" + std::to_string(getpid());
  CHECK(!wire::connect_locally(name));
  const wire::Fd listening = wire::listen_locally(name);
  const wire::Fd client = wire::connect_locally(name);
  CHECK(static_cast<bool>(client));
  const wire::Fd server(accept(listening.get(), nullptr, nullptr));
  CHECK_THROWS(std::system_error, wire::receive_letter(server.get(), 10ms));
  const wire::Fd file = wire::make_sealed_file(4096);
  CHECK(wire::send_letter(client.get(), "first", file.get()));
  CHECK(wire::send_letter(client.get(), "second"));
  const wire::Letter first = wire::receive_letter(server.get(), 1s);
  CHECK(first.text == "first");
  CHECK_EQUAL(wire::Mapping(first.descriptor.get(), 4096).bytes().size(), 4096u);
  const wire::Letter second = wire::receive_letter(server.get(), 1s);
  CHECK(second.text == "second" && !second.descriptor);
}

}  // namespace

TEST_MAIN
