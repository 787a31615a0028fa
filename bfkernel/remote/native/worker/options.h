// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace worker {

// What the agent tells the worker on its command line (docs/reference/protocol.md, section 3).
struct Options {
  int socket_fd = -1;
  int ledger_fd = -1;
  int control_fd = -1;  // the line to the agent; -1: none, and the client opens no further connections
  unsigned slot = 0;
  std::string driver;
  std::string lease;
  std::vector<std::uint64_t> limits;  // bytes, one a GPU
  std::string code_cache;             // the folder of CodeCache; empty: none
  std::uint64_t code_cache_size = 0;  // bytes
  bool shared_memory = true;          // for a client on this machine
  std::uint64_t window_size = 0;      // bytes, a power of two; 0: default_window_size(limits)
};

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws UsageError with one sentence.
Options parse_options(int argc, char** argv);

// The window holds every byte of the lease several times over, so that fragmentation of addresses never is
// what runs out: a power of two, at least 64 GiB and at least eight times the sum of the limits.
std::uint64_t default_window_size(const std::vector<std::uint64_t>& limits);

}  // namespace worker
