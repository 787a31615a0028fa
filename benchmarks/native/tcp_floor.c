// SPDX-License-Identifier: BSD-3-Clause
// The floor: what two processes on this machine can do over loopback TCP at all, with nothing in between.
// Prints tcp_rtt_us (a ping-pong of 64 bytes, median) and tcp_GBps (one way, in pieces of 1 MiB).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kMessage = 64, kRounds = 20000, kPiece = 1 << 20, kPieces = 1024 };

static void require(int good, const char* what) {
  if (good) return;
  perror(what);
  exit(1);
}

static double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static int ascending(const void* left, const void* right) {
  const double a = *(const double*)left, b = *(const double*)right;
  return (a > b) - (a < b);
}

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

// The other process: answers the pings, then swallows the stream and acknowledges its end.
static void serve(int listener) {
  const int socket = accept(listener, NULL, NULL);
  require(socket >= 0, "accept");
  no_delay(socket);
  char message[kMessage];
  for (int i = 0; i < kRounds; i++) {
    require(recv(socket, message, kMessage, MSG_WAITALL) == kMessage, "recv");
    send_all(socket, message, kMessage);
  }
  char* piece = malloc(kPiece);
  while (read(socket, piece, kPiece) > 0) continue;
  send_all(socket, "x", 1);
  exit(0);
}

static double median_ping_pong_us(int socket) {
  static double took[kRounds];
  char message[kMessage] = {0};
  for (int i = 0; i < kRounds; i++) {
    const double start = now_s();
    send_all(socket, message, kMessage);
    require(recv(socket, message, kMessage, MSG_WAITALL) == kMessage, "recv");
    took[i] = now_s() - start;
  }
  qsort(took, kRounds, sizeof *took, ascending);
  return took[kRounds / 2] * 1e6;
}

static double one_way_gbps(int socket) {
  char* piece = malloc(kPiece);
  memset(piece, 1, kPiece);
  const double start = now_s();
  for (int i = 0; i < kPieces; i++) send_all(socket, piece, kPiece);
  shutdown(socket, SHUT_WR);
  require(recv(socket, piece, 1, MSG_WAITALL) == 1, "recv");
  return (double)kPieces * kPiece / (now_s() - start) / 1e9;
}

int main(void) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  require(bind(listener, (struct sockaddr*)&address, length) == 0, "bind");
  require(listen(listener, 1) == 0, "listen");
  require(getsockname(listener, (struct sockaddr*)&address, &length) == 0, "getsockname");
  if (fork() == 0) serve(listener);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  require(connect(client, (struct sockaddr*)&address, sizeof address) == 0, "connect");
  no_delay(client);
  printf("tcp_rtt_us %.2f\n", median_ping_pong_us(client));
  printf("tcp_GBps %.3f\n", one_way_gbps(client));
  wait(NULL);
  return 0;
}
