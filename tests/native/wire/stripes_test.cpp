// SPDX-License-Identifier: BSD-3-Clause
// Stripes: bytes go over several sockets in turn, and come out in the order in which they went in.
#include "wire/stripes.h"

#include <sys/socket.h>

#include <algorithm>
#include <random>
#include <system_error>
#include <thread>

#include "../worker/check.h"
#include "../worker/noise.h"

namespace {

using test::noise;
using namespace std::chrono_literals;

std::pair<wire::Fd, wire::Fd> sockets() {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  return {wire::Fd(ends[0]), wire::Fd(ends[1])};
}

// Both sides, in one process.
struct Pair {
  explicit Pair(std::size_t count, std::chrono::seconds silence = {}) : there(silence) {
    for (std::size_t i = 0; i < count; ++i) {
      auto [one, other] = sockets();
      CHECK(here.add(std::move(one)));
      CHECK(there.add(std::move(other)));
    }
  }
  wire::Stripes here;
  wire::Stripes there;
};

void write(wire::Channel& channel, std::span<const std::byte> bytes) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  channel.write(std::span(&part, 1));
}

std::vector<std::byte> read(wire::Channel& channel, std::size_t size, std::size_t at_once) {
  std::vector<std::byte> bytes(size);
  for (std::size_t done = 0; done < size;) {
    const auto got = channel.read(bytes.data() + done, std::min(at_once, size - done));
    CHECK(got.has_value() && *got > 0);
    done += *got;
  }
  return bytes;
}

// The system tells an error of a socket once: to a look before a wait as well.
TEST(a_lone_socket_tells_its_error) {
  auto [one, other] = sockets();
  wire::SocketChannel channel(one.get());
  write(channel, noise(100));
  other.reset();  // with bytes that nobody has read
  std::byte byte;
  try {
    channel.read(&byte, 1);
    CHECK(false);
  } catch (const std::system_error& error) {
    CHECK_EQUAL(error.code().value(), ECONNRESET);
  }
}

TEST(bytes_come_out_in_order_both_ways_at_once) {
  for (const std::size_t count : {1ul, 3ul, 8ul}) {
    Pair pair(count);
    const auto up = noise(9'000'001), down = noise(7'654'321);
    const auto check_read = [](wire::Channel& from, const std::vector<std::byte>& expected) {
      CHECK(read(from, expected.size(), 300'000) == expected);
    };
    const std::jthread reader([&] { check_read(pair.there, up); });
    const std::jthread writer([&] { write(pair.there, down); });
    const std::jthread other_reader([&] { check_read(pair.here, down); });
    std::mt19937 random(1);
    for (std::size_t done = 0; done < up.size();) {
      const std::size_t step = std::min<std::size_t>(random() % 500'000, up.size() - done);
      std::byte* at = const_cast<std::byte*>(up.data()) + done;
      // As a frame's payload: fields, then bytes.
      iovec parts[] = {{at, 0}, {at, step / 3}, {at, 0}, {at + step / 3, step - step / 3}};
      pair.here.write(parts);
      done += step;
    }
  }
}

TEST(a_unit_each_in_turn) {
  auto [one, first] = sockets();
  auto [two, second] = sockets();
  wire::Stripes stripes;
  CHECK(stripes.add(std::move(one)) && stripes.add(std::move(two)));
  const auto bytes = noise(wire::kStripeUnit * 5 / 2);
  const std::jthread writer([&] { write(stripes, bytes); });
  const auto unit = [&](int fd, std::size_t from, std::size_t size) {
    std::vector<std::byte> got(size);
    CHECK(wire::read_exact(fd, got.data(), size));
    CHECK(std::equal(got.begin(), got.end(), bytes.begin() + static_cast<std::ptrdiff_t>(from)));
  };
  unit(first.get(), 0, wire::kStripeUnit);
  unit(second.get(), wire::kStripeUnit, wire::kStripeUnit);
  unit(first.get(), 2 * wire::kStripeUnit, wire::kStripeUnit / 2);
}

TEST(none_is_added_to_eight_or_to_those_in_use) {
  Pair full(wire::kMostStripes);
  CHECK(!full.here.add(sockets().first));
  Pair used(2);
  write(used.here, noise(1));
  CHECK(!used.here.add(sockets().first));
  read(used.there, 1, 1);
  CHECK(!used.there.add(sockets().first));
}

TEST(silence_and_the_end_are_told) {
  Pair pair(2, 1s);
  std::byte byte{};
  CHECK(!pair.there.read(&byte, 1).has_value());
  pair.here.close();
  CHECK_EQUAL(pair.there.read(&byte, 1).value(), 0u);
  CHECK_THROWS(std::system_error, (write(pair.here, noise(1)), 0));
}

}  // namespace

TEST_MAIN
