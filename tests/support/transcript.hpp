// SPDX-License-Identifier: Apache-2.0
// Runs a scripted conversation against a session: what a GWM sends goes in, what the session
// sends and reports is compared line by line. One script reads as the RFC's own flows do. A Role
// knows its session: LbRole is here, that of a member stands with its test.
//
//   config interval=30           before the first event; keys of the session's configuration
//   want GRP1 tcp:10.0.0.1:80    replaces what is wanted in that group ("want GRP1": nothing)
//   quiesce GRP1 tcp:10.0.0.1:80 tcp:10.0.0.2:80=off    replaces which members shall be quiesced, or
//                                of which no quiesce of ours shall be left
//   at 64s                       time passes; due timeouts fire on the way
//   connected                    a new connection
//   recv MESSAGE [id=N] [version=N] [EDIT...]
//                                from the GWM; its id is that of our last request, unless given
//   recv bytes HEX
//   expect send MESSAGE
//   expect established | weights GROUP MEMBER=WEIGHT,FLAGS,STATE... | partial ... |
//          weights of no group
//   expect echoes GROUP MEMBER...     of our own quiesces, in the weights before it
//   expect notice TEXT | close TEXT
//   expect nothing
//   expect tolerances NAME=COUNT...   all that was counted so far; does not look at the outputs
//
// MESSAGE is a name with dashes and its fields, see describe(). EDIT changes its bytes, in the
// order given: overwrite=AT:00.5d, insert=AT:de.ad, append=ee (only the latter two keep the Message
// Length right). TEXT is a part of what is said. Each output has to be expected, in order.
#pragma once

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controller/base/ip_protocol.hpp"
#include "controller/sasp/lb_session.hpp"
#include "tests/support/cuts.hpp"
#include "tests/support/sasp_wire.hpp"

namespace saspd::test {

inline std::string dashed(std::string_view name) {
  std::string text(name);
  for (char& c : text)
    c = c == ' ' ? '-' : c;
  return text;
}

// "10.0.0.1" or "tcp:10.0.0.1:80", as MemberKey::text() prints it.
inline sasp::MemberKey member(std::string_view text) {
  const auto colon = text.find(':');
  const auto protocol = parse_ip_protocol(text.substr(0, colon));
  if (!protocol) return {*IpAddress::parse(text), 0, 0};
  const auto endpoint = *Endpoint::parse(text.substr(colon + 1));
  return {endpoint.address, *protocol, endpoint.port};
}

inline std::string describe(const sasp::WeightEntry& entry) {
  return fmt::format("{}={},{:#04x},{:#04x}", entry.member.key().text(), entry.weight, entry.flags,
                     entry.state);
}
inline std::string describe(const sasp::MemberData& data) {
  return data.key().text() + (data.label.empty() ? "" : "'" + data.label + "'");
}
inline std::string describe(const sasp::MemberState& state) {
  return fmt::format("{}={:#04x},{:#04x}", describe(state.member), state.state, state.flags);
}
inline std::string describe(const sasp::GroupData& group) {
  return group.lb_uid + "/" + group.name;
}
template <class Group>
std::string describe_groups(const std::vector<Group>& groups) {
  std::string text;
  for (const auto& group : groups) {
    text += " " + describe(group.group);
    for (const auto& item : group.items)
      text += " " + describe(item);
  }
  return text;
}

// What an LB or a member sends.
inline std::string describe(const sasp::Message& message) {
  const std::string name = dashed(sasp::name(sasp::type_of(message)));
  if (const auto* m = std::get_if<sasp::SetLbStateRequest>(&message)) {
    return fmt::format("{} uid={} health={:#04x} flags={:#04x}", name, m->lb_uid, m->health,
                       m->flags);
  }
  if (const auto* m = std::get_if<sasp::GetWeightsRequest>(&message)) {
    std::string text = name;
    for (const auto& group : m->groups)
      text += " " + describe(group);
    return text;
  }
  if (const auto* m = std::get_if<sasp::RegistrationRequest>(&message)) {
    return fmt::format("{} flags={:#04x}{}", name, m->flags, describe_groups(m->groups));
  }
  if (const auto* m = std::get_if<sasp::DeregistrationRequest>(&message)) {
    return fmt::format("{} flags={:#04x} reason={:#04x}{}", name, m->flags, m->reason,
                       describe_groups(m->groups));
  }
  if (const auto* m = std::get_if<sasp::SetMemberStateRequest>(&message)) {
    return fmt::format("{} flags={:#04x}{}", name, m->flags, describe_groups(m->groups));
  }
  return name;
}

class LbRole {
 public:
  using Session = sasp::LbSession;

