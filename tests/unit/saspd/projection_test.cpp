// SPDX-License-Identifier: Apache-2.0
// Each rule of "what must always hold" about one service's weights, as a row: members in, weights
// and reasons out.

#include "controller/saspd/projection.hpp"

#include <gtest/gtest.h>

namespace saspd::director {
namespace {

using namespace sasp::weight_flag;
constexpr std::uint8_t good = contact | confident | registered_by_lb;

Advice advice(std::uint16_t weight, int flags = good) {
  return {weight, static_cast<std::uint8_t>(flags), 0, {}};
}

// A server that stands in the kernel with `kernel_weight`.
MemberInput server(std::uint32_t kernel_weight, std::optional<Advice> advice = {}) {
  MemberInput input;
  input.advice = advice;
  input.kernel_weight = kernel_weight;
  input.static_weight = kernel_weight;
  input.last_positive = kernel_weight;
  return input;
}

constexpr TimePoint now{std::chrono::hours{100}};

// One that we set to 0 ourselves so long ago, after it had `before`.
MemberInput zeroed(std::uint32_t before, std::optional<Advice> advice = {},
                   Duration ago = std::chrono::minutes{1}) {
  MemberInput input = server(0, advice);
  input.own_zero = true;
  input.static_weight = input.last_positive = before;
  input.served = now - ago;
  return input;
}

class Projection : public testing::Test {
 protected:
  void given(std::vector<MemberInput> inputs) {
    std::uint16_t port = 1;
    for (const auto& input : inputs)
      members_[Endpoint{{}, port++}] = input;
  }
  // "40 advice, 0 quiesced", in the order of the members.
  std::string decided(std::string_view scheduler = "wlc", bool advised = true) {
    const auto decision = project(members_, advised ? Standing::current : Standing::none,
                                  limits_of(scheduler), scale_, policy_, now);
    held_ = decision.held;
    std::string text;
    for (const auto& [endpoint, member] : decision.members) {
      text += (text.empty() ? "" : ", ") + std::to_string(member.weight) + " " +
              std::string(name(member.reason));
    }
    return text;
  }
  ProjectionPolicy policy_;
  std::optional<Reason> held_;

