// SPDX-License-Identifier: Apache-2.0
// Who belongs to which group, and what the GWMs say about them. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/lb/service.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/saspd/projection.hpp"
#include "controller/saspd/self_registered.hpp"
#include "controller/saspd/settings.hpp"

namespace saspd::director {

struct Group {
  GroupSettings settings;
  bool adopted = false;                                     // no configuration names it
  std::vector<std::map<sasp::MemberKey, Advice>> advice{};  // by GWM
  std::optional<std::size_t> gwm{};                         // whose advice counts
  SelfRegistered self_registered{};

  // The advice that counts.
  const Advice* advice_for(const sasp::MemberKey& member) const;
  const MemberSettings* configured(const Endpoint& endpoint) const;
  bool is_open() const;  // to members that registered themselves
  // What belongs to a managed service.
  std::set<Endpoint> members(const ServiceSettings& service) const;
  // Whether it is a destination in `kernel`, or is to become one.
  bool knows(const sasp::MemberKey& member, const lb::Table& kernel) const;
};

class AdviceBook {
 public:
  // `trust`: members that registered themselves belong to managed services.
  AdviceBook(std::vector<GroupSettings> groups, std::size_t gwms, bool trust);

  // The advice of GWM number `gwm` for members that groups know. Returns how many entries were for
  // others.
  std::size_t update(std::size_t gwm, const sasp::WeightsReceived& weights, const lb::Table& kernel,
                     TimePoint now);
  // Of several GWMs, the first connected one that advised a group counts for it (--gwm-merge
  // primary); when none is connected, the one that counted last goes on counting. Returns whether
  // anything is different now.
  bool set_connected(std::size_t gwm, bool connected);
  // When that GWM spoke last, and how it goes on.
  void heard(std::size_t gwm, const sasp::Heard& heard) { heard_.at(gwm) = heard; }
  // Settles for each group who counts.
  void choose_gwms();

  // The kernel has been listed: new destinations of managed services have registered themselves
  // once, and advice for who is gone is forgotten.
  void look(const lb::Table& before, const lb::Table& now);
  // Makes each service that no configuration names a group of its own, and ends such groups that
  // have neither a service nor `remembered` one.
  void adopt(const lb::Table& kernel, const std::map<lb::ServiceKey, TimePoint>& remembered);

  const std::map<std::string, Group>& groups() const { return groups_; }
  // Those that the configuration names.
  const std::vector<lb::ServiceKey>& services() const { return services_; }
  bool has(const lb::ServiceKey& service) const;
  // The GWM that counts for a group, or would if it advised.
  struct Adviser {
    bool connected = false;
    sasp::Heard heard;
  };
  Adviser adviser_of(const Group& group) const;

 private:
  std::optional<std::size_t> first_connected() const;
  void choose_gwm(Group& group) const;
  bool is_configured(const lb::ServiceKey& service) const;

  bool trust_;
  std::map<std::string, Group> groups_;
  std::vector<lb::ServiceKey> services_;
  std::vector<std::uint64_t> connections_;  // by GWM: the number of its connection; 0: none
  std::uint64_t last_connection_ = 0;
  std::vector<sasp::Heard> heard_;  // by GWM
};

}  // namespace saspd::director
