// SPDX-License-Identifier: Apache-2.0
// saspd's Controller with its GWM and a kernel of memory: bytes in, weights in the kernel out. The
// GWM answers honestly, except where a test speaks for it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "controller/saspd/controller.hpp"
#include "tests/support/cuts.hpp"
#include "tests/support/fake_dataplane.hpp"
#include "tests/support/sasp_wire.hpp"

namespace saspd::test {

using sasp::Bytes;
using Groups = std::vector<sasp::GroupOfWeightEntries>;
using Weights = std::vector<std::uint16_t>;

inline constexpr std::uint8_t good =
    sasp::weight_flag::contact | sasp::weight_flag::confident | sasp::weight_flag::registered_by_lb;

inline sasp::MemberKey server(unsigned n) {
  const auto last = static_cast<std::uint8_t>(n);
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, last}), 6, 8080};
}
inline sasp::WeightEntry entry(const sasp::MemberKey& member, std::uint16_t weight,
                               int flags = good) {
  return {sasp::MemberData::of(member), 0, static_cast<std::uint8_t>(flags), weight};
}
// These weights for the first servers of group "web"; the fourth registered itself.
inline sasp::GroupOfWeightEntries web(const Weights& weights, int flags = good) {
  sasp::GroupOfWeightEntries group{{"LB1", "web"}, {}};
  unsigned n = 0;
  for (const auto weight : weights) {
    ++n;
    group.items.push_back(
        entry(server(n), weight, n == 4 ? flags & ~sasp::weight_flag::registered_by_lb : flags));
  }
  return group;
}

// What the honest GWM says at first. The second server is quiesced: a zero in the kernel that is our
// own, to be kept and to be raised again.
inline sasp::GroupOfWeightEntries farm(const Weights& weights = {40, 30, 20, 10}) {
  auto group = web(weights);
  group.items.at(1).flags |= sasp::weight_flag::quiesce;
  return group;
}
inline constexpr const char* weights_of_farm = "40 0 20 10";

inline Bytes push(const Groups& groups) {
  return sasp::encode({0, sasp::SendWeights{groups}}).value();
}
inline Bytes reply(const Groups& groups, sasp::ReturnCode code = {}, std::uint16_t interval = 10) {
  return sasp::encode({0, sasp::GetWeightsReply{code, interval, groups}}).value();
}
inline Bytes answering(const sasp::Frame& question, Bytes bytes) {
  for (std::size_t i = 0; i < 4; ++i)
    bytes.at(9 + i) = static_cast<std::uint8_t>(question.message_id >> (24 - 8 * i));
  return bytes;
}

// Whose the service is.
enum class Service {
  found,    // in the kernel, with its servers; only weights are written
  managed,  // ours; the fourth server is one because it registered itself, which it is trusted to
            // do
};
inline constexpr std::array services{Service::found, Service::managed};
inline const char* name(Service service) {
  return service == Service::found ? "for a found service" : "for a managed service";
}

class Scene {
 public:
  // A service with four servers, for which the advice of farm() has arrived.
  explicit Scene(Cuts cuts, sasp::LbSessionConfig config = {}, Service kind = Service::found)
      : cuts_(std::move(cuts)), controller_(plane_, settings(std::move(config), kind), now_) {
    if (kind == Service::found) plane_.table[service] = found_pool();
    forgets();
    controller_.work(now_, {});
    settle();
    connects();
    answers_honestly();
    EXPECT_EQ(kernel(), weights_of_farm);
    plane_.written.clear();
  }

  // What the GWM does.
  void connects() {
    question_.reset();
    heard_ = sasp::Framer();
    connected_ = true;
    ++connections_;
    controller_.connecting(0, now_);
    perform(controller_.connected(0, now_));
  }
  void says(const Bytes& bytes) {
    cuts_.feed(bytes, [&](sasp::ByteView piece) { perform(controller_.received(0, piece, now_)); });
  }
  // To the question that is open, as its only answer.
  void answers(const Bytes& bytes) {
    ASSERT_TRUE(question_) << "nothing was asked";
    says(answering(*std::exchange(question_, {}), bytes));
  }
  void answers_honestly() {
    for (int limit = 50; question_ && limit > 0; --limit)
      answers(sasp::encode({0, honest_answer(question_->message)}).value());
  }
  void hangs_up() {
    connected_ = false;
    question_.reset();
    controller_.ended(0, {"it hung up"}, now_);
    settle();
  }
  // What we registered; who registered itself is back at once.
  void forgets() { registered = {server(4)}; }
  // It is lost and comes back.
  void reconnects() {
    hangs_up();
    connects();
  }

  // Time passes until the session does something: asks, or gives up.
  void waits() {
    if (const auto due = controller_.deadline(0)) now_ = std::max(now_, *due);
    perform(controller_.timed_out(0, now_));
  }
  void reconciles() {
    controller_.look_again();
    controller_.work(now_, {});
    settle();
  }

