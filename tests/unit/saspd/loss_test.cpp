// SPDX-License-Identifier: Apache-2.0
// Servers that are lost, one by one or together, over time: who goes on serving, and who says so.
#include <algorithm>

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr int dead = -1;
constexpr int quiesced = -2;
constexpr int unknown = -3;

class Loss : public ReconcilerTest {
 protected:
  Loss() { settings_.stale_after = std::chrono::hours{24}; }  // the GWM does not repeat itself

  // A weight, or one of the words above, for the first servers; then what follows from it.
  void advised(const std::vector<int>& words) {
    sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
    unsigned n = 0;
    for (const int word : words) {
      using namespace sasp::weight_flag;
      const int flags = word == dead       ? good & ~contact
                        : word == quiesced ? good | quiesce
                        : word == unknown  ? good & ~confident
                                           : good;
      advice.items.push_back({sasp::MemberData::of(member_of(plain_service(web), server(++n))), 0,
                              static_cast<std::uint8_t>(flags),
                              static_cast<std::uint16_t>(std::max(word, 0))});
    }
    reconciler().update(0, {{advice}, 1}, now_);
    pass();
  }
  // "name" or "name!" if it is urgent, of each alarm.
  std::string alarms() {
    std::string text;
    for (const auto& [group, alarms] : reconciler().alarms(plane_.unreachable())) {
      for (const auto& alarm : alarms) {
        text += (text.empty() ? "" : " ") + std::string(alarm.name) + (alarm.urgent ? "!" : "");
        detail_ = alarm.detail;
      }
    }
    return text;
  }
  void reads(std::string_view setting, std::optional<std::uint32_t> value) {
    plane_.kernel_settings[std::string(setting)] = value;
  }
  std::string detail_;

  // Passes as the daemon makes them.
  void goes_by(Duration duration) {
    for (const auto end = now_ + duration; now_ < end;) {
      now_ += seconds{5};
      reconcile();
    }
  }
};

TEST_F(Loss, OfAllOneByOneLeavesTheLoadOnAll) {
  pass();
  advised({40, 30, 20, 10});
  advised({dead, 30, 20, 10});
  goes_by(minutes{2});
  advised({dead, dead, 20, 10});
  goes_by(minutes{2});
  advised({dead, dead, dead, 10});
  EXPECT_EQ(kernel(), "0 0 0 10");
  advised({dead, dead, dead, dead});
  EXPECT_EQ(kernel(), "40 30 20 10");
  EXPECT_EQ(reason(1), Reason::held_all_zero);
}

TEST_F(Loss, IsHeldBackForAsLongAsItLasts) {
  pass();
  advised({40, 30, 20, 10});
  advised({dead, dead, dead, dead});
  goes_by(minutes{45});
  EXPECT_EQ(kernel(), "40 30 20 10");
  // One that comes back takes over; when it goes again all share as before.
  advised({dead, 30, dead, dead});
  EXPECT_EQ(kernel(), "0 30 0 0");
  advised({dead, dead, dead, dead});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Loss, OfLongAgoTakesNoPart) {
  pass();
  advised({40, 30, 20, 10});
  advised({dead, 30, 20, 10});
  goes_by(minutes{11});
  advised({dead, dead, dead, dead});
  EXPECT_EQ(kernel(), "0 30 20 10");
  EXPECT_EQ(reason(1), Reason::no_contact);
}

TEST_F(Loss, ThatFollowsAQuiesceTakesNoPart) {
  pass();
  advised({quiesced, 30, 20, 10});
  advised({dead, 30, 20, 10});  // it is back from maintenance, and its service does not run yet
  advised({dead, dead, dead, dead});
  EXPECT_EQ(kernel(), "0 30 20 10");
}

TEST_F(Loss, ThatAForeignZeroFollowedTakesNoPart) {
  pass();
  advised({40, 30, 20, 10});
  set(web, 1, 0);
  reconcile();
  advised({dead, dead, dead, dead});
  EXPECT_EQ(kernel(), "0 30 20 10");
  EXPECT_EQ(reason(1), Reason::foreign_zero);
}

