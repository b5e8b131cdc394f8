// SPDX-License-Identifier: Apache-2.0
// A process of sasp-gwm without its sockets: the real WorkloadManager and the real sessions. What it
// knows of servers comes from its weights file, which outlives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/gwm/workload_manager.hpp"
#include "controller/sasp/gwm_session.hpp"

namespace saspd::simulation {

using gwm::ConnectionId;

class Gwm {
 public:
  // Bytes for a connection, or its end.
  struct Wire {
    std::function<void(ConnectionId, sasp::Bytes)> send;
    std::function<void(ConnectionId)> close;
  };

  Gwm(std::string lb_uid, std::uint16_t interval, std::chrono::seconds retention, Wire wire);

  // The process.
  bool runs() const { return manager_ != nullptr; }
  void start(TimePoint now);
  // `remembers`: its state file has all that it knew.
  void dies(TimePoint now, bool remembers = true);
  // It is stopped, and does not even read; what came meanwhile is read afterwards.
  void hangs(bool on, TimePoint now);
  // From now on every Get Weights gets this code.
  void refuses(std::optional<sasp::ReturnCode> code) { refusal_ = code; }

  // Its connections.
  void accept(ConnectionId id);
  void received(ConnectionId id, const sasp::Bytes& bytes, TimePoint now);
  void disconnected(ConnectionId id, TimePoint now);
  std::optional<TimePoint> deadline() const;
  void timed_out(TimePoint now);

  // What it is told.
  gwm::AdviceTable& file() { return file_; }
  void file_changed(TimePoint now);
  void drain(const MemberName& member, bool on, TimePoint now);
  // A member sets its own quiesce flag.
  void member_says(const std::string& group, const sasp::MemberKey& member, bool quiesce,
                   TimePoint now);
  // Everything to everybody, so many times: a flood of pushes.
  void floods(unsigned times, TimePoint now);

  // What it thinks of a group of our load balancer now; nothing: it knows no such group.
  std::optional<std::vector<sasp::WeightEntry>> opinion(const std::string& group,
                                                        TimePoint now) const;

 private:
  void read(ConnectionId id, TimePoint now);
  void answer(ConnectionId id, const sasp::GwmRequest& request, TimePoint now);
  void close(ConnectionId id);

  const std::string lb_uid_;
  const std::uint16_t interval_;
  const std::chrono::seconds retention_;
  const Wire wire_;
  const gwm::Authority authority_{true};
  const gwm::Rights rights_ =
      authority_.rights_of(IpAddress::v4(std::array<std::uint8_t, 4>{127, 0, 0, 1}), {});
  std::unique_ptr<gwm::WorkloadManager> manager_;
  std::map<ConnectionId, sasp::GwmSession> sessions_;
  gwm::AdviceTable file_;
  std::string state_;  // of --state; empty: there is none
  std::optional<sasp::ReturnCode> refusal_;
  bool hung_ = false;
};

}  // namespace saspd::simulation
