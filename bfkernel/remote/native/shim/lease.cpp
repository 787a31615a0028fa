// SPDX-License-Identifier: BSD-3-Clause
#include "shim/lease.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "shim/failure.h"
#include "shim/log.h"
#include "wire/json.h"
#include "wire/socket.h"

namespace shim::lease {
namespace {

constexpr int kCheckHolderMs = 1000;

// While it lives, SIGINT wakes the wait. Only for a program that handles SIGINT itself: else the default
// action, or its being ignored, is what the program wants.
class Interrupt {
 public:
  Interrupt() {
    if (pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) != 0) return;
    sigaction(SIGINT, nullptr, &before_);
    const bool handled =
        (before_.sa_flags & SA_SIGINFO) || (before_.sa_handler != SIG_DFL && before_.sa_handler != SIG_IGN);
    if (!handled) return;
    current_ = this;
    struct sigaction ours{};
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | (before_.sa_flags & (SA_ONSTACK | SA_RESTART));
    ours.sa_mask = before_.sa_mask;
    installed_ = sigaction(SIGINT, &ours, nullptr) == 0;
  }
  ~Interrupt() {
    if (installed_) sigaction(SIGINT, &before_, nullptr);
    current_ = nullptr;
    for (const int fd : pipe_)
      if (fd >= 0) close(fd);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  int fd() const { return pipe_[0]; }
  bool happened() const { return happened_; }

 private:
  static void on_signal(int signal, siginfo_t* info, void* context) {
    Interrupt* self = current_;
    if (!self) return;
    self->happened_ = true;
    const int error = errno;
    [[maybe_unused]] const ssize_t ignored = write(self->pipe_[1], "", 1);
    errno = error;
    if (self->before_.sa_flags & SA_SIGINFO)
      self->before_.sa_sigaction(signal, info, context);
    else
      self->before_.sa_handler(signal);
  }

  static inline std::atomic<Interrupt*> current_{nullptr};
  int pipe_[2] = {-1, -1};
  struct sigaction before_{};
  bool installed_ = false;
  std::atomic<bool> happened_{false};
};

bool holder_is_gone(const File& file) { return file.pid > 0 && kill(file.pid, 0) != 0 && errno == ESRCH; }

// Sleeps until the folder changes, SIGINT comes, or it is time to look whether the holder lives.
void sleep_until_change(const wire::Fd& watch, const Interrupt& interrupt) {
  pollfd fds[2] = {{watch.get(), POLLIN, 0}, {interrupt.fd(), POLLIN, 0}};
  poll(fds, 2, kCheckHolderMs);
  char events[4096];
  while (watch && ::read(watch.get(), events, sizeof events) > 0) {
  }
}

}  // namespace

void tell(const File& file, const std::string& message) {
  log::say(file.size.empty() ? message : file.size + ": " + message);
}

std::string over(const std::string& why) {
  const char* full_stop = why.ends_with('.') ? "" : ".";
  return why + full_stop + " Restart the kernel or program to ask for a new share.";
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

File read() {
  const char* path = std::getenv("BFKERNEL_LEASE_FILE");
  if (!path || !*path) {
    log::say_once(
        "this process holds no GPU lease: start it with 'bfkernel run -p 0.02 -- COMMAND', or use a notebook "
        "kernel such as \"GPU 0.02\"");
    throw Failure{CUDA_ERROR_NO_DEVICE};
  }
  if (std::optional<File> file = read_again(path)) return *std::move(file);
  log::say_once(std::string("the lease file ") + path +
                " cannot be read: the command or kernel that held the lease has ended");
  throw Failure{CUDA_ERROR_NO_DEVICE};
}

std::optional<File> read_again(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  try {
    const wire::json::Value json = wire::json::parse(text.str());
    return File{.path = path,
                .state = json["state"].text(),
                .size = json["size"].text(),
                .message = json["message"].text(),
                .notice = json["notice"].text(),
                .agent = json["agent"].text(),
                .token = json["token"].text(),
                .gpus = static_cast<int>(json["gpus"].integer(1)),
                .pid = static_cast<int>(json["pid"].integer())};
  } catch (const wire::json::Error&) {
    return std::nullopt;
  }
}

File wait_for_grant() {
  const Interrupt interrupt;
  File file = read();
  // The watch comes before the second look, so that no change falls between the two.
  const wire::Fd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  inotify_add_watch(watch.get(), folder_of(file.path).c_str(), IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE);
  std::string told;
  while (true) {
    file = read();
    if (file.state == "granted") return file;
    if (file.state == "refused" || file.state == "ended" || file.state == "unreachable") {
      const std::string why = file.state == "ended" ? over(file.message) : file.message;
      log::say_once((file.size.empty() ? "" : file.size + ": ") + why);
      throw Failure{CUDA_ERROR_NO_DEVICE};
    }
    if (holder_is_gone(file)) {
      log::say_once(file.size + ": the command or kernel that asked for the GPU has ended");
      throw Failure{CUDA_ERROR_NO_DEVICE};
    }
    if (file.message != told && !file.message.empty()) tell(file, told = file.message);
    if (interrupt.happened()) throw Failure{CUDA_ERROR_SYSTEM_NOT_READY};
    sleep_until_change(watch, interrupt);
  }
}

}  // namespace shim::lease
