// SPDX-License-Identifier: Apache-2.0
// The table of commands: what it says, and that it is whole.
#include "controller/report/commands.hpp"

#include <gtest/gtest.h>

#include <set>

namespace saspd::report {
namespace {

TEST(Commands, HaveARowEach) {
  std::set<Command> found;
  std::set<std::string_view> names;
  for (const auto& row : commands()) {
    found.insert(row.command);
    names.insert(row.name);
    EXPECT_EQ(find_command(row.name), &row);
    EXPECT_EQ(&row_of(row.command), &row);
    EXPECT_EQ(row.is_built(), !row.help.empty()) << row.name;
    EXPECT_EQ(row.min_arguments() > 0, !row.takes.needs.empty()) << row.name;
  }
  EXPECT_EQ(found.size(), static_cast<std::size_t>(Command::log_level) + 1);
  EXPECT_EQ(names.size(), found.size());
  EXPECT_EQ(find_command("stauts"), nullptr);
}

TEST(Commands, NameTheirArguments) {
  EXPECT_EQ(row_of(Command::status).usage(), "status");
  EXPECT_EQ(row_of(Command::members).usage(), "members [GROUP]");
  EXPECT_EQ(row_of(Command::members).min_arguments(), 0U);
  EXPECT_EQ(row_of(Command::trace).usage(), "trace CLIENT SERVICE");
  EXPECT_EQ(row_of(Command::trace).min_arguments(), 2U);
}

TEST(Commands, AreRefusedByWhomTheyAreNotFor) {
  EXPECT_EQ(refusal(Program::saspd, "lbs"), "lbs is for sasp-gwm, this is saspd");
  EXPECT_EQ(refusal(Program::sasp_gwm, "plan"), "plan is for saspd, this is sasp-gwm");
  EXPECT_EQ(refusal(Program::saspd, "drain"), std::nullopt);
  EXPECT_EQ(refusal(Program::sasp_gwm, "history"),
            "history is not built yet in sasp-gwm of this version (" SASPD_VERSION
            "); for saspd: saspctl --of saspd history [GROUP|MEMBER]");
  EXPECT_EQ(refusal(Program::saspd, "stauts"), "unknown command 'stauts'; this is saspd");
  EXPECT_EQ(refusal(Program::sasp_gwm, "doctor"), "unknown command 'doctor'; this is sasp-gwm");
  EXPECT_EQ(refusal(Program::sasp_gwm, "drain"), std::nullopt);
  EXPECT_EQ(refusal(Program::saspd, "trace"), std::nullopt);
}

TEST(Commands, ThatOnlyLookAreKnown) {
  for (const char* command :
       {"status", "gwm", "lbs", "groups", "members", "why", "watch", "plan", "trace", "export"})
    EXPECT_TRUE(only_reads(command)) << command;
  for (const char* command : {"gwm retry", "drain", "undrain", "reconcile", "reload", "stauts", ""})
    EXPECT_FALSE(only_reads(command)) << command;
}

}  // namespace
}  // namespace saspd::report
