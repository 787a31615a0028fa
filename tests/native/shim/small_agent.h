// SPDX-License-Identifier: BSD-3-Clause
// As much of an agent as a program needs that runs over the shim without a pool: it starts a worker for each
// connection, over the driver that BFKERNEL_TEST_NULLDRIVER names, and hands the latest one what joins it. A
// process of its own, made before there are threads.
#pragma once

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../worker/check.h"
#include "../worker/ledger_file.h"
#include "wire/greeting.h"
#include "wire/socket.h"
#include "wire/unix_socket.h"

namespace test {

class SmallAgent {
 public:
  // Grants this process so many bytes, and tells the shim by a lease file.
  explicit SmallAgent(std::uint64_t limit) : limit_(limit) {
    const wire::Fd listening = listen_here();
    char folder[] = "/tmp/bfkernel-stress-XXXXXX";
    CHECK(mkdtemp(folder) != nullptr);
    folder_ = folder;
    write_lease(folder_ + "/lease.json");
    agent_ = fork();
    CHECK(agent_ >= 0);
    if (agent_ == 0) serve(listening.get());
  }
  ~SmallAgent() {
    kill(agent_, SIGKILL);
    waitpid(agent_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }
  SmallAgent(const SmallAgent&) = delete;
  SmallAgent& operator=(const SmallAgent&) = delete;

 private:
  wire::Fd listen_here() {
    wire::Fd made(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    CHECK(bind(made.get(), plain, size) == 0);
    CHECK(listen(made.get(), 4) == 0);
    CHECK(getsockname(made.get(), plain, &size) == 0);
    port_ = ntohs(address.sin_port);
    return made;
  }

  void write_lease(const std::string& path) const {
    const wire::json::Object lease{{"version", 1},
                                   {"lease", "stress"},
                                   {"state", "granted"},
                                   {"size", "GPU 0.5"},
                                   {"gpus", 1},
                                   {"message", ""},
                                   {"notice", ""},
                                   {"agent", "127.0.0.1:" + std::to_string(port_)},
                                   {"token", "unchecked"},
                                   {"pid", getpid()}};
    std::ofstream(path) << wire::json::Value(lease).dump();
    setenv("BFKERNEL_LEASE_FILE", path.c_str(), 1);
  }

  [[noreturn]] void serve(int listening) const {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    LedgerFile ledger({limit_});
    wire::Fd latest;  // the line to it
    for (unsigned slot = 0;; ++slot) {
      const wire::Fd connection(accept(listening, nullptr, nullptr));
      if (!connection) _exit(1);
      const wire::json::Value greeting = wire::receive_greeting(connection.get(), std::chrono::seconds(10));
      if (greeting["join"].string()) {
        const wire::json::Object role{{"role", greeting["role"]}};
        wire::send_letter(latest.get(), wire::json::Value(role).dump(), connection.get());
        continue;
      }
      int line[2];
      CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, line) == 0);
      latest.reset(line[0]);
      wire::send_letter(latest.get(), R"({"join": "key", "name": "one"})");
      const wire::Fd workers(line[1]);
      if (fork() == 0) exec_worker(connection.get(), ledger.fd(), workers.get(), slot);
    }
  }

  [[noreturn]] void exec_worker(int connection, int ledger, int control, unsigned slot) const {
    std::vector<std::string> words{std::getenv("BFKERNEL_TEST_WORKER")};
    const auto add = [&](const char* option, const std::string& value) {
      words.insert(words.end(), {option, value});
    };
    add("--socket-fd", std::to_string(connection));
    add("--ledger-fd", std::to_string(ledger));
    add("--control-fd", std::to_string(control));
    add("--slot", std::to_string(slot));
    add("--driver", std::getenv("BFKERNEL_TEST_NULLDRIVER"));
    add("--lease", "stress");
    add("--limit", std::to_string(limit_));
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }

  const std::uint64_t limit_;
  std::uint16_t port_ = 0;
  std::string folder_;
  pid_t agent_ = 0;
};

}  // namespace test
