// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/agent_check.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using Word = AgentHealth::Word;

TEST(AgentAnswer, IsReadInEveryForm) {
  struct Case {
    std::string answer;
    AgentReport report;
  };
  const AgentHealth up{Word::up, ""};
  const AgentHealth down{Word::down, ""};
  const std::vector<Case> cases = {
      {"up\n", {.health = up}},
      {"down\r\n", {.health = down}},
      {"fail\n", {.health = AgentHealth{Word::fail, ""}}},
      {"failed\n", {.health = AgentHealth{Word::fail, ""}}},
      {"stopped\n", {.health = AgentHealth{Word::stopped, ""}}},
      {"ready\n", {.admin = AgentAdmin::ready}},
      {"drain\n", {.admin = AgentAdmin::drain}},
      {"maint\n", {.admin = AgentAdmin::maint}},
      {"75%\n", {.percent = 75}},
      {"0%\n", {.percent = 0}},
      {"007%\n", {.percent = 7}},
      {"101%\n", {.percent = 101}},
      {"25600%\n", {.percent = 25600}},
      {"25601%\n", {.percent = 25600}},
      {"65536%\n", {.percent = 25600}},
      {std::string(900, '9') + "%\n", {.percent = 25600}},
      {"maxconn:30\n", {}},
      {"MaxConn:0\n", {}},
      // Together, in any order, however they are separated, in any case.
      {"up 75% maxconn:30\n", {.percent = 75, .health = up}},
      {"75%,maxconn:30,maint,down\n", {.percent = 75, .health = down, .admin = AgentAdmin::maint}},
      {" \t,,ready,\t75% , UP,\n", {.percent = 75, .health = up, .admin = AgentAdmin::ready}},
      {"Down DRAIN\n", {.health = down, .admin = AgentAdmin::drain}},
      // The last word about the same thing counts.
      {"up down drain ready 10% 20%\n",
       {.percent = 20, .health = down, .admin = AgentAdmin::ready}},
      // Descriptions, of what is down.
      {"down #out of disk\n", {.health = AgentHealth{Word::down, "out of disk"}}},
      {"down # \t  80%, drain # x \t\n", {.health = AgentHealth{Word::down, "80%, drain # x"}}},
      {"50% stopped drain #upgrade\n",
       {.percent = 50,
        .health = AgentHealth{Word::stopped, "upgrade"},
        .admin = AgentAdmin::drain}},
      {"fail#no blank\n", {.health = AgentHealth{Word::fail, "no blank"}}},
      {"down #\n", {.health = down}},
      {"down #\x1B[2J\xC3\xA4\xFF\n", {.health = AgentHealth{Word::down, "\\x1b[2J\xC3\xA4\\xff"}}},
      {"up #fine\n", {.health = up}},
      {"75% #fine\n", {.percent = 75}},
      // The line ends at its first end, or with the connection.
      {"up\rdown\n", {.health = up}},
      {"up\n down nonsense \xFF", {.health = up}},
      {"up", {.health = up}},
      {"down #reas", {.health = AgentHealth{Word::down, "reas"}}},
  };
  for (const auto& [answer, report] : cases) {
    const auto parsed = parse_agent_answer(answer);
    ASSERT_TRUE(parsed) << answer << ": " << parsed.error().detail;
    EXPECT_EQ(*parsed, report) << answer;
  }
}

