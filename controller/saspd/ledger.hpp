// SPDX-License-Identifier: Apache-2.0
// What of us must outlive us: what we wrote and saw of each destination, and so whose its weight 0
// is, because the kernel does not say; since when it is lost; the foreign weights that stand; the
// scale of each service; and the quiesces of GWMs.
// Pure; the text is kept by a LedgerKeeper, before the kernel is written.
//
// A zero is ours if we wrote it, or were about to, over a weight that was not 0. It stays ours as
// long as the kernel shows 0: over the end of the process, and where the whole service went and
// came back as it was (ipvsadm -C and -R, a reboot with saved rules). It is foreign if it replaced
// another weight, or was there when the destination appeared. It is unclear if both we and someone
// else wrote 0, as far as that leaves a trace:
//   no_record    found at the start, and there is no ledger that would know
//   added_again  ours, but the destination alone was removed and added again
//   edited       ours, but another program wrote other attributes with it
//   restored     ours, gone with its service and back; another's zero was seen there as well
// keepalived's zero over ours leaves no trace; its own word does (keepalived_says).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/lb/plan.hpp"
#include "controller/lb/service.hpp"
#include "controller/report/words.hpp"
#include "controller/sasp/types.hpp"
#include "controller/saspd/scaling.hpp"

namespace saspd::director {

using report::Doubt;
using report::ZeroAuthor;

struct Zero {
  ZeroAuthor author = ZeroAuthor::nobody;
  Doubt doubt = Doubt::none;  // of an unclear one
  bool keepalived = false;    // keepalived says that it holds the server down
  bool operator==(const Zero&) const = default;
};

// Which table a ledger is about.
struct LedgerPlace {
  static constexpr std::string_view unknown = "-";

  std::string backend;            // "ipvs", "xdp"
  std::string boot;               // of the kernel; unknown: then no two are the same
  std::string network_namespace;  // unique in a boot
  std::string name;               // of the namespace; empty: it has none
};

// A foreign weight that --drift report and adopt let stand: until something else than `target` is
// decided, or it is no longer there.
struct StandingWeight {
  std::uint32_t weight = 0;
  std::uint32_t target = 0;
  bool operator==(const StandingWeight&) const = default;
};
using StandingWeights = std::map<Endpoint, StandingWeight>;

// A quiesce that outlives its GWM: see LastingQuiesces. GWMs by their names.
struct KeptQuiesce {
  std::string by;
  std::set<std::string> known_to;
  bool operator==(const KeptQuiesce&) const = default;
};
using KeptQuiesces = std::map<sasp::MemberKey, KeptQuiesce>;  // of one group

class Ledger {
 public:
  struct Record {
    // Kept.
    ZeroAuthor zero = ZeroAuthor::nobody;
    Doubt doubt = Doubt::none;
    bool others_zero = false;  // another's zero was seen here
    bool held_down = false;    // by keepalived, as it says
    bool avoided = false;      // see Ledger::avoided
    bool told = false;         // a GWM may have been told that it is quiesced
    enum class Presence : std::uint8_t { here, gone, gone_alone } presence = Presence::here;
    std::uint32_t static_weight = 0;  // first positive weight that it was seen with; 0: none yet
    std::uint32_t last_positive = 0;
    // While it is 0: when it last had a weight, in whole seconds; nothing: it never had one, or was
    // taken out on purpose since.
    std::optional<TimePoint> served;
    std::optional<StandingWeight> standing;
    using Attributes = std::tuple<lb::Forward, std::uint32_t, std::uint32_t, lb::Tunnel>;

    // Not kept.
    std::optional<Attributes> attributes;  // while the zero is ours: as the first look after it saw
    std::optional<std::uint32_t> written;  // acknowledged, and still what the kernel shows
    ZeroAuthor before_write = ZeroAuthor::nobody;
    bool operator==(const Record&) const = default;
  };
  // A service that is looked at. `all_ours`: no one else writes there, so every zero is ours.
  struct Watched {
    lb::ServiceKey service;
    bool all_ours = false;
  };

  // Knows nothing: zeros that the first look finds are unclear.
  Ledger() = default;
  // Knows that nothing was there.
  static Ledger empty();

  // A text of text(). Errors: illegal_byte_sequence (damaged), not_supported (another version),
  // no_such_device (about another table, which is not ours).
  static Result<Ledger> parse(std::string_view text, const LedgerPlace& here);
  std::string text(const LedgerPlace& here) const;
  // Whether text() says something that it did not say when it was kept last. Weights that are not 0
  // come and go without that.
  bool unkept() const { return unkept_; }
  void was_kept() { unkept_ = false; }

