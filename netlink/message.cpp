// SPDX-License-Identifier: Apache-2.0

#include "netlink/message.hpp"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

namespace saspd::netlink {
namespace {

Error malformed(std::string detail) {
  return fail(std::errc::bad_message, std::move(detail));
}

template <class Number>
Number read(ByteView bytes) {
  Number value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// `step` bytes and their padding; the last item may come without it.
ByteView behind(ByteView bytes, std::size_t step) {
  return bytes.subspan(std::min<std::size_t>(MNL_ALIGN(step), bytes.size()));
}

}  // namespace

Requests::Requests(std::size_t capacity) : capacity_(capacity), buffer_(capacity * max_request) {}

void Requests::clear() {
  // libmnl leaves the padding of attributes as it finds it.
  std::fill_n(buffer_.begin(), used(), std::uint8_t{0});
  count_ = last_ = 0;
}

nlmsghdr& Requests::add(std::uint16_t family, std::uint8_t version, std::uint8_t command,
                        std::uint16_t flags) {
  assert(!full());
  last_ = used();
  ++count_;
  nlmsghdr* request = mnl_nlmsg_put_header(buffer_.data() + last_);
  request->nlmsg_type = family;
  request->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  auto* generic = static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(request, sizeof(genlmsghdr)));
  generic->cmd = command;
  generic->version = version;
  return *request;
}

void Requests::number(std::uint32_t first) {
  std::uint8_t* at = buffer_.data();
  for (std::size_t index = 0; index < count_; ++index) {
    auto* request = reinterpret_cast<nlmsghdr*>(at);
    request->nlmsg_seq = first + static_cast<std::uint32_t>(index);
    at += request->nlmsg_len;
  }
}

void Requests::acknowledge_last() {
  last().nlmsg_flags |= NLM_F_ACK;
}

ByteView Requests::bytes() const {
  return ByteView(buffer_).first(used());
}

std::size_t Requests::used() const {
  if (count_ == 0) return 0;
  const auto length = reinterpret_cast<const nlmsghdr*>(buffer_.data() + last_)->nlmsg_len;
  assert(length <= max_request);
  return last_ + length;
}

nlmsghdr& Requests::last() {
  assert(count_ > 0);
  return *reinterpret_cast<nlmsghdr*>(buffer_.data() + last_);
}

Result<ByteView> Message::attributes() const {
  if (payload.size() < GENL_HDRLEN) {
    return malformed(fmt::format("generic netlink header: length {}, expected at least {}",
                                 payload.size(), GENL_HDRLEN));
  }
  return payload.subspan(GENL_HDRLEN);
}

Result<Message> take_message(ByteView& datagram) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(datagram.data());
  // mnl_nlmsg_ok() takes a length above 2^31 for a negative number, and lets it pass.
  if (datagram.size() < sizeof *header || header->nlmsg_len > datagram.size() ||
      !mnl_nlmsg_ok(header, static_cast<int>(datagram.size()))) {
    return malformed(fmt::format("netlink message truncated: {} bytes are left", datagram.size()));
  }
  const Message message{header->nlmsg_type, header->nlmsg_flags, header->nlmsg_seq,
                        datagram.subspan(MNL_NLMSG_HDRLEN, mnl_nlmsg_get_payload_len(header))};
  datagram = behind(datagram, header->nlmsg_len);
  return message;
}

namespace {

// What follows the fixed part of an NLMSG_ERROR: the request, unless the socket has
// NETLINK_CAP_ACK, and then attributes (net/netlink/af_netlink.c, netlink_ack).
std::string kernels_words(const Message& message) {
  if (message.type != NLMSG_ERROR || (message.flags & NLM_F_ACK_TLVS) == 0) return "";
  std::size_t fixed = sizeof(nlmsgerr);
  if (message.payload.size() < fixed) return "";
  const auto* error = reinterpret_cast<const nlmsgerr*>(message.payload.data());
  if ((message.flags & NLM_F_CAPPED) == 0) {
    fixed = sizeof(nlmsgerr::error) + MNL_ALIGN(std::size_t{error->msg.nlmsg_len});
  }
  if (message.payload.size() < fixed) return "";
  Attributes attributes(message.payload.subspan(fixed), "extended acknowledgement");
  return attributes.has(NLMSGERR_ATTR_MSG) ? attributes.text(NLMSGERR_ATTR_MSG) : "";
}

}  // namespace

Result<void> verdict(const Message& message) {
  if (message.payload.size() < sizeof(nlmsgerr::error)) {
    return malformed(fmt::format("netlink verdict: length {}, expected at least {}",
                                 message.payload.size(), sizeof(nlmsgerr::error)));
  }
  const auto number = read<int>(message.payload);
  if (number >= 0) return {};      // NLMSG_DONE may count something
  constexpr int max_errno = 4095;  // include/linux/err.h
  if (number < -max_errno) return malformed(fmt::format("netlink verdict: error {}", number));
  const std::error_code code(-number, std::generic_category());
  const std::string words = kernels_words(message);
  return fail(code, words.empty() ? fmt::format("kernel error {} ({})", -number, code.message())
                                  : fmt::format("kernel error {} ({})", -number, words));
}