  LbRole() { config_.lb_uid = "LB1"; }

  bool configure(const std::string& key, const std::string& value) {
    const auto number = std::stoul(value);
    const std::chrono::seconds seconds(number);
    if (key == "interval") {
      config_.interval = seconds;
    } else if (key == "refused_retry") {
      config_.refused_retry = seconds;
    } else if (key == "members_per_registration") {
      config_.members_per_registration = number;
    } else if (key == "max_reply") {
      config_.max_reply = number;
    } else if (key == "version") {
      config_.version = static_cast<std::uint8_t>(number);
    } else if (key == "push") {
      config_.push = true;
    } else if (key == "trust") {
      config_.trust = true;
    } else if (key == "no_change") {
      config_.no_change = true;
    } else if (key == "delta_rounds") {
      config_.delta_rounds = static_cast<unsigned>(number);
    } else {
      return false;
    }
    return true;
  }

  Session session() const { return Session(config_); }

  sasp::LbStep want(Session& session, std::istringstream& words, TimePoint now) {
    std::string group;
    words >> group;
    wanted_.erase(group);
    std::string word;
    while (words >> word) {
      const auto quote = word.find('\'');
      const std::string label =
          quote == std::string::npos ? "" : word.substr(quote + 1, word.size() - quote - 2);
      wanted_[group][member(word.substr(0, quote))] = label;
    }
    return want(session, now);
  }
  sasp::LbStep quiesce(Session& session, std::istringstream& words, TimePoint now) {
    std::string group;
    words >> group;
    sasp::WantedMemberStates states;
    std::string word;
    while (words >> word) {
      const auto equals = word.find('=');
      states[member(word.substr(0, equals))] = {equals == std::string::npos, 0x07};
    }
    wanted_states_[group] = states;
    return want(session, now);
  }
  sasp::LbStep want(Session& session, TimePoint now) {
    registry_->assign(wanted_);
    for (const auto& [group, states] : wanted_states_)
      registry_->assign_states(group, states);
    return session.want(registry_, now);
  }

  static std::vector<std::string> outputs(const sasp::WeightsReceived& weights) {
    std::vector<std::string> lines;
    if (weights.groups.empty()) lines.emplace_back("weights of no group");
    for (const auto& group : weights.groups) {
      std::string text = (weights.full ? "weights " : "partial ") + group.group.name;
      for (const auto& item : group.items)
        text += " " + describe(item);
      lines.push_back(text);
    }
    for (const auto& [group, members] : weights.echoes) {
      lines.push_back("echoes " + group);
      for (const auto& one : members)
        lines.back() += " " + one.text();
    }
    return lines;
  }

 private:
  sasp::LbSessionConfig config_;
  sasp::WantedGroups wanted_;
  sasp::WantedStates wanted_states_;
  std::shared_ptr<sasp::WantedRegistry> registry_ = std::make_shared<sasp::WantedRegistry>();
};

template <class Role>
class Transcript {
 public:
  // How what the GWM sends is cut.
  explicit Transcript(Cuts cuts) : cuts_(std::move(cuts)) {}

  void run(const std::string& path) {
    std::ifstream file(path);
    ASSERT_TRUE(file) << path;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      SCOPED_TRACE(fmt::format("{}:{}: {}", path, number, line));
      line.resize(std::min(line.find('#'), line.size()));
      std::istringstream words(line);
      std::string verb;
      if (words >> verb) obey(verb, words);
      if (::testing::Test::HasFatalFailure()) return;
    }
    EXPECT_TRUE(outputs_.empty()) << path << ": not expected: " << outputs_.front();
  }