 private:
  Scale scale_;
  std::map<Endpoint, MemberInput> members_;
};

TEST_F(Projection, GivesTheAdvisedWeights) {
  given({server(1, advice(40)), server(1, advice(20))});
  EXPECT_EQ(decided(), "40 advice, 20 advice");
}

TEST_F(Projection, ChangesNothingBeforeTheFirstAdvice) {
  MemberInput labelled = server(7);
  labelled.static_weight = 99;  // weight=99 of --member waits for advice too
  given({labelled, server(3)});
  EXPECT_EQ(decided("wlc", false), "7 static, 3 static");
}

TEST_F(Projection, GivesAMemberWithoutAdviceItsStaticWeight) {
  MemberInput unknown = server(9);
  unknown.static_weight = 5;
  given({server(1, advice(40)), unknown});
  EXPECT_EQ(decided(), "40 advice, 5 static");
}

TEST_F(Projection, NeverRaisesAForeignZero) {
  given({server(0, advice(40)), server(1, advice(20))});
  EXPECT_EQ(decided(), "0 foreign_zero, 20 advice");
}

TEST_F(Projection, RaisesItsOwnZero) {
  given({zeroed(10, advice(40)), server(1, advice(20))});
  EXPECT_EQ(decided(), "40 advice, 20 advice");
}

TEST_F(Projection, PutsQuiescedAndLostMembersToZeroWhateverTheirWeight) {
  // Rows 6 and 43: the flag wins over the weight that stands beside it.
  given({server(1, advice(5, good | quiesce)), server(1, advice(7, confident)),
         server(1, advice(20))});
  EXPECT_EQ(decided(), "0 quiesced, 0 no_contact, 20 advice");
}

TEST_F(Projection, PutsQuiescedBeforeNoContactAndConfidence) {
  given({server(1, advice(5, quiesce)), server(1, advice(20))});
  EXPECT_EQ(decided(), "0 quiesced, 20 advice");
}

TEST_F(Projection, AvoidsMembersWithoutConfidenceWhileOthersHaveIt) {
  given({server(1, advice(5, contact)), server(1, advice(20)), server(1, advice(30))});
  EXPECT_EQ(decided(), "0 not_confident, 20 advice, 30 advice");
}

// At once or one by one: a GWM that has forgotten servers takes away a third of them at most.
TEST_F(Projection, KeepsThoseThatServeWhenMoreThanAThirdIsNotKnown) {
  given({server(11, advice(5, contact)), server(1, advice(20))});
  EXPECT_EQ(decided(), "11 not_confident, 20 advice");
  MemberInput avoided = server(0, advice(5, contact));
  avoided.own_zero = avoided.avoided = true;
  given({avoided, server(11, advice(5, contact)), server(1, advice(20)), server(1, advice(30))});
  EXPECT_EQ(decided(), "0 not_confident, 11 not_confident, 20 advice, 30 advice");
  policy_.hold_all_zero = false;
  EXPECT_EQ(decided(), "0 not_confident, 0 not_confident, 20 advice, 30 advice")
      << "--on-all-zero apply";
}

TEST_F(Projection, CountsNobodyWhoIsOutForAnotherReason) {
  MemberInput lost = server(0, advice(7, contact));
  lost.own_zero = true;
  given({lost, server(11, advice(5, contact)), server(1, advice(20)), server(1, advice(30))});
  EXPECT_EQ(decided(), "0 not_confident, 0 not_confident, 20 advice, 30 advice")
      << "it did not serve";
}

TEST_F(Projection, KeepsTheWeightsWhenNobodyIsConfident) {
  given({server(11, advice(5, contact)), server(22, advice(20, contact))});
  EXPECT_EQ(decided(), "11 not_confident, 22 not_confident");
  EXPECT_EQ(held_, std::nullopt);
}

// A restarted GWM, to which members return one by one, and are not known at once.
TEST_F(Projection, AvoidsNobodyForWhatTheGwmSaidBeforeItLostTheOthers) {
  MemberInput missing = server(22, advice(20));
  missing.unnamed = true;
  given({server(11, advice(5, contact)), missing});
  EXPECT_EQ(decided(), "11 not_confident, 20 advice");
  given({server(11, advice(5, contact)), missing, server(33, advice(30))});
  EXPECT_EQ(decided(), "0 not_confident, 20 advice, 30 advice") << "that one is known";
}

TEST_F(Projection, AvoidsQuiescedMembersEvenWhenNobodyElseIsConfident) {
  // RFC 4678 5.3, last paragraph of the confident flag; row 41.
  given({server(11, advice(5, good | quiesce)), server(12, advice(5, confident)),
         server(22, advice(20, contact))});
  EXPECT_EQ(decided(), "0 quiesced, 0 no_contact, 22 not_confident");
}

TEST_F(Projection, HoldsBackAdviceThatLeavesNobody) {
  given({server(11, advice(0)), server(22, advice(7, confident)),
         server(33, advice(9, good | quiesce))});
  EXPECT_EQ(decided(), "11 held_all_zero, 22 held_all_zero, 0 quiesced");
  EXPECT_EQ(held_, Reason::held_all_zero);
}

TEST_F(Projection, GivesBackTheLastPositiveWeightsWhenHoldingIsNotEnough) {
  // Everybody is at our own zero, and the last one that served is now quiesced.
  given({zeroed(11, advice(0)), server(22, advice(0, good | quiesce))});
  EXPECT_EQ(decided(), "11 held_all_zero, 0 quiesced");
  EXPECT_EQ(held_, Reason::held_all_zero);
}

// All probes go wrong, one after the other: the last server is not left alone with everything.
TEST_F(Projection, SharesAmongAllThatWereLostLatelyWhenTheLastOneIsLost) {
  using std::chrono::minutes;
  given({zeroed(11, advice(0, confident), minutes{10}), zeroed(22, advice(9, confident)),
         zeroed(33, advice(0)), server(44, advice(0, confident))});
  EXPECT_EQ(decided(), "11 held_all_zero, 22 held_all_zero, 33 held_all_zero, 44 held_all_zero");
  EXPECT_EQ(held_, Reason::held_all_zero);
}

TEST_F(Projection, LeavesOutWhoWasLostLongAgo) {
  using std::chrono::seconds;
  given({zeroed(11, advice(0, confident), seconds{601}), zeroed(22, advice(0, confident)),
         server(33, advice(0, confident))});
  EXPECT_EQ(decided(), "0 no_contact, 22 held_all_zero, 33 held_all_zero");
}

TEST_F(Projection, LeavesOutWhoWasTakenOutOnPurposeAndCameBackDead) {
  MemberInput withdrawn = zeroed(11, advice(0, confident));
  withdrawn.served.reset();
  given({withdrawn, server(22, advice(0, confident))});
  EXPECT_EQ(decided(), "0 no_contact, 22 held_all_zero");
}

TEST_F(Projection, HasNobodyToHoldWhenAllWereLostLongAgo) {
  given({zeroed(11, advice(0, confident), std::chrono::hours{1}),
         server(22, advice(9, good | quiesce))});
  EXPECT_EQ(decided(), "0 no_contact, 0 quiesced");
  EXPECT_EQ(held_, std::nullopt);
}

TEST_F(Projection, AppliesEverythingButAllZeroUnlessAskedToPanicSooner) {
  given(
      {server(10, advice(0, confident)), server(20, advice(0, confident)), server(30, advice(5))});
  EXPECT_EQ(decided(), "0 no_contact, 0 no_contact, 5 advice");
  EXPECT_EQ(held_, std::nullopt);
}

TEST_F(Projection, HoldsBackAdviceThatLeavesFewerThanPanicAllows) {
  policy_.panic = 50;
  given(
      {server(10, advice(0, confident)), zeroed(20, advice(0, confident)), server(30, advice(5))});
  EXPECT_EQ(decided(), "10 held_panic, 20 held_panic, 5 advice");
  EXPECT_EQ(held_, Reason::held_panic);
}

TEST_F(Projection, AppliesAdviceThatLeavesJustAsManyAsPanicAsksFor) {
  policy_.panic = 50;
  given({server(10, advice(0, confident)), server(20, advice(7)), server(30, advice(5)),
         server(40, advice(0, confident))});
  EXPECT_EQ(decided(), "0 no_contact, 7 advice, 5 advice, 0 no_contact");
}

TEST_F(Projection, DoesNotCountWhoWasWithdrawnTowardsPanic) {
  policy_.panic = 50;
  given({server(10, advice(7, good | quiesce)), server(0, advice(7)), server(30, advice(5)),
         server(40, advice(0, confident))});
  EXPECT_EQ(decided(), "0 quiesced, 0 foreign_zero, 5 advice, 0 no_contact");
  policy_.panic = 51;
  EXPECT_EQ(decided(), "0 quiesced, 0 foreign_zero, 5 advice, 40 held_panic");
}

TEST_F(Projection, HoldsEverybodyAsAllZeroAlsoWithPanic) {
  policy_.panic = 50;
  given({server(10, advice(0, confident)), server(20, advice(0, confident))});
  EXPECT_EQ(decided(), "10 held_all_zero, 20 held_all_zero");
}

// A held weight was scaled by the factor of the whole farm; those beside it go on with the same.
TEST_F(Projection, KeepsTheScaleOfTheOthersWhileSomeAreHeld) {
  policy_.panic = 80;
  given({server(1, advice(60000)), server(1, advice(6000)), server(1, advice(3000))});
  EXPECT_EQ(decided("wrr"), "100 advice, 10 advice, 5 advice");
  given({server(100, advice(0, confident)), server(10, advice(6000)), server(5, advice(3000))});
  EXPECT_EQ(decided("wrr"), "100 held_panic, 10 advice, 5 advice");
}

TEST_F(Projection, AppliesAllZeroWhenTheOperatorWantsIt) {
  policy_.hold_all_zero = false;
  given({server(11, advice(0)), server(22, advice(7, confident))});
  EXPECT_EQ(decided(), "0 advice, 0 no_contact");
  EXPECT_EQ(held_, std::nullopt);
}

TEST_F(Projection, LetsEverybodyBeQuiesced) {
  given({server(11, advice(0, good | quiesce)), server(22, advice(0, good | quiesce))});
  EXPECT_EQ(decided(), "0 quiesced, 0 quiesced");
  EXPECT_EQ(held_, std::nullopt);
}

TEST_F(Projection, DoesNotCountForeignZerosAsServers) {
  given({server(0, advice(40)), server(22, advice(0))});
  EXPECT_EQ(decided(), "0 foreign_zero, 22 held_all_zero");
}

TEST_F(Projection, ScalesForWrrOnly) {
  given({server(1, advice(60001)), server(1, advice(40003)), server(1, advice(20011)),
         server(1, advice(10007))});
  EXPECT_EQ(decided("wlc"), "60001 advice, 40003 advice, 20011 advice, 10007 advice");
  EXPECT_EQ(decided("wrr"), "100 advice, 67 advice, 33 advice, 17 advice");
}

TEST_F(Projection, DoesNotScaleAKeptWeightAgain) {
  given({server(500, advice(0)), server(22, advice(0))});
  EXPECT_EQ(decided("wrr"), "500 held_all_zero, 22 held_all_zero");
}

TEST_F(Projection, RoundsAdviceToAFixedGridIfAsked) {
  given({server(100, advice(104)), server(100, advice(106)), server(100, advice(95)),
         server(100, advice(0)), zeroed(7, advice(1)), server(1, advice(2))});
  EXPECT_EQ(decided(), "104 advice, 106 advice, 95 advice, 0 advice, 1 advice, 2 advice");
  policy_.min_change = 5;
  EXPECT_EQ(decided(), "107 advice, 107 advice, 96 advice, 0 advice, 1 advice, 2 advice");
}

}  // namespace
}  // namespace saspd::director
