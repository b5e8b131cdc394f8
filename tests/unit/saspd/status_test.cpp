// SPDX-License-Identifier: Apache-2.0
// The answers of saspd, letter by letter: scripts rely on their keys and values.
#include "controller/saspd/status.hpp"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "controller/report/json.hpp"

namespace saspd::director {
namespace {

using namespace std::chrono_literals;

const TimePoint now{1h};

template <class Answer>
std::string text(const Answer& from) {
  auto answer = report::to_json(from);
  EXPECT_EQ(answer.at("program"), "saspd");
  if (auto* version = answer.if_contains("version")) {
    EXPECT_EQ(*version, SASPD_VERSION);
    *version = "VERSION";
  }
  return boost::json::serialize(answer);
}

GwmStatus established() {
  GwmStatus gwm;
  gwm.endpoint = "gwm1.example:3860";
  gwm.state = report::LinkState::established;
  gwm.state_since = now - 133500ms;
  gwm.last_message = now - 3s;
  gwm.interval = 10s;
  gwm.protocol_errors = 2;
  gwm.tolerances.add(sasp::Tolerance{});
  gwm.tolerances.add(sasp::Tolerance{});
  return gwm;
}

GwmStatus trying() {
  GwmStatus gwm;
  gwm.endpoint = "[2001:db8::2]:3860";
  gwm.state = report::LinkState::tls_error;
  gwm.state_since = now;
  gwm.last_error = "connection refused";
  gwm.duplicate_suspected = true;
  return gwm;
}

Reconciler::MemberView member(std::string_view endpoint, std::string_view service, Reason reason) {
  Reconciler::MemberView view;
  view.endpoint = *Endpoint::parse(endpoint);
  view.service = *lb::parse_service(service);
  view.reason = reason;
  return view;
}

Reconciler::GroupView web() {
  const std::string service = "tcp:192.0.2.10:80";
  auto advised = member("10.0.0.1:80", service, Reason::advice);
  advised.protocol = 6;
  advised.label = "s1";
  advised.advice =
      Advice{60001, sasp::weight_flag::contact | sasp::weight_flag::confident, 7, now - 4s};
  advised.effective_weight = advised.target = 60;
  advised.unscaled = 60001;
  advised.kernel_weight = 50;
  auto held = member("[2001:db8::1]:80", service, Reason::unclear_zero);
  held.protocol = 17;
  held.advice = Advice{9, sasp::weight_flag::quiesce | sasp::weight_flag::registered_by_lb, 0, now};
  held.kernel_weight = 0;
  held.zero = {ZeroAuthor::unclear, Doubt::no_record, true};
  held.quiesced_by = 1;
  Reconciler::GroupView group;
  group.name = "web";
  group.gwm = 0;
  group.gwms = {0};
  group.services = {{*lb::parse_service(service), true, false, "wrr", Reason::held_panic, {}},
                    {*lb::parse_service("udp:[2001:db8::1]:53"), false, true, "", {}, {}}};
  group.members = {advised, held};
  group.alarms = {{"no_fallback", true, service, "set the flag"},
                  {"mixed_kinds", false, "", "two kinds"}};
  const ForeignWrite write{*lb::parse_service(service), Endpoint::parse("10.0.0.1:80").value(),
                           "weight 40 -> 7", ForeignWrite::Weights{40, 7}};
  group.drift = {3, Drift{write, "it stays", now - 5s}};
  group.freshness =
      Freshness{OnStale::drain, Guidance::advised, true, now - 30s, now - 15s, now + 150s};
  return group;
}

Reconciler::GroupView xdp() {
  auto of_system = member("10.0.0.3:0", "fwmark6:7", Reason::static_weight);
  of_system.state = lb::DestinationState{65537, true, "02:00:00:00:00:01 on eth0", 9, 900, 2};
  Reconciler::GroupView group;
  group.name = "db";
  group.members = {of_system, member("10.0.0.1:80", "fwmark:7", Reason::unbound)};
  return group;
}

Status whole() {
  Status status;
  status.lb_uid = "director1";
  status.backend = "ipvs";
  status.dry_run = true;
  status.kernel_error = "no buffer space";
  status.ledger_error = "no room";
  status.keepalived_error = "it is no FIFO";
  status.tls_error = "ca.pem: expired";
  status.config_error = "refused";
  status.problems = {{"detached", "eth0", "eth0: no program", true}};
  status.attach_request = "asked 2 times";
  status.attach_requests = 2;
  status.packets = {{"sent_table", 12}, {"drop_ttl", 0}};
  status.kernel_settings = {{"conntrack", 1}, {"expire_nodest_conn", std::nullopt}};
  status.gwms = {established(), trying()};
  status.groups = {web(), xdp()};
  return status;
}

TEST(StatusAnswer, HasEverything) {
  EXPECT_EQ(
      text(status_answer(whole(), now)),
      R"({"schema_version":1,"program":"saspd","version":"VERSION","lb_uid":"director1",)"
      R"("backend":"ipvs","health":{"state":"ok","since":"","since_s":0,"problems":[]},"overrides":[],)"
      R"("packets":{"sent_table":12,"drop_ttl":0},"kernel_settings":{)"
      R"("conntrack":1,"expire_nodest_conn":null},"dry_run":true,)"
      R"("kernel_error":"no buffer space","problems":[{"name":"detached","subject":"eth0",)"
      R"("detail":"eth0: no program"}],"attach_requests":2,"attach_request":"asked 2 times",)"
      R"("ledger_error":"no room","keepalived_error":"it is no FIFO",)"
      R"("tls_error":"ca.pem: expired","config_error":"refused","gwm":[{"endpoint":"gwm1.example:3860",)"
      R"("state":"established","state_since_s":133,"last_message_age_s":3,"interval_s":10,)"
      R"("last_error":null,"protocol_errors":2,"tolerances":{"header_surplus":2},)"
      R"("duplicate_uid":false},{"endpoint":"[2001:db8::2]:3860","state":"tls_error",)"
      R"("state_since_s":0,"last_message_age_s":null,"interval_s":0,)"
      R"("last_error":"connection refused","protocol_errors":0,"tolerances":{},)"
      R"("duplicate_uid":true}],"groups":[{"name":"web","gwm":"gwm1.example:3860","gwms":["gwm1.example:3860"],"bound":true,)"
      R"("held":"panic",)"
      R"("advice_state":"ageing","advice_age_s":30,"advice_lack":"no_answer","stale_in_s":150,)"
      R"("on_stale":"drain","drift_total":3,"last_drift":{"service":"tcp:192.0.2.10:80",)"
      R"("address":"10.0.0.1","port":80,"old_weight":40,"weight":7,"what":"weight 40 -> 7",)"
      R"("follows":"it stays","age_s":5},"alarms":[{"name":"no_fallback","urgent":true,)"
      R"("service":"tcp:192.0.2.10:80","detail":"set the flag"},{"name":"mixed_kinds",)"
      R"("urgent":false,"service":null,"detail":"two kinds"}],"services":[{)"
      R"("spec":"tcp:192.0.2.10:80","present":true,"managed":false,"scheduler":"wrr"},{)"
      R"("spec":"udp:[2001:db8::1]:53","present":false,"managed":true,"scheduler":null}],)"
      R"("members":[{"address":"10.0.0.1","port":80,"protocol":"tcp","label":"s1",)"
      R"("service":"tcp:192.0.2.10:80","advice":{"weight":60001,"flags":{"contact":true,)"
      R"("quiesce":false,"registered_by_lb":false,"confident":true},"state":7,"age_s":4},)"
      R"("effective_weight":60,"kernel_weight":50,"reason":"advice","quiesced_by":null,"zero":null},{)"
      R"("address":"2001:db8::1","port":80,"protocol":"udp","label":"",)"
      R"("service":"tcp:192.0.2.10:80","advice":{"weight":9,"flags":{"contact":false,)"
      R"("quiesce":true,"registered_by_lb":true,"confident":false},"state":0,"age_s":0},)"
      R"("effective_weight":0,"kernel_weight":0,"reason":"unclear_zero",)"
      R"("quiesced_by":"[2001:db8::2]:3860","zero":{)"
      R"("author":"unclear","doubt":"no_record","keepalived":true}}]},{"name":"db","gwm":null,"gwms":[],)"
      R"("bound":false,"held":null,)"
      R"("advice_state":null,"advice_age_s":null,"advice_lack":null,"stale_in_s":null,)"
      R"("on_stale":null,"drift_total":0,"last_drift":null,"alarms":[],"services":[],"members":[{"address":"10.0.0.3",)"
      R"("port":0,"protocol":null,"label":"","service":"fwmark6:7","advice":null,)"
      R"("effective_weight":0,"kernel_weight":null,"reason":"static","quiesced_by":null,"zero":null,"slots":65537,)"
      R"("reachable":true,"next_hop":"02:00:00:00:00:01 on eth0","packets":9,"bytes":900,)"
      R"("flows":2},{"address":"10.0.0.1","port":80,"protocol":null,"label":"",)"
      R"("service":"fwmark:7","advice":null,"effective_weight":0,"kernel_weight":null,)"
      R"("reason":"unbound","quiesced_by":null,"zero":null}]}]})");
}

TEST(StatusAnswer, HasNullsWhereThereIsNothing) {
  EXPECT_EQ(text(status_answer({}, now)),
            R"({"schema_version":1,"program":"saspd","version":"VERSION","lb_uid":"","backend":"",)"
            R"("health":{"state":"ok","since":"","since_s":0,"problems":[]},"overrides":[],)"
            R"("dry_run":false,"kernel_error":null,"problems":[],"attach_requests":0,)"
            R"("attach_request":null,"ledger_error":null,"keepalived_error":null,"tls_error":null,)"
            R"("config_error":null,)"
            R"("gwm":[],"groups":[]})");
}

TEST(GwmsAnswer, AreThoseOfTheStatus) {
  EXPECT_EQ(text(gwms_answer(whole(), now)),
            R"({"schema_version":1,"program":"saspd","gwm":[{"endpoint":"gwm1.example:3860",)"
            R"("state":"established","state_since_s":133,"last_message_age_s":3,"interval_s":10,)"
            R"("last_error":null,"protocol_errors":2,"tolerances":{"header_surplus":2},)"
            R"("duplicate_uid":false},{"endpoint":"[2001:db8::2]:3860","state":"tls_error",)"
            R"("state_since_s":0,"last_message_age_s":null,"interval_s":0,)"
            R"("last_error":"connection refused","protocol_errors":0,"tolerances":{},)"
            R"("duplicate_uid":true}]})");
}

TEST(GroupsAnswer, CountTheirMembers) {
  EXPECT_EQ(
      text(groups_answer(whole(), now)),
      R"({"schema_version":1,"program":"saspd","groups":[{"name":"web",)"
      R"("gwm":"gwm1.example:3860","gwms":["gwm1.example:3860"],"bound":true,"held":"panic",)"
      R"("advice_state":"ageing","advice_age_s":30,"advice_lack":"no_answer","stale_in_s":150,)"
      R"("on_stale":"drain","drift_total":3,"last_drift":{"service":"tcp:192.0.2.10:80",)"
      R"("address":"10.0.0.1","port":80,"old_weight":40,"weight":7,"what":"weight 40 -> 7",)"
      R"("follows":"it stays","age_s":5},"alarms":[{"name":"no_fallback",)"
      R"("urgent":true,"service":"tcp:192.0.2.10:80","detail":"set the flag"},{)"
      R"("name":"mixed_kinds","urgent":false,"service":null,"detail":"two kinds"}],"services":[{)"
      R"("spec":"tcp:192.0.2.10:80","present":true,"managed":false,"scheduler":"wrr"},{)"
      R"("spec":"udp:[2001:db8::1]:53","present":false,"managed":true,"scheduler":null}],)"
      R"("member_counts":{"all":2}},{"name":"db","gwm":null,"gwms":[],"bound":false,"held":null,)"
      R"("advice_state":null,"advice_age_s":null,"advice_lack":null,"stale_in_s":null,)"
      R"("on_stale":null,"drift_total":0,"last_drift":null,"alarms":[],"services":[],"member_counts":{"all":2}}]})");
}

TEST(MembersAnswer, AreOfOneGroupOrOfAll) {
  EXPECT_EQ(
      text(*members_answer(whole(), "db", now)),
      R"({"schema_version":1,"program":"saspd","groups":[{"name":"db","members":[{)"
      R"("address":"10.0.0.3","port":0,"protocol":null,"label":"","service":"fwmark6:7",)"
      R"("advice":null,"effective_weight":0,"kernel_weight":null,"reason":"static","quiesced_by":null,"zero":null,)"
      R"("slots":65537,"reachable":true,"next_hop":"02:00:00:00:00:01 on eth0","packets":9,)"
      R"("bytes":900,"flows":2},{"address":"10.0.0.1","port":80,"protocol":null,"label":"",)"
      R"("service":"fwmark:7","advice":null,"effective_weight":0,"kernel_weight":null,)"
      R"("reason":"unbound","quiesced_by":null,"zero":null}]}]})");
  EXPECT_EQ(members_answer(whole(), {}, now)->groups.size(), 2U);
  EXPECT_EQ(members_answer(whole(), "none", now).error().detail, "no group 'none'");
}

TEST(WhyAnswer, ExplainsAMemberInEachGroup) {
  EXPECT_EQ(
      text(*why_answer(whole(), "10.0.0.1:80", now)),
      R"({"schema_version":1,"members":[{"address":"10.0.0.1","port":80,"protocol":"tcp",)"
      R"("label":"s1","service":"tcp:192.0.2.10:80","advice":{"weight":60001,"flags":{)"
      R"("contact":true,"quiesce":false,"registered_by_lb":false,"confident":true},"state":7,)"
      R"("age_s":4},"effective_weight":60,"kernel_weight":50,"reason":"advice","quiesced_by":null,"zero":null,)"
      R"("group":"web","detail":"the GWM advises weight 60001; scaled to 60 for the service's )"
      R"(scheduler"},{"address":"10.0.0.1","port":80,)"
      R"("protocol":null,"label":"","service":"fwmark:7","advice":null,"effective_weight":0,)"
      R"("kernel_weight":null,"reason":"unbound","quiesced_by":null,"zero":null,"group":"db",)"
      R"("detail":"it is not in the kernel's table"}],"program":"saspd"})");
  EXPECT_EQ(why_answer(whole(), "10.0.0.9:80", now).error().detail, "no member '10.0.0.9:80'");
}

TEST(WhyAnswer, NamesEachRuleThatMakesAnotherWeightOfTheAdvice) {
  const auto why = [](const std::function<void(Reconciler::MemberView&)>& change) {
    Status status = whole();
    auto& member = status.groups[0].members[0];
    member.unscaled = member.target = member.effective_weight = 60001;
    change(member);
    return why_answer(status, "web/10.0.0.1:80", now)->members[0];
  };
  EXPECT_EQ(why([](auto&) {}).detail, "the GWM advises weight 60001");
  EXPECT_FALSE(why([](auto&) {}).pending);
  EXPECT_EQ(why([](auto& member) {
              member.unscaled = member.target = member.effective_weight = 61000;
            }).detail,
            "the GWM advises weight 60001; --min-change rounds it to 61000");
  const auto calm = why([](auto& member) {
    member.effective_weight = 50;
    member.pending = Pending{PaceRule::calm, now + 300ms};
  });
  EXPECT_EQ(calm.detail,
            "the GWM advises weight 60001; it is 50, written less than a second ago: 60001 within "
            "1 s");
  const auto steps = why([](auto& member) {
    member.unscaled = 61000;
    member.target = 100;
    member.effective_weight = 50;
    member.pending = Pending{PaceRule::max_step, now + 4s};
  });
  EXPECT_EQ(steps.detail,
            "the GWM advises weight 60001; --min-change rounds it to 61000; scaled to 100 for the "
            "service's scheduler; it is 50, and moves by --max-step with each write: 100 within 4 "
            "s");
  ASSERT_TRUE(steps.pending);
  EXPECT_EQ(steps.pending->rule, PaceRule::max_step);
  EXPECT_EQ(steps.pending->weight, 100U);
  EXPECT_EQ(steps.pending->in_s, 4);
}

TEST(WhyAnswer, KnowsWhetherTheGwmKnowsAnybody) {
  const auto why = [](std::uint32_t weight, bool nobody_known) {
    Status status = whole();
    auto& member = status.groups[0].members[0];
    member.reason = Reason::not_confident;
    member.effective_weight = weight;
    member.nobody_known = nobody_known;
    return why_answer(status, "10.0.0.1:80", now)->members[0].detail;
  };
  EXPECT_NE(why(0, false).find("knows that of others"), std::string::npos);
  EXPECT_NE(why(0, true).find("no longer knows the state of any member"), std::string::npos);
  EXPECT_NE(why(5, true).find("the weight stays"), std::string::npos);
}

TEST(WatchAnswer, HasATextForEachThing) {
  EXPECT_EQ(text(watch_answer(whole())),
            R"({"schema_version":1,"program":"saspd","items":{"kernel":"no buffer space",)"
            R"("problem detached eth0":"eth0: no program","gwm gwm1.example:3860":"established",)"
            R"("gwm [2001:db8::2]:3860":"tls_error",)"
            R"("advice for web by gwm1.example:3860":"counts",)"
            R"("service tcp:192.0.2.10:80 of web":"advice is held back",)"
            R"("service udp:[2001:db8::1]:53 of web":"not in the kernel",)"
            R"("10.0.0.1:80 of web tcp:192.0.2.10:80":"weight 60, advice",)"
            R"("[2001:db8::1]:80 of web tcp:192.0.2.10:80":"weight 0, unclear_zero",)"
            R"("10.0.0.3 of db fwmark6:7":"weight 0, static",)"
            R"("10.0.0.1:80 of db fwmark:7":"weight 0, unbound"}})");
}

TEST(PlanAnswer, HasNullsForWhatAChangeHasNot) {
  const auto service = *lb::parse_service("tcp:192.0.2.10:80");
  lb::Pool pool;
  pool.scheduler = "wrr";
  lb::Destination destination;
  destination.endpoint = *Endpoint::parse("10.0.0.1:80");
  destination.weight = 4;
  pool.destinations = {{destination.endpoint, destination}};
  auto heavier = pool;
  heavier.destinations.begin()->second.weight = 7;
  auto plan = lb::diff({}, {{service, pool}});
  const auto raise = lb::diff({{service, pool}}, {{service, heavier}});
  const auto removal = lb::diff({{service, pool}}, {{service, lb::Pool{{"wrr", 0, 0, 0, ""}, {}}}});
  plan.insert(plan.end(), raise.begin(), raise.end());
  plan.insert(plan.end(), removal.begin(), removal.end());
  EXPECT_EQ(
      text(plan_answer(plan)),
      R"({"schema_version":1,"plan":[{"action":"add_service","service":"tcp:192.0.2.10:80",)"
      R"("address":null,"port":null,"old_weight":null,"weight":null,)"
      R"("text":"tcp:192.0.2.10:80 created: scheduler wrr"},{"action":"add_destination",)"
      R"("service":"tcp:192.0.2.10:80","address":"10.0.0.1","port":80,"old_weight":null,)"
      R"("weight":4,"text":"tcp:192.0.2.10:80 10.0.0.1:80 added (masquerade) with weight 4"},{)"
      R"("action":"set_weight","service":"tcp:192.0.2.10:80","address":"10.0.0.1","port":80,)"
      R"("old_weight":4,"weight":7,"text":"tcp:192.0.2.10:80 10.0.0.1:80 weight 4 -> 7"},{)"
      R"("action":"remove_destination","service":"tcp:192.0.2.10:80","address":"10.0.0.1",)"
      R"("port":80,"old_weight":4,"weight":null,"text":"tcp:192.0.2.10:80 10.0.0.1:80 removed"}],)"
      R"("program":"saspd"})");
}

TEST(ReconcileAnswer, TellsWhatWasWrittenOrWouldBe) {
  Work done;
  lb::Change change;
  change.service = *lb::parse_service("fwmark:7");
  change.destination.endpoint = *Endpoint::parse("10.0.0.1:80");
  change.destination.weight = 2;
  change.listed.weight = 1;
  done.applied = {change};
  done.failures = {fail(std::errc::no_buffer_space, "a: no buffer space")};
  EXPECT_EQ(text(reconcile_answer(done, false, 3)),
            R"({"schema_version":1,"dry_run":false,"written":[{"action":"set_weight",)"
            R"("service":"fwmark:7","address":"10.0.0.1","port":80,"old_weight":1,"weight":2,)"
            R"("text":"fwmark:7 10.0.0.1:80 weight 1 -> 2"}],"plan":[],)"
            R"("failures":["a: no buffer space"],"remaining":3,"program":"saspd"})");
  EXPECT_EQ(text(reconcile_answer(done, true, 0)),
            R"({"schema_version":1,"dry_run":true,"written":[],"plan":[{"action":"set_weight",)"
            R"("service":"fwmark:7","address":"10.0.0.1","port":80,"old_weight":1,"weight":2,)"
            R"("text":"fwmark:7 10.0.0.1:80 weight 1 -> 2"}],"failures":["a: no buffer space"],)"
            R"("remaining":0,"program":"saspd"})");
}

TEST(ExportAnswer, HasTheRules) {
  EXPECT_EQ(text(export_answer({"-A -f 7 -s rr -M 0.0.0.0"})),
            R"({"schema_version":1,"rules":["-A -f 7 -s rr -M 0.0.0.0"],"program":"saspd"})");
}

TEST(UndrainAnswer, CountsServices) {
  EXPECT_EQ(text(undrain_answer("10.0.0.1:80", 2)),
            R"({"schema_version":1,"program":"saspd","done":"undrain","member":"10.0.0.1:80",)"
            R"("services":2})");
}

TEST(TraceAnswer, TellsWhatDecided) {
  lb::Trace trace;
  EXPECT_EQ(text(trace_answer(trace)),
            R"({"schema_version":1,"is_service":false,"verdict":"pass: no service of ours",)"
            R"("program":"saspd"})");
  trace.is_service = true;
  trace.slot = 17;
  EXPECT_EQ(
      text(trace_answer(trace)),
      R"({"schema_version":1,"is_service":true,"forward":"l2","slot":17,"known_flow":false,)"
      R"("destination":null,"next_hop":"",)"
      R"_("verdict":"drop: no server of the service has a weight (no_backend)","program":"saspd"})_");
  trace.forward = lb::Forward::tunnel;
  trace.destination = *Endpoint::parse("10.0.0.1:80");
  trace.next_hop = lb::NextHop{{}, "eth0", {}, {2, 0, 0, 0, 0, 1}};
  EXPECT_EQ(
      text(trace_answer(trace)),
      R"({"schema_version":1,"is_service":true,"forward":"ipip","slot":17,"known_flow":false,)"
      R"("destination":"10.0.0.1:80","next_hop":"02:00:00:00:00:01 on eth0",)"
      R"_("verdict":"drop: the next hop is not known (no_next_hop)","program":"saspd"})_");
  trace.reachable = true;
  EXPECT_EQ(
      text(trace_answer(trace)),
      R"({"schema_version":1,"is_service":true,"forward":"ipip","slot":17,"known_flow":false,)"
      R"("destination":"10.0.0.1:80","next_hop":"02:00:00:00:00:01 on eth0",)"
      R"("verdict":"sent: by its slot","program":"saspd"})");
  trace.known_flow = true;
  EXPECT_EQ(text(trace_answer(trace)),
            R"({"schema_version":1,"is_service":true,"forward":"ipip","slot":17,"known_flow":true,)"
            R"("destination":"10.0.0.1:80","next_hop":"02:00:00:00:00:01 on eth0",)"
            R"("verdict":"sent: the flow is known","program":"saspd"})");
}

}  // namespace
}  // namespace saspd::director
