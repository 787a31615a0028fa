// SPDX-License-Identifier: BSD-3-Clause
#include "worker/control.h"

#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include "wire/codec.h"
#include "wire/json.h"
#include "worker/log.h"

namespace worker {
namespace {

constexpr std::size_t kMaxMessage = 4096;

struct Message {
  std::string text;  // empty: the agent has closed the line
  wire::Fd descriptor;
};

// The line keeps messages apart (SOCK_SEQPACKET), so one call takes one whole.
Message receive(int fd) {
  std::array<char, kMaxMessage> text;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> extra{};
  iovec part{text.data(), text.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = extra.data();
  header.msg_controllen = extra.size();
  ssize_t got = 0;
  do got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) throw std::system_error(errno, std::generic_category(), "reading from the agent");
  Message message{std::string(text.data(), static_cast<std::size_t>(got)), {}};
  const cmsghdr* found = CMSG_FIRSTHDR(&header);
  if (found != nullptr && found->cmsg_level == SOL_SOCKET && found->cmsg_type == SCM_RIGHTS) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(found), sizeof descriptor);
    message.descriptor.reset(descriptor);
  }
  return message;
}

}  // namespace

Control::~Control() {
  if (!thread_.joinable()) return;
  shutdown(fd_, SHUT_RDWR);
  thread_.join();
}

std::string Control::join_key() {
  if (fd_ < 0) return {};
  const Message first = receive(fd_);
  try {
    return wire::json::parse(first.text)["join"].text();
  } catch (const wire::json::Error& error) {
    throw wire::Malformed(error.what());
  }
}

void Control::start(std::function<void(const std::string&, wire::Fd)> joined) {
  if (fd_ < 0) return;
  joined_ = std::move(joined);
  thread_ = std::thread([this] { loop(); });
}

void Control::loop() {
  pthread_setname_np(pthread_self(), "control");
  for (;;) {
    try {
      Message message = receive(fd_);
      if (message.text.empty()) return;
      if (message.descriptor)
        joined_(wire::json::parse(message.text)["role"].text(), std::move(message.descriptor));
    } catch (const std::system_error& error) {
      return log_line("%s", error.what());
    } catch (const std::exception& error) {
      log_line("a further connection was not taken: %s", error.what());
    }
  }
}

}  // namespace worker
