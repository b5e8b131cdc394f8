// SPDX-License-Identifier: Apache-2.0
// The peers of sasp-gwm: who is connected, what each may do, what it asked for, and what the log is
// told of that.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "controller/gwm/duplicates.hpp"
#include "controller/gwm/limited_log.hpp"
#include "controller/gwm/metrics.hpp"
#include "controller/gwm/workload_manager.hpp"
#include "controller/net/gwm_server.hpp"

namespace saspd::gwm {

class Connections final : private net::GwmServerOwner {
 public:
  // `work` is called whenever the manager was told something. Manager and log outlive this, this
  // the run of the loop. `retention` is for the log.
  Connections(boost::asio::io_context& io, net::GwmServerConfig config, Authority authority,
              std::chrono::seconds retention, WorkloadManager& manager, LimitedLog& log,
              std::function<void()> work);

  Result<Endpoint> listen(const Endpoint& endpoint) { return server_.listen(endpoint); }
  void close_all() { server_.stop(); }  // with TLS it is said
  void check_certificates_again() { server_.check_certificates_again(); }
  // There is another authority. Who speaks for a load balancer without right to it is told nothing
  // more.
  void judge_again(Authority authority);

  bool can_push(ConnectionId id) { return server_.can_push(id); }
  void send(Push push);

  std::size_t size() const { return peers_.size(); }
  std::optional<Endpoint> peer(ConnectionId id) const;
  const MetricCounters& counters() const { return counters_; }
  const Unauthorized& unauthorized() const { return unauthorized_; }
  const Duplicates& duplicates() const { return duplicates_; }

 private:
  // A connection: who it is, what it may do, and what the log has said of it.
  struct Peer {
    Endpoint endpoint;
    Rights rights;
    std::string last_refusal;  // the same one again is no news
    sasp::ToleranceCounts tolerances;
  };

  void connected(ConnectionId id, const Endpoint& endpoint,
                 const std::optional<PeerIdentity>& identity) override;
  net::GwmAnswer handle(ConnectionId id, const sasp::GwmRequest& request) override;
  void not_understood(ConnectionId id, const Error& why) override;
  void disconnected(ConnectionId id, const Error& why) override;
  void not_accepted(const Error& why) override;
  void writable(ConnectionId id) override;

  bool may_go_on(const Rights& rights, const std::string& lb_uid) const;
  void close_replaced(ConnectionId replaced, const Peer& by, const std::string& lb_uid);
  void tell_attached(const Peer& peer, const std::string& lb_uid);
  void tell_refusal(Peer& peer, std::string refusal, bool unauthorized = false);
  void tell_tolerances(Peer& peer, const sasp::ToleranceCounts& of_message);

  std::chrono::seconds retention_;
  WorkloadManager& manager_;
  LimitedLog& log_;
  std::function<void()> work_;
  Authority authority_;
  std::unordered_map<ConnectionId, Peer> peers_;
  MetricCounters counters_;
  Unauthorized unauthorized_;
  Duplicates duplicates_;
  net::GwmServer server_;
};

}  // namespace saspd::gwm