TEST_F(Loss, OfMoreThanPanicAllowsIsHeldBack) {
  settings_.policy.panic = 60;
  pass();
  advised({40, 30, 20, 10});
  advised({dead, 30, 20, 10});
  EXPECT_EQ(kernel(), "0 30 20 10");
  advised({dead, dead, 25, 10});
  EXPECT_EQ(kernel(), "40 30 25 10");
  EXPECT_EQ(reason(1), Reason::held_panic);
  EXPECT_EQ(reconciler().view().at(0).services.at(0).held, Reason::held_panic);
  advised({40, dead, 25, 10});
  EXPECT_EQ(kernel(), "40 0 25 10");
  EXPECT_EQ(reconciler().view().at(0).services.at(0).held, std::nullopt);
}

// --- by the confident flag

// Eight servers, so that those without confidence are no more than a third.
class LossByConfidence : public Loss {
 protected:
  LossByConfidence() {
    for (unsigned n = 5; n <= 8; ++n)
      set(web, n, 10);
  }
  // The first four, and all others.
  void advised(std::vector<int> words, int others = 5) {
    words.resize(8, others);
    Loss::advised(words);
  }
  std::string first_four() {
    std::string text = kernel();
    for (int word = 0; word < 4; ++word)
      text.resize(text.rfind(' '));
    return text;
  }
};

// A line that is missing takes a server out; a slip in the other one leaves nobody who is known.
TEST_F(LossByConfidence, EndsWhenNobodyIsKnown) {
  pass();
  advised({40, unknown, unknown, dead});
  EXPECT_EQ(first_four(), "40 0 0 0");
  goes_by(minutes{30});
  EXPECT_EQ(first_four(), "40 0 0 0");
  advised({unknown, unknown, unknown, unknown}, unknown);
  goes_by(minutes{2});
  EXPECT_EQ(first_four(), "40 0 0 0");  // the GWM may have been restarted
  goes_by(minutes{2});
  EXPECT_EQ(first_four(), "40 10 10 0");  // the dead one was not lost by that
  EXPECT_EQ(reason(2), Reason::not_confident);
  advised({40, unknown, 20, dead});
  EXPECT_EQ(first_four(), "40 0 20 0");
}

TEST_F(LossByConfidence, EndsEvenIfTheFirstWriteFails) {
  pass();
  advised({40, unknown, unknown, dead});
  advised({unknown, unknown, unknown, unknown}, unknown);
  plane_.fails_on(0);
  goes_by(minutes{4});
  EXPECT_EQ(first_four(), "40 10 10 0");
}

TEST_F(LossByConfidence, EndsAlsoAfterARestart) {
  pass();
  advised({40, unknown, unknown, dead});
  advised({unknown, unknown, unknown, unknown}, unknown);
  goes_by(minutes{2});
  restart();
  pass();
  advised({unknown, unknown, unknown, unknown}, unknown);
  goes_by(minutes{2});
  EXPECT_EQ(first_four(), "40 0 0 0");
  goes_by(minutes{2});
  EXPECT_EQ(first_four(), "40 10 10 0");
}

TEST_F(LossByConfidence, OfWhomWasLostOrWithdrawnBeforeDoesNotEnd) {
  pass();
  advised({40, dead, quiesced, unknown});
  advised({40, unknown, unknown, dead});  // the last one by another rule since
  advised({40, unknown, unknown, unknown});
  advised({unknown, unknown, unknown, unknown}, unknown);
  goes_by(minutes{30});
  EXPECT_EQ(first_four(), "40 0 0 0");
}

TEST_F(LossByConfidence, NeverRaisesAForeignZero) {
  pass();
  advised({40, 30, 20, 10});
  set(web, 2, 0);
  reconcile();
  advised({40, unknown, unknown, unknown});
  EXPECT_EQ(first_four(), "40 0 0 0");
  advised({unknown, unknown, unknown, unknown}, unknown);
  goes_by(minutes{5});
  EXPECT_EQ(first_four(), "40 0 20 10");
}

