// SPDX-License-Identifier: Apache-2.0
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
  std::string out;
  for (const auto& line : parse_config(text)) {
    out += std::to_string(line.number);
    out += line.wrong.empty() ? " <" + line.key + "> <" + line.value + ">\n"
                              : ": " + line.wrong + "\n";
  }
  return out;
}

TEST(ParseConfig, CountsEveryLine) {
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(shown("\n\n#\n a=b"), "4 <a> <b>\n");
  EXPECT_EQ(shown("a=b\r\n\r\nc=d\r\n"), "1 <a> <b>\n3 <c> <d>\n");
}

TEST(ParseConfig, KeepsTheRestOfTheLineLiterally) {
  EXPECT_EQ(shown(" a  =  b = c, [d] \"e\" 'f'#g \\h \t"), "1 <a> <b = c, [d] \"e\" 'f'#g \\h>\n");
  EXPECT_EQ(shown("a==b"), "1 <a> <=b>\n");
  EXPECT_EQ(shown("a="), "1 <a> <>\n");
  EXPECT_EQ(shown("a=\xff"), "1 <a> <\xff>\n");
}

TEST(ParseConfig, NamesTheLineOfEachErrorAndGoesOn) {
  EXPECT_EQ(shown("a=b\nfoo\n =b\nc=d"),
            "1 <a> <b>\n2: 'foo' is not 'key = value'\n3: '=b' is not 'key = value'\n4 <c> <d>\n");
  EXPECT_EQ(shown(std::string_view("a=b\0c", 5)), "1: the line has a NUL byte\n");
}

// field-cases 14: quotes and comments went into the LB UID.
TEST(ParseConfig, TakesQuotesOffAndNoCommentForAValue) {
  EXPECT_EQ(shown("a = \"b\"\nc = 'd \"e\" #f'\ng = \"\"\nh = b\"c\""),
            "1 <a> <b>\n2 <c> <d \"e\" #f>\n3 <g> <>\n4 <h> <b\"c\">\n");
  EXPECT_EQ(shown("a = b # c"),
            "1: '# c' follows the value; a comment needs a line of its own: 'a = b', and if it "
            "belongs to the value, quote that\n");
  EXPECT_EQ(shown("a = #"),
            "1: '#' follows the value; a comment needs a line of its own: 'a = ', and if it "
            "belongs to the value, quote that\n");
  EXPECT_EQ(shown("a = b#c"), "1 <a> <b#c>\n");
}

TEST(ConfigValue, IsReadAgainAsItWas) {
  for (const auto* value : {"", "a", "a b", "\"a\"", "'a'", "\"a", "it's", "# a", "a # b", "a#b",
                            "\"a # b", "a \"b\" # c", "\xC2\xA0",
                            "\xE2\x80\x9C"
                            "a",
                            "=", "\xff"}) {
    const auto shown = config_value(value);
    ASSERT_TRUE(shown) << value;
    const auto lines = parse_config("key = " + *shown);
    ASSERT_EQ(lines.size(), 1U) << *shown;
    EXPECT_EQ(lines[0].wrong, "") << *shown;
    EXPECT_EQ(lines[0].value, value) << *shown;
  }
  for (const auto* value : {" a", "a ", "a\nb", "a\rb", "\"a' # b"})
    EXPECT_FALSE(config_value(value)) << value;
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
