// SPDX-License-Identifier: BSD-3-Clause
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "wire/greeting.h"
#include "wire/socket.h"
#include "worker/hangup.h"
#include "worker/log.h"
#include "worker/session.h"

namespace {

// The kernel frees a process's GPU memory faster than the driver's destructors would, and without waiting for
// what still runs there.
[[noreturn]] void end(int status) { _exit(status); }

// The agent that started us is gone when it is no longer our parent.
void die_with(pid_t agent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != agent) end(1);
}

// The driver puts managed variables of modules where it likes in this process, and the client must have
// nothing there. Clients' mappings grow from the top of the address space down; so here they begin at a third
// of it and grow upwards, as they did of old. Where that is not permitted, addresses may collide, which is
// improbable.
void keep_off_the_clients_addresses([[maybe_unused]] char** argv) {
#ifndef __SANITIZE_THREAD__                 // which knows no such layout
  const int now = personality(0xffffffff);  // asks
  if (now < 0 || (now & ADDR_COMPAT_LAYOUT) != 0) return;
  const auto wanted = static_cast<unsigned long>(now | ADDR_COMPAT_LAYOUT);
  // By its own path, so that it keeps its name.
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  if (personality(wanted) >= 0) execv(program.c_str(), argv);
#endif
}

void set_signals() {
  signal(SIGTERM, [](int) { end(0); });
  signal(SIGINT, SIG_IGN);  // Ctrl-C in the agent's terminal is the agent's affair
  signal(SIGPIPE, SIG_IGN);
}

void refuse(int socket, const char* message) noexcept {
  try {
    wire::send_greeting(socket, {{"ok", false}, {"code", "worker-failed"}, {"message", message}},
                        std::chrono::seconds(5));
  } catch (const std::exception&) {
    // The client is gone as well.
  }
}

// From a driver that may fail to a greeting that says so.
worker::Session* open_session(const worker::Options& options, worker::StdoutCapture& capture) {
  try {
    static const worker::DriverTable driver = worker::load_driver(options.driver);
    static worker::Ledger ledger(options.ledger_fd, options.slot,
                                 static_cast<unsigned>(options.limits.size()));
    return new worker::Session(options, driver, ledger, &capture);
  } catch (const std::exception& error) {
    worker::log_line("%s", error.what());
    refuse(options.socket_fd, error.what());
    end(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  keep_off_the_clients_addresses(argv);
  const pid_t agent = getppid();
  set_signals();
  try {
    // Both static: the session's threads use them still when an exception leaves this block. end() destroys
    // nothing.
    static const worker::Options options = worker::parse_options(argc, argv);
    worker::set_log_lease(options.lease);
    die_with(agent);
    wire::tune_tcp(options.socket_fd);
    worker::end_after_hangup(options.socket_fd);
    static worker::StdoutCapture capture;
    worker::Session* session = open_session(options, capture);
    session->greet();
    session->serve();
  } catch (const worker::UsageError& error) {
    std::fprintf(stderr, "bfkernel-worker: %s\n", error.what());
    end(64);
  } catch (const std::exception& error) {
    worker::log_line("%s", error.what());
    end(1);
  }
  end(0);
}