// RFC 4678 5.3: those without confidence are then a matter of other means.
TEST_F(LossByConfidence, OfTheOnlyOneThatIsKnownBringsTheOthersBackAtOnce) {
  for (const int word : {quiesced, dead}) {
    pass();
    advised({40, unknown, unknown, 20});
    advised({40, unknown, unknown, dead}, dead);
    goes_by(minutes{30});
    advised({word, unknown, unknown, dead}, dead);
    EXPECT_EQ(first_four(), word == quiesced ? "0 10 10 0" : "40 10 10 0");
    EXPECT_EQ(alarms().find("no_server"), std::string::npos) << alarms();
    advised({40, 10, 10, 20});
    EXPECT_EQ(first_four(), "40 10 10 20");
  }
}

// A GWM that forgot everything and learns server by server takes away no more than a third.
TEST_F(Loss, ByConfidenceOfMoreThanAThirdIsHeldWithAnAlarm) {
  pass();
  advised({40, 30, 20, 10});
  advised({unknown, unknown, unknown, unknown});
  EXPECT_EQ(alarms(), "");
  advised({41, unknown, unknown, unknown});
  EXPECT_EQ(kernel(), "41 30 20 10");
  EXPECT_EQ(reason(2), Reason::not_confident);
  EXPECT_EQ(alarms(), "partly_known!");
  EXPECT_NE(detail_.find("not of 3 of 4: more than a third of the servers would get no new "
                         "connections (RFC 4678 5.3), so all keep their weights: 10.0.0.2:8080"),
            std::string::npos)
      << detail_;
  goes_by(minutes{30});
  EXPECT_EQ(kernel(), "41 30 20 10");
  restart();
  pass();
  advised({41, unknown, unknown, unknown});
  EXPECT_EQ(kernel(), "41 30 20 10");
  advised({41, 31, unknown, 11});
  EXPECT_EQ(kernel(), "41 31 0 11") << "one of four is avoided";
  advised({41, 31, unknown, unknown});
  EXPECT_EQ(kernel(), "41 31 0 11") << "and not the next one as well";
  EXPECT_EQ(alarms(), "partly_known!");
  EXPECT_NE(detail_.find("so 1 that still serve keep their weights: 10.0.0.4:8080"),
            std::string::npos)
      << detail_;
  restart();
  pass();
  advised({41, 31, unknown, unknown});
  EXPECT_EQ(kernel(), "41 31 0 11") << "that the third is avoided is known after a restart";
  advised({41, quiesced, dead, 11});
  EXPECT_EQ(kernel(), "41 0 0 11") << "what the GWM knows is followed";
  EXPECT_EQ(alarms().find("partly_known"), std::string::npos) << alarms();
}

// --- what is said of it

TEST_F(Loss, OfMoreThanAThirdAtOnceIsAnAlarmUntilItIsBack) {
  pass();
  advised({40, 30, 20, 10});
  EXPECT_EQ(alarms(), "");
  advised({40, 30, 20, dead});
  EXPECT_EQ(alarms(), "");
  now_ += seconds{11};
  advised({dead, 30, 20, dead});
  EXPECT_EQ(alarms(), "sudden_loss!");
  EXPECT_NE(detail_.find("1 of 3 servers and 44 % of the weight"), std::string::npos) << detail_;
  EXPECT_NE(detail_.find("10.0.0.1:8080 no_contact"), std::string::npos) << detail_;
  goes_by(minutes{9});
  EXPECT_EQ(alarms(), "sudden_loss!");
  advised({40, 30, 20, dead});
  EXPECT_EQ(alarms(), "");
}

TEST_F(Loss, OfJustAThirdIsNoAlarm) {
  set(web, 4, 0);  // foreign: three servers of 10
  pass();
  advised({dead, 10, 10, 10});
  EXPECT_EQ(alarms(), "");
}

TEST_F(Loss, IsSuddenAlsoInSeveralMessages) {
  pass();
  advised({dead, 10, 10, 10});
  now_ += seconds{1};
  advised({dead, dead, 10, 10});
  EXPECT_EQ(alarms(), "sudden_loss!");
}

