// SPDX-License-Identifier: Apache-2.0
// What Prometheus reads of saspd.
#include "controller/saspd/metrics.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tests/support/metrics_text.hpp"

namespace saspd::director {
namespace {

using namespace std::chrono_literals;

constexpr std::uint8_t good = sasp::weight_flag::contact | sasp::weight_flag::confident;
const TimePoint now{1000s};
const metrics::WallTime wall{1'764'084'000s};

Reconciler::MemberView member(std::string_view service, std::string_view endpoint) {
  Reconciler::MemberView member;
  member.service = *lb::parse_service(service);
  member.endpoint = *Endpoint::parse(endpoint);
  return member;
}

Reconciler::ServiceView service(std::string_view key) {
  Reconciler::ServiceView service;
  service.key = *lb::parse_service(key);
  service.present = true;
  return service;
}

class Metrics : public testing::Test {
 protected:
  // The lines of one family, without its head.
  std::string lines(const std::string& family, bool with_members = true) {
    const auto families = metric_families(status_, counters_, with_members, now, wall);
    std::string lines;
    for (const auto& candidate : families) {
      if (candidate.name != family) continue;
      lines = metrics::text({candidate});
      for (int head = 0; head < 2 && !lines.empty(); ++head)
        lines.erase(0, lines.find('\n') + 1);
    }
    return lines;
  }
  std::string all() { return metrics::text(metric_families(status_, counters_, true, now, wall)); }

  Status status_ = [] {
    Status status;
    status.backend = "ipvs";
    return status;
  }();
  MetricCounters counters_;
};

TEST_F(Metrics, TellWhoTheyAreOf) {
  status_.backend = "xdp";
  EXPECT_EQ(lines("saspd_build_info"),
            "saspd_build_info{version=\"" SASPD_VERSION "\",backend=\"xdp\"} 1\n");
  EXPECT_EQ(lines("saspd_dry_run"), "saspd_dry_run 0\n");
  status_.dry_run = true;
  EXPECT_EQ(lines("saspd_dry_run"), "saspd_dry_run 1\n");
}

TEST_F(Metrics, TellTheStateOfEachGwm) {
  GwmStatus first;
  first.endpoint = "gwm:3860";
  first.state = report::LinkState::established;
  first.last_message = now - 1500ms;
  first.interval = 10s;
  first.protocol_errors = 2;
  first.tolerances.add(sasp::Tolerance::trailing_bytes);
  GwmStatus second;
  second.endpoint = "[2001:db8::1]:3860";
  second.state = report::LinkState::down_trying;
  status_.gwms = {first, second};
  EXPECT_EQ(lines("saspd_gwm_connected"),
            "saspd_gwm_connected{gwm=\"gwm:3860\"} 1\n"
            "saspd_gwm_connected{gwm=\"[2001:db8::1]:3860\"} 0\n");
  EXPECT_EQ(lines("saspd_gwm_last_valid_message_timestamp_seconds"),
            "saspd_gwm_last_valid_message_timestamp_seconds{gwm=\"gwm:3860\"} 1764083998.5\n");
  EXPECT_EQ(lines("saspd_gwm_interval_seconds"),
            "saspd_gwm_interval_seconds{gwm=\"gwm:3860\"} 10\n"
            "saspd_gwm_interval_seconds{gwm=\"[2001:db8::1]:3860\"} 0\n");
  EXPECT_EQ(lines("saspd_gwm_errors_total"),
            "saspd_gwm_errors_total{gwm=\"gwm:3860\",reason=\"protocol\"} 2\n"
            "saspd_gwm_errors_total{gwm=\"[2001:db8::1]:3860\",reason=\"protocol\"} 0\n");
  EXPECT_EQ(lines("saspd_gwm_tolerances_total"),
            "saspd_gwm_tolerances_total{gwm=\"gwm:3860\",kind=\"" +
                std::string(sasp::name(sasp::Tolerance::trailing_bytes)) + "\"} 1\n");
}

TEST_F(Metrics, TellWhatIsWrongWithAGroup) {
  Reconciler::GroupView web{"web", 0, {service("tcp:192.0.2.10:80")}, {}, {}};
  web.services[0].held = Reason::held_all_zero;
  web.services[0].weight_changes = {{Reason::advice, 3}, {Reason::quiesced, 1}};
  web.services.push_back(service("tcp:[2001:db8::10]:80"));
  web.services[1].weight_changes = {{Reason::advice, 4}};
  web.alarms = {{"no_fallback", true, "tcp:192.0.2.10:80", "..."}, {"mixed_kinds", false, "", ""}};
  Reconciler::GroupView db{"db", {}, {service("udp:192.0.2.10:53")}, {}, {}};
  db.services[0].present = false;
  status_.groups = {web, db};
  EXPECT_EQ(lines("saspd_groups_unbound"), "saspd_groups_unbound 1\n");
  EXPECT_EQ(lines("saspd_group_held"),
            "saspd_group_held{group=\"web\",reason=\"all_zero\"} 1\n"
            "saspd_group_held{group=\"web\",reason=\"panic\"} 0\n"
            "saspd_group_held{group=\"web\",reason=\"stale\"} 0\n"
            "saspd_group_held{group=\"db\",reason=\"all_zero\"} 0\n"
            "saspd_group_held{group=\"db\",reason=\"panic\"} 0\n"
            "saspd_group_held{group=\"db\",reason=\"stale\"} 0\n");
  EXPECT_EQ(lines("saspd_group_alarm"),
            "saspd_group_alarm{group=\"web\",service=\"\",alarm=\"mixed_kinds\","
            "urgent=\"false\"} 1\n"
            "saspd_group_alarm{group=\"web\",service=\"tcp:192.0.2.10:80\",alarm=\"no_fallback\","
            "urgent=\"true\"} 1\n");
  EXPECT_EQ(lines("saspd_weight_changes_total"),
            "saspd_weight_changes_total{group=\"web\",reason=\"quiesced\"} 1\n"
            "saspd_weight_changes_total{group=\"web\",reason=\"advice\"} 7\n");
}

TEST_F(Metrics, TellHowOldTheAdviceOfAGroupIs) {
  Reconciler::GroupView web{"web", 0, {}, {}, {}};
  web.freshness =
      Freshness{OnStale::hold, Guidance::lost, true, now - 200s, std::nullopt, now - 20s};
  Reconciler::GroupView db{"db", 0, {}, {}, {}};
  db.freshness = Freshness{OnStale::hold, Guidance::lost, false, {}, {}, now + 10s};
  status_.groups = {web, db};
  EXPECT_EQ(lines("saspd_group_advice_age_seconds"),
            "saspd_group_advice_age_seconds{group=\"web\"} 200\n");
  EXPECT_EQ(lines("saspd_group_advice_state"),
            "saspd_group_advice_state{group=\"web\",state=\"fresh\"} 0\n"
            "saspd_group_advice_state{group=\"web\",state=\"ageing\"} 0\n"
            "saspd_group_advice_state{group=\"web\",state=\"stale\"} 1\n"
            "saspd_group_advice_state{group=\"db\",state=\"fresh\"} 0\n"
            "saspd_group_advice_state{group=\"db\",state=\"ageing\"} 1\n"
            "saspd_group_advice_state{group=\"db\",state=\"stale\"} 0\n");
  EXPECT_NE(lines("saspd_group_held").find("{group=\"web\",reason=\"stale\"} 1\n"),
            std::string::npos);
}

TEST_F(Metrics, HaveTheLabelsOfNodeExporter) {
  Reconciler::GroupView group{"g", 0, {}, {}, {}};
  for (const auto& [at, server] :
       std::vector<std::pair<const char*, const char*>>{{"tcp:192.0.2.10:443", "10.0.0.1:8443"},
                                                        {"udp:[2001:db8::1]:53", "[fd00::1]:53"},
                                                        {"sctp:192.0.2.10:0", "10.0.0.1:0"},
                                                        {"fwmark:268439552", "10.0.0.1:0"}}) {
    group.members.push_back(member(at, server));
    group.members.back().effective_weight = 5;
  }
  status_.groups = {group};
  const auto line = [](std::string_view at, std::string_view port, std::string_view server,
                       std::string_view server_port, std::string_view proto,
                       std::string_view mark) {
    return fmt::format(
        "saspd_member_weight_effective{{group=\"g\",local_address=\"{}\",local_port=\"{}\","
        "remote_address=\"{}\",remote_port=\"{}\",proto=\"{}\",local_mark=\"{}\"}} 5\n",
        at, port, server, server_port, proto, mark);
  };
  EXPECT_EQ(lines("saspd_member_weight_effective"),
            line("192.0.2.10", "443", "10.0.0.1", "8443", "TCP", "") +
                line("2001:db8::1", "53", "fd00::1", "53", "UDP", "") +
                line("192.0.2.10", "0", "10.0.0.1", "0", "SCTP", "") +
                line("", "0", "10.0.0.1", "0", "FWM", "10001000"));
  EXPECT_EQ(lines("saspd_member_weight_effective", false), "");
  EXPECT_EQ(all().find("saspd_member_slots"), std::string::npos) << "IPVS has no slots";
}

TEST_F(Metrics, TellTheWeightsOfAMemberAndWhatTheyComeFrom) {
  Reconciler::GroupView web{"web", 0, {}, {}, {}};
  web.members = {member("tcp:192.0.2.10:80", "10.0.0.1:80"),
                 member("tcp:192.0.2.10:80", "10.0.0.2:80")};
  auto& advised = web.members[0];
  advised.advice = Advice{400, good, 0, now};
  advised.effective_weight = 100;
  advised.kernel_weight = 99;
  web.members[1].kernel_weight = 0;
  web.members[1].reason = Reason::foreign_zero;
  status_.groups = {web};
  const auto labels = [](int n, std::string_view more = "") {
    return fmt::format(
        "{{group=\"web\",local_address=\"192.0.2.10\",local_port=\"80\","
        "remote_address=\"10.0.0.{}\",remote_port=\"80\",proto=\"TCP\",local_mark=\"\"{}}}",
        n, more);
  };
  EXPECT_EQ(lines("saspd_member_weight_received"),
            "saspd_member_weight_received" + labels(1) + " 400\n");
  EXPECT_EQ(lines("saspd_member_weight_effective"), "saspd_member_weight_effective" + labels(1) +
                                                        " 100\n" + "saspd_member_weight_effective" +
                                                        labels(2) + " 0\n");
  EXPECT_EQ(lines("saspd_member_weight_kernel"), "saspd_member_weight_kernel" + labels(1) +
                                                     " 99\n" + "saspd_member_weight_kernel" +
                                                     labels(2) + " 0\n");
  const auto state = [&](int n, std::string_view name, int value) {
    return fmt::format("saspd_member_state{} {}\n", labels(n, fmt::format(",state=\"{}\"", name)),
                       value);
  };
  EXPECT_EQ(lines("saspd_member_state"),
            state(1, "contact", 1) + state(1, "quiesced", 0) + state(1, "confident", 1) +
                state(1, "held_foreign_zero", 0) + state(1, "held_unclear_zero", 0) +
                state(2, "held_foreign_zero", 1) + state(2, "held_unclear_zero", 0));
}

TEST_F(Metrics, TellWhatTheXdpProgramDoes) {
  status_.packets = {{"sent", 10}, {"no_backend", 1}};
  Reconciler::GroupView web{"web", 0, {}, {member("tcp:192.0.2.10:80", "10.0.0.1:80")}, {}};
  web.members[0].state = lb::DestinationState{77, true, "", 10, 640, 3};
  status_.groups = {web};
  EXPECT_EQ(lines("saspd_xdp_packets_total"),
            "saspd_xdp_packets_total{reason=\"sent\"} 10\n"
            "saspd_xdp_packets_total{reason=\"no_backend\"} 1\n");
  EXPECT_TRUE(lines("saspd_member_slots").ends_with("} 77\n"));
  EXPECT_TRUE(lines("saspd_member_reachable").ends_with("} 1\n"));
  EXPECT_TRUE(lines("saspd_member_packets_total").ends_with("} 10\n"));
  EXPECT_TRUE(lines("saspd_member_bytes_total").ends_with("} 640\n"));
  EXPECT_TRUE(lines("saspd_member_flows_total").ends_with("} 3\n"));
}

// field-cases F 12: one series twice, and Prometheus refuses all of them. One server in two
// services of a group, in two groups, behind marks of both families; one alarm for two reasons; odd
// names.
TEST_F(Metrics, HaveNoSeriesTwice) {
  const std::vector<const char*> services{"tcp:192.0.2.10:80",
                                          "tcp:192.0.2.10:443",
                                          "udp:192.0.2.10:443",
                                          "tcp:[2001:db8::10]:80",
                                          "fwmark:7",
                                          "fwmark6:7",
                                          "fwmark:8"};
  for (const char* name : {"web", "api", "a\xff", "a\\xff", "fwmark:7"}) {
    Reconciler::GroupView group{name, 0, {}, {}, {}};
    for (const char* key : services) {
      group.services.push_back(service(key));
      group.services.back().weight_changes = {{Reason::advice, 1}, {Reason::quiesced, 1}};
      for (const char* server : {"10.0.0.1:80", "10.0.0.1:0", "[2001:db8::1]:80"}) {
        auto& added = group.members.emplace_back(member(key, server));
        added.advice = Advice{1, good, 0, now};
        added.kernel_weight = 1;
        added.state = lb::DestinationState{77, true, "", 10, 640, 3};
      }
    }
    for (const char* detail : {"one reason", "another reason"}) {
      group.alarms.push_back({"no_fallback", true, "fwmark:7", detail});
      group.alarms.push_back({"many_members", true, "", detail});
    }
    status_.groups.push_back(group);
  }
  GwmStatus gwm;
  gwm.endpoint = "gwm:3860";
  status_.gwms = {gwm, gwm};
  status_.gwms[1].endpoint = "gwm:3861";
  status_.packets = {{"sent", 10}, {"no_backend", 1}};
  const test::MetricsText text(all());
  EXPECT_EQ(text.faults(), std::vector<std::string>());
  const std::size_t members = 5 * services.size() * 3;
  EXPECT_GT(text.samples(), members * 10) << "this test shows nothing";
}

TEST_F(Metrics, CountWhatThePassesDid) {
  Work nothing;
  counters_.count(nothing, 1s);
  Work failed;
  failed.failures = {fail(std::errc::operation_not_permitted, "x"),
                     fail(std::errc::operation_not_permitted, "y"),
                     fail(std::errc::no_buffer_space, "z")};
  counters_.count(failed, 2ms);
  Work not_listed;
  not_listed.list_error = fail(std::errc::timed_out, "t");
  counters_.count(not_listed, 1s);
  counters_.loop_lag = 250ms;
  status_.kernel_error = "no";
  EXPECT_EQ(lines("saspd_apply_errors_total"),
            "saspd_apply_errors_total{backend=\"ipvs\",errno=\"ENOBUFS\"} 1\n"
            "saspd_apply_errors_total{backend=\"ipvs\",errno=\"EPERM\"} 2\n");
  EXPECT_EQ(lines("saspd_list_errors_total"),
            "saspd_list_errors_total{backend=\"ipvs\",errno=\"ETIMEDOUT\"} 1\n");
  EXPECT_EQ(lines("saspd_kernel_ok"), "saspd_kernel_ok 0\n");
  EXPECT_EQ(lines("saspd_event_loop_lag_seconds"), "saspd_event_loop_lag_seconds 0.25\n");
  const auto passes = lines("saspd_apply_duration_seconds");
  EXPECT_NE(passes.find("saspd_apply_duration_seconds_count{backend=\"ipvs\"} 1\n"),
            std::string::npos)
      << passes;
  EXPECT_NE(passes.find("_bucket{backend=\"ipvs\",le=\"0.001\"} 0\n"), std::string::npos) << passes;
  EXPECT_NE(passes.find("_bucket{backend=\"ipvs\",le=\"0.0025\"} 1\n"), std::string::npos);
}

}  // namespace
}  // namespace saspd::director
