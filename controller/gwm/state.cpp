// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/state.hpp"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/describe/class.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include "controller/base/lines.hpp"
#include "controller/base/sealed_text.hpp"
#include "controller/sasp/names.hpp"

namespace saspd::gwm {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr Seal seal{"sasp-gwm-state", "1", "a state of sasp-gwm"};

// Each line is a word and an object. Groups belong to the load balancer before them, members to the
// group. An object with a key too many or too few, or with a number out of range, is not understood:
// other keys are another version.

struct HeadLine {
  std::int64_t unix_time = 0;
};
BOOST_DESCRIBE_STRUCT(HeadLine, (), (unix_time))

struct PeerLine {
  std::string address;
  bool certified = false;  // the rest is of its certificate
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;
  std::vector<std::string> uris;
  std::vector<std::string> emails;
  std::string fingerprint;
};
BOOST_DESCRIBE_STRUCT(PeerLine, (),
                      (address, certified, common_name, dns_names, addresses, uris, emails,
                       fingerprint))

struct LbLine {
  std::string uid;
  std::uint8_t flags = 0;
  std::uint8_t health = 0;
  PeerLine peer;
};
BOOST_DESCRIBE_STRUCT(LbLine, (), (uid, flags, health, peer))

struct GroupLine {
  std::string name;
  std::string debtor;  // empty: a load balancer has registered it
};
BOOST_DESCRIBE_STRUCT(GroupLine, (), (name, debtor))

struct MemberLine {
  std::string address;
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;
  bool mapped = false;  // registered as ::ffff:a.b.c.d
  std::string label;
  std::string debtor;  // empty: its load balancer has registered it
  bool quiesced_by_lb = false;
  bool quiesced_by_member = false;
  std::uint8_t state = 0;
};
BOOST_DESCRIBE_STRUCT(MemberLine, (),
                      (address, protocol, port, mapped, label, debtor, quiesced_by_lb,
                       quiesced_by_member, state))

struct ProbeLine {
  std::string probe;
  std::string endpoint;
  bool passing = false;
  bool up = false;
  bool drain = false;
  std::uint16_t percent = 0;
  double damped = 0;
  std::int64_t back_ms = -1;  // negative: it was never away
};
BOOST_DESCRIBE_STRUCT(ProbeLine, (),
                      (probe, endpoint, passing, up, drain, percent, damped, back_ms))

struct DrainLine {
  std::string member;
  std::string by;
  std::int64_t unix_time = 0;
};
BOOST_DESCRIBE_STRUCT(DrainLine, (), (member, by, unix_time))

// --- to text

template <class Line>
void append(std::string& text, std::string_view word, const Line& line) {
  text += fmt::format("{} {}\n", word, json::serialize(json::value_from(line)));
}

std::int64_t ms(Duration time) {
  return std::chrono::floor<milliseconds>(time).count();
}

PeerLine peer_line(const Rights& rights) {
  PeerLine line;
  line.address = rights.address.text();
  line.certified = rights.identity.has_value();
  if (!line.certified) return line;
  const PeerIdentity& identity = *rights.identity;
  line.common_name = identity.common_name;
  line.dns_names = identity.dns_names;
  for (const IpAddress& address : identity.addresses)
    line.addresses.push_back(address.text());
  line.uris = identity.uris;
  line.emails = identity.emails;
  line.fingerprint = identity.fingerprint;
  return line;
}

MemberLine member_line(const sasp::MemberKey& key, const Member& member) {
  MemberLine line;
  line.address = key.address.text();
  line.protocol = key.protocol;
  line.port = key.port;
  line.mapped = member.data != sasp::MemberData::of(key, member.data.label);
  line.label = member.data.label;
  if (!member.registered_by_lb) line.debtor = member.debtor.text();
  line.quiesced_by_lb = member.quiesced_by_lb;
  line.quiesced_by_member = member.quiesced_by_member;
  line.state = member.state;
  return line;
}

void append_lb(std::string& text, const std::string& uid, const LoadBalancer& lb) {
  append(text, "lb", LbLine{uid, lb.flags, lb.health, peer_line(lb.rights)});
  for (const auto& [name, group] : lb.groups) {
    const auto alone = lb.self_registered.find(name);
    append(text, "group",
           GroupLine{name, alone != lb.self_registered.end() ? alone->second.text() : ""});
    for (const auto& [key, member] : group)
      append(text, "member", member_line(key, member));
  }
}

ProbeLine probe_line(const ProbeTarget& target, const Remembered& known) {
  ProbeLine line;
  line.probe = target.spec.text();
  line.endpoint = target.endpoint.text();
  line.passing = known.reading.state == Reading::State::passing;
  line.up = known.reading.up;
  line.drain = known.reading.drain;
  line.percent = static_cast<std::uint16_t>(known.reading.percent);
  line.damped = known.percent;
  if (known.back_for) line.back_ms = ms(*known.back_for);
  return line;
}

// --- from text

// What no state of ours has, and what time or a reply could not hold.
constexpr std::int64_t last_time = 1LL << 36;                // in seconds since 1970: the year 4147
constexpr std::int64_t longest_ms = 1000LL * 86400 * 36525;  // a century

bool is_within(std::int64_t value, std::int64_t least, std::int64_t most) {
  return least <= value && value <= most;
}

Error damaged(std::string what) {
  return fail(std::errc::illegal_byte_sequence, "it is damaged: " + std::move(what));
}

template <class Line>
std::optional<Line> line_of(std::string_view text) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;  // labels are bytes
  json::error_code failed;
  const auto value = json::parse(text, failed, {}, options);
  if (failed) return std::nullopt;
  auto line = json::try_value_to<Line>(value);
  if (!line) return std::nullopt;
  return std::move(*line);
}

