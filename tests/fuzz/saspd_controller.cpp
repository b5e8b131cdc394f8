// SPDX-License-Identifier: Apache-2.0
// Whatever a GWM sends saspd, nothing but weights is written, of destinations that exist, and never
// over somebody else's zero; what saspd says in return reads strictly, and its status can be shown.
// The input is cut by size bytes: a zero lets time pass to the next deadline.
#include <algorithm>

#include <boost/json/serialize.hpp>

#include "controller/report/json.hpp"
#include "controller/saspd/controller.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/support/fake_dataplane.hpp"
#include "tests/support/fake_ledger.hpp"

namespace {

using namespace saspd;
using namespace saspd::director;
using saspd::fuzz::check;

const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
const lb::ServiceKey dns = *lb::parse_service("udp:[2001:db8::10]:53");

class Director {
 public:
  Director() : controller_(plane_, settings(), now_) {
    add(web, "10.0.0.1:80", 10);
    add(web, "10.0.0.2:80", 0);  // somebody drains it
    add(dns, "[2001:db8::1]:53", 1);
    start_ = plane_.table;
    controller_.remember(ledger_.load(), ledger_, {});
    work();
    connect();
  }

  void hears(sasp::ByteView bytes) {
    take(controller_.received(0, sasp::Bytes(bytes.begin(), bytes.end()), now_));
  }
  void waits() {
    if (const auto due = controller_.deadline(0)) now_ = std::max(now_, *due);
    take(controller_.timed_out(0, now_));
    controller_.look_again();
    work();
  }
  void check_kernel() {
    lb::Table table = plane_.table;
    check(table.at(web).destinations.at(*Endpoint::parse("10.0.0.2:80")).weight == 0);
    for (auto& [service, pool] : table) {
      for (auto& [endpoint, destination] : pool.destinations) {
        check(destination.weight <= lb::max_weight);
        destination.weight = start_.at(service).destinations.at(endpoint).weight;
      }
    }
    check(table == start_);
  }
  void check_status() {
    const auto status = controller_.status(now_);
    check(status.kernel_error.empty());
    check(!boost::json::serialize(report::to_json(status_answer(status, now_))).empty());
    check(!controller_.status_line().empty());
  }

 private:
  static Controller::Settings settings() {
    Controller::Settings settings;
    settings.backend = &test::fake_backend;
    settings.session.lb_uid = "lb1";
    settings.session.max_message = 4096;
    settings.session.trust = true;
    settings.reconciler.trust = true;
    settings.reconciler.groups = {{"web", {plain_service(web)}, {}},
                                  {"dns", {plain_service(dns)}, {}}};
    return settings;
  }
  void add(const lb::ServiceKey& service, const char* text, std::uint32_t weight) {
    auto& pool = plane_.table[service];
    pool.scheduler = "wlc";
    auto& destination = pool.destinations[*Endpoint::parse(text)];
    destination.endpoint = *Endpoint::parse(text);
    destination.weight = weight;
    destination.upper_threshold = 7;
  }
  void connect() {
    controller_.connecting(0, now_);
    take(controller_.connected(0, now_));
  }
  void take(const sasp::LinkStep& step) {
    check_sent(step.send);
    if (step.close) {
      check(step.send.empty() && !step.close->detail.empty());
      now_ += controller_.ended(0, {step.close->detail}, now_);
      connect();
    }
    settle();
  }
  void work() {
    controller_.work(now_, {});
    settle();
  }
  void settle() {
    const auto output = controller_.output();
    for (const auto& line : output.log)
      check(!line.text.empty());
    for (const auto& [gwm, step] : output.links)
      take(step);
    if (output.work) work();
  }
  static void check_sent(const sasp::Bytes& bytes) {
    sasp::Framer framer;
    framer.append(bytes);
    auto next = framer.next();
    for (; next && next->has_value(); next = framer.next()) {
      check(sasp::decode(**next, {.accept_trailing = false, .accept_long_components = false})
                .has_value());
    }
    check(next.has_value() && !framer.partial());
  }

  test::FakeDataplane plane_;
  test::FakeLedger ledger_;
  TimePoint now_{std::chrono::hours{1}};
  Controller controller_;
  lb::Table start_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Director director;
  sasp::ByteView input(data, size);
  while (!input.empty()) {
    const std::size_t announced = input[0];
    const auto part = input.subspan(1, std::min(announced, input.size() - 1));
    input = input.subspan(1 + part.size());
    if (announced == 0) {
      director.waits();
    } else {
      director.hears(part);
    }
    director.check_kernel();
  }
  director.check_status();
  return 0;
}
