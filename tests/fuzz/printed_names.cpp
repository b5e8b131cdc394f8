// SPDX-License-Identifier: Apache-2.0
// Names, labels and errors come from peers, agents and the kernel. Whatever they hold: an answer on
// the control socket is one line of clean JSON that gives them back, saspctl shows it in harmless
// lines, Prometheus reads its metrics, ipvsadm its rules, and the log has one line for one event.
// The first byte of the input chooses what is looked at; the rest is a row of texts, each behind a
// byte with its length.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/cli/log.hpp"
#include "controller/ctl/outcome.hpp"
#include "controller/gwm/control.hpp"
#include "controller/gwm/describe.hpp"
#include "controller/gwm/metrics.hpp"
#include "controller/report/control_protocol.hpp"
#include "controller/report/json.hpp"
#include "controller/saspd/metrics.hpp"
#include "netlink/ipvsadm_rules.hpp"
#include "tests/fuzz/shown.hpp"

namespace {

namespace json = boost::json;
using namespace saspd;
using namespace saspd::director;
using saspd::ctl::Command;
using saspd::fuzz::check;

const TimePoint now{std::chrono::hours{1}};
constexpr std::size_t max_answer = std::size_t{1} << 24;

class Texts {
 public:
  Texts(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}
  std::string next() {
    const std::size_t length = byte();
    const std::string text(rest_.substr(0, length));
    rest_.remove_prefix(text.size());
    return text;
  }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return first;
  }
  std::uint32_t number() {
    std::uint32_t all = 0;
    for (int i = 0; i < 4; ++i)
      all = all << 8 | byte();
    return all;
  }

 private:
  std::string_view rest_;
};

// --- what is read

// JSON has no way to hold other names.
bool is_utf8(const std::string& name) {
  boost::system::error_code ec;
  json::parse(json::serialize(json::value(name)), ec);
  return !ec;
}

void check_same(const json::value& shown, const std::string& name) {
  if (is_utf8(name)) check(shown.as_string() == name);
}

// As it travels from the program to saspctl and other readers.
json::object received(const json::object& answer) {
  const std::string line = report::control_line(answer, max_answer);
  check(std::count(line.begin(), line.end(), '\n') == 1);
  fuzz::check_harmless(line);
  return json::parse(line).as_object();
}

std::string shown(Command command, const json::object& answer) {
  ctl::Options asked;
  asked.command = command;
  const auto outcome = ctl::outcome(asked, answer, false);
  check(outcome.err.empty());
  fuzz::check_harmless(outcome.out);
  asked.json = true;
  fuzz::check_harmless(ctl::outcome(asked, answer, false).out);
  return outcome.out;
}

