// SPDX-License-Identifier: Apache-2.0
// When files are read again.
#include "controller/base/file_watch.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace saspd {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
  static FileStamps stamps(std::int64_t changed) { return {{1, 2, 3, 4}, {1, 3, 3, changed}}; }
  FileWatch watch;
};

TEST_F(FileWatchTest, ReadsAChangedFileWhenItHasSettled) {
  watch.was_read(stamps(1));
  EXPECT_FALSE(watch.should_read(stamps(1)));
  EXPECT_FALSE(watch.should_read(stamps(2))) << "may be half written";
  EXPECT_FALSE(watch.should_read(stamps(3))) << "still being written";
  EXPECT_TRUE(watch.should_read(stamps(3)));
  watch.was_read(stamps(3));
  EXPECT_FALSE(watch.should_read(stamps(3)));
}

TEST_F(FileWatchTest, WaitsForAFileThatVanished) {
  watch.was_read(stamps(1));
  EXPECT_FALSE(watch.should_read({}));
  EXPECT_FALSE(watch.should_read({}));
  EXPECT_FALSE(watch.should_read(stamps(2)));
  EXPECT_TRUE(watch.should_read(stamps(2)));
}

TEST_F(FileWatchTest, ReadsNothingWhenTheSameFileComesBack) {
  watch.was_read(stamps(1));
  EXPECT_FALSE(watch.should_read({}));
  EXPECT_FALSE(watch.should_read(stamps(1)));
  EXPECT_FALSE(watch.should_read(stamps(1)));
}

// A writer in place may pause, and what is there is whole by chance only.
TEST_F(FileWatchTest, WaitsLongerForAFileThatIsWrittenInPlace) {
  FileWatch patient(3);
  patient.was_read(stamps(1));
  EXPECT_FALSE(patient.should_read(stamps(2)));
  EXPECT_FALSE(patient.should_read(stamps(2)));
  EXPECT_FALSE(patient.should_read(stamps(2)));
  EXPECT_FALSE(patient.should_read(stamps(3))) << "it went on";
  EXPECT_FALSE(patient.should_read(stamps(3)));
  EXPECT_FALSE(patient.should_read(stamps(3)));
  EXPECT_TRUE(patient.should_read(stamps(3)));
  patient.was_read(stamps(3));
  const FileStamps renamed{{1, 9, 3, 7}, {1, 10, 3, 7}};
  EXPECT_FALSE(patient.should_read(renamed));
  EXPECT_TRUE(patient.should_read(renamed));
}

TEST_F(FileWatchTest, KnowsThatAFileIsGone) {
  watch.was_read(stamps(1));
  for (int look = 1; look <= 3; ++look) {
    watch.should_read({});
    EXPECT_FALSE(watch.is_gone()) << "an editor may be putting another one there";
  }
  watch.should_read({});
  EXPECT_TRUE(watch.is_gone());
  watch.should_read(stamps(1));
  EXPECT_FALSE(watch.is_gone());
}

TEST(FileStamps, AreThoseOfTheFilesBehindLinks) {
  std::string directory = ::testing::TempDir() + "file-watch.XXXXXX";
  directory = ::mkdtemp(directory.data());
  const std::string file = directory + "/file";
  const std::string link = directory + "/link";
  std::ofstream(file) << "one";
  std::filesystem::create_symlink(file, link);
  const auto first = stamps_of({file, link});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at(0), first->at(1));
  std::ofstream(directory + "/new") << "one";
  std::filesystem::rename(directory + "/new", file);
  EXPECT_NE(stamps_of({file, link}), first);
  EXPECT_FALSE(stamps_of({file, directory + "/none"}));
  std::filesystem::remove_all(directory);
}

// A file of which only "good" can be used.
class WatchedFilesTest : public ::testing::Test {
 protected:
  WatchedFilesTest() : path_(::testing::TempDir() + "watched") {
    writes("good");
    EXPECT_TRUE(files_.read());
  }
  ~WatchedFilesTest() override { std::filesystem::remove(path_); }

  void writes(const std::string& text) const {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }
  void looks(int times) {
    for (int i = 0; i < times; ++i)
      files_.look();
  }
  Result<void> read() {
    ++reads_;
    std::string text;
    if (!(std::ifstream(path_) >> text)) return fail(std::errc::no_such_file_or_directory, "gone");
    if (text != "good") return fail(std::errc::invalid_argument, text + " is not good");
    return {};
  }

  std::string path_;
  int reads_ = 0;
  int read_again_ = 0;
  std::vector<std::string> failures_;
  WatchedFiles files_{{path_},
                      1,
                      {.read = [this] { return read(); },
                       .failed = [this](const std::string& why) { failures_.push_back(why); },
                       .read_again = [this] { ++read_again_; }}};
};

TEST_F(WatchedFilesTest, AreReadAgainWhenTheyChange) {
  looks(5);
  EXPECT_EQ(reads_, 1);
  writes("good");
  looks(5);
  EXPECT_EQ(reads_, 2);
  EXPECT_EQ(read_again_, 1);
  EXPECT_TRUE(failures_.empty());
}

TEST_F(WatchedFilesTest, AreTriedAgainAtEveryLookAndReportedOnce) {
  writes("bad");
  looks(10);
  EXPECT_GT(reads_, 5);
  EXPECT_EQ(failures_, std::vector<std::string>{"bad is not good"});
  EXPECT_EQ(files_.error(), "bad is not good");
  writes("worse");
  looks(10);
  EXPECT_EQ(failures_.back(), "worse is not good") << "another reason is news";
  EXPECT_EQ(failures_.size(), 2U);
  files_.read_now();
  EXPECT_EQ(failures_.size(), 3U) << "who asks gets an answer";
  writes("good");
  looks(3);
  EXPECT_EQ(files_.error(), "");
  EXPECT_EQ(read_again_, 1);
}

TEST_F(WatchedFilesTest, CannotBeReadWhenTheyAreGone) {
  std::filesystem::remove(path_);
  looks(10);
  EXPECT_EQ(failures_, std::vector<std::string>{"gone"});
  writes("good");
  looks(3);
  EXPECT_EQ(read_again_, 1);
  EXPECT_EQ(files_.error(), "");
}

TEST(WatchedFiles, WithoutPathsThereIsNothingToRead) {
  const auto never = [] { return ADD_FAILURE(), Result<void>(); };
  WatchedFiles none({}, 1, {.read = never, .failed = [](const auto&) { ADD_FAILURE(); }});
  EXPECT_TRUE(none.read());
  none.look();
  none.read_now();
  EXPECT_EQ(none.error(), "");
}

}  // namespace
}  // namespace saspd
