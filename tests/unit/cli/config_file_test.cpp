// Lines of a config file, and the reading of files that may be anything.
#include "controller/cli/config_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace saspd::cli {
namespace {

std::string shown(std::string_view text) {
  const auto lines = parse_config("f", text);
  if (!lines) return lines.error().detail;
  std::string out;
  for (const auto& line : *lines) {
    out += std::to_string(line.number) + " <" + line.key + "> <" + line.value + ">\n";
  }
  return out;
}

TEST(ParseConfig, CountsEveryLine) {
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(shown("\n\n#\n a=b"), "4 <a> <b>\n");
  EXPECT_EQ(shown("a=b\r\n\r\nc=d\r\n"), "1 <a> <b>\n3 <c> <d>\n");
}

TEST(ParseConfig, KeepsTheRestOfTheLineLiterally) {
  EXPECT_EQ(shown(" a  =  b = c, [d] \"e\" 'f' #g \\h \t"),
            "1 <a> <b = c, [d] \"e\" 'f' #g \\h>\n");
  EXPECT_EQ(shown("a==b"), "1 <a> <=b>\n");
  EXPECT_EQ(shown("a="), "1 <a> <>\n");
  EXPECT_EQ(shown("a=\xff"), "1 <a> <\xff>\n");
}

TEST(ParseConfig, NamesFileAndLineOfAnError) {
  EXPECT_EQ(shown("a=b\nfoo"), "f:2: 'foo' is not 'key = value'");
  EXPECT_EQ(shown("a=b\n\n =b"), "f:3: '=b' is not 'key = value'");
  EXPECT_EQ(shown(std::string_view("a=b\0c", 5)), "f:1: the line has a NUL byte");
}

TEST(ReadTextFile, ReadsAPipe) {
  // As in --config <(generate): a file that has no size.
  const std::string path = testing::TempDir() + "config_file_test." + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  if (::fork() == 0) {
    FILE* out = std::fopen(path.c_str(), "w");
    std::fputs("a = b\n", out);
    std::fclose(out);
    ::_exit(0);
  }
  const auto text = read_text_file(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(text) << text.error().detail;
  EXPECT_EQ(*text, "a = b\n");
}

TEST(ReadTextFile, SaysWhyItCannot) {
  EXPECT_EQ(read_text_file("/nonexistent").error().detail,
            "cannot read /nonexistent: No such file or directory");
  EXPECT_EQ(read_text_file("/").error().code, std::errc::is_a_directory);
  EXPECT_EQ(read_text_file("/dev/zero").error().code, std::errc::file_too_large);
}

TEST(ReadRegularFile, WaitsForNobody) {
  const std::string path = testing::TempDir() + "regular_file_test." + std::to_string(::getpid());
  std::ofstream(path) << "a = b\n";
  EXPECT_EQ(read_regular_file(path).value(), "a = b\n");
  std::filesystem::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(read_regular_file(path).error().detail,
            "cannot read " + path + ": it is a FIFO; put a regular file in its place");
  std::filesystem::remove(path);
  EXPECT_EQ(read_regular_file("/dev/zero").error().detail,
            "cannot read /dev/zero: it is a device; put a regular file in its place");
  EXPECT_EQ(read_regular_file("/").error().code, std::errc::is_a_directory);
  EXPECT_EQ(read_regular_file("/nonexistent").error().detail,
            "cannot read /nonexistent: No such file or directory");
}

}  // namespace
}  // namespace saspd::cli