// A line in the log; the longest is PIPE_BUF.
void check_logged(cli::LogFormat format, const std::string& text) {
  static const int file = ::memfd_create("log", 0);
  check(::ftruncate(file, 0) == 0 && ::lseek(file, 0, SEEK_SET) == 0);
  cli::Log(cli::LogOptions{cli::Level::info, format}, file).warning("peer: {}", text);
  std::string line(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
  check(::pread(file, line.data(), line.size(), 0) == static_cast<ssize_t>(line.size()));
  check(std::count(line.begin(), line.end(), '\n') == 1 && line.size() <= PIPE_BUF);
  // A cut line may end within a character.
  if (line.size() < PIPE_BUF) fuzz::check_harmless(line);
  const bool control = std::any_of(line.begin(), line.end() - 1, [](char c) {
    return (static_cast<unsigned char>(c) < 0x20) || c == 0x7F;
  });
  check(!control);
}

// --- saspd

Reconciler::MemberView member_of(const lb::ServiceKey& service, std::string_view endpoint,
                                 Texts& texts) {
  Reconciler::MemberView member;
  member.endpoint = *Endpoint::parse(endpoint);
  member.protocol = 6;
  member.service = service;
  member.advice = Advice{};
  member.label = texts.next();
  member.state.emplace();
  member.state->next_hop = texts.next();
  return member;
}

// Two servers in services of both families, marks of one number among them.
Reconciler::GroupView group_of(std::string name, Texts& texts) {
  Reconciler::GroupView group{std::move(name), 0, {}, {}, {}};
  for (const char* key : {"tcp:192.0.2.10:80", "udp:[2001:db8::1]:80", "fwmark:7", "fwmark6:7"}) {
    Reconciler::ServiceView service;
    service.key = *lb::parse_service(key);
    service.present = true;
    service.scheduler = texts.next();
    for (const char* endpoint : {"192.0.2.1:80", "[2001:db8::1]:80"})
      group.members.push_back(member_of(service.key, endpoint, texts));
    group.services.push_back(std::move(service));
  }
  for (int i = 0; i < 2; ++i)
    group.alarms.push_back({"no_fallback", true, texts.next(), texts.next()});
  return group;
}

Status status_of(Texts& texts) {
  Status status;
  status.lb_uid = texts.next();
  status.kernel_error = texts.next();
  status.packets = {{texts.next(), 1}};
  status.gwms.resize(1);
  status.gwms[0].endpoint = texts.next();
  status.gwms[0].state = report::LinkState::established;
  status.gwms[0].last_error = texts.next();
  const auto first = texts.next();
  const auto second = texts.next();
  status.groups = {group_of(first, texts)};
  if (second != first) status.groups.push_back(group_of(second, texts));
  status.tls_error = texts.next();
  status.ledger_error = texts.next();
  status.keepalived_error = texts.next();
  return status;
}

void check_saspd(const Status& status) {
  check_logged(cli::LogFormat::journal, status.gwms[0].last_error + status.kernel_error);
  const auto& group = status.groups.front();
  const auto& member = group.members.front();
  const auto answer = received(report::to_json(status_answer(status, now)));
  check_same(answer.at("lb_uid"), status.lb_uid);
  check_same(answer.at("gwm").at(0).at("endpoint"), status.gwms[0].endpoint);
  check_same(answer.at("groups").at(0).at("name"), group.name);
  check_same(answer.at("groups").at(0).at("members").at(0).at("label"), member.label);
  const auto table = shown(Command::status, answer);
  if (is_utf8(group.name)) check(table.find(printable(group.name)) != std::string::npos);

  (void)shown(Command::gwm, received(report::to_json(gwms_answer(status, now))));
  (void)shown(Command::groups, received(report::to_json(groups_answer(status, now))));
  (void)shown(Command::members,
              received(report::to_json(*members_answer(status, group.name, now))));
  (void)shown(Command::why, received(report::to_json(*why_answer(status, "192.0.2.1:80", now))));
  (void)received(report::to_json(watch_answer(status)));
}

void check_saspd_metrics(const Status& status) {
  MetricCounters counters;
  counters.apply_errors[status.kernel_error] = 1;
  const auto samples = fuzz::parse_metrics(
      metrics::text(metric_families(status, counters, true, now, metrics::WallTime{})));
  const auto as_label = [](const std::string& name) {
    const bool looks_escaped =
        name.find("\\x") != std::string::npos || name.find("\\\\") != std::string::npos;
    return is_clean_utf8(name) && !looks_escaped ? name : printable(name);
  };
  const fuzz::Sample held{"saspd_group_held",
                          {{"group", as_label(status.groups[0].name)}, {"reason", "all_zero"}}};
  check(samples.contains(held));
  check(samples.contains({"saspd_gwm_connected", {{"gwm", as_label(status.gwms[0].endpoint)}}}));
}

// --- ipvsadm

// "-r" of "-a -t 192.0.2.10:80 -r 192.0.2.1:80 -m"
std::string_view word_after(std::string_view rule, std::string_view option) {
  const auto at = rule.find(option);
  check(at != std::string_view::npos);
  rule.remove_prefix(at + option.size());
  return rule.substr(0, rule.find(' '));
}

void check_rules(Texts& texts) {
  lb::Pool pool;
  pool.scheduler = "wrr";
  pool.flags = texts.number();
  pool.timeout = texts.number();
  pool.netmask = texts.number();
  lb::Destination destination;
  destination.endpoint = {*IpAddress::parse("192.0.2.1"),
                          static_cast<std::uint16_t>(texts.number())};
  destination.weight = texts.number();
  destination.forward = static_cast<lb::Forward>(texts.byte() % 5);
  destination.tunnel = {texts.byte(), static_cast<std::uint16_t>(texts.number()), texts.byte()};
  destination.upper_threshold = texts.number();
  destination.lower_threshold = texts.number();
  pool.destinations = {{destination.endpoint, destination}};
  const auto key = *lb::parse_service(texts.byte() % 2 == 0 ? "tcp:192.0.2.10:80" : "fwmark6:7");

  const lb::Table table{{key, pool}};
  const auto rules = netlink::ipvsadm_rules(table);
  check(rules.size() == 2 && rules[0].starts_with("-A ") && rules[1].starts_with("-a "));
  for (const auto& rule : rules)
    check(is_clean_utf8(rule));
  check(word_after(rules[0], " -s ") == "wrr");
  check(Endpoint::parse(word_after(rules[1], " -r ")).value() == destination.endpoint);
  check(word_after(rules[1], " -w ") == std::to_string(destination.weight));
  const auto out = shown(Command::export_rules, received(report::to_json(export_answer(rules))));
  check(out == rules[0] + "\n" + rules[1] + "\n");
}

// --- sasp-gwm

sasp::MemberData tcp(std::string_view address, std::string label) {
  return sasp::MemberData::of({*IpAddress::parse(address), 6, 80}, std::move(label));
}

// Two load balancers with a group each, if the registry takes their names.
class Farm {
 public:
  explicit Farm(Texts& texts) : health_(now) {
    const std::string first = texts.next();
    const std::string second = texts.next();
    for (const auto& [connection, uid] : {std::pair{1U, first}, {2U, second}}) {
      handle(connection, sasp::SetLbStateRequest{uid, 255, sasp::lb_flag::trust});
      handle(connection,
             sasp::RegistrationRequest{
                 .groups = {{{uid, texts.next()},
                             {tcp("192.0.2.1", texts.next()), tcp("2001:db8::1", texts.next())}}}});
    }
    around_.weights_file = texts.next();
    around_.weights_error = texts.next();
    around_.authority_file = texts.next();
    around_.authority_error = texts.next();
    around_.unauthorized.count(*Endpoint::parse("192.0.2.9:1"), texts.next(), now);
    health_.add({false, texts.next(), now, {}, {}}, {});
    around_.tls_error = texts.next();
  }

  json::object answer(json::object request) {
    return gwm::carry_out(request, true, manager_, around_, now).answer;
  }
  std::string metrics() {
    return metrics::text(gwm::metric_families(manager_, around_, counters_, {}, true, now));
  }
  const gwm::LoadBalancers& lbs() const { return manager_.load_balancers(); }

 private:
  void handle(gwm::ConnectionId connection, const sasp::Message& request) {
    const auto outcome = manager_.handle({connection, rights_}, request, now);
    counters_.count(request, outcome.reply);
    check_logged(cli::LogFormat::text,
                 outcome.refusal.empty() ? gwm::describe(request) : outcome.refusal);
  }
  static gwm::ProbePlan plan() {
    gwm::ProbePlan plan;
    check(plan.add("tcp").has_value());
    return plan;
  }

  gwm::Rights rights_ = gwm::Authority(true).rights_of(*IpAddress::parse("192.0.2.9"), {});
  gwm::WorkloadManager manager_{{{}, {}, plan()}};
  gwm::MetricCounters counters_;
  gwm::Health health_;
  gwm::Surroundings around_{[this](const auto&) { return &health_; },
                            [](auto) { return std::nullopt; },
                            {},
                            std::chrono::seconds{10},
                            1,
                            {},
                            {},
                            {},
                            {},
                            {},
                            {}};
};

void check_gwm(Texts& texts) {
  Farm farm(texts);
  const auto lbs_answer = received(farm.answer({{"command", "lbs"}}));
  const auto& listed = lbs_answer.at("lbs").as_array();
  check(listed.size() == farm.lbs().size());
  for (const auto& lb : listed)
    check(farm.lbs().contains(std::string_view(lb.at("uid").as_string())));
  (void)shown(Command::lbs, lbs_answer);
  (void)shown(Command::status, received(farm.answer({{"command", "status"}})));
  (void)shown(Command::groups, received(farm.answer({{"command", "groups"}})));
  (void)shown(Command::members, received(farm.answer({{"command", "members"}})));
  const auto why_answer = received(farm.answer({{"command", "why"}, {"member", "192.0.2.1:80"}}));
  if (!why_answer.contains("error")) (void)shown(Command::why, why_answer);
  (void)received(farm.answer({{"command", "watch"}}));
  (void)fuzz::parse_metrics(farm.metrics());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Texts texts(data, size);
  switch (texts.byte() % 4) {
    case 0: check_saspd(status_of(texts)); break;
    case 1: check_saspd_metrics(status_of(texts)); break;
    case 2: check_gwm(texts); break;
    default: check_rules(texts);
  }
  return 0;
}
