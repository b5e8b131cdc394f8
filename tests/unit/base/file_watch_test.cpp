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

}  // namespace
}  // namespace saspd
