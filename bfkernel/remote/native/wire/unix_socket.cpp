// SPDX-License-Identifier: BSD-3-Clause
#include "wire/unix_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

#include "wire/failed_call.h"

namespace wire {
namespace {

constexpr std::size_t kMaxText = 4096;

void wait_for_letter(int fd, std::chrono::milliseconds limit) {
  pollfd watched{fd, POLLIN, 0};
  int ready = 0;
  do ready = poll(&watched, 1, static_cast<int>(limit.count()));
  while (ready < 0 && errno == EINTR);
  if (ready == 0) errno = ETIMEDOUT;
  if (ready <= 0) fail("waiting for a message on this machine");
}

// Abstract: the name begins with a zero byte.
struct Address {
  explicit Address(const std::string& name) {
    value.sun_family = AF_UNIX;
    const std::size_t length = std::min(name.size(), sizeof value.sun_path - 1);
    std::memcpy(value.sun_path + 1, name.data(), length);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value); }
  sockaddr_un value{};
  socklen_t size = 0;
};

}  // namespace

Letter receive_letter(int fd, std::chrono::milliseconds limit) {
  if (limit.count() > 0) wait_for_letter(fd, limit);
  std::array<char, kMaxText> text;
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
  if (got < 0) fail("reading a message on this machine");
  Letter letter{std::string(text.data(), static_cast<std::size_t>(got)), {}};
  const cmsghdr* found = CMSG_FIRSTHDR(&header);
  if (found != nullptr && found->cmsg_level == SOL_SOCKET && found->cmsg_type == SCM_RIGHTS) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(found), sizeof descriptor);
    letter.descriptor.reset(descriptor);
  }
  return letter;
}

bool send_letter(int fd, const std::string& text, int descriptor) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> extra{};
  iovec part{const_cast<char*>(text.data()), text.size()};
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
  do sent = sendmsg(fd, &header, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(text.size());
}

Fd listen_locally(const std::string& name) {
  Fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const Address address(name);
  if (!fd || bind(fd.get(), address.get(), address.size) != 0 || listen(fd.get(), 4) != 0)
    fail("listening on this machine");
  return fd;
}

Fd connect_locally(const std::string& name) {
  Fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const Address address(name);
  if (!fd || connect(fd.get(), address.get(), address.size) != 0) return {};
  return fd;
}

}  // namespace wire
