// SPDX-License-Identifier: Apache-2.0

#include "netlink/message.hpp"

#include <gtest/gtest.h>

#include <libmnl/libmnl.h>

#include "tests/unit/netlink/bytes.hpp"

namespace saspd::netlink {
namespace {

TEST(Requests, StandBehindEachOtherWithTheirOwnNumbers) {
  Requests requests(3);
  mnl_attr_put_u8(&requests.add(0x22, 1, 6), 5, 9);
  requests.add(0x22, 1, 7, NLM_F_DUMP);
  requests.number(0xFFFFFFFF);
  requests.acknowledge_last();
  const ByteView view = requests.bytes();
  EXPECT_EQ(Bytes(view.begin(), view.end()),
            bytes(28_u32, 0x22_u16, 1_u16, 0xFFFFFFFF_u32, 0_u32,  // REQUEST
                  6_u8, 1_u8, 0_u16,                               //
                  5_u16, 5_u16, 9_u8, zeroes(3),                   //
                  20_u32, 0x22_u16, 0x305_u16, 0_u32, 0_u32,       // REQUEST | ACK | DUMP
                  7_u8, 1_u8, 0_u16));
  EXPECT_EQ(requests.count(), 2U);
  EXPECT_FALSE(requests.full());
}

TEST(Requests, LeaveNothingOfEarlierOnesBehind) {
  Requests requests(1);
  mnl_attr_put_u32(&requests.add(0x22, 1, 6, NLM_F_ACK), 5, 0xFFFFFFFF);
  requests.clear();
  EXPECT_TRUE(requests.bytes().empty());
  mnl_attr_put_u8(&requests.add(0x22, 1, 4), 5, 9);
  const ByteView view = requests.bytes();
  EXPECT_EQ(Bytes(view.begin(), view.end()), bytes(28_u32, 0x22_u16, 1_u16, 0_u32, 0_u32, 4_u8,
                                                   1_u8, 0_u16, 5_u16, 5_u16, 9_u8, zeroes(3)));
}

// NLMSG_ERROR as netlink_ack writes it under NETLINK_CAP_ACK: errno, then the request's header
// only.
Bytes verdict_message(std::uint32_t sequence, int number) {
  return bytes(36_u32, 2_u16, 0x100_u16, raw(sequence), 77_u32,  // NLMSG_ERROR, NLM_F_CAPPED
               raw(-number),                                     //
               164_u32, 0x22_u16, 1_u16, raw(sequence), 77_u32);
}

TEST(TakeMessage, CutsADatagramIntoItsMessages) {
  const Bytes datagram = bytes(verdict_message(1, 2), 20_u32, 3_u16, 2_u16, 9_u32, 77_u32, 0_u32);
  ByteView rest = datagram;
  const auto error = take_message(rest);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->type, NLMSG_ERROR);
  EXPECT_EQ(error->sequence, 1U);
  EXPECT_EQ(error->payload.size(), 20U);
  const auto done = take_message(rest);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->type, NLMSG_DONE);
  EXPECT_EQ(done->flags, NLM_F_MULTI);
  EXPECT_EQ(done->payload.size(), 4U);
  EXPECT_TRUE(rest.empty());
}

TEST(TakeMessage, RefusesEveryTruncation) {
  const Bytes whole = verdict_message(1, 2);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const Bytes cut = first(whole, size);
    ByteView rest = cut;
    const auto message = take_message(rest);
    ASSERT_FALSE(message) << size;
    EXPECT_EQ(message.error().code, std::errc::bad_message);
  }
}

TEST(TakeMessage, RefusesALengthShorterThanAHeader) {
  const Bytes bad = bytes(15_u32, 2_u16, 0_u16, 1_u32, 0_u32);
  ByteView rest = bad;
  EXPECT_FALSE(take_message(rest));
}

TEST(Message, HasAttributesBehindTheGenericHeader) {
  const Bytes payload = bytes(4_u8, 1_u8, 0_u16, 8_u16, 1_u16, 5_u32);
  EXPECT_EQ(Message{.payload = payload}.attributes()->size(), 8U);
  for (std::size_t size = 0; size < 4; ++size) {
    const Bytes cut = first(payload, size);
    EXPECT_FALSE(Message{.payload = cut}.attributes());
  }
}

Result<void> said(const Bytes& datagram) {
  ByteView rest = datagram;
  return verdict(*take_message(rest));
}

TEST(Verdict, IsGoodForAnAcknowledgement) {
  EXPECT_TRUE(said(verdict_message(1, 0)));
}

