// SPDX-License-Identifier: BSD-3-Clause
// The worker's parts by themselves: ledger, packer, memory, connection, options, PTX parameters.
#include <elf.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <thread>

#include "check.h"
#include "ledger_file.h"
#include "wire/blake2.h"
#include "wire/code_messages.h"
#include "wire/frame.h"
#include "wire/packer.h"
#include "worker/connection.h"
#include "worker/cubin_params.h"
#include "worker/image.h"
#include "worker/memory.h"
#include "worker/options.h"
#include "worker/ptx_params.h"
#include "worker/session.h"

namespace {

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kBase = 0x2000'0000'0000;

// ---- ledger

TEST(ledger_grants_up_to_the_limit) {
  test::LedgerFile file({10});
  worker::Ledger ledger(file.fd(), 3, 1);
  CHECK(ledger.take(0, 10));
  CHECK(!ledger.take(0, 1));
  CHECK(!ledger.take(0, UINT64_MAX));
  ledger.give(0, 4);
  CHECK(ledger.take(0, 4));
  CHECK_EQUAL(file.file().slot[3].held[0], 10u);
  CHECK_EQUAL(file.file().slot[3].pid, static_cast<std::uint32_t>(getpid()));
}

TEST(ledger_is_shared_by_the_lease) {
  test::LedgerFile file({10, 20});
  worker::Ledger one(file.fd(), 0, 2), two(file.fd(), 255, 2);
  CHECK(one.take(1, 15));
  CHECK(!two.take(1, 6));
  CHECK(two.take(1, 5));
  CHECK_EQUAL(two.held_by_all(1), 20u);
  CHECK_EQUAL(two.held(1), 5u);
  CHECK_EQUAL(one.held_by_all(0), 0u);
}

TEST(ledger_refuses_what_is_none) {
  test::LedgerFile file({10});
  CHECK_THROWS(std::runtime_error, worker::Ledger(file.fd(), 256, 1));
  CHECK_THROWS(std::runtime_error, worker::Ledger(file.fd(), 0, 2));
  file.file().magic = 1;
  CHECK_THROWS(std::runtime_error, worker::Ledger(file.fd(), 0, 1));
}

// Processes that take and give at random never hold more than the limit together, and a killed one leaves no
// lock.
TEST(ledger_holds_between_processes) {
  test::LedgerFile file({1000});
  std::vector<pid_t> children;
  for (unsigned slot = 0; slot < 4; ++slot) {
    const pid_t child = fork();
    if (child == 0) {
      worker::Ledger ledger(file.fd(), slot, 1);
      std::mt19937 random(slot);
      for (int i = 0; i < 20000; ++i) {
        const std::uint64_t bytes = random() % 400;
        if (!ledger.take(0, bytes)) continue;
        if (ledger.held_by_all(0) > 1000) _exit(1);
        ledger.give(0, bytes);
      }
      if (slot == 3) raise(SIGKILL);
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
  }
  worker::Ledger ledger(file.fd(), 0, 1);
  CHECK(ledger.take(0, 1));
}

TEST(ledger_counts_calls) {
  test::LedgerFile file({1});
  worker::Ledger ledger(file.fd(), 0, 1);
  const worker::LedgerSlot& slot = file.file().slot[0];
  ledger.count_call();
  ledger.count_call();
  CHECK_EQUAL(slot.executing, 1u);
  ledger.rest();
  CHECK_EQUAL(slot.executing, 0u);
  CHECK_EQUAL(slot.calls, 2u);
  CHECK(slot.last_call_ns > 1'600'000'000ull * 1'000'000'000);
}

// ---- packer

// Random takes and gives against a map of what is taken.
TEST(packer_agrees_with_a_model) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    wire::Packer packer;
    packer.add_region(kBase, 4096);
    packer.add_region(kBase + 4096, 4096);  // a neighbour: holes must not join across the border
    std::map<std::uint64_t, std::uint64_t> taken;
    std::uint64_t used = 0;
    for (int i = 0; i < 4000; ++i) {
      if (random() % 2 == 0) {
        const std::uint64_t size = 16 * (1 + random() % 40);
        if (const auto at = packer.take(size)) {
          CHECK(*at >= kBase && *at % 16 == 0);
          CHECK_EQUAL((*at - kBase) / 4096, (*at + size - 1 - kBase) / 4096);
          const auto after = taken.lower_bound(*at);
          CHECK(after == taken.end() || *at + size <= after->first);
          CHECK(after == taken.begin() || std::prev(after)->first + std::prev(after)->second <= *at);
          taken[*at] = size;
          used += size;
        }
      } else if (!taken.empty()) {
        const auto some = std::next(taken.begin(), random() % taken.size());
        used -= some->second;
        packer.give(some->first, some->second);
        taken.erase(some);
      }
      CHECK_EQUAL(packer.free_bytes(), 8192 - used);
    }
    for (const auto& [at, size] : taken) packer.give(at, size);
    CHECK_EQUAL(packer.take(4096).value(), kBase);
    CHECK_EQUAL(packer.take(4096).value(), kBase + 4096);
  }
}

