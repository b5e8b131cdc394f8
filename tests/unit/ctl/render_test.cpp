// SPDX-License-Identifier: Apache-2.0
// The tables of saspctl, letter by letter.
#include "controller/ctl/render.hpp"

#include <gtest/gtest.h>

#include "tests/unit/ctl/answers.hpp"

namespace saspd::ctl {
namespace {

std::string render_status(const boost::json::object& answer, bool colors) {
  return render(read<report::Status>(answer), colors);
}

const std::string healthy_status = R"({
  "schema_version": 1, "version": "0.1.0", "lb_uid": "director1", "backend": "ipvs",
  "dry_run": false, "kernel_error": null,
  "health": {"state": "ok", "since": "2026-01-02T03:04:05.678Z", "since_s": 61, "problems": []},
  "gwm": [
    {"endpoint": "gwm1.example:3860", "state": "established", "state_since_s": 133,
     "last_message_age_s": 3, "interval_s": 10, "last_error": null, "tolerances": {}},
    {"endpoint": "[2001:db8::2]:3860", "state": "trying", "state_since_s": 7300,
     "last_message_age_s": null, "interval_s": 0, "last_error": "connection refused",
     "tolerances": {}}],
  "groups": [
    {"name": "web", "bound": true, "held": null,
     "services": [{"spec": "tcp:192.0.2.10:80", "scheduler": "wrr", "present": true}],
     "members": [
      {"address": "10.0.0.1", "port": 80, "protocol": "tcp", "label": "s1",
       "advice": {"weight": 40, "flags": {"contact": true, "quiesce": false,
                  "registered_by_lb": true, "confident": true}, "state": 0, "age_s": 3},
       "effective_weight": 40, "kernel_weight": 40, "reason": "advice",
       "service": "tcp:192.0.2.10:80"},
      {"address": "2001:db8::1", "port": 8080, "protocol": "tcp", "label": "säule",
       "advice": {"weight": 7, "flags": {"contact": false, "quiesce": true,
                  "registered_by_lb": true, "confident": false}, "state": 0, "age_s": 3},
       "effective_weight": 0, "kernel_weight": 20, "reason": "quiesced",
       "service": "tcp:192.0.2.10:80"},
      {"address": "10.0.0.3", "port": 80, "protocol": "tcp", "label": "", "advice": null,
       "effective_weight": 1, "kernel_weight": null, "reason": "unbound",
       "service": "tcp:192.0.2.10:80"}]}]})";

TEST(RenderStatus, AlignsGwmsGroupsAndMembers) {
  EXPECT_EQ(
      render_status(json(healthy_status), false),
      "OK since 2026-01-02T03:04:05Z (61 s)\n"
      "saspd 0.1.0, LB UID director1, backend ipvs\n"
      "\n"
      "  GWM                 STATE        SINCE       LAST MESSAGE  INTERVAL  LAST ERROR\n"
      "  gwm1.example:3860   established  2 min 13 s  3 s ago       10 s      -\n"
      "  [2001:db8::2]:3860  trying       2 h 1 min   never         0 s       connection refused\n"
      "\n"
      "group web\n"
      "  service tcp:192.0.2.10:80  wrr\n"
      "  MEMBER              LABEL  ADVICE                                  WEIGHT  KERNEL  "
      "REASON\n"
      "  10.0.0.1:80         s1     40                                      40      40      "
      "advice\n"
      "  [2001:db8::1]:8080  säule  7, quiesced, no contact, not confident  0       20      "
      "quiesced\n"
      "  10.0.0.3:80         -      -                                       1       -       "
      "unbound\n");
}

TEST(RenderGroups, HasALineForEach) {
  EXPECT_EQ(render(read<report::Groups>(R"({"groups": [
              {"name": "web", "gwm": "gwm:3860", "bound": true, "held": null, "alarms": [],
               "advice_state": "ageing", "advice_age_s": 75,
               "member_counts": {"all": 4}},
              {"name": "db", "gwm": null, "bound": false, "held": "all_zero", "alarms": [{}],
               "member_counts": {"all": 0}}]})"),
                   false),
            "  GROUP  GWM       MEMBERS  IN THE KERNEL  HELD BACK  ALARMS  "
            "ADVICE\n"
            "  web    gwm:3860  4        yes            -          -       "
            "75 s old, ageing\n"
            "  db     -         0        no             all_zero   1       -\n");
  EXPECT_EQ(render(report::Groups{}, false), "  no groups\n");
}

