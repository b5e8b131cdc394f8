// SPDX-License-Identifier: Apache-2.0
// What is noted, what lasts, and what both look like in log, history and health.
#include "controller/events/journal.hpp"

#include <gtest/gtest.h>

#include "controller/events/history.hpp"

namespace saspd::events {
namespace {

using namespace std::chrono_literals;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() { at(0s); }

  void at(std::chrono::seconds time) { journal_.set_time(TimePoint(1h + time), wall_ + time); }
  static report::Event event(std::string text, std::string group = "web") {
    report::Event event;
    event.kind = EventKind::weight;
    event.group = std::move(group);
    event.text = std::move(text);
    return event;
  }
  static State state(std::string name, HealthState health, std::string text = "bad") {
    return {{EventKind::alarm, std::move(name), "web"}, EventLevel::error, health, std::move(text)};
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    for (const auto& event : journal_.events())
      texts.push_back(fmt::format("{} {} {}", event.number, event.phase.text(), event.text));
    return texts;
  }
  using Texts = std::vector<std::string>;

  cli::LogLines log_{cli::Level::info};
  Journal journal_{log_, 8};
  WallTime wall_{std::chrono::sys_days{std::chrono::January / 2 / 2026} + 3h};
};

TEST_F(JournalTest, NotesWhatHappenedWithNumberAndTimeAndLogsIt) {
  journal_.note(event("one"));
  at(61s);
  auto silent = event("two");
  journal_.note(silent, false);
  auto quiet = event("three");
  quiet.level = EventLevel::debug;
  journal_.note(quiet);
  EXPECT_EQ(texts(), (Texts{"1 once one", "2 once two", "3 once three"}));
  EXPECT_EQ(journal_.events()[0].time, "2026-01-02T03:00:00.000Z");
  EXPECT_EQ(journal_.events()[1].time, "2026-01-02T03:01:01.000Z");
  EXPECT_EQ(log_.take(), (std::vector<cli::LogLine>{{cli::Level::info, "one"}}));
  EXPECT_EQ(journal_.counts().at(EventKind::weight), 3U);
}

TEST_F(JournalTest, DropsTheOldestBeyondItsCapacityAndSaysSo) {
  for (int i = 0; i < 20; ++i) {
    at(std::chrono::seconds{i});
    journal_.note(event(std::to_string(i)));
  }
  EXPECT_EQ(journal_.events().size(), 8U);
  const auto history = journal_.history({});
  EXPECT_EQ(history.events.front().text, "12");
  EXPECT_EQ(history.last, 20U);
  EXPECT_EQ(history.lost, "2026-01-02T03:00:12.000Z");
}

TEST_F(JournalTest, AStateBeginsOnceAndEndsOnce) {
  const auto key = state("a", HealthState::degraded).key;
  const auto number = journal_.begin(state("a", HealthState::degraded));
  at(10s);
  EXPECT_EQ(journal_.begin(state("a", HealthState::degraded, "worded anew")), number);
  EXPECT_EQ(journal_.health().problems.at(0).text, "worded anew");
  EXPECT_EQ(journal_.health().problems.at(0).since_s, 10);
  at(20s);
  journal_.end(key, {EventLevel::info, "well again"});
  journal_.end(key, {EventLevel::info, "well again"});
  EXPECT_EQ(texts(), (Texts{"1 begin bad", "2 once health ok -> degraded", "3 end well again",
                            "4 once health degraded -> ok"}));
  EXPECT_EQ(journal_.events()[2].cause, number);
  const auto lines = log_.take();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], (cli::LogLine{cli::Level::error, "bad"}));
  EXPECT_EQ(lines[1], (cli::LogLine{cli::Level::info, "well again"}));
}

TEST_F(JournalTest, HealthIsTheWorstThatLasts) {
  EXPECT_EQ(journal_.health().state, HealthState::ok);
  journal_.begin(state("mild", HealthState::ok));
  EXPECT_EQ(journal_.health().state, HealthState::ok);
  EXPECT_TRUE(journal_.health().problems.empty());
  at(5s);
  journal_.begin(state("less", HealthState::degraded));
  at(6s);
  journal_.begin(state("worst", HealthState::failed));
  at(9s);
  auto health = journal_.health();
  EXPECT_EQ(health.state, HealthState::failed);
  EXPECT_EQ(health.since_s, 3);
  ASSERT_EQ(health.problems.size(), 2U);
  EXPECT_EQ(health.problems[0].name, "worst") << "the worst first";
  EXPECT_EQ(health.problems[1].name, "less");
  journal_.end(state("worst", HealthState::failed).key);
  EXPECT_EQ(journal_.health().state, HealthState::degraded);
  // One that gets worse is a change of the same state.
  journal_.begin(state("less", HealthState::failed));
  EXPECT_EQ(journal_.health().state, HealthState::failed);
  EXPECT_EQ(journal_.health().problems.at(0).since_s, 4) << "it lasts since it began";
}

