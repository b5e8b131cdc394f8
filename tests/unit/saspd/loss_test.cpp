// Servers that are lost, one by one or together, over time: who goes on serving, and who says so.
#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr int dead = -1;
constexpr int quiesced = -2;
constexpr int unknown = -3;

class Loss : public ReconcilerTest {
 protected:
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

}  // namespace
}  // namespace saspd
