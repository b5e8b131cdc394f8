// SPDX-License-Identifier: Apache-2.0
// The ledger's text, and its file.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controller/base/sealed_text.hpp"
#include "controller/saspd/ledger_file.hpp"

namespace saspd::director {
namespace {

const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
const lb::ServiceKey mark = *lb::parse_service("fwmark6:7");
const Endpoint first = *Endpoint::parse("10.0.0.1:8080");
const Endpoint second = *Endpoint::parse("[2001:db8::2]:0");
const LedgerPlace here{"ipvs", "b00t", "cookie:7", ""};

lb::Table table(std::uint32_t of_first, std::uint32_t of_second) {
  lb::Table table;
  table[web].destinations[first] = lb::Destination{first, of_first};
  table[mark].destinations[second] = lb::Destination{second, of_second};
  return table;
}
const std::vector<Ledger::Watched> both{{web}, {mark}};

// Our zero, and one of somebody else.
Ledger two_zeros() {
  Ledger ledger = Ledger::empty();
  ledger.look(table(40, 30), both, false);
  lb::Change change{lb::Action::set_destination, web, {}, {first, 0}, lb::Destination{first, 40}};
  ledger.will_write(change);
  ledger.wrote(change);
  ledger.look(table(0, 0), both, false);
  ledger.keepalived_says(mark, second, false);
  return ledger;
}

TEST(LedgerText, IsReadBackAsItWas) {
  const std::string text = two_zeros().text(here);
  EXPECT_EQ(text.substr(0, text.find("end ")),
            "saspd-ledger 2\n"
            "table ipvs b00t cookie:7\n"
            "tcp:192.0.2.10:80 10.0.0.1:8080 here ours none 40 40\n"
            "fwmark6:7 [2001:db8::2]:0 here foreign none 30 30 others_zero held_down told\n");
  const auto read = Ledger::parse(text, here);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_FALSE(read->unkept());
  EXPECT_EQ(read->text(here), text);
  EXPECT_EQ(read->zero(web, first), (Zero{ZeroAuthor::ours, Doubt::none, false}));
  EXPECT_EQ(read->zero(mark, second), (Zero{ZeroAuthor::foreign, Doubt::none, true}));
}

// With all that it can say of what is no zero.
Ledger everything() {
  Ledger ledger = two_zeros();
  ledger.served(web, first, TimePoint(std::chrono::milliseconds{86400999}));
  ledger.stand(mark, second, StandingWeight{7, 40});
  ledger.scaled(web, Scale({100, 60001}));
  ledger.quiesced("a group",
                  {{{first.address, 6, 8080}, {"gwm-1:3860", {"gwm-1:3860", "unix:/a b"}}},
                   {{second.address, 0, 0}, {"gwm-1:3860", {"gwm-1:3860"}}}});
  return ledger;
}

TEST(LedgerText, OfEverythingIsReadBackAsItWas) {
  const std::string text = everything().text(here);
  EXPECT_EQ(text.substr(0, text.find("end ")),
            "saspd-ledger 2\n"
            "table ipvs b00t cookie:7\n"
            "tcp:192.0.2.10:80 10.0.0.1:8080 here ours none 40 40 served=86400\n"
            "fwmark6:7 [2001:db8::2]:0 here foreign none 30 30 others_zero held_down told "
            "stands=7/40\n"
            "scale tcp:192.0.2.10:80 100 60001\n"
            "quiesce 6 10.0.0.1:8080 a group\n"
            "by gwm-1:3860\n"
            "known_to gwm-1:3860\n"
            "known_to unix:/a b\n"
            "quiesce 0 [2001:db8::2]:0 a group\n"
            "by gwm-1:3860\n"
            "known_to gwm-1:3860\n");
  const auto read = Ledger::parse(text, here);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_FALSE(read->unkept());
  EXPECT_EQ(read->text(here), text);
  EXPECT_EQ(read->quiesces(), everything().quiesces());
  EXPECT_EQ(read->find(web, first)->served, TimePoint(std::chrono::seconds{86400}));
}

// An upgrade makes no zero unclear.
TEST(LedgerText, OfTheFirstVersionIsRead) {
  const std::string text =
      sealed({"saspd-ledger", "1", "a ledger"},
             "table ipvs b00t cookie:7\n"
             "tcp:192.0.2.10:80 10.0.0.1:8080 here ours none 40 40 avoided\n"
             "fwmark6:7 [2001:db8::2]:0 here foreign none 30 30 others_zero held_down told\n");
  const auto read = Ledger::parse(text, here);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_TRUE(read->unkept()) << "it is written anew";
  EXPECT_EQ(read->zero(web, first).author, ZeroAuthor::ours);
  const TimePoint now{std::chrono::hours{5}};
  EXPECT_EQ(read->page(web).served(first, now), now) << "it may have been lost just now";
  EXPECT_EQ(Ledger::parse(read->text(here), here)->page(web).served(first, now), now);
  EXPECT_FALSE(Ledger::parse(text.substr(0, text.size() - 2), here));
}

TEST(LedgerText, OfAnotherBootKnowsQuiescesAndScalesAndNoTimes) {
  const auto read = Ledger::parse(everything().text(here), {"ipvs", "b002", "cookie:8", ""});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->quiesces(), everything().quiesces());
  EXPECT_EQ(read->scale(web), Scale({100, 60001}));
  EXPECT_EQ(read->find(web, first)->served, std::nullopt);
}

// Whole by its seal, and yet nothing of ours.
TEST(LedgerText, ThatCannotBeOursIsRefused) {
  const std::string table = "table ipvs b00t cookie:7\n";
  const std::string record = "tcp:192.0.2.10:80 10.0.0.1:8080 here ours none 40 40";
  const auto is_read = [&](const std::string& lines) {
    return Ledger::parse(sealed({"saspd-ledger", "2", "a ledger"}, table + lines), here)
        .has_value();
  };
  EXPECT_TRUE(is_read(record + "\n"));
  for (const char* bad :
       {" served=", " served=-1", " served=9999999999999", " served=1x", " stands=1", " stands=/1",
        " stands=1/", " stands=1/99999999999", " unheard-of"}) {
    EXPECT_FALSE(is_read(record + bad + "\n")) << bad;
  }
  const std::string quiesce = "quiesce 6 10.0.0.1:8080 web\n";
  EXPECT_TRUE(is_read(quiesce + "by a\nknown_to a\n"));
  for (const std::string& bad :
       {std::string("by a\n"), std::string("known_to a\n"), quiesce + "by a\nby a\n",
        quiesce + "by \n", quiesce + "known_to a\nknown_to a\n", quiesce + quiesce,
        std::string("quiesce 6 10.0.0.1:8080\n"), std::string("quiesce 256 10.0.0.1:8080 web\n"),
        std::string("scale tcp:192.0.2.10:80 0 1\n"), std::string("scale tcp:192.0.2.10:80 1 0\n"),
        std::string("scale tcp:192.0.2.10:80 1 1 1\n"), std::string("scale web 1 1\n")}) {
    EXPECT_FALSE(is_read(bad)) << bad;
  }
}

TEST(LedgerText, IsRefusedWhereverItEnds) {
  const std::string text = everything().text(here);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(Ledger::parse(text.substr(0, size), here)) << size;
  EXPECT_FALSE(Ledger::parse(text + "x", here));
  EXPECT_FALSE(Ledger::parse(text + text, here));
}

TEST(LedgerText, IsRefusedWithAnyBitTurned) {
  const std::string text = everything().text(here);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = text;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      EXPECT_FALSE(Ledger::parse(bad, here)) << i << " " << bit;
    }
  }
}

