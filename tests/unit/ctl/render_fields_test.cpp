// SPDX-License-Identifier: Apache-2.0
#include "controller/ctl/render_fields.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace saspd::ctl {
namespace {

TEST(Fields, AreALineForEachValueByItsPath) {
  const auto answer = boost::json::parse(
      R"({"schema_version":1,"ok":true,"members":[{"address":"10.0.0.1","age_s":null},"x"],)"
      R"("name":"a\u001b[2J","none":"","program":"saspd"})");
  EXPECT_EQ(render_fields(answer.as_object(), false),
            "  FIELD               VALUE\n"
            "  ok                  true\n"
            "  members[0].address  10.0.0.1\n"
            "  members[0].age_s    -\n"
            "  members[1]          x\n"
            "  name                a\\x1b[2J\n"
            "  none                -\n");
}

}  // namespace
}  // namespace saspd::ctl