TEST_F(Loss, IsForgottenAfterTenMinutes) {
  pass();
  advised({dead, dead, 10, 10});
  goes_by(minutes{9});
  EXPECT_EQ(alarms(), "sudden_loss!");
  goes_by(minutes{1});
  EXPECT_EQ(alarms(), "");
  EXPECT_EQ(kernel(), "0 0 10 10");
}

TEST_F(Loss, ThatSomebodyMeantIsNotUrgent) {
  pass();
  advised({quiesced, quiesced, 10, 10});
  EXPECT_EQ(alarms(), "sudden_loss");
  advised({quiesced, quiesced, dead, 10});
  EXPECT_EQ(alarms(), "sudden_loss") << "a quarter is no third";
  advised({quiesced, dead, dead, 10});
  EXPECT_EQ(alarms(), "sudden_loss!");
}

TEST_F(Loss, ByAForeignHandIsNoAdvice) {
  pass();
  advised({10, 10, 10, 10});
  set(web, 1, 0);
  set(web, 2, 0);
  reconcile();
  EXPECT_EQ(alarms(), "");
}

// The README's first start, with a line for one of two healthy servers.
TEST_F(Loss, ByALineThatIsMissingIsAnAlarmForAsLongAsItIsMissing) {
  pass();
  advised({40, 30, 20, unknown});
  EXPECT_EQ(alarms(), "partly_known!");
  EXPECT_NE(detail_.find("not of 1 of 4: 10.0.0.4:8080"), std::string::npos) << detail_;
  goes_by(minutes{30});
  EXPECT_EQ(alarms(), "partly_known!");
  advised({unknown, unknown, unknown, unknown});
  EXPECT_EQ(alarms(), "partly_known!");
  EXPECT_NE(detail_.find("no longer knows the state of any member"), std::string::npos) << detail_;
  advised({40, 30, 20, 1});
  EXPECT_EQ(alarms(), "");
  advised({unknown, unknown, unknown, unknown});
  EXPECT_EQ(alarms(), "") << "that is no advice, and nobody is avoided";
}

TEST_F(Loss, OfAllIsAnAlarmWhetherItIsHeldBackOrNot) {
  pass();
  advised({dead, dead, dead, dead});
  EXPECT_EQ(alarms(), "held_all_zero!");
  advised({quiesced, quiesced, quiesced, quiesced});
  EXPECT_EQ(alarms(), "no_server! sudden_loss");
  goes_by(minutes{20});
  EXPECT_EQ(alarms(), "no_server!");
  EXPECT_NE(detail_.find("none of its 4 servers has a weight: 4 quiesced"), std::string::npos)
      << detail_;
}

TEST_F(Loss, OfAllByHandOrByDeletingThemIsAnAlarm) {
  pass();
  advised({10, 10, 10, 10});
  for (unsigned n = 1; n <= 4; ++n)
    set(web, n, 0);
  reconcile();
  EXPECT_EQ(alarms(), "no_server!");
  EXPECT_NE(detail_.find("4 foreign_zero"), std::string::npos) << detail_;
  plane_.table.at(web).destinations.clear();
  reconcile();
  EXPECT_EQ(alarms(), "no_server!");
  EXPECT_NE(detail_.find("no destination"), std::string::npos) << detail_;
  set(web, 1, 1);
  reconcile();
  EXPECT_EQ(alarms(), "");
}

TEST_F(Loss, OfEveryNextHopIsAnAlarm) {
  pass();
  for (unsigned n = 1; n <= 3; ++n)
    plane_.unreachable_addresses.insert(server(n).address);
  EXPECT_EQ(alarms(), "");
  plane_.unreachable_addresses.insert(server(4).address);
  EXPECT_EQ(alarms(), "no_server!");
}

