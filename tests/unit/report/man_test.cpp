// SPDX-License-Identifier: Apache-2.0
// The page saspctl(8) names every key of every answer, under JSON, and no key that there is not.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "controller/report/gwm.hpp"
#include "controller/report/json.hpp"
#include "controller/report/saspd.hpp"

namespace saspd::report {
namespace {

using Keys = std::set<std::string>;

// The last part of a path, without the brackets of an array.
std::string last_key(std::string path) {
  path.erase(0, path.rfind('.') + 1);
  while (path.ends_with("[]"))
    path.resize(path.size() - 2);
  return path;
}

template <class Answer>
void add(Keys& keys) {
  for (const auto& path : key_paths<Answer>())
    keys.insert(last_key(path));
}

Keys described() {
  Keys keys;
#define SASPD_KEYS(command, Answer) add<Answer>(keys);
  SASPD_ANSWERS(SASPD_KEYS)
  SASP_GWM_ANSWERS(SASPD_KEYS)
  add<WatchEvent>(keys);
  add<Refusal>(keys);
  return keys;
}

// What is quoted under JSON in the page: ".Ql groups[].members[] ,".
Keys documented() {
  std::ifstream page(TESTS_DIR "/../packaging/man/saspctl.8");
  Keys keys;
  std::string section;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with(".Sh ")) section = line.substr(4);
    if (section != "JSON" || !line.starts_with(".Ql ")) continue;
    std::istringstream words(line.substr(4));
    std::string key;
    words >> key;
    keys.insert(last_key(key));
  }
  return keys;
}

std::string without(const Keys& all, const Keys& some) {
  std::string left;
  for (const auto& key : all) {
    if (!some.contains(key)) left += key + ' ';
  }
  return left;
}

TEST(ManPage, NamesEveryKeyOfEveryAnswer) {
  const auto keys = described();
  const auto page = documented();
  ASSERT_GT(page.size(), 40U);
  EXPECT_EQ(without(keys, page), "") << "saspctl(8) lacks them under JSON";
  EXPECT_EQ(without(page, keys), "") << "no answer has them";
}

}  // namespace
}  // namespace saspd::report
