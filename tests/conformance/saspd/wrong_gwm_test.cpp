// SPDX-License-Identifier: Apache-2.0
// What a GWM sends wrongly changes no traffic, unless the decision in sasp-interop.md says how it
// follows, and good advice that comes afterwards counts again. Each name begins with its row; each
// case is fed whole, byte by byte and cut at random, and whatever can stand in any message of
// weights is pushed, given as an answer to a poll, and as the first answer of a new connection.

#include "tests/conformance/saspd/scene.hpp"

namespace saspd::test {
namespace {

using namespace saspd::testing;
using namespace sasp::weight_flag;
using sasp::ReturnCode;
using sasp::Type;

constexpr const char* unchanged = weights_of_farm;

enum class Place { push, answer_to_poll, first_answer };
constexpr std::array places{Place::push, Place::answer_to_poll, Place::first_answer};
const char* name(Place place) {
  return place == Place::push             ? "pushed"
         : place == Place::answer_to_poll ? "as the answer to a poll"
                                          : "as the first answer of a connection";
}

// Brings the scene to `place` and lets the GWM send what `message(place)` gives, then be honest
// again.
template <class Message>
void expect_everywhere(Service service, const Message& message, const std::string& expected) {
  for (const Cuts& cuts : all_cuts()) {
    for (const Place place : places) {
      SCOPED_TRACE(fmt::format("{} {}, {}", name(place), name(service), cuts.name));
      Scene gwm(cuts, {}, service);
      if (place == Place::first_answer) {
        gwm.reconnects();
        gwm.answers(sasp::encode({0, sasp::SetLbStateReply{}}).value());
      }
      if (place == Place::answer_to_poll) gwm.waits();
      if (place == Place::push) {
        gwm.says(message(place));
      } else {
        gwm.answers(message(place));
      }
      gwm.answers_honestly();
      gwm.reconciles();
      EXPECT_EQ(gwm.kernel(), expected);
      if (expected == unchanged) gwm.expect_no_change();
      gwm.expect_recovery();
    }
  }
}

// ---- Wrong bytes -------------------------------------------------------------------------------

// Where the components of a message with the weights of group "web" begin.
struct Offsets {
  std::size_t group, group_data, member, weight, second_member, size;
  static constexpr std::size_t message = 13;

