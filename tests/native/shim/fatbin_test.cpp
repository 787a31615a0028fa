// SPDX-License-Identifier: BSD-3-Clause
// What is sent of images that nvcc made.
#include "shim/fatbin.h"

#include <fstream>
#include <iterator>

#include "../worker/check.h"

namespace {

using shim::fatbin::Device;
using shim::fatbin::Shipment;

std::vector<std::byte> image(const char* name) {
  std::ifstream file(std::string(BFKERNEL_TEST_IMAGES "/") + name, std::ios::binary);
  CHECK(file.good());
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto bytes = std::as_bytes(std::span(chars));
  return {bytes.begin(), bytes.end()};
}

constexpr Device gpu(int sm) { return {sm, true}; }
constexpr Device emulated(int sm) { return {sm, false}; }

std::string sent(const char* name, const std::vector<Device>& devices) {
  return shim::fatbin::describe(shim::fatbin::select(image(name), devices).container);
}

TEST(machine_code_for_the_device_or_else_the_newest_ptx) {
  const char* const all = "sm_75 compute_75 sm_80 sm_90 compute_90";
  CHECK(shim::fatbin::describe(image("many.fatbin")) == all);
  CHECK(sent("many.fatbin", {gpu(75)}) == "sm_75");
  CHECK(sent("many.fatbin", {gpu(89)}) == "compute_75 sm_80");  // a driver may be told to prefer PTX
  CHECK(sent("many.fatbin", {gpu(90)}) == "sm_90");
  CHECK(sent("many.fatbin", {gpu(100)}) == "compute_90");
  CHECK(shim::fatbin::select(image("many.fatbin"), {gpu(89)}).machine_code);
  CHECK(!shim::fatbin::select(image("many.fatbin"), {gpu(100)}).machine_code);
  CHECK(sent("many.fatbin", {gpu(70)}) == "nothing");
  CHECK(sent("many_lz4.fatbin", {gpu(120)}) == "compute_90");
}

TEST(devices_that_execute_no_machine_code_get_ptx) {
  CHECK(sent("many.fatbin", {emulated(89)}) == "compute_75");
  CHECK(sent("only_sm90.fatbin", {emulated(90)}) == "sm_90");
  CHECK(sent("many.fatbin", {gpu(80), emulated(90)}) == "sm_80 compute_90");
}

TEST(code_for_one_gpu_serves_no_other) {
  CHECK(sent("only_sm90a.fatbin", {gpu(90)}) == "sm_90a");
  CHECK(sent("only_sm90a.fatbin", {emulated(90)}) == "compute_90a");
  CHECK(shim::fatbin::select(image("only_sm90a.fatbin"), {gpu(100)}).empty);
  CHECK(shim::fatbin::select(image("only_sm90.fatbin"), {gpu(89)}).empty);
}

TEST(what_is_sent_is_a_container_again) {
  const Shipment shipment = shim::fatbin::select(image("many.fatbin"), {gpu(80)});
  CHECK(shipment.machine_code && !shipment.empty);
  CHECK_EQUAL(wire::fatbin::container(shipment.container).size(), shipment.container.size());
  CHECK(shipment.container.size() < 5000);
}

TEST(a_damaged_container_is_refused) {
  std::vector<std::byte> bytes = image("many.fatbin");
  bytes.resize(bytes.size() - 8);
  CHECK_THROWS(wire::Malformed, shim::fatbin::select(bytes, {gpu(80)}));
  bytes = image("many.fatbin");
  bytes[16 + 8 + 5] = std::byte{1};  // the first entry's payload, by 2^40 bytes too large
  CHECK_THROWS(wire::Malformed, shim::fatbin::select(bytes, {gpu(80)}));
}

}  // namespace

TEST_MAIN