TEST(LedgerText, OfAnotherVersionOrTableIsRefused) {
  const std::string text = two_zeros().text(here);
  const auto refused = [](const std::string& bad, const LedgerPlace& place) {
    const auto read = Ledger::parse(bad, place);
    return read ? std::error_code() : read.error().code;
  };
  EXPECT_EQ(refused("saspd-ledger 3\nsomething\n", here), std::errc::not_supported);
  EXPECT_EQ(refused("\x7f"
                    "ELF",
                    here),
            std::errc::illegal_byte_sequence);
  EXPECT_EQ(refused(text, {"xdp", "b00t", "cookie:7", ""}), std::errc::no_such_device);
  EXPECT_EQ(refused(text, {"ipvs", "b00t", "cookie:8", ""}), std::errc::no_such_device);
  EXPECT_EQ(refused(text, {"ipvs", "b00t", "cookie:8", "blue"}), std::errc::no_such_device);
  EXPECT_EQ(refused(text, {"ipvs", "b002", "cookie:8", "blue"}), std::errc::no_such_device);
}

TEST(LedgerText, OfAnotherBootKnowsWhatMayComeBack) {
  for (const auto& boot : {std::string("b002"), std::string(LedgerPlace::unknown)}) {
    auto read = Ledger::parse(two_zeros().text(here), {"ipvs", boot, "cookie:8", ""});
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->unkept());
    EXPECT_NE(read->find(web, first), nullptr);
    EXPECT_EQ(read->zero(mark, second).author, ZeroAuthor::nobody)
        << "whoever writes 0 there again is its author";
    read->look(table(0, 0), both, false);
    EXPECT_EQ(read->zero(web, first).author, ZeroAuthor::ours);
    EXPECT_EQ(read->zero(mark, second).author, ZeroAuthor::foreign);
  }
}

