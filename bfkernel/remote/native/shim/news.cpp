// SPDX-License-Identifier: BSD-3-Clause
#include "shim/news.h"

#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "shim/background.h"
#include "shim/log.h"
#include "shim/process.h"

namespace shim::news {
namespace {

// Used until the very end of the process.
std::mutex& mutex = *new std::mutex;
std::string& last = *new std::string;    // the notice that came last, under the mutex
std::string& untold = *new std::string;  // under the mutex

void take_notice(const std::string& notice) {
  const std::lock_guard lock(mutex);
  if (notice == last) return;
  last = untold = notice;
  if (notice.empty())
    process::watched &= ~process::news;
  else
    process::watched |= process::news;
}

struct Watch {
  std::string path;
  wire::Fd folder;
  Transport& transport;

  // False once there is nothing more to come.
  bool look() const {
    const std::optional<lease::File> file = lease::read_again(path);
    if (!file) return true;  // the holder has gone: the agent decides what that means
    take_notice(file->notice);
    if (file->state != "ended") return true;
    transport.end({.over = true, .why = file->message});
    return false;
  }

  void run() const {
    pollfd fds[2] = {{folder.get(), POLLIN, 0}, {transport.socket(), POLLRDHUP, 0}};
    while (look()) {
      if (poll(fds, 2, -1) < 0) continue;
      if (fds[1].revents != 0) return transport.end({.why = "the GPU server closed it"});
      char events[4096];
      while (::read(folder.get(), events, sizeof events) > 0) {
      }
    }
  }
};

void* run(void* argument) {
  pthread_setname_np(pthread_self(), "bfkernel-news");
  const std::unique_ptr<Watch> watch(static_cast<Watch*>(argument));
  watch->run();
  return nullptr;
}

}  // namespace

void follow(const lease::File& file, Transport& transport) {
  auto watch =
      std::make_unique<Watch>(Watch{file.path, wire::Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), transport});
  inotify_add_watch(watch->folder.get(), lease::folder_of(file.path).c_str(), IN_MOVED_TO | IN_CLOSE_WRITE);
  if (start_background(&run, watch.get())) watch.release();
}

void tell() {
  if ((process::watched & process::news) == 0) return;
  std::string notice;
  {
    const std::lock_guard lock(mutex);
    process::watched &= ~process::news;
    notice.swap(untold);
  }
  if (!notice.empty()) log::say(notice, CU_LOG_LEVEL_WARNING);
}

}  // namespace shim::news