  explicit Offsets(Place place, std::size_t total)
      : group(message + (place == Place::push ? 6 : 9)),
        group_data(group + 6),
        member(group_data + 12),
        weight(member + 24),
        second_member(weight + 8),
        size(total) {}
  // The count of groups stands at the end of the message component.
  std::size_t groups() const { return group - 2; }
};

// A value of 16 bits in hex.
std::string word(std::size_t value) {
  return fmt::format("{:02x} {:02x}", value >> 8 & 0xFF, value & 0xFF);
}

// Other weights, "1 2 3 4", in a message that is edited.
struct WrongBytes {
  const char* name;
  std::function<Bytes(const Bytes&, const Offsets&)> edit;
  const char* expected = unchanged;
};
constexpr const char* followed = "1 2 3 4";
void PrintTo(const WrongBytes& wrong, std::ostream* out) {
  *out << wrong.name;
}

// Overwrites at an offset, or inserts there and makes the Message Length right.
auto put(std::size_t at, const char* with) {
  return [=](const Bytes& b, const Offsets&) { return overwritten(b, at, with); };
}
auto put(std::size_t Offsets::*component, std::size_t at, const char* with) {
  return [=](const Bytes& b, const Offsets& o) { return overwritten(b, o.*component + at, with); };
}
auto insert(std::size_t Offsets::*component, std::size_t at, const char* what) {
  return [=](const Bytes& b, const Offsets& o) { return inserted(b, o.*component + at, what); };
}
auto then(auto first, auto second) {
  return [=](const Bytes& b, const Offsets& o) { return second(first(b, o), o); };
}

class AWrongMessage : public ::testing::TestWithParam<WrongBytes> {};

TEST_P(AWrongMessage, ChangesOnlyWhatItsRowSays) {
  const auto message = [&](Place place) {
    const Groups groups{web({1, 2, 3, 4})};
    const Bytes bytes = place == Place::push ? push(groups) : reply(groups);
    return GetParam().edit(bytes, Offsets(place, bytes.size()));
  };
  for (const Service service : services)
    expect_everywhere(service, message, GetParam().expected);
}

const std::vector<WrongBytes> wrong_bytes{
    {"Row01LengthZero", put(15, "00 00")},
    {"Row01LengthShorterThanItsFields", put(15, "00 05")},
    {"Row01LengthNegative", put(15, "80 09")},
    {"Row01LengthBeyondTheMessage", put(15, "7F FF")},
    {"Row01MemberShorterThanItsFields", put(&Offsets::member, 2, "00 17")},
    {"Row01MemberLongerThanTheMessage", put(&Offsets::member, 2, "FF FF")},
    {"Row01WeightShorterThanItsFields", put(&Offsets::weight, 2, "00 07")},
    {"Row01LabelLongerThanItsMember", put(&Offsets::member, 23, "FF")},
    {"Row01UidLongerThanItsGroup", put(&Offsets::group_data, 4, "FF")},
    {"Row01GroupThatCoversAPart", put(&Offsets::group, 2, "00 12")},
    {"Row01GroupThatCoversItsMembers",
     [](const Bytes& b, const Offsets& o) {
       return overwritten(b, o.group + 2, word(b.size() - o.group));
     },
     followed},
    {"Row01WeightWithUnknownFields",
     then(insert(&Offsets::weight, 8, "DE AD"), put(&Offsets::weight, 2, "00 0A")), followed},
    {"Row02MappedAddress", put(&Offsets::member, 17, "FF FF"), followed},
    {"Row03MisprintTheOtherWayRound", put(&Offsets::group, 0, "40 12")},
    {"Row07ReservedBits", put(&Offsets::weight, 5, "FD"), followed},
    {"Row09UidWithANul", put(&Offsets::group_data, 7, "00")},
    {"Row10GroupNameWithANul", put(&Offsets::group_data, 11, "00")},
    {"Row10GroupNameNotUtf8", put(&Offsets::group_data, 9, "FF C3")},
    {"Row10LabelOfAnyBytes",
     then(then(insert(&Offsets::member, 24, "00 1B FF"), put(&Offsets::member, 23, "03")),
          put(&Offsets::member, 2, "00 1B")),
     followed},
    {"Row13MessageLength17", put(5, "00 00 00 11")},
    {"Row13MessageLengthZero", put(5, "00 00 00 00")},
    {"Row13MessageLengthNegative", put(5, "FF FF FF FF")},
    {"Row13MessageLengthMostNegative", put(5, "80 00 00 00")},
    {"Row13MessageLengthOneTooSmall",
     [](const Bytes& b, const Offsets& o) { return overwritten(b, 7, word(o.size - 1)); }},
    {"Row13MessageLengthOneTooLarge",
     [](const Bytes& b, const Offsets& o) { return overwritten(b, 7, word(o.size + 1)); }},
    {"Row14HeaderType", put(0, "20 11")},
    {"Row14HeaderLengthZero", put(2, "00 00")},
    {"Row14HeaderLength12", put(2, "00 0C")},
    {"Row14HeaderLongerThanTheMessage", put(2, "FF FF")},
    {"Row14HeaderThatSwallowsTheMessageType", put(2, "00 10")},
    {"Row14HeaderWithUnknownFields",
     [](const Bytes& b, const Offsets&) {
       return overwritten(inserted(b, 13, "AB CD EF"), 2, "00 10");
     },
     followed},
    {"Row15Version0", put(4, "00")},
    {"Row15Version2", put(4, "02")},
    {"Row15Version255", put(4, "FF")},
    {"Row16UnknownMessage", put(13, "10 41")},
    {"Row16ComponentAsAMessage", put(13, "40 11")},
    {"Row17UnknownComponentForAGroup", put(&Offsets::group, 0, "40 1F")},
    {"Row17UnknownComponentForAGroupName", put(&Offsets::group_data, 0, "30 1F")},
    {"Row17UnknownComponentForAMember", put(&Offsets::second_member, 0, "30 1F")},
    {"Row17MemberStateForAWeight", put(&Offsets::weight, 0, "30 13")},
    {"Row17GarbageBeforeAGroup", insert(&Offsets::group, 0, "EE EE EE EE")},
    {"Row17GarbageBeforeAGroupName", insert(&Offsets::group_data, 0, "EE EE EE EE")},
    {"Row17GarbageBeforeAMember", insert(&Offsets::second_member, 0, "EE EE EE EE")},
    {"Row17GarbageBeforeAWeight", insert(&Offsets::weight, 0, "EE")},
    {"Row18SecondMessageComponent",
     [](const Bytes& b, const Offsets&) {
       Bytes both = b;
       const Bytes second = push({web({9, 9, 9, 9})});
       both.insert(both.end(), second.begin() + Offsets::message, second.end());
       return fitted(both);
     },
     followed},
    {"Row19TrailingByte", insert(&Offsets::size, 0, "00"), followed},
    {"Row19TrailingBytes", insert(&Offsets::size, 0, "DE AD BE EF"), followed},
    {"Row19MemberThatIsNotCounted", put(&Offsets::group, 4, "00 03")},
    {"Row19GroupThatIsNotCounted",
     [](const Bytes& b, const Offsets& o) { return overwritten(b, o.groups(), "00 00"); }},
    {"Row20MemberThatIsNotThere", put(&Offsets::group, 4, "00 05")},
    {"Row20MembersWithoutEnd", put(&Offsets::group, 4, "FF FF")},
    {"Row20GroupsWithoutEnd",
     [](const Bytes& b, const Offsets& o) { return overwritten(b, o.groups(), "FF FF"); }},
    {"Row20MessageAboveTheLimit", put(5, "01 00 00 01")},
};
INSTANTIATE_TEST_SUITE_P(Of, AWrongMessage, ::testing::ValuesIn(wrong_bytes),
                         [](const auto& wrong) { return std::string(wrong.param.name); });

// ---- Wrong content -----------------------------------------------------------------------------

struct WrongAdvice {
  const char* name;
  Groups groups;
  const char* expected = unchanged;
};
void PrintTo(const WrongAdvice& wrong, std::ostream* out) {
  *out << wrong.name;
}

constexpr int self_registered = contact | confident;

// One entry only, for somebody who is not one of the four servers.
Groups stranger(const sasp::MemberKey& member, int flags = self_registered) {
  return {{{"LB1", "web"}, {entry(member, 99, flags)}}};
}
Groups in_group(const std::string& uid, const std::string& group) {
  auto groups = Groups{web({1, 2, 3, 4}, self_registered)};
  groups[0].group = {uid, group};
  return groups;
}
// The first of "1 2 3 4" with other flags.
Groups first_with(int flags) {
  auto groups = Groups{web({1, 2, 3, 4})};
  groups[0].items[0].flags = static_cast<std::uint8_t>(flags);
  return groups;
}
Groups with(Groups groups, const sasp::WeightEntry& more) {
  groups[0].items.push_back(more);
  return groups;
}

class WrongContent : public ::testing::TestWithParam<WrongAdvice> {};

TEST_P(WrongContent, ChangesOnlyWhatItsRowSays) {
  const auto message = [&](Place place) {
    return place == Place::push ? push(GetParam().groups) : reply(GetParam().groups);
  };
  for (const Service service : services)
    expect_everywhere(service, message, GetParam().expected);
}

const std::vector<WrongAdvice> wrong_content{
    {"Row02NoAddress", stranger({IpAddress{}, 6, 8080})},
    {"Row02Loopback", stranger({*IpAddress::parse("::1"), 6, 8080})},
    {"Row05LargestWeights", {web({65535, 65535, 65535, 65535})}, "65535 65535 65535 65535"},
    {"Row05SmallestAndLargestWeight", {web({0, 65535, 1, 64})}, "0 65535 1 64"},
    {"Row06QuiescedWithAWeight", first_with(good | quiesce), "0 2 3 4"},
    {"Row06AllQuiescedWithWeights", {web({1, 2, 3, 4}, good | quiesce)}, "0 0 0 0"},
    {"Row09ForeignLb", in_group("LB2", "web")},
    {"Row09LbInAnotherCase", in_group("lb1", "web")},
    {"Row09NoLb", in_group("", "web")},
    {"Row09LongestLb", in_group(std::string(255, 'L'), "web")},
    {"Row10GroupInAnotherCase", in_group("LB1", "WEB")},
    {"Row22GroupTwice", {web({9, 9, 9, 9}), web({1, 2, 3, 4})}, followed},
    {"Row22EmptyAndFullGroup", {web({}), web({1, 2, 3, 4})}, followed},
    {"Row23GroupWithoutMembers", {web({})}},
    {"Row24ForeignGroup", in_group("LB1", "other")},
    {"Row24ForeignMember", stranger(server(99), good)},
    {"Row24OtherPort", stranger({server(1).address, 6, 8081}, good)},
    {"Row24OtherProtocol", stranger({server(1).address, 17, 8080})},
    {"Row24MemberTwice", with({web({9, 2, 3, 4})}, entry(server(1), 1)), followed},
    {"Row25PortZeroWithAProtocol", stranger({server(1).address, 6, 0})},
    {"Row25PortWithoutAProtocol", stranger({server(1).address, 0, 8080})},
    {"Row26SystemAmongApplications",
     with({web({1, 2, 3, 4})}, entry({server(1).address, 0, 0}, 99, self_registered)), followed},
    {"Row28GroupWithoutAName", in_group("LB1", "")},
    {"Row30NoGroups", {}},
    {"Row41OneNotConfident", first_with(contact | registered_by_lb), "0 2 3 4"},
    {"Row41NobodyConfident", {web({1, 2, 3, 4}, contact | registered_by_lb)}},
    {"Row41NobodyConfidentAndOneQuiesced",
     [] {
       auto groups = Groups{web({1, 2, 3, 4}, contact | registered_by_lb)};
       groups[0].items[0].flags |= quiesce;
       return groups;
     }(),
     "0 0 20 10"},
    {"Row42NobodyRegisteredByTheLb", {web({1, 2, 3, 4}, self_registered)}, followed},
    {"Row43NoContactWithAWeight", first_with(confident | registered_by_lb), "0 2 3 4"},
    {"Row43NoFlagsAtAll", first_with(0), "0 2 3 4"},
    {"Row44AllZero", {web({0, 0, 0, 0})}},
    {"Row44NoContactWithAnybody", {web({1, 2, 3, 4}, confident | registered_by_lb)}},
    {"Row44AllZeroAndOneQuiesced",
     [] {
       auto groups = Groups{web({0, 0, 0, 0})};
       groups[0].items[0].flags |= quiesce;
       return groups;
     }(),
     "0 0 20 10"},
};
INSTANTIATE_TEST_SUITE_P(Of, WrongContent, ::testing::ValuesIn(wrong_content),
                         [](const auto& wrong) { return std::string(wrong.param.name); });

// ---- Wrong conversation ------------------------------------------------------------------------

Bytes code_reply(const sasp::Message& message) {
  return sasp::encode({0, message}).value();
}
Bytes other_weights() {
  return reply({web({1, 2, 3, 4})});
}

// Each conversation in each way of cutting, for each kind of service.
class WrongConversation : public ::testing::TestWithParam<std::tuple<Cuts, Service>> {
 protected:
  static const Cuts& cuts() { return std::get<Cuts>(GetParam()); }
  static Service service() { return std::get<Service>(GetParam()); }
  // After a loss, up to the first Get Weights of the new connection.
  void reopen() {
    gwm_.reconnects();
    gwm_.answers(code_reply(sasp::SetLbStateReply{}));
  }

