// SPDX-License-Identifier: Apache-2.0

#include "controller/base/text.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

using namespace std::string_view_literals;

TEST(CleanUtf8, AcceptsTheFirstAndLastCharacterOfEachLength) {
  for (const std::string_view text :
       {""sv, " "sv, "~"sv, "\xC2\xA0"sv, "\xDF\xBF"sv, "\xE0\xA0\x80"sv, "\xED\x9F\xBF"sv,
        "\xEE\x80\x80"sv, "\xEF\xBF\xBF"sv, "\xF0\x90\x80\x80"sv, "\xF4\x8F\xBF\xBF"sv}) {
    EXPECT_TRUE(is_clean_utf8(text)) << printable(text);
  }
}

TEST(CleanUtf8, RefusesControlCharacters) {
  for (const std::string_view text :
       {"\0"sv, "\x1F"sv, "\n"sv, "\x7F"sv, "\xC2\x80"sv, "\xC2\x9F"sv}) {
    EXPECT_FALSE(is_clean_utf8(text)) << printable(text);
  }
}

// A terminal would show another text than is there, or one line as two.
TEST(CleanUtf8, RefusesMarksOfLinesAndOfTheOrderOfText) {
  for (const std::string_view text :
       {"\u2028"sv, "\u2029"sv, "\u202A"sv, "\u202B"sv, "\u202C"sv, "\u202D"sv, "\u202E"sv,
        "\u2066"sv, "\u2067"sv, "\u2068"sv, "\u2069"sv}) {
    EXPECT_FALSE(is_clean_utf8(text)) << printable(text);
    EXPECT_FALSE(is_clean_utf8("a" + std::string(text) + "b")) << printable(text);
  }
  for (const std::string_view text : {"\u2027"sv, "\u202F"sv, "\u2065"sv, "\u206A"sv, "\u2128"sv}) {
    EXPECT_TRUE(is_clean_utf8(text)) << printable(text);
  }
}

TEST(CleanUtf8, RefusesOverlongForms) {
  for (const std::string_view text :
       {"\xC0\x80"sv, "\xC0\xAF"sv, "\xC1\xBF"sv, "\xE0\x80\xAF"sv, "\xE0\x9F\xBF"sv,
        "\xF0\x80\x80\xAF"sv, "\xF0\x8F\xBF\xBF"sv}) {
    EXPECT_FALSE(is_clean_utf8(text)) << printable(text);
  }
}

TEST(CleanUtf8, RefusesSurrogatesAndWhatIsBeyondUnicode) {
  for (const std::string_view text :
       {"\xED\xA0\x80"sv, "\xED\xBF\xBF"sv, "\xF4\x90\x80\x80"sv, "\xF5\x80\x80\x80"sv, "\xFF"sv}) {
    EXPECT_FALSE(is_clean_utf8(text)) << printable(text);
  }
}

TEST(CleanUtf8, RefusesCharactersThatAreCutShort) {
  for (const std::string_view whole : {"\xC3\xBC"sv, "\xE2\x82\xAC"sv, "\xF0\x9F\x98\x80"sv}) {
    for (std::size_t n = 1; n < whole.size(); ++n) {
      // On the heap and of the exact size, so that the sanitizer sees a byte read behind the end.
      const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_FALSE(is_clean_utf8({cut.data(), cut.size()}));
      EXPECT_FALSE(is_clean_utf8(std::string(whole.substr(0, n)) + "a"));
    }
    EXPECT_FALSE(is_clean_utf8(whole.substr(1)));
  }
}

TEST(Printable, KeepsCleanText) {
  EXPECT_EQ(printable("Zürich €5"), "Zürich €5");
}

TEST(Printable, ShowsEveryOtherByteInHex) {
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\xC3"), "\\xc3");
  EXPECT_EQ(printable("\xC3(\xFF"), "\\xc3(\\xff");
  EXPECT_EQ(printable("\0"sv), "\\x00");
}

TEST(Printable, TurnsNoTextRound) {
  EXPECT_EQ(printable("a\u202Eb\u2029"), "a\\xe2\\x80\\xaeb\\xe2\\x80\\xa9");
}

TEST(Printable, DoublesABackslashSoThatNoTwoTextsLookTheSame) {
  EXPECT_EQ(printable("\\x1b"), "\\\\x1b");
  EXPECT_NE(printable("\\x1b"), printable("\x1b"));
}

TEST(Printable, MakesAnyByteClean) {
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_TRUE(is_clean_utf8(printable(std::string(1, static_cast<char>(byte)))));
  }
}

TEST(PrintableJson, KeepsWhatIsClean) {
  EXPECT_EQ(printable_json(R"({"name":"Zürich \\ \" €5"})"), R"({"name":"Zürich \\ \" €5"})");
}

TEST(PrintableJson, WritesControlCharactersAsJsonDoes) {
  EXPECT_EQ(printable_json("\"a\x7F\xC2\x9B\""), R"("a\u007f\u009b")");
  EXPECT_EQ(printable_json("\x1b\0\n"sv), R"(\u001b\u0000\u000a)");
  EXPECT_EQ(printable_json("a\u202Eb\u2028\u2067c"), R"(a\u202eb\u2028\u2067c)");
}

TEST(PrintableJson, ReplacesEachByteThatIsNoUtf8) {
  EXPECT_EQ(printable_json("a\xFF\xC3(\xC2"), R"(a\ufffd\ufffd(\ufffd)");
  EXPECT_EQ(printable_json("\xC2\xC2\x85"), R"(\ufffd\u0085)");
}

}  // namespace
}  // namespace saspd