TEST_F(JournalTest, AnswersForAGroupAMemberATimeAndALimit) {
  journal_.note(event("a", "web"));
  at(100s);
  journal_.note(event("b", "db"));
  auto of_member = event("c", "db");
  of_member.member = "10.0.0.1:80";
  journal_.note(of_member);
  const auto found = [&](const Filter& filter) {
    std::string text;
    for (const auto& one : journal_.history(filter).events)
      text += one.text;
    return text;
  };
  Filter filter;
  EXPECT_EQ(found(filter), "abc");
  filter.group = "db";
  EXPECT_EQ(found(filter), "bc");
  filter.member = "10.0.0.1:80";
  EXPECT_EQ(found(filter), "c");
  filter = {};
  filter.since = time_text(wall_ + 50s);
  EXPECT_EQ(found(filter), "bc");
  filter = {};
  filter.limit = 2;
  EXPECT_EQ(found(filter), "bc");
  EXPECT_EQ(journal_.history(filter).left_out, 1U);
  filter.after = 2;
  EXPECT_EQ(found(filter), "c");
}

TEST_F(JournalTest, AStateThatOutlivesARestartKeepsItsBeginning) {
  journal_.begin(state("goes on", HealthState::degraded));
  journal_.begin(state("ends meanwhile", HealthState::failed));
  std::string kept;
  for (const auto& event : journal_.take_new())
    kept += line_of(event);
  EXPECT_TRUE(journal_.take_new().empty());

  Journal next{log_, 8};
  next.remember(parse_lines(kept + "{\"number\": 9, torn"));
  next.set_time(TimePoint(1h), wall_ + 1h);
  EXPECT_EQ(next.health().state, HealthState::ok) << "nothing is believed before it is seen";
  next.begin(state("goes on", HealthState::degraded));
  EXPECT_EQ(next.health().problems.at(0).since_s, 3600);
  EXPECT_EQ(next.health().problems.at(0).event, 1U);
  EXPECT_EQ(next.last_number(), 6U) << "numbers go on";
  next.set_time(TimePoint(1h) + Journal::settling, wall_ + 1h + Journal::settling);
  EXPECT_EQ(next.events().back().text, "ended while the program was restarted: bad");
  EXPECT_EQ(next.events().back().name, "ends meanwhile");
  EXPECT_EQ(next.health().problems.size(), 1U);
}

TEST(EventTime, IsReadAsItIsWritten) {
  const WallTime time{std::chrono::sys_days{std::chrono::February / 29 / 2028} + 23h + 59min + 58s +
                      7ms};
  EXPECT_EQ(time_text(time), "2028-02-29T23:59:58.007Z");
  EXPECT_EQ(parse_time(time_text(time)), time);
  for (const char* odd : {"", "now", "2028-13-01T00:00:00.000Z", "2027-02-29T00:00:00.000Z",
                          "2028-02-29T24:00:00.000Z"})
    EXPECT_FALSE(parse_time(odd)) << odd;
}

TEST(EventLines, ThatAreDamagedAreLeftOut) {
  report::Event event;
  event.number = 3;
  event.time = "2026-01-02T03:04:05.678Z";
  event.kind = EventKind::foreign_weight;
  event.was = "40";
  event.text = "a\nb";
  const auto line = line_of(event);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto read = parse_lines("garbage\n{}\n" + line + "[1]\n" + line + line.substr(0, 20));
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].kind, EventKind::foreign_weight);
  EXPECT_EQ(read[0].was, "40");
  EXPECT_EQ(read[0].number, 3U);
}

TEST(HistoryRequest, IsAskedOfAGroupOrAMember) {
  const WallTime now{std::chrono::sys_days{std::chrono::January / 2 / 2026}};
  const auto parse = [&](boost::json::object request) {
    return parse_filter(request, now).value();
  };
  EXPECT_EQ(parse({{"of", "web"}}).group, "web");
  EXPECT_EQ(parse({{"of", "tcp:192.0.2.10:80"}}).group, "tcp:192.0.2.10:80") << "an adopted group";
  EXPECT_EQ(parse({{"of", "10.0.0.1:80"}}).member, "10.0.0.1:80");
  EXPECT_EQ(parse({{"of", "web/10.0.0.1:80"}}).member, "10.0.0.1:80");
  EXPECT_EQ(parse({{"of", "web/10.0.0.1:80"}}).group, "web");
  EXPECT_EQ(parse({{"since_s", 3600}}).since, "2026-01-01T23:00:00.000Z");
  EXPECT_EQ(parse({{"limit", 7}}).limit, 7U);
  EXPECT_FALSE(parse_filter({{"of", 7}}, now));
}

}  // namespace
}  // namespace saspd::events