  Scene gwm_{cuts(), {}, service()};
};
std::string name(const ::testing::TestParamInfo<std::tuple<Cuts, Service>>& way) {
  std::string text =
      name(std::get<Service>(way.param)) + std::string(" ") + std::get<Cuts>(way.param).name;
  std::erase(text, ',');
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}
INSTANTIATE_TEST_SUITE_P(Of, WrongConversation,
                         ::testing::Combine(::testing::ValuesIn(all_cuts()),
                                            ::testing::ValuesIn(services)),
                         [](const auto& way) { return name(way); });

TEST_P(WrongConversation, Row03RequestOfAnotherRole) {
  const auto member = sasp::MemberData::of(server(1));
  const sasp::SetMemberStateRequest state{
      1, {{{"LB1", "web"}, {{member, 0, sasp::state_flag::quiesce}}}}};
  gwm_.says(overwritten(code_reply(state), 20, "40 11"));
  gwm_.says(code_reply(sasp::DeregistrationRequest{1, 0, {{{"LB1", "web"}, {member}}}}));
  gwm_.expect_no_change();
  EXPECT_TRUE(gwm_.connected());
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row04MisprintedTypeAnswersSetLbState) {
  gwm_.reconnects();
  gwm_.answers(code_reply(sasp::DeregistrationReply{}));
  EXPECT_TRUE(gwm_.asks(Type::get_weights_request));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row04MisprintedTypeDoesNotAnswerGetWeights) {
  gwm_.waits();
  gwm_.answers(code_reply(sasp::DeregistrationReply{}));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row08IntervalOfZeroOrOfHours) {
  for (const std::uint16_t interval : std::to_array<std::uint16_t>({0, 65535})) {
    gwm_.waits();
    gwm_.answers(reply({farm()}, {}, interval));
    gwm_.expect_no_change();
    const TimePoint answered = gwm_.now();
    gwm_.waits();
    EXPECT_EQ(gwm_.now() - answered, std::chrono::seconds{interval == 0 ? 60 : 3600});
    gwm_.answers_honestly();
  }
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row11PushWithTheIdOfAQuestion) {
  gwm_.waits();
  gwm_.says(answering(*gwm_.question(), push({web({1, 2, 3, 4})})));
  EXPECT_EQ(gwm_.kernel(), "1 2 3 4");
  gwm_.answers_honestly();
  EXPECT_EQ(gwm_.kernel(), unchanged) << "the question was still open";
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row12AnswerWithAnUnknownId) {
  gwm_.waits();
  gwm_.says(overwritten(other_weights(), 9, "FF FF FF FF"));
  gwm_.says(overwritten(other_weights(), 9, "00 00 00 00"));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row12AnswerToNothing) {
  gwm_.says(other_weights());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row12AnswerTwice) {
  gwm_.waits();
  const sasp::Frame question = *gwm_.question();
  gwm_.answers_honestly();
  gwm_.says(answering(question, other_weights()));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row12LateAnswerOfTheLastConnection) {
  gwm_.waits();
  const sasp::Frame question = *gwm_.question();
  reopen();
  gwm_.says(answering(question, other_weights()));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 2U);
}

TEST_P(WrongConversation, Row12AnswerOfAnotherType) {
  gwm_.waits();
  gwm_.says(answering(*gwm_.question(), code_reply(sasp::RegistrationReply{})));
  gwm_.says(answering(*gwm_.question(), code_reply(sasp::SetMemberStateReply{})));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row12AnswersToNothingWithoutEnd) {
  for (int i = 0; i < 20; ++i)
    gwm_.says(other_weights());
  EXPECT_FALSE(gwm_.connected());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row15RefusalThatNamesANewerVersion) {
  gwm_.reconnects();
  gwm_.answers(overwritten(code_reply(sasp::SetLbStateReply{ReturnCode::not_understood}), 4, "02"));
  EXPECT_FALSE(gwm_.connected());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row16UnknownMessagesWithoutEnd) {
  for (int i = 0; i < 16; ++i)
    gwm_.says(overwritten(other_weights(), 13, "10 99"));
  EXPECT_FALSE(gwm_.connected());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row24ForeignMemberThatRegisteredItself) {
  gwm_.says(push(stranger(server(99))));
  gwm_.waits();
  gwm_.answers(reply(with({farm()}, entry(server(99), 99, self_registered))));
  if (service() == Service::managed) {
    EXPECT_EQ(gwm_.kernel(), "40 0 20 10 99") << "it may, and is added";
    return;
  }
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row31ErrorThatEndsAfterItsCode) {
  gwm_.waits();
  gwm_.answers(message("10 35 00 05 10"));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row31SuccessThatEndsAfterItsCode) {
  gwm_.waits();
  gwm_.answers(message("10 35 00 05 00"));
  EXPECT_FALSE(gwm_.connected());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row32PushBeforeTheFirstGetWeights) {
  gwm_.reconnects();
  gwm_.says(push({web({1, 2, 3, 4})}));
  gwm_.answers(code_reply(sasp::SetLbStateReply{}));
  gwm_.says(push({web({1, 2, 3, 4})}));
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 2U);
}