TEST(RenderMembers, HasATableForEachGroup) {
  EXPECT_EQ(render(read<report::Members>(R"({"groups": [{"name": "web", "members": [
              {"address": "10.0.0.1", "port": 80, "label": "", "reason": "advice",
               "effective_weight": 1, "kernel_weight": 1, "service": "tcp:192.0.2.1:80"}]},
              {"name": "db", "members": []}]})"),
                   false),
            "group web\n"
            "  MEMBER       LABEL  ADVICE  WEIGHT  KERNEL  REASON  SERVICE\n"
            "  10.0.0.1:80  -      -       1       1       advice  tcp:192.0.2.1:80\n"
            "\n"
            "group db\n"
            "  no members\n");
}

TEST(RenderStatus, NamesTheServiceOfAMemberWhenAGroupHasSeveral) {
  const auto text = render_status(json(R"({"groups": [{"name": "g", "bound": true, "services": [
              {"spec": "tcp:192.0.2.1:80", "scheduler": "wrr", "present": true},
              {"spec": "tcp:[2001:db8::1]:80", "scheduler": null, "present": false}],
              "members": [{"address": "10.0.0.1", "port": 1, "label": "", "reason": "static",
                           "effective_weight": 1, "kernel_weight": 1,
                           "service": "tcp:192.0.2.1:80"}]}]})"),
                                  false);
  EXPECT_NE(text.find("  service tcp:[2001:db8::1]:80  not in the kernel\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("static  tcp:192.0.2.1:80\n"), std::string::npos) << text;
}

TEST(RenderStatus, ShowsSystemMembersAndAlarms) {
  const auto text = render_status(json(R"({"groups": [{"name": "g", "bound": true,
      "services": [{"spec": "fwmark6:7", "scheduler": "mh", "present": true, "managed": true}],
      "alarms": [
        {"name": "no_fallback", "urgent": true, "service": "fwmark6:7", "detail": "set the flag"},
        {"name": "mixed_kinds", "urgent": false, "service": null, "detail": "two\u001b kinds"}],
      "members": [
        {"address": "10.0.0.1", "port": 0, "protocol": null, "label": "", "reason": "leaving",
         "effective_weight": 0, "kernel_weight": 0, "service": "fwmark6:7"},
        {"address": "2001:db8::1", "port": 0, "protocol": null, "label": "", "reason": "advice",
         "effective_weight": 1, "kernel_weight": 1, "service": "fwmark6:7"}]}]})"),
                                  false);
  const auto group = text.find("group g\n");
  ASSERT_NE(group, std::string::npos) << text;
  EXPECT_EQ(text.substr(group),
            "group g\n"
            "  service fwmark6:7  mh, managed\n"
            "  MEMBER       LABEL  ADVICE  WEIGHT  KERNEL  REASON\n"
            "  10.0.0.1     -      -       0       0       leaving\n"
            "  2001:db8::1  -      -       1       1       advice\n"
            "  alarm no_fallback of fwmark6:7: set the flag\n"
            "  warning mixed_kinds: two\\x1b kinds\n");
}

const std::string xdp_status = R"({
  "schema_version": 1, "version": "0.1.0", "lb_uid": "d", "backend": "xdp", "dry_run": false,
  "kernel_error": null,
  "health": {"state": "degraded", "since": "2026-01-02T03:04:05.678Z", "since_s": 7300, "problems": [
    {"event": 7, "kind": "unreachable", "health": "degraded", "since": "2026-01-02T03:04:05.678Z",
     "since_s": 7300, "group": "web", "text": "10.0.0.2:80 of group web cannot be reached",
     "help": "saspctl members web"}]},
  "packets": {"pass_not_ip": 12, "sent_table": 0, "drop_ttl": 3},
  "gwm": [{"endpoint": "g:3860", "state": "established", "state_since_s": 5, "interval_s": 10}],
  "groups": [{"name": "web", "bound": true, "held": null,
    "services": [{"spec": "tcp:192.0.2.10:80", "scheduler": "minimal", "present": true,
                  "managed": true}],
    "members": [
      {"address": "10.0.0.1", "port": 80, "label": "", "advice": null, "effective_weight": 3,
       "kernel_weight": 3, "reason": "static", "slots": 65537, "reachable": true,
       "next_hop": "eth0, 02:00:00:00:00:01", "packets": 9, "bytes": 900, "flows": 2},
      {"address": "10.0.0.2", "port": 80, "label": "", "advice": null, "effective_weight": 1,
       "kernel_weight": 1, "reason": "static", "slots": 0, "reachable": false,
       "next_hop": "eth0: the neighbour does not answer"}]}]})";

