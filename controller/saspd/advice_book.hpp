// SPDX-License-Identifier: Apache-2.0
// Who belongs to which group, and what the GWMs say about them. Pure. What of it changes marks on
// the agenda each service whose decision follows from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/deadlines.hpp"
#include "controller/base/renumbering.hpp"
#include "controller/lb/service.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/saspd/agenda.hpp"
#include "controller/saspd/gwm_choice.hpp"
#include "controller/saspd/gwm_merge.hpp"
#include "controller/saspd/lasting_quiesces.hpp"
#include "controller/saspd/projection.hpp"
#include "controller/saspd/self_registered.hpp"
#include "controller/saspd/settings.hpp"

namespace saspd::director {

struct Group {
  GroupSettings settings;
  bool adopted = false;                  // no configuration names it
  std::vector<AdviceByMember> advice{};  // by GWM
  GwmChoice choice{};                    // whose advice counts
  LastingQuiesces quiesces{};
  // What counts in the place of the word of the GWM that is followed: a quiesce that it does not
  // know of; in a merge everything.
  AdviceByMember instead{};
  SelfRegistered self_registered{};

  // The first of those that count; nothing: none has advised it yet.
  std::optional<std::size_t> gwm() const { return choice.first(); }
  // Nothing: that GWM has said nothing of it.
  const Advice* said_by(std::size_t gwm, const sasp::MemberKey& member) const;
  // The advice that counts.
  const Advice* advice_for(const sasp::MemberKey& member) const;
  // The GWM that quiesced it, where the one that is followed does not say so itself.
  std::optional<std::size_t> quiesced_by(const sasp::MemberKey& member) const;
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

// The advice of other GWMs counts for a group than before.
struct GwmChange {
  enum class Cause : std::uint8_t {
    first,     // none did
    lost,      // the one that counted is not connected
    silent,    // it gives no weights any more
    ignorant,  // it does not know the group any more
    joined,    // another has come to know it, and precedes it or is merged
  };
  std::string group;
  std::vector<std::size_t> before;
  std::vector<std::size_t> now;
  Cause cause = Cause::first;
};

// News that a member shall have no new connections.
struct Loss {
  std::string group;
  sasp::MemberKey member;
  bool quiesced = false;  // on purpose
};

class AdviceBook {
 public:
  // `trust`: members that registered themselves belong to managed services.
  AdviceBook(std::vector<GroupSettings> groups, std::size_t gwms, bool trust,
             GwmMerge merge = GwmMerge::primary);
  // Other groups and GWMs from now on; those that stay keep what is known of them. Everything is
  // to be decided again then.
  struct Trust {
    bool self_registered = false;  // see the constructor
    bool adopt = false;            // see adopt()
  };
  void reconfigure(std::vector<GroupSettings> groups, const Renumbering& gwms, const Trust& trust,
                   GwmMerge merge, const lb::Table& kernel);

  // The advice of GWM number `gwm` for members that groups know. Returns how many entries were for
  // others.
  std::size_t update(std::size_t gwm, const sasp::WeightsReceived& weights, const lb::Table& kernel,
                     TimePoint now, Agenda& agenda);
  // What the last update() took away, of GWMs that count.
  std::vector<Loss> take_losses() { return std::exchange(losses_, {}); }
  // Which of several GWMs count for a group then: see GwmChoice. Returns whether anything is
  // different now.
  bool set_connected(std::size_t gwm, bool connected, Agenda& agenda);
  // When that GWM spoke last, and how it goes on. Returns whether that may change a decision.
  bool heard(std::size_t gwm, const sasp::Heard& heard, Agenda& agenda);
  // Settles which GWMs do not speak any more (is_silent), who counts for each group, and what counts
  // of what they say. `stale_after`: --stale-after, if it was given.
  void settle(std::optional<Duration> stale_after, TimePoint now, Agenda& agenda);
  // Whose advice counts otherwise than at the last call.
  std::vector<GwmChange> take_changes() { return std::exchange(changes_, {}); }
  // Quiesces of an earlier life, by group; of a group that is adopted later, too.
  void restore(std::map<std::string, LastingQuiesces> quiesces);
  // Groups of which other quiesces have to outlive us than at the last call.
  std::set<std::string> take_quiesce_changes() { return std::exchange(quiesces_changed_, {}); }
  // The operator lifts a quiesce that outlives the word of its GWM. Returns whether there was one.
  bool lift_quiesce(const std::string& group, const sasp::MemberKey& member);

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
  void mark_all(Agenda& agenda);
  // When time alone may change who counts or what, if nobody speaks before.
  std::optional<TimePoint> next_change(std::optional<Duration> stale_after) const;
  // The GWM that counts for a group, or would if it advised; of several what they are together.
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
  bool is_advised_by(const Group& group, std::size_t gwm) const;
  void find_silent(std::optional<Duration> stale_after, TimePoint now, Agenda& agenda);
  std::vector<GwmWords> words_of(const Group& group) const;
  void choose(Group& group, std::span<const GwmWords> words, TimePoint now, Agenda& agenda);
  GwmChange::Cause cause_of_change(const std::vector<std::size_t>& before,
                                   std::span<const GwmWords> words) const;
  void find_quiesces(Group& group, std::span<const GwmWords> words,
                     std::optional<Duration> stale_after, TimePoint now) const;
  AdviceByMember instead_of_followed(const Group& group, std::span<const GwmWords> words) const;
  void settle(Group& group, std::optional<Duration> stale_after, TimePoint now, Agenda& agenda);
  void settle_later(const Group& group);
  void take(Group& group, std::size_t gwm, const sasp::MemberKey& member, const Advice& advice,
            Agenda& agenda);
  using MembersByGroup = std::map<std::string, std::map<sasp::MemberKey, std::string>>;
  void take_self_registered(std::size_t gwm, const MembersByGroup& named, bool full, TimePoint now,
                            Agenda& agenda);
  void mark_advised_by(std::size_t gwm, Agenda& agenda) const;
  void mark_unnamed(std::size_t gwm, const std::optional<TimePoint>& full_before, Agenda& agenda);
  void find_self_registered(const lb::ServiceKey& service, const lb::Table& before,
                            const lb::Table& now, Agenda& agenda);
  void forget_advice(Group& group, const lb::Table& kernel);
  bool is_configured(const lb::ServiceKey& service) const;

  bool trust_;
  GwmMerge merge_;
  std::map<std::string, Group> groups_;
  std::map<lb::ServiceKey, Place> places_;  // of all their services
  std::vector<lb::ServiceKey> services_;
  std::vector<Gwm> gwms_;
  std::uint64_t last_connection_ = 0;
  // Groups for which another GWM may count, or something else of what they say.
  std::set<std::string> to_settle_;
  Deadlines<std::string> settle_at_;  // when time alone may change that
  std::vector<GwmChange> changes_;
  std::vector<Loss> losses_;
  std::map<std::string, LastingQuiesces> restored_;  // until the group is settled
  std::set<std::string> quiesces_changed_;
  std::set<std::string> have_lost_;  // groups that may have lost members since the last look
};

}  // namespace saspd::director