TEST(Verdict, CarriesTheKernelsErrno) {
  const auto verdict = said(verdict_message(1, 3));
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, std::errc::no_such_process);
  EXPECT_EQ(verdict.error().detail, "kernel error 3 (No such process)");
}

TEST(Verdict, CarriesTheKernelsWords) {
  const Bytes words = attribute(1, bytes(text("weight is too big"), zeroes(1)));
  const auto capped = said(bytes(60_u32, 2_u16, 0x300_u16, 1_u32, 77_u32, raw(-34),  //
                                 164_u32, 0x22_u16, 1_u16, 1_u32, 77_u32, words));
  ASSERT_FALSE(capped);
  EXPECT_EQ(capped.error().detail, "kernel error 34 (weight is too big)");
  // Without NETLINK_CAP_ACK the whole request stands before the words.
  const auto echoed = said(bytes(64_u32, 2_u16, 0x200_u16, 1_u32, 77_u32, raw(-34),  //
                                 20_u32, 0x22_u16, 1_u16, 1_u32, 77_u32, 6_u8, 1_u8, 0_u16, words));
  ASSERT_FALSE(echoed);
  EXPECT_EQ(echoed.error().detail, "kernel error 34 (weight is too big)");
}

TEST(Verdict, DoesWithoutWordsThatAreCutOff) {
  // TLVs announced, and either none is there or the echoed request claims more than there is.
  for (const Bytes& length : {20_u32, 0xFFFFFFFF_u32}) {
    const auto verdict = said(bytes(36_u32, 2_u16, 0x200_u16, 1_u32, 77_u32, raw(-34), length,
                                    0x22_u16, 1_u16, 1_u32, 77_u32));
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code.value(), 34);
  }
}

TEST(Verdict, IsAnErrorWhenItIsCutOff) {
  for (std::size_t size = 0; size < 4; ++size) {
    const Bytes payload = zeroes(size);
    const auto said = verdict(Message{.type = NLMSG_ERROR, .payload = payload});
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error().code, std::errc::bad_message);
  }
}

TEST(Verdict, OfADumpMayCount) {
  EXPECT_TRUE(said(bytes(20_u32, 3_u16, 2_u16, 9_u32, 77_u32, 5_u32)));
  EXPECT_FALSE(said(bytes(20_u32, 3_u16, 2_u16, 9_u32, 77_u32, raw(-22))));
}

TEST(Attributes, RememberTheFirstThingWrong) {
  const Bytes nest = bytes(attribute(1, 7_u32), attribute(2, 1_u8));
  Attributes attributes(nest, "thing");
  EXPECT_EQ(attributes.u32(1), 7U);
  EXPECT_FALSE(attributes.error());
  EXPECT_EQ(attributes.u32(2), 0U);
  EXPECT_EQ(attributes.u16(3), 0U);
  ASSERT_TRUE(attributes.error());
  EXPECT_EQ(attributes.error()->detail, "thing: attribute 2: length 1, expected 4");
}

TEST(Attributes, ReadTextsWithAndWithoutTheirEnd) {
  const Bytes nest = bytes(attribute(1, text("wrr")), attribute(2, bytes(text("wlc"), zeroes(13))));
  Attributes attributes(nest, "thing");
  EXPECT_EQ(attributes.text(1), "wrr");
  EXPECT_EQ(attributes.text(2), "wlc");
}

TEST(Attributes, PassTheErrorOnToWhatIsNestedInThem) {
  Attributes outer({}, "outer");
  EXPECT_EQ(outer.nest(1, "inner").error()->detail, "outer: attribute 1 is missing");
}

// Five requests with the numbers 10 to 14.
class BatchOutcomes : public testing::Test {
 protected:
  void kernel_says(std::uint32_t sequence, int number) {
    outcome_.add(verdict_message(sequence, number));
  }
  std::map<std::size_t, int> failed() {
    std::map<std::size_t, int> failed;
    for (const auto& [index, error] : outcome_.failed())
      failed[index] = error.code.value();
    return failed;
  }

  using Errors = std::map<std::size_t, int>;
  BatchOutcome outcome_{10, 5};
};

TEST_F(BatchOutcomes, AreGoodWhenOnlyTheLastIsAnswered) {
  EXPECT_FALSE(outcome_.complete());
  kernel_says(14, 0);
  EXPECT_TRUE(outcome_.complete());
  EXPECT_EQ(failed(), Errors{});
}

TEST_F(BatchOutcomes, NameTheRequestThatFailed) {
  kernel_says(11, ENOENT);
  EXPECT_FALSE(outcome_.complete());
  kernel_says(13, ESRCH);
  kernel_says(14, 0);
  EXPECT_TRUE(outcome_.complete());
  EXPECT_EQ(failed(), (Errors{{1, ENOENT}, {3, ESRCH}}));
}

