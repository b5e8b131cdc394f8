// SPDX-License-Identifier: Apache-2.0
// The fixture of the kernel tests: a namespace, ipvsadm, and our Ipvs beside it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "netlink/ipvs.hpp"
#include "tests/support/kernel_namespace.hpp"

namespace saspd::netlink {

class IpvsTable : public testing::Test {
 protected:
  using Specs = std::vector<std::string>;
  static constexpr std::size_t chunk = 256;  // what a caller passes to apply() at once

  void SetUp() override {
    auto opened = Ipvs::open();
    ASSERT_TRUE(opened) << opened.error().detail;
    ipvs_ = std::move(*opened);
  }

  static void ipvsadm(std::string_view lines) { kernel::Ipvsadm::run(lines); }

  static lb::ServiceKey service(std::string_view spec) { return *lb::parse_service(spec); }
  static Endpoint endpoint(std::string_view text) { return *Endpoint::parse(text); }

  lb::Table list(const Specs& specs) {
    std::vector<lb::ServiceKey> keys;
    for (const std::string& spec : specs)
      keys.push_back(service(spec));
    auto table = ipvs_->list(keys);
    if (!table) throw std::runtime_error(table.error().detail);
    return std::move(*table);
  }

  // Every destination of `table` with a weight drawn from its position, none as it was.
  static lb::Table with_new_weights(lb::Table table) {
    std::uint32_t position = 0;
    for (auto& [key, pool] : table) {
      for (auto& [at, destination] : pool.destinations) {
        destination.weight = (destination.weight + 1 + position++ % 50) % 100;
      }
    }
    return table;
  }

  std::vector<lb::Failure> apply(const lb::Plan& plan) {
    std::vector<lb::Failure> failures;
    const std::span<const lb::Change> changes(plan);
    for (std::size_t offset = 0; offset < plan.size(); offset += chunk) {
      const auto size = std::min(chunk, plan.size() - offset);
      for (auto& failure : ipvs_->apply(changes.subspan(offset, size))) {
        failure.index += offset;
        failures.push_back(std::move(failure));
      }
    }
    return failures;
  }
  void expect_applied(const lb::Plan& plan) {
    for (const auto& failure : apply(plan))
      ADD_FAILURE() << failure.error.detail;
  }

  static lb::Change change(const lb::Table& table, std::string_view spec,
                           std::string_view destination, std::uint32_t weight) {
    const auto& listed = table.at(service(spec)).destinations.at(endpoint(destination));
    lb::Change change{lb::Action::set_destination, service(spec), {}, listed, listed};
    change.destination.weight = weight;
    return change;
  }
  std::uint32_t weight(std::string_view spec, std::string_view destination) {
    const std::string name(spec);
    return list({name}).at(service(spec)).destinations.at(endpoint(destination)).weight;
  }

  kernel::NetNamespace namespace_;
  std::unique_ptr<Ipvs> ipvs_;
};

}  // namespace saspd::netlink
