// SPDX-License-Identifier: Apache-2.0
// The peers of sasp-gwm: who is connected, what each may do, what it asked for, and what the log is
// told of that.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "controller/cli/limited_log.hpp"
#include "controller/gwm/duplicates.hpp"
#include "controller/gwm/metrics.hpp"
#include "controller/gwm/workload_manager.hpp"
#include "controller/net/gwm_server.hpp"

namespace saspd::programs {

class Connections final : private net::GwmServerOwner {
 public:
  // `work` is called after each event that reached the manager. Manager and log outlive this, this
  // the run of the loop. `retention` is for the log.
  Connections(boost::asio::io_context& io, net::GwmServerConfig config, gwm::Authority authority,
              std::chrono::seconds retention, gwm::WorkloadManager& manager, cli::LimitedLog& log,
              std::function<void()> work);

  Result<Endpoint> listen(const Endpoint& endpoint) { return server_.listen(endpoint); }
  void stop_listening(const Endpoint& bound) { server_.stop_listening(bound); }
  void reconfigure(net::GwmServerConfig config, std::chrono::seconds retention) {
    server_.reconfigure(std::move(config));
    retention_ = retention;
  }
  void close_all() { server_.stop(); }  // TLS peers get a close_notify
  void check_certificates_again() { server_.check_certificates_again(); }
  // Replaces the authority. A peer that may not speak for a load balancer gets nothing
  // more.
  void judge_again(gwm::Authority authority);

  bool can_push(gwm::ConnectionId id) { return server_.can_push(id); }
  void send(gwm::Push push);

  std::size_t size() const { return peers_.size(); }
  std::optional<Endpoint> peer(gwm::ConnectionId id) const;
  const gwm::MetricCounters& counters() const { return counters_; }
  const gwm::Unauthorized& unauthorized() const { return unauthorized_; }
  const gwm::Duplicates& duplicates() const { return duplicates_; }

 private:
  // A connection: who it is, what it may do, and what the log has said of it.
  struct Peer {
    Endpoint endpoint;
    gwm::Rights rights;
    std::string last_refusal;  // the same one again is no news
    sasp::ToleranceCounts tolerances;
  };

  void connected(gwm::ConnectionId id, const Endpoint& endpoint,
                 const std::optional<PeerIdentity>& identity) override;
  net::GwmAnswer handle(gwm::ConnectionId id, const sasp::GwmRequest& request) override;
  void not_understood(gwm::ConnectionId id, const Error& why) override;
  void disconnected(gwm::ConnectionId id, const Error& why) override;
  void not_accepted(const Error& why) override;
  void writable(gwm::ConnectionId id) override;

  bool may_go_on(const gwm::Rights& rights, const std::string& lb_uid) const;
  void close_replaced(gwm::ConnectionId replaced, const Peer& by, const std::string& lb_uid);
  void tell_attached(const Peer& peer, const std::string& lb_uid);
  void tell_refusal(Peer& peer, std::string refusal, bool unauthorized = false);
  void tell_tolerances(Peer& peer, const sasp::ToleranceCounts& of_message);

  std::chrono::seconds retention_;
  gwm::WorkloadManager& manager_;
  cli::LimitedLog& log_;
  std::function<void()> work_;
  gwm::Authority authority_;
  std::unordered_map<gwm::ConnectionId, Peer> peers_;
  gwm::MetricCounters counters_;
  gwm::Unauthorized unauthorized_;
  gwm::Duplicates duplicates_;
  net::GwmServer server_;
};

}  // namespace saspd::programs
