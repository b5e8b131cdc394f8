// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/codec.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "controller/sasp/encoded_weights.hpp"

namespace saspd::sasp {
namespace {

// ---- The field lists ---------------------------------------------------------------------------
// Each component is written down once, in wire order; Sizer, Writer and Reader below visit the same
// list. A component has fields of its own, which its TLV length covers; the components nested
// in it follow behind, and its length does not cover them (RFC 4678 section 8, sasp-interop row 1).

// `m` is const for the Writer and not for the Reader.
template <class M, class T>
concept Is = std::is_same_v<std::remove_const_t<M>, T>;

// RFC 4678 5.1
void fields(auto& x, Is<MemberData> auto& m) {
  x.component(m.type, [&] {
    x.u8(m.protocol);
    x.u16(m.port);
    x.address(m.address);
    x.text8("label", m.label);
  });
}

// RFC 4678 5.2
void fields(auto& x, Is<GroupData> auto& m) {
  x.component(m.type, [&] {
    x.text8("lb uid", m.lb_uid);
    x.text8("group name", m.name);
  });
}

// RFC 4678 5.3: the member stands before its weight entry, not inside.
void fields(auto& x, Is<WeightEntry> auto& m) {
  fields(x, m.member);
  x.component(m.type, [&] {
    x.u8(m.state);
    x.flags(weight_flag::all, m.flags);
    x.u16(m.weight);
  });
}

// RFC 4678 5.4
void fields(auto& x, Is<MemberState> auto& m) {
  fields(x, m.member);
  x.component(m.type, [&] {
    x.u8(m.state);
    x.flags(state_flag::all, m.flags);
  });
}

// RFC 4678 6.1, 6.2, 6.3
template <class M>
concept IsGroup =
    Is<M, GroupOfMemberData> || Is<M, GroupOfWeightEntries> || Is<M, GroupOfMemberStates>;

void fields(auto& x, IsGroup auto& m) {
  x.component(
      m.type, [&] { x.count(m.items); }, m.group, m.items);
}

// RFC 4678 7.1.1
void fields(auto& x, Is<RegistrationRequest> auto& m) {
  const auto own = [&] {
    x.flags(sender_flag::all, m.flags);
    x.count(m.groups);
  };
  x.component(m.type, own, m.groups);
}

// RFC 4678 7.2.1
void fields(auto& x, Is<DeregistrationRequest> auto& m) {
  const auto own = [&] {
    x.flags(sender_flag::all, m.flags);
    x.u8(m.reason);
    x.count(m.groups);
  };
  x.component(m.type, own, m.groups);
}

// RFC 4678 7.3.1
void fields(auto& x, Is<GetWeightsRequest> auto& m) {
  x.component(
      m.type, [&] { x.count(m.groups); }, m.groups);
}

// RFC 4678 7.3.2
void fields(auto& x, Is<GetWeightsReply> auto& m) {
  const auto own = [&] {
    x.code(m.code);
    // sasp-interop row 31: some peers end an error reply here.
    if (m.code != ReturnCode::successful && x.ends_early(Tolerance::short_error_reply)) return;
    x.u16(m.interval);
    x.count(m.groups);
  };
  x.component(m.type, own, m.groups);
}

// RFC 4678 7.4
void fields(auto& x, Is<SendWeights> auto& m) {
  x.component(
      m.type, [&] { x.count(m.groups); }, m.groups);
}

// RFC 4678 7.5.1
void fields(auto& x, Is<SetMemberStateRequest> auto& m) {
  const auto own = [&] {
    x.flags(sender_flag::all, m.flags);
    x.count(m.groups);
  };
  x.component(m.type, own, m.groups);
}

// RFC 4678 7.6.1
void fields(auto& x, Is<SetLbStateRequest> auto& m) {
  x.component(m.type, [&] {
    x.text8("lb uid", m.lb_uid);
    x.flags(max_lb_health, m.health);  // 0x80..0xFF are reserved
    x.flags(lb_flag::all, m.flags);
  });
}

// RFC 4678 7.1.2, 7.2.2, 7.5.2, 7.6.2
template <class M>
concept IsCodeReply = Is<M, RegistrationReply> || Is<M, DeregistrationReply> ||
    Is<M, SetMemberStateReply> || Is<M, SetLbStateReply>;

void fields(auto& x, IsCodeReply auto& m) {
  x.component(m.type, [&] { x.code(m.code); });
}

// ---- Sizer -------------------------------------------------------------------------------------

// Counts what the Writer would write.
class Sizer {
 public:
  void u8(std::uint8_t) { size_ += 1; }
  void u16(std::uint16_t) { size_ += 2; }
  void code(ReturnCode) { size_ += 1; }
  void address(const WireAddress& value) { size_ += value.size(); }
  void flags(std::uint8_t, std::uint8_t) { size_ += 1; }
  void text8(const char*, const std::string& value) { size_ += 1 + value.size(); }
  template <class Item>
  void count(const std::vector<Item>&) {
    size_ += 2;
  }
  static bool ends_early(Tolerance) { return false; }

