// SPDX-License-Identifier: BSD-3-Clause
#include "worker/options.h"

#include <getopt.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <numeric>

namespace worker {
namespace {

constexpr std::size_t kMaxGpus = 16;  // the ledger's

std::uint64_t number(const char* text, const char* option) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text, &end, 0);
  if (errno != 0 || end == text || *end != '\0' || *text == '-') {
    throw UsageError(std::string(option) + " takes a number, not '" + text + "'.");
  }
  return value;
}

int descriptor(const char* text, const char* option) {
  const std::uint64_t value = number(text, option);
  if (value > 1 << 20) throw UsageError(std::string(option) + " takes an open file descriptor.");
  return static_cast<int>(value);
}

void check(const Options& options) {
  if (options.socket_fd < 0) throw UsageError("--socket-fd is missing.");
  if (options.ledger_fd < 0) throw UsageError("--ledger-fd is missing.");
  if (options.driver.empty()) throw UsageError("--driver is missing.");
  if (options.limits.empty() || options.limits.size() > kMaxGpus) {
    throw UsageError("--limit must be given once for each GPU of the lease, 16 at most.");
  }
  if (options.window_size != 0 && !std::has_single_bit(options.window_size)) {
    throw UsageError("--window-size must be a power of two.");
  }
}

}  // namespace

Options parse_options(int argc, char** argv) {
  static const option known[] = {
      {"socket-fd", required_argument, nullptr, 's'},       {"ledger-fd", required_argument, nullptr, 'l'},
      {"control-fd", required_argument, nullptr, 'c'},      {"slot", required_argument, nullptr, 'k'},
      {"driver", required_argument, nullptr, 'd'},          {"lease", required_argument, nullptr, 'i'},
      {"limit", required_argument, nullptr, 'm'},           {"code-cache", required_argument, nullptr, 'f'},
      {"code-cache-size", required_argument, nullptr, 'z'}, {"window-size", required_argument, nullptr, 'w'},
      {"no-shared-memory", no_argument, nullptr, 'n'},      {nullptr, 0, nullptr, 0}};
  Options options;
  opterr = 0;
  optind = 1;
  for (int c = 0; (c = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (c) {
      case 's':
        options.socket_fd = descriptor(optarg, "--socket-fd");
        break;
      case 'l':
        options.ledger_fd = descriptor(optarg, "--ledger-fd");
        break;
      case 'c':
        options.control_fd = descriptor(optarg, "--control-fd");
        break;
      case 'k':
        options.slot = static_cast<unsigned>(number(optarg, "--slot"));
        break;
      case 'd':
        options.driver = optarg;
        break;
      case 'i':
        options.lease = optarg;
        break;
      case 'm':
        options.limits.push_back(number(optarg, "--limit"));
        break;
      case 'f':
        options.code_cache = optarg;
        break;
      case 'z':
        options.code_cache_size = number(optarg, "--code-cache-size");
        break;
      case 'w':
        options.window_size = number(optarg, "--window-size");
        break;
      case 'n':
        options.shared_memory = false;
        break;
      default:
        throw UsageError(std::string("unknown or incomplete option ") + argv[optind - 1] + ".");
    }
  }
  if (optind < argc) throw UsageError(std::string("unexpected argument '") + argv[optind] + "'.");
  check(options);
  if (options.window_size == 0) options.window_size = default_window_size(options.limits);
  return options;
}

std::uint64_t default_window_size(const std::vector<std::uint64_t>& limits) {
  constexpr std::uint64_t kLeast = 64ull << 30;
  constexpr std::uint64_t kMost = 8ull << 40;  // a tenth of what a 47-bit address space holds
  const std::uint64_t sum = std::accumulate(limits.begin(), limits.end(), std::uint64_t{0});
  if (sum >= kMost / 8) return kMost;
  return std::bit_ceil(std::max(kLeast, 8 * sum));
}

}  // namespace worker