TEST(packer_says_when_a_region_is_empty) {
  wire::Packer packer;
  packer.add_region(1 << 20, 1024);
  const auto one = packer.take(512), two = packer.take(512);
  CHECK(!packer.take(512));
  CHECK(!packer.give(*one, 512));
  CHECK_EQUAL(packer.give(*two, 512).value(), 1u << 20);
  packer.remove_region(1 << 20);
  CHECK_EQUAL(packer.free_bytes(), 0u);
}

// ---- memory

// Physical memory as numbers; complains about whatever a driver would not bear.
class Numbers : public worker::Backing {
 public:
  CUresult create(unsigned, std::uint64_t size, std::uint64_t* handle) override {
    if (fail_creates) return CUDA_ERROR_OUT_OF_MEMORY;
    physical[*handle = ++last_] = size;
    return CUDA_SUCCESS;
  }
  void destroy(std::uint64_t handle) override { CHECK_EQUAL(physical.erase(handle), 1u); }
  CUresult map(std::uint64_t address, std::uint64_t size, std::uint64_t offset,
               std::uint64_t handle) override {
    CHECK(physical.contains(handle) && offset + size <= physical[handle]);
    const auto after = mapped.lower_bound(address);
    CHECK(after == mapped.end() || address + size <= after->first);
    CHECK(after == mapped.begin() || std::prev(after)->first + std::prev(after)->second <= address);
    mapped[address] = size;
    return CUDA_SUCCESS;
  }
  CUresult allow_access(unsigned, std::uint64_t, std::uint64_t) override { return CUDA_SUCCESS; }
  void unmap(std::uint64_t address, std::uint64_t size) override {
    CHECK_EQUAL(mapped.at(address), size);
    mapped.erase(address);
  }
  CUresult export_file(std::uint64_t, int*) override { return CUDA_ERROR_NOT_SUPPORTED; }
  CUresult import_file(int, std::uint64_t*) override { return CUDA_ERROR_NOT_SUPPORTED; }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [handle, size] : physical) sum += size;
    return sum;
  }
  std::map<std::uint64_t, std::uint64_t> physical, mapped;
  bool fail_creates = false;

 private:
  std::uint64_t last_ = 0;
};

struct Fixture {
  explicit Fixture(std::uint64_t limit) : file({limit, limit}), ledger(file.fd(), 0, 2) {}
  test::LedgerFile file;
  worker::Ledger ledger;
  Numbers numbers;
  worker::Memory memory{numbers, ledger, kBase, 64 << 20, 2 * MiB};

  std::uint64_t allocate(std::uint64_t size, unsigned device = 0) {
    std::uint64_t address = 0;
    return memory.allocate(device, size, 5, &address) == CUDA_SUCCESS ? address : 0;
  }
  bool free(std::uint64_t address) {
    worker::Memory::Block block{};
    if (!memory.retire(address, &block)) return false;
    memory.reclaim(address, block);
    return true;
  }
};

TEST(memory_keeps_the_limit) {
  Fixture f(8 * MiB);
  const std::uint64_t six = f.allocate(6 * MiB);
  CHECK(six != 0);
  CHECK_EQUAL(f.allocate(3 * MiB), 0u);
  CHECK_EQUAL(f.allocate(UINT64_MAX), 0u);
  CHECK(f.allocate(1) != 0);
  CHECK_EQUAL(f.ledger.held(0), 8 * MiB);
  CHECK(f.allocate(6 * MiB, 1) != 0);
  CHECK(f.free(six));
  CHECK(!f.free(six));
  CHECK(f.allocate(6 * MiB) != 0);
}

