// SPDX-License-Identifier: Apache-2.0
// What saspctl watch prints.
#include "controller/ctl/watch.hpp"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "controller/report/json.hpp"

namespace saspd::ctl {
namespace {

TEST(Watch, ReadsItemsAsText) {
  const auto read = [](const boost::json::object& answer) {
    return watched(report::from_json<report::Watch>(answer));
  };
  EXPECT_EQ(read({{"items", {{"a\x1b", "x\n"}, {"b", nullptr}, {"c", 7}}}}),
            (Watched{{"a\\x1b", "x\\x0a"}}));
  EXPECT_TRUE(read({}).empty());
  EXPECT_TRUE(read({{"items", "none"}}).empty());
}

TEST(Watch, FindsWhatIsNewDifferentAndGone) {
  const Watched before{{"a", "1"}, {"b", "1"}, {"d", "1"}, {"z", "1"}};
  const Watched now{{"0", "1"}, {"b", "2"}, {"c", "1"}, {"d", "1"}};
  EXPECT_EQ(changes(before, now),
            (std::vector<WatchedChange>{
                {"0", {}, "1"}, {"a", "1", {}}, {"b", "1", "2"}, {"c", {}, "1"}, {"z", "1", {}}}));
  EXPECT_TRUE(changes(now, now).empty());
  EXPECT_EQ(changes({}, now).size(), 4U);
  EXPECT_EQ(changes(now, {}).size(), 4U);
}

TEST(Watch, WritesALineForEach) {
  EXPECT_EQ(watch_line({"web", {}, "up"}, "12:00:00", false), "12:00:00  web: up\n");
  EXPECT_EQ(watch_line({"web", "up", "down"}, "12:00:00", false), "12:00:00  web: up -> down\n");
  EXPECT_EQ(watch_line({"web", "up", {}}, "12:00:00", false), "12:00:00  web: gone, was up\n");
  EXPECT_EQ(watch_line({"web", {}, "up"}, "12:00:00", true),
            R"({"time":"12:00:00","name":"web","was":null,"is":"up"})"
            "\n");
}

}  // namespace
}  // namespace saspd::ctl