Attributes::Attributes(ByteView bytes, std::string_view name) : name_(name) {
  while (!bytes.empty()) {
    const auto* attribute = reinterpret_cast<const nlattr*>(bytes.data());
    if (!mnl_attr_ok(attribute, static_cast<int>(bytes.size()))) {
      refuse(fmt::format("attributes truncated: {} bytes are left", bytes.size()));
      return;
    }
    if (const auto type = mnl_attr_get_type(attribute); type < values_.size()) {
      values_[type] = bytes.subspan(MNL_ATTR_HDRLEN, mnl_attr_get_payload_len(attribute));
    }
    bytes = behind(bytes, attribute->nla_len);
  }
}

std::uint8_t Attributes::u8(std::uint16_t type) {
  const ByteView value = exactly(type, 1);
  return value.empty() ? 0 : value.front();
}

std::uint16_t Attributes::u16(std::uint16_t type) {
  const ByteView value = exactly(type, 2);
  return value.empty() ? 0 : read<std::uint16_t>(value);
}

std::uint16_t Attributes::big_endian_u16(std::uint16_t type) {
  const ByteView value = exactly(type, 2);
  return value.empty() ? 0 : static_cast<std::uint16_t>(value[0] << 8 | value[1]);
}

std::uint32_t Attributes::u32(std::uint16_t type) {
  const ByteView value = exactly(type, 4);
  return value.empty() ? 0 : read<std::uint32_t>(value);
}

std::string Attributes::text(std::uint16_t type) {
  const ByteView value = required(type);
  return {value.begin(), std::find(value.begin(), value.end(), 0)};
}

ByteView Attributes::bytes(std::uint16_t type, std::size_t size) {
  const ByteView value = required(type);
  if (value.size() >= size) return value.first(size);
  refuse(fmt::format("attribute {}: length {}, expected at least {}", type, value.size(), size));
  return {};
}

Attributes Attributes::nest(std::uint16_t type, std::string_view name) {
  Attributes inner(required(type), name);
  if (error_) inner.error_ = error_;
  return inner;
}

ByteView Attributes::find(std::uint16_t type) const {
  assert(type < values_.size());
  return values_[type];
}

ByteView Attributes::required(std::uint16_t type) {
  if (!has(type)) refuse(fmt::format("attribute {} is missing", type));
  return find(type);
}

ByteView Attributes::exactly(std::uint16_t type, std::size_t size) {
  const ByteView value = required(type);
  if (value.size() == size) return value;
  refuse(fmt::format("attribute {}: length {}, expected {}", type, value.size(), size));
  return {};
}

void Attributes::refuse(std::string detail) {
  if (!error_) error_ = at(name_, malformed(std::move(detail)));
}

BatchOutcome::BatchOutcome(std::uint32_t first_sequence, std::size_t count)
    : first_(first_sequence), count_(count) {
  assert(count > 0);
}

void BatchOutcome::add(ByteView datagram) {
  while (!datagram.empty()) {
    const auto message = take_message(datagram);
    if (!message) return answers_lost(message.error());
    const std::size_t index = message->sequence - first_;  // wraps as the sequence numbers do
    if (index >= count_ || message->type != NLMSG_ERROR) continue;
    if (const auto said = verdict(*message); !said) errors_.emplace(index, said.error());
    if (index == count_ - 1) last_answered_ = true;
  }
}

void BatchOutcome::answers_lost(Error reason) {
  const bool says_so =
      reason.code == std::errc::no_buffer_space || reason.code == std::errc::timed_out;
  if (!says_so) reason.code = std::make_error_code(std::errc::timed_out);
  if (!lost_) lost_ = std::move(reason);
}

void BatchOutcome::not_sent(Error reason) {
  // As an answer it would mean that what was done is not known.
  if (reason.code == std::errc::no_buffer_space || reason.code == std::errc::timed_out)
    reason.code = std::make_error_code(std::errc::io_error);
  lost_ = std::move(reason);
}

std::vector<BatchOutcome::Failed> BatchOutcome::failed() const {
  assert(complete() || lossy());
  std::vector<Failed> failed;
  for (std::size_t index = 0; index < count_; ++index) {
    const bool answered = index == count_ - 1 && last_answered_;
    if (const auto error = errors_.find(index); error != errors_.end()) {
      failed.push_back({index, error->second});
    } else if (lost_ && !answered) {
      failed.push_back({index, *lost_});
    }
  }
  return failed;
}

}  // namespace saspd::netlink
