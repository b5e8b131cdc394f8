// SPDX-License-Identifier: Apache-2.0
// What an operator asks saspctl for, on real IPVS: its text, its JSON and its exit codes.
#include <sys/stat.h>

#include <iterator>

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/privileges.hpp"

namespace saspd::test {
namespace {

class Operator : public SaspdOnIpvs {
 protected:
  struct Answer {
    int code;
    std::string text;

    json::object json() const { return json::parse(text).as_object(); }
  };
  // `as`: in front of saspctl, as_somebody_in().
  Answer asks(const Arguments& words, const Arguments& as = {}) {
    Arguments arguments = as;
    arguments.insert(arguments.end(), {programs + "/saspctl", "--socket", path("control")});
    arguments.insert(arguments.end(), words.begin(), words.end());
    Answer answer{};
    answer.code = ends_with(arguments, &answer.text);
    return answer;
  }

  // Without its periodic pass: what is written after a foreign change is written for the operator.
  void start_waiting_saspd(const Arguments& more = {}) {
    Arguments arguments = saspd_arguments();
    arguments.back() = "3600";
    arguments.insert(arguments.end(), more.begin(), more.end());
    saspd_.emplace(arguments, path("saspd.log"));
  }
  static void somebody_writes(int server, int weight) {
    Ipvsadm::run(fmt::format("-e -t 10.9.0.10:80 -r 10.9.1.{}:80 -m -w {}\n", server, weight));
  }
};

TEST_F(Operator, IsToldThatSaspdIsNotRunning) {
  EXPECT_EQ(asks({"export"}).code, 69);
}

TEST_F(Operator, RestoresTheWholeTableFromAnExport) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  Ipvsadm::run(
      "-A -f 7 -6 -s sh -b sh-fallback -p 60 -M 64\n-a -f 7 -6 -r [2001:db8::1]:0 -g -w 5 -x 9\n");
  const std::string saved = Ipvsadm::saved();
  const std::string thresholds = Ipvsadm::thresholds();
  const auto rules = asks({"export"});
  EXPECT_EQ(rules.code, 0);
  EXPECT_NE(rules.text.find("-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 40 -x 5000 -y 4000\n"),
            std::string::npos)
      << rules.text;
  const auto object = asks({"export", "--json"}).json();
  EXPECT_EQ(object.at("schema_version"), 1);
  EXPECT_EQ(object.at("rules").as_array().size(), 7U);
  saspd_.reset();
  kernel::output_of("ipvsadm -C");
  ASSERT_EQ(Ipvsadm::saved(), "");
  Ipvsadm::run(rules.text);
  EXPECT_EQ(Ipvsadm::saved(), saved);
  EXPECT_EQ(Ipvsadm::thresholds(), thresholds);
}

TEST_F(Operator, SeesThePlanThatReconcileWrites) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_waiting_saspd();
  ASSERT_TRUE(comes_to("40 30 20 10"));
  const std::string nothing = "nothing to write: the kernel is as decided\n";
  EXPECT_EQ(asks({"plan"}).text, nothing);
  EXPECT_EQ(asks({"reconcile"}).text, nothing);
  somebody_writes(1, 99);
  somebody_writes(4, 1);

  const std::string changes =
      "tcp:10.9.0.10:80 10.9.1.4:80 weight 1 -> 10\ntcp:10.9.0.10:80 10.9.1.1:80 weight 99 -> 40\n";
  EXPECT_EQ(asks({"plan"}).text, changes);
  const auto plan = asks({"plan", "--json"});
  EXPECT_EQ(plan.code, 0);
  const json::value change{{"action", "set_weight"},
                           {"service", "tcp:10.9.0.10:80"},
                           {"address", "10.9.1.4"},
                           {"port", 80},
                           {"old_weight", 1},
                           {"weight", 10},
                           {"text", "tcp:10.9.0.10:80 10.9.1.4:80 weight 1 -> 10"}};
  EXPECT_EQ(plan.json().at("plan").at(0), change) << plan.text;
  std::this_thread::sleep_for(seconds{2});  // the GWM speaks meanwhile
  EXPECT_EQ(kernel_weights(), "99 30 20 1") << "a plan writes nothing";

  const auto reconciled = asks({"reconcile"});
  EXPECT_EQ(reconciled.code, 0);
  EXPECT_EQ(reconciled.text, changes + "2 changes written\n");
  EXPECT_EQ(kernel_weights(), "40 30 20 10");
  EXPECT_NE(saspd_->log().find("10.9.1.1:80 weight 99 -> 40"), std::string::npos);

  somebody_writes(2, 1);
  const auto object = asks({"reconcile", "--json"}).json();
  EXPECT_EQ(object.at("written").as_array().size(), 1U);
  EXPECT_EQ(object.at("plan").as_array().size(), 0U);
  EXPECT_EQ(object.at("failures").as_array().size(), 0U);
  EXPECT_EQ(object.at("remaining"), 0);
  EXPECT_EQ(kernel_weights(), "40 30 20 10");
}

