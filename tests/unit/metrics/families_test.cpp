// SPDX-License-Identifier: Apache-2.0
// Metrics as text.
#include "controller/metrics/families.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <future>
#include <set>
#include <string>
#include <vector>

namespace saspd::metrics {
namespace {

TEST(Families, AreWrittenWithHelpTypeAndLabels) {
  Family weight = gauge("x_weight", "The weight.");
  add(weight, 4294967295.0, {{"group", "web"}, {"local_mark", ""}});
  add(weight, 0, {{"group", "db"}});
  Family changes = counter("x_changes_total", "Changes.");
  add(changes, 3);
  EXPECT_EQ(text({weight, changes}),
            "# HELP x_weight The weight.\n"
            "# TYPE x_weight gauge\n"
            "x_weight{group=\"web\",local_mark=\"\"} 4294967295\n"
            "x_weight{group=\"db\"} 0\n"
            "# HELP x_changes_total Changes.\n"
            "# TYPE x_changes_total counter\n"
            "x_changes_total 3\n");
}

TEST(Families, AreLeftOutWhenNothingIsInThem) {
  EXPECT_EQ(text({gauge("x", "Nothing.")}), "");
}

TEST(Families, CannotBeForgedByALabel) {
  Family family = gauge("x", "X.");
  add(family, 1, {{"group", "a\"} 1\nforged{b=\"\\"}, {"bytes", "\xff\x1b[31m\xc3\xa4"}});
  add(family, 2, {{"group", "C:\\web \xe2\x82\xac"}});
  EXPECT_EQ(
      text({family}),
      "# HELP x X.\n# TYPE x gauge\n"
      "x{group=\"a\\\"} 1\\\\x0aforged{b=\\\"\\\\\\\\\",bytes=\"\\\\xff\\\\x1b[31m\xc3\xa4\"} 1\n"
      "x{group=\"C:\\\\web \xe2\x82\xac\"} 2\n");
}

// A scrape in which a series is twice is refused as a whole, and names come from peers.
TEST(Families, KeepDifferentNamesApart) {
  std::set<std::string> shown;
  const std::vector<std::string> names{"a\xff", "a\\xff", "a\\\\xff", "a\\\xff", "a\\",
                                       "a\\\\", "\x1b",   "\\x1b",    "a",       "a\\b"};
  for (const auto& name : names) {
    Family family = gauge("x", "X.");
    add(family, 1, {{"group", name}});
    shown.insert(family.metric[0].label[0].value);
  }
  EXPECT_EQ(shown.size(), names.size());
}

TEST(Families, NameTheErrorsOfTheSystem) {
  EXPECT_EQ(error_name(std::make_error_code(std::errc::operation_not_permitted)), "EPERM");
  EXPECT_EQ(error_name({ENOBUFS, std::system_category()}), "ENOBUFS");
  EXPECT_EQ(error_name(std::make_error_code(std::future_errc::no_state)),
            std::make_error_code(std::future_errc::no_state).message());
  EXPECT_NE(error_name({99999, std::generic_category()}), "");
}

}  // namespace
}  // namespace saspd::metrics
