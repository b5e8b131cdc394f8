// SPDX-License-Identifier: Apache-2.0
// The sockets of a core that speaks with GWMs, and numbers them: saspd's and sasp-member's.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/renumbering.hpp"
#include "controller/net/link.hpp"

namespace saspd::programs {

// Core has the functions of net::LinkOwner, each with the number of a GWM in front.
template <class Core>
class GwmLinks {
 public:
  // `settle` is called whenever the core was told something, to do what it wants. The core outlives
  // the links, and they the run of the io_context.
  GwmLinks(boost::asio::io_context& io, Core& core, std::function<void()> settle)
      : io_(io), core_(core), settle_(std::move(settle)) {}

  // In the order of their numbers.
  void add(net::LinkSettings settings) {
    links_.push_back(std::make_unique<One>(*this, links_.size(), std::move(settings)));
  }
  void start() {
    for (const auto& link : links_)
      link->socket.start();
  }
  // Other GWMs, of which the core has heard already. Those that stay keep their connection; of the
  // others the core hears nothing more. `settings(gwm)`: of a new one, which is started.
  template <class SettingsOf>
  void renumber(const Renumbering& gwms, SettingsOf settings_of) {
    forget_gone();
    auto before = std::exchange(links_, {});
    for (std::size_t gwm = 0; gwm < gwms.size(); ++gwm) {
      const auto known = gwms.before(gwm);
      if (!known)
        add(settings_of(gwm));
      else
        links_.push_back(std::move(before[*known]));
      links_.back()->number = gwm;
    }
    for (auto& link : before) {
      if (!link) continue;
      link->socket.stop();
      gone_.emplace_back(Clock::now(), std::move(link));
    }
    for (std::size_t gwm = 0; gwm < gwms.size(); ++gwm) {
      if (!gwms.before(gwm)) links_[gwm]->socket.start();
    }
  }
  void check_certificates_again() {
    for (const auto& link : links_)
      link->socket.check_certificate_again();
  }
  void retry(std::size_t gwm) { links_.at(gwm)->socket.retry(); }
  void perform(std::size_t gwm, sasp::LinkStep step) {
    links_.at(gwm)->socket.perform(std::move(step));
  }

 private:
  struct One final : private net::LinkOwner {
    One(GwmLinks& owner, std::size_t gwm, net::LinkSettings settings)
        : all(owner), number(gwm), socket(owner.io_, std::move(settings), *this) {}

    void connecting(TimePoint now) override {
      all.core_.connecting(number, now);
      all.settle_();
    }
    sasp::LinkStep connected(TimePoint now) override {
      return settled(all.core_.connected(number, now));
    }
    sasp::LinkStep received(sasp::ByteView bytes, TimePoint now) override {
      return settled(all.core_.received(number, bytes, now));
    }
    sasp::LinkStep timed_out(TimePoint now) override {
      return settled(all.core_.timed_out(number, now));
    }
    std::optional<TimePoint> deadline() const override { return all.core_.deadline(number); }
    bool lost(const std::string& why, TimePoint now) override {
      return settled(all.core_.lost(number, why, now));
    }
    Duration ended(const sasp::LinkEnd& end, TimePoint now) override {
      return settled(all.core_.ended(number, end, now));
    }
    template <class T>
    T settled(T result) {
      all.settle_();
      return result;
    }

    GwmLinks& all;
    std::size_t number;
    net::Link socket;
  };

  // What was asked of the kernel for one that has stopped comes back within a moment.
  void forget_gone() {
    const auto a_moment_ago = Clock::now() - std::chrono::minutes{1};
    std::erase_if(gone_, [&](const auto& link) {
      return link.second->socket.has_stopped() && link.first < a_moment_ago;
    });
  }

  boost::asio::io_context& io_;
  Core& core_;
  std::function<void()> settle_;
  std::vector<std::unique_ptr<One>> links_;
  std::vector<std::pair<TimePoint, std::unique_ptr<One>>> gone_;  // since when
};

}  // namespace saspd::programs