 private:
  void obey(const std::string& verb, std::istringstream& words) {
    if (verb == "config") return configure(words);
    if (verb == "want") return take(role_.want(session(), words, now_));
    if constexpr (requires { &Role::quiesce; }) {
      if (verb == "quiesce") return take(role_.quiesce(session(), words, now_));
    }
    if (verb == "at") return pass_time(words);
    if (verb == "connected") return take(session().connected(now_));
    if (verb == "recv") return receive(words);
    if (verb == "expect") return expect(words);
    FAIL() << "unknown verb " << verb;
  }

  void configure(std::istringstream& words) {
    std::string word;
    while (words >> word) {
      const auto equals = word.find('=');
      const std::string key = word.substr(0, equals);
      if (!role_.configure(key, word.substr(equals + 1))) FAIL() << "unknown key " << key;
    }
  }

  void pass_time(std::istringstream& words) {
    std::string word;
    words >> word;
    const TimePoint until = TimePoint{} + std::chrono::seconds(std::stoi(word));
    for (auto due = session().deadline(); due && *due <= until; due = session().deadline()) {
      now_ = std::max(now_, *due);
      take(session().handle_timeout(now_));
    }
    now_ = until;
  }

  void receive(std::istringstream& words) {
    std::string type;
    words >> type;
    sasp::Bytes bytes;
    if (type == "bytes") {
      unsigned byte = 0;
      while (words >> std::hex >> byte)
        bytes.push_back(static_cast<std::uint8_t>(byte));
    } else {
      bytes = message_of(type, words);
    }
    cuts_.feed(bytes, [&](sasp::ByteView piece) { take(session().handle_bytes(piece, now_)); });
  }

  sasp::Bytes message_of(const std::string& type, std::istringstream& words) {
    std::map<std::string, unsigned long> number{
        {"code", 0}, {"interval", 0}, {"id", last_id_}, {"version", 1}};
    std::vector<sasp::GroupOfWeightEntries> groups;
    std::vector<std::pair<std::string, std::string>> edits;
    std::string word;
    while (words >> word) {
      const auto equals = word.find('=');
      const std::string key = word.substr(0, equals);
      const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
      if (equals == std::string::npos) {
        const auto slash = word.find('/');
        groups.push_back({{word.substr(0, slash), word.substr(slash + 1)}, {}});
      } else if (number.contains(key)) {
        number[key] = std::stoul(value, nullptr, 0);
      } else if (key == "overwrite" || key == "insert" || key == "append") {
        edits.emplace_back(key, value);
      } else {
        groups.back().items.push_back(entry(key, value));
      }
    }
    sasp::Frame frame{
        static_cast<std::uint32_t>(number["id"]), {}, static_cast<std::uint8_t>(number["version"])};
    const auto code = static_cast<sasp::ReturnCode>(number["code"]);
    if (type == "set-lb-state-reply") frame.message = sasp::SetLbStateReply{code};
    if (type == "registration-reply") frame.message = sasp::RegistrationReply{code};
    if (type == "deregistration-reply") frame.message = sasp::DeregistrationReply{code};
    if (type == "set-member-state-reply") frame.message = sasp::SetMemberStateReply{code};
    if (type == "send-weights") frame.message = sasp::SendWeights{groups};
    if (type == "get-weights-reply") {
      frame.message =
          sasp::GetWeightsReply{code, static_cast<std::uint16_t>(number["interval"]), groups};
    }
    EXPECT_EQ(dashed(sasp::name(sasp::type_of(frame.message))), type) << "cannot be received";
    sasp::Bytes bytes = *sasp::encode(frame);
    for (const auto& [key, value] : edits)
      bytes = edited(bytes, key, value);
    return bytes;
  }

  // `value` is AT:HEX or HEX, with dots between the bytes.
  static sasp::Bytes edited(const sasp::Bytes& bytes, const std::string& key, std::string value) {
    std::replace(value.begin(), value.end(), '.', ' ');
    if (key == "append") return saspd::testing::appended(bytes, value);
    const auto colon = value.find(':');
    const std::size_t at = std::stoul(value);
    const std::string hex = value.substr(colon + 1);
    return key == "insert" ? saspd::testing::inserted(bytes, at, hex)
                           : saspd::testing::overwritten(bytes, at, hex);
  }

