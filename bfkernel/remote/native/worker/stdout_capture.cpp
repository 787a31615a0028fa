// SPDX-License-Identifier: BSD-3-Clause
#include "worker/stdout_capture.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <thread>
#include <utility>

#include "worker/log.h"

namespace worker {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

StdoutCapture::StdoutCapture() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("no pipe for standard output");
  if (dup2(ends[1], STDOUT_FILENO) < 0) fail("standard output cannot be replaced");
  close(ends[1]);
  read_end_ = ends[0];
  if (fcntl(read_end_, F_SETFL, O_NONBLOCK) != 0) fail("the pipe of standard output cannot be set up");
  // Fewer wake-ups for a kernel that prints much. A smaller pipe works as well.
  fcntl(read_end_, F_SETPIPE_SZ, 1 << 20);
}

void StdoutCapture::start(Sink sink) {
  sink_ = std::move(sink);
  std::thread([this] { watch(); }).detach();
}

void StdoutCapture::drain() {
  std::fflush(stdout);
  const std::lock_guard lock(mutex_);
  while (pass_on()) {
  }
}

bool StdoutCapture::pass_on() {
  std::array<char, 32768> text;
  const ssize_t size = read(read_end_, text.data(), text.size());
  if (size <= 0) return false;
  sink_({text.data(), static_cast<std::size_t>(size)});
  return true;
}

// A driver that prints more than the pipe holds blocks in its write until somebody reads.
void StdoutCapture::watch() {
  pthread_setname_np(pthread_self(), "stdout");
  for (;;) {
    pollfd readable{read_end_, POLLIN, 0};
    if (poll(&readable, 1, -1) < 0 && errno != EINTR) return;
    const std::lock_guard lock(mutex_);
    try {
      pass_on();
    } catch (const std::exception& error) {
      log_line("what the device printed could not be sent: %s", error.what());
      _exit(1);
    }
  }
}

}  // namespace worker
