// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/attach_request.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace saspd::director {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const lb::Problem taken_off{"not_attached", "eth0", "it was taken off", true};
const lb::Problem gone{"interface_gone", "eth1", "it is gone", false};

class AttachRequestFile : public testing::Test {
 protected:
  AttachRequestFile() {
    char name[] = "/tmp/saspd-request-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = name;
  }
  ~AttachRequestFile() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/request"; }
  // What is written there; it is taken away.
  std::string taken() const {
    std::ifstream file(path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::filesystem::remove(path());
    return text;
  }

  std::string directory_;
  TimePoint now_{seconds{1000}};
};

TEST_F(AttachRequestFile, IsWrittenForWhatAttachingAgainMends) {
  AttachRequest request(path());
  EXPECT_FALSE(request.look({}, now_));
  EXPECT_FALSE(request.look({gone}, now_));
  EXPECT_FALSE(std::filesystem::exists(path()));
  const auto news = request.look({gone, taken_off}, now_);
  ASSERT_TRUE(news);
  EXPECT_NE(news->text.find("eth0 (not_attached)"), std::string::npos) << news->text;
  EXPECT_EQ(news->text.find("eth1"), std::string::npos) << news->text;
  EXPECT_EQ(taken(), "eth0 (not_attached)\n");
  EXPECT_EQ(request.text(), "requested 1 time that it be attached again");
  const auto end = request.look({gone}, now_ + seconds{1});
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->warning);
  EXPECT_NE(end->text.find("after 1 request"), std::string::npos) << end->text;
  EXPECT_EQ(request.text(), "");
  EXPECT_EQ(request.asked(), 1U);
  EXPECT_FALSE(request.look({gone}, now_ + seconds{2})) << "it is said once";
}

TEST_F(AttachRequestFile, IsWrittenAtGrowingIntervals) {
  AttachRequest request(path());
  std::vector<Duration> asked;
  const TimePoint start = now_;
  for (; now_ < start + minutes{30}; now_ += seconds{1}) {
    if (request.look({taken_off}, now_)) asked.push_back(now_ - start);
  }
  ASSERT_GE(asked.size(), 8U);
  EXPECT_EQ(asked[0], seconds{0});
  EXPECT_EQ(asked[1], seconds{5});
  EXPECT_EQ(asked[2], seconds{15});
  EXPECT_EQ(asked[3], seconds{35});
  for (std::size_t i = 8; i < asked.size(); ++i)
    EXPECT_EQ(asked[i] - asked[i - 1], AttachRequest::most);
}

// What somebody takes off again and again, once a second.
TEST_F(AttachRequestFile, IsNoStorm) {
  AttachRequest request(path());
  const TimePoint start = now_;
  for (; now_ < start + minutes{60}; now_ += seconds{1}) {
    request.look({taken_off}, now_);
    request.look({}, now_);
  }
  EXPECT_LE(request.asked(), 20U);
  // After a time without, it is asked for at once again.
  const auto before = request.asked();
  for (; now_ < start + minutes{70}; now_ += seconds{1})
    request.look({}, now_);
  request.look({taken_off}, now_);
  EXPECT_EQ(request.asked(), before + 1);
  request.look({taken_off}, now_ + seconds{5});
  EXPECT_EQ(request.asked(), before + 2);
}

TEST_F(AttachRequestFile, SaysOnceThatItCannotBeWritten) {
  AttachRequest request(directory_ + "/not/there");
  const auto news = request.look({taken_off}, now_);
  ASSERT_TRUE(news);
  EXPECT_TRUE(news->warning);
  EXPECT_NE(news->text.find("/not/there"), std::string::npos) << news->text;
  EXPECT_NE(request.text().find("/not/there"), std::string::npos) << request.text();
  EXPECT_FALSE(request.look({taken_off}, now_ + minutes{10}));
  EXPECT_EQ(request.asked(), 0U);
  EXPECT_FALSE(request.look({}, now_ + minutes{11}));
  EXPECT_EQ(request.text(), "");
  // Nor is a link followed, nor a FIFO waited for.
  ASSERT_EQ(::symlink("/etc/passwd", path().c_str()), 0);
  EXPECT_TRUE(AttachRequest(path()).look({taken_off}, now_)->warning);
  std::filesystem::remove(path());
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_TRUE(AttachRequest(path()).look({taken_off}, now_)->warning);
}

}  // namespace
}  // namespace saspd::director
