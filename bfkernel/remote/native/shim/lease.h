// SPDX-License-Identifier: BSD-3-Clause
// The lease file (docs/reference/protocol.md, 1): what the holder knows, and how to wait for the grant.
#pragma once

#include <optional>
#include <string>

namespace shim::lease {

struct File {
  std::string path;
  std::string state;
  std::string size;
  std::string message;
  std::string notice;
  std::string agent;
  std::string token;
  int gpus = 0;
  int pid = 0;
};

// The file as it is now. Throws Failure{NO_DEVICE}, after telling why on stderr, when there is none.
File read();
// A file that was read before, as it is now; nothing when it cannot be read any more.
std::optional<File> read_again(const std::string& path);

// Waits until the lease is granted, telling each new message on stderr. Throws Failure: NO_DEVICE when it
// will not be granted, SYSTEM_NOT_READY after SIGINT. The program's own SIGINT handler runs as well.
File wait_for_grant();

// "[bfkernel] GPU 0.02: message"
void tell(const File& file, const std::string& message);

// Why a lease is over, and what to do about it.
std::string over(const std::string& why);

// Where the file lies.
std::string folder_of(const std::string& path);

}  // namespace shim::lease
