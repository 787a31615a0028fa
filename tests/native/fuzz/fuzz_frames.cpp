// SPDX-License-Identifier: BSD-3-Clause
// Everything a client can send, over a driver that computes nothing but touches the memory it is told to
// touch.
//
// An input is a list of calls: opcode and payload are the fuzzer's, the frame around them is right, so that
// the search gets past the header. An input whose first byte is 0xff is sent as it is.
#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "../worker/ledger_file.h"
#include "wire/array_messages.h"
#include "wire/code_messages.h"
#include "wire/device_messages.h"
#include "wire/green_messages.h"
#include "wire/greeting.h"
#include "wire/host_block_messages.h"
#include "wire/memory_messages.h"
#include "wire/socket.h"
#include "wire/stream_messages.h"
#include "worker/session.h"

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::uint64_t kContext = 5000;
constexpr std::uint64_t kLimit = 8 << 20;
constexpr std::size_t kMostBytes = 64 << 10;  // what a socket takes without anybody reading

// One call of an input: this, then `size` bytes of payload.
struct Record {
  std::uint16_t opcode;
  std::uint16_t size;
  std::uint8_t waiting;  // odd: yes
  std::uint8_t context;  // 0: none, 1: an unknown one, else the primary context
};

const worker::DriverTable& driver() {
  static const worker::DriverTable table = [] {
    setenv("NULLDRIVER_MOST_US", "500", 1);
    const char* path = std::getenv("BFKERNEL_TEST_NULLDRIVER");
    if (path == nullptr) {
      std::fprintf(stderr, "BFKERNEL_TEST_NULLDRIVER must name the null driver.\n");
      std::exit(2);
    }
    return worker::load_driver(path);
  }();
  return table;
}

void recover() {
  static const auto function = reinterpret_cast<void (*)()>(
      dlsym(dlopen(std::getenv("BFKERNEL_TEST_NULLDRIVER"), RTLD_NOW), "nulldriver_recover"));
  function();
}

void append(std::vector<std::byte>& bytes, const wire::FrameHeader& header, const void* payload) {
  wire::Encoder out(bytes);
  out.raw(&header, sizeof header);
  out.raw(payload, header.size);
}

std::vector<std::byte> frames(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> bytes;
  std::vector<std::byte> retain;
  wire::Encoder out(retain);
  out(wire::PrimaryRetain{kContext, 0, 0});
  append(bytes,
         {.size = static_cast<std::uint32_t>(retain.size()),
          .opcode = static_cast<std::uint16_t>(wire::Opcode::PrimaryRetain)},
         retain.data());
  if (size > 0 && data[0] == 0xff) {
    wire::Encoder(bytes).raw(data + 1, size - 1);
    return bytes;
  }
  for (Record record; size >= sizeof record;) {
    std::memcpy(&record, data, sizeof record);
    data += sizeof record, size -= sizeof record;
    const std::size_t payload = std::min<std::size_t>(record.size, size);
    append(bytes,
           {.size = static_cast<std::uint32_t>(payload),
            .opcode = record.opcode,
            .flags = record.waiting,
            .context = record.context < 2 ? record.context : kContext},
           data);
    data += payload, size -= payload;
  }
  return bytes;
}

void execute(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> bytes = frames(data, size);
  if (bytes.size() > kMostBytes) return;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) std::abort();
  wire::send_greeting(ends[0], {{"window", "mapped"}}, std::chrono::seconds(1));
  wire::write_all(ends[0], bytes.data(), bytes.size());
  shutdown(ends[0], SHUT_WR);
  std::thread reader([socket = ends[0]] {
    char sink[65536];
    while (read(socket, sink, sizeof sink) > 0) {
    }
  });
  static test::LedgerFile file({kLimit, kLimit});
  {
    worker::Options options;
    options.socket_fd = ends[1];
    options.limits = {kLimit};
    options.window_size = 1ull << 30;
    file.file().gpus = 1;
    worker::Ledger ledger(file.fd(), 0, 1);
    worker::Window window;
    {
      worker::Session session(options, driver(), ledger, nullptr);
      try {
        session.greet();
        session.serve();
      } catch (const wire::Malformed&) {
      } catch (const std::runtime_error&) {
      } catch (const std::bad_alloc&) {
      }
      window = session.window();
    }
    worker::free_window(driver(), window);
    if (file.held() != 0) std::abort();  // whatever a client does, the lease gets its memory back
  }
  recover();
  close(ends[1]);
  reader.join();
  close(ends[0]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  execute(data, size);
  return 0;
}

// ---- the corpus to start from