  template <class Own, class... Nested>
  void component(Type, Own own, const Nested&... nested) {
    size_ += tlv_header;
    own();
    (add(nested), ...);
  }

  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t tlv_header = 2 + 2;  // type and length

  void add(const GroupData& group) { fields(*this, group); }
  template <class Item>
  void add(const std::vector<Item>& items) {
    for (const auto& item : items)
      fields(*this, item);
  }

  std::size_t size_ = 0;
};

// What an item takes on the wire at least, with empty texts. It bounds how many can still follow.
template <class Item>
std::size_t min_size() {
  static const std::size_t size = wire_size(Item{});
  return size;
}

// ---- Writer ------------------------------------------------------------------------------------

// Appends to `out`. The first value that does not fit is remembered; what follows is written in
// vain.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(value); }
  void u16(std::uint16_t value) {
    u8(static_cast<std::uint8_t>(value >> 8));
    u8(static_cast<std::uint8_t>(value));
  }
  void u32(std::uint32_t value) {
    u16(static_cast<std::uint16_t>(value >> 16));
    u16(static_cast<std::uint16_t>(value));
  }
  void code(ReturnCode value) { u8(static_cast<std::uint8_t>(value)); }
  void address(const WireAddress& value) { out_.insert(out_.end(), value.begin(), value.end()); }

  // Reserved bits are sent as 0 (sasp-interop row 7): one that is set is our own bug.
  void flags(std::uint8_t known, std::uint8_t value) {
    if ((value & ~known) != 0) refuse(fmt::format("{:#04x} sets reserved bits", value));
    u8(value);
  }

  void text8(const char* what, const std::string& value) {
    if (value.size() > max_text) {
      return refuse(fmt::format("{}: {} bytes, at most {}", what, value.size(), max_text));
    }
    u8(static_cast<std::uint8_t>(value.size()));
    out_.insert(out_.end(), value.begin(), value.end());
  }

  template <class Item>
  void count(const std::vector<Item>& items) {
    if (items.size() > max_count) {
      return refuse(
          fmt::format("{} times {}, at most {}", items.size(), name(Item::type), max_count));
    }
    u16(static_cast<std::uint16_t>(items.size()));
  }

  static bool ends_early(Tolerance) { return false; }

  template <class Own, class... Nested>
  void component(Type type, Own own, const Nested&... nested) {
    const std::size_t start = out_.size();
    u16(static_cast<std::uint16_t>(type));
    u16(0);
    own();
    overwrite<2>(start + 2, out_.size() - start);
    (write(nested), ...);
  }

  // The Message Length becomes known when everything else is written.
  void overwrite_u32(std::size_t position, std::size_t value) { overwrite<4>(position, value); }
  void overwrite_u16(std::size_t position, std::size_t value) { overwrite<2>(position, value); }

  // RFC 4678 4.3; the Message Length follows.
  void header(std::uint8_t version, std::uint32_t message_id) {
    u16(static_cast<std::uint16_t>(Type::header));
    u16(header_length);
    u8(version);
    u32(0);
    u32(message_id);
  }

  const std::string& refusal() const { return refusal_; }

 private:
  template <std::size_t n>
  void overwrite(std::size_t position, std::size_t value) {
    for (std::size_t i = 0; i < n; ++i) {
      out_[position + i] = static_cast<std::uint8_t>(value >> (8 * (n - 1 - i)));
    }
  }