TEST(AgentAnswer, IsRefusedAsAWholeForOneWord) {
  struct Case {
    std::string answer;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"", "has no word in it"},
      {"\n", "has no word in it"},
      {" ,\t\r\n", "has no word in it"},
      {"\nup\n", "has no word in it"},
      {"#down\n", "has no word in it"},
      {"up 75% cpu:10\n", "the agent answered 'cpu:10', which is not a word"},
      {"ups\n", "'ups'"},
      {"u\n", "'u'"},
      {"75\n", "'75'"},
      {"75 %\n", "'75'"},
      {"%\n", "'%'"},
      {"75%%\n", "'75%%'"},
      {"-1%\n", "'-1%'"},
      {"+1%\n", "'+1%'"},
      {"7.5%\n", "'7.5%'"},
      {"0x10%\n", "'0x10%'"},
      {"maxconn:\n", "'maxconn:'"},
      {"maxconn:-1\n", "'maxconn:-1'"},
      {"maxconn:9x\n", "'maxconn:9x'"},
      {"up\x01\n", "'up\\x01'"},
      {std::string("up\0\n", 4), "'up\\x00'"},
      {"up\x0B"
       "down\n",
       "'up\\x0bdown'"},
      {"HTTP/1.1 200 OK\r\n", "'HTTP/1.1'"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "'SSH-2.0-OpenSSH_9.2'"},
      {"up 7", "'7'"},  // cut off
      {std::string(1000, 'x') + "\n", "'" + std::string(40, 'x') + "'"},
      {"up " + std::string(1021, ' '), "does not end within 1024 bytes"},
  };
  for (const auto& [answer, says] : cases) {
    const auto parsed = parse_agent_answer(answer);
    ASSERT_FALSE(parsed) << answer;
    EXPECT_NE(parsed.error().detail.find(says), std::string::npos) << parsed.error().detail;
  }
}

TEST(AgentAnswer, MayBeAsLongAsTheBuffer) {
  const std::string longest = "down #" + std::string(max_agent_answer - 7, 'd');
  EXPECT_TRUE(parse_agent_answer(longest + "\n"));
  EXPECT_TRUE(parse_agent_answer(longest)) << "one byte is left for more";
  EXPECT_FALSE(parse_agent_answer(longest + "d"));
  EXPECT_FALSE(parse_agent_answer(longest + "d\n"));
}

TEST(AgentAnswer, IsWholeWithTheEndOfItsLine) {
  EXPECT_FALSE(has_agent_line(""));
  EXPECT_FALSE(has_agent_line("up 75%"));
  EXPECT_TRUE(has_agent_line("up 75%\n"));
  EXPECT_TRUE(has_agent_line("up 75%\r"));
  EXPECT_TRUE(has_agent_line("\nup"));
}

TEST(AgentState, KeepsWhatAnAnswerDoesNotMention) {
  AgentState state;
  EXPECT_EQ(state, (AgentState{100, {Word::up, ""}, AgentAdmin::ready})) << "before any answer";
  const auto hears = [&](std::string_view answer) { state.apply(*parse_agent_answer(answer)); };
  hears("75%\n");
  EXPECT_EQ(state, (AgentState{75, {Word::up, ""}, AgentAdmin::ready}));
  hears("down #disk\n");
  EXPECT_EQ(state, (AgentState{75, {Word::down, "disk"}, AgentAdmin::ready}));
  hears("drain\n");
  EXPECT_EQ(state, (AgentState{75, {Word::down, "disk"}, AgentAdmin::drain}));
  hears("maxconn:4\n");
  EXPECT_EQ(state, (AgentState{75, {Word::down, "disk"}, AgentAdmin::drain}));
  hears("up\n");
  EXPECT_EQ(state, (AgentState{75, {Word::up, ""}, AgentAdmin::drain})) << "its reason is gone";
  hears("ready 0%\n");
  EXPECT_EQ(state, (AgentState{0, {Word::up, ""}, AgentAdmin::ready}));
}

TEST(AgentState, HasNamesForPeople) {
  EXPECT_EQ(name(Word::up), "up");
  EXPECT_EQ(name(Word::down), "down");
  EXPECT_EQ(name(Word::fail), "fail");
  EXPECT_EQ(name(Word::stopped), "stopped");
  EXPECT_EQ(name(AgentAdmin::ready), "ready");
  EXPECT_EQ(name(AgentAdmin::drain), "drain");
  EXPECT_EQ(name(AgentAdmin::maint), "maint");
}

}  // namespace
}  // namespace saspd::gwm
