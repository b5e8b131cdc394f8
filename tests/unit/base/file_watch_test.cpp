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

}  // namespace
}  // namespace saspd
