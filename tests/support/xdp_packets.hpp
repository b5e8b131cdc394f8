// SPDX-License-Identifier: Apache-2.0
// Packets as values, and as bytes: what a program should send is the packet it got with some fields
// changed, written anew. Checksums are computed here from scratch.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "controller/base/address.hpp"

namespace saspd::packets {

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

constexpr std::uint8_t ipip = 4, ipv6_in = 41, tcp_number = 6, udp_number = 17, icmp_number = 1,
                       icmpv6_number = 58, fragment_number = 44;
constexpr std::uint8_t fin = 1, syn = 2, rst = 4, ack = 16;

struct Packet {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = tcp_number;
  Bytes payload;  // with the header of `protocol`
  std::uint8_t hop_limit = 64;
  std::uint8_t traffic_class = 0;
  // IPv4
  std::uint16_t id = 0x4711;
  bool dont_fragment = true;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;  // in units of 8 bytes
  Bytes options;                      // a multiple of 4 bytes
  // IPv6
  std::uint32_t flow_label = 0;

  bool is_v4() const { return destination.family() == Family::v4; }
};

inline IpAddress address(std::string_view text) {
  return *IpAddress::parse(text);
}
inline Endpoint endpoint(std::string_view text) {
  return *Endpoint::parse(text);
}

inline void add8(Bytes& to, unsigned value) {
  to.push_back(static_cast<std::uint8_t>(value));
}
inline void add16(Bytes& to, unsigned value) {
  add8(to, value >> 8);
  add8(to, value);
}
inline void add32(Bytes& to, std::uint32_t value) {
  add16(to, value >> 16);
  add16(to, value);
}
template <class Range>
void add(Bytes& to, const Range& from) {
  to.insert(to.end(), from.begin(), from.end());
}
inline void set16(Bytes& in, std::size_t offset, unsigned value) {
  in.at(offset) = static_cast<std::uint8_t>(value >> 8);
  in.at(offset + 1) = static_cast<std::uint8_t>(value);
}

// RFC 1071, byte by byte.
inline std::uint16_t checksum(const Bytes& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] * 256U : bytes[i];
    sum = sum % 65536 + sum / 65536;
  }
  return static_cast<std::uint16_t>(~sum);
}

// Of a transport header and what follows, with the pseudo header of its family.
inline std::uint16_t transport_checksum(const Packet& packet) {
  Bytes covered;
  if (packet.protocol != icmp_number) {
    add(covered, packet.source.bytes());
    add(covered, packet.destination.bytes());
    add32(covered, static_cast<std::uint32_t>(packet.payload.size()));
    add32(covered, packet.protocol);
  }
  add(covered, packet.payload);
  return checksum(covered);
}

inline Packet between(const IpAddress& source, const IpAddress& destination,
                      std::uint8_t protocol) {
  Packet packet;
  packet.source = source;
  packet.destination = destination;
  packet.protocol = protocol;
  return packet;
}

inline Bytes some_data(std::size_t size) {
  Bytes data(size);
  for (std::size_t i = 0; i < size; ++i)
    data[i] = static_cast<std::uint8_t>(i * 7 + 1);
  return data;
}

inline Packet tcp(const Endpoint& source, const Endpoint& destination, std::uint8_t flags,
                  std::size_t data = 0) {
  Packet packet = between(source.address, destination.address, tcp_number);
  add16(packet.payload, source.port);
  add16(packet.payload, destination.port);
  add32(packet.payload, 0x01020304);
  add32(packet.payload, 0x05060708);
  add8(packet.payload, 5 << 4);
  add8(packet.payload, flags);
  add16(packet.payload, 0xFAF0);
  add32(packet.payload, 0);
  add(packet.payload, some_data(data));
  set16(packet.payload, 16, transport_checksum(packet));
  return packet;
}

inline Packet udp(const Endpoint& source, const Endpoint& destination, std::size_t data = 10) {
  Packet packet = between(source.address, destination.address, udp_number);
  add16(packet.payload, source.port);
  add16(packet.payload, destination.port);
  add16(packet.payload, static_cast<unsigned>(8 + data));
  add16(packet.payload, 0);
  add(packet.payload, some_data(data));
  set16(packet.payload, 6, transport_checksum(packet));
  return packet;
}

