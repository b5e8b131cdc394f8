// A kernel in memory, behind the real seam, that can be told to misbehave.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/lb/dataplane.hpp"

namespace saspd::test {

class FakeDataplane : public lb::Dataplane {
 public:
  lb::Table table;
  lb::Plan written;  // every change that reached the kernel, in order
  std::size_t lists = 0;

  enum class Failing { refused, lost_request, lost_acknowledgement };
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
  // Somebody else acts between our listing and our next write.
  std::function<void()> before_apply;

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
    return found;
  }

  Result<lb::Table> list_all() override {
    std::vector<lb::ServiceKey> all;
    for (const auto& [key, pool] : table)
      all.push_back(key);
    return list(all);
  }

  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override {
    std::vector<lb::Failure> failures;
    if (before_apply) std::exchange(before_apply, nullptr)();
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (writes_++ == failing_write_) {
        failures.push_back({i, fail(how_ == Failing::refused ? std::errc::operation_not_permitted
                                                             : std::errc::no_buffer_space,
                                    "failed on purpose")});
        if (how_ != Failing::lost_acknowledgement) continue;
      } else if (const auto refused = refusal(changes[i])) {
        failures.push_back({i, at(changes[i].text(), *refused)});
        continue;
      }
      lb::apply(changes[i], table);
      written.push_back(changes[i]);
    }
    return failures;
  }

 private:
  // As IPVS: what is to be added must not exist, everything else must.
  std::optional<Error> refusal(const lb::Change& change) const {
    const auto pool = table.find(change.service);
    if (change.action == lb::Action::add_service) {
      if (pool != table.end()) return fail(std::errc::file_exists, "exists");
      return std::nullopt;
    }
    if (pool == table.end()) return fail(std::errc::no_such_process, "no such service");
    if (change.action == lb::Action::set_service || change.action == lb::Action::remove_service) {
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
      return fail(std::errc::operation_canceled, "somebody else has changed it meanwhile");
    }
    return std::nullopt;
  }

  std::size_t writes_ = 0;
  std::size_t failing_write_ = std::numeric_limits<std::size_t>::max();
  Failing how_ = Failing::refused;
  std::size_t failing_lists_ = 0;
};

}  // namespace saspd::test