namespace {

class Seed {
 public:
  template <class M>
  Seed& call(const M& message) {
    std::vector<std::byte> payload;
    wire::Encoder out(payload);
    out(message);
    return add(M::opcode, payload);
  }
  Seed& words(wire::Opcode opcode, std::vector<std::uint64_t> words) {
    std::vector<std::byte> payload;
    wire::Encoder out(payload);
    for (const std::uint64_t word : words) out(word);
    return add(opcode, payload);
  }
  void write(const std::filesystem::path& folder, const char* name) const {
    std::ofstream(folder / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
  }

 private:
  Seed& add(wire::Opcode opcode, const std::vector<std::byte>& payload) {
    const Record record{static_cast<std::uint16_t>(opcode), static_cast<std::uint16_t>(payload.size()), 1, 2};
    wire::Encoder out(bytes_);
    out.raw(&record, sizeof record);
    out.raw(payload.data(), payload.size());
    return *this;
  }
  std::vector<std::byte> bytes_;
};

wire::Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// The first window that is offered lies here, and so do the first blocks in it.
constexpr std::uint64_t kWindow = 0x2000'0000'0000;
constexpr std::uint64_t kUpper = kWindow + (1ull << 29);

void write_seeds(const std::filesystem::path& folder) {
  using wire::Opcode;
  Seed()
      .call(wire::DeviceSnapshot{})
      .call(wire::ContextCreate{5001, 0, 0})
      .call(wire::ContextDestroy{5001})
      .call(wire::PrimaryRelease{0})
      .write(folder, "contexts");
  wire::CopyToDevice up;
  up.destination = kWindow;
  up.bytes = bytes_of("some bytes for the device");
  Seed()
      .call(wire::MemAlloc{1000})
      .call(up)
      .call(wire::CopyToHost{kWindow, 100, 0, 1})
      .words(Opcode::cuMemcpyDtoD_v2, {kWindow, kWindow + 512, 100})
      .call(wire::MemFree{kWindow})
      .call(wire::MemInfo{})
      .write(folder, "memory");
  Seed()
      .call(wire::MemAlloc{1000})
      .call(wire::HostBlockOpen{7300, 4096})
      .call(wire::HostBlockCopy{wire::Direction::to_device, kWindow, 0, wire::kUploadsBlock, 64, 100})
      .call(wire::HostBlockCopy{wire::Direction::to_host, kWindow, 0, 7300, 0, 100})
      .call(wire::HostBlockCopiesDone{0})
      .call(wire::HostBlockClose{7300})
      .write(folder, "host_blocks");
  wire::Copy3D copy;
  copy.direction = wire::Direction::to_device;
  copy.width_bytes = 4, copy.height = 3, copy.depth = 2;
  copy.destination = copy.source = {kWindow, 16, 64};
  copy.bytes = bytes_of("123456789012345678901234");
  wire::Copy3D down = copy, across = copy;
  down.direction = wire::Direction::to_host, down.bytes = {};
  across.direction = wire::Direction::on_device, across.bytes = {};
  Seed().call(wire::MemAlloc{5000}).call(copy).call(across).call(down).write(folder, "copies_3d");
  wire::Copy3D into = copy;
  into.destination_array = {7000, 0, 0, 0};
  const std::string description(sizeof(CUDA_TEXTURE_DESC), '\0');
  const wire::Resource seen{CU_RESOURCE_TYPE_ARRAY, 7000, 0, 0, 0, 0, 0, 0, 0};
  Seed()
      .call(wire::ArrayCreate{7000, {16, 8, 2, CU_AD_FORMAT_FLOAT, 1, 0}, 0})
      .call(into)
      .call(wire::ArrayPart{7000, 0, 0, 7001})
      .call(wire::TextureCreate{7100, seen, bytes_of(description), {}})
      .call(wire::SurfaceCreate{7101, seen})
      .call(wire::TextureDestroy{7100})
      .call(wire::SurfaceDestroy{7101})
      .call(wire::ArrayDestroy{7000, 0})
      .write(folder, "arrays");
  wire::ClusterOccupancy clusters;
  clusters.function = wire::entry_id(6000, 0);
  clusters.attributes.push_back({CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, {}});
  Seed()
      .call(wire::StreamSetAttribute{0, {CU_LAUNCH_ATTRIBUTE_PRIORITY, {}}})
      .call(wire::StreamGetAttribute{0, CU_LAUNCH_ATTRIBUTE_PRIORITY})
      .call(clusters)
      .write(folder, "attributes");
  Seed()
      .call(wire::MemCreate{9000, 4 << 20, 0})
      .call(wire::MemMap{kUpper, 4 << 20, 0, 9000})
      .call(wire::MemSetAccess{kUpper, 4 << 20, 0, 3})
      .call(wire::CopyToHost{kUpper + (3 << 20), 64, 0, 1})
      .call(wire::MemRelease{9000})
      .call(wire::MemUnmap{kUpper, 4 << 20})
      .write(folder, "mappings");
  wire::ModuleLoad load;
  load.module = 6000;
  load.jit = {{{CU_JIT_OPTIMIZATION_LEVEL, 3}}, 100, 100};
  load.code.bytes = bytes_of(".entry sleep(.param .u32 us) { ret; }");
  wire::Launch launch;
  launch.function = wire::entry_id(6000, 0);
  launch.params = bytes_of("\x10\0\0\0");
  wire::Launch attributed = launch;
  attributed.attributes.push_back({CU_LAUNCH_ATTRIBUTE_COOPERATIVE, {}});
  Seed()
      .call(load)
      .call(wire::ModuleGlobal{6000, 0, 0, "variable"})
      .call(wire::FunctionLookup{6000, 0, 7, "print"})
      .call(launch)
      .call(attributed)
      .words(Opcode::cuCtxSynchronize, {})
      .words(Opcode::cuModuleUnload, {6000})
      .write(folder, "modules");
  launch.function = wire::entry_id(6000, 2);
  Seed()
      .call(load)
      .call(launch)
      .words(Opcode::cuStreamSynchronize, {0})
      .call(wire::PrimaryReset{0})
      .write(folder, "fault");
  wire::LibraryLoad library;
  library.library = 6001;
  library.code = load.code;
  wire::LibraryLoad by_name = library;
  by_name.code = {.named = 1, .here = 0};
  Seed()
      .call(library)
      .call(by_name)
      .call(wire::LibraryModule{6001, 6002})
      .words(Opcode::cuLibraryUnload, {6001})
      .write(folder, "libraries");
  wire::LinkAddData data;
  data.link = 6003;
  data.name = "part";
  data.data = load.code.bytes;
  Seed()
      .call(wire::LinkCreate{6003, load.jit})
      .call(data)
      .call(wire::LinkComplete{6003})
      .call(wire::LinkDestroy{6003})
      .write(folder, "links");
  const wire::DeviceResource part{1, CU_DEV_RESOURCE_TYPE_SM, {}};
  Seed()
      .call(wire::ResourceOf{wire::ResourceOf::Whose::device, 0, CU_DEV_RESOURCE_TYPE_SM})
      .call(wire::ResourceSplitByCount{part, 2, 0, 8, 1, 1})
      .call(wire::ResourceSplit{part, 0, 1, 1, {{8}}})
      .call(wire::ResourceDescribe{7200, {part, part}})
      .call(wire::GreenContextCreate{7201, 7200, 0, 1})
      .words(Opcode::cuGreenCtxStreamCreate, {7202, 7201, 1})
      .words(Opcode::cuGreenCtxRecordEvent, {7201, 7001})
      .call(wire::GreenContextDestroy{7201})
      .write(folder, "green_contexts");
  Seed()
      .words(Opcode::cuStreamCreate, {7000})
      .words(Opcode::cuEventCreate, {7001})
      .words(Opcode::cuEventRecord, {7001, 7000})
      .words(Opcode::cuStreamWaitEvent, {7000, 7001})
      .words(Opcode::cuEventSynchronize, {7001})
      .words(Opcode::cuStreamDestroy_v2, {7000})
      .words(Opcode::cuEventDestroy_v2, {7001})
      .write(folder, "streams");
}

#ifndef BFKERNEL_LIBFUZZER

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Input mutated(const std::vector<Input>& corpus, std::mt19937& random) {
  Input input = corpus[random() % corpus.size()];
  static const std::uint64_t numbers[] = {0,          1,       2,      0xff,     0xffff, 0xffffffff,
                                          UINT64_MAX, kWindow, kUpper, kContext, 6000,   4 << 20};
  for (unsigned changes = 1 + random() % 6; changes > 0 && !input.empty(); --changes) {
    const std::size_t at = random() % input.size();
    switch (random() % 6) {
      case 0:
        input[at] ^= static_cast<std::uint8_t>(1u << random() % 8);
        break;
      case 1:
        input[at] = static_cast<std::uint8_t>(random());
        break;
      case 2:
        input.erase(input.begin() + at, input.begin() + std::min(input.size(), at + 1 + random() % 16));
        break;
      case 3:
        input.insert(input.begin() + at, 1 + random() % 16, static_cast<std::uint8_t>(random()));
        break;
      case 4: {
        const std::uint64_t number = numbers[random() % std::size(numbers)];
        std::memcpy(input.data() + at, &number,
                    std::min<std::size_t>(input.size() - at, random() % 2 ? 4 : 8));
        break;
      }
      default: {
        const Input& other = corpus[random() % corpus.size()];
        input.insert(input.begin() + at, other.begin(), other.begin() + random() % (other.size() + 1));
      }
    }
  }
  return input;
}

#endif

}  // namespace

#ifdef BFKERNEL_LIBFUZZER

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (const char* folder = std::getenv("BFKERNEL_WRITE_SEEDS")) write_seeds(folder);
  return 0;
}

#else

int main(int argc, char** argv) {
  std::vector<Input> corpus;
  long seconds = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atol(argv[++i]);
    } else if (std::strcmp(argv[i], "--write-seeds") == 0 && i + 1 < argc) {
      write_seeds(argv[++i]);
    } else {
      corpus.push_back(read_file(argv[i]));
    }
  }
  for (const Input& input : corpus) execute(input.data(), input.size());
  std::mt19937 random(std::random_device{}());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(corpus.empty() ? 0 : seconds);
  unsigned long runs = corpus.size();
  for (; std::chrono::steady_clock::now() < end; ++runs) {
    const Input input = mutated(corpus, random);
    execute(input.data(), input.size());
  }
  std::printf("%lu inputs executed\n", runs);
}

#endif