// Of an older life without boot ids: unknown is never the same.
TEST(LedgerText, OfAnUnknownBootIsNeverOfThisOne) {
  const LedgerPlace unknown{"ipvs", std::string(LedgerPlace::unknown), "cookie:7", ""};
  const auto read = Ledger::parse(two_zeros().text(unknown), unknown);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->find(web, first)->presence, Ledger::Record::Presence::gone);
}

TEST(Ledger, ForgetsDestinationsThatNeverComeBack) {
  Ledger ledger = Ledger::empty();
  lb::Pool pool;
  for (std::uint16_t port = 1; port <= 5000; ++port) {
    const Endpoint endpoint{first.address, port};
    pool.destinations[endpoint] = lb::Destination{endpoint, 1};
  }
  ledger.look({{web, pool}}, both, false);
  for (auto& [endpoint, destination] : pool.destinations) {
    destination.weight = 0;
    ledger.will_write({lb::Action::set_destination, web, {}, destination});
  }
  ledger.look({{web, pool}}, both, false);
  ledger.look({}, both, false);
  EXPECT_EQ(ledger.text(here).find("tcp:"), std::string::npos);
}

// --- the file

class LedgerOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/saspd-ledger-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/ledger";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Whether it was believed, and what was said.
  bool knows() {
    LedgerFile file(path_, here);
    warnings_.clear();
    const Ledger ledger = file.load(warnings_);
    error_ = file.error();
    return ledger.find(web, first) != nullptr;
  }

  std::string folder_;
  std::string path_;
  std::vector<std::string> warnings_;
  std::string error_;
};

TEST_F(LedgerOnDisk, IsFoundAgain) {
  EXPECT_FALSE(knows());
  EXPECT_TRUE(warnings_.empty()) << "the first start";
  EXPECT_TRUE(LedgerFile(path_, here).keep(two_zeros()));
  EXPECT_TRUE(knows());
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(read(path_), two_zeros().text(here));
  struct stat found {};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(LedgerOnDisk, IsPutAsideWhenItIsDamaged) {
  const std::string text = two_zeros().text(here);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, text.size() / 2, text.size() - 1}) {
    std::ofstream(path_) << text.substr(0, size);
    EXPECT_FALSE(knows());
    ASSERT_EQ(warnings_.size(), 1U);
    EXPECT_EQ(read(path_ + ".bad"), text.substr(0, size));
    EXPECT_FALSE(std::filesystem::exists(path_));
    EXPECT_TRUE(error_.empty()) << "the next one is written as always";
  }
}

// After a downgrade, or an upgrade from long ago.
TEST_F(LedgerOnDisk, OfAnotherVersionIsPutAsideWholeAndSaid) {
  for (const auto* version : {"saspd-ledger 3", "saspd-ledger 0", "saspd-ledger 10"}) {
    const std::string text = version + two_zeros().text(here).substr(14) + "and more\n";
    std::ofstream(path_) << text;
    EXPECT_FALSE(knows());
    ASSERT_EQ(warnings_.size(), 1U);
    EXPECT_NE(warnings_[0].find(fmt::format("another version ('{}')", version)), std::string::npos)
        << warnings_[0];
    EXPECT_NE(warnings_[0].find("; it is now " + path_ + ".bad"), std::string::npos);
    ASSERT_TRUE(LedgerFile(path_, here).keep(two_zeros()));
    EXPECT_EQ(read(path_ + ".bad"), text);
    EXPECT_TRUE(knows()) << "its own";
  }
}

// A dry run beside the saspd that writes, or before it is started.
TEST_F(LedgerOnDisk, IsOnlyLookedAtInADryRun) {
  for (const std::string& text :
       {two_zeros().text(here), std::string("saspd-ledger 3\n"), std::string("x")}) {
    std::ofstream(path_) << text;
    const LedgerFile dry(path_, here);
    std::vector<std::string> warnings;
    const Ledger seen = dry.look(warnings);
    EXPECT_EQ(seen.find(web, first) != nullptr, warnings.empty());
    EXPECT_EQ(read(path_), text);
    EXPECT_FALSE(std::filesystem::exists(path_ + ".bad"));
    EXPECT_TRUE(LedgerFile(path_, here).keep(two_zeros())) << "it is nobody's else";
    EXPECT_EQ(read(path_), two_zeros().text(here));
  }
}

