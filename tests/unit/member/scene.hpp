// SPDX-License-Identifier: Apache-2.0
// A machine of sasp-member with its GWMs: bytes and time in, what the GWMs know out. They answer
// honestly, except where a test says otherwise.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "controller/member/agent.hpp"
#include "controller/member/one_shot.hpp"
#include "controller/sasp/framer.hpp"

namespace saspd::test {

using std::chrono::seconds;

// A GWM as the machine meets it, and the link to it.
struct Gwm {
  bool is_there = true;        // it can be connected to
  bool answers = true;         // false: it takes all and says nothing
  sasp::ReturnCode code{};     // successful, or what it refuses every request with
  bool is_registered = false;  // what it knows of the member
  bool is_quiesced = false;
  std::optional<std::uint8_t> state;
  std::vector<sasp::Type> asked;  // since the start

  // The link.
  bool connected = false;
  std::optional<TimePoint> connect_at;  // the next attempt
  sasp::Framer heard;
};

class Scene {
 public:
  explicit Scene(member::Options options, std::size_t count = 1)
      : gwms(count), options_(std::move(options)) {
    options_.log.level = cli::Level::debug;
    options_.lb_uid = "lb1";
    options_.group = "web";
    options_.members = {sasp::MemberData::of({*IpAddress::parse("10.0.0.1"), 6, 80})};
    for (std::size_t i = 0; i < count; ++i)
      options_.gwms.push_back({"gwm" + std::to_string(i), 3860});
    const bool stays = options_.command == member::Command::run;
    if (stays) machine_ = std::make_unique<member::Agent>(options_, 1, now_);
    if (!stays) machine_ = std::make_unique<member::OneShot>(options_, load, 1, now_);
  }

  // As the program does it.
  void starts() {
    machine_->start(now_);
    for (auto& gwm : gwms)
      gwm.connect_at = now_;
    settle();
    passes(seconds{0});
  }
  void is_signalled() {
    machine_->stop(now_);
    settle();
    passes(seconds{0});
  }
  void has_load(std::uint8_t byte) {
    ASSERT_TRUE(machine_->wants_load());
    machine_->load(byte, now_);
    settle();
    passes(seconds{0});
  }
  void loses(std::size_t gwm) { hang_up(gwm, {"it hung up"}); }

  // Everything that is due within this time happens, when it is due.
  void passes(Duration time) {
    const auto until = now_ + time;
    for (int limit = 10'000; limit > 0; --limit) {
      const auto next = next_event();
      if (!next || *next > until || ended) break;
      now_ = std::max(now_, *next);
      happen();
    }
    if (!ended) now_ = until;
  }

  bool logs(std::string_view part) const {
    return std::any_of(log.begin(), log.end(),
                       [&](const auto& line) { return line.text.find(part) != std::string::npos; });
  }
  member::Machine& machine() { return *machine_; }
  Duration age() const { return now_ - TimePoint{}; }

  std::vector<Gwm> gwms;
  std::vector<cli::LogLine> log;
  bool ended = false;
  static constexpr std::uint8_t load = 99;

 private:
  std::optional<TimePoint> next_event() const {
    std::optional<TimePoint> next = machine_->deadline();
    const auto consider = [&next](std::optional<TimePoint> when) {
      if (when && (!next || *when < *next)) next = when;
    };
    for (std::size_t i = 0; i < gwms.size(); ++i)
      consider(gwms[i].connected ? machine_->deadline(i) : gwms[i].connect_at);
    return next;
  }
  static bool is_due(std::optional<TimePoint> when, TimePoint now) { return when && *when <= now; }
  void happen() {
    for (std::size_t i = 0; i < gwms.size(); ++i) {
      if (!gwms[i].connected && is_due(gwms[i].connect_at, now_)) connect(i);
      if (gwms[i].connected && is_due(machine_->deadline(i), now_))
        perform(i, machine_->timed_out(i, now_));
    }
    settle();
    if (!ended && is_due(machine_->deadline(), now_)) {
      machine_->expire(now_);
      settle();
    }
  }

  void connect(std::size_t i) {
    gwms[i].connect_at.reset();
    machine_->connecting(i, now_);
    if (!gwms[i].is_there) return hang_up(i, {"cannot connect"});
    gwms[i].connected = true;
    gwms[i].heard = sasp::Framer();
    perform(i, machine_->connected(i, now_));
  }
  void hang_up(std::size_t i, const sasp::LinkEnd& end) {
    if (gwms[i].connected) machine_->lost(i, end.why, now_);
    gwms[i].connected = false;
    gwms[i].connect_at = now_ + machine_->ended(i, end, now_);
    settle();
  }
  void perform(std::size_t i, const sasp::LinkStep& step) {
    if (!gwms[i].connected) return;
    gwms[i].heard.append(step.send);
    if (step.close) return hang_up(i, {step.close->detail});
    for (auto frame = gwms[i].heard.next(); frame && *frame; frame = gwms[i].heard.next())
      hear(i, sasp::decode(**frame, sasp::DecodeOptions::gwm())->frame);
  }
  void settle() {
    auto output = machine_->output();
    log.insert(log.end(), output.log.begin(), output.log.end());
    for (const auto& [gwm, step] : output.links)
      perform(gwm, step);
    ended = ended || output.end;
    if (!output.work || ended) return;
    machine_->work(now_);
    settle();
  }

  void hear(std::size_t i, const sasp::Frame& question) {
    Gwm& gwm = gwms[i];
    gwm.asked.push_back(type_of(question.message));
    if (!gwm.answers) return;
    const auto reply = answer(gwm, question.message);
    perform(i, machine_->received(i, sasp::encode({question.message_id, reply}).value(), now_));
  }
  static sasp::Message answer(Gwm& gwm, const sasp::Message& question) {
    const bool obeys = gwm.code == sasp::ReturnCode::successful;
    if (std::holds_alternative<sasp::RegistrationRequest>(question)) {
      gwm.is_registered = gwm.is_registered || obeys;
      return sasp::RegistrationReply{gwm.code};
    }
    if (std::holds_alternative<sasp::DeregistrationRequest>(question)) {
      if (obeys) gwm.is_registered = false;
      return sasp::DeregistrationReply{gwm.code};
    }
    const auto& told = std::get<sasp::SetMemberStateRequest>(question).groups.at(0).items.at(0);
    if (obeys) {
      gwm.is_quiesced = (told.flags & sasp::state_flag::quiesce) != 0;
      gwm.state = told.state;
    }
    return sasp::SetMemberStateReply{gwm.code};
  }

  TimePoint now_;
  member::Options options_;
  std::unique_ptr<member::Machine> machine_;
};

}  // namespace saspd::test
