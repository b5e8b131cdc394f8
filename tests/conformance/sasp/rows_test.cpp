// SPDX-License-Identifier: Apache-2.0
// rows.md says which tests show each row of sasp-interop.md. This keeps it true.

// GCC 12 sees uninitialised members in its own <regex> when it builds with sanitizers.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"

namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

const fs::path tests = TESTS_DIR;

// The first groups of all matches.
Names matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  Names found;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    std::string name = (*match)[1];
    if (match->size() > 2) name += "." + (*match)[2].str();
    found.insert(name);
  }
  return found;
}

// The lines of the tables in a page that begin with the number of a row, without it.
std::map<int, std::string> rows_of(const fs::path& page) {
  std::map<int, std::string> rows;
  std::istringstream lines(saspd::testing::read_file(page));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, std::regex(R"(\| (\d+) \|(.*))"))) continue;
    EXPECT_TRUE(rows.emplace(std::stoi(match[1]), match[2]).second) << "twice: " << line;
  }
  return rows;
}
std::map<int, std::string> table() {
  return rows_of(tests / "conformance/sasp/rows.md");
}

// "Suite.Name", "Row01Something" of the cases of a parameterised test, "x.transcript".
Names existing_tests() {
  Names names;
  for (const auto& entry : fs::recursive_directory_iterator(tests)) {
    const std::string file = entry.path().filename();
    if (file.ends_with(".transcript")) names.insert(file);
    if (!file.ends_with("_test.cpp")) continue;
    const std::string text = saspd::testing::read_file(entry.path());
    names.merge(matches(text, R"(\nTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\))"));
    names.merge(matches(text, R"(\nTEST_P\(\s*\w+,\s*(Row\d\w+)\))"));
    names.merge(matches(text, R"re(\{"(Row\d\w+)")re"));
  }
  return names;
}

// `Row1.*` is every test of a suite, `Row01*` every name that goes on with a letter.
bool means(const std::string& listed, const std::string& name) {
  if (!listed.ends_with('*')) return listed == name;
  const std::string prefix = listed.substr(0, listed.size() - 1);
  return name.starts_with(prefix) && name.size() > prefix.size() && name[prefix.size()] != '.';
}

// Of a load balancer's session, and of a member's. No name stands in both.
const std::vector<fs::path> transcript_folders{tests / "conformance/sasp/lb",
                                               tests / "conformance/sasp/member"};

// The rows that a test is named after: a transcript by its first line.
std::set<int> rows_named_by(const std::string& name) {
  std::string text = name;
  for (const auto& folder : transcript_folders) {
    if (fs::exists(folder / name)) text = saspd::testing::read_file(folder / name);
  }
  std::smatch match;
  std::set<int> rows;
  if (!std::regex_search(text, match, std::regex(R"(^(?:# )?Rows? ?([\d, and]+))"))) return rows;
  for (const std::string& number : matches(match[1], R"((\d+))"))
    rows.insert(std::stoi(number));
  return rows;
}

TEST(Rows, AreAllInTheTable) {
  const auto decided = rows_of(tests / "../controller/sasp/sasp-interop.md");
  ASSERT_EQ(decided.size(), 45U);
  EXPECT_EQ(decided.rbegin()->first, 45);
  const auto listed = table();
  for (const auto& [row, text] : decided)
    EXPECT_TRUE(listed.contains(row)) << row;
  EXPECT_EQ(listed.size(), decided.size());
}

TEST(Rows, HaveTestsThatExistOrAReasonForNone) {
  const Names existing = existing_tests();
  for (const auto& [row, cell] : table()) {
    const Names listed = matches(cell, "`([^`]+)`");
    EXPECT_EQ(listed.empty(), cell.starts_with(" none: ")) << "row " << row << ":" << cell;
    for (const std::string& name : listed) {
      EXPECT_TRUE(std::any_of(existing.begin(), existing.end(),
                              [&](const auto& test) { return means(name, test); }))
          << "row " << row << ": there is no " << name;
    }
  }
}

TEST(Rows, ListEachTestThatIsNamedAfterThem) {
  const auto listed = table();
  for (const std::string& name : existing_tests()) {
    for (const int row : rows_named_by(name)) {
      const Names there = matches(listed.at(row), "`([^`]+)`");
      EXPECT_TRUE(std::any_of(there.begin(), there.end(),
                              [&](const auto& entry) { return means(entry, name); }))
          << "row " << row << " lacks " << name;
    }
  }
}

// The text of each test of a file, by its name.
std::map<std::string, std::string> bodies_of(const std::string& source) {
  std::map<std::string, std::string> bodies;
  const std::regex head(R"(\nTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\))");
  for (std::sregex_iterator match(source.begin(), source.end(), head), end; match != end; ++match) {
    // What clang-format begins in the first column ends there.
    const auto begin = static_cast<std::size_t>(match->position() + match->length());
    bodies[(*match)[1].str() + "." + (*match)[2].str()] =
        source.substr(begin, source.find("\n}\n", begin) - begin);
  }
  return bodies;
}

bool expects_something(const std::string& body) {
  for (const char* word : {"EXPECT_", "ASSERT_", "expect_", "\nexpect ", "check("}) {
    if (body.find(word) != std::string::npos) return true;
  }
  return false;
}

// A name alone shows nothing: a test without an expectation cannot fail.
TEST(Rows, HaveTestsThatExpectSomething) {
  std::size_t looked_at = 0;
  for (const auto& entry : fs::recursive_directory_iterator(tests)) {
    const std::string file = entry.path().filename();
    if (!file.ends_with("_test.cpp")) continue;
    const std::string source = saspd::testing::read_file(entry.path());
    if (source.find("Row") == std::string::npos) continue;
    for (const auto& [name, body] : bodies_of(source)) {
      if (name.find("Row") == std::string::npos) continue;
      ++looked_at;
      EXPECT_TRUE(expects_something(body)) << file << ", " << name << body;
    }
  }
  EXPECT_GT(looked_at, 50U) << "tests are written in another way now";
  for (const auto& folder : transcript_folders) {
    for (const auto& entry : fs::directory_iterator(folder))
      EXPECT_TRUE(expects_something(saspd::testing::read_file(entry.path()))) << entry.path();
  }
}

TEST(Transcripts, SayInTheirFirstLineWhichRuleTheyShow) {
  Names names;
  for (const auto& folder : transcript_folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string text = saspd::testing::read_file(entry.path());
      EXPECT_TRUE(text.starts_with("# Row") || text.starts_with("# RFC 4678 ")) << entry.path();
      EXPECT_TRUE(names.insert(entry.path().filename()).second) << entry.path();
    }
  }
}

}  // namespace
