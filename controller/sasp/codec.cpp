#include "controller/sasp/codec.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

namespace saspd::sasp {

// ---- The field lists -------------------------------------------------------------------------------
// Each component is written down once, in wire order; the Reader and the Writer below visit the same
// list. A component has own fields, which its TLV length covers, and may be followed by nested
// components, which it does not cover.

namespace {

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, MemberData>
{
  x.component(Type::member_data, [&](auto& c) {  // RFC 4678 5.1
    c.u8(m.protocol);
    c.u16(m.port);
    c.address(m.address);
    c.text8(m.label, "label");
  });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, GroupData>
{
  x.component(Type::group_data, [&](auto& c) {  // RFC 4678 5.2
    c.text8(m.lb_uid, "lb uid");
    c.text8(m.name, "group name");
  });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, WeightEntry>
{
  fields(x, m.member);
  x.component(Type::weight_entry, [&](auto& c) {  // RFC 4678 5.3
    c.u8(m.state);
    c.flags(m.flags, weight_flag::contact | weight_flag::quiesce | weight_flag::registered_by_lb |
                         weight_flag::confident);
    c.u16(m.weight);
  });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, MemberState>
{
  fields(x, m.member);
  x.component(Type::member_state_instance, [&](auto& c) {  // RFC 4678 5.4
    c.u8(m.state);
    c.flags(m.flags, state_flag::quiesce);
  });
}

template <class Item>
struct GroupTraits;
template <>
struct GroupTraits<MemberData> {
  static constexpr Type type = Type::group_of_member_data;  // RFC 4678 6.1
  static constexpr std::size_t min_item = 24;
};
template <>
struct GroupTraits<WeightEntry> {
  static constexpr Type type = Type::group_of_weight_entry_data;  // RFC 4678 6.2
  static constexpr std::size_t min_item = 24 + 8;
};
template <>
struct GroupTraits<MemberState> {
  static constexpr Type type = Type::group_of_member_state_data;  // RFC 4678 6.3
  static constexpr std::size_t min_item = 24 + 6;
};
constexpr std::size_t min_group_data = 6;
constexpr std::size_t min_group = 6 + min_group_data;

template <class X, class Group>
void group_fields(X& x, Group& m) {
  using Item = typename decltype(m.items)::value_type;
  x.component(
      GroupTraits<Item>::type, [&](auto& c) { c.count(m.items); }, Type::group_data,
      [&](auto& c) {
        fields(c, m.group);
        c.each(m.items, GroupTraits<Item>::min_item);
      });
}
template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, GroupOfMemberData> ||
           std::is_same_v<std::remove_const_t<M>, GroupOfWeightEntries> ||
           std::is_same_v<std::remove_const_t<M>, GroupOfMemberStates>
{
  group_fields(x, m);
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, RegistrationRequest>
{
  x.component(
      Type::registration_request,
      [&](auto& c) {  // RFC 4678 7.1.1
        c.flags(m.flags, sender_flag::load_balancer);
        c.count(m.groups);
      },
      Type::group_of_member_data, [&](auto& c) { c.each(m.groups, min_group); });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, DeregistrationRequest>
{
  x.component(
      Type::deregistration_request,
      [&](auto& c) {  // RFC 4678 7.2.1
        c.flags(m.flags, sender_flag::load_balancer);
        c.u8(m.reason);
        c.count(m.groups);
      },
      Type::group_of_member_data, [&](auto& c) { c.each(m.groups, min_group); });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, GetWeightsRequest>
{
  x.component(
      Type::get_weights_request, [&](auto& c) { c.count(m.groups); },  // RFC 4678 7.3.1
      Type::group_data, [&](auto& c) { c.each(m.groups, min_group_data); });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, GetWeightsReply>
{
  x.component(
      Type::get_weights_reply,
      [&](auto& c) {  // RFC 4678 7.3.2
        c.code(m.code);
        // sasp-interop row 31: an error reply may end after its code.
        if (c.ends_early(m.code != ReturnCode::successful)) return;
        c.u16(m.interval);
        c.count(m.groups);
      },
      Type::group_of_weight_entry_data, [&](auto& c) { c.each(m.groups, min_group); });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, SendWeights>
{
  x.component(
      Type::send_weights, [&](auto& c) { c.count(m.groups); },  // RFC 4678 7.4
      Type::group_of_weight_entry_data, [&](auto& c) { c.each(m.groups, min_group); });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, SetMemberStateRequest>
{
  x.component(
      Type::set_member_state_request,
      [&](auto& c) {  // RFC 4678 7.5.1
        c.flags(m.flags, sender_flag::load_balancer);
        c.count(m.groups);
      },
      Type::group_of_member_state_data, [&](auto& c) { c.each(m.groups, min_group); });
}

template <class X, class M>
void fields(X& x, M& m)
  requires std::is_same_v<std::remove_const_t<M>, SetLbStateRequest>
{
  x.component(Type::set_lb_state_request, [&](auto& c) {  // RFC 4678 7.6.1
    c.text8(m.lb_uid, "lb uid");
    c.u8(m.health);
    c.flags(m.flags, lb_flag::push | lb_flag::trust | lb_flag::no_change);
  });
}

// RFC 4678 7.1.2, 7.2.2, 7.5.2, 7.6.2
template <class X, Type type>
void fields(X& x, CodeReply<type>& m) {
  x.component(type, [&](auto& c) { c.code(m.code); });
}
template <class X, Type type>
void fields(X& x, const CodeReply<type>& m) {
  x.component(type, [&](auto& c) { c.code(m.code); });
}

// ---- Writer ----------------------------------------------------------------------------------------

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

  // Reserved bits are sent as 0 (RFC 4678 5.3, 5.4, 7): one that is set is our own bug.
  void flags(std::uint8_t value, int known) {
    if ((value & ~known) != 0) refuse(fmt::format("flags {:#04x}: reserved bits set", value));
    u8(value);
  }

  void text8(const std::string& value, const char* what) {
    if (value.size() > max_text) {
      refuse(fmt::format("{}: {} bytes, at most {}", what, value.size(), max_text));
      return;
    }
    u8(static_cast<std::uint8_t>(value.size()));
    out_.insert(out_.end(), value.begin(), value.end());
  }

  template <class Item>
  void count(const std::vector<Item>& items) {
    if (items.size() > std::numeric_limits<std::uint16_t>::max()) {
      refuse(fmt::format("{} items, at most 65535", items.size()));
    }
    u16(static_cast<std::uint16_t>(items.size()));
  }
  template <class Item>
  void each(const std::vector<Item>& items, std::size_t /*min_item*/) {
    for (const auto& item : items) fields(*this, item);
  }

  static bool ends_early(bool) { return false; }

  template <class Own>
  void component(Type type, Own own) {
    const std::size_t start = out_.size();
    u16(static_cast<std::uint16_t>(type));
    u16(0);
    own(*this);
    const std::size_t length = out_.size() - start;
    out_[start + 2] = static_cast<std::uint8_t>(length >> 8);
    out_[start + 3] = static_cast<std::uint8_t>(length);
  }
  template <class Own, class Nested>
  void component(Type type, Own own, Type /*first*/, Nested nested) {
    component(type, own);
    nested(*this);
  }

  const std::string& refusal() const { return refusal_; }

 private:
  void refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
  }

  Bytes& out_;
  std::string refusal_;
};

// ---- Reader ----------------------------------------------------------------------------------------

// A cursor whose every access is checked. The first failure sticks and all later reads give zeros, so
// that a decoder is a straight list of fields and the error is asked for once.
class Reader {
 public:
  Reader(ByteView bytes, DecodeOptions options, ToleranceCounts& tolerances)
      : bytes_(bytes), limit_(bytes.size()), options_(options), tolerances_(tolerances) {}

  void u8(std::uint8_t& value) {
    if (need(1)) value = bytes_[position_++];
  }
  void u16(std::uint16_t& value) {
    if (!need(2)) return;
    value = static_cast<std::uint16_t>(bytes_[position_] << 8 | bytes_[position_ + 1]);
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
    const auto from = bytes_.subspan(position_, value.size());
    std::copy(from.begin(), from.end(), value.begin());
    position_ += value.size();
    // sasp-interop row 2
    const auto zeros = from.first(10);
    if (from[10] == 0xFF && from[11] == 0xFF &&
        std::all_of(zeros.begin(), zeros.end(), [](auto byte) { return byte == 0; })) {
      tolerances_.add(Tolerance::mapped_address);
    }
  }
  void flags(std::uint8_t& value, int known) {
    u8(value);
    if ((value & ~known) == 0) return;
    tolerances_.add(Tolerance::reserved_bits);
    value = static_cast<std::uint8_t>(value & known);
  }
  void text8(std::string& value, const char* /*what*/) {
    std::uint8_t length = 0;
    u8(length);
    if (!need(length)) return;
    const auto from = bytes_.subspan(position_, length);
    value.assign(from.begin(), from.end());
    position_ += length;
  }

  // The count is kept until each() comes, which belongs to the same component.
  template <class Item>
  void count(std::vector<Item>&) {
    std::uint16_t announced = 0;
    u16(announced);
    pending_count_ = announced;
  }
  template <class Item>
  void each(std::vector<Item>& items, std::size_t min_item) {
    const std::size_t announced = std::exchange(pending_count_, 0);
    if (error_) return;
    if (announced > (limit_ - position_) / min_item) {
      return stop(Errc::bad_count, fmt::format("{} items announced, {} bytes left", announced,
                                               limit_ - position_));
    }
    items.reserve(announced);  // bounded by the bytes that are really there
    for (std::size_t i = 0; i < announced && !error_; ++i) {
      read_item(items);
    }
  }

  bool ends_early(bool allowed) {
    if (!allowed || position_ != limit_) return false;
    tolerances_.add(Tolerance::short_error_reply);
    return true;
  }

  template <class Own>
  void component(Type type, Own own) {
    component(type, own, Type{}, [](auto&) {});
  }

  // RFC 4678 4.1 and sasp-interop row 1. The length covers the own fields. Where it is longer and the
  // surplus begins with the component that is due next, the peer meant to cover what it nests, and the
  // nested components must then end exactly there; any other surplus is an extension and is skipped.
  template <class Own, class Nested>
  void component(Type type, Own own, Type first_nested, Nested nested) {
    if (error_) return;
    const std::size_t start = position_;
    if (!due(type)) return;
    std::uint16_t length = 0;
    u16(length);
    if (error_) return;
    if (length < 4 || length > limit_ - start) {
      return stop(Errc::bad_component_length,
                  fmt::format("{}: length {}, {} bytes left", name(type), length, limit_ - start));
    }
    const std::size_t outer_limit = std::exchange(limit_, start + length);
    own(*this);
    limit_ = outer_limit;
    if (error_) {
      if (error_->code == Errc::truncated) {
        error_ = fail(Errc::bad_component_length,
                      fmt::format("{}: length {} is too short for its fields", name(type), length));
      }
      return;
    }
    const std::size_t end = start + length;
    bool covering = false;
    if (position_ != end) {
      covering = first_nested != Type{} && peek16() == static_cast<std::uint16_t>(first_nested);
      if (!options_.accept_long_components) {
        return stop(Errc::bad_component_length,
                    fmt::format("{}: length {}, its fields have {}", name(type), length,
                                position_ - start));
      }
      tolerances_.add(covering ? Tolerance::covering_length : Tolerance::extension_skipped);
      if (!covering) position_ = end;
    }
    nested(*this);
    if (covering && !error_ && position_ != end) {
      stop(Errc::bad_component_length,
           fmt::format("{}: length {} covers neither its own fields nor all it nests ({})",
                       name(type), length, position_ - start));
    }
  }

  // What may follow the message: nothing, or what the options accept.
  void end_of_message() {
    if (error_ || position_ == limit_) return;
    const bool message = limit_ - position_ >= 4 && is_message(static_cast<Type>(peek16()));
    if (!options_.accept_trailing) {
      return stop(message ? Errc::second_component : Errc::trailing_bytes,
                  fmt::format("{} bytes after the message", limit_ - position_));
    }
    tolerances_.add(message ? Tolerance::second_component : Tolerance::trailing_bytes);
  }

  void skip_to(std::size_t position) {
    if (error_) return;
    if (position > limit_) return stop(Errc::truncated, "header longer than the message");
    position_ = position;
  }

  Type peek_type() {
    if (limit_ - position_ < 2) {
      stop(Errc::truncated, "no message component");
      return Type{};
    }
    return static_cast<Type>(peek16());
  }

  void stop(Errc code, std::string detail) {
    if (!error_) error_ = fail(code, fmt::format("{} at byte {}", detail, position_));
  }
  const std::optional<Error>& error() const { return error_; }
  ToleranceCounts& tolerances() { return tolerances_; }

 private:
  template <class Item>
  void read_item(std::vector<Item>& items) {
    fields(*this, items.emplace_back());
  }

  bool need(std::size_t n) {
    if (error_) return false;
    if (limit_ - position_ >= n) return true;
    stop(Errc::truncated, fmt::format("{} bytes needed, {} left", n, limit_ - position_));
    return false;
  }

  std::uint16_t peek16() const {
    if (limit_ - position_ < 2) return 0;
    return static_cast<std::uint16_t>(bytes_[position_] << 8 | bytes_[position_ + 1]);
  }

  // Reads the two type bytes. RFC 4678 figure 11 prints 0x4011 where 4.2 lists 0x4012 (row 3).
  bool due(Type type) {
    std::uint16_t seen = 0;
    u16(seen);
    if (error_) return false;
    if (seen == static_cast<std::uint16_t>(type)) return true;
    if (type == Type::group_of_member_state_data &&
        seen == static_cast<std::uint16_t>(Type::group_of_weight_entry_data)) {
      tolerances_.add(Tolerance::group_type_misprint);
      return true;
    }
    stop(Errc::unexpected_component,
         fmt::format("{:#06x} where {} {:#06x} is due", seen, name(type),
                     static_cast<std::uint16_t>(type)));
    return false;
  }

  ByteView bytes_;
  std::size_t position_ = 0;
  std::size_t limit_;
  std::size_t pending_count_ = 0;
  DecodeOptions options_;
  ToleranceCounts& tolerances_;
  std::optional<Error> error_;
};

// RFC 4678 4.3. Leaves the reader at the message component.
Envelope read_header(Reader& reader, std::size_t frame_size) {
  std::uint16_t type = 0;
  std::uint16_t length = 0;
  std::uint32_t message_length = 0;
  Envelope envelope;
  reader.u16(type);
  reader.u16(length);
  reader.u8(envelope.version);
  reader.u32(message_length);
  reader.u32(envelope.message_id);
  if (reader.error()) return envelope;
  if (type != static_cast<std::uint16_t>(Type::header) || length < header_length) {
    reader.stop(Errc::bad_header, fmt::format("header type {:#06x}, length {}", type, length));
  } else if (message_length != frame_size) {
    reader.stop(Errc::bad_message_length,
                fmt::format("message length {}, frame has {}", message_length, frame_size));
  } else if (length > header_length) {
    reader.tolerances().add(Tolerance::header_surplus);
    reader.skip_to(length);
  }
  envelope.type = reader.error() ? Type{} : reader.peek_type();
  return envelope;
}

template <class M>
Message read_message(Reader& reader) {
  M message;
  fields(reader, message);
  return message;
}

Message read_message(Reader& reader, Type type) {
  switch (type) {
    case Type::registration_request: return read_message<RegistrationRequest>(reader);
    case Type::registration_reply: return read_message<RegistrationReply>(reader);
    case Type::deregistration_request: return read_message<DeregistrationRequest>(reader);
    case Type::deregistration_reply: return read_message<DeregistrationReply>(reader);
    case Type::get_weights_request: return read_message<GetWeightsRequest>(reader);
    case Type::get_weights_reply: return read_message<GetWeightsReply>(reader);
    case Type::send_weights: return read_message<SendWeights>(reader);
    case Type::set_lb_state_request: return read_message<SetLbStateRequest>(reader);
    case Type::set_lb_state_reply: return read_message<SetLbStateReply>(reader);
    case Type::set_member_state_request: return read_message<SetMemberStateRequest>(reader);
    case Type::set_member_state_reply: return read_message<SetMemberStateReply>(reader);
    default:
      reader.stop(Errc::unknown_message,
                  fmt::format("message type {:#06x}", static_cast<std::uint16_t>(type)));
      return {};
  }
}

}  // namespace

Result<Bytes> encode(const Frame& frame) {
  Bytes out;
  Writer writer(out);
  writer.u16(static_cast<std::uint16_t>(Type::header));  // RFC 4678 4.3
  writer.u16(header_length);
  writer.u8(frame.version);
  writer.u32(0);
  writer.u32(frame.message_id);
  std::visit([&](const auto& message) { fields(writer, message); }, frame.message);
  if (!writer.refusal().empty()) {
    return fail(Errc::not_encodable,
                fmt::format("{}: {}", name(type_of(frame.message)), writer.refusal()));
  }
  // RFC 4678 4.3: a signed number, so that the largest message has 2^31 - 1 bytes.
  if (out.size() > std::numeric_limits<std::int32_t>::max()) {
    return fail(Errc::not_encodable, fmt::format("message of {} bytes", out.size()));
  }
  for (int i = 0; i < 4; ++i) {
    out[static_cast<std::size_t>(5 + i)] = static_cast<std::uint8_t>(out.size() >> (24 - 8 * i));
  }
  return out;
}

Result<Decoded> decode(ByteView bytes, DecodeOptions options) {
  Decoded decoded;
  Reader reader(bytes, options, decoded.tolerances);
  const Envelope envelope = read_header(reader, bytes.size());
  decoded.frame.version = envelope.version;
  decoded.frame.message_id = envelope.message_id;
  if (!reader.error()) decoded.frame.message = read_message(reader, envelope.type);
  reader.end_of_message();
  if (reader.error()) return fail(*reader.error());
  return decoded;
}

Result<Envelope> decode_envelope(ByteView bytes) {
  ToleranceCounts ignored;
  Reader reader(bytes, {}, ignored);
  const Envelope envelope = read_header(reader, bytes.size());
  if (reader.error()) return fail(*reader.error());
  return envelope;
}

Type type_of(const Message& message) {
  // The order of the variant.
  static constexpr auto types = std::to_array<Type>(
      {Type::registration_request, Type::registration_reply, Type::deregistration_request,
       Type::deregistration_reply, Type::get_weights_request, Type::get_weights_reply,
       Type::send_weights, Type::set_lb_state_request, Type::set_lb_state_reply,
       Type::set_member_state_request, Type::set_member_state_reply});
  static_assert(types.size() == std::variant_size_v<Message>);
  return types.at(message.index());
}

WireAddress to_wire(const IpAddress& address) {
  WireAddress wire{};
  const auto bytes = address.bytes();
  std::copy(bytes.rbegin(), bytes.rend(), wire.rbegin());
  return wire;
}

IpAddress from_wire(const WireAddress& address) {
  const std::span bytes(address);
  const auto zero = [](std::span<const std::uint8_t> part) {
    return std::all_of(part.begin(), part.end(), [](auto byte) { return byte == 0; });
  };
  const bool mapped = zero(bytes.first(10)) && bytes[10] == 0xFF && bytes[11] == 0xFF;
  // :: and ::1 are IPv6's own.
  const bool compatible = zero(bytes.first(12)) && !(zero(bytes.subspan(12, 3)) && bytes[15] <= 1);
  if (mapped || compatible) return IpAddress::v4(bytes.last<4>());
  return IpAddress::v6(bytes);
}

}  // namespace saspd::sasp
