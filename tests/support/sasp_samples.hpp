// SPDX-License-Identifier: Apache-2.0
// Random SASP messages: every type, every size from empty to the largest text, and damage to their
// bytes. The same seed gives the same messages; a failing test prints it, and SASPD_TEST_SEED
// repeats.
#pragma once

#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "controller/sasp/codec.hpp"

namespace saspd::testing {

inline std::uint64_t random_seed() {
  const char* fixed = std::getenv("SASPD_TEST_SEED");
  return fixed != nullptr ? std::stoull(fixed) : std::random_device{}();
}

class Samples {
 public:
  explicit Samples(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(engine_);
  }

  sasp::Frame frame() {
    return {static_cast<std::uint32_t>(engine_()), message<sasp::Message>(), sasp::version};
  }

  // One or a few bytes changed, as a broken or newer peer could send them; the Message Length stays
  // right, else nothing but the length would be tested.
  sasp::Bytes damaged(sasp::Bytes bytes) {
    for (auto changes = 1 + below(3); changes > 0; --changes) {
      const auto at = static_cast<std::ptrdiff_t>(below(bytes.size()));
      switch (below(4)) {
        case 0: bytes[static_cast<std::size_t>(at)] = byte(); break;
        case 1:
          bytes[static_cast<std::size_t>(at)] ^= static_cast<std::uint8_t>(1U << below(8));
          break;
        case 2: bytes.insert(bytes.begin() + at, byte()); break;
        default:
          if (bytes.size() > sasp::min_message) bytes.erase(bytes.begin() + at);
      }
    }
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[sasp::message_length_offset + i] =
          static_cast<std::uint8_t>(bytes.size() >> (24 - 8 * i));
    }
    return bytes;
  }

  std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

 private:
  std::uint16_t word() { return static_cast<std::uint16_t>(below(65536)); }
  std::uint8_t flags(std::uint8_t known) { return static_cast<std::uint8_t>(byte() & known); }
  sasp::ReturnCode code() { return static_cast<sasp::ReturnCode>(byte()); }

  // Any bytes: the codec does not judge texts.
  std::string text() {
    const auto sizes = std::to_array<std::uint64_t>({0, 1, 3, 15, 16, 64, 254, 255, below(256)});
    std::string text(sizes.at(below(sizes.size())), ' ');
    for (char& c : text)
      c = static_cast<char>(byte());
    return text;
  }

  template <class Item>
  std::vector<Item> several() {
    std::vector<Item> items(below(50) == 0 ? 300 : below(5));
    for (Item& item : items)
      fill(item);
    return items;
  }

  void fill(sasp::MemberData& m) {
    m.protocol = byte();
    m.port = word();
    for (auto& b : m.address)
      b = below(2) == 0 ? std::uint8_t{0} : byte();
    m.label = text();
  }
  void fill(sasp::GroupData& m) { m = {text(), text()}; }
  void fill(sasp::WeightEntry& m) {
    fill(m.member);
    m.state = byte();
    m.flags = flags(sasp::weight_flag::all);
    m.weight = word();
  }
  void fill(sasp::MemberState& m) {
    fill(m.member);
    m.state = byte();
    m.flags = flags(sasp::state_flag::all);
  }
  template <sasp::Type type, class Item>
  void fill(sasp::GroupOf<type, Item>& m) {
    fill(m.group);
    m.items = several<Item>();
  }
  void fill(sasp::RegistrationRequest& m) {
    m = {flags(sasp::sender_flag::all), several<sasp::GroupOfMemberData>()};
  }
  void fill(sasp::DeregistrationRequest& m) {
    m = {flags(sasp::sender_flag::all), byte(), several<sasp::GroupOfMemberData>()};
  }
  void fill(sasp::GetWeightsRequest& m) { m = {several<sasp::GroupData>()}; }
  void fill(sasp::GetWeightsReply& m) {
    m = {code(), word(), several<sasp::GroupOfWeightEntries>()};
  }
  void fill(sasp::SendWeights& m) { m = {several<sasp::GroupOfWeightEntries>()}; }
  void fill(sasp::SetMemberStateRequest& m) {
    m = {flags(sasp::sender_flag::all), several<sasp::GroupOfMemberStates>()};
  }
  void fill(sasp::SetLbStateRequest& m) {
    m = {text(), flags(sasp::max_lb_health), flags(sasp::lb_flag::all)};
  }
  template <sasp::Type type>
  void fill(sasp::CodeReply<type>& m) {
    m = {code()};
  }

  template <class Variant, std::size_t... I>
  Variant nth(std::size_t n, std::index_sequence<I...>) {
    Variant variant;
    ((n == I ? fill(variant.template emplace<I>()) : void()), ...);
    return variant;
  }
  template <class Variant>
  Variant message() {
    constexpr auto size = std::variant_size_v<Variant>;
    return nth<Variant>(below(size), std::make_index_sequence<size>{});
  }

  std::mt19937_64 engine_;
};

}  // namespace saspd::testing