  // What the kernel has. `whole`: the table has every service, not just those that are watched.
  void look(const lb::Table& table, std::span<const Watched> watched, bool whole);
  // The same in two steps, for when the other services are as the last look saw them.
  struct Looked {
    std::set<lb::ServiceKey> unsettled;  // another look at the same may tell more
    bool forgot_gone = false;            // of all services: too many had left
  };
  void watch(std::span<const Watched> watched);
  Looked look(const lb::Table& table, const std::set<lb::ServiceKey>& services, bool whole);
  // The services of which anything is known.
  std::set<lb::ServiceKey> services() const;
  // Whether a watched destination that was here is not in the table.
  bool misses(const lb::Table& table) const;

  // A change is about to be written; the kernel has done it; it has refused, and done nothing. A
  // change whose outcome is not known stays about to be written until the next listing shows it.
  void will_write(const lb::Change& change);
  void wrote(const lb::Change& change);
  void refused(const lb::Change& change);

  // Whether a zero of ours has no other cause than that the GWM knows others and not this one.
  // Returns whether it was otherwise.
  bool avoided(const lb::ServiceKey& service, const Endpoint& endpoint, bool avoided);

  // See Record; of a destination that is known.
  void served(const lb::ServiceKey& service, const Endpoint& endpoint,
              std::optional<TimePoint> served);
  void stand(const lb::ServiceKey& service, const Endpoint& endpoint,
             std::optional<StandingWeight> standing);
  StandingWeights standing(const lb::ServiceKey& service) const;

  Scale scale(const lb::ServiceKey& service) const;
  void scaled(const lb::ServiceKey& service, const Scale& scale);

  void quiesced(const std::string& group, KeptQuiesces quiesces);
  const std::map<std::string, KeptQuiesces>& quiesces() const { return quiesces_; }

  // A foreign zero is reported to GWMs as a quiesce of ours, which outlives us. Whether one may be left of
  // that; and that none is. Where nothing is known from before, one may be left.
  std::vector<Endpoint> told(const lb::ServiceKey& service) const;
  void untold(const lb::ServiceKey& service, const Endpoint& endpoint);

  // The operator says that its zero is ours to raise. False: it has none that is not ours.
  bool give_back(const lb::ServiceKey& service, const Endpoint& endpoint);
  // keepalived holds the server down (inhibit_on_failure), or does not any more.
  void keepalived_says(const lb::ServiceKey& service, const Endpoint& endpoint, bool up);

  using Records = std::map<Endpoint, Record>;
  // The records of one service. Does not outlive a change of the ledger.
  class Page {
   public:
    Page(const Records* records, bool all_ours) : records_(records), all_ours_(all_ours) {}
    const Record* find(const Endpoint& endpoint) const;
    Zero zero(const Endpoint& endpoint) const;
    // When a destination that is seen for the first time in this life had a weight, or may have had
    // one: a zero of which nothing is known may be new.
    std::optional<TimePoint> served(const Endpoint& endpoint, TimePoint now) const;

   private:
    const Records* records_;  // nothing: none
    bool all_ours_;
  };
  Page page(const lb::ServiceKey& service) const;
  const Record* find(const lb::ServiceKey& service, const Endpoint& endpoint) const {
    return page(service).find(endpoint);
  }
  Zero zero(const lb::ServiceKey& service, const Endpoint& endpoint) const {
    return page(service).zero(endpoint);
  }

 private:
  class Reader;
  bool look(const lb::ServiceKey& service, const lb::Pool* pool, bool whole);
  bool see(Records& records, const lb::Pool& pool, bool all_ours);
  bool lose(Records& records, const lb::Pool* pool);
  bool forget_gone(bool whole);
  Record& record(const lb::Change& change);
  Record* known(const lb::ServiceKey& service, const Endpoint& endpoint);

  std::map<lb::ServiceKey, Records> records_;
  std::map<lb::ServiceKey, Scale> scales_;  // without those that change nothing
  std::map<std::string, KeptQuiesces> quiesces_;
  std::map<lb::ServiceKey, bool> watched_;
  bool blind_ = true;      // until the first listing: whose the zeros are is not known
  bool some_left_ = true;  // since those that left were counted last
  bool unkept_ = true;
};

// Where the text of the ledger outlives us.
class LedgerKeeper {
 public:
  LedgerKeeper() = default;
  LedgerKeeper(const LedgerKeeper&) = delete;
  LedgerKeeper& operator=(const LedgerKeeper&) = delete;
  virtual ~LedgerKeeper() = default;
  // True: it is on disk. Otherwise the ledger is known in memory alone, and this is tried again.
  virtual bool keep(const Ledger& ledger) = 0;
  // Why it is known in memory alone; empty: it is on disk.
  virtual const std::string& error() const = 0;
};

}  // namespace saspd::director