TEST_F(LedgerOnDisk, OfAnotherOwnerOrWritableByOthersIsNotBelieved) {
  ASSERT_TRUE(LedgerFile(path_, here).keep(two_zeros()));
  ASSERT_EQ(::chmod(path_.c_str(), 0620), 0);
  EXPECT_FALSE(knows());
  ASSERT_EQ(warnings_.size(), 1U);
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  EXPECT_TRUE(knows());
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_FALSE(knows());
  EXPECT_NE(warnings_.at(0).find("12345"), std::string::npos) << warnings_[0];
}

TEST_F(LedgerOnDisk, IsNoLinkNoFifoAndNoFolder) {
  ASSERT_TRUE(LedgerFile(folder_ + "/other", here).keep(two_zeros()));
  std::filesystem::create_symlink("other", path_);
  EXPECT_FALSE(knows());
  EXPECT_EQ(warnings_.size(), 1U);
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(knows());
  EXPECT_EQ(warnings_.size(), 1U);
  EXPECT_TRUE(LedgerFile(path_, here).keep(two_zeros())) << "it takes their place";
  EXPECT_TRUE(knows());
}

TEST_F(LedgerOnDisk, IsOfOneSaspdAlone) {
  LedgerFile one(path_, here);
  EXPECT_TRUE(one.keep(two_zeros()));
  LedgerFile two(path_, here);
  EXPECT_EQ(two.load(warnings_).find(web, first), nullptr);
  EXPECT_NE(two.error().find("in use by another saspd"), std::string::npos) << two.error();
  EXPECT_TRUE(two.keep(Ledger::empty())) << "there is nothing to try again";
  EXPECT_FALSE(two.error().empty());
  EXPECT_EQ(read(path_), two_zeros().text(here)) << "the first one's is untouched";
}

TEST_F(LedgerOnDisk, ThatCannotBeWrittenIsAProblemUntilItCan) {
  LedgerFile file(folder_ + "/none/ledger", here);
  EXPECT_FALSE(file.keep(two_zeros()));
  EXPECT_NE(file.error().find("/none"), std::string::npos) << file.error();
  EXPECT_EQ(KeptFile::make_folder(folder_ + "/none/ledger"), folder_ + "/none");
  EXPECT_EQ(KeptFile::make_folder(folder_ + "/none/ledger"), "") << "it is there";
  EXPECT_TRUE(file.keep(two_zeros()));
  EXPECT_EQ(file.error(), "");
}

// It might say that a zero is ours that was raised since, and lowered by somebody else.
TEST_F(LedgerOnDisk, ThatCannotBeReplacedIsNotBelievedAnyMore) {
  LedgerFile file(path_, here);
  ASSERT_TRUE(file.keep(two_zeros()));
  ASSERT_TRUE(std::filesystem::create_directories(path_ + ".new/in-the-way"));
  EXPECT_FALSE(file.keep(Ledger::empty()));
  EXPECT_EQ(read(path_), "");
  std::filesystem::remove_all(path_ + ".new");
  EXPECT_TRUE(file.keep(two_zeros()));
  EXPECT_EQ(read(path_), two_zeros().text(here));
}

// Killed anywhere while it is written, over and over: there is always a whole one.
TEST_F(LedgerOnDisk, IsAlwaysWhole) {
  ASSERT_TRUE(LedgerFile(path_, here).keep(two_zeros()));
  for (int life = 0; life < 50; ++life) {
    const pid_t child = ::fork();
    if (child == 0) {
      LedgerFile file(path_, here);
      for (;;)
        file.keep(two_zeros());
    }
    ::usleep(static_cast<useconds_t>(200 + 397 * life % 3000));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    ASSERT_TRUE(knows()) << life;
  }
}

TEST(LedgerPlace, IsTheSameInOneNamespace) {
  const auto here_now = ledger_place("ipvs");
  EXPECT_EQ(here_now.boot.size(), 32U);
  EXPECT_EQ(here_now.network_namespace, ledger_place("ipvs").network_namespace);
  EXPECT_FALSE(here_now.network_namespace.empty());
}

}  // namespace
}  // namespace saspd::director
