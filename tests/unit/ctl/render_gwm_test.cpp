// SPDX-License-Identifier: Apache-2.0
// The tables of saspctl for sasp-gwm, letter by letter.
#include "controller/ctl/render_gwm.hpp"

#include <gtest/gtest.h>

#include "tests/unit/ctl/answers.hpp"

namespace saspd::ctl {
namespace {

namespace of = report::gwm;

const std::string lbs = R"("lbs": [
    {"uid": "director1", "connected": true, "endpoint": "192.0.2.9:4000", "forgotten_in_s": null,
     "mode": "push", "trust": true, "no_change": true, "health": 127, "groups": 2, "members": 12,
     "replacements": 0},
    {"uid": "d\u001b2", "connected": false, "endpoint": null, "forgotten_in_s": 250, "mode": "pull",
     "trust": false, "no_change": false, "health": 0, "groups": 0, "members": 0,
     "replacements": 3}])";

const std::string lbs_shown =
    "  LB UID     CONNECTION                     MODE                TRUST  HEALTH  GROUPS  MEMBERS"
    "  REPLACED\n"
    "  director1  192.0.2.9:4000                 push, changes only  yes    127     2       12     "
    "  0\n"
    "  d\\x1b2     none, forgotten in 4 min 10 s  pull                no     0       0       0     "
    " "
    "  3\n";

TEST(RenderGwmStatus, TellsCountsLoadBalancersAndProblems) {
  const auto status = json(R"({"version": "0.1.0", "listen": ["127.0.0.1:3860", "[::1]:3860"],
      "connections": 3, "weights_error": "weights: line 2: bad", "groups": 2,
      "member_counts": {"all": 12, "available": 9, "quiesced": 1, "no_contact": 2,
                        "not_confident": 0}, "drained": ["web/10.0.0.1:80"], )" +
                           lbs + "}");
  EXPECT_EQ(render(read<of::Status>(status), false),
            "sasp-gwm 0.1.0 on 127.0.0.1:3860, [::1]:3860, 3 connections\n"
            "groups   2\n"
            "members  12: 9 available, 1 quiesced, 2 no contact\n"
            "drained by the operator: web/10.0.0.1:80\n"
            "\n" +
                lbs_shown +
                "\n"
                "not healthy: weights: line 2: bad; the old weights stay\n"
                "not healthy: load balancer d\\x1b2 is not connected\n");
  EXPECT_EQ(problems(read<of::Status>(status)).size(), 2U);
}

TEST(RenderGwmStatus, ListsWhoIsNotAvailable) {
  const auto status = json(R"({"version": "0.1.0", "listen": ["127.0.0.1:3860"], "connections": 1,
      "groups": 1, "member_counts": {"all": 9, "no_contact": 9},
      "unavailable": [{"lb_uid": "d1", "group": "web", "member": "tcp:10.0.0.2:80", "label": "",
                       "detail": "not in contact: tcp 10.0.0.2:80 fails: connection refused"}],
      "unavailable_left_out": 8,
      "unregistered": [{"group": "wbe", "member": null, "nearest": "web"},
                       {"group": "web", "member": "tcp:10.0.0.9:80", "nearest": null}],
      "alarms": [{"name": "none_available", "urgent": true, "detail": "group 'web' of d1: none"}],
      "lbs": []})");
  EXPECT_EQ(render(read<of::Status>(status), false),
            "sasp-gwm 0.1.0 on 127.0.0.1:3860, 1 connections\n"
            "groups   1\n"
            "members  9: 9 no contact\n"
            "  tcp:10.0.0.2:80 of group web of d1: not in contact: tcp 10.0.0.2:80 fails: "
            "connection refused\n"
            "  and 8 more, see saspctl members\n"
            "the weights file names group wbe, which is not registered; did you mean web?\n"
            "the weights file names tcp:10.0.0.9:80 of group web, which is not registered\n"
            "\n"
            "  no load balancers\n"
            "\n"
            "not healthy: none_available: group 'web' of d1: none\n");
}

TEST(RenderLbs, IsTheTableAlone) {
  EXPECT_EQ(render(read<of::Lbs>("{" + lbs + "}"), false), lbs_shown);
  EXPECT_EQ(render(of::Lbs{}, false), "  no load balancers\n");
}

TEST(RenderGwmGroups, CountsMembersByWhatTheyAre) {
  EXPECT_EQ(render(read<of::Groups>(R"({"groups": [
              {"name": "web", "lb_uid": "director1",
               "member_counts": {"all": 2, "available": 1, "quiesced": 0, "no_contact": 0,
                                 "not_confident": 1}},
              {"name": "empty", "lb_uid": "director1", "member_counts": {"all": 0}}]})"),
                   false),
            "  GROUP  LB UID     MEMBERS\n"
            "  web    director1  2: 1 available, 1 not known\n"
            "  empty  director1  0\n");
}

const std::string member = R"("address": "10.0.0.1", "port": 80, "protocol": "tcp", "label": "s1",
    "weight": 0, "flags": {"contact": true, "quiesce": true, "registered_by_lb": false,
    "confident": true}, "state": 0)";

