// SPDX-License-Identifier: Apache-2.0
// What must hold after every write to the kernel, whoever made it. It knows what nobody else does:
// who wrote each zero, and whether that left a trace that saspd can have seen.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/sasp/messages.hpp"
#include "tests/simulation/kernel/ipvs.hpp"
#include "tests/simulation/options.hpp"

namespace saspd::simulation {

// What a GWM said last of each member, as it arrived.
class Said {
 public:
  // Returns whether it says anything that it did not say before. `counts`: it is fresh, because saspd
  // can decide by it.
  bool hear(const std::vector<sasp::GroupOfWeightEntries>& groups, bool counts, TimePoint now);
  // It answers that nothing else is to be said. Returns whether that took longer than `patience`.
  bool confirm(Duration patience, TimePoint now);
  void forget();
  const sasp::WeightEntry* find(const std::string& group, const Endpoint& server) const;
  // Since it said last that it may serve.
  bool quiesced(const std::string& group, const Endpoint& server) const;
  // Nothing: it has said something else, or nothing, within that time.
  const sasp::WeightEntry* said_for(Duration time, const std::string& group, const Endpoint& server,
                                    TimePoint now) const;
  // When it said last, in words or by confirming it, that it knows a server of the group; and in
  // words alone. Nothing: never in this life.
  struct Freshness {
    std::optional<TimePoint> confirmed;
    std::optional<TimePoint> named;
  };
  Freshness freshness(const std::string& group) const;

 private:
  struct Entry {
    sasp::WeightEntry now;
    bool quiesced = false;
    TimePoint since;
  };
  std::map<std::pair<std::string, Endpoint>, Entry> said_;
  std::map<std::string, Freshness> fresh_;
};

// For so long, at least, a GWM is not missing: one that answers in time never is.
Duration shortest_patience(const Options& options);

class Judge : public Witness {
 public:
  Judge(const Options& options, const IpvsKernel& kernel, const TimePoint& now)
      : options_(options), kernel_(kernel), now_(now) {}

  // The first thing that was wrong; empty: nothing.
  const std::string& wrong() const { return wrong_; }
  void complain(std::string what);

  void wrote(Author author, const lb::ServiceKey& service, const Server& server,
             const std::optional<Real>& before, const std::optional<Real>& after) override;
  void wrote(Author author, const lb::ServiceKey& service, const std::optional<Virtual>& before,
             const std::optional<Virtual>& after) override;

  // What saspd can know.
  void shown(const lb::ServiceKey& service, const Server& server, const Real& real);
  void dumped(const lb::ServiceKey& service, const std::vector<Server>& servers);
  void absent(const lb::ServiceKey& service);
  void listing();           // it lists
  void listed(bool whole);  // and has it
  void believes();          // and decides by it
  // `kept`: all that it knew is on disk.
  void life_ended(bool killed, bool kept);
  void life_began(bool with_ledger);
  void answers_lost();
  void given_back(const Endpoint& server);  // by the operator
  void keepalived_said(const lb::ServiceKey& service, const Server& server, bool up);
  // Something that saspd may decide otherwise by.
  void cause() {
    ++causes_;
    caused_ = now_;
  }
  // The configuration is another one.
  void reloaded();
  // Rules that somebody had saved are restored: each destination is what it was then.
  struct Saved;
  Saved save() const;
  void restored(const Saved& saved);

  // From now on `shown` never is `what`.
  void never(std::string what, std::function<std::string()> shown);

  std::vector<Said> said;  // by GWM

  // Whose a zero of the kernel is.
  enum class Zero : std::uint8_t { ours, others, unclear };
  Zero zero_of(const lb::ServiceKey& service, const Server& server) const;
  bool is_managed(const lb::ServiceKey& service) const;
  std::string group_of(const lb::ServiceKey& service) const;

