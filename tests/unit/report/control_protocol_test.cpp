// SPDX-License-Identifier: Apache-2.0

#include "controller/report/control_protocol.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "controller/base/text.hpp"

namespace saspd::report {
namespace {

namespace json = boost::json;

constexpr std::size_t plenty = 1000;

TEST(ControlProtocol, AnAnswerIsOneLineOfCleanJsonWhateverIsInIt) {
  const std::string line = control_line({{"name", "a\n\xC2\x9B\xFF\""}}, plenty);
  EXPECT_EQ(line, "{\"name\":\"a\\n\\u009b\\ufffd\\\"\"}\n");
  EXPECT_EQ(json::parse(line).at("name").as_string(), "a\n\xC2\x9B\xEF\xBF\xBD\"");
}

TEST(ControlProtocol, AnAnswerIsAsLongAsItIsSent) {
  // Each byte becomes six.
  const json::object answer{{"name", std::string(200, '\xFF')}};
  EXPECT_NE(control_line(answer, 1300).find("\\ufffd"), std::string::npos);
  EXPECT_NE(control_line(answer, 1000).find("more than 1000"), std::string::npos);
}

TEST(ControlProtocol, ARequestIsNoDeeperThanItNeedsToBe) {
  EXPECT_TRUE(parse_control_request(R"({"a":[[[[[[[1]]]]]]]})"));
  const auto deeper = parse_control_request(R"({"a":[[[[[[[[1]]]]]]]]})");
  ASSERT_FALSE(deeper);
  EXPECT_TRUE(is_clean_utf8(deeper.error().detail));
}

TEST(ControlProtocol, ARequestIsAnObject) {
  for (const auto* line : {"", "1", "[]", "{", "{}{}", "{\"a\":\"\xFF\"}"})
    EXPECT_FALSE(parse_control_request(line)) << line;
}

}  // namespace
}  // namespace saspd::report