TEST(RenderGwmMembers, HasATableForEachGroup) {
  EXPECT_EQ(render(read<of::Members>(
                       R"({"groups": [{"name": "web", "lb_uid": "d1", "members": [{)" + member +
                       R"(}, {"address": "2001:db8::1", "port": 0, "protocol": null, "label": "",
                            "weight": 64, "flags": {"contact": true, "quiesce": false,
                            "registered_by_lb": true, "confident": true}}]},
                          {"name": "db", "lb_uid": "d1", "members": []}], "left_out": 7})"),
                   false),
            "group web of d1\n"
            "  MEMBER       PROTOCOL  LABEL  WEIGHT  STATE      REGISTERED BY\n"
            "  10.0.0.1:80  tcp       s1     0       quiesced   member\n"
            "  2001:db8::1  -         -      64      available  load balancer\n"
            "\n"
            "group db of d1\n"
            "  no members\n"
            "\n"
            "7 more members are left out: ask for one group\n");
}

TEST(RenderGwmWhy, TellsWhoSaidWhat) {
  const auto why = json(R"({"members": [{)" + member + R"(,
      "lb_uid": "d1", "group": "web", "detail": "quiesced by the operator: no new work",
      "quiesced_by": ["operator", "agent"], "weights_file": {"says": "weight", "weight": 40},
      "probes": [
        {"probe": "agent:9777", "endpoint": "10.0.0.1:9777", "state": "up", "state_since_s": 130,
         "samples": 9, "failures": 1, "run": 3,
         "last": {"ok": true, "detail": "75% drain", "age_s": 1, "duration_ms": 3},
         "agent": {"percent": 75, "health": "up", "admin": "drain"}},
        {"probe": "tcp", "endpoint": "10.0.0.1:80", "state": "unknown"}],
      "told": {"weight": 64, "contact": true, "quiesce": false, "confident": false}}]})");
  EXPECT_EQ(
      render(read<of::Why>(why), false),
      "web/10.0.0.1:80 of d1  s1\n"
      "  weight   0, quiesced\n"
      "  why      quiesced by the operator: no new work\n"
      "  quiesced by the operator, the agent\n"
      "  file     says weight 40\n"
      "  probe    agent:9777 10.0.0.1:9777: up for 2 min 10 s, 1 of 9 failed; it says up, "
      "drain, 75%\n"
      "           last 1 s ago: 75% drain, in 3 ms\n"
      "  probe    tcp 10.0.0.1:80: unknown, not probed yet\n  sent     weight 64, not confident\n");
}

TEST(RenderGwmDone, TellsWhatFollows) {
  EXPECT_EQ(
      render(read<of::Drain>(R"({"done": "drain", "member": "10.0.0.1:80", "members": 2})"), false),
      "10.0.0.1:80 is drained in 2 groups: no new connections, until undrain or a restart of "
      "sasp-gwm\n");
  EXPECT_EQ(
      render(read<of::Undrain>(R"({"done": "undrain", "member": "10.0.0.1:80", "members": 1})"),
             false),
      "10.0.0.1:80 is no longer drained; a quiesce by another source must be lifted there\n");
}

TEST(RenderGwm, ShowsWhatIsMissingAsADash) {
  EXPECT_NE(render(of::Status{}, true).find("sasp-gwm - on "), std::string::npos);
  EXPECT_NE(render(read<of::Why>(R"({"members": [{}]})"), false).find("-/-"), std::string::npos);
  EXPECT_NE(
      render(read<of::Members>(R"({"groups": [{"members": [{}]}]})"), false).find("group - of -"),
      std::string::npos);
}

TEST(RenderGwmDrain, SaysWhatOutlivesARestart) {
  EXPECT_EQ(render(read<of::Drain>(R"({"done": "drain", "member": "10.0.0.1:80", "members": 1,
                                       "kept": true, "note": "the file FILE drains it"})"),
                   false),
            "10.0.0.1:80 is drained in 1 group: no new connections, until undrain; the file FILE "
            "drains it\n");
  EXPECT_EQ(render(read<of::Undrain>(R"({"done": "undrain", "member": "10.0.0.1:80", "members": 1,
                                         "note": "the file FILE drains it"})"),
                   false),
            "10.0.0.1:80 is no longer drained by the operator, but the file FILE drains it\n");
}

TEST(RenderGwmStatus, ShowsWhoDrainsWhatAndWhatWasRestored) {
  const auto status = read<of::Status>(R"j({"drained": ["10.0.0.1:80"], "drains_file": "FILE",
      "drains": [{"member": "10.0.0.1:80", "origin": "operator", "by": "uid 0 (pid 7)",
                  "since_s": 7200},
                 {"member": "web/10.0.0.2:80", "origin": "file"}],
      "drains_error": "FILE: line 2: bad", "state_error": "DISK: full",
      "restored": {"since_s": 20, "lbs_unconfirmed": 1, "members_unconfirmed": 2}})j");
  const auto text = render(status, false);
  for (const char* line :
       {"drained by the operator: 10.0.0.1:80, 2 h 0 min ago by uid 0 (pid 7)\n",
        "drained by the drains file FILE: web/10.0.0.2:80\n",
        "restored from the state file 20 s ago, and not confirmed since: 1 load balancers, 2 "
        "members\n",
        "not healthy: FILE: line 2: bad; the old drains stay\n",
        "not healthy: the state is not kept: DISK: full; after a restart, less is known\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  EXPECT_NE(render(read<of::Status>(R"({"waits_s": 90})"), false)
                .find("no state of an earlier life: for 90 s more, no member of a group with "
                      "members that registered themselves counts as known\n"),
            std::string::npos);
}

}  // namespace
}  // namespace saspd::ctl
