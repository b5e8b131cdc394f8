// SPDX-License-Identifier: Apache-2.0
// What an operator sees of a fault: the health in its five forms, and the history, of the running
// programs, while it lasts, afterwards, and after a restart.
#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/http_get.hpp"

namespace saspd::test {
namespace {

class History : public SaspdOnXdp {
 protected:
  void start_keeping(const Arguments& more = {}) {
    Arguments arguments{"--metrics", "127.0.0.1:9860"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    start_saspd("web=tcp:192.0.2.10:80", 4, arguments);
  }
  int ctl(Arguments arguments, std::string* said = nullptr) {
    Arguments all{"saspctl", "--socket", path("control")};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return ends_with(std::move(all), said);
  }
  std::string said(Arguments arguments) {
    std::string text;
    ctl(std::move(arguments), &text);
    return text;
  }
  std::string health() {
    const auto now = status();
    const auto* found = now.is_object() ? now.as_object().if_contains("health") : nullptr;
    return found != nullptr ? std::string(found->at("state").as_string()) : std::string();
  }
  // Those of the history that have all of these words.
  json::array events(json::object request, const char* kind, const char* phase) {
    request["command"] = "history";
    const auto answer = net::control_request(path("control"), request, seconds{5});
    json::array found;
    if (!answer || !answer->contains("events")) return found;
    for (const auto& event : answer->at("events").as_array()) {
      if (event.at("kind") == kind && event.at("phase") == phase) found.push_back(event);
    }
    return found;
  }
  std::string get(const std::string& target) {
    std::string body;
    network_.director.run([&] { body = http_get(*Endpoint::parse("127.0.0.1:9860"), target); });
    return body;
  }
};

TEST_F(History, NamesALostGwmWhileItLastsAndAfterwards) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_keeping();
  ASSERT_TRUE(eventually([&] {
    return leads_by({40, 30, 20, 10}) && health() == "ok";
  })) << said({"status"});
  std::string text;
  EXPECT_EQ(ctl({"status"}, &text), 0);
  EXPECT_EQ(text.find("OK since "), 0U) << text;
  EXPECT_EQ(ctl({"status", "--check"}), 0);
  EXPECT_EQ(ctl({"status", "--nagios"}, &text), 0);
  EXPECT_EQ(text, "OK - no problem\n");
  EXPECT_EQ(get("/healthz"), "ok\n");
  EXPECT_TRUE(eventually([&] {
    return get("/metrics").find("saspd_health{state=\"ok\"} 1") != std::string::npos;
  })) << get("/metrics");

  gwm_.reset();
  ASSERT_TRUE(eventually([&] { return health() == "failed"; })) << said({"status"});
  EXPECT_EQ(ctl({"status", "--check"}, &text), 1);
  EXPECT_EQ(text.find("FAILED since "), 0U) << text;
  EXPECT_NE(text.find(": no GWM is established  [saspctl gwm retry 127.0.0.1:3860]"),
            std::string::npos)
      << text;
  EXPECT_EQ(ctl({"status", "--nagios"}, &text), 2);
  EXPECT_EQ(text.find("CRITICAL - no GWM is established"), 0U) << text;
  EXPECT_EQ(get("/healthz").find("failed\nfailed: no GWM is established\n"), 0U) << get("/healthz");
  EXPECT_TRUE(eventually([&] {  // a scrape is made once per second
    return get("/metrics").find("saspd_problem{kind=\"no_gwm\"} 1") != std::string::npos;
  })) << get("/metrics");
  EXPECT_NE(said({"--json", "gwm"}).find("\"health\":{\"state\":\"failed\""), std::string::npos);
  const auto lost = events({}, "gwm_lost", "begin").size();
  EXPECT_EQ(saspd_->times_logged("warning: GWM 127.0.0.1:3860"), 1U) << "one line of it";

