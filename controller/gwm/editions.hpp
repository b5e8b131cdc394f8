// SPDX-License-Identifier: Apache-2.0
// The weights of groups as they are sent, weighed and encoded once for all load balancers that have
// the same members in a group of the same name: nothing in a weight entry depends on whose group it
// is. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/gwm/registry.hpp"
#include "controller/gwm/weigher.hpp"
#include "controller/sasp/encoded_weights.hpp"

namespace saspd::gwm {

// The weight entries of a group, each member's in the order of the group.
struct Edition {
  sasp::Bytes entries;
  std::vector<Told> told;
  bool steady = false;  // until the weigher's generation changes (Weighing)
};

class Editions {
 public:
  // Weigher and `registered`, what all load balancers have, must outlive them. What was not asked
  // for within two lifetimes is dropped, and whatever was not asked for lately as soon as more is
  // kept than all that is registered could use: members that report another state again and again
  // leave editions behind that nothing asks for any more.
  Editions(const Weigher& weigher, Duration lifetime, const Extent& registered)
      : weigher_(weigher), lifetime_(lifetime), registered_(registered) {}

  void set_lifetime(Duration lifetime) { lifetime_ = lifetime; }

  // The current one, which is valid until the next call of this or retire(). Small groups are weighed
  // each time.
  const Edition& of(std::string_view name, const Group& group, TimePoint now);
  void retire(TimePoint now);

 private:
  struct Dated {
    Edition edition;
    std::uint64_t generation = 0;
    TimePoint at{};
    std::size_t bytes = 0;  // with its key
  };
  // By everything that a weight depends on besides the weigher: name, members, what they reported.
  using Shelf = std::map<std::string, Dated, std::less<>>;

  bool is_full() const;
  void clear_out();
  Dated& find(std::string_view name, const Group& group);
  Edition edit(std::string_view name, const Group& group, TimePoint now) const;

  const Weigher& weigher_;
  Duration lifetime_;
  const Extent& registered_;
  Shelf recent_;
  Shelf old_;
  std::size_t recent_bytes_ = 0;
  TimePoint retire_at_{};
  std::string key_;   // of the last one
  Edition unshared_;  // the last one of a small group
};

}  // namespace saspd::gwm
