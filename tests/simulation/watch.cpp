// SPDX-License-Identifier: Apache-2.0
// What clients and the operator see while it goes on, each second: who is led where, and whether that
// is what the GWMs have said for a while.
#include <algorithm>

#include "tests/simulation/reference.hpp"
#include "tests/simulation/world.hpp"

namespace saspd::simulation {

using namespace std::chrono_literals;

namespace {

// What saspd may take to follow a word: a look at the kernel, and a pass.
Duration in_time(const Options& options) {
  return std::chrono::seconds{2 * options.reconcile_interval + 8};
}

}  // namespace

void World::watch_later() {
  after(1s, [this] {
    if (is_untroubled(in_time(options_))) {
      for (unsigned n = 0; n < options_.services; ++n)
        expect_service(n);
    }
    watch_later();
  });
}

// saspd and its kernel: nobody has touched them.
bool World::is_untroubled(Duration time) const {
  return director_ && ipvs_.loaded() && !forbidden_ && now_ - troubled_ >= time &&
         now_ - judge_.disturbed() >= time;
}

void World::expect_service(unsigned n) {
  const auto* service = ipvs_.find(service_key(n));
  if (service == nullptr || !is_configured(options_, n)) return;
  const auto group = group_name(n);
  if (options_.on_stale != "hold" && judge_.is_stale(group, shortest_patience(options_)))
    return expect_drained(n, *service);
  // The new connections of clients, by who gets them.
  const auto reached = clients_reach(*service);
  for (const auto& row : service->destinations) {
    ipvs_.set_connections(service_key(n), row.server,
                          reached.contains(row.server) ? reached.at(row.server) : 0);
    expect_server(n, row);
  }
}

// Only what was advised in this life is, since the service is there.
void World::expect_drained(unsigned n, const IpvsKernel::Service& service) {
  const auto group = group_name(n);
  const bool was_advised =
      std::any_of(judge_.said.begin(), judge_.said.end(), [&](const Said& said) {
        return said.freshness(group).named > judge_.appeared(service_key(n));
      });
  const auto long_ago = shortest_patience(options_) + std::chrono::seconds{options_.interval} +
                        in_time(options_) + 30s;
  const bool is_due = options_.on_stale == "drain" && was_advised &&
                      judge_.is_unconfirmed(group, long_ago) && now_ - troubled_ > long_ago;
  const bool any_led =
      std::any_of(service.destinations.begin(), service.destinations.end(), [&](const auto& row) {
        return row.real.weight > 0 && !judge_.is_foreign(service_key(n), row.server);
      });
  if (is_due && any_led)
    judge_.complain(lb::text(service_key(n)) + ": its advice is stale, and it is not drained");
}

void World::expect_server(unsigned n, const IpvsKernel::Row& row) {
  const auto key = service_key(n);
  const bool is_ours =
      judge_.is_managed(key) || judge_.zero_of(key, row.server) == Judge::Zero::ours;
  if (row.real.weight > 0 && !judge_.is_foreign(key, row.server) && all_say(n, row.server, true) &&
      !judge_.may_be_told(key, row.server))
    judge_.complain(fmt::format("{} {}: clients are led to it, though it is quiesced",
                                lb::text(key), row.server.text()));
  if (row.real.weight == 0 && is_ours && !judge_.may_be_told(key, row.server) &&
      all_say(n, row.server, false))
    judge_.complain(fmt::format("{} {}: no client is led to it, though it may serve", lb::text(key),
                                row.server.text()));
}

// All that are connected, for a while: it is quiesced, or it may serve.
bool World::all_say(unsigned n, const Server& server, bool quiesced) const {
  bool anyone = false;
  for (std::size_t gwm = 0; gwm < gwms_.size(); ++gwm) {
    if (links_[gwm].connection == 0 || !links_[gwm].established) return false;
    const bool says_now =
        judge_.said[gwm].freshness(group_name(n)).confirmed > judge_.appeared(service_key(n));
    if (!says_now) return false;
    const auto* said = judge_.said[gwm].said_for(in_time(options_), group_name(n), server, now_);
    if (said == nullptr) return false;
    using namespace sasp::weight_flag;
    const auto has = [said](std::uint8_t flag) { return (said->flags & flag) != 0; };
    const bool says = quiesced
                          ? has(quiesce)
                          : has(contact) && has(confident) && !has(quiesce) && said->weight > 0;
    if (!says) return false;
    anyone = true;
  }
  return anyone;
}

// Whatever others write to what it knows is an event.
void World::expect_drifts_told() {
  if (judge_.drifts() == drifts_told_of_) return;
  if (director_->drifts(now_) - drifts_before_ < judge_.drifts())
    judge_.complain("another program has written, and saspd does not tell of it");
  drifts_told_of_ = judge_.drifts();
}

// From now on, for the running saspd and for those that start later.
void World::use(const Options& options) {
  options_ = options;
  troubled_ = now_;
  judge_.reloaded();
  within([this](Director& director) { director.reload(now_); });
  drifts_told_of_ = 0;
  drifts_before_ = director_ ? director_->drifts(now_) : 0;
}

}  // namespace saspd::simulation