// The socket's group may ask; to change something takes root, our own user or saspd-admin.
TEST_F(Operator, WritesNothingWithoutTheRightTo) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_waiting_saspd();
  ASSERT_TRUE(comes_to("40 30 20 10"));
  std::filesystem::permissions(path(""), std::filesystem::perms(0711));
  struct stat socket {};
  ASSERT_EQ(::stat(path("control").c_str(), &socket), 0);
  const auto reader = as_somebody_in(socket.st_gid);
  somebody_writes(1, 99);
  EXPECT_EQ(asks({"plan"}, reader).code, 0);
  const auto [code, text] = asks({"reconcile"}, reader);
  EXPECT_EQ(code, 77) << text;
  EXPECT_NE(text.find("saspd-admin"), std::string::npos) << text;
  EXPECT_EQ(kernel_weights(), "99 30 20 10");
  EXPECT_EQ(asks({"reconcile"}).code, 0);
  EXPECT_EQ(kernel_weights(), "40 30 20 10");
}

TEST_F(Operator, IsToldWhatADryRunWouldWrite) {
  given_service();
  advise({"40", "10", "10", "10"});
  start_gwm();
  start_waiting_saspd({"--dry-run"});
  ASSERT_TRUE(eventually([&] { return saspd_->log().find("would write") != std::string::npos; }));
  const std::string change = "tcp:10.9.0.10:80 10.9.1.1:80 weight 10 -> 40\n";
  EXPECT_EQ(asks({"plan"}).text, change);
  const auto reconciled = asks({"reconcile"});
  EXPECT_EQ(reconciled.code, 0);
  EXPECT_EQ(reconciled.text, change + "dry run: nothing was written, this is what would be\n");
  const auto object = asks({"reconcile", "--json"}).json();
  EXPECT_EQ(object.at("dry_run"), true);
  EXPECT_EQ(object.at("written").as_array().size(), 0U);
  EXPECT_EQ(object.at("plan").as_array().size(), 1U);
  EXPECT_EQ(kernel_weights(), "10 10 10 10");
}

TEST_F(Operator, IsToldHowMuchOfABigPlanIsLeft) {
  constexpr int servers = 600;
  std::string service = "-A -t 10.9.0.10:80 -s wlc\n";
  std::string advice;
  for (int i = 0; i < servers; ++i) {
    const auto server = fmt::format("10.9.{}.{}:80", 2 + i / 200, 1 + i % 200);
    service += fmt::format("-a -t 10.9.0.10:80 -r {} -g -w 1\n", server);
    advice += fmt::format("web {} 7\n", server);
  }
  Ipvsadm::run(service);
  write_weights(advice);
  start_gwm();
  start_waiting_saspd();
  const auto all = [&](std::string_view weight) {
    std::istringstream weights(kernel_weights());
    return std::count(std::istream_iterator<std::string>(weights), {}, weight) == servers;
  };
  ASSERT_TRUE(eventually([&] { return all("7"); }));
  Ipvsadm::run("-C\n" + service);
  const auto object = asks({"reconcile", "--json"}).json();
  EXPECT_EQ(object.at("written").as_array().size(), 256U);
  EXPECT_EQ(object.at("remaining"), servers - 256);
  EXPECT_TRUE(eventually([&] { return all("7"); })) << "the rest does not follow";
}

TEST_F(Operator, IsToldWhatTheKernelRefused) {
  given_service();
  start_waiting_saspd({"--service", "new=tcp:10.9.0.11:80,manage,scheduler=nix,forward=masquerade",
                       "--member", "new=10.9.1.1:80"});
  ASSERT_TRUE(eventually([&] { return status().is_object(); }));
  const auto reconciled = asks({"reconcile"});
  EXPECT_EQ(reconciled.code, 1);
  EXPECT_NE(reconciled.text.find("not written: tcp:10.9.0.11:80 created: scheduler nix: the kernel "
                                 "has no scheduler 'nix'"),
            std::string::npos)
      << reconciled.text;
  const auto json = asks({"--json", "reconcile"});
  EXPECT_EQ(json.code, 1);
  EXPECT_TRUE(json.json().at("failures").at(0).is_string()) << json.text;
}

TEST_F(Operator, SeesAlarmsAndSystemMembers) {
  Ipvsadm::run("-A -f 7 -s mh\n-a -f 7 -r 10.9.1.1:0 -g -w 0\n-a -f 7 -r 10.9.1.2:0 -g -w 1\n");
  write_weights("marked 10.9.1.2 9\n");
  start_gwm();
  Arguments arguments = saspd_arguments();
  *std::find(arguments.begin(), arguments.end(), "web=tcp:10.9.0.10:80") = "marked=fwmark:7";
  saspd_.emplace(arguments, path("saspd.log"));
  ASSERT_TRUE(gwm_becomes("established"));
  const auto status = asks({"status", "--check"});
  EXPECT_EQ(status.code, 1) << "an urgent alarm is not healthy";
  EXPECT_NE(status.text.find("  10.9.1.1  "), std::string::npos) << status.text;
  EXPECT_NE(status.text.find("  alarm no_fallback of fwmark:7: mh without"), std::string::npos)
      << status.text;
  EXPECT_EQ(asks({"why", "marked/10.9.1.1"}).code, 0);
  Ipvsadm::run("-E -f 7 -s mh -b mh-fallback\n");
  // The zero that was there before the first start is nobody's that saspd knows of.
  EXPECT_EQ(asks({"undrain", "marked/10.9.1.1"}).code, 0);
  EXPECT_TRUE(eventually([&] { return asks({"status", "--check"}).code == 0; }));
}

