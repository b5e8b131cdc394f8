// SPDX-License-Identifier: Apache-2.0
// A kernel in memory, behind the real seam, that can be told to misbehave. What a write does to it
// is written down here once more, from the kernel's behaviour: the product's own lb::apply() is
// what is tested against it.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/lb/backend.hpp"

namespace saspd::test {

// The row of the one below, as far as a controller looks at it.
inline const lb::Backend fake_backend{.name = "fake", .title = "fake"};

class FakeDataplane : public lb::ObservedDataplane {
 public:
  Traits traits_now;
  lb::Table table;
  lb::Plan written;  // every change that reached the kernel, in order
  std::size_t lists = 0;
  std::size_t applies = 0;
  std::set<IpAddress> unreachable_addresses;
  lb::KernelSettings kernel_settings;
  // What the kernel does not take, however often it is tried.
  std::function<bool(const lb::Change&)> refuses;
  // For so many destinations of all services together; what is beyond is refused.
  std::size_t room = std::numeric_limits<std::size_t>::max();

  // Thrown where a SIGKILL hits us: whoever catches it drops the reconciler and makes a new one.
  struct Killed {};

  enum class Failing { refused, lost_request, lost_acknowledgement, killed_before, killed_after };
  // How the nth write from now on (0: the next) goes wrong.
  void fails_on(std::size_t nth, Failing how = Failing::refused) {
    failing_write_ = writes_ + nth;
    how_ = how;
  }
  void reset() {
    table.clear();
    written.clear();
    writes_ = 0;
    failing_write_ = std::numeric_limits<std::size_t>::max();
  }
  void fails_to_list(std::size_t times) { failing_lists_ = times; }
  // Somebody edits the table while it is dumped: what the next listing shows is not what is there.
  std::function<void(lb::Table&)> tears_next_list;
  // Somebody else acts between our listing and our next write.
  std::function<void()> before_apply;

  Traits traits() const override { return traits_now; }

  Result<lb::Table> list(std::span<const lb::ServiceKey> services) override {
    ++lists;
    if (failing_lists_ > 0) {
      --failing_lists_;
      return fail(std::errc::no_buffer_space, "list failed on purpose");
    }
    lb::Table found;
    for (const auto& key : services) {
      if (const auto pool = table.find(key); pool != table.end()) found.insert(*pool);
    }
    if (tears_next_list) std::exchange(tears_next_list, nullptr)(found);
    return found;
  }

  std::set<IpAddress> unreachable() override { return unreachable_addresses; }
  lb::KernelSettings settings() override { return kernel_settings; }

  Result<lb::Table> list_all() override {
    std::vector<lb::ServiceKey> all;
    for (const auto& [key, pool] : table)
      all.push_back(key);
    return list(all);
  }

  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override {
    ++applies;
    std::vector<lb::Failure> failures;
    if (before_apply) std::exchange(before_apply, nullptr)();
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const bool fails = writes_++ == failing_write_;
      if (fails && how_ == Failing::killed_before) throw Killed{};
      if (fails && is_failure(how_)) {
        failures.push_back({i, fail(how_ == Failing::refused ? std::errc::operation_not_permitted
                                                             : std::errc::no_buffer_space,
                                    "failed on purpose")});
        if (how_ != Failing::lost_acknowledgement) continue;
      } else if (const auto refused = refusal(changes[i])) {
        failures.push_back({i, at(changes[i].text(), *refused)});
        continue;
      } else if (changes[i].action == lb::Action::add_destination && destinations() >= room) {
        const auto full = fail(std::errc::no_space_on_device, "full");
        failures.push_back({i, at(changes[i].text(), full), true});
        continue;
      }
      write(changes[i]);
      written.push_back(changes[i]);
      if (fails && how_ == Failing::killed_after) throw Killed{};
    }
    return failures;
  }

 private:
  static bool is_failure(Failing how) {
    return how != Failing::killed_before && how != Failing::killed_after;
  }

  std::size_t destinations() const {
    std::size_t count = 0;
    for (const auto& [key, pool] : table)
      count += pool.destinations.size();
    return count;
  }

  // As the seam promises of IPVS: what a change does not mean to change stays as others left it.
  void write(const lb::Change& change) {
    if (change.action == lb::Action::remove_service) {
      table.erase(change.service);
      return;
    }
    lb::Pool& pool = table[change.service];
    if (change.action == lb::Action::add_service || change.action == lb::Action::set_service) {
      static_cast<lb::Service&>(pool) = change.attributes;
      return;
    }
    if (change.action == lb::Action::remove_destination) {
      pool.destinations.erase(change.destination.endpoint);
      return;
    }
    lb::ListedDestination& destination = pool.destinations[change.destination.endpoint];
    if (change.action == lb::Action::add_destination) {
      destination = change.destination;
      return;
    }
    destination.weight = change.destination.weight;
    destination.lost = change.destination.lost;
    if (change.destination.forward != change.listed.forward)
      destination.forward = change.destination.forward;
  }

  // As IPVS: what is to be added must not exist, everything else must.
  std::optional<Error> refusal(const lb::Change& change) const {
    if (refuses && refuses(change))
      return fail(std::errc::operation_not_permitted, "refused on purpose");
    const auto pool = table.find(change.service);
    if (change.action == lb::Action::add_service) {
      if (pool != table.end()) return fail(std::errc::file_exists, "exists");
      return std::nullopt;
    }
    if (pool == table.end()) return fail(std::errc::no_such_process, "no such service");
    if (change.action == lb::Action::set_service || change.action == lb::Action::repair_service ||
        change.action == lb::Action::remove_service) {
      return std::nullopt;
    }
    const auto present = pool->second.destinations.find(change.destination.endpoint);
    const bool exists = present != pool->second.destinations.end();
    const bool adds = change.action == lb::Action::add_destination;
    if (exists == adds) {
      return adds ? fail(std::errc::file_exists, "exists")
                  : fail(std::errc::no_such_file_or_directory, "no such destination");
    }
    if (!adds && !lb::still_follows(change, present->second)) {
      return fail(std::errc::operation_canceled, "another program has changed it meanwhile");
    }
    return std::nullopt;
  }

  std::size_t writes_ = 0;
  std::size_t failing_write_ = std::numeric_limits<std::size_t>::max();
  Failing how_ = Failing::refused;
  std::size_t failing_lists_ = 0;
};

}  // namespace saspd::test