TEST_F(Loss, LeavesClientsOfAPersistentServiceThereUnlessTheKernelIsTold) {
  constexpr auto setting = "expire_quiescent_template";
  plane_.table.at(web).flags = lb::service_flag::persistent;
  reads(setting, 0);
  pass();
  EXPECT_EQ(alarms(), "persistent_drain") << "nobody is at 0 yet";
  advised({quiesced, 10, 10, 10});
  EXPECT_EQ(alarms(), "persistent_drain!");
  reads(setting, 1);
  reconcile();
  EXPECT_EQ(alarms(), "");
  reads(setting, std::nullopt);
  reconcile();
  EXPECT_EQ(alarms(), "persistent_drain") << "not known, so not claimed";
  EXPECT_NE(detail_.find("cannot be read"), std::string::npos) << detail_;
  plane_.table.at(web).flags = 0;
  reads(setting, 0);
  reconcile();
  EXPECT_EQ(alarms(), "");
}

TEST_F(Loss, LeavesClientsThatReuseAPortThereUnderOldSettings) {
  reads("conn_reuse_mode", 0);
  reads("expire_nodest_conn", 0);
  pass();
  EXPECT_EQ(alarms(), "");
  advised({quiesced, 10, 10, 10});
  EXPECT_EQ(alarms(), "port_reuse");
  reads("expire_nodest_conn", 1);
  reconcile();
  EXPECT_EQ(alarms(), "");
}

TEST_F(Loss, LeavesUdpFlowsWithADeadServer) {
  const auto dns = *lb::parse_service("udp:192.0.2.10:53");
  settings_.groups = {{"web", {plain_service(dns)}, {}}};
  plane_.table.clear();
  add_service(dns, {10, 10, 10, 10});
  reads("expire_nodest_conn", 0);
  pass();
  using namespace sasp::weight_flag;
  sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
  for (unsigned n = 1; n <= 4; ++n) {
    advice.items.push_back({sasp::MemberData::of(member_of(plain_service(dns), server(n))), 0,
                            static_cast<std::uint8_t>(n == 1 ? good & ~contact : good), 10});
  }
  reconciler().update(0, {{advice}, 1}, now_);
  reconcile();
  reconcile();
  EXPECT_EQ(alarms(), "") << "it has no flows";
  auto& pool = plane_.table.at(dns);
  pool.destinations.at(server(1)).observed.connections = 3;
  reconcile();
  EXPECT_EQ(alarms(), "udp_stays!");
  EXPECT_NE(detail_.find("flows continue to 10.0.0.1:8080"), std::string::npos) << detail_;
  pool.flags = lb::service_flag::one_packet;
  reconcile();
  EXPECT_EQ(alarms(), "");
}

// --- what is logged of it

TEST(AlarmChanges, AreBeginningsEndsAndUrgency) {
  using What = AlarmChange::What;
  const auto found = [](const AlarmsByGroup& before, const AlarmsByGroup& now) {
    std::vector<std::pair<What, std::string>> changes;
    for (const auto& change : changes_between(before, now))
      changes.emplace_back(change.what, std::string(change.alarm.name));
    return changes;
  };
  const AlarmsByGroup none;
  const AlarmsByGroup one{{"web", {{"no_server", true, "s", "3 quiesced"}}}};
  const AlarmsByGroup reworded{{"web", {{"no_server", true, "s", "2 quiesced"}}}};
  const AlarmsByGroup milder{{"web", {{"no_server", false, "s", ""}}}};
  const AlarmsByGroup elsewhere{{"web", {{"no_server", true, "t", "3 quiesced"}}}};
  using Changes = std::vector<std::pair<What, std::string>>;
  EXPECT_EQ(found(none, none), Changes{});
  EXPECT_EQ(found(none, one), (Changes{{What::begun, "no_server"}}));
  EXPECT_EQ(found(one, reworded), Changes{});
  EXPECT_EQ(found(one, milder), (Changes{{What::less_urgent, "no_server"}}));
  EXPECT_EQ(found(milder, one), (Changes{{What::more_urgent, "no_server"}}));
  EXPECT_EQ(found(one, none), (Changes{{What::ended, "no_server"}}));
  EXPECT_EQ(found(one, elsewhere),
            (Changes{{What::begun, "no_server"}, {What::ended, "no_server"}}));
}

}  // namespace
}  // namespace saspd::director