  // Somebody else wrote the weight that it has; saspd has seen that over a weight that it knew.
  bool is_foreign(const lb::ServiceKey& service, const Server& server) const;
  // No GWM has said within that time that it knows a server of the group; nor confirmed that it said
  // so.
  bool is_stale(const std::string& group, Duration patience) const;
  bool is_unconfirmed(const std::string& group, Duration patience) const;
  // When the service came into the kernel last, or into the configuration.
  std::optional<TimePoint> appeared(const lb::ServiceKey& service) const;
  // Somebody else's zero was there: a GWM may have been told of it.
  bool may_be_told(const lb::ServiceKey& service, const Server& server) const;
  // A GWM was told so, and the ledger that knew it is lost: known not to be taken back.
  bool may_be_locked(const lb::ServiceKey& service, const Server& server) const;
  // Writes of others that saspd has seen in this life.
  std::uint64_t drifts() const { return drifts_; }

  std::uint64_t writes() const { return writes_; }    // of ours
  TimePoint disturbed() const { return disturbed_; }  // by others, last

 private:
  using Key = std::pair<lb::ServiceKey, Server>;
  struct View {
    bool present = false;
    bool known = true;
    std::uint32_t weight = 0;
    std::optional<decltype(Real{}.attributes())> attributes;
  };
  struct Ghost {
    bool ours = false;        // the zero is
    bool others = false;      // somebody else has written 0, and that can be seen
    bool unseen = false;      // likewise, since our last look
    bool unclear = false;     // or it cannot
    bool remembered = false;  // it went with its service while its zero was ours
    bool quiesced = false;    // our zero was, when we wrote it
    bool told = false;        // see may_be_told()
    bool locked = false;      // see may_be_locked()
    bool foreign = false;     // see is_foreign()
    bool listed = false;      // in this life, with this configuration
    // Its weight stands by --drift, since as many causes.
    std::optional<std::uint64_t> stands;
    std::uint64_t wrote = 0;   // somebody else, after so many causes
    bool at_rest = false;      // saspd had nothing left to do when somebody else wrote it
    View view;                 // as saspd knows it
    std::optional<Real> read;  // last, in this life
    std::optional<TimePoint> positive;
    std::optional<TimePoint> taken;  // its weight, by somebody else
  };

 public:
  struct Saved {
    IpvsKernel::Services rules;
    std::map<Key, Ghost> ghosts;
  };

 private:
  void ours(const lb::ServiceKey& service, const Server& server, const std::optional<Real>& before,
            const std::optional<Real>& after, Ghost& ghost);
  void theirs(Author author, const std::optional<Real>& before, const std::optional<Real>& after,
              Ghost& ghost);
  void believe(const Key& key, const std::optional<Real>& real);
  void check_attributes(const lb::ServiceKey& service, const Server& server, const Real& before,
                        const Real& after, const Ghost& ghost);
  bool may_serve(const lb::ServiceKey& service, const Server& server) const;
  bool is_quiesced(const lb::ServiceKey& service, const Server& server) const;
  void check_blackout(const lb::ServiceKey& service, const Server& server);
  std::string where(const lb::ServiceKey& service, const Server& server) const;

  const Options& options_;
  const IpvsKernel& kernel_;
  const TimePoint& now_;
  std::string wrong_;
  std::map<Key, Ghost> ghosts_;
  bool is_listing_ = false;
  bool alive_ = false;
  bool answers_lost_ = false;
  std::map<Key, std::optional<Real>> pending_;  // what the listing showed; nothing: not there
  std::map<lb::ServiceKey, TimePoint> appeared_;
  // Another program removed them once. Found, not mended: such a one that came back while the GWM was
  // gone has static weights, and what --drift lets stand there is overwritten by the next pass.
  std::set<lb::ServiceKey> vanished_;
  std::uint64_t writes_ = 0;
  std::uint64_t causes_ = 0;
  TimePoint caused_;
  std::uint64_t drifts_ = 0;
  TimePoint disturbed_;
  std::vector<std::string> never_;
  std::function<std::string()> shown_;
};

}  // namespace saspd::simulation