  void write(const GroupData& group) { fields(*this, group); }
  template <class Item>
  void write(const std::vector<Item>& items) {
    for (const auto& item : items)
      fields(*this, item);
  }

  void refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
  }

  Bytes& out_;
  std::string refusal_;
};

// ---- Reader ------------------------------------------------------------------------------------

// A cursor whose every access is checked. The first failure sticks and all later reads leave their
// values alone, so that a decoder is a straight list of fields and the error is asked for once.
class Reader {
 public:
  Reader(ByteView bytes, DecodeOptions options, ToleranceCounts& tolerances)
      : bytes_(bytes), limit_(bytes.size()), options_(options), tolerances_(tolerances) {}

  void u8(std::uint8_t& value) {
    if (need(1)) value = bytes_[position_++];
  }
  void u16(std::uint16_t& value) {
    if (!need(2)) return;
    value = peek_u16();
    position_ += 2;
  }
  void u32(std::uint32_t& value) {
    std::uint16_t high = 0;
    std::uint16_t low = 0;
    u16(high);
    u16(low);
    value = std::uint32_t{high} << 16 | low;
  }
  void code(ReturnCode& value) {
    std::uint8_t byte = 0;
    u8(byte);
    value = static_cast<ReturnCode>(byte);
  }
  void address(WireAddress& value) {
    if (!need(value.size())) return;
    std::copy_n(bytes_.data() + position_, value.size(), value.data());
    position_ += value.size();
    if (is_mapped(value)) tolerances_.add(Tolerance::mapped_address);
  }
  void flags(std::uint8_t known, std::uint8_t& value) {
    u8(value);
    if ((value & ~known) == 0) return;
    tolerances_.add(Tolerance::reserved_bits);
    value &= known;
  }
  void text8(const char* /*what*/, std::string& value) {
    std::uint8_t length = 0;
    u8(length);
    if (!need(length)) return;
    value.assign(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
    position_ += length;
  }

  // Makes room for as many items as are announced, but never more than the bytes that are really
  // there can hold. They are read when the own fields of the component are done.
  template <class Item>
  void count(std::vector<Item>& items) {
    std::uint16_t announced = 0;
    u16(announced);
    if (error_) return;
    const std::size_t left = bytes_.size() - position_;
    if (announced > left / min_size<Item>()) {
      return stop(Errc::bad_count, fmt::format("{} times {} announced, {} bytes left", announced,
                                               name(Item::type), left));
    }
    items.resize(announced);
  }

  // The component ends before fields that it should have; the caller says that this is tolerable.
  bool ends_early(Tolerance tolerance) {
    if (error_ || position_ != limit_) return false;
    tolerances_.add(tolerance);
    return true;
  }

  template <class Own, class... Nested>
  void component(Type type, Own own, Nested&... nested) {
    const std::size_t start = position_;
    const std::size_t end = begin(type);
    if (error_) return;
    limit_ = end;
    own();
    limit_ = bytes_.size();
    if (error_) return blame_length(type, start, end);
    const bool covering = position_ != end && surplus(type, start, end, first_type(nested...));
    (read(nested), ...);
    if (covering && !error_ && position_ != end) {
      stop(Errc::bad_component_length,
           fmt::format("{}: length {} covers only a part of what it nests", name(type),
                       end - start));
    }
  }

  // RFC 4678 4.3. Leaves the cursor at the message component.
  Envelope header() {
    std::uint16_t type = 0;
    std::uint16_t length = 0;
    std::uint32_t message_length = 0;
    Envelope envelope;
    u16(type);
    u16(length);
    u8(envelope.version);
    u32(message_length);
    u32(envelope.message_id);
    if (error_) return envelope;
    if (type != static_cast<std::uint16_t>(Type::header) || length < header_length) {
      stop(Errc::bad_header, fmt::format("header type {:#06x}, length {}", type, length));
    } else if (message_length != bytes_.size()) {
      stop(Errc::bad_message_length,
           fmt::format("message length {}, frame has {}", message_length, bytes_.size()));
    } else if (length > header_length) {  // sasp-interop row 14
      skip(length - header_length);
      tolerances_.add(Tolerance::header_surplus);
    }
    if (need(2)) envelope.type = static_cast<Type>(peek_u16());
    return envelope;
  }

  template <class... Ms>
  void message(Type type, std::variant<Ms...>& message) {
    if (error_) return;
    const auto read_if = [&]<class M>(std::type_identity<M>) {
      if (type != M::type) return false;
      fields(*this, message.template emplace<M>());
      return true;
    };
    if (!(read_if(std::type_identity<Ms>{}) || ...)) {
      stop(Errc::unknown_message,
           fmt::format("message type {:#06x}", static_cast<std::uint16_t>(type)));
    }
  }

  // What may follow the message: nothing, or what the options accept (sasp-interop rows 18, 19).
  void end_of_message() {
    if (error_ || position_ == limit_) return;
    const std::size_t left = limit_ - position_;
    const Type next = left < 2 ? Type{} : static_cast<Type>(peek_u16());
    const auto after = [&] {
      return fmt::format("{} bytes after the message: {}", left, name(next));
    };
    // One more group or member than was counted: which of the two is wrong cannot be determined.
    if (is_component(next)) return stop(Errc::bad_count, after());
    const bool second = is_message(next);
    if (!options_.accept_trailing) {
      return stop(second ? Errc::second_component : Errc::trailing_bytes, after());
    }
    tolerances_.add(second ? Tolerance::second_component : Tolerance::trailing_bytes);
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  // The type and length of a TLV; returns where it ends.
  std::size_t begin(Type type) {
    const std::size_t start = position_;
    std::uint16_t seen = 0;
    std::uint16_t length = 0;
    u16(seen);
    u16(length);
    if (error_) return start;
    if (!is_due(type, seen)) {
      position_ = start;
      stop(Errc::unexpected_component, fmt::format("{:#06x} where {} is due", seen, name(type)));
    } else if (length < 4 || length > limit_ - start) {
      position_ = start;
      stop(Errc::bad_component_length,
           fmt::format("{}: length {}, {} bytes left", name(type), length, limit_ - start));
    } else if (seen != static_cast<std::uint16_t>(type)) {
      tolerances_.add(Tolerance::group_type_misprint);
    }
    return start + length;
  }

  // RFC 4678 figure 11 prints 0x4011 where 4.2 lists 0x4012 (sasp-interop row 3).
  static bool is_due(Type type, std::uint16_t seen) {
    return seen == static_cast<std::uint16_t>(type) ||
           (type == Type::group_of_member_state_data &&
            seen == static_cast<std::uint16_t>(Type::group_of_weight_entry_data));
  }

  // sasp-interop row 1: a TLV longer than its own fields. If the surplus begins with the component
  // that is due next, the peer meant to cover what it nests, all of it; else it is an extension
  // that we do not know, and is skipped. Returns whether it covers.
  bool surplus(Type type, std::size_t start, std::size_t end, Type next) {
    if (!options_.accept_long_components) {
      stop(Errc::bad_component_length, fmt::format("{}: length {}, its fields have {}", name(type),
                                                   end - start, position_ - start));
      return false;
    }
    const bool covering = next != Type{} && end - position_ >= 2 && is_due(next, peek_u16());
    tolerances_.add(covering ? Tolerance::covering_length : Tolerance::extension_skipped);
    if (!covering) position_ = end;
    return covering;
  }

  static Type first_type() { return Type{}; }
  template <class... Rest>
  static Type first_type(const GroupData&, const Rest&...) {
    return GroupData::type;
  }
  template <class Item>
  static Type first_type(const std::vector<Item>&) {
    return Item::type;
  }

  void read(GroupData& group) { fields(*this, group); }
  template <class Item>
  void read(std::vector<Item>& items) {
    for (auto& item : items) {
      if (error_) return;
      fields(*this, item);
    }
  }

  // A field that ran into the end of its component: the length was wrong, not the message too
  // short.
  void blame_length(Type type, std::size_t start, std::size_t end) {
    if (error_->code != Errc::truncated) return;
    error_.reset();
    position_ = start;
    stop(Errc::bad_component_length,
         fmt::format("{}: length {} is too short for its fields", name(type), end - start));
  }

  void skip(std::size_t n) {
    if (need(n)) position_ += n;
  }

  bool need(std::size_t n) {
    if (error_) return false;
    if (limit_ - position_ >= n) return true;
    stop(Errc::truncated, fmt::format("{} bytes needed, {} left", n, limit_ - position_));
    return false;
  }

  // Two bytes must be there.
  std::uint16_t peek_u16() const {
    return static_cast<std::uint16_t>(bytes_[position_] << 8 | bytes_[position_ + 1]);
  }

  void stop(Errc code, std::string detail) {
    if (!error_) error_ = fail(code, fmt::format("{} at byte {}", detail, position_));
  }

  ByteView bytes_;
  std::size_t position_ = 0;
  std::size_t limit_;  // the end of the component being read, else of the message
  DecodeOptions options_;
  ToleranceCounts& tolerances_;
  std::optional<Error> error_;
};

}  // namespace

template <class Component>
std::size_t wire_size(const Component& component) {
  Sizer sizer;
  fields(sizer, component);
  return sizer.size();
}
template std::size_t wire_size(const MemberData&);
template std::size_t wire_size(const WeightEntry&);
template std::size_t wire_size(const GroupOfWeightEntries&);
template std::size_t wire_size(const SendWeights&);
template std::size_t wire_size(const GetWeightsReply&);

std::size_t wire_size(const Frame& frame) {
  return header_length +
         std::visit([](const auto& message) { return wire_size(message); }, frame.message);
}

Result<Bytes> encode(const Frame& frame) {
  Bytes out;
  out.reserve(wire_size(frame));
  Writer writer(out);
  writer.header(frame.version, frame.message_id);
  std::visit([&](const auto& message) { fields(writer, message); }, frame.message);
  if (!writer.refusal().empty()) {
    return fail(Errc::not_encodable,
                fmt::format("{}: {}", name(type_of(frame.message)), writer.refusal()));
  }
  // RFC 4678 4.3: a signed number, so that the largest message has 2^31 - 1 bytes.
  if (out.size() > std::numeric_limits<std::int32_t>::max()) {
    return fail(Errc::not_encodable, fmt::format("message of {} bytes", out.size()));
  }
  writer.overwrite_u32(message_length_offset, out.size());
  return out;
}

// ---- Weights that are encoded already ----------------------------------------------------------

void append(Bytes& out, const WeightEntry& entry) {
  Writer writer(out);
  fields(writer, entry);
}

std::size_t length_of(ByteView entries, std::size_t count) {
  static const std::size_t without_label = wire_size(WeightEntry{});
  static const std::size_t label_length = wire_size(MemberData{}) - 1;  // its offset
  std::size_t length = 0;
  for (std::size_t i = 0; i < count; ++i)
    length += without_label + entries[length + label_length];
  return length;
}

void SendWeightsWriter::begin(std::uint32_t message_id) {
  start_ = out_.size();
  groups_ = 0;
  Writer writer(out_);
  writer.header(version, message_id);
  const SendWeights empty;
  fields(writer, empty);
}

void SendWeightsWriter::add(const GroupData& group, std::size_t count, ByteView entries) {
  static const std::size_t before_count = header_length + wire_size(SendWeights{}) - 2;
  Writer writer(out_);
  writer.component(
      GroupOfWeightEntries::type, [&] { writer.u16(static_cast<std::uint16_t>(count)); }, group);
  out_.insert(out_.end(), entries.begin(), entries.end());
  writer.overwrite_u16(start_ + before_count, ++groups_);
  writer.overwrite_u32(start_ + message_length_offset, out_.size() - start_);
}

Result<Decoded> decode(ByteView bytes, DecodeOptions options) {
  Decoded decoded;
  Reader reader(bytes, options, decoded.tolerances);
  const Envelope envelope = reader.header();
  decoded.frame.version = envelope.version;
  decoded.frame.message_id = envelope.message_id;
  reader.message(envelope.type, decoded.frame.message);
  reader.end_of_message();
  if (reader.error()) return fail(*reader.error());
  return decoded;
}

Result<Envelope> decode_envelope(ByteView bytes) {
  ToleranceCounts ignored;
  Reader reader(bytes, {}, ignored);
  const Envelope envelope = reader.header();
  if (reader.error()) return fail(*reader.error());
  return envelope;
}

}  // namespace saspd::sasp
