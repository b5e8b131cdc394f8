// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_gwm/connections.hpp"

#include <utility>

#include <fmt/format.h>

#include "controller/gwm/describe.hpp"

namespace saspd::programs {

using namespace gwm;
using namespace sasp;

Connections::Connections(boost::asio::io_context& io, net::GwmServerConfig config,
                         Authority authority, std::chrono::seconds retention,
                         WorkloadManager& manager, cli::LimitedLog& log, std::function<void()> work)
    : retention_(retention),
      manager_(manager),
      log_(log),
      work_(std::move(work)),
      authority_(std::move(authority)),
      server_(io, std::move(config), *this) {}

void Connections::connected(ConnectionId id, const Endpoint& endpoint,
                            const std::optional<PeerIdentity>& identity) {
  Peer& peer = peers_[id];
  peer.endpoint = endpoint;
  peer.rights = authority_.rights_of(endpoint.address, identity);
  log_.unlimited().debug("{}: connected{}", endpoint.text(),
                         identity ? ", " + identity->text() : "");
}

bool Connections::may_go_on(const Rights& rights, const std::string& lb_uid) const {
  const auto& lb = manager_.load_balancers().find(lb_uid)->second;
  return rights.may_be(lb_uid) && group_left_out(rights, lb_uid, lb) == nullptr;
}

void Connections::judge_again(Authority authority) {
  authority_ = std::move(authority);
  manager_.judge_again(authority_);
  for (auto& [id, peer] : peers_) {
    peer.rights = authority_.rights_of(peer.rights);
    const std::string* lb_uid = manager_.attached_to(id);
    if (lb_uid == nullptr || may_go_on(peer.rights, *lb_uid)) continue;
    server_.close(id, fail(std::errc::permission_denied,
                           fmt::format("{} may no longer speak as it", peer.rights.peer)));
  }
}

std::optional<Endpoint> Connections::peer(ConnectionId id) const {
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return std::nullopt;
  return peer->second.endpoint;
}

net::GwmAnswer Connections::handle(ConnectionId id, const GwmRequest& request) {
  Peer& peer = peers_[id];
  Outcome outcome = manager_.handle({id, peer.rights}, request.message, Clock::now());
  if (outcome.replaced) close_replaced(*outcome.replaced, peer, *outcome.attached);
  if (outcome.attached) tell_attached(peer, *outcome.attached);
  if (outcome.changed)
    log_.info(fmt::format("{}: {}", peer.endpoint.text(), describe(request.message)));
  const bool accepted = outcome.refusal.empty();
  tell_refusal(peer, std::move(outcome.refusal), outcome.unauthorized);
  tell_tolerances(peer, request.tolerances);
  counters_.count(request.message, outcome.reply);
  work_();
  return {std::move(outcome.reply), accepted};
}

void Connections::not_understood(ConnectionId id, const Error& why) {
  ++counters_.not_understood;
  tell_refusal(peers_[id], why.detail);
}

void Connections::disconnected(ConnectionId id, const Error& why) {
  const std::string peer = peers_[id].endpoint.text();
  if (const std::string* lb_uid = manager_.attached_to(id)) {
    log_.info(fmt::format("LB '{}' disconnected from {}: {}; kept for {} s", *lb_uid, peer,
                          why.detail, retention_.count()));
  } else if (why.code.category() == category() || why.code == std::errc::timed_out ||
             why.code == std::errc::protocol_error) {
    log_.warning(fmt::format("{}: {}; connection closed", peer, why.detail));
  } else {
    log_.unlimited().debug("{}: {}", peer, why.detail);
  }
  peers_.erase(id);
  manager_.disconnected(id, Clock::now());
  work_();
}

void Connections::not_accepted(const Error& why) {
  ++counters_.rejected;
  log_.rejection(why.detail);
}

void Connections::writable(ConnectionId id) {
  manager_.writable(id, Clock::now());
  work_();
}

// sasp-interop row 36.
void Connections::close_replaced(ConnectionId replaced, const Peer& by, const std::string& lb_uid) {
  const Endpoint old = peers_[replaced].endpoint;
  const auto now = Clock::now();
  duplicates_.replaced(lb_uid, old, by.endpoint, now);
  log_.warning(fmt::format(
      "LB '{}': the connection from {} replaces that from {}, which is closed (replacement {})",
      lb_uid, by.endpoint.text(), old.text(),
      manager_.load_balancers().find(lb_uid)->second.replacements));
  server_.close(replaced, fail(std::errc::connection_aborted,
                               fmt::format("replaced by {}", by.endpoint.text())));
}

void Connections::tell_attached(const Peer& peer, const std::string& lb_uid) {
  log_.info(fmt::format("LB '{}' connected from {}, {} groups are registered", lb_uid,
                        peer.endpoint.text(),
                        manager_.load_balancers().find(lb_uid)->second.groups.size()));
}

// The same refusal again is no news.
void Connections::tell_refusal(Peer& peer, std::string refusal, bool unauthorized) {
  if (unauthorized) unauthorized_.count(peer.endpoint, refusal, Clock::now());
  if (refusal == peer.last_refusal) return;
  peer.last_refusal = std::move(refusal);
  if (peer.last_refusal.empty()) return;
  log_.warning(fmt::format("{}{}: request refused, {}", unauthorized ? "unauthorized: " : "",
                           peer.endpoint.text(), peer.last_refusal));
}

// Once per peer and kind (sasp-interop row 1).
void Connections::tell_tolerances(Peer& peer, const ToleranceCounts& of_message) {
  if (!of_message.any()) return;
  for (std::size_t i = 0; i < tolerance_count; ++i) {
    const auto tolerance = static_cast<Tolerance>(i);
    if (of_message[tolerance] == 0 || peer.tolerances[tolerance] != 0) continue;
    log_.info(
        fmt::format("{}: tolerated {} (reported once)", peer.endpoint.text(), name(tolerance)));
  }
  peer.tolerances.add(of_message);
}

// All messages are one write, so that the connection takes them whole or not at all.
void Connections::send(Push push) {
  if (server_.push(push.connection, std::move(push.messages.bytes)))
    counters_.pushed += push.messages.count;
}

}  // namespace saspd::programs