  static sasp::WeightEntry entry(const std::string& key, const std::string& values) {
    sasp::WeightEntry entry;
    entry.member = sasp::MemberData::of(member(key));
    std::istringstream in(values);
    std::string part;
    std::getline(in, part, ',');
    entry.weight = static_cast<std::uint16_t>(std::stoul(part));
    std::getline(in, part, ',');
    entry.flags = static_cast<std::uint8_t>(std::stoul(part, nullptr, 0));
    std::getline(in, part, ',');
    entry.state = static_cast<std::uint8_t>(std::stoul(part, nullptr, 0));
    return entry;
  }

  void expect(std::istringstream& words) {
    std::string wanted;
    std::getline(words >> std::ws, wanted);
    wanted.erase(wanted.find_last_not_of(' ') + 1);
    if (wanted == "nothing") {
      ASSERT_TRUE(outputs_.empty()) << outputs_.front();
      return;
    }
    if (wanted.starts_with("tolerances")) {
      ASSERT_EQ(tolerances(), wanted);
      return;
    }
    ASSERT_FALSE(outputs_.empty()) << "nothing came, and nothing is left to come";
    const std::string seen = outputs_.front();
    outputs_.pop_front();
    const bool loose = wanted.starts_with("notice ") || wanted.starts_with("close ");
    const std::string kind = wanted.substr(0, wanted.find(' ') + 1);
    if (loose && seen.starts_with(kind)) {
      ASSERT_NE(seen.find(wanted.substr(kind.size())), std::string::npos) << seen;
    } else {
      ASSERT_EQ(seen, wanted);
    }
  }

  std::string tolerances() {
    std::string text = "tolerances";
    for (std::size_t i = 0; i < sasp::tolerance_count; ++i) {
      const auto tolerance = static_cast<sasp::Tolerance>(i);
      const auto count = session().tolerances()[tolerance];
      if (count > 0) text += fmt::format(" {}={}", name(tolerance), count);
    }
    return text;
  }

  void take(const typename Role::Session::Step& step) {
    for (const auto& event : step.events) {
      for (const auto& line : std::visit([](const auto& e) { return lines_of(e); }, event))
        outputs_.push_back(line);
    }
    sent_.append(step.send);
    while (true) {
      const auto frame = sent_.next();
      ASSERT_TRUE(frame);
      if (!*frame) break;
      const auto decoded =
          sasp::decode(**frame, {.accept_trailing = false, .accept_long_components = false});
      ASSERT_TRUE(decoded) << decoded.error().detail;
      EXPECT_FALSE(decoded->tolerances.any()) << "we send strictly";
      last_id_ = decoded->frame.message_id;
      const int version = decoded->frame.version;
      outputs_.push_back((version == 1 ? "send " : fmt::format("send@{} ", version)) +
                         describe(decoded->frame.message));
    }
    if (step.close) outputs_.push_back("close " + step.close->detail);
  }

  static std::vector<std::string> lines_of(const sasp::Notice& notice) {
    return {"notice " + notice.text};
  }
  static std::vector<std::string> lines_of(const sasp::Established&) { return {"established"}; }
  template <class Event>
  static std::vector<std::string> lines_of(const Event& event) {
    return Role::outputs(event);
  }

  typename Role::Session& session() {
    if (!session_) session_.emplace(role_.session());
    return *session_;
  }

  Cuts cuts_;
  Role role_;
  std::optional<typename Role::Session> session_;
  TimePoint now_;
  sasp::Framer sent_;
  std::uint32_t last_id_ = 0;
  std::deque<std::string> outputs_;
};

// The scripts of a folder under tests/, in order.
inline std::vector<std::string> scripts_in(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(TESTS_DIR "/" + folder))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// "rfc_flow_9_4": a script's name as gtest takes it.
inline std::string test_name(const ::testing::TestParamInfo<std::string>& script) {
  std::string name = std::filesystem::path(script.param).stem();
  for (char& c : name)
    c = c == '-' || c == '.' ? '_' : c;
  return name;
}

}  // namespace saspd::test
