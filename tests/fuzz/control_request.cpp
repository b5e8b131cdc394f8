// SPDX-License-Identifier: Apache-2.0
// A line on the control socket is answered by both programs with an object that can be written
// down, and changes something only by a command that writes, of one who may.
#include <string_view>

#include <boost/json/serialize.hpp>

#include "controller/gwm/control.hpp"
#include "controller/report/control_protocol.hpp"
#include "controller/report/json.hpp"
#include "controller/saspd/status.hpp"
#include "tests/fuzz/check.hpp"

namespace {

namespace json = boost::json;
using namespace saspd;
using namespace saspd::director;
using saspd::fuzz::check;

const TimePoint now{std::chrono::hours{1}};

sasp::MemberData member(std::string_view address, std::uint16_t port) {
  return sasp::MemberData::of(
      {*IpAddress::parse(address), static_cast<std::uint8_t>(port == 0 ? 0 : 6), port}, "label");
}

gwm::ProbePlan probes() {
  gwm::ProbePlan plan;
  check(plan.add("web=http:/").has_value() && plan.add("web=agent:9777").has_value());
  return plan;
}

// With a load balancer, two groups and three members.
class Farm {
 public:
  Farm() {
    handle(sasp::SetLbStateRequest{"lb", sasp::max_lb_health, sasp::lb_flag::trust});
    handle(sasp::RegistrationRequest{
        .groups = {{{"lb", "web"}, {member("192.0.2.1", 80), member("2001:db8::1", 80)}},
                   {{"lb", "a/b"}, {member("192.0.2.1", 0)}}}});
  }
  gwm::ControlOutcome answer(const json::object& request, bool may_write) {
    return gwm::carry_out(request, may_write, manager_, around_, now);
  }
  std::size_t drained() const { return manager_.weigher().drains().of_operator().size(); }

 private:
  void handle(const sasp::Message& request) {
    check(manager_.handle({1, rights_}, request, now).refusal.empty());
  }

  gwm::Rights rights_ = gwm::Authority(true).rights_of(*IpAddress::parse("192.0.2.9"), {});
  gwm::WorkloadManager manager_{{{}, {}, probes()}};
  gwm::Surroundings around_{[](const auto&) { return nullptr; },
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

Status director() {
  Status status;
  status.gwms.resize(1);
  Reconciler::MemberView member;
  member.endpoint = *Endpoint::parse("192.0.2.1:80");
  member.service = *lb::parse_service("tcp:192.0.2.10:80");
  status.groups = {{"web", 0, {}, {member}, {}}};
  return status;
}

std::string_view text(const json::object& request, std::string_view key) {
  const auto* value = request.if_contains(key);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

void ask_saspd(const json::object& request) {
  static const Status status = director();
  if (const auto why = why_answer(status, text(request, "member"), now)) {
    check(json::serialize(report::to_json(*why)).find("192.0.2.1") != std::string::npos);
  }
  const auto members = members_answer(status, std::string(text(request, "group")), now);
  check(members.has_value() == (text(request, "group") == "web"));
}

void ask_gwm(const json::object& request, bool may_write) {
  Farm farm;
  const auto outcome = farm.answer(request, may_write);
  const bool refused = outcome.answer.contains("error");
  check(refused == outcome.answer.contains("exit_code"));
  check(refused != outcome.answer.contains("schema_version"));
  check(json::serialize(outcome.answer).find('\n') == std::string::npos);
  check(outcome.done.empty() == (farm.drained() == 0));
  check(outcome.done.empty() || (may_write && text(request, "command") == "drain"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto request = report::parse_control_request(line);
  if (!request) return 0;
  ask_gwm(*request, (data[0] & 1) != 0);
  ask_saspd(*request);
  return 0;
}
