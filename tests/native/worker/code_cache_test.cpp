// SPDX-License-Identifier: BSD-3-Clause
// Code that a server keeps: a second load moves no image, on whatever lease, and nobody can put other code
// under a name.
#include <sys/stat.h>
#include <utime.h>

#include <filesystem>
#include <thread>

#include "client.h"
#include "wire/code_messages.h"

namespace {

namespace fs = std::filesystem;
using test::Client;
using test::LedgerFile;

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kModule = 6000;

// Text that the driver of these tests loads, padded to `size`; `mark` tells one from the other.
std::string text(char mark, std::size_t size = wire::kLeastNamedCode) {
  std::string out = ".entry sleep(.param .u32 us) { ret; } //";
  out.resize(size, mark);
  return out;
}

wire::Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

wire::ModuleLoad whole(const std::string& code) {
  wire::ModuleLoad message;
  message.module = kModule;
  message.code = {wire::Image::ptx, 1, 1, wire::blake2(bytes_of(code)), bytes_of(code)};
  return message;
}

wire::ModuleLoad by_name(const std::string& code) {
  wire::ModuleLoad message = whole(code);
  message.code.here = 0;
  message.code.bytes = {};
  return message;
}

// Waits, ten seconds at most.
bool comes_to_be(const fs::path& path, bool there) {
  for (int i = 0; i < 1000 && fs::exists(path) != there; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return fs::exists(path) == there;
}

// A folder, and workers one after the other that keep code there.
struct Server {
  explicit Server(std::uint64_t limit = 64 * MiB) : limit(limit) {
    char name[] = "/tmp/bfkernel-test-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    folder = name;
  }
  ~Server() { fs::remove_all(folder); }

  // A worker of a lease of its own loads code; returns whether it wanted the bytes, and has ended then. It
  // keeps code after it has answered, makes room after that, and does neither any more when its client has
  // gone: hence the waits.
  bool load(const wire::ModuleLoad& message, bool to_be_kept = true, const std::string& goes = {}) {
    LedgerFile ledger({64 * MiB});
    Client client(ledger, 0, {64 * MiB},
                  {"--code-cache", folder.string(), "--code-cache-size", std::to_string(limit)});
    client.start();
    const auto reply = client.call(message);
    CHECK_EQUAL(reply.header.result, 0u);
    const auto loaded = reply.as<wire::LoadReply>();
    CHECK_EQUAL(loaded.kernels.empty(), loaded.bytes_wanted != 0);
    const fs::path expected = folder / wire::hex(message.code.name);
    if (loaded.bytes_wanted == 0 && to_be_kept) CHECK(comes_to_be(expected, true));
    if (!goes.empty()) CHECK(comes_to_be(file(goes), false));
    if (!to_be_kept) std::this_thread::sleep_for(std::chrono::milliseconds(200));  // it might yet be
    client.hang_up();
    CHECK_EQUAL(client.wait_for_end(), 0);
    return loaded.bytes_wanted != 0;
  }
  fs::path file(const std::string& code) const { return folder / wire::hex(wire::blake2(bytes_of(code))); }
  bool keeps(const std::string& code) const { return fs::exists(file(code)); }

  fs::path folder;
  const std::uint64_t limit;
};

TEST(what_one_lease_sent_another_loads_by_name) {
  Server server;
  CHECK(server.load(by_name(text('a'))));
  CHECK(!server.load(whole(text('a'))));
  CHECK(server.keeps(text('a')));
  CHECK(!server.load(by_name(text('a'))));
  CHECK(server.load(by_name(text('b'))));
}

TEST(code_is_kept_under_its_own_name_only) {
  Server server;
  wire::ModuleLoad lie = whole(text('a'));
  const std::string other = text('b');
  lie.code.bytes = bytes_of(other);
  CHECK(!server.load(lie, false));
  CHECK(!server.keeps(text('a')) && !server.keeps(other));
  CHECK(server.load(by_name(text('a'))));
}

TEST(a_file_that_is_not_what_its_name_says_is_removed) {
  Server server;
  CHECK(!server.load(whole(text('a'))));
  fs::resize_file(server.file(text('a')), 100);
  CHECK(server.load(by_name(text('a'))));
  CHECK(!server.keeps(text('a')));
  CHECK(!server.load(whole(text('a'))));
  CHECK(!server.load(by_name(text('a'))));
}

TEST(what_was_not_used_for_longest_makes_room) {
  Server server(3 * wire::kLeastNamedCode);
  const auto used = [&](char mark, time_t when) {
    const utimbuf times{when, when};
    CHECK(utime(server.file(text(mark)).c_str(), &times) == 0);
  };
  for (const char mark : {'a', 'b', 'c'}) CHECK(!server.load(whole(text(mark))));
  used('a', 1000);
  used('b', 2000);
  used('c', 3000);
  CHECK(!server.load(by_name(text('a'))));  // used now
  CHECK(!server.load(whole(text('d')), true, text('b')));
  CHECK(server.keeps(text('a')) && !server.keeps(text('b')) && server.keeps(text('c')) &&
        server.keeps(text('d')));
  CHECK(!server.load(whole(text('e', 4 * wire::kLeastNamedCode)), false));  // more than there may be
  CHECK(!server.keeps(text('e', 4 * wire::kLeastNamedCode)) && server.keeps(text('d')));
}

TEST(without_a_folder_the_bytes_are_wanted_each_time) {
  LedgerFile ledger({64 * MiB});
  Client client(ledger, 0, {64 * MiB});
  client.start();
  CHECK(client.call(by_name(text('a'))).as<wire::LoadReply>().bytes_wanted != 0);
  CHECK(client.call(whole(text('a'))).as<wire::LoadReply>().bytes_wanted == 0);
}

TEST(a_folder_that_takes_nothing_hinders_no_load) {
  Server server;
  fs::remove_all(server.folder);
  CHECK(!server.load(whole(text('a')), false));
  CHECK(server.load(by_name(text('a'))));
}

}  // namespace

TEST_MAIN