TEST_F(BatchOutcomes, EndWithAnErrorOfTheLast) {
  kernel_says(14, ENOENT);
  EXPECT_TRUE(outcome_.complete());
  EXPECT_EQ(failed(), (Errors{{4, ENOENT}}));
}

TEST_F(BatchOutcomes, ReadSeveralAnswersOfOneDatagram) {
  outcome_.add(bytes(verdict_message(10, ENOENT), verdict_message(14, 0)));
  EXPECT_TRUE(outcome_.complete());
  EXPECT_EQ(failed(), (Errors{{0, ENOENT}}));
}

TEST_F(BatchOutcomes, IgnoreAnswersToOtherBatches) {
  kernel_says(9, ENOENT);
  kernel_says(15, 0);
  kernel_says(0, 0);
  EXPECT_FALSE(outcome_.complete());
  kernel_says(14, 0);
  EXPECT_EQ(failed(), Errors{});
}

TEST_F(BatchOutcomes, IgnoreAnswersThatAreNoVerdict) {
  outcome_.add(bytes(20_u32, 0x22_u16, 0_u16, 14_u32, 77_u32, 4_u8, 1_u8, 0_u16));
  EXPECT_FALSE(outcome_.complete());
}

TEST_F(BatchOutcomes, KeepKnownErrorsAndDoubtTheRestAfterALoss) {
  outcome_.answers_lost({std::make_error_code(std::errc::no_buffer_space), "lost"});
  kernel_says(11, ENOENT);
  EXPECT_TRUE(outcome_.lossy());
  EXPECT_EQ(failed(),
            (Errors{{0, ENOBUFS}, {1, ENOENT}, {2, ENOBUFS}, {3, ENOBUFS}, {4, ENOBUFS}}));
}

TEST_F(BatchOutcomes, BelieveTheLastOnesOwnAnswerAfterALoss) {
  outcome_.answers_lost({std::make_error_code(std::errc::no_buffer_space), "lost"});
  kernel_says(14, 0);
  EXPECT_EQ(failed(), (Errors{{0, ENOBUFS}, {1, ENOBUFS}, {2, ENOBUFS}, {3, ENOBUFS}}));
}

TEST_F(BatchOutcomes, KeepTheFirstReasonOfALoss) {
  outcome_.answers_lost({std::make_error_code(std::errc::no_buffer_space), "lost"});
  outcome_.answers_lost({std::make_error_code(std::errc::timed_out), "late"});
  EXPECT_EQ(failed().at(0), ENOBUFS);
}

// Whatever kept the answers away, the kernel may have done what it was asked.
TEST_F(BatchOutcomes, TakeNoLossForARefusal) {
  outcome_.answers_lost({std::make_error_code(std::errc::operation_not_permitted), "forbidden"});
  const auto failed = outcome_.failed();
  ASSERT_FALSE(failed.empty());
  for (const auto& each : failed) {
    EXPECT_EQ(each.error.code, std::errc::timed_out);
    EXPECT_EQ(each.error.detail, "forbidden");
  }
}

TEST_F(BatchOutcomes, TellWhyNothingWasSent) {
  outcome_.not_sent({std::make_error_code(std::errc::operation_not_permitted), "forbidden"});
  ASSERT_FALSE(outcome_.failed().empty());
  EXPECT_EQ(outcome_.failed()[0].error.code, std::errc::operation_not_permitted);
}

TEST_F(BatchOutcomes, DoNotCallUnknownWhatWasNotSent) {
  outcome_.not_sent({std::make_error_code(std::errc::no_buffer_space), "no room to send"});
  ASSERT_FALSE(outcome_.failed().empty());
  EXPECT_EQ(outcome_.failed()[0].error.code, std::errc::io_error);
}

TEST_F(BatchOutcomes, TakeAMalformedAnswerForALostOne) {
  const Bytes whole = verdict_message(14, 0);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    BatchOutcome outcome(10, 5);
    outcome.add(first(whole, size));
    ASSERT_TRUE(outcome.lossy()) << size;
    EXPECT_EQ(outcome.failed().size(), 5U);
  }
}

TEST(BatchOutcome, FollowsSequenceNumbersThroughTheirWrap) {
  BatchOutcome outcome(0xFFFFFFFE, 4);
  outcome.add(verdict_message(0, ENOENT));
  outcome.add(verdict_message(1, 0));
  ASSERT_TRUE(outcome.complete());
  ASSERT_EQ(outcome.failed().size(), 1U);
  EXPECT_EQ(outcome.failed().front().index, 2U);
}

}  // namespace
}  // namespace saspd::netlink