TEST(memory_gives_slack_back_for_a_big_block) {
  Fixture f(4 * MiB);
  CHECK(f.free(f.allocate(100)));
  CHECK_EQUAL(f.ledger.held(0), 2 * MiB);
  CHECK_EQUAL(f.memory.usage(0).free_bytes, 4 * MiB);
  CHECK(f.allocate(4 * MiB) != 0);
}

TEST(memory_counts_what_is_free) {
  Fixture f(8 * MiB);
  const std::uint64_t one = f.allocate(MiB), two = f.allocate(2 * MiB);
  CHECK_EQUAL(f.memory.usage(0).free_bytes, 5 * MiB);
  CHECK_EQUAL(f.memory.usage(0).total_bytes, 8 * MiB);
  worker::Memory::Block block{};
  CHECK(f.memory.retire(two, &block));  // freed, though the GPU may still use it
  CHECK_EQUAL(f.memory.usage(0).free_bytes, 7 * MiB);
  CHECK(!f.memory.contains(two, 1));
  f.memory.reclaim(two, block);
  CHECK_EQUAL(f.memory.usage(0).free_bytes, 7 * MiB);
  CHECK(f.free(one));
  f.memory.release_slack();
  CHECK_EQUAL(f.ledger.held(0), 0u);
  CHECK_EQUAL(f.numbers.bytes(), 0u);
}

TEST(memory_knows_what_is_the_clients) {
  Fixture f(8 * MiB);
  const std::uint64_t at = f.allocate(1000);
  CHECK(f.memory.contains(at, 1000) && f.memory.contains(at + 999, 1));
  CHECK(!f.memory.contains(at, 1025) && !f.memory.contains(at - 1, 2) && !f.memory.contains(at, UINT64_MAX));
  CHECK(!f.memory.contains(0, 1) && !f.memory.contains(UINT64_MAX, 1));
  f.memory.add_foreign(7, 1, 0x1234, 16);
  f.memory.add_foreign(8, 2, 0x2345, 16);
  CHECK(f.memory.contains(0x1234, 16) && !f.memory.contains(0x1234, 17));
  f.memory.drop_foreign(7);
  CHECK(!f.memory.contains(0x1234, 1) && f.memory.contains(0x2345, 1));
  f.memory.end_context(2);
  CHECK(!f.memory.contains(0x2345, 1));
}

