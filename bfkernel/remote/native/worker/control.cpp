// SPDX-License-Identifier: BSD-3-Clause
#include "worker/control.h"

#include <pthread.h>
#include <sys/socket.h>

#include <exception>
#include <system_error>
#include <utility>

#include "wire/codec.h"
#include "wire/json.h"
#include "wire/unix_socket.h"
#include "worker/log.h"

namespace worker {

Control::~Control() {
  if (!thread_.joinable()) return;
  shutdown(fd_, SHUT_RDWR);
  thread_.join();
}

void Control::greet() {
  if (fd_ < 0) return;
  const wire::Letter first = wire::receive_letter(fd_);
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
  return wire::send_letter(fd_, wire::json::Value(message).dump(), descriptor);
}

void Control::loop() {
  pthread_setname_np(pthread_self(), "control");
  for (;;) {
    wire::Letter message;
    try {
      message = wire::receive_letter(fd_);
    } catch (const std::exception& error) {
      return log_line("%s", error.what());
    }
    if (message.text.empty()) return;
    try {
      received_(wire::json::parse(message.text), std::move(message.descriptor));
    } catch (const std::exception& error) {
      // Of a client, say, that has gone before it was greeted; the agent has more to say.
      log_line("a message of the agent's came to nothing: %s", error.what());
    }
  }
}

}  // namespace worker