TEST(RenderStatus, ShowsSlotsAndNextHopsOfXdp) {
  EXPECT_EQ(
      render_status(json(xdp_status), false),
      "DEGRADED since 2026-01-02T03:04:05Z (2 h 1 min)\n"
      "  degraded for 2 h 1 min: 10.0.0.2:80 of group web cannot be reached  [saspctl members web]\n"
      "saspd 0.1.0, LB UID d, backend xdp\n"
      "\n"
      "  GWM     STATE        SINCE  LAST MESSAGE  INTERVAL  LAST ERROR\n"
      "  g:3860  established  5 s    never         10 s      -\n"
      "\n"
      "group web\n"
      "  service tcp:192.0.2.10:80  minimal, managed\n"
      "  MEMBER       LABEL  ADVICE  WEIGHT  KERNEL  REASON  SLOTS  NEXT HOP\n"
      "  10.0.0.1:80  -      -       3       3       static  65537  eth0, 02:00:00:00:00:01\n"
      "  10.0.0.2:80  -      -       1       1       static  0      eth0: the neighbour does not "
      "answer\n"
      "\n"
      "packets  pass_not_ip 12  drop_ttl 3\n");
}

TEST(RenderTrace, SaysWhatDecided) {
  EXPECT_EQ(render(read<report::Trace>(R"({"is_service": true, "slot": 17, "known_flow": false,
                               "destination": "10.0.0.1:80", "forward": "l2",
                               "next_hop": "02:00:00:00:00:01 on eth0",
                               "verdict": "sent: by its slot"})"),
                   false),
            "slot         17\n"
            "known flow   no\n"
            "destination  10.0.0.1:80\n"
            "forwarding   l2\n"
            "next hop     02:00:00:00:00:01 on eth0\n"
            "verdict      sent: by its slot\n");
  EXPECT_EQ(render(read<report::Trace>(R"({"is_service": false, "verdict": "pass"})"), false),
            "verdict      pass\n");
}

TEST(RenderStatus, ShowsTextFromOutsideEscaped) {
  auto status = json(healthy_status);
  auto& group = status["groups"].as_array()[0].as_object();
  group["name"] = "we\x1b[2Jb\n";
  group["members"].as_array()[0].as_object()["label"] = "\xff\x07";
  status["gwm"].as_array()[0].as_object()["last_error"] = "bad\rthing";
  status["lb_uid"] = "a\tb";
  const auto text = render_status(status, false);
  EXPECT_NE(text.find("group we\\x1b[2Jb\\x0a\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\\xff\\x07"), std::string::npos);
  EXPECT_NE(text.find("bad\\x0dthing"), std::string::npos);
  EXPECT_NE(text.find("a\\x09b"), std::string::npos);
}

TEST(RenderStatus, ColorsOnlyWhenAsked) {
  EXPECT_EQ(render_status(json(healthy_status), false).find('\x1b'), std::string::npos);
  const auto text = render_status(json(healthy_status), true);
  EXPECT_NE(text.find("\x1b[32mestablished\x1b[0m"), std::string::npos);
  EXPECT_NE(text.find("\x1b[31mtrying\x1b[0m"), std::string::npos);
  EXPECT_NE(text.find("\x1b[33m20\x1b[0m"), std::string::npos) << "kernel and wanted weight differ";
}

TEST(RenderStatus, SurvivesAnAnswerThatLacksEverything) {
  EXPECT_EQ(render_status({}, false),
            "UNKNOWN  it does not report its health: it is older than this saspctl; restart it\n"
            "saspd -, LB UID -, backend -\n"
            "\n"
            "  no GWM\n");
  for (const auto* odd :
       {R"({"gwm": 1, "groups": "x"})", R"({"gwm": [1, null, {}], "groups": [[]]})",
        R"({"groups": [{"services": [{}], "members": [{}, {"advice": {}}, 3]}]})",
        R"({"groups": [{"alarms": [{}, 1, {"urgent": true}]}, {"alarms": 2}]})",
        R"({"gwm": [{"state": 7, "state_since_s": "x"}], "dry_run": "yes"})"}) {
    EXPECT_FALSE(render_status(json(odd), true).empty()) << odd;
  }
}

TEST(RenderStatus, ShowsHowLongAdviceHasAged) {
  auto status = json(healthy_status);
  auto& group = status["groups"].as_array()[0].as_object();
  group["advice_state"] = "ageing";
  group["advice_lack"] = "no_answer";
  group["advice_age_s"] = 85;
  group["stale_in_s"] = 95;
  group["on_stale"] = "drain";
  EXPECT_NE(render_status(status, false)
                .find("  advice 85 s old, ageing, no_answer; stale in 95 s: no new "
                      "connections\n"),
            std::string::npos)
      << render_status(status, false);
}

