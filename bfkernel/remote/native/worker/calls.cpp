// SPDX-License-Identifier: BSD-3-Clause
#include "worker/calls.h"

namespace worker {

void CallTable::set(wire::Opcode opcode, Call call) {
  const auto index = static_cast<std::size_t>(opcode);
  if (calls_.size() <= index) calls_.resize(index + 1, nullptr);
  calls_[index] = call;
}

Call call_of(std::uint16_t opcode) {
  static const CallTable table = [] {
    CallTable all;
    add_snapshot_calls(all);
    add_report_calls(all);
    add_context_calls(all);
    add_memory_calls(all);
    add_array_calls(all);
    add_copy_calls(all);
    add_host_block_calls(all);
    add_module_calls(all);
    add_link_calls(all);
    add_launch_calls(all);
    add_stream_calls(all);
    add_synchronise_calls(all);
    add_graph_calls(all);
    add_graph_exec_calls(all);
    add_capture_calls(all);
    add_host_function_calls(all);
    add_ipc_calls(all);
    add_green_calls(all);
    return all;
  }();
  return table.find(opcode);
}

}  // namespace worker
