// SPDX-License-Identifier: Apache-2.0
// What was sent to each load balancer about its members, and when news is sent. Pure.
//
// An LB in push mode (RFC 4678 7.6.1) is checked every interval, and soon after an event: a member
// that was added, went up or down or was quiesced. It is sent the groups in which something differs
// from what it was last sent (row 20: large ones in parts), and only the members that differ if it
// has set No-Change. An LB that polls gets all weights, or with No-Change only the news. An LB that
// has just connected or set its state counts as having been sent nothing, so its first message is
// full (row 32).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/deadlines.hpp"
#include "controller/gwm/editions.hpp"
#include "controller/gwm/registry.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

struct PublisherConfig {
  Duration interval = std::chrono::seconds{10};
  // The delay from an event to the check, so that simultaneous events are sent together.
  Duration coalesce = std::chrono::milliseconds{100};
  std::size_t members_per_message = 1000;
};

// Send Weights messages, one after another.
struct Messages {
  sasp::Bytes bytes;
  std::size_t count = 0;
};

class Publisher {
 public:
  // Weigher and `registered`, what all load balancers have, must outlive the publisher.
  Publisher(PublisherConfig config, const Weigher& weigher, const Extent& registered)
      : config_(config), weigher_(weigher), editions_(weigher, config.interval, registered) {}

  // Another interval from now on; what an LB was sent stays sent.
  void reconfigure(PublisherConfig config) {
    config_ = config;
    editions_.set_lifetime(config.interval);
  }

  // The weights that answer a Get Weights for these groups of the LB, which exist.
  std::vector<sasp::GroupOfWeightEntries> answer(const LoadBalancer& lb, const std::string& lb_uid,
                                                 const std::vector<sasp::GroupData>& groups,
                                                 TimePoint now);

  // The LB has connected or set its state, so everything is news to it.
  void start(const LoadBalancer& lb, const std::string& lb_uid, TimePoint now);
  // Something happened that the LB must learn at once.
  void event(const LoadBalancer& lb, const std::string& lb_uid, TimePoint now);
  void forget(const std::string& lb_uid);

  // When look() is due for the first LB.
  std::optional<TimePoint> next_look() const { return looks_.next(); }
  // The LBs to check now.
  std::vector<std::string> due(TimePoint now) const { return looks_.due(now); }
  // Messages with all news for the LB, which then count as sent; often none. Its next check is an
  // interval later.
  Messages look(const LoadBalancer& lb, const std::string& lb_uid, TimePoint now);
  // The LB cannot take a message now; its next check follows event() or resume().
  void suspend(const std::string& lb_uid);
  void resume(const std::string& lb_uid, TimePoint now);

 private:
  // For an LB in push mode. While it is suspended, there is no time for its next look.
  struct Book {
    TimePoint interval_ends;
    // The weigher's generation at the last look, if there is nothing to say until it changes.
    std::optional<std::uint64_t> seen;
    std::map<std::string, std::size_t>
        told;  // by group: the number of members that it knows, if any

    // Records how many members of the group the LB now knows; returns the previous number.
    std::size_t tell(const std::string& group, std::size_t members);
  };
  class Packer;

  // The edition counts as sent. Calls each(member, its entry, whether it is news) for the members
  // in order; returns for how many an entry had been sent before.
  template <class Each>
  static std::size_t tell(const Group& group, const Edition& edition, Each each);
  Messages news_for(Book& book, const LoadBalancer& lb, const std::string& lb_uid, TimePoint now);

  PublisherConfig config_;
  const Weigher& weigher_;
  Editions editions_;
  std::map<std::string, Book> books_;
  Deadlines<std::string> looks_;
  std::uint32_t last_message_id_ =
      0;  // sasp-interop row 11: a running number, which answers nothing
};

}  // namespace saspd::gwm