  // After all that, good advice arrives once more, on this connection or the next, and nobody is
  // quiesced.
  void expect_recovery() {
    advice = {8, 9, 10, 11};
    quiesces = false;
    for (int limit = 10; kernel() != "8 9 10 11" && limit > 0; --limit) {
      if (!connected_) connects();
      if (!question_) waits();
      answers_honestly();
    }
    EXPECT_EQ(kernel(), "8 9 10 11");
  }
  void expect_no_change() {
    reconciles();
    EXPECT_EQ(kernel(), weights_of_farm);
    for (const auto& change : plane_.written)
      ADD_FAILURE() << "written: " << change.text();
  }

  std::string kernel() {
    std::vector<std::uint32_t> weights;
    for (const auto& [endpoint, destination] : plane_.table.at(service).destinations)
      weights.push_back(destination.weight);
    return fmt::format("{}", fmt::join(weights, " "));
  }
  const std::optional<sasp::Frame>& question() const { return question_; }
  bool asks(sasp::Type type) const { return question_ && type_of(question_->message) == type; }
  bool connected() const { return connected_; }
  unsigned connections() const { return connections_; }
  TimePoint now() const { return now_; }

  // The GWM: its honest opinion of the first servers, and who is registered in group "web".
  Weights advice{40, 30, 20, 10};
  bool quiesces = true;  // the second one
  std::set<sasp::MemberKey> registered;

 private:
  inline static const lb::ServiceKey service = *lb::parse_service("tcp:192.0.2.10:80");

  static Endpoint endpoint(unsigned n) { return {server(n).address, server(n).port}; }
  static lb::Pool found_pool() {
    lb::Pool pool;
    pool.scheduler = "wlc";
    for (unsigned n = 1; n <= 4; ++n) {
      auto& destination = pool.destinations[endpoint(n)];
      destination.endpoint = endpoint(n);
      destination.weight = 10;
    }
    return pool;
  }

  static director::Controller::Settings settings(sasp::LbSessionConfig session, Service kind) {
    director::GroupSettings group;
    group.name = "web";
    group.services = {lb::plain_service(service)};
    if (kind == Service::managed) {
      group.services[0].manage.emplace().service.scheduler = "wlc";
      for (unsigned n = 1; n <= 3; ++n)
        group.members[endpoint(n)];
    }
    director::Controller::Settings settings;
    settings.backend = &test::fake_backend;
    settings.session = std::move(session);
    settings.session.lb_uid = "LB1";
    settings.session.refused_retry = std::chrono::seconds{1};
    settings.session.trust = kind == Service::managed;
    settings.reconciler.groups = {group};
    settings.reconciler.trust = kind == Service::managed;
    return settings;
  }
  // As the link does it, and whoever has the loop.
  void perform(const sasp::LinkStep& step) {
    if (step.close && connected_) return hangs_up();
    hear(step.send);
    settle();
  }
  void settle() {
    const auto output = controller_.output();
    for (const auto& [gwm, step] : output.links)
      perform(step);
    if (!output.work) return;
    controller_.work(now_, {});
    settle();
  }
  void hear(const Bytes& bytes) {
    heard_.append(bytes);
    for (auto frame = heard_.next(); frame && *frame; frame = heard_.next())
      question_ = sasp::decode(**frame, sasp::DecodeOptions::gwm())->frame;
  }

  sasp::Message honest_answer(const sasp::Message& question) {
    if (std::holds_alternative<sasp::SetLbStateRequest>(question)) return sasp::SetLbStateReply{};
    if (const auto* request = std::get_if<sasp::RegistrationRequest>(&question)) {
      for (const auto& member : request->groups.at(0).items)
        registered.insert(member.key());
      return sasp::RegistrationReply{};
    }
    if (const auto* request = std::get_if<sasp::DeregistrationRequest>(&question)) {
      for (const auto& member : request->groups.at(0).items)
        registered.erase(member.key());
      return sasp::DeregistrationReply{};
    }
    if (std::holds_alternative<sasp::SetMemberStateRequest>(question))
      return sasp::SetMemberStateReply{};
    sasp::GetWeightsReply reply{{}, 10, {quiesces ? farm(advice) : web(advice)}};
    std::erase_if(reply.groups[0].items,
                  [&](const auto& item) { return !registered.contains(item.member.key()); });
    return reply;
  }

  Cuts cuts_;
  FakeDataplane plane_;
  TimePoint now_;
  director::Controller controller_;
  bool connected_ = false;
  unsigned connections_ = 0;
  sasp::Framer heard_;
  std::optional<sasp::Frame> question_;
};

}  // namespace saspd::test
