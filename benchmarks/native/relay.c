// SPDX-License-Identifier: BSD-3-Clause
// A cable of adjustable length between two network namespaces, for kernels without netem. Usage:
// relay NAMESPACE NAMESPACE DEVICE. It makes the TUN device DEVICE in both, prints "ready", and carries each
// packet from one to the other after the delay, in microseconds, of the newest line on stdin; it ends with
// stdin. TCP in the namespaces sees real round trips: windows, acknowledgements and segments up to 64 KiB as
// on a real network card.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench.h"

enum { kMostBytes = 70000, kRoom = 192 << 20 };

// What is on its way in one direction: a ring of packets, the oldest first.
struct way {
  int from, to;
  char* ring;
  size_t head, tail;  // where the next is written, and read
};

struct packet {
  double due_s;
  size_t size, room;  // bytes, and bytes of the ring up to the next packet
  char bytes[];
};

static double delay_s;

static int open_device(const char* network, const char* name) {
  char path[200];
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  snprintf(path, sizeof path, "/var/run/netns/%s", network);
  const int there = open(path, O_RDONLY | O_CLOEXEC);
  require(there >= 0 && setns(there, CLONE_NEWNET) == 0, path);
  close(there);
  const int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  require(device >= 0, "/dev/net/tun");
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  require(ioctl(device, TUNSETIFF, &request) == 0, "TUNSETIFF");
  require(ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0, "TUNSETOFFLOAD");
  return device;
}

static int full(const struct way* way) {
  return way->head - way->tail > kRoom - 2 * (kMostBytes + sizeof(struct packet));
}

static struct packet* at(const struct way* way, size_t position) {
  return (struct packet*)(way->ring + position % kRoom);
}

// A packet does not wrap: the ring has room for one behind its end.
static int take(struct way* way) {
  struct packet* packet = at(way, way->head);
  const ssize_t size = full(way) ? -1 : read(way->from, packet->bytes, kMostBytes);
  if (size <= 0) return 0;
  packet->due_s = now_s() + delay_s;
  packet->size = size;
  packet->room = (sizeof *packet + size + 15) & ~(size_t)15;
  if (way->head % kRoom + packet->room > kRoom) packet->room = kRoom - way->head % kRoom;
  way->head += packet->room;
  return 1;
}

static int give(struct way* way) {
  const struct packet* packet = at(way, way->tail);
  if (way->tail == way->head || packet->due_s > now_s()) return 0;
  // What the device does not take is lost, as on any network; so is all before it is up.
  if (write(way->to, packet->bytes, packet->size) < 0) errno = 0;
  way->tail += packet->room;
  return 1;
}

static double next_due_s(const struct way* ways) {
  double due = 1e18;
  for (int i = 0; i < 2; i++) {
    if (ways[i].tail != ways[i].head && at(&ways[i], ways[i].tail)->due_s < due)
      due = at(&ways[i], ways[i].tail)->due_s;
  }
  return due;
}

static int obey(void) {
  char line[40];
  const ssize_t size = read(STDIN_FILENO, line, sizeof line - 1);
  if (size <= 0) return 0;
  line[size] = '\0';
  delay_s = atof(line) * 1e-6;
  puts("done");
  return fflush(stdout) == 0;
}

static void rest(struct way* ways, struct pollfd* events) {
  const double left = next_due_s(ways) - now_s();
  const struct timespec none = {0, 0}, pause = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
  for (int i = 0; i < 2; i++) events[i].events = full(&ways[i]) ? 0 : POLLIN;
  ppoll(events, 3, left > 1e9 ? NULL : left > 0 ? &pause : &none, NULL);
}

int main(int argc, char** argv) {
  require(argc == 4, "usage: relay NAMESPACE NAMESPACE DEVICE");
  prctl(PR_SET_TIMERSLACK, 1);
  const int near = open_device(argv[1], argv[3]), far = open_device(argv[2], argv[3]);
  struct way ways[] = {{near, far, malloc(kRoom + kMostBytes + 64)},
                       {far, near, malloc(kRoom + kMostBytes + 64)}};
  struct pollfd events[] = {{near, POLLIN, 0}, {far, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  puts("ready");
  fflush(stdout);
  for (;;) {
    rest(ways, events);
    if (events[2].revents && !obey()) return 0;
    for (int i = 0; i < 2; i++) {
      while (give(&ways[i])) continue;
      if (take(&ways[i])) give(&ways[i]);
    }
  }
}