TEST_F(Operator, SeesGroupsAndMembersAndWhatChanges) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  EXPECT_NE(asks({"gwm"}).text.find("  127.0.0.1:3860  established"), std::string::npos);
  EXPECT_NE(asks({"groups"}).text.find("  web    127.0.0.1:3860  4        yes"), std::string::npos);
  EXPECT_NE(asks({"members", "web"}).text.find("  10.9.1.4:80  -      10      10      10"),
            std::string::npos);
  EXPECT_EQ(asks({"members", "none"}).code, 65);
  EXPECT_EQ(asks({"lbs"}).text, "saspctl: lbs is for sasp-gwm, this is saspd\n");
  EXPECT_EQ(asks({"drain", "10.9.1.1:80"}).code, 64);

  Program watch({programs + "/saspctl", "--socket", path("control"), "watch"}, path("watch.log"));
  const auto sees = [&](std::string_view text) {
    return eventually([&] { return watch.log().find(text) != std::string::npos; });
  };
  ASSERT_TRUE(sees("  10.9.1.4:80 of web tcp:10.9.0.10:80: weight 10, advice\n")) << watch.log();
  advise({"40", "30", "20", "quiesce"});
  ASSERT_TRUE(sees(": weight 10, advice -> weight 0, quiesced\n")) << watch.log();
  gwm_.reset();
  ASSERT_TRUE(sees("  gwm 127.0.0.1:3860: established -> down_trying\n")) << watch.log();
}

TEST_F(Operator, SeesTheWeightsInPrometheusText) {
  start({"40", "30", "20", "quiesce"});
  ASSERT_TRUE(comes_to("40 30 20 0"));
  const Endpoint at = *Endpoint::parse("127.0.0.1:9860");
  const auto line = [](std::string_view name, int server, std::string_view value) {
    return fmt::format(
        "saspd_member_{}{{group=\"web\",local_address=\"10.9.0.10\",local_port=\"80\","
        "remote_address=\"10.9.1.{}\",remote_port=\"80\",proto=\"TCP\",local_mark=\"\"{}\n",
        name, server, value);
  };
  std::string text;
  const auto shows = [&](const std::string& expected) {
    const bool found = eventually([&] {
      text = test::http_get(at, "/metrics");
      return text.find(expected) != std::string::npos;
    });
    EXPECT_TRUE(found) << expected << " is not in\n" << text;
  };
  shows(line("weight_kernel", 1, "} 40"));
  shows(line("weight_received", 1, "} 40"));
  shows(line("weight_effective", 4, "} 0"));
  shows(line("state", 4, ",state=\"quiesced\"} 1"));
  shows("saspd_gwm_connected{gwm=\"127.0.0.1:3860\"} 1\n");
  shows("saspd_weight_changes_total{group=\"web\",reason=\"quiesced\"} 1\n");
  shows("saspd_groups_unbound 0\n");
  shows("process_resident_memory_bytes ");
}

TEST_F(Operator, RunsWithoutMetricsWhenTheirAddressIsTaken) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  ASSERT_TRUE(eventually([&] { return gwm_->log().find("listens on") != std::string::npos; }));
  start_saspd({"--metrics", "127.0.0.1:3860"});  // the GWM's
  ASSERT_TRUE(comes_to("40 30 20 10"));
  EXPECT_NE(saspd_->log().find("warning: no metrics: cannot listen on 127.0.0.1:3860: "),
            std::string::npos)
      << saspd_->log();
}

// Last: it takes IPVS out of the guest's kernel.
TEST_F(Operator, IsToldTheWordsOfAKernelThatCannotBeListed) {
  start_saspd();
  ASSERT_TRUE(eventually([&] { return status().is_object(); }));
  kernel::output_of(
      "echo /bin/false > /proc/sys/kernel/modprobe; rmmod $(lsmod | awk '/^ip_vs_/{print $1}') "
      "ip_vs");
  for (const char* command : {"plan", "reconcile", "export"}) {
    const auto answer = asks({command});
    EXPECT_EQ(answer.code, 74) << command;
    EXPECT_EQ(answer.text,
              "saspctl: the kernel's table cannot be listed: the kernel has no IPVS; load it with "
              "'modprobe ip_vs'\n");
  }
}

}  // namespace
}  // namespace saspd::test
