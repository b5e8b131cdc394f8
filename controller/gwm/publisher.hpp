// What each load balancer was told of its members, and when it is told news. Pure.
//
// An LB that wants push (RFC 4678 7.6.1) is looked at every interval, and soon after an event: a
// member that came, went up or down or was quiesced. It is sent the groups in which something is
// different from what it was told (row 20: large ones in parts), and only the members that differ
// if it has set No-Change. An LB that polls gets all weights, or with No-Change only the news.
// Whoever has just connected or set its state was told nothing, so its first message is full (row
// 32).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/gwm/registry.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

struct PublisherConfig {
  Duration interval = std::chrono::seconds{10};
  // From an event to the look, so that events that come together are told together.
  Duration coalesce = std::chrono::milliseconds{100};
  std::size_t members_per_message = 1000;
};

class Publisher {
 public:
  // The weigher must outlive the publisher.
  Publisher(PublisherConfig config, const Weigher& weigher) : config_(config), weigher_(weigher) {}

  // The weights that answer a Get Weights for these groups of the LB, which exist.
  std::vector<sasp::GroupOfWeightEntries> answer(LoadBalancer& lb, const std::string& lb_uid,
                                                 const std::vector<sasp::GroupData>& groups,
                                                 TimePoint now);

  // The LB has connected or set its state: everything is news to it.
  void start(LoadBalancer& lb, const std::string& lb_uid, TimePoint now);
  // Something happened that the LB wants to know at once.
  void event(const LoadBalancer& lb, const std::string& lb_uid, TimePoint now);
  void forget(const std::string& lb_uid) { books_.erase(lb_uid); }

  // When look() is due for the first LB.
  std::optional<TimePoint> next_look() const;
  // The LBs to look at now.
  std::vector<std::string> due(TimePoint now) const;
  // Messages with all news of the LB, which counts as told by them; often none. Its next look is an
  // interval later.
  std::vector<sasp::SendWeights> look(LoadBalancer& lb, const std::string& lb_uid, TimePoint now);
  // The LB cannot take a message now; it is looked at when event() or resume() says so.
  void suspend(const std::string& lb_uid);
  void resume(const std::string& lb_uid, TimePoint now);

 private:
  // Of an LB with push.
  struct Book {
    std::optional<TimePoint> look_at;  // nothing: while it is suspended
    TimePoint interval_ends;
    std::map<std::string, std::size_t> told;  // by group: members that it was told of, if any

    // It is told of so many members of the group; returns of how many it was before.
    std::size_t tell(const std::string& group, std::size_t members);
  };

  // The weights of a group, all of them, and which differ from what was told.
  struct Update {
    sasp::GroupOfWeightEntries weights;
    std::vector<bool> is_news;
    bool any_news = false;
  };

  // What it returns counts as told.
  Update update(Group& group, sasp::GroupData name, TimePoint now) const;
  void pack(std::vector<sasp::SendWeights>& messages, sasp::GroupOfWeightEntries group) const;

  PublisherConfig config_;
  const Weigher& weigher_;
  std::map<std::string, Book> books_;
};

}  // namespace saspd::gwm