bool read_address(const std::string& text, IpAddress& to) {
  const auto address = IpAddress::parse(text);
  if (address) to = *address;
  return address.has_value();
}

class Reader {
 public:
  bool take(std::string_view word, std::string_view text) {
    if (word == "written") return take_as<HeadLine>(text);
    if (word == "lb") return take_as<LbLine>(text);
    if (word == "group") return take_as<GroupLine>(text);
    if (word == "member") return take_as<MemberLine>(text);
    if (word == "probe") return take_as<ProbeLine>(text);
    return word == "drain" && take_as<DrainLine>(text);
  }
  State state;

 private:
  template <class Line>
  bool take_as(std::string_view text) {
    auto line = line_of<Line>(text);
    return line && add(*line);
  }

  bool add(const HeadLine& line) {
    state.unix_time = line.unix_time;
    return is_within(line.unix_time, 0, last_time);
  }

  bool add(LbLine& line) {
    const auto [lb, is_new] = state.lbs.try_emplace(line.uid);
    lb_ = &lb->second;
    group_ = nullptr;
    lb_->flags = line.flags;
    lb_->health = line.health;
    return is_new && sasp::parse_lb_uid(line.uid) && read_peer(line.peer, lb_->rights);
  }

  static bool read_peer(PeerLine& line, Rights& rights) {
    if (!read_address(line.address, rights.address)) return false;
    rights.peer = line.address;
    if (!line.certified) return true;
    PeerIdentity& identity = rights.identity.emplace();
    for (const auto& text : line.addresses) {
      if (!read_address(text, identity.addresses.emplace_back())) return false;
    }
    identity.common_name = std::move(line.common_name);
    identity.dns_names = std::move(line.dns_names);
    identity.uris = std::move(line.uris);
    identity.emails = std::move(line.emails);
    identity.fingerprint = std::move(line.fingerprint);
    return true;
  }

  bool add(const GroupLine& line) {
    if (lb_ == nullptr) return false;
    const auto [group, is_new] = lb_->groups.try_emplace(line.name);
    group_ = &group->second;
    if (!is_new || !sasp::check_group_name(line.name)) return false;
    return line.debtor.empty() || read_address(line.debtor, lb_->self_registered[line.name]);
  }

  bool add(MemberLine& line) {
    sasp::MemberKey key{{}, line.protocol, line.port};
    if (group_ == nullptr || !read_address(line.address, key.address)) return false;
    if (group_->size() == sasp::max_count || line.label.size() > sasp::max_text) return false;
    Member member;
    member.data = sasp::MemberData::of(key, std::move(line.label));
    if (line.mapped) member.data.address[10] = member.data.address[11] = 0xFF;
    member.registered_by_lb = line.debtor.empty();
    member.quiesced_by_lb = line.quiesced_by_lb;
    member.quiesced_by_member = line.quiesced_by_member;
    member.state = line.state;
    if (!member.registered_by_lb && !read_address(line.debtor, member.debtor)) return false;
    return member.data.key() == key && group_->emplace(key, std::move(member)).second;
  }

  bool add(const ProbeLine& line) {
    ProbePlan plan;
    const auto endpoint = Endpoint::parse(line.endpoint);
    if (!endpoint || !plan.add(line.probe) || plan.of("").size() != 1) return false;
    if (line.percent > max_agent_percent || !(0 <= line.damped && line.damped <= max_agent_percent))
      return false;
    if (!is_within(line.back_ms, -1, longest_ms)) return false;
    Remembered known;
    known.reading = {line.passing ? Reading::State::passing : Reading::State::failing, line.up,
                     line.drain, line.percent};
    known.percent = line.damped;
    if (line.back_ms >= 0) known.back_for = milliseconds{line.back_ms};
    return state.probes.emplace(ProbeTarget{plan.of("")[0], *endpoint}, known).second;
  }

  bool add(const DrainLine& line) {
    const auto name = MemberName::parse(line.member);
    return name && is_within(line.unix_time, 0, last_time) &&
           state.drains.emplace(*name, Drain{line.by, line.unix_time}).second;
  }

  LoadBalancer* lb_ = nullptr;  // the last one
  Group* group_ = nullptr;      // its last one
};

}  // namespace

std::string state_text(const State& state) {
  std::string body;
  append(body, "written", HeadLine{state.unix_time});
  for (const auto& [uid, lb] : state.lbs)
    append_lb(body, uid, lb);
  for (const auto& [target, known] : state.probes)
    append(body, "probe", probe_line(target, known));
  for (const auto& [member, drain] : state.drains)
    append(body, "drain", DrainLine{member.text(), drain.by, drain.unix_time});
  return sealed(seal, body);
}

Result<State> parse_state(std::string_view text) {
  const auto body = unsealed(seal, text);
  if (!body) return fail(body.error());
  Reader reader;
  std::string_view rest = *body;
  for (std::size_t number = 2; !rest.empty(); ++number) {
    std::string_view line = take_line(rest);
    const auto word = take_first_word(line);
    if (!reader.take(word, line))
      return damaged(fmt::format("line {} cannot be understood", number));
  }
  return std::move(reader.state);
}

}  // namespace saspd::gwm