TEST_P(WrongConversation, Row32ChangeThatCannotBeRead) {
  sasp::LbSessionConfig config;
  config.no_change = true;
  Scene gwm(cuts(), config, service());
  gwm.says(push({{{"LB1", "web"}, {entry(server(3), 20)}}}));
  gwm.expect_no_change();
  gwm.says(overwritten(push({web({1, 2, 3, 4})}), Offsets(Place::push, 0).weight, "99 99"));
  EXPECT_TRUE(gwm.asks(Type::set_lb_state_request)) << "what was lost would never be sent again";
  gwm.expect_no_change();
  gwm.expect_recovery();
  EXPECT_EQ(gwm.connections(), 1U);
}

TEST_P(WrongConversation, Row34ConnectionLostAtEachByte) {
  const std::size_t size = other_weights().size();
  for (std::size_t n = 0; n < size; ++n) {
    reopen();
    Bytes bytes = answering(*gwm_.question(), other_weights());
    bytes.resize(n);
    gwm_.says(bytes);
    EXPECT_TRUE(gwm_.connected());
    gwm_.reconnects();
    gwm_.answers_honestly();
    gwm_.expect_no_change();
  }
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row35MemoryLost) {
  gwm_.forgets();
  gwm_.waits();
  gwm_.answers(reply({}, ReturnCode::unknown_lb_uid));
  EXPECT_TRUE(gwm_.asks(Type::registration_request));
  gwm_.answers_honestly();
  gwm_.expect_no_change();
  gwm_.expect_recovery();
  EXPECT_EQ(gwm_.connections(), 1U);
}

