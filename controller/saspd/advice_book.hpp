// SPDX-License-Identifier: Apache-2.0
// Who belongs to which group, and what the GWMs say about them. Pure. What of it changes marks on
// the agenda each service whose decision follows from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/renumbering.hpp"
#include "controller/lb/service.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/saspd/agenda.hpp"
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
};

// Who belongs to a group: its destinations in `kernel`, and what is to become one. Must not outlive
// either.
class Membership {
 public:
  Membership(const Group& group, const lb::Table& kernel);
  bool has(const sasp::MemberKey& member) const;

 private:
  struct Place {
    const ServiceSettings* service;
    const lb::Pool* pool;  // nothing: it is not there
  };
  const Group& group_;
  std::vector<Place> places_;
};

class AdviceBook {
 public:
  // `trust`: members that registered themselves belong to managed services.
  AdviceBook(std::vector<GroupSettings> groups, std::size_t gwms, bool trust);
  // Other groups and GWMs from now on; those that stay keep what is known of them. Everything is
  // to be decided again then.
  struct Trust {
    bool self_registered = false;  // see the constructor
    bool adopt = false;            // see adopt()
  };
  void reconfigure(std::vector<GroupSettings> groups, const Renumbering& gwms, const Trust& trust,
                   const lb::Table& kernel);

  // The advice of GWM number `gwm` for members that groups know. Returns how many entries were for
  // others.
  std::size_t update(std::size_t gwm, const sasp::WeightsReceived& weights, const lb::Table& kernel,
                     TimePoint now, Agenda& agenda);
  // With several GWMs, the first connected one that advised a group counts for it (--gwm-merge
  // primary); when none is connected, the one that counted last goes on counting. Returns whether
  // anything is different now.
  bool set_connected(std::size_t gwm, bool connected, Agenda& agenda);
  // When that GWM spoke last, and how it goes on. Returns whether that may change a decision.
  bool heard(std::size_t gwm, const sasp::Heard& heard, Agenda& agenda);
  // Settles for each group who counts, and which GWM does not speak any more (is_silent).
  void choose_gwms(Agenda& agenda);
  void find_silent(std::optional<Duration> stale_after, TimePoint now, Agenda& agenda);

  // The kernel has been listed, and these services are not as before: new destinations of managed
  // services have registered themselves once, and advice for who is gone is forgotten.
  void look(const lb::Table& before, const lb::Table& now, const std::set<lb::ServiceKey>& changed,
            Agenda& agenda);
  // We have removed a destination of it.
  void removed(const lb::ServiceKey& service);
  // Makes each of the services that is in the kernel, and that no configuration names, a group of
  // its own, and ends such groups of those that are neither there nor `remembered`.
  void adopt(const lb::Table& kernel, const std::map<lb::ServiceKey, TimePoint>& remembered,
             const std::set<lb::ServiceKey>& changed);

  const std::map<std::string, Group>& groups() const { return groups_; }
  // Those that the configuration names.
  const std::vector<lb::ServiceKey>& services() const { return services_; }
  bool has(const lb::ServiceKey& service) const;
  struct Owner {
    const Group* group;
    const ServiceSettings* service;
  };
  // Nothing: no group has it.
  std::optional<Owner> owner_of(const lb::ServiceKey& service) const;
  void mark_all(Agenda& agenda) const;
  // When the next GWM will have been silent for too long, if none of them speaks before.
  std::optional<TimePoint> next_silence(std::optional<Duration> stale_after) const;
  // The GWM that counts for a group, or would if it advised.
  struct Adviser {
    bool connected = false;
    sasp::Heard heard;
  };
  Adviser adviser_of(const Group& group) const;

 private:
  struct Gwm {
    std::uint64_t connection = 0;  // its number; 0: not connected
    sasp::Heard heard;
    bool silent = false;
  };
  struct Place {
    std::string group;
    std::size_t index = 0;  // of the service in it
  };

  void add(std::vector<GroupSettings> groups);
  void renumber(const Renumbering& gwms);
  void keep_adopted(std::map<std::string, Group> groups);
  void trust_self_registered(bool trust, const lb::Table& kernel);
  std::optional<std::size_t> first_connected() const;
  std::optional<std::size_t> advising(const Group& group) const;
  void choose_gwm(Group& group, Agenda& agenda) const;
  void take(Group& group, std::size_t gwm, const sasp::MemberKey& member, const Advice& advice,
            Agenda& agenda);
  using MembersByGroup = std::map<std::string, std::map<sasp::MemberKey, std::string>>;
  void take_self_registered(std::size_t gwm, const MembersByGroup& named, bool full, TimePoint now,
                            Agenda& agenda);
  void mark_advised_by(std::size_t gwm, Agenda& agenda) const;
  void mark_unnamed(std::size_t gwm, const std::optional<TimePoint>& full_before,
                    Agenda& agenda) const;
  void find_self_registered(const lb::ServiceKey& service, const lb::Table& before,
                            const lb::Table& now, Agenda& agenda);
  void forget_advice(Group& group, const lb::Table& kernel);
  bool is_configured(const lb::ServiceKey& service) const;

  bool trust_;
  std::map<std::string, Group> groups_;
  std::map<lb::ServiceKey, Place> places_;  // of all their services
  std::vector<lb::ServiceKey> services_;
  std::vector<Gwm> gwms_;
  std::uint64_t last_connection_ = 0;
  std::set<std::string> to_choose_;  // groups for which another GWM may count
  std::set<std::string> have_lost_;  // groups that may have lost members since the last look
};

}  // namespace saspd::director
