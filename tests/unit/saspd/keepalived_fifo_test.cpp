// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/keepalived_fifo.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace saspd::director {
namespace {

const Endpoint first = *Endpoint::parse("10.0.0.1:80");

TEST(KeepalivedLine, NamesTheServerAndItsService) {
  const auto line = parse_keepalived_line("RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:443 DOWN");
  ASSERT_TRUE(line);
  EXPECT_EQ(*line, (KeepalivedNews{first, {*lb::parse_service("tcp:192.0.2.10:443")}, false}));
  const auto v6 = parse_keepalived_line("RS [2001:db8::1]:udp:53 [2001:db8::a]:udp:53 UP");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->server, *Endpoint::parse("[2001:db8::1]:53"));
  EXPECT_TRUE(v6->up);
  EXPECT_EQ(v6->services.at(0), *lb::parse_service("udp:[2001:db8::a]:53"));
  const auto mark = parse_keepalived_line("RS [10.0.0.1]:tcp:80 FWM 7 DOWN");
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->services,
            (std::vector{*lb::parse_service("fwmark:7"), *lb::parse_service("fwmark6:7")}));
  const auto group = parse_keepalived_line("RS [10.0.0.1]:tcp:80 [farm]:80 DOWN");
  ASSERT_TRUE(group);
  EXPECT_TRUE(group->services.empty());
}

TEST(KeepalivedLine, OfAnythingElseSaysNothing) {
  for (const char* line :
       {"", "RS", "VS [192.0.2.10]:tcp:80 DOWN", "RS [10.0.0.1]:tcp:80 DOWN", "RS 10.0.0.1:80 x UP",
        "RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 STOP",
        "RS [10.0.0.1:tcp:80 [192.0.2.10]:tcp:80 UP",
        "RS [10.0.0.1]:tcp:99999 [192.0.2.10]:tcp:80 UP", "RS [10.0.0.1]:gre:80 x UP",
        "INSTANCE \"VI_1\" MASTER 100", "\xff\xfe"}) {
    EXPECT_FALSE(parse_keepalived_line(line)) << line;
  }
}

TEST(KeepalivedLines, AreReadInAnyPieces) {
  const std::string text =
      "VS [192.0.2.10]:tcp:80 UP\nRS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN\n\n"
      "RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP\n";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    KeepalivedLines lines;
    std::vector<bool> ups;
    for (std::size_t at = 0; at < text.size(); at += size) {
      for (const auto& news : lines.append(std::string_view(text).substr(at, size)))
        ups.push_back(news.up);
    }
    EXPECT_EQ(ups, (std::vector{false, true})) << size;
  }
}

TEST(KeepalivedLines, ThatAreTooLongArePassedOver) {
  KeepalivedLines lines;
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(lines.append(std::string(5000, 'x')).empty());
  EXPECT_TRUE(lines.append("RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP\n").empty()) << "its end";
  EXPECT_EQ(lines.append("RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP\n").size(), 1U);
}

class Fifo : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/saspd-fifo-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/fifo";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // As keepalived, which keeps it open: what nobody has read yet stays there.
  void say(std::string_view text) {
    writer_ = Descriptor(::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ASSERT_EQ(::write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  static constexpr std::string_view down = "RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN\n";

  std::string folder_;
  std::string path_;
  Descriptor writer_;
};

TEST_F(Fifo, IsMadeAndReadOverRestartsOfTheWriter) {
  KeepalivedFifo fifo(path_);
  EXPECT_TRUE(fifo.read().empty());
  EXPECT_EQ(fifo.error(), "");
  EXPECT_TRUE(std::filesystem::is_fifo(path_));
  for (int i = 0; i < 3; ++i) {
    say(down);
    EXPECT_EQ(fifo.read().size(), 1U);
    EXPECT_TRUE(fifo.read().empty());
  }
}

TEST_F(Fifo, ThatWasReplacedIsOpenedAgain) {
  KeepalivedFifo fifo(path_);
  fifo.read();
  const auto before = fifo.generation();
  say(down);
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  say("RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP\n");
  const auto news = fifo.read();
  ASSERT_EQ(news.size(), 2U) << "the old one is read to its end";
  EXPECT_FALSE(news[0].up);
  EXPECT_TRUE(news[1].up);
  EXPECT_NE(fifo.generation(), before);
}

TEST_F(Fifo, ThatCannotBeReadIsAnErrorUntilItCan) {
  std::ofstream(path_) << down;
  KeepalivedFifo fifo(path_);
  EXPECT_TRUE(fifo.read().empty());
  EXPECT_NE(fifo.error().find("not a FIFO"), std::string::npos) << fifo.error();
  std::filesystem::remove(path_);
  fifo.read();
  EXPECT_EQ(fifo.error(), "");
  KeepalivedFifo nowhere(folder_ + "/none/fifo");
  nowhere.read();
  EXPECT_NE(nowhere.error().find("No such file"), std::string::npos) << nowhere.error();
}

}  // namespace
}  // namespace saspd::director