// ICMP or ICMPv6 by the family; `rest` is the word behind the checksum.
inline Packet icmp(const IpAddress& source, const IpAddress& destination, std::uint8_t type,
                   std::uint8_t code, std::uint32_t rest, const Bytes& data) {
  Packet packet = between(source, destination,
                          destination.family() == Family::v4 ? icmp_number : icmpv6_number);
  add8(packet.payload, type);
  add8(packet.payload, code);
  add16(packet.payload, 0);
  add32(packet.payload, rest);
  add(packet.payload, data);
  set16(packet.payload, 2, transport_checksum(packet));
  return packet;
}

inline Bytes ipv4(const Packet& packet) {
  Bytes bytes;
  const std::size_t header = 20 + packet.options.size();
  add8(bytes, static_cast<unsigned>(4 << 4 | header / 4));
  add8(bytes, packet.traffic_class);
  add16(bytes, static_cast<unsigned>(header + packet.payload.size()));
  add16(bytes, packet.id);
  add16(bytes, (packet.dont_fragment ? 0x4000U : 0U) | (packet.more_fragments ? 0x2000U : 0U) |
                   packet.fragment_offset);
  add8(bytes, packet.hop_limit);
  add8(bytes, packet.protocol);
  add16(bytes, 0);
  add(bytes, packet.source.bytes());
  add(bytes, packet.destination.bytes());
  add(bytes, packet.options);
  set16(bytes, 10, checksum(bytes));
  add(bytes, packet.payload);
  return bytes;
}

inline Bytes ipv6(const Packet& packet) {
  Bytes bytes;
  add32(bytes,
        6U << 28 | static_cast<std::uint32_t>(packet.traffic_class) << 20 | packet.flow_label);
  add16(bytes, static_cast<unsigned>(packet.payload.size()));
  add8(bytes, packet.protocol);
  add8(bytes, packet.hop_limit);
  add(bytes, packet.source.bytes());
  add(bytes, packet.destination.bytes());
  add(bytes, packet.payload);
  return bytes;
}

inline Bytes bytes(const Packet& packet) {
  return packet.is_v4() ? ipv4(packet) : ipv6(packet);
}

// An IPv6 packet cut into a fragment: `offset` in units of 8 bytes.
inline Packet ipv6_fragment(Packet packet, std::uint16_t offset, bool more) {
  Bytes payload;
  add8(payload, packet.protocol);
  add8(payload, 0);
  add16(payload, static_cast<unsigned>(offset << 3 | (more ? 1 : 0)));
  add32(payload, 0xABCDEF01);
  add(payload, packet.payload);
  packet.payload = payload;
  packet.protocol = fragment_number;
  return packet;
}

// With an IPv6 extension header of `size` bytes (a multiple of 8) before what it carries.
inline Packet extended(Packet packet, std::uint8_t header, std::size_t size,
                       std::uint8_t segments_left = 0) {
  Bytes payload;
  add8(payload, packet.protocol);
  add8(payload, static_cast<unsigned>(size / 8 - 1));
  add8(payload, 0);
  add8(payload, segments_left);
  payload.resize(size);
  add(payload, packet.payload);
  packet.payload = payload;
  packet.protocol = header;
  return packet;
}

// `inner` in an outer packet.
inline Packet wrapped(const Packet& inner, const IpAddress& source, const IpAddress& destination) {
  Packet outer = between(source, destination, inner.is_v4() ? ipip : ipv6_in);
  outer.payload = bytes(inner);
  outer.traffic_class = inner.traffic_class;
  outer.id = inner.id;
  outer.dont_fragment = inner.is_v4() && inner.dont_fragment;
  return outer;
}

inline Bytes ethernet(const Mac& destination, const Mac& source, std::uint16_t type,
                      const Bytes& payload) {
  Bytes frame;
  add(frame, destination);
  add(frame, source);
  add16(frame, type);
  add(frame, payload);
  return frame;
}

// With a VLAN tag behind its addresses.
inline Bytes tagged(std::uint16_t tci, const Bytes& frame, std::uint16_t tpid = 0x8100) {
  Bytes tag;
  add16(tag, tpid);
  add16(tag, tci);
  Bytes with_tag = frame;
  with_tag.insert(with_tag.begin() + 12, tag.begin(), tag.end());
  return with_tag;
}

inline Bytes frame(const Mac& destination, const Mac& source, const Packet& packet) {
  return ethernet(destination, source, packet.is_v4() ? 0x0800 : 0x86DD, bytes(packet));
}

}  // namespace saspd::packets
