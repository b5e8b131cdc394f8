// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/director.hpp"

#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "controller/ctl/render.hpp"
#include "controller/saspd/status.hpp"
#include "netlink/backend.hpp"

namespace saspd::simulation {

using namespace std::chrono_literals;

std::string group_name(unsigned service) {
  return fmt::format("group{}", service);
}
lb::ServiceKey service_key(unsigned service) {
  return *lb::parse_service(fmt::format("tcp:192.0.2.{}:80", 10 + service));
}
Endpoint server_of(unsigned service, unsigned n) {
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, static_cast<std::uint8_t>(service),
                                                    static_cast<std::uint8_t>(n >> 8U),
                                                    static_cast<std::uint8_t>(n + 1)}),
          8080};
}

bool is_configured(const Options& options, unsigned service) {
  return service < options.services && (options.left_out >> service & 1U) == 0;
}

// --- the disk

// As LedgerFile does: a text that is not believed is one that is not there.
director::Ledger Disk::load(std::vector<std::string>& warnings) const {
  auto ledger = director::Ledger::parse(text, place);
  if (ledger) return std::move(*ledger);
  warnings.push_back(ledger.error().detail);
  return {};
}

bool Disk::keep(const director::Ledger& ledger) {
  if (full) {
    text.clear();
    error_ = "no space";
    return false;
  }
  before();
  text = ledger.text(place);
  error_.clear();
  after();
  return true;
}

// --- the process

class Director::Plane : public lb::ObservedDataplane {
 public:
  Plane(std::unique_ptr<netlink::Ipvs> ipvs, Listener& listener)
      : ipvs_(std::move(ipvs)), listener_(listener) {}

  Result<lb::Table> list(std::span<const lb::ServiceKey> services) override {
    listener_.listing();
    auto table = ipvs_->list(services);
    listener_.listed(table.has_value());
    return table;
  }
  Result<lb::Table> list_all() override {
    listener_.listing();
    auto table = ipvs_->list_all();
    listener_.listed(table.has_value());
    return table;
  }
  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override {
    return ipvs_->apply(changes);
  }
  // Of the kernel that is simulated, not of this machine's.
  lb::KernelSettings settings() override {
    return {{"conn_reuse_mode", 1},
            {"expire_nodest_conn", 0},
            {"expire_quiescent_template", 1},
            {"sloppy_tcp", 0}};
  }

 private:
  std::unique_ptr<netlink::Ipvs> ipvs_;
  Listener& listener_;
};

namespace {

director::GroupSettings group_of(const Options& options, unsigned n) {
  director::GroupSettings group;
  group.name = group_name(n);
  group.services = {lb::plain_service(service_key(n))};
  if (!options.managed || n + 1 != options.services) return group;
  auto& manage = group.services[0].manage.emplace();
  manage.service.scheduler = options.scheduler;
  manage.open = false;
  for (unsigned server = 0; server < options.servers; ++server)
    group.members[server_of(n, server)];
  return group;
}

template <class Value>
using Words = std::map<std::string_view, Value>;
const Words<director::OnStale> on_stale_words{{"hold", director::OnStale::hold},
                                              {"static", director::OnStale::static_},
                                              {"drain", director::OnStale::drain}};
const Words<director::DriftPolicy> drift_words{{"overwrite", director::DriftPolicy::overwrite},
                                               {"report", director::DriftPolicy::report},
                                               {"adopt", director::DriftPolicy::adopt}};
const Words<director::GwmMerge> merge_words{{"primary", director::GwmMerge::primary},
                                            {"mean", director::GwmMerge::mean},
                                            {"min", director::GwmMerge::min},
                                            {"max", director::GwmMerge::max}};
template <class Value>
Value word_of(const Words<Value>& words, const std::string& word) {
  const auto found = words.find(word);
  if (found == words.end()) throw std::invalid_argument(word);
  return found->second;
}

director::Controller::Settings settings_of(const Options& options) {
  director::Controller::Settings settings;
  settings.reconciler.groups.clear();
  for (unsigned n = 0; n < options.services; ++n) {
    if (is_configured(options, n)) settings.reconciler.groups.push_back(group_of(options, n));
  }
  settings.reconciler.policy.hold_all_zero = options.hold_all_zero;
  settings.reconciler.policy.panic = options.panic;
  settings.reconciler.policy.on_stale = word_of(on_stale_words, options.on_stale);
  settings.reconciler.drift = word_of(drift_words, options.drift);
  settings.reconciler.merge = word_of(merge_words, options.merge);
  if (options.stale_after > 0)
    settings.reconciler.stale_after = std::chrono::seconds{options.stale_after};
  settings.reconciler.trust = options.trust;
  settings.reconciler.chunk = options.chunk;
  settings.session.lb_uid = lb_uid;
  settings.session.push = options.push;
  settings.session.no_change = options.no_change;
  settings.session.trust = options.trust;
  settings.gwms.clear();
  for (unsigned n = 0; n < options.gwms; ++n)
    settings.gwms.push_back(fmt::format("gwm{}:3860", n));
  settings.retry_min = std::chrono::seconds{options.retry_min};
  settings.seed = options.seed;
  settings.news.reconcile_interval = std::chrono::seconds{options.reconcile_interval};
  settings.backend = &netlink::ipvs_backend;
  settings.log_level = cli::Level::debug;
  return settings;
}

}  // namespace

std::unique_ptr<Director> Director::open(const Options& options, Disk& disk, Listener& listener,
                                         Wire wire, TimePoint now) {
  auto ipvs = netlink::Ipvs::open();
  if (!ipvs) return nullptr;
  auto plane = std::make_unique<Plane>(std::move(*ipvs), listener);
  return std::unique_ptr<Director>(
      new Director(options, disk, std::move(plane), std::move(wire), now));
}

Director::Director(const Options& options, Disk& disk, std::unique_ptr<Plane> plane, Wire wire,
                   TimePoint now)
    : options_(options),
      disk_(disk),
      wire_(std::move(wire)),
      plane_(std::move(plane)),
      controller_(*plane_, settings_of(options), now) {}

Director::~Director() = default;

void Director::start(TimePoint now) {
  std::vector<std::string> warnings;
  auto ledger = disk_.load(warnings);
  controller_.remember(std::move(ledger), disk_, warnings);
  settle();
  controller_.look_for_problems();
  work(now);
}

void Director::look_again(TimePoint now) {
  controller_.look_again();
  work(now);
}

void Director::work(TimePoint now) {
  if (options_.fifo) controller_.keepalived_says(wire_.keepalived(), "");
  controller_.work(now, director::WallTime(now.time_since_epoch()));
  settle();
}

void Director::undrain(const MemberName& member) {
  controller_.undrain(member, "the operator");
  settle();
}

void Director::reload(TimePoint now) {
  controller_.reconfigure(settings_of(options_), now);
  settle();
}

std::uint64_t Director::drifts(TimePoint now) const {
  std::uint64_t total = 0;
  for (const auto& group : controller_.status(now).groups)
    total += group.drift.total;
  return total;
}

void Director::settle() {
  auto output = controller_.output();
  for (const auto& line : output.log)
    wire_.log(line);
  for (auto& [gwm, step] : output.links)
    wire_.perform(gwm, std::move(step));
  if (output.work) wire_.work_soon();
}

std::vector<std::string> Director::problems(TimePoint now) {
  controller_.look_around({}, now);
  std::vector<std::string> texts;
  for (const auto& problem : controller_.journal().health().problems)
    texts.push_back(problem.text);
  return texts;
}

}  // namespace saspd::simulation