TEST_P(WrongConversation, Row35MemberThatWeDoNotHave) {
  gwm_.waits();
  gwm_.answers(reply({with({farm()}, entry(server(99), 99))}));
  EXPECT_TRUE(gwm_.asks(Type::deregistration_request));
  gwm_.answers_honestly();
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row36ThrownOutAgainAndAgain) {
  for (int i = 0; i < 5; ++i) {
    gwm_.reconnects();
    gwm_.answers_honestly();
  }
  gwm_.hangs_up();
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(WrongConversation, Row38NotReady) {
  reopen();
  gwm_.answers(reply({web({1, 2, 3, 4})}, ReturnCode::not_understood));
  EXPECT_FALSE(gwm_.connected());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

// No byte comes, so there is nothing to cut.
class Silence : public ::testing::TestWithParam<Service> {};
INSTANTIATE_TEST_SUITE_P(Of, Silence, ::testing::ValuesIn(services), [](const auto& way) {
  std::string text = name(way.param);
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
});

TEST_P(Silence, Row39OfTheGwm) {
  for (const bool push : {false, true}) {
    sasp::LbSessionConfig config;
    config.push = push;
    Scene gwm(all_cuts().front(), config, GetParam());
    gwm.waits();
    ASSERT_TRUE(gwm.asks(Type::get_weights_request));
    gwm.waits();
    EXPECT_FALSE(gwm.connected());
    gwm.connects();
    gwm.waits();
    EXPECT_FALSE(gwm.connected());
    gwm.expect_no_change();
    gwm.expect_recovery();
  }
}

TEST_P(WrongConversation, Row39MessageThatNeverEnds) {
  Bytes half = push({web({1, 2, 3, 4})});
  half.resize(half.size() - 1);
  gwm_.says(half);
  gwm_.waits();  // asks
  gwm_.waits();  // and gives up
  EXPECT_FALSE(gwm_.connected());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

// ---- Every code, every size --------------------------------------------------------------------

// Every return code but success, to each request; the weights beside it do not count.
class Row27EveryCode : public ::testing::TestWithParam<int> {
 protected:
  ReturnCode code() const { return static_cast<ReturnCode>(GetParam()); }
  Scene gwm_{whole()};
};
INSTANTIATE_TEST_SUITE_P(Codes, Row27EveryCode, ::testing::Range(1, 256));

TEST_P(Row27EveryCode, ToSetLbState) {
  gwm_.reconnects();
  gwm_.answers(code_reply(sasp::SetLbStateReply{code()}));
  EXPECT_FALSE(gwm_.connected());
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(Row27EveryCode, ToGetWeights) {
  gwm_.waits();
  gwm_.answers(reply({web({1, 2, 3, 4})}, code()));
  EXPECT_TRUE(gwm_.connected());
  gwm_.answers_honestly();
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(Row27EveryCode, ToRegistration) {
  gwm_.forgets();
  gwm_.waits();
  gwm_.answers(reply({}));
  ASSERT_TRUE(gwm_.asks(Type::registration_request));
  gwm_.answers(code_reply(sasp::RegistrationReply{code()}));
  EXPECT_TRUE(gwm_.connected());
  gwm_.answers_honestly();
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

TEST_P(Row27EveryCode, ToDeregistration) {
  gwm_.waits();
  gwm_.answers(reply({with({farm()}, entry(server(99), 99))}));
  ASSERT_TRUE(gwm_.asks(Type::deregistration_request));
  gwm_.answers(code_reply(sasp::DeregistrationReply{code()}));
  EXPECT_TRUE(gwm_.connected());
  gwm_.answers_honestly();
  gwm_.expect_no_change();
  gwm_.expect_recovery();
}

// A message is applied whole or not at all: cut short anywhere, with a Message Length that says so.
TEST(Row20CutShort, ChangesNothingWhereverItIsCut) {
  for (const Bytes& bytes : {other_weights(), push({web({1, 2, 3, 4})})}) {
    for (std::size_t n = sasp::min_message; n < bytes.size(); ++n) {
      SCOPED_TRACE(fmt::format("{} of {} bytes", n, bytes.size()));
      Scene gwm(whole());
      gwm.waits();
      gwm.answers(shortened(bytes, n));
      gwm.expect_no_change();
      gwm.expect_recovery();
    }
  }
}

}  // namespace
}  // namespace saspd::test