  start_gwm();
  ASSERT_TRUE(eventually([&] { return health() == "ok"; })) << said({"status"});
  const auto ended = events({}, "gwm_lost", "end");
  ASSERT_EQ(ended.size(), lost);
  EXPECT_EQ(ended.back().at("gwm"), "127.0.0.1:3860");
  EXPECT_FALSE(ended.back().at("cause").is_null()) << "which beginning it ends";
}

TEST_F(History, NamesWeightsWithReasonOldAndNew) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_keeping();
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); }));
  advise({"40", "30", "20", "quiesce"});
  const auto quiesced = [&]() -> json::value {
    for (const auto& event : events({{"of", "web/10.0.4.2:80"}}, "weight", "once")) {
      if (event.at("is") == "0") return event;
    }
    return {};
  };
  ASSERT_TRUE(eventually([&] { return !quiesced().is_null(); })) << said({"history"});
  EXPECT_EQ(quiesced().at("was"), "10");
  EXPECT_EQ(quiesced().at("reason"), "quiesced");
  EXPECT_EQ(quiesced().at("group"), "web");
  const auto text = said({"history", "10.0.4.2:80", "--limit", "1"});
  EXPECT_NE(text.find("web/10.0.4.2:80"), std::string::npos) << text;
  EXPECT_NE(text.find("weight 10 -> 0 (quiesced)"), std::string::npos) << text;
  std::string refused;
  EXPECT_EQ(ctl({"history", "wbe"}, &refused), 65);
  EXPECT_NE(refused.find("no group 'wbe'; did you mean 'web'?"), std::string::npos) << refused;
  EXPECT_EQ(ctl({"status", "--since", "2h"}, &refused), 64);
}

// By the operator's commands, to the maps of the kernel.
TEST_F(History, NamesWhatTheOperatorDecidedAndItsEnd) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_keeping();
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); }));
  std::string text;
  EXPECT_EQ(ctl({"drain", "10.0.4.2:80"}, &text), 64) << "without an end";
  EXPECT_EQ(ctl({"set-weight", "10.0.4.2:80", "70", "--forever"}, &text), 0) << text;
  EXPECT_EQ(ctl({"drain", "web/10.0.1.2:80", "--for", "1h", "--reason", "new disk"}, &text), 0);
  EXPECT_NE(text.find("override web/10.0.1.2:80: weight 0 by uid 0"), std::string::npos) << text;
  EXPECT_TRUE(eventually([&] { return leads_by({0, 30, 20, 70}); })) << said({"status"});
  EXPECT_NE(said({"status"}).find("new disk  [saspctl release web/10.0.1.2:80]"),
            std::string::npos);
  saspd_->send(SIGKILL);
  saspd_.reset();
  start_keeping();
  ASSERT_TRUE(eventually([&] {
    return health() != "failed" && leads_by({0, 30, 20, 70});
  })) << said({"status"});
  EXPECT_EQ(ctl({"release", "10.0.4.2:80"}, &text), 0) << text;
  EXPECT_EQ(ctl({"set-weight", "10.0.1.2:80", "5", "--for", "2s"}, &text), 0) << text;
  EXPECT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); })) << said({"status"});
  EXPECT_GE(events({}, "override", "end").size(), 2U);
  EXPECT_EQ(ctl({"release", "10.0.1.2:80"}, &text), 65) << text;
}

TEST_F(History, OutlivesAKillAndARestart) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_keeping();
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}) && health() == "ok"; }));
  const auto before = events({}, "weight", "once").size();
  ASSERT_GT(before, 0U);
  saspd_->send(SIGKILL);
  saspd_.reset();
  start_keeping();
  ASSERT_TRUE(eventually([&] { return health() == "ok"; }));
  EXPECT_GE(events({{"limit", 10'000}}, "weight", "once").size(), before);
  EXPECT_EQ(events({{"limit", 10'000}}, "started", "once").size(), 2U);
}

}  // namespace
}  // namespace saspd::test
