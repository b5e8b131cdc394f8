// SPDX-License-Identifier: Apache-2.0
// The golden frames before a decoder that is not ours: tshark, asked by tests/support/sasp-oracle.
// And the oracle itself: frames that are wrong in one place must not pass.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/hex.hpp"
#include "tests/support/sasp_wire.hpp"

namespace saspd::sasp {
namespace {

using namespace saspd::testing;

const std::filesystem::path golden_dir = TESTS_DIR "/conformance/sasp/golden";

Bytes golden(const std::string& name) {
  return hex_file(golden_dir / (name + ".hex"));
}

class Tshark : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run("command -v tshark text2pcap >/dev/null"), 0)
        << "tshark and text2pcap are needed: apt-get install tshark";
    std::string pattern = (std::filesystem::temp_directory_path() / "tshark_test.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir = pattern;
  }
  void TearDown() override {
    if (!dir.empty()) std::filesystem::remove_all(dir);
  }

  // Each frame in a TCP segment of its own, as the GWM would send it.
  void capture(const std::vector<Bytes>& frames) {
    std::ofstream dump(dir / "dump");
    for (const Bytes& frame : frames) {
      dump << "000000";
      for (const std::uint8_t byte : frame)
        dump << fmt::format(" {:02x}", byte);
      dump << "\n";
    }
    dump.close();
    ASSERT_EQ(run(fmt::format("cd {} && text2pcap -q -T 3860,40000 dump pcap >/dev/null 2>&1",
                              dir.string())),
              0);
  }

  bool oracle_accepts(const std::string& types = {}) {
    const int status = run(fmt::format(TESTS_DIR "/support/sasp-oracle {0}/pcap {1} >{0}/out 2>&1",
                                       dir.string(), types));
    said = read_file(dir / "out");
    EXPECT_LE(status, 1) << said;
    return status == 0;
  }

  bool oracle_accepts(const Bytes& frame) {
    capture({frame});
    return oracle_accepts();
  }

  static int run(const std::string& command) {
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::filesystem::path dir;
  std::string said;
};

TEST_F(Tshark, FindsNoFaultWithTheGoldenFrames) {
  std::vector<Bytes> frames;
  for (const auto& entry : std::filesystem::directory_iterator(golden_dir)) {
    frames.push_back(hex_file(entry.path()));
  }
  capture(frames);
  EXPECT_TRUE(
      oracle_accepts("0x1010 0x1015 0x1020 0x1025 0x1030 0x1035 0x1040 0x1050 0x1055 "
                     "0x1060 0x1065"))
      << said;
}

TEST_F(Tshark, SeesEachMemberOfABigMessage) {
  Frame frame{1, SendWeights{{{{"LB1", "FARM1"}, {}}}}};
  std::get<SendWeights>(frame.message).groups[0].items.resize(1500);
  EXPECT_TRUE(oracle_accepts(encode(frame).value())) << said;  // 48 039 bytes
}

TEST_F(Tshark, MissesATypeThatIsNotThere) {
  capture({golden("section8")});
  EXPECT_TRUE(oracle_accepts("0x1035")) << said;
  EXPECT_FALSE(oracle_accepts("0x1035 0x1040"));
}

TEST_F(Tshark, SeesALengthThatIsWrong) {
  const Bytes good = golden("section8");
  EXPECT_TRUE(oracle_accepts(good)) << said;
  EXPECT_FALSE(oracle_accepts(overwritten(good, 15, "BE EF")));   // the reply
  EXPECT_FALSE(oracle_accepts(overwritten(good, 15, "00 5D")));   // the reply with what it nests
  EXPECT_FALSE(oracle_accepts(overwritten(good, 24, "00 54")));   // the group with its members
  EXPECT_FALSE(oracle_accepts(overwritten(good, 44, "00 19")));   // a member
  EXPECT_FALSE(oracle_accepts(overwritten(good, 100, "00 07")));  // a weight entry
  EXPECT_FALSE(oracle_accepts(overwritten(good, 2, "00 14")));    // the header
}

TEST_F(Tshark, SeesBytesThatBelongToNothing) {
  EXPECT_FALSE(oracle_accepts(appended(golden("section8"), "DE AD BE EF")));
  EXPECT_FALSE(oracle_accepts(appended(golden("section8"), "10 15 00 05 00")));
  Bytes unannounced = golden("section8");
  unannounced.push_back(0);  // behind the message, on TCP
  EXPECT_FALSE(oracle_accepts(unannounced));
}

TEST_F(Tshark, SeesTypesThatAreWrong) {
  EXPECT_FALSE(oracle_accepts(overwritten(golden("registration_reply"), 13, "10 16")));
  EXPECT_FALSE(oracle_accepts(overwritten(golden("section8"), 22, "40 12")));
  // The misprint of RFC 4678 figure 11, which tshark itself accepts.
  EXPECT_FALSE(oracle_accepts(overwritten(golden("set_member_state_request"), 20, "40 11")));
}

TEST_F(Tshark, SeesCountsThatAreTooLarge) {
  EXPECT_FALSE(oracle_accepts(overwritten(golden("section8"), 26, "00 03")));
}

TEST_F(Tshark, SeesWhenThereIsNoSasp) {
  EXPECT_FALSE(
      oracle_accepts(overwritten(golden("section8"), message_length_offset, "FF FF FF FF")));
  EXPECT_FALSE(oracle_accepts(hex("16 03 01 00 10")));
}

}  // namespace
}  // namespace saspd::sasp
