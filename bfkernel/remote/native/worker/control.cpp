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

void Control::greet() {
  if (fd_ < 0) return;
  const Message first = receive(fd_);
  try {
    const wire::json::Value words = wire::json::parse(first.text);
    join_key_ = words["join"].text();
    name_ = words["name"].text();
  } catch (const wire::json::Error& error) {
    throw wire::Malformed(error.what());
  }
}

void Control::start(Received received) {
  if (fd_ < 0) return;
  received_ = std::move(received);
  thread_ = std::thread([this] { loop(); });
}

bool Control::send(const wire::json::Object& message, int descriptor) {
  std::string text = wire::json::Value(message).dump();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> extra{};
  iovec part{text.data(), text.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = extra.data();
    header.msg_controllen = extra.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  }
  ssize_t sent = 0;
  do sent = sendmsg(fd_, &header, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(text.size());
}

void Control::loop() {
  pthread_setname_np(pthread_self(), "control");
  for (;;) {
    try {
      Message message = receive(fd_);
      if (message.text.empty()) return;
      received_(wire::json::parse(message.text), std::move(message.descriptor));
    } catch (const std::system_error& error) {
      return log_line("%s", error.what());
    } catch (const std::exception& error) {
      log_line("a message of the agent's was not understood: %s", error.what());
    }
  }
}

}  // namespace worker
