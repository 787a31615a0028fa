// SPDX-License-Identifier: BSD-3-Clause
// The floors: what memory, and two processes over TCP, can do at all, with nothing in between.
//   floors memcpy                     memcpy of 256 MiB in one thread
//   floors serve                      print a port, and be the other end of the following until stdin ends
//   floors ping ADDRESS PORT COUNT    ping-pongs of 64 bytes
//   floors step ADDRESS PORT COUNT    1 MiB there and 64 bytes back, as a training step has it with its batch
//   floors way ADDRESS PORT MIB       one way, in pieces of 1 MiB that both ends have in their caches
//   floors memory ADDRESS PORT MIB    one way from 256 MiB of memory; one way into 256 MiB; and one way into
//                                     a piece that is then copied to its place in 256 MiB, as a driver does
//                                     that keeps device memory in host memory
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { kMessage = 64, kPiece = 1 << 20, kMemory = 256 << 20, kMemcpys = 5 };
enum { kPing = 'p', kStep = 't', kSwallow = 's', kPlace = 'l', kStore = 'm' };

static void no_delay(int socket) {
  const int one = 1;
  require(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "TCP_NODELAY");
}

static void send_all(int socket, const char* bytes, size_t size) {
  for (size_t sent = 0; sent < size;) {
    const ssize_t now = write(socket, bytes + sent, size - sent);
    require(now > 0, "write");
    sent += now;
  }
}

// --- the other end

// Answers each message of this size with a short one.
static void answer(int socket, ssize_t size) {
  static char message[kPiece];
  while (recv(socket, message, size, MSG_WAITALL) == size) send_all(socket, message, kMessage);
}

// Acknowledges the end of the stream. `memory` is where the bytes are to be in the end.
static void receive(int socket, char mode, char* memory) {
  static char piece[kPiece];
  size_t at = 0;
  for (ssize_t size;; at = (at + size) % (kMemory - kPiece)) {
    size = read(socket, mode == kPlace ? memory + at : piece, kPiece);
    if (size <= 0) break;
    if (mode == kStore) memcpy(memory + at, piece, size);
  }
  send_all(socket, "x", 1);
}

static void serve_one(int socket, char* memory) {
  char mode;
  no_delay(socket);
  require(recv(socket, &mode, 1, MSG_WAITALL) == 1, "recv");
  if (mode == kPing) answer(socket, kMessage);
  if (mode == kStep) answer(socket, kPiece);
  if (mode == kSwallow || mode == kPlace || mode == kStore) receive(socket, mode, memory);
  close(socket);
}

static void serve(void) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  char* memory = random_bytes(kMemory);
  require(bind(listener, (struct sockaddr*)&address, length) == 0, "bind");
  require(listen(listener, 1) == 0, "listen");
  require(getsockname(listener, (struct sockaddr*)&address, &length) == 0, "getsockname");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct pollfd events[] = {{listener, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (poll(events, 2, -1) > 0 && !events[1].revents) serve_one(accept(listener, NULL, NULL), memory);
}

// --- this end

static int connect_to(const char* host, int port, char mode) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  require(inet_pton(AF_INET, host, &address.sin_addr) == 1, "inet_pton");
  require(connect(client, (struct sockaddr*)&address, sizeof address) == 0, "connect");
  no_delay(client);
  send_all(client, &mode, 1);
  return client;
}

static double exchange_us(int socket, size_t size, int count) {
  double* took = malloc(count * sizeof *took);
  char* message = random_bytes(size);
  char answer[kMessage];
  for (int i = 0; i < count; i++) {
    const double start = now_s();
    send_all(socket, message, size);
    require(recv(socket, answer, kMessage, MSG_WAITALL) == kMessage, "recv");
    took[i] = now_s() - start;
  }
  close(socket);
  return quantile(took, count, 0.5) * 1e6;
}

// Sends `size` bytes of memory again and again, piece by piece.
static double one_way_gbps(int socket, size_t size, int pieces) {
  char* memory = random_bytes(size);
  char last;
  const double start = now_s();
  for (int i = 0; i < pieces; i++) send_all(socket, memory + (size_t)i * kPiece % size, kPiece);
  shutdown(socket, SHUT_WR);
  require(recv(socket, &last, 1, MSG_WAITALL) == 1, "recv");
  const double took = now_s() - start;
  close(socket);
  free(memory);
  return (double)pieces * kPiece / took / 1e9;
}

static double memcpy_gbps(void) {
  char *from = random_bytes(kMemory), *to = random_bytes(kMemory);
  double took[kMemcpys];
  for (int i = 0; i < kMemcpys; i++) {
    const double start = now_s();
    memcpy(to, from, kMemory);
    __asm__ volatile("" ::"r"(to) : "memory");  // it is wanted
    took[i] = now_s() - start;
  }
  return kMemory / quantile(took, kMemcpys, 0.5) / 1e9;
}

static void measure(const char* what, const char* host, int port, int count) {
  if (strcmp(what, "ping") == 0) {
    printf("tcp_rtt_us %.3f\n", exchange_us(connect_to(host, port, kPing), kMessage, count));
  } else if (strcmp(what, "step") == 0) {
    printf("tcp_step_ms %.4f\n", exchange_us(connect_to(host, port, kStep), kPiece, count) / 1e3);
  } else if (strcmp(what, "way") == 0) {
    printf("tcp_GBps %.4f\n", one_way_gbps(connect_to(host, port, kSwallow), kPiece, count));
  } else if (strcmp(what, "memory") == 0) {
    printf("tcp_from_GBps %.4f\n", one_way_gbps(connect_to(host, port, kSwallow), kMemory, count));
    printf("tcp_to_GBps %.4f\n", one_way_gbps(connect_to(host, port, kPlace), kPiece, count));
    printf("tcp_store_GBps %.4f\n", one_way_gbps(connect_to(host, port, kStore), kPiece, count));
  }
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "memcpy") == 0) {
    printf("memcpy_GBps %.4f\n", memcpy_gbps());
  } else if (argc == 2 && strcmp(argv[1], "serve") == 0) {
    serve();
  } else if (argc == 5) {
    measure(argv[1], argv[2], atoi(argv[3]), atoi(argv[4]));
  } else {
    fprintf(stderr, "usage: floors memcpy | serve | ping | step | way | memory ...\n");
    return 1;
  }
  return 0;
}