TEST(RenderStatus, ShowsTheAgeOfFreshAdvice) {
  auto status = json(healthy_status);
  auto& group = status["groups"].as_array()[0].as_object();
  group["advice_state"] = "fresh";
  group["advice_age_s"] = 3;
  EXPECT_NE(render_status(status, false).find("  advice 3 s old\n"), std::string::npos);
}

TEST(RenderPlan, HasALineForEachChange) {
  EXPECT_EQ(render(read<report::Plan>(
                       R"({"plan": [{"text": "a weight 1 -> 2"}, {"text": "b removed"}]})"),
                   false),
            "a weight 1 -> 2\nb removed\n");
  EXPECT_EQ(render(read<report::Plan>(R"({"plan": []})"), false),
            "nothing to write: the kernel is as decided\n");
  EXPECT_EQ(render(report::Plan{}, false), "nothing to write: the kernel is as decided\n");
}

TEST(RenderReconcile, TellsWhatWasWrittenAndWhatNot) {
  const auto rendered = [](std::string_view text) {
    return render(read<report::Reconcile>(text), false);
  };
  EXPECT_EQ(rendered(R"({"written": [{"text": "a weight 1 -> 2"}], "failures": []})"),
            "a weight 1 -> 2\n1 change written\n");
  EXPECT_EQ(
      rendered(R"({"written": [{"text": "a"}, {"text": "b"}], "failures": ["c\u0007: ENOENT"],
                         "remaining": 300})"),
      "a\nb\nnot written: c\\x07: ENOENT\n2 changes written, 1 not written, 300 more follow\n");
  EXPECT_EQ(rendered(R"({"written": [], "failures": ["c"], "remaining": 0})"),
            "not written: c\n0 changes written, 1 not written\n");
  EXPECT_EQ(rendered(R"({"written": [], "plan": [], "failures": [], "remaining": 0})"),
            "nothing to write: the kernel is as decided\n");
}

TEST(RenderReconcile, SaysThatADryRunWritesNothing) {
  EXPECT_EQ(render(read<report::Reconcile>(R"({"dry_run": true, "written": [], "failures": [],
                                      "plan": [{"text": "a weight 1 -> 2"}]})"),
                   false),
            "a weight 1 -> 2\ndry run: nothing was written, this is what would be\n");
}

TEST(RenderExport, HasNothingButTheRules) {
  EXPECT_EQ(render(read<report::Export>(
                       R"({"rules": ["-A -f 7 -s rr", "-a -f 7 -r 10.0.0.1:0 -m -w 1"]})"),
                   false),
            "-A -f 7 -s rr\n-a -f 7 -r 10.0.0.1:0 -m -w 1\n");
  EXPECT_EQ(render(report::Export{}, false), "");
}

TEST(RenderWhy, ExplainsOneMemberPerGroup) {
  const auto why = json(R"({"schema_version": 1, "members": [
    {"group": "web", "service": "tcp:192.0.2.10:80", "address": "10.0.0.1", "port": 80,
     "protocol": "tcp", "label": "s1", "reason": "advice",
     "detail": "the GWM advises weight 60001, scaled to 60 for the scheduler of the service",
     "advice": {"weight": 60001, "flags": {"contact": true, "quiesce": false,
                "registered_by_lb": true, "confident": true}, "state": 0, "age_s": 3},
     "effective_weight": 60, "kernel_weight": 60},
    {"group": "api", "service": "tcp:192.0.2.11:80", "address": "10.0.0.1", "port": 80,
     "protocol": "tcp", "label": "", "reason": "unbound", "advice": null,
     "detail": "it is not in the kernel's table; nothing is written",
     "effective_weight": 1, "kernel_weight": null}]})");
  EXPECT_EQ(render(read<report::Why>(why), false),
            "web/10.0.0.1:80  s1\n"
            "  service  tcp:192.0.2.10:80\n"
            "  rule     advice: the GWM advises weight 60001, scaled to 60 for the scheduler of "
            "the service\n"
            "  advice   weight 60001, contact, not quiesced, confident, registered by the load "
            "balancer, 3 s old\n"
            "  weight   60\n"
            "  kernel   60\n"
            "\n"
            "api/10.0.0.1:80\n"
            "  service  tcp:192.0.2.11:80\n"
            "  rule     unbound: it is not in the kernel's table; nothing is written\n"
            "  advice   none yet\n"
            "  weight   1\n"
            "  kernel   not there\n");
}

}  // namespace
}  // namespace saspd::ctl