TEST(memory_maps_for_the_client) {
  Fixture f(8 * MiB);
  const std::uint64_t upper = kBase + (32 << 20);
  CHECK_EQUAL(f.memory.create(9, 0, 4 * MiB), CUDA_SUCCESS);
  CHECK_EQUAL(f.memory.create(9, 0, 2 * MiB), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(f.memory.create(10, 0, 6 * MiB), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(f.memory.map(kBase, 2 * MiB, 0, 9), CUDA_ERROR_INVALID_VALUE);  // the allocator's half
  CHECK_EQUAL(f.memory.map(upper, 6 * MiB, 0, 9), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(f.memory.map(upper, 2 * MiB, 4 * MiB, 9), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(f.memory.map(upper + (32 << 20) - 2 * MiB, 4 * MiB, 0, 9), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(f.memory.map(upper, 2 * MiB, 2 * MiB, 9), CUDA_SUCCESS);
  CHECK_EQUAL(f.memory.map(upper, 2 * MiB, 0, 9), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(f.memory.map(upper + 2 * MiB, 2 * MiB, 0, 9), CUDA_SUCCESS);
  CHECK(f.memory.contains(upper + MiB, 2 * MiB) && !f.memory.contains(upper + MiB, 4 * MiB));
  CHECK_EQUAL(f.memory.release(9), CUDA_SUCCESS);
  CHECK_EQUAL(f.memory.release(9), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(f.ledger.held(0), 4 * MiB);  // still mapped
  CHECK_EQUAL(f.memory.unmap(upper, 3 * MiB), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(f.memory.unmap(upper, 4 * MiB), CUDA_SUCCESS);
  CHECK_EQUAL(f.ledger.held(0), 0u);
  CHECK_EQUAL(f.numbers.bytes(), 0u);
}

TEST(memory_survives_a_card_that_is_full) {
  Fixture f(8 * MiB);
  f.numbers.fail_creates = true;
  CHECK_EQUAL(f.allocate(100), 0u);
  CHECK_EQUAL(f.allocate(4 * MiB), 0u);
  CHECK_EQUAL(f.ledger.held(0), 0u);
  f.numbers.fail_creates = false;
  CHECK(f.allocate(8 * MiB) != 0);
}

TEST(memory_ends_with_its_context) {
  Fixture f(8 * MiB);
  std::uint64_t address = 0;
  CHECK_EQUAL(f.memory.allocate(0, 1000, 5, &address), CUDA_SUCCESS);
  CHECK(f.allocate(3 * MiB) != 0);
  f.memory.end_context(6);
  CHECK(f.memory.contains(address, 1));
  f.memory.end_context(5);
  CHECK(!f.memory.contains(address, 1));
  f.memory.release_slack();
  CHECK_EQUAL(f.numbers.bytes(), 0u);
}

// Random life of many blocks: never two in one place, always charged for exactly what exists.
TEST(memory_agrees_with_a_model) {
  std::mt19937 random(1);
  Fixture f(24 * MiB);
  std::map<std::uint64_t, std::uint64_t> live;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 5 < 3) {
      const std::uint64_t size = random() % 50 == 0 ? 1 + random() % (5 * MiB) : 1 + random() % 100000;
      const std::uint64_t at = f.allocate(size);
      if (at == 0) continue;
      CHECK_EQUAL(at % worker::Memory::kAlignment, 0u);
      CHECK(at >= kBase && at + size <= kBase + (32 << 20));
      const auto after = live.lower_bound(at);
      CHECK(after == live.end() || at + size <= after->first);
      CHECK(after == live.begin() || std::prev(after)->first + std::prev(after)->second <= at);
      live[at] = size;
    } else if (!live.empty()) {
      const auto some = std::next(live.begin(), random() % live.size());
      CHECK(f.free(some->first));
      live.erase(some);
    }
    CHECK_EQUAL(f.ledger.held(0), f.numbers.bytes());
  }
  for (const auto& [at, size] : live) CHECK(f.free(at));
  f.memory.release_slack();
  CHECK_EQUAL(f.numbers.bytes(), 0u);
  CHECK(f.numbers.mapped.empty());
}

TEST(ten_thousand_rounds_leave_memory_flat) {
  Fixture f(64 * MiB);
  for (int i = 0; i < 10000; ++i) CHECK(f.free(f.allocate(1 + (i * 7919) % (3 * MiB))));
  f.memory.release_slack();
  CHECK_EQUAL(f.numbers.bytes(), 0u);
  CHECK_EQUAL(f.ledger.held(0), 0u);
}

// ---- connection

struct Pair {
  Pair() {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    ours = ends[0], theirs = ends[1];
  }
  ~Pair() {
    close(ours);
    if (theirs >= 0) close(theirs);
  }
  void send(const void* data, std::size_t size) {
    CHECK_EQUAL(write(theirs, data, size), static_cast<ssize_t>(size));
  }
  void end() { close(std::exchange(theirs, -1)); }
  int ours, theirs;
};

std::vector<std::byte> frame(std::uint16_t opcode, std::size_t payload) {
  wire::FrameHeader header{.size = static_cast<std::uint32_t>(payload), .opcode = opcode};
  std::vector<std::byte> bytes(sizeof header + payload);
  std::memcpy(bytes.data(), &header, sizeof header);
  for (std::size_t i = 0; i < payload; ++i)
    bytes[sizeof header + i] = static_cast<std::byte>(i * 31 + opcode);
  return bytes;
}

const worker::Connection::Waiting kUnheard{.begins = [] {}, .lasts = [] {}};

// Frames of all sizes, written in pieces of all sizes, come out whole, however they are taken.
TEST(connection_reads_frames_in_pieces) {
  const std::size_t sizes[] = {0, 1, 24, 4000, 70000, 262144, 262145, 1000000};
  for (const std::size_t piece : {1000ul, 65536ul, 10000000ul}) {
    Pair pair;
    std::thread writer([&] {
      std::vector<std::byte> all;
      for (std::uint16_t way = 0; way < 3; ++way) {
        for (const std::size_t size : sizes) {
          const auto one = frame(way, size);
          all.insert(all.end(), one.begin(), one.end());
        }
      }
      for (std::size_t at = 0; at < all.size(); at += piece)
        pair.send(all.data() + at, std::min(piece, all.size() - at));
      pair.end();
    });
    worker::Connection connection(std::make_unique<wire::SocketChannel>(pair.ours), kUnheard);
    wire::FrameHeader header;
    for (std::uint16_t way = 0; way < 3; ++way) {
      for (const std::size_t size : sizes) {
        CHECK(connection.next(header));
        CHECK_EQUAL(header.size, size);
        const auto expected = frame(way, size);
        if (way == 0)
          CHECK(
              std::ranges::equal(connection.rest().first(size), std::span(expected).subspan(sizeof header)));
        if (way == 1) {
          std::vector<std::byte> got(size);
          connection.read(got.data(), size / 2);
          connection.read(got.data() + size / 2, size - size / 2);
          CHECK(std::ranges::equal(got, std::span(expected).subspan(sizeof header)));
        }
        // The third time nobody takes the payload.
      }
    }
    CHECK(!connection.next(header));
    writer.join();
  }
}

TEST(connection_refuses_what_is_no_frame) {
  {
    Pair pair;
    const wire::FrameHeader huge{.size = UINT32_MAX};
    pair.send(&huge, sizeof huge);
    worker::Connection connection(std::make_unique<wire::SocketChannel>(pair.ours), kUnheard);
    wire::FrameHeader header;
    CHECK_THROWS(wire::Malformed, connection.next(header));
  }
  for (const std::size_t cut : {1ul, 23ul, 24ul, 30ul}) {
    Pair pair;
    const auto bytes = frame(1, 100);
    pair.send(bytes.data(), cut);
    pair.end();
    worker::Connection connection(std::make_unique<wire::SocketChannel>(pair.ours), kUnheard);
    wire::FrameHeader header;
    CHECK_THROWS(wire::Malformed, (connection.next(header), connection.rest()));
  }
}

// ---- options, images, PTX

TEST(options_are_checked) {
  const auto parse = [](std::vector<const char*> words) {
    words.insert(words.begin(), "bfkernel-worker");
    return worker::parse_options(static_cast<int>(words.size()), const_cast<char**>(words.data()));
  };
  const worker::Options options = parse({"--socket-fd", "3", "--ledger-fd", "4", "--slot", "2", "--driver",
                                         "x", "--lease", "l", "--limit", "1024", "--limit", "0x400"});
  CHECK_EQUAL(options.limits.size(), 2u);
  CHECK_EQUAL(options.limits[1], 1024u);
  CHECK_EQUAL(options.window_size, 64ull << 30);
  CHECK_EQUAL(worker::default_window_size({80ull << 30}), 1024ull << 30);
  CHECK_THROWS(worker::UsageError, parse({"--socket-fd", "3"}));
  CHECK_THROWS(worker::UsageError, parse({"--socket-fd", "three"}));
  CHECK_THROWS(worker::UsageError, parse({"--sockets", "3"}));
}

std::vector<std::byte> test_image(const char* name) {
  std::ifstream file(std::string(BFKERNEL_TEST_IMAGES "/") + name, std::ios::binary);
  CHECK(file.good());
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto bytes = std::as_bytes(std::span(chars));
  return {bytes.begin(), bytes.end()};
}

TEST(images_are_what_they_say) {
  const std::byte text[] = {std::byte{'x'}};
  CHECK(worker::CodeImage(wire::Image::ptx, text).data() != nullptr);
  CHECK_THROWS(worker::CudaError, worker::CodeImage(wire::Image::elf, text));
  Elf64_Ehdr elf{};
  std::memcpy(elf.e_ident,
              "\x7f"
              "ELF\x02",
              5);
  const auto elf_bytes = std::as_bytes(std::span(&elf, 1));
  CHECK(worker::CodeImage(wire::Image::elf, elf_bytes).data() != nullptr);
  elf.e_shnum = 1;  // a section behind the end
  elf.e_shoff = sizeof elf;
  CHECK_THROWS(worker::CudaError, worker::CodeImage(wire::Image::elf, elf_bytes));
  std::vector<std::byte> container = test_image("many.fatbin");
  CHECK(worker::CodeImage(wire::Image::fatbin, container).data() != nullptr);
  CHECK(worker::CodeImage(wire::Image::fatbins, container).data() != nullptr);
  const std::uint64_t wrong = container.size();  // more entries than there are
  std::memcpy(container.data() + 8, &wrong, 8);
  CHECK_THROWS(worker::CudaError, worker::CodeImage(wire::Image::fatbin, container));
  CHECK_THROWS(worker::CudaError, worker::CodeImage(wire::Image::fatbin, {}));
  CHECK_THROWS(worker::CudaError, worker::CodeImage(wire::Image(9), text));
}

void check_scale(const worker::ParamLayouts& layouts) {
  CHECK_EQUAL(layouts.size(), 1u);
  const auto& params = layouts.at("scale");
  const wire::KernelParam expected[] = {{0, 8}, {8, 1}, {16, 104}, {120, 2}};
  CHECK_EQUAL(params.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK_EQUAL(params[i].offset, expected[i].offset);
    CHECK_EQUAL(params[i].size, expected[i].size);
  }
}

TEST(parameters_of_machine_code_are_laid_out) {
  const std::vector<std::byte> cubin = test_image("scale_sm90.cubin");
  check_scale(worker::cubin_params(cubin));
  check_scale(worker::CodeImage(wire::Image::elf, cubin).layouts());
  check_scale(worker::CodeImage(wire::Image::fatbin, test_image("many.fatbin")).layouts());
  // Cut short anywhere, it says less, and nothing is read beyond its end.
  for (std::size_t size = 0; size < cubin.size(); size += 7)
    worker::cubin_params(std::vector<std::byte>(cubin.begin(), cubin.begin() + size));
}

TEST(ptx_parameters_are_laid_out) {
  const auto layouts = worker::ptx_params(R"(
.version 8.0 // .entry no(
/* .entry neither( .param .u64 x) */
.visible .entry add(.param .u64 .ptr .global .align 4 a, .param .u32 n, .param .u64 b,
    .param .align 16 .b8 s[20], .param .u8 c, .param .f16 h, .param .align 4 .b8 t[])
{ ret; }
.entry none() { ret; }
.entry bare { ret; }
.entry odd(.param .u64) { ret; }
)");
  CHECK(!layouts.contains("no") && !layouts.contains("neither") && !layouts.contains("add"));
  CHECK_EQUAL(layouts.at("none").size(), 0u);
  CHECK_EQUAL(layouts.at("bare").size(), 0u);
  const auto good = worker::ptx_params(
      ".entry add(.param .u64 .ptr .global .align 1 a, .param .u32 n, .param .u64 b, .param .align 16 .b8 "
      "s[20],"
      " .param .u8 c, .param .f16 h)");
  const std::pair<unsigned, unsigned> expected[] = {{0, 8}, {8, 4}, {16, 8}, {32, 20}, {52, 1}, {54, 2}};
  CHECK_EQUAL(good.at("add").size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK_EQUAL(good.at("add")[i].offset, expected[i].first);
    CHECK_EQUAL(good.at("add")[i].size, expected[i].second);
  }
}

// ---- names of code

std::string name_of(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return wire::hex(wire::blake2(bytes));
}

// As Python's hashlib.blake2b(bytes(i % 256 for i in range(size)), digest_size=32) has them.
TEST(code_is_named_by_blake2) {
  CHECK(name_of(0) == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  CHECK(name_of(1) == "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314");
  CHECK(name_of(127) == "f2fe67ff342e21b8f45e8f2e0bcd1d9243245d50ee6c78042e9c491388791c72");
  CHECK(name_of(128) == "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1");
  CHECK(name_of(129) == "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9");
  CHECK(name_of(1000) == "c636324d47d89f2b2434dc2c994100663fbbaea880ff020fc5de89dd0f77a1ec");
}

}  // namespace

TEST_MAIN
